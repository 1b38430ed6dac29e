/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto.h - SHA-256 and HMAC by Windows' own library. No Ed25519: this shell installs no updates.
 *
 * Threads    one. Errors: a failure of the library is none of ours and stops the program.
 */
#ifndef MUSTER_AGENT_WINDOWS_CRYPTO_H
#define MUSTER_AGENT_WINDOWS_CRYPTO_H

#include "core/platform.h"

const struct mu_agent_crypto *mu_windows_crypto(void);

#endif
