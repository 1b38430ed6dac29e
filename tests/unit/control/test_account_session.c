/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and locks against a real PostgreSQL: what HTTP can't show, the edges of time above all.
 */
#include "control/account/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/account/account_principal.h"
#include "control/account/lockout.h"
#include "fixture.h"
#include "identity/secrets.h"
#include "scratch.h"

static struct test_pg *postgres;

struct world {
        void *directory;
        struct mu_pg *pg;
        struct mu_secrets *secrets;
        struct mu_account *account;
};

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        char error[MU_SECRET_ERROR_BYTES];
        const struct mu_account_config config = {.bcrypt_cost = 4, .lock_base_s = 10};

        if (!world || scratch_setup(&world->directory) < 0)
                return -1;
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg, "TRUNCATE users, login_failures RESTART IDENTITY CASCADE;"
                               " INSERT INTO users (id, name, role, password_hash)"
                               " VALUES (7, 'zoe', 'operator', 'hash')");
        assert_int_equal(mu_secrets_open(world->directory, &world->secrets, error), 0);
        assert_int_equal(mu_account_create(&config, world->secrets, &world->account), 0);
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;
        void *directory = world->directory;

        mu_account_destroy(world->account);
        mu_secrets_close(world->secrets);
        mu_database_release(postgres->database, world->pg);
        free(world);
        return scratch_teardown(&directory);
}

/* ---- in one word each ---- */

static int begin_with(struct world *world, const char *hash, int64_t *ret_id,
                      char token[MU_TOKEN_BYTES])
{
        const struct mu_session_start start = {
                .user_id = 7, .password_hash = hash, .address = "192.0.2.1"};

        assert_int_equal(mu_pg_begin(world->pg), 0);
        int error = mu_session_begin(world->pg, world->account, &start, ret_id, token);

        if (error == 0)
                assert_int_equal(mu_pg_commit(world->pg), 0);
        else
                mu_pg_rollback(world->pg);
        return error;
}

static int64_t begin(struct world *world, char token[MU_TOKEN_BYTES])
{
        int64_t id = 0;

        assert_int_equal(begin_with(world, "hash", &id, token), 0);
        return id;
}

static enum mu_refresh_outcome refresh(struct world *world, const char *token,
                                       char successor[MU_TOKEN_BYTES])
{
        enum mu_refresh_outcome outcome;
        struct mu_refreshed refreshed;

        assert_int_equal(mu_pg_begin(world->pg), 0);
        assert_int_equal(mu_session_refresh(world->pg, world->account, token, strlen(token),
                                            &outcome, &refreshed),
                         0);
        assert_int_equal(mu_pg_commit(world->pg), 0);
        if (outcome == MU_REFRESHED && successor)
                memcpy(successor, refreshed.token, MU_TOKEN_BYTES);
        return outcome;
}

static void used_ago(struct world *world, int seconds)
{
        char sql[128];

        (void)snprintf(sql, sizeof(sql),
                       "UPDATE refresh_tokens SET used_at = now() - interval '%d s'"
                       " WHERE used_at IS NOT NULL",
                       seconds);
        test_pg_run(world->pg, sql);
}

/* ---- refreshing ---- */

static void grace_has_an_end(void **state)
{
        struct world *world = *state;
        char first[MU_TOKEN_BYTES];
        char second[MU_TOKEN_BYTES];
        char again[MU_TOKEN_BYTES];

        (void)begin(world, first);
        assert_int_equal(refresh(world, first, second), MU_REFRESHED);
        used_ago(world, MU_SESSION_GRACE_S / 2);
        assert_int_equal(refresh(world, first, again), MU_REFRESHED);
        assert_string_equal(second, again);
        /* The grace counts from the first use, however often it comes in between. */
        used_ago(world, MU_SESSION_GRACE_S);
        assert_int_equal(refresh(world, first, NULL), MU_REFRESH_REUSED);
        assert_int_equal(refresh(world, second, NULL), MU_REFRESH_UNKNOWN);
        assert_int_equal(refresh(world, first, NULL), MU_REFRESH_UNKNOWN);
}

