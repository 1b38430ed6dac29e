/* SPDX-License-Identifier: Apache-2.0 */
/* Parts, days and the chain: what was written reads back; whatever was changed is found and named.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/copy_rows.h"
#include "archive/listing.h"
#include "archive/part_reader.h"
#include "archive/part_writer.h"
#include "archive_fixture.h"
#include "base/failpoint.h"
#include "base/random.h"

enum { DAYS = 3, PARTS = 3, ROWS = 500 };

static int setup(void **state)
{
        struct test_archive *archive = calloc(1, sizeof(*archive));

        test_archive_init(archive);
        for (int i = 0; i < DAYS; i++)
                test_archive_add_day(archive, TEST_DAY + 2 * i, PARTS, ROWS);
        *state = archive;
        return 0;
}

static int teardown(void **state)
{
        test_archive_done(*state);
        free(*state);
        return 0;
}

static void whole_archive_verifies(void **state)
{
        struct test_archive *archive = *state;
        struct mu_archive_totals totals;

        assert_int_equal(test_archive_check(archive, &totals), 0);
        assert_int_equal(totals.days, DAYS);
        assert_int_equal(totals.files, DAYS * PARTS);
        assert_int_equal(totals.rows, DAYS * PARTS * ROWS);
        assert_int_equal(totals.problems, 0);
}

/* A bit anywhere: in each file, many places, seeded. */
static void any_flipped_bit_is_named(void **state)
{
        struct test_archive *archive = *state;
        struct mu_random random;

        mu_random_seed(&random, 20261121);
        for (int file = -1; file < PARTS; file++)
                for (int round = 0; round < 60; round++) {
                        const char *path = test_archive_path(
                                archive, TEST_DAY + 2 * (int64_t)mu_random_below(&random, DAYS),
                                file);
                        size_t bytes;
                        char *data = test_slurp(path, &bytes);
                        size_t at = mu_random_below(&random, bytes);
                        char bit = (char)(1 << mu_random_below(&random, 8));

                        data[at] ^= bit;
                        test_spill(path, data, bytes);
                        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
                        assert_true(test_archive_told(archive, path, ""));
                        if (file >= 0)
                                assert_int_equal(archive->problems, 1);
                        data[at] ^= bit;
                        test_spill(path, data, bytes);
                        free(data);
                }
        assert_int_equal(test_archive_check(archive, NULL), 0);
}

static void truncated_longer_and_missing(void **state)
{
        struct test_archive *archive = *state;
        const char *first = test_archive_path(archive, TEST_DAY, 0);
        const char *second = test_archive_path(archive, TEST_DAY, 1);
        const char *third = test_archive_path(archive, TEST_DAY, 2);
        size_t bytes;
        char *data = test_slurp(first, &bytes);

        test_spill(first, data, bytes - 1);
        free(data);
        data = test_slurp(second, &bytes);
        data[bytes] = 'x'; /* in the place of its NUL */
        test_spill(second, data, bytes + 1);
        free(data);
        assert_int_equal(unlink(third), 0);
        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
        assert_int_equal(archive->problems, 3);
        assert_true(test_archive_told(archive, first, "bytes instead of"));
        assert_true(test_archive_told(archive, second, "bytes instead of"));
        assert_true(test_archive_told(archive, third, "is missing"));
}

static void swapped_and_stray_files(void **state)
{
        struct test_archive *archive = *state;
        const char *first = test_archive_path(archive, TEST_DAY, 0);
        const char *second = test_archive_path(archive, TEST_DAY, 1);
        const char *stray = test_archive_path(archive, TEST_DAY, 7);
        char aside[300];

        snprintf(aside, sizeof(aside), "%s/x", archive->root);
        assert_int_equal(rename(first, aside), 0);
        assert_int_equal(rename(second, first), 0);
        assert_int_equal(rename(aside, second), 0);
        test_spill(stray, "x", 1);
        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
        assert_int_equal(archive->problems, 3);
        assert_true(test_archive_told(archive, first, ""));
        assert_true(test_archive_told(archive, second, ""));
        assert_true(test_archive_told(archive, stray, "does not belong here"));
}

