/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - the identities on disk, so that a restart while PostgreSQL is away knows its fleet.
 *
 * One file: a header, then entries of fixed size, each with its CRC-32C; the last entry for a
 * device or a token wins. Changes are appended and synced; rewrite replaces the file by the table's
 * present state. Nothing secret lies in it: digests of 256-bit random tokens.
 *
 * Units      entries; bytes.
 * Threads    one (the keeper's). rewrite holds the device table's lock.
 * Errors     negative errno; -EBADMSG: the file is not a snapshot. Torn and damaged entries are
 *            passed over and counted, never refused.
 */
#ifndef MUSTER_IDENTITY_SNAPSHOT_H
#define MUSTER_IDENTITY_SNAPSHOT_H

#include <stdint.h>

#include "identity/device_table.h"

struct mu_snapshot;

struct mu_snapshot_report {
        uint64_t entry_count;
        uint64_t damaged_bytes;
        int64_t device_id_max;
};

/* Loads the file (none: an empty fleet) into the table and opens it for appending. */
MU_MUST_CHECK
int mu_snapshot_open(const char *path, struct mu_device_table *table,
                     struct mu_snapshot_report *ret_report, struct mu_snapshot **ret_snapshot);
void mu_snapshot_close(struct mu_snapshot *snapshot);

/* Adds the device's present state and tokens to what the next sync writes. */
MU_MUST_CHECK
int mu_snapshot_add(struct mu_snapshot *snapshot, const struct mu_device *device);
/* Writes and syncs what was added. After a failure: forget, then rewrite. */
MU_MUST_CHECK
int mu_snapshot_sync(struct mu_snapshot *snapshot);
/* Forgets what was added and not synced. */
void mu_snapshot_forget(struct mu_snapshot *snapshot);
/* Replaces the file by the table's state. After a failure the old file stands, or the new one whose
 * name is not yet durable: call again. */
MU_MUST_CHECK
int mu_snapshot_rewrite(struct mu_snapshot *snapshot, struct mu_device_table *table);
/* Appended entries since the last rewrite. */
uint64_t mu_snapshot_appended(const struct mu_snapshot *snapshot);

#endif
