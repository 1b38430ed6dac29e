/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discord.c - a notice becomes an embed. Replies: discord_reply.c.
 */
#include "control/notify/discord.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/notify/notice.h"
#include "outbound/utf8.h"

/* In UTF-16 units. */
enum {
        TITLE_MAX = 256,
        TEXT_MAX = 4096, /* a text's description, with its title alone */
        WHAT_MAX = 1500,
        FIELD_MAX = 1024,
        SHORT_MAX = 200,
        ALIAS_MAX = 80,
        LINE_MAX = 300,
        NAMES_MAX = 8 * 20, /* fields' names and the footer */
        ALL_MAX = 6000,
        MORE_MAX = 32, /* "and 180 more" */
};

static_assert(TITLE_MAX + WHAT_MAX + 2 * FIELD_MAX + 6 * SHORT_MAX + NAMES_MAX <= ALL_MAX,
              "an incident's embed fits whatever it holds");
static_assert(TITLE_MAX + TEXT_MAX + NAMES_MAX <= ALL_MAX, "a text's too");

enum {
        RED = 0xd92d20,
        ORANGE = 0xf79009,
        BLUE = 0x2e90fa,
        GREEN = 0x12b76a,
        GREY = 0x667085,
};

/* ---- text under a limit ---- */

struct line {
        struct mu_text text;
        size_t units;
        size_t max;
};

static void begin(struct line *line, size_t units_max)
{
        mu_text_init(&line->text);
        line->units = 0;
        line->max = units_max;
}

static size_t units_of(const char *text, size_t bytes)
{
        size_t units = 0;

        for (size_t at = 0; at < bytes; units++) {
                size_t wide = mu_utf8_character(text + at, bytes - at);

                units += wide == 4; /* a pair of surrogates */
                at += wide ? wide : 1;
        }
        return units;
}

/* Ours, short: whole or not at all. */
static void add_plain(struct line *line, const char *text)
{
        size_t units = units_of(text, strlen(text));

        if (line->units + units > line->max)
                return;
        mu_text_add(&line->text, text);
        line->units += units;
}

static bool has_meaning(char c)
{
        return c && strchr("\\*_~`|<>[]#", c) != NULL;
}

/* People's: escaped, at most units_max of it, an ellipsis for the rest. */
static void add_escaped(struct line *line, const char *text, size_t units_max)
{
        size_t room = line->max - line->units;
        size_t bytes = strlen(text);
        size_t units = 0;

        room = room < units_max ? room : units_max;
        for (size_t at = 0; at < bytes;) {
                size_t wide = mu_utf8_character(text + at, bytes - at);
                bool escape = wide == 1 && has_meaning(text[at]);
                size_t more = escape || wide == 4 ? 2 : 1;
                bool last = at + (wide ? wide : 1) >= bytes;

                if (units + more + !last > room) {
                        if (units < room) {
                                mu_text_add(&line->text, "…");
                                units++;
                        }
                        break;
                }
                if (escape)
                        mu_text_add(&line->text, "\\");
                if (wide)
                        mu_text_add_bytes(&line->text, text + at, wide);
                else
                        mu_text_add(&line->text, "?");
                units += more;
                at += wide ? wide : 1;
        }
        line->units += units;
}

/* ---- JSON ---- */

static void add_member(struct mu_text *json, const char *name, struct line *line)
{
        mu_text_add_format(json, ",\"%s\":", name);
        mu_text_add_json(json, line->text.data ? line->text.data : "", line->text.bytes);
        if (mu_text_status(&line->text) < 0)
                json->error = -ENOMEM; /* the whole fails */
        mu_text_done(&line->text);
}

static void add_field(struct mu_text *json, const char *name, bool beside, struct line *line)
{
        /* Discord refuses empty ones. */
        if (!line->text.data || line->text.data[strspn(line->text.data, " \n")] == '\0') {
                mu_text_done(&line->text);
                return;
        }
        if (json->data[json->bytes - 1] != '[')
                mu_text_add(json, ",");
        mu_text_add_format(json, "{\"name\":\"%s\",\"inline\":%s", name, beside ? "true" : "false");
        add_member(json, "value", line);
        mu_text_add(json, "}");
}

static void add_words(struct mu_text *json, const char *name, const char *words)
{
        struct line line;

        begin(&line, SHORT_MAX);
        add_escaped(&line, words, SHORT_MAX);
        add_field(json, name, true, &line);
}

/* Shown in the reader's own time zone. */
static void add_moment(struct mu_text *json, const char *name, int64_t at_us)
{
        struct line line;
        char moment[40];

        if (at_us == 0)
                return;
        (void)snprintf(moment, sizeof(moment), "<t:%" PRId64 ":f>", at_us / MU_US_PER_S);
        begin(&line, SHORT_MAX);
        add_plain(&line, moment);
        add_field(json, name, true, &line);
}

static void add_devices(struct mu_text *json, const struct mu_notice *notice)
{
        struct line line;
        size_t shown = 0;
        char more[MORE_MAX];

        if (notice->device_count < 2)
                return;
        begin(&line, FIELD_MAX - MORE_MAX);
        for (; shown < notice->devices_shown; shown++) {
                const struct mu_notice_device *device = &notice->devices[shown];

                if (line.max - line.units < ALIAS_MAX + 16)
                        break;
                add_plain(&line, shown ? "\n• " : "• ");
                add_escaped(&line, device->alias, ALIAS_MAX);
                if (!device->firing)
                        add_plain(&line, " (well)");
        }
        line.max = FIELD_MAX;
        if (notice->device_count > (int32_t)shown) {
                (void)snprintf(more, sizeof(more), "\nand %d more",
                               notice->device_count - (int32_t)shown);
                add_plain(&line, shown ? more : more + 1);
        }
        add_field(json, "Devices", false, &line);
}

