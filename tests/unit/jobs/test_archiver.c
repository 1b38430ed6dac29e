/* SPDX-License-Identifier: Apache-2.0 */
/* Days to the archive and back, on a real PostgreSQL. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/listing.h"
#include "archive/verify.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/random.h"
#include "fixture.h"
#include "jobs/archiver.h"
#include "jobs/jobs.h"
#include "pg/copy_out.h"
#include "pg/partition.h"

#define TODAY INT64_C(20778) /* 2026-11-21 */
#define OLD (TODAY - 95)     /* 2026-08-18: past its 90 days */
#define OLD_NAME "heartbeats_20260818"
#define OLD_PLACE "heartbeats/2026/20260818"

enum { ROWS = 3000, STEPS_MAX = 500 };

static struct test_pg *postgres;

struct world {
        struct mu_pg *pg;
        struct mu_archiver *archiver;
        struct mu_archiver_config config;
        struct mu_clock clock;
        int64_t now_us;
        char root[64];
        char last_event[32];
        char last_detail[400];
        int events;
};

static int64_t fixed_realtime_us(void *context)
{
        return ((struct world *)context)->now_us;
}

static uint64_t real_monotonic_ns(void *context)
{
        (void)context;
        return mu_clock_monotonic_ns(mu_clock_system());
}

static void on_event(void *context, bool trouble, const char *event, const char *parent,
                     const char *day, const char *detail)
{
        struct world *world = context;

        (void)trouble;
        (void)parent;
        (void)day;
        world->events++;
        snprintf(world->last_event, sizeof(world->last_event), "%s", event);
        snprintf(world->last_detail, sizeof(world->last_detail), "%s", detail);
}

static void make_archiver(struct world *world)
{
        assert_int_equal(mu_archiver_create(&world->config, &world->archiver), 0);
}

static const char CLEAN[] = "DO $$ DECLARE r record; BEGIN FOR r IN SELECT partition FROM"
                            " partition_registry LOOP EXECUTE 'DROP TABLE IF EXISTS ' ||"
                            " r.partition; END LOOP; END $$;"
                            "TRUNCATE partition_registry, archive_days, archive_parts,"
                            " archive_requests, archive_purged, bulk_deletions, selections, devices"
                            " CASCADE";

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        world->pg = test_pg_acquire(postgres);
        world->now_us = (TODAY * MU_S_PER_DAY + 43200) * MU_US_PER_S;
        world->clock = (struct mu_clock){.monotonic_ns = real_monotonic_ns,
                                         .realtime_us = fixed_realtime_us,
                                         .context = world};
        snprintf(world->root, sizeof(world->root), "/tmp/muster-archiver-XXXXXX");
        assert_non_null(mkdtemp(world->root));
        mu_archiver_config_init(&world->config, postgres->database, world->root);
        world->config.clock = &world->clock;
        world->config.on_event = on_event;
        world->config.event_context = world;
        world->config.bandwidth = UINT64_C(1) << 40;
        make_archiver(world);
        test_pg_run(world->pg, CLEAN);
        *state = world;
        return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path);
}

