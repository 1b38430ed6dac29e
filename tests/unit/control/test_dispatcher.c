/* SPDX-License-Identifier: Apache-2.0 */
/* The dispatcher's rules, step by step, with everything around it faked (delivery_fakes.h). */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "delivery_fakes.h"

#define WS MU_COMMAND_BY_WEBSOCKET
#define FCM MU_COMMAND_BY_FCM
#define NUDGE MU_COMMAND_BY_FCM_NUDGE

static int set_up(void **state)
{
        (void)state;
        world_create();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        world_destroy();
        return 0;
}

static void give_token(int64_t device_id)
{
        (void)snprintf(world->state[device_id].fcm_token, sizeof(world->state[0].fcm_token),
                       "fcm-%lld", (long long)device_id);
}

/* ---- paths ---- */

static void open_channel_comes_first(void **state)
{
        (void)state;
        world_add_devices(1);
        give_token(1);
        world_connect(1);
        world_queue(1);
        world_settle();
        assert_int_equal(world->send_count, 1);
        assert_int_equal(world_sends_of(1, WS), 1);
        assert_int_equal(world_command(1)->state, MU_COMMAND_SENT);
        assert_int_equal(world->attempts[0].status, MU_ATTEMPT_SENT);
        assert_int_equal(world->attempts[0].number, 1);
        assert_int_equal(world_pending(1), 1);
        world_acknowledges(1, 1);
        assert_int_equal(world_command(1)->state, MU_COMMAND_RECEIVED);
        assert_int_equal(world_pending(1), 0);
        assert_string_equal(world->said,
                            "1 {\"type\":\"acknowledged\",\"command_id\":\"1\",\"state\":"
                            "\"received\",\"run\":true}\n");
}

static void token_comes_second(void **state)
{
        (void)state;
        world_add_devices(1);
        give_token(1);
        world_queue(1);
        world_settle();
        assert_int_equal(world_sends_of(1, FCM), 1);
        assert_int_equal(world->attempt_count, 0); /* nothing known yet */
        world_reports(0, MU_FCM_SENT, 1, 200);
        assert_int_equal(world->attempts[0].status, MU_ATTEMPT_ACCEPTED);
}

static void else_the_count_alone(void **state)
{
        (void)state;
        world_add_devices(2);
        world_queue(1);
        world_queue(1);
        world_settle();
        assert_int_equal(world->send_count, 0);
        assert_int_equal(world_command(1)->state, MU_COMMAND_QUEUED);
        assert_int_equal(world_pending(1), 2);
        assert_int_equal(world_pending(2), 0);
        world_command(1)->state = MU_COMMAND_DONE; /* fetched */
        mu_dispatcher_changed(world->dispatcher, (int64_t[]){1}, 1);
        world_settle();
        assert_int_equal(world_pending(1), 1);
}

static void secrets_and_large_ones_are_fetched(void **state)
{
        (void)state;
        world_add_devices(2);
        give_token(1);
        give_token(2);
        world_queue(1)->direct_only = true;
        world_queue(2)->payload_bytes = 4000;
        world_settle();
        assert_int_equal(world_sends_of(1, NUDGE), 1);
        assert_int_equal(world_sends_of(2, NUDGE), 1);
        assert_int_equal(world->send_count, 2);
        assert_int_equal(world_command(1)->state, MU_COMMAND_QUEUED);
        world_reports(0, MU_FCM_SENT, 1, 200);
        assert_int_equal(world->send_count, 2); /* though it is still queued */
        world_advance_ms(8 * 30 * 1000);
        assert_int_equal(world_sends_of(1, NUDGE), 2);
        assert_int_equal(world_sends_of(2, NUDGE), 1); /* FCM still has it in hand */
}

static void one_at_a_time_and_in_order(void **state)
{
        (void)state;
        world_add_devices(1);
        world_connect(1);
        for (int i = 0; i < 3; i++)
                world_queue(1);
        world_settle();
        assert_int_equal(world->send_count, 1);
        for (int64_t id = 1; id <= 3; id++) {
                assert_int_equal(world->sends[world->send_count - 1].command_id, id);
                assert_int_equal(world_pending(1), 4 - id);
                world_acknowledges(1, id);
        }
        assert_int_equal(world->send_count, 3);
        assert_int_equal(world_pending(1), 0);
}

