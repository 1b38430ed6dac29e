/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - is what was acknowledged what PostgreSQL holds?
 *
 * Over HTTP (POST /admin/verify: a digest per device, 1,000 devices a request; GET /admin/verify:
 * the buckets of one device, asked only where the digest differs) or straight from PostgreSQL.
 * The contract stands in README.md.
 *
 * For each device: acknowledged and not stored is a loss; stored and never sent is extra; stored,
 * sent and unanswered is neither (the answer was lost, not the heartbeat).
 *
 * Units      bucket: epoch seconds / 10 here, epoch seconds on the wire.
 * Threads    the main one, after the run. Blocking, with deadlines.
 * Errors     negative errno with a sentence in the result's error.
 */
#ifndef LOADGEN_VERIFY_H
#define LOADGEN_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "muster/compiler.h"
#include "muster/wire.h"
#include "options.h"
#include "tls.h"
#include "url.h"

#define MU_LG_VERIFY_DEVICES_MAX 1000u
#define MU_LG_VERIFY_EXAMPLES_MAX 8u

struct mu_lg_verify_example {
        uint64_t device_id;
        uint32_t bucket;
};

struct mu_lg_verify {
        bool asked;
        bool finished; /* every device was compared */
        const char *source;
        uint64_t devices_count;
        uint64_t acknowledged_count;
        uint64_t stored_count;
        uint64_t missing_count;
        uint64_t extra_count;
        uint64_t repeated_count;   /* rows beyond the first of a bucket */
        uint64_t unanswered_count; /* stored, sent, never answered */
        uint64_t waited_ns;        /* until everything was there */
        uint32_t examples_count;
        struct mu_lg_verify_example examples[MU_LG_VERIFY_EXAMPLES_MAX];
        char error[MU_LG_ERROR_BYTES];
};

/* What is held of one device, as the digest tells it. */
struct mu_lg_digest {
        uint64_t count;
        uint64_t bucket_xor; /* xor over mix64(epoch seconds of the bucket) */
};

static inline void mu_lg_digest_add(struct mu_lg_digest *digest, uint32_t bucket)
{
        digest->count++;
        digest->bucket_xor ^= mu_verify_mix64((uint64_t)bucket * MU_LG_BUCKET_S);
}

/* Of the buckets acknowledged, or of all sent. */
struct mu_lg_digest mu_lg_digest_of_marks(const struct mu_lg_marks *marks, bool acknowledged);
/* First and last bucket sent; false when nothing was. */
bool mu_lg_marks_range(const struct mu_lg_marks *marks, uint32_t *ret_first, uint32_t *ret_last);

/* A device's buckets as stored, in any order, repeats included: adds the comparison to result. */
MU_MUST_CHECK
int mu_lg_verify_compare(const struct mu_lg_device *device, const uint32_t *buckets,
                         uint64_t buckets_count, struct mu_lg_verify *result);

MU_MUST_CHECK
int mu_lg_verify_http(const struct mu_lg_options *options, const struct mu_lg_url *url,
                      struct mu_lg_tls_context *tls, const struct mu_lg_fleet *fleet,
                      struct mu_lg_verify *result);
MU_MUST_CHECK
int mu_lg_verify_database(const struct mu_lg_options *options, const struct mu_lg_fleet *fleet,
                          struct mu_lg_verify *result);

#endif
