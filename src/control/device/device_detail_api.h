/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_detail_api.h - one device: GET, PATCH, the end of a quarantine, leave to take it over.
 */
#ifndef MUSTER_CONTROL_DEVICE_DETAIL_API_H
#define MUSTER_CONTROL_DEVICE_DETAIL_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_device_detail_endpoints;
extern const struct mu_endpoints mu_device_change_endpoints;

/* What people write of a device, as JSON of a row: what its ETag is of. */
#define MU_DEVICE_WRITTEN(of)                                                                      \
        "jsonb_build_object('alias', " of ".alias, 'tags', " of ".tags, 'site', " of ".site,"      \
        " 'notes', " of ".notes, 'heartbeat_interval_s', " of ".heartbeat_interval_s)"

/* What GET shows, for replies of changes too; takes the database as the transaction sees it. */
extern const struct mu_shape mu_device_detail_shape;
void mu_device_detail_reply(struct mu_ask *ask, int64_t device_id);

#endif
