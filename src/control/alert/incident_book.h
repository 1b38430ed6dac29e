/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incident_book.h - which incident an alert belongs to: its own, or one with many of its place.
 *
 *   fired ─▶ group of (rule, site; without a site: address range)
 *            an incident of the group is open:        JOIN
 *            more than group_devices within window:   OPEN (site, network), MERGE the single ones,
 * JOIN else:                                    OPEN (device), JOIN resolved ─▶ last one of its
 * incident:             CLOSE
 *
 * Only alerts that still fire count towards a group, and only what fired within the window is
 * merged; older single incidents stay. Devices with neither a site nor a known address are a
 * group too ("unknown"): a start just before an outage would else be an incident per device. The
 * appliance's own alerts (device 0) each have an incident of their own, kind 'appliance'.
 *
 * It does nothing but think: the caller writes the operations, in order, in one transaction, and
 * says done. The same history gives the same operations, also when the book was made anew from the
 * database's rows in between (load_incident, load_alert). Work per edge: O(1), with a group
 * that opens O(group_devices). Memory: what stands open.
 *
 * Units      *_us since the Unix epoch; group_window_s.
 * Threads    one.
 * Ownership  Texts are copied. Operations and their texts are the book's, until done.
 * Errors     negative errno; what failed changed nothing.
 */
#ifndef MUSTER_CONTROL_ALERT_INCIDENT_BOOK_H
#define MUSTER_CONTROL_ALERT_INCIDENT_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/alert.h"
#include "muster/compiler.h"

struct mu_incident_book;

enum mu_incident_kind {
        MU_INCIDENT_DEVICE,
        MU_INCIDENT_SITE,
        MU_INCIDENT_NETWORK,
        MU_INCIDENT_APPLIANCE,
        MU_INCIDENT_KIND_COUNT,
};

/* What the group_key of an incident names; of kind 'device': of the group that it would be in. */
enum mu_incident_group {
        MU_GROUP_NONE, /* the appliance */
        MU_GROUP_SITE,
        MU_GROUP_NETWORK,
        MU_GROUP_COUNT,
};

/* As in alert_incidents.kind and .grouped_by ("" for none). */
const char *mu_incident_kind_name(enum mu_incident_kind kind);
MU_MUST_CHECK
int mu_incident_kind_of(const char *name, enum mu_incident_kind *ret_kind); /* -ENOENT */
const char *mu_incident_group_name(enum mu_incident_group group);
MU_MUST_CHECK
int mu_incident_group_of(const char *name, enum mu_incident_group *ret_group); /* -ENOENT */

#define MU_INCIDENT_KEY_BYTES_MAX 512u

struct mu_incident_book_config {
        uint32_t group_devices;  /* more than so many, 1.. */
        uint32_t group_window_s; /* 1.. */
        /* What happens at once to many is found out so much apart: when they fall silent, by their
         * last heartbeats. The window of the offline rule is longer by that. */
        uint32_t offline_spread_s;
        int64_t next_incident_id; /* above every id there ever was */
};

struct mu_incident_alert {
        int64_t alert_id;
        int64_t device_id; /* 0: the appliance */
        enum mu_alert_rule rule;
        enum mu_alert_severity severity;
        const char *site; /* NULL or "": none */
        uint64_t network; /* mu_device.network */
        int64_t at_us;    /* alerts.fired_at */
};

enum mu_incident_op_kind {
        /* A row: incident_id, kind, group, group_key, device_id, rule, severity, at_us. */
        MU_INCIDENT_OPEN,
        /* alert_id belongs to incident_id. */
        MU_INCIDENT_JOIN,
        /* alert_id and its incident from_id go into incident_id: from_id is closed, at_us,
         * merged_into. */
        MU_INCIDENT_MERGE,
        /* alert_count, firing_count and severity (the worst there was) are now so; comes once per
         * incident that changed, behind everything else. */
        MU_INCIDENT_COUNT,
        /* None of its alerts fires: closed, at_us. */
        MU_INCIDENT_CLOSE,
};

struct mu_incident_op {
        enum mu_incident_op_kind op;
        enum mu_incident_kind kind;
        enum mu_incident_group group;
        enum mu_alert_rule rule;
        enum mu_alert_severity severity;
        uint32_t alert_count;
        uint32_t firing_count;
        int64_t incident_id;
        int64_t from_id;
        int64_t alert_id;
        int64_t device_id;
        int64_t at_us;
        const char *group_key; /* "" for the appliance */
};

/* A row of alert_incidents with closed_at NULL. */
struct mu_incident_row {
        int64_t incident_id;
        int64_t device_id;
        enum mu_incident_kind kind;
        enum mu_incident_group group;
        enum mu_alert_rule rule;
        enum mu_alert_severity severity;
        uint32_t alert_count;
        const char *group_key;
};

/* -EINVAL, -ENOMEM. */
MU_MUST_CHECK
int mu_incident_book_create(const struct mu_incident_book_config *config,
                            struct mu_incident_book **ret_book);
void mu_incident_book_destroy(struct mu_incident_book *book); /* NULL is a no-op */

/* After a start, all open incidents and then all firing alerts that have one, each in any order.
 * -EEXIST, -ENOMEM; -EINVAL: the row can't be; -ENOENT: no such incident. */
MU_MUST_CHECK
int mu_incident_book_load_incident(struct mu_incident_book *book,
                                   const struct mu_incident_row *row);
MU_MUST_CHECK
int mu_incident_book_load_alert(struct mu_incident_book *book, int64_t alert_id,
                                int64_t incident_id, int64_t fired_at_us);
/* Loaded: closes what has no firing alert. -ENOMEM. */
MU_MUST_CHECK
int mu_incident_book_settle(struct mu_incident_book *book, int64_t now_us);

/* An alert fires. -EEXIST: it does already; -ENOMEM. */
MU_MUST_CHECK
int mu_incident_book_fired(struct mu_incident_book *book, const struct mu_incident_alert *alert,
                           int64_t *ret_incident_id);
/* It no longer does. -ENOENT: it did not; -ENOMEM. */
MU_MUST_CHECK
int mu_incident_book_resolved(struct mu_incident_book *book, int64_t alert_id, int64_t at_us,
                              int64_t *ret_incident_id);

/* What is to be written since done; NULL and 0 when nothing. Valid until the next call of any of
 * these. Asked again without done, all of it comes again, and what was added. -ENOMEM. */
MU_MUST_CHECK
int mu_incident_book_ops(struct mu_incident_book *book, const struct mu_incident_op **ret_ops,
                         uint32_t *ret_count);
/* They are committed. */
void mu_incident_book_done(struct mu_incident_book *book);

/* Open incidents, firing alerts: for metrics. */
uint32_t mu_incident_book_incident_count(const struct mu_incident_book *book);
uint32_t mu_incident_book_alert_count(const struct mu_incident_book *book);

#endif
