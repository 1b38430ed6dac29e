/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper between a device table, a snapshot on disk and a real PostgreSQL. PostgreSQL goes away
 * by the symbolic link to its socket's directory: new connections fail, the old ones are ended.
 */
#include "identity/keeper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/qsbr.h"
#include "fixture.h"
#include "scratch.h"

enum {
        WAIT_MS = 60000,
};

static struct test_pg *postgres;

struct world {
        char *directory;
        struct mu_metrics *metrics;
        struct mu_database *database; /* by way of the link */
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        struct mu_keeper *keeper;
        struct mu_snapshot_report snapshot;
        struct mu_keeper_report report;
        int64_t journal_max;
        uint64_t journal_after;
        _Atomic int authoritative;
        _Atomic int troubles;
        _Atomic bool database_ready;
        struct mu_pg *pg; /* for looking */
};

static const char *path_of(const struct world *world, const char *name)
{
        static char paths[4][512];
        static unsigned next;
        char *path = paths[next++ % 4];

        (void)snprintf(path, sizeof(paths[0]), "%s/%s", world->directory, name);
        return path;
}

/* ---- PostgreSQL, near and far ---- */

static void set_away(struct world *world, bool away)
{
        struct mu_cluster_status status;

        mu_cluster_status(postgres->cluster, &status);
        (void)unlink(path_of(world, "socket"));
        if (!away)
                assert_int_equal(symlink(status.socket_directory, path_of(world, "socket")), 0);
        else
                test_pg_run(world->pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                       " WHERE pid <> pg_backend_pid() AND datname = "
                                       "current_database() AND usename = current_user");
}

static void open_database(struct world *world)
{
        struct mu_database_config config;
        struct mu_pg_error error;
        char conninfo[1024];
        const char *own = mu_cluster_conninfo(postgres->cluster);

        /* The last host= of a conninfo counts. */
        (void)snprintf(conninfo, sizeof(conninfo), "%s host='%s'", own, path_of(world, "socket"));
        mu_database_config_init(&config, conninfo);
        config.connections_max = 2;
        if (mu_database_create(&config, &world->database, &error) < 0)
                fail_msg("%s", error.text);
}

/* ---- one life of the process ---- */

static int journal_device_id_max(void *ctx, uint64_t after_seq, int64_t *ret_device_id)
{
        struct world *world = ctx;

        world->journal_after = after_seq;
        *ret_device_id = world->journal_max;
        return 0;
}

static void on_authoritative(void *ctx, const struct mu_keeper_report *report)
{
        struct world *world = ctx;

        world->report = *report;
        atomic_fetch_add(&world->authoritative, 1);
}

static void on_trouble(void *ctx, const char *what, const char *detail)
{
        struct world *world = ctx;

        assert_true(*what && *detail);
        atomic_fetch_add(&world->troubles, 1);
}

static bool database_ready(void *ctx)
{
        return atomic_load(&((struct world *)ctx)->database_ready);
}

static const uint8_t journal_id[16] = "the journal's id";

static void create(struct world *world)
{
        assert_int_equal(mu_metrics_create(&world->metrics), 0);
        assert_int_equal(mu_qsbr_create(2, &world->qsbr), 0);
        assert_int_equal(mu_device_table_create(world->qsbr, &world->table), 0);
        open_database(world);
        const struct mu_keeper_config config = {
                .devices = world->table,
                .database = world->database,
                .snapshot_path = path_of(world, "identities"),
                .journal_id = journal_id,
                .journal_device_id_max = journal_device_id_max,
                .on_authoritative = on_authoritative,
                .on_trouble = on_trouble,
                .database_ready = database_ready,
                .ctx = world,
                .metrics = world->metrics,
        };

        assert_int_equal(mu_keeper_create(&config, &world->snapshot, &world->keeper), 0);
        atomic_store(&world->authoritative, 0);
        atomic_store(&world->troubles, 0);
}

static void begin(struct world *world)
{
        create(world);
        assert_int_equal(mu_keeper_start(world->keeper), 0);
}

static void end(struct world *world)
{
        mu_keeper_stop(world->keeper);
        mu_keeper_destroy(world->keeper);
        mu_device_table_destroy(world->table);
        mu_qsbr_destroy(world->qsbr);
        mu_database_destroy(world->database);
        mu_metrics_destroy(world->metrics);
}

static uint64_t now_ms(void)
{
        return mu_clock_monotonic_ns(mu_clock_system()) / MU_NS_PER_MS;
}

