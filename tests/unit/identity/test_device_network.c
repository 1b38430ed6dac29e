/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

#include "identity/device_network.h"

static struct mu_address address_of(const char *text)
{
        struct mu_address address = {{[10] = 0xff, [11] = 0xff}};

        if (strchr(text, ':'))
                assert_int_equal(inet_pton(AF_INET6, text, address.bytes), 1);
        else
                assert_int_equal(inet_pton(AF_INET, text, address.bytes + 12), 1);
        return address;
}

static uint64_t network_of(const char *text)
{
        struct mu_address address = address_of(text);

        return mu_network_of(&address);
}

static void test_words_and_texts(void **state)
{
        static const struct {
                const char *address;
                uint64_t network;
                const char *text;
                const char *group;
        } cases[] = {
                {"203.0.113.7", 0x1cb007107, "203.0.113.7", "203.0.113.0/24"},
                {"203.0.113.255", 0x1cb0071ff, "203.0.113.255", "203.0.113.0/24"},
                {"203.0.114.0", 0x1cb007200, "203.0.114.0", "203.0.114.0/24"},
                {"255.255.255.255", 0x1ffffffff, "255.255.255.255", "255.255.255.0/24"},
                {"10.0.0.1", 0x10a000001, "10.0.0.1", "10.0.0.0/24"},
                {"127.0.0.1", 0x17f000001, "127.0.0.1", "127.0.0.0/8"},
                {"127.9.8.7", 0x17f090807, "127.9.8.7", "127.0.0.0/8"},
                {"128.0.0.1", 0x180000001, "128.0.0.1", "128.0.0.0/24"},
                {"2001:db8:1:2:3:4:5:6", 0x20010db800010002, "2001:db8:1:2::/64",
                 "2001:db8:1::/48"},
                {"2001:db8:1:ffff::1", 0x20010db80001ffff, "2001:db8:1:ffff::/64",
                 "2001:db8:1::/48"},
                {"2001:db8:2::1", 0x20010db800020000, "2001:db8:2::/64", "2001:db8:2::/48"},
                {"fe80::1", 0xfe80000000000000, "fe80::/64", "fe80::/48"},
                {"1111:2222:3333:4444:5555:6666:7777:8888", 0x1111222233334444,
                 "1111:2222:3333:4444::/64", "1111:2222:3333::/48"},
                {"::ffff:203.0.113.7", 0x1cb007107, "203.0.113.7", "203.0.113.0/24"},
                {"::1", 1, "::1", "::1/128"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[MU_NETWORK_TEXT_BYTES];
                uint64_t network = network_of(cases[i].address);

                assert_int_equal(network, cases[i].network);
                assert_true(mu_network_text(network, text));
                assert_string_equal(text, cases[i].text);
                assert_true(mu_network_group(network, text));
                assert_string_equal(text, cases[i].group);
        }
}

static void test_what_is_no_place(void **state)
{
        static const char *const none[] = {"0.0.0.0", "::", "::2", "::203.0.113.7", "0:1::1"};
        char text[MU_NETWORK_TEXT_BYTES] = "as it was";

        (void)state;
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
                assert_int_equal(network_of(none[i]), 0);
        assert_false(mu_network_text(0, text));
        assert_false(mu_network_group(0, text));
        assert_string_equal(text, "as it was");
}

static void test_the_newest_known_place_stays(void **state)
{
        struct mu_device device;

        (void)state;
        memset(&device, 0, sizeof(device));
        mu_device_note_network(&device, network_of("203.0.113.7"));
        assert_int_equal(atomic_load(&device.network), 0x1cb007107);
        mu_device_note_network(&device, network_of("2001:db8::1"));
        assert_int_equal(atomic_load(&device.network), 0x20010db800000000);
        mu_device_note_network(&device, 0);
        assert_int_equal(atomic_load(&device.network), 0x20010db800000000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words_and_texts),
                cmocka_unit_test(test_what_is_no_place),
                cmocka_unit_test(test_the_newest_known_place_stays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
