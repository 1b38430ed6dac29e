/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_machine.h - the states of one rule on one device. Pure: no clock, no memory, no database.
 *
 *            breach, no hold                         clear (for clear_hold_s)
 *   none ─────────────────────────────────▶ firing ──────────────────────────▶ none: resolved
 *     │ breach           breach for hold_s    ▲  ▲ breach, between: clearing begins anew
 *     └────────▶ pending ─────────────────────┘  └──┘
 *                   └── between, clear ──▶ none: dropped, nobody was told
 *
 * A value is a breach beyond the threshold, clear at or past clear_at, and between otherwise:
 * between begins nothing and ends nothing that fires (hysteresis). Unknown changes nothing. Holds
 * are measured on the monotonic clock; the times that are told are real ones, and within an episode
 * they never run backwards, whatever somebody does to the clock.
 *
 * Units      *_ms: monotonic, signed: what was loaded may have begun before the machine did.
 *            *_us: since the Unix epoch.
 * Threads    plain data.
 */
#ifndef MUSTER_CONTROL_ALERT_ALERT_MACHINE_H
#define MUSTER_CONTROL_ALERT_ALERT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/alert/alert.h"

struct mu_moment {
        int64_t mono_ms;
        int64_t real_us;
};

enum mu_condition {
        MU_CONDITION_UNKNOWN,
        MU_CONDITION_CLEAR,
        MU_CONDITION_BETWEEN,
        MU_CONDITION_BREACH,
};

enum mu_alert_edge {
        MU_EDGE_NONE,
        MU_EDGE_PENDING,
        MU_EDGE_DROPPED, /* was pending */
        MU_EDGE_FIRED,
        MU_EDGE_RESOLVED,
};

/* How long a state must last. */
struct mu_holds {
        uint32_t hold_s;
        uint32_t clear_hold_s;
};

/* Zeroed: nothing stands. */
struct mu_alert_machine {
        int64_t since_ms;   /* pending: since the first breach; clearing: since the first clear */
        int64_t since_us;   /* clearing: the same in real time */
        int64_t pending_us; /* of this episode */
        int64_t fired_us;
        int64_t resolved_us; /* of the episode that ended last */
        uint8_t state;       /* enum mu_alert_state */
        bool clearing;       /* firing, but clear for less than clear_hold_s */
};

/* A value was judged. */
enum mu_alert_edge mu_alert_machine_step(struct mu_alert_machine *machine,
                                         const struct mu_holds *holds, struct mu_moment now,
                                         enum mu_condition condition);
/* Time went by, and what was judged last still counts: a hold that is over has its effect. */
enum mu_alert_edge mu_alert_machine_mature(struct mu_alert_machine *machine,
                                           const struct mu_holds *holds, struct mu_moment now);
/* When mature would do something; INT64_MAX: never. */
int64_t mu_alert_machine_due_ms(const struct mu_alert_machine *machine,
                                const struct mu_holds *holds);
/* There is nothing to judge any more: what stands ends, without a hold. */
enum mu_alert_edge mu_alert_machine_end(struct mu_alert_machine *machine, struct mu_moment now);

/* As the database has it after a restart. Holds go on as if the process had not been away. */
void mu_alert_machine_load(struct mu_alert_machine *machine, enum mu_alert_state state,
                           int64_t pending_us, int64_t fired_us, int64_t clearing_us,
                           struct mu_moment now);

#endif
