/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alert_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/alert/incident_book.h"

enum {
        FIRST_DEVICES = 1024,
        APPLIANCE_RULES = MU_RULE_COUNT - MU_RULE_DEVICE_COUNT,
};

/* One rule on one device, of which something stands in memory or in the database. */
struct entry {
        struct mu_alert_machine machine;
        struct entry *next; /* of all, in the order in which they began */
        struct entry **link;
        struct entry *queue_next;
        char *detail;            /* until it is written */
        const char *resolved_by; /* of the end that memory has seen last */
        int64_t device_id;
        int64_t value;
        int64_t threshold;
        int64_t heard_ms; /* the value judged last is of then */
        int64_t fresh_ms;
        uint32_t device;
        uint8_t rule;
        uint8_t severity;
        bool has_value;
        bool quiet;
        bool queued;
        bool refused; /* by the database, for its data: until it fires or ends again */
        /* As in the database. */
        uint8_t stored_state;
        bool stored_clearing;
        int64_t alert_id;
        int64_t incident_id; /* as of the last edge: it may have been merged since */
};

struct mu_alert_engine {
        struct mu_alert_engine_config config;
        struct mu_incident_book *book; /* NULL: nothing is loaded */
        struct entry **places;         /* a device's MU_RULE_DEVICE_COUNT beside each other */
        uint32_t device_room;
        struct entry *appliance[APPLIANCE_RULES];
        struct entry *all;
        struct entry **all_tail;
        struct entry *queue_head;
        struct entry **queue_tail;
        uint32_t queue_count;
        int64_t due_ms; /* no hold is over before */
        int64_t next_alert_id;
        uint32_t firing[MU_RULE_COUNT];
        struct mu_alert_change *changes;
        uint32_t change_room;
        uint32_t change_count;
};

int mu_alert_engine_create(const struct mu_alert_engine_config *config,
                           struct mu_alert_engine **ret_engine)
{
        struct mu_alert_engine *engine = calloc(1, sizeof(*engine));

        if (!engine)
                return -ENOMEM;
        engine->config = *config;
        engine->all_tail = &engine->all;
        engine->queue_tail = &engine->queue_head;
        engine->due_ms = INT64_MAX;
        *ret_engine = engine;
        return 0;
}

static void free_entry(struct entry *entry)
{
        free(entry->detail);
        free(entry);
}

void mu_alert_engine_destroy(struct mu_alert_engine *engine)
{
        if (!engine)
                return;
        while (engine->all) {
                struct entry *entry = engine->all;

                engine->all = entry->next;
                free_entry(entry);
        }
        free((void *)engine->places);
        free(engine->changes);
        free(engine);
}

/* ---- entries ---- */

static struct entry **place_of(const struct mu_alert_engine *engine, uint32_t device,
                               enum mu_alert_rule rule)
{
        if (device == MU_ENGINE_APPLIANCE) {
                MU_ASSERT(rule >= MU_RULE_DEVICE_COUNT && rule < MU_RULE_COUNT);
                return (struct entry **)&engine->appliance[rule - MU_RULE_DEVICE_COUNT];
        }
        MU_ASSERT(rule < MU_RULE_DEVICE_COUNT);
        return device < engine->device_room
                       ? &engine->places[(size_t)device * MU_RULE_DEVICE_COUNT + rule]
                       : NULL;
}

static int make_room(struct mu_alert_engine *engine, uint32_t device)
{
        size_t room = engine->device_room ? engine->device_room : FIRST_DEVICES;

        if (device == MU_ENGINE_APPLIANCE || device < engine->device_room)
                return 0;
        while (room <= device)
                room *= 2;
        struct entry **places = (struct entry **)reallocarray(
                (void *)engine->places, room, MU_RULE_DEVICE_COUNT * sizeof(struct entry *));

        if (!places)
                return -ENOMEM;
        size_t old = (size_t)engine->device_room * MU_RULE_DEVICE_COUNT;

        memset((void *)(places + old), 0,
               (room * MU_RULE_DEVICE_COUNT - old) * sizeof(struct entry *));
        engine->places = places;
        engine->device_room = (uint32_t)room;
        return 0;
}

