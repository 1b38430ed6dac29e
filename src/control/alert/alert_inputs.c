/* SPDX-License-Identifier: Apache-2.0 */
/* alert_inputs.c - what the alert thread judges: silence, stored heartbeats, the appliance. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "control/alert/alert_thread_private.h"
#include "control/alert/content_rules.h"
#include "control/alert/outage_note.h"
#include "identity/device_table.h"
#include "muster/record.h"

enum {
        EVENTS_MAX = 256, /* read from the bus at a time */
        EVENTS_PER_ROUND = 32768,
        EDGES_MAX = 1024,
        EDGE_ROUNDS_MAX = 256, /* a quarter of a million in one look */
        FACTS_MS = 5000,
        SWEEP_MS = 5000,
        APPLIANCE_FRESH_MS = 60 * 1000,
        DETAIL_BYTES = 96,
};

#define AHEAD_US (60 * MU_US_PER_S) /* what two clocks that are right may differ by */

static const enum mu_alert_rule CONTENT_RULES[MU_CONTENT_RULES] = {
        MU_RULE_LOW_BATTERY, MU_RULE_SERVICE_DOWN, MU_RULE_AGENT_OUTDATED,
        MU_RULE_CLOCK_SKEW,  MU_RULE_QUEUE_DEPTH,
};

void mu_alert_look(struct mu_alert_thread *alerts)
{
        const struct mu_alert_config *config = &alerts->config;

        alerts->now = (struct mu_moment){
                .mono_ms = (int64_t)(mu_clock_monotonic_ns(config->clock) / MU_NS_PER_MS),
                .real_us = mu_clock_realtime_us(config->clock),
        };
        alerts->listening = !config->listening || config->listening(config->ctx);
}

void mu_alert_trouble(struct mu_alert_thread *alerts, const char *detail)
{
        if (alerts->config.on_trouble)
                alerts->config.on_trouble(alerts->config.ctx, detail);
}

static const struct mu_device *device_at(const struct mu_alert_thread *alerts, uint32_t index)
{
        return mu_device_table_at(alerts->config.devices, index);
}

/* ---- silence ---- */

/* In milliseconds of real time: what the deadline was, in the words of the machine's clock. */
static void note_detection(struct mu_alert_thread *alerts, int64_t deadline_us)
{
        int64_t late_us = alerts->now.real_us - deadline_us;

        mu_histogram_record(alerts->metrics.detection_ms,
                            late_us > 0 ? (uint64_t)(late_us / MU_US_PER_MS) : 0);
}

static void judge_silent(struct mu_alert_thread *alerts, uint32_t index, uint64_t silent_ms,
                         int64_t heard_us, int64_t deadline_us)
{
        const struct mu_rule *rule = mu_alert_fleet_rule(alerts->fleet, index, MU_RULE_OFFLINE);
        const struct mu_device *device = device_at(alerts, index);
        char detail[DETAIL_BYTES];
        enum mu_alert_edge edge;
        struct mu_reading reading = {
                .rule = MU_RULE_OFFLINE,
                .condition = MU_CONDITION_BREACH,
                .value = (int64_t)(silent_ms / (uint64_t)MU_MS_PER_S),
                .threshold = rule->threshold,
                .has_value = true,
        };

        if (heard_us > 0) {
                (void)snprintf(detail, sizeof(detail), "{\"heard_s\":%" PRId64 "}",
                               heard_us / MU_US_PER_S);
                reading.detail = detail;
        }
        if (mu_alert_engine_judge(alerts->engine, index, device->id, &reading, alerts->now, &edge) <
            0)
                alerts->silent_missed = true;
        else if (edge == MU_EDGE_FIRED && deadline_us > 0)
                note_detection(alerts, deadline_us);
}

static void judge_back(struct mu_alert_thread *alerts, uint32_t index)
{
        const struct mu_reading reading = {.rule = MU_RULE_OFFLINE,
                                           .condition = MU_CONDITION_CLEAR};

        /* Nothing is allocated where something ends. */
        if (mu_alert_engine_judge(alerts->engine, index, device_at(alerts, index)->id, &reading,
                                  alerts->now, NULL) < 0)
                alerts->silent_missed = true;
}

