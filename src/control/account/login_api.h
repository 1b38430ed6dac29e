/* SPDX-License-Identifier: Apache-2.0 */
/* login_api.h - signing in, staying in, signing out: POST /api/auth/login, refresh, logout, … */
#ifndef MUSTER_CONTROL_ACCOUNT_LOGIN_API_H
#define MUSTER_CONTROL_ACCOUNT_LOGIN_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_login_endpoints;

#endif
