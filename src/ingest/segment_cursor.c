/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/segment_cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

int mu_segment_cursor_init(struct mu_segment_cursor *cursor, const struct mu_journal_io *io,
                           const uint8_t *journal_id, uint32_t window_bytes)
{
        MU_ASSERT(window_bytes >= 2 * MU_JOURNAL_BLOCK_BYTES);
        MU_ASSERT(window_bytes % MU_JOURNAL_BLOCK_BYTES == 0);
        *cursor = (struct mu_segment_cursor){
                .io = io, .journal_id = journal_id, .window_bytes = window_bytes};
        cursor->window = aligned_alloc(MU_JOURNAL_BLOCK_BYTES, window_bytes);
        return cursor->window ? 0 : -ENOMEM;
}

void mu_segment_cursor_done(struct mu_segment_cursor *cursor)
{
        mu_segment_cursor_close(cursor);
        free(cursor->window);
        cursor->window = NULL;
}

int mu_segment_cursor_open(struct mu_segment_cursor *cursor, uint64_t number, uint64_t end_bytes)
{
        char name[MU_SEGMENT_NAME_BYTES];

        MU_ASSERT(!cursor->file);
        mu_segment_name(number, name);
        int err = cursor->io->open(cursor->io->context, name, &cursor->file);

        if (err < 0)
                return err;
        cursor->crc_seed = mu_frame_crc_seed(cursor->journal_id, number);
        cursor->end = mu_block_floor(end_bytes);
        cursor->window_start = 0;
        cursor->window_end = 0;
        cursor->at = MU_JOURNAL_BLOCK_BYTES;
        cursor->group_at = MU_JOURNAL_BLOCK_BYTES;
        cursor->seq = 0;
        return 0;
}

void mu_segment_cursor_close(struct mu_segment_cursor *cursor)
{
        if (cursor->file)
                cursor->io->close(cursor->io->context, cursor->file);
        cursor->file = NULL;
}

void mu_segment_cursor_extend(struct mu_segment_cursor *cursor, uint64_t end_bytes)
{
        MU_ASSERT(mu_block_floor(end_bytes) >= cursor->end);
        cursor->end = mu_block_floor(end_bytes);
}

/* Block by block, zeros for what the disk does not give back. */
static ssize_t read_around(struct mu_segment_cursor *cursor, size_t bytes, uint64_t start)
{
        for (size_t at = 0; at < bytes; at += MU_JOURNAL_BLOCK_BYTES) {
                ssize_t n = cursor->io->read(cursor->io->context, cursor->file, cursor->window + at,
                                             MU_JOURNAL_BLOCK_BYTES, start + at);

                if (n < 0 && n != -EIO)
                        return n;
                if (n < (ssize_t)MU_JOURNAL_BLOCK_BYTES)
                        memset(cursor->window + at, 0, MU_JOURNAL_BLOCK_BYTES);
        }
        return (ssize_t)bytes;
}

/* Brings the block of offset and what follows it into the window. */
static int load(struct mu_segment_cursor *cursor, uint64_t offset)
{
        uint64_t start = mu_block_floor(offset);
        uint64_t left = cursor->end - start;
        size_t bytes = left < cursor->window_bytes ? (size_t)left : cursor->window_bytes;

        MU_ASSERT(start < cursor->end);
        ssize_t n =
                cursor->io->read(cursor->io->context, cursor->file, cursor->window, bytes, start);

        if (n == -EIO && cursor->skip_unreadable)
                n = read_around(cursor, bytes, start);
        if (n < 0)
                return (int)n;
        /* Shorter than it should be: what is missing reads as zeros, which are no frames. */
        if ((size_t)n < bytes)
                memset(cursor->window + n, 0, bytes - (size_t)n);
        cursor->window_start = start;
        cursor->window_end = start + bytes;
        return 0;
}

