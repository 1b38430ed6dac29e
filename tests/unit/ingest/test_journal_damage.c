/* SPDX-License-Identifier: Apache-2.0 */
/* What recovery and readers make of torn, damaged and missing segments: JOURNAL_FORMAT.md. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "ingest/journal_private.h"
#include "journal_fixture.h"

static const char *segment_path(const struct fixture *f, uint64_t number)
{
        static char path[128];
        char name[MU_SEGMENT_NAME_BYTES];

        mu_segment_name(number, name);
        (void)snprintf(path, sizeof(path), "%s/%s", f->directory, name);
        return path;
}

static void overwrite(const char *path, uint64_t offset, const void *data, size_t bytes)
{
        int fd = open(path, O_WRONLY);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, data, bytes, (off_t)offset), bytes);
        assert_int_equal(close(fd), 0);
}

/* Where the n-th record's frame stands in segment 1. */
static uint64_t offset_of(const struct fixture *f, uint64_t n)
{
        int fd = open(segment_path(f, 1), O_RDONLY);
        struct mu_frame_header header;

        assert_true(fd >= 0);
        for (uint64_t at = MU_JOURNAL_BLOCK_BYTES;; at += mu_frame_stride(header.payload_bytes)) {
                at = mu_frame_place(at);
                assert_int_equal(pread(fd, &header, sizeof(header), (off_t)at), sizeof(header));
                assert_int_equal(header.magic, MU_FRAME_MAGIC);
                if (header.type == MU_FRAME_RECORD && header.seq == n) {
                        assert_int_equal(close(fd), 0);
                        return at;
                }
        }
}

/* count groups of records_each, so that each is a group of its own. */
static void write_groups(struct fixture *f, int count, int records_each)
{
        f->config.linger_us = 0;
        fixture_open(f);
        for (int i = 0; i < count; i++) {
                struct mu_port_verdict verdict;

                for (int j = 0; j < records_each; j++)
                        assert_true(fixture_commit(f->port, ++f->written));
                while (!mu_port_poll(f->port, &verdict))
                        if (mu_journal_step(f->journal) == 0)
                                f->journal->io->wait(f->journal->io->context, 1000 * 1000);
                assert_true(verdict.durable);
                assert_int_equal(verdict.last, (uint64_t)(i + 1) * (uint64_t)records_each);
        }
        mu_journal_drain(f->journal);
        fixture_close(f);
}

static void check_read(struct fixture *f, const uint64_t *expected, size_t count)
{
        struct mu_reader *reader;
        struct mu_frame frame;

        assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(mu_reader_next(reader, &frame), 1);
                assert_int_equal(frame.seq, expected[i]);
                fixture_check_payload(&frame, expected[i]);
        }
        assert_int_equal(mu_reader_next(reader, &frame), 0);
        assert_int_equal(mu_reader_position(reader), mu_journal_durable_seq(f->journal));
        mu_reader_close(reader);
}

