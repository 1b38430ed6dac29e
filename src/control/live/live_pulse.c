/* SPDX-License-Identifier: Apache-2.0 */
#include "control/live/live_pulse.h"

#include "base/assert.h"
#include "base/clock.h"
#include "control/live/live_encode.h"

enum { TENTHS = 10 };

void mu_live_pulse_take(struct mu_live_pulse *pulse, const struct mu_live_reading *reading)
{
        pulse->readings[pulse->next] = *reading;
        pulse->next = (pulse->next + 1) % MU_LIVE_PULSE_MAX;
        if (pulse->count < MU_LIVE_PULSE_MAX)
                pulse->count++;
}

/* back: 0 is the newest. */
static const struct mu_live_reading *reading_of(const struct mu_live_pulse *pulse, uint32_t back)
{
        MU_ASSERT(back < pulse->count);
        return &pulse->readings[(pulse->next + MU_LIVE_PULSE_MAX - 1 - back) % MU_LIVE_PULSE_MAX];
}

const struct mu_live_reading *mu_live_pulse_recent(const struct mu_live_pulse *pulse)
{
        return pulse->count > 1 ? reading_of(pulse, 1) : NULL;
}

uint64_t mu_live_pulse_due_ms(const struct mu_live_pulse *pulse)
{
        return pulse->count > 0 ? reading_of(pulse, 0)->at_ms + MU_LIVE_PULSE_MS : 0;
}

uint64_t mu_live_pulse_rate(const struct mu_live_reading *from, const struct mu_live_reading *to)
{
        uint64_t passed_ms = to->at_ms - from->at_ms;
        uint64_t heartbeats = to->durable_seq - from->durable_seq;

        if (passed_ms == 0)
                return 0;
        return (heartbeats * TENTHS * MU_MS_PER_S + passed_ms / 2) / passed_ms;
}

void mu_live_pulse_encode_rate(struct mu_text *text, uint64_t tenths)
{
        mu_live_encode_uint(text, tenths / TENTHS);
        mu_text_add(text, ".");
        mu_live_encode_uint(text, tenths % TENTHS);
}

void mu_live_pulse_encode(struct mu_text *text, const struct mu_live_pulse *pulse)
{
        mu_text_add(text, "[");
        for (uint32_t back = pulse->count > 0 ? pulse->count - 1 : 0; back > 0; back--) {
                const struct mu_live_reading *to = reading_of(pulse, back - 1);

                mu_text_add(text, back + 1 < pulse->count ? ",[" : "[");
                mu_live_encode_time(text, to->at_us);
                mu_text_add(text, ",");
                mu_live_pulse_encode_rate(text, mu_live_pulse_rate(reading_of(pulse, back), to));
                mu_text_add(text, "]");
        }
        mu_text_add(text, "]");
}
