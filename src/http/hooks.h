/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.h - where requests and loops meet replies, streams and WebSockets (private to this folder).
 *
 * Threads    The loop's.
 */
#ifndef MUSTER_HTTP_HOOKS_H
#define MUSTER_HTTP_HOOKS_H

#include <stdbool.h>

struct mu_loop;
struct mu_origins;
struct mu_request;

/* dispatch.c: 404, as for a path that no route knows. */
void mu_reply_path_unknown(struct mu_request *request);

/* reply.c: all of a streamed reply but its body. */
void mu_reply_stream_head(struct mu_request *request, int status, const char *type);
/* reply.c: whether this request's origin may read the reply. */
void mu_cors_add(struct mu_request *request, const struct mu_origins *origins);

/* websocket_accept.c: false: refused, and answered. */
bool mu_ws_check_handshake(struct mu_request *request);
/* websocket.c: closes all with 1001. */
void mu_websockets_stop(struct mu_loop *loop);

#endif
