/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/incident_view.h"

#include "control/cell.h"

static const struct mu_field INCIDENT_FIELDS[] = {
        MU_ALERT_FIELD("id", MU_FIELD_ID, "The incident."),
        MU_ALERT_FIELD_CHOICE("kind", "device|site|network|appliance",
                              "One device, many of a site or of a network, or the appliance."),
        MU_ALERT_FIELD("group_key", MU_FIELD_TEXT,
                       "The site's name, or the network: \"203.0.113.0/24\"; else empty."),
        MU_ALERT_FIELD_OR_NULL("device_id", MU_FIELD_ID, "Of kind device."),
        MU_ALERT_FIELD_OR_NULL("device_alias", MU_FIELD_TEXT, "What people call the device."),
        MU_ALERT_FIELD_CHOICE("rule", MU_ALERT_RULES, "What it is about."),
        MU_ALERT_FIELD_CHOICE("severity", MU_ALERT_SEVERITIES, "How bad that is."),
        MU_ALERT_FIELD("opened_at", MU_FIELD_TIME, "When it began."),
        MU_ALERT_FIELD("updated_at", MU_FIELD_TIME, "Its newest change."),
        MU_ALERT_FIELD_OR_NULL("closed_at", MU_FIELD_TIME, "When its last alert ended."),
        MU_ALERT_FIELD_OR_NULL("acked_at", MU_FIELD_TIME, "When somebody acknowledged it."),
        MU_ALERT_FIELD_OR_NULL("acked_by", MU_FIELD_TEXT, "Who did."),
        MU_ALERT_FIELD_OR_NULL("ack_note", MU_FIELD_TEXT, "What they said."),
        MU_ALERT_FIELD_OR_NULL("merged_into", MU_FIELD_ID,
                               "The wider incident that it became part of."),
        MU_ALERT_FIELD("version", MU_FIELD_INTEGER, "Counts what people should see."),
        MU_ALERT_FIELD("alert_count", MU_FIELD_INTEGER, "Alerts that were ever part of it."),
        MU_ALERT_FIELD("firing_count", MU_FIELD_INTEGER, "Of those, the ones that fire now."),
};
const struct mu_shape mu_incident_shape = MU_SHAPE("Incident", INCIDENT_FIELDS);

json_t *mu_incident_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_cell_fields(rows, row, 0, &mu_incident_shape, MU_COUNT_OF(INCIDENT_FIELDS));
}

static const struct mu_field NOTIFICATION_FIELDS[] = {
        MU_ALERT_FIELD("id", MU_FIELD_ID, "The notification."),
        MU_ALERT_FIELD_OR_NULL("incident_id", MU_FIELD_ID, "null: a test or a digest."),
        MU_ALERT_FIELD("channel_id", MU_FIELD_ID, "Where to."),
        MU_ALERT_FIELD("channel_name", MU_FIELD_TEXT, "What people call the channel."),
        MU_ALERT_FIELD_CHOICE("channel_kind", "discord|webhook|email", "How it is told."),
        MU_ALERT_FIELD_CHOICE("kind", "opened|updated|closed|test|digest", "What is told."),
        MU_ALERT_FIELD_CHOICE("state", "waiting|sent|failed|dropped",
                              "failed: given up. dropped: silenced, not told before, or another "
                              "one says it."),
        MU_ALERT_FIELD("created_at", MU_FIELD_TIME, "When there was something to tell."),
        MU_ALERT_FIELD("due_at", MU_FIELD_TIME, "It is not tried before."),
        MU_ALERT_FIELD_OR_NULL("finished_at", MU_FIELD_TIME, "When it was sent or given up."),
        MU_ALERT_FIELD("attempt_count", MU_FIELD_INTEGER, "How often it was tried."),
        MU_ALERT_FIELD_OR_NULL("http_status", MU_FIELD_INTEGER, "The newest answer's."),
        MU_ALERT_FIELD_OR_NULL("incident_version", MU_FIELD_INTEGER,
                               "The incident's, when there was something to tell."),
        MU_ALERT_FIELD_OR_NULL("error", MU_FIELD_TEXT, "What went wrong lately."),
};
const struct mu_shape mu_notification_shape = MU_SHAPE("AlertNotification", NOTIFICATION_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        MU_ALERT_FIELD_LIST("notifications", &mu_notification_shape, "Newest first."),
        MU_ALERT_NEXT_CURSOR,
};
const struct mu_shape mu_notification_list_shape = MU_SHAPE("AlertNotifications", LIST_FIELDS);

json_t *mu_notification_json(const struct mu_pg_result *rows, size_t row)
{
        return mu_cell_fields(rows, row, 0, &mu_notification_shape,
                              MU_COUNT_OF(NOTIFICATION_FIELDS));
}
