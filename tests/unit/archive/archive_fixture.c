/* SPDX-License-Identifier: Apache-2.0 */
#include "archive_fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/sha.h>

#include "archive/copy_rows.h"
#include "archive/part_writer.h"
#include "base/clock.h"
#include "base/fs.h"

void test_archive_init(struct test_archive *archive)
{
        *archive = (struct test_archive){.sequence = 1, .seed = 42};
        snprintf(archive->root, sizeof(archive->root), "/tmp/muster-archive-XXXXXX");
        assert_non_null(mkdtemp(archive->root));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path);
}

void test_archive_done(struct test_archive *archive)
{
        (void)nftw(archive->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
        for (int i = bytes - 1; i >= 0; i--)
                *at++ = (uint8_t)(value >> (8 * i));
        return at;
}

static uint32_t next(struct test_archive *archive)
{
        archive->seed = archive->seed * 1664525 + 1013904223;
        return archive->seed >> 8;
}

static void write_part(struct test_archive *archive, const char *directory, uint32_t number,
                       int64_t day, int rows, struct mu_archive_part *ret_part)
{
        struct mu_archive_part_writer *writer;

        assert_int_equal(mu_archive_part_create(directory, number, 3, 1, &writer), 0);
        assert_int_equal(
                mu_archive_part_write(writer, mu_copy_rows_header, MU_COPY_ROWS_HEADER_BYTES), 0);
        for (int i = 0; i < rows; i++) {
                uint8_t row[128], *at = row;
                char note[32];
                int64_t second = (int64_t)number * rows + i;
                int bytes = snprintf(note, sizeof(note), "%08x", next(archive));

                at = put(at, 3, 2);
                at = put(put(at, 8, 4), (uint64_t)next(archive), 8);
                at = put(put(at, 8, 4),
                         (uint64_t)((day * MU_S_PER_DAY + second) * MU_US_PER_S -
                                    INT64_C(946684800000000)),
                         8);
                at = put(at, (uint64_t)bytes, 4);
                memcpy(at, note, (size_t)bytes);
                at += bytes;
                assert_int_equal(mu_archive_part_write(writer, row, (size_t)(at - row)), 0);
        }
        assert_int_equal(
                mu_archive_part_write(writer, mu_copy_rows_trailer, MU_COPY_ROWS_TRAILER_BYTES), 0);
        assert_int_equal(mu_archive_part_finish(writer, ret_part), 0);
        assert_int_equal(ret_part->rows, rows);
}

void test_archive_add_day(struct test_archive *archive, int64_t day, uint32_t parts, int rows)
{
        static const struct mu_archive_column columns[] = {
                {"device_id", "bigint", true},
                {"bucket", "timestamp with time zone", true},
                {"note", "text", false},
        };
        struct mu_archive_manifest manifest = {
                .day = day,
                .created_at_us = INT64_C(1800000000) * MU_US_PER_S,
                .previous_day = archive->previous_day,
                .sequence = archive->sequence++,
                .column_count = 3,
                .part_count = parts,
                .parent = TEST_PARENT,
                .column = "bucket",
                .written_by = "musterd 0.1.0",
                .columns = (struct mu_archive_column *)columns,
        };
        char place[MU_ARCHIVE_PLACE_BYTES], directory[192], path[256];
        struct mu_text text;

        memcpy(manifest.previous_sha256, archive->previous_sha256, MU_SHA256_BYTES);
        mu_archive_place(TEST_PARENT, day, place);
        snprintf(directory, sizeof(directory), "%s/%s", archive->root, place);
        assert_int_equal(mu_fs_make_directories(directory, 0700), 0);
        manifest.parts = calloc(parts + 1, sizeof(*manifest.parts));
        for (uint32_t i = 0; i < parts; i++)
                write_part(archive, directory, i, day, rows, &manifest.parts[i]);
        mu_archive_manifest_sum(&manifest);
        mu_text_init(&text);
        mu_archive_manifest_encode(&manifest, &text);
        assert_int_equal(mu_text_status(&text), 0);
        snprintf(path, sizeof(path), "%s/" MU_ARCHIVE_MANIFEST, directory);
        assert_int_equal(mu_fs_write_file(path, text.data, text.bytes, 0600), 0);
        SHA256((const uint8_t *)text.data, text.bytes, archive->previous_sha256);
        archive->previous_day = day;
        mu_text_done(&text);
        free(manifest.parts);
}

const char *test_archive_path(const struct test_archive *archive, int64_t day, int number)
{
        static char paths[4][256];
        static int used;
        char place[MU_ARCHIVE_PLACE_BYTES], file[MU_ARCHIVE_FILE_BYTES] = MU_ARCHIVE_MANIFEST;
        char *path = paths[used++ % 4];

        mu_archive_place(TEST_PARENT, day, place);
        if (number >= 0)
                mu_archive_part_name((uint32_t)number, file);
        snprintf(path, sizeof(paths[0]), "%s/%s/%s", archive->root, place, file);
        return path;
}

static void on_problem(void *context, const char *file, const char *detail)
{
        struct test_archive *archive = context;
        int i = archive->problems++ % 64;

        snprintf(archive->files[i], sizeof(archive->files[i]), "%s", file);
        snprintf(archive->details[i], sizeof(archive->details[i]), "%s", detail);
}

int test_archive_check(struct test_archive *archive, struct mu_archive_totals *ret_totals)
{
        const struct mu_archive_check check = {.on_problem = on_problem, .context = archive};
        struct mu_archive_totals totals;

        archive->problems = 0;
        int err = mu_archive_check_tree(archive->root, &check, ret_totals ? ret_totals : &totals);

        assert_true((err == 0) == (archive->problems == 0));
        return err;
}

int test_archive_told(const struct test_archive *archive, const char *file, const char *words)
{
        for (int i = 0; i < archive->problems; i++)
                if (strcmp(archive->files[i], file + strlen(archive->root) + 1) == 0 &&
                    strstr(archive->details[i], words))
                        return 1;
        for (int i = 0; i < archive->problems; i++)
                print_message("told: %s %s\n", archive->files[i], archive->details[i]);
        return 0;
}

char *test_slurp(const char *path, size_t *ret_bytes)
{
        char *data;

        assert_int_equal(mu_fs_read_file(path, 64 << 20, &data, ret_bytes), 0);
        return data;
}

void test_spill(const char *path, const void *data, size_t bytes)
{
        FILE *file = fopen(path, "wb");

        assert_non_null(file);
        assert_int_equal(fwrite(data, 1, bytes, file), bytes);
        assert_int_equal(fclose(file), 0);
}
