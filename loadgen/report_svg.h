/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_svg.h - the few shapes a chart of the report is made of, as inline SVG.
 *
 * Coordinates are those of the viewBox; colours and type come from the page's style sheet.
 *
 * Threads    one. Ownership: the text is the caller's. Errors stay in the text (sticky).
 */
#ifndef LOADGEN_REPORT_SVG_H
#define LOADGEN_REPORT_SVG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct mu_lg_point {
        double x, y; /* in data units */
};

struct mu_lg_chart {
        struct mu_text *out;
        double x_low, x_high;
        double y_low, y_high;
        bool y_log;
};

/* Opens the drawing; label is for those who can't see it. The ranges must be set; y_log widens
 * y_low and y_high to full steps, a linear axis gets a rounded top. */
void mu_lg_chart_open(struct mu_lg_chart *chart, const char *label);
void mu_lg_chart_close(struct mu_lg_chart *chart);

/* Grid and labels. is_time: values are ns. */
void mu_lg_chart_y_axis(struct mu_lg_chart *chart, bool is_time);
/* x in seconds. */
void mu_lg_chart_x_seconds(struct mu_lg_chart *chart);
/* x = log10(1 / (1 - share)): 0 is 0 %, 1 is 90 %, 2 is 99 % ... */
void mu_lg_chart_x_percentiles(struct mu_lg_chart *chart);

void mu_lg_chart_line(struct mu_lg_chart *chart, const struct mu_lg_point *points, uint32_t count,
                      const char *style_class);
/* The same down to the axis, filled. */
void mu_lg_chart_area(struct mu_lg_chart *chart, const struct mu_lg_point *points, uint32_t count,
                      const char *style_class);
/* A column from x_from to x_to that shows a tooltip. */
void mu_lg_chart_hover(struct mu_lg_chart *chart, double x_from, double x_to, const char *tooltip);

/* 1234567 ns -> "1.23 ms", with a proper micro sign. */
#define MU_LG_SHORT_BYTES 32
char *mu_lg_short_ns(double ns, char buffer[MU_LG_SHORT_BYTES]);
/* 67300 -> "67.3k". */
char *mu_lg_short_count(double value, char buffer[MU_LG_SHORT_BYTES]);

#endif
