/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x11.h - two questions to an X server: which class has the active window, and for how long was
 * nothing touched? Never a title, never a key.
 *
 *   connect (cookie) ─▶ _NET_ACTIVE_WINDOW of the root window ─▶ WM_CLASS of that one
 *                    └▶ MIT-SCREEN-SAVER: idle
 *
 * The protocol is spoken here rather than by libxcb: that one waits for a server that hangs without
 * limit, and this is the thread that reports. It also costs no memory between two questions.
 *
 * Threads    any. Blocking: 2 s a step, where the server hangs.
 * Errors     -ENOTSUP: the display is not on this machine; -EACCES: the server wants another
 *            cookie; -ETIMEDOUT, -EPROTO, or what the socket says.
 */
#ifndef MUSTER_AGENT_LINUX_X11_H
#define MUSTER_AGENT_LINUX_X11_H

#include <stdint.h>

#include "core/platform.h"
#include "muster/compiler.h"

struct mu_x11 {
        char class[MU_AGENT_PACKAGE_BYTES]; /* "": no window is active, or it has none */
        int64_t idle_s;                     /* -1: the server has no screen saver extension */
};

/* display: ":0", ":0.0", "unix:0". authority: the cookies' file, or NULL. */
MU_MUST_CHECK
int mu_x11_ask(const char *root, const char *display, const char *authority,
               struct mu_x11 *ret_answer);

#endif
