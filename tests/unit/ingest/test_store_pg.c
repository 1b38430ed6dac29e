/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's transactions against a real PostgreSQL. */
#include "ingest/store_pg.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "pg/database.h"
#include "pg/partition.h"
#include "records.h"
#include "scratch_postgres.h"
#include "unit.h"

struct fixture {
        struct scratch_postgres postgres;
        struct mu_database *database;
        struct mu_store *store;
        struct mu_batch batch;
        PGconn *look;
        int stop_fd;
        int64_t today_s; /* midnight, UTC */
};

static const uint8_t journal_id[16] = {0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct fixture shared;

static int suite_setup(void **state)
{
        struct fixture *f = &shared;
        struct mu_database_config config;
        struct mu_pg_error error;

        if (!scratch_postgres_exists())
                return 0;
        scratch_postgres_create(&f->postgres);
        mu_database_config_init(&config, f->postgres.conninfo);
        config.clock = mu_clock_system();
        assert_int_equal(mu_database_create(&config, &f->database, &error), 0);
        f->look = scratch_postgres_connect(&f->postgres);
        f->today_s =
                mu_clock_realtime_us(mu_clock_system()) / MU_US_PER_S / MU_S_PER_DAY * MU_S_PER_DAY;
        assert_int_equal(mu_batch_init(&f->batch, 20000, 8 << 20), 0);
        sql_text(f->look, "INSERT INTO devices (id, kind, alias, enrolled_by)"
                          " SELECT n, 'android', 'd' || n, 'test' FROM generate_series(1, 3000) n");
        *state = f;
        return 0;
}

static int suite_teardown(void **state)
{
        struct fixture *f = &shared;

        (void)state;
        if (!f->database)
                return 0;
        PQfinish(f->look);
        mu_batch_done(&f->batch);
        mu_database_destroy(f->database);
        scratch_postgres_destroy(&f->postgres);
        return 0;
}

static enum mu_store_outcome store(struct fixture *f, bool staged, struct mu_store_result *ret)
{
        if (!f->batch.sealed)
                mu_batch_seal(&f->batch);
        struct mu_store_request request = {
                .batch = &f->batch, .count = f->batch.count, .staged = staged};
        struct mu_store_result result = {0};
        enum mu_store_outcome outcome = f->store->ops->store_batch(f->store, &request, &result);

        if (ret)
                *ret = result;
        return outcome;
}

/* As the writer does: what is missing is made, then repeated. */
static void store_ok(struct fixture *f, bool staged, struct mu_store_result *ret)
{
        enum mu_store_outcome outcome = store(f, staged, ret);

        if (outcome == MU_STORE_PARTITION) {
                struct mu_store_request request = {.batch = &f->batch, .count = f->batch.count};
                int64_t gone = 0;

                assert_int_equal(f->store->ops->ensure_partitions(f->store, &request, &gone),
                                 MU_STORE_OK);
                outcome = store(f, staged, ret);
        }
        if (outcome != MU_STORE_OK)
                fail_msg("%s", f->store->ops->last_error(f->store)->text);
        mu_batch_clear(&f->batch);
}

static int setup(void **state)
{
        struct fixture *f = *state = &shared;

        if (!f->database)
                return 0;
        struct mu_store_pg_config config = {
                .database = f->database,
                .clock = mu_clock_system(),
                .window_days = 7,
                .acquire_wait_ms = 2000,
                .statement_timeout_ms = 30000,
                .stop_fd = f->stop_fd = eventfd(0, EFD_CLOEXEC),
        };

        memcpy(config.journal_id, journal_id, sizeof(journal_id));
        assert_int_equal(mu_store_pg_create(&config, &f->store), 0);
        if (f->store->ops->connect(f->store) != MU_STORE_OK)
                fail_msg("%s", f->store->ops->last_error(f->store)->text);
        sql_text(f->look, "TRUNCATE heartbeats, device_last_status, ingest_rejects,"
                          " ingest_checkpoint");
        sql_text(f->look, "UPDATE devices SET deleted_at = NULL WHERE deleted_at IS NOT NULL");
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        if (!f->database)
                return 0;
        mu_store_pg_destroy(f->store);
        close(f->stop_fd);
        mu_batch_clear(&f->batch);
        return 0;
}

#define NEEDS_POSTGRES(state)                                                                      \
        struct fixture *f = *(state);                                                              \
        if (!f->database)                                                                          \
        skip()

/* Every column, once with a value and once absent. */
static void fields_arrive_as_they_were(void **state)
{
        NEEDS_POSTGRES(state);
        struct test_record full, bare;
        struct mu_store_result result;

        test_record_init(&full, 7, f->today_s);
        full.record.observed_at_us += 3250001;
        full.record.received_at_us += 4500002;
        full.record.uptime_s = INT64_C(1) << 40;
        full.record.monitored_last_fg_s = 11;
        full.record.seq = 12;
        full.record.ram_free_mb = 13;
        full.record.ram_total_mb = 14;
        full.record.queue_depth = 15;
        full.record.clock_offset_s = -430;
        full.record.battery_percent = 99;
        full.record.flags = MU_RECORD_CLOCK_SKEWED | MU_RECORD_BACKLOG;
        full.record.booleans = MU_BOOL_CHARGING | MU_BOOL_DEVICE_OWNER | MU_BOOL_NET_VALIDATED;
        full.record.network = MU_NETWORK_ETHERNET;
        test_set_ssid(&full, "caf\xc3\xa9 \"x\"");
        full.record.fg_package_bytes = (uint8_t)test_append(&full, "org.example");
        full.record.agent_version_bytes = (uint8_t)test_append(&full, "1.2.3");
        full.record.boot_id_bytes = (uint8_t)test_append(&full, "boot");
        test_set_extra(&full, "{\"b\": [1, null], \"a\": \"\\u00e9\"}");
        full.record.present = (1u << MU_FIELD_COUNT) - 1;
        test_record_init(&bare, 8, f->today_s + 10);

        test_add(&f->batch, &full, 1);
        test_add(&f->batch, &bare, 2);
        store_ok(f, false, &result);
        assert_int_equal(result.rows, 2);
        assert_int_equal(result.statuses, 2);

        static const char content[] =
                "SELECT concat_ws('|', device_id, extract(epoch FROM received_at) -"
                " extract(epoch FROM current_date AT TIME ZONE 'UTC'),"
                " extract(epoch FROM observed_at) -"
                " extract(epoch FROM current_date AT TIME ZONE 'UTC'), uptime_s,"
                " monitored_last_fg_s, seq, ram_free_mb, ram_total_mb, queue_depth,"
                " clock_offset_s, battery, flags, charging, power_ok, device_owner,"
                " battery_unrestricted, doze_whitelisted, net_validated, network, ssid,"
                " fg_package, agent_version, boot_id, extra) FROM %s WHERE device_id = %d";
        static const char *const tables[] = {"heartbeats", "device_last_status"};

        sql_text(f->look, "SET timezone = 'UTC'");
        for (size_t i = 0; i < MU_COUNT_OF(tables); i++) {
                char sql[1024];

                snprintf(sql, sizeof(sql), content, tables[i], 7);
                assert_string_equal(
                        sql_text(f->look, sql),
                        "7|4.500002|3.250001|1099511627776|11|12|13|14|15|-430|99|5|t|f|t|f|f|t|"
                        "ethernet|caf\xc3\xa9 \"x\"|org.example|1.2.3|boot|"
                        "{\"a\": \"\xc3\xa9\", \"b\": [1, null]}");
                snprintf(sql, sizeof(sql), content, tables[i], 8);
                /* concat_ws leaves NULLs out: only what is never NULL stands here. */
                assert_string_equal(sql_text(f->look, sql), "8|10.000000|10.000000|0|0");
        }
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats WHERE device_id = 7 AND"
                                          " bucket = current_date AT TIME ZONE 'UTC'"),
                         1);
}

