/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.c - what clients write freely: escapes, query strings, small header values. No h2o here,
 * so that it can be fuzzed alone.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http/request.h"

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* One decoded byte at *at, or -1; *at moves behind it. */
static int decode_one(const char **at, const char *end, bool plus_is_space)
{
        char c = *(*at)++;

        if (c == '+' && plus_is_space)
                return ' ';
        if (c != '%')
                return c == '\0' ? -1 : (unsigned char)c;
        if (end - *at < 2)
                return -1;
        int high = hex_digit((*at)[0]);
        int low = hex_digit((*at)[1]);
        *at += 2;
        if (high < 0 || low < 0 || (high == 0 && low == 0))
                return -1;
        return high * 16 + low;
}

int mu_percent_decode(struct mu_slice in, bool plus_is_space, char *out, size_t *ret_bytes)
{
        const char *at = in.data;
        const char *end = in.data + in.bytes;
        size_t n = 0;

        while (at < end) {
                int byte = decode_one(&at, end, plus_is_space);

                if (byte < 0)
                        return -EBADMSG;
                out[n++] = (char)byte;
        }
        *ret_bytes = n;
        return 0;
}

static bool decodes_to(struct mu_slice encoded, const char *name)
{
        const char *at = encoded.data;
        const char *end = encoded.data + encoded.bytes;

        while (at < end) {
                int byte = decode_one(&at, end, true);

                /* A byte never equals the terminating NUL: decode_one gives none. */
                if (byte < 0 || byte != (unsigned char)*name)
                        return false;
                name++;
        }
        return *name == '\0';
}

bool mu_query_find(struct mu_slice query, const char *name, struct mu_slice *ret_encoded)
{
        const char *at = query.data;
        const char *end = query.data + query.bytes;

        for (int i = 0; i < MU_QUERY_PARAMS_MAX && at < end; i++) {
                const char *stop = memchr(at, '&', (size_t)(end - at));
                if (!stop)
                        stop = end;
                const char *equals = memchr(at, '=', (size_t)(stop - at));
                struct mu_slice key = {at, (size_t)((equals ? equals : stop) - at)};

                if (decodes_to(key, name)) {
                        const char *value = equals ? equals + 1 : stop;

                        *ret_encoded = (struct mu_slice){value, (size_t)(stop - value)};
                        return true;
                }
                at = stop < end ? stop + 1 : end;
        }
        return false;
}

bool mu_request_id_is_sane(struct mu_slice id)
{
        if (id.bytes == 0 || id.bytes > MU_REQUEST_ID_BYTES_MAX)
                return false;
        for (size_t i = 0; i < id.bytes; i++) {
                char c = id.data[i];

                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-'))
                        return false;
        }
        return true;
}

struct mu_slice mu_bearer_of(struct mu_slice authorization)
{
        static const char scheme[] = "bearer ";
        size_t scheme_bytes = sizeof(scheme) - 1;

        if (authorization.bytes <= scheme_bytes ||
            strncasecmp(authorization.data, scheme, scheme_bytes) != 0)
                return (struct mu_slice){NULL, 0};
        const char *at = authorization.data + scheme_bytes;
        const char *end = authorization.data + authorization.bytes;

        while (at < end && *at == ' ')
                at++;
        while (end > at && end[-1] == ' ')
                end--;
        if (at == end)
                return (struct mu_slice){NULL, 0};
        return (struct mu_slice){at, (size_t)(end - at)};
}

bool mu_media_type_is(struct mu_slice content_type, const char *type)
{
        size_t bytes = strlen(type);

        if (content_type.bytes < bytes || strncasecmp(content_type.data, type, bytes) != 0)
                return false;
        for (size_t i = bytes; i < content_type.bytes; i++) {
                char c = content_type.data[i];

                if (c == ';')
                        return true;
                if (c != ' ' && c != '\t')
                        return false;
        }
        return true;
}
