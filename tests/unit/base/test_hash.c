/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/hash.h"
#include "muster/compiler.h"

/* The SipHash paper, appendix A: key 00..0f, message 00..0e; and the reference's first lines. */
static void test_siphash_vectors(void **state)
{
        const struct mu_hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
        unsigned char message[16];

        (void)state;
        for (unsigned char i = 0; i < sizeof(message); i++)
                message[i] = i;
        assert_true(mu_hash_bytes(&key, message, 15) == UINT64_C(0xa129ca6149be45e5));
        assert_true(mu_hash_bytes(&key, message, 0) == UINT64_C(0x726fdb47dd0e0e31));
        assert_true(mu_hash_bytes(&key, message, 1) == UINT64_C(0x74f839c593dc67fd));
        assert_true(mu_hash_bytes(&key, message, 8) == UINT64_C(0x93f5f5799a932462));
}

static void test_mixer_values_are_stable(void **state)
{
        (void)state;
        assert_true(mu_hash_u64(0) == 0);
        /* splitmix64's first output from state 0. */
        assert_true(mu_hash_u64(UINT64_C(0x9e3779b97f4a7c15)) == UINT64_C(0xe220a8397b1dcdaf));
}

/* Ids in a row spread over any number of lanes. */
static void test_mixer_spreads_small_ids(void **state)
{
        const unsigned lanes[] = {2, 3, 4, 7, 8};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(lanes); i++) {
                unsigned counts[8] = {0};

                for (uint64_t id = 1; id <= 10000; id++)
                        counts[mu_hash_u64(id) % lanes[i]]++;
                for (unsigned lane = 0; lane < lanes[i]; lane++)
                        assert_in_range(counts[lane], 10000 / lanes[i] * 9 / 10,
                                        10000 / lanes[i] * 11 / 10);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_siphash_vectors),
                cmocka_unit_test(test_mixer_values_are_stable),
                cmocka_unit_test(test_mixer_spreads_small_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
