/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse_units.h - values as people write them in a configuration: 64MiB, 5m, 300ms, 2000.
 *
 * A whole number and a unit, spaces allowed between. Bytes: B KiB MiB GiB TiB, none = bytes.
 * Durations: ns us ms s m h d, obligatory but for 0. No signs, no fractions, nothing after.
 *
 * Threads    any.
 * Errors     -EINVAL (not a number, unknown or missing unit) or -ERANGE (does not fit, or is
 *            outside the bounds asked for); ret_reason, if given, then holds what was wrong and
 *            what would be right, to be put after "section.key: ".
 */
#ifndef MUSTER_BASE_PARSE_UNITS_H
#define MUSTER_BASE_PARSE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_parse_reason {
        char text[160];
};

MU_MUST_CHECK
int mu_parse_bytes(const char *text, uint64_t *ret_bytes, struct mu_parse_reason *ret_reason);
MU_MUST_CHECK
int mu_parse_duration_ns(const char *text, uint64_t *ret_ns, struct mu_parse_reason *ret_reason);
/* Plain number within least..most. */
MU_MUST_CHECK
int mu_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number,
                    struct mu_parse_reason *ret_reason);

/* The shortest exact writing, which the parser reads back: 67108864 -> 64MiB. Returns buffer. */
#define MU_FORMAT_UNITS_BYTES 32
char *mu_format_bytes(uint64_t bytes, char buffer[MU_FORMAT_UNITS_BYTES]);
char *mu_format_duration_ns(uint64_t ns, char buffer[MU_FORMAT_UNITS_BYTES]);

#endif
