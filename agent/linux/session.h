/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - who is logged in at this machine, and for how long nobody touched it.
 *
 *   /run/systemd/sessions (logind)    ─┐ the best: active and at a seat, graphical before text,
 *   /run/utmp where that is not there ─┴─ local before remote; greeters are nobody
 *
 * idle_s is of a text session: since its terminal was last read. logind keeps the idle time of
 * graphical ones off its files; desktop.h asks the X server.
 *
 * Threads: any. Errors: what can't be read is unknown: "" and -1.
 */
#ifndef MUSTER_AGENT_LINUX_SESSION_H
#define MUSTER_AGENT_LINUX_SESSION_H

#include <stdbool.h>
#include <stdint.h>

enum mu_session_limits {
        MU_SESSION_USER_BYTES = 64,
};

struct mu_session {
        char user[MU_SESSION_USER_BYTES];
        char type[16]; /* "x11", "wayland", "tty" … */
        int64_t idle_s;
};

/* now_s: seconds since the epoch. */
void mu_session_read(const char *root, int64_t now_s, struct mu_session *ret_session);

#endif
