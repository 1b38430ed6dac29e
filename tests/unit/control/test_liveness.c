/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "liveness_world.h"

enum { FLEET = 100000 };

static void pass(struct world *world, uint64_t ms)
{
        for (; ms > 1000; ms -= 1000)
                world_tick(world, 1000);
        world_tick(world, ms);
        world_check(world);
}

static bool is_silent(const struct world *world, uint32_t device)
{
        return mu_liveness_is_silent(world->liveness, device);
}

static void test_deadlines(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 1, 4, 1000);
        uint64_t start_ms = w.now.monotonic_ms;

        /* 0 never speaks: the start counts. 1 is told 300: 720. 2: 600: 1320. 3: an hour: 7320. */
        world_speak(&w, 1, start_ms + 10, 300);
        world_speak(&w, 2, start_ms + 20, 600);
        world_speak(&w, 3, start_ms + 30, 3600);
        pass(&w, 719900);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0);
        pass(&w, 300);
        assert_true(is_silent(&w, 0) && is_silent(&w, 1) && !is_silent(&w, 2));
        pass(&w, 1319900 - 720200);
        assert_false(is_silent(&w, 2));
        pass(&w, 300);
        assert_true(is_silent(&w, 2));
        pass(&w, 7319900 - 1320200);
        assert_false(is_silent(&w, 3));
        pass(&w, 300);
        assert_true(is_silent(&w, 3));
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 4);
        assert_true(w.late_max_ms <= 200);
        world_done(&w);
}

static void test_a_shorter_announcement_is_not_missed(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 2, 1, 1000);
        world_speak(&w, 0, w.now.monotonic_ms, 3600);
        pass(&w, 1800000);
        /* An hour's deadline is far away, but now it is told 10 s. */
        world_speak(&w, 0, w.now.monotonic_ms, 10);
        pass(&w, 719000);
        assert_false(is_silent(&w, 0));
        pass(&w, 1200);
        assert_true(is_silent(&w, 0));
        world_done(&w);
}

static void test_before_it_is_told_anything_its_interval_counts(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 3, 1, 1000);
        atomic_store(&world_device(&w, 0)->interval_s, 3600);
        pass(&w, 7319000);
        assert_false(is_silent(&w, 0));
        pass(&w, 1200);
        assert_true(is_silent(&w, 0));
        world_done(&w);
}

static void test_back_and_away_again(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 4, 1, 1000);
        for (uint64_t round = 1; round <= 5; round++) {
                pass(&w, 800000);
                assert_true(is_silent(&w, 0));
                world_speak(&w, 0, w.now.monotonic_ms + 1, 300);
                pass(&w, 2000);
                assert_false(is_silent(&w, 0));
                assert_int_equal(w.edges[MU_LIVENESS_SILENT], round);
                assert_int_equal(w.edges[MU_LIVENESS_BACK], round);
        }
        world_done(&w);
}

static void test_pauses_move_deadlines(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 5, 2, 1000);
        world_speak(&w, 0, w.now.monotonic_ms, 300);
        pass(&w, 600000);
        world_tick(&w, 3600000); /* an hour that nobody was awake in */
        world_check(&w);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0);
        pass(&w, 119000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0);
        pass(&w, 1300);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 2);
        world_speak(&w, 0, w.now.monotonic_ms, 300);
        world_speak(&w, 1, w.now.monotonic_ms, 300);
        pass(&w, 3000);
        w.now.listening = false;
        pass(&w, 1000000); /* ticks, but closed listeners */
        w.now.listening = true;
        pass(&w, 700000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 2);
        pass(&w, 30000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 4);
        world_done(&w);
}

/* The alert thread stood still, the frontends did not: what was stamped counts. */
static void test_a_stamp_within_a_pause_is_not_lost(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 6, 2, 1000);
        pass(&w, 1000);
        world_speak(&w, 0, w.now.monotonic_ms, 300);
        world_speak(&w, 1, w.now.monotonic_ms + 50000, 300);
        world_tick(&w, 60000);
        pass(&w, 719000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0);
        pass(&w, 1300);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 2);
        /* And one that ends a silence. */
        world_speak(&w, 1, w.now.monotonic_ms + 59000, 300);
        world_tick(&w, 60000);
        world_check(&w);
        assert_int_equal(w.edges[MU_LIVENESS_BACK], 1);
        world_done(&w);
}

