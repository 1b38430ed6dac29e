/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_table.h - who may report: every device and token, in memory, read without a lock.
 *
 *   digest ──▶ open-addressed table of token pointers ──▶ token ──▶ device (64-byte aligned)
 *   device id ──▶ radix directory ─────────────────────────────────▶ device
 *
 * Devices are never freed and their index is never reused, so (index, bucket) names a heartbeat for
 * the life of the process and a tombstone stays a tombstone. Tokens and outgrown tables are freed
 * through QSBR once every frontend has passed a quiescent point.
 *
 * A replaced token stays valid until the new one is first used: each token carries a generation,
 * each device the smallest one still valid; first use raises it.
 *
 * Units      *_ms: CLOCK_MONOTONIC; *_s: seconds.
 * Threads    resolve, by_id, at, note and the mu_device_* helpers: any thread; resolve between two
 *            quiescent points of a registered QSBR reader. peek, add, add_token, drop_tokens: one
 *            at a time, under mu_device_table_lock (control plane and keeper, never a frontend).
 * Ordering   A device is complete before a token or the directory shows it (release/acquire).
 * Ownership  The table owns everything it returns, until destroy. mu_device_take_events takes
 *            devices of a table alone.
 * Errors     negative errno.
 */
#ifndef MUSTER_IDENTITY_DEVICE_TABLE_H
#define MUSTER_IDENTITY_DEVICE_TABLE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "identity/token.h"
#include "muster/compiler.h"

struct mu_names;
struct mu_qsbr;
struct mu_device_table;

#define MU_DEVICE_ID_MAX (((int64_t)1 << 39) - 1) /* what the directory can hold */
#define MU_DEVICES_MAX (1u << 28)

enum mu_device_state {
        MU_DEVICE_LIVE,
        MU_DEVICE_QUARANTINED, /* stored and flagged; commands withheld */
        MU_DEVICE_DELETING,    /* asked for, not yet in the database: answered 503 */
        MU_DEVICE_DELETED,     /* 410 for ever */
};

/* What a frontend noticed and the keeper has to write down. */
enum mu_device_event {
        MU_EVENT_FIRST_SEEN = 1u << 0,
        MU_EVENT_TOKEN_USED = 1u << 1,
        MU_EVENT_CLOCK_OFFSET = 1u << 2,
        MU_EVENT_QUARANTINED = 1u << 3,
        MU_EVENT_CHANGED = 1u << 4, /* control plane: write it to the snapshot */
};

/* One boot of a device as the clone detector remembers it (clone.h). */
struct mu_boot_trace {
        uint64_t boot_hash; /* 0: none */
        int64_t ts_us;
        int64_t seq;
};

struct mu_device {
        alignas(MU_CACHELINE_BYTES) int64_t id;
        uint32_t index;
        _Atomic uint32_t state; /* enum mu_device_state */
        _Atomic uint32_t generation_min;
        _Atomic int32_t clock_offset_s;
        _Atomic uint32_t interval_s;  /* 0: the fleet's default */
        _Atomic uint32_t announced_s; /* last next_heartbeat_in_s or Retry-After told to it */
        _Atomic uint64_t stamp_ms;    /* last request whose token resolved; 0: none since start */
        _Atomic uint32_t commands_pending;
        _Atomic uint64_t network; /* device_network.h: where its last request came from */
        _Atomic uint64_t glance;  /* glance.h */

        alignas(MU_CACHELINE_BYTES) atomic_flag clone_busy;
        _Atomic bool seen;    /* has made an authenticated request, ever */
        _Atomic uint8_t kind; /* enum mu_device_kind */
        uint8_t clone_evidence;
        _Atomic uint32_t received_s;   /* glance.h: newest stored heartbeat; 0: none known */
        struct mu_boot_trace boots[2]; /* [0]: the newest */
        struct mu_token *tokens;       /* newest first; under the table's lock */
};

_Static_assert(sizeof(struct mu_device) == 2 * MU_CACHELINE_BYTES, "a heartbeat touches two lines");

struct mu_token {
        struct mu_digest digest;
        struct mu_device *device;
        struct mu_token *next; /* the device's next older one; under the table's lock */
        uint32_t generation;
        _Atomic bool used;
};

/* qsbr outlives the table. */
MU_MUST_CHECK
int mu_device_table_create(struct mu_qsbr *qsbr, struct mu_device_table **ret_table);
void mu_device_table_destroy(struct mu_device_table *table);

/* The valid token's device, whatever its state, or NULL when no valid token has this digest. Marks
 * the token used and the device seen, and stamps it. */
MU_MUST_CHECK
struct mu_device *mu_device_table_resolve(struct mu_device_table *table,
                                          const struct mu_digest *digest, uint64_t now_ms);

/* The same look without a trace: nothing is marked, nothing stamped. Under the table's lock. */
MU_MUST_CHECK
const struct mu_device *mu_device_table_peek(const struct mu_device_table *table,
                                             const struct mu_digest *digest);

MU_MUST_CHECK
struct mu_device *mu_device_table_by_id(const struct mu_device_table *table, int64_t device_id);
static inline enum mu_device_state mu_device_state(const struct mu_device *device)
{
        return (enum mu_device_state)atomic_load_explicit(&device->state, memory_order_acquire);
}

uint32_t mu_device_table_count(const struct mu_device_table *table);
uint32_t mu_device_table_token_count(const struct mu_device_table *table);
/* The agent versions that devices reported (glance.h). */
struct mu_names *mu_device_table_versions(const struct mu_device_table *table);
/* index < count at some earlier moment. */
struct mu_device *mu_device_table_at(const struct mu_device_table *table, uint32_t index);

/* 401 and 410 may be given only once PostgreSQL's list was read by this process. */
bool mu_device_table_authoritative(const struct mu_device_table *table);
void mu_device_table_set_authoritative(struct mu_device_table *table);

void mu_device_table_lock(struct mu_device_table *table);
void mu_device_table_unlock(struct mu_device_table *table);

/* A device not yet known (else the known one is returned with 0). -ERANGE, -ENOSPC, -ENOMEM. */
MU_MUST_CHECK
int mu_device_table_add(struct mu_device_table *table, int64_t device_id,
                        struct mu_device **ret_device);
/* -EEXIST when the digest is there already, for this or another device. */
MU_MUST_CHECK
int mu_device_table_add_token(struct mu_device_table *table, struct mu_device *device,
                              const struct mu_digest *digest, uint32_t generation, bool used);
/* Takes out the device's tokens of generations below its generation_min. The number taken. */
uint32_t mu_device_table_drop_tokens(struct mu_device_table *table, struct mu_device *device);
/* Notes an event for the keeper; lock-free, any thread. */
void mu_device_table_note(struct mu_device_table *table, struct mu_device *device, uint32_t events);
/* Keeper only: takes the devices with events; walk by mu_device_take_events. */
struct mu_device *mu_device_table_take(struct mu_device_table *table);
/* The device's events, cleared; *ret_next is the next device taken. */
uint32_t mu_device_take_events(struct mu_device *device, struct mu_device **ret_next);
/* Readable when events were noted since the keeper last drained it. */
int mu_device_table_eventfd(const struct mu_device_table *table);

#endif