static struct entry *find(const struct mu_alert_engine *engine, uint32_t device,
                          enum mu_alert_rule rule)
{
        struct entry **place = place_of(engine, device, rule);

        return place ? *place : NULL;
}

static struct entry *find_or_add(struct mu_alert_engine *engine, uint32_t device, int64_t device_id,
                                 enum mu_alert_rule rule)
{
        struct entry *entry = find(engine, device, rule);

        if (entry || make_room(engine, device) < 0)
                return entry;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return NULL;
        entry->device = device;
        entry->device_id = device_id;
        entry->rule = (uint8_t)rule;
        entry->link = engine->all_tail;
        *engine->all_tail = entry;
        engine->all_tail = &entry->next;
        *place_of(engine, device, rule) = entry;
        return entry;
}

static bool is_idle(const struct entry *entry)
{
        return entry->machine.state == MU_ALERT_NONE && entry->stored_state == MU_ALERT_NONE &&
               !entry->queued;
}

static void forget(struct mu_alert_engine *engine, struct entry *entry)
{
        *entry->link = entry->next;
        if (entry->next)
                entry->next->link = entry->link;
        else
                engine->all_tail = entry->link;
        *place_of(engine, entry->device, (enum mu_alert_rule)entry->rule) = NULL;
        free_entry(entry);
}

/* ---- what differs ---- */

static bool differs(const struct entry *entry)
{
        return entry->machine.state != entry->stored_state ||
               entry->machine.clearing != entry->stored_clearing;
}

static void enqueue(struct mu_alert_engine *engine, struct entry *entry)
{
        if (entry->queued || entry->refused || !differs(entry))
                return;
        entry->queued = true;
        entry->queue_next = NULL;
        *engine->queue_tail = entry;
        engine->queue_tail = &entry->queue_next;
        engine->queue_count++;
}

static struct entry *dequeue(struct mu_alert_engine *engine)
{
        struct entry *entry = engine->queue_head;

        engine->queue_head = entry->queue_next;
        if (!engine->queue_head)
                engine->queue_tail = &engine->queue_head;
        engine->queue_count--;
        entry->queued = false;
        return entry;
}

static const struct mu_rule *rule_of(const struct mu_alert_engine *engine,
                                     const struct entry *entry)
{
        return engine->config.rule(engine->config.ctx, entry->device,
                                   (enum mu_alert_rule)entry->rule);
}

/* ---- inputs ---- */

static void note_due(struct mu_alert_engine *engine, const struct entry *entry,
                     const struct mu_holds *holds)
{
        int64_t due_ms = mu_alert_machine_due_ms(&entry->machine, holds);

        if (due_ms < engine->due_ms)
                engine->due_ms = due_ms;
}

/* After the machine has moved. */
static void note_edge(struct mu_alert_engine *engine, struct entry *entry, bool was_firing)
{
        bool is_firing = entry->machine.state == MU_ALERT_FIRING;

        if (is_firing && !was_firing)
                engine->firing[entry->rule]++;
        if (was_firing && !is_firing)
                engine->firing[entry->rule]--;
        if (is_firing != was_firing)
                entry->refused = false;
        if (is_firing)
                entry->quiet = false;
        enqueue(engine, entry);
        if (is_idle(entry))
                forget(engine, entry);
}

/* What it is about is told as it was when it fired. */
static int keep_reading(struct mu_alert_engine *engine, struct entry *entry,
                        const struct mu_reading *reading)
{
        char *detail = reading->detail ? strdup(reading->detail) : NULL;

        if (reading->detail && !detail)
                return -ENOMEM;
        free(entry->detail);
        entry->detail = detail;
        entry->value = reading->value;
        entry->threshold = reading->threshold;
        entry->has_value = reading->has_value;
        entry->severity = (uint8_t)rule_of(engine, entry)->severity;
        return 0;
}

