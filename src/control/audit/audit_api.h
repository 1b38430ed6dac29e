/* SPDX-License-Identifier: Apache-2.0 */
/* audit_api.h - /admin/audit: who changed what, and whether that can be believed. */
#ifndef MUSTER_CONTROL_AUDIT_API_H
#define MUSTER_CONTROL_AUDIT_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_audit_endpoints;

#endif
