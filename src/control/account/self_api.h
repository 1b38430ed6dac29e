/* SPDX-License-Identifier: Apache-2.0 */
/* self_api.h - what signed-in people do about their own account: GET /api/auth/me, … */
#ifndef MUSTER_CONTROL_ACCOUNT_SELF_API_H
#define MUSTER_CONTROL_ACCOUNT_SELF_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_self_endpoints;

#endif
