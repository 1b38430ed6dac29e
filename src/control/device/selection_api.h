/* SPDX-License-Identifier: Apache-2.0 */
/* selection_api.h - selections, and what is done to all of one: tags, deletion, purges. */
#ifndef MUSTER_CONTROL_SELECTION_API_H
#define MUSTER_CONTROL_SELECTION_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_selection_endpoints;
extern const struct mu_endpoints mu_bulk_endpoints;

#endif
