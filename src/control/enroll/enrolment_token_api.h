/* SPDX-License-Identifier: Apache-2.0 */
/* enrolment_token_api.h - /admin/enrolment-tokens: making tokens that let devices in. */
#ifndef MUSTER_CONTROL_ENROLMENT_TOKEN_API_H
#define MUSTER_CONTROL_ENROLMENT_TOKEN_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_enrolment_token_endpoints;

#endif