static void first_acknowledgement_wins(void **state)
{
        (void)state;
        world_add_devices(2);
        world_connect(1);
        world_connect(2);
        world_queue(1);
        world_settle();
        world_acknowledges(1, 1);
        world_acknowledges(1, 1);
        world_acknowledges(2, 1); /* another device's */
        assert_int_equal(mu_cell_get(&world->dispatcher->metrics.delivered[WS]), 1);
        assert_int_equal(world->send_count, 1);
        assert_string_equal(world->said,
                            "1 {\"type\":\"acknowledged\",\"command_id\":\"1\",\"state\":"
                            "\"received\",\"run\":true}\n"
                            "1 {\"type\":\"acknowledged\",\"command_id\":\"1\",\"state\":"
                            "\"received\",\"run\":true}\n"
                            "2 {\"type\":\"error\",\"command_id\":\"1\",\"detail\":\"This device "
                            "has no such command.\"}\n");
}

/* ---- again ---- */

static void repeated_with_growing_waits(void **state)
{
        (void)state;
        world_add_devices(1);
        world_connect(1);
        world_queue(1);
        world_settle();
        size_t expected = 1;

        for (int64_t wait_ms = 30000; expected < 9; wait_ms *= wait_ms < 960000 ? 2 : 1) {
                world_advance_ms(wait_ms - 1);
                assert_int_equal(world->send_count, expected);
                world_advance_ms(1);
                assert_int_equal(world->send_count, ++expected);
        }
        world_acknowledges(1, 1);
        world_advance_ms(3600000);
        assert_int_equal(world->send_count, expected);
}

static void a_new_channel_gets_it_at_once(void **state)
{
        (void)state;
        world_add_devices(1);
        world_connect(1);
        world_queue(1);
        world_queue(1);
        world_settle();
        world_connect(1);
        world_settle();
        assert_int_equal(world_sends_of(1, WS), 2);
        assert_int_equal(world_sends_of(2, WS), 0);
        world_acknowledges(1, 1);
        assert_int_equal(world_sends_of(2, WS), 1);
}

static void a_lost_channel_falls_back_to_fcm(void **state)
{
        (void)state;
        world_add_devices(1);
        give_token(1);
        world_connect(1);
        world_queue(1);
        world_settle();
        world_disconnect(1);
        world_settle();
        assert_int_equal(world_sends_of(1, FCM), 1);
        world_connect(1); /* and back, while FCM has it in hand */
        world_settle();
        assert_int_equal(world_sends_of(1, WS), 2);
        assert_int_equal(world->send_count, 3);
}

static void what_was_sent_before_a_restart_goes_on(void **state)
{
        (void)state;
        world_add_devices(2);
        give_token(1);
        world_queue(1)->state = MU_COMMAND_SENT; /* by the process before this one */
        world_command(1)->attempt_count = 1;
        world_command(1)->last_sent_at_us = world->clock.realtime_us - 200 * MU_US_PER_S;
        world_settle();
        assert_int_equal(world->send_count, 0);
        world_advance_ms(39 * 1000);
        assert_int_equal(world->send_count, 0);
        world_advance_ms(2 * 1000);
        assert_int_equal(world_sends_of(1, FCM), 1);
}

/* ---- FCM ---- */

static void unregistered_clears_the_token(void **state)
{
        (void)state;
        world_add_devices(1);
        give_token(1);
        world_queue(1);
        world_settle();
        world_reports(0, MU_FCM_UNREGISTERED, 1, 404);
        assert_int_equal(world->cleared_token_of, 1);
        assert_int_equal(world->attempts[0].status, MU_ATTEMPT_UNREGISTERED);
        world_advance_ms(24 * 3600 * 1000);
        assert_int_equal(world->send_count, 1);
        assert_int_equal(world_pending(1), 1); /* its next heartbeat makes it fetch */
        give_token(1);
        mu_dispatcher_changed(world->dispatcher, (int64_t[]){1}, 1);
        world_advance_ms(24 * 3600 * 1000);
        assert_int_equal(world->send_count, 2);
}

