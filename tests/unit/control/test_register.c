/* SPDX-License-Identifier: Apache-2.0 */
#include "control/enroll/register.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/qsbr.h"
#include "base/thread.h"
#include "unit.h"

#include "fixture.h"

static struct test_pg *postgres;

struct world {
        struct mu_pg *pg;
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        unsigned tokens; /* given out */
};

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        if (!world || mu_qsbr_create(1, &world->qsbr) < 0 ||
            mu_device_table_create(world->qsbr, &world->table) < 0)
                return -1;
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg, "TRUNCATE devices, device_tokens, enrolment_tokens,"
                               " enrolment_token_uses, audit_log RESTART IDENTITY");
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        mu_database_release(postgres->database, world->pg);
        mu_device_table_destroy(world->table);
        mu_qsbr_destroy(world->qsbr);
        free(world);
        return 0;
}

#define count(world, sql) test_pg_number((world)->pg, "SELECT count(*) FROM " sql)

static struct mu_digest digest_of(const char *text)
{
        struct mu_digest digest;

        mu_token_digest(text, strlen(text), &digest);
        return digest;
}

/* An enrolment token of that name. */
static void issue(struct world *world, const char *name, int max_uses)
{
        char sql[256];

        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO enrolment_tokens (token_sha256, max_uses, expires_at)"
                       " VALUES (sha256('%s'), %d, now() + interval '1 hour')",
                       name, max_uses);
        test_pg_run(world->pg, sql);
}

static int64_t uses(struct world *world, const char *name)
{
        char sql[256];

        (void)snprintf(sql, sizeof(sql),
                       "SELECT uses FROM enrolment_tokens WHERE token_sha256 = sha256('%s')", name);
        return test_pg_number(world->pg, sql);
}

/* enrolment NULL: by admin key. own: the device whose token came along. */
static enum mu_register_outcome ask(struct world *world, const char *enrolment,
                                    const char *hardware_id, int64_t own,
                                    struct mu_registered *ret_registered)
{
        struct mu_register_request request = {.kind = MU_DEVICE_DESKTOP, .alias = "alias"};
        struct mu_digest enrolment_digest;
        enum mu_register_outcome outcome;
        char fresh[32];

        (void)snprintf(request.hardware_id, sizeof(request.hardware_id), "%s", hardware_id);
        (void)snprintf(fresh, sizeof(fresh), "token %u", ++world->tokens);
        struct mu_digest digest = digest_of(fresh);
        struct mu_register_ask asked = {.request = &request,
                                        .own_device_id = own,
                                        .digest = &digest,
                                        .address = "192.0.2.1",
                                        .devices = world->table};

        if (enrolment) {
                enrolment_digest = digest_of(enrolment);
                asked.enrolment = &enrolment_digest;
        }
        int error = mu_register(world->pg, &asked, &outcome, ret_registered);

        if (error < 0)
                fail_msg("%d: %s", error, mu_pg_last_error(world->pg)->text);
        assert_false(mu_pg_in_transaction(world->pg));
        return outcome;
}

/* Refusals change nothing, not even an audit entry. */
static void refused(struct world *world, enum mu_register_outcome outcome, const char *enrolment,
                    const char *hardware_id, int64_t own)
{
        const char *all = "SELECT (SELECT count(*) FROM devices) * 1000000"
                          " + (SELECT count(*) FROM device_tokens) * 1000"
                          " + (SELECT count(*) FROM audit_log)"
                          " + (SELECT coalesce(sum(uses), 0) FROM enrolment_tokens) * 100000000";
        int64_t before = test_pg_number(world->pg, all);
        struct mu_registered registered = {.device_id = -1};

        assert_int_equal(ask(world, enrolment, hardware_id, own, &registered), outcome);
        assert_int_equal(test_pg_number(world->pg, all), before);
}

static void set_seen(struct world *world, int64_t id)
{
        struct mu_device *device;

        mu_device_table_lock(world->table);
        assert_int_equal(mu_device_table_add(world->table, id, &device), 0);
        mu_device_table_unlock(world->table);
        atomic_store(&device->seen, true);
}

/* ---- by admin key ---- */

