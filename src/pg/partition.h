/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.h - daily partitions: which tables have them, names, and making those that are missing.
 *
 * A day is made in one short transaction: CREATE TABLE (LIKE the parent) and ATTACH, which lock the
 * parent in a mode that lets every insert pass; PARTITION OF would not (design §7). The new table
 * is empty, so that ATTACH has nothing to scan. How days go: jobs/archiver.h.
 *
 * Units      day: days since 1970-01-01, UTC, as bucket_s / 86400 floors to.
 * Threads    as the connection; several processes may call at once.
 * Errors     negative errno as in pg/error.h. -ESTALE: the day was taken out of the table (archived
 * or dropped, says the registry) and is not made again.
 */
#ifndef MUSTER_PG_PARTITION_H
#define MUSTER_PG_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_pg;

#define MU_PARTITION_HEARTBEATS "heartbeats"
#define MU_PARTITION_NAME_BYTES 32 /* security_events_20261121 and its NUL fit */

/* Years 1..9999, which any bucket PostgreSQL and the window let in lies within. */
#define MU_PARTITION_DAY_MIN INT64_C(-719162)
#define MU_PARTITION_DAY_MAX INT64_C(2932896)

/* The tables that are parted by day, each a row in partition.c. */
enum mu_parent {
        MU_PARENT_HEARTBEATS,
        MU_PARENT_ALERT_EVENTS,
        MU_PARENT_SECURITY_EVENTS,
        MU_PARENTS,
};

struct mu_parent_facts {
        const char *table;
        const char *column;  /* timestamptz: the partition key */
        const char *storage; /* WITH (…) of each leaf; "" for the server's defaults */
        bool archived;       /* a day's rows go to files before they are dropped */
};

const struct mu_parent_facts *mu_parent_facts(enum mu_parent parent);

int64_t mu_partition_day(int64_t unix_s); /* floors, before 1970 too */
void mu_partition_name(enum mu_parent parent, int64_t day, char ret_name[MU_PARTITION_NAME_BYTES]);

/* Days from_day..to_day, both inclusive. 0 when all of them are there that should be; days taken
 * out are passed over, unless it is the only one asked for. ret_made may be NULL. */
MU_MUST_CHECK
int mu_partitions_ensure(struct mu_pg *pg, enum mu_parent parent, int64_t from_day, int64_t to_day,
                         uint32_t *ret_made);

/* Every parent's days that rows may come for: heartbeats from window_days and one before today
 * (what waits in a journal was inside the window when it was taken), others from yesterday; all of
 * them up to ahead_days after today. ret_made may be NULL. */
MU_MUST_CHECK
int mu_partitions_ensure_all(struct mu_pg *pg, int64_t today, uint32_t window_days,
                             uint32_t ahead_days, uint32_t *ret_made);

#endif
