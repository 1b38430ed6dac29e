/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery and readers over segments that anything may stand in.
 *
 * Checksums keep random bytes out, so the input is a list of changes to a good journal of two
 * segments: { place: u16, kind: u8, value: u8 }. Kind decides whether the checksum of what is there
 * is made right again afterwards, so that wrong lengths and sequences get past it as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ingest/journal_format.h"
#include "ingest/journal_io.h"
#include "muster/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum {
        SEGMENTS = 2,
        SEGMENT_BYTES = 5 * MU_JOURNAL_BLOCK_BYTES,
        GROUPS = 3,
        RECORDS = 5,
        READ_MAX = 100000,
        CHANGE_BYTES = 4,
        CHANGES_MAX = 64,
};

static const uint8_t journal_id[16] = "journal in a box";
static const char id_text[] = "6a6f75726e616c20696e206120626f78\n";

struct mu_journal_file {
        unsigned char *bytes;
        uint64_t size;
};

struct box {
        _Alignas(8) unsigned char segments[SEGMENTS][SEGMENT_BYTES];
        uint64_t sizes[SEGMENTS];
        struct mu_journal_file files[SEGMENTS + 1];
};

static uint64_t mono(void *context)
{
        (void)context;
        return (uint64_t)MU_NS_PER_S;
}

static int64_t real(void *context)
{
        (void)context;
        return MU_US_PER_S;
}

static int box_list(void *context, int (*each)(void *argument, const char *name, uint64_t bytes),
                    void *argument)
{
        struct box *box = context;
        int err = each(argument, "journal.id", sizeof(id_text) - 1);

        for (uint64_t i = 0; err == 0 && i < SEGMENTS; i++) {
                char name[MU_SEGMENT_NAME_BYTES];

                mu_segment_name(i + 1, name);
                err = each(argument, name, box->sizes[i]);
        }
        return err;
}

static int box_open(void *context, const char *name, struct mu_journal_file **ret_file)
{
        struct box *box = context;
        uint64_t number;

        if (strcmp(name, "journal.id") == 0) {
                box->files[SEGMENTS] = (struct mu_journal_file){(unsigned char *)(uintptr_t)id_text,
                                                                sizeof(id_text) - 1};
                *ret_file = &box->files[SEGMENTS];
                return 0;
        }
        if (!mu_segment_number(name, &number) || number < 1 || number > SEGMENTS)
                return -ENOENT;
        box->files[number - 1] =
                (struct mu_journal_file){box->segments[number - 1], box->sizes[number - 1]};
        *ret_file = &box->files[number - 1];
        return 0;
}

static void box_close(void *context, struct mu_journal_file *file)
{
        (void)context;
        (void)file;
}

static ssize_t box_read(void *context, struct mu_journal_file *file, void *memory, size_t bytes,
                        uint64_t offset)
{
        (void)context;
        if (offset >= file->size)
                return 0;
        size_t n = file->size - offset < bytes ? file->size - offset : bytes;

        memcpy(memory, file->bytes + offset, n);
        return (ssize_t)n;
}

static int box_rewrite(void *context, const char *name, const void *memory, size_t bytes,
                       uint64_t offset)
{
        struct mu_journal_file *file;

        MU_ASSERT(box_open(context, name, &file) == 0 && offset + bytes <= file->size);
        MU_ASSERT(memcmp(file->bytes + offset, memory, bytes) == 0);
        return 0;
}

static int box_save(void *context, const char *name, const void *data, size_t bytes)
{
        (void)context;
        (void)name;
        (void)data;
        (void)bytes;
        return 0;
}

static int box_rename(void *context, const char *from, const char *to)
{
        (void)context;
        (void)from;
        (void)to;
        return 0;
}

static int box_remove(void *context, const char *name)
{
        (void)context;
        (void)name;
        return 0;
}

static int box_truncate(void *context, const char *name, uint64_t bytes)
{
        struct box *box = context;
        uint64_t number;

        MU_ASSERT(mu_segment_number(name, &number) && bytes <= box->sizes[number - 1]);
        box->sizes[number - 1] = bytes;
        return 0;
}

