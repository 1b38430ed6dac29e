/* SPDX-License-Identifier: Apache-2.0 */
/* enrolment_token_api.h - /admin/enrolment-tokens: making tokens that let devices in. */
#ifndef MUSTER_CONTROL_ENROLMENT_TOKEN_API_H
#define MUSTER_CONTROL_ENROLMENT_TOKEN_API_H

#include <stddef.h>

#include "http/route.h"

extern const struct mu_route *const mu_enrolment_token_routes;
extern const size_t mu_enrolment_token_route_count;

#endif
