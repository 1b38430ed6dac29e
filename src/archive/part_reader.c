/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/part_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <openssl/sha.h>

#include "archive/copy_rows.h"

enum {
        IN_BYTES = 256 * 1024,
        WINDOW_LOG_MAX = 27, /* 128 MiB: what a stranger's file may ask for */
};

struct reader {
        const struct mu_archive_manifest *manifest;
        const struct mu_archive_part *expected;
        const struct mu_archive_read *read;
        char *detail;
        bool told; /* detail is written: the first thing that was wrong */
        int fd;
        uint8_t *in;
        uint8_t *out;
        ZSTD_DCtx *zstd;
        bool frame_ended;
        uint16_t column;
        int64_t least_us;
        int64_t most_us;
        int64_t rows;
        int64_t plain_bytes;
        int64_t stored_bytes;
        SHA256_CTX plain_sha;
        SHA256_CTX stored_sha;
        struct mu_copy_rows copy;
};

/* The first sentence stands. */
static int bad(struct reader *reader, const char *format, ...) MU_PRINTF(2, 3);
static int bad(struct reader *reader, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        if (!reader->told)
                (void)vsnprintf(reader->detail, MU_ARCHIVE_DETAIL_BYTES, format, list);
        va_end(list);
        reader->told = true;
        return -EBADMSG;
}

static int see_row(void *context, const uint8_t *row, size_t bytes)
{
        struct reader *reader = context;
        int64_t at_us;

        if (!mu_copy_rows_time_us(row, reader->column, &at_us))
                return bad(reader, "has a row without a time");
        if (reader->rows == 0 || at_us < reader->least_us)
                reader->least_us = at_us;
        if (reader->rows == 0 || at_us > reader->most_us)
                reader->most_us = at_us;
        reader->rows++;
        return reader->read && reader->read->on_row
                       ? reader->read->on_row(reader->read->context, row, bytes)
                       : 0;
}

