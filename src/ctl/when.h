/* SPDX-License-Identifier: Apache-2.0 */
/*
 * when.h - a moment as people write it: "2026-11-20T14:00:00Z", "2026-11-20 14:00" and "2026-11-20"
 * (this machine's zone), "14:00" (the last time it was), "yesterday 14:00", "today", "2h ago",
 * "90 s ago", "1 min ago", "now".
 *
 * Units      seconds since the Unix epoch. Threads: any (localtime_r, mktime).
 * Errors     -EINVAL: it is none of these.
 */
#ifndef MUSTER_CTL_WHEN_H
#define MUSTER_CTL_WHEN_H

#include <stdint.h>

#include "muster/compiler.h"

MU_MUST_CHECK
int mu_ctl_parse_when(const char *text, int64_t now_s, int64_t *ret_s);

enum { MU_CTL_WHEN_BYTES = 32 };

/* RFC 3339, UTC. */
void mu_ctl_format_when(int64_t s, char ret_text[MU_CTL_WHEN_BYTES]);

#endif