static int teardown(void **state)
{
        struct world *world = *state;

#ifdef MUSTER_FAILPOINTS
        mu_failpoint_disarm_all();
#endif
        mu_archiver_destroy(world->archiver);
        mu_database_release(postgres->database, world->pg);
        (void)nftw(world->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(world);
        return 0;
}

/* Rows of every kind: NULLs, texts, JSON; in no order of the key; some gone again. */
static void fill(struct world *world, int64_t day, int rows)
{
        char sql[1024];

        assert_int_equal(mu_partitions_ensure(world->pg, MU_PARENT_HEARTBEATS, day, day, NULL), 0);
        snprintf(sql, sizeof(sql),
                 "INSERT INTO heartbeats (device_id, bucket, received_at, observed_at, uptime_s,"
                 " clock_offset_s, battery, flags, charging, network, ssid, boot_id, extra)"
                 " SELECT 1 + n %% 50, t, t + interval '1 s', t, nullif(n %% 7, 0), 0, n %% 101, 0,"
                 " n %% 2 = 0, CASE n %% 3 WHEN 0 THEN 'wifi' END, 'café ' || n, md5(n::text),"
                 " CASE n %% 11 WHEN 0 THEN jsonb_build_object('n', n) END"
                 " FROM (SELECT n, to_timestamp(%lld + (n * 7919) %% 86400 / 10 * 10) AS t"
                 "  FROM generate_series(1, %d) AS n) AS s ON CONFLICT DO NOTHING;"
                 "DELETE FROM heartbeats WHERE bucket >= to_timestamp(%lld) AND"
                 " bucket < to_timestamp(%lld) AND battery = 50",
                 (long long)(day * MU_S_PER_DAY), rows, (long long)(day * MU_S_PER_DAY),
                 (long long)((day + 1) * MU_S_PER_DAY));
        test_pg_run(world->pg, sql);
}

static int step(struct world *world)
{
        uint64_t changed = 0;

        return mu_archiver_step(world->archiver, world->pg, &changed);
}

/* Until there is nothing to do. */
static void run(struct world *world)
{
        for (int i = 0; i < STEPS_MAX; i++) {
                int code = step(world);

                if (code == 0)
                        return;
                if (code < 0)
                        fail_msg("%s: %s", strerror(-code), mu_pg_last_error(world->pg)->text);
        }
        fail_msg("it does not end");
}

static void ask(struct world *world, const char *kind, int64_t day)
{
        char sql[320];

        snprintf(sql, sizeof(sql),
                 "INSERT INTO archive_requests (parent, day, kind, created_at, requested_by)"
                 " VALUES ('heartbeats', to_timestamp(%lld), '%s', now(), 'user:test')",
                 (long long)(day * MU_S_PER_DAY), kind);
        test_pg_run(world->pg, sql);
        run(world);
}

/* The rows of a day as text, hashed in the order of the key. */
static int64_t fingerprint(struct world *world, const char *table)
{
        char sql[256];

        snprintf(sql, sizeof(sql),
                 "SELECT ('x' || substr(md5(string_agg(h::text, E'\\n' ORDER BY device_id,"
                 " bucket)), 1, 15))::bit(60)::int8 FROM %s h",
                 table);
        return test_pg_number(world->pg, sql);
}

static int64_t number(struct world *world, const char *sql)
{
        return test_pg_number(world->pg, sql);
}

static int problems;
static char problem_file[256], problem_detail[256];

static void on_problem(void *context, const char *file, const char *detail)
{
        (void)context;
        problems++;
        snprintf(problem_file, sizeof(problem_file), "%s", file);
        snprintf(problem_detail, sizeof(problem_detail), "%s", detail);
}

/* As musterctl archive verify --directory does. */
static int verify_files(struct world *world, struct mu_archive_totals *ret_totals)
{
        const struct mu_archive_check check = {.on_problem = on_problem};

        problems = 0;
        return mu_archive_check_tree(world->root, &check, ret_totals);
}

#define STATE_IS(name, wanted)                                                                     \
        "SELECT count(*) FROM partition_registry WHERE partition = '" name                         \
        "' AND state = '" wanted "'"

static void old_days_go_to_the_archive(void **state)
{
        struct world *world = *state;
        struct mu_archive_totals totals;

        fill(world, OLD, ROWS);
        fill(world, OLD + 1, 10);
        assert_int_equal(
                mu_partitions_ensure(world->pg, MU_PARENT_HEARTBEATS, OLD + 2, OLD + 2, NULL),
                0);                  /* without a row */
        fill(world, TODAY - 89, 10); /* not yet due */
        int64_t rows = number(world, "SELECT count(*) FROM " OLD_NAME);

        run(world);
        assert_int_equal(number(world, "SELECT count(*) FROM partition_registry"
                                       " WHERE state = 'dropped'"),
                         3);
        assert_int_equal(number(world, "SELECT count(*) FROM partition_registry"
                                       " WHERE state = 'attached'"),
                         1);
        assert_int_equal(number(world, "SELECT count(*) FROM heartbeats"), 10);
        assert_int_equal(number(world, "SELECT count(*) FROM pg_class WHERE relname LIKE"
                                       " 'heartbeats_202608%' AND relkind = 'r'"),
                         1); /* 20260824 */
        assert_int_equal(number(world, "SELECT row_count FROM archive_days ORDER BY day LIMIT 1"),
                         rows);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_days WHERE state = 'archived'"
                                       " AND verify_ok AND archived_at IS NOT NULL"),
                         3);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_parts"), 0);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_days d JOIN archive_days b"
                                       " ON b.sequence = d.sequence - 1 AND"
                                       " d.previous_sha256 = b.manifest_sha256 AND b.day < d.day"),
                         2);
        assert_int_equal(verify_files(world, &totals), 0);
        assert_int_equal(totals.days, 3);
        assert_int_equal(totals.rows, rows + 10);
        assert_string_equal(world->last_event, "dropped");
        assert_int_equal(step(world), 0);
}

