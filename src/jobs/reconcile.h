/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconcile.h - what the reconciliation of device_last_status counts.
 *
 * Threads    the cells: written by the jobs' thread, read by the scraping one.
 * Ownership  cells live in struct mu_jobs. Errors: none.
 */
#ifndef MUSTER_JOBS_RECONCILE_H
#define MUSTER_JOBS_RECONCILE_H

#include "metrics/metrics.h"

enum mu_drift {
        MU_DRIFT_MISSING,  /* heartbeats, but no row */
        MU_DRIFT_LIVENESS, /* received_at is older than the newest received heartbeat's */
        MU_DRIFT_CONTENT,  /* not what the newest observed heartbeat says */
        MU_DRIFT_AHEAD,    /* of a heartbeat that history, which has that day, does not know */
        MU_DRIFT_DELETED,  /* of a device that is deleted or does not exist */
        MU_DRIFTS,
};

struct mu_reconcile_cells {
        struct mu_cell drift[MU_DRIFTS];
        struct mu_cell checked;
};

void mu_reconcile_register(struct mu_metrics *metrics, const struct mu_reconcile_cells *cells);

#endif
