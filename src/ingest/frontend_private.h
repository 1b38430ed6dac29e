/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frontend_private.h - what frontend.c, authenticate.c, receive_heartbeat.c and receive_batch.c
 * share. Nobody else includes it.
 */
#ifndef MUSTER_INGEST_FRONTEND_PRIVATE_H
#define MUSTER_INGEST_FRONTEND_PRIVATE_H

#include <stdalign.h>

#include "http/loop.h"
#include "http/reply.h"
#include "http/request.h"
#include "identity/device_table.h"
#include "ingest/dedupe.h"
#include "ingest/frontend.h"
#include "ingest/port.h"
#include "muster/wire.h"
#include "wire/heartbeat.h"
#include "wire/reply.h"

struct mu_qsbr_reader;

enum mu_frontend_limits {
        MU_FRONTEND_BATCHES_MAX = 256,  /* batch requests waiting at once; more are shed */
        MU_FRONTEND_SAMPLE = 16,        /* one heartbeat in so many is timed */
        MU_LATE_US = 600 * 1000 * 1000, /* older than this on arrival: not judged as live */
};

enum mu_shed_reason {
        MU_SHED_RING_FULL,
        MU_SHED_WAITING_FULL,
        MU_SHED_NOT_DURABLE,
        MU_SHED_REASON_COUNT,
};

enum mu_refusal {
        MU_REFUSAL_TOKEN_MISSING,
        MU_REFUSAL_TOKEN_UNKNOWN,
        MU_REFUSAL_TOKEN_UNDECIDED, /* unknown, but PostgreSQL's list was not read yet */
        MU_REFUSAL_DEVICE_DELETED,
        MU_REFUSAL_DEVICE_DELETING,
        MU_REFUSAL_RATE_LIMITED,
        MU_REFUSAL_COUNT,
};

struct mu_frontend_cells {
        alignas(MU_CACHELINE_BYTES) struct mu_cell acknowledged;
        struct mu_cell duplicates;
        struct mu_cell late;
        struct mu_cell skewed;
        struct mu_cell quarantined;
        struct mu_cell clones;
        struct mu_cell shed[MU_SHED_REASON_COUNT];
        struct mu_cell rejected[MU_REASON_COUNT];
        struct mu_cell refused[MU_REFUSAL_COUNT];
        struct mu_cell invalid[MU_FIELD_COUNT];
        struct mu_cell abandoned; /* durable, but the client had gone */
};

/* A batch request until its last item has resolved. */
struct mu_batch_wait {
        struct mu_batch_wait *next_free;
        struct mu_pending pending;
        struct mu_device *device;
        uint32_t item_count;
        uint32_t outstanding; /* items without a verdict */
        uint32_t shed_count;
        uint8_t status[MU_BATCH_ITEMS_MAX]; /* enum mu_item_status */
        uint8_t reason[MU_BATCH_ITEMS_MAX]; /* enum mu_wire_reason, of rejected ones */
};

/* A record until its verdict; lies at its ticket's place. */
struct mu_waiting {
        struct mu_pending pending;   /* single heartbeats */
        struct mu_batch_wait *batch; /* NULL for them */
        struct mu_device *device;
        int64_t bucket_s;
        uint32_t invalid;
        uint32_t item;
};

struct mu_frontend {
        struct mu_frontend_shared *shared;
        struct mu_loop *loop;
        struct mu_port *port;
        struct mu_decoder *decoder;
        struct mu_qsbr_reader *reader;
        struct mu_waiting *waiting; /* [ticket & waiting_mask] */
        uint64_t waiting_mask;
        uint64_t committed; /* the last ticket given */
        uint64_t resolved;  /* the last ticket answered */
        struct mu_batch_wait *batches;
        struct mu_batch_wait *batches_free;
        struct mu_histogram *decode_ns;
        struct mu_frontend_cells *cells;
        uint32_t sampled;
        char *batch_reply; /* MU_REPLY_BATCH_BYTES_MAX */
};

static inline struct mu_frontend *mu_frontend_of(const struct mu_request *request)
{
        return mu_loop_user(mu_request_loop(request));
}

/* What becomes of one decoded heartbeat. */
enum mu_accept {
        MU_ACCEPT_WAITING,   /* committed; its place is waiting[ticket] */
        MU_ACCEPT_DUPLICATE, /* acknowledged before */
        MU_ACCEPT_WINDOW,    /* outside the window even after correction */
        MU_ACCEPT_SHED,      /* no room; counted */
};

struct mu_acceptance {
        int64_t received_at_us;
        int32_t clock_offset_s;
        bool backlog;
        bool quarantined;
};

/* Time, dedupe, port. On MU_ACCEPT_WAITING *ret_waiting is this record's, pending, batch and item
 * for the caller to fill in before it returns to the loop. */
MU_MUST_CHECK
enum mu_accept mu_frontend_accept(struct mu_frontend *frontend, struct mu_device *device,
                                  const struct mu_heartbeat *heartbeat,
                                  const struct mu_acceptance *how, struct mu_waiting **ret_waiting);

/* The device's offset for this request, remembered if it changed. newest_ts_us stands for a
 * sent_at that is absent, and is asked for only then. */
int32_t mu_frontend_clock_offset(struct mu_frontend *frontend, struct mu_device *device,
                                 int64_t received_at_us, int64_t sent_at_us);

/* The device of the request's token, or NULL and the request is answered. */
MU_MUST_CHECK
struct mu_device *mu_frontend_authenticate(struct mu_frontend *frontend,
                                           struct mu_request *request);
/* Content type and presence of a body; false: answered. */
MU_MUST_CHECK
bool mu_frontend_expect_json(struct mu_request *request);

void mu_frontend_reply_problem(struct mu_frontend *frontend, struct mu_request *request,
                               const struct mu_wire_problem *problem);
void mu_frontend_reply_heartbeat(struct mu_frontend *frontend, struct mu_request *request,
                                 struct mu_device *device, uint32_t invalid, bool duplicate);
void mu_frontend_reply_shed(struct mu_frontend *frontend, struct mu_request *request,
                            struct mu_device *device, const char *why);
uint32_t mu_frontend_retry_after_s(struct mu_frontend *frontend, struct mu_device *device);

/* receive_batch.c: an item's verdict; the last one sends the reply. */
void mu_frontend_batch_resolved(struct mu_frontend *frontend, const struct mu_waiting *waiting,
                                bool durable);

void mu_frontend_receive_heartbeat(struct mu_request *request, void *ctx);
void mu_frontend_receive_batch(struct mu_request *request, void *ctx);

#endif
