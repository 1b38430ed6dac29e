/* SPDX-License-Identifier: Apache-2.0 */
#include "http/cookie.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* RFC 6265: no control characters, blanks, quotes, commas, semicolons, backslashes. */
static bool is_value_byte(unsigned char byte)
{
        return byte > 0x20 && byte < 0x7f && byte != '"' && byte != ',' && byte != ';' &&
               byte != '\\';
}

static bool is_value(struct mu_slice value)
{
        for (size_t i = 0; i < value.bytes; i++) {
                if (!is_value_byte((unsigned char)value.data[i]))
                        return false;
        }
        return true;
}

static bool is_name_byte(unsigned char byte)
{
        return is_value_byte(byte) && !strchr("()<>@:/[]?={}", byte);
}

static bool is_name(const char *name)
{
        for (const char *at = name; *at; at++) {
                if (!is_name_byte((unsigned char)*at))
                        return false;
        }
        return *name != '\0';
}

static struct mu_slice trim(struct mu_slice text)
{
        while (text.bytes > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
                text.data++;
                text.bytes--;
        }
        while (text.bytes > 0 &&
               (text.data[text.bytes - 1] == ' ' || text.data[text.bytes - 1] == '\t'))
                text.bytes--;
        return text;
}

/* false: not a pair of this name. */
static bool pair_value(struct mu_slice pair, const char *name, size_t name_bytes,
                       struct mu_slice *ret_value)
{
        pair = trim(pair);
        if (pair.bytes <= name_bytes || memcmp(pair.data, name, name_bytes) != 0 ||
            pair.data[name_bytes] != '=')
                return false;
        struct mu_slice value = {pair.data + name_bytes + 1, pair.bytes - name_bytes - 1};
        if (value.bytes >= 2 && value.data[0] == '"' && value.data[value.bytes - 1] == '"') {
                value.data++;
                value.bytes -= 2;
        }
        *ret_value = value;
        return true;
}

struct mu_slice mu_cookie_find(struct mu_slice header, const char *name)
{
        static const struct mu_slice none = {NULL, 0};
        struct mu_slice found = none;
        size_t name_bytes = strlen(name);

        if (!header.data || header.bytes > MU_COOKIE_HEADER_BYTES_MAX)
                return none;
        for (size_t at = 0; at < header.bytes;) {
                const char *pair = header.data + at;
                const char *end = memchr(pair, ';', header.bytes - at);
                size_t bytes = end ? (size_t)(end - pair) : header.bytes - at;
                struct mu_slice value;

                if (pair_value((struct mu_slice){pair, bytes}, name, name_bytes, &value)) {
                        if (found.data || !is_value(value))
                                return none;
                        found = value;
                }
                at += bytes + 1;
        }
        return found;
}

int mu_cookie_format(const struct mu_cookie *cookie, char *out)
{
        static const char *const same_site[] = {[MU_SAME_SITE_STRICT] = "Strict",
                                                [MU_SAME_SITE_LAX] = "Lax",
                                                [MU_SAME_SITE_NONE] = "None"};
        const char *path = cookie->path ? cookie->path : "/";
        bool host_only = strncmp(cookie->name, "__Host-", 7) == 0;
        struct mu_text text;

        MU_ASSERT(is_name(cookie->name));
        MU_ASSERT(is_value((struct mu_slice){cookie->value, strlen(cookie->value)}));
        MU_ASSERT(path[0] == '/' && !strpbrk(path, ";\r\n"));
        MU_ASSERT(!host_only || (cookie->secure && strcmp(path, "/") == 0));
        MU_ASSERT(strncmp(cookie->name, "__Secure-", 9) != 0 || cookie->secure);
        MU_ASSERT(cookie->same_site != MU_SAME_SITE_NONE || cookie->secure);
        mu_text_init_fixed(&text, out, MU_COOKIE_BYTES_MAX);
        mu_text_add_format(&text, "%s=%s; Path=%s", cookie->name, cookie->value, path);
        if (cookie->max_age_s != MU_COOKIE_SESSION)
                mu_text_add_format(&text, "; Max-Age=%lld", (long long)cookie->max_age_s);
        if (cookie->http_only)
                mu_text_add(&text, "; HttpOnly");
        if (cookie->secure)
                mu_text_add(&text, "; Secure");
        mu_text_add_format(&text, "; SameSite=%s", same_site[cookie->same_site]);
        return mu_text_status(&text) < 0 ? -EMSGSIZE : 0;
}
