/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command_news.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bus.h"
#include "base/clock.h"
#include "control/command/dispatcher.h"
#include "control/control.h"
#include "control/endpoint.h"
#include "metrics/metrics.h"

struct mu_command_counts {
        _Atomic uint64_t entered[MU_COMMAND_TYPES_MAX][MU_COMMAND_STATE_COUNT];
};

struct mu_command_news *mu_command_news_create(size_t count)
{
        struct mu_command_news *news = calloc(1, sizeof(*news) + count * sizeof(news->notes[0]));

        if (news)
                news->count = count;
        return news;
}

static void publish(struct mu_control *control, const struct mu_command_note *note)
{
        struct mu_bus_event event = {
                .kind = MU_BUS_COMMAND,
                .device_id = note->device_id,
                .as.command = {.id = note->id,
                               .at_us = mu_clock_realtime_us(control->config.clock)},
        };

        (void)snprintf(event.as.command.state, sizeof(event.as.command.state), "%s",
                       mu_command_state_name(note->state));
        (void)snprintf(event.as.command.type, sizeof(event.as.command.type), "%s",
                       note->type ? note->type->name : "");
        mu_bus_publish(control->config.bus, &event, 1);
}

void mu_command_news_tell(struct mu_control *control, void *arg)
{
        const struct mu_command_news *news = arg;
        int64_t ids[256];
        size_t held = 0;

        for (size_t i = 0; i < news->count; i++) {
                const struct mu_command_note *note = &news->notes[i];

                mu_command_counts_add(control->command_counts, note->type, note->state, 1);
                if (control->config.bus)
                        publish(control, note);
                ids[held++] = note->device_id;
                if (held == MU_COUNT_OF(ids) || i + 1 == news->count) {
                        mu_dispatcher_changed(control->config.dispatcher, ids, held);
                        held = 0;
                }
        }
}

bool mu_ask_command_changed(struct mu_ask *ask, const struct mu_command_note *note)
{
        struct mu_command_news *news = mu_command_news_create(1);

        if (!news) {
                mu_ask_failed(ask, -ENOMEM);
                return false;
        }
        news->notes[0] = *note;
        mu_ask_after_commit(ask, mu_command_news_tell, news);
        return true;
}

/* ---- counters ---- */

static double read_count(void *context)
{
        return (double)atomic_load_explicit((_Atomic uint64_t *)context, memory_order_relaxed);
}

int mu_command_counts_create(struct mu_metrics *metrics, struct mu_command_counts **ret_counts)
{
        struct mu_command_counts *counts = calloc(1, sizeof(*counts));
        const struct mu_command_type *type;

        if (!counts)
                return -ENOMEM;
        for (size_t i = 0; metrics && (type = mu_command_type_at(i)); i++)
                for (size_t state = 0; state < MU_COMMAND_STATE_COUNT; state++)
                        mu_metrics_counter_fn(
                                metrics, "muster_commands_total",
                                "Commands that came into a state.",
                                MU_LABELS({"type", type->name},
                                          {"state",
                                           mu_command_state_name((enum mu_command_state)state)}),
                                read_count, &counts->entered[i][state]);
        *ret_counts = counts;
        return 0;
}

void mu_command_counts_destroy(struct mu_command_counts *counts)
{
        free(counts);
}

void mu_command_counts_add(struct mu_command_counts *counts, const struct mu_command_type *type,
                           enum mu_command_state state, uint64_t n)
{
        MU_ASSERT(state < MU_COMMAND_STATE_COUNT);
        if (counts && type)
                atomic_fetch_add_explicit(&counts->entered[mu_command_type_index(type)][state], n,
                                          memory_order_relaxed);
}
