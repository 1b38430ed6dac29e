/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_image.h - what viewers are shown of the fleet, in memory, with what changed since when.
 *
 *   load (begin, put …, end) ──▶ rows ◀── apply: statuses from the bus, the newest wins
 *                                 │ changed: mask of fields, list of slots
 *                                 ▼
 *                        begin_round: the list becomes the round, each row gets its sequence
 *
 * A row keeps its slot for as long as the image lives, also when its device is gone: so "what
 * changed after sequence s" is a walk over the slots, for any s, whoever asks. A mere newer
 * received_at is a change only every MU_LIVE_REFRESH_MS.
 *
 * Units      *_at_us: since the epoch; now_ms: monotonic. slots: rows.
 * Threads    one.
 * Ownership  The image owns rows and their strings.
 * Errors     -ENOMEM: the image is unchanged but for what was put before.
 */
#ifndef MUSTER_CONTROL_LIVE_IMAGE_H
#define MUSTER_CONTROL_LIVE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bus.h"
#include "muster/compiler.h"

enum mu_live_image_limits {
        MU_LIVE_REFRESH_MS = 15000,
        MU_LIVE_WHEEL_SLOTS = 32, /* of MU_LIVE_WHEEL_MS each: more than a refresh */
        MU_LIVE_WHEEL_MS = 1000,
};

/* What a change touched. */
enum mu_live_field {
        MU_LIVE_RECEIVED = 1u << 0,
        MU_LIVE_OBSERVED = 1u << 1,
        MU_LIVE_BATTERY = 1u << 2,
        MU_LIVE_CHARGING = 1u << 3,
        MU_LIVE_NETWORK = 1u << 4,
        MU_LIVE_POWER_OK = 1u << 5,
        MU_LIVE_FLAGS = 1u << 6,
        MU_LIVE_FG_PACKAGE = 1u << 7,
        MU_LIVE_AGENT_VERSION = 1u << 8,
        MU_LIVE_ALIAS = 1u << 9,
        MU_LIVE_KIND = 1u << 10,
        MU_LIVE_QUARANTINED = 1u << 11,
        MU_LIVE_EDITED = 1u << 12, /* what is not in the image: tags, site, notes */
        MU_LIVE_GONE = 1u << 13,
        MU_LIVE_WHOLE = (1u << 12) - 1,
        MU_LIVE_TIMES = MU_LIVE_RECEIVED | MU_LIVE_OBSERVED,
};

struct mu_live_row {
        int64_t device_id;
        int64_t received_at_us; /* 0: it has not reported yet, nor has it any content */
        int64_t observed_at_us;
        uint64_t seq;        /* of the round that carried its newest change */
        uint64_t edited_seq; /* of the newest round that carried MU_LIVE_EDITED */
        uint64_t sent_ms;    /* when round seq was */
        char *alias;
        char *fg_package;    /* NULL: unknown */
        char *agent_version; /* NULL: unknown */
        uint32_t present;    /* MU_FIELD_BATTERY, _CHARGING, _NETWORK, _POWER_OK */
        uint16_t changed;    /* MU_LIVE_*, not yet in a round */
        uint16_t carried;    /* MU_LIVE_* of round seq */
        uint16_t flags;      /* MU_RECORD_* */
        uint8_t battery_percent;
        uint8_t network; /* enum mu_record_network */
        bool charging;
        bool power_ok;
        bool is_desktop;
        bool quarantined;
        bool gone;
        bool newer;     /* than what was last sent are its times, and nothing else */
        bool in_wheel;  /* to be looked at again */
        uint32_t loads; /* number of the load that last saw it */
};

/* A row as the database has it. Strings are copied; fg_package and agent_version may be NULL. */
struct mu_live_loaded {
        int64_t device_id;
        int64_t received_at_us;
        int64_t observed_at_us;
        const char *alias;
        const char *fg_package;
        const char *agent_version;
        uint32_t present;
        uint16_t flags;
        uint8_t battery_percent;
        uint8_t network;
        bool charging;
        bool power_ok;
        bool is_desktop;
        bool quarantined;
};

struct mu_live_slots {
        uint32_t *list;
        uint32_t count;
        uint32_t room;
};

/* Read; written by live_image.c alone. */
struct mu_live_image {
        struct mu_live_row *rows;
        uint32_t row_count; /* slots in use, gone ones too */
        uint32_t row_room;
        uint32_t live_count;
        uint32_t *table; /* slot + 1 by hash; 0: free */
        uint32_t table_mask;
        struct mu_live_slots changed;
        struct mu_live_slots round; /* of the last begin_round */
        struct mu_live_slots wheel[MU_LIVE_WHEEL_SLOTS];
        uint64_t wheel_ms; /* how far it has been turned */
        uint32_t loads;
};

#define MU_LIVE_NO_SLOT UINT32_MAX

void mu_live_image_init(struct mu_live_image *image, uint64_t now_ms);
void mu_live_image_done(struct mu_live_image *image); /* as after init */

/* The device's slot, also when it is gone; MU_LIVE_NO_SLOT. */
uint32_t mu_live_image_slot(const struct mu_live_image *image, int64_t device_id);

/* Rows that the load does not put are gone at its end. Without begin and end, put changes one. */
void mu_live_image_begin_load(struct mu_live_image *image);
MU_MUST_CHECK
int mu_live_image_put(struct mu_live_image *image, const struct mu_live_loaded *loaded);
MU_MUST_CHECK
int mu_live_image_end_load(struct mu_live_image *image);

/* -ENOENT: not in the image, or cut: read its row. */
MU_MUST_CHECK
int mu_live_image_apply(struct mu_live_image *image, int64_t device_id,
                        const struct mu_bus_status *status, uint64_t now_ms);
/* Marks what is not in the image as changed. A device that is not there: a no-op. */
MU_MUST_CHECK
int mu_live_image_edited(struct mu_live_image *image, int64_t device_id);
MU_MUST_CHECK
int mu_live_image_remove(struct mu_live_image *image, int64_t device_id);

/* Newer times that have waited long enough become changes. */
MU_MUST_CHECK
int mu_live_image_turn(struct mu_live_image *image, uint64_t now_ms);
/* What has changed longest, up to rows_max, becomes the round seq. */
void mu_live_image_begin_round(struct mu_live_image *image, uint64_t seq, uint32_t rows_max,
                               uint64_t now_ms);

#endif
