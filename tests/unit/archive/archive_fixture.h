/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_fixture.h - an archive of small days in a temporary directory, written with the real
 * writer. Columns: device_id bigint, bucket timestamptz, note text.
 */
#ifndef MUSTER_TESTS_ARCHIVE_FIXTURE_H
#define MUSTER_TESTS_ARCHIVE_FIXTURE_H

#include "archive/verify.h"

#define TEST_PARENT "heartbeats"
#define TEST_DAY INT64_C(20778) /* 2026-11-21 */

struct test_archive {
        char root[64];
        uint32_t sequence; /* of the next day */
        int64_t previous_day;
        uint8_t previous_sha256[MU_SHA256_BYTES];
        uint32_t seed;
        /* What verification told last. */
        char files[64][128];
        char details[64][MU_ARCHIVE_DETAIL_BYTES];
        int problems;
};

void test_archive_init(struct test_archive *archive);
void test_archive_done(struct test_archive *archive);

/* A day of so many files with so many rows each, the next in the chain. */
void test_archive_add_day(struct test_archive *archive, int64_t day, uint32_t parts, int rows);
/* The path of a file of a day; manifest: number -1. Of a static buffer of four. */
const char *test_archive_path(const struct test_archive *archive, int64_t day, int number);

/* Verifies everything; the problems stand in archive. */
int test_archive_check(struct test_archive *archive, struct mu_archive_totals *ret_totals);
/* Is there a problem with this file whose detail contains the words? */
int test_archive_told(const struct test_archive *archive, const char *file, const char *words);

/* A file's content, to be freed; and back. */
char *test_slurp(const char *path, size_t *ret_bytes);
void test_spill(const char *path, const void *data, size_t bytes);

#endif