static void every_attempt_of_fcm_is_kept(void **state)
{
        static const enum mu_attempt_status expected[] = {
                MU_ATTEMPT_THROTTLED, MU_ATTEMPT_UNREACHABLE, MU_ATTEMPT_ACCEPTED};

        (void)state;
        world_add_devices(1);
        give_token(1);
        world_queue(1);
        world_settle();
        world_reports(0, MU_FCM_WILL_RETRY, 1, 429);
        world_reports(0, MU_FCM_WILL_RETRY, 2, 503);
        world_reports(0, MU_FCM_SENT, 3, 200);
        assert_int_equal(world->attempt_count, 3);
        for (uint32_t i = 0; i < 3; i++) {
                assert_int_equal(world->attempts[i].number, i + 1);
                assert_int_equal(world->attempts[i].status, expected[i]);
        }
        assert_int_equal(world->send_count, 1);
}

static void given_up_is_tried_again_later(void **state)
{
        (void)state;
        world_add_devices(1);
        give_token(1);
        world_queue(1);
        world_settle();
        world_advance_ms(3600 * 1000);
        assert_int_equal(world->send_count, 1); /* FCM's own module is at it */
        world_reports(0, MU_FCM_GAVE_UP, 1, 500);
        assert_int_equal(world->attempts[0].status, MU_ATTEMPT_UNREACHABLE);
        world_advance_ms(8 * 30 * 1000);
        assert_int_equal(world->send_count, 2);
}

static void reports_outlive_the_database(void **state)
{
        (void)state;
        world_add_devices(1);
        give_token(1);
        world_queue(1);
        world_settle();
        world->database_away = true;
        world_reports(0, MU_FCM_WILL_RETRY, 1, 500);
        world_reports(0, MU_FCM_UNREGISTERED, 2, 404);
        assert_int_equal(world->attempt_count, 0);
        world->database_away = false;
        world->failing = "attempts";
        world_advance_ms(60 * 1000);
        world_advance_ms(60 * 1000);
        assert_int_equal(world->attempt_count, 2);
        assert_int_equal(world->attempts[0].number, 1);
        assert_int_equal(world->attempts[1].number, 2);
        assert_int_equal(world->cleared_token_of, 1);
}

static void fcm_is_full(void **state)
{
        (void)state;
        world_add_devices(1);
        give_token(1);
        world->fcm_error = -EAGAIN;
        world_queue(1);
        world_settle();
        assert_int_equal(world->attempts[0].status, MU_ATTEMPT_THROTTLED);
        world->fcm_error = 0;
        world_advance_ms(8 * 30 * 1000);
        assert_int_equal(world_sends_of(1, FCM), 1);
}

/* ---- withheld ---- */

static void quarantined_devices_get_nothing(void **state)
{
        (void)state;
        world_add_devices(1);
        world_connect(1);
        struct mu_device *device = mu_device_table_by_id(world->devices, 1);

        atomic_store(&device->state, MU_DEVICE_QUARANTINED); /* PostgreSQL does not know yet */
        world_queue(1);
        world_settle();
        assert_int_equal(world->send_count, 0);
        atomic_store(&device->state, MU_DEVICE_LIVE);
        mu_dispatcher_changed(world->dispatcher, &device->id, 1);
        world_settle();
        assert_int_equal(world->send_count, 1);
}

static void ordered_while_it_was_deleted(void **state)
{
        (void)state;
        world_add_devices(2);
        give_token(1);
        atomic_store(&mu_device_table_by_id(world->devices, 1)->state, MU_DEVICE_DELETED);
        world_queue(1);
        world_queue(2);
        world_settle();
        assert_int_equal(world->send_count, 0);
        assert_int_equal(world_command(1)->state, MU_COMMAND_CANCELLED);
        assert_int_equal(world_command(2)->state, MU_COMMAND_QUEUED);
}

