/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.h - which web pages may call: same origin, or one of a list (CORS, WebSocket).
 *
 * An origin is "scheme://host" or "scheme://host:port", http or https, compared with the case of
 * scheme and host ignored and default ports filled in. "null" is never allowed.
 *
 * Threads    Read-only after parse: any.
 * Ownership  parse copies. Destroy after the server.
 * Errors     -EINVAL and a sentence in error (MU_ORIGINS_ERROR_BYTES), -ENOMEM.
 */
#ifndef MUSTER_HTTP_ORIGIN_H
#define MUSTER_HTTP_ORIGIN_H

#include <stdbool.h>

#include "http/request.h"
#include "muster/compiler.h"

struct mu_origins;

enum mu_origin_limits {
        MU_ORIGINS_MAX = 64,
        MU_ORIGIN_BYTES_MAX = 512,
        MU_ORIGINS_ERROR_BYTES = 256,
};

/* text: origins separated by commas or blanks. An empty text gives *ret_origins NULL. */
MU_MUST_CHECK
int mu_origins_parse(const char *text, struct mu_origins **ret_origins, char *error);
void mu_origins_destroy(struct mu_origins *origins); /* NULL is a no-op */

/* origins NULL: none. */
bool mu_origins_contain(const struct mu_origins *origins, struct mu_slice origin);
/* Whether origin is the page of this host ("appliance:8443", as in Host) over this scheme. */
bool mu_origin_is_host(struct mu_slice origin, struct mu_slice host, bool tls);

/* The policy: no Origin header (not a browser), the same origin, or one of the server's list. */
bool mu_request_origin_allowed(const struct mu_request *request);

#endif
