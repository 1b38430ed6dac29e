/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "verify.h"

#define BASE 176371920u

static void mark(struct mu_lg_marks *marks, uint32_t bucket, bool acknowledged)
{
        assert_int_equal(mu_lg_marks_sent(marks, bucket), 0);
        if (acknowledged)
                mu_lg_marks_acknowledged(marks, bucket);
}

/* The numbers of README.md's contract: whoever writes the server's side has these to compare. */
static void test_digest_vectors(void **state)
{
        struct mu_lg_digest digest = {0};

        (void)state;
        assert_true(mu_verify_mix64(1) == UINT64_C(0x5692161d100b05e5));
        mu_lg_digest_add(&digest, BASE);
        assert_int_equal(digest.count, 1);
        assert_true(digest.bucket_xor == mu_verify_mix64(UINT64_C(1763719200)));
        assert_true(digest.bucket_xor == UINT64_C(0x7de378f19b75e865));
        mu_lg_digest_add(&digest, BASE + 1);
        assert_true(digest.bucket_xor == UINT64_C(0x560026d6f31a0cca));
        mu_lg_digest_add(&digest, BASE); /* a row twice: the count tells */
        assert_int_equal(digest.count, 3);
        assert_true(digest.bucket_xor == mu_verify_mix64(UINT64_C(1763719210)));
}

static void test_marks(void **state)
{
        struct mu_lg_marks marks = {0};
        uint32_t first, last;

        (void)state;
        assert_false(mu_lg_marks_range(&marks, &first, &last));
        for (uint32_t i = 0; i < 1000; i += 3)
                mark(&marks, BASE + i, i % 2 == 0);
        for (uint32_t i = 0; i < 1000; i++) {
                assert_int_equal(mu_lg_marks_is_sent(&marks, BASE + i), i % 3 == 0);
                assert_int_equal(mu_lg_marks_is_acknowledged(&marks, BASE + i),
                                 i % 3 == 0 && i % 2 == 0);
        }
        assert_false(mu_lg_marks_is_sent(&marks, BASE - 1));
        assert_false(mu_lg_marks_is_sent(&marks, BASE + 1000000));
        assert_true(mu_lg_marks_range(&marks, &first, &last));
        assert_int_equal(first, BASE);
        assert_int_equal(last, BASE + 999);
        assert_int_equal(mu_lg_digest_of_marks(&marks, false).count, 334);
        assert_int_equal(mu_lg_digest_of_marks(&marks, true).count, 167);
        mu_lg_marks_done(&marks);
}

/* Each way in which storage can differ is counted as what it is, and only as that. */
static void test_compare(void **state)
{
        struct mu_lg_device device = {.id = 7};
        struct mu_lg_verify result = {0};
        /* sent: 0..5; answered: 0..3. Stored: 0, 1 twice, 3, 4, and one never sent. */
        const uint32_t stored[] = {BASE + 4, BASE + 1, BASE, BASE + 3, BASE + 1, BASE + 9};

        (void)state;
        for (uint32_t i = 0; i < 6; i++)
                mark(&device.marks, BASE + i, i < 4);
        assert_int_equal(mu_lg_verify_compare(&device, stored, 6, &result), 0);
        assert_int_equal(result.acknowledged_count, 4);
        assert_int_equal(result.stored_count, 4);
        assert_int_equal(result.missing_count, 1);
        assert_int_equal(result.unanswered_count, 1);
        assert_int_equal(result.repeated_count, 1);
        assert_int_equal(result.extra_count, 1);
        assert_int_equal(result.examples_count, 1);
        assert_int_equal(result.examples[0].device_id, 7);
        assert_int_equal(result.examples[0].bucket, BASE + 2);

        memset(&result, 0, sizeof(result));
        assert_int_equal(mu_lg_verify_compare(&device, NULL, 0, &result), 0);
        assert_int_equal(result.missing_count, 4);
        mu_lg_marks_done(&device.marks);
}

/* The buckets a device may use, and what keeps past and real-time ones apart. */
static void test_claims(void **state)
{
        struct mu_lg_device device = {.id = 1};

        (void)state;
        assert_int_equal(mu_lg_device_claim(&device, BASE, BASE + 2), BASE);
        assert_int_equal(mu_lg_device_claim(&device, BASE, BASE + 2), BASE + 1);
        assert_int_equal(mu_lg_device_claim(&device, BASE, BASE + 2), BASE + 2);
        assert_int_equal(mu_lg_device_claim(&device, BASE, BASE + 2), 0);
        assert_int_equal(mu_lg_device_claim(&device, BASE + 10, BASE + 20), BASE + 10);
        assert_int_equal(mu_lg_device_claim_live(&device, BASE + 10), 0);
        assert_int_equal(mu_lg_device_claim_live(&device, BASE + 13), BASE + 13);
        assert_int_equal(mu_lg_device_claim_live(&device, BASE + 13), 0);
        assert_int_equal(mu_lg_device_claim_live(&device, BASE + 14), BASE + 14);
        assert_int_equal(mu_lg_device_claim(&device, BASE, BASE + 99), BASE + 11);
        assert_int_equal(mu_lg_device_claim(&device, BASE, BASE + 99), BASE + 12);
        assert_int_equal(mu_lg_device_claim(&device, BASE, BASE + 99), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_digest_vectors),
                cmocka_unit_test(test_marks),
                cmocka_unit_test(test_compare),
                cmocka_unit_test(test_claims),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
