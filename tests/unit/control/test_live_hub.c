/* SPDX-License-Identifier: Apache-2.0 */
#include "live_world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"

#define S INT64_C(1000000)
#define ALL "\"topics\":[\"devices\"]"

static int64_t wall_us(const struct world *world)
{
        return world->clock.realtime_us;
}

static void report_now(struct world *world, int64_t id, int battery)
{
        world_report(world, id, wall_us(world), wall_us(world), battery, "com.example.app");
}

/* ---- who may ---- */

static void test_first_message_must_be_auth(void **state)
{
        struct world *world = world_create(64, 0);
        struct world_socket *silent = world_open(world);
        struct world_socket *eager = world_open(world);
        struct world_socket *garbled = world_open(world);
        struct world_socket *forger = world_open(world);
        struct world_socket *good = world_open(world);

        (void)state;
        world_say(eager, "{\"type\":\"subscribe\",\"topics\":[\"fleet\"]}");
        assert_int_equal(eager->closed, MU_LIVE_CLOSE_AUTH);
        world_say(garbled, "{\"type\":\"auth\"");
        assert_int_equal(garbled->closed, MU_LIVE_CLOSE_AUTH);
        world_say(forger, "{\"type\":\"auth\",\"ticket\":\"made up\"}");
        assert_int_equal(forger->closed, MU_LIVE_CLOSE_AUTH);
        world_run(world, MU_LIVE_AUTH_MS - 100);
        assert_int_equal(silent->closed, 0);
        world_say(good, "{\"type\":\"auth\",\"ticket\":\"good\"}");
        world_run(world, 200);
        assert_int_equal(silent->closed, MU_LIVE_CLOSE_AUTH);
        assert_int_equal(good->closed, 0);
        assert_string_equal(json_string_value(json_object_get(good->last, "role")), "viewer");
        assert_int_equal(world->loads, 0); /* nobody watches anything yet */
        world_destroy(world);
}

static void test_api_token_needs_the_scope(void **state)
{
        struct world *world = world_create(64, 0);
        struct world_socket *none, *some;

        (void)state;
        world->who = (struct mu_principal){
                .kind = MU_PRINCIPAL_API_TOKEN, .role = MU_ROLE_OPERATOR, .scopes = "users:read"};
        none = world_open(world);
        world_say(none, "{\"type\":\"auth\",\"ticket\":\"good\"}");
        assert_int_equal(none->closed, MU_LIVE_CLOSE_FORBIDDEN);
        (void)snprintf(world->who.scopes, sizeof(world->who.scopes), "devices:*");
        some = world_watch(world, ALL);
        world_say(some, "{\"type\":\"subscribe\",\"topics\":[\"commands\"]}");
        assert_int_equal(some->errors, 1);
        world_say(some, "{\"type\":\"subscribe\",\"topics\":[\"devices\",\"alerts\"]}");
        assert_int_equal(some->errors, 2);
        assert_int_equal(some->closed, 0);
        world_destroy(world);
}

static void test_ended_session_is_closed_within_a_minute(void **state)
{
        struct world *world = world_create(64, 0);
        struct world_socket *socket = world_watch(world, "");

        (void)state;
        world->check_error = -ENOTCONN; /* nobody can say: stays */
        world->ended = true;
        world_run(world, 60000);
        assert_int_equal(socket->closed, 0);
        world->check_error = 0;
        world_run(world, 60000);
        assert_int_equal(socket->closed, MU_LIVE_CLOSE_AUTH);
        assert_int_equal(mu_cell_get(&mu_live_hub_stats(world->hub)->ended), 1);
        world_destroy(world);
}

static void test_too_many_messages(void **state)
{
        struct world *world = world_create(64, 0);
        struct world_socket *socket = world_watch(world, ALL);

        (void)state;
        for (int i = 2; i < MU_LIVE_MESSAGES_MAX; i++)
                world_say(socket, "{\"type\":\"nonsense\"}");
        assert_int_equal(socket->closed, 0);
        assert_int_equal(socket->errors, MU_LIVE_MESSAGES_MAX - 2);
        world_say(socket, "{}");
        assert_int_equal(socket->closed, MU_LIVE_CLOSE_TOO_MANY);
        world_destroy(world);
}

