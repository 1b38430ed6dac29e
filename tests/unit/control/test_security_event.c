/* SPDX-License-Identifier: Apache-2.0 */
/* One row a minute for each kind and address, never more in memory than there is room for, nothing
 * lost while the database refuses. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "control/guard.h"
#include "control/security/security_event.h"
#include "fixture.h"
#include "metrics/metrics.h"

#define MINUTE_US (60 * MU_US_PER_S)

static struct test_pg *postgres;

struct world {
        struct mu_control control;
        struct mu_guard guard;
        struct mu_clock clock;
        struct mu_pg *pg;
        int64_t now_us;
        unsigned told;
};

static int64_t realtime_us(void *context)
{
        return ((struct world *)context)->now_us;
}

static void on_event(void *ctx, const char *kind, const char *address, const char *principal,
                     const char *detail)
{
        struct world *world = ctx;

        assert_true(*kind && address && principal && *detail);
        world->told++;
}

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        if (!world)
                return -1;
        world->clock = (struct mu_clock){.realtime_us = realtime_us, .context = world};
        world->now_us = INT64_C(1790000000) * MU_US_PER_S / MINUTE_US * MINUTE_US;
        world->control.config.clock = &world->clock;
        world->control.config.on_security_event = on_event;
        world->control.config.ctx = world;
        world->control.guard = &world->guard;
        assert_int_equal(mu_metrics_create(&world->control.config.metrics), 0);
        assert_int_equal(mu_security_events_create(&world->control, &world->guard.events), 0);
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg, "TRUNCATE security_events");
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        mu_metrics_destroy(world->control.config.metrics);
        mu_security_events_destroy(world->guard.events);
        mu_database_release(postgres->database, world->pg);
        free(world);
        return 0;
}

static struct mu_address address_of(uint32_t number)
{
        struct mu_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

        memcpy(address.bytes + 12, &number, sizeof(number));
        return address;
}

static void note(struct world *world, enum mu_security_event kind, uint32_t number)
{
        struct mu_address address = address_of(number);

        mu_security_event(&world->control, kind, &address, "user:a", "what %u did", number);
}

static uint64_t flush(struct world *world)
{
        uint64_t written = 0;

        assert_int_equal(mu_security_events_flush(&world->control, world->pg, &written), 0);
        return written;
}

#define number(world, sql) test_pg_number((world)->pg, sql)

static void repeats_are_counted(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < 10; i++)
                note(world, MU_SECURITY_FORBIDDEN, 1);
        note(world, MU_SECURITY_FORBIDDEN, 2);
        note(world, MU_SECURITY_REPLAY, 1);
        assert_int_equal(world->told, 3);
        assert_int_equal(flush(world), 3);
        assert_int_equal(flush(world), 0);
        world->now_us += MINUTE_US - 1; /* the same minute */
        note(world, MU_SECURITY_FORBIDDEN, 1);
        assert_int_equal(world->told, 3);
        assert_int_equal(flush(world), 1);
        assert_int_equal(number(world, "SELECT count(*) FROM security_events"), 3);
        assert_int_equal(number(world, "SELECT count FROM security_events WHERE kind = 'forbidden'"
                                       " AND address = '1.0.0.0' AND principal = 'user:a'"
                                       " AND detail = 'what 1 did'"
                                       " AND last_at > first_at + interval '59 s'"),
                         11);
        world->now_us += 1; /* the next one */
        note(world, MU_SECURITY_FORBIDDEN, 1);
        assert_int_equal(world->told, 4);
        assert_int_equal(flush(world), 1);
        assert_int_equal(number(world, "SELECT count(*) FROM security_events"), 4);
}

static void odd_texts(void **state)
{
        struct world *world = *state;

        mu_security_event(&world->control, MU_SECURITY_CLONE, NULL, NULL, "%s", "\xff\"\\\x01'");
        mu_security_event(&world->control, MU_SECURITY_REPLAY, NULL, NULL, "%0300d", 1);
        assert_int_equal(flush(world), 2);
        assert_int_equal(number(world, "SELECT count(*) FROM security_events WHERE address = ''"
                                       " AND principal = ''"),
                         2);
        assert_int_equal(number(world, "SELECT max(length(detail)) FROM security_events"),
                         MU_SECURITY_DETAIL_BYTES - 1);
}

/* A crowd fills what there is room for; the rest is counted, and the next minute has room again. */
static void bounded(void **state)
{
        struct world *world = *state;

        for (uint32_t i = 0; i < 3 * MU_SECURITY_PENDING_MAX; i++)
                note(world, MU_SECURITY_LIMITED, i);
        assert_int_equal(world->told, MU_SECURITY_PENDING_MAX);
        assert_int_equal(flush(world), MU_SECURITY_PENDING_MAX);
        note(world, MU_SECURITY_LIMITED, 0); /* known: counted on */
        note(world, MU_SECURITY_LIMITED, 1 << 20);
        assert_int_equal(flush(world), 1);
        world->now_us += MINUTE_US;
        assert_int_equal(flush(world), 0);
        for (uint32_t i = 0; i < MU_SECURITY_PENDING_MAX; i++)
                note(world, MU_SECURITY_LIMITED, i);
        assert_int_equal(flush(world), MU_SECURITY_PENDING_MAX);
        assert_int_equal(number(world, "SELECT sum(count)::bigint FROM security_events"),
                         2 * MU_SECURITY_PENDING_MAX + 1);
}

static void nothing_is_lost_when_writing_fails(void **state)
{
        struct world *world = *state;
        uint64_t written = 0;

        for (int i = 0; i < 5; i++)
                note(world, MU_SECURITY_LOCKOUT, 1);
        test_pg_run(world->pg, "ALTER TABLE security_events RENAME TO security_events_away");
        assert_int_equal(mu_security_events_flush(&world->control, world->pg, &written), -EPROTO);
        note(world, MU_SECURITY_LOCKOUT, 1);
        world->now_us += 3 * MINUTE_US; /* also when its minute is long over */
        assert_int_equal(mu_security_events_flush(&world->control, world->pg, &written), -EPROTO);
        test_pg_run(world->pg, "ALTER TABLE security_events_away RENAME TO security_events");
        assert_int_equal(written, 0);
        assert_int_equal(flush(world), 1);
        assert_int_equal(number(world, "SELECT count FROM security_events"), 6);
        assert_int_equal(flush(world), 0);
}

static int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

static int group_teardown(void **state)
{
        *state = postgres;
        return test_pg_group_teardown(state);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WORLD(repeats_are_counted),
                WORLD(odd_texts),
                WORLD(bounded),
                WORLD(nothing_is_lost_when_writing_fails),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
