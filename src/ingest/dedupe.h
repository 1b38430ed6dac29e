/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dedupe.h - which heartbeats were acknowledged lately: a bounded cache that saves work.
 *
 * The database's key alone decides what is stored once; a hit here only spares the journal a
 * repeat. So a mark is set when the 202 is released, never before, and forgetting is always right.
 *
 * An entry is the whole identity of a heartbeat in one word: device index (never reused by the
 * device table) and bucket number. Sets of 8 words share a cache line; the oldest mark of a full
 * set goes.
 *
 * Units      buckets in seconds, multiples of MU_BUCKET_S; entries: count.
 * Threads    seen and mark: any frontend, no order between them promised (relaxed): a mark that is
 *            not seen yet costs one harmless repeat.
 * Errors     -EINVAL, -ENOMEM.
 */
#ifndef MUSTER_INGEST_DEDUPE_H
#define MUSTER_INGEST_DEDUPE_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_dedupe;

/* entry_count: power of two, 8..2^28; 8 bytes each. */
MU_MUST_CHECK
int mu_dedupe_create(uint32_t entry_count, struct mu_dedupe **ret_dedupe);
void mu_dedupe_destroy(struct mu_dedupe *dedupe);

MU_MUST_CHECK
bool mu_dedupe_seen(const struct mu_dedupe *dedupe, uint32_t device_index, int64_t bucket_s);
void mu_dedupe_mark(struct mu_dedupe *dedupe, uint32_t device_index, int64_t bucket_s);

#endif
