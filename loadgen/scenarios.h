/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenarios.h - the loads, each a way to decide what to send next.
 */
#ifndef LOADGEN_SCENARIOS_H
#define LOADGEN_SCENARIOS_H

#include "worker.h"

extern const struct mu_lg_scenario mu_lg_scenario_register;  /* scenario_register.c */
extern const struct mu_lg_scenario mu_lg_scenario_flood;     /* scenario_flood.c */
extern const struct mu_lg_scenario mu_lg_scenario_fleet;     /* scenario_fleet.c: steady,
                                                                compressed, storm */
extern const struct mu_lg_scenario mu_lg_scenario_backlog;   /* scenario_backlog.c */
extern const struct mu_lg_scenario mu_lg_scenario_malformed; /* scenario_malformed.c */

#endif
