/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_curl.h - the platform's request() and its channel over libcurl, for every shell that has it:
 * TLS 1.2 or later, verified by the system's roots, by ca_file, or by the pin alone; no redirects;
 * http to loopback only; the device's token to the configured server only.
 *
 * The channel is a CONNECT_ONLY transfer of the same multi handle; the WebSocket's opening
 * handshake (RFC 6455) and wslay's frames run over curl_easy_send and curl_easy_recv.
 *
 * Threads    one, the shell's loop: wait() is where the loop sleeps.
 * Errors     negative errno.
 */
#ifndef MUSTER_AGENT_NET_HTTP_CURL_H
#define MUSTER_AGENT_NET_HTTP_CURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"

struct mu_net;

typedef void mu_net_push_fn(void *context, enum mu_agent_push_event event, int code,
                            const char *text, size_t bytes);

struct mu_net_options {
        const struct mu_agent_config *config; /* server, token and tls are read at each request */
        const char *user_agent;
        mu_net_push_fn *push;
        void *push_context;
};

MU_MUST_CHECK
int mu_net_create(const struct mu_net_options *options, struct mu_net **ret_net);
void mu_net_destroy(struct mu_net *net);

/* platform.request, .cancel_all, .push_open, .push_send, .push_close; context is the mu_net. */
MU_MUST_CHECK
int mu_net_request(void *net, const struct mu_agent_request *request, mu_agent_reply_fn *done,
                   void *done_context);
void mu_net_cancel_all(void *net);
MU_MUST_CHECK
int mu_net_push_open(void *net, const char *path);
MU_MUST_CHECK
int mu_net_push_send(void *net, const char *text, size_t bytes);
void mu_net_push_close(void *net);

/* Sleeps until something of the network or one of the extra descriptors is ready, or timeout_ms is
 * over (-1: never), and calls back what came. ret_ready[i]: extra[i] is readable. */
MU_MUST_CHECK
int mu_net_wait(struct mu_net *net, const int *extra, size_t extra_count, bool *ret_ready,
                int timeout_ms);

#endif