/* ---- snapshot and deltas ---- */

static void test_snapshot_then_only_what_changed(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *socket;
        const json_t *rows, *row;

        (void)state;
        world_add(world, 1, 700); /* three pages */
        socket = world_watch(world, ALL);
        assert_int_equal(socket->snapshots, 1);
        assert_same(socket, NULL, 0);
        report_now(world, 7, 50);
        world_run(world, MU_LIVE_TICK_MS);
        assert_int_equal(socket->deltas, 1);
        assert_same(socket, NULL, 0);

        world_run(world, 1000);
        world_report(world, 7, wall_us(world), wall_us(world), 51, "com.example.app");
        world_run(world, MU_LIVE_TICK_MS);
        assert_int_equal(socket->deltas, 2);
        rows = json_object_get(socket->last, "devices");
        assert_int_equal(json_array_size(rows), 1);
        row = json_array_get(rows, 0);
        assert_int_equal(json_integer_value(json_object_get(row, "battery")), 51);
        assert_null(json_object_get(row, "fg_package")); /* did not change */
        assert_null(json_object_get(row, "alias"));
        assert_same(socket, NULL, 0);
        world_destroy(world);
}

static void test_mere_liveness_is_told_every_fifteen_seconds(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *socket;

        (void)state;
        world_add(world, 1, 3);
        socket = world_watch(world, ALL);
        report_now(world, 2, 50);
        world_run(world, 1000);
        assert_int_equal(socket->deltas, 1);
        for (int i = 0; i < 10; i++) {
                report_now(world, 2, 50);
                world_run(world, 1000);
        }
        assert_int_equal(socket->deltas, 1);
        world_run(world, MU_LIVE_REFRESH_MS - 10000 + MU_LIVE_WHEEL_MS);
        assert_int_equal(socket->deltas, 2); /* the newest, without another heartbeat */
        assert_same(socket, NULL, 0);
        world_run(world, 60000);
        assert_int_equal(socket->deltas, 2); /* nothing is left to say */
        report_now(world, 2, 50);
        world_run(world, MU_LIVE_TICK_MS);
        assert_int_equal(socket->deltas, 3); /* long silent: at once */
        world_destroy(world);
}

static void test_a_frame_is_made_once_for_all(void **state)
{
        struct world *world = world_create(1024, 0);
        uint32_t made;

        (void)state;
        world_add(world, 1, 10);
        for (int i = 0; i < 100; i++)
                (void)world_watch(world, ALL);
        world_run(world, 1000);
        made = world->frames_made;
        report_now(world, 1, 10);
        report_now(world, 2, 10);
        world_run(world, 1000);
        assert_int_equal(world->frames_made - made, 1);
        for (int i = 0; i < 100; i++) {
                assert_int_equal(world->sockets[i].deltas, 1);
                assert_same(&world->sockets[i], NULL, 0);
        }
        world_destroy(world);
}

static void test_a_round_is_not_larger_than_a_queue_can_take(void **state)
{
        struct world *world = world_create(1 << 12, 0);
        struct world_socket *socket;

        (void)state;
        world_add(world, 1, 2900);
        socket = world_watch(world, ALL);
        for (int64_t id = 1; id <= 2900; id++)
                report_now(world, id, 9);
        world_run(world, 1000);
        assert_int_equal(socket->deltas, 3);
        assert_int_equal(socket->resyncs, 0);
        assert_same(socket, NULL, 0);
        world_destroy(world);
}

