/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "control/command/command_news.h"
#include "control/command/command_sql.h"
#include "control/command/ledger_keep.h"
#include "control/command/result.h"
#include "identity/command_sign.h"
#include "identity/secrets.h"
#include "scratch.h"
#include "unit.h"
#include "wire/command_envelope.h"

#include "fixture.h"

static struct test_pg *postgres;

struct world {
        struct mu_pg *pg;
        struct mu_secrets *secrets;
        void *scratch; /* a path */
};

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        char error[MU_SECRET_ERROR_BYTES];
        char path[128];

        if (!world)
                return -1;
        if (scratch_setup(&world->scratch) < 0)
                return -1;
        (void)snprintf(path, sizeof(path), "%s/secrets", (const char *)world->scratch);
        if (mu_secrets_open(path, &world->secrets, error) < 0)
                return -1;
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg, "TRUNCATE devices, device_tokens, enrolment_token_uses, commands,"
                               " command_attempts, bulk_commands RESTART IDENTITY");
        test_pg_run(world->pg, "INSERT INTO devices (kind, alias, enrolled_by, fcm_token)"
                               " SELECT 'android', 'device ' || n, 'admin-key', 'fcm ' || n"
                               " FROM generate_series(1, 9) n");
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        mu_database_release(postgres->database, world->pg);
        mu_secrets_close(world->secrets);
        int error = scratch_teardown(&world->scratch);

        free(world);
        return error;
}

#define number(world, ...) number_of((world)->pg, __VA_ARGS__)

static int64_t MU_PRINTF(2, 3) number_of(struct mu_pg *pg, const char *format, ...)
{
        char sql[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(sql, sizeof(sql), format, args);
        va_end(args);
        return test_pg_number(pg, sql);
}

static void MU_PRINTF(2, 3) run(struct world *world, const char *format, ...)
{
        char sql[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(sql, sizeof(sql), format, args);
        va_end(args);
        test_pg_run(world->pg, sql);
}

/* A command as the operators' side makes it. */
static int64_t queue_as(struct world *world, int64_t device_id, const char *type,
                        const char *payload, int32_t confirm_s)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(world->pg, &mu_command_insert_listed_sql,
                                MU_PG_VALUES(mu_pg_text(type), mu_pg_text(payload),
                                             mu_pg_int4(3600), mu_pg_int4(confirm_s),
                                             mu_pg_text("user:test"), mu_pg_null(MU_PG_INT8),
                                             mu_pg_bool(false), mu_pg_int8_array(&device_id, 1)),
                                &rows);

        assert_int_equal(error, 0);
        assert_int_equal(mu_pg_rows(rows), 1);
        int64_t id = mu_pg_get_int(rows, 0, 1);

        mu_pg_result_free(rows);
        return id;
}

static int64_t queue(struct world *world, int64_t device_id)
{
        return queue_as(world, device_id, "ping", "{}", 0);
}

/* Of that many devices from 1 on: the ids of their heads, 0 where there is none. */
static void heads(struct world *world, size_t count, int64_t *ret_ids)
{
        int64_t devices[16];
        struct mu_ledger_list list;

        for (size_t i = 0; i < count; i++) {
                devices[i] = (int64_t)i + 1;
                ret_ids[i] = 0;
        }
        assert_int_equal(mu_ledger_heads(world->pg, devices, count, &list), 0);
        for (size_t i = 0; i < list.count; i++)
                ret_ids[list.commands[i].device_id - 1] = list.commands[i].id;
        mu_ledger_list_done(&list);
}

static int64_t head(struct world *world)
{
        int64_t id;

        heads(world, 1, &id);
        return id;
}

static bool send_by(struct mu_pg *pg, int64_t device_id, int64_t id, enum mu_command_path path,
                    struct mu_ledger_sent *ret_sent)
{
        const struct mu_ledger_key key = {device_id, id};
        size_t count = 99;

        assert_int_equal(mu_ledger_mark_sent(pg, &key, 1, path, ret_sent, &count), 0);
        assert_true(count <= 1);
        return count == 1;
}

static bool receive(struct mu_pg *pg, int64_t device_id, int64_t id, enum mu_command_path path,
                    struct mu_ledger_receipt *ret_receipt)
{
        const struct mu_ledger_key key = {device_id, id};
        size_t count = 99;

        assert_int_equal(mu_ledger_mark_received(pg, &key, 1, path, ret_receipt, &count), 0);
        return count == 1;
}

static bool cancel(struct mu_pg *pg, int64_t device_id, int64_t id)
{
        struct mu_pg_result *rows;

        assert_int_equal(mu_pg_query(pg, &mu_command_cancel_sql,
                                     MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_int8(id)), &rows),
                         0);
        bool done = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        return done;
}

