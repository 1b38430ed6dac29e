/* SPDX-License-Identifier: Apache-2.0 */
#include "http/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/private.h"

#define SEPARATORS ", \t\r\n"
#define IPV4_PREFIX_BITS 96 /* ::ffff:0:0 */

struct network {
        struct mu_address address;
        uint32_t bits;
};

struct mu_proxies {
        uint32_t count;
        struct network at[];
};

/* ---- addresses ---- */

static bool is_blank(char byte)
{
        return byte == ' ' || byte == '\t';
}

static struct mu_slice trim(struct mu_slice text)
{
        while (text.bytes > 0 && is_blank(text.data[0])) {
                text.data++;
                text.bytes--;
        }
        while (text.bytes > 0 && is_blank(text.data[text.bytes - 1]))
                text.bytes--;
        return text;
}

static int parse_bare(struct mu_slice text, struct mu_address *ret_address)
{
        char copy[INET6_ADDRSTRLEN];
        struct mu_address address = {{0}};

        if (text.bytes == 0 || text.bytes >= sizeof(copy) || memchr(text.data, '\0', text.bytes))
                return -EINVAL;
        memcpy(copy, text.data, text.bytes);
        copy[text.bytes] = '\0';
        if (inet_pton(AF_INET, copy, address.bytes + 12) == 1) {
                address.bytes[10] = 0xff;
                address.bytes[11] = 0xff;
        } else if (inet_pton(AF_INET6, copy, address.bytes) != 1) {
                return -EINVAL;
        }
        *ret_address = address;
        return 0;
}

static bool is_port(const char *data, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++) {
                if (data[i] < '0' || data[i] > '9')
                        return false;
        }
        return bytes >= 1 && bytes <= 5;
}

int mu_address_parse(struct mu_slice text, struct mu_address *ret_address)
{
        if (text.bytes > 0 && text.data[0] == '[') {
                const char *close = memchr(text.data, ']', text.bytes);
                if (!close)
                        return -EINVAL;

                size_t inside = (size_t)(close - text.data) - 1;
                size_t behind = text.bytes - inside - 2;
                if (!memchr(text.data + 1, ':', inside) ||
                    (behind > 0 && (close[1] != ':' || !is_port(close + 2, behind - 1))))
                        return -EINVAL;
                return parse_bare((struct mu_slice){text.data + 1, inside}, ret_address);
        }
        /* One colon: IPv4 and a port. Several: IPv6. */
        const char *colon = text.bytes > 0 ? memchr(text.data, ':', text.bytes) : NULL;
        if (colon && colon == memrchr(text.data, ':', text.bytes)) {
                size_t bytes = (size_t)(colon - text.data);

                if (!is_port(colon + 1, text.bytes - bytes - 1))
                        return -EINVAL;
                text.bytes = bytes;
        }
        return parse_bare(text, ret_address);
}

/* ---- the list ---- */

static bool parse_network(struct mu_slice text, struct network *ret_network)
{
        const char *slash = memchr(text.data, '/', text.bytes);
        struct mu_slice address = {text.data, slash ? (size_t)(slash - text.data) : text.bytes};
        struct network network = {.bits = 128};

        if (parse_bare(address, &network.address) < 0)
                return false;
        if (slash) {
                const char *digits = slash + 1;
                size_t count = text.bytes - address.bytes - 1;
                bool is_ipv4 = !memchr(address.data, ':', address.bytes);
                uint32_t bits = 0;

                if (count < 1 || count > 3)
                        return false;
                for (size_t i = 0; i < count; i++) {
                        if (digits[i] < '0' || digits[i] > '9')
                                return false;
                        bits = bits * 10 + (uint32_t)(digits[i] - '0');
                }
                if (bits > (is_ipv4 ? 32u : 128u))
                        return false;
                network.bits = bits + (is_ipv4 ? IPV4_PREFIX_BITS : 0);
        }
        *ret_network = network;
        return true;
}

static int add_network(struct mu_proxies *proxies, struct mu_slice text, char *error)
{
        if (proxies->count == MU_PROXIES_MAX) {
                snprintf(error, MU_PROXIES_ERROR_BYTES, "there are more than %d networks",
                         MU_PROXIES_MAX);
                return -EINVAL;
        }
        if (!parse_network(text, &proxies->at[proxies->count])) {
                snprintf(error, MU_PROXIES_ERROR_BYTES,
                         "\"%.*s\" is not an address or a network: write 192.0.2.1, 10.0.0.0/8 or "
                         "2001:db8::/32",
                         (int)(text.bytes < 100 ? text.bytes : 100), text.data);
                return -EINVAL;
        }
        proxies->count++;
        return 0;
}

