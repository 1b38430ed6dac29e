/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/log_line.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

/* A pipe that poll calls writable takes this many bytes whole. */
enum { LINE_BYTES = PIPE_BUF };

static const char *name_of(enum mu_agent_level level)
{
        switch (level) {
        case MU_AGENT_ERROR:
                return "error";
        case MU_AGENT_WARNING:
                return "warning";
        default:
                return "info";
        }
}

static void add_time(struct mu_text *text, int64_t at_us)
{
        time_t seconds = (time_t)(at_us / MU_US_PER_S);
        char date[sizeof("2026-11-21T09:50:00")] = "";
        struct tm parts;

        if (gmtime_r(&seconds, &parts))
                (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
        mu_text_add_format(text, "%s.%06dZ", date, (int)(at_us % MU_US_PER_S));
}

void mu_log_line(const struct mu_agent_event *event)
{
        struct pollfd descriptor = {.fd = STDERR_FILENO, .events = POLLOUT};
        char line[LINE_BYTES];
        struct mu_text text;

        mu_text_init_fixed(&text, line, sizeof(line));
        mu_text_add(&text, "{\"ts\":\"");
        add_time(&text, event->at_us);
        mu_text_add_format(&text, "\",\"level\":\"%s\",\"event\":\"%s\"", name_of(event->level),
                           event->name);
        if (event->fields && event->fields[0] != '\0')
                mu_text_add_format(&text, ",%s", event->fields);
        mu_text_add(&text, "}\n");
        if (mu_text_status(&text) < 0 || poll(&descriptor, 1, MU_LOG_LINE_WAIT_MS) != 1)
                return;
        ssize_t written = write(STDERR_FILENO, text.data, text.bytes);

        (void)written; /* whom could it be told? */
}

void mu_log_line_error(const char *name, const char *error)
{
        char fields[1024];
        struct mu_text text;

        mu_text_init_fixed(&text, fields, sizeof(fields));
        mu_text_add(&text, "\"error\":");
        mu_text_add_json(&text, error, strlen(error));
        mu_log_line(&(struct mu_agent_event){.at_us = mu_clock_realtime_us(mu_clock_system()),
                                             .level = MU_AGENT_ERROR,
                                             .name = name,
                                             .fields = mu_text_status(&text) == 0 ? fields : ""});
}