static bool is_in(struct mu_pg *pg, int64_t id, const char *state)
{
        return number_of(pg, "SELECT count(*) FROM commands WHERE id = %lld AND state = '%s'",
                         (long long)id, state) == 1;
}

/* ---- order ---- */

static void one_at_a_time_in_order(void **state)
{
        struct world *world = *state;
        int64_t first = queue(world, 1);
        int64_t second = queue(world, 1);
        int64_t others = queue(world, 2);
        struct mu_ledger_receipt receipt;
        struct mu_ledger_sent sent;
        int64_t ids[3];

        assert_true(first < second);
        heads(world, 3, ids);
        assert_int_equal(ids[0], first);
        assert_int_equal(ids[1], others);
        assert_int_equal(ids[2], 0);
        assert_true(send_by(world->pg, 1, first, MU_COMMAND_BY_WEBSOCKET, &sent));
        assert_true(sent.first);
        assert_int_equal(sent.attempt, 1);
        assert_int_equal(head(world), first); /* until it is received */
        assert_true(receive(world->pg, 1, first, MU_COMMAND_BY_WEBSOCKET, &receipt));
        assert_int_equal(head(world), second);
        assert_true(cancel(world->pg, 1, second));
        assert_int_equal(head(world), 0);
}

static void what_is_out_comes_before_a_lower_id(void **state)
{
        struct world *world = *state;
        int64_t wipe = queue_as(world, 1, "wipe", "{}", 300);
        int64_t ping = queue(world, 1);
        struct mu_ledger_receipt receipt;
        struct mu_ledger_sent sent;

        assert_int_equal(head(world),
                         ping); /* a wipe that is not confirmed waits beside the line */
        assert_false(send_by(world->pg, 1, wipe, MU_COMMAND_BY_FCM, &sent));
        assert_true(send_by(world->pg, 1, ping, MU_COMMAND_BY_FCM, &sent));
        run(world, "UPDATE commands SET state = 'queued', queued_at = now() WHERE id = %lld",
            (long long)wipe);
        assert_int_equal(head(world), ping);
        assert_true(receive(world->pg, 1, ping, MU_COMMAND_PATH_COUNT, &receipt));
        assert_int_equal(receipt.path, MU_COMMAND_BY_FCM);
        assert_int_equal(head(world), wipe);
}

static void nothing_for_devices_quarantined_or_deleted(void **state)
{
        struct world *world = *state;
        int64_t live = queue(world, 1);
        struct mu_ledger_pending pending[3];
        struct mu_ledger_pending *all;
        size_t count;
        int64_t ids[3];

        (void)queue(world, 2);
        (void)queue(world, 3);
        run(world, "UPDATE devices SET quarantined_at = now() WHERE id = 2");
        run(world, "UPDATE devices SET deleted_at = now() WHERE id = 3");
        heads(world, 3, ids);
        assert_int_equal(ids[0], live);
        assert_int_equal(ids[1], 0);
        assert_int_equal(ids[2], 0);
        assert_int_equal(mu_ledger_pending(world->pg, (int64_t[]){1, 2, 3}, 3, pending, &count), 0);
        assert_int_equal(count, 3);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(pending[i].count, pending[i].device_id == 1 ? 1 : 0);
        assert_int_equal(mu_ledger_pending_all(world->pg, &all, &count), 0);
        assert_int_equal(count, 1);
        assert_int_equal(all[0].device_id, 1);
        assert_int_equal(all[0].count, 1);
        free(all);
        run(world, "UPDATE devices SET quarantined_at = NULL WHERE id = 2");
        heads(world, 2, ids);
        assert_int_not_equal(ids[1], 0);
}