/* Whatever the retention says, days inside the window and two more stay. */
static void the_window_is_never_taken(void **state)
{
        struct world *world = *state;

        world->config.keep_s[MU_PARENT_HEARTBEATS] = MU_S_PER_DAY;
        mu_archiver_destroy(world->archiver);
        make_archiver(world);
        for (int64_t day = TODAY - 12; day <= TODAY; day++)
                fill(world, day, 3);
        run(world);
        /* Ended nine days ago or more: 12, 11 and 10 days back. */
        assert_int_equal(number(world, "SELECT count(*) FROM partition_registry"
                                       " WHERE state = 'dropped'"),
                         3);
}

/* Tables that are not archived are only dropped. */
static void security_events_are_dropped(void **state)
{
        struct world *world = *state;
        struct mu_archive_listing listing;

        assert_int_equal(
                mu_partitions_ensure(world->pg, MU_PARENT_SECURITY_EVENTS, OLD, OLD + 1, NULL), 0);
        assert_int_equal(mu_partitions_ensure(world->pg, MU_PARENT_ALERT_EVENTS, OLD, OLD, NULL),
                         0);
        run(world);
        assert_int_equal(number(world, "SELECT count(*) FROM partition_registry WHERE parent ="
                                       " 'security_events' AND state = 'dropped'"),
                         2);
        assert_int_equal(number(world, "SELECT count(*) FROM partition_registry WHERE parent ="
                                       " 'alert_events' AND state = 'attached'"),
                         1);
        assert_int_equal(mu_archive_list(world->root, &listing), 0);
        assert_int_equal(listing.count, 0);
        mu_archive_listing_done(&listing);
}

static void alert_events_come_back_too(void **state)
{
        struct world *world = *state;
        struct mu_archive_totals totals;

        assert_int_equal(mu_partitions_ensure(world->pg, MU_PARENT_ALERT_EVENTS, TODAY - 500,
                                              TODAY - 500, NULL),
                         0);
        test_pg_run(world->pg, "INSERT INTO alert_events (at, kind, actor, detail) SELECT"
                               " '2025-07-09 10:00Z', 'fired', 'appliance', '{\"a\": 1}' FROM"
                               " generate_series(1, 20)");
        run(world);
        assert_int_equal(number(world, "SELECT count(*) FROM alert_events"), 0);
        assert_int_equal(verify_files(world, &totals), 0);
        assert_int_equal(totals.rows, 20);
        test_pg_run(world->pg,
                    "INSERT INTO archive_requests (parent, day, kind, created_at, requested_by)"
                    " VALUES ('alert_events', '2025-07-09 00:00Z', 'restore', now(), 'user:a')");
        run(world);
        assert_int_equal(number(world, "SELECT count(*) FROM alert_events WHERE detail->>'a' ="
                                       " '1'"),
                         20);
        test_pg_run(world->pg, "TRUNCATE alert_events");
}

