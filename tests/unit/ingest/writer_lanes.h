/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer_lanes.h - the writers' state machines with a journal, a database and a clock of the test's
 * own: the mu_reader and mu_journal functions in writer_lanes.c take the place of the real ones.
 */
#ifndef MUSTER_TESTS_UNIT_INGEST_WRITER_LANES_H
#define MUSTER_TESTS_UNIT_INGEST_WRITER_LANES_H

#include "base/clock.h"
#include "fake_store.h"
#include "ingest/writer_core.h"
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

struct mu_journal {
        struct test_record *records; /* seq 1 first */
        uint16_t types[FRAMES_MAX + 1];
        uint64_t durable;
        uint64_t covered;
        uint64_t unreadable; /* this seq gives -EIO; 0: none */
        uint64_t large;      /* this seq is no record and LARGE_BYTES long; 0: none */
};

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

int lanes_setup(void **state);
int lanes_teardown(void **state);

void lanes_create(struct fixture *f, uint32_t lanes);
/* A process that ends without a word, and the next one. */
void lanes_restart(struct fixture *f, uint32_t lanes);

struct mu_record *lanes_append(struct fixture *f, int64_t device_id, int64_t bucket);
/* count records of devices 1..10, buckets going on. */
void lanes_append_many(struct fixture *f, uint64_t count);

/* Steps one lane until it waits. */
struct mu_writer_plan lanes_settle(struct fixture *f, uint32_t lane);
/* Lets time pass, all lanes stepping when they want to. */
void lanes_pass(struct fixture *f, uint64_t us);

uint64_t lanes_flushes(const struct fixture *f, enum mu_flush_cause cause);
/* Every record of the journal is a row or a reject, once; the fake insert refuses a second. */
void lanes_expect_all_stored(struct fixture *f);

#define STAT(f, lane, name) mu_cell_get(&mu_writer_core_stats((f)->cores[lane])->name)

#define LANES_TEST(test) cmocka_unit_test_setup_teardown(test, lanes_setup, lanes_teardown)

#endif
