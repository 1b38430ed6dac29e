/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

#define TERMINAL_EVERY_NS (200 * MU_LG_NS_PER_MS)
#define LOG_EVERY_NS (5 * MU_LG_NS_PER_S)

char *mu_lg_format_count(uint64_t value, char buffer[MU_LG_NUMBER_BYTES])
{
        char digits[24];
        int count = snprintf(digits, sizeof(digits), "%" PRIu64, value);
        char *at = buffer;

        for (int i = 0; i < count; i++) {
                if (i > 0 && (count - i) % 3 == 0)
                        *at++ = ',';
                *at++ = digits[i];
        }
        *at = '\0';
        return buffer;
}

char *mu_lg_format_ns(uint64_t ns, char buffer[MU_LG_NUMBER_BYTES])
{
        double value = (double)ns;
        const char *unit = "ns";

        if (ns >= MU_LG_NS_PER_S) {
                value /= 1e9;
                unit = "s";
        } else if (ns >= MU_LG_NS_PER_MS) {
                value /= 1e6;
                unit = "ms";
        } else if (ns >= 1000) {
                value /= 1e3;
                unit = "us";
        }
        int places = value >= 100 || ns < 1000 ? 0 : value >= 10 ? 1 : 2;

        snprintf(buffer, MU_LG_NUMBER_BYTES, "%.*f %s", places, value, unit);
        return buffer;
}

void mu_lg_progress_init(struct mu_lg_progress *progress, const char *label, bool quiet)
{
        *progress = (struct mu_lg_progress){
                .label = label,
                .quiet = quiet || !label,
                .is_terminal = isatty(STDERR_FILENO),
                .start_ns = mu_lg_monotonic_ns(),
                .end_ns = MU_LG_NEVER,
        };
        progress->shown_ns = progress->start_ns;
}

static void show_counts(const struct mu_lg_progress_now *now)
{
        char number[MU_LG_NUMBER_BYTES];

        fprintf(stderr, "  %s ok", mu_lg_format_count(now->acknowledged, number));
        if (now->duplicate)
                fprintf(stderr, "  %s duplicate", mu_lg_format_count(now->duplicate, number));
        if (now->shed)
                fprintf(stderr, "  %s shed", mu_lg_format_count(now->shed, number));
        if (now->rejected)
                fprintf(stderr, "  %s refused", mu_lg_format_count(now->rejected, number));
        if (now->failed)
                fprintf(stderr, "  %s failed", mu_lg_format_count(now->failed, number));
        if (now->latency_p99_ns)
                fprintf(stderr, "  p99 %s", mu_lg_format_ns(now->latency_p99_ns, number));
}

void mu_lg_progress_show(struct mu_lg_progress *progress, const struct mu_lg_progress_now *now,
                         uint64_t now_ns)
{
        uint64_t every_ns = progress->is_terminal ? TERMINAL_EVERY_NS : LOG_EVERY_NS;
        uint64_t gone_ns = now_ns - progress->shown_ns;
        char number[MU_LG_NUMBER_BYTES];

        if (progress->quiet || gone_ns < every_ns)
                return;
        double rate = (double)(now->answered - progress->shown_answered) * 1e9 / (double)gone_ns;

        fprintf(stderr, "%s%s  %.0f s", progress->is_terminal ? "\r\033[K" : "", progress->label,
                (double)(now_ns - progress->start_ns) / 1e9);
        if (progress->end_ns != MU_LG_NEVER)
                fprintf(stderr, " of %.0f s",
                        (double)(progress->end_ns - progress->start_ns) / 1e9);
        if (progress->expected)
                fprintf(stderr, "  %.0f %%",
                        100.0 * (double)(now->acknowledged + now->duplicate) /
                                (double)progress->expected);
        fprintf(stderr, "  %s/s", mu_lg_format_count((uint64_t)rate, number));
        show_counts(now);
        if (!progress->is_terminal)
                fputc('\n', stderr);
        fflush(stderr);
        progress->shown = true;
        progress->shown_ns = now_ns;
        progress->shown_answered = now->answered;
}

void mu_lg_progress_end(struct mu_lg_progress *progress)
{
        if (progress->shown && progress->is_terminal)
                fputs("\r\033[K", stderr);
        fflush(stderr);
}
