/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_self_signed.h - a certificate for the first start (private to this folder).
 *
 * ECDSA P-256, MU_TLS_SELF_SIGNED_DAYS, for localhost, host_name, 127.0.0.1 and ::1. The key is
 * written first (0600), then the certificate (0644), each whole or not at all.
 */
#ifndef MUSTER_HTTP_TLS_SELF_SIGNED_H
#define MUSTER_HTTP_TLS_SELF_SIGNED_H

#include "muster/compiler.h"

/* 0 or a negative errno. A host name with odd characters is left out. */
MU_MUST_CHECK
int mu_tls_make_self_signed(const char *certificate_path, const char *key_path,
                            const char *host_name);

#endif
