/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's state machine, with a journal, a database and a clock of the test's own: the
 * mu_reader and mu_journal functions below take the place of the real ones.
 */
#include "ingest/writer_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "fake_store.h"
#include "records.h"
#include "unit.h"

enum {
        LANES_MAX = 3,
        FRAMES_MAX = 3000,
        ROWS_MAX = 100, /* of a batch */
        AGE_US = 300000,
        LARGE_BYTES = 256 * 1024,
};

#define START_S INT64_C(1700000000)

/* The journal ---------------------------------------------------------------------------------- */

struct mu_journal {
        struct test_record *records; /* seq 1 first */
        uint16_t types[FRAMES_MAX + 1];
        uint64_t durable;
        uint64_t covered;
        uint64_t unreadable; /* this seq gives -EIO; 0: none */
        uint64_t large;      /* this seq is no record and LARGE_BYTES long; 0: none */
};

struct mu_reader {
        struct mu_journal *journal;
        uint64_t position;
};

int mu_reader_open(struct mu_journal *journal, uint64_t after_seq, struct mu_reader **ret_reader)
{
        struct mu_reader *reader = calloc(1, sizeof(*reader));

        assert_non_null(reader);
        *reader = (struct mu_reader){.journal = journal, .position = after_seq};
        *ret_reader = reader;
        return 0;
}

void mu_reader_close(struct mu_reader *reader)
{
        free(reader);
}

int mu_reader_next(struct mu_reader *reader, struct mu_frame *ret_frame)
{
        uint64_t seq = reader->position + 1;

        if (reader->position >= reader->journal->durable)
                return 0;
        if (seq == reader->journal->unreadable)
                return -EIO;
        reader->position = seq;
        *ret_frame = test_frame(&reader->journal->records[seq], seq);
        ret_frame->type = reader->journal->types[seq];
        if (seq == reader->journal->large) {
                static uint64_t payload[LARGE_BYTES / 8];

                ret_frame->type = 9;
                ret_frame->payload = payload;
                ret_frame->payload_bytes = sizeof(payload);
        }
        return 1;
}

uint64_t mu_reader_position(const struct mu_reader *reader)
{
        return reader->position;
}

void mu_reader_seek(struct mu_reader *reader, uint64_t after_seq)
{
        reader->position = after_seq;
}

uint64_t mu_journal_durable_seq(const struct mu_journal *journal)
{
        return journal->durable;
}

void mu_journal_set_covered(struct mu_journal *journal, uint64_t seq)
{
        assert_true(seq >= journal->covered || journal->covered == 0 || seq <= journal->durable);
        journal->covered = seq;
}

/* The fixture ---------------------------------------------------------------------------------- */

struct fixture {
        struct mu_journal journal;
        struct fake_database database;
        struct fake_store stores[LANES_MAX];
        struct mu_checkpoint checkpoint;
        struct mu_writer_core *cores[LANES_MAX];
        struct mu_writer_config config;
        struct mu_clock clock;
        uint32_t lanes;
        uint64_t now_us;
        int64_t deleted_device;
        uint32_t notes[MU_WRITER_UNREADABLE + 1];
        struct mu_writer_note last_note;
};

static uint64_t monotonic_ns(void *context)
{
        return ((struct fixture *)context)->now_us * 1000;
}

static int64_t realtime_us(void *context)
{
        return START_S * MU_US_PER_S + (int64_t)((struct fixture *)context)->now_us;
}

static bool is_deleted(void *context, int64_t device_id)
{
        return ((struct fixture *)context)->deleted_device == device_id;
}

static void on_note(void *context, const struct mu_writer_note *note)
{
        struct fixture *f = context;

        f->notes[note->event]++;
        f->last_note = *note;
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        *state = f;
        f->journal.records = calloc(FRAMES_MAX + 1, sizeof(*f->journal.records));
        f->clock = (struct mu_clock){monotonic_ns, realtime_us, f};
        f->now_us = 1000000;
        f->database.generation = 1;
        mu_writer_config_init(&f->config);
        f->config.batch_rows_max = ROWS_MAX;
        f->config.batch_age_us = AGE_US;
        f->config.retention_s = 90 * MU_S_PER_DAY;
        f->config.random_seed = 7;
        return f->journal.records ? 0 : -1;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        for (uint32_t i = 0; i < f->lanes; i++)
                mu_writer_core_destroy(f->cores[i]);
        free(f->journal.records);
        free(f);
        return 0;
}

