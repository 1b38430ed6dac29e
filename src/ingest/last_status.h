/* SPDX-License-Identifier: Apache-2.0 */
/*
 * last_status.h - of a sorted batch, each device's newest state once.
 *
 * Content comes from the newest observed_at; liveness (received_at, and the clock offset that was
 * in force then) from the newest received_at.
 *
 * Units      *_us since the Unix epoch. Threads: any; pure. Errors: none.
 */
#ifndef MUSTER_INGEST_LAST_STATUS_H
#define MUSTER_INGEST_LAST_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/store.h"
#include "muster/compiler.h"

struct mu_last_status {
        const struct mu_record *content;
        int64_t received_at_us;
        int32_t clock_offset_s;
};

/* The next device among the request's STORE entries. Start with *at = request->first; false at the
 * end. */
MU_MUST_CHECK
bool mu_last_status_next(const struct mu_store_request *request, uint32_t *at,
                         struct mu_last_status *ret_status);

#endif