static void restored_days_are_the_same_and_leave_again(void **state)
{
        struct world *world = *state;

        fill(world, OLD, ROWS);
        int64_t before = fingerprint(world, "heartbeats");

        run(world);
        ask(world, "restore", OLD);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_requests WHERE state ="
                                       " 'done' AND parts_done = parts_total AND parts_done > 0"),
                         1);
        assert_int_equal(fingerprint(world, "heartbeats"), before);
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "restored")), 1);
        /* A whole member: the parent's indexes, nothing besides, no CHECK left. */
        assert_int_equal(number(world, "SELECT count(*) FROM pg_index x JOIN pg_inherits i ON"
                                       " i.inhrelid = x.indexrelid WHERE x.indrelid ="
                                       " '" OLD_NAME "'::regclass AND x.indisvalid"),
                         2);
        assert_int_equal(number(world, "SELECT count(*) FROM pg_index WHERE indrelid ="
                                       " '" OLD_NAME "'::regclass"),
                         2);
        assert_int_equal(number(world, "SELECT count(*) FROM pg_constraint WHERE conrelid ="
                                       " '" OLD_NAME "'::regclass AND contype = 'c'"),
                         0);
        /* To be read, not written: as if there were no such day. */
        assert_int_equal(mu_pg_script(world->pg, "test",
                                      "INSERT INTO heartbeats (device_id, bucket, received_at,"
                                      " observed_at, clock_offset_s, flags) VALUES (999,"
                                      " '2026-08-18 00:00:10Z', now(), now(), 0, 0)"),
                         -EINVAL);
        assert_true(mu_pg_error_is_missing_partition(mu_pg_last_error(world->pg)));
        assert_int_equal(mu_partitions_ensure(world->pg, MU_PARENT_HEARTBEATS, OLD, OLD, NULL),
                         -ESTALE);
        /* Asked again: it stays longer; seven days later it goes. */
        world->now_us += MU_S_PER_DAY * MU_US_PER_S;
        ask(world, "restore", OLD);
        world->now_us += 7 * MU_S_PER_DAY * MU_US_PER_S - 1;
        run(world);
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "restored")), 1);
        world->now_us += 1;
        run(world);
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "dropped")), 1);
        assert_int_equal(number(world, "SELECT count(*) FROM heartbeats"), 0);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_days WHERE restored_at IS"
                                       " NULL AND state = 'archived'"),
                         1);
        /* And by request. */
        ask(world, "restore", OLD);
        assert_int_equal(fingerprint(world, "heartbeats"), before);
        ask(world, "drop", OLD);
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "dropped")), 1);
        ask(world, "drop", OLD);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_requests WHERE state ="
                                       " 'failed' AND detail = 'The day is not restored.'"),
                         1);
}

