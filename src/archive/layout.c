/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/layout.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

static struct tm civil(int64_t day)
{
        time_t at = (time_t)(day * MU_S_PER_DAY);
        struct tm parts;

        MU_ASSERT(day >= MU_ARCHIVE_DAY_MIN && day <= MU_ARCHIVE_DAY_MAX);
        MU_ASSERT(gmtime_r(&at, &parts));
        return parts;
}

/* The remainders tell the compiler how wide the numbers can be. */
void mu_archive_date(int64_t day, char ret_date[MU_ARCHIVE_DATE_BYTES])
{
        struct tm parts = civil(day);

        snprintf(ret_date, MU_ARCHIVE_DATE_BYTES, "%04u-%02u-%02u",
                 (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)(parts.tm_mon + 1) % 100,
                 (unsigned)parts.tm_mday % 100);
}

void mu_archive_place(const char *parent, int64_t day, char ret_place[MU_ARCHIVE_PLACE_BYTES])
{
        struct tm parts = civil(day);
        unsigned year = (unsigned)(parts.tm_year + 1900) % 10000;

        MU_ASSERT(strlen(parent) < MU_ARCHIVE_NAME_BYTES);
        snprintf(ret_place, MU_ARCHIVE_PLACE_BYTES, "%.63s/%04u/%04u%02u%02u", parent, year, year,
                 (unsigned)(parts.tm_mon + 1) % 100, (unsigned)parts.tm_mday % 100);
}

static bool take_digits(const char **at, unsigned count, int *ret_value)
{
        int value = 0;

        for (unsigned i = 0; i < count; i++, ++*at) {
                if (**at < '0' || **at > '9')
                        return false;
                value = value * 10 + (**at - '0');
        }
        *ret_value = value;
        return true;
}

/* separator: what stands between the numbers, or "". */
static int parse_day(const char *text, const char *separator, int64_t *ret_day)
{
        size_t step = strlen(separator);
        struct tm parts = {0};
        const char *at = text;
        int year, month, of_month;

        if (!take_digits(&at, 4, &year) || strncmp(at, separator, step) != 0)
                return -EINVAL;
        at += step;
        if (!take_digits(&at, 2, &month) || strncmp(at, separator, step) != 0)
                return -EINVAL;
        at += step;
        if (!take_digits(&at, 2, &of_month) || *at || year < 1)
                return -EINVAL;
        parts.tm_year = year - 1900;
        parts.tm_mon = month - 1;
        parts.tm_mday = of_month;
        time_t when = timegm(&parts);

        /* February 30th became March 2nd. */
        if (parts.tm_mon != month - 1 || parts.tm_mday != of_month)
                return -EINVAL;
        *ret_day = (int64_t)when / MU_S_PER_DAY;
        return 0;
}

int mu_archive_date_parse(const char *date, int64_t *ret_day)
{
        return parse_day(date, "-", ret_day);
}

int mu_archive_place_parse(const char *name, int64_t *ret_day)
{
        return parse_day(name, "", ret_day);
}

void mu_archive_part_name(uint32_t number, char ret_name[MU_ARCHIVE_FILE_BYTES])
{
        MU_ASSERT(number < MU_ARCHIVE_PARTS_MAX);
        snprintf(ret_name, MU_ARCHIVE_FILE_BYTES, "part-%04u.copy.zst", number % 10000);
}

int mu_archive_part_parse(const char *name, uint32_t *ret_number)
{
        int number;

        if (strncmp(name, "part-", 5) != 0)
                return -EINVAL;
        const char *at = name + 5;

        if (!take_digits(&at, 4, &number) || strcmp(at, ".copy.zst") != 0)
                return -EINVAL;
        *ret_number = (uint32_t)number;
        return 0;
}