/* Polls: what the keeper does shows outside of it only in the table, the file and PostgreSQL. */
#define wait_until(condition)                                                                      \
        do {                                                                                       \
                uint64_t end_ms_ = now_ms() + WAIT_MS;                                             \
                while (!(condition)) {                                                             \
                        if (now_ms() > end_ms_)                                                    \
                                fail_msg("%s", "waited in vain for " #condition);                  \
                        (void)poll(NULL, 0, 5);                                                    \
                }                                                                                  \
        } while (0)

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        void *directory = NULL;

        if (!world || scratch_setup(&directory) < 0)
                return -1;
        world->directory = directory;
        world->pg = test_pg_acquire(postgres);
        atomic_store(&world->database_ready, true);
        test_pg_run(world->pg, "TRUNCATE devices, device_tokens, audit_log, ingest_checkpoint"
                               " RESTART IDENTITY");
        set_away(world, false);
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;
        void *directory = world->directory;

        mu_database_release(postgres->database, world->pg);
        (void)unlink(path_of(world, "socket"));
        free(world);
        return scratch_teardown(&directory);
}

/* ---- what there is to see ---- */

#define count(world, sql) test_pg_number((world)->pg, "SELECT count(*) FROM " sql)
#define run(world, sql) test_pg_run((world)->pg, sql)

/* As register does it: generation g of device d has the digest of "d/g". */
static void insert(struct world *world, int64_t id, int generation)
{
        char sql[512];

        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO devices (id, alias, kind, enrolled_by)"
                       " VALUES (%lld, 'x', 'desktop', 'test') ON CONFLICT DO NOTHING;"
                       "INSERT INTO device_tokens (device_id, generation, token_sha256)"
                       " VALUES (%lld, %d, sha256('%lld/%d'))",
                       (long long)id, (long long)id, generation, (long long)id, generation);
        run(world, sql);
}

static struct mu_digest digest_of(int64_t id, int generation)
{
        struct mu_digest digest;
        char text[64];
        int chars = snprintf(text, sizeof(text), "%lld/%d", (long long)id, generation);

        mu_token_digest(text, (size_t)chars, &digest);
        return digest;
}

/* As a frontend would. */
static struct mu_device *use(struct world *world, int64_t id, int generation)
{
        struct mu_digest digest = digest_of(id, generation);
        struct mu_qsbr_reader *reader;

        assert_int_equal(mu_qsbr_reader_register(world->qsbr, &reader), 0);
        struct mu_device *device = mu_device_table_resolve(world->table, &digest, 1);

        mu_qsbr_reader_unregister(reader);
        return device;
}

static void publish(struct world *world, int64_t id, int generation)
{
        struct mu_digest digest = digest_of(id, generation);
        struct mu_device *device;

        mu_device_table_lock(world->table);
        assert_int_equal(mu_device_table_add(world->table, id, &device), 0);
        assert_int_equal(mu_device_table_add_token(world->table, device, &digest,
                                                   (uint32_t)generation, false),
                         0);
        mu_device_table_unlock(world->table);
        mu_device_table_note(world->table, device, MU_EVENT_CHANGED);
}

/* What the snapshot on disk says, as the next start would read it. */
static bool on_disk(struct world *world, int64_t id, int generation)
{
        struct mu_digest digest = digest_of(id, generation);
        struct mu_snapshot_report report;
        struct mu_snapshot *snapshot;
        struct mu_device_table *table;
        struct mu_qsbr *qsbr;

        assert_int_equal(mu_qsbr_create(1, &qsbr), 0);
        assert_int_equal(mu_device_table_create(qsbr, &table), 0);
        assert_int_equal(mu_snapshot_open(path_of(world, "identities"), table, &report, &snapshot),
                         0);
        mu_device_table_lock(table);
        bool known = mu_device_table_peek(table, &digest) != NULL;

        mu_device_table_unlock(table);
        mu_snapshot_close(snapshot);
        mu_device_table_destroy(table);
        mu_qsbr_destroy(qsbr);
        return known;
}

/* ---- tests ---- */