static void create(struct fixture *f, uint32_t lanes)
{
        f->lanes = lanes;
        mu_checkpoint_init(&f->checkpoint, lanes);
        for (uint32_t i = 0; i < lanes; i++) {
                fake_store_init(&f->stores[i], &f->database);
                f->config.journal = &f->journal;
                f->config.store = &f->stores[i].store;
                f->config.checkpoint = &f->checkpoint;
                f->config.clock = &f->clock;
                f->config.lane = i;
                f->config.lane_count = lanes;
                f->config.is_deleted = is_deleted;
                f->config.is_deleted_context = f;
                f->config.note = on_note;
                f->config.note_context = f;
                assert_int_equal(mu_writer_core_create(&f->config, &f->cores[i]), 0);
        }
}

/* A process that ends without a word, and the next one. */
static void restart(struct fixture *f, uint32_t lanes)
{
        for (uint32_t i = 0; i < f->lanes; i++)
                mu_writer_core_destroy(f->cores[i]);
        create(f, lanes);
}

static struct mu_record *append(struct fixture *f, int64_t device_id, int64_t bucket)
{
        uint64_t seq = ++f->journal.durable;

        assert_true(seq <= FRAMES_MAX);
        test_record_init(&f->journal.records[seq], device_id,
                         START_S / MU_BUCKET_S * MU_BUCKET_S + bucket * MU_BUCKET_S);
        f->journal.types[seq] = MU_FRAME_RECORD;
        return &f->journal.records[seq].record;
}

/* count records of devices 1..10, buckets going on. */
static void append_many(struct fixture *f, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++)
                append(f, 1 + (int64_t)(f->journal.durable % 10), (int64_t)f->journal.durable);
}

/* Steps one lane until it waits. */
static struct mu_writer_plan settle_lane(struct fixture *f, uint32_t lane)
{
        for (int steps = 0; steps < 100000; steps++) {
                struct mu_writer_plan plan = mu_writer_core_step(f->cores[lane]);

                if (plan.next != MU_WRITER_AGAIN)
                        return plan;
        }
        fail_msg("lane %u never comes to rest", lane);
        return (struct mu_writer_plan){0};
}

/* Lets time pass, all lanes stepping when they want to. */
static void pass(struct fixture *f, uint64_t us)
{
        uint64_t end_us = f->now_us + us;

        for (;;) {
                uint64_t next_us = end_us;

                for (uint32_t i = 0; i < f->lanes; i++) {
                        struct mu_writer_plan plan = settle_lane(f, i);

                        if (plan.next != MU_WRITER_DRAINED && plan.deadline_us < next_us)
                                next_us = plan.deadline_us;
                }
                if (f->now_us >= end_us)
                        return;
                f->now_us = next_us > f->now_us ? next_us : f->now_us + 1;
        }
}

static uint64_t flushes(const struct fixture *f, enum mu_flush_cause cause)
{
        return mu_cell_get(&mu_writer_core_stats(f->cores[0])->flushes[cause]);
}

#define STAT(f, lane, name) mu_cell_get(&mu_writer_core_stats((f)->cores[lane])->name)

/* Every record of the journal is a row or a reject, once; its fake insert refuses a second. */
static void expect_all_stored(struct fixture *f)
{
        assert_int_equal(f->database.row_count + f->database.reject_count, f->journal.durable);
        for (uint64_t seq = 1; seq <= f->journal.durable; seq++) {
                const struct mu_record *record = &f->journal.records[seq].record;
                bool found = fake_has(&f->database, record->device_id, record->bucket_s);

                for (uint32_t i = 0; i < f->database.reject_count; i++)
                        found = found || f->database.rejects[i].seq == seq;
                if (!found)
                        fail_msg("record %lu is not stored", (unsigned long)seq);
        }
}

/* Batches -------------------------------------------------------------------------------------- */