static void admin_new(void **state)
{
        struct world *world = *state;
        struct mu_registered one;
        struct mu_registered two;

        assert_int_equal(ask(world, NULL, "", 0, &one), MU_REGISTER_NEW);
        assert_int_equal(ask(world, NULL, "", 0, &two), MU_REGISTER_NEW);
        assert_int_not_equal(one.device_id, two.device_id);
        assert_int_equal(one.generation, 1);
        assert_int_equal(one.hmac_key_version, 1);
        assert_int_equal(one.interval_s, 0);
        assert_int_equal(ask(world, NULL, "hw", 0, &one), MU_REGISTER_NEW);
        assert_int_equal(count(world, "devices WHERE enrolled_by = 'admin-key'"
                                      " AND kind = 'desktop' AND alias = 'alias'"),
                         3);
        assert_int_equal(count(world, "devices WHERE hardware_id = 'hw'"), 1);
        assert_int_equal(count(world, "audit_log WHERE action = 'device.register'"
                                      " AND actor = 'admin-key' AND address = '192.0.2.1'"),
                         3);
        assert_int_equal(count(world, "device_tokens WHERE token_sha256 = sha256('token 3')"
                                      " AND generation = 1 AND revoked_at IS NULL"),
                         1);
}

/* Seen or not, the admin key has a fresh token for it; the old one stays until that is used. */
static void admin_again(void **state)
{
        struct world *world = *state;
        struct mu_registered one;
        struct mu_registered again;

        assert_int_equal(ask(world, NULL, "hw", 0, &one), MU_REGISTER_NEW);
        test_pg_run(world->pg, "UPDATE devices SET heartbeat_interval_s = 60, hmac_key_version = 3,"
                               " agent_version = 'kept', fcm_token = 'kept', first_seen_at = now(),"
                               " alias = 'other'");
        assert_int_equal(ask(world, NULL, "hw", 0, &again), MU_REGISTER_AGAIN);
        assert_int_equal(again.device_id, one.device_id);
        assert_int_equal(again.generation, 2);
        assert_int_equal(again.interval_s, 60);
        assert_int_equal(again.hmac_key_version, 3);
        assert_int_equal(count(world, "devices WHERE alias = 'alias' AND agent_version = 'kept'"
                                      " AND fcm_token = 'kept'"),
                         1);
        assert_int_equal(count(world, "device_tokens WHERE revoked_at IS NULL"), 2);
        assert_int_equal(count(world, "audit_log WHERE action = 'device.register_again'"), 1);
}

/* ---- by enrolment token ---- */

static void enrolment_new(void **state)
{
        struct world *world = *state;
        struct mu_registered one;
        struct mu_registered two;

        issue(world, "e", 2);
        assert_int_equal(ask(world, "e", "", 0, &one), MU_REGISTER_NEW);
        assert_int_equal(uses(world, "e"), 1);
        assert_int_equal(ask(world, "e", "hw", 0, &two), MU_REGISTER_NEW);
        assert_int_equal(uses(world, "e"), 2);
        assert_int_not_equal(one.device_id, two.device_id);
        assert_int_equal(count(world, "devices WHERE enrolled_by = 'enrolment-token:1'"), 2);
        assert_int_equal(count(world, "enrolment_token_uses"), 2);
        refused(world, MU_REGISTER_TOKEN_USED_UP, "e", "", 0);
        refused(world, MU_REGISTER_TOKEN_USED_UP, "e", "another", 0);
}

static void bad_enrolment_tokens(void **state)
{
        struct world *world = *state;
        struct mu_registered one;

        refused(world, MU_REGISTER_TOKEN_UNKNOWN, "never issued", "hw", 0);
        issue(world, "e", 5);
        assert_int_equal(ask(world, "e", "hw", 0, &one), MU_REGISTER_NEW);
        test_pg_run(world->pg, "UPDATE enrolment_tokens SET expires_at = now()");
        refused(world, MU_REGISTER_TOKEN_EXPIRED, "e", "", 0);
        refused(world, MU_REGISTER_TOKEN_EXPIRED, "e", "hw", 0); /* a lost reply or not */
        refused(world, MU_REGISTER_TOKEN_EXPIRED, "e", "hw", one.device_id);
        test_pg_run(world->pg, "UPDATE enrolment_tokens SET revoked_at = now()");
        refused(world, MU_REGISTER_TOKEN_REVOKED, "e", "hw", 0);
}

/* The reply was lost: as often as need be, until the device is seen. */
static void lost_reply(void **state)
{
        struct world *world = *state;
        struct mu_registered one;
        struct mu_registered again;

        issue(world, "e", 1);
        assert_int_equal(ask(world, "e", "hw", 0, &one), MU_REGISTER_NEW);
        for (uint32_t i = 2; i <= 4; i++) {
                assert_int_equal(ask(world, "e", "hw", 0, &again), MU_REGISTER_AGAIN);
                assert_int_equal(again.device_id, one.device_id);
                assert_int_equal(again.generation, i);
                assert_int_equal(uses(world, "e"), 1);
        }
        assert_int_equal(count(world, "enrolment_token_uses"), 1);
        /* Shown its own token, unused as yet, it is still a lost reply. */
        assert_int_equal(ask(world, "e", "hw", one.device_id, &again), MU_REGISTER_AGAIN);
        assert_int_equal(uses(world, "e"), 1);
        set_seen(world, one.device_id); /* in memory; PostgreSQL has not heard of it */
        refused(world, MU_REGISTER_HARDWARE_TAKEN, "e", "hw", 0);
}