static int open_file(struct reader *reader, const char *directory, uint32_t number)
{
        char name[MU_ARCHIVE_FILE_BYTES];
        struct stat status;
        char *path;

        mu_archive_part_name(number, name);
        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        /* A pipe of that name would hang us. */
        reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        free(path);
        if (reader->fd < 0)
                return errno == ENOENT ? bad(reader, "is missing") : -errno;
        if (fstat(reader->fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return bad(reader, "is no file");
        if (status.st_size != reader->expected->stored_bytes)
                return bad(reader, "has %" PRId64 " bytes instead of %" PRId64,
                           (int64_t)status.st_size, reader->expected->stored_bytes);
        /* From the disk, not from what was just written. */
        (void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        return 0;
}

static int take_plain(struct reader *reader, size_t bytes)
{
        reader->plain_bytes += (int64_t)bytes;
        if (reader->plain_bytes > reader->expected->plain_bytes)
                return bad(reader, "holds more than %" PRId64 " bytes",
                           reader->expected->plain_bytes);
        SHA256_Update(&reader->plain_sha, reader->out, bytes);
        int err = mu_copy_rows_feed(&reader->copy, reader->out, bytes);

        if (err == -EBADMSG)
                return bad(reader, "holds no rows as COPY writes them");
        if (!err && reader->read && reader->read->on_bytes)
                err = reader->read->on_bytes(reader->read->context, bytes);
        return err;
}

static int decompress(struct reader *reader, size_t bytes)
{
        ZSTD_inBuffer in = {.src = reader->in, .size = bytes};

        while (in.pos < in.size) {
                ZSTD_outBuffer out = {.dst = reader->out, .size = ZSTD_DStreamOutSize()};

                if (reader->frame_ended)
                        return bad(reader, "has bytes behind its end");
                size_t left = ZSTD_decompressStream(reader->zstd, &out, &in);

                if (ZSTD_isError(left))
                        return bad(reader, "can't be decompressed: %s", ZSTD_getErrorName(left));
                reader->frame_ended = left == 0;
                int err = out.pos > 0 ? take_plain(reader, out.pos) : 0;

                if (err)
                        return err;
        }
        return 0;
}

/* What is left in the decompressor when its input has ended. */
static int drain(struct reader *reader)
{
        while (!reader->frame_ended) {
                ZSTD_inBuffer in = {.src = reader->in, .size = 0};
                ZSTD_outBuffer out = {.dst = reader->out, .size = ZSTD_DStreamOutSize()};
                size_t left = ZSTD_decompressStream(reader->zstd, &out, &in);

                if (ZSTD_isError(left) || (left != 0 && out.pos == 0))
                        return bad(reader, "ends too early");
                reader->frame_ended = left == 0;
                int err = out.pos > 0 ? take_plain(reader, out.pos) : 0;

                if (err)
                        return err;
        }
        return 0;
}

/* To the file's end also when its content is wrong: then it is the stored hash that says so. */
static int read_all(struct reader *reader)
{
        int err = 0;

        for (;;) {
                ssize_t bytes = read(reader->fd, reader->in, IN_BYTES);

                if (bytes < 0 && errno == EINTR)
                        continue;
                if (bytes < 0)
                        return errno == EIO ? bad(reader, "can't be read from the disk: %s",
                                                  strerror(EIO))
                                            : -errno;
                if (bytes == 0)
                        break;
                reader->stored_bytes += bytes;
                SHA256_Update(&reader->stored_sha, reader->in, (size_t)bytes);
                if (!err)
                        err = decompress(reader, (size_t)bytes);
                if (err && err != -EBADMSG)
                        return err;
        }
        return err ? err : drain(reader);
}

static const char *other_with(const struct reader *reader, const uint8_t *stored_sha256,
                              char name[MU_ARCHIVE_FILE_BYTES])
{
        for (uint32_t i = 0; i < reader->manifest->part_count; i++)
                if (memcmp(reader->manifest->parts[i].stored_sha256, stored_sha256,
                           MU_SHA256_BYTES) == 0) {
                        mu_archive_part_name(i, name);
                        return name;
                }
        return NULL;
}

static int judge(struct reader *reader, int err)
{
        const struct mu_archive_part *expected = reader->expected;
        uint8_t stored[MU_SHA256_BYTES], plain[MU_SHA256_BYTES];
        char name[MU_ARCHIVE_FILE_BYTES];

        SHA256_Final(stored, &reader->stored_sha);
        SHA256_Final(plain, &reader->plain_sha);
        if (reader->stored_bytes != expected->stored_bytes ||
            memcmp(stored, expected->stored_sha256, MU_SHA256_BYTES) != 0) {
                const char *other = other_with(reader, stored, name);

                reader->told = false;
                return other ? bad(reader, "is %s: the files were swapped", other)
                             : bad(reader, "was changed: its SHA-256 is not the manifest's");
        }
        if (err)
                return err;
        if (reader->plain_bytes != expected->plain_bytes ||
            memcmp(plain, expected->plain_sha256, MU_SHA256_BYTES) != 0)
                return bad(reader, "holds other content than the manifest says (SHA-256)");
        if (mu_copy_rows_end(&reader->copy) < 0)
                return bad(reader, "ends in the middle of its rows");
        if (reader->rows != expected->rows)
                return bad(reader, "has %" PRId64 " rows instead of %" PRId64, reader->rows,
                           expected->rows);
        if (reader->least_us != expected->least_us || reader->most_us != expected->most_us)
                return bad(reader, "has rows of other times than the manifest says");
        return 0;
}

static int make_room(struct reader *reader)
{
        reader->in = malloc(IN_BYTES);
        reader->out = malloc(ZSTD_DStreamOutSize());
        reader->zstd = ZSTD_createDCtx();
        if (!reader->in || !reader->out || !reader->zstd ||
            ZSTD_isError(ZSTD_DCtx_setParameter(reader->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
                return -ENOMEM;
        return 0;
}

int mu_archive_part_read(const char *directory, const struct mu_archive_manifest *manifest,
                         uint32_t number, const struct mu_archive_read *read,
                         char ret_detail[MU_ARCHIVE_DETAIL_BYTES])
{
        struct reader reader = {
                .manifest = manifest,
                .expected = &manifest->parts[number],
                .read = read,
                .detail = ret_detail,
                .fd = -1,
                .column = (uint16_t)mu_archive_manifest_column(manifest, manifest->column),
        };

        mu_copy_rows_init(&reader.copy, (uint16_t)manifest->column_count, see_row, &reader);
        SHA256_Init(&reader.plain_sha);
        SHA256_Init(&reader.stored_sha);
        int err = make_room(&reader);

        if (!err)
                err = open_file(&reader, directory, number);
        if (!err) {
                err = read_all(&reader);
                if (!err || err == -EBADMSG)
                        err = judge(&reader, err);
                (void)posix_fadvise(reader.fd, 0, 0, POSIX_FADV_DONTNEED);
        }
        if (reader.fd >= 0)
                (void)close(reader.fd); /* read only */
        (void)ZSTD_freeDCtx(reader.zstd);
        mu_copy_rows_done(&reader.copy);
        free(reader.in);
        free(reader.out);
        return err;
}