static void a_lone_record_goes_at_once(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        assert_int_equal(settle_lane(f, 0).next, MU_WRITER_WAIT_FRAME);
        f->now_us += 10000000;
        append_many(f, 1);
        assert_int_equal(settle_lane(f, 0).next, MU_WRITER_WAIT_FRAME);
        assert_int_equal(f->database.row_count, 1);
        assert_int_equal(flushes(f, MU_FLUSH_IDLE), 1);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 1);
}

static void under_load_a_batch_ages(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        (void)settle_lane(f, 0);
        /* 200 a second: 60 would come within the age, more than are worth waiting for. */
        for (int i = 0; i < 600; i++) {
                append_many(f, 1);
                pass(f, 5000);
        }
        uint64_t by_age = flushes(f, MU_FLUSH_AGE);

        assert_in_range(by_age, 7, 11);
        assert_int_equal(flushes(f, MU_FLUSH_ROWS), 0);
        f->now_us += AGE_US;
        (void)settle_lane(f, 0);
        expect_all_stored(f);
}

static void a_batch_is_never_older_than_its_age(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        (void)settle_lane(f, 0);
        append_many(f, 60);
        struct mu_writer_plan plan = settle_lane(f, 0);

        assert_int_equal(plan.next, MU_WRITER_SLEEP);
        assert_true(plan.deadline_us <= f->now_us + AGE_US);
        assert_int_equal(STAT(f, 0, oldest_received_at_us),
                         f->journal.records[1].record.received_at_us);
        f->now_us += AGE_US;
        (void)settle_lane(f, 0);
        assert_int_equal(f->database.row_count, 60);
        assert_int_equal(f->database.transactions, 1);
        assert_int_equal(flushes(f, MU_FLUSH_AGE), 1);
        assert_int_equal(STAT(f, 0, oldest_received_at_us), 0);
}

static void rows_fill_a_batch(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        append_many(f, 250);
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(flushes(f, MU_FLUSH_ROWS), 2);
        assert_int_equal(mu_histogram_max(mu_writer_core_stats(f->cores[0])->batch_rows), ROWS_MAX);
}

static void bytes_fill_a_batch(void **state)
{
        struct fixture *f = *state;

        f->config.batch_rows_max = 1000;
        f->config.batch_bytes_max = MU_BATCH_BYTES_MIN;
        create(f, 1);
        for (int i = 0; i < 600; i++) {
                append(f, 1, i);
                f->journal.records[f->journal.durable].record.extra_bytes = MU_EXTRA_BYTES_MAX;
        }
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(flushes(f, MU_FLUSH_BYTES), 2);
}

/* Read, found too large for what is left, and read again for the next batch. */
static void a_large_frame_waits_for_the_next_batch(void **state)
{
        struct fixture *f = *state;

        f->config.batch_rows_max = 1000;
        f->config.batch_bytes_max = MU_BATCH_BYTES_MIN;
        create(f, 1);
        for (int i = 0; i < 200; i++) {
                append(f, 1, i);
                f->journal.records[f->journal.durable].record.extra_bytes = MU_EXTRA_BYTES_MAX;
        }
        f->journal.large = 180;
        pass(f, 2 * AGE_US);
        expect_all_stored(f);
        assert_int_equal(f->database.reject_count, 1);
        assert_int_equal(flushes(f, MU_FLUSH_BYTES), 1);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 200);
}

static void repeats_within_a_batch_are_counted(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        append(f, 1, 1);
        append(f, 1, 1);
        append(f, 1, 1);
        pass(f, AGE_US);
        assert_int_equal(f->database.row_count, 1);
        assert_int_equal(f->database.rows[0].seq, 1);
        assert_int_equal(STAT(f, 0, duplicates), 2);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 3);
}

/* What becomes of a record --------------------------------------------------------------------- */

static void lanes_share_the_devices(void **state)
{
        struct fixture *f = *state;

        create(f, 3);
        append_many(f, 300);
        pass(f, AGE_US);
        expect_all_stored(f);
        for (uint32_t i = 0; i < 3; i++) {
                assert_true(STAT(f, i, rows) > 0);
                assert_int_equal(mu_checkpoint_position(&f->checkpoint, i), 300);
        }
        assert_int_equal(STAT(f, 0, rows) + STAT(f, 1, rows) + STAT(f, 2, rows), 300);
}

