/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call.h - a request's copy on its way through a worker (private to this folder).
 *
 * Ownership  Queue → worker → mailbox → loop, which frees it. Everything that a handler reads lies
 *            in one block behind the struct, but for decoded parameters; the answer has its own
 * memory.
 */
#ifndef MUSTER_HTTP_CALL_H
#define MUSTER_HTTP_CALL_H

#include "http/offload.h"
#include "http/private.h"

struct mu_call_header {
        struct mu_slice name;
        struct mu_slice value;
};

struct mu_call_reply_header {
        const char *name; /* literal */
        char *value;
};

struct mu_call_decoded {
        struct mu_call_decoded *next;
        char bytes[];
};

struct mu_stream;

struct mu_call {
        struct mu_mail mail; /* first: run_delivery casts */
        struct mu_call *next;
        struct mu_pending pending;
        struct mu_loop *loop;
        void (*work)(struct mu_call *call, void *state, void *ctx);
        void *ctx;
        struct mu_offload *offload;
        uint64_t queued_ns;

        /* The request. */
        const struct mu_route *route;
        struct mu_slice path;
        struct mu_slice query;
        struct mu_slice body;
        struct mu_slice params[MU_ROUTE_PARAMS_MAX]; /* as in the match, still encoded */
        struct mu_slice param_names[MU_ROUTE_PARAMS_MAX];
        uint32_t param_count;
        struct mu_call_header *headers;
        uint32_t header_count;
        struct mu_address address;
        int64_t received_at_us;
        enum mu_method method;
        bool tls;
        char request_id[MU_REQUEST_ID_BYTES_MAX + 1];
        struct mu_call_decoded *decoded; /* parameters that were asked for */

        /* The answer. */
        int status; /* 0: none yet */
        const char *type;
        char *reply;
        size_t reply_bytes;
        struct mu_call_reply_header reply_headers[MU_REPLY_HEADERS_MAX];
        uint32_t reply_header_count;
        struct mu_stream *stream; /* begun: the rest above is what it began with */
};

/* NULL: no memory. */
struct mu_call *mu_call_create(struct mu_request *request);
void mu_call_destroy(struct mu_call *call); /* NULL is a no-op */
/* To the loop, which sends the answer if it is still wanted, and frees the call. */
void mu_call_deliver(struct mu_call *call);
/* The reply headers set so far. On the loop. */
void mu_call_add_headers(const struct mu_call *call, struct mu_request *request);
/* offload.c: at most half of the workers stream at a time, so that slow clients leave some for the
 * others. */
bool mu_offload_enter_stream(struct mu_offload *offload);
void mu_offload_leave_stream(struct mu_offload *offload);
/* After the handler, before delivery: the stream that it began is over. */
void mu_call_stream_leave(struct mu_call *call);

#endif
