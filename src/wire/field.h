/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field.h - the known keys of a heartbeat: what each accepts and where it goes.
 *
 * Threads    constants and pure functions.
 */
#ifndef MUSTER_WIRE_FIELD_H
#define MUSTER_WIRE_FIELD_H

#include <stdint.h>

#include "muster/record.h"

enum mu_field_kind {
        MU_KIND_INTEGER, /* integral, minimum..maximum, into offset by width_bytes */
        MU_KIND_BOOLEAN, /* into booleans, bit `slot` */
        MU_KIND_STRING,  /* minimum..maximum bytes, the slot-th string of a record */
        MU_KIND_NETWORK,
        MU_KIND_TIME, /* epoch seconds with decimals, kept in microseconds */
        MU_KIND_NONE, /* extra: not a key of its own */
};

/* The record's strings, in its order; extra comes after them. */
enum mu_string_slot {
        MU_STRING_SSID,
        MU_STRING_FG_PACKAGE,
        MU_STRING_AGENT_VERSION,
        MU_STRING_BOOT_ID,
        MU_STRING_COUNT,
};

struct mu_wire_field {
        const char *name;
        enum mu_field_kind kind;
        uint8_t slot;
        uint8_t width_bytes;
        uint8_t offset; /* in struct mu_record */
        int64_t minimum;
        int64_t maximum;
};

/* A field stands at its MU_FIELD_* bit's number; after those: */
enum mu_field_index {
        MU_FIELD_INDEX_TS = MU_FIELD_COUNT,
        MU_FIELD_INDEX_UNKNOWN,
};

extern const struct mu_wire_field mu_wire_fields[MU_FIELD_INDEX_UNKNOWN];

/* The index of a key; MU_FIELD_INDEX_UNKNOWN when it is none of ours. */
uint32_t mu_field_find(const char *key, uint32_t key_bytes);

#endif
