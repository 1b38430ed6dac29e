/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_settings.h - what was set for a device alone and goes with it: rules, monitoring,
 * silences. Data-modifying WITH queries, for statements that delete devices.
 */
#ifndef MUSTER_CONTROL_DEVICE_SETTINGS_H
#define MUSTER_CONTROL_DEVICE_SETTINGS_H

/* of: SQL behind device_id, "= $1" or "IN (SELECT ...)". Ends without a comma. */
#define MU_DEVICE_DROP_SETTINGS(of)                                                                \
        " rules AS (DELETE FROM alert_rules WHERE scope = 'device' AND device_id " of "),"         \
        " monitoring AS (DELETE FROM device_monitoring WHERE device_id " of "),"                   \
        " silences AS (DELETE FROM alert_silences WHERE device_id " of ")"

#endif
