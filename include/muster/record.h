/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - one accepted heartbeat, as it crosses the ring, lies in the journal and reaches a
 * writer.
 *
 * A record is one struct mu_record followed by its strings, without gaps, in the order of the
 * *_bytes fields: ssid, fg_package, agent_version, boot_id, extra (a JSON object). Little endian,
 * fixed layout: these bytes are the journal's payload (src/ingest/JOURNAL_FORMAT.md). A field once
 * laid down never moves; a new layout gets a new frame type.
 *
 * Everything that time decides (received_at, observed_at, bucket, clock offset) is decided by the
 * frontend and stands here: replay recomputes nothing.
 *
 * Units      *_us: microseconds since the Unix epoch; *_s: seconds; *_mb: mebibytes as sent.
 * Threads    plain data.
 */
#ifndef MUSTER_RECORD_H
#define MUSTER_RECORD_H

#include <stdint.h>

/* Optional fields, bits of mu_record.present. Absent means NULL in the database. */
enum mu_record_field {
        MU_FIELD_BATTERY = 1u << 0,
        MU_FIELD_CHARGING = 1u << 1,
        MU_FIELD_RAM_FREE = 1u << 2,
        MU_FIELD_RAM_TOTAL = 1u << 3,
        MU_FIELD_UPTIME = 1u << 4,
        MU_FIELD_NETWORK = 1u << 5,
        MU_FIELD_SSID = 1u << 6,
        MU_FIELD_FG_PACKAGE = 1u << 7,
        MU_FIELD_MONITORED_LAST_FG = 1u << 8,
        MU_FIELD_AGENT_VERSION = 1u << 9,
        MU_FIELD_POWER_OK = 1u << 10,
        MU_FIELD_DEVICE_OWNER = 1u << 11,
        MU_FIELD_BATTERY_UNRESTRICTED = 1u << 12,
        MU_FIELD_DOZE_WHITELISTED = 1u << 13,
        MU_FIELD_NET_VALIDATED = 1u << 14,
        MU_FIELD_QUEUE_DEPTH = 1u << 15,
        MU_FIELD_BOOT_ID = 1u << 16,
        MU_FIELD_SEQ = 1u << 17,
        MU_FIELD_EXTRA = 1u << 18,
        MU_FIELD_SENT_AT = 1u << 19,
        MU_FIELD_COUNT = 20,
};

/* Values of the boolean fields, bits of mu_record.booleans. */
enum mu_record_boolean {
        MU_BOOL_CHARGING = 1u << 0,
        MU_BOOL_POWER_OK = 1u << 1,
        MU_BOOL_DEVICE_OWNER = 1u << 2,
        MU_BOOL_BATTERY_UNRESTRICTED = 1u << 3,
        MU_BOOL_DOZE_WHITELISTED = 1u << 4,
        MU_BOOL_NET_VALIDATED = 1u << 5,
};

enum mu_record_network {
        MU_NETWORK_WIFI = 0,
        MU_NETWORK_CELLULAR = 1,
        MU_NETWORK_ETHERNET = 2,
        MU_NETWORK_OFFLINE = 3,
};

/* mu_record.flags. */
enum mu_record_flag {
        MU_RECORD_CLOCK_SKEWED = 1u << 0,   /* clock_offset_s is not 0 */
        MU_RECORD_QUARANTINED = 1u << 1,    /* the device is under suspicion of being a clone */
        MU_RECORD_BACKLOG = 1u << 2,        /* came in a batch, not live */
        MU_RECORD_INVALID_FIELDS = 1u << 3, /* at least one optional field was refused */
};

enum mu_record_limits {
        MU_SSID_BYTES_MAX = 64,
        MU_FG_PACKAGE_BYTES_MAX = 255,
        MU_AGENT_VERSION_BYTES_MAX = 64,
        MU_BOOT_ID_BYTES_MAX = 64,
        MU_EXTRA_BYTES_MAX = 2048,
        MU_BUCKET_S = 10,
};

struct mu_record {
        int64_t device_id;
        int64_t received_at_us;
        int64_t observed_at_us;
        int64_t bucket_s; /* observed_at floored to MU_BUCKET_S */
        int64_t uptime_s;
        int64_t monitored_last_fg_s; /* as sent; seconds */
        int64_t seq;
        uint32_t present;
        int32_t clock_offset_s; /* multiple of 10 */
        int32_t ram_free_mb;
        int32_t ram_total_mb;
        int32_t queue_depth;
        uint16_t flags;
        uint8_t booleans;
        uint8_t battery_percent;
        uint8_t network;
        uint8_t ssid_bytes;
        uint8_t fg_package_bytes;
        uint8_t agent_version_bytes;
        uint8_t boot_id_bytes;
        uint8_t reserved;
        uint16_t extra_bytes;
        /* strings follow */
};

_Static_assert(sizeof(struct mu_record) == 88, "the journal's payload layout is fixed");

#define MU_RECORD_BYTES_MAX                                                                        \
        (sizeof(struct mu_record) + MU_SSID_BYTES_MAX + MU_FG_PACKAGE_BYTES_MAX +                  \
         MU_AGENT_VERSION_BYTES_MAX + MU_BOOT_ID_BYTES_MAX + MU_EXTRA_BYTES_MAX)

/* The strings' places, computed from the lengths; pointers into the record's own bytes. */
struct mu_record_strings {
        const char *ssid;
        const char *fg_package;
        const char *agent_version;
        const char *boot_id;
        const char *extra;
};

static inline uint32_t mu_record_bytes(const struct mu_record *record)
{
        return (uint32_t)sizeof(*record) + record->ssid_bytes + record->fg_package_bytes +
               record->agent_version_bytes + record->boot_id_bytes + record->extra_bytes;
}

static inline void mu_record_strings(const struct mu_record *record,
                                     struct mu_record_strings *ret_strings)
{
        const char *at = (const char *)(record + 1);

        ret_strings->ssid = at;
        ret_strings->fg_package = (at += record->ssid_bytes);
        ret_strings->agent_version = (at += record->fg_package_bytes);
        ret_strings->boot_id = (at += record->agent_version_bytes);
        ret_strings->extra = at + record->boot_id_bytes;
}

#endif
