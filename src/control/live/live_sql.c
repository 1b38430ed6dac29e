/* SPDX-License-Identifier: Apache-2.0 */
#include "control/live/live_sql.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "identity/device_table.h"
#include "muster/record.h"
#include "pg/query.h"

enum { CHECK_MAX = 256 };

#define ROWS                                                                                       \
        "SELECT d.id, d.alias, d.kind = 'desktop', d.quarantined_at IS NOT NULL, s.received_at,"   \
        " s.observed_at, s.flags, s.battery, s.charging, s.power_ok, s.network, s.fg_package,"     \
        " s.agent_version FROM devices d LEFT JOIN device_last_status s ON s.device_id = d.id"     \
        " WHERE d.deleted_at IS NULL"

static const struct mu_pg_statement LOAD = {
        .name = "live_load",
        .sql = ROWS,
        .repeatable = true,
};

static const struct mu_pg_statement RELOAD = {
        .name = "live_reload",
        .sql = ROWS " AND d.id = ANY($1)",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

static const struct mu_pg_statement SESSIONS = {
        .name = "live_sessions",
        .sql = "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ANY($1)"
               " AND s.ended_at IS NULL AND least(s.expires_at, s.idle_expires_at) > now()"
               " AND u.disabled_at IS NULL",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

static const struct mu_pg_statement API_TOKENS = {
        .name = "live_api_tokens",
        .sql = "SELECT t.id FROM api_tokens t JOIN users u ON u.id = t.created_by"
               " WHERE t.id = ANY($1) AND t.revoked_at IS NULL AND t.expires_at > now()"
               " AND u.disabled_at IS NULL",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

/* ---- devices ---- */

static void read_content(const struct mu_pg_result *row, struct mu_live_loaded *loaded)
{
        static const char *const networks[] = {"wifi", "cellular", "ethernet", "offline"};
        const char *network = mu_pg_get_text(row, 0, 10);

        if (!mu_pg_is_null(row, 0, 7)) {
                loaded->present |= MU_FIELD_BATTERY;
                loaded->battery_percent = (uint8_t)mu_pg_get_int(row, 0, 7);
        }
        if (!mu_pg_is_null(row, 0, 8)) {
                loaded->present |= MU_FIELD_CHARGING;
                loaded->charging = mu_pg_get_bool(row, 0, 8);
        }
        if (!mu_pg_is_null(row, 0, 9)) {
                loaded->present |= MU_FIELD_POWER_OK;
                loaded->power_ok = mu_pg_get_bool(row, 0, 9);
        }
        for (uint8_t i = 0; network && i < MU_COUNT_OF(networks); i++) {
                if (strcmp(network, networks[i]) != 0)
                        continue;
                loaded->present |= MU_FIELD_NETWORK;
                loaded->network = i;
        }
}

struct target {
        struct mu_live_image *image;
        const struct mu_device_table *devices;
};

/* A quarantine begins in memory, and is in PostgreSQL when the keeper has come to it. */
static bool is_quarantined(const struct mu_device_table *devices, int64_t id, bool stored)
{
        const struct mu_device *device = mu_device_table_by_id(devices, id);

        return device ? mu_device_state(device) == MU_DEVICE_QUARANTINED : stored;
}

static int put_row(void *context, const struct mu_pg_result *row)
{
        const struct target *target = context;
        struct mu_live_loaded loaded = {
                .device_id = mu_pg_get_int(row, 0, 0),
                .alias = mu_pg_get_text(row, 0, 1),
                .is_desktop = mu_pg_get_bool(row, 0, 2),
                .quarantined = mu_pg_get_bool(row, 0, 3),
                .fg_package = mu_pg_get_text(row, 0, 11),
                .agent_version = mu_pg_get_text(row, 0, 12),
        };

        if (!mu_pg_is_null(row, 0, 4)) {
                loaded.received_at_us = mu_pg_get_timestamptz(row, 0, 4);
                loaded.observed_at_us = mu_pg_get_timestamptz(row, 0, 5);
                loaded.flags = (uint16_t)mu_pg_get_int(row, 0, 6);
                read_content(row, &loaded);
        }
        loaded.quarantined = is_quarantined(target->devices, loaded.device_id, loaded.quarantined);
        return mu_live_image_put(target->image, &loaded);
}

int mu_live_sql_load(struct mu_pg *pg, const struct mu_device_table *devices,
                     struct mu_live_image *image)
{
        struct target target = {.image = image, .devices = devices};

        return mu_pg_each(pg, &LOAD, MU_PG_VALUES(), put_row, &target);
}

int mu_live_sql_reload(struct mu_pg *pg, const struct mu_device_table *devices,
                       struct mu_live_image *image, const int64_t *ids, uint32_t count)
{
        struct target target = {.image = image, .devices = devices};

        return mu_pg_each(pg, &RELOAD, MU_PG_VALUES(mu_pg_int8_array(ids, count)), put_row,
                          &target);
}

/* ---- sessions ---- */

static int64_t id_of(const struct mu_principal *who)
{
        return who->kind == MU_PRINCIPAL_USER ? who->session_id : who->id;
}

static int check_kind(struct mu_pg *pg, const struct mu_pg_statement *statement,
                      enum mu_principal_kind kind, const struct mu_principal *const *who,
                      uint32_t count, bool *ret_valid)
{
        int64_t ids[CHECK_MAX];
        uint32_t asked = 0;
        struct mu_pg_result *rows;

        for (uint32_t i = 0; i < count; i++)
                if (who[i]->kind == kind)
                        ids[asked++] = id_of(who[i]);
        if (asked == 0)
                return 0;
        int error = mu_pg_query(pg, statement, MU_PG_VALUES(mu_pg_int8_array(ids, asked)), &rows);

        if (error < 0)
                return error;
        for (size_t row = 0; row < mu_pg_rows(rows); row++)
                for (uint32_t i = 0; i < count; i++)
                        if (who[i]->kind == kind && id_of(who[i]) == mu_pg_get_int(rows, row, 0))
                                ret_valid[i] = true;
        mu_pg_result_free(rows);
        return 0;
}

int mu_live_sql_check(struct mu_pg *pg, const struct mu_principal *const *who, uint32_t count,
                      bool *ret_valid)
{
        MU_ASSERT(count <= CHECK_MAX);
        for (uint32_t i = 0; i < count; i++)
                ret_valid[i] = who[i]->kind == MU_PRINCIPAL_ADMIN_KEY;
        int error = check_kind(pg, &SESSIONS, MU_PRINCIPAL_USER, who, count, ret_valid);

        if (error < 0)
                return error;
        return check_kind(pg, &API_TOKENS, MU_PRINCIPAL_API_TOKEN, who, count, ret_valid);
}