int mu_alert_engine_judge(struct mu_alert_engine *engine, uint32_t device, int64_t device_id,
                          const struct mu_reading *reading, struct mu_moment now,
                          enum mu_alert_edge *ret_edge)
{
        struct entry *entry = find(engine, device, reading->rule);
        enum mu_alert_edge edge = MU_EDGE_NONE;

        if (ret_edge)
                *ret_edge = MU_EDGE_NONE;
        if (reading->condition == MU_CONDITION_UNKNOWN ||
            (!entry && reading->condition != MU_CONDITION_BREACH))
                return 0;
        if (!entry)
                entry = find_or_add(engine, device, device_id, reading->rule);
        if (!entry)
                return -ENOMEM;
        const struct mu_holds *holds = &rule_of(engine, entry)->holds;
        const struct mu_holds at_once = {0, 0};
        bool was_firing = entry->machine.state == MU_ALERT_FIRING;

        if (reading->rule == MU_RULE_OFFLINE)
                holds = &at_once; /* its deadline is its hold */
        if (!was_firing && reading->condition == MU_CONDITION_BREACH &&
            keep_reading(engine, entry, reading) < 0) {
                if (is_idle(entry))
                        forget(engine, entry);
                return -ENOMEM;
        }
        entry->heard_ms = now.mono_ms - reading->age_ms;
        entry->fresh_ms = reading->fresh_ms;
        edge = mu_alert_machine_step(&entry->machine, holds, now, reading->condition);
        if (edge == MU_EDGE_RESOLVED)
                entry->resolved_by = "recovered";
        note_due(engine, entry, holds);
        note_edge(engine, entry, was_firing);
        if (ret_edge)
                *ret_edge = edge;
        return 0;
}

static void end_entry(struct mu_alert_engine *engine, struct entry *entry, const char *by,
                      bool quiet, struct mu_moment now)
{
        bool was_firing = entry->machine.state == MU_ALERT_FIRING;

        if (mu_alert_machine_end(&entry->machine, now) == MU_EDGE_NONE)
                return;
        entry->resolved_by = by;
        entry->quiet = quiet;
        note_edge(engine, entry, was_firing);
}

void mu_alert_engine_end(struct mu_alert_engine *engine, uint32_t device, enum mu_alert_rule rule,
                         const char *by, bool quiet, struct mu_moment now)
{
        struct entry *entry = find(engine, device, rule);

        if (entry)
                end_entry(engine, entry, by, quiet, now);
}

void mu_alert_engine_mature(struct mu_alert_engine *engine, struct mu_moment now)
{
        struct entry *next;

        if (now.mono_ms < engine->due_ms)
                return;
        engine->due_ms = INT64_MAX;
        for (struct entry *entry = engine->all; entry; entry = next) {
                const struct mu_holds *holds = &rule_of(engine, entry)->holds;
                bool was_firing = entry->machine.state == MU_ALERT_FIRING;

                next = entry->next;
                if (mu_alert_machine_due_ms(&entry->machine, holds) > now.mono_ms) {
                        note_due(engine, entry, holds);
                        continue;
                }
                /* What is not known any more waits for the next value. */
                if (now.mono_ms - entry->heard_ms > entry->fresh_ms)
                        continue;
                if (mu_alert_machine_mature(&entry->machine, holds, now) == MU_EDGE_RESOLVED)
                        entry->resolved_by = "recovered";
                note_edge(engine, entry, was_firing);
        }
}

enum mu_alert_state mu_alert_engine_state(const struct mu_alert_engine *engine, uint32_t device,
                                          enum mu_alert_rule rule)
{
        const struct entry *entry = find(engine, device, rule);

        return entry ? (enum mu_alert_state)entry->machine.state : MU_ALERT_NONE;
}

void mu_alert_engine_walk(struct mu_alert_engine *engine,
                          void (*each)(void *ctx, uint32_t device, int64_t device_id,
                                       enum mu_alert_rule rule),
                          void *ctx)
{
        struct entry *next;

        for (struct entry *entry = engine->all; entry; entry = next) {
                next = entry->next;
                if (entry->machine.state != MU_ALERT_NONE)
                        each(ctx, entry->device, entry->device_id, (enum mu_alert_rule)entry->rule);
        }
}

