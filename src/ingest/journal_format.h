/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_format.h - the bytes of a segment; JOURNAL_FORMAT.md is the document.
 *
 *   block 0        block 1 ...                                 each block MU_JOURNAL_BLOCK_BYTES
 *   [header]       [group: frame frame ... pad][group: frame ... pad] ... zeros, or old frames
 *
 * Units      bytes; offsets count from the segment's beginning. Little endian.
 * Threads    plain data and pure functions.
 */
#ifndef MUSTER_INGEST_JOURNAL_FORMAT_H
#define MUSTER_INGEST_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/journal.h"
#include "ingest/reader.h"
#include "muster/compiler.h"

#define MU_SEGMENT_MAGIC "MUJRNL\n\x1a" /* 8 bytes; a text tool stops at ^Z */
#define MU_SEGMENT_VERSION 1u
#define MU_SEGMENT_NAME_BYTES 32 /* "00000000000000000001.mjs" and NUL fit */
#define MU_FRAME_MAGIC 0x4d4au
/* Larger than any record; smaller than a block less one header, so a record never needs two. */
#define MU_FRAME_PAYLOAD_BYTES_MAX 4072u

struct mu_segment_header {
        uint8_t magic[8];
        uint32_t version;
        uint32_t header_bytes; /* of this struct, with the checksum */
        uint8_t journal_id[16];
        uint64_t number;
        uint64_t segment_bytes;
        uint64_t first_seq;    /* no smaller sequence stands in this segment */
        uint64_t durable_seq;  /* acknowledged before this segment was begun */
        uint64_t assigned_seq; /* no larger one had been given out */
        int64_t created_at_us;
        uint32_t reserved;
        uint32_t crc; /* of everything before it */
};

struct mu_frame_header {
        uint32_t payload_bytes;
        uint16_t type; /* enum mu_frame_type */
        uint16_t magic;
        uint64_t seq;
        uint32_t group_block; /* block in which the frame's group begins */
        uint32_t crc;         /* journal id, segment number, offset, the fields above, payload */
};

_Static_assert(sizeof(struct mu_segment_header) == 88, "the segment header's layout is fixed");
_Static_assert(sizeof(struct mu_frame_header) == 24, "the frame header's layout is fixed");

/* What goes into every frame's checksum before the frame. */
uint32_t mu_frame_crc_seed(const uint8_t journal_id[16], uint64_t segment_number);
uint32_t mu_frame_crc(uint32_t seed, uint64_t offset, const struct mu_frame_header *header);

/* Bytes from a frame's header to where the next may begin. */
static inline uint32_t mu_frame_stride(uint32_t payload_bytes)
{
        return (uint32_t)sizeof(struct mu_frame_header) + ((payload_bytes + 7u) & ~7u);
}

/* Where a frame may stand: not in a block's last bytes, where no header fits. */
static inline uint64_t mu_frame_place(uint64_t offset)
{
        uint64_t in_block = offset % MU_JOURNAL_BLOCK_BYTES;

        if (in_block + sizeof(struct mu_frame_header) > MU_JOURNAL_BLOCK_BYTES)
                return offset - in_block + MU_JOURNAL_BLOCK_BYTES;
        return offset;
}

static inline uint64_t mu_block_floor(uint64_t offset)
{
        return offset - offset % MU_JOURNAL_BLOCK_BYTES;
}

static inline uint64_t mu_block_ceil(uint64_t offset)
{
        return mu_block_floor(offset + MU_JOURNAL_BLOCK_BYTES - 1);
}

/* Whether bytes_left bytes at header hold a frame of this segment at offset. */
MU_MUST_CHECK
bool mu_frame_is_valid(uint32_t seed, uint64_t offset, const struct mu_frame_header *header,
                       uint64_t bytes_left);

/* Writes the pad that fills frames_bytes up to the block's end and gives every frame of the group
 * its place: group_block and checksum. The padded length. memory must have room for it. */
uint32_t mu_group_seal(unsigned char *memory, uint32_t frames_bytes, uint32_t seed, uint64_t offset,
                       uint64_t pad_seq);

void mu_segment_name(uint64_t number, char ret_name[MU_SEGMENT_NAME_BYTES]);
/* False when name is no segment's. */
MU_MUST_CHECK
bool mu_segment_number(const char *name, uint64_t *ret_number);

enum mu_segment_header_state {
        MU_SEGMENT_HEADER_VALID,
        MU_SEGMENT_HEADER_UNUSED,  /* zeros, or recycled and not yet written to */
        MU_SEGMENT_HEADER_FOREIGN, /* of another journal or a newer version */
        MU_SEGMENT_HEADER_DAMAGED,
};

void mu_segment_header_seal(struct mu_segment_header *header);
enum mu_segment_header_state mu_segment_header_check(const struct mu_segment_header *header,
                                                     const uint8_t journal_id[16], uint64_t number);

#endif
