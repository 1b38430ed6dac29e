/* SPDX-License-Identifier: Apache-2.0 */
/* shape_values.c - ids and times as texts; reading what has passed, writing what goes out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "control/shape_private.h"

/* ---- texts to values ---- */

int64_t mu_shape_id_parse(const char *text)
{
        uint64_t id = 0;

        if (!text || *text < '1' || *text > '9' || strlen(text) > 19)
                return 0;
        for (; *text != '\0'; text++) {
                if (*text < '0' || *text > '9')
                        return 0;
                id = id * 10 + (uint64_t)(*text - '0'); /* 19 digits fit */
        }
        return id <= INT64_MAX ? (int64_t)id : 0;
}

/* Exactly so many digits. */
static bool take_number(const char **at, int digits, int *ret_value)
{
        int value = 0;

        for (int i = 0; i < digits; i++, (*at)++) {
                if (**at < '0' || **at > '9')
                        return false;
                value = value * 10 + (**at - '0');
        }
        *ret_value = value;
        return true;
}

static bool take(const char **at, const char *one_of)
{
        if (**at == '\0' || !strchr(one_of, **at))
                return false;
        (*at)++;
        return true;
}

/* ".123456": what is finer than a microsecond is cut. */
static bool take_fraction(const char **at, int64_t *ret_us)
{
        int64_t unit = MU_US_PER_S / 10;
        int64_t us = 0;

        if (**at != '.') {
                *ret_us = 0;
                return true;
        }
        (*at)++;
        if (**at < '0' || **at > '9')
                return false;
        for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
                us += (**at - '0') * unit;
        *ret_us = us;
        return true;
}

static bool take_zone(const char **at, int *ret_east_s)
{
        int hours;
        int minutes;
        int sign = **at == '-' ? -1 : 1;

        if (take(at, "Zz")) {
                *ret_east_s = 0;
                return true;
        }
        if (!take(at, "+-") || !take_number(at, 2, &hours) || !take(at, ":") ||
            !take_number(at, 2, &minutes) || hours > 23 || minutes > 59)
                return false;
        *ret_east_s = sign * (hours * 3600 + minutes * 60);
        return true;
}

static int days_in(int year, int month)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return month == 2 && leap ? 29 : days[month - 1];
}

bool mu_shape_time_parse(const char *text, int64_t *ret_us)
{
        struct tm date = {0};
        int64_t fraction_us;
        int year;
        int month;
        int east_s;

        if (!take_number(&text, 4, &year) || !take(&text, "-") || !take_number(&text, 2, &month) ||
            !take(&text, "-") || !take_number(&text, 2, &date.tm_mday) || !take(&text, "Tt ") ||
            !take_number(&text, 2, &date.tm_hour) || !take(&text, ":") ||
            !take_number(&text, 2, &date.tm_min) || !take(&text, ":") ||
            !take_number(&text, 2, &date.tm_sec) || !take_fraction(&text, &fraction_us) ||
            !take_zone(&text, &east_s) || *text != '\0')
                return false;
        if (year < 1970 || month < 1 || month > 12 || date.tm_mday < 1 ||
            date.tm_mday > days_in(year, month) || date.tm_hour > 23 || date.tm_min > 59 ||
            date.tm_sec > 60)
                return false;
        date.tm_year = year - 1900;
        date.tm_mon = month - 1;
        *ret_us = ((int64_t)timegm(&date) - east_s) * MU_US_PER_S + fraction_us;
        return true;
}

/* ---- reading ---- */

static const json_t *value_of(const json_t *object, const char *name)
{
        const json_t *value = json_object_get(object, name);

        return json_is_null(value) ? NULL : value;
}

const char *mu_json_text(const json_t *object, const char *name)
{
        return json_string_value(value_of(object, name));
}

int64_t mu_json_integer(const json_t *object, const char *name, int64_t fallback)
{
        const json_t *value = value_of(object, name);

        return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double mu_json_number(const json_t *object, const char *name, double fallback)
{
        const json_t *value = value_of(object, name);

        return json_is_number(value) ? json_number_value(value) : fallback;
}

bool mu_json_bool(const json_t *object, const char *name, bool fallback)
{
        const json_t *value = value_of(object, name);

        return json_is_boolean(value) ? json_is_true(value) : fallback;
}

int64_t mu_json_id(const json_t *object, const char *name)
{
        return mu_shape_id_parse(mu_json_text(object, name));
}

int64_t mu_json_time_us(const json_t *object, const char *name, int64_t fallback)
{
        const char *text = mu_json_text(object, name);
        int64_t us;

        return text && mu_shape_time_parse(text, &us) ? us : fallback;
}

bool mu_json_has(const json_t *object, const char *name)
{
        return json_object_get(object, name) != NULL;
}

/* ---- writing ---- */

json_t *mu_json_of_id(int64_t id)
{
        return json_sprintf("%" PRId64, id);
}

json_t *mu_json_of_time(int64_t us)
{
        int64_t ms = us >= 0 ? us / MU_US_PER_MS : (us - MU_US_PER_MS + 1) / MU_US_PER_MS;
        int64_t rest_ms = ((ms % MU_MS_PER_S) + MU_MS_PER_S) % MU_MS_PER_S;
        time_t seconds = (time_t)((ms - rest_ms) / MU_MS_PER_S);
        struct tm date;
        char text[40];

        if (!gmtime_r(&seconds, &date) ||
            strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &date) == 0)
                return json_null();
        return json_sprintf("%s.%03dZ", text, (int)rest_ms);
}

json_t *mu_json_of_text_or_null(const char *text)
{
        return text ? json_string(text) : json_null();
}
