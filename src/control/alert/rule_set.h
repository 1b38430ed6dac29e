/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_set.h - all rows of alert_rules and device_monitoring in memory, and what they come to for
 * each device, worked out once and shared by all devices for which it is the same.
 *
 *   (device, its tags) ─▶ profile: a number ─▶ the rules as they apply
 *
 * A hundred thousand devices with a handful of tags that rules speak of are a handful of profiles;
 * a device with rows of its own has one of its own.
 *
 * Units      as rule.h; threshold_min: minutes.
 * Threads    one thread.
 * Ownership  Rows are copied. What get and monitoring return lives as long as the set.
 * Errors     -ENOMEM.
 */
#ifndef MUSTER_CONTROL_ALERT_RULE_SET_H
#define MUSTER_CONTROL_ALERT_RULE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/rule.h"
#include "muster/compiler.h"

/* The fleet's profile: of a device without tags and rows; the appliance's own rules. */
#define MU_PROFILE_FLEET 0u

struct mu_rule_set;

enum mu_monitoring_column {
        MU_MONITORING_HAS_THRESHOLD = 1u << 0,
        MU_MONITORING_HAS_ENABLED = 1u << 1,
};

/* A row of device_monitoring; device 0: the fleet's. */
struct mu_monitoring_row {
        int64_t device_id;
        uint32_t columns; /* MU_MONITORING_HAS_* */
        uint32_t threshold_min;
        bool enabled;
        const char *package;      /* NULL: as the fleet */
        const char *display_name; /* NULL: as the fleet */
};

/* The service that a device is there for, as it applies. */
struct mu_monitoring {
        bool enabled;             /* unset: where a package is named */
        uint32_t threshold_min;   /* unset: service_down's own threshold */
        const char *package;      /* "": none named */
        const char *display_name; /* unset: the package */
};

MU_MUST_CHECK
int mu_rule_set_create(struct mu_rule_set **ret_set);
void mu_rule_set_destroy(struct mu_rule_set *set); /* NULL is a no-op */

/* In any order, before seal. */
MU_MUST_CHECK
int mu_rule_set_add(struct mu_rule_set *set, const struct mu_rule_layer *layer);
MU_MUST_CHECK
int mu_rule_set_add_monitoring(struct mu_rule_set *set, const struct mu_monitoring_row *row);
MU_MUST_CHECK
int mu_rule_set_seal(struct mu_rule_set *set);

/* The device's profile; tags: one a line ("kiosk\nberlin"), in any order, NULL or "": none. */
MU_MUST_CHECK
int mu_rule_set_profile(struct mu_rule_set *set, int64_t device_id, const char *tags,
                        uint32_t *ret_profile);
const struct mu_rule *mu_rule_set_get(const struct mu_rule_set *set, uint32_t profile,
                                      enum mu_alert_rule rule);
/* Names of the tags that rows speak of, one a line: no other tag matters here. */
const char *mu_rule_set_tags(const struct mu_rule_set *set);

/* profile: the device's own. */
void mu_rule_set_monitoring(const struct mu_rule_set *set, int64_t device_id, uint32_t profile,
                            struct mu_monitoring *ret_monitoring);

#endif
