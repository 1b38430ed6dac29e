/* SPDX-License-Identifier: Apache-2.0 */
#include "core/event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "core/platform.h"

enum {
        /* {"at":…,"level":"warning","event":"…", and the fields */
        LINE_BYTES = MU_AGENT_EVENT_FIELDS_BYTES + 160,
};

struct kept {
        int64_t at_us;
        enum mu_agent_level level;
        const char *name;
        char *fields; /* NULL: none */
};

struct mu_agent_events {
        const struct mu_agent_platform *platform;
        size_t head; /* the oldest */
        size_t count;
        struct kept kept[MU_AGENT_EVENTS_KEPT];
};

int mu_agent_events_create(const struct mu_agent_platform *platform,
                           struct mu_agent_events **ret_events)
{
        MU_ASSERT(platform && platform->clock && ret_events);

        struct mu_agent_events *events = calloc(1, sizeof(*events));

        if (!events)
                return -ENOMEM;
        events->platform = platform;
        *ret_events = events;
        return 0;
}

void mu_agent_events_destroy(struct mu_agent_events *events)
{
        if (!events)
                return;
        for (size_t i = 0; i < MU_AGENT_EVENTS_KEPT; i++)
                free(events->kept[i].fields);
        free(events);
}

int64_t mu_agent_events_now_us(const struct mu_agent_events *events)
{
        return mu_clock_realtime_us(events->platform->clock);
}

/* Where the last member that is whole ends: at a comma outside of strings and brackets. */
static void cut_members(char *fields)
{
        size_t end = 0;
        int depth = 0;
        bool in_string = false;

        for (size_t i = 0; fields[i] != '\0'; i++) {
                char c = fields[i];

                if (in_string) {
                        if (c == '\\' && fields[i + 1] != '\0')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"') {
                        in_string = true;
                } else if (c == '{' || c == '[') {
                        depth++;
                } else if (c == '}' || c == ']') {
                        depth--;
                } else if (c == ',' && depth == 0) {
                        end = i;
                }
        }
        fields[end] = '\0';
}

static void keep(struct mu_agent_events *events, const struct mu_agent_event *event)
{
        size_t place = (events->head + events->count) % MU_AGENT_EVENTS_KEPT;
        struct kept *kept = &events->kept[place];
        size_t bytes = strlen(event->fields) + 1;

        if (events->count < MU_AGENT_EVENTS_KEPT)
                events->count++;
        else
                events->head = (events->head + 1) % MU_AGENT_EVENTS_KEPT;
        free(kept->fields);
        *kept = (struct kept){.at_us = event->at_us, .level = event->level, .name = event->name};
        /* Without memory the line is kept without its members. */
        kept->fields = bytes > 1 ? malloc(bytes) : NULL;
        if (kept->fields)
                memcpy(kept->fields, event->fields, bytes);
}

void mu_agent_event(struct mu_agent_events *events, enum mu_agent_level level, const char *name,
                    const char *format, ...)
{
        char fields[MU_AGENT_EVENT_FIELDS_BYTES];
        va_list arguments;

        va_start(arguments, format);
        int length = vsnprintf(fields, sizeof(fields), format, arguments);

        va_end(arguments);
        if (length < 0)
                fields[0] = '\0';
        else if ((size_t)length >= sizeof(fields))
                cut_members(fields);

        const struct mu_agent_event event = {
                .at_us = mu_agent_events_now_us(events),
                .level = level,
                .name = name,
                .fields = fields,
        };

        keep(events, &event);
        if (events->platform->log)
                events->platform->log(events->platform->context, &event);
}

const char *mu_agent_event_text(const char *text, char *buffer, size_t room)
{
        MU_ASSERT(text && buffer && room >= sizeof("\"\""));

        /* Each byte of it takes one of the buffer at least. */
        size_t bytes = strnlen(text, room);
        struct mu_text json;

        mu_text_init_fixed(&json, buffer, room);
        for (;;) {
                mu_text_add_json(&json, text, bytes);
                if (mu_text_status(&json) == 0)
                        return buffer;
                mu_text_clear(&json);
                /* Never through the middle of a character. */
                do
                        bytes--;
                while (bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80);
        }
}

static size_t line_of(const struct kept *kept, char line[LINE_BYTES])
{
        static const char *const levels[] = {
                [MU_AGENT_INFO] = "info",
                [MU_AGENT_WARNING] = "warning",
                [MU_AGENT_ERROR] = "error",
        };
        int64_t ms = kept->at_us / MU_US_PER_MS;
        int length =
                snprintf(line, LINE_BYTES,
                         "{\"at\":%" PRId64 ".%03d,\"level\":\"%s\",\"event\":\"%.64s\"%s%s}",
                         ms / MU_MS_PER_S, (int)(ms % MU_MS_PER_S), levels[kept->level], kept->name,
                         kept->fields ? "," : "", kept->fields ? kept->fields : "");

        MU_ASSERT(length > 0 && length < LINE_BYTES);
        return (size_t)length;
}

void mu_agent_events_dump(const struct mu_agent_events *events, int64_t since_us, size_t lines,
                          size_t bytes, struct mu_text *text)
{
        char line[LINE_BYTES];
        size_t first = events->count;
        size_t taken_bytes = sizeof("[]") - 1;
        size_t taken = 0;

        while (first > 0 && taken < lines) {
                const struct kept *kept =
                        &events->kept[(events->head + first - 1) % MU_AGENT_EVENTS_KEPT];

                if (kept->at_us >= since_us) {
                        taken_bytes += line_of(kept, line) + (taken > 0 ? 1 : 0);
                        if (taken_bytes > bytes)
                                break;
                        taken++;
                }
                first--;
        }
        taken = 0;
        mu_text_add(text, "[");
        for (; first < events->count; first++) {
                const struct kept *kept =
                        &events->kept[(events->head + first) % MU_AGENT_EVENTS_KEPT];

                if (kept->at_us < since_us)
                        continue;
                size_t length = line_of(kept, line);

                if (taken++ > 0)
                        mu_text_add(text, ",");
                mu_text_add_bytes(text, line, length);
        }
        mu_text_add(text, "]");
}
