/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_engine.h - what stands, in memory and in the database, and how the one follows the other.
 *
 *   judged values, silences ─▶ machine per (device, rule) ─▶ differs from its row? ─▶ queue
 *   queue ─▶ take: changes, incidents' operations ─▶ one transaction ─▶ committed: row = machine
 *
 * A queue of what differs, not of what happened: what changes while PostgreSQL is away takes a
 * place once, and what has changed back by then is no change. After a transaction that failed, or
 * whose end nobody knows, the rows are loaded again and what still differs is written.
 *
 * It has no clock, no thread and no database: the same inputs give the same changes, also with
 * restarts (load) in between.
 *
 * Units      as alert_machine.h.
 * Threads    one.
 * Ownership  Changes are the engine's until committed or the next input. The book is lent.
 * Errors     -ENOMEM from inputs: what was judged is lost, and judged again with the next value.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_ENGINE_H
#define MUSTER_CONTROL_ALERT_ALERT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/alert/alert.h"
#include "control/alert/alert_machine.h"
#include "control/alert/rule.h"
#include "muster/compiler.h"

#define MU_ENGINE_APPLIANCE UINT32_MAX /* the index of device 0 */

struct mu_alert_engine;
struct mu_incident_book;

struct mu_alert_engine_config {
        /* As the rule applies to the device. */
        const struct mu_rule *(*rule)(void *ctx, uint32_t device, enum mu_alert_rule rule);
        /* Where it is: "" and 0 where nothing is known. */
        void (*place)(void *ctx, uint32_t device, const char **ret_site, uint64_t *ret_network);
        void *ctx;
};

/* Something that was judged. */
struct mu_reading {
        enum mu_alert_rule rule;
        enum mu_condition condition;
        int64_t value;
        int64_t threshold;
        bool has_value;     /* value and threshold mean something */
        const char *detail; /* a JSON object, or NULL; copied */
        int64_t age_ms;     /* since it was so */
        int64_t fresh_ms;   /* for so long since then it counts when time goes by */
};

/* A row of alerts that stands. */
struct mu_alert_row {
        int64_t alert_id;
        int64_t device_id;
        int64_t incident_id; /* 0: none */
        int64_t pending_us;
        int64_t fired_us;    /* 0: it has not */
        int64_t clearing_us; /* 0: it is not */
        uint32_t episode;
        enum mu_alert_rule rule;
        enum mu_alert_state state; /* pending or firing */
        enum mu_alert_severity severity;
};

enum mu_change_kind {
        MU_CHANGE_BEGIN,        /* none ─▶ pending: a new row */
        MU_CHANGE_BEGIN_FIRING, /* none ─▶ firing: a new row */
        MU_CHANGE_FIRE,         /* pending ─▶ firing */
        MU_CHANGE_DROP,         /* pending ─▶ none: the row goes */
        MU_CHANGE_RESOLVE,      /* firing ─▶ none */
        MU_CHANGE_CLEARING,     /* firing: clearing began, or is off */
};

struct mu_alert_change {
        enum mu_change_kind kind;
        enum mu_alert_rule rule;
        enum mu_alert_severity severity;
        int64_t alert_id;
        int64_t device_id;
        int64_t incident_id; /* fired, resolved; for alerts merged in this batch see the operations
                              */
        int64_t pending_us;
        int64_t fired_us;
        int64_t resolved_us;
        int64_t clearing_us; /* 0: it is not */
        int64_t value;
        int64_t threshold;
        bool has_value;
        bool quiet;              /* nobody needs to be told of the end */
        const char *detail;      /* NULL: none */
        const char *resolved_by; /* of RESOLVE */
        uint32_t device;
};

MU_MUST_CHECK
int mu_alert_engine_create(const struct mu_alert_engine_config *config,
                           struct mu_alert_engine **ret_engine);
void mu_alert_engine_destroy(struct mu_alert_engine *engine); /* NULL is a no-op */

/* ---- inputs ---- */

/* ret_edge (may be NULL): what it did. */
MU_MUST_CHECK
int mu_alert_engine_judge(struct mu_alert_engine *engine, uint32_t device, int64_t device_id,
                          const struct mu_reading *reading, struct mu_moment now,
                          enum mu_alert_edge *ret_edge);
/* What stands of it ends; by: as alerts.resolved_by, a literal. quiet: nobody is told. */
void mu_alert_engine_end(struct mu_alert_engine *engine, uint32_t device, enum mu_alert_rule rule,
                         const char *by, bool quiet, struct mu_moment now);
/* Holds that are over have their effect. */
void mu_alert_engine_mature(struct mu_alert_engine *engine, struct mu_moment now);
/* NONE: nothing stands. */
enum mu_alert_state mu_alert_engine_state(const struct mu_alert_engine *engine, uint32_t device,
                                          enum mu_alert_rule rule);
/* Calls each for all that stands in memory; each may end what it is called for. */
void mu_alert_engine_walk(struct mu_alert_engine *engine,
                          void (*each)(void *ctx, uint32_t device, int64_t device_id,
                                       enum mu_alert_rule rule),
                          void *ctx);

/* ---- rows ---- */

/* Rows are about to be loaded: until then nothing is known of the database. */
void mu_alert_engine_begin_load(struct mu_alert_engine *engine, struct mu_incident_book *book,
                                int64_t next_alert_id);
/* A row, by ascending id; of what memory knows nothing the row is believed (*ret_adopted). */
MU_MUST_CHECK
int mu_alert_engine_load(struct mu_alert_engine *engine, uint32_t device,
                         const struct mu_alert_row *row, struct mu_moment now, bool *ret_adopted);
/* All were loaded: what differs is queued. */
void mu_alert_engine_end_load(struct mu_alert_engine *engine);

/* ---- changes ---- */

/* The next up to changes_max; the book has heard of them, too. 0: memory and database agree. */
MU_MUST_CHECK
int mu_alert_engine_take(struct mu_alert_engine *engine, uint32_t changes_max,
                         const struct mu_alert_change **ret_changes, uint32_t *ret_count);
/* What take gave is in the database. */
void mu_alert_engine_committed(struct mu_alert_engine *engine);

/* The database refuses the one change that take gave, for its data: it is not tried again before
 * the alert fires or ends the next time. The rows are to be loaded anew. */
void mu_alert_engine_set_aside(struct mu_alert_engine *engine);

/* At most as many as there are devices times rules. */
uint32_t mu_alert_engine_waiting(const struct mu_alert_engine *engine);
/* Of all rules, as in memory. */
void mu_alert_engine_firing(const struct mu_alert_engine *engine,
                            uint32_t ret_counts[MU_RULE_COUNT]);

#endif
