/* SPDX-License-Identifier: Apache-2.0 */
/* device_api.h - /admin/devices: what the data plane needs before the console exists. */
#ifndef MUSTER_CONTROL_DEVICE_API_H
#define MUSTER_CONTROL_DEVICE_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_device_endpoints;

#endif
