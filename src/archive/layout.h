/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - where a day's files lie: ROOT/heartbeats/2026/20261121/part-0000.copy.zst.
 *
 * Units      day: days since 1970-01-01, UTC; years 1 to 9999.
 * Threads    any. Errors: -EINVAL: not such a name.
 */
#ifndef MUSTER_ARCHIVE_LAYOUT_H
#define MUSTER_ARCHIVE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_ARCHIVE_MANIFEST "manifest.json"
#define MU_ARCHIVE_PARTIAL ".partial" /* behind the day's name while it is being written */
#define MU_ARCHIVE_ASIDE "aside"      /* ROOT/aside: what was in the way of a day */

enum {
        MU_ARCHIVE_NAME_BYTES = 64,  /* of a table or column, and NUL */
        MU_ARCHIVE_DATE_BYTES = 11,  /* 2026-11-21 and NUL */
        MU_ARCHIVE_PLACE_BYTES = 96, /* heartbeats/2026/20261121 and NUL */
        MU_ARCHIVE_FILE_BYTES = 24,  /* part-0000.copy.zst and NUL */
        MU_ARCHIVE_PARTS_MAX = 10000,
};

#define MU_ARCHIVE_DAY_MIN INT64_C(-719162)
#define MU_ARCHIVE_DAY_MAX INT64_C(2932896)

void mu_archive_date(int64_t day, char ret_date[MU_ARCHIVE_DATE_BYTES]);
MU_MUST_CHECK
int mu_archive_date_parse(const char *date, int64_t *ret_day);

/* The directory below the root; parent fits MU_ARCHIVE_NAME_BYTES. */
void mu_archive_place(const char *parent, int64_t day, char ret_place[MU_ARCHIVE_PLACE_BYTES]);
/* "20261121" */
MU_MUST_CHECK
int mu_archive_place_parse(const char *name, int64_t *ret_day);

void mu_archive_part_name(uint32_t number, char ret_name[MU_ARCHIVE_FILE_BYTES]);
MU_MUST_CHECK
int mu_archive_part_parse(const char *name, uint32_t *ret_number);

#endif
