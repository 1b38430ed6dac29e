/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wake.h - what happens on other threads of Windows' reaches the agent's one: Ctrl-C and a closing
 * session, a change of the network.
 *
 *   handler threads ─ flag, datagram to ourselves ─▶ the loop's wait ends ─▶ take()
 *
 * Threads    take: the loop's; the handlers set flags and send, nothing else.
 * Ownership  one in a process: Windows' handlers carry no context of ours.
 * Errors     negative errno.
 */
#ifndef MUSTER_AGENT_WINDOWS_WAKE_H
#define MUSTER_AGENT_WINDOWS_WAKE_H

#include "muster/compiler.h"

enum mu_wake {
        MU_WAKE_STOP = 1,
        MU_WAKE_NETWORK = 2,
};

MU_MUST_CHECK
int mu_wake_start(void);
void mu_wake_stop(void);
/* Readable when something happened. */
int mu_wake_socket(void);
/* What did, since the last call: some of enum mu_wake. */
unsigned mu_wake_take(void);

#endif
