/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue_private.h - the queue's inside: queue.c takes items in, queue_drain.c gives them out and
 * ends them.
 *
 * Threads    the core's. Errors: negative errno, as store.h.
 */
#ifndef MUSTER_AGENT_CORE_QUEUE_PRIVATE_H
#define MUSTER_AGENT_CORE_QUEUE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/platform.h"
#include "core/queue.h"
#include "core/store_sql.h"
#include "muster/compiler.h"

#define MU_AGENT_FACT_DELIVERED_ID "queue_delivered_id"
#define MU_AGENT_FACT_DELIVERED_BUCKET "queue_delivered_bucket"

/* Their texts stand in queue.c. */
enum mu_agent_queue_statement {
        LAST_ID,
        TOTALS,
        FIND,
        INSERT,
        REPLACE,
        HEARTBEATS,
        PEEK,
        NEWEST,
        RESULT_AFTER,
        FIND_ID,
        REDATE,
        REKEY,
        FREEZE,
        DELETE,
        ADD_ASIDE,
        TRIM_ASIDE,
        COUNT_ASIDE,
        LIST_ASIDE,
        DATE_EARLIER,
        DATE_OURS,
        EXPIRE_EARLIER,
        EXPIRE_OURS,
        STATEMENTS,
};

/* What mu_agent_queue_seq() gave for the reading that the caller is about to write. */
struct mu_agent_queue_pending {
        bool given;
        int64_t bucket_s;
        int64_t seq;
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
};

struct mu_agent_queue_totals {
        int64_t count;
        int64_t bytes;
        int64_t oldest_id;
        int64_t oldest_us;
};

struct mu_agent_queue {
        struct mu_agent_store *store;
        struct mu_agent_events *events;
        const struct mu_agent_clock_sync *clock;
        int64_t last_run_id;
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
        int64_t seq;                              /* the boot's last */
        char boot_id_now[MU_AGENT_BOOT_ID_BYTES]; /* as seq() was asked for last */
        struct mu_agent_queue_pending pending;
        /* Of the delivered heartbeats the one that was queued last; id 0: none. */
        int64_t delivered_id;
        int64_t delivered_bucket_s;
        size_t under_way_count;
        int64_t under_way[MU_AGENT_QUEUE_ITEMS_MAX];
        sqlite3_stmt *statements[STATEMENTS];
};

MU_MUST_CHECK
int mu_agent_queue_totals(struct mu_agent_queue *queue, enum mu_agent_item_kind kind,
                          struct mu_agent_queue_totals *ret_totals);
MU_MUST_CHECK
int mu_agent_queue_delete(struct mu_agent_queue *queue, int64_t id);
/* Was it given to freeze(), and not yet to settle()? */
bool mu_agent_queue_is_under_way(const struct mu_agent_queue *queue, int64_t id);
/* Elapsed time, µs. */
int64_t mu_agent_queue_mono_us(const struct mu_agent_queue *queue);
/* The device's clock against the elapsed time: another value is another clock. */
int64_t mu_agent_queue_clock_us(const struct mu_agent_queue *queue);

#endif
