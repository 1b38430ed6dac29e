/* SPDX-License-Identifier: Apache-2.0 */
/* device_list_api.h - GET /admin/devices, /admin/devices.csv, /admin/tags, /admin/sites. */
#ifndef MUSTER_CONTROL_DEVICE_LIST_API_H
#define MUSTER_CONTROL_DEVICE_LIST_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_device_list_endpoints;
extern const struct mu_endpoints mu_device_csv_endpoints;

#endif
