/* SPDX-License-Identifier: Apache-2.0 */
/* openapi_private.h - what the files of this folder share. */
#ifndef MUSTER_CONTROL_OPENAPI_PRIVATE_H
#define MUSTER_CONTROL_OPENAPI_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/openapi/openapi.h"

enum mu_openapi_limits {
        MU_OPENAPI_PROBLEMS_MAX = 16,
};

struct mu_openapi {
        char *json;
        size_t json_bytes;
        char *page;
        size_t page_bytes;
};

/* Whether the operation honours Idempotency-Key. */
bool mu_openapi_takes_key(const struct mu_endpoint *endpoint);
/* Whether it heeds If-Match. */
bool mu_openapi_takes_tag(const struct mu_endpoint *endpoint);
/* The statuses that problems come with, at most MU_OPENAPI_PROBLEMS_MAX; how many. */
uint32_t mu_openapi_problems(const struct mu_endpoint *endpoint, int *ret_statuses);

/* Operations that are no endpoint rows: heartbeats, WebSockets, probes. */
extern const struct mu_endpoints mu_openapi_others;
/* The heartbeat's keys stand in wire/field.h; this shape only has its name. */
extern const struct mu_shape mu_openapi_heartbeat;

size_t mu_openapi_operation_count(const struct mu_control *control);
const struct mu_endpoint *mu_openapi_operation(const struct mu_control *control, size_t index);

/* The schema of a shape, and of all those it names, into schemas; {"$ref":…}, or NULL. */
json_t *mu_openapi_shape(json_t *schemas, const struct mu_shape *shape);
/* The schema of one field. */
json_t *mu_openapi_field(json_t *schemas, const struct mu_field *field);

/* A sentence on who may: role, scope, other credentials. */
void mu_openapi_access(const struct mu_endpoint *endpoint, struct mu_text *text);

/* The readable page. */
MU_MUST_CHECK
int mu_openapi_page(const struct mu_control *control, struct mu_text *text);

extern const char mu_openapi_intro[]; /* paragraphs, separated by an empty line */

#endif
