/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_api.h - GET /admin/doctor: every check, also while PostgreSQL is away.
 *
 * Threads    any worker.
 */
#ifndef MUSTER_CONTROL_DOCTOR_API_H
#define MUSTER_CONTROL_DOCTOR_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_doctor_endpoints;

#endif
