/* SPDX-License-Identifier: Apache-2.0 */
/* command_api_device.c - commands as devices fetch, acknowledge and answer them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/command/command_api.h"
#include "control/command/command_news.h"
#include "control/command/command_shape.h"
#include "control/command/dispatcher.h"
#include "control/command/ledger.h"
#include "control/command/result.h"
#include "control/security/security_event.h"
#include "identity/device_table.h"
#include "muster/command.h"
#include "muster/wire.h"

enum {
        FETCH_DEFAULT = 10,
        FETCH_MAX = 50,
};

/* ---- shapes: open, for an agent may know more than we do ---- */

#define OPEN_SHAPE(shape_name, list)                                                               \
        {                                                                                          \
                .name = (shape_name), .fields = (list), .field_count = MU_COUNT_OF(list),          \
                .open = true                                                                       \
        }

static const struct mu_field FETCH_QUERY_FIELDS[] = {
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = FETCH_MAX,
         .doc = "How many at once; 10 unless said."},
};
static const struct mu_shape FETCH_QUERY = OPEN_SHAPE("CommandFetchQuery", FETCH_QUERY_FIELDS);

#define TEXT_FIELD(field_name, field_doc)                                                          \
        {                                                                                          \
                .name = (field_name), .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED,           \
                .doc = (field_doc)                                                                 \
        }
static const struct mu_field SIGNED_FIELDS[] = {
        TEXT_FIELD("device_id", "The device."),
        TEXT_FIELD("command_id", "The command; a known one is a no-op."),
        TEXT_FIELD("type", "The kind of command."),
        TEXT_FIELD("payload", "JSON as text, whose bytes are signed."),
        TEXT_FIELD("timestamp", "Epoch seconds, at the moment of sending."),
        TEXT_FIELD("nonce", "32 hex digits."),
        TEXT_FIELD("key_version", "Of the key that signed."),
        TEXT_FIELD("signature", "64 hex digits: HMAC-SHA-256 over the canonical form."),
};
static const struct mu_shape SIGNED = MU_SHAPE("SignedCommand", SIGNED_FIELDS);

static const struct mu_field FETCHED_FIELDS[] = {
        {.name = "commands",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &SIGNED,
         .doc = "What waits, in the order to run it, signed now."},
        {.name = "more",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "There may be more: acknowledge these and fetch again."},
};
static const struct mu_shape FETCHED = MU_SHAPE("FetchedCommands", FETCHED_FIELDS);

static const struct mu_field RECEIVED_FIELDS[] = {
        {.name = "path",
         .type = MU_FIELD_TEXT,
         .one_of = "websocket|fcm|heartbeat",
         .doc = "The way it came first; without it the way it was sent last."},
};
static const struct mu_shape RECEIVED = OPEN_SHAPE("CommandReceived", RECEIVED_FIELDS);

static const struct mu_field RECEIVED_REPLY_FIELDS[] = {
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Where the command stands now."},
        {.name = "run",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "False: it was cancelled, has expired or is over, and is not to be run."},
};
static const struct mu_shape RECEIVED_REPLY =
        MU_SHAPE("CommandReceivedReply", RECEIVED_REPLY_FIELDS);

/* result.c judges the members; this says what they are. */
static const struct mu_field RESULT_FIELDS[] = {
        {.name = "command_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The command."},
        {.name = "status",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "done|failed",
         .doc = "How it went."},
        {.name = "result",
         .type = MU_FIELD_ANY,
         .doc = "A string that holds JSON, up to 64 KiB; its bytes are signed."},
        {.name = "error", .type = MU_FIELD_ANY, .doc = "A text of up to 1024 bytes."},
        {.name = "finished_at",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = MU_TS_S_END - 1,
         .doc = "Epoch seconds, by the device's clock."},
        {.name = "key_version",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = UINT32_MAX,
         .doc = "Of the key that signed."},
        {.name = "signature",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 64,
         .most = 64,
         .doc = "Hex: HMAC-SHA-256 over the canonical form of a result."},
};
static const struct mu_shape RESULT = OPEN_SHAPE("ActionResult", RESULT_FIELDS);