static void a_fetch_takes_several_in_order(void **state)
{
        struct world *world = *state;
        int64_t ids[4];
        struct mu_ledger_list list;
        struct mu_ledger_sent sent;

        for (int i = 0; i < 4; i++)
                ids[i] = queue(world, 1);
        assert_true(send_by(world->pg, 1, ids[2], MU_COMMAND_BY_FCM, &sent));
        assert_int_equal(mu_ledger_waiting(world->pg, 1, 3, &list), 0);
        assert_int_equal(list.count, 3);
        assert_int_equal(list.commands[0].id, ids[2]); /* it is out already */
        assert_int_equal(list.commands[0].state, MU_COMMAND_SENT);
        assert_true(list.commands[0].last_sent_at_us > 0);
        assert_int_equal(list.commands[1].id, ids[0]);
        assert_int_equal(list.commands[1].state, MU_COMMAND_QUEUED);
        assert_int_equal(list.commands[1].last_sent_at_us, 0);
        assert_string_equal(list.commands[1].fcm_token, "fcm 1");
        assert_int_equal(list.commands[2].id, ids[1]);
        mu_ledger_list_done(&list);
}

/* ---- on the way ---- */

static void two_paths_one_receipt(void **state)
{
        struct world *world = *state;
        int64_t id = queue(world, 1);
        struct mu_ledger_receipt receipt;
        struct mu_ledger_sent sent;

        assert_true(send_by(world->pg, 1, id, MU_COMMAND_BY_FCM, &sent));
        assert_true(send_by(world->pg, 1, id, MU_COMMAND_BY_WEBSOCKET, &sent));
        assert_false(sent.first);
        assert_int_equal(sent.attempt, 2);
        assert_true(receive(world->pg, 1, id, MU_COMMAND_BY_FCM, &receipt));
        assert_true(receipt.changed);
        assert_int_equal(receipt.state, MU_COMMAND_RECEIVED);
        assert_int_equal(receipt.path, MU_COMMAND_BY_FCM);
        assert_true(receipt.queued_to_received_us >= 0);
        assert_true(receipt.sent_to_received_us >= 0);
        assert_string_equal(receipt.type->name, "ping");
        assert_true(receive(world->pg, 1, id, MU_COMMAND_BY_WEBSOCKET, &receipt));
        assert_false(receipt.changed);
        assert_int_equal(receipt.state, MU_COMMAND_RECEIVED);
        assert_int_equal(number(world, "SELECT count(*) FROM commands WHERE first_path = 'fcm'"
                                       " AND sent_path = 'websocket' AND attempt_count = 2"),
                         1);
        assert_false(send_by(world->pg, 1, id, MU_COMMAND_BY_WEBSOCKET, &sent));
        assert_false(receive(world->pg, 2, id, MU_COMMAND_BY_FCM, &receipt)); /* not its device's */
}

static void attempts_are_kept(void **state)
{
        struct world *world = *state;
        int64_t id = queue(world, 1);
        struct mu_ledger_sent sent;
        struct mu_ledger_attempt attempt = {.key = {1, id}};

        assert_true(send_by(world->pg, 1, id, MU_COMMAND_BY_FCM_NUDGE, &sent));
        assert_true(is_in(world->pg, id, "queued"));
        assert_true(send_by(world->pg, 1, id, MU_COMMAND_BY_FCM, &sent));
        assert_int_equal(sent.attempt, 2);
        assert_int_equal(number(world, "SELECT count(*) FROM command_attempts"
                                       " WHERE status = 'started'"),
                         2);
        attempt.attempt = 2;
        attempt.status = MU_ATTEMPT_THROTTLED;
        attempt.latency_us = 1234;
        attempt.retry_at_us = INT64_C(1732182939000000);
        attempt.http_status = 429;
        attempt.error = "Quota \"exceeded\"\n\xff";
        assert_int_equal(mu_ledger_attempts(world->pg, &attempt, 1), 0);
        assert_int_equal(
                number(world,
                       "SELECT count(*) FROM command_attempts WHERE number = 2 AND path = 'fcm'"
                       " AND status = 'throttled' AND latency_us = 1234 AND http_status = 429"
                       " AND retry_at = to_timestamp(1732182939) AND fcm_message_id IS NULL"
                       " AND error LIKE 'Quota \"exceeded\"%%'"),
                1);
        attempt = (struct mu_ledger_attempt){.key = {1, id},
                                             .attempt = 1,
                                             .status = MU_ATTEMPT_ACCEPTED,
                                             .fcm_message_id = "projects/x/messages/1"};
        assert_int_equal(mu_ledger_attempts(world->pg, &attempt, 1), 0);
        assert_int_equal(number(world, "SELECT count(*) FROM command_attempts WHERE number = 1"
                                       " AND path = 'fcm_nudge' AND status = 'accepted'"
                                       " AND retry_at IS NULL AND http_status IS NULL"
                                       " AND fcm_message_id = 'projects/x/messages/1'"),
                         1);
        attempt.key.command_id = 4711; /* gone */
        assert_int_equal(mu_ledger_attempts(world->pg, &attempt, 1), 0);
}

