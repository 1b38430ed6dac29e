/* SPDX-License-Identifier: Apache-2.0 */
/* dedupe.c - ask, then mark: 2,000 devices going through their buckets. */
#include "ingest/dedupe.h"
#include "bench.h"
#include "muster/record.h"

enum {
        ENTRIES = 1 << 20,
        DEVICES = 2000,
        FIRST_S = 1763719200,
};

static void *prepare(void)
{
        struct mu_dedupe *dedupe;
        int error = mu_dedupe_create(ENTRIES, &dedupe);

        if (error < 0)
                mu_bench_fail("dedupe", error);
        return dedupe;
}

static void finish(void *dedupe)
{
        mu_dedupe_destroy(dedupe);
}

static void run(void *dedupe, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++) {
                uint32_t device = (uint32_t)(i % DEVICES);
                int64_t bucket_s = FIRST_S + (int64_t)(i / DEVICES) * MU_BUCKET_S;

                if (!mu_dedupe_seen(dedupe, device, bucket_s))
                        mu_dedupe_mark(dedupe, device, bucket_s);
        }
}

const struct mu_bench mu_bench_dedupe = {
        .stage = "dedupe",
        .operation = "one question and one mark",
        .count = 2000000,
        .cases = {{"ours", run, prepare, finish}, {.name = NULL}},
};
