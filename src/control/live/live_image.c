/* SPDX-License-Identifier: Apache-2.0 */
#include "control/live/live_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "muster/record.h"

#define SHOWN (MU_FIELD_BATTERY | MU_FIELD_CHARGING | MU_FIELD_NETWORK | MU_FIELD_POWER_OK)
#define ROOM_MIN 64u

/* ---- slots ---- */

static int add_slot(struct mu_live_slots *slots, uint32_t slot)
{
        if (slots->count == slots->room) {
                uint32_t room = slots->room ? slots->room * 2 : ROOM_MIN;
                uint32_t *list = realloc(slots->list, room * sizeof(*list));

                if (!list)
                        return -ENOMEM;
                slots->list = list;
                slots->room = room;
        }
        slots->list[slots->count++] = slot;
        return 0;
}

static void done_slots(struct mu_live_slots *slots)
{
        free(slots->list);
        *slots = (struct mu_live_slots){0};
}

void mu_live_image_init(struct mu_live_image *image, uint64_t now_ms)
{
        *image = (struct mu_live_image){.wheel_ms = now_ms};
}

void mu_live_image_done(struct mu_live_image *image)
{
        for (uint32_t i = 0; i < image->row_count; i++) {
                free(image->rows[i].alias);
                free(image->rows[i].fg_package);
                free(image->rows[i].agent_version);
        }
        free(image->rows);
        free(image->table);
        done_slots(&image->changed);
        done_slots(&image->round);
        for (unsigned i = 0; i < MU_LIVE_WHEEL_SLOTS; i++)
                done_slots(&image->wheel[i]);
        mu_live_image_init(image, image->wheel_ms);
}

/* ---- rows by device ---- */

uint32_t mu_live_image_slot(const struct mu_live_image *image, int64_t device_id)
{
        if (!image->table)
                return MU_LIVE_NO_SLOT;
        for (uint64_t at = mu_hash_u64((uint64_t)device_id);; at++) {
                uint32_t entry = image->table[at & image->table_mask];

                if (entry == 0)
                        return MU_LIVE_NO_SLOT;
                if (image->rows[entry - 1].device_id == device_id)
                        return entry - 1;
        }
}

static void enter(uint32_t *table, uint32_t mask, int64_t device_id, uint32_t slot)
{
        uint64_t at = mu_hash_u64((uint64_t)device_id);

        while (table[at & mask] != 0)
                at++;
        table[at & mask] = slot + 1;
}

/* Room for one row more; the table stays at most half full. */
static int make_room(struct mu_live_image *image)
{
        if (image->row_count < image->row_room)
                return 0;
        uint32_t room = image->row_room ? image->row_room * 2 : ROOM_MIN;
        uint32_t *table = calloc((size_t)room * 2, sizeof(*table));
        struct mu_live_row *rows = realloc(image->rows, room * sizeof(*rows));

        if (rows)
                image->rows = rows;
        if (!rows || !table) {
                free(table);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < image->row_count; i++)
                enter(table, room * 2 - 1, rows[i].device_id, i);
        free(image->table);
        image->table = table;
        image->table_mask = room * 2 - 1;
        image->row_room = room;
        return 0;
}

static int add_row(struct mu_live_image *image, int64_t device_id, uint32_t *ret_slot)
{
        int error = make_room(image);

        if (error < 0)
                return error;
        *ret_slot = image->row_count++;
        image->rows[*ret_slot] = (struct mu_live_row){.device_id = device_id, .gone = true};
        enter(image->table, image->table_mask, device_id, *ret_slot);
        return 0;
}

/* ---- changes ---- */

static int mark(struct mu_live_image *image, uint32_t slot, unsigned fields)
{
        struct mu_live_row *row = &image->rows[slot];

        if (fields == 0)
                return 0;
        if (row->changed == 0) {
                int error = add_slot(&image->changed, slot);

                if (error < 0)
                        return error;
        }
        row->changed |= (uint16_t)fields;
        return 0;
}

/* Only times: at once when the last word is long ago, else when it will be. */
static int mark_times(struct mu_live_image *image, uint32_t slot, unsigned fields, uint64_t now_ms)
{
        struct mu_live_row *row = &image->rows[slot];
        uint64_t due_ms = row->sent_ms + MU_LIVE_REFRESH_MS;

        if (row->changed || now_ms >= due_ms)
                return mark(image, slot, fields);
        row->newer = true;
        if (row->in_wheel)
                return 0;
        /* Rounded up; never so far ahead that the wheel comes round before. */
        uint64_t turn = (due_ms + MU_LIVE_WHEEL_MS - 1) / MU_LIVE_WHEEL_MS;
        int error = add_slot(&image->wheel[turn % MU_LIVE_WHEEL_SLOTS], slot);

        row->in_wheel = error == 0;
        return error;
}