int mu_proxies_parse(const char *text, struct mu_proxies **ret_proxies, char *error)
{
        const char *at = text + strspn(text, SEPARATORS);

        if (*at == '\0') {
                *ret_proxies = NULL;
                return 0;
        }
        struct mu_proxies *proxies =
                calloc(1, sizeof(*proxies) + MU_PROXIES_MAX * sizeof(struct network));
        if (!proxies) {
                snprintf(error, MU_PROXIES_ERROR_BYTES, "there is no memory for the proxies");
                return -ENOMEM;
        }
        int code = 0;
        while (code == 0 && *at) {
                size_t length = strcspn(at, SEPARATORS);

                code = add_network(proxies, (struct mu_slice){at, length}, error);
                at += length;
                at += strspn(at, SEPARATORS);
        }
        if (code < 0) {
                free(proxies);
                return code;
        }
        *ret_proxies = proxies;
        return 0;
}

void mu_proxies_destroy(struct mu_proxies *proxies)
{
        free(proxies);
}

static bool is_within(const struct network *network, struct mu_address address)
{
        uint32_t whole = network->bits / 8;
        uint32_t rest = network->bits % 8;

        if (memcmp(network->address.bytes, address.bytes, whole) != 0)
                return false;
        return rest == 0 ||
               ((network->address.bytes[whole] ^ address.bytes[whole]) >> (8 - rest)) == 0;
}

bool mu_proxies_contain(const struct mu_proxies *proxies, struct mu_address address)
{
        for (uint32_t i = 0; proxies && i < proxies->count; i++) {
                if (is_within(&proxies->at[i], address))
                        return true;
        }
        return false;
}

/* ---- the client ---- */

/* Takes the last comma-separated entry off text; false: there was none. */
static bool take_last(struct mu_slice *text, struct mu_slice *ret_entry)
{
        if (!text->data)
                return false;
        const char *comma = text->bytes > 0 ? memrchr(text->data, ',', text->bytes) : NULL;
        if (!comma) {
                *ret_entry = trim(*text);
                text->data = NULL;
                return true;
        }
        size_t before = (size_t)(comma - text->data);
        *ret_entry = trim((struct mu_slice){comma + 1, text->bytes - before - 1});
        text->bytes = before;
        return true;
}

struct mu_address mu_forwarded_client(const struct mu_proxies *proxies, struct mu_address peer,
                                      const struct mu_slice *values, size_t value_count)
{
        struct mu_address client = peer;
        uint32_t hops = 0;

        while (value_count > 0 && mu_proxies_contain(proxies, client)) {
                struct mu_slice value = values[--value_count];
                struct mu_slice entry;

                while (mu_proxies_contain(proxies, client) && take_last(&value, &entry)) {
                        if (hops++ == MU_PROXY_HOPS_MAX || mu_address_parse(entry, &client) < 0)
                                return client;
                }
        }
        return client;
}

#define VALUES_MAX 16

struct mu_address mu_request_address(const struct mu_request *request)
{
        const struct mu_connection *connection = mu_request_connection(request);
        const struct mu_proxies *proxies = connection->loop->server->config.trusted_proxies;
        struct mu_slice values[VALUES_MAX];
        size_t count = 0;

        if (!proxies || !mu_proxies_contain(proxies, connection->address))
                return connection->address;
        const h2o_headers_t *headers = &request->h2o->headers;
        for (size_t i = 0; i < headers->size; i++) {
                const h2o_header_t *header = &headers->entries[i];

                if (!h2o_memis(header->name->base, header->name->len,
                               H2O_STRLIT("x-forwarded-for")))
                        continue;
                if (count == VALUES_MAX) { /* the last ones count: they are the nearest */
                        memmove(values, values + 1, (VALUES_MAX - 1) * sizeof(values[0]));
                        count--;
                }
                values[count++] = (struct mu_slice){header->value.base, header->value.len};
        }
        return mu_forwarded_client(proxies, connection->address, values, count);
}

bool mu_request_is_tls(const struct mu_request *request)
{
        const struct mu_connection *connection = mu_request_connection(request);
        const struct mu_proxies *proxies = connection->loop->server->config.trusted_proxies;

        if (!proxies || !mu_proxies_contain(proxies, connection->address))
                return connection->tls;
        struct mu_slice value = mu_request_header(request, "x-forwarded-proto");
        struct mu_slice scheme;
        if (!take_last(&value, &scheme))
                return connection->tls;
        return h2o_lcstris(scheme.data, scheme.bytes, H2O_STRLIT("https"));
}