static void a_tab_that_was_away_gets_the_newest(void **state)
{
        struct world *world = *state;
        char tokens[6][MU_TOKEN_BYTES];
        char got[MU_TOKEN_BYTES];

        (void)begin(world, tokens[0]);
        for (int i = 0; i < 5; i++)
                assert_int_equal(refresh(world, tokens[i], tokens[i + 1]), MU_REFRESHED);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(refresh(world, tokens[i], got), MU_REFRESHED);
                assert_string_equal(got, tokens[5]);
        }
        for (int i = 0; i < 6; i++)
                for (int j = 0; j < i; j++)
                        assert_string_not_equal(tokens[i], tokens[j]);
}

/* With the database in hand nobody makes a token: a successor needs the key. */
static void another_key_makes_other_successors(void **state)
{
        struct world *world = *state;
        char first[MU_TOKEN_BYTES];
        char mine[MU_TOKEN_BYTES];
        char theirs[MU_TOKEN_BYTES];

        (void)begin(world, first);
        assert_int_equal(refresh(world, first, mine), MU_REFRESHED);
        test_pg_run(world->pg, "DELETE FROM refresh_tokens WHERE used_at IS NULL;"
                               " UPDATE refresh_tokens SET used_at = NULL");
        world->account->refresh_key[0] ^= 1;
        assert_int_equal(refresh(world, first, theirs), MU_REFRESHED);
        assert_string_not_equal(mine, theirs);
}

static void not_a_token(void **state)
{
        struct world *world = *state;
        char token[MU_TOKEN_BYTES];

        (void)begin(world, token);
        assert_int_equal(refresh(world, "", NULL), MU_REFRESH_UNKNOWN);
        assert_int_equal(refresh(world, "mr_", NULL), MU_REFRESH_UNKNOWN);
        token[0] = 'x';
        assert_int_equal(refresh(world, token, NULL), MU_REFRESH_UNKNOWN);
        token[0] = 'm';
        token[MU_TOKEN_CHARS - 1] = token[MU_TOKEN_CHARS - 1] == '0' ? '1' : '0';
        assert_int_equal(refresh(world, token, NULL), MU_REFRESH_UNKNOWN);
}

static void idle_and_absolute_ends(void **state)
{
        struct world *world = *state;
        char token[MU_TOKEN_BYTES];

        (void)begin(world, token);
        assert_int_equal(test_pg_number(world->pg, "SELECT extract(epoch FROM expires_at"
                                                   " - created_at)::int8 FROM sessions"),
                         30 * 86400);
        assert_int_equal(test_pg_number(world->pg, "SELECT extract(epoch FROM idle_expires_at"
                                                   " - created_at)::int8 FROM sessions"),
                         7 * 86400);
        test_pg_run(world->pg, "UPDATE sessions SET idle_expires_at = now() + interval '1 h',"
                               " expires_at = now() + interval '2 days'");
        assert_int_equal(refresh(world, token, token), MU_REFRESHED);
        assert_int_equal(test_pg_number(world->pg,
                                        "SELECT (idle_expires_at = expires_at)::int4::int8"
                                        " FROM sessions"),
                         1);
        test_pg_run(world->pg, "UPDATE sessions SET idle_expires_at = now() - interval '1 s'");
        assert_int_equal(refresh(world, token, NULL), MU_REFRESH_UNKNOWN);
}

/* ---- beginning and ending ---- */

static void begins_only_for_the_password_that_was_checked(void **state)
{
        struct world *world = *state;
        char token[MU_TOKEN_BYTES] = "untouched";
        int64_t id = -1;

        assert_int_equal(begin_with(world, "another hash", &id, token), -EACCES);
        test_pg_run(world->pg, "UPDATE users SET disabled_at = now()");
        assert_int_equal(begin_with(world, "hash", &id, token), -EACCES);
        test_pg_run(world->pg, "DELETE FROM users");
        assert_int_equal(begin_with(world, "hash", &id, token), -EACCES);
        assert_int_equal(id, -1);
        assert_string_equal(token, "untouched");
        assert_int_equal(test_pg_number(world->pg, "SELECT count(*) FROM sessions"), 0);
}

static void old_sessions_are_forgotten(void **state)
{
        struct world *world = *state;
        char token[MU_TOKEN_BYTES];

        (void)begin(world, token);
        (void)begin(world, token);
        test_pg_run(world->pg,
                    "UPDATE sessions SET ended_at = now() - interval '31 days' WHERE id = 1;"
                    " UPDATE sessions SET ended_at = now() - interval '29 days' WHERE id = 2");
        (void)begin(world, token);
        assert_int_equal(test_pg_number(world->pg, "SELECT count(*) FROM sessions"), 2);
        assert_int_equal(test_pg_number(world->pg, "SELECT count(*) FROM refresh_tokens"), 2);
}

