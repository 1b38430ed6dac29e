/* SPDX-License-Identifier: Apache-2.0 */
/* register_api.h - POST /v1/register: a device's way in. */
#ifndef MUSTER_CONTROL_REGISTER_API_H
#define MUSTER_CONTROL_REGISTER_API_H

#include <stddef.h>

#include "http/route.h"

extern const struct mu_route *const mu_register_routes;
extern const size_t mu_register_route_count;

#endif
