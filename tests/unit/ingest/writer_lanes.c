/* SPDX-License-Identifier: Apache-2.0 */
#include "writer_lanes.h"

#include <errno.h>
#include <stdlib.h>

/* The journal ---------------------------------------------------------------------------------- */

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

/* The lanes ------------------------------------------------------------------------------------ */

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

int lanes_setup(void **state)
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

int lanes_teardown(void **state)
{
        struct fixture *f = *state;

        for (uint32_t i = 0; i < f->lanes; i++)
                mu_writer_core_destroy(f->cores[i]);
        free(f->journal.records);
        free(f);
        return 0;
}

void lanes_create(struct fixture *f, uint32_t lanes)
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

void lanes_restart(struct fixture *f, uint32_t lanes)
{
        for (uint32_t i = 0; i < f->lanes; i++)
                mu_writer_core_destroy(f->cores[i]);
        lanes_create(f, lanes);
}

struct mu_record *lanes_append(struct fixture *f, int64_t device_id, int64_t bucket)
{
        uint64_t seq = ++f->journal.durable;

        assert_true(seq <= FRAMES_MAX);
        test_record_init(&f->journal.records[seq], device_id,
                         START_S / MU_BUCKET_S * MU_BUCKET_S + bucket * MU_BUCKET_S);
        f->journal.types[seq] = MU_FRAME_RECORD;
        return &f->journal.records[seq].record;
}

void lanes_append_many(struct fixture *f, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++)
                lanes_append(f, 1 + (int64_t)(f->journal.durable % 10),
                             (int64_t)f->journal.durable);
}

struct mu_writer_plan lanes_settle(struct fixture *f, uint32_t lane)
{
        for (int steps = 0; steps < 100000; steps++) {
                struct mu_writer_plan plan = mu_writer_core_step(f->cores[lane]);

                if (plan.next != MU_WRITER_AGAIN)
                        return plan;
        }
        fail_msg("lane %u never comes to rest", lane);
        return (struct mu_writer_plan){0};
}

void lanes_pass(struct fixture *f, uint64_t us)
{
        uint64_t end_us = f->now_us + us;

        for (;;) {
                uint64_t next_us = end_us;

                for (uint32_t i = 0; i < f->lanes; i++) {
                        struct mu_writer_plan plan = lanes_settle(f, i);

                        if (plan.next != MU_WRITER_DRAINED && plan.deadline_us < next_us)
                                next_us = plan.deadline_us;
                }
                if (f->now_us >= end_us)
                        return;
                f->now_us = next_us > f->now_us ? next_us : f->now_us + 1;
        }
}

uint64_t lanes_flushes(const struct fixture *f, enum mu_flush_cause cause)
{
        return mu_cell_get(&mu_writer_core_stats(f->cores[0])->flushes[cause]);
}

void lanes_expect_all_stored(struct fixture *f)
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
