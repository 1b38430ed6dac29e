/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_private.h - the engine's parts, for it and control.c. Nobody else includes it. */
#ifndef MUSTER_CONTROL_ENDPOINT_PRIVATE_H
#define MUSTER_CONTROL_ENDPOINT_PRIVATE_H

#include "control/endpoint.h"

struct mu_endpoint_table; /* all rows as routes; outlives the router */

MU_MUST_CHECK
int mu_endpoint_table_create(struct mu_control *control, struct mu_endpoint_table **ret_table);
void mu_endpoint_table_destroy(struct mu_endpoint_table *table); /* NULL is a no-op */
MU_MUST_CHECK
int mu_endpoint_table_add(struct mu_endpoint_table *table, struct mu_router *router);

/* Whether the engine puts a transaction around the handler. */
bool mu_endpoint_is_transaction(const struct mu_endpoint *endpoint);

#endif
