/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/ws_ticket.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/thread.h"
#include "fake_clock.h"
#include "unit.h"

struct world {
        struct fake_clock clock;
        struct mu_ws_tickets *tickets;
};

static int setup(void **state)
{
        static struct world world;

        fake_clock_init(&world.clock, 1);
        *state = &world;
        return mu_ws_tickets_create(&world.clock.clock, &world.tickets);
}

static int teardown(void **state)
{
        mu_ws_tickets_destroy(((struct world *)*state)->tickets);
        return 0;
}

static struct mu_principal person(int64_t id)
{
        struct mu_principal who = {.kind = MU_PRINCIPAL_USER,
                                   .role = MU_ROLE_OPERATOR,
                                   .id = id,
                                   .session_id = 7,
                                   .name = "zoe"};

        return who;
}

static void issue(struct world *world, int64_t id, char ticket[MU_TOKEN_BYTES])
{
        struct mu_principal who = person(id);

        assert_int_equal(mu_ws_ticket_issue(world->tickets, &who, ticket), 0);
}

static bool take(struct world *world, const char *ticket)
{
        struct mu_principal who;

        return mu_ws_ticket_take(world->tickets, ticket, strlen(ticket), &who);
}

static void once(void **state)
{
        struct world *world = *state;
        struct mu_principal who = {.id = -1};
        char ticket[MU_TOKEN_BYTES];

        issue(world, 42, ticket);
        assert_int_equal(strncmp(ticket, "mt_", 3), 0);
        assert_false(mu_ws_ticket_take(world->tickets, ticket, MU_TOKEN_CHARS - 1, &who));
        assert_false(mu_ws_ticket_take(world->tickets, ticket, 0, &who));
        ticket[10] ^= 1;
        assert_false(take(world, ticket));
        ticket[10] ^= 1;
        assert_int_equal(who.id, -1);
        assert_true(mu_ws_ticket_take(world->tickets, ticket, MU_TOKEN_CHARS, &who));
        assert_int_equal(who.id, 42);
        assert_int_equal(who.session_id, 7);
        assert_int_equal(who.role, MU_ROLE_OPERATOR);
        assert_string_equal(who.name, "zoe");
        assert_false(take(world, ticket));
}

static void thirty_seconds(void **state)
{
        struct world *world = *state;
        char early[MU_TOKEN_BYTES];
        char late[MU_TOKEN_BYTES];

        issue(world, 1, early);
        issue(world, 1, late);
        fake_clock_advance_ms(&world->clock, MU_WS_TICKET_LIFE_S * 1000 - 1);
        assert_true(take(world, early));
        fake_clock_advance_ms(&world->clock, 1);
        assert_false(take(world, late));
}

/* One who asks for many pushes out their own, and nobody else's. */
static void bounded_per_principal(void **state)
{
        struct world *world = *state;
        char mine[MU_WS_TICKETS_PER_PRINCIPAL + 2][MU_TOKEN_BYTES];
        char other[MU_TOKEN_BYTES];
        struct mu_principal token = person(1);
        char of_token[MU_TOKEN_BYTES];

        token.kind = MU_PRINCIPAL_API_TOKEN; /* the same number, somebody else */
        assert_int_equal(mu_ws_ticket_issue(world->tickets, &token, of_token), 0);
        issue(world, 2, other);
        for (size_t i = 0; i < MU_COUNT_OF(mine); i++) {
                issue(world, 1, mine[i]);
                fake_clock_advance_ms(&world->clock, 1);
        }
        assert_false(take(world, mine[0]));
        assert_false(take(world, mine[1]));
        for (size_t i = 2; i < MU_COUNT_OF(mine); i++)
                assert_true(take(world, mine[i]));
        assert_true(take(world, other));
        assert_true(take(world, of_token));
}

static void bounded_in_all(void **state)
{
        struct world *world = *state;
        struct mu_principal who = person(5000);
        char ticket[MU_TOKEN_BYTES] = "untouched";

        for (int64_t i = 0; i < MU_WS_TICKETS_MAX; i++)
                issue(world, 1 + i, ticket);
        memcpy(ticket, "untouched", 10);
        assert_int_equal(mu_ws_ticket_issue(world->tickets, &who, ticket), -EAGAIN);
        assert_string_equal(ticket, "untouched");
        /* One who has some out still gets another, in place of the oldest. */
        issue(world, 1, ticket);
        assert_true(take(world, ticket));
        assert_int_equal(mu_ws_ticket_issue(world->tickets, &who, ticket), 0);
        /* And time makes room. */
        fake_clock_advance_ms(&world->clock, MU_WS_TICKET_LIFE_S * 1000);
        for (int64_t i = 0; i < MU_WS_TICKETS_MAX; i++)
                issue(world, 10000 + i, ticket);
}

/* ---- threads ---- */

#define THREADS 4

struct race {
        struct world *world;
        const char *ticket;
        _Atomic int taken;
};

static void take_in_race(void *ctx)
{
        struct race *race = ctx;

        if (take(race->world, race->ticket))
                atomic_fetch_add(&race->taken, 1);
}

static void taken_by_one(void **state)
{
        char ticket[MU_TOKEN_BYTES];

        for (int round = 0; round < 100; round++) {
                pthread_t threads[THREADS];
                struct race race = {.world = *state, .ticket = ticket};

                issue(*state, 1, ticket);
                for (int i = 0; i < THREADS; i++)
                        assert_int_equal(mu_thread_start("take", take_in_race, &race, &threads[i]),
                                         0);
                for (int i = 0; i < THREADS; i++)
                        mu_thread_join(threads[i]);
                assert_int_equal(atomic_load(&race.taken), 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(once, setup, teardown),
                cmocka_unit_test_setup_teardown(thirty_seconds, setup, teardown),
                cmocka_unit_test_setup_teardown(bounded_per_principal, setup, teardown),
                cmocka_unit_test_setup_teardown(bounded_in_all, setup, teardown),
                cmocka_unit_test_setup_teardown(taken_by_one, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
