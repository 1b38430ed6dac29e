/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "muster/compiler.h"

struct block4 {
        uint32_t prefix;
        unsigned bits;
};

/* IANA IPv4 Special-Purpose Address Registry, and multicast. The two anycast addresses of
 * 192.0.0.0/24 that are reachable serve no web. */
static const struct block4 blocks4[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared: carriers' NAT */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays, deprecated */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarks */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 4},  /* multicast */
        {0xf0000000, 4},  /* reserved, broadcast */
};

struct block6 {
        uint8_t prefix[6];
        unsigned bits;
};

/* Within 2000::/3. */
static const struct block6 blocks6[] = {
        {{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments: Teredo, ORCHID, benchmarks */
        {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
        {{0x3f, 0xff, 0x00, 0x00}, 20}, /* documentation */
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */
static const uint8_t nat64_prefix[12] = {0x00, 0x64, 0xff, 0x9b};    /* 64:ff9b::/96 */
static const uint8_t six_to_four_prefix[2] = {0x20, 0x02};           /* 2002::/16 */

bool mu_ipv4_is_public(uint32_t host_order)
{
        for (size_t i = 0; i < MU_COUNT_OF(blocks4); i++)
                if ((host_order ^ blocks4[i].prefix) >> (32 - blocks4[i].bits) == 0)
                        return false;
        return true;
}

static uint32_t ipv4_in(const uint8_t bytes[4])
{
        return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
               bytes[3];
}

static bool is_within(const uint8_t bytes[16], const struct block6 *block)
{
        size_t whole = block->bits / 8;
        unsigned rest = block->bits % 8;

        if (memcmp(bytes, block->prefix, whole) != 0)
                return false;
        return rest == 0 || (bytes[whole] ^ block->prefix[whole]) >> (8 - rest) == 0;
}

bool mu_ipv6_is_public(const uint8_t bytes[16])
{
        if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0 ||
            memcmp(bytes, nat64_prefix, sizeof(nat64_prefix)) == 0)
                return mu_ipv4_is_public(ipv4_in(bytes + 12));
        if (memcmp(bytes, six_to_four_prefix, sizeof(six_to_four_prefix)) == 0)
                return mu_ipv4_is_public(ipv4_in(bytes + 2));
        if (bytes[0] >> 5 != 1)
                return false;
        for (size_t i = 0; i < MU_COUNT_OF(blocks6); i++)
                if (is_within(bytes, &blocks6[i]))
                        return false;
        return true;
}

bool mu_address_is_public(const struct sockaddr *address)
{
        if (address->sa_family == AF_INET) {
                struct sockaddr_in four;

                memcpy(&four, address, sizeof(four));
                return mu_ipv4_is_public(ntohl(four.sin_addr.s_addr));
        }
        if (address->sa_family == AF_INET6) {
                struct sockaddr_in6 six;

                memcpy(&six, address, sizeof(six));
                return mu_ipv6_is_public(six.sin6_addr.s6_addr);
        }
        return false;
}

bool mu_address_text_is_public(const char *text)
{
        struct in6_addr six;
        struct in_addr four;

        if (inet_pton(AF_INET, text, &four) == 1)
                return mu_ipv4_is_public(ntohl(four.s_addr));
        return inet_pton(AF_INET6, text, &six) == 1 && mu_ipv6_is_public(six.s6_addr);
}
