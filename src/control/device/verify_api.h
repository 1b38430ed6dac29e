/* SPDX-License-Identifier: Apache-2.0 */
/* verify_api.h - /admin/verify: what is stored of a device, for whoever counted what was
 * acknowledged. */
#ifndef MUSTER_CONTROL_VERIFY_API_H
#define MUSTER_CONTROL_VERIFY_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_verify_endpoints;

#endif
