/* SPDX-License-Identifier: Apache-2.0 */
/* partition_api.h - GET /admin/partitions: the days that PostgreSQL holds, and those ahead. */
#ifndef MUSTER_CONTROL_ARCHIVE_PARTITION_API_H
#define MUSTER_CONTROL_ARCHIVE_PARTITION_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_partition_endpoints;

#endif