static void test_some_devices_only(void **state)
{
        struct world *world = world_create(1024, 0);
        const int64_t ids[] = {2, 5, 20};
        struct world_socket *some;
        struct world_socket *none;

        (void)state;
        world_add(world, 1, 10);
        some = world_watch(world, "\"topics\":[\"devices\",\"commands\"],"
                                  "\"devices\":[\"5\",\"2\",\"20\",\"5\"]");
        none = world_watch(world, "\"topics\":[\"devices\"],\"devices\":[]");
        assert_same(some, ids, 3);
        assert_int_equal(json_object_size(none->devices), 0);
        report_now(world, 3, 1);
        world_command(world, 3, 100, "queued");
        world_run(world, 1000);
        assert_int_equal(some->deltas, 0);
        assert_int_equal(some->commands, 0);
        report_now(world, 5, 1);
        world_command(world, 5, 101, "queued");
        world_add(world, 20, 20); /* comes later: its first report tells of it */
        report_now(world, 20, 7);
        world_run(world, 1000);
        assert_int_equal(some->commands, 1);
        assert_same(some, ids, 3);
        assert_int_equal(none->deltas, 0);
        world_destroy(world);
}

static void test_alerts(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *all, *some, *other;

        (void)state;
        world_add(world, 1, 10);
        all = world_watch(world, "\"topics\":[\"alerts\"]");
        some = world_watch(world, "\"topics\":[\"alerts\",\"commands\"],\"devices\":[\"5\"]");
        other = world_watch(world, "\"topics\":[\"commands\"]");
        world_alert(world, 5, 70, "fired");
        world_run(world, 1000);
        assert_int_equal(all->alerts, 1);
        assert_int_equal(some->alerts, 1);
        char *text = json_dumps(some->alert, JSON_COMPACT);

        assert_string_equal(text, "{\"incident_id\":\"7\",\"alert_id\":\"70\",\"device_id\":\"5\","
                                  "\"rule\":\"offline\",\"change\":\"fired\",\"firing_count\":2,"
                                  "\"at\":1.5}");
        free(text);
        world_alert(world, 0, 0, "acked"); /* of many devices, or of the appliance */
        world_alert(world, 6, 71, "fired");
        world_command(world, 5, 100, "queued");
        world_run(world, 1000);
        assert_int_equal(all->alerts, 3);
        assert_null(json_object_get(all->alert, "acked")); /* who publishes has not looked */
        assert_true(json_is_null(json_object_get(all->alert, "alert_id")));
        assert_true(json_is_null(json_object_get(all->alert, "device_id")));
        assert_int_equal(all->commands, 0);
        assert_int_equal(some->alerts, 1);
        assert_int_equal(some->commands, 1);
        world_alert(world, 0, 0, "unacked");
        world_run(world, 1000);
        assert_true(json_is_false(json_object_get(all->alert, "acked")));
        assert_int_equal(other->alerts, 0);
        assert_int_equal(other->commands, 1);
        world_destroy(world);
}

static void test_deleted_edited_and_long_names(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *socket;
        char package[256];

        (void)state;
        world_add(world, 1, 5);
        socket = world_watch(world, ALL);
        world_delete(world, 2, true);
        world_run(world, 1000);
        assert_same(socket, NULL, 0);
        world_delete(world, 3, false); /* nobody told: found when the list is read again */
        world_run(world, MU_LIVE_RELOAD_MS);
        assert_same(socket, NULL, 0);

        memset(package, 'x', sizeof(package) - 1);
        package[sizeof(package) - 1] = '\0';
        world_report(world, 4, wall_us(world), wall_us(world), 5, package);
        world_run(world, 1000);
        assert_same(socket, NULL, 0);

        struct mu_bus_event event = {.kind = MU_BUS_DEVICE_CHANGED, .device_id = 5};

        (void)snprintf(world->devices[5].alias, sizeof(world->devices[5].alias), "renamed");
        mu_bus_publish(world->bus, &event, 1);
        world_run(world, 1000);
        assert_int_equal(socket->edited, 1);
        assert_same(socket, NULL, 0);
        event.kind = MU_BUS_DEVICES_CHANGED;
        mu_bus_publish(world->bus, &event, 1);
        world_run(world, 2000);
        assert_int_equal(socket->edited, 2);
        world_add(world, 2, 2); /* the same id again: as good as new */
        report_now(world, 2, 66);
        world_run(world, 1000);
        assert_same(socket, NULL, 0);
        world_destroy(world);
}

