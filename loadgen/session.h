/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - from options to exit code: fleet, registration, load, verification, reports.
 */
#ifndef LOADGEN_SESSION_H
#define LOADGEN_SESSION_H

#include "options.h"

/* The process's exit code; what went wrong stands on standard error. */
int mu_lg_session(const struct mu_lg_options *options);

#endif
