/* SPDX-License-Identifier: Apache-2.0 */
/* register_api.h - POST /v1/register: a device's way in. */
#ifndef MUSTER_CONTROL_REGISTER_API_H
#define MUSTER_CONTROL_REGISTER_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_register_endpoints;

#endif