static void a_fcm_token_is_cleared_unless_it_is_new(void **state)
{
        struct world *world = *state;

        assert_int_equal(mu_ledger_clear_fcm_token(world->pg, 1, "fcm old"), 0);
        assert_int_equal(number(world, "SELECT count(*) FROM devices WHERE fcm_token IS NULL"), 0);
        assert_int_equal(mu_ledger_clear_fcm_token(world->pg, 1, "fcm 1"), 0);
        assert_int_equal(number(world, "SELECT id FROM devices WHERE fcm_token IS NULL"), 1);
}

static void envelopes_are_signed_by_the_devices_key(void **state)
{
        struct world *world = *state;
        int64_t id = queue_as(world, 1, "lock", "{\"message\":\"B\xc3\xbcro\"}", 0);
        int64_t now_us = mu_clock_realtime_us(mu_clock_system());
        struct mu_command_envelope envelopes[2];
        struct mu_command_key key;
        struct mu_ledger_list list;
        struct mu_text text;

        assert_int_equal(mu_ledger_waiting(world->pg, 1, 9, &list), 0);
        assert_int_equal(list.count, 1);
        assert_false(list.commands[0].direct_only);
        for (int i = 0; i < 2; i++) {
                mu_text_init(&text);
                assert_int_equal(
                        mu_ledger_envelope(world->secrets, &list.commands[0], now_us, &text, NULL),
                        0);
                assert_int_equal(mu_command_envelope_read(text.data, text.bytes, &envelopes[i]), 0);
                mu_text_done(&text);
                mu_command_key_of(world->secrets, 1, 1, &key);
                assert_int_equal(envelopes[i].form.command_id, id);
                assert_string_equal(envelopes[i].form.payload, "{\"message\":\"B\xc3\xbcro\"}");
                assert_int_equal(mu_command_verify(&envelopes[i].form, envelopes[i].signature, &key,
                                                   1, &mu_command_crypto_boringssl,
                                                   now_us / MU_US_PER_S),
                                 0);
        }
        assert_memory_not_equal(envelopes[0].form.nonce, envelopes[1].form.nonce,
                                MU_COMMAND_NONCE_BYTES);
        mu_command_envelope_done(&envelopes[0]);
        mu_command_envelope_done(&envelopes[1]);
        mu_ledger_list_done(&list);
}

/* ---- time ---- */

static size_t expire(struct mu_pg *pg)
{
        struct mu_ledger_expired expired;

        assert_int_equal(mu_ledger_expire(pg, 100, &expired), 0);
        size_t count = expired.count;

        assert_int_equal(expired.news->count, count);
        mu_ledger_expired_done(&expired);
        return count;
}

static void time_ends_every_state_that_is_not_over(void **state)
{
        struct world *world = *state;
        struct mu_ledger_receipt receipt;
        struct mu_ledger_sent sent;
        struct mu_ledger_expired expired;
        int64_t received = queue(world, 1);
        int64_t timely = queue(world, 1);

        (void)queue_as(world, 2, "wipe", "{}", 300);
        (void)queue(world, 3);
        int64_t out = queue(world, 4);

        assert_true(send_by(world->pg, 1, received, MU_COMMAND_BY_FCM, &sent));
        assert_true(receive(world->pg, 1, received, MU_COMMAND_BY_FCM, &receipt));
        assert_true(send_by(world->pg, 4, out, MU_COMMAND_BY_FCM, &sent));
        assert_int_equal(expire(world->pg), 0);
        /* A receipt gives the device a day to answer. */
        assert_int_equal(number(world, "SELECT id FROM commands"
                                       " WHERE expires_at > now() + interval '23 hours'"),
                         received);
        run(world, "UPDATE commands SET expires_at = now() WHERE id <> %lld", (long long)timely);
        assert_int_equal(head(world), timely);
        assert_int_equal(mu_ledger_expire(world->pg, 100, &expired), 0);
        assert_int_equal(expired.count, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(expired.news->notes[i].state, MU_COMMAND_EXPIRED);
                assert_int_not_equal(expired.news->notes[i].id, timely);
        }
        mu_ledger_expired_done(&expired);
        assert_int_equal(number(world, "SELECT count(DISTINCT error) FROM commands"
                                       " WHERE state = 'expired' AND finished_at IS NOT NULL"),
                         4);
        assert_int_equal(expire(world->pg), 0);
        assert_false(send_by(world->pg, 4, out, MU_COMMAND_BY_FCM, &sent));
}