/* Table, archive, table, archive: the same bytes, file by file. */
static void archived_again_gives_the_same_files(void **state)
{
        struct world *world = *state;
        char path[256], aside[256];
        size_t first_bytes, second_bytes;
        char *first, *second;

        fill(world, OLD, 200000);
        run(world);
        assert_true(number(world, "SELECT file_count FROM archive_days") >= 2);
        snprintf(path, sizeof(path), "%s/" OLD_PLACE "/" MU_ARCHIVE_MANIFEST, world->root);
        assert_int_equal(mu_fs_read_file(path, 1 << 20, &first, &first_bytes), 0);
        ask(world, "restore", OLD);
        /* As if it had never left. */
        snprintf(path, sizeof(path), "%s/heartbeats", world->root);
        snprintf(aside, sizeof(aside), "%s-first", world->root);
        assert_int_equal(rename(path, aside), 0);
        test_pg_run(world->pg, "DROP TRIGGER restored_refuse ON " OLD_NAME
                               "; TRUNCATE archive_days, archive_requests CASCADE;"
                               "UPDATE partition_registry SET state = 'attached'");
        run(world);
        snprintf(path, sizeof(path), "%s/" OLD_PLACE "/" MU_ARCHIVE_MANIFEST, world->root);
        assert_int_equal(mu_fs_read_file(path, 1 << 20, &second, &second_bytes), 0);
        assert_int_equal(first_bytes, second_bytes);
        assert_string_equal(first, second);
        free(first);
        free(second);
        (void)nftw(aside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void purged_devices_do_not_come_back(void **state)
{
        struct world *world = *state;

        fill(world, OLD, ROWS);
        fill(world, OLD + 1, ROWS);
        int64_t of_others =
                number(world, "SELECT count(*) FROM heartbeats WHERE device_id > 3 AND bucket <"
                              " '2026-08-19Z'");

        int64_t of_two_on =
                number(world, "SELECT count(*) FROM heartbeats WHERE device_id > 1 AND bucket <"
                              " '2026-08-19Z'");

        test_pg_run(world->pg, "INSERT INTO archive_purged (device_id) VALUES (1)");
        run(world);
        /* Purged before it was archived: not even in the files. */
        assert_int_equal(number(world, "SELECT row_count FROM archive_days ORDER BY day LIMIT 1"),
                         of_two_on);
        test_pg_run(world->pg, "INSERT INTO archive_purged (device_id) VALUES (2), (3)");
        ask(world, "restore", OLD);
        assert_int_equal(number(world, "SELECT count(*) FROM heartbeats WHERE device_id <= 3"), 0);
        assert_int_equal(number(world, "SELECT count(*) FROM heartbeats"), of_others);
        assert_int_equal(number(world, "SELECT restored_rows FROM archive_days WHERE restored_at"
                                       " IS NOT NULL"),
                         of_others);
}

/* The purge itself finds a restored day, and writes down whom it is about. */
static void a_purge_reaches_restored_days(void **state)
{
        struct world *world = *state;
        struct mu_jobs_config config;
        uint8_t journal_id[16] = {0xaa};
        uint64_t changed = 0;

        fill(world, OLD, ROWS);
        run(world);
        ask(world, "restore", OLD);
        test_pg_run(world->pg,
                    "INSERT INTO devices (id, alias, kind, enrolled_by, deleted_at)"
                    " VALUES (7, 'x', 'android', 'test', now());"
                    "INSERT INTO selections (id, expires_at, device_count, created_by)"
                    " OVERRIDING SYSTEM VALUE VALUES (1, now(), 1, 'user:a');"
                    "INSERT INTO selection_devices VALUES (1, 7);"
                    "INSERT INTO bulk_deletions (selection_id, deleted_at, journal_id,"
                    " journal_seq, device_count, purge_history, state, actor)"
                    " VALUES (1, now(), decode(repeat('bb', 16), 'hex'), 1, 1, true, 'purging',"
                    " 'user:a')");
        assert_true(number(world, "SELECT count(*) FROM heartbeats WHERE device_id = 7") > 0);
        mu_jobs_config_init(&config, postgres->database);
        config.journal_id = journal_id;
        for (int i = 0; i < 20; i++)
                assert_true(mu_job_purge(&config, world->pg, &changed) >= 0);
        assert_int_equal(number(world, "SELECT count(*) FROM bulk_deletions WHERE state = 'done'"),
                         1);
        assert_int_equal(number(world, "SELECT count(*) FROM heartbeats WHERE device_id = 7"), 0);
        assert_int_equal(number(world, "SELECT device_id FROM archive_purged"), 7);
        ask(world, "drop", OLD);
        ask(world, "restore", OLD);
        assert_int_equal(number(world, "SELECT count(*) FROM heartbeats WHERE device_id = 7"), 0);
        assert_true(number(world, "SELECT count(*) FROM heartbeats") > 0);
}

static void one_long_reader_only_delays(void **state)
{
        struct world *world = *state;
        struct mu_pg *reader = test_pg_acquire(postgres);

        fill(world, OLD, 100);
        assert_int_equal(mu_pg_begin(reader), 0);
        test_pg_run(reader, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
        assert_int_equal(test_pg_number(reader, "SELECT count(*) FROM heartbeats") > 0, 1);
        run(world); /* ends: it has to wait */
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "detaching")), 1);
        run(world);
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "detaching")), 1);
        /* Writers of other days pass meanwhile, and others' readers. */
        fill(world, TODAY, 10);
        assert_int_equal(number(world, "SELECT count(*) FROM heartbeats WHERE bucket >="
                                       " '2026-11-21Z'"),
                         10);
        assert_int_equal(mu_pg_commit(reader), 0);
        mu_database_release(postgres->database, reader);
        run(world);
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "dropped")), 1);
}

