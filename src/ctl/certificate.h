/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificate.h - trust on first use for an appliance that made its own certificate.
 *
 * Threads    one. Ownership: texts are the caller's to free. Errors: negative errno.
 */
#ifndef MUSTER_CTL_CERTIFICATE_H
#define MUSTER_CTL_CERTIFICATE_H

#include "muster/compiler.h"

enum {
        MU_CTL_FINGERPRINT_BYTES = 96, /* "AB:CD:…" with NUL: as openssl prints it */
};

/* The server's own certificate as PEM, whoever signed it. */
MU_MUST_CHECK
int mu_ctl_certificate_fetch(const char *url, char **ret_pem);
/* SHA-256 of the first certificate in pem. -EBADMSG. */
MU_MUST_CHECK
int mu_ctl_certificate_fingerprint(const char *pem, char ret_text[MU_CTL_FINGERPRINT_BYTES]);

#endif
