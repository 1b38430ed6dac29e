/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glance.h - what lists order and filter by of a device's last status, in memory: an index of
 * device_last_status would cost every heartbeat its HOT update.
 *
 *   writer, after COMMIT ─▶ mu_glance_note ─▶ two words in the device ─▶ lists: mu_glance_read
 *   first list after start ─▶ the same, from PostgreSQL
 *
 * As in the table: liveness is the newest received, content the newest observed.
 *
 * Units      *_s since the Unix epoch; battery in percent.
 * Threads    any; each word is changed whole.
 */
#ifndef MUSTER_IDENTITY_GLANCE_H
#define MUSTER_IDENTITY_GLANCE_H

#include <stddef.h>
#include <stdint.h>

#include "identity/device_table.h"
#include "muster/compiler.h"

struct mu_glance {
        int64_t received_s; /* 0: never */
        int64_t observed_s;
        int battery;         /* -1: not known */
        int network;         /* enum mu_record_network; -1: not known */
        uint32_t version_id; /* of mu_device_table_versions; 0: not known */
};

/* Takes what is newer than what stands there. */
void mu_glance_note(struct mu_device *device, const struct mu_glance *glance);
struct mu_glance mu_glance_read(const struct mu_device *device);

/* ---- agent versions: names that get small numbers, for ever ---- */

struct mu_names;

enum mu_names_limits {
        MU_NAMES_MAX = 4095, /* ids 1..; more get MU_NAMES_OTHER */
        MU_NAMES_OTHER = MU_NAMES_MAX + 1,
        MU_NAMES_BYTES_MAX = 64,
};

MU_MUST_CHECK
int mu_names_create(struct mu_names **ret_names);
void mu_names_destroy(struct mu_names *names); /* NULL is a no-op */
/* Its id, a new one if need be; 0 for an empty name, MU_NAMES_OTHER when there is no room. */
uint32_t mu_names_id(struct mu_names *names, const char *name, size_t bytes);
/* Its id if it has one, else 0. */
uint32_t mu_names_find(const struct mu_names *names, const char *name, size_t bytes);
/* "" for 0 and MU_NAMES_OTHER. */
const char *mu_names_text(const struct mu_names *names, uint32_t id);
/* Ids 1..count are given. */
uint32_t mu_names_count(const struct mu_names *names);

#endif
