/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_detail_api.h"

#include "control/cell.h"
#include "control/device/device_row.h"
#include "control/etag.h"
#include "identity/device_network.h"
#include "muster/wire.h"

enum column {
        NOTES = MU_DEVICE_ROW_COLUMNS,
        TAKEOVER_UNTIL,
        ENROLLED_BY,
        HMAC_KEY_VERSION,
        HAS_FCM_TOKEN,
        MONITORED_LAST_FG_S,
        SEQ,
        FLAGS,
        POWER_OK,
        DEVICE_OWNER,
        BATTERY_UNRESTRICTED,
        DOZE_WHITELISTED,
        NET_VALIDATED,
        BOOT_ID,
        EXTRA,
        TOKENS,
        COMMANDS_PENDING,
        WRITTEN,
};

static const struct mu_pg_statement DETAIL = {
        .name = "device_detail",
        .sql = "SELECT " MU_DEVICE_ROW_SQL ", d.notes, d.takeover_until, d.enrolled_by,"
               " d.hmac_key_version, d.fcm_token IS NOT NULL, s.monitored_last_fg_s, s.seq,"
               " s.flags, s.power_ok, s.device_owner, s.battery_unrestricted, s.doze_whitelisted,"
               " s.net_validated, s.boot_id, s.extra,"
               " (SELECT coalesce(jsonb_agg(jsonb_build_object('generation', generation,"
               "  'created_at', to_char(created_at AT TIME ZONE 'UTC', $2),"
               "  'first_used_at', to_char(first_used_at AT TIME ZONE 'UTC', $2),"
               "  'revoked_at', to_char(revoked_at AT TIME ZONE 'UTC', $2))"
               "  ORDER BY generation DESC), '[]') FROM (SELECT * FROM device_tokens"
               "   WHERE device_id = $1 ORDER BY generation DESC LIMIT 20) AS newest),"
               " (SELECT count(*) FROM commands WHERE device_id = $1"
               "  AND state IN ('awaiting_confirmation', 'queued', 'sent', 'received')),"
               " " MU_DEVICE_WRITTEN(
                       "d") " FROM devices d LEFT JOIN device_last_status s ON s.device_id = d.id"
                            " WHERE d.id = $1",
        .params = {MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};
#define TIME_FORMAT "YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\""

static const struct mu_field LAST_FIELDS[] = {
        MU_DEVICE_LAST_FIELDS,
        {.name = "monitored_last_fg_s", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},
        {.name = "seq", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_NULLABLE},
        {.name = "flags", .type = MU_FIELD_INTEGER},
        {.name = "power_ok", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_NULLABLE},
        {.name = "device_owner", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_NULLABLE},
        {.name = "battery_unrestricted", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_NULLABLE},
        {.name = "doze_whitelisted", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_NULLABLE},
        {.name = "net_validated", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_NULLABLE},
        {.name = "boot_id", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE},
        {.name = "extra",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_NULLABLE,
         .doc = "Keys of the heartbeat that the appliance does not know."},
};
static const struct mu_shape LAST_SHAPE = MU_SHAPE("DeviceLastStatusWhole", LAST_FIELDS);

static const struct mu_field TOKEN_FIELDS[] = {
        {.name = "generation", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "created_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_REQUIRED},
        {.name = "first_used_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE},
        {.name = "revoked_at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE},
};
static const struct mu_shape TOKEN_SHAPE = MU_SHAPE("DeviceToken", TOKEN_FIELDS);

static const struct mu_field FIELDS[] = {
        MU_DEVICE_ROW_FIELDS,
        {.name = "last", .type = MU_FIELD_OBJECT, .flags = MU_FIELD_NULLABLE, .shape = &LAST_SHAPE},
        {.name = "notes", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE | MU_FIELD_LINES},
        {.name = "takeover_until",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_NULLABLE,
         .doc = "Until then whoever registers with its hardware id takes it over."},
        {.name = "enrolled_by", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "hmac_key_version", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "has_fcm_token", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_REQUIRED},
        {.name = "tokens",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &TOKEN_SHAPE,
         .doc = "The newest 20 generations of its token; never the secrets."},
        {.name = "commands_pending", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "address",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_NULLABLE,
         .doc = "Where its last request came from, since the appliance started: an IPv4 address, "
                "or "
                "the /64 of an IPv6 one."},
};
const struct mu_shape mu_device_detail_shape = MU_SHAPE("DeviceDetail", FIELDS);

static int add_last(json_t *device, const struct mu_pg_result *rows)
{
        json_t *last = json_object_get(device, "last");

        if (!json_is_object(last))
                return 0;
        json_t *rest = json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "monitored_last_fg_s",
                mu_cell_integer(rows, 0, MONITORED_LAST_FG_S), "seq", mu_cell_integer(rows, 0, SEQ),
                "flags", mu_cell_integer(rows, 0, FLAGS), "power_ok",
                mu_cell_boolean(rows, 0, POWER_OK), "device_owner",
                mu_cell_boolean(rows, 0, DEVICE_OWNER), "battery_unrestricted",
                mu_cell_boolean(rows, 0, BATTERY_UNRESTRICTED), "doze_whitelisted",
                mu_cell_boolean(rows, 0, DOZE_WHITELISTED), "net_validated",
                mu_cell_boolean(rows, 0, NET_VALIDATED), "boot_id", mu_cell_text(rows, 0, BOOT_ID),
                "extra", mu_cell_json(rows, 0, EXTRA));
        int error = rest ? json_object_update(last, rest) : -1;

        json_decref(rest);
        return error;
}

static json_t *address_json(struct mu_ask *ask, int64_t device_id)
{
        const struct mu_device *device =
                mu_device_table_by_id(ask->control->config.devices, device_id);
        char text[MU_NETWORK_TEXT_BYTES];

        if (device &&
            mu_network_text(atomic_load_explicit(&device->network, memory_order_relaxed), text))
                return json_string(text);
        return json_null();
}

static json_t *detail_json(struct mu_ask *ask, int64_t device_id, const struct mu_pg_result *rows)
{
        struct mu_device_moment moment = mu_device_moment(ask->control, NULL);
        json_t *device = mu_device_row_json(ask->control, rows, 0, &moment);
        json_t *rest = json_pack(
                "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "notes", mu_cell_text(rows, 0, NOTES),
                "takeover_until", mu_cell_time(rows, 0, TAKEOVER_UNTIL), "enrolled_by",
                mu_cell_text(rows, 0, ENROLLED_BY), "hmac_key_version",
                mu_cell_integer(rows, 0, HMAC_KEY_VERSION), "has_fcm_token",
                mu_cell_boolean(rows, 0, HAS_FCM_TOKEN), "tokens", mu_cell_json(rows, 0, TOKENS),
                "commands_pending", mu_cell_integer(rows, 0, COMMANDS_PENDING), "address",
                address_json(ask, device_id));
        int error = device && rest ? json_object_update(device, rest) : -1;

        json_decref(rest);
        if (error == 0)
                error = add_last(device, rows);
        if (error == 0)
                return device;
        json_decref(device);
        return NULL;
}

void mu_device_detail_reply(struct mu_ask *ask, int64_t device_id)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &DETAIL,
                          MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_text(TIME_FORMAT)), &rows))
                return;
        if (mu_pg_rows(rows) == 0) {
                mu_ask_not_found(ask, "device");
        } else {
                json_t *written = mu_cell_json(rows, 0, WRITTEN);

                mu_ask_reply(ask, 200, detail_json(ask, device_id, rows));
                mu_etag_add(ask, written);
                json_decref(written);
        }
        mu_pg_result_free(rows);
}

static void show_device(struct mu_ask *ask)
{
        int64_t id;

        if (mu_ask_id(ask, "id", "device", &id) &&
            mu_control_require_device_list(ask->control, ask->call))
                mu_device_detail_reply(ask, id);
}

static const struct mu_endpoint ROWS[] = {
        {.method = "GET",
         .path = MU_PATH_DEVICES "/{id}",
         .handle = show_device,
         .access = MU_ACCESS_VIEWER,
         .scope = "devices:read",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_ETAG,
         .reply_status = 200,
         .reply = &mu_device_detail_shape,
         .operation_id = "getDevice",
         .tag = "Devices",
         .summary = "One device, whole",
         .doc = "Deleted devices are shown too: deleted_at says so."},
};
const struct mu_endpoints mu_device_detail_endpoints = MU_ENDPOINTS(ROWS);
