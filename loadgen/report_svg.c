/* SPDX-License-Identifier: Apache-2.0 */
#include "report_svg.h"

#include <math.h>
#include <stdio.h>

#define VIEW_WIDTH 460.0
#define VIEW_HEIGHT 260.0
#define LEFT 58.0
#define RIGHT 10.0
#define TOP 12.0
#define BOTTOM 30.0

char *mu_lg_short_ns(double ns, char buffer[MU_LG_SHORT_BYTES])
{
        static const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
        int unit = 0;

        while (unit < 3 && ns >= 999.5) {
                ns /= 1000;
                unit++;
        }
        snprintf(buffer, MU_LG_SHORT_BYTES, "%.3g %s", ns, units[unit]);
        return buffer;
}

char *mu_lg_short_count(double value, char buffer[MU_LG_SHORT_BYTES])
{
        if (value >= 999.5e6)
                snprintf(buffer, MU_LG_SHORT_BYTES, "%.3gG", value / 1e9);
        else if (value >= 999.5e3)
                snprintf(buffer, MU_LG_SHORT_BYTES, "%.3gM", value / 1e6);
        else if (value >= 10e3)
                snprintf(buffer, MU_LG_SHORT_BYTES, "%.3gk", value / 1e3);
        else
                snprintf(buffer, MU_LG_SHORT_BYTES, "%.4g", value);
        return buffer;
}

static double place_x(const struct mu_lg_chart *chart, double x)
{
        double share = (x - chart->x_low) / (chart->x_high - chart->x_low);

        return LEFT + fmin(fmax(share, 0), 1) * (VIEW_WIDTH - LEFT - RIGHT);
}

static double place_y(const struct mu_lg_chart *chart, double y)
{
        double share;

        if (chart->y_log)
                share = log10(fmax(y, chart->y_low) / chart->y_low) /
                        log10(chart->y_high / chart->y_low);
        else
                share = (y - chart->y_low) / (chart->y_high - chart->y_low);
        return VIEW_HEIGHT - BOTTOM - fmin(fmax(share, 0), 1) * (VIEW_HEIGHT - TOP - BOTTOM);
}

/* The next of 1, 2, 5, 10, 20 ... at or above value. */
static double round_up(double value)
{
        double decade = pow(10, floor(log10(value)));
        double part = value / decade;

        return decade * (part <= 1.0000001   ? 1
                         : part <= 2.0000001 ? 2
                         : part <= 5.0000001 ? 5
                                             : 10);
}

static double round_down(double value)
{
        double decade = pow(10, floor(log10(value)));
        double part = value / decade;

        return decade * (part >= 4.9999999 ? 5 : part >= 1.9999999 ? 2 : 1);
}

void mu_lg_chart_open(struct mu_lg_chart *chart, const char *label)
{
        if (chart->y_log) {
                chart->y_low = round_down(fmax(chart->y_low, 1));
                chart->y_high = round_up(fmax(chart->y_high, chart->y_low * 2));
        } else if (chart->y_high <= chart->y_low) {
                chart->y_high = chart->y_low + 1;
        }
        if (chart->x_high <= chart->x_low)
                chart->x_high = chart->x_low + 1;
        mu_text_add_format(chart->out,
                           "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n",
                           VIEW_WIDTH, VIEW_HEIGHT, label);
}

void mu_lg_chart_close(struct mu_lg_chart *chart)
{
        mu_text_add(chart->out, "</svg>\n");
}

static void y_tick(struct mu_lg_chart *chart, double value, bool is_time)
{
        char label[MU_LG_SHORT_BYTES];
        double y = place_y(chart, value);

        mu_text_add_format(
                chart->out,
                "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                LEFT, VIEW_WIDTH - RIGHT, y, y, LEFT - 7, y + 4,
                is_time ? mu_lg_short_ns(value, label) : mu_lg_short_count(value, label));
}

void mu_lg_chart_y_axis(struct mu_lg_chart *chart, bool is_time)
{
        if (!chart->y_log) {
                double step = round_up((chart->y_high - chart->y_low) / 5);

                chart->y_high = chart->y_low + step * ceil((chart->y_high - chart->y_low) / step);
                for (double value = chart->y_low; value <= chart->y_high * 1.0001; value += step)
                        y_tick(chart, value, is_time);
                return;
        }
        bool few_decades = log10(chart->y_high / chart->y_low) <= 2.1;
        static const double parts[] = {1, 2, 5};

        for (double decade = pow(10, floor(log10(chart->y_low) + 1e-9));
             decade <= chart->y_high * 1.0001; decade *= 10)
                for (int i = 0; i < (few_decades ? 3 : 1); i++)
                        if (decade * parts[i] >= chart->y_low * 0.9999 &&
                            decade * parts[i] <= chart->y_high * 1.0001)
                                y_tick(chart, decade * parts[i], is_time);
}

