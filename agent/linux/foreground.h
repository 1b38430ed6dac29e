/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground.h - the class of the window in front, and the desktop's idle time, from where our
 * environment points: SWAYSOCK, WAYLAND_DISPLAY, DISPLAY and XAUTHORITY.
 *
 *   sway (its socket)     app_id, or the class of an X program        no idle time
 *   another Wayland       the class of an X program that is in front; Wayland's own programs and
 *                         idle time no compositor tells to others     (GNOME and KDE among them)
 *   X11                   WM_CLASS of _NET_ACTIVE_WINDOW              XScreenSaver's idle time
 *   neither               nothing: a service outside of the desktop's session sees none of it
 *
 * Window titles pass through sway's answer and are thrown away with it.
 *
 * Threads    any. Blocking: as x11.h, sway the same. Errors: unknown: "" and -1.
 */
#ifndef MUSTER_AGENT_LINUX_FOREGROUND_H
#define MUSTER_AGENT_LINUX_FOREGROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/platform.h"

struct mu_desktop { /* of the environment; each NULL where it is not set */
        const char *display;
        const char *authority;
        const char *wayland;
        const char *sway;
};

struct mu_foreground {
        char package[MU_AGENT_PACKAGE_BYTES];
        int64_t idle_s;
};

void mu_desktop_of_environment(struct mu_desktop *ret_desktop);
void mu_foreground_read(const char *root, const struct mu_desktop *desktop,
                        struct mu_foreground *ret_foreground);

/* Of sway's tree: the focused window's app_id or class. false: none is focused, or it is no tree.
 */
bool mu_foreground_of_tree(const char *json, size_t bytes,
                           char ret_package[MU_AGENT_PACKAGE_BYTES]);

#endif
