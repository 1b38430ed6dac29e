/* SPDX-License-Identifier: Apache-2.0 */
/* What devices report, and everything that may happen at the same time. */
#include "control/command/result.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "identity/command_sign.h"
#include "ledger_world.h"
#include "wire/command_envelope.h"

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

int main(void)
{
        const struct CMUnitTest tests[] = {
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
