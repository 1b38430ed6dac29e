/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto.h - the core's crypto table, and a certificate's pin, on BoringSSL.
 *
 * Threads    pure. Errors: negative errno.
 */
#ifndef MUSTER_AGENT_LINUX_CRYPTO_H
#define MUSTER_AGENT_LINUX_CRYPTO_H

#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"

const struct mu_agent_crypto *mu_crypto(void); /* lives for ever */

/* "sha256//…" of the public key of the first certificate in pem. -EBADMSG. */
MU_MUST_CHECK
int mu_crypto_pin(const char *pem, char ret_pin[MU_AGENT_PIN_BYTES]);
/* Is this a pin's text? */
bool mu_crypto_is_pin(const char *text);

#endif