static void reads_the_list(void **state)
{
        struct world *world = *state;

        insert(world, 1, 1);
        insert(world, 2, 1);
        insert(world, 3, 1);
        insert(world, 3, 2);
        insert(world, 3, 3);
        run(world,
            "UPDATE devices SET deleted_at = now() WHERE id = 2;"
            "UPDATE devices SET quarantined_at = now(), clock_offset_s = -127, kind = 'android',"
            " heartbeat_interval_s = 60, first_seen_at = now() WHERE id = 3;"
            "UPDATE device_tokens SET revoked_at = now() WHERE device_id = 3 AND generation = 1;"
            "UPDATE device_tokens SET first_used_at = now() WHERE device_id = 3 AND generation = "
            "2");
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_true(mu_device_table_authoritative(world->table));
        assert_true(on_disk(world, 1, 1)); /* before anybody was told */
        assert_int_equal(world->report.device_count, 3);
        assert_int_equal(world->report.put_back_devices + world->report.put_back_tokens, 0);
        assert_int_equal(world->report.device_id_max, 3);
        struct mu_device *one = mu_device_table_by_id(world->table, 1);
        struct mu_device *three = mu_device_table_by_id(world->table, 3);

        assert_int_equal(mu_device_state(one), MU_DEVICE_LIVE);
        assert_int_equal(one->kind, 1);
        assert_false(one->seen);
        assert_int_equal(mu_device_state(mu_device_table_by_id(world->table, 2)),
                         MU_DEVICE_DELETED);
        assert_non_null(use(world, 2, 1)); /* its token answers 410, not 401 */
        assert_int_equal(mu_device_state(three), MU_DEVICE_QUARANTINED);
        assert_int_equal(three->clock_offset_s, -120); /* a multiple of 10, whatever was there */
        assert_int_equal(three->interval_s, 60);
        assert_int_equal(three->kind, 0);
        assert_true(three->seen);
        assert_null(use(world, 3, 1));
        assert_non_null(use(world, 3, 2));
        assert_non_null(use(world, 3, 3));
        end(world);
}

static void waits_for_the_schema(void **state)
{
        struct world *world = *state;

        insert(world, 1, 1);
        atomic_store(&world->database_ready, false);
        begin(world);
        publish(world, 7, 1);
        wait_until(on_disk(world, 7, 1)); /* meanwhile the snapshot is kept */
        assert_int_equal(atomic_load(&world->authoritative), 0);
        assert_int_equal(atomic_load(&world->troubles), 0);
        assert_null(mu_device_table_by_id(world->table, 1));
        atomic_store(&world->database_ready, true);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_non_null(mu_device_table_by_id(world->table, 1));
        end(world);
}

/* Restarted while PostgreSQL is away: the fleet is known, what happens is kept; then it comes. */
static void snapshot_first(void **state)
{
        struct world *world = *state;

        insert(world, 1, 1);
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        end(world);

        set_away(world, true);
        begin(world);
        assert_int_equal(world->snapshot.entry_count, 2);
        assert_int_equal(world->snapshot.device_id_max, 1);
        struct mu_device *device = use(world, 1, 1);

        assert_non_null(device);
        assert_false(mu_device_table_authoritative(world->table));
        atomic_store(&device->clock_offset_s, 3600);
        mu_device_table_note(world->table, device, MU_EVENT_CLOCK_OFFSET);
        insert(world, 2, 1);
        set_away(world, false);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_non_null(mu_device_table_by_id(world->table, 2));
        assert_int_equal(device->clock_offset_s, 3600); /* the younger news */
        wait_until(count(world, "devices WHERE id = 1 AND first_seen_at IS NOT NULL"
                                " AND clock_offset_s = 3600") == 1);
        wait_until(count(world,
                         "device_tokens WHERE device_id = 1 AND first_used_at IS NOT NULL") == 1);
        end(world);
}

