/* SPDX-License-Identifier: Apache-2.0 */
/* job_api.h - /admin/jobs: scheduled maintenance, how it went, and running it now. */
#ifndef MUSTER_CONTROL_JOB_JOB_API_H
#define MUSTER_CONTROL_JOB_JOB_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_job_endpoints;

#endif
