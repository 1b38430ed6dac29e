/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_after.h - how long a server asks to be left alone (RFC 9110 section 10.2.3; private to
 * agent/net).
 *
 * Threads    any.
 */
#ifndef MUSTER_AGENT_NET_RETRY_AFTER_H
#define MUSTER_AGENT_NET_RETRY_AFTER_H

#include <stdint.h>

/* Values of the reply's Retry-After and Date, NULL where there is none. Seconds, a day at most; a
 * date is counted from the reply's own, so that a device whose clock is wrong waits no less and no
 * more. -1: it asks for nothing that is understood. */
int64_t mu_net_retry_after_s(const char *value, const char *date);

#endif
