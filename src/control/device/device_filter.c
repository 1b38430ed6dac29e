/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/control.h"
#include "control/silence.h"
#include "identity/glance.h"
#include "muster/record.h"
#include "wire/register.h"

enum {
        IDS_AT_FIRST = 1024,
};

/* By enum mu_record_network. */
static const char *const NETWORKS[] = {"wifi", "cellular", "ethernet", "offline"};

static const char *const STATUSES[] = {
        [MU_DEVICE_STATUS_ANY] = "any",         [MU_DEVICE_STATUS_ONLINE] = "online",
        [MU_DEVICE_STATUS_LATE] = "late",       [MU_DEVICE_STATUS_SILENT] = "silent",
        [MU_DEVICE_STATUS_NEVER] = "never",     [MU_DEVICE_STATUS_QUARANTINED] = "quarantined",
        [MU_DEVICE_STATUS_DELETED] = "deleted",
};

static int index_of(const char *const *names, size_t count, const char *name)
{
        for (size_t i = 0; name && i < count; i++)
                if (strcmp(names[i], name) == 0)
                        return (int)i;
        return -1;
}

/* ---- reading ---- */

/* What stands for itself in a LIKE pattern, with % on either side. */
static int make_pattern(const char *q, char **ret_pattern)
{
        struct mu_text text;
        size_t bytes;

        mu_text_init(&text);
        mu_text_add(&text, "%");
        for (; *q; q++) {
                if (*q == '%' || *q == '_' || *q == '\\')
                        mu_text_add(&text, "\\");
                mu_text_add_bytes(&text, q, 1);
        }
        mu_text_add(&text, "%");
        return mu_text_take(&text, ret_pattern, &bytes);
}

static int join_tags(const json_t *tags, char **ret_tags)
{
        struct mu_text text;
        const json_t *tag;
        size_t bytes;
        size_t i;

        mu_text_init(&text);
        json_array_foreach(tags, i, tag)
        {
                if (i > 0)
                        mu_text_add(&text, MU_DEVICE_TAG_SEPARATOR);
                mu_text_add(&text, json_string_value(tag));
        }
        return mu_text_take(&text, ret_tags, &bytes);
}

/* 0 when it is none. */
static int64_t id_of(const char *q)
{
        size_t digits = strspn(q, "0123456789");

        return digits > 0 && digits <= 18 && q[digits] == '\0' ? strtoll(q, NULL, 10) : 0;
}

int mu_device_filter_read(const json_t *object, struct mu_device_filter *ret_filter)
{
        const json_t *tags = json_object_get(object, "tag");
        const char *q = mu_json_text(object, "q");
        const char *status = mu_json_text(object, "status");
        struct mu_device_filter filter = {
                .id = q ? id_of(q) : 0,
                .kind = mu_json_text(object, "kind"),
                .site = mu_json_text(object, "site"),
                .app = mu_json_text(object, "app"),
                .battery_below = (int)mu_json_integer(object, "battery_below", 0),
                .network =
                        index_of(NETWORKS, MU_COUNT_OF(NETWORKS), mu_json_text(object, "network")),
                .agent_version = mu_json_text(object, "agent_version"),
        };
        int error = q ? make_pattern(q, &filter.pattern) : 0;

        if (error == 0 && json_array_size(tags) > 0)
                error = join_tags(tags, &filter.tags);
        if (error < 0) {
                mu_device_filter_done(&filter);
                return error;
        }
        if (status)
                filter.status =
                        (enum mu_device_status)index_of(STATUSES, MU_COUNT_OF(STATUSES), status);
        *ret_filter = filter;
        return 0;
}

void mu_device_filter_done(struct mu_device_filter *filter)
{
        free(filter->pattern);
        free(filter->tags);
        filter->pattern = NULL;
        filter->tags = NULL;
}

bool mu_device_filter_asks_database(const struct mu_device_filter *filter)
{
        return filter->pattern || filter->tags || filter->site || filter->app ||
               filter->status == MU_DEVICE_STATUS_DELETED;
}

bool mu_device_filter_asks_memory(const struct mu_device_filter *filter)
{
        return (filter->status != MU_DEVICE_STATUS_ANY &&
                filter->status != MU_DEVICE_STATUS_DELETED) ||
               filter->battery_below > 0 || filter->network >= 0 || filter->agent_version;
}

/* ---- ids ---- */

