/* SPDX-License-Identifier: Apache-2.0 */
/* More statements than there is room for are booked together, and end nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/metrics.h"
#include "pg/statement_stats.h"

enum { NAMES = MU_STATEMENTS_MAX + 500, NAME_BYTES = 16 };

static long long rows_of(const char *text, const char *statement)
{
        char line[96];

        (void)snprintf(line, sizeof(line), "\nmuster_pg_statement_rows_total{statement=\"%s\"} ",
                       statement);
        const char *at = strstr(text, line);

        return at ? strtoll(at + strlen(line), NULL, 10) : -1;
}

static void what_has_no_room_is_booked_together(void **state)
{
        char(*names)[NAME_BYTES] = calloc(NAMES, NAME_BYTES);
        struct mu_metrics *metrics;
        struct mu_statement_stats *stats;
        char *text;
        size_t bytes;

        (void)state;
        assert_non_null(names);
        assert_int_equal(mu_metrics_create(&metrics), 0);
        assert_int_equal(mu_statement_stats_create(metrics, &stats), 0);
        for (int round = 0; round < 2; round++)
                for (int i = 0; i < NAMES; i++) {
                        (void)snprintf(names[i], NAME_BYTES, "s%d", i);
                        mu_statement_stats_observe(stats, names[i], 10, 1, false);
                }
        assert_int_equal(mu_metrics_render(metrics, &text, &bytes), 0);
        assert_int_equal(rows_of(text, "s0"), 2);
        assert_int_equal(rows_of(text, "s1022"), 2);
        assert_int_equal(rows_of(text, "s1023"), -1);
        assert_int_equal(rows_of(text, "other"), 2 * (NAMES - (MU_STATEMENTS_MAX - 1)));
        free(text);
        mu_metrics_destroy(metrics);
        mu_statement_stats_destroy(stats);
        free(names);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_has_no_room_is_booked_together),
        };

        return cmocka_run_group_tests_name("pg/statement_stats", tests, NULL, NULL);
}
