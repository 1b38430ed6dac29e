/* SPDX-License-Identifier: Apache-2.0 */
/* reset_api.h - forgotten passwords: POST /api/auth/reset-request, /api/auth/reset */
#ifndef MUSTER_CONTROL_ACCOUNT_RESET_API_H
#define MUSTER_CONTROL_ACCOUNT_RESET_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_reset_endpoints;

#endif
