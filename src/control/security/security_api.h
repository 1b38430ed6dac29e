/* SPDX-License-Identifier: Apache-2.0 */
/* security_api.h - /admin/security: who was held up, and what looked like an attack. */
#ifndef MUSTER_CONTROL_SECURITY_API_H
#define MUSTER_CONTROL_SECURITY_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_security_endpoints;

#endif