/* Of equal size, so that only the hash can tell. */
static void swapped_files_are_recognised(void **state)
{
        struct test_archive *archive = *state;
        struct mu_archive_manifest *manifest;
        uint8_t sha256[MU_SHA256_BYTES];
        char detail[MU_ARCHIVE_DETAIL_BYTES], directory[256], aside[300];

        test_archive_add_day(archive, TEST_DAY + 10, 12, 50);
        snprintf(directory, sizeof(directory), "%s", test_archive_path(archive, TEST_DAY + 10, -1));
        *strrchr(directory, '/') = '\0';
        assert_int_equal(mu_archive_manifest_read(directory, &manifest, sha256, detail), 0);
        int a = -1, b = -1;

        for (int i = 0; i < 12 && b < 0; i++)
                for (int j = i + 1; j < 12 && b < 0; j++)
                        if (manifest->parts[i].stored_bytes == manifest->parts[j].stored_bytes) {
                                a = i;
                                b = j;
                        }
        assert_true(b >= 0); /* the fixture's rows are seeded: there are two */
        mu_archive_manifest_free(manifest);
        snprintf(aside, sizeof(aside), "%s/aside", archive->root);
        assert_int_equal(rename(test_archive_path(archive, TEST_DAY + 10, a), aside), 0);
        assert_int_equal(rename(test_archive_path(archive, TEST_DAY + 10, b),
                                test_archive_path(archive, TEST_DAY + 10, a)),
                         0);
        assert_int_equal(rename(aside, test_archive_path(archive, TEST_DAY + 10, b)), 0);
        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
        assert_true(test_archive_told(archive, test_archive_path(archive, TEST_DAY + 10, a),
                                      "the files were swapped"));
}

static void swapped_manifests(void **state)
{
        struct test_archive *archive = *state;
        const char *a = test_archive_path(archive, TEST_DAY, -1);
        const char *b = test_archive_path(archive, TEST_DAY + 2, -1);
        size_t a_bytes, b_bytes;
        char *a_data = test_slurp(a, &a_bytes), *b_data = test_slurp(b, &b_bytes);

        test_spill(a, b_data, b_bytes);
        test_spill(b, a_data, a_bytes);
        free(a_data);
        free(b_data);
        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
        assert_true(test_archive_told(archive, a, "2026-11-23: it does not belong here"));
        assert_true(test_archive_told(archive, b, "2026-11-21: it does not belong here"));
        /* The third follows a day that can't be read. */
        assert_true(test_archive_told(archive, test_archive_path(archive, TEST_DAY + 4, -1),
                                      "breaks the chain"));
}

/* A day written anew, whole in itself, is not the one that the next day followed. */
static void replaced_day_breaks_the_chain(void **state)
{
        struct test_archive *archive = *state;
        struct test_archive other = *archive;

        other.sequence = 1;
        other.seed = 7;
        test_archive_add_day(&other, TEST_DAY, PARTS, ROWS);
        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
        assert_int_equal(archive->problems, 1);
        assert_true(test_archive_told(archive, test_archive_path(archive, TEST_DAY + 2, -1),
                                      "follows another manifest of 2026-11-21"));
}

static void removed_day_breaks_the_chain(void **state)
{
        struct test_archive *archive = *state;
        char directory[256];

        snprintf(directory, sizeof(directory), "%s", test_archive_path(archive, TEST_DAY + 2, 0));
        *strrchr(directory, '/') = '\0';
        assert_int_equal(mu_archive_remove_directory(directory), 0);
        assert_int_equal(mu_archive_remove_directory(directory), 0);
        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
        assert_int_equal(archive->problems, 1);
        assert_true(test_archive_told(archive, test_archive_path(archive, TEST_DAY + 4, -1),
                                      "the day before it, 2026-11-23, can't be read here"));
}

