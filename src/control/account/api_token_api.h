/* SPDX-License-Identifier: Apache-2.0 */
/* api_token_api.h - tokens of programs: /admin/api-tokens */
#ifndef MUSTER_CONTROL_ACCOUNT_API_TOKEN_API_H
#define MUSTER_CONTROL_ACCOUNT_API_TOKEN_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_api_token_endpoints;

#endif
