/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h - the records that one transaction will bring to PostgreSQL.
 *
 *   add … add ─▶ seal: sorted by (device_id, bucket, seq), repeats of one bucket folded ─▶ store ─▶
 * clear
 *
 * Sorted rows touch fewer index pages; of a bucket's repeats the lowest sequence is kept, and its
 * entry remembers the newest received_at of them all, for liveness.
 *
 * Units      bytes; *_us since the Unix epoch.
 * Threads    one writer's own.
 * Ownership  The batch owns all its memory, taken once by init: payloads are copied in, entries
 *            point to the copies and are good until clear.
 * Errors     Full is an answer (-ENOBUFS), never logged.
 */
#ifndef MUSTER_INGEST_BATCH_H
#define MUSTER_INGEST_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "ingest/reader.h"
#include "muster/compiler.h"
#include "muster/record.h"

enum mu_batch_limits {
        MU_BATCH_ROWS_MAX = 100000,
        MU_BATCH_BYTES_MIN = 512 * 1024, /* holds the largest frame that a journal can carry */
};

#define MU_BATCH_TIME_S_END INT64_C(4102444800) /* 2100-01-01: no time of a record is so late */

/* What becomes of an entry; all but the first go raw into ingest_rejects. */
enum mu_verdict {
        MU_VERDICT_STORE,     /* a row of heartbeats */
        MU_VERDICT_EXPIRED,   /* older than retention */
        MU_VERDICT_MALFORMED, /* the frame is no record; payload is not a struct mu_record */
        MU_VERDICT_REFUSED,   /* PostgreSQL refused the row */
        MU_VERDICT_COUNT,
};

struct mu_batch_entry {
        int64_t device_id; /* 0 when malformed */
        int64_t bucket_s;
        uint64_t seq;
        int64_t received_at_us; /* the newest of the bucket's repeats */
        const void *payload;    /* struct mu_record and its strings, unless malformed; 8-aligned */
        uint32_t payload_bytes;
        char sqlstate[6]; /* refused: why; else "" */
        uint8_t verdict;
};

/* Read entries, count, repeats, first_received_at_us; write nothing. */
struct mu_batch {
        struct mu_batch_entry *entries;
        struct mu_batch_entry *scratch;
        unsigned char *arena;
        size_t arena_bytes;
        size_t used_bytes;
        uint32_t entries_max;
        uint32_t count;
        uint32_t repeats;             /* folded by seal */
        int64_t first_received_at_us; /* of the first record added; 0 when empty */
        bool sealed;
};

/* The UTC day, since 1970, that the entry's row lies in. */
static inline int64_t mu_batch_day(const struct mu_batch_entry *entry)
{
        return entry->bucket_s / MU_S_PER_DAY;
}

/* 0, -EINVAL (limits), -ENOMEM. */
MU_MUST_CHECK
int mu_batch_init(struct mu_batch *batch, uint32_t rows_max, size_t bytes_max);
void mu_batch_done(struct mu_batch *batch);

/* Is there room for any record? When false, -ENOBUFS is likely and the batch is due. */
bool mu_batch_rows_full(const struct mu_batch *batch);
bool mu_batch_bytes_full(const struct mu_batch *batch);

/* Is this frame one whole struct mu_record with its strings, that can be a row at all? */
bool mu_frame_is_record(const struct mu_frame *frame);

/* Copies the frame in. verdict is MALFORMED exactly when mu_frame_is_record says no.
 * 0, or -ENOBUFS when rows or bytes are used up. Before seal. */
MU_MUST_CHECK
int mu_batch_add(struct mu_batch *batch, const struct mu_frame *frame, enum mu_verdict verdict);

void mu_batch_seal(struct mu_batch *batch);
/* Marks a sealed entry as refused by PostgreSQL. */
void mu_batch_refuse(struct mu_batch *batch, uint32_t index, const char *sqlstate);
/* The day has no partition any more, nor will have: its entries become EXPIRED. */
void mu_batch_expire_day(struct mu_batch *batch, int64_t day);
void mu_batch_clear(struct mu_batch *batch);

/* ingest_rejects.reason and the metrics' label: "data", "expired", "malformed". Static. */
const char *mu_verdict_reason(enum mu_verdict verdict);

#endif