static void deleted_devices_records_are_dropped(void **state)
{
        struct fixture *f = *state;

        f->deleted_device = 3;
        create(f, 1);
        append_many(f, 100);
        pass(f, AGE_US);
        assert_int_equal(STAT(f, 0, deleted), 10);
        assert_int_equal(f->database.row_count, 90);
        for (uint32_t i = 0; i < f->database.row_count; i++)
                assert_int_not_equal(f->database.rows[i].device_id, 3);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 100);
}

static void old_and_malformed_records_are_kept_raw(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        append(f, 1, 0);
        append(f, 2, -91 * 8640); /* older than retention */
        append(f, 3, -89 * 8640);
        append(f, 4, 0);
        f->journal.types[4] = 9;
        append(f, 5, 0)->network = 9;
        append(f, 0, 0);
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(f->database.row_count, 2);
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_EXPIRED]), 1);
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_MALFORMED]), 3);
}

/* Conflicts, poison, partitions ---------------------------------------------------------------- */

static void a_conflict_goes_through_staging_until_a_batch_is_clean(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        (void)settle_lane(f, 0);
        append_many(f, 3);
        pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, 0);
        append(f, 1, 0); /* the same as the first: device 1, bucket 0 */
        append(f, 2, 50);
        pass(f, AGE_US);
        assert_int_equal(STAT(f, 0, conflicts), 1);
        assert_int_equal(STAT(f, 0, duplicates), 1);
        assert_int_equal(f->database.row_count, 4);
        assert_int_equal(f->stores[0].staged_batches, 1);
        append(f, 2, 51); /* staged still, and clean */
        pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, 2);
        append(f, 2, 52);
        pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, 2);
        assert_int_equal(STAT(f, 0, conflicts), 1);
}

static void poison(struct fixture *f, uint64_t seq)
{
        f->journal.records[seq].record.battery_percent = FAKE_POISON;
}

static bool is_reject(const struct fixture *f, uint64_t seq, uint32_t *ret_transaction)
{
        for (uint32_t i = 0; i < f->database.reject_count; i++)
                if (f->database.rejects[i].seq == seq) {
                        *ret_transaction = f->database.rejects[i].transaction;
                        return f->database.rejects[i].verdict == MU_VERDICT_REFUSED;
                }
        return false;
}

static void poison_is_found_and_its_neighbours_are_stored(void **state)
{
        struct fixture *f = *state;
        static const uint64_t places[] = {1, 2, 37, 38, 39, 60, 100};

        create(f, 1);
        for (int64_t bucket = 0; bucket < 100; bucket++)
                append(f, 1, bucket);
        for (size_t i = 0; i < MU_COUNT_OF(places); i++)
                poison(f, places[i]);
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(f->database.reject_count, MU_COUNT_OF(places));
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_REFUSED]), MU_COUNT_OF(places));
        assert_int_equal(f->notes[MU_WRITER_REFUSED], MU_COUNT_OF(places));
        for (size_t i = 0; i < MU_COUNT_OF(places); i++) {
                uint32_t transaction = 0;
                bool shared = false;

                assert_true(is_reject(f, places[i], &transaction));
                for (uint32_t k = 0; k < f->database.row_count; k++)
                        shared = shared || f->database.rows[k].transaction == transaction;
                /* In one transaction with the rows that follow it. */
                assert_true(shared || places[i] == 100);
        }
        assert_int_equal(mu_breaker_opened_count(mu_writer_core_breaker(f->cores[0])), 0);
}

static void a_batch_of_nothing_but_poison_ends(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        append_many(f, 100);
        for (uint64_t seq = 1; seq <= 100; seq++)
                poison(f, seq);
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(f->database.reject_count, 100);
        assert_true(f->stores[0].batches < 500);
}

static void a_missing_partition_is_made(void **state)
{
        struct fixture *f = *state;

        f->database.missing_day = START_S / MU_S_PER_DAY;
        create(f, 1);
        append_many(f, 10);
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(f->stores[0].ensures, 1);
        assert_int_equal(STAT(f, 0, partitions), 1);
        assert_int_equal(f->notes[MU_WRITER_PARTITIONS], 1);
}