/* ---- rows ---- */

void mu_alert_engine_begin_load(struct mu_alert_engine *engine, struct mu_incident_book *book,
                                int64_t next_alert_id)
{
        engine->book = book;
        engine->next_alert_id = next_alert_id;
        engine->change_count = 0;
        for (struct entry *entry = engine->all; entry; entry = entry->next) {
                entry->stored_state = MU_ALERT_NONE;
                entry->stored_clearing = false;
                entry->alert_id = entry->incident_id = 0;
        }
}

int mu_alert_engine_load(struct mu_alert_engine *engine, uint32_t device,
                         const struct mu_alert_row *row, struct mu_moment now, bool *ret_adopted)
{
        struct entry *entry = find(engine, device, row->rule);
        bool adopted = !entry;

        if (!entry)
                entry = find_or_add(engine, device, row->device_id, row->rule);
        if (!entry)
                return -ENOMEM;
        entry->stored_state = (uint8_t)row->state;
        entry->stored_clearing = row->clearing_us != 0;
        entry->alert_id = row->alert_id;
        entry->incident_id = row->incident_id;
        *ret_adopted = adopted;
        if (!adopted)
                return 0;
        entry->severity = (uint8_t)row->severity;
        mu_alert_machine_load(&entry->machine, row->state, row->pending_us, row->fired_us,
                              row->clearing_us, now);
        if (row->state == MU_ALERT_FIRING)
                engine->firing[row->rule]++;
        note_due(engine, entry, &rule_of(engine, entry)->holds);
        return 0;
}

void mu_alert_engine_end_load(struct mu_alert_engine *engine)
{
        struct entry *next;

        for (struct entry *entry = engine->all; entry; entry = next) {
                next = entry->next;
                enqueue(engine, entry);
                if (is_idle(entry))
                        forget(engine, entry);
        }
}

/* ---- changes ---- */

static enum mu_change_kind kind_of(const struct entry *entry)
{
        enum mu_alert_state state = (enum mu_alert_state)entry->machine.state;

        switch ((enum mu_alert_state)entry->stored_state) {
        case MU_ALERT_NONE:
                return state == MU_ALERT_PENDING ? MU_CHANGE_BEGIN : MU_CHANGE_BEGIN_FIRING;
        case MU_ALERT_PENDING:
                return state == MU_ALERT_FIRING ? MU_CHANGE_FIRE : MU_CHANGE_DROP;
        case MU_ALERT_FIRING:
        case MU_ALERT_STATE_COUNT:
        default:
                return state == MU_ALERT_FIRING ? MU_CHANGE_CLEARING : MU_CHANGE_RESOLVE;
        }
}

static int tell_book(struct mu_alert_engine *engine, struct entry *entry, enum mu_change_kind kind)
{
        struct mu_incident_alert alert = {
                .alert_id = entry->alert_id,
                .device_id = entry->device_id,
                .rule = (enum mu_alert_rule)entry->rule,
                .severity = (enum mu_alert_severity)entry->severity,
                .site = "",
                .at_us = entry->machine.fired_us,
        };

        if (kind == MU_CHANGE_RESOLVE) {
                int error =
                        mu_incident_book_resolved(engine->book, entry->alert_id,
                                                  entry->machine.resolved_us, &entry->incident_id);

                /* A row whose incident is not open, by somebody's hand: it ends all the same. */
                return error == -ENOENT ? 0 : error;
        }
        if (kind != MU_CHANGE_FIRE && kind != MU_CHANGE_BEGIN_FIRING)
                return 0;
        if (entry->device != MU_ENGINE_APPLIANCE)
                engine->config.place(engine->config.ctx, entry->device, &alert.site,
                                     &alert.network);
        return mu_incident_book_fired(engine->book, &alert, &entry->incident_id);
}

