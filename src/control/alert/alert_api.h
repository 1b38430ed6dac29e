/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_api.h - the operations of alerts: what stands, who is told, by which rules.
 *
 * The handlers read what the alert thread wrote, and write what it reads: rules, monitoring,
 * silences, channels. After the commit of such a change they tell it (and the notifier) to read
 * anew. Of incidents they change only what people say: acknowledged, and notes in the thread.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_API_H
#define MUSTER_CONTROL_ALERT_ALERT_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_alert_endpoints;
extern const struct mu_endpoints mu_incident_endpoints;
extern const struct mu_endpoints mu_incident_change_endpoints;
extern const struct mu_endpoints mu_alert_rule_endpoints;
extern const struct mu_endpoints mu_alert_rule_change_endpoints;
extern const struct mu_endpoints mu_monitoring_endpoints;
extern const struct mu_endpoints mu_channel_endpoints;
extern const struct mu_endpoints mu_channel_use_endpoints;
extern const struct mu_endpoints mu_subscription_endpoints;
extern const struct mu_endpoints mu_silence_endpoints;

/* After the commit, the alert thread reads rules and monitoring anew, the notifier channels and
 * silences. */
void mu_alert_rules_changed(struct mu_ask *ask);
void mu_alert_channels_changed(struct mu_ask *ask);

/* Whether the device is there and not deleted, its row locked against deletion; false: answered
 * 404. */
MU_MUST_CHECK
bool mu_alert_require_device(struct mu_ask *ask, int64_t device_id);

#endif