/* A row like device's, n buckets after midnight. */
static void add(struct fixture *f, int64_t device_id, int64_t n, uint64_t seq)
{
        struct test_record test;

        test_record_init(&test, device_id, f->today_s + n * MU_BUCKET_S);
        test_add(&f->batch, &test, seq);
}

static void repeats_conflict_and_fall_out_in_staging(void **state)
{
        NEEDS_POSTGRES(state);
        struct mu_store_result result;

        add(f, 1, 0, 1);
        add(f, 1, 0, 2); /* within the batch: the first is kept */
        add(f, 2, 0, 3);
        mu_batch_seal(&f->batch);
        assert_int_equal(f->batch.repeats, 1);
        store_ok(f, false, &result);
        assert_int_equal(result.rows, 2);

        add(f, 2, 0, 4);
        add(f, 3, 0, 5);
        assert_int_equal(store(f, false, NULL), MU_STORE_CONFLICT);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats"), 2);
        store_ok(f, true, &result);
        assert_int_equal(result.rows, 1);
        assert_int_equal(result.duplicates, 1);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats"), 3);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM device_last_status"), 3);
}

static void a_refused_row_goes_raw_to_rejects(void **state)
{
        NEEDS_POSTGRES(state);
        struct mu_store_result result;
        struct test_record test;

        add(f, 1, 0, 1);
        test_record_init(&test, 2, f->today_s);
        test_set_extra(&test, "{\"a\":");
        test_add(&f->batch, &test, 2);
        assert_int_equal(store(f, false, NULL), MU_STORE_DATA);
        assert_string_equal(f->store->ops->last_error(f->store)->sqlstate, "22P02");
        assert_int_equal(store(f, true, NULL), MU_STORE_DATA);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats"), 0);

        assert_int_equal(f->batch.entries[1].device_id, 2);
        mu_batch_refuse(&f->batch, 1, "22P02");
        store_ok(f, false, &result);
        assert_int_equal(result.rows, 1);
        assert_int_equal(result.rejects, 1);
        assert_string_equal(
                sql_text(f->look, "SELECT concat_ws(' ', seq, device_id, sqlstate, reason,"
                                  " encode(substr(journal_id, 1, 2), 'hex'), octet_length(record))"
                                  " FROM ingest_rejects"),
                "2 2 22P02 data ab01 93");
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM device_last_status"), 1);

        /* Again, as after a lost reply: it stays one. */
        test_add(&f->batch, &test, 2);
        mu_batch_seal(&f->batch);
        mu_batch_refuse(&f->batch, 0, "22P02");
        store_ok(f, true, &result);
        assert_int_equal(result.rejects, 0);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM ingest_rejects"), 1);
}

