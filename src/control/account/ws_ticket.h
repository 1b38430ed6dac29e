/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ws_ticket.h - one-time tickets that open an operator's WebSocket.
 *
 * A browser can't send Authorization with a WebSocket, and an access token in a URL ends up in
 * logs. So: POST /api/auth/ws-ticket, and the ticket as the socket's first message within 30 s.
 * A ticket is taken once, whatever comes of it.
 *
 * Bounded: at the most 1,024 at a time, 16 for one principal (the oldest gives way). Memory alone:
 * a restart forgets them, the client asks for another.
 *
 * Whoever holds a socket open for longer asks account_principal.h now and then whether its
 * principal still is somebody.
 *
 * Units      ns of the given clock, monotonic.
 * Threads    create, destroy: one. The rest: any; take may run on a loop (a short lock).
 * Errors     negative errno; -EAGAIN: all tickets are out.
 */
#ifndef MUSTER_CONTROL_ACCOUNT_WS_TICKET_H
#define MUSTER_CONTROL_ACCOUNT_WS_TICKET_H

#include <stdbool.h>
#include <stddef.h>

#include "identity/principal.h"
#include "identity/token.h"
#include "muster/compiler.h"

struct mu_clock;
struct mu_ws_tickets;

enum mu_ws_ticket_limits {
        MU_WS_TICKET_LIFE_S = 30,
        MU_WS_TICKETS_MAX = 1024,
        MU_WS_TICKETS_PER_PRINCIPAL = 16,
};

MU_MUST_CHECK
int mu_ws_tickets_create(const struct mu_clock *clock, struct mu_ws_tickets **ret_tickets);
void mu_ws_tickets_destroy(struct mu_ws_tickets *tickets); /* NULL is a no-op */

MU_MUST_CHECK
int mu_ws_ticket_issue(struct mu_ws_tickets *tickets, const struct mu_principal *who,
                       char ret_ticket[MU_TOKEN_BYTES]);

/* False: unknown, expired or taken already; ret_who is untouched. */
MU_MUST_CHECK
bool mu_ws_ticket_take(struct mu_ws_tickets *tickets, const char *ticket, size_t ticket_bytes,
                       struct mu_principal *ret_who);

#endif