static void cancelled_in_between_is_not_sent(void **state)
{
        (void)state;
        world_add_devices(1);
        world_connect(1);
        world_queue(1);
        world_queue(1);
        world->cancel_on_mark = 1;
        world_settle();
        assert_int_equal(world_sends_of(1, WS), 0);
        mu_dispatcher_changed(world->dispatcher, (int64_t[]){1}, 1); /* as the cancel says */
        world_settle();
        assert_int_equal(world_sends_of(2, WS), 1);
        world_acknowledges(1, 1);
        assert_non_null(strstr(world->said, "{\"type\":\"acknowledged\",\"command_id\":\"1\","
                                            "\"state\":\"cancelled\",\"run\":false}"));
}

/* ---- the database ---- */

static void an_outage_loses_nothing(void **state)
{
        (void)state;
        world_add_devices(3);
        world_connect(1);
        world_queue(1);
        world_settle();
        world->database_away = true;
        world_acknowledges(1, 1);
        world_queue(1);
        world_connect(2);
        world_queue(2);
        world_advance_ms(1000);
        assert_int_equal(world->send_count, 1);
        assert_int_equal(world_command(1)->state, MU_COMMAND_SENT);
        assert_int_equal(mu_cell_get(&world->dispatcher->metrics.outages), 1);
        world->database_away = false;
        world_advance_ms(10 * 1000);
        assert_int_equal(world_command(1)->state, MU_COMMAND_RECEIVED);
        assert_int_equal(world_sends_of(2, WS), 1);
        assert_int_equal(world_sends_of(3, WS), 1);
        assert_int_equal(world_pending(1), 1);
}

static void any_statement_may_fail(void **state)
{
        static const char *const names[] = {"pending",  "pending_all",   "heads", "mark_sent",
                                            "attempts", "mark_received", "result"};
        int64_t id = 0;

        (void)state;
        world_add_devices(1);
        world_connect(1);
        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                char result[96];

                world_queue(1);
                id++;
                world->failing = names[i];
                world_advance_ms(10 * 1000);
                world_advance_ms(10 * 1000);
                assert_true(world_sends_of(id, WS) >= 1);
                world_acknowledges(1, id);
                world_advance_ms(10 * 1000);
                assert_int_equal(world_command(id)->state, MU_COMMAND_RECEIVED);
                (void)snprintf(result, sizeof(result),
                               "{\"type\":\"result\",\"command_id\":\"%lld\"}", (long long)id);
                world_says(1, result);
                world_advance_ms(10 * 1000);
                assert_int_equal(world_command(id)->state, MU_COMMAND_DONE);
                if (strcmp(names[i], "pending_all") == 0) { /* asked only after another failed */
                        assert_non_null(world->failing);
                        world->failing = NULL;
                }
                assert_null(world->failing);
                assert_int_equal(world_pending(1), 0);
        }
}

static void a_result_is_answered_once_it_is_stored(void **state)
{
        (void)state;
        world_add_devices(2);
        world_connect(1);
        world_connect(2);
        world_queue(1);
        world_settle();
        world->database_away = true;
        world_says(1, "{\"type\":\"result\",\"command_id\":\"1\",\"status\":\"done\"}");
        assert_string_equal(world->said, "");
        world->database_away = false;
        world_advance_ms(10 * 1000);
        assert_string_equal(world->said, "1 {\"type\":\"result_stored\",\"command_id\":\"1\"}\n");
        *world->said = '\0';
        world_says(2, "{\"type\":\"result\",\"command_id\":\"1\",\"status\":\"done\"}");
        assert_string_equal(world->said, "2 {\"type\":\"result_refused\",\"command_id\":\"1\","
                                         "\"detail\":\"unknown\"}\n");
}

