/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "outcome.h"
#include "slo.h"

static void test_terms(void **state)
{
        struct mu_lg_slo slo;
        char error[256];

        (void)state;
        assert_int_equal(mu_lg_slo_parse("p99<10ms, p99.9<=50ms,shed=0 ,errors==0,rate>=67k,"
                                         "service_p50<900us,late_p99>0.5s,max<1s,lost=0,",
                                         &slo, error, sizeof(error)),
                         0);
        assert_int_equal(slo.count, 9);
        assert_int_equal(slo.terms[0].metric, MU_LG_SLO_LATENCY);
        assert_true(slo.terms[0].percent == 99 && slo.terms[0].bound == 10e6);
        assert_int_equal(slo.terms[0].compare, MU_LG_SLO_BELOW);
        assert_true(slo.terms[1].percent == 99.9);
        assert_int_equal(slo.terms[1].compare, MU_LG_SLO_AT_MOST);
        assert_int_equal(slo.terms[2].compare, MU_LG_SLO_EQUAL);
        assert_string_equal(slo.terms[2].name, "shed");
        assert_int_equal(slo.terms[3].compare, MU_LG_SLO_EQUAL);
        assert_true(slo.terms[4].bound == 67000);
        assert_int_equal(slo.terms[5].metric, MU_LG_SLO_SERVICE);
        assert_true(slo.terms[5].bound == 900e3);
        assert_int_equal(slo.terms[6].metric, MU_LG_SLO_LATENESS);
        assert_true(slo.terms[6].bound == 0.5e9);
        assert_int_equal(slo.terms[7].metric, MU_LG_SLO_MAX);
        assert_int_equal(slo.terms[8].metric, MU_LG_SLO_COUNT);
}

static void test_bad_terms_are_named(void **state)
{
        static const char *const bad[] = {
                "p99",       "p99<",     "p99<10",    "p99<10m",  "p0<1ms",          "p101<1ms",
                "<5ms",      "shed=0s",  "shed!0",    "colour=1", "p99<-1ms",        "rate>=fast",
                "p99<nanms", "p99=<1ms", "shed=1 2x", "p9x9<1ms", "service_max<1ms",
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(bad); i++) {
                struct mu_lg_slo slo;
                char error[256] = "";

                assert_int_equal(mu_lg_slo_parse(bad[i], &slo, error, sizeof(error)), -EINVAL);
                assert_non_null(strstr(error, "--slo"));
        }
}

static void test_judging(void **state)
{
        static const struct {
                const char *text;
                double measured;
                bool holds;
        } cases[] = {
                {"shed<5", 4, true},   {"shed<5", 5, false},  {"shed<=5", 5, true},
                {"shed<=5", 6, false}, {"shed>5", 6, true},   {"shed>5", 5, false},
                {"shed>=5", 5, true},  {"shed>=5", 4, false}, {"shed=5", 5, true},
                {"shed=5", 4, false},  {"shed=5", 6, false},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                struct mu_lg_slo slo;
                char error[256];

                assert_int_equal(mu_lg_slo_parse(cases[i].text, &slo, error, sizeof(error)), 0);
                assert_false(slo.terms[0].holds);
                mu_lg_slo_judge(&slo.terms[0], cases[i].measured);
                assert_int_equal(slo.terms[0].holds, cases[i].holds);
        }
}

static void prepare(struct mu_lg_outcome *outcome, struct mu_lg_options *options, const char *terms)
{
        char error[256];

        memset(outcome, 0, sizeof(*outcome));
        memset(options, 0, sizeof(*options));
        options->scenario = MU_LG_FLOOD;
        outcome->options = options;
        assert_int_equal(mu_lg_stats_init(&outcome->stats), 0);
        assert_int_equal(mu_lg_slo_parse(terms, &outcome->slo, error, sizeof(error)), 0);
}

/* What decides the exit code, in order: loss, a missed term, no verification, no answer. */
static void test_verdicts(void **state)
{
        struct mu_lg_options options;
        struct mu_lg_outcome outcome;

        (void)state;
        prepare(&outcome, &options, "p99<10ms,lost=0");
        mu_lg_outcome_judge(&outcome);
        assert_int_equal(outcome.verdict, MU_LG_EXIT_SLO); /* nothing measured is nothing proved */
        assert_false(outcome.slo.terms[0].known);

        mu_histogram_record(outcome.stats.latency, 5000000);
        mu_lg_add(&outcome.stats.counters.answered, 1);
        outcome.verify.asked = true;
        outcome.verify.finished = true;
        mu_lg_outcome_judge(&outcome);
        assert_int_equal(outcome.verdict, MU_LG_EXIT_OK);

        outcome.verify.missing_count = 1;
        mu_lg_outcome_judge(&outcome);
        assert_int_equal(outcome.verdict, MU_LG_EXIT_LOST);
        mu_lg_stats_done(&outcome.stats);

        prepare(&outcome, &options, "");
        mu_lg_outcome_judge(&outcome);
        assert_int_equal(outcome.verdict, MU_LG_EXIT_RUN);
        mu_lg_add(&outcome.stats.counters.answered, 1);
        outcome.verify.asked = true;
        mu_lg_outcome_judge(&outcome);
        assert_int_equal(outcome.verdict, MU_LG_EXIT_UNVERIFIED);
        outcome.verify.finished = true;
        outcome.stats.malformed.wrong[3] = 1;
        mu_lg_outcome_judge(&outcome);
        assert_int_equal(outcome.verdict, MU_LG_EXIT_SLO);
        mu_lg_stats_done(&outcome.stats);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_terms),
                cmocka_unit_test(test_bad_terms_are_named),
                cmocka_unit_test(test_judging),
                cmocka_unit_test(test_verdicts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