static void fill_segment(struct box *box, uint64_t number, uint64_t *seq)
{
        unsigned char *segment = box->segments[number - 1];
        struct mu_segment_header *header = (void *)segment;
        uint32_t seed = mu_frame_crc_seed(journal_id, number);
        uint64_t offset = MU_JOURNAL_BLOCK_BYTES;

        *header = (struct mu_segment_header){.number = number,
                                             .segment_bytes = SEGMENT_BYTES,
                                             .first_seq = *seq + 1,
                                             .durable_seq = *seq,
                                             .assigned_seq = *seq};
        memcpy(header->journal_id, journal_id, sizeof(journal_id));
        mu_segment_header_seal(header);
        for (int group = 0; group < GROUPS; group++) {
                uint32_t at = 0;

                for (int i = 0; i < RECORDS; i++) {
                        struct mu_frame_header *frame = (void *)(segment + offset + at);
                        struct mu_record *record = (void *)(frame + 1);

                        frame->payload_bytes = sizeof(*record);
                        frame->type = MU_FRAME_RECORD;
                        frame->magic = MU_FRAME_MAGIC;
                        frame->seq = ++*seq;
                        record->device_id = (int64_t)*seq;
                        at += mu_frame_stride(frame->payload_bytes);
                }
                offset += mu_group_seal(segment + offset, at, seed, offset, *seq);
        }
        box->sizes[number - 1] = SEGMENT_BYTES;
}

static void change(struct box *box, const uint8_t *data)
{
        uint32_t place = data[0] | (uint32_t)data[1] << 8;
        uint32_t index = place & 1;
        uint64_t at = (place >> 1) % SEGMENT_BYTES;
        unsigned char *segment = box->segments[index];
        uint64_t frame_at = at & ~(uint64_t)7;
        struct mu_frame_header *frame = (void *)(segment + frame_at);

        switch (data[2] % 5) {
        case 0: /* the file ends here */
                box->sizes[index] = at;
                return;
        case 1:
                segment[at] = data[3];
                return;
        case 2:
                segment[at % sizeof(struct mu_segment_header)] = data[3];
                mu_segment_header_seal((void *)segment);
                return;
        default:
                segment[at] = data[3];
                if (data[2] % 5 == 3)
                        frame->seq += data[3];
                if (frame->payload_bytes <= MU_FRAME_PAYLOAD_BYTES_MAX &&
                    frame_at + mu_frame_stride(frame->payload_bytes) <= SEGMENT_BYTES)
                        frame->crc = mu_frame_crc(mu_frame_crc_seed(journal_id, index + 1),
                                                  frame_at, frame);
                return;
        }
}

/* Sequences rise, payloads can be read to their end, and it comes to an end. */
static void read_all(struct mu_journal *journal)
{
        struct mu_reader *reader;
        struct mu_frame frame;
        uint64_t last = 0;
        unsigned sum = 0;
        int count = 0;

        MU_ASSERT(mu_reader_open(journal, 0, &reader) == 0);
        while (mu_reader_next(reader, &frame) == 1) {
                const unsigned char *payload = frame.payload;

                MU_ASSERT(frame.seq > last && frame.type != MU_FRAME_PAD);
                MU_ASSERT(frame.seq <= mu_journal_durable_seq(journal));
                MU_ASSERT(++count < READ_MAX);
                last = frame.seq;
                for (uint32_t i = 0; i < frame.payload_bytes; i++)
                        sum += payload[i];
        }
        MU_ASSERT(sum < UINT32_MAX);
        MU_ASSERT(mu_reader_position(reader) >= last);
        mu_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct box *box = calloc(1, sizeof(*box));
        struct mu_clock clock = {.monotonic_ns = mono, .realtime_us = real};
        struct mu_journal_io io = {.context = box,
                                   .name = "box",
                                   .list = box_list,
                                   .open = box_open,
                                   .close = box_close,
                                   .read = box_read,
                                   .rewrite = box_rewrite,
                                   .save = box_save,
                                   .rename = box_rename,
                                   .remove = box_remove,
                                   .truncate = box_truncate};
        struct mu_journal_config config = {.segment_bytes = SEGMENT_BYTES,
                                           .capacity_bytes = 100 * SEGMENT_BYTES,
                                           .tail_bytes = 4 * MU_JOURNAL_BLOCK_BYTES,
                                           .group_bytes_max = MU_JOURNAL_BLOCK_BYTES,
                                           .clock = &clock,
                                           .io = &io};
        struct mu_journal *journal;
        uint64_t seq = 0;

        MU_ASSERT(box);
        for (uint64_t number = 1; number <= SEGMENTS; number++)
                fill_segment(box, number, &seq);
        for (size_t i = 0; i < CHANGES_MAX && (i + 1) * CHANGE_BYTES <= bytes; i++)
                change(box, data + i * CHANGE_BYTES);
        int err = mu_journal_open(&config, &journal);

        /* Nothing here is a newer version or an error of the disk but what was changed into it. */
        MU_ASSERT(err == 0 || err == -EPROTONOSUPPORT);
        if (err == 0) {
                read_all(journal);
                mu_journal_close(journal);
        }
        free(box);
        return 0;
}