static void what_is_old_goes_with_its_attempts(void **state)
{
        struct world *world = *state;
        int64_t old = queue(world, 1);
        int64_t young = queue(world, 1);
        int64_t live = queue(world, 1);
        struct mu_ledger_sent sent;
        uint64_t removed;

        assert_true(send_by(world->pg, 1, old, MU_COMMAND_BY_FCM, &sent));
        assert_true(cancel(world->pg, 1, old));
        assert_true(cancel(world->pg, 1, young));
        run(world,
            "UPDATE commands SET finished_at = now() - interval '100 days',"
            " created_at = now() - interval '101 days' WHERE id = %lld",
            (long long)old);
        run(world, "UPDATE commands SET created_at = now() - interval '101 days' WHERE id = %lld",
            (long long)live);
        int64_t before_us =
                mu_clock_realtime_us(mu_clock_system()) - 90 * MU_S_PER_DAY * MU_US_PER_S;

        assert_int_equal(mu_ledger_forget(world->pg, before_us, 100, &removed), 0);
        assert_int_equal(removed, 1);
        assert_int_equal(number(world, "SELECT count(*) FROM commands"), 2);
        assert_int_equal(number(world, "SELECT count(*) FROM command_attempts"), 0);
        assert_true(is_in(world->pg, live, "queued"));
}

static void a_deleted_devices_commands_are_cancelled(void **state)
{
        struct world *world = *state;
        int64_t gone = queue(world, 1);
        int64_t wipe = queue_as(world, 1, "wipe", "{}", 300);
        int64_t other = queue(world, 2);
        uint64_t cancelled;

        assert_int_equal(mu_ledger_cancel_devices(world->pg, (int64_t[]){1, 3}, 2, &cancelled), 0);
        assert_int_equal(cancelled, 2);
        assert_true(is_in(world->pg, gone, "cancelled"));
        assert_true(is_in(world->pg, wipe, "cancelled"));
        assert_true(is_in(world->pg, other, "queued"));
}

/* ---- results ---- */

static json_t *signed_result(struct world *world, int64_t device_id, int64_t id, bool done,
                             const char *result, const char *error, uint32_t key_version)
{
        const struct mu_command_result_form form = {
                .device_id = device_id,
                .command_id = id,
                .done = done,
                .result = result,
                .result_bytes = result ? strlen(result) : 0,
                .error = error,
                .error_bytes = error ? strlen(error) : 0,
                .finished_at_s = 1732182939,
                .key_version = key_version,
        };
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        char hex[MU_COMMAND_SIGNATURE_TEXT_BYTES];
        struct mu_command_key key;
        char digits[24];

        mu_command_key_of(world->secrets, device_id, key_version, &key);
        assert_int_equal(
                mu_command_result_sign(&form, &key, &mu_command_crypto_boringssl, signature), 0);
        mu_text_hex(signature, sizeof(signature), hex);
        (void)snprintf(digits, sizeof(digits), "%lld", (long long)id);
        json_t *body = json_pack("{s:s, s:s, s:s?, s:s?, s:I, s:i, s:s}", "command_id", digits,
                                 "status", done ? "done" : "failed", "result", result, "error",
                                 error, "finished_at", (json_int_t)form.finished_at_s,
                                 "key_version", (int)key_version, "signature", hex);

        assert_non_null(body);
        return body;
}

/* Takes the body's reference. */
static enum mu_result_outcome take(struct world *world, struct mu_pg *pg, int64_t device_id,
                                   json_t *body, struct mu_result_answer *ret_answer)
{
        int error = mu_result_take(pg, world->secrets, device_id, body, ret_answer);

        json_decref(body);
        if (error < 0)
                fail_msg("%d: %s", error, mu_pg_last_error(pg)->text);
        assert_false(mu_pg_in_transaction(pg));
        return ret_answer->outcome;
}

