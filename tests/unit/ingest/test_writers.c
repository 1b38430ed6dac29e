/* SPDX-License-Identifier: Apache-2.0 */
/* Journal, writer threads and a real PostgreSQL together: acknowledged = stored, once each. */
#include "ingest/writers.h"

#include <pthread.h>

#include "journal_fixture.h"
#include "pg/database.h"
#include "scratch_postgres.h"
#include "unit.h"

enum {
        DEVICES = 300,
        DRAIN_MS = 60000,
};

static struct scratch_postgres postgres;

struct writers_fixture {
        struct fixture *journal;
        struct mu_database *database;
        struct mu_metrics *metrics;
        struct mu_writers *writers;
        uint64_t sent;
        int64_t deleted_device;
};

static int suite_setup(void **state)
{
        (void)state;
        if (scratch_postgres_exists())
                scratch_postgres_create(&postgres);
        return 0;
}

static int suite_teardown(void **state)
{
        (void)state;
        if (postgres.pid > 0)
                scratch_postgres_destroy(&postgres);
        return 0;
}

static int setup(void **state)
{
        void *made = NULL;
        struct writers_fixture *f = calloc(1, sizeof(*f));

        *state = f;
        if (!f || fixture_setup(&made))
                return -1;
        f->journal = made;
        f->journal->config.tail_bytes = 256 << 10;
        if (postgres.pid == 0)
                return 0;
        struct mu_database_config config;
        struct mu_pg_error error;

        mu_database_config_init(&config, postgres.conninfo);
        config.clock = mu_clock_system();
        assert_int_equal(mu_database_create(&config, &f->database, &error), 0);
        PGconn *look = scratch_postgres_connect(&postgres);

        sql_text(look, "TRUNCATE heartbeats, device_last_status, ingest_rejects,"
                       " ingest_checkpoint");
        PQfinish(look);
        return 0;
}

static void finish(struct writers_fixture *f)
{
        mu_metrics_destroy(f->metrics);
        mu_writers_destroy(f->writers);
        f->writers = NULL;
        fixture_close(f->journal);
}

static bool drain(struct writers_fixture *f, uint32_t deadline_ms)
{
        mu_journal_drain(f->journal->journal);
        bool stored = mu_writers_drain(f->writers, deadline_ms);

        finish(f);
        return stored;
}

static int teardown(void **state)
{
        struct writers_fixture *f = *state;
        void *made = f->journal;

        if (f->writers)
                (void)drain(f, 0); /* the test failed half-way */
        mu_database_destroy(f->database);
        free(f);
        return fixture_teardown(&made);
}

static bool is_deleted(void *context, int64_t device_id)
{
        return ((struct writers_fixture *)context)->deleted_device == device_id;
}

static void start(struct writers_fixture *f, uint32_t writer_count)
{
        struct mu_writers_config config;

        fixture_start(f->journal);
        assert_int_equal(mu_metrics_create(&f->metrics), 0);
        mu_writers_config_init(&config);
        config.journal = f->journal->journal;
        config.database = f->database;
        config.clock = mu_clock_system();
        config.metrics = f->metrics;
        config.writer_count = writer_count;
        config.batch_rows_max = 500;
        config.batch_bytes_max = MU_BATCH_BYTES_MIN;
        config.is_deleted = is_deleted;
        config.is_deleted_context = f;
        assert_int_equal(mu_writers_create(&config, &f->writers), 0);
        assert_int_equal(mu_metrics_status(f->metrics), 0);
        assert_int_equal(mu_writers_start(f->writers), 0);
}

/* The next record: a device in turn, each time a bucket further, not long ago. */
static bool commit_one(struct writers_fixture *f)
{
        uint32_t extra_bytes = (uint32_t)(f->sent * 7919 % 900);
        struct mu_record *record =
                mu_port_reserve(f->journal->port, sizeof(*record) + extra_bytes + 2);

        if (!record)
                return false;
        int64_t now_s = mu_clock_realtime_us(mu_clock_system()) / MU_US_PER_S;

        memset(record, 0, sizeof(*record));
        record->device_id = 1 + (int64_t)(f->sent % DEVICES);
        record->bucket_s = 1767225600 + (int64_t)(f->sent / DEVICES) * MU_BUCKET_S;
        record->observed_at_us = record->bucket_s * MU_US_PER_S;
        record->received_at_us = now_s * MU_US_PER_S;
        record->present = MU_FIELD_SEQ | MU_FIELD_EXTRA;
        record->seq = (int64_t)++f->sent;
        char *extra = (char *)(record + 1);

        memset(extra, ' ', extra_bytes + 2);
        extra[0] = '{';
        extra[extra_bytes + 1] = '}';
        record->extra_bytes = (uint16_t)(extra_bytes + 2);
        (void)mu_port_commit(f->journal->port);
        return true;
}

/* Until all are acknowledged. */
static void send_records(struct writers_fixture *f, uint64_t count)
{
        uint64_t resolved = 0;

        for (uint64_t sent = 0; resolved < count;) {
                while (sent < count && commit_one(f))
                        sent++;
                struct mu_port_verdict verdict = fixture_verdict(f->journal->port);

                assert_true(verdict.durable);
                resolved += verdict.last - verdict.first + 1;
        }
}

