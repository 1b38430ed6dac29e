/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "control/notify/notifier_private.h"

static const char *const outcomes[MU_OUTCOME_COUNT] = {
        [MU_OUTCOME_SENT] = "sent",       [MU_OUTCOME_FAILED] = "failed",
        [MU_OUTCOME_RETRIED] = "retried", [MU_OUTCOME_SILENCED] = "silenced",
        [MU_OUTCOME_OVER] = "over",       [MU_OUTCOME_MERGED] = "merged",
        [MU_OUTCOME_SAID] = "said_since", [MU_OUTCOME_NOT_TOLD] = "not_told_before",
        [MU_OUTCOME_OFF] = "channel_off",
};

static const struct {
        const char *reason;
        enum mu_notifier_outcome outcome;
} reasons[] = {
        {"silenced", MU_OUTCOME_SILENCED},
        {"over before it was told", MU_OUTCOME_OVER},
        {"part of a wider incident", MU_OUTCOME_MERGED},
        {"said since", MU_OUTCOME_SAID},
        {"not told before", MU_OUTCOME_NOT_TOLD},
        {"the channel is off", MU_OUTCOME_OFF},
};

static const char *const state_names[] = {"ok", "away", "broken"};

static const char *kind_label(size_t kind)
{
        return kind == MU_KIND_DIRECT ? "direct" : mu_notice_kind_name((enum mu_notice_kind)kind);
}

void mu_notifier_register(struct mu_notifier *notifier, struct mu_metrics *metrics)
{
        for (size_t kind = 0; kind < MU_KIND_COUNT; kind++)
                for (size_t i = 0; i < MU_OUTCOME_COUNT; i++)
                        mu_metrics_counter(
                                metrics, "muster_alert_notifications_total",
                                "Messages about incidents, by what became of them; "
                                "retried: attempts that another one follows.",
                                MU_LABELS({"kind", kind_label(kind)}, {"outcome", outcomes[i]}),
                                &notifier->totals[kind][i]);
        for (size_t kind = 0; kind < MU_NOTICE_KINDS; kind++)
                mu_metrics_gauge(metrics, "muster_alert_notifications_waiting",
                                 "Messages that wait to be sent.",
                                 MU_LABELS({"kind", kind_label(kind)}), &notifier->waiting[kind]);
        for (size_t kind = 0; kind < MU_CHANNEL_KINDS; kind++)
                for (size_t i = 0; i < MU_COUNT_OF(state_names); i++)
                        mu_metrics_gauge(
                                metrics, "muster_alert_channels",
                                "Channels that are on; away: taken for away by their breaker, "
                                "broken: it was told that they are not there.",
                                MU_LABELS(
                                        {"kind", mu_channel_kind_name((enum mu_channel_kind)kind)},
                                        {"state", state_names[i]}),
                                &notifier->states[kind][i]);
        mu_metrics_histogram(metrics, "muster_alert_notification_latency_seconds",
                             "From an edge of an incident to the channel's answer.", MU_NO_LABELS,
                             notifier->latency_us, 1e-6, &mu_bounds_latency_s);
}

void mu_notifier_count(struct mu_notifier *notifier, size_t kind, enum mu_notifier_outcome outcome)
{
        mu_cell_add(&notifier->totals[kind][outcome], 1);
}

void mu_notifier_count_dropped(struct mu_notifier *notifier, const char *kind, const char *reason)
{
        enum mu_notice_kind of = MU_NOTICE_OPENED;

        MU_ASSERT(mu_notice_kind_of(kind, &of) == 0);
        for (size_t i = 0; i < MU_COUNT_OF(reasons); i++)
                if (strcmp(reasons[i].reason, reason) == 0)
                        mu_notifier_count(notifier, of, reasons[i].outcome);
}

void mu_notifier_count_channels(struct mu_notifier *notifier)
{
        uint64_t counts[MU_CHANNEL_KINDS][MU_COUNT_OF(state_names)] = {{0}};

        for (struct mu_notifier_channel *at = notifier->channels; at; at = at->next) {
                bool broken = *at->unusable || mu_channel_is_broken(at, notifier);
                bool away = mu_breaker_state(&at->breaker) == MU_BREAKER_OPEN;

                if (at->listed)
                        counts[at->kind][broken ? 2 : away ? 1 : 0]++;
        }
        for (size_t kind = 0; kind < MU_CHANNEL_KINDS; kind++)
                for (size_t i = 0; i < MU_COUNT_OF(state_names); i++)
                        mu_cell_set(&notifier->states[kind][i], counts[kind][i]);
}

void mu_notifier_trouble(struct mu_notifier *notifier, const char *format, ...)
{
        char sentence[MU_NOTIFIER_ERROR_BYTES + 128];
        va_list arguments;

        if (!notifier->config.on_trouble)
                return;
        va_start(arguments, format);
        (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
        va_end(arguments);
        notifier->config.on_trouble(notifier->config.ctx, sentence);
}