static const struct mu_field RESULT_REPLY_FIELDS[] = {
        {.name = "command_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The command."},
        {.name = "state",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Where it stands now."},
        {.name = "duplicate",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "This very result was stored before."},
        {.name = "late",
         .type = MU_FIELD_BOOLEAN,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The command had expired or was cancelled; the result is kept beside that."},
};
static const struct mu_shape RESULT_REPLY = MU_SHAPE("ActionResultReply", RESULT_REPLY_FIELDS);

static const struct mu_field FCM_TOKEN_FIELDS[] = {
        {.name = "fcm_token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET | MU_FIELD_NULLABLE,
         .least = 1,
         .most = MU_FCM_TOKEN_CHARS_MAX,
         .doc = "What FCM gave the device; null: it has none any more."},
};
static const struct mu_shape FCM_TOKEN = OPEN_SHAPE("FcmToken", FCM_TOKEN_FIELDS);

/* ---- GET /v1/commands ---- */

/* Marks first, then signs what was marked: one cancelled in between stays here. */
static int mark(struct mu_ask *ask, const struct mu_ledger_list *list, struct mu_ledger_sent *sent,
                size_t *ret_count)
{
        struct mu_ledger_key keys[FETCH_MAX];

        for (size_t i = 0; i < list->count; i++)
                keys[i] = (struct mu_ledger_key){list->commands[i].device_id, list->commands[i].id};
        return mu_ledger_mark_sent(ask->pg, keys, list->count, MU_COMMAND_BY_HEARTBEAT, sent,
                                   ret_count);
}

static bool was_marked(const struct mu_ledger_sent *sent, size_t count, int64_t id)
{
        for (size_t i = 0; i < count; i++)
                if (sent[i].key.command_id == id)
                        return true;
        return false;
}

/* In the order of the list, which is the order to run them. */
static int add_envelopes(struct mu_ask *ask, const struct mu_ledger_list *list,
                         const struct mu_ledger_sent *sent, size_t count, struct mu_text *text)
{
        int64_t now_us = mu_clock_realtime_us(ask->control->config.clock);
        bool first = true;
        int error = 0;

        for (size_t i = 0; i < list->count && error == 0; i++) {
                if (!was_marked(sent, count, list->commands[i].id))
                        continue;
                if (!first)
                        mu_text_add(text, ",");
                first = false;
                error = mu_ledger_envelope(ask->control->config.secrets, &list->commands[i], now_us,
                                           text, NULL);
        }
        return error;
}

static void reply_fetched(struct mu_ask *ask, const struct mu_ledger_list *list,
                          const struct mu_ledger_sent *sent, size_t count, bool more)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_text_add(&text, "{\"commands\":[");
        int error = add_envelopes(ask, list, sent, count, &text);

        mu_text_add_format(&text, "],\"more\":%s}", more ? "true" : "false");
        if (error == 0)
                mu_call_reply_text(ask->call, 200, MU_CONTENT_TYPE_JSON, &text);
        else
                mu_ask_failed(ask, error);
        mu_text_done(&text);
}

static void tell_sent(struct mu_ask *ask, const struct mu_ledger_list *list,
                      const struct mu_ledger_sent *sent, size_t count)
{
        struct mu_command_news *news = count > 0 ? mu_command_news_create(count) : NULL;

        /* No memory: nobody watching hears of it; the ledger has it. */
        for (size_t i = 0; news && i < count; i++) {
                news->notes[i].device_id = sent[i].key.device_id;
                news->notes[i].id = sent[i].key.command_id;
                news->notes[i].state = MU_COMMAND_SENT;
                for (size_t j = 0; j < list->count; j++)
                        if (list->commands[j].id == news->notes[i].id)
                                news->notes[i].type = mu_command_type_find(list->commands[j].type);
        }
        if (news)
                mu_ask_after_commit(ask, mu_command_news_tell, news);
}

static void fetch(struct mu_ask *ask)
{
        size_t limit = (size_t)mu_json_integer(ask->query, "limit", FETCH_DEFAULT);
        bool withheld = mu_device_state(ask->device) != MU_DEVICE_LIVE;
        struct mu_ledger_sent sent[FETCH_MAX];
        struct mu_ledger_list list = {0};
        size_t count = 0;
        int error = withheld ? 0 : mu_ledger_waiting(ask->pg, ask->device->id, limit, &list);
        bool more = list.count == limit;

        if (error == 0 && list.count > 0)
                error = mark(ask, &list, sent, &count);
        if (error == 0) {
                reply_fetched(ask, &list, sent, count, more);
                tell_sent(ask, &list, sent, count);
        } else {
                mu_ask_failed(ask, error);
        }
        mu_ledger_list_done(&list);
}

/* ---- POST /v1/commands/{id}/received ---- */

struct delivery {
        enum mu_command_path path;
        int64_t queued_to_received_us;
};

static void tell_delivered(struct mu_control *control, void *arg)
{
        const struct delivery *delivery = arg;

        mu_dispatcher_delivered(control->config.dispatcher, delivery->path,
                                delivery->queued_to_received_us);
}

static void note_delivered(struct mu_ask *ask, enum mu_command_path path, int64_t latency_us)
{
        struct delivery *delivery = malloc(sizeof(*delivery));

        if (!delivery)
                return; /* one sample less in a histogram */
        *delivery = (struct delivery){path, latency_us};
        mu_ask_after_commit(ask, tell_delivered, delivery);
}

static void received(struct mu_ask *ask)
{
        struct mu_ledger_key key = {.device_id = ask->device->id};
        struct mu_ledger_receipt receipt;
        size_t count;

        if (!mu_ask_id(ask, "id", "command", &key.command_id))
                return;
        int error = mu_ledger_mark_received(ask->pg, &key, 1,
                                            mu_command_path_of(mu_json_text(ask->body, "path")),
                                            &receipt, &count);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        if (count == 0) {
                mu_ask_not_found(ask, "command");
                return;
        }
        if (receipt.changed) {
                const struct mu_command_note note = {.device_id = key.device_id,
                                                     .id = key.command_id,
                                                     .type = receipt.type,
                                                     .state = MU_COMMAND_RECEIVED};

                if (!mu_ask_command_changed(ask, &note))
                        return;
                note_delivered(ask, receipt.path, receipt.queued_to_received_us);
        }
        mu_ask_reply(ask, 200,
                     json_pack("{s:s, s:b}", "state", mu_command_state_name(receipt.state), "run",
                               receipt.state == MU_COMMAND_RECEIVED));
}

/* ---- POST /v1/action-result ---- */

static void refuse_result(struct mu_ask *ask, const struct mu_result_answer *answer)
{
        static const char *const slugs[MU_RESULT_OUTCOME_COUNT] = {
                [MU_RESULT_MALFORMED] = "result-malformed",
                [MU_RESULT_FORGED] = "result-signature",
                [MU_RESULT_UNKNOWN] = "not-found",
                [MU_RESULT_CONFLICT] = "result-conflict",
        };

        /* A conflict is signed, and yet another result than the one that stands. */
        if (answer->outcome == MU_RESULT_FORGED || answer->outcome == MU_RESULT_CONFLICT) {
                struct mu_address address = mu_call_address(ask->call);

                mu_security_event(ask->control,
                                  answer->outcome == MU_RESULT_FORGED ? MU_SECURITY_BAD_SIGNATURE
                                                                      : MU_SECURITY_REPLAY,
                                  &address, ask->actor, "The result of command %lld.",
                                  (long long)answer->command_id);
        }
        mu_call_problem(ask->call, mu_result_http_status(answer->outcome), slugs[answer->outcome],
                        NULL, "%s", answer->detail);
}

static bool note_result(struct mu_ask *ask, const struct mu_result_answer *answer)
{
        const struct mu_command_note note = {.device_id = ask->device->id,
                                             .id = answer->command_id,
                                             .type = answer->type,
                                             .state = answer->state};

        if (answer->outcome != MU_RESULT_STORED)
                return true;
        if (answer->queued_to_received_us >= 0 && answer->path != MU_COMMAND_PATH_COUNT)
                note_delivered(ask, answer->path, answer->queued_to_received_us);
        return mu_ask_command_changed(ask, &note);
}

static void take_result(struct mu_ask *ask)
{
        struct mu_result_answer answer;
        int error = mu_result_take(ask->pg, ask->control->config.secrets, ask->device->id,
                                   ask->body, &answer);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        if (mu_result_is_refused(&answer)) {
                refuse_result(ask, &answer);
                return;
        }
        if (!note_result(ask, &answer))
                return;
        mu_ask_reply(ask, 200,
                     json_pack("{s:o, s:s, s:b, s:b}", "command_id",
                               mu_json_of_id(answer.command_id), "state",
                               mu_command_state_name(answer.state), "duplicate",
                               answer.outcome == MU_RESULT_DUPLICATE, "late",
                               answer.state == MU_COMMAND_EXPIRED ||
                                       answer.state == MU_COMMAND_CANCELLED));
}

/* ---- POST /v1/fcm-token ---- */

static const struct mu_pg_statement SET_FCM_TOKEN = {
        .name = "device_set_fcm_token",
        .sql = "UPDATE devices SET fcm_token = $2 WHERE id = $1 AND deleted_at IS NULL"
               " AND fcm_token IS DISTINCT FROM $2",
        .params = {MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

static bool is_printable(const char *text)
{
        for (; *text; text++)
                if (*text <= ' ' || *text > '~')
                        return false;
        return true;
}

static void look_again(struct mu_control *control, void *arg)
{
        mu_dispatcher_changed(control->config.dispatcher, arg, 1);
}

static void set_fcm_token(struct mu_ask *ask)
{
        const char *token = mu_json_text(ask->body, "fcm_token");
        int64_t *id;

        if (token && !is_printable(token)) {
                mu_call_problem(ask->call, 400, "field-invalid", "fcm_token",
                                "fcm_token must be printable ASCII without spaces.");
                return;
        }
        if (!mu_ask_query(ask, &SET_FCM_TOKEN,
                          MU_PG_VALUES(mu_pg_int8(ask->device->id), mu_pg_text(token)), NULL))
                return;
        id = malloc(sizeof(*id));
        if (id) {
                *id = ask->device->id;
                mu_ask_after_commit(ask, look_again, id);
        }
        mu_ask_reply_empty(ask, 204);
}

/* ---- the table ---- */

static const int RECEIVED_PROBLEMS[] = {404, 0};
static const int RESULT_PROBLEMS[] = {403, 404, 409, 413, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "GET",
                .path = MU_PATH_COMMANDS,
                .handle = fetch,
                .access = MU_ACCESS_DEVICE,
                .limit = MU_LIMIT_NONE,
                .query = &FETCH_QUERY,
                .reply_status = 200,
                .reply = &FETCHED,
                .operation_id = "fetchCommands",
                .tag = "Devices' own",
                .summary = "What the device is to do, in order, signed now",
                .doc = "Fetching again gives the same until they are acknowledged or answered.",
        },
        {
                .method = "POST",
                .path = MU_PATH_COMMANDS "/{id}/received",
                .handle = received,
                .access = MU_ACCESS_DEVICE,
                .limit = MU_LIMIT_NONE,
                .body = &RECEIVED,
                .reply_status = 200,
                .reply = &RECEIVED_REPLY,
                .operation_id = "commandReceived",
                .tag = "Devices' own",
                .summary = "Acknowledge a command",
                .problems = RECEIVED_PROBLEMS,
        },
        {
                .method = "POST",
                .path = MU_PATH_ACTION_RESULT,
                .handle = take_result,
                .access = MU_ACCESS_DEVICE,
                .limit = MU_LIMIT_NONE,
                .body_bytes_max = MU_BODY_BYTES_MAX,
                .body = &RESULT,
                .reply_status = 200,
                .reply = &RESULT_REPLY,
                .operation_id = "postActionResult",
                .tag = "Devices' own",
                .summary = "Report how a command went",
                .doc = "Idempotent: the same again is a duplicate. On 503 it is kept and sent "
                       "again.",
                .problems = RESULT_PROBLEMS,
        },
        {
                .method = "POST",
                .path = MU_PATH_FCM_TOKEN,
                .handle = set_fcm_token,
                .access = MU_ACCESS_DEVICE,
                .limit = MU_LIMIT_NONE,
                .body = &FCM_TOKEN,
                .reply_status = 204,
                .operation_id = "setFcmToken",
                .tag = "Devices' own",
                .summary = "Say by which token FCM reaches the device",
        },
};

const struct mu_endpoints mu_command_device_endpoints = MU_ENDPOINTS(ENDPOINTS);