static void verification_names_what_is_wrong(void **state)
{
        struct world *world = *state;
        struct mu_random random;
        char path[256];
        size_t bytes;
        char *data;

        fill(world, OLD, ROWS);
        fill(world, OLD + 1, 50);
        run(world);
        ask(world, "verify", OLD);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_requests WHERE state = 'done'"
                                       " AND problems = '[]'"),
                         1);
        mu_random_seed(&random, 7);
        for (int i = 0; i < 20; i++) {
                static const char *const files[] = {"part-0000.copy.zst", MU_ARCHIVE_MANIFEST};
                const char *file = files[i % 2];
                char sql[300];

                snprintf(path, sizeof(path), "%s/" OLD_PLACE "/%s", world->root, file);
                assert_int_equal(mu_fs_read_file(path, 16 << 20, &data, &bytes), 0);
                size_t at = mu_random_below(&random, bytes);
                char bit = (char)(1 << mu_random_below(&random, 8));

                data[at] ^= bit;
                assert_int_equal(mu_fs_write_file(path, data, bytes, 0600), 0);
                test_pg_run(world->pg, "TRUNCATE archive_requests");
                ask(world, "verify", OLD);
                snprintf(sql, sizeof(sql),
                         "SELECT count(*) FROM archive_requests, archive_days d WHERE"
                         " problems->0->>'file' = '" OLD_PLACE "/%s' AND d.day = "
                         "'2026-08-18Z' AND NOT d.verify_ok AND d.verify_detail LIKE '%%%s%%'",
                         file, file);
                assert_int_equal(number(world, sql), 1);
                /* Nor is it restored. */
                ask(world, "restore", OLD);
                assert_int_equal(number(world, "SELECT count(*) FROM archive_requests WHERE kind ="
                                               " 'restore' AND state = 'failed'"),
                                 1);
                assert_int_equal(number(world, "SELECT count(*) FROM heartbeats"), 0);
                assert_int_equal(number(world, "SELECT count(*) FROM pg_class WHERE relname ="
                                               " '" OLD_NAME "'"),
                                 0);
                data[at] ^= bit;
                assert_int_equal(mu_fs_write_file(path, data, bytes, 0600), 0);
                free(data);
        }
        test_pg_run(world->pg, "TRUNCATE archive_requests");
        ask(world, "verify", OLD);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_days WHERE verify_ok"), 2);
}

/* What only the database can tell: the newest day is gone; a strange one has come. */
static void the_database_knows_what_should_be_there(void **state)
{
        struct world *world = *state;
        char path[256], aside[256];

        fill(world, OLD, 50);
        fill(world, OLD + 1, 50);
        run(world);
        snprintf(path, sizeof(path), "%s/heartbeats/2026/20260819", world->root);
        snprintf(aside, sizeof(aside), "%s/heartbeats/2026/20260701", world->root);
        assert_int_equal(rename(path, aside), 0);
        ask(world, "verify", OLD + 1);
        assert_int_equal(number(world, "SELECT jsonb_array_length(problems) FROM archive_requests"),
                         2);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_requests WHERE problems @>"
                                       " '[{\"file\": \"heartbeats/2026/20260819/manifest.json\","
                                       " \"detail\": \"is missing\"}]' AND problems @> '[{\"file\":"
                                       " \"heartbeats/2026/20260701\"}]'"),
                         1);
        /* Whole in itself, but not the one that was written. */
        assert_int_equal(rename(aside, path), 0);
        test_pg_run(world->pg, "UPDATE archive_days SET manifest_sha256 = sha256('x') WHERE day ="
                               " '2026-08-18Z'; TRUNCATE archive_requests");
        ask(world, "verify", OLD);
        assert_int_equal(number(world, "SELECT count(*) FROM archive_requests WHERE problems->0->>"
                                       "'detail' LIKE '%database remembers%'"),
                         1);
}