/* ---- falling behind ---- */

static void test_slow_client_falls_back_to_the_newest(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *slow, *quick;
        size_t before;

        (void)state;
        world_add(world, 1, 50);
        slow = world_watch(world, ALL);
        quick = world_watch(world, ALL);
        slow->waiting = 1024 * 1024;
        before = slow->bytes;
        for (int i = 1; i <= 50; i++) {
                report_now(world, i, i);
                world_run(world, MU_LIVE_TICK_MS);
        }
        assert_int_equal(quick->deltas, 50);
        assert_same(quick, NULL, 0);
        assert_int_equal(slow->resyncs, 1);
        assert_int_equal(slow->deltas, 0);
        assert_true(slow->bytes - before < 100); /* no more than to say so */
        slow->waiting = 0;
        world_run(world, 1000);
        assert_int_equal(slow->deltas, 1); /* all of it at once */
        assert_int_equal(slow->snapshots, 1);
        assert_true(slow->ready);
        assert_same(slow, NULL, 0);
        world_destroy(world);
}

static void test_refused_frame_means_a_snapshot(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *socket;

        (void)state;
        world_add(world, 1, 5);
        socket = world_watch(world, ALL);
        socket->refused = true;
        report_now(world, 1, 1);
        world_run(world, 1000);
        assert_int_equal(socket->snapshots, 2);
        assert_same(socket, NULL, 0);
        world_destroy(world);
}

static void test_bytes_of_all_together_are_bounded(void **state)
{
        enum { RATE = 400000, SECONDS = 20, CLIENTS = 50 };
        struct world *world = world_create(1 << 16, RATE);
        uint64_t bytes, rounds;

        (void)state;
        world_add(world, 1, 500);
        for (int i = 0; i < CLIENTS; i++)
                (void)world_watch(world, ALL);
        world_run(world, 5000);
        bytes = world->bytes;
        rounds = mu_cell_get(&mu_live_hub_stats(world->hub)->rounds);
        for (int i = 0; i < SECONDS * 4; i++) {
                for (int64_t id = 1; id <= 500; id++)
                        report_now(world, id, i % 100);
                world_run(world, 250);
        }
        /* 500 rows of some 90 bytes for 50 clients are 2.2 MB a round: one in seven seconds. */
        assert_true(world->bytes - bytes < (uint64_t)RATE * (SECONDS + 1));
        assert_true(world->bytes - bytes > (uint64_t)RATE * SECONDS / 2);
        assert_true(mu_cell_get(&mu_live_hub_stats(world->hub)->rounds) - rounds < 8);
        world_run(world, 40000);
        for (int i = 0; i < CLIENTS; i++)
                assert_same(&world->sockets[i], NULL, 0);
        world_destroy(world);
}

/* ---- resuming, gaps, the database away ---- */

static struct world_socket *resume_topics(struct world *world, const struct world_socket *from,
                                          const char *stream, const char *topics)
{
        struct world_socket *socket = world_open(world);
        char text[256];

        socket->devices = json_deep_copy(from->devices);
        world_say(socket, "{\"type\":\"auth\",\"ticket\":\"good\"}");
        (void)snprintf(text, sizeof(text),
                       "{\"type\":\"resume\",\"topics\":[%s],\"stream\":\"%s\",\"seq\":%" PRIu64
                       "}",
                       topics, stream, from->seq);
        world_say(socket, text);
        world_run(world, 1000);
        assert_true(socket->ready);
        return socket;
}

static struct world_socket *resume(struct world *world, const struct world_socket *from,
                                   const char *stream)
{
        return resume_topics(world, from, stream, "\"devices\",\"commands\"");
}