/* 1: it is another text now. */
static int set_text(char **text, const char *value, size_t bytes)
{
        if (!value) {
                bool changed = *text != NULL;

                free(*text);
                *text = NULL;
                return changed;
        }
        if (*text && strlen(*text) == bytes && memcmp(*text, value, bytes) == 0)
                return 0;
        char *copy = strndup(value, bytes);

        if (!copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 1;
}

static int note_text(char **text, const char *value, size_t bytes, unsigned field, unsigned *fields)
{
        int changed = set_text(text, value, bytes);

        if (changed > 0)
                *fields |= field;
        return changed < 0 ? changed : 0;
}

struct content {
        uint32_t present;
        uint16_t flags;
        uint8_t battery_percent;
        uint8_t network;
        bool charging;
        bool power_ok;
};

static unsigned set_content(struct mu_live_row *row, const struct content *content)
{
        uint32_t present = content->present & SHOWN;
        uint32_t appeared = row->present ^ present;
        unsigned fields = 0;

        if ((appeared & MU_FIELD_BATTERY) || row->battery_percent != content->battery_percent)
                fields |= MU_LIVE_BATTERY;
        if ((appeared & MU_FIELD_CHARGING) || row->charging != content->charging)
                fields |= MU_LIVE_CHARGING;
        if ((appeared & MU_FIELD_NETWORK) || row->network != content->network)
                fields |= MU_LIVE_NETWORK;
        if ((appeared & MU_FIELD_POWER_OK) || row->power_ok != content->power_ok)
                fields |= MU_LIVE_POWER_OK;
        if (row->flags != content->flags)
                fields |= MU_LIVE_FLAGS;
        row->present = present;
        row->flags = content->flags;
        row->battery_percent = content->battery_percent;
        row->network = content->network;
        row->charging = content->charging;
        row->power_ok = content->power_ok;
        return fields;
}

/* ---- from the database ---- */

void mu_live_image_begin_load(struct mu_live_image *image)
{
        image->loads++;
}

static int put_texts(struct mu_live_row *row, const struct mu_live_loaded *loaded, unsigned *fields)
{
        int error =
                note_text(&row->alias, loaded->alias, strlen(loaded->alias), MU_LIVE_ALIAS, fields);

        if (error == 0)
                error = note_text(&row->fg_package, loaded->fg_package,
                                  loaded->fg_package ? strlen(loaded->fg_package) : 0,
                                  MU_LIVE_FG_PACKAGE, fields);
        if (error == 0)
                error = note_text(&row->agent_version, loaded->agent_version,
                                  loaded->agent_version ? strlen(loaded->agent_version) : 0,
                                  MU_LIVE_AGENT_VERSION, fields);
        return error;
}

int mu_live_image_put(struct mu_live_image *image, const struct mu_live_loaded *loaded)
{
        uint32_t slot = mu_live_image_slot(image, loaded->device_id);
        const struct content content = {
                .present = loaded->present,
                .flags = loaded->flags,
                .battery_percent = loaded->battery_percent,
                .network = loaded->network,
                .charging = loaded->charging,
                .power_ok = loaded->power_ok,
        };
        int error = slot == MU_LIVE_NO_SLOT ? add_row(image, loaded->device_id, &slot) : 0;

        if (error < 0)
                return error;
        struct mu_live_row *row = &image->rows[slot];
        unsigned fields = row->gone ? MU_LIVE_WHOLE : 0;

        error = put_texts(row, loaded, &fields);
        fields |= set_content(row, &content);
        if (row->received_at_us != loaded->received_at_us)
                fields |= MU_LIVE_RECEIVED;
        if (row->observed_at_us != loaded->observed_at_us)
                fields |= MU_LIVE_OBSERVED;
        if (row->is_desktop != loaded->is_desktop)
                fields |= MU_LIVE_KIND;
        if (row->quarantined != loaded->quarantined)
                fields |= MU_LIVE_QUARANTINED;
        row->received_at_us = loaded->received_at_us;
        row->observed_at_us = loaded->observed_at_us;
        row->is_desktop = loaded->is_desktop;
        row->quarantined = loaded->quarantined;
        row->loads = image->loads;
        if (row->gone)
                image->live_count++;
        row->gone = false;
        row->changed &= (uint16_t)~MU_LIVE_GONE;
        int marked = mark(image, slot, fields);

        return error < 0 ? error : marked;
}

static int remove_slot(struct mu_live_image *image, uint32_t slot)
{
        struct mu_live_row *row = &image->rows[slot];

        if (row->gone)
                return 0;
        row->gone = true;
        image->live_count--;
        return mark(image, slot, MU_LIVE_GONE);
}

int mu_live_image_end_load(struct mu_live_image *image)
{
        int error = 0;

        for (uint32_t i = 0; i < image->row_count && error == 0; i++)
                if (image->rows[i].loads != image->loads)
                        error = remove_slot(image, i);
        return error;
}

int mu_live_image_remove(struct mu_live_image *image, int64_t device_id)
{
        uint32_t slot = mu_live_image_slot(image, device_id);

        return slot == MU_LIVE_NO_SLOT ? 0 : remove_slot(image, slot);
}

int mu_live_image_edited(struct mu_live_image *image, int64_t device_id)
{
        uint32_t slot = mu_live_image_slot(image, device_id);

        if (slot == MU_LIVE_NO_SLOT || image->rows[slot].gone)
                return 0;
        return mark(image, slot, MU_LIVE_EDITED);
}

/* ---- from the bus ---- */

static int apply_content(struct mu_live_row *row, const struct mu_bus_status *status,
                         unsigned *fields)
{
        const struct content content = {
                .present = status->present,
                .flags = status->flags,
                .battery_percent = status->present & MU_FIELD_BATTERY ? status->battery_percent : 0,
                .network = status->present & MU_FIELD_NETWORK ? status->network : 0,
                .charging = (status->present & MU_FIELD_CHARGING) &&
                            (status->booleans & MU_BOOL_CHARGING),
                .power_ok = (status->present & MU_FIELD_POWER_OK) &&
                            (status->booleans & MU_BOOL_POWER_OK),
        };
        const char *package = status->present & MU_FIELD_FG_PACKAGE ? status->strings : NULL;
        const char *version = status->present & MU_FIELD_AGENT_VERSION
                                      ? status->strings + status->fg_package_bytes
                                      : NULL;
        int error = note_text(&row->fg_package, package, status->fg_package_bytes,
                              MU_LIVE_FG_PACKAGE, fields);

        if (error == 0)
                error = note_text(&row->agent_version, version, status->agent_version_bytes,
                                  MU_LIVE_AGENT_VERSION, fields);
        if (error < 0)
                return error;
        *fields |= set_content(row, &content) | MU_LIVE_OBSERVED;
        row->observed_at_us = status->observed_at_us;
        return 0;
}

int mu_live_image_apply(struct mu_live_image *image, int64_t device_id,
                        const struct mu_bus_status *status, uint64_t now_ms)
{
        uint32_t slot = mu_live_image_slot(image, device_id);
        unsigned fields = 0;

        if (slot == MU_LIVE_NO_SLOT || image->rows[slot].gone)
                return -ENOENT;
        struct mu_live_row *row = &image->rows[slot];

        /* As the database decides it: content by observed_at, liveness by received_at. */
        if (row->received_at_us == 0 || status->observed_at_us > row->observed_at_us) {
                if (status->cut)
                        return -ENOENT;
                int error = apply_content(row, status, &fields);

                if (error < 0)
                        return error;
        }
        if (status->received_at_us > row->received_at_us) {
                row->received_at_us = status->received_at_us;
                fields |= MU_LIVE_RECEIVED;
        }
        if (fields & ~(unsigned)MU_LIVE_TIMES)
                return mark(image, slot, fields | MU_LIVE_RECEIVED);
        return fields ? mark_times(image, slot, MU_LIVE_TIMES, now_ms) : 0;
}

/* ---- time ---- */

static int turn_once(struct mu_live_image *image, struct mu_live_slots *due, uint64_t now_ms)
{
        struct mu_live_slots taken = *due;
        int error = 0;

        *due = (struct mu_live_slots){0};
        for (uint32_t i = 0; i < taken.count && error == 0; i++) {
                struct mu_live_row *row = &image->rows[taken.list[i]];

                row->in_wheel = false;
                if (!row->gone && row->newer && row->changed == 0)
                        error = mark_times(image, taken.list[i], MU_LIVE_TIMES, now_ms);
        }
        done_slots(&taken);
        return error;
}

int mu_live_image_turn(struct mu_live_image *image, uint64_t now_ms)
{
        int error = 0;

        while (error == 0 && image->wheel_ms + MU_LIVE_WHEEL_MS <= now_ms) {
                image->wheel_ms += MU_LIVE_WHEEL_MS;
                uint64_t turn = image->wheel_ms / MU_LIVE_WHEEL_MS;

                error = turn_once(image, &image->wheel[turn % MU_LIVE_WHEEL_SLOTS], now_ms);
        }
        return error;
}

/* The first rows_max of what has changed; the rest stays, in its order. */
static void take_changed(struct mu_live_image *image, uint32_t rows_max)
{
        struct mu_live_slots old = image->round;
        uint32_t taken = image->changed.count < rows_max ? image->changed.count : rows_max;
        uint32_t left = image->changed.count - taken;

        image->round = image->changed;
        image->round.count = taken;
        image->changed = old;
        image->changed.count = 0;
        for (uint32_t i = 0; i < left; i++) {
                if (add_slot(&image->changed, image->round.list[taken + i]) == 0)
                        continue;
                memmove(image->round.list + taken, image->round.list + taken + i,
                        (left - i) * sizeof(uint32_t));
                image->round.count = taken + (left - i);
                return; /* no memory: a longer round */
        }
}

void mu_live_image_begin_round(struct mu_live_image *image, uint64_t seq, uint32_t rows_max,
                               uint64_t now_ms)
{
        take_changed(image, rows_max);
        for (uint32_t i = 0; i < image->round.count; i++) {
                struct mu_live_row *row = &image->rows[image->round.list[i]];

                row->seq = seq;
                row->sent_ms = now_ms;
                row->carried = row->changed;
                if (row->changed & MU_LIVE_EDITED)
                        row->edited_seq = seq;
                row->changed = 0;
                row->newer = false;
        }
}
