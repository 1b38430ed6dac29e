/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - channels in digest mode: one message a day, at their local time, of what happened.
 *
 *   digest_sent_at ──────────────── incidents opened, closed, still open ──────────────▶ now
 *                        └ due: digest_at in digest_zone, each local day once ┘
 *
 * Due is PostgreSQL's time zone arithmetic on the clock's time, which is bound: a time that does
 * not exist that day (spring) is the next valid moment, one that comes twice (autumn) is its first.
 * A channel is due when its newest due moment up to now lies after digest_sent_at: a clock set back
 * makes no second digest, days that were slept through make one. Nothing happened and nothing
 * stands: digest_sent_at moves, nothing is sent.
 *
 * One transaction moves digest_sent_at and puts the row (kind 'digest') into the outbox: killed
 * anywhere, a day has exactly one.
 *
 * Units      *_us since the Unix epoch.
 * Threads    that of the connection.
 * Errors     negative errno as in pg/error.h.
 */
#ifndef MUSTER_CONTROL_NOTIFY_DIGEST_H
#define MUSTER_CONTROL_NOTIFY_DIGEST_H

#include <stdint.h>

#include "muster/compiler.h"

struct mu_pg;

/* Puts what is due into the outbox; transactions of its own, one a channel. About once a minute.
 * *ret_count (may be NULL): rows added; wake the reader. *ret_next_us (may be NULL): when the next
 * one is due; INT64_MAX: there is no such channel. */
MU_MUST_CHECK
int mu_digest_run(struct mu_pg *pg, int64_t now_us, uint32_t *ret_count, int64_t *ret_next_us);

#endif
