/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/random.h"

struct vector {
        unsigned char data[48];
        size_t bytes;
        uint32_t crc;
};

/* RFC 3720, appendix B.4, and the check value of "123456789". */
static void fill_vectors(struct vector vectors[6])
{
        static const unsigned char read_pdu[48] = {
                0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
                0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
                0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        };

        memset(vectors, 0, 6 * sizeof(vectors[0]));
        vectors[0].bytes = 32;
        vectors[0].crc = 0x8a9136aa;
        memset(vectors[1].data, 0xff, 32);
        vectors[1].bytes = 32;
        vectors[1].crc = 0x62a8ab43;
        for (unsigned char i = 0; i < 32; i++) {
                vectors[2].data[i] = i;
                vectors[3].data[i] = 31 - i;
        }
        vectors[2].bytes = 32;
        vectors[2].crc = 0x46dd794e;
        vectors[3].bytes = 32;
        vectors[3].crc = 0x113fdb5c;
        memcpy(vectors[4].data, read_pdu, sizeof(read_pdu));
        vectors[4].bytes = 48;
        vectors[4].crc = 0xd9963a56;
        memcpy(vectors[5].data, "123456789", 9);
        vectors[5].bytes = 9;
        vectors[5].crc = 0xe3069283;
}

static void test_known_vectors(void **state)
{
        struct vector vectors[6];

        (void)state;
        fill_vectors(vectors);
        for (size_t i = 0; i < MU_COUNT_OF(vectors); i++) {
                assert_int_equal(mu_crc32c(0, vectors[i].data, vectors[i].bytes), vectors[i].crc);
                assert_int_equal(mu_crc32c_table(0, vectors[i].data, vectors[i].bytes),
                                 vectors[i].crc);
        }
        assert_int_equal(mu_crc32c(0, "", 0), 0);
        assert_int_equal(mu_crc32c(0x12345678, "", 0), 0x12345678);
}

/* Instruction and table agree on every length, alignment and cut into pieces. */
static void test_ways_agree(void **state)
{
        unsigned char data[600];
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 3);
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (unsigned char)mu_random_u64(&random);
        for (int i = 0; i < 3000; i++) {
                size_t from = mu_random_below(&random, 64);
                size_t bytes = mu_random_below(&random, sizeof(data) - from + 1);
                size_t cut = mu_random_below(&random, bytes + 1);
                uint32_t whole = mu_crc32c(0, data + from, bytes);
                uint32_t first = mu_crc32c(0, data + from, cut);

                assert_int_equal(mu_crc32c_table(0, data + from, bytes), whole);
                assert_int_equal(mu_crc32c(first, data + from + cut, bytes - cut), whole);
                assert_int_equal(mu_crc32c_table(first, data + from + cut, bytes - cut), whole);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_vectors),
                cmocka_unit_test(test_ways_agree),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
