/* SPDX-License-Identifier: Apache-2.0 */
/* user_api.h - people, for administrators: /admin/users */
#ifndef MUSTER_CONTROL_ACCOUNT_USER_API_H
#define MUSTER_CONTROL_ACCOUNT_USER_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_user_endpoints;

#endif
