/* SPDX-License-Identifier: Apache-2.0 */
/* device_history_api.h - what a device reported: series for charts, changes of state, raw rows. */
#ifndef MUSTER_CONTROL_DEVICE_HISTORY_API_H
#define MUSTER_CONTROL_DEVICE_HISTORY_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_device_history_endpoints;

#endif