static void text_that_is_none_is_a_data_error(void **state)
{
        NEEDS_POSTGRES(state);
        static const char bad[][3] = {"\0", "\xff"};

        for (size_t i = 0; i < MU_COUNT_OF(bad); i++) {
                struct test_record test;

                test_record_init(&test, 2, f->today_s);
                test_set_ssid(&test, "x");
                test.strings[0] = bad[i][0];
                test_add(&f->batch, &test, 1);
                assert_int_equal(store(f, false, NULL), MU_STORE_DATA);
                mu_batch_clear(&f->batch);
        }
}

static void frames_that_are_no_records_are_kept(void **state)
{
        NEEDS_POSTGRES(state);
        static uint8_t payload[200 * 1024];
        struct mu_frame frame = {
                .seq = 9, .payload = payload, .payload_bytes = sizeof(payload), .type = 77};
        struct mu_store_result result;

        payload[0] = 1;
        payload[sizeof(payload) - 1] = 2;
        assert_int_equal(mu_batch_add(&f->batch, &frame, MU_VERDICT_MALFORMED), 0);
        store_ok(f, false, &result);
        assert_int_equal(result.rejects, 1);
        assert_string_equal(sql_text(f->look, "SELECT concat_ws(' ', reason, octet_length(record),"
                                              " get_byte(record, 0),"
                                              " get_byte(record, 204799)) FROM ingest_rejects"),
                            "malformed 204800 1 2");
}

static void ensure(struct fixture *f, enum mu_store_outcome wanted, int64_t wanted_day)
{
        struct mu_store_request request = {.batch = &f->batch, .count = f->batch.count};
        int64_t gone = -1;

        assert_int_equal(f->store->ops->ensure_partitions(f->store, &request, &gone), wanted);
        assert_int_equal(gone, wanted_day);
}

/* Inside the window COPY goes to the leaf, before it to the parent: both say what is missing. */
static void missing_partitions_are_made(void **state)
{
        NEEDS_POSTGRES(state);
        static const int64_t days[] = {-3, -40};

        for (size_t i = 0; i < MU_COUNT_OF(days); i++) {
                char name[MU_PARTITION_NAME_BYTES], sql[128];
                struct mu_store_result result;

                mu_partition_name(MU_PARENT_HEARTBEATS, f->today_s / MU_S_PER_DAY + days[i], name);
                snprintf(sql, sizeof(sql),
                         "SELECT count(*) FROM pg_inherits WHERE inhrelid = to_regclass('%s')",
                         name);
                assert_int_equal(sql_int(f->look, sql), 0);
                add(f, 5, days[i] * 8640, 1);
                assert_int_equal(store(f, false, NULL), MU_STORE_PARTITION);
                ensure(f, MU_STORE_OK, -1);
                store_ok(f, false, &result);
                assert_int_equal(result.rows, 1);
                assert_int_equal(sql_int(f->look, sql), 1);
        }
}

