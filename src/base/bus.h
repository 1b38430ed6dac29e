/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus.h - what changed, for whoever watches: how the planes tell each other without knowing each
 * other.
 *
 *   writers, after COMMIT ─┐
 *   control workers ───────┼─ publish ─▶ ring, overwritten when full ─▶ read: events, or "lost n"
 *   whoever comes later ───┘
 *
 * An event is a hint, not a record: the truth is in PostgreSQL, and an event is published only
 * after its change was committed there. A reader first watches, then reads the database, then
 * applies events to what it has read; when it lost some, it reads the database again. Events of one
 * publisher arrive in its order.
 *
 * A producer never waits for a reader: a slow one loses the oldest events and is told exactly how
 * many, an absent one costs one relaxed load.
 *
 * Units      *_at_us: since the Unix epoch. slots, counts: events.
 * Threads    publish: any, serialised by a mutex that only producers take. A reader belongs to one
 *            thread; there may be several. create, destroy: while nobody uses it.
 * Ordering   A slot's words are written with release and read with acquire between two looks at its
 *            stamp, so what a reader delivers is whole.
 * Ownership  Events are copied in and out. The bus outlives its readers.
 * Errors     negative errno from create. Losing events is an answer, not an error.
 */
#ifndef MUSTER_BASE_BUS_H
#define MUSTER_BASE_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

enum mu_bus_limits {
        MU_BUS_SLOTS_MAX = 1 << 20,
        MU_BUS_STATUS_STRINGS_BYTES = 56,
        MU_BUS_STATE_BYTES = 24, /* with NUL */
        MU_BUS_TYPE_BYTES = 32,
};

enum mu_bus_kind {
        MU_BUS_STATUS = 1,      /* a device's last status was stored: as.status */
        MU_BUS_DEVICE_CHANGED,  /* registered, renamed, tagged, quarantined: read its row */
        MU_BUS_DEVICE_DELETED,  /* it is gone for good */
        MU_BUS_DEVICES_CHANGED, /* many devices at once: read the list */
        MU_BUS_COMMAND,         /* a command's state: as.command */
        MU_BUS_ALERT,           /* an alert or incident changed: as.alert */
};

/* The newest of a device within a batch; it is news only where the times below say so. */
struct mu_bus_status {
        int64_t received_at_us; /* of the newest received: liveness */
        int64_t observed_at_us; /* of the newest observed, whose content this is */
        int64_t monitored_last_fg_s;
        int32_t queue_depth;
        int32_t clock_offset_s; /* the device's clock, as it was taken into account */
        uint32_t present;       /* MU_FIELD_* of muster/record.h: what is not NULL */
        uint16_t flags;         /* MU_RECORD_* */
        uint8_t booleans;       /* MU_BOOL_* */
        uint8_t battery_percent;
        uint8_t network;
        uint8_t fg_package_bytes;    /* strings: fg_package, agent_version, without NUL */
        uint8_t agent_version_bytes; /* both 0 when cut */
        bool cut;                    /* the strings did not fit: read the row */
        char strings[MU_BUS_STATUS_STRINGS_BYTES];
};

struct mu_bus_command {
        int64_t id;
        int64_t at_us;
        char state[MU_BUS_STATE_BYTES]; /* "queued", "sent", ... */
        char type[MU_BUS_TYPE_BYTES];   /* "reboot", ... */
};

struct mu_bus_alert {
        int64_t incident_id;
        int64_t alert_id; /* 0: the incident as a whole */
        int64_t at_us;
        uint32_t firing_count;           /* of the incident */
        uint32_t acked;                  /* somebody has seen it */
        char rule[MU_BUS_STATE_BYTES];   /* "offline", ... */
        char change[MU_BUS_STATE_BYTES]; /* "fired", "resolved", "opened", "closed", "merged", ...
                                          */
};

struct mu_bus_event {
        uint64_t kind; /* enum mu_bus_kind */
        int64_t device_id;
        union {
                struct mu_bus_status status;
                struct mu_bus_command command;
                struct mu_bus_alert alert;
                uint64_t words[13];
        } as;
};

_Static_assert(sizeof(struct mu_bus_event) == 120, "with its stamp two cache lines");

struct mu_bus;

struct mu_bus_reader {
        struct mu_bus *bus; /* NULL: does not watch */
        uint64_t next;
};

/* slots: power of two, 2..MU_BUS_SLOTS_MAX; 128 bytes each. 0, -EINVAL, -ENOMEM. */
MU_MUST_CHECK
int mu_bus_create(uint32_t slots, struct mu_bus **ret_bus);
void mu_bus_destroy(struct mu_bus *bus); /* NULL is a no-op */

/* ---- producers; bus NULL: nobody watches ---- */

/* Whether making events is worth while. */
bool mu_bus_watched(const struct mu_bus *bus);
/* After the commit. Does nothing when nobody watches. */
void mu_bus_publish(struct mu_bus *bus, const struct mu_bus_event *events, uint32_t count);

/* ---- readers ---- */

/* From now on: read the database after this call, and no change is missed. */
void mu_bus_watch(struct mu_bus *bus, struct mu_bus_reader *ret_reader);
void mu_bus_unwatch(struct mu_bus_reader *reader); /* not watching is a no-op */
/* Up to events_max events in order; 0: there are none. *ret_lost: how many were overwritten before
 * the first of them. */
uint32_t mu_bus_read(struct mu_bus_reader *reader, struct mu_bus_event *events, uint32_t events_max,
                     uint64_t *ret_lost);

#endif
