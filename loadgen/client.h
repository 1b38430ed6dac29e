/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - one blocking HTTP exchange at a time, for what is not load: /metrics, /admin/verify.
 *
 * The connection is kept between requests and opened again once when the server has closed it.
 *
 * Units      ns, bytes. Threads: one owner. Ownership: open/close.
 * Errors     negative errno with a sentence in error.
 */
#ifndef LOADGEN_CLIENT_H
#define LOADGEN_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "reply.h"
#include "tls.h"
#include "url.h"

struct mu_lg_client {
        const struct mu_lg_url *url;
        struct mu_lg_tls_context *context;
        struct mu_lg_tls *tls;
        int fd;
        uint64_t timeout_ns;
        struct mu_lg_reply reply; /* of the last request */
        char error[512];
};

void mu_lg_client_init(struct mu_lg_client *client, const struct mu_lg_url *url,
                       struct mu_lg_tls_context *context, uint64_t timeout_ns);
void mu_lg_client_done(struct mu_lg_client *client);

/* header: "Name: value\r\n" lines or "". body NULL: GET. 0 when there is an answer of any status,
 * in client->reply (its body NUL-terminated, possibly NULL when empty). */
MU_MUST_CHECK
int mu_lg_client_request(struct mu_lg_client *client, const char *path, const char *header,
                         const char *body, size_t body_bytes);

#endif