static void a_day_that_was_dropped_is_not_made_again(void **state)
{
        NEEDS_POSTGRES(state);
        int64_t day = f->today_s / MU_S_PER_DAY - 60;
        char name[MU_PARTITION_NAME_BYTES], sql[256];
        struct mu_store_result result;

        mu_partition_name(MU_PARENT_HEARTBEATS, day, name);
        snprintf(sql, sizeof(sql),
                 "INSERT INTO partition_registry (range_from, range_to, parent, partition, state)"
                 " VALUES (now(), now() + '1 day', 'heartbeats', '%s', 'dropped')",
                 name);
        sql_text(f->look, sql);
        add(f, 5, -60 * 8640, 1);
        add(f, 6, 0, 2);
        assert_int_equal(store(f, false, NULL), MU_STORE_PARTITION);
        ensure(f, MU_STORE_DATA, day);
        mu_batch_expire_day(&f->batch, day);
        store_ok(f, false, &result);
        assert_int_equal(result.rows, 1);
        assert_string_equal(sql_text(f->look, "SELECT reason FROM ingest_rejects WHERE seq = 1"),
                            "expired");
}

static void many_days_go_to_their_leaves_and_the_parent(void **state)
{
        NEEDS_POSTGRES(state);
        struct mu_store_result result;
        uint64_t seq = 0;

        for (int64_t day = 0; day < 10; day++)
                for (int64_t device = 1; device <= 20 + 20 * day; device++)
                        add(f, device, -day * 8640 + 1, ++seq);
        store_ok(f, false, &result);
        assert_int_equal(result.rows, seq);
        assert_int_equal(result.statuses, 200);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats"), seq);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM (SELECT date_trunc('day', bucket,"
                                          " 'UTC') d, count(*) n FROM heartbeats GROUP BY 1) x"
                                          " WHERE n = 20 + 20 * extract(epoch FROM"
                                          " date_trunc('day', now(), 'UTC') - d) / 86400"),
                         10);
        /* Devices 1..20 are newest today, 181..200 nine days ago. */
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM device_last_status WHERE"
                                          " observed_at >= date_trunc('day', now(), 'UTC')"),
                         20);
}

/* More than the send buffer, devices often: what is newest of each arrives. */
static void a_full_batch_coalesces(void **state)
{
        NEEDS_POSTGRES(state);
        struct mu_store_result result;

        for (int64_t n = 0; n < 10000; n++) {
                struct test_record test;

                test_record_init(&test, 1 + n % 500, f->today_s + (n / 500) * MU_BUCKET_S);
                test.record.present = MU_FIELD_SEQ;
                test.record.seq = n;
                test_set_extra(&test, "{\"k\": \"0123456789012345678901234567890123456789\"}");
                test_add(&f->batch, &test, (uint64_t)n + 1);
        }
        store_ok(f, false, &result);
        assert_int_equal(result.rows, 10000);
        assert_int_equal(result.statuses, 500);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM device_last_status"
                                          " WHERE seq = 9500 + device_id - 1"),
                         500);
}

static void one(struct fixture *f, int64_t bucket, int64_t received_s, int32_t offset_s,
                int32_t depth)
{
        struct test_record test;

        test_record_init(&test, 9, f->today_s + bucket * MU_BUCKET_S);
        test.record.received_at_us = (f->today_s + received_s) * MU_US_PER_S;
        test.record.clock_offset_s = offset_s;
        test.record.queue_depth = depth;
        test.record.present = MU_FIELD_QUEUE_DEPTH;
        test_add(&f->batch, &test, (uint64_t)(bucket + 1));
        store_ok(f, false, NULL);
}

static void expect_status(struct fixture *f, const char *wanted)
{
        char sql[256];

        snprintf(sql, sizeof(sql),
                 "SELECT concat_ws(' ', round(extract(epoch FROM observed_at) - %lld),"
                 " round(extract(epoch FROM received_at) - %lld), clock_offset_s, queue_depth)"
                 " FROM device_last_status WHERE device_id = 9",
                 (long long)f->today_s, (long long)f->today_s);
        assert_string_equal(sql_text(f->look, sql), wanted);
}

