/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"

static size_t aligned(size_t bytes)
{
        return (bytes + 7) & ~(size_t)7;
}

int mu_batch_init(struct mu_batch *batch, uint32_t rows_max, size_t bytes_max)
{
        MU_ASSERT(batch);
        if (rows_max == 0 || rows_max > MU_BATCH_ROWS_MAX || bytes_max < MU_BATCH_BYTES_MIN)
                return -EINVAL;

        struct mu_batch made = {.arena_bytes = aligned(bytes_max), .entries_max = rows_max};

        made.entries = calloc(rows_max, sizeof(*made.entries));
        made.scratch = calloc(rows_max, sizeof(*made.scratch));
        made.arena = malloc(made.arena_bytes);
        if (!made.entries || !made.scratch || !made.arena) {
                mu_batch_done(&made);
                return -ENOMEM;
        }
        *batch = made;
        return 0;
}

void mu_batch_done(struct mu_batch *batch)
{
        free(batch->entries);
        free(batch->scratch);
        free(batch->arena);
        *batch = (struct mu_batch){0};
}

bool mu_batch_rows_full(const struct mu_batch *batch)
{
        return batch->count == batch->entries_max;
}

bool mu_batch_bytes_full(const struct mu_batch *batch)
{
        return batch->arena_bytes - batch->used_bytes < aligned(MU_RECORD_BYTES_MAX);
}

static bool in_range(int64_t unix_s)
{
        return unix_s >= 0 && unix_s < MU_BATCH_TIME_S_END;
}

bool mu_frame_is_record(const struct mu_frame *frame)
{
        const struct mu_record *record = frame->payload;

        return frame->type == MU_FRAME_RECORD && frame->payload_bytes >= sizeof(*record) &&
               frame->payload_bytes == mu_record_bytes(record) && record->device_id > 0 &&
               record->network <= MU_NETWORK_OFFLINE && in_range(record->bucket_s) &&
               in_range(record->observed_at_us / MU_US_PER_S) &&
               in_range(record->received_at_us / MU_US_PER_S);
}

int mu_batch_add(struct mu_batch *batch, const struct mu_frame *frame, enum mu_verdict verdict)
{
        MU_ASSERT(!batch->sealed);
        MU_ASSERT(mu_frame_is_record(frame) == (verdict != MU_VERDICT_MALFORMED));
        if (batch->count == batch->entries_max ||
            batch->arena_bytes - batch->used_bytes < aligned(frame->payload_bytes))
                return -ENOBUFS;

        unsigned char *copy = batch->arena + batch->used_bytes;
        struct mu_batch_entry entry = {
                .seq = frame->seq,
                .payload = copy,
                .payload_bytes = frame->payload_bytes,
                .verdict = (uint8_t)verdict,
        };

        memcpy(copy, frame->payload, frame->payload_bytes);
        batch->used_bytes += aligned(frame->payload_bytes);
        if (verdict != MU_VERDICT_MALFORMED) {
                const struct mu_record *record = entry.payload;

                entry.device_id = record->device_id;
                entry.bucket_s = record->bucket_s;
                entry.received_at_us = record->received_at_us;
                if (batch->first_received_at_us == 0)
                        batch->first_received_at_us = record->received_at_us;
        }
        batch->entries[batch->count++] = entry;
        return 0;
}

static bool follows(const struct mu_batch_entry *a, const struct mu_batch_entry *b)
{
        if (a->device_id != b->device_id)
                return a->device_id > b->device_id;
        return a->bucket_s > b->bucket_s;
}

/* Bottom-up merge sort: stable, so equal keys keep the order of their sequences, and without the
 * allocation that qsort would make. */
static void sort(struct mu_batch *batch)
{
        struct mu_batch_entry *from = batch->entries;
        struct mu_batch_entry *to = batch->scratch;
        size_t count = batch->count;

        for (size_t width = 1; width < count; width *= 2) {
                for (size_t start = 0; start < count; start += 2 * width) {
                        size_t middle = start + width < count ? start + width : count;
                        size_t end = start + 2 * width < count ? start + 2 * width : count;
                        size_t left = start;
                        size_t right = middle;

                        for (size_t at = start; at < end; at++) {
                                bool take_right =
                                        left == middle ||
                                        (right < end && follows(&from[left], &from[right]));

                                to[at] = take_right ? from[right++] : from[left++];
                        }
                }
                struct mu_batch_entry *swap = from;

                from = to;
                to = swap;
        }
        batch->entries = from;
        batch->scratch = to;
}

static bool repeats(const struct mu_batch_entry *kept, const struct mu_batch_entry *next)
{
        return kept->verdict == MU_VERDICT_STORE && next->verdict == MU_VERDICT_STORE &&
               kept->device_id == next->device_id && kept->bucket_s == next->bucket_s;
}

void mu_batch_seal(struct mu_batch *batch)
{
        MU_ASSERT(!batch->sealed);
        uint32_t kept = 0;

        sort(batch);
        for (uint32_t i = 0; i < batch->count; i++) {
                struct mu_batch_entry *last = kept > 0 ? &batch->entries[kept - 1] : NULL;
                const struct mu_batch_entry *entry = &batch->entries[i];

                if (!last || !repeats(last, entry)) {
                        batch->entries[kept++] = *entry;
                        continue;
                }
                if (entry->received_at_us > last->received_at_us)
                        last->received_at_us = entry->received_at_us;
                batch->repeats++;
        }
        batch->count = kept;
        batch->sealed = true;
}

void mu_batch_refuse(struct mu_batch *batch, uint32_t index, const char *sqlstate)
{
        MU_ASSERT(batch->sealed && index < batch->count);
        MU_ASSERT(batch->entries[index].verdict == MU_VERDICT_STORE);
        struct mu_batch_entry *entry = &batch->entries[index];

        entry->verdict = MU_VERDICT_REFUSED;
        for (size_t i = 0; i < sizeof(entry->sqlstate) - 1 && sqlstate[i]; i++)
                entry->sqlstate[i] = sqlstate[i];
}

void mu_batch_expire_day(struct mu_batch *batch, int64_t day)
{
        MU_ASSERT(batch->sealed);
        for (uint32_t i = 0; i < batch->count; i++) {
                struct mu_batch_entry *entry = &batch->entries[i];

                if (entry->verdict == MU_VERDICT_STORE && mu_batch_day(entry) == day)
                        entry->verdict = MU_VERDICT_EXPIRED;
        }
}

void mu_batch_clear(struct mu_batch *batch)
{
        batch->used_bytes = 0;
        batch->count = 0;
        batch->repeats = 0;
        batch->first_received_at_us = 0;
        batch->sealed = false;
}

const char *mu_verdict_reason(enum mu_verdict verdict)
{
        static const char *const reasons[MU_VERDICT_COUNT] = {
                [MU_VERDICT_EXPIRED] = "expired",
                [MU_VERDICT_MALFORMED] = "malformed",
                [MU_VERDICT_REFUSED] = "data",
        };

        MU_ASSERT(verdict > MU_VERDICT_STORE && verdict < MU_VERDICT_COUNT);
        return reasons[verdict];
}