static void lost_reply_seen_in_postgres(void **state)
{
        struct world *world = *state;
        struct mu_registered one;

        issue(world, "e", 5);
        assert_int_equal(ask(world, "e", "hw", 0, &one), MU_REGISTER_NEW);
        test_pg_run(world->pg, "UPDATE devices SET first_seen_at = now()");
        refused(world, MU_REGISTER_HARDWARE_TAKEN, "e", "hw", 0);
}

/* Another enrolment token is not the one whose reply was lost. */
static void other_enrolment_token(void **state)
{
        struct world *world = *state;
        struct mu_registered one;

        issue(world, "e", 5);
        issue(world, "f", 5);
        assert_int_equal(ask(world, "e", "hw", 0, &one), MU_REGISTER_NEW);
        refused(world, MU_REGISTER_HARDWARE_TAKEN, "f", "hw", 0);
        refused(world, MU_REGISTER_HARDWARE_TAKEN, "f", "hw", one.device_id + 1);
}

/* With its own token a device takes itself over, for a use. */
static void take_over(void **state)
{
        struct world *world = *state;
        struct mu_registered one;
        struct mu_registered again;

        issue(world, "e", 1);
        issue(world, "f", 1);
        assert_int_equal(ask(world, "e", "hw", 0, &one), MU_REGISTER_NEW);
        set_seen(world, one.device_id);
        refused(world, MU_REGISTER_HARDWARE_TAKEN, "f", "hw", 0);
        refused(world, MU_REGISTER_TOKEN_USED_UP, "e", "hw", one.device_id);
        assert_int_equal(ask(world, "f", "hw", one.device_id, &again), MU_REGISTER_AGAIN);
        assert_int_equal(again.device_id, one.device_id);
        assert_int_equal(uses(world, "f"), 1);
        assert_int_equal(count(world, "enrolment_token_uses WHERE hardware_id = 'hw'"), 2);
        refused(world, MU_REGISTER_TOKEN_USED_UP, "f", "hw", one.device_id);
}

/* Once, and until the window closes. */
static void take_over_by_leave(void **state)
{
        struct world *world = *state;
        struct mu_registered one;
        struct mu_registered again;

        issue(world, "e", 1);
        issue(world, "f", 2);
        assert_int_equal(ask(world, "e", "hw", 0, &one), MU_REGISTER_NEW);
        set_seen(world, one.device_id);
        test_pg_run(world->pg, "UPDATE devices SET takeover_until = now() - interval '1 second'");
        refused(world, MU_REGISTER_HARDWARE_TAKEN, "f", "hw", 0);
        test_pg_run(world->pg, "UPDATE devices SET takeover_until = now() + interval '1 hour'");
        refused(world, MU_REGISTER_TOKEN_USED_UP, "e", "hw", 0);
        assert_int_equal(ask(world, "f", "hw", 0, &again), MU_REGISTER_AGAIN);
        assert_int_equal(again.device_id, one.device_id);
        assert_int_equal(again.generation, 2);
        assert_int_equal(uses(world, "f"), 1);
        assert_int_equal(count(world, "devices WHERE takeover_until IS NOT NULL"), 0);
        refused(world, MU_REGISTER_HARDWARE_TAKEN, "f", "hw", 0);
}

static void deleted_never_comes_back(void **state)
{
        struct world *world = *state;
        struct mu_registered one;
        struct mu_registered two;

        issue(world, "e", 2);
        assert_int_equal(ask(world, "e", "hw", 0, &one), MU_REGISTER_NEW);
        test_pg_run(world->pg, "UPDATE devices SET deleted_at = now()");
        assert_int_equal(ask(world, "e", "hw", one.device_id, &two), MU_REGISTER_NEW);
        assert_int_not_equal(one.device_id, two.device_id);
        assert_int_equal(uses(world, "e"), 2);
        test_pg_run(world->pg, "UPDATE devices SET deleted_at = now()");
        assert_int_equal(ask(world, NULL, "hw", 0, &two), MU_REGISTER_NEW);
        assert_int_equal(count(world, "devices WHERE hardware_id = 'hw'"), 3);
}

/* ---- at once ---- */

#define CROWD 6

struct candidate {
        struct world *world;
        const char *enrolment;
        char hardware_id[8];
        unsigned number;
        enum mu_register_outcome outcome;
        struct mu_registered registered;
};

static void apply(void *context)
{
        struct candidate *candidate = context;
        struct world own = *candidate->world;

        own.pg = test_pg_acquire(postgres);
        own.tokens = candidate->number * 100;
        candidate->outcome =
                ask(&own, candidate->enrolment, candidate->hardware_id, 0, &candidate->registered);
        mu_database_release(postgres->database, own.pg);
}

