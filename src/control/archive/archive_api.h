/* SPDX-License-Identifier: Apache-2.0 */
/* archive_api.h - /admin/archives: what the archive holds, and what is asked of it. */
#ifndef MUSTER_CONTROL_ARCHIVE_ARCHIVE_API_H
#define MUSTER_CONTROL_ARCHIVE_ARCHIVE_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_archive_endpoints;

#endif
