/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_store.h - the engine's changes and the book's operations as one transaction; and what
 * stands, read back.
 *
 *   BEGIN; incidents opened; alerts begun, fired, dropped, resolved; merged; counts; closed; their
 *   lines in alert_events; the outbox; COMMIT
 *
 * Each change names the state that it starts from. One that finds another state undoes the whole
 * (-ESTALE): then memory is wrong about the database, and reads it again. So an edge is recorded
 * once, however often it is tried.
 *
 * Units      *_us since the Unix epoch.
 * Threads    that of the connection.
 * Errors     negative errno of pg/error.h; -ESTALE as above. After any of them nothing was changed,
 *            except that after -ENOTCONN nobody knows.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_STORE_H
#define MUSTER_CONTROL_ALERT_ALERT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/alert_engine.h"
#include "control/alert/incident_book.h"
#include "muster/compiler.h"

struct mu_pg;
struct mu_rule_set;

struct mu_alert_batch {
        const struct mu_alert_change *changes;
        const struct mu_incident_op *ops;
        uint32_t change_count;
        uint32_t op_count;
        int64_t now_us;
        int64_t due_us; /* nobody is told of an opened one before */
};

MU_MUST_CHECK
int mu_alert_store_write(struct mu_pg *pg, const struct mu_alert_batch *batch);

/* Above every id there ever was. */
MU_MUST_CHECK
int mu_alert_store_next_ids(struct mu_pg *pg, int64_t *ret_alert_id, int64_t *ret_incident_id);

/* Those that are open; each may fail, which ends it. */
MU_MUST_CHECK
int mu_alert_store_each_incident(struct mu_pg *pg,
                                 int (*each)(void *ctx, const struct mu_incident_row *row),
                                 void *ctx);
/* Those that stand. Rows of a rule that this version does not know are passed over. */
MU_MUST_CHECK
int mu_alert_store_each_alert(struct mu_pg *pg,
                              int (*each)(void *ctx, const struct mu_alert_row *row), void *ctx);

/* Fills a set that is not sealed from alert_rules and device_monitoring. */
MU_MUST_CHECK
int mu_alert_store_read_rules(struct mu_pg *pg, struct mu_rule_set *set);

#endif
