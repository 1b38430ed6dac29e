/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_fleet.h - what the alert thread knows of each device besides what it reports: its site, and
 * which rules apply to it.
 *
 * Units      device: index in the device table.
 * Threads    one.
 * Ownership  The device table is lent. What site and rule return lives until the next read.
 * Errors     negative errno of pg/error.h, or -ENOMEM; what was read until then stays.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_FLEET_H
#define MUSTER_CONTROL_ALERT_ALERT_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/alert/rule_set.h"
#include "muster/compiler.h"

struct mu_alert_fleet;
struct mu_device_table;
struct mu_pg;

/* Begins with the rules as they are built in. */
MU_MUST_CHECK
int mu_alert_fleet_create(const struct mu_device_table *devices, struct mu_alert_fleet **ret_fleet);
void mu_alert_fleet_destroy(struct mu_alert_fleet *fleet); /* NULL is a no-op */

/* Rules, monitoring and all devices anew. */
MU_MUST_CHECK
int mu_alert_fleet_read(struct mu_alert_fleet *fleet, struct mu_pg *pg);
/* These devices anew. */
MU_MUST_CHECK
int mu_alert_fleet_read_devices(struct mu_alert_fleet *fleet, struct mu_pg *pg,
                                const int64_t *device_ids, size_t count);

/* "": none. */
const char *mu_alert_fleet_site(const struct mu_alert_fleet *fleet, uint32_t device);
/* device: or MU_ENGINE_APPLIANCE. */
const struct mu_rule *mu_alert_fleet_rule(const struct mu_alert_fleet *fleet, uint32_t device,
                                          enum mu_alert_rule rule);
void mu_alert_fleet_monitoring(const struct mu_alert_fleet *fleet, uint32_t device,
                               int64_t device_id, struct mu_monitoring *ret_monitoring);
/* Devices below this index may have rules that are not the fleet's. */
uint32_t mu_alert_fleet_count(const struct mu_alert_fleet *fleet);

#endif
