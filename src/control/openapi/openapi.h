/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi.h - the API's description, made from the tables that serve it, so that it can't drift.
 *
 *   endpoint rows (control) ─┐
 *                            ├─▶ OpenAPI 3.1 ─▶ /api/openapi.json
 *   openapi_others.c: what ──┘        └──────▶ /api/docs, a page that needs no script and no
 * network is not an endpoint row
 *
 * A test compares the description with the routes that are really there (musterd --routes).
 *
 * Threads    create: one, at start. The rest: any; what they return never changes.
 * Ownership  The object owns both texts.
 * Errors     -ENOMEM.
 */
#ifndef MUSTER_CONTROL_OPENAPI_H
#define MUSTER_CONTROL_OPENAPI_H

#include <jansson.h>
#include <stddef.h>

#include "control/endpoint.h"
#include "muster/compiler.h"

struct mu_control;
struct mu_openapi;

MU_MUST_CHECK
int mu_openapi_create(const struct mu_control *control, struct mu_openapi **ret_openapi);
void mu_openapi_destroy(struct mu_openapi *openapi); /* NULL is a no-op */

/* /api/openapi.json, /api/docs, /api/docs.css */
extern const struct mu_endpoints mu_openapi_endpoints;

#endif