static void test_alerts_are_resumed(void **state)
{
        struct world *world = world_create(1 << 14, 0);
        struct world_socket *first, *again;

        (void)state;
        world_add(world, 1, 10);
        first = world_watch(world, "\"topics\":[\"alerts\"]");
        world_alert(world, 3, 70, "fired");
        world_run(world, 1000);
        assert_int_equal(first->alerts, 1);
        mu_live_hub_closed(world->hub, first->client);

        world_alert(world, 3, 70, "resolved");
        for (int i = 0; i < MU_LIVE_NOTES_MAX + 1; i++) /* what commands lose, alerts keep */
                world_command(world, 4, 100 + i, "done");
        world_run(world, 1000);
        again = resume_topics(world, first, first->stream, "\"alerts\"");
        assert_int_equal(again->alerts, 1);
        assert_int_equal(again->missed, 0);
        assert_string_equal(json_string_value(json_object_get(again->alert, "change")), "resolved");
        again = resume_topics(world, first, first->stream, "\"alerts\",\"commands\"");
        assert_int_equal(again->alerts, 1);
        assert_int_equal(again->missed, 1);

        for (int i = 0; i < MU_LIVE_NOTES_MAX + 1; i++)
                world_alert(world, 4, 100 + i, "fired");
        world_run(world, 1000);
        again = resume_topics(world, first, first->stream, "\"alerts\"");
        assert_int_equal(again->missed, 1);
        assert_int_equal(again->alerts, MU_LIVE_NOTES_MAX);
        world_destroy(world);
}

static void test_resume(void **state)
{
        struct world *world = world_create(1 << 14, 0);
        struct world_socket *first, *again;

        (void)state;
        world_add(world, 1, 600);
        first = world_watch(world, "");
        world_command(world, 3, 10, "queued");
        world_run(world, 1000);
        assert_int_equal(first->commands, 1);
        mu_live_hub_closed(world->hub, first->client);

        report_now(world, 5, 55);
        world_delete(world, 6, true);
        world_command(world, 3, 10, "sent");
        world_run(world, 5000);
        again = resume(world, first, first->stream);
        assert_int_equal(again->snapshots, 0);
        assert_int_equal(again->deltas, 1);
        assert_int_equal(again->commands, 1);
        assert_int_equal(again->missed, 0);
        assert_same(again, NULL, 0);

        again = resume(world, first, "00000000"); /* another process's stream */
        assert_int_equal(again->snapshots, 1);
        assert_same(again, NULL, 0);

        for (int i = 0; i < MU_LIVE_NOTES_MAX + 1; i++)
                world_command(world, 4, 100 + i, "done");
        world_run(world, 1000);
        again = resume(world, first, first->stream);
        assert_int_equal(again->missed, 1); /* some are not held any more, and it says so */
        world_destroy(world);
}

static void test_image_goes_with_the_last_client(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *first, *again;

        (void)state;
        world_add(world, 1, 5);
        first = world_watch(world, ALL);
        assert_true(mu_bus_watched(world->bus));
        mu_live_hub_closed(world->hub, first->client);
        world_run(world, MU_LIVE_LINGER_MS + 1000);
        assert_false(mu_bus_watched(world->bus));
        report_now(world, 1, 77); /* unheard */
        again = resume(world, first, first->stream);
        assert_int_equal(again->snapshots, 1);
        assert_same(again, NULL, 0);
        world_destroy(world);
}

static void test_gap_in_the_bus(void **state)
{
        struct world *world = world_create(16, 0);
        struct world_socket *socket;
        uint32_t loads;

        (void)state;
        world_add(world, 1, 100);
        socket = world_watch(world, "");
        world_run(world, 2000);
        loads = world->loads;
        for (int64_t id = 1; id <= 100; id++)
                report_now(world, id, 42);
        world_delete(world, 9, true);
        world_run(world, 2000);
        assert_int_equal(world->loads, loads + 1);
        assert_int_equal(mu_cell_get(&mu_live_hub_stats(world->hub)->bus_lost), 101 - 16);
        assert_int_equal(mu_cell_get(&mu_live_hub_stats(world->hub)->bus_gaps), 1);
        assert_int_equal(socket->missed, 1); /* commands may have been among them */
        assert_int_equal(socket->snapshots, 1);
        assert_same(socket, NULL, 0);
        world_destroy(world);
}

