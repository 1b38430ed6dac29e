/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alert_thread_private.h"
#include "control/alert/outage_note.h"

static void register_rules(struct mu_alert_thread *alerts)
{
        struct mu_metrics *metrics = alerts->config.metrics;
        struct mu_alert_metrics *cells = &alerts->metrics;

        for (unsigned rule = 0; rule < MU_RULE_COUNT; rule++) {
                const char *name = mu_alert_rule_name((enum mu_alert_rule)rule);

                mu_metrics_gauge(metrics, "muster_alerts_firing", "Alerts that fire now.",
                                 MU_LABELS({"rule", name}), &cells->firing[rule]);
                mu_metrics_counter(metrics, "muster_alert_transitions_total",
                                   "Alerts that moved, once that was written.",
                                   MU_LABELS({"rule", name}, {"to", "pending"}),
                                   &cells->pending[rule]);
                mu_metrics_counter(metrics, "muster_alert_transitions_total",
                                   "Alerts that moved, once that was written.",
                                   MU_LABELS({"rule", name}, {"to", "firing"}),
                                   &cells->fired[rule]);
                mu_metrics_counter(metrics, "muster_alert_transitions_total",
                                   "Alerts that moved, once that was written.",
                                   MU_LABELS({"rule", name}, {"to", "resolved"}),
                                   &cells->resolved[rule]);
        }
}

int mu_alert_metrics_create(struct mu_alert_thread *alerts)
{
        struct mu_metrics *metrics = alerts->config.metrics;
        struct mu_alert_metrics *cells = &alerts->metrics;
        int error = mu_histogram_create(&cells->commit_ns);

        if (error == 0)
                error = mu_histogram_create(&cells->detection_ms);
        if (error < 0 || !metrics)
                return error;
        register_rules(alerts);
        mu_metrics_counter(metrics, "muster_alert_ticks_total",
                           "Rounds of the alert thread; it stands still when this does.",
                           MU_NO_LABELS, &cells->ticks);
        mu_metrics_gauge(metrics, "muster_alert_edges_waiting",
                         "Alerts whose row is not as they are: PostgreSQL is slow or away.",
                         MU_NO_LABELS, &cells->waiting);
        mu_metrics_gauge(metrics, "muster_alert_incidents_open", "Incidents that are open.",
                         MU_NO_LABELS, &cells->incidents);
        mu_metrics_counter(metrics, "muster_alert_database_failures_total",
                           "Times that alerts could not be read or written and were tried again.",
                           MU_NO_LABELS, &cells->failures);
        mu_metrics_counter(metrics, "muster_alert_edges_refused_total",
                           "Edges that PostgreSQL refuses for their data, set aside: see the log.",
                           MU_NO_LABELS, &cells->refused);
        mu_metrics_counter(metrics, "muster_alert_bus_lost_total",
                           "Events that came faster than they were read; rows were read instead.",
                           MU_NO_LABELS, &cells->lost);
        mu_metrics_histogram(metrics, "muster_alert_commit_duration_seconds",
                             "Writing a batch of alerts, with incidents and outbox.", MU_NO_LABELS,
                             cells->commit_ns, 1e-9, &mu_bounds_latency_s);
        mu_metrics_histogram(metrics, "muster_alert_detection_delay_seconds",
                             "From a silent device's deadline to its alert.", MU_NO_LABELS,
                             cells->detection_ms, 1e-3, &mu_bounds_latency_s);
        return 0;
}

void mu_alert_metrics_refresh(struct mu_alert_thread *alerts)
{
        struct mu_alert_metrics *cells = &alerts->metrics;
        uint32_t firing[MU_RULE_COUNT];

        mu_alert_engine_firing(alerts->engine, firing);
        firing[MU_RULE_DATABASE_AWAY] = mu_outage_is_firing(alerts->outage);
        for (unsigned rule = 0; rule < MU_RULE_COUNT; rule++)
                mu_cell_set(&cells->firing[rule], firing[rule]);
        mu_cell_set(&cells->waiting, mu_alert_engine_waiting(alerts->engine));
        if (alerts->book)
                mu_cell_set(&cells->incidents, mu_incident_book_incident_count(alerts->book));
        mu_cell_add(&cells->ticks, 1);
}

void mu_alert_metrics_destroy(struct mu_alert_thread *alerts)
{
        mu_histogram_destroy(alerts->metrics.commit_ns);
        mu_histogram_destroy(alerts->metrics.detection_ms);
}
