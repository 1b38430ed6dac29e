/* SPDX-License-Identifier: Apache-2.0 */
/* status_at_api.h - /admin/status: the fleet as it was at a moment, and counted. */
#ifndef MUSTER_CONTROL_STATUS_AT_API_H
#define MUSTER_CONTROL_STATUS_AT_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_status_at_endpoints;

#endif
