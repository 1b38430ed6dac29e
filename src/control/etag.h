/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etag.h - two people who change the same thing: the later one is told, and overwrites nothing
 * unseen (RFC 9110, 13.1.1).
 *
 *   GET                          → 200, ETag: "5e88…"    read, and looked at
 *   PATCH, If-Match: "5e88…"     → 200, ETag: "a1f0…"    it was as it was read
 *                                → 412                   somebody changed it since; nothing is done
 *   PATCH                        → 200                   whoever does not ask overwrites
 *
 * The tag is a digest of what people wrote of the thing and of nothing else: a device's alias
 * changes it, its heartbeats do not. So it is no validator for caches, and nobody is answered 304.
 *
 * Threads    the handler's worker. Ownership: written is borrowed; NULL and {} are the same.
 */
#ifndef MUSTER_CONTROL_ETAG_H
#define MUSTER_CONTROL_ETAG_H

#include "control/endpoint.h"

/* After the reply. The endpoint has MU_ENDPOINT_ETAG, for its description. */
void mu_etag_add(struct mu_ask *ask, const json_t *written);

/* Whether the change may be made: written is what is there, under the row's lock. False: answered
 * 412 (the transaction is rolled back), or 500. what: "device", "monitoring", ... */
MU_MUST_CHECK
bool mu_etag_allows(struct mu_ask *ask, const json_t *written, const char *what);

/* Whether the change depends on what is there. */
bool mu_etag_is_asked(const struct mu_ask *ask);
/* The 412 of mu_etag_allows. */
void mu_etag_refuse(struct mu_ask *ask, const char *what);

#endif