static void take_edge(struct mu_alert_thread *alerts, const struct mu_liveness_edge *edge)
{
        switch (edge->kind) {
        case MU_LIVENESS_SILENT:
                judge_silent(alerts, edge->device, edge->silent_ms, edge->heard_us, edge->at_us);
                return;
        case MU_LIVENESS_BACK:
                judge_back(alerts, edge->device);
                return;
        case MU_LIVENESS_EXCUSED:
                mu_alert_engine_end(alerts->engine, edge->device, MU_RULE_OFFLINE, "rule-off",
                                    false, alerts->now);
                return;
        case MU_LIVENESS_GONE:
                alerts->sweep_wanted = true;
                return;
        }
}

/* Whom the engine could not hear of for want of memory. */
static void catch_up(struct mu_alert_thread *alerts)
{
        alerts->silent_missed = false;
        for (uint32_t i = 0; i < mu_device_table_count(alerts->config.devices); i++) {
                bool silent = mu_liveness_is_silent(alerts->liveness, i);
                bool fires = mu_alert_engine_state(alerts->engine, i, MU_RULE_OFFLINE) ==
                             MU_ALERT_FIRING;

                if (silent && !fires)
                        judge_silent(alerts, i, 0, 0, 0);
                else if (!silent && fires)
                        judge_back(alerts, i);
        }
}

void mu_alert_tick_liveness(struct mu_alert_thread *alerts)
{
        const struct mu_liveness_now now = {
                .monotonic_ms = (uint64_t)alerts->now.mono_ms,
                .real_us = alerts->now.real_us,
                .listening = alerts->listening,
        };
        struct mu_liveness_edge edges[EDGES_MAX];
        uint32_t count = EDGES_MAX;

        for (unsigned i = 0; count == EDGES_MAX && i < EDGE_ROUNDS_MAX; i++) {
                count = mu_liveness_tick(alerts->liveness, &now, edges, EDGES_MAX);
                for (uint32_t edge = 0; edge < count; edge++)
                        take_edge(alerts, &edges[edge]);
        }
        if (alerts->silent_missed)
                catch_up(alerts);
}

int mu_alert_set_thresholds(struct mu_alert_thread *alerts)
{
        const struct mu_rule *fleet =
                mu_alert_fleet_rule(alerts->fleet, MU_ENGINE_APPLIANCE, MU_RULE_OFFLINE);
        int error = 0;

        mu_liveness_set_default_threshold(alerts->liveness,
                                          fleet->enabled ? (uint32_t)fleet->threshold : 0);
        for (uint32_t i = 0; error == 0 && i < mu_device_table_count(alerts->config.devices); i++) {
                const struct mu_rule *rule = mu_alert_fleet_rule(alerts->fleet, i, MU_RULE_OFFLINE);

                if (rule->enabled == fleet->enabled && rule->threshold == fleet->threshold)
                        mu_liveness_clear_threshold(alerts->liveness, i);
                else
                        error = mu_liveness_set_threshold(
                                alerts->liveness, i, rule->enabled ? (uint32_t)rule->threshold : 0);
        }
        return error;
}

/* ---- content ---- */

/* How long a value counts while no other comes: two of the device's intervals. */
static int64_t fresh_ms_of(const struct mu_alert_thread *alerts, const struct mu_device *device)
{
        uint32_t interval_s = atomic_load_explicit(&device->announced_s, memory_order_relaxed);

        if (interval_s == 0)
                interval_s = atomic_load_explicit(&device->interval_s, memory_order_relaxed);
        if (interval_s == 0)
                interval_s = alerts->config.heartbeat_interval_s;
        return 2 * (int64_t)interval_s * MU_MS_PER_S;
}

/* Content comes in any order when a device catches up: only the newest counts. */
static bool is_news(struct mu_alert_thread *alerts, uint32_t index, int64_t observed_us)
{
        if (index >= alerts->observed_count) {
                size_t room = (size_t)index + index / 2 + MU_ALERT_CHANGED_MAX;
                int64_t *observed = reallocarray(alerts->observed_us, room, sizeof(*observed));

                if (!observed)
                        return false; /* judged with the next one */
                memset(observed + alerts->observed_count, 0,
                       (room - alerts->observed_count) * sizeof(*observed));
                alerts->observed_us = observed;
                alerts->observed_count = (uint32_t)room;
        }
        /* What lies ahead of the clock is of a clock that was set back since. */
        if (observed_us < alerts->observed_us[index] &&
            alerts->observed_us[index] <= alerts->now.real_us + AHEAD_US)
                return false;
        alerts->observed_us[index] = observed_us;
        return true;
}