static void partitions_that_do_not_help_are_an_outage(void **state)
{
        struct fixture *f = *state;

        f->database.missing_day = START_S / MU_S_PER_DAY;
        create(f, 1);
        f->stores[0].partitions_useless = true;
        append_many(f, 10);
        pass(f, AGE_US);
        assert_int_equal(f->notes[MU_WRITER_AWAY], 1);
        assert_int_equal(STAT(f, 0, available), 0);
        f->stores[0].partitions_useless = false;
        pass(f, 60000000);
        expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_BACK], 1);
}

static void a_day_gone_for_good_is_expired(void **state)
{
        struct fixture *f = *state;

        f->database.gone_day = START_S / MU_S_PER_DAY - 3;
        create(f, 1);
        append_many(f, 10);
        append(f, 1, -3 * 8640);
        append(f, 2, -3 * 8640);
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(f->database.reject_count, 2);
        assert_int_equal(STAT(f, 0, rejects[MU_VERDICT_EXPIRED]), 2);
}

/* The database away ---------------------------------------------------------------------------- */

static void starts_after_the_checkpoint(void **state)
{
        struct fixture *f = *state;

        f->database.checkpoint = 40;
        append_many(f, 100);
        create(f, 1);
        pass(f, AGE_US);
        assert_int_equal(f->database.row_count, 60);
        assert_true(f->stores[0].staged_batches > 0); /* it may all be there */
        append_many(f, 1);
        uint32_t staged = f->stores[0].staged_batches;

        pass(f, AGE_US);
        assert_int_equal(f->stores[0].staged_batches, staged);
}

static void a_checkpoint_beyond_the_journal_skips_nothing(void **state)
{
        struct fixture *f = *state;

        f->database.checkpoint = 1000;
        append_many(f, 100);
        create(f, 1);
        pass(f, AGE_US);
        expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 1000);
}

static void a_lost_reply_is_repeated_once(void **state)
{
        struct fixture *f = *state;

        create(f, 2);
        append_many(f, 50);
        f->stores[0].lose_next_reply = true;
        f->stores[1].lose_next_reply = true;
        pass(f, 10000000);
        expect_all_stored(f);
        assert_int_equal(STAT(f, 0, duplicates) + STAT(f, 1, duplicates), 50);
        assert_int_equal(STAT(f, 0, retries), 1);
        assert_int_equal(f->database.checkpoint, 50);
}

static void an_outage_is_waited_out(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        append_many(f, 10);
        pass(f, AGE_US);
        f->database.down = true;
        append_many(f, 500);
        pass(f, 600000000);
        /* Ten minutes: a probe each ten seconds at most, and the breaker opened. */
        assert_in_range(f->stores[0].connects, 20, 160);
        assert_true(mu_breaker_opened_count(mu_writer_core_breaker(f->cores[0])) > 0);
        assert_int_not_equal(mu_breaker_state(mu_writer_core_breaker(f->cores[0])),
                             MU_BREAKER_CLOSED);
        assert_int_equal(f->notes[MU_WRITER_AWAY], 1);
        assert_int_equal(STAT(f, 0, available), 0);
        assert_true(STAT(f, 0, oldest_received_at_us) > 0);
        f->database.down = false;
        f->database.generation++;
        pass(f, 15000000);
        expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_BACK], 1);
        assert_int_equal(STAT(f, 0, available), 1);
        assert_int_equal(mu_breaker_state(mu_writer_core_breaker(f->cores[0])), MU_BREAKER_CLOSED);
        assert_int_equal(f->database.checkpoint, 510);

        /* The next outage begins with short waits again. */
        f->database.down = true;
        append_many(f, 1);
        struct mu_writer_plan plan = settle_lane(f, 0);

        assert_int_equal(plan.next, MU_WRITER_SLEEP);
        assert_true(plan.deadline_us <= f->now_us + f->config.backoff_base_ms * 1000);
}

static void nothing_is_tried_before_its_time(void **state)
{
        struct fixture *f = *state;

        f->database.down = true;
        create(f, 1);
        struct mu_writer_plan plan = settle_lane(f, 0);
        uint32_t connects = f->stores[0].connects;

        assert_int_equal(plan.next, MU_WRITER_SLEEP);
        for (int i = 0; i < 5; i++) {
                struct mu_writer_plan same = mu_writer_core_step(f->cores[0]);

                assert_int_equal(same.next, MU_WRITER_SLEEP);
                assert_int_equal(same.deadline_us, plan.deadline_us);
        }
        assert_int_equal(f->stores[0].connects, connects);
}

