/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake.h - the WebSocket's opening, the client's side of it (RFC 6455 section 4.1; private to
 * agent/net).
 *
 *   init ─▶ request ─▶ … bytes of the reply … ─▶ reply: -EAGAIN until its head is whole
 *
 * Threads    pure but for init. Errors: negative errno.
 */
#ifndef MUSTER_AGENT_NET_HANDSHAKE_H
#define MUSTER_AGENT_NET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "muster/compiler.h"

enum mu_handshake_limits {
        MU_HANDSHAKE_KEY_BYTES = 25,    /* base64 of 16 bytes, and NUL */
        MU_HANDSHAKE_ACCEPT_BYTES = 29, /* base64 of a SHA-1, and NUL */
        MU_HANDSHAKE_REPLY_BYTES_MAX = 8192,
};

struct mu_handshake {
        char key[MU_HANDSHAKE_KEY_BYTES];
        char accept[MU_HANDSHAKE_ACCEPT_BYTES]; /* what the server must answer */
};

/* A fresh key. 0 or the kernel's negative errno. */
MU_MUST_CHECK
int mu_handshake_init(struct mu_handshake *handshake);
/* What the server must answer to a key. */
void mu_handshake_accept(const char *key, char ret_accept[MU_HANDSHAKE_ACCEPT_BYTES]);

/* url: absolute, http or https. token and user_agent hold no control characters. */
MU_MUST_CHECK
int mu_handshake_request(const struct mu_handshake *handshake, const char *url, const char *token,
                         const char *user_agent, struct mu_text *text);

/* bytes of the connection so far. 0: the channel is open, frames begin at *ret_used; -EAGAIN: more
 * has to come; -EPERM: the server refused by *ret_status; -EPROTO: it is no such server;
 * -EMSGSIZE: the head is longer than any would be. */
MU_MUST_CHECK
int mu_handshake_reply(const struct mu_handshake *handshake, const char *reply, size_t bytes,
                       size_t *ret_used, int *ret_status);

/* The value of a header, as text, in a reply whose head is whole. False: there is none, or it has
 * no room. */
bool mu_handshake_header(const char *reply, size_t bytes, const char *name, char *ret_value,
                         size_t room);

#endif