static void principals(void **state)
{
        struct world *world = *state;
        char token[MU_TOKEN_BYTES];
        struct mu_principal who = {.id = -1};
        int64_t id = begin(world, token);
        bool found = false;

        assert_int_equal(mu_account_principal_by_session(world->pg, id, 7, &who), 0);
        assert_int_equal(who.kind, MU_PRINCIPAL_USER);
        assert_int_equal(who.role, MU_ROLE_OPERATOR);
        assert_int_equal(who.id, 7);
        assert_int_equal(who.session_id, id);
        assert_string_equal(who.name, "zoe");
        assert_int_equal(mu_account_principal_by_session(world->pg, id, 8, &who), -ENOENT);
        assert_int_equal(mu_account_principal_by_session(world->pg, id + 1, 7, &who), -ENOENT);
        assert_int_equal(mu_session_end(world->pg, 8, id, "logout", &found), 0);
        assert_false(found);
        assert_int_equal(mu_session_end(world->pg, 7, id, "logout", &found), 0);
        assert_true(found);
        assert_int_equal(mu_account_principal_by_session(world->pg, id, 7, &who), -ENOENT);
}

/* ---- locks ---- */

static uint32_t failed(struct world *world, const char *name)
{
        struct mu_digest key;
        uint32_t retry_s = 99;

        mu_lockout_key(name, &key);
        assert_int_equal(mu_lockout_fail(world->pg, &world->account->config, &key, &retry_s), 0);
        return retry_s;
}

static uint32_t look(struct world *world, const char *name)
{
        struct mu_digest key;
        uint32_t retry_s = 99;

        mu_lockout_key(name, &key);
        assert_int_equal(mu_lockout_look(world->pg, &key, &retry_s), 0);
        return retry_s;
}

static void locks_double_to_their_longest(void **state)
{
        struct world *world = *state;
        static const uint32_t expected[] = {0,   0,   0,   0,   10,  20,  40, 80,
                                            160, 320, 640, 900, 900, 900, 900};
        struct mu_digest key;

        for (size_t i = 0; i < MU_COUNT_OF(expected); i++) {
                assert_int_equal(failed(world, "Zoe"), expected[i]);
                assert_int_equal(look(world, "zOE"), expected[i]);
        }
        /* However many there are, nothing overflows. */
        test_pg_run(world->pg, "UPDATE login_failures SET failed_count = 1000000");
        assert_int_equal(failed(world, "zoe"), 900);
        assert_int_equal(look(world, "other"), 0);
        mu_lockout_key("zoe", &key);
        assert_int_equal(mu_lockout_clear(world->pg, &key), 0);
        assert_int_equal(look(world, "zoe"), 0);
        assert_int_equal(failed(world, "zoe"), 0);
}

static void failures_of_yesterday_do_not_count(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < 6; i++)
                (void)failed(world, "zoe");
        test_pg_run(world->pg, "UPDATE login_failures SET last_failed_at = now() - interval '25 h',"
                               " locked_until = now() - interval '24 h'");
        for (int i = 0; i < 4; i++)
                assert_int_equal(failed(world, "zoe"), 0);
        assert_int_equal(failed(world, "zoe"), 10);
}

static int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(grace_has_an_end, setup, teardown),
                cmocka_unit_test_setup_teardown(a_tab_that_was_away_gets_the_newest, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(another_key_makes_other_successors, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(not_a_token, setup, teardown),
                cmocka_unit_test_setup_teardown(idle_and_absolute_ends, setup, teardown),
                cmocka_unit_test_setup_teardown(begins_only_for_the_password_that_was_checked,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(old_sessions_are_forgotten, setup, teardown),
                cmocka_unit_test_setup_teardown(principals, setup, teardown),
                cmocka_unit_test_setup_teardown(locks_double_to_their_longest, setup, teardown),
                cmocka_unit_test_setup_teardown(failures_of_yesterday_do_not_count, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, group_setup, test_pg_group_teardown);
}
