/* SPDX-License-Identifier: Apache-2.0 */
/* verify_api.h - /admin/verify: what is stored of a device, for whoever counted what was
 * acknowledged. */
#ifndef MUSTER_CONTROL_VERIFY_API_H
#define MUSTER_CONTROL_VERIFY_API_H

#include <stddef.h>

#include "http/route.h"

extern const struct mu_route *const mu_verify_routes;
extern const size_t mu_verify_route_count;

#endif
