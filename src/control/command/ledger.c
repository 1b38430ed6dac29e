/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/random.h"
#include "control/command/command_type.h"
#include "control/command/ledger_keep.h"
#include "control/command/ledger_sql.h"
#include "identity/command_sign.h"
#include "identity/device_key.h"
#include "pg/query.h"
#include "wire/command_envelope.h"

enum {
        KEYS_MAX = 10000, /* of one call that marks */
        ERROR_CHARS_MAX = 500,
};

static const char *const state_names[MU_COMMAND_STATE_COUNT] = {
        "awaiting_confirmation",
        "queued",
        "sent",
        "received",
        "done",
        "failed",
        "expired",
        "cancelled",
};

static const char *const path_names[MU_COMMAND_PATH_COUNT] = {
        "websocket",
        "fcm",
        "heartbeat",
        "fcm_nudge",
};

static const char *const attempt_names[MU_ATTEMPT_STATUS_COUNT] = {
        "started", "sent", "accepted", "throttled", "unregistered", "refused", "unreachable",
};

const char *mu_command_state_name(enum mu_command_state state)
{
        MU_ASSERT(state < MU_COMMAND_STATE_COUNT);
        return state_names[state];
}

const char *mu_command_path_name(enum mu_command_path path)
{
        MU_ASSERT(path < MU_COMMAND_PATH_COUNT);
        return path_names[path];
}

const char *mu_attempt_status_name(enum mu_attempt_status status)
{
        MU_ASSERT(status < MU_ATTEMPT_STATUS_COUNT);
        return attempt_names[status];
}

enum mu_command_state mu_command_state_of(const char *name)
{
        size_t state = 0;

        while (state < MU_COMMAND_STATE_COUNT && strcmp(name, state_names[state]) != 0)
                state++;
        MU_ASSERT(state < MU_COMMAND_STATE_COUNT); /* the table's CHECK */
        return (enum mu_command_state)state;
}

enum mu_command_path mu_command_path_of(const char *name)
{
        for (size_t i = 0; name && i < MU_COMMAND_PATH_COUNT; i++)
                if (strcmp(name, path_names[i]) == 0)
                        return (enum mu_command_path)i;
        return MU_COMMAND_PATH_COUNT;
}

/* ---- what has to go out ---- */

static void take_command(const struct mu_pg_result *rows, size_t row,
                         struct mu_ledger_command *command)
{
        const char *type = mu_pg_get_text(rows, row, MU_LEDGER_TYPE);
        const struct mu_command_type *known = mu_command_type_find(type);

        *command = (struct mu_ledger_command){
                .device_id = mu_pg_get_int(rows, row, MU_LEDGER_DEVICE_ID),
                .id = mu_pg_get_int(rows, row, MU_LEDGER_ID),
                .created_at_us = mu_pg_get_timestamptz(rows, row, MU_LEDGER_CREATED_AT),
                .expires_at_us = mu_pg_get_timestamptz(rows, row, MU_LEDGER_EXPIRES_AT),
                .type = type,
                .payload = mu_pg_get_text(rows, row, MU_LEDGER_PAYLOAD),
                .fcm_token = mu_pg_get_text(rows, row, MU_LEDGER_FCM_TOKEN),
                .attempt_count = (uint32_t)mu_pg_get_int(rows, row, MU_LEDGER_ATTEMPT_COUNT),
                .key_version = (uint32_t)mu_pg_get_int(rows, row, MU_LEDGER_KEY_VERSION),
                .state = mu_pg_get_bool(rows, row, MU_LEDGER_IS_SENT) ? MU_COMMAND_SENT
                                                                      : MU_COMMAND_QUEUED,
                .direct_only = known && (known->flags & MU_COMMAND_TYPE_DIRECT_ONLY),
        };
        command->payload_bytes = strlen(command->payload);
        if (!mu_pg_is_null(rows, row, MU_LEDGER_LAST_SENT_AT))
                command->last_sent_at_us = mu_pg_get_timestamptz(rows, row, MU_LEDGER_LAST_SENT_AT);
}

static int load_list(struct mu_pg *pg, const struct mu_pg_statement *statement,
                     const struct mu_pg_value *values, struct mu_ledger_list *ret_list)
{
        struct mu_ledger_list list = {0};
        int error = mu_pg_query(pg, statement, values, &list.rows);

        if (error < 0)
                return error;
        list.count = mu_pg_rows(list.rows);
        list.commands = calloc(list.count + 1, sizeof(*list.commands));
        if (!list.commands) {
                mu_pg_result_free(list.rows);
                return -ENOMEM;
        }
        for (size_t i = 0; i < list.count; i++)
                take_command(list.rows, i, &list.commands[i]);
        *ret_list = list;
        return 0;
}