static void test_thresholds_change(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 7, 4, 1000);
        for (uint32_t i = 0; i < 4; i++)
                world_speak(&w, i, w.now.monotonic_ms, 10);
        world_set_threshold(&w, 1, 3600);
        world_set_threshold(&w, 2, 0);
        pass(&w, 200000);
        world_set_threshold(&w, 0, 180); /* already past it */
        pass(&w, 1500);
        assert_true(is_silent(&w, 0));
        pass(&w, 600000);
        assert_true(is_silent(&w, 3) && !is_silent(&w, 1) && !is_silent(&w, 2));
        world_set_threshold(&w, 3, 3600);
        pass(&w, 1500);
        assert_int_equal(w.edges[MU_LIVENESS_EXCUSED], 1);
        world_set_threshold(&w, 0, 60); /* no smaller than the slack */
        world_set_threshold(&w, 2, 240);
        pass(&w, 1500);
        assert_true(is_silent(&w, 0) && is_silent(&w, 2));
        world_set_threshold(&w, 2, 0);
        assert_false(is_silent(&w, 2));
        pass(&w, 3000000);
        assert_true(is_silent(&w, 1) && is_silent(&w, 3) && !is_silent(&w, 2));
        assert_int_equal(w.edges[MU_LIVENESS_BACK], 0);
        world_done(&w);
}

static void test_default_threshold(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 8, 3, 1000);
        world_set_threshold(&w, 1, 3600);
        mu_liveness_set_default_threshold(w.liveness, 0);
        w.models[0].threshold_s = w.models[2].threshold_s = 0;
        pass(&w, 1000000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0);
        mu_liveness_clear_threshold(w.liveness, 1);
        w.models[1].threshold_s = 0;
        pass(&w, 4000000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0);
        mu_liveness_set_default_threshold(w.liveness, 900);
        for (uint32_t i = 0; i < 3; i++) {
                w.models[i].threshold_s = 900;
                w.models[i].changed_ms = world_alive_ms(&w, w.now.monotonic_ms);
        }
        pass(&w, 1500);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 3);
        world_done(&w);
}

static void test_who_is_watched(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 9, 3, 1000);
        uint32_t unseen = world_enrol(&w, false);
        uint32_t late = world_enrol(&w, false);

        atomic_store(&world_device(&w, 0)->state, MU_DEVICE_QUARANTINED);
        atomic_store(&world_device(&w, 1)->state, MU_DEVICE_DELETED);
        pass(&w, 3000000);
        assert_true(is_silent(&w, 0) && !is_silent(&w, 1) && is_silent(&w, 2));
        assert_false(is_silent(&w, unseen));
        world_speak(&w, late, w.now.monotonic_ms, 300); /* its first request */
        pass(&w, 719000);
        assert_false(is_silent(&w, late));
        pass(&w, 2000);
        assert_true(is_silent(&w, late) && !is_silent(&w, unseen));
        atomic_store(&world_device(&w, 2)->state, MU_DEVICE_DELETED);
        w.models[2].changed_ms = world_alive_ms(&w, w.now.monotonic_ms);
        pass(&w, 3000);
        assert_int_equal(w.edges[MU_LIVENESS_GONE], 1);
        world_speak(&w, 2, w.now.monotonic_ms, 0);
        pass(&w, 1000000);
        assert_int_equal(w.edges[MU_LIVENESS_BACK], 0);
        /* One that was known elsewhere before: from now on. */
        uint32_t restored = world_enrol(&w, true);

        pass(&w, 719000);
        assert_false(is_silent(&w, restored));
        pass(&w, 3000);
        assert_true(is_silent(&w, restored));
        world_done(&w);
}

static void test_silent_since_before_the_start(void **state)
{
        struct world w;

        (void)state;
        world_init(&w, 10, 4, 1000);
        for (uint32_t i = 0; i < 3; i++) {
                int64_t hour_ms = 3600000;

                /* An hour ago, which may be before the machine's start. */
                assert_int_equal(
                        mu_liveness_set_silent(w.liveness, i, w.now.real_us - hour_ms * 1000), 0);
                w.models[i].silent = true;
                w.models[i].since_ms = (int64_t)w.now.monotonic_ms - hour_ms;
        }
        pass(&w, 5000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0); /* not told again */
        world_speak(&w, 0, w.now.monotonic_ms, 300);
        pass(&w, 2000);
        assert_false(is_silent(&w, 0));
        world_set_threshold(&w, 1, 7200);
        pass(&w, 2000);
        assert_int_equal(w.edges[MU_LIVENESS_EXCUSED], 1);
        pass(&w, 3600000);
        assert_true(is_silent(&w, 1) && is_silent(&w, 2) && is_silent(&w, 3));
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 3); /* 0, 1, 3 */
        world_done(&w);
}

/* ---- random histories against the list ---- */

