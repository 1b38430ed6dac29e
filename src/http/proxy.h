/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy.h - who really asks, when a trusted reverse proxy stands in front.
 *
 * Only a peer whose own address is in the list is believed. Then the client is the right-most
 * X-Forwarded-For entry that is not itself trusted (an entry that can't be read ends the search:
 * the last one believed stands), and X-Forwarded-Proto says whether the client came over TLS.
 *
 * Threads    Read-only after parse: any.
 * Ownership  parse copies. Destroy after the server.
 * Errors     -EINVAL and a sentence in error (MU_PROXIES_ERROR_BYTES), -ENOMEM.
 */
#ifndef MUSTER_HTTP_PROXY_H
#define MUSTER_HTTP_PROXY_H

#include <stdbool.h>

#include "http/request.h"
#include "muster/compiler.h"

struct mu_proxies;

enum mu_proxy_limits {
        MU_PROXIES_MAX = 64,
        MU_PROXY_HOPS_MAX = 32, /* X-Forwarded-For entries looked at, from the right */
        MU_PROXIES_ERROR_BYTES = 256,
};

/* text: addresses and CIDRs ("10.0.0.0/8, ::1"), separated by commas or blanks. An empty text gives
 * *ret_proxies NULL. */
MU_MUST_CHECK
int mu_proxies_parse(const char *text, struct mu_proxies **ret_proxies, char *error);
void mu_proxies_destroy(struct mu_proxies *proxies); /* NULL is a no-op */

/* proxies NULL: false. */
bool mu_proxies_contain(const struct mu_proxies *proxies, struct mu_address address);

/* The client behind peer; values: the X-Forwarded-For fields in order, last one nearest. */
struct mu_address mu_forwarded_client(const struct mu_proxies *proxies, struct mu_address peer,
                                      const struct mu_slice *values, size_t value_count);

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80". 0 or -EINVAL. */
MU_MUST_CHECK
int mu_address_parse(struct mu_slice text, struct mu_address *ret_address);

#endif
