/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/ledger.h"

#include <string.h>

#include "base/clock.h"
#include "identity/command_sign.h"
#include "ledger_world.h"
#include "wire/command_envelope.h"

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
        };

        return cmocka_run_group_tests(tests, group_setup, test_pg_group_teardown);
}
