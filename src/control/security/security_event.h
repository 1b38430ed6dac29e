/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security_event.h - what looks like an attack, or like somebody who needs help: a log of its own.
 *
 *   mu_security_event ─▶ metric, at once
 *                     ─▶ one entry a minute for each (kind, address), with a count
 *                            ├─ new ─▶ log line
 *                            └─ each second, by the job security_events ─▶ table security_events
 *
 * Noting never waits for the database and never fails. While PostgreSQL is away entries pile up to
 * MU_SECURITY_PENDING_MAX; what no longer fits is counted by the metric alone.
 *
 * Detail is for people and must hold no secret: no token, no password, and no user name that
 * nobody has, since passwords get typed there.
 *
 * Units      counts. Threads: any. Ownership: everything is copied.
 * Errors     flush: negative errno as in pg/error.h; nothing is lost, the next one tries again.
 */
#ifndef MUSTER_CONTROL_SECURITY_EVENT_H
#define MUSTER_CONTROL_SECURITY_EVENT_H

#include <stdint.h>

#include "http/auth_failures.h"
#include "muster/compiler.h"

struct mu_control;
struct mu_pg;
struct mu_security_events;

enum mu_security_event {
        MU_SECURITY_LOGIN_FAILED,    /* wrong name or password */
        MU_SECURITY_LOCKOUT,         /* too many of them: the account waits */
        MU_SECURITY_SESSION_REUSE,   /* a used refresh token came again: its session has ended */
        MU_SECURITY_PASSWORD_RESET,  /* asked for, or used */
        MU_SECURITY_UNAUTHENTICATED, /* 401 */
        MU_SECURITY_FORBIDDEN,       /* 403 */
        MU_SECURITY_BAD_SIGNATURE,   /* a command's result, a webhook, a release */
        MU_SECURITY_REPLAY,          /* a nonce, ticket or result that was used before */
        MU_SECURITY_UPLOAD_REFUSED,  /* too large, of another type, with a wrong digest */
        MU_SECURITY_LIMITED,         /* 429 */
        MU_SECURITY_ORIGIN_REFUSED,  /* a foreign page */
        MU_SECURITY_CLONE,           /* a device in quarantine */
        MU_SECURITY_EVENT_COUNT,
};

enum mu_security_limits {
        MU_SECURITY_PENDING_MAX = 1024,
        MU_SECURITY_DETAIL_BYTES = 200, /* longer ones are cut */
};

/* address NULL: none. principal: as mu_principal_actor names it, or NULL. */
void mu_security_event(struct mu_control *control, enum mu_security_event kind,
                       const struct mu_address *address, const char *principal,
                       const char *detail_format, ...) MU_PRINTF(5, 6);

/* "login_failed", ...: the metric's label and the API's kind. */
const char *mu_security_event_name(enum mu_security_event kind);

MU_MUST_CHECK
int mu_security_events_create(struct mu_control *control, struct mu_security_events **ret_events);
void mu_security_events_destroy(struct mu_security_events *events); /* NULL is a no-op */
/* Writes down what is pending; how many entries. */
MU_MUST_CHECK
int mu_security_events_flush(struct mu_control *control, struct mu_pg *pg, uint64_t *ret_written);

#endif
