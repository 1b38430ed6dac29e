/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/journal_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "muster/record.h"

_Static_assert(MU_RECORD_BYTES_MAX <= MU_FRAME_PAYLOAD_BYTES_MAX, "a record fits a frame");
_Static_assert(MU_FRAME_PAYLOAD_BYTES_MAX + sizeof(struct mu_frame_header) ==
                       MU_JOURNAL_BLOCK_BYTES,
               "a pad never needs more than a block");

uint32_t mu_frame_crc_seed(const uint8_t journal_id[16], uint64_t segment_number)
{
        uint32_t crc = mu_crc32c(0, journal_id, 16);

        return mu_crc32c(crc, &segment_number, sizeof(segment_number));
}

uint32_t mu_frame_crc(uint32_t seed, uint64_t offset, const struct mu_frame_header *header)
{
        unsigned char place[sizeof(offset) + offsetof(struct mu_frame_header, crc)];

        memcpy(place, &offset, sizeof(offset));
        memcpy(place + sizeof(offset), header, offsetof(struct mu_frame_header, crc));
        return mu_crc32c(mu_crc32c(seed, place, sizeof(place)), header + 1,
                         mu_frame_stride(header->payload_bytes) - sizeof(*header));
}

bool mu_frame_is_valid(uint32_t seed, uint64_t offset, const struct mu_frame_header *header,
                       uint64_t bytes_left)
{
        if (bytes_left < sizeof(*header) || header->magic != MU_FRAME_MAGIC)
                return false;
        if (header->payload_bytes > MU_FRAME_PAYLOAD_BYTES_MAX ||
            mu_frame_stride(header->payload_bytes) > bytes_left)
                return false;
        if ((uint64_t)header->group_block * MU_JOURNAL_BLOCK_BYTES > offset)
                return false;
        if (header->type == MU_FRAME_RECORD && header->payload_bytes < sizeof(struct mu_record))
                return false;
        return header->crc == mu_frame_crc(seed, offset, header);
}

static uint32_t pad_group(unsigned char *memory, uint32_t frames_bytes, uint64_t pad_seq)
{
        uint32_t at = (uint32_t)mu_frame_place(frames_bytes);
        uint32_t end = (uint32_t)mu_block_ceil(frames_bytes);

        /* What is too short for a frame, and the pad's inside: nothing old goes to disk. */
        memset(memory + frames_bytes, 0, end - frames_bytes);
        if (at < end) {
                struct mu_frame_header *pad = (void *)(memory + at);

                pad->payload_bytes = end - at - (uint32_t)sizeof(*pad);
                pad->type = MU_FRAME_PAD;
                pad->magic = MU_FRAME_MAGIC;
                pad->seq = pad_seq;
        }
        return end;
}

uint32_t mu_group_seal(unsigned char *memory, uint32_t frames_bytes, uint32_t seed, uint64_t offset,
                       uint64_t pad_seq)
{
        MU_ASSERT(offset % MU_JOURNAL_BLOCK_BYTES == 0 && frames_bytes > 0);
        uint32_t bytes = pad_group(memory, frames_bytes, pad_seq);

        for (uint32_t at = 0; (at = (uint32_t)mu_frame_place(at)) < bytes;) {
                struct mu_frame_header *header = (void *)(memory + at);

                MU_ASSERT(header->magic == MU_FRAME_MAGIC);
                header->group_block = (uint32_t)(offset / MU_JOURNAL_BLOCK_BYTES);
                header->crc = mu_frame_crc(seed, offset + at, header);
                at += mu_frame_stride(header->payload_bytes);
        }
        return bytes;
}

void mu_segment_name(uint64_t number, char ret_name[MU_SEGMENT_NAME_BYTES])
{
        (void)snprintf(ret_name, MU_SEGMENT_NAME_BYTES, "%020" PRIu64 ".mjs", number);
}

bool mu_segment_number(const char *name, uint64_t *ret_number)
{
        char again[MU_SEGMENT_NAME_BYTES];
        uint64_t number = 0;

        if (sscanf(name, "%20" SCNu64, &number) != 1)
                return false;
        mu_segment_name(number, again);
        if (strcmp(name, again) != 0)
                return false;
        *ret_number = number;
        return true;
}

static uint32_t header_crc(const struct mu_segment_header *header)
{
        return mu_crc32c(0, header, offsetof(struct mu_segment_header, crc));
}

void mu_segment_header_seal(struct mu_segment_header *header)
{
        memcpy(header->magic, MU_SEGMENT_MAGIC, sizeof(header->magic));
        header->version = MU_SEGMENT_VERSION;
        header->header_bytes = sizeof(*header);
        header->reserved = 0;
        header->crc = header_crc(header);
}

enum mu_segment_header_state mu_segment_header_check(const struct mu_segment_header *header,
                                                     const uint8_t journal_id[16], uint64_t number)
{
        static const struct mu_segment_header zeros;

        if (memcmp(header, &zeros, sizeof(zeros)) == 0)
                return MU_SEGMENT_HEADER_UNUSED;
        if (memcmp(header->magic, MU_SEGMENT_MAGIC, sizeof(header->magic)) != 0)
                return MU_SEGMENT_HEADER_DAMAGED;
        /* Every version keeps the checksum of these bytes in this place. */
        if (header->crc != header_crc(header))
                return MU_SEGMENT_HEADER_DAMAGED;
        if (header->version != MU_SEGMENT_VERSION)
                return MU_SEGMENT_HEADER_FOREIGN;
        if (memcmp(header->journal_id, journal_id, sizeof(header->journal_id)) != 0)
                return MU_SEGMENT_HEADER_FOREIGN;
        return header->number == number ? MU_SEGMENT_HEADER_VALID : MU_SEGMENT_HEADER_UNUSED;
}
