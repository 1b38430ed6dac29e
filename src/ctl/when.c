/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/when.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/parse_units.h"

enum { TEXT_BYTES = 64 };

/* Whether the whole text has the form; strptime refuses what is no date, mktime would bend it. */
static bool matches(const char *text, const char *form, struct tm *ret_tm)
{
        struct tm tm = {.tm_isdst = -1};
        const char *rest = strptime(text, form, &tm);

        if (!rest || *rest)
                return false;
        *ret_tm = tm;
        return true;
}

static bool same_date(const struct tm *a, const struct tm *b)
{
        return a->tm_mday == b->tm_mday && a->tm_mon == b->tm_mon && a->tm_year == b->tm_year;
}

/* The 31st of February is no date. */
static int to_seconds(struct tm *tm, bool utc, int64_t *ret_s)
{
        struct tm given = *tm;
        time_t seconds = utc ? timegm(tm) : mktime(tm);

        if (seconds == (time_t)-1 || !same_date(tm, &given))
                return -EINVAL;
        *ret_s = seconds;
        return 0;
}

/* What follows the seconds of RFC 3339: a fraction, left out here, and a zone. */
static int read_zone(const char *text, int64_t *ret_offset_s)
{
        int hours;
        int minutes;
        int used = 0;

        if (*text == '.') {
                text++;
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                text += strspn(text, "0123456789");
        }
        if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
                *ret_offset_s = 0;
                return 0;
        }
        if ((*text != '+' && *text != '-') || strlen(text) != 6 ||
            sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 ||
            hours > 23 || minutes > 59 || hours < 0 || minutes < 0)
                return -EINVAL;
        *ret_offset_s = (hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
        return 0;
}

static int parse_rfc3339(const char *text, int64_t *ret_s)
{
        struct tm tm = {0};
        const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        int64_t offset_s;
        int64_t seconds;

        if (!rest || read_zone(rest, &offset_s) < 0 || to_seconds(&tm, true, &seconds) < 0)
                return -EINVAL;
        *ret_s = seconds - offset_s;
        return 0;
}

/* A unit as people write it; NULL: none. */
static const char *short_unit(const char *word)
{
        static const struct {
                const char *word;
                const char *unit;
        } units[] = {
                {"s", "s"},    {"sec", "s"},   {"second", "s"}, {"seconds", "s"}, {"m", "m"},
                {"min", "m"},  {"mins", "m"},  {"minute", "m"}, {"minutes", "m"}, {"h", "h"},
                {"hour", "h"}, {"hours", "h"}, {"d", "d"},      {"day", "d"},     {"days", "d"},
        };

        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
                if (strcmp(word, units[i].word) == 0)
                        return units[i].unit;
        return NULL;
}

/* "2h ago", "90 s ago", "1 min ago" */
static int parse_ago(const char *text, int64_t now_s, int64_t *ret_s)
{
        const char *ago = strstr(text, " ago");
        char span[TEXT_BYTES], number[TEXT_BYTES], word[TEXT_BYTES];
        struct mu_parse_reason reason;
        uint64_t ns;
        int used = 0;

        if (!ago || strcmp(ago, " ago") != 0 || (size_t)(ago - text) >= sizeof(span))
                return -EINVAL;
        (void)snprintf(span, sizeof(span), "%.*s", (int)(ago - text), text);
        if (sscanf(span, "%31[0-9] %31[a-z]%n", number, word, &used) == 2 && span[used] == '\0' &&
            short_unit(word))
                (void)snprintf(span, sizeof(span), "%.31s%s", number, short_unit(word));
        if (mu_parse_duration_ns(span, &ns, &reason) < 0)
                return -EINVAL;
        *ret_s = now_s - (int64_t)(ns / 1000000000u);
        return 0;
}

/* Of today, or of yesterday when that is yet to come. */
static int parse_clock(const struct tm *clock, int64_t now_s, int64_t *ret_s)
{
        time_t now = (time_t)now_s;
        struct tm tm;

        if (!localtime_r(&now, &tm))
                return -EINVAL;
        tm.tm_hour = clock->tm_hour;
        tm.tm_min = clock->tm_min;
        tm.tm_sec = 0;
        tm.tm_isdst = -1;
        struct tm today = tm;
        time_t seconds = mktime(&today);

        if (seconds > now) {
                tm.tm_mday--;
                seconds = mktime(&tm);
        }
        *ret_s = seconds;
        return 0;
}

/* "yesterday", its first instant; "yesterday 14:00"; "today 8:15" */
static int parse_day(const char *text, int64_t now_s, int64_t *ret_s)
{
        static const struct {
                const char *word;
                int days;
        } words[] = {{"today", 0}, {"yesterday", 1}};
        struct tm clock = {0};
        struct tm tm;
        time_t now = (time_t)now_s;

        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
                size_t chars = strlen(words[i].word);

                if (strncmp(text, words[i].word, chars) != 0)
                        continue;
                if (text[chars] &&
                    (text[chars] != ' ' || !matches(text + chars + 1, "%H:%M", &clock)))
                        return -EINVAL;
                if (!localtime_r(&now, &tm))
                        return -EINVAL;
                tm.tm_mday -= words[i].days;
                tm.tm_hour = clock.tm_hour;
                tm.tm_min = clock.tm_min;
                tm.tm_sec = 0;
                tm.tm_isdst = -1;
                *ret_s = mktime(&tm);
                return 0;
        }
        return -EINVAL;
}

int mu_ctl_parse_when(const char *text, int64_t now_s, int64_t *ret_s)
{
        static const char *const DATES[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                            "%Y-%m-%d"};
        struct tm tm;

        if (strcmp(text, "now") == 0) {
                *ret_s = now_s;
                return 0;
        }
        for (size_t i = 0; i < sizeof(DATES) / sizeof(*DATES); i++)
                if (matches(text, DATES[i], &tm))
                        return to_seconds(&tm, false, ret_s);
        if (matches(text, "%H:%M", &tm))
                return parse_clock(&tm, now_s, ret_s);
        if (parse_day(text, now_s, ret_s) == 0)
                return 0;
        if (parse_rfc3339(text, ret_s) == 0)
                return 0;
        return parse_ago(text, now_s, ret_s);
}

void mu_ctl_format_when(int64_t s, char ret_text[MU_CTL_WHEN_BYTES])
{
        time_t seconds = (time_t)s;
        struct tm tm = {0};

        (void)gmtime_r(&seconds, &tm);
        if (strftime(ret_text, MU_CTL_WHEN_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                ret_text[0] = '\0';
}