static void test_torn_tail_is_cut(void **state)
{
        struct fixture *f = *state;
        struct stat status;

        write_groups(f, 3, 4);
        /* The last group, its third record: the fourth is whole and must not be handed out. */
        overwrite(segment_path(f, 1), offset_of(f, 11) + 30, "torn", 4);
        fixture_open(f);
        assert_int_equal(fixture_status(f).damaged_bytes, 0);
        assert_true(fixture_status(f).torn_bytes > 0);
        assert_int_equal(mu_journal_durable_seq(f->journal), 10);
        check_read(f, (const uint64_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10);
        assert_int_equal(stat(segment_path(f, 1), &status), 0);
        assert_true(status.st_size < (off_t)f->config.segment_bytes);
        fixture_close(f);

        /* Sequence 12 was seen on disk: it is not used again. */
        fixture_start(f);
        assert_true(fixture_commit(f->port, 13));
        assert_true(fixture_verdict(f->port).durable);
        assert_int_equal(mu_journal_durable_seq(f->journal), 13);
        fixture_stop(f);
        fixture_open(f);
        check_read(f, (const uint64_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13}, 11);
        assert_int_equal(fixture_status(f).missing_records, 0);
        fixture_close(f);
}

static void test_first_frame_of_the_last_group_torn(void **state)
{
        struct fixture *f = *state;

        write_groups(f, 2, 3);
        overwrite(segment_path(f, 1), offset_of(f, 4), "\0\0\0\0\0\0\0\0", 8);
        fixture_open(f);
        assert_int_equal(fixture_status(f).damaged_bytes, 0);
        check_read(f, (const uint64_t[]){1, 2, 3}, 3);
        fixture_close(f);
}

static void test_damage_is_reported_and_passed(void **state)
{
        struct fixture *f = *state;
        char path[256];

        write_groups(f, 4, 4);
        uint64_t at = offset_of(f, 6);

        overwrite(segment_path(f, 1), at + 40, "damage", 6);
        fixture_open(f);
        assert_int_equal(fixture_status(f).damaged_segments, 1);
        assert_int_equal(fixture_status(f).damaged_bytes, offset_of(f, 7) - at);
        assert_int_equal(mu_journal_durable_seq(f->journal), 16);
        check_read(f, (const uint64_t[]){1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 15);
        (void)snprintf(path, sizeof(path), "%s/damaged/%020d-%lu.bin", f->directory, 1,
                       (unsigned long)mu_block_floor(at));
        assert_int_equal(access(path, F_OK), 0);
        fixture_close(f);
}

static void test_damage_met_by_a_reader(void **state)
{
        struct fixture *f = *state;

        write_groups(f, 4, 4);
        write_groups(f, 1, 4); /* segment 1 is no longer the last: nobody reads it at start */
        overwrite(segment_path(f, 1), offset_of(f, 2) + 40, "damage", 6);
        fixture_open(f);
        assert_int_equal(fixture_status(f).damaged_bytes, 0);
        for (int i = 0; i < 2; i++) {
                check_read(f,
                           (const uint64_t[]){1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                                              17, 18, 19, 20},
                           19);
                assert_int_equal(fixture_status(f).damaged_segments, 1);
        }
        assert_int_equal(fixture_status(f).missing_records, 0);
        fixture_close(f);
}

static void test_damaged_header_over_good_frames(void **state)
{
        struct fixture *f = *state;

        write_groups(f, 2, 3);
        write_groups(f, 1, 3);
        overwrite(segment_path(f, 1), 20, "damage", 6);
        fixture_open(f);
        assert_int_equal(fixture_status(f).damaged_segments, 1);
        check_read(f, (const uint64_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9}, 9);
        fixture_close(f);
}

static void test_missing_segment_is_reported(void **state)
{
        struct fixture *f = *state;

        write_groups(f, 2, 3);
        write_groups(f, 1, 3);
        write_groups(f, 1, 2);
        /* Numbers go on above files that a start found prepared and took for itself. */
        uint64_t middle = 2;

        while (access(segment_path(f, middle), F_OK) != 0)
                middle++;
        assert_int_equal(unlink(segment_path(f, middle)), 0);
        fixture_open(f);
        for (int i = 0; i < 2; i++) {
                check_read(f, (const uint64_t[]){1, 2, 3, 4, 5, 6, 10, 11}, 8);
                assert_int_equal(fixture_status(f).missing_records, 3);
        }
        assert_int_equal(fixture_status(f).damaged_bytes, 0);
        fixture_close(f);
}

static void test_segment_of_another_journal_is_set_aside(void **state)
{
        struct fixture *f = *state;
        struct mu_segment_header header = {.number = 99, .segment_bytes = 4096, .first_seq = 1};
        char path[256];
        int fd;

        write_groups(f, 1, 3);
        memset(header.journal_id, 0x5a, sizeof(header.journal_id));
        mu_segment_header_seal(&header);
        fd = open(segment_path(f, 99), O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(fd, &header, sizeof(header)), sizeof(header));
        assert_int_equal(ftruncate(fd, 8192), 0);
        assert_int_equal(close(fd), 0);
        fixture_open(f);
        check_read(f, (const uint64_t[]){1, 2, 3}, 3);
        (void)snprintf(path, sizeof(path), "%s/damaged/%020d.mjs", f->directory, 99);
        assert_int_equal(access(path, F_OK), 0);
        fixture_close(f);
}

static void set_version(const struct fixture *f, uint32_t version)
{
        struct mu_segment_header header;
        int fd = open(segment_path(f, 1), O_RDWR);

        assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
        header.version = version;
        header.crc = mu_crc32c(0, &header, offsetof(struct mu_segment_header, crc));
        assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
        assert_int_equal(close(fd), 0);
}

static void test_newer_version_is_refused_untouched(void **state)
{
        struct fixture *f = *state;

        write_groups(f, 1, 3);
        set_version(f, MU_SEGMENT_VERSION + 1);
        assert_int_equal(mu_journal_open(&f->config, &f->journal), -EPROTONOSUPPORT);
        set_version(f, MU_SEGMENT_VERSION);
        fixture_open(f);
        check_read(f, (const uint64_t[]){1, 2, 3}, 3);
        fixture_close(f);
}

/* Every single byte of the file, wrong one after the other: nothing invented, nothing crashes. */
static void test_any_wrong_byte(void **state)
{
        struct fixture *f = *state;
        uint64_t end;

        write_groups(f, 3, 3);
        end = mu_block_ceil(offset_of(f, 9) + 1);
        for (uint64_t at = 0; at < end; at += 13) {
                struct mu_reader *reader;
                struct mu_frame frame;
                unsigned char byte;
                uint64_t last = 0;
                int fd = open(segment_path(f, 1), O_RDWR);

                assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
                byte ^= 0x41;
                assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
                assert_int_equal(mu_journal_open(&f->config, &f->journal), 0);
                assert_int_equal(mu_reader_open(f->journal, 0, &reader), 0);
                while (mu_reader_next(reader, &frame) == 1) {
                        assert_true(frame.seq > last && frame.seq <= 9);
                        fixture_check_payload(&frame, frame.seq);
                        last = frame.seq;
                }
                mu_reader_close(reader);
                mu_journal_close(f->journal);
                byte ^= 0x41;
                assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
                assert_int_equal(close(fd), 0);
                /* A byte of the last group cut it off the file: enough seen. */
                if (last < 9 && at > offset_of(f, 6))
                        break;
        }
        f->journal = NULL;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(test_torn_tail_is_cut),
                TEST(test_first_frame_of_the_last_group_torn),
                TEST(test_damage_is_reported_and_passed),
                TEST(test_damage_met_by_a_reader),
                TEST(test_damaged_header_over_good_frames),
                TEST(test_missing_segment_is_reported),
                TEST(test_segment_of_another_journal_is_set_aside),
                TEST(test_newer_version_is_refused_untouched),
                TEST(test_any_wrong_byte),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
