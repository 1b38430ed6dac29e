/* SPDX-License-Identifier: Apache-2.0 */
/*
 * install.h - a new program takes the old one's place, once it has shown that it can report.
 *
 *   platform.install calls mu_install_ask, which remembers. The loop closes its agent and its
 * network: ─▶ mu_install_run: <file> run --trial-fd N …, a child that is the whole agent ─
 * "reported <version>" within the time limit ─▶ the binary is replaced ─▶ the child is ended ─▶
 * exec of the binary: never comes back ─ it ends, says nothing, is of another version ─▶ the child
 * is killed ─▶ comes back: the loop opens its agent again and hands error and sentence to
 * mu_agent_update_done
 *
 * In the loop:
 *
 *   if (mu_install_is_asked(install)) {
 *           close agent, channel and requests; release the store
 *           int err = mu_install_run(install, stop_fd, sentence);
 *           if (err == -EINTR) leave
 *           open the agent again
 *           mu_agent_update_done(agent, err, sentence);
 *   }
 *
 * and in a program that was started with --trial-fd N: platform.install is NULL, and after each
 * step: if (trial_fd >= 0 && mu_agent_has_reported(agent)) mu_trial_report(&trial_fd, version).
 *
 * On disk, beside the binary: <name>.new while it is being written; <name>.previous, the one that
 * was replaced. Each is written whole, made durable and renamed, so at every moment the binary is
 * the old one or the new one. A child never outlives the program that tries it.
 *
 * Units      seconds of the given clock.
 * Threads    the loop's. mu_install_run blocks while the trial lasts: nothing else is open then.
 * Errors     negative errno and a sentence.
 */
#ifndef MUSTER_AGENT_LINUX_INSTALL_H
#define MUSTER_AGENT_LINUX_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/config.h"
#include "muster/compiler.h"

enum mu_install_limits {
        MU_INSTALL_END_S = 10, /* a child that was told to end; then it is killed */
        MU_INSTALL_LINE_BYTES = 128,
};

struct mu_install;

struct mu_install_options {
        const char *binary; /* NULL: the one that runs (/proc/self/exe) */
        char **argv;        /* of main(): what both are started with; lives as long */
        const struct mu_clock *clock;
        int64_t trial_s; /* config's update_trial_s */
};

/* Also clears away what a cut left half written. */
MU_MUST_CHECK
int mu_install_create(const struct mu_install_options *options, struct mu_install **ret_install);
void mu_install_destroy(struct mu_install *install);

/* For platform.install. -EBUSY: one is asked for already. */
MU_MUST_CHECK
int mu_install_ask(struct mu_install *install, const char *file, const char *version);
bool mu_install_is_asked(const struct mu_install *install);

/* stop_fd: readable when the program is to end (-1: none). Comes back only when the old program
 * goes on: -EACCES: its own binary can't be replaced, nothing was tried; -EINTR: stop_fd; others:
 * the trial failed. Nothing is asked for any more. */
MU_MUST_CHECK
int mu_install_run(struct mu_install *install, int stop_fd,
                   char ret_sentence[MU_AGENT_SENTENCE_BYTES]);

/* The child's side: one line; *fd is closed and -1 afterwards, whatever comes of it. */
MU_MUST_CHECK
int mu_trial_report(int *fd, const char *version);

#endif