/* The whole frame that may stand at offset in the window; where it is shows how much there is. */
static int look(struct mu_segment_cursor *cursor, uint64_t offset,
                const struct mu_frame_header **ret_header, uint64_t *ret_bytes_left)
{
        /* A frame is never longer than a block: with so much behind it, it is whole. */
        uint64_t needed = offset + MU_JOURNAL_BLOCK_BYTES;

        if (needed > cursor->end)
                needed = cursor->end;
        if (offset < cursor->window_start || needed > cursor->window_end) {
                int err = load(cursor, offset);

                if (err < 0)
                        return err;
        }
        *ret_header = (const void *)(cursor->window + (offset - cursor->window_start));
        *ret_bytes_left = cursor->window_end - offset;
        return 0;
}

int mu_segment_cursor_header(struct mu_segment_cursor *cursor, struct mu_segment_header *ret_header)
{
        if (cursor->end < MU_JOURNAL_BLOCK_BYTES)
                return -ENODATA;
        int err = load(cursor, 0);

        if (err < 0)
                return err;
        memcpy(ret_header, cursor->window, sizeof(*ret_header));
        return 0;
}

static bool is_frame(const struct mu_segment_cursor *cursor, uint64_t offset,
                     const struct mu_frame_header *header, uint64_t bytes_left)
{
        /* A pad carries the sequence of the record before it. */
        if (header->seq < cursor->seq ||
            (header->seq == cursor->seq && header->type != MU_FRAME_PAD))
                return false;
        return mu_frame_is_valid(cursor->crc_seed, offset, header, bytes_left);
}

int mu_segment_cursor_next(struct mu_segment_cursor *cursor, struct mu_frame *ret_frame)
{
        for (;;) {
                const struct mu_frame_header *header;
                uint64_t at = mu_frame_place(cursor->at);
                uint64_t bytes_left;

                if (at >= cursor->end)
                        return 0;
                int err = look(cursor, at, &header, &bytes_left);

                if (err < 0)
                        return err;
                if (!is_frame(cursor, at, header, bytes_left))
                        return 0;
                cursor->at = at + mu_frame_stride(header->payload_bytes);
                cursor->seq = header->seq;
                cursor->group_at = (uint64_t)header->group_block * MU_JOURNAL_BLOCK_BYTES;
                if (header->type == MU_FRAME_PAD)
                        continue;
                *ret_frame = (struct mu_frame){.seq = header->seq,
                                               .payload = header + 1,
                                               .payload_bytes = header->payload_bytes,
                                               .type = header->type};
                return 1;
        }
}

int mu_segment_cursor_resync(struct mu_segment_cursor *cursor)
{
        for (uint64_t at = mu_frame_place(cursor->at + 8); at < cursor->end;
             at = mu_frame_place(at + 8)) {
                const struct mu_frame_header *header;
                uint64_t bytes_left;
                int err = look(cursor, at, &header, &bytes_left);

                if (err < 0)
                        return err;
                if (header->magic != MU_FRAME_MAGIC || header->type == MU_FRAME_PAD)
                        continue;
                if (is_frame(cursor, at, header, bytes_left)) {
                        cursor->at = at;
                        cursor->group_at = (uint64_t)header->group_block * MU_JOURNAL_BLOCK_BYTES;
                        return 1;
                }
        }
        cursor->at = cursor->end;
        return 0;
}

int mu_segment_cursor_rewrite(struct mu_segment_cursor *cursor, const char *name, uint64_t from,
                              uint64_t end)
{
        MU_ASSERT(from % MU_JOURNAL_BLOCK_BYTES == 0 && end % MU_JOURNAL_BLOCK_BYTES == 0);
        while (from < end) {
                int err = load(cursor, from);

                if (err < 0)
                        return err;
                uint64_t to = cursor->window_end < end ? cursor->window_end : end;

                err = cursor->io->rewrite(cursor->io->context, name, cursor->window, to - from,
                                          from);
                if (err < 0)
                        return err;
                from = to;
        }
        return 0;
}

bool mu_segment_cursor_at_torn_frame(const struct mu_segment_cursor *cursor)
{
        uint64_t at = mu_frame_place(cursor->at);

        if (at < cursor->window_start || at + sizeof(struct mu_frame_header) > cursor->window_end)
                return false;
        const struct mu_frame_header *header =
                (const void *)(cursor->window + (at - cursor->window_start));

        return header->magic == MU_FRAME_MAGIC && header->seq >= cursor->seq && cursor->seq > 0;
}