#ifdef MUSTER_FAILPOINTS
static const char *const POINTS[] = {
        "archive.taken_out", "archive.detached",     "archive.begun",         "archive.part_write",
        "archive.part_sync", "archive.part_renamed", "archive.part_recorded", "fs.write_file",
        "archive.naming",    "archive.named",        "archive.written",       "archive.proved",
        "archive.settled",   "archive.dropping",     "archive.dropped",
};

/* Cut off at each step in turn: the next run goes on, and ends the same. */
static void interrupted_anywhere_it_goes_on(void **state)
{
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(POINTS); i++) {
                struct mu_archive_totals totals;
                char arm[96];
                int failures = 0;

                fill(world, OLD, ROWS);
                int64_t before = fingerprint(world, "heartbeats");

                snprintf(arm, sizeof(arm), "%s=error:EIO*1", POINTS[i]);
                assert_int_equal(mu_failpoint_arm(arm), 0);
                for (int code = MU_JOB_AGAIN; code != 0;) {
                        code = step(world);
                        if (code < 0) {
                                failures++;
                                mu_pg_disconnect(world->pg);
                                /* A restarted process knows nothing. */
                                mu_archiver_destroy(world->archiver);
                                make_archiver(world);
                        }
                        assert_true(failures <= 1);
                }
                mu_failpoint_disarm_all();
                if (failures != 1)
                        fail_msg("%s was not passed", POINTS[i]);
                assert_int_equal(number(world, STATE_IS(OLD_NAME, "dropped")), 1);
                assert_int_equal(verify_files(world, &totals), 0);
                ask(world, "restore", OLD);
                assert_int_equal(fingerprint(world, "heartbeats"), before);
                teardown(state);
                setup(state);
                world = *state;
        }
}

static void restore_interrupted_leaves_nothing(void **state)
{
        static const char *const points[] = {"archive.restored_part", "archive.restoring"};
        struct world *world = *state;

        fill(world, OLD, ROWS);
        int64_t before = fingerprint(world, "heartbeats");

        run(world);
        for (size_t i = 0; i < MU_COUNT_OF(points); i++) {
                char arm[96];

                snprintf(arm, sizeof(arm), "%s=error:ENOTCONN*1", points[i]);
                assert_int_equal(mu_failpoint_arm(arm), 0);
                test_pg_run(world->pg,
                            "INSERT INTO archive_requests (parent, day, kind, created_at,"
                            " requested_by) VALUES ('heartbeats', '2026-08-18Z', 'restore', now(),"
                            " 'user:a')");
                int code = MU_JOB_AGAIN;

                while (code == MU_JOB_AGAIN)
                        code = step(world);
                assert_int_equal(code, -ENOTCONN);
                mu_failpoint_disarm_all();
                assert_int_equal(number(world, "SELECT count(*) FROM pg_class WHERE relname ="
                                               " '" OLD_NAME "'"),
                                 0);
                mu_archiver_destroy(world->archiver);
                make_archiver(world);
                run(world);
                assert_int_equal(fingerprint(world, "heartbeats"), before);
                ask(world, "drop", OLD);
        }
}

/* What the disk gives back is not what was written: the day is written anew, and not dropped. */
static void a_bad_disk_costs_no_row(void **state)
{
        struct world *world = *state;
        char path[256];

        fill(world, OLD, ROWS);
        while (number(world, "SELECT count(*) FROM archive_days WHERE state = 'verifying'") == 0)
                assert_int_equal(step(world), MU_JOB_AGAIN);
        snprintf(path, sizeof(path), "%s/" OLD_PLACE "/part-0000.copy.zst", world->root);
        assert_int_equal(truncate(path, 100), 0);
        assert_int_equal(step(world), MU_JOB_AGAIN);
        assert_string_equal(world->last_event, "begun_anew");
        assert_non_null(strstr(world->last_detail, "part-0000.copy.zst has 100 bytes instead of"));
        run(world);
        assert_int_equal(number(world, "SELECT attempts FROM archive_days"), 2);
        assert_int_equal(number(world, STATE_IS(OLD_NAME, "dropped")), 1);
        struct mu_archive_totals totals;

        assert_int_equal(verify_files(world, &totals), 0);
}
#endif

