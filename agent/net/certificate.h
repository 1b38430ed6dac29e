/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate.h - what certificate a server shows, whoever signed it: for a person to compare.
 *
 * Nothing is sent but the TLS handshake, and nothing is trusted by it.
 *
 * Threads    one; blocks for MU_NET_CERTIFICATE_MS at most. Ownership: the caller frees the text.
 * Errors     -ENODATA: none was shown; else as libcurl's.
 */
#ifndef MUSTER_AGENT_NET_CERTIFICATE_H
#define MUSTER_AGENT_NET_CERTIFICATE_H

#include "muster/compiler.h"

enum { MU_NET_CERTIFICATE_MS = 15000 };

/* The server's own, as PEM. */
MU_MUST_CHECK
int mu_net_certificate(const char *server, char **ret_pem);

#endif
