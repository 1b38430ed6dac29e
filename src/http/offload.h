/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offload.h - the control plane's workers: plain synchronous handlers off the event loops.
 *
 *   loop: copy request ─▶ bounded queue ─▶ worker: route->work(call, state) fills a reply
 *                                             └─▶ mailbox of the loop ─▶ sent if still wanted
 *
 * A call is one heap block with copies of all that a handler needs, so the client may go at any
 * moment. Queue full or waited longer than the deadline: 503 with Retry-After, work is not called.
 * A handler that returns without a reply is answered 500.
 *
 * Streams    A reply of any length in flat memory: begin, write, end. A write waits while
 *            MU_STREAM_WINDOW_BYTES are on their way. The client sees a whole transfer only after
 *            end: a handler that returns before it breaks the connection off.
 *
 * Units      *_ms; queue: calls.
 * Threads    create, start, stop, destroy: one thread. mu_call_*: the worker that runs the call.
 * Ownership  A call's slices live until work returns. The pool owns threads and states.
 * Errors     negative errno. start_state may fail: the worker tries again before its next call,
 *            which is answered 503 until it works.
 */
#ifndef MUSTER_HTTP_OFFLOAD_H
#define MUSTER_HTTP_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/text.h"
#include "http/request.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_offload;
struct mu_call;
struct mu_cookie;

enum mu_offload_limits {
        MU_OFFLOAD_WORKERS_MAX = 64,
        MU_OFFLOAD_QUEUE_MAX = 4096,
        MU_STREAM_WINDOW_BYTES = 256 * 1024,
};

struct mu_offload_config {
        const char *name; /* literal: "control", "probe"; thread name and metric label */
        uint32_t worker_count;
        uint32_t queue_max;
        uint32_t deadline_ms;         /* longest wait in the queue */
        const struct mu_clock *clock; /* NULL: the system's */
        struct mu_metrics *metrics;   /* NULL: not registered */
        /* Both on the worker's thread, either NULL. 0 and *ret_state, or a negative errno. */
        int (*start_state)(void *ctx, void **ret_state);
        void (*stop_state)(void *ctx, void *state);
        void *ctx;
};

MU_MUST_CHECK
int mu_offload_create(const struct mu_offload_config *config, struct mu_offload **ret_offload);
/* Threads run from here. */
MU_MUST_CHECK
int mu_offload_start(struct mu_offload *offload);
/* Takes no more (503), finishes what is queued within deadline_ms, answers the rest 503, joins. */
void mu_offload_stop(struct mu_offload *offload, uint32_t deadline_ms);
/* After stop, and after the server's loops have ended. NULL is a no-op. */
void mu_offload_destroy(struct mu_offload *offload);
uint32_t mu_offload_queued(const struct mu_offload *offload); /* any thread */

/* Copies the request, queues it for route->work and defers the reply, or answers 503. Routes with
 * MU_ROUTE_CONTROL or _PROBE get here by themselves; a loop handler may call it too. */
void mu_offload_request(struct mu_offload *offload, struct mu_request *request,
                        void (*work)(struct mu_call *call, void *state, void *ctx), void *ctx);

/* ---- what a handler sees ---- */

struct mu_slice mu_call_body(const struct mu_call *call); /* padded, as mu_request_body */
enum mu_method mu_call_method(const struct mu_call *call);
struct mu_slice mu_call_path(const struct mu_call *call);
struct mu_slice mu_call_query(const struct mu_call *call);
const struct mu_route *mu_call_route(const struct mu_call *call);
bool mu_call_is_tls(const struct mu_call *call);
int64_t mu_call_received_at_us(const struct mu_call *call);
struct mu_slice mu_call_header(const struct mu_call *call, const char *name); /* lower case */
struct mu_slice mu_call_bearer(const struct mu_call *call);
bool mu_call_content_type_is(const struct mu_call *call, const char *type);
struct mu_address mu_call_address(const struct mu_call *call);
const char *mu_call_request_id(const struct mu_call *call);
struct mu_slice mu_call_param(struct mu_call *call, const char *name);
struct mu_slice mu_call_query_param(struct mu_call *call, const char *name);
struct mu_slice mu_call_cookie(const struct mu_call *call, const char *name); /* cookie.h */

/* ---- and its answer: the last one stands ---- */

void mu_call_reply(struct mu_call *call, int status, const char *type, const void *body,
                   size_t bytes);
void mu_call_reply_json(struct mu_call *call, int status, const char *json, size_t bytes);
/* body is malloc's and the call's from here. */
void mu_call_reply_owned(struct mu_call *call, int status, const char *type, char *body,
                         size_t bytes);
/* Takes what text holds (and leaves it empty); a failed text becomes a 500. */
void mu_call_reply_text(struct mu_call *call, int status, const char *type, struct mu_text *text);
void mu_call_reply_empty(struct mu_call *call, int status);
void mu_call_problem(struct mu_call *call, int status, const char *slug, const char *field,
                     const char *format, ...) MU_PRINTF(5, 6);
void mu_call_problem_retry(struct mu_call *call, int status, const char *slug,
                           uint32_t retry_after_s, const char *format, ...) MU_PRINTF(5, 6);
void mu_call_reply_header(struct mu_call *call, const char *name, const char *value);
/* One more Set-Cookie. */
void mu_call_set_cookie(struct mu_call *call, const struct mu_cookie *cookie);
bool mu_call_replied(const struct mu_call *call);

/* What stands so far, for a guard around handlers. */
int mu_call_status(const struct mu_call *call);                  /* 0: no reply yet */
const char *mu_call_reply_type(const struct mu_call *call);      /* NULL: none */
struct mu_slice mu_call_reply_bytes(const struct mu_call *call); /* data NULL: no body */
/* Forgets reply and reply headers. Not once a stream has begun. */
void mu_call_clear_reply(struct mu_call *call);

/* ---- or a streamed one ---- */

/* Once, with the headers set so far; a reply set before is forgotten. status 200; type: a literal.
 * 0; or -EBUSY: half of the workers stream already, or -ENOMEM: 503 is the reply then, return. */
MU_MUST_CHECK
int mu_call_stream_begin(struct mu_call *call, int status, const char *type);
/* Copies; blocks while the window is full. 0, -EPIPE: the client has gone, -ETIMEDOUT: it took
 * nothing for the server's write timeout, -ENOMEM. After an error the stream is broken: return. */
MU_MUST_CHECK
int mu_call_stream_write(struct mu_call *call, const void *data, size_t bytes);
/* The transfer is whole. 0, or as write. */
MU_MUST_CHECK
int mu_call_stream_end(struct mu_call *call);
bool mu_call_streaming(const struct mu_call *call); /* begun */

#endif
