/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alert_machine.h"

#include "base/assert.h"
#include "base/clock.h"

static int64_t later(int64_t a, int64_t b)
{
        return a > b ? a : b;
}

static bool lasted(const struct mu_alert_machine *machine, uint32_t hold_s, struct mu_moment now)
{
        return now.mono_ms - machine->since_ms >= (int64_t)hold_s * MU_MS_PER_S;
}

static enum mu_alert_edge fire(struct mu_alert_machine *machine, struct mu_moment now)
{
        machine->state = MU_ALERT_FIRING;
        machine->clearing = false;
        machine->fired_us = later(now.real_us, machine->pending_us);
        return MU_EDGE_FIRED;
}

static enum mu_alert_edge resolve(struct mu_alert_machine *machine, struct mu_moment now)
{
        machine->state = MU_ALERT_NONE;
        machine->clearing = false;
        machine->resolved_us = later(now.real_us, machine->fired_us);
        return MU_EDGE_RESOLVED;
}

static enum mu_alert_edge begin(struct mu_alert_machine *machine, const struct mu_holds *holds,
                                struct mu_moment now)
{
        machine->since_ms = now.mono_ms;
        machine->pending_us = now.real_us;
        if (holds->hold_s == 0)
                return fire(machine, now);
        machine->state = MU_ALERT_PENDING;
        return MU_EDGE_PENDING;
}

static enum mu_alert_edge clear(struct mu_alert_machine *machine, const struct mu_holds *holds,
                                struct mu_moment now)
{
        if (!machine->clearing) {
                machine->clearing = true;
                machine->since_ms = now.mono_ms;
                machine->since_us = later(now.real_us, machine->fired_us);
        }
        return mu_alert_machine_mature(machine, holds, now);
}

enum mu_alert_edge mu_alert_machine_step(struct mu_alert_machine *machine,
                                         const struct mu_holds *holds, struct mu_moment now,
                                         enum mu_condition condition)
{
        if (condition == MU_CONDITION_UNKNOWN)
                return MU_EDGE_NONE;
        switch ((enum mu_alert_state)machine->state) {
        case MU_ALERT_NONE:
                return condition == MU_CONDITION_BREACH ? begin(machine, holds, now) : MU_EDGE_NONE;
        case MU_ALERT_PENDING:
                if (condition == MU_CONDITION_BREACH)
                        return mu_alert_machine_mature(machine, holds, now);
                machine->state = MU_ALERT_NONE;
                return MU_EDGE_DROPPED;
        case MU_ALERT_FIRING:
                if (condition == MU_CONDITION_CLEAR)
                        return clear(machine, holds, now);
                machine->clearing = false;
                return MU_EDGE_NONE;
        case MU_ALERT_STATE_COUNT:
        default:
                MU_ASSERT(false);
                return MU_EDGE_NONE;
        }
}

enum mu_alert_edge mu_alert_machine_mature(struct mu_alert_machine *machine,
                                           const struct mu_holds *holds, struct mu_moment now)
{
        if (machine->state == MU_ALERT_PENDING && lasted(machine, holds->hold_s, now))
                return fire(machine, now);
        if (machine->state == MU_ALERT_FIRING && machine->clearing &&
            lasted(machine, holds->clear_hold_s, now))
                return resolve(machine, now);
        return MU_EDGE_NONE;
}

int64_t mu_alert_machine_due_ms(const struct mu_alert_machine *machine,
                                const struct mu_holds *holds)
{
        if (machine->state == MU_ALERT_PENDING)
                return machine->since_ms + (int64_t)holds->hold_s * MU_MS_PER_S;
        if (machine->state == MU_ALERT_FIRING && machine->clearing)
                return machine->since_ms + (int64_t)holds->clear_hold_s * MU_MS_PER_S;
        return INT64_MAX;
}

enum mu_alert_edge mu_alert_machine_end(struct mu_alert_machine *machine, struct mu_moment now)
{
        if (machine->state == MU_ALERT_FIRING)
                return resolve(machine, now);
        if (machine->state != MU_ALERT_PENDING)
                return MU_EDGE_NONE;
        machine->state = MU_ALERT_NONE;
        return MU_EDGE_DROPPED;
}

void mu_alert_machine_load(struct mu_alert_machine *machine, enum mu_alert_state state,
                           int64_t pending_us, int64_t fired_us, int64_t clearing_us,
                           struct mu_moment now)
{
        bool clearing = state == MU_ALERT_FIRING && clearing_us != 0;
        int64_t since_us = clearing ? clearing_us : pending_us;

        *machine = (struct mu_alert_machine){
                .since_us = since_us,
                /* a clock that was set back meanwhile makes the hold begin anew */
                .since_ms = now.mono_ms - later(now.real_us - since_us, 0) / MU_US_PER_MS,
                .pending_us = pending_us,
                .fired_us = fired_us,
                .state = (uint8_t)state,
                .clearing = clearing,
        };
}
