/* SPDX-License-Identifier: Apache-2.0 */
/* Every /24 of IPv4 against a list of first and last addresses, and the corners of IPv6. */
#include "../base/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "muster/compiler.h"
#include "outbound/address.h"

/* As IANA's registry prints them, in order. */
static const struct {
        const char *first;
        const char *last;
} special[] = {
        {"0.0.0.0", "0.255.255.255"},       {"10.0.0.0", "10.255.255.255"},
        {"100.64.0.0", "100.127.255.255"},  {"127.0.0.0", "127.255.255.255"},
        {"169.254.0.0", "169.254.255.255"}, {"172.16.0.0", "172.31.255.255"},
        {"192.0.0.0", "192.0.0.255"},       {"192.0.2.0", "192.0.2.255"},
        {"192.88.99.0", "192.88.99.255"},   {"192.168.0.0", "192.168.255.255"},
        {"198.18.0.0", "198.19.255.255"},   {"198.51.100.0", "198.51.100.255"},
        {"203.0.113.0", "203.0.113.255"},   {"224.0.0.0", "255.255.255.255"},
};

static uint32_t number(const char *text)
{
        struct in_addr four;

        assert_int_equal(inet_pton(AF_INET, text, &four), 1);
        return ntohl(four.s_addr);
}

static void every_network_of_ipv4(void **state)
{
        uint32_t first[MU_COUNT_OF(special)];
        uint32_t last[MU_COUNT_OF(special)];
        size_t next = 0;
        uint64_t wrong = 0;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(special); i++) {
                first[i] = number(special[i].first);
                last[i] = number(special[i].last);
        }
        for (uint32_t network = 0; network < UINT32_C(1) << 24; network++) {
                uint32_t low = network << 8;

                while (next < MU_COUNT_OF(special) && last[next] < low)
                        next++;
                bool is_special = next < MU_COUNT_OF(special) && low >= first[next];

                wrong += mu_ipv4_is_public(low) == is_special;
                wrong += mu_ipv4_is_public(low | 0xff) == is_special;
        }
        assert_int_equal(wrong, 0);
}

static void the_edges_to_the_address(void **state)
{
        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(special); i++) {
                uint32_t first = number(special[i].first);
                uint32_t last = number(special[i].last);

                assert_false(mu_ipv4_is_public(first));
                assert_false(mu_ipv4_is_public(last));
                if (first > 0)
                        assert_true(mu_ipv4_is_public(first - 1));
                if (last < UINT32_MAX)
                        assert_true(mu_ipv4_is_public(last + 1));
        }
}

static void corners_of_ipv6(void **state)
{
        static const struct {
                const char *text;
                bool is_public;
        } cases[] = {
                {"::", false},
                {"::1", false},
                {"::2", false},
                {"::8.8.8.8", false}, /* compatible, deprecated */
                {"::ffff:8.8.8.8", true},
                {"::ffff:127.0.0.1", false},
                {"::ffff:10.1.2.3", false},
                {"::ffff:169.254.169.254", false},
                {"::ffff:0:8.8.8.8", false}, /* translated, not mapped */
                {"64:ff9b::8.8.8.8", true},
                {"64:ff9b::192.168.1.1", false},
                {"64:ff9b:1::8.8.8.8", false}, /* for local use */
                {"100::1", false},
                {"1fff:ffff::1", false},
                {"2000::1", true},
                {"2001::1", false}, /* Teredo */
                {"2001:2::1", false},
                {"2001:10::1", false},
                {"2001:1ff:ffff::1", false},
                {"2001:200::1", true},
                {"2001:4860:4860::8888", true},
                {"2001:db7:ffff::1", true},
                {"2001:db8::1", false},
                {"2001:db8:ffff:ffff::1", false},
                {"2001:db9::1", true},
                {"2002:0808:0808::1", true}, /* 6to4 of 8.8.8.8 */
                {"2002:7f00:0001::1", false},
                {"2002:c0a8:0101::1", false},
                {"2003::1", true},
                {"3ffe:ffff::1", true},
                {"3fff::1", false},
                {"3fff:fff:ffff::1", false},
                {"3fff:1000::1", true},
                {"4000::1", false},
                {"5f00::1", false},
                {"fc00::1", false},
                {"fd12:3456::1", false},
                {"fe80::1", false},
                {"fec0::1", false},
                {"ff02::1", false},
                {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                if (mu_address_text_is_public(cases[i].text) != cases[i].is_public)
                        fail_msg("%s", cases[i].text);
        }
        assert_false(mu_address_text_is_public(""));
        assert_false(mu_address_text_is_public("example.org"));
        assert_false(mu_address_text_is_public("127.1"));
        assert_true(mu_address_text_is_public("8.8.8.8"));
}

static void socket_addresses(void **state)
{
        struct sockaddr_in four = {.sin_family = AF_INET};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6};
        struct sockaddr_un local = {.sun_family = AF_UNIX};

        (void)state;
        four.sin_addr.s_addr = htonl(number("8.8.8.8"));
        assert_true(mu_address_is_public((const struct sockaddr *)&four));
        four.sin_addr.s_addr = htonl(number("192.168.0.1"));
        assert_false(mu_address_is_public((const struct sockaddr *)&four));
        assert_int_equal(inet_pton(AF_INET6, "2001:4860:4860::8888", &six.sin6_addr), 1);
        assert_true(mu_address_is_public((const struct sockaddr *)&six));
        assert_int_equal(inet_pton(AF_INET6, "::1", &six.sin6_addr), 1);
        assert_false(mu_address_is_public((const struct sockaddr *)&six));
        assert_false(mu_address_is_public((const struct sockaddr *)&local));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_network_of_ipv4),
                cmocka_unit_test(the_edges_to_the_address),
                cmocka_unit_test(corners_of_ipv6),
                cmocka_unit_test(socket_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