/* PostgreSQL came back from an old backup: what it lacks is put back, tombstones and all. */
static void restored_backup(void **state)
{
        struct world *world = *state;

        for (int64_t id = 1; id <= 5; id++)
                insert(world, id, 1);
        insert(world, 2, 2);
        run(world, "UPDATE devices SET deleted_at = now() WHERE id IN (3, 4)");
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_non_null(use(world, 2, 2));
        wait_until(count(world, "device_tokens WHERE device_id = 2 AND revoked_at IS NOT NULL") ==
                   1);
        end(world);

        run(world, "DELETE FROM device_tokens WHERE device_id IN (4, 5) OR generation = 2;"
                   "DELETE FROM devices WHERE id IN (4, 5);"
                   "UPDATE devices SET deleted_at = NULL;"
                   "UPDATE device_tokens SET revoked_at = NULL, first_used_at = NULL;"
                   "ALTER SEQUENCE devices_id_seq RESTART WITH 4;"
                   "INSERT INTO ingest_checkpoint (journal_id, seq)"
                   " VALUES ('the journal''s id', 77)");
        world->journal_max = 4000;
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_int_equal(world->journal_after, 77);
        assert_int_equal(world->report.put_back_devices, 2);
        assert_int_equal(world->report.put_back_tokens, 3);
        assert_int_equal(world->report.deleted_again, 1);
        assert_int_equal(world->report.device_id_max, 4000);
        assert_int_equal(test_pg_number(world->pg, "SELECT nextval('devices_id_seq')"), 4001);
        assert_int_equal(count(world, "devices WHERE deleted_at IS NOT NULL AND id IN (3, 4)"), 2);
        assert_int_equal(count(world, "devices WHERE deleted_at IS NULL AND id = 5"
                                      " AND enrolled_by = 'snapshot' AND kind = 'desktop'"),
                         1);
        assert_int_equal(count(world, "device_tokens WHERE token_sha256 = sha256('5/1')"
                                      " AND device_id = 5 AND generation = 1"),
                         1);
        assert_int_equal(count(world, "device_tokens WHERE token_sha256 = sha256('2/2')"
                                      " AND first_used_at IS NOT NULL"),
                         1);
        /* The first token of 2 was replaced: PostgreSQL is told again. */
        wait_until(count(world, "device_tokens WHERE token_sha256 = sha256('2/1')"
                                " AND revoked_at IS NOT NULL") == 1);
        assert_null(use(world, 2, 1));
        end(world);

        /* From PostgreSQL alone it is the same fleet. */
        assert_int_equal(unlink(path_of(world, "identities")), 0);
        world->journal_max = 0;
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_int_equal(world->report.put_back_devices, 0);
        assert_non_null(use(world, 5, 1));
        assert_non_null(use(world, 2, 2));
        assert_null(use(world, 2, 1));
        assert_int_equal(mu_device_state(mu_device_table_by_id(world->table, 4)),
                         MU_DEVICE_DELETED);
        /* Ids never go back. */
        assert_int_equal(test_pg_number(world->pg, "SELECT nextval('devices_id_seq')"), 4002);
        end(world);
}

/* A new appliance: the sequence still gives 1. */
static void empty(void **state)
{
        struct world *world = *state;

        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_int_equal(world->report.device_count, 0);
        assert_int_equal(test_pg_number(world->pg, "SELECT nextval('devices_id_seq')"), 1);
        end(world);
}

static void more_than_one_batch(void **state)
{
        struct world *world = *state;

        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        for (int64_t id = 1; id <= 2500; id++)
                publish(world, id, 1);
        wait_until(on_disk(world, 2500, 1));
        end(world);
        begin(world); /* PostgreSQL knows none of them */
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_int_equal(world->report.put_back_devices, 2500);
        assert_int_equal(world->report.put_back_tokens, 2500);
        assert_int_equal(count(world, "devices"), 2500);
        for (int64_t id = 1; id <= 2500; id++)
                assert_non_null(use(world, id, 1));
        wait_until(count(world, "devices WHERE first_seen_at IS NOT NULL") == 2500);
        wait_until(count(world, "device_tokens WHERE first_used_at IS NOT NULL") == 2500);
        end(world);
}

static void quarantine(struct world *world, int64_t id)
{
        struct mu_device *device = mu_device_table_by_id(world->table, id);

        atomic_store(&device->state, MU_DEVICE_QUARANTINED);
        mu_device_table_note(world->table, device, MU_EVENT_QUARANTINED);
}

static void events_are_written_down(void **state)
{
        struct world *world = *state;

        insert(world, 1, 1);
        insert(world, 1, 2);
        insert(world, 2, 1);
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_non_null(use(world, 1, 1));
        wait_until(count(world, "devices WHERE first_seen_at IS NOT NULL") == 1);
        wait_until(count(world, "device_tokens WHERE first_used_at IS NOT NULL") == 1);
        assert_int_equal(count(world, "device_tokens WHERE revoked_at IS NOT NULL"), 0);
        assert_non_null(use(world, 1, 2));
        wait_until(count(world, "device_tokens WHERE device_id = 1 AND generation = 1"
                                " AND revoked_at IS NOT NULL AND first_used_at IS NOT NULL") == 1);
        assert_int_equal(count(world, "device_tokens WHERE device_id = 1 AND generation = 2"
                                      " AND revoked_at IS NULL AND first_used_at IS NOT NULL"),
                         1);
        wait_until(mu_device_table_token_count(world->table) == 2); /* the old one is gone */
        quarantine(world, 2);
        quarantine(world, 2);
        wait_until(count(world, "audit_log WHERE action = 'device.quarantine'"
                                " AND subject = 'device:2' AND actor = 'ingest'") == 1);
        assert_int_equal(count(world, "devices WHERE quarantined_at IS NOT NULL"), 1);
        end(world);
        assert_int_equal(count(world, "audit_log"), 1);
}