int mu_ledger_heads(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                    struct mu_ledger_list *ret_list)
{
        return load_list(pg, &mu_ledger_heads_sql,
                         MU_PG_VALUES(mu_pg_int8_array(device_ids, count)), ret_list);
}

int mu_ledger_waiting(struct mu_pg *pg, int64_t device_id, size_t count_max,
                      struct mu_ledger_list *ret_list)
{
        return load_list(pg, &mu_ledger_waiting_sql,
                         MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_int8((int64_t)count_max)),
                         ret_list);
}

void mu_ledger_list_done(struct mu_ledger_list *list)
{
        free(list->commands);
        mu_pg_result_free(list->rows);
        *list = (struct mu_ledger_list){0};
}

/* ---- signing ---- */

/* The ledger keeps the version only; the key is put in on its way out. */
static int add_new_key(const struct mu_secrets *secrets, const struct mu_ledger_command *command,
                       char *ret_payload, size_t payload_bytes)
{
        struct mu_command_key key;
        char text[MU_DEVICE_KEY_TEXT_BYTES];
        uint32_t version;

        if (sscanf(command->payload, "{\"version\":%" SCNu32 "}", &version) != 1)
                return -EINVAL;
        mu_command_key_of(secrets, command->device_id, version, &key);
        mu_device_key_text(key.bytes, text);
        mu_command_key_wipe(&key);
        int chars = snprintf(ret_payload, payload_bytes, "{\"version\":%" PRIu32 ",\"key\":\"%s\"}",
                             version, text);

        MU_ASSERT(chars > 0 && (size_t)chars < payload_bytes);
        OPENSSL_cleanse(text, sizeof(text));
        return 0;
}

int mu_ledger_envelope(const struct mu_secrets *secrets, const struct mu_ledger_command *command,
                       int64_t now_us, struct mu_text *text, size_t *ret_data_bytes)
{
        struct mu_command_form form = {
                .device_id = command->device_id,
                .command_id = command->id,
                .timestamp_s = now_us / MU_US_PER_S,
                .type = command->type,
                .payload = command->payload,
                .payload_bytes = command->payload_bytes,
                .key_version = command->key_version,
        };
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        char rotation[MU_DEVICE_KEY_TEXT_BYTES + 64];
        struct mu_command_key key;
        bool rotates = strcmp(command->type, MU_COMMAND_ROTATE_KEY) == 0;
        int error = mu_random_secret(form.nonce, sizeof(form.nonce));

        if (error == 0 && rotates) {
                error = add_new_key(secrets, command, rotation, sizeof(rotation));
                form.payload = rotation;
                form.payload_bytes = error == 0 ? strlen(rotation) : 0;
        }
        if (error < 0)
                return error;
        mu_command_key_of(secrets, command->device_id, command->key_version, &key);
        error = mu_command_sign(&form, &key, &mu_command_crypto_boringssl, signature);
        if (error == 0)
                error = mu_command_envelope_write(&form, signature, text, ret_data_bytes);
        mu_command_key_wipe(&key);
        if (rotates)
                OPENSSL_cleanse(rotation, sizeof(rotation));
        return error;
}

/* ---- on the way ---- */

/* Keys as the two arrays that unnest() takes; one block, to be freed. */
static int64_t *split_keys(const struct mu_ledger_key *keys, size_t count)
{
        int64_t *split = malloc((2 * count + 1) * sizeof(*split));

        MU_ASSERT(count <= KEYS_MAX);
        for (size_t i = 0; split && i < count; i++) {
                split[i] = keys[i].device_id;
                split[count + i] = keys[i].command_id;
        }
        return split;
}

int mu_ledger_mark_sent(struct mu_pg *pg, const struct mu_ledger_key *keys, size_t count,
                        enum mu_command_path path, struct mu_ledger_sent *ret_sent,
                        size_t *ret_count)
{
        int64_t *split = split_keys(keys, count);
        struct mu_pg_result *rows;

        if (!split)
                return -ENOMEM;
        int error = mu_pg_query(pg, &mu_ledger_mark_sent_sql,
                                MU_PG_VALUES(mu_pg_int8_array(split, count),
                                             mu_pg_int8_array(split + count, count),
                                             mu_pg_text(mu_command_path_name(path)),
                                             mu_pg_bool(path != MU_COMMAND_BY_FCM_NUDGE)),
                                &rows);

        free(split);
        if (error < 0)
                return error;
        *ret_count = mu_pg_rows(rows);
        MU_ASSERT(*ret_count <= count);
        for (size_t i = 0; i < *ret_count; i++)
                ret_sent[i] = (struct mu_ledger_sent){
                        .key = {mu_pg_get_int(rows, i, 0), mu_pg_get_int(rows, i, 1)},
                        .attempt = (uint32_t)mu_pg_get_int(rows, i, 2),
                        .first = mu_pg_get_bool(rows, i, 3),
                };
        mu_pg_result_free(rows);
        return 0;
}