static void judge_rule(struct mu_alert_thread *alerts, const struct mu_device *device,
                       const struct mu_content *content, enum mu_alert_rule rule)
{
        const struct mu_rule *settings = mu_alert_fleet_rule(alerts->fleet, device->index, rule);
        struct mu_monitoring monitoring = {.enabled = false};
        char detail[MU_CONTENT_DETAIL_BYTES];
        struct mu_reading reading;

        if (!settings->enabled)
                return;
        if (rule == MU_RULE_SERVICE_DOWN)
                mu_alert_fleet_monitoring(alerts->fleet, device->index, device->id, &monitoring);
        mu_content_judge(content, rule, settings, &monitoring, detail, &reading);
        reading.fresh_ms = fresh_ms_of(alerts, device);
        reading.age_ms = (alerts->now.real_us - content->received_at_us) / MU_US_PER_MS;
        if (reading.age_ms < 0)
                reading.age_ms = 0;
        if (mu_alert_engine_judge(alerts->engine, device->index, device->id, &reading, alerts->now,
                                  NULL) < 0)
                alerts->statuses_again = true;
}

void mu_alert_judge_content(struct mu_alert_thread *alerts, int64_t device_id,
                            const struct mu_content *content)
{
        const struct mu_device *device = mu_device_table_by_id(alerts->config.devices, device_id);

        if (!device || mu_device_state(device) != MU_DEVICE_LIVE ||
            !mu_content_is_fresh(content, alerts->now.real_us) ||
            !is_news(alerts, device->index, content->observed_at_us))
                return;
        for (unsigned i = 0; i < MU_CONTENT_RULES; i++)
                judge_rule(alerts, device, content, CONTENT_RULES[i]);
}

/* ---- the bus ---- */

static void take_status(struct mu_alert_thread *alerts, const struct mu_bus_event *event)
{
        const struct mu_bus_status *status = &event->as.status;
        struct mu_content content = {
                .received_at_us = status->received_at_us,
                .observed_at_us = status->observed_at_us,
                .monitored_last_fg_s = status->monitored_last_fg_s,
                .queue_depth = status->queue_depth,
                .clock_offset_s = status->clock_offset_s,
                .battery_percent = status->battery_percent,
                .present = status->present,
        };

        if (status->flags & MU_RECORD_QUARANTINED)
                return;
        if (status->cut) {
                if (alerts->cut_count < MU_ALERT_CHANGED_MAX)
                        alerts->cut[alerts->cut_count++] = event->device_id;
                else
                        alerts->statuses_again = true;
                content.present &= ~(uint32_t)MU_FIELD_AGENT_VERSION;
        }
        memcpy(content.agent_version, status->strings + status->fg_package_bytes,
               status->agent_version_bytes);
        mu_alert_judge_content(alerts, event->device_id, &content);
}

_Static_assert((int)MU_BUS_STATUS_STRINGS_BYTES < (int)MU_CONTENT_VERSION_BYTES,
               "any version fits, and NUL");

static void note_changed(struct mu_alert_thread *alerts, int64_t device_id)
{
        if (alerts->changed_count < MU_ALERT_CHANGED_MAX)
                alerts->changed[alerts->changed_count++] = device_id;
        else
                alerts->fleet_wanted = true;
}

static void take_event(struct mu_alert_thread *alerts, const struct mu_bus_event *event)
{
        switch (event->kind) {
        case MU_BUS_STATUS:
                take_status(alerts, event);
                return;
        case MU_BUS_DEVICE_CHANGED:
                note_changed(alerts, event->device_id);
                return;
        case MU_BUS_DEVICES_CHANGED:
                alerts->fleet_wanted = true;
                return;
        case MU_BUS_DEVICE_DELETED:
                alerts->sweep_wanted = true;
                return;
        default:
                return;
        }
}

void mu_alert_read_bus(struct mu_alert_thread *alerts)
{
        struct mu_bus_event events[EVENTS_MAX];

        /* Before it is known what stands, what begins anew would look like its end. */
        if (!alerts->reader.bus || !alerts->ever_known)
                return;
        for (uint32_t taken = 0; taken < EVENTS_PER_ROUND;) {
                uint64_t lost = 0;
                uint32_t count = mu_bus_read(&alerts->reader, events, EVENTS_MAX, &lost);

                if (lost > 0) {
                        mu_cell_add(&alerts->metrics.lost, lost);
                        alerts->fleet_wanted = true; /* which reads the statuses too */
                }
                for (uint32_t i = 0; i < count; i++)
                        take_event(alerts, &events[i]);
                if (count == 0 && lost == 0)
                        return;
                taken += count;
        }
}