static void random_change(struct world *world)
{
        static const uint32_t announcements[] = {0, 1, 30, 300, 300, 300, 900, 3600};
        static const uint32_t thresholds[] = {0, 60, 130, 720, 720, 1800};
        struct mu_random *random = &world->random;
        uint32_t index = (uint32_t)mu_random_below(random, world->count);
        struct mu_device *device = world_device(world, index);
        uint64_t now_ms = world->now.monotonic_ms;

        switch (mu_random_below(random, 40)) {
        case 0:
                world_set_threshold(world, index, thresholds[mu_random_below(random, 6)]);
                break;
        case 1:
                if (world->count < 400)
                        (void)world_enrol(world, mu_random_below(random, 2) == 0);
                break;
        case 2:
                if (mu_random_below(random, 5) == 0) {
                        atomic_store(&device->state, MU_DEVICE_DELETED);
                        world->models[index].changed_ms = world_alive_ms(world, now_ms);
                }
                break;
        case 3:
                world->now.listening = mu_random_below(random, 20) > 0;
                break;
        default:
                world_speak(world, index, now_ms, announcements[mu_random_below(random, 8)]);
        }
}

static void run_random(uint64_t seed)
{
        struct world w;

        world_init(&w, seed, 100, seed % 2 ? 1000 : 60);
        for (int round = 0; round < 8000; round++) {
                bool quiet = round / 2000 % 2 == 1; /* many fall silent */
                uint64_t changes = quiet ? mu_random_below(&w.random, 20) == 0
                                         : mu_random_below(&w.random, 12);

                while (changes-- > 0)
                        random_change(&w);
                if (w.pause_count > WORLD_PAUSES_MAX - 10 || mu_random_below(&w.random, 10) == 0)
                        w.now.listening = true;
                if (w.pause_count < WORLD_PAUSES_MAX - 10 && mu_random_below(&w.random, 300) == 0)
                        world_tick(&w, 5001 + mu_random_below(&w.random, 2000000));
                else
                        world_tick(&w, 1 + mu_random_below(&w.random, 1300));
                world_check(&w);
        }
        assert_true(w.edges[MU_LIVENESS_SILENT] > 50 && w.edges[MU_LIVENESS_BACK] > 10);
        world_done(&w);
}

static void test_random_histories(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 4; seed++) {
                print_message("seed %llu\n", (unsigned long long)seed);
                run_random(seed);
        }
}

/* ---- 100,000 devices ---- */

static void test_a_whole_fleet_that_never_comes_back_after_the_start(void **state)
{
        struct world w;

        (void)state;
        /* All have the same deadline; a tick may look at 30,000. */
        world_init(&w, 20, FLEET, 30000);
        pass(&w, 719000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], 0);
        pass(&w, 6000);
        assert_int_equal(w.edges[MU_LIVENESS_SILENT], FLEET);
        assert_true(w.late_max_ms <= 5000);
        struct mu_liveness_stats before = mu_liveness_stats(w.liveness);

        /* Silent ones are looked at once a second, and nothing else is done. */
        pass(&w, 100000);
        struct mu_liveness_stats after = mu_liveness_stats(w.liveness);

        assert_int_equal(after.looks, before.looks);
        assert_true(after.peeks - before.peeks <= UINT64_C(100) * FLEET);
        for (uint32_t i = 0; i < FLEET; i++)
                world_speak(&w, i, w.now.monotonic_ms, 300);
        pass(&w, 1000);
        assert_int_equal(w.edges[MU_LIVENESS_BACK], FLEET);
        world_done(&w);
}

/* A calendar: who speaks next in which second. */
struct calendar {
        uint32_t *first; /* by second since the start */
        uint32_t *next;  /* by device */
        uint64_t start_ms;
        uint32_t seconds;
        uint32_t second; /* done up to here */
        bool gap;        /* more than 5 s without a tick */
};

static void plan(struct calendar *calendar, uint32_t device, uint64_t second)
{
        if (second <= calendar->second)
                second = calendar->second + 1;
        if (second >= calendar->seconds)
                return; /* never again */
        calendar->next[device] = calendar->first[second];
        calendar->first[second] = device;
}

static void speak_and_plan(struct world *world, struct calendar *calendar, uint32_t device)
{
        struct mu_random *random = &world->random;
        uint64_t at_ms = calendar->start_ms + UINT64_C(1000) * calendar->second +
                         mu_random_below(random, 1000);
        uint32_t announced_s = mu_random_below(random, 20) == 0 ? 600 : 300;
        const struct model *model = &world->models[device];

        /* It was not overdue unnoticed. (A long gap is a pause only once it is over.) */
        if (!model->silent && !calendar->gap)
                assert_true((int64_t)world_alive_ms(world, at_ms) <
                            world_deadline_ms(world, device) + 5000 + 1500);
        world_speak(world, device, at_ms, announced_s);
        uint64_t away_s = announced_s - 5 + mu_random_below(random, 10);

        if (mu_random_below(random, 25) == 0)
                away_s += mu_random_below(random, 2400);
        plan(calendar, device, calendar->second + away_s);
}

