/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_store.h - a database of the test's own: a few rows in memory, failures on demand.
 *
 * One struct fake_database is shared by the lanes' stores, as the real one is.
 */
#ifndef MUSTER_TESTS_UNIT_INGEST_FAKE_STORE_H
#define MUSTER_TESTS_UNIT_INGEST_FAKE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/store.h"

enum {
        FAKE_ROWS_MAX = 4096,
        FAKE_POISON = 200, /* this battery is a data error */
};

struct fake_row {
        int64_t device_id;
        int64_t bucket_s;
        uint64_t seq;
        uint32_t transaction;
        uint8_t verdict;
};

struct fake_database {
        struct fake_row rows[FAKE_ROWS_MAX];
        uint32_t row_count;
        struct fake_row rejects[FAKE_ROWS_MAX];
        uint32_t reject_count;
        uint32_t transactions;
        uint64_t checkpoint;
        uint32_t generation; /* connections of older ones are dead */
        bool down;
        int64_t missing_day; /* has no partition yet; 0: none */
        int64_t gone_day;    /* never will have; 0: none */
};

struct fake_store {
        struct mu_store store;
        struct fake_database *database;
        struct mu_store_error error;
        uint32_t generation; /* 0: not connected */
        bool lose_next_reply;
        bool partitions_useless; /* ensure says yes and nothing changes */
        uint32_t connects;
        uint32_t batches;
        uint32_t staged_batches;
        uint32_t loads;
        uint32_t ensures;
};

void fake_store_init(struct fake_store *fake, struct fake_database *database);

/* Is there a row of the device in the bucket? */
bool fake_has(const struct fake_database *database, int64_t device_id, int64_t bucket_s);

#endif
