/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shell.h - what the shells over libcurl have in common: the network's half of the platform's
 * table, and how long their loops sleep.
 *
 *   struct shell {
 *           struct mu_shell common;   first, so that platform.context is the shell's own too
 *           … what this system needs …
 *   };
 *
 * Threads    one, the shell's loop. Ownership: net and agent are the shell's to open and close.
 */
#ifndef MUSTER_AGENT_NET_SHELL_H
#define MUSTER_AGENT_NET_SHELL_H

#include <stdint.h>

#include "core/agent.h"
#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"

struct mu_net;

struct mu_shell {
        struct mu_agent_platform platform;
        struct mu_agent_config config; /* as it was read: who we are never changes meanwhile */
        struct mu_net *net;            /* NULL: none is open; so agent */
        struct mu_agent *agent;
};

/* The table but for clock, elapsed, crypto, read, act, save, install and log. shell does not move
 * from here on. */
void mu_shell_init(struct mu_shell *shell);
/* By shell->config. What comes by the channel goes to shell->agent. */
MU_MUST_CHECK
int mu_shell_open_net(struct mu_shell *shell);
/* Until the platform's clock shows this, as poll() wants it: -1: for ever. */
int mu_shell_wait_ms(const struct mu_shell *shell, uint64_t until_ns);

#endif
