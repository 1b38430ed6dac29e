/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/part_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <openssl/sha.h>

#include "archive/copy_rows.h"
#include "base/failpoint.h"
#include "base/fs.h"

enum {
        LEVEL = 3,
        /* 100,000 devices of 220 bytes between a device's row and its next. zstd's own command
         * reads up to 27 without being told. */
        WINDOW_LOG = 26,
        FLUSH_BYTES = 4 << 20,
};

struct mu_archive_part_writer {
        int fd;
        uint16_t column;
        char *directory;
        char *temporary;
        char *path;
        ZSTD_CCtx *zstd;
        uint8_t *out;
        size_t out_room;
        size_t out_used;
        int64_t flushed_bytes;
        SHA256_CTX plain_sha;
        SHA256_CTX stored_sha;
        struct mu_copy_rows rows;
        struct mu_archive_part part;
};

static int see_row(void *context, const uint8_t *row, size_t bytes)
{
        struct mu_archive_part_writer *writer = context;
        struct mu_archive_part *part = &writer->part;
        int64_t at_us;

        (void)bytes;
        if (!mu_copy_rows_time_us(row, writer->column, &at_us))
                return -EBADMSG;
        if (part->rows == 0 || at_us < part->least_us)
                part->least_us = at_us;
        if (part->rows == 0 || at_us > part->most_us)
                part->most_us = at_us;
        part->rows++;
        return 0;
}

static void destroy(struct mu_archive_part_writer *writer)
{
        if (writer->fd >= 0)
                (void)close(writer->fd); /* synced before, or thrown away */
        (void)ZSTD_freeCCtx(writer->zstd);
        mu_copy_rows_done(&writer->rows);
        free(writer->directory);
        free(writer->temporary);
        free(writer->path);
        free(writer->out);
        free(writer);
}

void mu_archive_part_abandon(struct mu_archive_part_writer *writer)
{
        if (!writer)
                return;
        if (writer->temporary)
                (void)unlink(writer->temporary);
        destroy(writer);
}

static int open_files(struct mu_archive_part_writer *writer, const char *directory, uint32_t number)
{
        char name[MU_ARCHIVE_FILE_BYTES];

        mu_archive_part_name(number, name);
        writer->directory = strdup(directory);
        if (!writer->directory || asprintf(&writer->path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        if (asprintf(&writer->temporary, "%s.tmp", writer->path) < 0) {
                writer->temporary = NULL;
                return -ENOMEM;
        }
        /* One that a crash left is begun anew. */
        writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        return writer->fd < 0 ? -errno : 0;
}

static int open_zstd(struct mu_archive_part_writer *writer)
{
        static const struct {
                ZSTD_cParameter name;
                int value;
        } settings[] = {
                {ZSTD_c_compressionLevel, LEVEL},
                {ZSTD_c_windowLog, WINDOW_LOG},
                {ZSTD_c_enableLongDistanceMatching, 1},
                {ZSTD_c_ldmMinMatch, 32}, /* a row's texts, which stay the same */
                {ZSTD_c_checksumFlag, 1},
        };

        writer->zstd = ZSTD_createCCtx();
        writer->out_room = ZSTD_CStreamOutSize();
        writer->out = malloc(writer->out_room);
        if (!writer->zstd || !writer->out)
                return -ENOMEM;
        for (size_t i = 0; i < MU_COUNT_OF(settings); i++)
                if (ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, settings[i].name,
                                                        settings[i].value)))
                        return -ENOTSUP;
        return 0;
}

int mu_archive_part_create(const char *directory, uint32_t number, uint16_t columns,
                           uint16_t column, struct mu_archive_part_writer **ret_writer)
{
        struct mu_archive_part_writer *writer = calloc(1, sizeof(*writer));

        if (!writer)
                return -ENOMEM;
        writer->fd = -1;
        writer->column = column;
        mu_copy_rows_init(&writer->rows, columns, see_row, writer);
        SHA256_Init(&writer->plain_sha);
        SHA256_Init(&writer->stored_sha);
        int err = open_files(writer, directory, number);

        if (!err)
                err = open_zstd(writer);
        if (err) {
                mu_archive_part_abandon(writer);
                return err;
        }
        *ret_writer = writer;
        return 0;
}

/* What the compressor has given so far. Passed on in pieces, so that no sync has much to do. */
static int flush(struct mu_archive_part_writer *writer)
{
        int err = mu_fs_write_all(writer->fd, writer->out, writer->out_used);

        MU_FAILPOINT("archive.part_write", err);
        if (err)
                return err;
        SHA256_Update(&writer->stored_sha, writer->out, writer->out_used);
        writer->part.stored_bytes += (int64_t)writer->out_used;
        writer->out_used = 0;
        if (writer->part.stored_bytes - writer->flushed_bytes >= FLUSH_BYTES) {
                (void)sync_file_range(writer->fd, writer->flushed_bytes,
                                      writer->part.stored_bytes - writer->flushed_bytes,
                                      SYNC_FILE_RANGE_WRITE); /* fsync tells what went wrong */
                writer->flushed_bytes = writer->part.stored_bytes;
        }
        return 0;
}

static int compress(struct mu_archive_part_writer *writer, const void *data, size_t bytes,
                    ZSTD_EndDirective directive)
{
        ZSTD_inBuffer in = {.src = data, .size = bytes};
        size_t left;

        do {
                ZSTD_outBuffer out = {
                        .dst = writer->out, .size = writer->out_room, .pos = writer->out_used};

                left = ZSTD_compressStream2(writer->zstd, &out, &in, directive);
                if (ZSTD_isError(left))
                        return -EIO;
                writer->out_used = out.pos;
                if (out.pos == out.size || (directive == ZSTD_e_end && left == 0)) {
                        int err = flush(writer);

                        if (err)
                                return err;
                }
        } while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size);
        return 0;
}

int mu_archive_part_write(struct mu_archive_part_writer *writer, const void *data, size_t bytes)
{
        int err = mu_copy_rows_feed(&writer->rows, data, bytes);

        if (err)
                return err;
        SHA256_Update(&writer->plain_sha, data, bytes);
        writer->part.plain_bytes += (int64_t)bytes;
        return compress(writer, data, bytes, ZSTD_e_continue);
}

static int make_durable(struct mu_archive_part_writer *writer)
{
        int err = fsync(writer->fd) < 0 ? -errno : 0;

        MU_FAILPOINT("archive.part_sync", err);
        if (err)
                return err;
        (void)posix_fadvise(writer->fd, 0, 0, POSIX_FADV_DONTNEED); /* a hint */
        if (rename(writer->temporary, writer->path) < 0)
                return -errno;
        MU_FAILPOINT("archive.part_renamed", err);
        return err ? err : mu_fs_sync_directory(writer->directory);
}

int mu_archive_part_finish(struct mu_archive_part_writer *writer, struct mu_archive_part *ret_part)
{
        int err = mu_copy_rows_end(&writer->rows);

        if (!err)
                err = compress(writer, NULL, 0, ZSTD_e_end);
        if (!err)
                err = make_durable(writer);
        if (err) {
                mu_archive_part_abandon(writer);
                return err;
        }
        SHA256_Final(writer->part.plain_sha256, &writer->plain_sha);
        SHA256_Final(writer->part.stored_sha256, &writer->stored_sha);
        *ret_part = writer->part;
        destroy(writer);
        return 0;
}
