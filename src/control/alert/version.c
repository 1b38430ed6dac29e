/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/version.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* ctype.h asks the locale. */
static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static const char *start_of(const char *version)
{
        return *version == 'v' || *version == 'V' ? version + 1 : version;
}

/* Past one or more characters that pass; NULL: there are none. */
static const char *skip(const char *at, bool (*passes)(char))
{
        const char *from = at;

        while (passes(*at))
                at++;
        return at > from ? at : NULL;
}

/* Past a list of pieces with dots between; NULL: it is none. */
static const char *skip_list(const char *at, bool (*passes)(char))
{
        for (at = skip(at, passes); at && *at == '.'; at = skip(at + 1, passes))
                ;
        return at;
}

bool mu_version_is_valid(const char *version)
{
        const char *at = skip_list(start_of(version), is_digit);

        if (at && *at == '-')
                at = skip_list(at + 1, is_word);
        return at && (*at == '\0' || *at == '+');
}

/* Digits of any length, without turning them into a number that may not fit. */
static int compare_digits(const char *a, size_t a_count, const char *b, size_t b_count)
{
        for (; a_count > 0 && *a == '0'; a++)
                a_count--;
        for (; b_count > 0 && *b == '0'; b++)
                b_count--;
        if (a_count != b_count)
                return a_count < b_count ? -1 : 1;
        return a_count > 0 ? memcmp(a, b, a_count) : 0;
}

static int compare_words(const char *a, size_t a_count, const char *b, size_t b_count)
{
        int order = memcmp(a, b, a_count < b_count ? a_count : b_count);

        return order != 0 ? order : (a_count > b_count) - (a_count < b_count);
}

static size_t count(const char *at, bool (*passes)(char))
{
        const char *end = skip(at, passes);

        return end ? (size_t)(end - at) : 0;
}

/* Both stand at a list of numbers; moves them behind it. */
static int compare_numbers(const char **a, const char **b)
{
        int order = 0;

        for (;;) {
                size_t a_count = count(*a, is_digit);
                size_t b_count = count(*b, is_digit);

                if (a_count == 0 && b_count == 0)
                        return order;
                if (order == 0)
                        order = compare_digits(*a, a_count, *b, b_count);
                *a += a_count;
                *b += b_count;
                *a += **a == '.';
                *b += **b == '.';
        }
}

static int compare_identifiers(const char *a, size_t a_count, const char *b, size_t b_count)
{
        bool a_number = count(a, is_digit) == a_count;
        bool b_number = count(b, is_digit) == b_count;

        if (a_number != b_number)
                return a_number ? -1 : 1;
        return a_number ? compare_digits(a, a_count, b, b_count)
                        : compare_words(a, a_count, b, b_count);
}

static int compare_pre_releases(const char *a, const char *b)
{
        bool a_has = *a == '-';
        bool b_has = *b == '-';

        if (!a_has || !b_has)
                return (int)b_has - (int)a_has;
        for (;;) {
                a++;
                b++;
                size_t a_count = count(a, is_word);
                size_t b_count = count(b, is_word);
                int order = compare_identifiers(a, a_count, b, b_count);

                if (order != 0)
                        return order;
                a += a_count;
                b += b_count;
                a_has = *a == '.';
                b_has = *b == '.';
                if (!a_has || !b_has)
                        return (int)a_has - (int)b_has;
        }
}

int mu_version_compare(const char *a, const char *b, int *ret_order)
{
        if (!mu_version_is_valid(a) || !mu_version_is_valid(b))
                return -EINVAL;
        a = start_of(a);
        b = start_of(b);
        int order = compare_numbers(&a, &b);

        *ret_order = order != 0 ? order : compare_pre_releases(a, b);
        return 0;
}
