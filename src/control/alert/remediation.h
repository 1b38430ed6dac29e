/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remediation.h - service_down where the device's monitoring has auto_remediate: the appliance
 * sends relaunch_app, a few times, and what came of it stands in the incident's thread.
 *
 *   firing ─▶ try 1 ─ 2 min ─▶ try 2 ─ 10 min ─▶ try 3 ─ 30 min ─▶ gave up
 *               └ done | failed | expired | cancelled: a line each, and an 'updated' to the
 * channels resolved after a done one: the thread says so
 *
 * The wait counts from the end of the command before. None goes out while one is under way, while
 * the device is offline (that alert fires), in quarantine or deleted, or while monitoring is off.
 * All that is known stands in the alert's row (remedy_*), changed in the same transaction as the
 * command is queued: killed anywhere, no command is sent twice and none is forgotten.
 *
 * Lines of the thread (alert_events): remedy_sent, remedy_done, remedy_failed, remedy_gave_up
 * (alone without a command), remedy_worked, remedy_cancelled (the alert was over before it went
 * out). detail: {"command_id": "77", "try": 1, "of": 3, "package": "…", "state":
 * "done|failed|expired|cancelled|gone", "error": "…"}, what there is of it.
 *
 * Units      *_us since the Unix epoch.
 * Threads    the alert thread's: it alone moves alerts.
 * Ownership  config's pointers are lent.
 * Errors     negative errno as in pg/error.h; on error nothing was changed.
 */
#ifndef MUSTER_CONTROL_ALERT_REMEDIATION_H
#define MUSTER_CONTROL_ALERT_REMEDIATION_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_bus;
struct mu_clock;
struct mu_dispatcher;
struct mu_notifier;
struct mu_pg;

enum {
        MU_REMEDY_TRIES_MAX = 3,
};

struct mu_remedy_config {
        struct mu_dispatcher *dispatcher; /* told of commands after the commit; NULL: nobody */
        struct mu_notifier *notifier;     /* NULL: nobody */
        struct mu_bus *bus;               /* NULL: nobody */
        const struct mu_clock *clock;
};

/* Looks at all of it, in a transaction of its own, and tells after the commit: every few seconds,
 * and right after a commit with edges of service_down. Nothing to do: no transaction is written.
 * *ret_more (may be NULL): there was more than one round takes; call again. */
MU_MUST_CHECK
int mu_remedy_round(const struct mu_remedy_config *config, struct mu_pg *pg, bool *ret_more);

#endif