static void a_result_is_booked_once(void **state)
{
        struct world *world = *state;
        int64_t id = queue(world, 1);
        const char *result = "{ \"uptime_s\" : 12 }";
        struct mu_result_answer answer;
        struct mu_ledger_sent sent;

        assert_true(send_by(world->pg, 1, id, MU_COMMAND_BY_FCM, &sent));
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, id, true, result, NULL, 1), &answer),
                         MU_RESULT_STORED);
        assert_int_equal(answer.state, MU_COMMAND_DONE);
        assert_int_equal(answer.path, MU_COMMAND_BY_FCM);
        assert_true(answer.queued_to_received_us >= 0); /* it acknowledges too */
        assert_true(answer.queued_to_done_us >= 0);
        assert_int_equal(number(world, "SELECT (result ->> 'uptime_s')::int FROM commands"
                                       " WHERE device_finished_at = to_timestamp(1732182939)"
                                       " AND received_at IS NOT NULL AND finished_at IS NOT NULL"),
                         12);
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, id, true, result, NULL, 1), &answer),
                         MU_RESULT_DUPLICATE);
        assert_int_equal(answer.state, MU_COMMAND_DONE);
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, id, false, NULL, "no", 1), &answer),
                         MU_RESULT_CONFLICT);
        assert_true(is_in(world->pg, id, "done"));
}

static void a_forged_result_changes_nothing(void **state)
{
        struct world *world = *state;
        int64_t id = queue(world, 1);
        struct mu_result_answer answer;
        json_t *body = signed_result(world, 1, id, true, NULL, NULL, 1);

        json_object_set_new(body, "status", json_string("failed"));
        assert_int_equal(take(world, world->pg, 1, body, &answer), MU_RESULT_FORGED);
        /* Signed rightly by another device; under a version that is not the device's. */
        body = signed_result(world, 2, id, true, NULL, NULL, 1);
        assert_int_equal(take(world, world->pg, 1, body, &answer), MU_RESULT_FORGED);
        body = signed_result(world, 1, id, true, NULL, NULL, 2);
        assert_int_equal(take(world, world->pg, 1, body, &answer), MU_RESULT_FORGED);
        body = signed_result(world, 2, id, true, NULL, NULL, 1);
        assert_int_equal(take(world, world->pg, 2, body, &answer), MU_RESULT_UNKNOWN);
        body = signed_result(world, 1, id, true, "{\"no", NULL, 1);
        assert_int_equal(take(world, world->pg, 1, body, &answer), MU_RESULT_MALFORMED);
        assert_true(*answer.detail != '\0');
        assert_true(is_in(world->pg, id, "queued"));
}

static void late_results_are_kept_beside_the_state(void **state)
{
        struct world *world = *state;
        int64_t id = queue(world, 1);
        int64_t wipe = queue_as(world, 1, "wipe", "{}", 300);
        struct mu_result_answer answer;

        assert_true(cancel(world->pg, 1, id));
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, id, false, NULL, "no such app", 1), &answer),
                         MU_RESULT_LATE);
        assert_int_equal(answer.state, MU_COMMAND_CANCELLED);
        assert_int_equal(answer.queued_to_done_us, -1);
        assert_int_equal(number(world, "SELECT id FROM commands WHERE state = 'cancelled'"
                                       " AND result_status = 'failed'"
                                       " AND result_error = 'no such app'"),
                         id);
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, id, false, NULL, "no such app", 1), &answer),
                         MU_RESULT_DUPLICATE);
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, wipe, true, NULL, NULL, 1), &answer),
                         MU_RESULT_CONFLICT);
}

