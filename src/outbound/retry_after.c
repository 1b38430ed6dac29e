/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/retry_after.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                   "Friday", "Saturday", "Sunday"};

enum { DAY_ABBREVIATED = 3, YEARS_AHEAD_MAX = 50 };

/* What is left of the text. */
struct cursor {
        const char *at;
        const char *end;
};

static bool take(struct cursor *cursor, const char *literal)
{
        size_t bytes = strlen(literal);

        if ((size_t)(cursor->end - cursor->at) < bytes || memcmp(cursor->at, literal, bytes) != 0)
                return false;
        cursor->at += bytes;
        return true;
}

/* Exactly so many digits. */
static bool take_number(struct cursor *cursor, int digits, int *ret_number)
{
        int number = 0;

        if (cursor->end - cursor->at < digits)
                return false;
        for (int i = 0; i < digits; i++) {
                char c = cursor->at[i];

                if (c < '0' || c > '9')
                        return false;
                number = number * 10 + (c - '0');
        }
        cursor->at += digits;
        *ret_number = number;
        return true;
}

static bool take_month(struct cursor *cursor, struct tm *date)
{
        for (int i = 0; i < (int)MU_COUNT_OF(months); i++) {
                if (!take(cursor, months[i]))
                        continue;
                date->tm_mon = i;
                return true;
        }
        return false;
}

static bool take_time(struct cursor *cursor, struct tm *date)
{
        return take_number(cursor, 2, &date->tm_hour) && take(cursor, ":") &&
               take_number(cursor, 2, &date->tm_min) && take(cursor, ":") &&
               take_number(cursor, 2, &date->tm_sec);
}

/* "06 Nov 1994 08:49:37 GMT", after "Sun, " */
static bool take_fixdate(struct cursor *cursor, struct tm *date)
{
        return take_number(cursor, 2, &date->tm_mday) && take(cursor, " ") &&
               take_month(cursor, date) && take(cursor, " ") &&
               take_number(cursor, 4, &date->tm_year) && take(cursor, " ") &&
               take_time(cursor, date) && take(cursor, " GMT");
}

/* "06-Nov-94 08:49:37 GMT", after "Sunday, ": a year more than 50 ahead means the past one. */
static bool take_rfc850(struct cursor *cursor, int64_t now_s, struct tm *date)
{
        time_t now = (time_t)now_s;
        struct tm today;

        if (!take_number(cursor, 2, &date->tm_mday) || !take(cursor, "-") ||
            !take_month(cursor, date) || !take(cursor, "-") ||
            !take_number(cursor, 2, &date->tm_year) || !take(cursor, " ") ||
            !take_time(cursor, date) || !take(cursor, " GMT") || !gmtime_r(&now, &today))
                return false;
        int this_year = today.tm_year + 1900;

        date->tm_year += this_year - this_year % 100;
        if (date->tm_year > this_year + YEARS_AHEAD_MAX)
                date->tm_year -= 100;
        return true;
}

/* "Nov  6 08:49:37 1994", after "Sun " */
static bool take_asctime(struct cursor *cursor, struct tm *date)
{
        if (!take_month(cursor, date) || !take(cursor, " "))
                return false;
        bool padded = take(cursor, " ");

        return take_number(cursor, padded ? 1 : 2, &date->tm_mday) && take(cursor, " ") &&
               take_time(cursor, date) && take(cursor, " ") &&
               take_number(cursor, 4, &date->tm_year);
}

static bool take_any(struct cursor *cursor, int64_t now_s, struct tm *date)
{
        for (size_t i = 0; i < MU_COUNT_OF(days); i++) {
                if (take(cursor, days[i]))
                        return take(cursor, ", ") && take_rfc850(cursor, now_s, date);
                char abbreviated[DAY_ABBREVIATED + 1] = {days[i][0], days[i][1], days[i][2], '\0'};

                if (!take(cursor, abbreviated))
                        continue;
                if (take(cursor, ", "))
                        return take_fixdate(cursor, date);
                return take(cursor, " ") && take_asctime(cursor, date);
        }
        return false;
}

int mu_http_date_parse(const char *value, size_t bytes, int64_t now_s, int64_t *ret_s)
{
        struct cursor cursor = {.at = value, .end = value + bytes};
        struct tm date = {0};

        if (!take_any(&cursor, now_s, &date) || cursor.at != cursor.end)
                return -EBADMSG;
        if (date.tm_hour > 23 || date.tm_min > 59 || date.tm_sec > 60 || date.tm_mday < 1)
                return -EBADMSG;
        if (date.tm_sec == 60) /* a leap second, which this count does not know */
                date.tm_sec = 59;
        date.tm_year -= 1900;
        struct tm normal = date;
        time_t seconds = timegm(&normal);

        if (normal.tm_mday != date.tm_mday) /* 31 February is a date of March to timegm */
                return -EBADMSG;
        *ret_s = (int64_t)seconds;
        return 0;
}

static int parse_seconds(const char *value, size_t bytes, uint32_t *ret_s)
{
        uint32_t seconds = 0;

        for (size_t i = 0; i < bytes; i++) {
                if (value[i] < '0' || value[i] > '9')
                        return -EBADMSG;
                seconds = seconds * 10 + (uint32_t)(value[i] - '0');
                if (seconds > MU_RETRY_AFTER_S_MAX)
                        seconds = MU_RETRY_AFTER_S_MAX;
        }
        *ret_s = seconds;
        return 0;
}

int mu_retry_after_parse(const char *value, size_t bytes, int64_t now_s, uint32_t *ret_s)
{
        int64_t at_s;

        while (bytes > 0 && (value[0] == ' ' || value[0] == '\t')) {
                value++;
                bytes--;
        }
        while (bytes > 0 && (value[bytes - 1] == ' ' || value[bytes - 1] == '\t'))
                bytes--;
        if (bytes == 0)
                return -EBADMSG;
        if (value[0] >= '0' && value[0] <= '9')
                return parse_seconds(value, bytes, ret_s);
        int code = mu_http_date_parse(value, bytes, now_s, &at_s);

        if (code < 0)
                return code;
        int64_t wait_s = at_s - now_s;

        if (wait_s < 0)
                wait_s = 0;
        *ret_s = wait_s < MU_RETRY_AFTER_S_MAX ? (uint32_t)wait_s : MU_RETRY_AFTER_S_MAX;
        return 0;
}