/* The newest lines that fit. */
static void add_thread(struct mu_text *json, const struct mu_notice *notice)
{
        size_t first = notice->line_count;
        size_t units = 0;
        struct line line;

        while (first > 0) {
                size_t more = 2 * strlen(notice->lines[first - 1]); /* escapes at their most */

                more = (more < LINE_MAX ? more : LINE_MAX) + 1;
                if (units + more > FIELD_MAX)
                        break;
                units += more;
                first--;
        }
        begin(&line, FIELD_MAX);
        for (size_t i = first; i < notice->line_count; i++) {
                if (i > first)
                        add_plain(&line, "\n");
                add_escaped(&line, notice->lines[i], LINE_MAX);
        }
        add_field(json, "What happened", false, &line);
}

/* ---- the embed ---- */

static int colour(const struct mu_notice *notice)
{
        static const int colours[MU_SEVERITY_COUNT] = {
                [MU_SEVERITY_INFO] = BLUE,
                [MU_SEVERITY_WARNING] = ORANGE,
                [MU_SEVERITY_CRITICAL] = RED,
        };

        if (notice->state == MU_NOTICE_OVER)
                return GREEN;
        return notice->state == MU_NOTICE_MERGED ? GREY : colours[notice->severity];
}

static bool is_text(const struct mu_notice *notice)
{
        return notice->kind == MU_NOTICE_TEST || notice->kind == MU_NOTICE_DIGEST;
}

static const char *title_mark(const struct mu_notice *notice)
{
        if (is_text(notice))
                return "";
        if (notice->state == MU_NOTICE_OVER)
                return "✅ Resolved: ";
        if (notice->state == MU_NOTICE_MERGED)
                return "↪ Part of a wider incident: ";
        if (notice->acked_us)
                return "👀 ";
        return notice->severity == MU_SEVERITY_CRITICAL  ? "🔴 "
               : notice->severity == MU_SEVERITY_WARNING ? "🟠 "
                                                         : "🔵 ";
}

static void add_head(struct mu_text *json, const struct mu_notice *notice,
                     enum mu_discord_look look)
{
        size_t what_max = is_text(notice) ? TEXT_MAX : WHAT_MAX;
        char moment[MU_NOTICE_TIME_BYTES];
        char duration[MU_NOTICE_DURATION_BYTES];
        struct line line;

        mu_notice_time(notice->at_us, moment);
        mu_text_add_format(json, "\"color\":%d,\"timestamp\":\"%s\"", colour(notice), moment);
        begin(&line, TITLE_MAX);
        add_plain(&line, title_mark(notice));
        add_escaped(&line, *notice->title ? notice->title : "Alert", TITLE_MAX);
        add_member(json, "title", &line);
        begin(&line, what_max);
        if (look == MU_DISCORD_RECOVERY) {
                if (notice->closed_us > notice->opened_us) {
                        mu_notice_duration((notice->closed_us - notice->opened_us) / MU_US_PER_S,
                                           duration);
                        add_plain(&line, "After ");
                        add_plain(&line, duration);
                        add_plain(&line, ".");
                }
        } else {
                add_escaped(&line, notice->what, what_max);
        }
        if (line.units > 0)
                add_member(json, "description", &line);
        mu_text_done(&line.text);
        if (*notice->link && strlen(notice->link) <= 1000) {
                mu_text_add(json, ",\"url\":");
                mu_text_add_json(json, notice->link, strlen(notice->link));
        }
}

static void add_fields(struct mu_text *json, const struct mu_notice *notice)
{
        char merged[48];

        mu_text_add(json, ",\"fields\":[");
        add_words(json, "State", mu_notice_state_title(notice->state));
        add_words(json, "Severity", mu_alert_severity_name(notice->severity));
        add_words(json, "Where", notice->where);
        add_moment(json, "Since", notice->opened_us);
        add_moment(json, "Until", notice->closed_us);
        if (notice->acked_us)
                add_words(json, "Acknowledged by", notice->acked_by);
        add_devices(json, notice);
        add_thread(json, notice);
        mu_text_add(json, "]");
        (void)snprintf(merged, sizeof(merged), "Muster, incident %" PRId64, notice->incident_id);
        mu_text_add_format(json, ",\"footer\":{\"text\":\"%s\"}",
                           notice->incident_id ? merged : "Muster");
}

int mu_discord_write(const struct mu_notice *notice, enum mu_discord_look look, char **ret_json,
                     size_t *ret_bytes)
{
        struct mu_text json;

        mu_text_init(&json);
        /* Nobody is pinged, whatever the texts say. */
        mu_text_add(&json, "{\"allowed_mentions\":{\"parse\":[]},\"embeds\":[{");
        add_head(&json, notice, look);
        if (look == MU_DISCORD_WHOLE && !is_text(notice) && json.data)
                add_fields(&json, notice);
        mu_text_add(&json, "}]}");
        int code = mu_text_take(&json, ret_json, ret_bytes);

        mu_text_done(&json);
        return code;
}