/* ---- what no rule applies to any more ---- */

static void sweep_one(void *context, uint32_t index, int64_t device_id, enum mu_alert_rule rule)
{
        struct mu_alert_thread *alerts = context;
        const struct mu_rule *settings = mu_alert_fleet_rule(alerts->fleet, index, rule);
        enum mu_device_state state = index == MU_ENGINE_APPLIANCE
                                             ? MU_DEVICE_LIVE
                                             : mu_device_state(device_at(alerts, index));
        struct mu_monitoring monitoring;
        const char *by = NULL;

        if (state == MU_DEVICE_DELETED)
                by = "device-deleted";
        else if (!settings->enabled)
                by = "rule-off";
        else if (state == MU_DEVICE_QUARANTINED && rule != MU_RULE_OFFLINE)
                by = "device-quarantined"; /* two devices' values: nobody can tell whose */
        if (!by && rule == MU_RULE_SERVICE_DOWN) {
                mu_alert_fleet_monitoring(alerts->fleet, index, device_id, &monitoring);
                by = monitoring.enabled ? NULL : "monitoring-changed";
        }
        if (by)
                mu_alert_engine_end(alerts->engine, index, rule, by, state == MU_DEVICE_DELETED,
                                    alerts->now);
}

void mu_alert_sweep(struct mu_alert_thread *alerts)
{
        uint64_t now_ms = (uint64_t)alerts->now.mono_ms;

        if (!alerts->sweep_wanted && now_ms < alerts->sweep_ms)
                return;
        alerts->sweep_wanted = false;
        alerts->sweep_ms = now_ms + SWEEP_MS;
        mu_alert_engine_walk(alerts->engine, sweep_one, alerts);
}

/* ---- the appliance ---- */

static void judge_reading(struct mu_alert_thread *alerts,
                          const struct mu_appliance_reading *appliance)
{
        const struct mu_rule *rule =
                mu_alert_fleet_rule(alerts->fleet, MU_ENGINE_APPLIANCE, appliance->rule);
        const struct mu_reading reading = {
                .rule = appliance->rule,
                .condition = mu_rule_judge(appliance->rule, rule, appliance->value),
                .value = appliance->value,
                .threshold = rule->threshold,
                .has_value = true,
                .detail = *appliance->detail ? appliance->detail : NULL,
                .fresh_ms = APPLIANCE_FRESH_MS,
        };

        if (!appliance->known || !rule->enabled)
                return;
        if (!appliance->applies)
                mu_alert_engine_end(alerts->engine, MU_ENGINE_APPLIANCE, appliance->rule,
                                    "rule-off", false, alerts->now);
        /* Want of memory is mended by the next look. */
        else if (mu_alert_engine_judge(alerts->engine, MU_ENGINE_APPLIANCE, 0, &reading,
                                       alerts->now, NULL) < 0)
                alerts->facts_ms = 0;
}

static void tick_outage(struct mu_alert_thread *alerts)
{
        const struct mu_rule *rule =
                mu_alert_fleet_rule(alerts->fleet, MU_ENGINE_APPLIANCE, MU_RULE_DATABASE_AWAY);
        const struct mu_outage_rule applies = {
                .enabled = rule->enabled,
                .threshold_s = (uint32_t)rule->threshold,
                .clear_hold_s = rule->holds.clear_hold_s,
        };

        mu_outage_tick(alerts->outage, alerts->facts.storing, &applies);
}

void mu_alert_judge_appliance(struct mu_alert_thread *alerts)
{
        struct mu_appliance_reading readings[MU_APPLIANCE_RULE_COUNT];
        uint64_t now_ms = (uint64_t)alerts->now.mono_ms;

        if (!alerts->config.facts || now_ms < alerts->facts_ms)
                return;
        alerts->facts_ms = now_ms + FACTS_MS;
        alerts->config.facts(alerts->config.ctx, &alerts->facts);
        tick_outage(alerts);
        if (!alerts->ever_known)
                return; /* the rules may say otherwise than what is built in */
        mu_appliance_judge(&alerts->facts, &alerts->slow, readings);
        for (unsigned i = 0; i < MU_APPLIANCE_RULE_COUNT; i++)
                judge_reading(alerts, &readings[i]);
}
