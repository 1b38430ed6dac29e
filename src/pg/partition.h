/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partition.h - daily partitions of heartbeats: names, and making the ones that are missing.
 *
 * A day is made in one short transaction: CREATE TABLE (LIKE heartbeats) and ATTACH, which lock the
 * parent in a mode that lets every insert pass; PARTITION OF would not (design §7). The new table
 * is empty, so that ATTACH has nothing to scan.
 *
 * Units      day: days since 1970-01-01, UTC, as bucket_s / 86400 floors to.
 * Threads    as the connection; several processes may call at once.
 * Errors     negative errno as in pg/error.h. -ESTALE: the day was taken out of the table (archived
 * or dropped, says the registry) and is not made again.
 */
#ifndef MUSTER_PG_PARTITION_H
#define MUSTER_PG_PARTITION_H

#include <stdint.h>

#include "muster/compiler.h"

struct mu_pg;

#define MU_PARTITION_PARENT "heartbeats"
#define MU_PARTITION_NAME_BYTES 20 /* heartbeats_20261121 and its NUL */

/* Years 1..9999, which any bucket PostgreSQL and the window let in lies within. */
#define MU_PARTITION_DAY_MIN INT64_C(-719162)
#define MU_PARTITION_DAY_MAX INT64_C(2932896)

int64_t mu_partition_day(int64_t unix_s); /* floors, before 1970 too */
void mu_partition_name(int64_t day, char ret_name[MU_PARTITION_NAME_BYTES]);

/* Days from_day..to_day, both inclusive. 0 when all of them are there that should be; days taken
 * out are passed over, unless it is the only one asked for. ret_made may be NULL. */
MU_MUST_CHECK
int mu_partitions_ensure(struct mu_pg *pg, int64_t from_day, int64_t to_day, uint32_t *ret_made);

#endif