static void test_database_away(void **state)
{
        struct world *world = world_create(1024, 0);
        struct world_socket *socket = world_open(world);

        (void)state;
        world_add(world, 1, 5);
        world->database_error = -ENOTCONN;
        world->facts.devices = 5;
        world_say(socket, "{\"type\":\"auth\",\"ticket\":\"good\"}");
        world_say(socket, "{\"type\":\"subscribe\",\"topics\":[\"fleet\",\"devices\"]}");
        world_run(world, 5000);
        assert_int_equal(socket->waits, 1);
        assert_null(socket->devices);
        assert_int_equal(json_integer_value(json_object_get(socket->fleet, "devices")), 5);
        world->database_error = 0;
        world_run(world, 2000);
        assert_true(socket->ready);
        assert_same(socket, NULL, 0);

        world->database_error = -ENOTCONN; /* a row to be read anew waits for it */
        world_add(world, 6, 6);
        report_now(world, 6, 3);
        world_run(world, 5000);
        world->database_error = 0;
        world_run(world, 2000);
        assert_same(socket, NULL, 0);
        world_destroy(world);
}

static void test_fleet_counts_heartbeats(void **state)
{
        struct world *world = world_create(64, 0);
        struct world_socket *socket = world_watch(world, "\"topics\":[\"fleet\"]");

        (void)state;
        world->facts.durable_seq = 1000;
        world_run(world, 3000);
        for (int i = 0; i < 100; i++) {
                world->facts.durable_seq += 50;
                world_run(world, 50);
        }
        double rate = json_number_value(json_object_get(socket->fleet, "heartbeats_per_s"));

        assert_true(rate > 900 && rate < 1100);
        world_destroy(world);
}

static void test_one_that_comes_disturbs_no_rate(void **state)
{
        struct world *world = world_create(64, 0);
        struct world_socket *first = world_watch(world, "\"topics\":[\"fleet\"]");

        (void)state;
        for (int i = 0; i < 40; i++) {
                world->facts.durable_seq += 3;
                world_run(world, 100);
                if (i == 35) { /* the numbers are told at once, 100 ms after a burst */
                        world->facts.durable_seq += 5;
                        (void)world_watch(world, "\"topics\":[\"fleet\"]");
                }
                double rate = json_number_value(json_object_get(first->fleet, "heartbeats_per_s"));

                assert_true(rate < 40);
        }
        assert_true(json_number_value(json_object_get(first->fleet, "heartbeats_per_s")) > 20);
        world_destroy(world);
}

static void test_pulse_goes_on_while_nobody_watches(void **state)
{
        struct world *world = world_create(64, 0);

        (void)state;
        world_run(world, 5000);
        for (int i = 0; i < 100; i++) { /* a heartbeat every 4 s: a quarter a second */
                world->facts.durable_seq++;
                world_run(world, 4000);
        }
        struct world_socket *socket = world_watch(world, "\"topics\":[\"fleet\"]");
        const json_t *pulse = json_object_get(socket->pulse, "heartbeats_per_s");
        size_t count = json_array_size(pulse);
        double before = 0;

        assert_int_equal(count, 60);
        for (size_t i = 0; i < count; i++) {
                const json_t *point = json_array_get(pulse, i);
                double at = json_number_value(json_array_get(point, 0));
                double rate = json_number_value(json_array_get(point, 1));

                assert_true(before == 0 || (at - before > 4.9 && at - before < 5.1));
                assert_true(rate > 0.15 && rate < 0.45);
                before = at;
        }
        assert_true(wall_us(world) / 1000000 - (int64_t)before < 6);
        double now = json_number_value(json_object_get(socket->fleet, "heartbeats_per_s"));

        assert_true(now > 0 && now < 0.6); /* not the mean since the start */
        world_destroy(world);
}

/* ---- everything at once ---- */

struct chance {
        struct mu_random random;
        struct world *world;
};