/* All for one hardware_id, or each for its own. */
static void all_at_once(struct world *world, const char *const enrolments[CROWD], bool one_hardware,
                        struct candidate candidates[CROWD])
{
        pthread_t threads[CROWD];

        for (unsigned i = 0; i < CROWD; i++) {
                candidates[i] = (struct candidate){
                        .world = world, .enrolment = enrolments[i], .number = i + 1};
                (void)snprintf(candidates[i].hardware_id, sizeof(candidates[i].hardware_id), "hw%u",
                               one_hardware ? 0 : i);
                assert_int_equal(mu_thread_start("apply", apply, &candidates[i], &threads[i]), 0);
        }
        for (unsigned i = 0; i < CROWD; i++)
                mu_thread_join(threads[i]);
}

/* The same request sent again and again: one device, one use, a generation each. */
static void same_token_at_once(void **state)
{
        static const char *const enrolments[CROWD] = {"e", "e", "e", "e", "e", "e"};
        struct world *world = *state;
        struct candidate candidates[CROWD];
        int fresh = 0;
        unsigned generations = 0;

        issue(world, "e", 1);
        all_at_once(world, enrolments, true, candidates);
        for (int i = 0; i < CROWD; i++) {
                fresh += candidates[i].outcome == MU_REGISTER_NEW;
                if (candidates[i].outcome != MU_REGISTER_NEW)
                        assert_int_equal(candidates[i].outcome, MU_REGISTER_AGAIN);
                assert_int_equal(candidates[i].registered.device_id,
                                 candidates[0].registered.device_id);
                generations |= 1u << candidates[i].registered.generation;
        }
        assert_int_equal(fresh, 1);
        assert_int_equal(generations, 0x7e); /* 1 to 6, each once */
        assert_int_equal(count(world, "devices"), 1);
        assert_int_equal(uses(world, "e"), 1);
}

/* Six strangers claim one hardware: one gets it, the others learn that it is taken. */
static void other_tokens_at_once(void **state)
{
        static const char *const enrolments[CROWD] = {"a", "b", "c", "d", "e", "f"};
        struct world *world = *state;
        struct candidate candidates[CROWD];
        int fresh = 0;

        for (int i = 0; i < CROWD; i++)
                issue(world, enrolments[i], 1);
        all_at_once(world, enrolments, true, candidates);
        for (int i = 0; i < CROWD; i++) {
                fresh += candidates[i].outcome == MU_REGISTER_NEW;
                if (candidates[i].outcome != MU_REGISTER_NEW)
                        assert_int_equal(candidates[i].outcome, MU_REGISTER_HARDWARE_TAKEN);
        }
        assert_int_equal(fresh, 1);
        assert_int_equal(count(world, "devices"), 1);
        assert_int_equal(count(world, "enrolment_tokens WHERE uses = 1"), 1);
}

/* Six devices race for a token's last two uses. */
static void last_uses_at_once(void **state)
{
        static const char *const enrolments[CROWD] = {"e", "e", "e", "e", "e", "e"};
        struct world *world = *state;
        struct candidate candidates[CROWD];
        int fresh = 0;

        issue(world, "e", 2);
        all_at_once(world, enrolments, false, candidates);
        for (int i = 0; i < CROWD; i++) {
                fresh += candidates[i].outcome == MU_REGISTER_NEW;
                if (candidates[i].outcome != MU_REGISTER_NEW)
                        assert_int_equal(candidates[i].outcome, MU_REGISTER_TOKEN_USED_UP);
        }
        assert_int_equal(fresh, 2);
        assert_int_equal(count(world, "devices"), 2);
        assert_int_equal(uses(world, "e"), 2);
}

static void admin_key_at_once(void **state)
{
        static const char *const enrolments[CROWD] = {NULL};
        struct world *world = *state;
        struct candidate candidates[CROWD];

        all_at_once(world, enrolments, true, candidates);
        assert_int_equal(count(world, "devices"), 1);
        assert_int_equal(count(world, "device_tokens WHERE generation <= 6"), CROWD);
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
                WORLD(admin_new),
                WORLD(admin_again),
                WORLD(enrolment_new),
                WORLD(bad_enrolment_tokens),
                WORLD(lost_reply),
                WORLD(lost_reply_seen_in_postgres),
                WORLD(other_enrolment_token),
                WORLD(take_over),
                WORLD(take_over_by_leave),
                WORLD(deleted_never_comes_back),
                WORLD(same_token_at_once),
                WORLD(other_tokens_at_once),
                WORLD(last_uses_at_once),
                WORLD(admin_key_at_once),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