/* Away in the middle: the snapshot is kept up, PostgreSQL hears of everything later. */
static void away_and_back(void **state)
{
        struct world *world = *state;

        insert(world, 1, 1);
        insert(world, 2, 1);
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        set_away(world, true);
        assert_non_null(use(world, 1, 1));
        quarantine(world, 2);
        publish(world, 3, 1);
        wait_until(on_disk(world, 3, 1));
        assert_int_equal(count(world, "devices WHERE first_seen_at IS NOT NULL"), 0);
        set_away(world, false);
        wait_until(count(world, "devices WHERE first_seen_at IS NOT NULL") == 1);
        wait_until(count(world, "audit_log WHERE action = 'device.quarantine'") == 1);
        end(world);
}

/* Stopped while PostgreSQL is away: what it has not heard is not lost with the process. */
static void stopped_while_away(void **state)
{
        struct world *world = *state;

        insert(world, 1, 1);
        insert(world, 1, 2);
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        set_away(world, true);
        struct mu_device *device = use(world, 1, 2);

        assert_non_null(device);
        atomic_store(&device->clock_offset_s, -600);
        mu_device_table_note(world->table, device, MU_EVENT_CLOCK_OFFSET);
        quarantine(world, 1);
        mu_database_shut(world->database); /* as the daemon does before it stops the keeper */
        end(world);                        /* returns */
        assert_int_equal(count(world, "devices WHERE first_seen_at IS NOT NULL"), 0);

        set_away(world, false);
        begin(world);
        wait_until(count(world, "devices WHERE first_seen_at IS NOT NULL AND clock_offset_s = -600"
                                " AND quarantined_at IS NOT NULL") == 1);
        wait_until(count(world, "device_tokens WHERE generation = 1 AND revoked_at IS NOT NULL") ==
                   1);
        end(world);
        assert_int_equal(count(world, "audit_log WHERE action = 'device.quarantine'"), 1);
}

/* PostgreSQL never came, so the keeper was never started: its snapshot has what happened. */
static void never_started(void **state)
{
        struct world *world = *state;

        create(world);
        publish(world, 1, 1);
        end(world);
        assert_true(on_disk(world, 1, 1));
}

#ifdef MUSTER_FAILPOINTS
/* The disk refuses for a while: counted, said, tried again, nothing forgotten. */
static void disk_refuses(void **state)
{
        struct world *world = *state;

        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_int_equal(mu_failpoint_arm("snapshot.write=error:ENOSPC"), 0);
        publish(world, 1, 1);
        wait_until(atomic_load(&world->troubles) > 0);
        publish(world, 2, 1);
        assert_false(on_disk(world, 2, 1));
        mu_failpoint_disarm_all();
        wait_until(on_disk(world, 1, 1) && on_disk(world, 2, 1));
        end(world);
}
#endif

/* A device that the table can't hold is a trouble that says so, not a crash and not silence. */
/* Revoked in PostgreSQL just before a kill: the snapshot still has the token. */
static void a_revoked_token_stays_so(void **state)
{
        struct world *world = *state;

        insert(world, 1, 1);
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        wait_until(on_disk(world, 1, 1));
        end(world);
        run(world, "UPDATE device_tokens SET revoked_at = now()");
        assert_true(on_disk(world, 1, 1));
        begin(world);
        wait_until(atomic_load(&world->authoritative) == 1);
        assert_null(use(world, 1, 1));
        /* The next one is good. */
        publish(world, 1, 2);
        assert_non_null(use(world, 1, 2));
        end(world);
}

static void id_beyond_the_table(void **state)
{
        struct world *world = *state;

        insert(world, MU_DEVICE_ID_MAX + 1, 1);
        begin(world);
        wait_until(atomic_load(&world->troubles) > 0);
        assert_int_equal(atomic_load(&world->authoritative), 0);
        run(world, "TRUNCATE devices, device_tokens");
        wait_until(atomic_load(&world->authoritative) == 1);
        end(world);
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
                WORLD(reads_the_list),
                WORLD(waits_for_the_schema),
                WORLD(snapshot_first),
                WORLD(restored_backup),
                WORLD(empty),
                WORLD(more_than_one_batch),
                WORLD(events_are_written_down),
                WORLD(away_and_back),
                WORLD(stopped_while_away),
                WORLD(never_started),
#ifdef MUSTER_FAILPOINTS
                WORLD(disk_refuses),
#endif
                WORLD(a_revoked_token_stays_so),
                WORLD(id_beyond_the_table),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