static void keys_rotate_without_a_gap(void **state)
{
        struct world *world = *state;
        int64_t before = queue(world, 1);
        int64_t rotation = queue_as(world, 1, "rotate_key", "{\"version\":2}", 0);
        int64_t after = queue(world, 1);
        struct mu_command_envelope envelope;
        struct mu_result_answer answer;
        struct mu_ledger_list list;
        struct mu_command_key key;
        struct mu_text text;

        run(world, "UPDATE devices SET hmac_next_key_version = 2 WHERE id = 1");
        assert_int_equal(mu_ledger_waiting(world->pg, 1, 9, &list), 0);
        assert_true(list.commands[1].direct_only);
        assert_int_equal(list.commands[1].key_version, 1);
        mu_text_init(&text);
        assert_int_equal(mu_ledger_envelope(world->secrets, &list.commands[1],
                                            1732182939 * MU_US_PER_S, &text, NULL),
                         0);
        assert_int_equal(mu_command_envelope_read(text.data, text.bytes, &envelope), 0);
        mu_command_key_of(world->secrets, 1, 1, &key);
        assert_int_equal(mu_command_verify(&envelope.form, envelope.signature, &key, 1,
                                           &mu_command_crypto_boringssl, 1732182939),
                         0);
        assert_non_null(strstr(envelope.form.payload, "\"key\":\""));
        mu_command_envelope_done(&envelope);
        mu_text_done(&text);
        mu_ledger_list_done(&list);
        assert_int_equal(
                number(world, "SELECT count(*) FROM commands WHERE payload LIKE '%%key%%'"),
                0); /* the key itself is nowhere in the database */

        /* The answer proves that the device has the new key: the old one will not do. */
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, rotation, true, NULL, NULL, 1), &answer),
                         MU_RESULT_FORGED);
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, rotation, true, NULL, NULL, 2), &answer),
                         MU_RESULT_STORED);
        assert_true(answer.key_rotated);
        assert_int_equal(number(world, "SELECT hmac_key_version FROM devices WHERE id = 1"
                                       " AND hmac_next_key_version IS NULL"),
                         2);
        assert_int_equal(mu_ledger_waiting(world->pg, 1, 9, &list), 0);
        assert_int_equal(list.commands[0].key_version, 2);
        mu_ledger_list_done(&list);
        /* What waited in the agent's queue is signed with the former one. */
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, before, true, NULL, NULL, 1), &answer),
                         MU_RESULT_STORED);
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, before, true, NULL, NULL, 2), &answer),
                         MU_RESULT_DUPLICATE); /* the same result, signed anew */
        run(world, "UPDATE devices SET hmac_key_rotated_at = now() - interval '25 hours'");
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, after, true, NULL, NULL, 1), &answer),
                         MU_RESULT_FORGED);
        assert_int_equal(take(world, world->pg, 1,
                              signed_result(world, 1, after, true, NULL, NULL, 2), &answer),
                         MU_RESULT_STORED);
}

/* ---- races ---- */

struct racer {
        struct world *world;
        struct mu_pg *pg;
        pthread_barrier_t *barrier;
        void (*run)(struct racer *racer);
        int64_t id;
        bool won;
        struct mu_result_answer answer;
};

static void race(void *context)
{
        struct racer *racer = context;

        pthread_barrier_wait(racer->barrier);
        racer->run(racer);
}

