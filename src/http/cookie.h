/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cookie.h - the Cookie header and Set-Cookie (RFC 6265).
 *
 * Reading    Strict: a header above MU_COOKIE_HEADER_BYTES_MAX, or a value with other bytes than
 *            the RFC's, gives nothing. A name that comes twice gives nothing too: one of them was
 *            planted by somebody else.
 * Writing    A name with "__Host-" needs secure and path "/"; a malformed cookie aborts (ours).
 * Threads    Any.
 * Ownership  Slices point into the header.
 */
#ifndef MUSTER_HTTP_COOKIE_H
#define MUSTER_HTTP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/request.h"
#include "muster/compiler.h"

enum mu_cookie_limits {
        MU_COOKIE_HEADER_BYTES_MAX = 8192,
        MU_COOKIE_BYTES_MAX = 4096, /* a whole Set-Cookie */
};

enum mu_same_site {
        MU_SAME_SITE_STRICT,
        MU_SAME_SITE_LAX,
        MU_SAME_SITE_NONE, /* needs secure */
};

#define MU_COOKIE_SESSION (-1) /* as long as the browser runs */

struct mu_cookie {
        const char *name;
        const char *value; /* token characters: base64url, hex, digits */
        const char *path;  /* NULL: "/" */
        int64_t max_age_s; /* MU_COOKIE_SESSION; 0: forget it */
        enum mu_same_site same_site;
        bool http_only;
        bool secure;
};

/* header: the Cookie header's value. data NULL: not there, twice, or malformed. */
struct mu_slice mu_cookie_find(struct mu_slice header, const char *name);

/* The value of Set-Cookie into out, which has MU_COOKIE_BYTES_MAX. 0 or -EMSGSIZE. */
MU_MUST_CHECK
int mu_cookie_format(const struct mu_cookie *cookie, char *out);

#endif