static int take_entry(struct mu_alert_engine *engine, struct entry *entry,
                      struct mu_alert_change *change)
{
        enum mu_change_kind kind = kind_of(entry);

        if (kind == MU_CHANGE_BEGIN || kind == MU_CHANGE_BEGIN_FIRING)
                entry->alert_id = engine->next_alert_id++;
        int error = tell_book(engine, entry, kind);
        bool told = kind == MU_CHANGE_BEGIN_FIRING || kind == MU_CHANGE_FIRE ||
                    kind == MU_CHANGE_RESOLVE;

        if (error < 0)
                return error;
        *change = (struct mu_alert_change){
                .kind = kind,
                .rule = (enum mu_alert_rule)entry->rule,
                .severity = (enum mu_alert_severity)entry->severity,
                .alert_id = entry->alert_id,
                .device_id = entry->device_id,
                .incident_id = told ? entry->incident_id : 0,
                .pending_us = entry->machine.pending_us,
                .fired_us = entry->machine.fired_us,
                .resolved_us = entry->machine.resolved_us,
                .clearing_us = entry->machine.clearing ? entry->machine.since_us : 0,
                .value = entry->value,
                .threshold = entry->threshold,
                .has_value = entry->has_value,
                .quiet = entry->quiet,
                .detail = entry->detail,
                .resolved_by = entry->resolved_by,
                .device = entry->device,
        };
        return 0;
}

int mu_alert_engine_take(struct mu_alert_engine *engine, uint32_t changes_max,
                         const struct mu_alert_change **ret_changes, uint32_t *ret_count)
{
        MU_ASSERT(engine->book && engine->change_count == 0);
        /* What has changed back meanwhile is no change. */
        while (engine->queue_head && !differs(engine->queue_head)) {
                struct entry *entry = dequeue(engine);

                if (is_idle(entry))
                        forget(engine, entry);
        }
        if (engine->change_room < changes_max) {
                struct mu_alert_change *changes =
                        reallocarray(engine->changes, changes_max, sizeof(*changes));

                if (!changes)
                        return -ENOMEM;
                engine->changes = changes;
                engine->change_room = changes_max;
        }
        for (struct entry *entry = engine->queue_head;
             entry && differs(entry) && engine->change_count < changes_max;
             entry = entry->queue_next) {
                int error = take_entry(engine, entry, &engine->changes[engine->change_count]);

                if (error < 0)
                        return error;
                engine->change_count++;
        }
        *ret_changes = engine->changes;
        *ret_count = engine->change_count;
        return 0;
}

void mu_alert_engine_committed(struct mu_alert_engine *engine)
{
        for (; engine->change_count > 0; engine->change_count--) {
                struct entry *entry = dequeue(engine);
                enum mu_change_kind kind = kind_of(entry);

                /* An episode that memory has begun anew since begins in the database next time. */
                entry->stored_state = kind == MU_CHANGE_RESOLVE || kind == MU_CHANGE_DROP
                                              ? MU_ALERT_NONE
                                              : entry->machine.state;
                entry->stored_clearing =
                        entry->stored_state != MU_ALERT_NONE && entry->machine.clearing;
                if (entry->stored_state == MU_ALERT_FIRING) {
                        free(entry->detail);
                        entry->detail = NULL;
                }
                enqueue(engine, entry);
                if (is_idle(entry))
                        forget(engine, entry);
        }
        mu_incident_book_done(engine->book);
}

void mu_alert_engine_set_aside(struct mu_alert_engine *engine)
{
        MU_ASSERT(engine->change_count == 1);
        dequeue(engine)->refused = true;
        engine->change_count = 0;
}

uint32_t mu_alert_engine_waiting(const struct mu_alert_engine *engine)
{
        return engine->queue_count;
}

void mu_alert_engine_firing(const struct mu_alert_engine *engine,
                            uint32_t ret_counts[MU_RULE_COUNT])
{
        memcpy(ret_counts, engine->firing, sizeof(engine->firing));
}
