/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct mu_lg_digest mu_lg_digest_of_marks(const struct mu_lg_marks *marks, bool acknowledged)
{
        struct mu_lg_digest digest = {0};
        uint32_t words = marks->buckets_max / 64;
        const uint64_t *bits = acknowledged ? marks->sent + words : marks->sent;

        for (uint32_t w = 0; w < words; w++) {
                for (uint64_t left = bits[w]; left; left &= left - 1)
                        mu_lg_digest_add(&digest, marks->first_bucket + w * 64 +
                                                          (uint32_t)__builtin_ctzll(left));
        }
        return digest;
}

bool mu_lg_marks_range(const struct mu_lg_marks *marks, uint32_t *ret_first, uint32_t *ret_last)
{
        if (marks->first_bucket == 0)
                return false;
        for (uint32_t w = marks->buckets_max / 64; w-- > 0;) {
                if (marks->sent[w] == 0)
                        continue;
                *ret_first = marks->first_bucket;
                *ret_last = marks->first_bucket + w * 64 + 63 -
                            (uint32_t)__builtin_clzll(marks->sent[w]);
                return true;
        }
        return false;
}

static void add_example(struct mu_lg_verify *result, uint64_t device_id, uint32_t bucket)
{
        if (result->examples_count == MU_LG_VERIFY_EXAMPLES_MAX)
                return;
        result->examples[result->examples_count++] =
                (struct mu_lg_verify_example){.device_id = device_id, .bucket = bucket};
}

int mu_lg_verify_compare(const struct mu_lg_device *device, const uint32_t *buckets,
                         uint64_t buckets_count, struct mu_lg_verify *result)
{
        const struct mu_lg_marks *marks = &device->marks;
        uint32_t words = marks->buckets_max / 64;
        uint64_t *seen = calloc(words ? words : 1, sizeof(*seen));

        if (!seen)
                return -ENOMEM;
        for (uint64_t i = 0; i < buckets_count; i++) {
                uint32_t bucket = buckets[i];

                if (!mu_lg_marks_is_sent(marks, bucket)) {
                        result->extra_count++;
                        continue;
                }
                uint32_t offset = bucket - marks->first_bucket;
                uint64_t bit = 1ull << (offset % 64);

                if (seen[offset / 64] & bit) {
                        result->repeated_count++;
                        continue;
                }
                seen[offset / 64] |= bit;
                result->stored_count++;
                if (mu_lg_marks_is_acknowledged(marks, bucket))
                        result->acknowledged_count++;
                else
                        result->unanswered_count++;
        }
        const uint64_t *acknowledged = marks->sent + words;
        for (uint32_t w = 0; w < words; w++) {
                for (uint64_t lost = acknowledged[w] & ~seen[w]; lost; lost &= lost - 1) {
                        result->acknowledged_count++;
                        result->missing_count++;
                        add_example(result, device->id,
                                    marks->first_bucket + w * 64 + (uint32_t)__builtin_ctzll(lost));
                }
        }
        free(seen);
        return 0;
}
