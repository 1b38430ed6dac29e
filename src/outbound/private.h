/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private.h - what the files of this folder share: the outbound thread, its transfers, and what
 * mail and FCM need to live on it.
 *
 *   mu_outbound ─┬─ posted jobs (lock; any thread adds)
 *                ├─ timers, parts                      ┐
 *                ├─ services: queue, breaker, cells    │ the outbound thread alone
 *                └─ libcurl's multi: active transfers  ┘
 *
 * A transfer is posted ─▶ queued in its service ─▶ active ─▶ done and freed; from the middle two it
 * may be ended by its patience, the deadline of stop, or by neither.
 *
 * Threads    "loop" below means: on the outbound thread (or where stop runs it, if never started).
 */
#ifndef MUSTER_OUTBOUND_PRIVATE_H
#define MUSTER_OUTBOUND_PRIVATE_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/random.h"
#include "base/text.h"
#include "outbound/outbound.h"
#include "outbound/timers.h"
#include "outbound/url.h"

/* Work for the loop, embedded in what it is about. run is called once. */
struct mu_outbound_job {
        struct mu_outbound_job *next;
        void (*run)(struct mu_outbound_job *job);
};

/* What is built on the thread. Loop; each may be NULL. */
struct mu_outbound_part {
        struct mu_outbound_part *next;
        void (*start)(struct mu_outbound_part *part);
        /* Stop has begun: end what waits for another try. */
        void (*drain)(struct mu_outbound_part *part);
        /* Its transfers are all ended: end the rest. */
        void (*cancel)(struct mu_outbound_part *part);
};

enum mu_outbound_cell {
        MU_OUTBOUND_OK,          /* 2xx */
        MU_OUTBOUND_REFUSED,     /* 3xx, 4xx; mail: 5xx */
        MU_OUTBOUND_THROTTLED,   /* 429 */
        MU_OUTBOUND_UNAVAILABLE, /* 5xx; mail: 4xx */
        MU_OUTBOUND_NO_ANSWER,
        MU_OUTBOUND_EXPIRED, /* in the queue */
        MU_OUTBOUND_STOPPED,
        MU_OUTBOUND_CELLS,
};

struct mu_transfer;

struct mu_outbound_service {
        struct mu_outbound *outbound;
        const char *name;
        uint32_t concurrency_max;
        bool http2;
        bool no_breaker;
        struct mu_breaker breaker;
        uint64_t opened_count; /* as told */
        struct mu_transfer *first;
        struct mu_transfer *last;
        uint32_t active_count;
        struct mu_cell results[MU_OUTBOUND_CELLS];
        struct mu_cell queued;
        struct mu_cell active;
        _Atomic uint64_t queue_full;
        struct mu_histogram *duration_us;
};

struct mu_transfer {
        struct mu_outbound_job job; /* first: run casts */
        struct mu_timer patience;   /* in the queue */
        struct mu_outbound_service *service;
        struct mu_transfer *next; /* in the service's queue or among the active */
        struct mu_transfer *previous;
        CURL *easy;
        /* Sets what the kind of transfer needs; everything it hands over lives as long as ctx. */
        int (*prepare)(struct mu_transfer *transfer, CURL *easy);
        mu_outbound_done *done;
        void *ctx;
        uint64_t started_ns;
        uint32_t timeout_ms;
        uint32_t wait_ms_max;
        size_t reply_bytes_max;
        bool counted; /* against queue_max */
        bool mail;    /* reply holds the server's last line */
        bool reply_too_large;
        bool public_only;
        bool refused_address;
        const char *const *reply_headers;
        struct mu_text reply;
        struct mu_url url;
        char error[CURL_ERROR_SIZE];
        /* HTTP: one block behind the struct. */
        const char *target;
        const char *method;
        const char *body;
        size_t body_bytes;
        struct curl_slist *headers;
        size_t block_bytes;
};

struct mu_outbound {
        const struct mu_clock *clock;
        char *ca_file; /* NULL: none */
        uint32_t queue_max;
        void (*on_trouble)(void *ctx, const char *service, const char *detail);
        void *trouble_ctx;
        struct mu_metrics *metrics;
        pthread_t thread;
        bool running;
        bool stopped;
        CURLM *multi;
        struct mu_random random;
        struct mu_timers timers;
        struct mu_outbound_part *parts;
        struct mu_outbound_service *services[MU_OUTBOUND_SERVICES_MAX];
        size_t service_count;
        struct mu_transfer *active;
        bool draining;
        _Atomic uint32_t accepted; /* submitted and not done */

        pthread_mutex_t lock;
        struct mu_outbound_job *posted; /* under lock, newest first */
        bool stopping;                  /* under lock */
        uint64_t stop_deadline_ns;      /* under lock */
};

/* ---- loop.c ---- */

/* Any thread: run will be called on the loop; -ESHUTDOWN once stop has begun. */
MU_MUST_CHECK
int mu_outbound_post(struct mu_outbound *outbound, struct mu_outbound_job *job);
/* Until no work is left after stop; then everything has been ended. */
void mu_outbound_run(void *context);
/* Before start. */
void mu_outbound_add_part(struct mu_outbound *outbound, struct mu_outbound_part *part);

static inline uint64_t mu_outbound_now_ns(const struct mu_outbound *outbound)
{
        return mu_clock_monotonic_ns(outbound->clock);
}

/* ---- transfer.c: loop, but for new_http ---- */

/* Any thread. As submit says. */
MU_MUST_CHECK
int mu_transfer_new_http(const struct mu_outbound_request *request, struct mu_transfer **ret);
/* Defaults, and more_bytes for strings behind the struct; NULL: no memory. */
MU_MUST_CHECK
struct mu_transfer *mu_transfer_new(struct mu_outbound_service *service, size_t more_bytes);
void mu_transfer_queue(struct mu_transfer *transfer);
/* Starts what the services' breakers and limits allow; ns until one may be tried again. */
uint64_t mu_transfers_start(struct mu_outbound *outbound);
/* Ends what curl has finished; false: nothing. */
bool mu_transfers_reap(struct mu_outbound *outbound);
bool mu_transfers_any(const struct mu_outbound *outbound);
void mu_transfers_cancel(struct mu_outbound *outbound);
/* Never posted: as if it had not been. */
void mu_transfer_free(struct mu_transfer *transfer);

/* ---- transfer_guard.c ---- */

/* What curl is told for public_only; 0 or not. */
MU_MUST_CHECK
CURLcode mu_transfer_guard(struct mu_transfer *transfer, CURL *easy);

/* ---- service.c ---- */

void mu_service_finished(struct mu_outbound_service *service, enum mu_outbound_cell cell,
                         uint64_t duration_us);
void mu_service_done(struct mu_outbound_service *service);

/* Loop: a sentence for the operator. */
void mu_outbound_trouble(struct mu_outbound *outbound, const char *service, const char *format, ...)
        MU_PRINTF(3, 4);
/* An HTTP request from the loop itself: not bounded, and taken while draining. */
MU_MUST_CHECK
int mu_outbound_send(struct mu_outbound *outbound, const struct mu_outbound_request *request);

#endif