static void an_unreadable_place_stops_nothing_before_it(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        append_many(f, 20);
        f->journal.unreadable = 11;
        pass(f, 3000000);
        assert_int_equal(f->database.row_count, 10);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 10);
        assert_in_range(STAT(f, 0, journal_errors), 2, 4);
        assert_true(f->notes[MU_WRITER_UNREADABLE] > 0);
        f->journal.unreadable = 0;
        pass(f, 3000000);
        expect_all_stored(f);
}

/* Checkpoints ---------------------------------------------------------------------------------- */

static void the_checkpoint_is_the_slowest_lanes(void **state)
{
        struct fixture *f = *state;

        create(f, 3);
        pass(f, 1000);
        append_many(f, 100);
        /* Lane 1 does not get to run any more. */
        for (int i = 0; i < 5; i++) {
                (void)settle_lane(f, 0);
                (void)settle_lane(f, 2);
                f->now_us += 1100000;
        }
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 100);
        assert_int_equal(f->database.checkpoint, 0);
        assert_int_equal(f->journal.covered, 0);
        pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 100);
        assert_int_equal(f->journal.covered, 100);
        /* A lane without a record of its own follows what it has read. */
        append(f, 1, 500);
        pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 101);
}

static void another_number_of_lanes_loses_nothing(void **state)
{
        struct fixture *f = *state;

        create(f, 3);
        append_many(f, 200);
        (void)settle_lane(f, 0);
        f->now_us += AGE_US;
        (void)settle_lane(f, 0);
        (void)settle_lane(f, 1);
        restart(f, 2);
        append_many(f, 50);
        pass(f, 2200000);
        expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 250);
        restart(f, 1);
        append_many(f, 50);
        pass(f, 2200000);
        expect_all_stored(f);
}

/* Forgets the rows after seq, as a restored database or a promoted standby does. */
static void forget(struct fixture *f, uint64_t rows_after, uint64_t checkpoint)
{
        uint32_t kept = 0;

        for (uint32_t i = 0; i < f->database.row_count; i++)
                if (f->database.rows[i].seq <= rows_after)
                        f->database.rows[kept++] = f->database.rows[i];
        f->database.row_count = kept;
        f->database.checkpoint = checkpoint;
        f->database.generation++;
}

static void a_restored_database_gets_it_all_again(void **state)
{
        struct fixture *f = *state;

        create(f, 2);
        append_many(f, 200);
        pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 200);
        forget(f, 60, 50);
        append_many(f, 1);
        pass(f, 15000000);
        expect_all_stored(f);
        assert_int_equal(STAT(f, 0, rewinds), 1);
        assert_int_equal(f->notes[MU_WRITER_REWOUND], 1);
        assert_int_equal(f->database.checkpoint, 201);
}

/* Nothing comes in; the keeper finds out by asking. */
static void a_restore_is_noticed_when_idle(void **state)
{
        struct fixture *f = *state;

        create(f, 2);
        append_many(f, 200);
        pass(f, 2200000);
        forget(f, 60, 50);
        pass(f, 15000000);
        expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_REWOUND], 1);
}

/* The tables were put back under a connection that lives on. */
static void a_restore_in_place_is_noticed(void **state)
{
        struct fixture *f = *state;

        create(f, 2);
        append_many(f, 200);
        pass(f, 2200000);
        forget(f, 60, 50);
        f->database.generation--;
        pass(f, 15000000);
        expect_all_stored(f);
        assert_int_equal(f->notes[MU_WRITER_REWOUND], 1);
        assert_int_equal(f->notes[MU_WRITER_AWAY], 0);
        assert_int_equal(f->database.checkpoint, 200);
}

/* Rows above the checkpoint are forgotten, the checkpoint itself is not; and the lane that wrote
 * them is idle and does not notice. The checkpoint must not pass them. */