static void one_bad_result_holds_up_nobody(void **state)
{
        struct mu_device *device;

        (void)state;
        world_add_devices(1);
        world_connect(1);
        device = mu_device_table_by_id(world->devices, 1);
        world->poison = 3;
        for (int64_t id = 1; id <= 5; id++) {
                char line[96];
                int bytes =
                        snprintf(line, sizeof(line),
                                 "{\"type\":\"result\",\"command_id\":\"%lld\"}", (long long)id);

                world_queue(1);
                assert_true(mu_dispatcher_take_message(
                        world->dispatcher, device,
                        (struct mu_ws_handle){.number = world->state[1].channel}, line,
                        (size_t)bytes));
        }
        world_settle();
        for (int64_t id = 1; id <= 5; id++)
                assert_int_equal(world_command(id)->state == MU_COMMAND_DONE, id != 3);
        assert_non_null(strstr(world->said, "{\"type\":\"error\",\"command_id\":\"3\""));
        assert_non_null(strstr(world->said, "{\"type\":\"result_stored\",\"command_id\":\"5\"}"));
}

/* ---- bounds ---- */

static void malformed_messages_are_answered(void **state)
{
        static const char *const wrong[] = {
                "",
                "{",
                "[]",
                "{}",
                "{\"type\":\"received\"}",
                "{\"type\":\"received\",\"command_id\":1}",
                "{\"type\":\"received\",\"command_id\":\"-1\"}",
                "{\"type\":\"run\",\"command_id\":\"1\"}",
                "{\"type\":\"received\",\"type\":\"received\",\"command_id\":\"1\"}",
        };

        (void)state;
        world_add_devices(1);
        world_connect(1);
        for (size_t i = 0; i < MU_COUNT_OF(wrong); i++) {
                *world->said = '\0';
                world_says(1, wrong[i]);
                assert_ptr_equal(strstr(world->said, "1 {\"type\":\"error\",\"detail\":"),
                                 world->said);
        }
        assert_int_equal(mu_cell_get(&world->dispatcher->metrics.bad_messages), MU_COUNT_OF(wrong));
}

static void intake_is_bounded(void **state)
{
        static const char message[] = "{\"type\":\"received\",\"command_id\":\"1\"}";
        struct mu_device *device;
        size_t taken = 0;

        (void)state;
        world_add_devices(1);
        world_connect(1);
        device = mu_device_table_by_id(world->devices, 1);
        while (mu_dispatcher_take_message(world->dispatcher, device, (struct mu_ws_handle){0},
                                          message, sizeof(message) - 1))
                taken++;
        assert_int_equal(taken, MU_DISPATCH_INBOUND_MAX);
        world->database_away = true;
        world_settle();
        /* Taken by the thread, but not done: there is still no room. */
        assert_false(mu_dispatcher_take_message(world->dispatcher, device, (struct mu_ws_handle){0},
                                                message, sizeof(message) - 1));
}

static void too_many_changes_are_everything(void **state)
{
        int64_t *ids = calloc(MU_DISPATCH_CHANGED_MAX, sizeof(*ids));

        (void)state;
        assert_non_null(ids);
        world_add_devices(2);
        world_connect(2);
        world_settle();
        uint64_t before = mu_cell_get(&world->dispatcher->metrics.everything);

        for (size_t i = 0; i < MU_DISPATCH_CHANGED_MAX; i++)
                ids[i] = 1;
        world_queue(2);
        mu_dispatcher_changed(world->dispatcher, ids, MU_DISPATCH_CHANGED_MAX);
        mu_dispatcher_changed(world->dispatcher, ids, 1);
        world_settle();
        assert_int_equal(mu_cell_get(&world->dispatcher->metrics.everything), before + 1);
        assert_int_equal(world_sends_of(1, WS), 1);
        mu_dispatcher_changed(NULL, ids, 1);
        free(ids);
}

/* The cost of a bulk order: a fixed number of statements per thousand devices. */
static void thousands_at_once(void **state)
{
        enum { COUNT = 5000 };

        (void)state;
        world_add_devices(COUNT);
        world_settle();
        for (int64_t id = 1; id <= COUNT; id++) {
                world_connect(id);
                world_queue(id);
        }
        world->statements = 0;
        world->heads_asked = 0;
        world_settle();
        assert_int_equal(world->send_count, COUNT);
        for (size_t i = 0; i < COUNT; i++)
                assert_int_equal(world_sends_of((int64_t)i + 1, WS) == 1 ? 1 : 0, 1);
        assert_true(world->heads_asked <= 2 * COUNT);
        assert_true(world->statements <= 2 * 4 * COUNT / MU_DISPATCH_CHUNK + 8);
        assert_int_equal(mu_cell_get(&world->dispatcher->metrics.pending), COUNT);
}

