/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define MARKS_FIRST_BUCKETS 128u

static uint64_t *acknowledged_words(const struct mu_lg_marks *marks)
{
        return marks->sent + marks->buckets_max / 64;
}

static int marks_grow(struct mu_lg_marks *marks, uint32_t offset)
{
        uint32_t buckets_max = marks->buckets_max ? marks->buckets_max : MARKS_FIRST_BUCKETS;

        while (buckets_max <= offset)
                buckets_max *= 2;
        uint32_t words = buckets_max / 64;
        uint64_t *grown = calloc((size_t)words * 2, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        if (marks->sent) {
                size_t old_bytes = marks->buckets_max / 8;

                memcpy(grown, marks->sent, old_bytes);
                memcpy(grown + words, acknowledged_words(marks), old_bytes);
                free(marks->sent);
        }
        marks->sent = grown;
        marks->buckets_max = buckets_max;
        return 0;
}

int mu_lg_marks_sent(struct mu_lg_marks *marks, uint32_t bucket)
{
        if (marks->first_bucket == 0)
                marks->first_bucket = bucket;
        MU_ASSERT(bucket >= marks->first_bucket);
        uint32_t offset = bucket - marks->first_bucket;

        if (offset >= marks->buckets_max) {
                int r = marks_grow(marks, offset);

                if (r < 0)
                        return r;
        }
        marks->sent[offset / 64] |= 1ull << (offset % 64);
        return 0;
}

void mu_lg_marks_acknowledged(struct mu_lg_marks *marks, uint32_t bucket)
{
        MU_ASSERT(mu_lg_marks_is_sent(marks, bucket));
        uint32_t offset = bucket - marks->first_bucket;

        acknowledged_words(marks)[offset / 64] |= 1ull << (offset % 64);
}

static bool in_range(const struct mu_lg_marks *marks, uint32_t bucket)
{
        return marks->first_bucket != 0 && bucket >= marks->first_bucket &&
               bucket - marks->first_bucket < marks->buckets_max;
}

bool mu_lg_marks_is_sent(const struct mu_lg_marks *marks, uint32_t bucket)
{
        if (!in_range(marks, bucket))
                return false;
        uint32_t offset = bucket - marks->first_bucket;

        return (marks->sent[offset / 64] >> (offset % 64)) & 1;
}

bool mu_lg_marks_is_acknowledged(const struct mu_lg_marks *marks, uint32_t bucket)
{
        if (!in_range(marks, bucket))
                return false;
        uint32_t offset = bucket - marks->first_bucket;

        return (acknowledged_words(marks)[offset / 64] >> (offset % 64)) & 1;
}

void mu_lg_marks_done(struct mu_lg_marks *marks)
{
        free(marks->sent);
        *marks = (struct mu_lg_marks){0};
}