static void speak_until_now(struct world *world, struct calendar *calendar, bool asleep)
{
        uint64_t until_s = (world->now.monotonic_ms - calendar->start_ms) / 1000;

        while (calendar->second + 1 < calendar->seconds && calendar->second + 1 < until_s) {
                calendar->second++;
                uint32_t device = calendar->first[calendar->second];

                while (device != UINT32_MAX) {
                        uint32_t next = calendar->next[device];

                        if (asleep) /* the machine: they come when it is up again */
                                plan(calendar, device,
                                     until_s + mu_random_below(&world->random, 30));
                        else
                                speak_and_plan(world, calendar, device);
                        device = next;
                }
        }
}

/* Requests of the time that is to pass, then the tick at its end. */
static void live(struct world *world, struct calendar *calendar, uint64_t ms, bool asleep)
{
        uint64_t back_ms = world->now.monotonic_ms;

        world->now.monotonic_ms += ms;
        calendar->gap = ms > 5000;
        speak_until_now(world, calendar, asleep);
        world->now.monotonic_ms = back_ms;
        world_tick(world, ms);
}

static void test_a_fleet_for_an_hour(void **state)
{
        struct world w;
        struct calendar calendar = {.seconds = 4200};

        (void)state;
        world_init(&w, 30, FLEET, 40000);
        calendar.start_ms = w.now.monotonic_ms;
        calendar.first = malloc(calendar.seconds * sizeof(uint32_t));
        calendar.next = malloc(FLEET * sizeof(uint32_t));
        assert_true(calendar.first && calendar.next);
        memset(calendar.first, 0xff, calendar.seconds * sizeof(uint32_t));
        for (uint32_t i = 0; i < FLEET; i++)
                plan(&calendar, i, 1 + mu_random_below(&w.random, i % 100 == 0 ? 2000 : 300));
        for (uint64_t ticks = 1; w.now.monotonic_ms < calendar.start_ms + 3900000; ticks++) {
                live(&w, &calendar, 500 + mu_random_below(&w.random, 1000), false);
                if (ticks % 1000 == 700)
                        live(&w, &calendar, 6000 + mu_random_below(&w.random, 300000), true);
                if (ticks % 1000 == 900)
                        live(&w, &calendar, 6000 + mu_random_below(&w.random, 300000), false);
                if (ticks % 500 == 0)
                        world_check(&w);
        }
        world_check(&w);
        print_message("%llu silent, %llu back, latest %lld ms after its deadline\n",
                      (unsigned long long)w.edges[MU_LIVENESS_SILENT],
                      (unsigned long long)w.edges[MU_LIVENESS_BACK], (long long)w.late_max_ms);
        assert_true(w.edges[MU_LIVENESS_SILENT] > FLEET / 8);
        assert_true(w.edges[MU_LIVENESS_BACK] > FLEET / 16);
        assert_true(w.late_max_ms <= 5000);
        /* A look per device and threshold of time, and per edge: never one per request. */
        uint64_t edges = w.edges[MU_LIVENESS_SILENT] + w.edges[MU_LIVENESS_BACK];

        assert_true(mu_liveness_stats(w.liveness).looks <=
                    (UINT64_C(3900) / WORLD_THRESHOLD_S + 2) * FLEET + 2 * edges);
        free(calendar.first);
        free(calendar.next);
        world_done(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_deadlines),
                cmocka_unit_test(test_a_shorter_announcement_is_not_missed),
                cmocka_unit_test(test_before_it_is_told_anything_its_interval_counts),
                cmocka_unit_test(test_back_and_away_again),
                cmocka_unit_test(test_pauses_move_deadlines),
                cmocka_unit_test(test_a_stamp_within_a_pause_is_not_lost),
                cmocka_unit_test(test_thresholds_change),
                cmocka_unit_test(test_default_threshold),
                cmocka_unit_test(test_who_is_watched),
                cmocka_unit_test(test_silent_since_before_the_start),
                cmocka_unit_test(test_random_histories),
                cmocka_unit_test(test_a_whole_fleet_that_never_comes_back_after_the_start),
                cmocka_unit_test(test_a_fleet_for_an_hour),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