/* ---- the heap ---- */

static void reminders_come_in_order(void **state)
{
        struct mu_resend resend;
        struct mu_resend_entry entry;
        struct mu_random random;
        uint64_t last_ms = 0;

        (void)state;
        mu_random_seed(&random, 7);
        mu_resend_init(&resend);
        assert_true(mu_resend_next_ms(&resend) == UINT64_MAX);
        for (uint32_t i = 0; i < 2000; i++)
                assert_int_equal(mu_resend_add(&resend, mu_random_below(&random, 1000), i), 0);
        for (int i = 0; i < 2000; i++) {
                assert_true(mu_resend_take(&resend, UINT64_MAX - 1, &entry));
                assert_true(entry.due_ms >= last_ms);
                last_ms = entry.due_ms;
        }
        assert_false(mu_resend_take(&resend, UINT64_MAX - 1, &entry));
        assert_int_equal(mu_resend_add(&resend, 10, 1), 0);
        assert_false(mu_resend_take(&resend, 9, &entry));
        assert_true(mu_resend_take(&resend, 10, &entry));
        mu_resend_done(&resend);
}

/* ---- the thread ---- */

static void shout(void *context)
{
        struct mu_device *device = mu_device_table_by_id(world->devices, 1);

        (void)context;
        for (int i = 0; i < 500; i++) {
                mu_dispatcher_changed(world->dispatcher, &device->id, 1);
                assert_true(mu_dispatcher_take_message(
                        world->dispatcher, device, (struct mu_ws_handle){.number = 1}, "{}", 2));
                mu_dispatcher_delivered(world->dispatcher, FCM, 10);
        }
}

static void many_threads_talk_to_it(void **state)
{
        pthread_t threads[3];

        (void)state;
        world_add_devices(1);
        assert_int_equal(mu_dispatcher_start(world->dispatcher), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(mu_thread_start("shout", shout, NULL, &threads[i]), 0);
        for (int i = 0; i < 3; i++)
                mu_thread_join(threads[i]);
        /* A stop that comes first takes what waits away. The runner ends a test that hangs. */
        while (mu_cell_get(&world->dispatcher->metrics.bad_messages) < 1500 ||
               mu_cell_get(&world->dispatcher->metrics.delivered[FCM]) < 1500)
                (void)sched_yield();
        mu_dispatcher_stop(world->dispatcher);
        assert_int_equal(mu_cell_get(&world->dispatcher->metrics.bad_messages), 1500);
        assert_int_equal(mu_cell_get(&world->dispatcher->metrics.delivered[FCM]), 1500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(open_channel_comes_first),
                TEST(token_comes_second),
                TEST(else_the_count_alone),
                TEST(secrets_and_large_ones_are_fetched),
                TEST(one_at_a_time_and_in_order),
                TEST(first_acknowledgement_wins),
                TEST(repeated_with_growing_waits),
                TEST(a_new_channel_gets_it_at_once),
                TEST(a_lost_channel_falls_back_to_fcm),
                TEST(what_was_sent_before_a_restart_goes_on),
                TEST(unregistered_clears_the_token),
                TEST(every_attempt_of_fcm_is_kept),
                TEST(given_up_is_tried_again_later),
                TEST(reports_outlive_the_database),
                TEST(fcm_is_full),
                TEST(quarantined_devices_get_nothing),
                TEST(ordered_while_it_was_deleted),
                TEST(cancelled_in_between_is_not_sent),
                TEST(an_outage_loses_nothing),
                TEST(any_statement_may_fail),
                TEST(a_result_is_answered_once_it_is_stored),
                TEST(one_bad_result_holds_up_nobody),
                TEST(malformed_messages_are_answered),
                TEST(intake_is_bounded),
                TEST(too_many_changes_are_everything),
                TEST(thousands_at_once),
                TEST(reminders_come_in_order),
                TEST(many_threads_talk_to_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
