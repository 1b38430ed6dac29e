/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - the server's certificate and its TLS settings (BoringSSL).
 *
 * TLS 1.2 and 1.3, X25519 and P-256, forward-secret AEAD ciphers only; ALPN http/1.1 (a client that
 * offers something else only is refused); no early data, no renegotiation. Sessions resume by
 * tickets, whose keys BoringSSL makes and rotates; they are lost at a restart. A ticket is bound
 * to the certificate (session id context = its hash), so it never resumes under another one.
 *
 * Without files of the operator's, a self-signed certificate is made in directory (tls.crt,
 * tls.key): ECDSA P-256, 825 days, for localhost, the host name, 127.0.0.1 and ::1. It is made anew
 * when it has expired.
 *
 * Threads    create, destroy: one. reload: any, one at a time. acquire: any.
 * Ownership  Connections hold the context they began with; reload affects new ones only.
 * Errors     negative errno and a sentence in error, which has MU_TLS_ERROR_BYTES. A refused reload
 *            changes nothing.
 */
#ifndef MUSTER_HTTP_TLS_H
#define MUSTER_HTTP_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_tls;
struct ssl_ctx_st;

enum mu_tls_limits {
        MU_TLS_ERROR_BYTES = 512,
        MU_TLS_SELF_SIGNED_DAYS = 825,
        MU_TLS_PIN_BYTES = 53, /* with NUL */
};

struct mu_tls_config {
        const char *certificate_path; /* PEM chain, leaf first; NULL: self-signed */
        const char *key_path;         /* PEM; NULL exactly when certificate_path is */
        const char *directory;        /* for the self-signed one; created by the caller */
        const char *host_name;        /* NULL: gethostname() */
};

/* What is worth a log line after create and reload. */
struct mu_tls_info {
        int64_t expires_at_s; /* epoch */
        bool expired;
        bool self_signed;           /* ours */
        bool created;               /* just made */
        char fingerprint[65];       /* SHA-256 of the leaf, lower-case hex */
        char pin[MU_TLS_PIN_BYTES]; /* of its public key, as curl's --pinnedpubkey and agents
                                       take it: "sha256//" and base64 */
};

/* Strings are copied. */
MU_MUST_CHECK
int mu_tls_create(const struct mu_tls_config *config, struct mu_tls **ret_tls, char *error);
void mu_tls_destroy(struct mu_tls *tls); /* NULL is a no-op */
MU_MUST_CHECK
int mu_tls_reload(struct mu_tls *tls, char *error);
/* The same from other files: config as for create. */
MU_MUST_CHECK
int mu_tls_reload_from(struct mu_tls *tls, const struct mu_tls_config *config, char *error);
void mu_tls_info(struct mu_tls *tls, struct mu_tls_info *ret_info);

/* Changes with each successful reload; one relaxed load. */
uint64_t mu_tls_generation(const struct mu_tls *tls);
/* A new reference to the current context (release with SSL_CTX_free). */
struct ssl_ctx_st *mu_tls_acquire(struct mu_tls *tls, uint64_t *ret_generation);

#endif
