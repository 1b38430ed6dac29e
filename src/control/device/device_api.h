/* SPDX-License-Identifier: Apache-2.0 */
/* device_api.h - /admin/devices: what the data plane needs before the console exists. */
#ifndef MUSTER_CONTROL_DEVICE_API_H
#define MUSTER_CONTROL_DEVICE_API_H

#include <stddef.h>

#include "http/route.h"

extern const struct mu_route *const mu_device_routes;
extern const size_t mu_device_route_count;

#endif
