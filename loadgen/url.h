/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url.h - the server's address: http(s)://host[:port], nothing after.
 *
 * Errors: -EINVAL or -ENOENT with a sentence in error.
 */
#ifndef LOADGEN_URL_H
#define LOADGEN_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "muster/compiler.h"

struct mu_lg_url {
        bool is_tls;
        char host[256];      /* without brackets */
        char authority[300]; /* the Host header */
        char base[320];      /* scheme and authority, normalised */
        struct sockaddr_storage address;
        socklen_t address_bytes;
};

MU_MUST_CHECK
int mu_lg_url_parse(const char *text, struct mu_lg_url *ret_url, char *error, size_t error_bytes);
/* Looks the host up; takes the first address. */
MU_MUST_CHECK
int mu_lg_url_resolve(struct mu_lg_url *url, char *error, size_t error_bytes);

#endif