int mu_device_ids_add(struct mu_device_ids *ids, int64_t id)
{
        if (ids->count == ids->room) {
                size_t room = ids->room ? ids->room * 2 : IDS_AT_FIRST;
                int64_t *grown = reallocarray(ids->ids, room, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                ids->ids = grown;
                ids->room = room;
        }
        ids->ids[ids->count++] = id;
        return 0;
}

void mu_device_ids_done(struct mu_device_ids *ids)
{
        free(ids->ids);
        *ids = (struct mu_device_ids){0};
}

/* ---- memory ---- */

struct mu_device_moment mu_device_moment(const struct mu_control *control,
                                         const struct mu_device_filter *filter)
{
        const struct mu_clock *clock = control->config.clock;
        struct mu_device_moment moment = {
                .now_s = mu_clock_realtime_us(clock) / MU_US_PER_S,
                .now_ms = mu_clock_monotonic_ns(clock) / (uint64_t)MU_NS_PER_MS,
                .interval_s = control->config.heartbeat_interval_s,
        };

        if (filter && filter->agent_version) {
                moment.version_id =
                        mu_names_find(mu_device_table_versions(control->config.devices),
                                      filter->agent_version, strlen(filter->agent_version));
                if (moment.version_id == 0)
                        moment.version_id = UINT32_MAX;
        }
        return moment;
}

int64_t mu_device_last_seen_s(const struct mu_device *device, const struct mu_device_moment *moment)
{
        int64_t seen_s = atomic_load_explicit(&device->received_s, memory_order_relaxed);
        uint64_t stamp_ms = atomic_load_explicit(&device->stamp_ms, memory_order_relaxed);

        if (stamp_ms > 0) {
                uint64_t ago_ms = moment->now_ms > stamp_ms ? moment->now_ms - stamp_ms : 0;
                int64_t asked_s = moment->now_s - (int64_t)(ago_ms / (uint64_t)MU_MS_PER_S);

                if (asked_s > seen_s)
                        seen_s = asked_s;
        }
        return seen_s;
}

enum mu_device_status mu_device_status(const struct mu_device *device,
                                       const struct mu_device_moment *moment, int64_t seen_s)
{
        enum mu_device_state state = mu_device_state(device);
        uint32_t interval_s = atomic_load_explicit(&device->interval_s, memory_order_relaxed);

        if (interval_s == 0)
                interval_s = moment->interval_s;
        if (state == MU_DEVICE_DELETED || state == MU_DEVICE_DELETING)
                return MU_DEVICE_STATUS_DELETED;
        if (state == MU_DEVICE_QUARANTINED)
                return MU_DEVICE_STATUS_QUARANTINED;
        if (seen_s == 0 && !atomic_load_explicit(&device->seen, memory_order_relaxed))
                return MU_DEVICE_STATUS_NEVER;
        if (moment->now_s - seen_s <= mu_silence_online_s(interval_s))
                return MU_DEVICE_STATUS_ONLINE;
        return moment->now_s - seen_s <= mu_silence_late_s(interval_s) ? MU_DEVICE_STATUS_LATE
                                                                       : MU_DEVICE_STATUS_SILENT;
}

const char *mu_device_status_name(enum mu_device_status status)
{
        return STATUSES[status];
}

bool mu_device_matches(const struct mu_device *device, const struct mu_device_filter *filter,
                       const struct mu_device_moment *moment)
{
        enum mu_device_status status =
                mu_device_status(device, moment, mu_device_last_seen_s(device, moment));
        struct mu_glance glance = mu_glance_read(device);

        if (filter->status == MU_DEVICE_STATUS_ANY ? status == MU_DEVICE_STATUS_DELETED
                                                   : status != filter->status)
                return false;
        if (filter->kind &&
            strcmp(mu_device_kind_name((enum mu_device_kind)device->kind), filter->kind) != 0)
                return false;
        if (filter->battery_below > 0 &&
            (glance.battery < 0 || glance.battery >= filter->battery_below))
                return false;
        if (filter->network >= 0 && glance.network != filter->network)
                return false;
        return !filter->agent_version || glance.version_id == moment->version_id;
}

int mu_device_ids_by_memory(const struct mu_control *control, const struct mu_device_filter *filter,
                            struct mu_device_ids *ret_ids)
{
        const struct mu_device_table *devices = control->config.devices;
        struct mu_device_moment moment = mu_device_moment(control, filter);
        uint32_t count = mu_device_table_count(devices);
        struct mu_device_ids ids = {0};

        if (mu_device_filter_asks_memory(filter)) {
                ids.room = 1;
                ids.ids = calloc(1, sizeof(*ids.ids)); /* nobody is not everybody */
                if (!ids.ids)
                        return -ENOMEM;
        }
        for (uint32_t i = 0; ids.ids && i < count; i++) {
                const struct mu_device *device = mu_device_table_at(devices, i);

                if (!mu_device_matches(device, filter, &moment))
                        continue;
                if (mu_device_ids_add(&ids, device->id) < 0) {
                        mu_device_ids_done(&ids);
                        return -ENOMEM;
                }
        }
        *ret_ids = ids;
        return 0;
}

/* ---- what was stored before this start ---- */

static const struct mu_pg_statement LAST_STATUSES = {
        .name = "device_glances",
        .sql = "SELECT device_id, received_at, observed_at, coalesce(battery, -1),"
               " coalesce(array_position(ARRAY['wifi', 'cellular', 'ethernet', 'offline'],"
               "  network), 0) - 1, coalesce(agent_version, '') FROM device_last_status",
        .repeatable = true,
};

static int on_status(void *context, const struct mu_pg_result *row)
{
        struct mu_device_table *devices = context;
        struct mu_device *device = mu_device_table_by_id(devices, mu_pg_get_int(row, 0, 0));
        const char *version = mu_pg_get_text(row, 0, 5);
        int64_t battery = mu_pg_get_int(row, 0, 3);
        const struct mu_glance glance = {
                .received_s = mu_pg_get_timestamptz(row, 0, 1) / MU_US_PER_S,
                .observed_s = mu_pg_get_timestamptz(row, 0, 2) / MU_US_PER_S,
                .battery = battery >= 0 && battery <= 100 ? (int)battery : -1,
                .network = (int)mu_pg_get_int(row, 0, 4),
                .version_id =
                        mu_names_id(mu_device_table_versions(devices), version, strlen(version)),
        };

        if (device)
                mu_glance_note(device, &glance);
        return 0;
}

int mu_device_glances_load(struct mu_control *control, struct mu_pg *pg)
{
        if (atomic_load_explicit(&control->glances_loaded, memory_order_acquire))
                return 0;
        int error =
                mu_pg_each(pg, &LAST_STATUSES, MU_PG_VALUES(), on_status, control->config.devices);

        /* Two that load at once do the same. The list must be there, or ids are not known yet. */
        if (error == 0 && mu_device_table_authoritative(control->config.devices))
                atomic_store_explicit(&control->glances_loaded, true, memory_order_release);
        return error;
}