static void rows_above_the_checkpoint_may_be_forgotten(void **state)
{
        struct fixture *f = *state;
        int64_t of_lane[2] = {0, 0};

        for (int64_t device = 1; !of_lane[0] || !of_lane[1]; device++)
                of_lane[mu_hash_u64((uint64_t)device) % 2] = device;
        create(f, 2);
        append(f, of_lane[1], 1);
        pass(f, 2200000);
        assert_int_equal(f->database.checkpoint, 1);
        append(f, of_lane[1], 2);
        (void)settle_lane(f, 1);
        f->now_us += AGE_US;
        (void)settle_lane(f, 1);
        assert_int_equal(f->database.row_count, 2);
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 1), 2);
        forget(f, 1, 1);
        append(f, of_lane[0], 1);
        /* Lane 1 does not get to run; the keeper, which has gone back, waits for it. */
        for (int i = 0; i < 10; i++) {
                f->now_us += 1100000;
                (void)settle_lane(f, 0);
        }
        assert_int_equal(mu_checkpoint_position(&f->checkpoint, 0), 3);
        assert_int_equal(f->database.checkpoint, 1);
        pass(f, 15000000);
        expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 3);
        assert_int_equal(STAT(f, 0, rewinds), 0); /* the row said what it had said */
}

/* Draining ------------------------------------------------------------------------------------- */

static void a_drain_ends_with_the_last_checkpoint(void **state)
{
        struct fixture *f = *state;

        create(f, 2);
        pass(f, 1000);
        append_many(f, 150);
        mu_writer_core_drain(f->cores[0]);
        mu_writer_core_drain(f->cores[1]);
        assert_int_equal(settle_lane(f, 0).next, MU_WRITER_SLEEP); /* waits for the other */
        assert_int_equal(settle_lane(f, 1).next, MU_WRITER_DRAINED);
        assert_int_equal(settle_lane(f, 0).next, MU_WRITER_DRAINED);
        expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 150);
        assert_true(flushes(f, MU_FLUSH_DRAIN) > 0);
}

static void a_drain_waits_for_the_database(void **state)
{
        struct fixture *f = *state;

        create(f, 1);
        append_many(f, 50);
        f->database.down = true;
        mu_writer_core_drain(f->cores[0]);
        pass(f, 60000000);
        assert_int_equal(settle_lane(f, 0).next, MU_WRITER_SLEEP);
        f->database.down = false;
        f->database.generation++;
        f->now_us += 20000000;
        assert_int_equal(settle_lane(f, 0).next, MU_WRITER_DRAINED);
        expect_all_stored(f);
        assert_int_equal(f->database.checkpoint, 50);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(a_lone_record_goes_at_once),
                CASE(under_load_a_batch_ages),
                CASE(a_batch_is_never_older_than_its_age),
                CASE(rows_fill_a_batch),
                CASE(bytes_fill_a_batch),
                CASE(a_large_frame_waits_for_the_next_batch),
                CASE(repeats_within_a_batch_are_counted),
                CASE(lanes_share_the_devices),
                CASE(deleted_devices_records_are_dropped),
                CASE(old_and_malformed_records_are_kept_raw),
                CASE(a_conflict_goes_through_staging_until_a_batch_is_clean),
                CASE(poison_is_found_and_its_neighbours_are_stored),
                CASE(a_batch_of_nothing_but_poison_ends),
                CASE(a_missing_partition_is_made),
                CASE(partitions_that_do_not_help_are_an_outage),
                CASE(a_day_gone_for_good_is_expired),
                CASE(starts_after_the_checkpoint),
                CASE(a_checkpoint_beyond_the_journal_skips_nothing),
                CASE(a_lost_reply_is_repeated_once),
                CASE(an_outage_is_waited_out),
                CASE(nothing_is_tried_before_its_time),
                CASE(an_unreadable_place_stops_nothing_before_it),
                CASE(the_checkpoint_is_the_slowest_lanes),
                CASE(another_number_of_lanes_loses_nothing),
                CASE(a_restored_database_gets_it_all_again),
                CASE(a_restore_is_noticed_when_idle),
                CASE(a_restore_in_place_is_noticed),
                CASE(rows_above_the_checkpoint_may_be_forgotten),
                CASE(a_drain_ends_with_the_last_checkpoint),
                CASE(a_drain_waits_for_the_database),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