static void x_tick(struct mu_lg_chart *chart, double x, const char *label, const char *anchor)
{
        mu_text_add_format(
                chart->out,
                "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"tick\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                place_x(chart, x), place_x(chart, x), VIEW_HEIGHT - BOTTOM,
                VIEW_HEIGHT - BOTTOM + 4, anchor, place_x(chart, x), VIEW_HEIGHT - BOTTOM + 19,
                label);
}

void mu_lg_chart_x_seconds(struct mu_lg_chart *chart)
{
        static const double steps[] = {0.1, 0.2, 0.5, 1,   2,   5,    10,  15,
                                       30,  60,  120, 300, 600, 1800, 3600};
        double span = chart->x_high - chart->x_low;
        double step = steps[0];

        for (uint32_t i = 0; i < MU_COUNT_OF(steps) && span / step > 6; i++)
                step = steps[i];
        while (span / step > 8)
                step *= 2;
        for (double x = chart->x_low; x <= chart->x_high * 1.0001; x += step) {
                char label[MU_LG_SHORT_BYTES];
                bool last = x + step > chart->x_high * 1.0001;

                if (span >= 600)
                        snprintf(label, sizeof(label), "%.3g min", x / 60);
                else
                        snprintf(label, sizeof(label), "%.3g s", x);
                x_tick(chart, x, label, last && x > chart->x_high * 0.95 ? "end" : "middle");
        }
}

void mu_lg_chart_x_percentiles(struct mu_lg_chart *chart)
{
        static const struct {
                double share;
                const char *label;
        } ticks[] = {
                {0.5, "50 %"},     {0.9, "90 %"},       {0.99, "99 %"},
                {0.999, "99.9 %"}, {0.9999, "99.99 %"}, {0.99999, "99.999 %"},
        };

        for (uint32_t i = 0; i < MU_COUNT_OF(ticks); i++) {
                double x = log10(1 / (1 - ticks[i].share));

                if (x <= chart->x_high + 1e-9)
                        x_tick(chart, x, ticks[i].label,
                               x > chart->x_high - 0.2 ? "end" : "middle");
        }
}

static void path(struct mu_lg_chart *chart, const struct mu_lg_point *points, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++)
                mu_text_add_format(chart->out, "%s%.1f %.1f", i ? "L" : "M",
                                   place_x(chart, points[i].x), place_y(chart, points[i].y));
}

void mu_lg_chart_line(struct mu_lg_chart *chart, const struct mu_lg_point *points, uint32_t count,
                      const char *style_class)
{
        if (count == 0)
                return;
        mu_text_add_format(chart->out, "<path class=\"line %s\" d=\"", style_class);
        path(chart, points, count);
        mu_text_add(chart->out, "\"/>\n");
        for (uint32_t i = 0; count <= 12 && i < count; i++)
                mu_text_add_format(chart->out,
                                   "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>\n",
                                   style_class, place_x(chart, points[i].x),
                                   place_y(chart, points[i].y));
}

void mu_lg_chart_area(struct mu_lg_chart *chart, const struct mu_lg_point *points, uint32_t count,
                      const char *style_class)
{
        if (count < 2)
                return;
        mu_text_add_format(chart->out, "<path class=\"area %s\" d=\"", style_class);
        path(chart, points, count);
        mu_text_add_format(chart->out, "L%.1f %.1fL%.1f %.1fZ\"/>\n",
                           place_x(chart, points[count - 1].x), VIEW_HEIGHT - BOTTOM,
                           place_x(chart, points[0].x), VIEW_HEIGHT - BOTTOM);
}

void mu_lg_chart_hover(struct mu_lg_chart *chart, double x_from, double x_to, const char *tooltip)
{
        mu_text_add_format(chart->out,
                           "<rect class=\"hover\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                           "height=\"%.1f\"><title>%s</title></rect>\n",
                           place_x(chart, x_from), TOP,
                           place_x(chart, x_to) - place_x(chart, x_from),
                           VIEW_HEIGHT - TOP - BOTTOM, tooltip);
}