int mu_ledger_mark_received(struct mu_pg *pg, const struct mu_ledger_key *keys, size_t count,
                            enum mu_command_path path, struct mu_ledger_receipt *ret_receipts,
                            size_t *ret_count)
{
        int64_t *split = split_keys(keys, count);
        struct mu_pg_result *rows;

        MU_ASSERT(path != MU_COMMAND_BY_FCM_NUDGE);
        if (!split)
                return -ENOMEM;
        int error = mu_pg_query(pg, &mu_ledger_mark_received_sql,
                                MU_PG_VALUES(mu_pg_int8_array(split, count),
                                             mu_pg_int8_array(split + count, count),
                                             mu_pg_text(path == MU_COMMAND_PATH_COUNT
                                                                ? NULL
                                                                : mu_command_path_name(path))),
                                &rows);

        free(split);
        if (error < 0)
                return error;
        *ret_count = mu_pg_rows(rows);
        MU_ASSERT(*ret_count <= count);
        for (size_t i = 0; i < *ret_count; i++)
                ret_receipts[i] = (struct mu_ledger_receipt){
                        .key = {mu_pg_get_int(rows, i, 0), mu_pg_get_int(rows, i, 1)},
                        .state = mu_command_state_of(mu_pg_get_text(rows, i, 2)),
                        .changed = mu_pg_get_bool(rows, i, 3),
                        .queued_to_received_us = mu_pg_get_int(rows, i, 4),
                        .sent_to_received_us = mu_pg_get_int(rows, i, 5),
                        .path = mu_command_path_of(mu_pg_get_text(rows, i, 6)),
                        .type = mu_command_type_find(mu_pg_get_text(rows, i, 7)),
                };
        mu_pg_result_free(rows);
        return 0;
}

static void add_text_member(struct mu_text *text, const char *name, const char *value)
{
        if (!value)
                return;
        mu_text_add_format(text, ",\"%s\":", name);
        mu_text_add_json(text, value, strnlen(value, ERROR_CHARS_MAX));
}

static void add_attempt(struct mu_text *text, const struct mu_ledger_attempt *attempt)
{
        mu_text_add_format(text,
                           "{\"device_id\":%" PRId64 ",\"command_id\":%" PRId64
                           ",\"number\":%" PRIu32 ",\"latency_us\":%" PRId64,
                           attempt->key.device_id, attempt->key.command_id, attempt->attempt,
                           attempt->latency_us);
        if (attempt->retry_at_us > 0)
                mu_text_add_format(text, ",\"retry_at_us\":%" PRId64, attempt->retry_at_us);
        if (attempt->http_status > 0)
                mu_text_add_format(text, ",\"http_status\":%" PRId32, attempt->http_status);
        add_text_member(text, "status", mu_attempt_status_name(attempt->status));
        add_text_member(text, "fcm_message_id", attempt->fcm_message_id);
        add_text_member(text, "error", attempt->error);
        mu_text_add(text, "}");
}

int mu_ledger_attempts(struct mu_pg *pg, const struct mu_ledger_attempt *attempts, size_t count)
{
        struct mu_text text;

        if (count == 0)
                return 0;
        mu_text_init(&text);
        for (size_t i = 0; i < count; i++) {
                mu_text_add(&text, i == 0 ? "[" : ",");
                add_attempt(&text, &attempts[i]);
        }
        mu_text_add(&text, "]");
        int error = mu_text_status(&text);

        if (error == 0)
                error = mu_pg_query(pg, &mu_ledger_attempts_sql,
                                    MU_PG_VALUES(mu_pg_jsonb(text.data, text.bytes)), NULL);
        mu_text_done(&text);
        return error;
}

int mu_ledger_clear_fcm_token(struct mu_pg *pg, int64_t device_id, const char *fcm_token)
{
        return mu_pg_query(pg, &mu_ledger_clear_fcm_token_sql,
                           MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_text(fcm_token)), NULL);
}