static uint32_t below(struct chance *chance, uint32_t n)
{
        return (uint32_t)mu_random_below(&chance->random, n);
}

static void something_happens(struct chance *chance)
{
        struct world *world = chance->world;
        int64_t id = 1 + below(chance, 300);
        int64_t now = wall_us(world);

        switch (below(chance, 40)) {
        case 0:
                world_delete(world, id, below(chance, 2));
                break;
        case 1:
                if (!world->devices[id].live)
                        world_add(world, id, id);
                break;
        case 2:
                world_run(world, 1 + below(chance, 3000));
                break;
        case 3: {
                struct world_socket *socket = &world->sockets[below(chance, world->socket_count)];

                socket->waiting = below(chance, 2) ? 0 : 2 * 1024 * 1024;
                socket->refused = below(chance, 8) == 0;
                break;
        }
        case 4:
                world->database_error = below(chance, 3) == 0 ? -ENOTCONN : 0;
                break;
        case 5:
                world_command(world, id, below(chance, 1000) + 1, "sent");
                break;
        default: /* now, or news of old */
                world_report(world, id, now, now - (int64_t)below(chance, 5) * S,
                             (int)below(chance, 102) - 1,
                             below(chance, 3) ? "com.example.app" : "org.example.other");
        }
}

static void run_chance(uint32_t seed)
{
        struct chance chance = {.world = world_create(512, 2000000)};
        struct world *world = chance.world;
        const int64_t ids[] = {3, 77, 120, 299};

        mu_random_seed(&chance.random, seed);
        world_add(world, 1, 250);
        for (int i = 0; i < 6; i++)
                (void)world_watch(world, ALL);
        for (int i = 0; i < 2; i++)
                (void)world_watch(world, "\"topics\":[\"devices\",\"commands\"],"
                                         "\"devices\":[\"3\",\"77\",\"120\",\"299\"]");
        for (int i = 0; i < 4000; i++)
                something_happens(&chance);
        world->database_error = 0;
        for (uint32_t i = 0; i < world->socket_count; i++)
                world->sockets[i].waiting = 0;
        world_run(world, MU_LIVE_RELOAD_MS + 30000); /* also what nobody has told is found */
        for (uint32_t i = 0; i < world->socket_count; i++) {
                assert_true(world->sockets[i].ready);
                assert_same(&world->sockets[i], i < 6 ? NULL : ids, 4);
        }
        world_destroy(world);
}

static void test_whatever_happens_all_see_the_database(void **state)
{
        (void)state;
        for (uint32_t seed = 1; seed <= 20; seed++)
                run_chance(seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_first_message_must_be_auth),
                cmocka_unit_test(test_api_token_needs_the_scope),
                cmocka_unit_test(test_ended_session_is_closed_within_a_minute),
                cmocka_unit_test(test_too_many_messages),
                cmocka_unit_test(test_snapshot_then_only_what_changed),
                cmocka_unit_test(test_mere_liveness_is_told_every_fifteen_seconds),
                cmocka_unit_test(test_a_frame_is_made_once_for_all),
                cmocka_unit_test(test_a_round_is_not_larger_than_a_queue_can_take),
                cmocka_unit_test(test_some_devices_only),
                cmocka_unit_test(test_alerts),
                cmocka_unit_test(test_deleted_edited_and_long_names),
                cmocka_unit_test(test_slow_client_falls_back_to_the_newest),
                cmocka_unit_test(test_refused_frame_means_a_snapshot),
                cmocka_unit_test(test_bytes_of_all_together_are_bounded),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_alerts_are_resumed),
                cmocka_unit_test(test_image_goes_with_the_last_client),
                cmocka_unit_test(test_gap_in_the_bus),
                cmocka_unit_test(test_database_away),
                cmocka_unit_test(test_fleet_counts_heartbeats),
                cmocka_unit_test(test_one_that_comes_disturbs_no_rate),
                cmocka_unit_test(test_pulse_goes_on_while_nobody_watches),
                cmocka_unit_test(test_whatever_happens_all_see_the_database),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