static void the_newest_state_wins_in_any_order(void **state)
{
        NEEDS_POSTGRES(state);

        one(f, 5, 100, 0, 1);
        expect_status(f, "50 100 0 1");
        one(f, 6, 110, 20, 2); /* newer in both */
        expect_status(f, "60 110 20 2");
        one(f, 4, 120, 30, 3); /* backlog: older content, yet it proves that the device lives */
        expect_status(f, "60 120 30 2");
        one(f, 7, 90, 40, 4); /* newer content, received before: liveness does not go back */
        expect_status(f, "70 120 30 4");
        one(f, 3, 80, 50, 5); /* older in both */
        expect_status(f, "70 120 30 4");
}

static void a_deleted_device_gets_no_status(void **state)
{
        NEEDS_POSTGRES(state);
        struct mu_store_result result;

        add(f, 9, 0, 1);
        add(f, 10, 0, 2);
        store_ok(f, false, NULL);
        sql_text(f->look, "UPDATE devices SET deleted_at = now() WHERE id = 9");
        sql_text(f->look, "DELETE FROM device_last_status WHERE device_id = 9");
        add(f, 9, 1, 3);
        add(f, 10, 1, 4);
        add(f, 999999, 1, 5); /* never was a device */
        store_ok(f, false, &result);
        assert_int_equal(result.rows, 3);
        assert_string_equal(sql_text(f->look, "SELECT string_agg(device_id || ' ' || (observed_at ="
                                              " received_at)::text, ',') FROM device_last_status"),
                            "10 true");
}

struct store_call {
        struct fixture *f;
        enum mu_store_outcome outcome;
};

static void *store_in_thread(void *context)
{
        struct store_call *call = context;

        call->outcome = store(call->f, false, NULL);
        return NULL;
}

static void await_lock_waiter(struct fixture *f)
{
        for (int tries = 0; tries < 2000; tries++) {
                if (sql_int(f->look, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
                        return;
                poll(NULL, 0, 10);
        }
        fail_msg("the writer does not wait for the deletion");
}

/* The deletion has begun and found no status to remove; the writer is about to make one. */
static void a_deletion_under_way_is_waited_for(void **state)
{
        NEEDS_POSTGRES(state);
        PGconn *deleter = scratch_postgres_connect(&f->postgres);
        struct store_call call = {.f = f, .outcome = MU_STORE_AWAY};
        pthread_t thread;

        sql_text(deleter, "BEGIN");
        sql_text(deleter, "UPDATE devices SET deleted_at = now() WHERE id = 11");
        sql_text(deleter, "DELETE FROM device_last_status WHERE device_id = 11");
        add(f, 11, 0, 1);
        assert_int_equal(pthread_create(&thread, NULL, store_in_thread, &call), 0);
        await_lock_waiter(f);
        sql_text(deleter, "COMMIT");
        pthread_join(thread, NULL);
        PQfinish(deleter);
        assert_int_equal(call.outcome, MU_STORE_OK);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats"), 1);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM device_last_status"), 0);
}

static void the_checkpoint_never_goes_back(void **state)
{
        NEEDS_POSTGRES(state);
        const struct mu_store_ops *ops = f->store->ops;
        uint64_t seq = 1;

        assert_int_equal(ops->load_checkpoint(f->store, &seq), MU_STORE_OK);
        assert_int_equal(seq, 0);
        assert_int_equal(ops->save_checkpoint(f->store, 70), MU_STORE_OK);
        assert_int_equal(ops->save_checkpoint(f->store, 60), MU_STORE_OK);
        assert_int_equal(ops->load_checkpoint(f->store, &seq), MU_STORE_OK);
        assert_int_equal(seq, 70);
        assert_int_equal(ops->save_checkpoint(f->store, INT64_MAX), MU_STORE_OK);
        assert_int_equal(ops->load_checkpoint(f->store, &seq), MU_STORE_OK);
        assert_int_equal(seq, INT64_MAX);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM ingest_checkpoint"), 1);
}

static void a_stop_interrupts_the_wait(void **state)
{
        NEEDS_POSTGRES(state);
        PGconn *locker = scratch_postgres_connect(&f->postgres);
        struct store_call call = {.f = f, .outcome = MU_STORE_OK};
        pthread_t thread;

        add(f, 1, 0, 1);
        store_ok(f, false, NULL);
        sql_text(locker, "BEGIN");
        sql_text(locker, "LOCK TABLE device_last_status");
        add(f, 1, 1, 2);
        assert_int_equal(pthread_create(&thread, NULL, store_in_thread, &call), 0);
        await_lock_waiter(f);
        assert_int_equal(eventfd_write(f->stop_fd, 1), 0);
        pthread_join(thread, NULL);
        assert_int_equal(call.outcome, MU_STORE_STOPPED);
        f->store->ops->disconnect(f->store);
        sql_text(locker, "ROLLBACK");
        PQfinish(locker);
}