static void stray_names(void **state)
{
        struct test_archive *archive = *state;
        char path[300];

        snprintf(path, sizeof(path), "%s/heartbeats/2026/20261131", archive->root);
        assert_int_equal(mkdir(path, 0700), 0); /* no such day */
        snprintf(path, sizeof(path), "%s/heartbeats/notes\nof mine", archive->root);
        test_spill(path, "x", 1);
        snprintf(path, sizeof(path), "%s/heartbeats/2026/20261130" MU_ARCHIVE_PARTIAL,
                 archive->root);
        assert_int_equal(mkdir(path, 0700), 0); /* being written: no problem */
        snprintf(path, sizeof(path), "%s/" MU_ARCHIVE_ASIDE, archive->root);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(test_archive_check(archive, NULL), -EBADMSG);
        assert_int_equal(archive->problems, 2);
        snprintf(path, sizeof(path), "%s/heartbeats/2026/20261131", archive->root);
        assert_true(test_archive_told(archive, path, "does not belong here"));
        snprintf(path, sizeof(path), "%s/heartbeats/notes?of mine", archive->root);
        assert_true(test_archive_told(archive, path, "does not belong here"));
}

static void abandoned_parts_leave_nothing(void **state)
{
        struct test_archive *archive = *state;
        struct mu_archive_part_writer *writer;
        struct mu_archive_listing listing;
        struct mu_archive_part part;

        assert_int_equal(mu_archive_part_create(archive->root, 0, 3, 1, &writer), 0);
        assert_int_equal(
                mu_archive_part_write(writer, mu_copy_rows_header, MU_COPY_ROWS_HEADER_BYTES), 0);
        assert_int_equal(mu_archive_part_write(writer, "\0\2junk", 6), -EBADMSG);
        mu_archive_part_abandon(writer);
        /* A stream that was cut off. */
        assert_int_equal(mu_archive_part_create(archive->root, 0, 3, 1, &writer), 0);
        assert_int_equal(mu_archive_part_finish(writer, &part), -EBADMSG);
        assert_int_equal(mu_archive_list(archive->root, &listing), 0);
        assert_int_equal(listing.count, 1); /* heartbeats */
        mu_archive_listing_done(&listing);
}

#ifdef MUSTER_FAILPOINTS
static void failures_leave_nothing(void **state)
{
        static const char *const points[] = {
                "archive.part_write=error:ENOSPC",
                "archive.part_sync=error:EIO",
        };
        struct test_archive *archive = *state;

        for (size_t i = 0; i < MU_COUNT_OF(points); i++) {
                struct mu_archive_part_writer *writer;
                struct mu_archive_listing listing;
                struct mu_archive_part part;

                assert_int_equal(mu_failpoint_arm(points[i]), 0);
                assert_int_equal(mu_archive_part_create(archive->root, 0, 3, 1, &writer), 0);
                assert_int_equal(mu_archive_part_write(writer, mu_copy_rows_header,
                                                       MU_COPY_ROWS_HEADER_BYTES),
                                 0);
                assert_int_equal(mu_archive_part_write(writer, mu_copy_rows_trailer,
                                                       MU_COPY_ROWS_TRAILER_BYTES),
                                 0);
                assert_int_equal(mu_archive_part_finish(writer, &part), i ? -EIO : -ENOSPC);
                mu_failpoint_disarm_all();
                assert_int_equal(mu_archive_list(archive->root, &listing), 0);
                assert_int_equal(listing.count, 1);
                mu_archive_listing_done(&listing);
        }
}
#endif

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(whole_archive_verifies, setup, teardown),
                cmocka_unit_test_setup_teardown(any_flipped_bit_is_named, setup, teardown),
                cmocka_unit_test_setup_teardown(truncated_longer_and_missing, setup, teardown),
                cmocka_unit_test_setup_teardown(swapped_and_stray_files, setup, teardown),
                cmocka_unit_test_setup_teardown(swapped_files_are_recognised, setup, teardown),
                cmocka_unit_test_setup_teardown(swapped_manifests, setup, teardown),
                cmocka_unit_test_setup_teardown(replaced_day_breaks_the_chain, setup, teardown),
                cmocka_unit_test_setup_teardown(removed_day_breaks_the_chain, setup, teardown),
                cmocka_unit_test_setup_teardown(stray_names, setup, teardown),
                cmocka_unit_test_setup_teardown(abandoned_parts_leave_nothing, setup, teardown),
#ifdef MUSTER_FAILPOINTS
                cmocka_unit_test_setup_teardown(failures_leave_nothing, setup, teardown),
#endif
        };

        return cmocka_run_group_tests_name("archive/files", tests, NULL, NULL);
}
