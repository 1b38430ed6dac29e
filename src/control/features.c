/* SPDX-License-Identifier: Apache-2.0 */
/* features.c - every operation of the control plane: a line for each table of endpoints. */
#include "base/assert.h"
#include "control/account/api_token_api.h"
#include "control/account/login_api.h"
#include "control/account/reset_api.h"
#include "control/account/self_api.h"
#include "control/account/user_api.h"
#include "control/account/view_api.h"
#include "control/alert/alert_api.h"
#include "control/archive/archive_api.h"
#include "control/archive/partition_api.h"
#include "control/audit/audit_api.h"
#include "control/backup/backup_api.h"
#include "control/command/command_api.h"
#include "control/device/device_api.h"
#include "control/device/device_detail_api.h"
#include "control/device/device_history_api.h"
#include "control/device/device_list_api.h"
#include "control/device/selection_api.h"
#include "control/device/verify_api.h"
#include "control/doctor/doctor_api.h"
#include "control/endpoint.h"
#include "control/enroll/enrolment_token_api.h"
#include "control/enroll/register_api.h"
#include "control/job/job_api.h"
#include "control/openapi/openapi.h"
#include "control/security/security_api.h"
#include "control/status/status_at_api.h"

/* clang-format off */
static const struct mu_endpoints *const features[] = {
        &mu_register_endpoints,
        &mu_enrolment_token_endpoints,
        &mu_device_endpoints,
        &mu_verify_endpoints,
        &mu_security_endpoints,
        &mu_audit_endpoints,
        &mu_login_endpoints,
        &mu_self_endpoints,
        &mu_view_endpoints,
        &mu_reset_endpoints,
        &mu_user_endpoints,
        &mu_api_token_endpoints,
        &mu_command_endpoints,
        &mu_command_bulk_endpoints,
        &mu_command_device_endpoints,
        &mu_device_list_endpoints,
        &mu_device_csv_endpoints,
        &mu_device_detail_endpoints,
        &mu_device_change_endpoints,
        &mu_device_history_endpoints,
        &mu_selection_endpoints,
        &mu_bulk_endpoints,
        &mu_job_endpoints,
        &mu_archive_endpoints,
        &mu_partition_endpoints,
        &mu_backup_endpoints,
        &mu_doctor_endpoints,
        &mu_status_at_endpoints,
        &mu_alert_endpoints,
        &mu_incident_endpoints,
        &mu_incident_change_endpoints,
        &mu_alert_rule_endpoints,
        &mu_alert_rule_change_endpoints,
        &mu_monitoring_endpoints,
        &mu_channel_endpoints,
        &mu_channel_use_endpoints,
        &mu_subscription_endpoints,
        &mu_silence_endpoints,
        &mu_openapi_endpoints,
};
/* clang-format on */

size_t mu_endpoint_count(const struct mu_control *control)
{
        size_t count = 0;

        (void)control;
        for (size_t i = 0; i < MU_COUNT_OF(features); i++)
                count += features[i]->count;
        return count;
}

const struct mu_endpoint *mu_endpoint_at(const struct mu_control *control, size_t index)
{
        MU_ASSERT(index < mu_endpoint_count(control));
        for (size_t i = 0; i < MU_COUNT_OF(features); i++) {
                if (index < features[i]->count)
                        return &features[i]->rows[index];
                index -= features[i]->count;
        }
        return NULL;
}