/* Both at once, each on a connection of its own. */
static void race_both(struct racer racers[2])
{
        pthread_barrier_t barrier;
        pthread_t threads[2];

        pthread_barrier_init(&barrier, NULL, 2);
        for (int i = 0; i < 2; i++) {
                racers[i].barrier = &barrier;
                racers[i].pg = test_pg_acquire(postgres);
                assert_int_equal(mu_thread_start("racer", race, &racers[i], &threads[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
                mu_thread_join(threads[i]);
                mu_database_release(postgres->database, racers[i].pg);
        }
        pthread_barrier_destroy(&barrier);
}

static void run_cancel(struct racer *racer)
{
        racer->won = cancel(racer->pg, 1, racer->id);
}

static void run_receive(struct racer *racer)
{
        struct mu_ledger_receipt receipt;

        racer->won = receive(racer->pg, 1, racer->id, MU_COMMAND_BY_WEBSOCKET, &receipt) &&
                     receipt.changed;
        assert_true(racer->won == (receipt.state == MU_COMMAND_RECEIVED));
}

static void run_send(struct racer *racer)
{
        struct mu_ledger_sent sent;

        racer->won = send_by(racer->pg, 1, racer->id, MU_COMMAND_BY_WEBSOCKET, &sent);
}

static void run_expire(struct racer *racer)
{
        racer->won = expire(racer->pg) == 1;
}

static void run_done(struct racer *racer)
{
        (void)take(racer->world, racer->pg, 1,
                   signed_result(racer->world, 1, racer->id, true, NULL, NULL, 1), &racer->answer);
        racer->won = racer->answer.outcome == MU_RESULT_STORED;
}

static void run_failed(struct racer *racer)
{
        (void)take(racer->world, racer->pg, 1,
                   signed_result(racer->world, 1, racer->id, false, NULL, "e", 1), &racer->answer);
        racer->won = racer->answer.outcome == MU_RESULT_STORED;
}

enum { ROUNDS = 40 };

static void cancel_against_receipt(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < ROUNDS; i++) {
                int64_t id = queue(world, 1);
                struct racer racers[2] = {{.world = world, .run = run_cancel, .id = id},
                                          {.world = world, .run = run_receive, .id = id}};

                race_both(racers);
                assert_true(racers[0].won != racers[1].won);
                assert_true(is_in(world->pg, id, racers[0].won ? "cancelled" : "received"));
        }
}

static void cancel_against_sending(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < ROUNDS; i++) {
                int64_t id = queue(world, 1);
                struct racer racers[2] = {{.world = world, .run = run_cancel, .id = id},
                                          {.world = world, .run = run_send, .id = id}};

                race_both(racers);
                assert_true(racers[0].won); /* what is sent may still be cancelled */
                assert_true(is_in(world->pg, id, "cancelled"));
                /* An attempt stands there exactly where one was allowed. */
                assert_int_equal(number(world,
                                        "SELECT count(*) FROM command_attempts"
                                        " WHERE command_id = %lld",
                                        (long long)id),
                                 racers[1].won ? 1 : 0);
        }
}

static void two_results(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < ROUNDS; i++) {
                int64_t id = queue(world, 1);
                struct racer racers[2] = {{.world = world, .run = run_done, .id = id},
                                          {.world = world, .run = run_failed, .id = id}};

                race_both(racers);
                assert_true(racers[0].won != racers[1].won);
                assert_true(is_in(world->pg, id, racers[0].won ? "done" : "failed"));
                assert_int_equal(racers[racers[0].won ? 1 : 0].answer.outcome, MU_RESULT_CONFLICT);
        }
}

static void the_same_result_twice_at_once(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < ROUNDS; i++) {
                int64_t id = queue(world, 1);
                struct racer racers[2] = {{.world = world, .run = run_done, .id = id},
                                          {.world = world, .run = run_done, .id = id}};

                race_both(racers);
                assert_true(racers[0].won != racers[1].won);
                assert_int_equal(racers[racers[0].won ? 1 : 0].answer.outcome, MU_RESULT_DUPLICATE);
        }
}

static void expiry_against_result(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < ROUNDS; i++) {
                int64_t id = queue(world, 1);
                struct racer racers[2] = {{.world = world, .run = run_expire, .id = id},
                                          {.world = world, .run = run_done, .id = id}};

                run(world, "UPDATE commands SET expires_at = now() WHERE id = %lld", (long long)id);
                race_both(racers);
                /* The sweep leaves alone what somebody is at; then it comes again and finds it
                 * done. */
                assert_true(racers[0].won != racers[1].won);
                assert_true(is_in(world->pg, id, racers[0].won ? "expired" : "done"));
                assert_int_equal(racers[1].answer.outcome,
                                 racers[0].won ? MU_RESULT_LATE : MU_RESULT_STORED);
                assert_int_equal(expire(world->pg), 0);
        }
}

static int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(one_at_a_time_in_order),
                TEST(what_is_out_comes_before_a_lower_id),
                TEST(nothing_for_devices_quarantined_or_deleted),
                TEST(a_fetch_takes_several_in_order),
                TEST(two_paths_one_receipt),
                TEST(attempts_are_kept),
                TEST(a_fcm_token_is_cleared_unless_it_is_new),
                TEST(envelopes_are_signed_by_the_devices_key),
                TEST(time_ends_every_state_that_is_not_over),
                TEST(what_is_old_goes_with_its_attempts),
                TEST(a_deleted_devices_commands_are_cancelled),
                TEST(a_result_is_booked_once),
                TEST(a_forged_result_changes_nothing),
                TEST(late_results_are_kept_beside_the_state),
                TEST(keys_rotate_without_a_gap),
                TEST(cancel_against_receipt),
                TEST(cancel_against_sending),
                TEST(two_results),
                TEST(the_same_result_twice_at_once),
                TEST(expiry_against_result),
        };

        return cmocka_run_group_tests(tests, group_setup, test_pg_group_teardown);
}
