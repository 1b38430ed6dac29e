/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - TLS as a filter between the sockets of the ring and the HTTP above.
 *
 * BoringSSL never sees a socket: ciphertext goes in with receive and comes out with take.
 *
 * Threads    A context is shared; a session slot and the connections made with it belong to one.
 * Ownership  create/destroy. The slot outlives its connections.
 * Errors     -EPROTO: handshake or record failed (mu_lg_tls_error says why); -EPIPE: the peer said
 *            goodbye; -ENOMEM.
 */
#ifndef LOADGEN_TLS_H
#define LOADGEN_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"

struct mu_lg_tls_context;
struct mu_lg_tls;
struct mu_lg_tls_slot; /* keeps the newest session, for resumption */

/* ca_file NULL: the system's authorities. insecure: any certificate. error: a sentence. */
MU_MUST_CHECK
int mu_lg_tls_context_create(const char *ca_file, bool insecure, const char *host, char *error,
                             size_t error_bytes, struct mu_lg_tls_context **ret_context);
void mu_lg_tls_context_destroy(struct mu_lg_tls_context *context);

MU_MUST_CHECK
int mu_lg_tls_slot_create(struct mu_lg_tls_slot **ret_slot);
void mu_lg_tls_slot_destroy(struct mu_lg_tls_slot *slot);

MU_MUST_CHECK
int mu_lg_tls_create(struct mu_lg_tls_context *context, struct mu_lg_tls_slot *slot,
                     struct mu_lg_tls **ret_tls);
void mu_lg_tls_destroy(struct mu_lg_tls *tls);

/* 1 done, 0 needs more from the peer. */
MU_MUST_CHECK
int mu_lg_tls_handshake(struct mu_lg_tls *tls);
bool mu_lg_tls_resumed(const struct mu_lg_tls *tls);
MU_MUST_CHECK
int mu_lg_tls_receive(struct mu_lg_tls *tls, const void *data, size_t bytes);
/* Plaintext: its length, or 0 when there is none yet. */
MU_MUST_CHECK
ssize_t mu_lg_tls_read(struct mu_lg_tls *tls, void *buffer, size_t room_bytes);
MU_MUST_CHECK
int mu_lg_tls_write(struct mu_lg_tls *tls, const void *data, size_t bytes);
/* Ciphertext to be sent: its length, or 0. */
size_t mu_lg_tls_take(struct mu_lg_tls *tls, void *buffer, size_t room_bytes);
/* Why the last operation failed; any thread that just saw it fail. */
const char *mu_lg_tls_error(const struct mu_lg_tls *tls);

#endif
