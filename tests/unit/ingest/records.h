/* SPDX-License-Identifier: Apache-2.0 */
/* records.h - frames and batches for the writer's tests. */
#ifndef MUSTER_TESTS_UNIT_INGEST_RECORDS_H
#define MUSTER_TESTS_UNIT_INGEST_RECORDS_H

#include <stdio.h>
#include <string.h>

#include "ingest/batch.h"
#include "muster/record.h"
#include "unit.h"

/* A record with room for its strings. */
struct test_record {
        struct mu_record record;
        char strings[MU_RECORD_BYTES_MAX - sizeof(struct mu_record)];
};

static inline uint32_t test_append(struct test_record *test, const char *text)
{
        size_t used = mu_record_bytes(&test->record) - sizeof(struct mu_record);
        size_t bytes = strlen(text);

        memcpy(test->strings + used, text, bytes);
        return (uint32_t)bytes;
}

/* observed and received at the start of the bucket; nothing optional. */
static inline void test_record_init(struct test_record *test, int64_t device_id, int64_t bucket_s)
{
        memset(test, 0, sizeof(*test));
        test->record.device_id = device_id;
        test->record.bucket_s = bucket_s;
        test->record.observed_at_us = bucket_s * MU_US_PER_S;
        test->record.received_at_us = bucket_s * MU_US_PER_S;
}

/* In the order of the strings; call in that order. */
static inline void test_set_ssid(struct test_record *test, const char *text)
{
        test->record.ssid_bytes = (uint8_t)test_append(test, text);
        test->record.present |= MU_FIELD_SSID;
}

static inline void test_set_extra(struct test_record *test, const char *json)
{
        test->record.extra_bytes = (uint16_t)test_append(test, json);
        test->record.present |= MU_FIELD_EXTRA;
}

static inline struct mu_frame test_frame(const struct test_record *test, uint64_t seq)
{
        return (struct mu_frame){
                .seq = seq,
                .payload = test,
                .payload_bytes = mu_record_bytes(&test->record),
                .type = MU_FRAME_RECORD,
        };
}

static inline void test_add(struct mu_batch *batch, const struct test_record *test, uint64_t seq)
{
        struct mu_frame frame = test_frame(test, seq);
        enum mu_verdict verdict =
                mu_frame_is_record(&frame) ? MU_VERDICT_STORE : MU_VERDICT_MALFORMED;

        assert_int_equal(mu_batch_add(batch, &frame, verdict), 0);
}

#endif
