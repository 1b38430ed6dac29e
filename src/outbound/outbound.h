/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbound.h - everything the appliance sends out, on one thread around libcurl's multi interface.
 *
 *   any thread: submit ─▶ posted list ─▶ outbound thread: the service's queue
 *                                            │ breaker closed, below concurrency_max
 *                                            ▼
 *                                        libcurl transfer ─▶ done(ctx, result), exactly once
 *
 * Only https, verified; http to loopback alone. No redirects are followed. A text in a result or a
 * log names a URL by scheme, host and port: paths and queries may hold secrets.
 *
 * Units      *_ms, *_us, bytes.
 * Threads    create, add_service, start, stop, destroy: one thread. submit: any, between create and
 *            destroy. done: the outbound thread (or stop's caller, if never started); it must not
 *            block, and may submit.
 * Ownership  submit copies the request. Result and body live until done returns. Services belong
 *            to the outbound.
 * Errors     negative errno and, from create, a sentence. An accepted request gets exactly one
 *            done; a refused one none.
 */
#ifndef MUSTER_OUTBOUND_OUTBOUND_H
#define MUSTER_OUTBOUND_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/breaker.h"
#include "base/clock.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_outbound;
struct mu_outbound_service;

enum mu_outbound_limits {
        MU_OUTBOUND_SERVICES_MAX = 16,
        MU_OUTBOUND_HEADERS_MAX = 32,
        MU_OUTBOUND_REPLY_HEADERS_MAX = 8,
        MU_OUTBOUND_REPLY_HEADER_BYTES = 128, /* with NUL; a longer one is as if absent */
        MU_OUTBOUND_URL_BYTES_MAX = 4096,
        MU_OUTBOUND_BODY_BYTES_MAX = 1024 * 1024,
        MU_OUTBOUND_ERROR_BYTES = 512,
};

struct mu_outbound_config {
        const char *ca_file; /* PEM, trusted beside the system's authorities; NULL or "": none */
        uint32_t queue_max;  /* requests accepted and not done, all services; 0: 16,384 */
        const struct mu_clock *clock; /* NULL: the system's */
        struct mu_metrics *metrics;   /* NULL: not registered */
        /* Something an operator should read, on the outbound thread. service: its name; detail: a
         * sentence without secrets. NULL: nobody hears it. */
        void (*on_trouble)(void *ctx, const char *service, const char *detail);
        void *ctx;
};

struct mu_outbound_service_config {
        const char *name;                  /* literal, [a-z_]+: the metrics' label */
        uint32_t concurrency_max;          /* transfers at once; 0: 8 */
        struct mu_breaker_options breaker; /* all 0: 5 failures, 1 success, 1 s .. 60 s */
        bool no_breaker;                   /* many hosts: whoever submits has a breaker for each */
        bool http2;                        /* multiplexed, where the server offers it over TLS */
};

enum mu_outbound_outcome {
        MU_OUTBOUND_ANSWERED,  /* status, body, retry_after are the server's */
        MU_OUTBOUND_FAILED,    /* no whole answer: connection, TLS, timeout, reply too large */
        MU_OUTBOUND_NOT_SENT,  /* wait_ms_max went by: breaker open or too many before it */
        MU_OUTBOUND_CANCELLED, /* stop */
};

struct mu_outbound_result {
        enum mu_outbound_outcome outcome;
        int status;
        const char *error; /* a sentence; "" when answered */
        const char *body;  /* NUL-terminated; "" without one */
        size_t body_bytes;
        bool has_retry_after;
        uint32_t retry_after_s; /* RFC 9110 10.2.3, seconds or date */
        uint64_t duration_us;   /* of the transfer, without waiting */
        int curl_code;          /* libcurl's CURLcode, when failed */
        bool refused_address;   /* public_only: the name leads to an address that is not */
        /* What the request asked for, in its order; NULL: not there. */
        const char *headers[MU_OUTBOUND_REPLY_HEADERS_MAX];
};

typedef void mu_outbound_done(void *ctx, const struct mu_outbound_result *result);

struct mu_outbound_header {
        const char *name;
        const char *value;
};

struct mu_outbound_request {
        struct mu_outbound_service *service;
        const char *method; /* "GET", "POST" ... */
        const char *url;
        const struct mu_outbound_header *headers;
        size_t header_count;
        const void *body; /* NULL: none */
        size_t body_bytes;
        uint32_t timeout_ms;    /* of the transfer; 0: 30 s */
        uint32_t wait_ms_max;   /* in the service's queue before it; 0: 60 s */
        size_t reply_bytes_max; /* a longer reply fails; 0: 64 KiB */
        /* Only https to addresses of the public Internet (address.h), judged by the address that is
         * connected to, and through no proxy. */
        bool public_only;
        /* Names of the reply's headers wanted, literals, ending with NULL; NULL: none. At most
         * MU_OUTBOUND_REPLY_HEADERS_MAX. */
        const char *const *reply_headers;
        mu_outbound_done *done;
        void *ctx;
};

/* error: MU_OUTBOUND_ERROR_BYTES. -EINVAL: the ca_file holds no certificate. */
MU_MUST_CHECK
int mu_outbound_create(const struct mu_outbound_config *config, struct mu_outbound **ret_outbound,
                       char *error);
/* Before start. */
MU_MUST_CHECK
int mu_outbound_add_service(struct mu_outbound *outbound,
                            const struct mu_outbound_service_config *config,
                            struct mu_outbound_service **ret_service);
MU_MUST_CHECK
int mu_outbound_start(struct mu_outbound *outbound);
/* Takes no more, cancels what waits for another try, finishes what is queued or under way within
 * deadline_ms, cancels the rest, joins. A second call is a no-op. */
void mu_outbound_stop(struct mu_outbound *outbound, uint32_t deadline_ms);
/* After stop, and after the destroy of what is built on it. NULL is a no-op. */
void mu_outbound_destroy(struct mu_outbound *outbound);

/* 0: done will be called. -EAGAIN: queue full, counted; -ESHUTDOWN: stopping; -EINVAL: the URL is
 * no https (or loopback http, unless public_only) URL, or a header holds a line break; -E2BIG;
 * -ENOMEM. */
MU_MUST_CHECK
int mu_outbound_submit(struct mu_outbound *outbound, const struct mu_outbound_request *request);

/* Is the URL one that submit takes? 0 or -EINVAL; for checking settings at start. */
MU_MUST_CHECK
int mu_outbound_check_url(const char *url);

#endif
