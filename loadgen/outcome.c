/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <string.h>

uint64_t mu_lg_outcome_good(const struct mu_lg_outcome *outcome)
{
        return mu_lg_get(&outcome->stats.counters.acknowledged) +
               mu_lg_get(&outcome->stats.counters.duplicate);
}

static uint64_t count_named(const struct mu_lg_outcome *outcome, const char *name, bool *ret_known)
{
        const struct mu_lg_counters *counters = &outcome->stats.counters;

        *ret_known = true;
        if (strcmp(name, "shed") == 0)
                return mu_lg_get(&counters->shed);
        if (strcmp(name, "errors") == 0)
                return mu_lg_failures_total(counters) + mu_lg_get(&counters->unexpected);
        if (strcmp(name, "rejected") == 0)
                return mu_lg_get(&counters->rejected);
        if (strcmp(name, "duplicate") == 0)
                return mu_lg_get(&counters->duplicate);
        if (strcmp(name, "unexpected") == 0)
                return mu_lg_get(&counters->unexpected);
        if (strcmp(name, "offered") == 0)
                return mu_lg_get(&counters->offered);
        if (strcmp(name, "sent") == 0)
                return mu_lg_get(&counters->sent);
        if (strcmp(name, "acknowledged") == 0)
                return mu_lg_get(&counters->acknowledged);
        *ret_known = outcome->verify.finished;
        if (strcmp(name, "lost") == 0)
                return outcome->verify.missing_count;
        return outcome->verify.extra_count + outcome->verify.repeated_count;
}

static double measure(const struct mu_lg_outcome *outcome, const struct mu_lg_slo_term *term,
                      bool *ret_known)
{
        const struct mu_lg_stats *stats = &outcome->stats;

        /* A percentile of nothing is no evidence: such a term does not hold. */
        *ret_known = mu_histogram_count(stats->latency) > 0;
        switch (term->metric) {
        case MU_LG_SLO_LATENCY:
                return (double)mu_histogram_percentile(stats->latency, term->percent);
        case MU_LG_SLO_SERVICE:
                return (double)mu_histogram_percentile(stats->service, term->percent);
        case MU_LG_SLO_LATENESS:
                return (double)mu_histogram_percentile(stats->lateness, term->percent);
        case MU_LG_SLO_MEAN:
                return mu_histogram_mean(stats->latency);
        case MU_LG_SLO_MAX:
                return (double)mu_histogram_max(stats->latency);
        case MU_LG_SLO_RATE:
                return outcome->acknowledged_per_s;
        case MU_LG_SLO_COUNT:
                break;
        }
        return (double)count_named(outcome, term->name, ret_known);
}

static uint64_t malformed_wrong(const struct mu_lg_malformed_table *table)
{
        uint64_t wrong = 0;

        for (uint32_t kind = 0; kind < mu_lg_malformed_kinds_count; kind++)
                wrong += table->wrong[kind];
        return wrong;
}

void mu_lg_outcome_judge(struct mu_lg_outcome *outcome)
{
        const struct mu_lg_channel_counts *channels = &outcome->channels;
        bool holds = malformed_wrong(&outcome->stats.malformed) == 0 && channels->bad == 0 &&
                     channels->out_of_order == 0;

        for (uint32_t i = 0; i < outcome->slo.count; i++) {
                struct mu_lg_slo_term *term = &outcome->slo.terms[i];
                bool known;
                double measured = measure(outcome, term, &known);

                if (known)
                        mu_lg_slo_judge(term, measured);
                holds = holds && term->holds;
        }
        if (outcome->verify.missing_count > 0)
                outcome->verdict = MU_LG_EXIT_LOST;
        else if (!holds)
                outcome->verdict = MU_LG_EXIT_SLO;
        else if (outcome->verify.asked && !outcome->verify.finished)
                outcome->verdict = MU_LG_EXIT_UNVERIFIED;
        else if (outcome->options->scenario != MU_LG_REGISTER &&
                 mu_lg_get(&outcome->stats.counters.answered) == 0)
                outcome->verdict = MU_LG_EXIT_RUN; /* not one answer */
        else
                outcome->verdict = MU_LG_EXIT_OK;
}
