/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse_units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct unit {
        const char *name;
        uint64_t factor;
};

/* Largest first. */
static const struct unit byte_units[] = {
        {"TiB", UINT64_C(1) << 40},
        {"GiB", UINT64_C(1) << 30},
        {"MiB", UINT64_C(1) << 20},
        {"KiB", UINT64_C(1) << 10},
        {"B", 1},
};

static const struct unit duration_units[] = {
        {"d", 86400 * MU_NS_PER_S},
        {"h", 3600 * MU_NS_PER_S},
        {"m", 60 * MU_NS_PER_S},
        {"s", MU_NS_PER_S},
        {"ms", MU_NS_PER_MS},
        {"us", MU_NS_PER_US},
        {"ns", 1},
};

MU_PRINTF(3, 4)
static int refuse(int err, struct mu_parse_reason *ret_reason, const char *format, ...)
{
        va_list arguments;

        if (ret_reason) {
                va_start(arguments, format);
                (void)vsnprintf(ret_reason->text, sizeof(ret_reason->text), format, arguments);
                va_end(arguments);
        }
        return err;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static const char *skip_spaces(const char *text)
{
        while (*text == ' ' || *text == '\t')
                text++;
        return text;
}

/* Spaces, digits, spaces; *ret_rest is what follows. */
static int parse_digits(const char *text, const char *example, uint64_t *ret_number,
                        const char **ret_rest, struct mu_parse_reason *ret_reason)
{
        const char *at = skip_spaces(text);
        uint64_t number = 0;

        if (!is_digit(*at))
                return refuse(-EINVAL, ret_reason,
                              "'%.40s' is not a whole number; write for example %s", text, example);
        for (; is_digit(*at); at++) {
                if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
                    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
                        return refuse(-ERANGE, ret_reason, "'%.40s' is too large", text);
        }
        if (*at == '.' || *at == ',')
                return refuse(-EINVAL, ret_reason,
                              "'%.40s' has a fraction; write a whole number of a smaller unit",
                              text);
        *ret_number = number;
        *ret_rest = skip_spaces(at);
        return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name)
{
        size_t length = strcspn(name, " \t");

        if (*skip_spaces(name + length) != '\0')
                return NULL;
        for (size_t i = 0; i < count; i++) {
                if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
                        return &units[i];
        }
        return NULL;
}

int mu_parse_bytes(const char *text, uint64_t *ret_bytes, struct mu_parse_reason *ret_reason)
{
        uint64_t number;
        const char *rest;
        int err = parse_digits(text, "64MiB", &number, &rest, ret_reason);

        if (err < 0)
                return err;
        const struct unit *unit =
                find_unit(byte_units, MU_COUNT_OF(byte_units), *rest != '\0' ? rest : "B");
        if (!unit)
                return refuse(-EINVAL, ret_reason,
                              "'%.40s': unknown unit '%.20s'; use B, KiB, MiB, GiB or TiB", text,
                              rest);
        if (__builtin_mul_overflow(number, unit->factor, &number))
                return refuse(-ERANGE, ret_reason, "'%.40s' is too large", text);
        *ret_bytes = number;
        return 0;
}

int mu_parse_duration_ns(const char *text, uint64_t *ret_ns, struct mu_parse_reason *ret_reason)
{
        uint64_t number;
        const char *rest;
        int err = parse_digits(text, "300ms", &number, &rest, ret_reason);

        if (err < 0)
                return err;
        if (*rest == '\0' && number == 0)
                rest = "ns";
        if (*rest == '\0')
                return refuse(-EINVAL, ret_reason,
                              "'%.40s' has no unit; use ns, us, ms, s, m, h or d", text);
        const struct unit *unit = find_unit(duration_units, MU_COUNT_OF(duration_units), rest);
        if (!unit)
                return refuse(-EINVAL, ret_reason,
                              "'%.40s': unknown unit '%.20s'; use ns, us, ms, s, m, h or d", text,
                              rest);
        if (__builtin_mul_overflow(number, unit->factor, &number))
                return refuse(-ERANGE, ret_reason, "'%.40s' is too long", text);
        *ret_ns = number;
        return 0;
}

int mu_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number,
                    struct mu_parse_reason *ret_reason)
{
        uint64_t number;
        const char *rest;
        int err = parse_digits(text, "2000", &number, &rest, ret_reason);

        if (err < 0)
                return err;
        if (*rest != '\0')
                return refuse(-EINVAL, ret_reason, "'%.40s': '%.20s' after the number", text, rest);
        if (number < least || number > most)
                return refuse(-ERANGE, ret_reason, "%" PRIu64 " is outside %" PRIu64 "..%" PRIu64,
                              number, least, most);
        *ret_number = number;
        return 0;
}

static char *format(uint64_t number, const struct unit *units, size_t count, char *buffer)
{
        size_t i = 0;

        while (i < count - 1 && (number == 0 || number % units[i].factor != 0))
                i++;
        (void)snprintf(buffer, MU_FORMAT_UNITS_BYTES, "%" PRIu64 "%s", number / units[i].factor,
                       units[i].name);
        return buffer;
}

char *mu_format_bytes(uint64_t bytes, char buffer[MU_FORMAT_UNITS_BYTES])
{
        return format(bytes, byte_units, MU_COUNT_OF(byte_units), buffer);
}

char *mu_format_duration_ns(uint64_t ns, char buffer[MU_FORMAT_UNITS_BYTES])
{
        return format(ns, duration_units, MU_COUNT_OF(duration_units), buffer);
}
