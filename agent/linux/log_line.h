/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_line.h - events as lines of JSON on standard error, for journald.
 *
 *   {"ts":"2026-11-21T09:50:00.123456Z","level":"info","event":"deliver.ok","items":3}
 *
 * A reader that does not read is waited for MU_LOG_LINE_WAIT_MS; then the line is lost.
 *
 * Threads    one. Errors: none.
 */
#ifndef MUSTER_AGENT_LINUX_LOG_LINE_H
#define MUSTER_AGENT_LINUX_LOG_LINE_H

#include "core/event.h"

enum { MU_LOG_LINE_WAIT_MS = 20 };

void mu_log_line(const struct mu_agent_event *event);
/* One of the shell's own, now; error: a sentence. */
void mu_log_line_error(const char *name, const char *error);

#endif