static void expect_all_stored(struct writers_fixture *f)
{
        PGconn *look = scratch_postgres_connect(&postgres);

        assert_int_equal(sql_int(look, "SELECT count(*) FROM heartbeats"), f->sent);
        assert_int_equal(sql_int(look, "SELECT count(DISTINCT seq) FROM heartbeats"), f->sent);
        assert_int_equal(sql_int(look, "SELECT max(seq) FROM heartbeats"), f->sent);
        assert_int_equal(sql_int(look, "SELECT count(*) FROM ingest_rejects"), 0);
        assert_int_equal(sql_int(look, "SELECT seq FROM ingest_checkpoint"), f->sent);
        PQfinish(look);
}

#define NEEDS_POSTGRES(state)                                                                      \
        struct writers_fixture *f = *(state);                                                      \
        if (postgres.pid == 0)                                                                     \
        skip()

static struct mu_writers_status status_of(struct writers_fixture *f)
{
        struct mu_writers_status status;

        mu_writers_status(f->writers, &status);
        return status;
}

#define AWAIT(condition)                                                                           \
        do {                                                                                       \
                int tries_ = 0;                                                                    \
                while (!(condition) && tries_++ < 6000)                                            \
                        poll(NULL, 0, 10);                                                         \
                if (!(condition))                                                                  \
                        fail_msg("never: %s", #condition);                                         \
        } while (0)

static void what_is_acknowledged_is_stored(void **state)
{
        NEEDS_POSTGRES(state);
        size_t bytes;
        char *text;

        start(f, 3);
        send_records(f, 5000);
        AWAIT(status_of(f).lowest_position == f->sent);
        assert_true(status_of(f).available);
        assert_int_equal(status_of(f).backlog_records, 0);
        assert_int_equal(mu_metrics_render(f->metrics, &text, &bytes), 0);
        assert_non_null(strstr(text, "\nmuster_writer_rows_total 5000\n"));
        assert_non_null(strstr(text, "muster_writer_stored_lag_seconds_count 5000\n"));
        assert_non_null(strstr(text, "muster_writer_available{writer=\"2\"} 1\n"));
        free(text);
        assert_true(drain(f, DRAIN_MS));
        expect_all_stored(f);
}

/* Stopped at once in the middle, then another number of writers, then again. */
static void a_stop_at_once_loses_nothing(void **state)
{
        NEEDS_POSTGRES(state);
        static const uint32_t counts[] = {4, 1, 3, 2};

        for (size_t i = 0; i < MU_COUNT_OF(counts); i++) {
                start(f, counts[i]);
                send_records(f, 2000);
                (void)drain(f, 0);
        }
        start(f, 2);
        assert_true(drain(f, DRAIN_MS));
        expect_all_stored(f);
}

static void deleted_devices_are_dropped(void **state)
{
        NEEDS_POSTGRES(state);
        PGconn *look = scratch_postgres_connect(&postgres);

        f->deleted_device = 7;
        start(f, 2);
        send_records(f, 3000);
        assert_true(drain(f, DRAIN_MS));
        assert_int_equal(sql_int(look, "SELECT count(*) FROM heartbeats"), 3000 - 10);
        assert_int_equal(sql_int(look, "SELECT count(*) FROM heartbeats WHERE device_id = 7"), 0);
        assert_int_equal(sql_int(look, "SELECT seq FROM ingest_checkpoint"), 3000);
        PQfinish(look);
}

/* Records go on being acknowledged while the server is dead; more of them than the tail holds. */
static void a_killed_server_gets_everything_once(void **state)
{
        NEEDS_POSTGRES(state);

        start(f, 2);
        for (int round = 0; round < 3; round++) {
                send_records(f, 1000);
                scratch_postgres_kill(&postgres);
                send_records(f, 2000);
                AWAIT(!status_of(f).available && status_of(f).last_error[0] != '\0');
                assert_true(status_of(f).backlog_records > 0);
                scratch_postgres_start(&postgres);
                AWAIT(status_of(f).available && status_of(f).last_error[0] == '\0');
        }
        /* The keeper of the checkpoint may only now find that its connection is gone; the others
         * then go back once more, which those that have drained no longer do. */
        AWAIT(status_of(f).checkpoint == f->sent);
        assert_true(drain(f, DRAIN_MS));
        expect_all_stored(f);
}

static void *hurry(void *context)
{
        mu_writers_hurry(context);
        return NULL;
}

/* A drain that PostgreSQL keeps waiting ends when it is told to, and the journal keeps the rest. */
static void a_drain_can_be_hurried(void **state)
{
        NEEDS_POSTGRES(state);
        PGconn *locker = scratch_postgres_connect(&postgres);
        pthread_t thread;

        sql_text(locker, "BEGIN");
        sql_text(locker, "LOCK TABLE heartbeats");
        start(f, 2);
        send_records(f, 1000);
        AWAIT(sql_int(locker, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0);
        assert_int_equal(pthread_create(&thread, NULL, hurry, f->writers), 0);
        mu_journal_drain(f->journal->journal);
        assert_false(mu_writers_drain(f->writers, UINT32_MAX));
        pthread_join(thread, NULL);
        finish(f);
        sql_text(locker, "ROLLBACK");
        PQfinish(locker);

        start(f, 1);
        assert_true(drain(f, DRAIN_MS));
        expect_all_stored(f);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(what_is_acknowledged_is_stored), CASE(a_stop_at_once_loses_nothing),
                CASE(deleted_devices_are_dropped),    CASE(a_killed_server_gets_everything_once),
                CASE(a_drain_can_be_hurried),
        };

        return cmocka_run_group_tests(tests, suite_setup, suite_teardown);
}
