/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/bus.h"
#include "base/clock.h"
#include "control/command/command_news.h"
#include "control/command/command_type.h"
#include "control/command/dispatcher_private.h"
#include "identity/device_table.h"
#include "muster/histogram.h"

static void register_paths(struct mu_dispatcher_metrics *cells, struct mu_metrics *metrics)
{
        static const char *const results[MU_SEND_RESULTS] = {"ok", "failed", "unregistered"};

        for (enum mu_command_path path = 0; path < MU_COMMAND_PATH_COUNT; path++) {
                const char *name = mu_command_path_name(path);

                /* Those two do not send by the dispatcher, or deliver nothing. */
                for (int r = 0; path != MU_COMMAND_BY_HEARTBEAT && r < MU_SEND_RESULTS; r++)
                        mu_metrics_counter(metrics, "muster_command_sends_total",
                                           "Attempts to push a command, by path and result.",
                                           MU_LABELS({"path", name}, {"result", results[r]}),
                                           &cells->sends[path][r]);
                if (path == MU_COMMAND_BY_FCM_NUDGE)
                        continue;
                mu_metrics_counter(metrics, "muster_commands_delivered_total",
                                   "Commands acknowledged, by the path that was first.",
                                   MU_LABELS({"path", name}), &cells->delivered[path]);
                mu_metrics_histogram(metrics, "muster_command_delivery_seconds",
                                     "From queued to acknowledged by the device.",
                                     MU_LABELS({"path", name}), cells->delivery_us[path], 1e-6,
                                     &mu_bounds_latency_s);
        }
}

static void register_metrics(struct mu_dispatcher_metrics *cells, struct mu_metrics *metrics)
{
        mu_metrics_gauge(metrics, "muster_commands_pending",
                         "Commands queued or sent and not acknowledged, as heartbeats tell them.",
                         MU_NO_LABELS, &cells->pending);
        mu_metrics_histogram(metrics, "muster_command_dispatch_lag_seconds",
                             "From queued to first pushed.", MU_NO_LABELS, cells->lag_us, 1e-6,
                             &mu_bounds_latency_s);
        mu_metrics_counter(metrics, "muster_command_receipts_total",
                           "Acknowledgements by WebSocket, repeated ones too.", MU_NO_LABELS,
                           &cells->receipts);
        mu_metrics_counter(metrics, "muster_command_channel_results_total",
                           "Results stored that came by WebSocket.", MU_NO_LABELS, &cells->results);
        mu_metrics_counter(metrics, "muster_device_channel_malformed_total",
                           "Messages of devices that could not be understood.", MU_NO_LABELS,
                           &cells->bad_messages);
        mu_metrics_counter(metrics, "muster_dispatch_outages_total",
                           "Times the dispatcher lost the database.", MU_NO_LABELS,
                           &cells->outages);
        mu_metrics_counter(metrics, "muster_dispatch_full_looks_total",
                           "Times the dispatcher looked at every device with commands.",
                           MU_NO_LABELS, &cells->everything);
        register_paths(cells, metrics);
}

int mu_dispatcher_metrics_create(struct mu_dispatcher *dispatcher)
{
        struct mu_dispatcher_metrics *cells = &dispatcher->metrics;
        int error = mu_histogram_create(&cells->lag_us);

        pthread_mutex_init(&cells->lock, NULL);
        for (int path = 0; error == 0 && path < MU_COMMAND_PATH_COUNT; path++)
                error = mu_histogram_create(&cells->delivery_us[path]);
        if (error == 0 && dispatcher->config.metrics)
                register_metrics(cells, dispatcher->config.metrics);
        return error;
}

void mu_dispatcher_metrics_destroy(struct mu_dispatcher *dispatcher)
{
        struct mu_dispatcher_metrics *cells = &dispatcher->metrics;

        mu_histogram_destroy(cells->lag_us);
        for (int path = 0; path < MU_COMMAND_PATH_COUNT; path++)
                mu_histogram_destroy(cells->delivery_us[path]);
        pthread_mutex_destroy(&cells->lock);
}

void mu_dispatcher_delivered(struct mu_dispatcher *dispatcher, enum mu_command_path path,
                             int64_t queued_to_received_us)
{
        if (!dispatcher || path >= MU_COMMAND_PATH_COUNT)
                return;
        struct mu_dispatcher_metrics *cells = &dispatcher->metrics;

        pthread_mutex_lock(&cells->lock);
        mu_cell_add(&cells->delivered[path], 1);
        mu_histogram_record(cells->delivery_us[path],
                            queued_to_received_us > 0 ? (uint64_t)queued_to_received_us : 0);
        pthread_mutex_unlock(&cells->lock);
}

void mu_dispatcher_count_into(struct mu_dispatcher *dispatcher, struct mu_command_counts *counts)
{
        dispatcher->counts = counts;
}

void mu_dispatcher_tell(struct mu_dispatcher *dispatcher, int64_t device_id, int64_t command_id,
                        enum mu_command_state state, const struct mu_command_type *type)
{
        struct mu_bus *bus = dispatcher->config.bus;
        struct mu_bus_event event = {.kind = MU_BUS_COMMAND, .device_id = device_id};

        mu_command_counts_add(dispatcher->counts, type, state, 1);
        if (!mu_bus_watched(bus))
                return;
        event.as.command.id = command_id;
        event.as.command.at_us = mu_clock_realtime_us(dispatcher->config.clock);
        (void)snprintf(event.as.command.state, sizeof(event.as.command.state), "%s",
                       mu_command_state_name(state));
        (void)snprintf(event.as.command.type, sizeof(event.as.command.type), "%s",
                       type ? type->name : "");
        mu_bus_publish(bus, &event, 1);
}

void mu_dispatcher_count_pending(struct mu_dispatcher *dispatcher, struct mu_device *device,
                                 uint32_t count)
{
        struct mu_cell *total = &dispatcher->metrics.pending;
        uint32_t former =
                atomic_exchange_explicit(&device->commands_pending, count, memory_order_relaxed);

        mu_cell_set(total, mu_cell_get(total) - former + count);
}
