/* SPDX-License-Identifier: Apache-2.0 */
#include "http/origin.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/private.h"
#include "http/proxy.h"

#define SEPARATORS ", \t\r\n"

struct origin {
        struct mu_slice host;
        uint16_t port;
        bool tls;
};

struct mu_origins {
        uint32_t count;
        struct origin at[MU_ORIGINS_MAX]; /* into text */
        char text[];
};

static bool is_host_byte(char byte)
{
        return isalnum((unsigned char)byte) || byte == '-' || byte == '.' || byte == '_';
}

/* A name, an IPv4 address, or [IPv6]. */
static bool host_is_sane(struct mu_slice host)
{
        if (host.bytes == 0)
                return false;
        if (host.data[0] == '[') {
                struct mu_slice inside = {host.data + 1, host.bytes - 2};
                struct mu_address address;

                return host.bytes > 2 && host.data[host.bytes - 1] == ']' &&
                       memchr(inside.data, ':', inside.bytes) &&
                       mu_address_parse(inside, &address) == 0;
        }
        for (size_t i = 0; i < host.bytes; i++) {
                if (!is_host_byte(host.data[i]))
                        return false;
        }
        return true;
}

static bool parse_port(const char *data, size_t bytes, uint16_t *ret_port)
{
        uint32_t port = 0;

        if (bytes == 0 || bytes > 5 || data[0] == '0')
                return false;
        for (size_t i = 0; i < bytes; i++) {
                if (!isdigit((unsigned char)data[i]))
                        return false;
                port = port * 10 + (uint32_t)(data[i] - '0');
        }
        *ret_port = (uint16_t)port;
        return port > 0 && port <= UINT16_MAX;
}

/* "host" or "host:port" */
static bool parse_host(struct mu_slice text, bool tls, struct origin *ret_origin)
{
        struct origin origin = {.host = text, .port = tls ? 443 : 80, .tls = tls};
        const char *colon = text.bytes > 0 ? memrchr(text.data, ':', text.bytes) : NULL;

        /* The colons within brackets are the address's own. */
        if (colon && text.data[text.bytes - 1] != ']') {
                origin.host.bytes = (size_t)(colon - text.data);
                if (!parse_port(colon + 1, text.bytes - origin.host.bytes - 1, &origin.port))
                        return false;
        }
        if (!host_is_sane(origin.host))
                return false;
        *ret_origin = origin;
        return true;
}

static bool parse_origin(struct mu_slice text, struct origin *ret_origin)
{
        static const struct mu_slice schemes[] = {{"http://", 7}, {"https://", 8}};

        if (text.bytes > MU_ORIGIN_BYTES_MAX)
                return false;
        for (size_t i = 0; i < MU_COUNT_OF(schemes); i++) {
                size_t bytes = schemes[i].bytes;

                if (text.bytes > bytes && strncasecmp(text.data, schemes[i].data, bytes) == 0)
                        return parse_host((struct mu_slice){text.data + bytes, text.bytes - bytes},
                                          i == 1, ret_origin);
        }
        return false;
}

static bool is_same(const struct origin *a, const struct origin *b)
{
        return a->tls == b->tls && a->port == b->port && a->host.bytes == b->host.bytes &&
               strncasecmp(a->host.data, b->host.data, a->host.bytes) == 0;
}

/* ---- the list ---- */

static int add_origin(struct mu_origins *origins, struct mu_slice text, char *error)
{
        if (origins->count == MU_ORIGINS_MAX) {
                snprintf(error, MU_ORIGINS_ERROR_BYTES, "there are more than %d origins",
                         MU_ORIGINS_MAX);
                return -EINVAL;
        }
        if (!parse_origin(text, &origins->at[origins->count])) {
                snprintf(error, MU_ORIGINS_ERROR_BYTES,
                         "\"%.*s\" is not an origin: write https://host or https://host:port, "
                         "without a path",
                         (int)(text.bytes < 100 ? text.bytes : 100), text.data);
                return -EINVAL;
        }
        origins->count++;
        return 0;
}

int mu_origins_parse(const char *text, struct mu_origins **ret_origins, char *error)
{
        size_t bytes = strlen(text);

        if (text[strspn(text, SEPARATORS)] == '\0') {
                *ret_origins = NULL;
                return 0;
        }
        struct mu_origins *origins = calloc(1, sizeof(*origins) + bytes + 1);
        if (!origins) {
                snprintf(error, MU_ORIGINS_ERROR_BYTES, "there is no memory for the origins");
                return -ENOMEM;
        }
        memcpy(origins->text, text, bytes + 1);
        int code = 0;
        const char *at = origins->text + strspn(origins->text, SEPARATORS);
        while (code == 0 && *at) {
                size_t length = strcspn(at, SEPARATORS);

                code = add_origin(origins, (struct mu_slice){at, length}, error);
                at += length;
                at += strspn(at, SEPARATORS);
        }
        if (code < 0) {
                free(origins);
                return code;
        }
        *ret_origins = origins;
        return 0;
}

void mu_origins_destroy(struct mu_origins *origins)
{
        free(origins);
}

bool mu_origins_contain(const struct mu_origins *origins, struct mu_slice origin)
{
        struct origin asked;

        if (!origins || !origin.data || !parse_origin(origin, &asked))
                return false;
        for (uint32_t i = 0; i < origins->count; i++) {
                if (is_same(&origins->at[i], &asked))
                        return true;
        }
        return false;
}

bool mu_origin_is_host(struct mu_slice origin, struct mu_slice host, bool tls)
{
        struct origin asked, ours;

        return origin.data && host.data && parse_origin(origin, &asked) &&
               parse_host(host, tls, &ours) && is_same(&asked, &ours);
}

bool mu_request_origin_allowed(const struct mu_request *request)
{
        struct mu_slice origin = mu_request_header(request, "origin");

        return !origin.data ||
               mu_origin_is_host(origin, mu_request_header(request, "host"),
                                 mu_request_is_tls(request)) ||
               mu_origins_contain(mu_request_loop(request)->server->config.cors_origins, origin);
}
