/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.h - where a URL leads, and whether we go there.
 *
 * Threads: any. Errors: -EINVAL (not a whole URL, control characters, a user in it), -ENOMEM.
 */
#ifndef MUSTER_OUTBOUND_URL_H
#define MUSTER_OUTBOUND_URL_H

#include <stdbool.h>

#include "muster/compiler.h"

struct mu_url {
        char scheme[8];
        bool loopback;    /* localhost, 127.0.0.0/8 or ::1 */
        char origin[160]; /* "https://host:port", for texts: the rest may be secret */
};

/* schemes: those allowed, ending with NULL. */
MU_MUST_CHECK
int mu_url_parse(const char *url, const char *const *schemes, struct mu_url *ret_url);

#endif
