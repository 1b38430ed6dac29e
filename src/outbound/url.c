/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "outbound/outbound.h"

static bool is_loopback(const char *host)
{
        struct in_addr four;

        if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
                return true;
        return inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}

static bool is_allowed(const char *scheme, const char *const *schemes)
{
        for (; *schemes; schemes++)
                if (strcmp(scheme, *schemes) == 0)
                        return true;
        return false;
}

/* The parts that curl gives out, freed by the caller. */
struct parts {
        char *scheme;
        char *host;
        char *port;
        char *user;
        char *password;
};

static int fill(const struct parts *parts, const char *const *schemes, struct mu_url *url)
{
        if (!parts->scheme || !parts->host || parts->user || parts->password ||
            !is_allowed(parts->scheme, schemes))
                return -EINVAL;
        (void)snprintf(url->scheme, sizeof(url->scheme), "%s", parts->scheme);
        url->loopback = is_loopback(parts->host);
        (void)snprintf(url->origin, sizeof(url->origin), "%s://%.100s%s%s", parts->scheme,
                       parts->host, parts->port ? ":" : "", parts->port ? parts->port : "");
        return 0;
}

int mu_url_parse(const char *url, const char *const *schemes, struct mu_url *ret_url)
{
        struct parts parts = {0};
        struct mu_url result = {0};
        int code = -EINVAL;

        if (!url || strlen(url) > MU_OUTBOUND_URL_BYTES_MAX)
                return -EINVAL;
        for (const char *c = url; *c; c++)
                if (*c <= ' ' || *c == 0x7f)
                        return -EINVAL;
        CURLU *handle = curl_url();

        if (!handle)
                return -ENOMEM;
        if (curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK) {
                (void)curl_url_get(handle, CURLUPART_SCHEME, &parts.scheme, 0);
                (void)curl_url_get(handle, CURLUPART_HOST, &parts.host, 0);
                (void)curl_url_get(handle, CURLUPART_PORT, &parts.port, 0);
                (void)curl_url_get(handle, CURLUPART_USER, &parts.user, 0);
                (void)curl_url_get(handle, CURLUPART_PASSWORD, &parts.password, 0);
                code = fill(&parts, schemes, &result);
        }
        curl_free(parts.scheme);
        curl_free(parts.host);
        curl_free(parts.port);
        curl_free(parts.user);
        curl_free(parts.password);
        curl_url_cleanup(handle);
        if (code == 0)
                *ret_url = result;
        return code;
}
