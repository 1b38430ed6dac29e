/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment_cursor.h - walks the valid frames of one segment file, a window of it in memory at a
 * time.
 *
 *   next    the frame at the cursor, or 0 when none that is valid stands there
 *   resync  from such a place to the next valid frame behind it, if there is one
 *
 * What a 0 means (the end, a torn tail, damage) is for the caller to decide: JOURNAL_FORMAT.md.
 *
 * Units      bytes; offsets in the segment.
 * Threads    a cursor belongs to one thread.
 * Ownership  The cursor owns its window; a frame is lent until the next call.
 * Errors     negative errno from the table; the cursor has not moved.
 */
#ifndef MUSTER_INGEST_SEGMENT_CURSOR_H
#define MUSTER_INGEST_SEGMENT_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/journal_format.h"
#include "ingest/journal_io.h"
#include "muster/compiler.h"

enum { MU_CURSOR_WINDOW_BYTES = 256 * 1024 };

struct mu_segment_cursor {
        const struct mu_journal_io *io;
        const uint8_t *journal_id;
        unsigned char *window;
        uint32_t window_bytes; /* its size */

        bool skip_unreadable; /* blocks that give -EIO read as zeros: damage */

        struct mu_journal_file *file; /* NULL: closed */
        uint32_t crc_seed;
        uint64_t end;          /* nothing is read behind it; a multiple of a block */
        uint64_t window_start; /* what of the file is in the window */
        uint64_t window_end;

        uint64_t at;       /* of the next frame */
        uint64_t seq;      /* of the last frame handed out; what is not above it is no frame */
        uint64_t group_at; /* where the last frame's group begins */
};

/* window_bytes: at least two blocks. */
MU_MUST_CHECK
int mu_segment_cursor_init(struct mu_segment_cursor *cursor, const struct mu_journal_io *io,
                           const uint8_t *journal_id, uint32_t window_bytes);
void mu_segment_cursor_done(struct mu_segment_cursor *cursor);

/* Stands at the first group. */
MU_MUST_CHECK
int mu_segment_cursor_open(struct mu_segment_cursor *cursor, uint64_t number, uint64_t end_bytes);
void mu_segment_cursor_close(struct mu_segment_cursor *cursor);
/* More of the segment has become readable. */
void mu_segment_cursor_extend(struct mu_segment_cursor *cursor, uint64_t end_bytes);

/* The segment's header block, as it is. -ENODATA when the file is too short for one. */
MU_MUST_CHECK
int mu_segment_cursor_header(struct mu_segment_cursor *cursor,
                             struct mu_segment_header *ret_header);

/* 1 and a record, 0, or a negative errno. Pads are passed over. */
MU_MUST_CHECK
int mu_segment_cursor_next(struct mu_segment_cursor *cursor, struct mu_frame *ret_frame);
/* 1 and the cursor stands at a valid frame; 0 and it stands at the end. */
MU_MUST_CHECK
int mu_segment_cursor_resync(struct mu_segment_cursor *cursor);
/* Blocks from..end are read and written again as they are, and synced. */
MU_MUST_CHECK
int mu_segment_cursor_rewrite(struct mu_segment_cursor *cursor, const char *name, uint64_t from,
                              uint64_t end);
/* Whether a frame that should follow the last one began to be written at the cursor. */
MU_MUST_CHECK
bool mu_segment_cursor_at_torn_frame(const struct mu_segment_cursor *cursor);

#endif
