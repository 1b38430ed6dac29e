/* SPDX-License-Identifier: Apache-2.0 */
#include "url.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(char *error, size_t error_bytes, const char *text, const char *why)
{
        snprintf(error, error_bytes, "%s is not a server's address: %s; write it as %s", text, why,
                 "http://127.0.0.1:8080 or https://host:8443");
        return -EINVAL;
}

int mu_lg_url_parse(const char *text, struct mu_lg_url *ret_url, char *error, size_t error_bytes)
{
        struct mu_lg_url url = {0};
        const char *rest;

        if (strncmp(text, "http://", 7) == 0) {
                rest = text + 7;
        } else if (strncmp(text, "https://", 8) == 0) {
                rest = text + 8;
                url.is_tls = true;
        } else {
                return fail(error, error_bytes, text,
                            "it begins with neither http:// nor https://");
        }
        bool bracket = rest[0] == '[';
        const char *from = rest + bracket;
        size_t host_bytes = strcspn(from, bracket ? "]" : ":/?#@");
        const char *after = from + host_bytes;

        if (bracket && *after == ']')
                after++;
        else if (bracket)
                return fail(error, error_bytes, text, "a bracket is missing");
        if (host_bytes == 0 || host_bytes >= sizeof(url.host))
                return fail(error, error_bytes, text, "it has no host name of a sensible length");
        memcpy(url.host, from, host_bytes);

        unsigned long port = url.is_tls ? 443 : 80;
        if (*after == ':') {
                char *end;

                port = strtoul(after + 1, &end, 10);
                if (end == after + 1 || port == 0 || port > 65535)
                        return fail(error, error_bytes, text, "the port is not within 1..65535");
                after = end;
        }
        if (*after == '/')
                after++;
        if (*after)
                return fail(error, error_bytes, text, "something follows host and port");
        snprintf(url.authority, sizeof(url.authority), "%s%s%s:%lu", bracket ? "[" : "", url.host,
                 bracket ? "]" : "", port);
        snprintf(url.base, sizeof(url.base), "%s%s", url.is_tls ? "https://" : "http://",
                 url.authority);
        *ret_url = url;
        return 0;
}

int mu_lg_url_resolve(struct mu_lg_url *url, char *error, size_t error_bytes)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
        struct addrinfo *found;
        const char *port = strrchr(url->authority, ':') + 1;
        int r = getaddrinfo(url->host, port, &hints, &found);

        if (r == EAI_NONAME || r == EAI_ADDRFAMILY) {
                hints.ai_flags = 0; /* a machine with nothing but loopback */
                r = getaddrinfo(url->host, port, &hints, &found);
        }
        if (r != 0) {
                snprintf(error, error_bytes, "cannot find the host %s: %s", url->host,
                         gai_strerror(r));
                return -ENOENT;
        }
        memcpy(&url->address, found->ai_addr, found->ai_addrlen);
        url->address_bytes = found->ai_addrlen;
        freeaddrinfo(found);
        return 0;
}
