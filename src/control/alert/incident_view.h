/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incident_view.h - incidents and notifications as operators see them (private to this folder).
 *
 * Threads    a handler's worker. Ownership: references are the caller's. Errors: NULL: no memory.
 */
#ifndef MUSTER_CONTROL_ALERT_INCIDENT_VIEW_H
#define MUSTER_CONTROL_ALERT_INCIDENT_VIEW_H

#include "control/alert/alert_view.h"

/* Of alert_incidents i LEFT JOIN devices d. */
#define MU_INCIDENT_COLUMNS                                                                        \
        "i.id, i.kind, i.group_key, i.device_id, d.alias, i.rule, i.severity, i.opened_at,"        \
        " i.updated_at, i.closed_at, i.acked_at, i.acked_by, i.ack_note, i.merged_into, "          \
        "i.version,"                                                                               \
        " i.alert_count, i.firing_count"
#define MU_INCIDENT_FROM " FROM alert_incidents i LEFT JOIN devices d ON d.id = i.device_id"

extern const struct mu_shape mu_incident_shape;
json_t *mu_incident_json(const struct mu_pg_result *rows, size_t row);

/* Of alert_notifications n JOIN alert_channels c. */
#define MU_NOTIFICATION_COLUMNS                                                                    \
        "n.id, n.incident_id, n.channel_id, c.name, c.kind, n.kind, n.state, n.created_at,"        \
        " greatest(n.due_at, n.created_at), n.finished_at, n.attempt_count, n.http_status, "       \
        "n.incident_version, n.error"
#define MU_NOTIFICATION_FROM                                                                       \
        " FROM alert_notifications n JOIN alert_channels c ON c.id = n.channel_id"

extern const struct mu_shape mu_notification_shape;
extern const struct mu_shape mu_notification_list_shape;
json_t *mu_notification_json(const struct mu_pg_result *rows, size_t row);

#endif
