/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - programs that are run and followed: each by its pidfd, on one epoll descriptor with one
 * timer. No SIGCHLD handler, no thread, no shell.
 *
 *   start ─▶ runs ─┬─ ends ─────────────────────────────▶ ended(exit code or signal, output)
 *                  ├─ its time is up ─▶ SIGKILL ─▶ ends ─▶ ended(timed out)
 *                  └─ a program apart (settle): still there when its time is up ─▶ ended(settled);
 *                     followed further, so that its end leaves no zombie
 *
 * Every child has a session of its own, /dev/null as input, the defaults of all signals, the
 * environment that child.c lists, and no descriptor of ours.
 *
 * Units      *_ms. Threads: the loop's.
 * Ownership  options are copied. Callbacks come from look() only, once each; not after destroy,
 *            which kills what is no program apart. A callback may start others.
 */
#ifndef MUSTER_AGENT_LINUX_CHILD_H
#define MUSTER_AGENT_LINUX_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "muster/compiler.h"

enum mu_child_limits {
        MU_CHILD_ARGUMENTS_MAX = 16,
        MU_CHILDREN_MAX = 64,
};

struct mu_child_end {
        bool timed_out;
        bool settled;       /* it runs */
        bool overflowed;    /* it said more than output_max: killed */
        int status;         /* waitpid's, where none of the three is set; 0 of a followed process */
        const char *output; /* NUL-terminated */
        size_t output_bytes;
};
typedef void mu_child_fn(void *context, const struct mu_child_end *end);

struct mu_child_options {
        const char *program;          /* as the path that is executed */
        const char *const *arguments; /* without the program's name; NULL at the end */
        uint32_t limit_ms;
        size_t output_max; /* kept; 0: goes to /dev/null */
        bool output_all;   /* else: killed where it says more; true: the rest is dropped */
        bool apart;        /* limit_ms is what it has to prove itself */
        bool for_desktop;  /* with DISPLAY, WAYLAND_DISPLAY, XDG_RUNTIME_DIR … of ours */
};

struct mu_children;

MU_MUST_CHECK
int mu_children_create(const struct mu_clock *clock, struct mu_children **ret_children);
void mu_children_destroy(struct mu_children *children);
int mu_children_fd(const struct mu_children *children);
void mu_children_look(struct mu_children *children);

/* -ENOENT, -EACCES …: it can't be executed; -EAGAIN: too many run. */
MU_MUST_CHECK
int mu_children_start(struct mu_children *children, const struct mu_child_options *options,
                      mu_child_fn *ended, void *context);
/* A process that is not ours to reap: ended when it is gone. Takes pidfd where it returns 0. */
MU_MUST_CHECK
int mu_children_follow(struct mu_children *children, int pidfd, uint32_t limit_ms,
                       mu_child_fn *ended, void *context);
/* ended after that time, as timed out. */
MU_MUST_CHECK
int mu_children_timer(struct mu_children *children, uint32_t delay_ms, mu_child_fn *ended,
                      void *context);
#endif