/* An earlier archive of the day lies there: a database was put back. It is kept. */
static void what_is_in_the_way_is_set_aside(void **state)
{
        struct world *world = *state;
        struct mu_archive_listing listing;
        struct mu_archive_totals totals;
        char path[256];

        fill(world, OLD, 100);
        snprintf(path, sizeof(path), "%s/" OLD_PLACE, world->root);
        assert_int_equal(mu_fs_make_directories(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/" OLD_PLACE "/" MU_ARCHIVE_MANIFEST, world->root);
        assert_int_equal(mu_fs_write_file(path, "old", 3, 0600), 0);
        run(world);
        assert_int_equal(verify_files(world, &totals), 0);
        assert_int_equal(totals.days, 1);
        snprintf(path, sizeof(path), "%s/" MU_ARCHIVE_ASIDE, world->root);
        assert_int_equal(mu_archive_list(path, &listing), 0);
        assert_int_equal(listing.count, 1);
        mu_archive_listing_done(&listing);
}

/* A file is complete in itself: zstd and COPY read it without us. */
static void plain_tools_read_the_files(void **state)
{
        struct world *world = *state;
        char source[256], path[128];
        char *const arguments[] = {"zstd", "-q", "-d", "-o", path, source, NULL};
        pid_t child;
        int status;
        uint64_t rows;
        size_t bytes;
        char *data;

        fill(world, OLD, ROWS);
        int64_t before = fingerprint(world, OLD_NAME);

        run(world);
        snprintf(path, sizeof(path), "%s/plain", world->root);
        snprintf(source, sizeof(source), "%s/" OLD_PLACE "/part-0000.copy.zst", world->root);
        assert_int_equal(posix_spawnp(&child, "zstd", NULL, NULL, arguments, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(mu_fs_read_file(path, 64 << 20, &data, &bytes), 0);
        test_pg_run(world->pg, "CREATE TABLE loaded (LIKE heartbeats)");
        assert_int_equal(mu_pg_load_begin(world->pg, "COPY loaded FROM STDIN (FORMAT binary)"), 0);
        assert_int_equal(mu_pg_load(world->pg, data, bytes), 0);
        assert_int_equal(mu_pg_load_end(world->pg, &rows), 0);
        free(data);
        assert_int_equal(rows, number(world, "SELECT row_count FROM archive_days"));
        assert_int_equal(fingerprint(world, "loaded"), before);
        test_pg_run(world->pg, "DROP TABLE loaded");
}

static int group_setup(void **state)
{
        int failed = test_pg_group_setup(state);

        postgres = *state;
        return failed;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(old_days_go_to_the_archive),
                TEST(the_window_is_never_taken),
                TEST(security_events_are_dropped),
                TEST(alert_events_come_back_too),
                TEST(restored_days_are_the_same_and_leave_again),
                TEST(archived_again_gives_the_same_files),
                TEST(purged_devices_do_not_come_back),
                TEST(a_purge_reaches_restored_days),
                TEST(one_long_reader_only_delays),
                TEST(verification_names_what_is_wrong),
                TEST(the_database_knows_what_should_be_there),
#ifdef MUSTER_FAILPOINTS
                TEST(interrupted_anywhere_it_goes_on),
                TEST(restore_interrupted_leaves_nothing),
                TEST(a_bad_disk_costs_no_row),
#endif
                TEST(what_is_in_the_way_is_set_aside),
                TEST(plain_tools_read_the_files),
        };

        return cmocka_run_group_tests_name("jobs/archiver", tests, group_setup,
                                           test_pg_group_teardown);
}
