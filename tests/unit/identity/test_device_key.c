/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device_key.h"

#include <string.h>

#include "unit.h"

/* From Python's hmac: prk = HMAC(32 zero bytes, master); HMAC(prk, label NUL id:>q version:>I 01).
 */
static const struct {
        size_t master_bytes; /* 00 01 02 … */
        int64_t device_id;
        uint32_t version;
        const char *text;
} vectors[] = {
        {32, 1, 1, "N9QEna3FECEonE97DOTOxXj81AwJkNeCWe5oU3s3AZE="},
        {32, 1, 2, "TdwkwUJwncrwYh8bgeZ89LGfIozu3pjXH+dQTOgt3c4="},
        {32, 2, 1, "BBWW9JZ1U6uoJTN1dRpzyDL8bM5EmaZEktBSl/yBWL8="},
        {32, 549755813887, UINT32_MAX, "rYYQmxU5flXMXq15g1ucF9NxBl5+RI3gK+/iwoJXQHA="},
        {64, 42, 7, "DoUA3YT2rYlJq0uOWSvIszaa3vKEppNzdIMGdCxo6GI="},
};

static void known_keys(void **state)
{
        uint8_t master[64];

        (void)state;
        for (size_t i = 0; i < sizeof(master); i++)
                master[i] = (uint8_t)i;
        for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
                uint8_t key[MU_DEVICE_KEY_BYTES];
                char text[MU_DEVICE_KEY_TEXT_BYTES];

                mu_device_key_derive(master, vectors[i].master_bytes, vectors[i].device_id,
                                     vectors[i].version, key);
                mu_device_key_text(key, text);
                assert_string_equal(text, vectors[i].text);
        }
}

static void short_master(void **state)
{
        uint8_t master[31] = {0};
        uint8_t key[MU_DEVICE_KEY_BYTES];

        (void)state;
        assert_aborts(mu_device_key_derive(master, sizeof(master), 1, 1, key));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(known_keys),
                cmocka_unit_test(short_master),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