static void reconnect(struct fixture *f)
{
        enum mu_store_outcome outcome = MU_STORE_AWAY;

        f->store->ops->disconnect(f->store);
        for (int tries = 0; tries < 200 && outcome == MU_STORE_AWAY; tries++) {
                outcome = f->store->ops->connect(f->store);
                if (outcome == MU_STORE_AWAY)
                        poll(NULL, 0, 50); /* the database's breaker is open for a while */
        }
        assert_int_equal(outcome, MU_STORE_OK);
}

#ifdef MUSTER_FAILPOINTS
/* The reply to COMMIT is lost, before and after it took place: repeated staged, it is there once.
 */
static void an_unknown_commit_is_repeated_harmlessly(void **state)
{
        NEEDS_POSTGRES(state);
        static const struct {
                const char *failpoint;
                uint32_t duplicates;
        } cases[] = {{"store.before_commit=error:EIO*1", 0},
                     {"store.after_commit=error:EIO*1", 50}};

        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                struct mu_store_result result;

                for (int64_t n = 0; n < 50; n++)
                        add(f, 1 + n, (int64_t)i, (uint64_t)n + 1);
                assert_int_equal(mu_failpoint_arm(cases[i].failpoint), 0);
                assert_int_equal(store(f, false, NULL), MU_STORE_AWAY);
                mu_failpoint_disarm_all();
                reconnect(f);
                store_ok(f, true, &result);
                assert_int_equal(result.duplicates, cases[i].duplicates);
                assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats"), 50 * (i + 1));
        }
}
#endif

/* The server dies while the batch waits in it. */
static void a_killed_server_is_away_and_nothing_is_twice(void **state)
{
        NEEDS_POSTGRES(state);
        PGconn *locker = scratch_postgres_connect(&f->postgres);
        struct store_call call = {.f = f, .outcome = MU_STORE_OK};
        struct mu_store_result result;
        pthread_t thread;

        add(f, 1, 0, 1);
        store_ok(f, false, NULL);
        sql_text(locker, "BEGIN");
        sql_text(locker, "LOCK TABLE device_last_status");
        for (int64_t n = 0; n < 3000; n++)
                add(f, 1 + n, 1, (uint64_t)n + 2);
        assert_int_equal(pthread_create(&thread, NULL, store_in_thread, &call), 0);
        await_lock_waiter(f);
        scratch_postgres_kill(&f->postgres);
        pthread_join(thread, NULL);
        assert_int_equal(call.outcome, MU_STORE_AWAY);
        assert_true(f->store->ops->last_error(f->store)->text[0] != '\0');
        f->store->ops->disconnect(f->store);
        assert_int_equal(f->store->ops->connect(f->store), MU_STORE_AWAY);
        PQfinish(locker);
        PQfinish(f->look);

        scratch_postgres_start(&f->postgres);
        f->look = scratch_postgres_connect(&f->postgres);
        reconnect(f);
        store_ok(f, true, &result);
        assert_int_equal(result.rows, 3000);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM heartbeats"), 3001);
        assert_int_equal(sql_int(f->look, "SELECT count(*) FROM device_last_status"), 3000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(fields_arrive_as_they_were),
                CASE(repeats_conflict_and_fall_out_in_staging),
                CASE(a_refused_row_goes_raw_to_rejects),
                CASE(text_that_is_none_is_a_data_error),
                CASE(frames_that_are_no_records_are_kept),
                CASE(missing_partitions_are_made),
                CASE(a_day_that_was_dropped_is_not_made_again),
                CASE(many_days_go_to_their_leaves_and_the_parent),
                CASE(a_full_batch_coalesces),
                CASE(the_newest_state_wins_in_any_order),
                CASE(a_deleted_device_gets_no_status),
                CASE(a_deletion_under_way_is_waited_for),
                CASE(the_checkpoint_never_goes_back),
                CASE(a_stop_interrupts_the_wait),
#ifdef MUSTER_FAILPOINTS
                CASE(an_unknown_commit_is_repeated_harmlessly),
#endif
                CASE(a_killed_server_is_away_and_nothing_is_twice),
        };

        return cmocka_run_group_tests(tests, suite_setup, suite_teardown);
}
