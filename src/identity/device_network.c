/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device_network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define IPV6_LOOPBACK UINT64_C(1)
#define IPV4 (UINT64_C(1) << 32)
#define IPV6_LEAST (UINT64_C(1) << 33)

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t ipv6_loopback[16] = {[15] = 1};

uint64_t mu_network_of(const struct mu_address *address)
{
        uint64_t word = 0;

        if (memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
                for (size_t i = sizeof(mapped_prefix); i < sizeof(address->bytes); i++)
                        word = word << 8 | address->bytes[i];
                return word == 0 ? 0 : IPV4 | word;
        }
        if (memcmp(address->bytes, ipv6_loopback, sizeof(ipv6_loopback)) == 0)
                return IPV6_LOOPBACK;
        for (size_t i = 0; i < sizeof(word); i++)
                word = word << 8 | address->bytes[i];
        return word < IPV6_LEAST ? 0 : word;
}

/* As text with a prefix length; without one for 0. */
static void print(uint64_t network, unsigned prefix_bits, char ret_text[MU_NETWORK_TEXT_BYTES])
{
        uint8_t bytes[16] = {0};
        size_t count = network < IPV6_LEAST ? 4 : 8;

        for (size_t i = 0; i < count; i++)
                bytes[i] = (uint8_t)(network >> (8 * (count - 1 - i)));
        const char *text =
                inet_ntop(count == 4 ? AF_INET : AF_INET6, bytes, ret_text, MU_NETWORK_TEXT_BYTES);

        MU_ASSERT(text);
        if (prefix_bits > 0) {
                size_t length = strlen(ret_text);

                (void)snprintf(ret_text + length, MU_NETWORK_TEXT_BYTES - length, "/%u",
                               prefix_bits);
        }
}

bool mu_network_text(uint64_t network, char ret_text[MU_NETWORK_TEXT_BYTES])
{
        if (network == IPV6_LOOPBACK)
                memcpy(ret_text, "::1", sizeof("::1"));
        else if (network >= IPV4)
                print(network, network < IPV6_LEAST ? 0 : 64, ret_text);
        else
                return false;
        return true;
}

bool mu_network_group(uint64_t network, char ret_text[MU_NETWORK_TEXT_BYTES])
{
        if (network == IPV6_LOOPBACK)
                memcpy(ret_text, "::1/128", sizeof("::1/128"));
        else if (network >= IPV6_LEAST)
                print(network & ~UINT64_C(0xffff), 48, ret_text);
        else if (network >= IPV4 && (network & UINT32_MAX) >> 24 == 127)
                print(IPV4 | UINT32_C(127) << 24, 8, ret_text);
        else if (network >= IPV4)
                print(network & ~UINT64_C(0xff), 24, ret_text);
        else
                return false;
        return true;
}
