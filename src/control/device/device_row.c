/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_row.h"

#include "base/clock.h"
#include "control/cell.h"
#include "control/control.h"
#include "pg/query.h"

static const struct mu_field LAST_FIELDS[] = {MU_DEVICE_LAST_FIELDS};
static const struct mu_shape LAST_SHAPE = MU_SHAPE("DeviceLastStatus", LAST_FIELDS);

static const struct mu_field FIELDS[] = {
        MU_DEVICE_ROW_FIELDS,
        {.name = "last",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_NULLABLE,
         .shape = &LAST_SHAPE,
         .doc = "The last stored heartbeat; null: there is none."},
};
const struct mu_shape mu_device_row_shape = MU_SHAPE("Device", FIELDS);

static const struct mu_pg_statement ROWS = {
        .name = "device_rows",
        .sql = "SELECT " MU_DEVICE_ROW_SQL
               " FROM unnest($1::bigint[]) WITH ORDINALITY AS page (id, place)"
               " JOIN devices d ON d.id = page.id"
               " LEFT JOIN device_last_status s ON s.device_id = page.id ORDER BY page.place",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

int mu_device_rows(struct mu_pg *pg, const struct mu_device_ids *ids,
                   struct mu_pg_result **ret_rows)
{
        static const int64_t nobody;

        return mu_pg_query(
                pg, &ROWS,
                MU_PG_VALUES(mu_pg_int8_array(ids->ids ? ids->ids : &nobody, ids->count)),
                ret_rows);
}

/* ---- a row ---- */

enum mu_device_status mu_device_row_status(const struct mu_control *control,
                                           const struct mu_pg_result *rows, size_t row,
                                           const struct mu_device_moment *moment,
                                           int64_t *ret_last_seen_us)
{
        const struct mu_device *device = mu_device_table_by_id(
                control->config.devices, mu_pg_get_int(rows, row, MU_DEVICE_ID));
        int64_t seen_us = mu_pg_is_null(rows, row, MU_DEVICE_RECEIVED_AT)
                                  ? 0
                                  : mu_pg_get_timestamptz(rows, row, MU_DEVICE_RECEIVED_AT);
        int64_t known_s = device ? mu_device_last_seen_s(device, moment) : 0;

        if (known_s > seen_us / MU_US_PER_S)
                seen_us = known_s * MU_US_PER_S;
        *ret_last_seen_us = seen_us;
        if (!device || !mu_pg_is_null(rows, row, MU_DEVICE_DELETED_AT))
                return MU_DEVICE_STATUS_DELETED;
        return mu_device_status(device, moment, seen_us / MU_US_PER_S);
}

static json_t *last_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_pg_is_null(rows, row, MU_DEVICE_RECEIVED_AT)
                       ? json_null()
                       : mu_cell_fields(rows, row, MU_DEVICE_RECEIVED_AT, &LAST_SHAPE,
                                        MU_COUNT_OF(LAST_FIELDS));
}

json_t *mu_device_row_json(const struct mu_control *control, const struct mu_pg_result *rows,
                           size_t row, const struct mu_device_moment *moment)
{
        int64_t seen_us;
        enum mu_device_status status = mu_device_row_status(control, rows, row, moment, &seen_us);

        return json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                "id", mu_json_of_id(mu_pg_get_int(rows, row, MU_DEVICE_ID)), "alias",
                mu_cell_text(rows, row, MU_DEVICE_ALIAS), "kind",
                mu_cell_text(rows, row, MU_DEVICE_KIND), "hardware_id",
                mu_cell_text(rows, row, MU_DEVICE_HARDWARE_ID), "site",
                mu_cell_text(rows, row, MU_DEVICE_SITE), "tags",
                mu_cell_json(rows, row, MU_DEVICE_TAGS), "agent_version",
                mu_cell_text(rows, row, MU_DEVICE_AGENT_VERSION), "status",
                mu_device_status_name(status), "last_seen_at",
                seen_us ? mu_json_of_time(seen_us) : json_null(), "heartbeat_interval_s",
                mu_cell_integer(rows, row, MU_DEVICE_INTERVAL_S), "created_at",
                mu_cell_time(rows, row, MU_DEVICE_CREATED_AT), "updated_at",
                mu_cell_time(rows, row, MU_DEVICE_UPDATED_AT), "first_seen_at",
                mu_cell_time(rows, row, MU_DEVICE_FIRST_SEEN_AT), "deleted_at",
                mu_cell_time(rows, row, MU_DEVICE_DELETED_AT), "quarantined_at",
                mu_cell_time(rows, row, MU_DEVICE_QUARANTINED_AT), "last", last_json(rows, row));
}
