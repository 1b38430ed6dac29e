/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection.h - a loop's slot for one connection, and the request in it (private to this folder).
 *
 * Ownership  The loop's. A slot is used again and again; numbers tell its tenants apart.
 */
#ifndef MUSTER_HTTP_CONNECTION_H
#define MUSTER_HTTP_CONNECTION_H

#include <h2o.h>

#include "http/request.h"
#include "http/route.h"

struct mu_stream;
struct mu_ws;

struct mu_request {
        h2o_req_t *h2o; /* NULL: none in flight, or answered */
        uint64_t number;
        uint64_t started_ns;
        const struct mu_route *route; /* NULL: no route */
        void *route_ctx;
        struct mu_route_match *match; /* NULL without parameters */
        const char *id;               /* NULL until asked for */
        struct mu_slice body;
        int64_t received_at_us;
        uint32_t route_index; /* of the cells */
        enum mu_method method;
        bool deferred;
};

enum mu_connection_state {
        MU_CONNECTION_FREE,
        MU_CONNECTION_HANDSHAKE,
        MU_CONNECTION_OPEN,
};

struct mu_connection {
        struct mu_request request;
        struct mu_loop *loop;
        struct mu_connection *previous; /* in use: the loop's list; free: next only */
        struct mu_connection *next;
        h2o_socket_t *socket;
        SSL_CTX *handshake_ctx;   /* held until the handshake is over */
        struct mu_ws *ws;         /* upgraded, or being so */
        uint64_t ws_number;       /* of handles; goes up when the ws ends */
        struct mu_stream *stream; /* the reply that a worker still writes */
        uint64_t accepted_ns;
        h2o_timeout_entry_t handshake_timer;
        struct mu_address address;
        enum mu_connection_state state;
        bool tls;
};

#define MU_CONNECTION_CHUNK 64 /* slots allocated at a time */

struct mu_connection_chunk {
        struct mu_connection_chunk *next;
        struct mu_connection slots[MU_CONNECTION_CHUNK];
};

#endif
