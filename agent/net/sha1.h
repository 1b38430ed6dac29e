/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha1.h - SHA-1 (FIPS 180-4), for the WebSocket's handshake alone, which names it; it protects
 * nothing there. Private to agent/net.
 *
 * Threads    pure. Errors: none.
 */
#ifndef MUSTER_AGENT_NET_SHA1_H
#define MUSTER_AGENT_NET_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { MU_SHA1_BYTES = 20 };

void mu_sha1(const void *data, size_t bytes, uint8_t ret_digest[MU_SHA1_BYTES]);

#endif
