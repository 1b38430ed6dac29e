/* SPDX-License-Identifier: Apache-2.0 */
/* The rules stand in JOURNAL_FORMAT.md, "Recovery". */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/random.h"
#include "base/text.h"
#include "ingest/journal_private.h"
#include "ingest/segment_cursor.h"

static const char id_name[] = "journal.id";

enum { ID_TEXT_BYTES = 33 }; /* 32 hexadecimal digits and a line end */

struct found {
        uint64_t *numbers;
        uint64_t *file_bytes;
        size_t count;
        size_t capacity;
        bool has_id;
        bool has_temporary;
};

static int grow(struct found *found)
{
        size_t capacity = found->capacity == 0 ? 64 : found->capacity * 2;
        uint64_t *numbers = realloc(found->numbers, capacity * sizeof(*numbers));

        if (!numbers)
                return -ENOMEM;
        found->numbers = numbers;
        uint64_t *file_bytes = realloc(found->file_bytes, capacity * sizeof(*file_bytes));

        if (!file_bytes)
                return -ENOMEM;
        found->file_bytes = file_bytes;
        found->capacity = capacity;
        return 0;
}

/* Kept in ascending order; directories come nearly so, or are short. */
static int note_file(void *argument, const char *name, uint64_t bytes)
{
        struct found *found = argument;
        uint64_t number;

        if (strcmp(name, id_name) == 0)
                found->has_id = true;
        if (strcmp(name, "prepared.tmp") == 0)
                found->has_temporary = true;
        if (!mu_segment_number(name, &number) || number == 0)
                return 0;
        if (found->count == found->capacity) {
                int err = grow(found);

                if (err < 0)
                        return err;
        }
        size_t at = found->count++;

        for (; at > 0 && found->numbers[at - 1] > number; at--) {
                found->numbers[at] = found->numbers[at - 1];
                found->file_bytes[at] = found->file_bytes[at - 1];
        }
        found->numbers[at] = number;
        found->file_bytes[at] = bytes;
        return 0;
}

static int parse_id(const char *text, uint8_t ret_id[16])
{
        uint8_t id[16];

        for (size_t i = 0; i < sizeof(id); i++) {
                unsigned value;

                if (!isxdigit((unsigned char)text[2 * i]) ||
                    !isxdigit((unsigned char)text[2 * i + 1]) ||
                    sscanf(text + 2 * i, "%2x", &value) != 1)
                        return -EBADMSG;
                id[i] = (uint8_t)value;
        }
        memcpy(ret_id, id, sizeof(id));
        return 0;
}

static int read_id(struct mu_journal *journal)
{
        const struct mu_journal_io *io = journal->io;
        struct mu_journal_file *file;
        int err = io->open(io->context, id_name, &file);

        if (err < 0)
                return err;
        ssize_t n = io->read(io->context, file, journal->header_block, MU_JOURNAL_BLOCK_BYTES, 0);

        io->close(io->context, file);
        if (n < 0)
                return (int)n;
        if (n != ID_TEXT_BYTES)
                return -EBADMSG;
        return parse_id((const char *)journal->header_block, journal->id);
}

static int write_id(struct mu_journal *journal)
{
        char text[ID_TEXT_BYTES + 1];

        mu_text_hex(journal->id, sizeof(journal->id), text);
        text[ID_TEXT_BYTES - 1] = '\n';
        return journal->io->save(journal->io->context, id_name, text, ID_TEXT_BYTES);
}

/* Without its file, the identity stands in every segment's header. */
static int find_id(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                   const struct found *found)
{
        static const uint8_t none[16];

        for (size_t i = found->count; i-- > 0;) {
                struct mu_segment_header header;
                int err = mu_segment_cursor_open(cursor, found->numbers[i], found->file_bytes[i]);

                if (err < 0)
                        return err;
                err = mu_segment_cursor_header(cursor, &header);
                mu_segment_cursor_close(cursor);
                if (err < 0 && err != -ENODATA)
                        return err;
                if (err == 0 && memcmp(header.journal_id, none, sizeof(none)) != 0 &&
                    mu_segment_header_check(&header, header.journal_id, found->numbers[i]) ==
                            MU_SEGMENT_HEADER_VALID) {
                        memcpy(journal->id, header.journal_id, sizeof(journal->id));
                        return write_id(journal);
                }
        }
        int err = mu_random_secret(journal->id, sizeof(journal->id));

        return err < 0 ? err : write_id(journal);
}

static int load_id(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                   const struct found *found)
{
        int err = found->has_id ? read_id(journal) : -EBADMSG;

        return err == -EBADMSG ? find_id(journal, cursor, found) : err;
}

void mu_journal_note_damage(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                            uint64_t number, uint64_t from, uint64_t to)
{
        uint64_t start = mu_block_floor(from);
        uint64_t bytes = mu_block_ceil(to) - start;
        char name[64];
        void *copy;

        atomic_fetch_add_explicit(&journal->damaged_bytes, to - from, memory_order_relaxed);
        if (atomic_fetch_add_explicit(&journal->damage_copies, 1, memory_order_relaxed) >=
            MU_JOURNAL_DAMAGE_COPIES_MAX)
                return;
        if (bytes > MU_JOURNAL_DAMAGE_COPY_BYTES_MAX)
                bytes = MU_JOURNAL_DAMAGE_COPY_BYTES_MAX;
        copy = aligned_alloc(MU_JOURNAL_BLOCK_BYTES, bytes);
        if (!copy)
                return;
        (void)snprintf(name, sizeof(name), "damaged/%020" PRIu64 "-%" PRIu64 ".bin", number, start);
        ssize_t n = cursor->io->read(cursor->io->context, cursor->file, copy, bytes, start);

        /* A copy for whoever investigates; that it cannot be made changes nothing else. */
        if (n > 0)
                (void)!cursor->io->save(cursor->io->context, name, copy, (size_t)n);
        free(copy);
}

/* What a walk over a whole segment found. */
struct scan {
        uint64_t record_count;
        uint64_t first_seq; /* 0: no record */
        uint64_t last_seq;  /* to be handed out */
        uint64_t max_seq;   /* seen at all, in a torn group too */
        uint64_t group_at;  /* where the group of the last frame that counts begins */
        uint64_t end;       /* behind that frame */
        uint64_t torn_end;
        bool is_damaged;
};

/* A place where no valid frame stands although one should. */
struct tear {
        bool open; /* nothing yet proves that its group was finished */
        uint64_t at;
        uint64_t to; /* the next valid frame */
        uint64_t group_at;
        struct scan before; /* what was found until there */
};

/* A frame of a later group was valid: groups are written one after the other, so the one with the
 * tear had been durable. It is damage, and everything readable is kept. */
static void settle_damage(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                          uint64_t number, struct scan *scan, struct tear *tear)
{
        tear->open = false;
        mu_journal_note_damage(journal, cursor, number, tear->at, tear->to);
        scan->is_damaged = true;
}

static struct tear tear_at(const struct mu_segment_cursor *cursor, const struct scan *scan,
                           uint64_t group_at)
{
        uint64_t at = mu_frame_place(cursor->at);
        /* At a block's beginning it may be the next group's first frame that fails. */
        bool is_next_group = at == mu_block_ceil(scan->end);

        return (struct tear){
                .open = true, .at = at, .group_at = is_next_group ? at : group_at, .before = *scan};
}

static void count_frame(struct scan *scan, const struct mu_segment_cursor *cursor, uint64_t seq)
{
        scan->record_count++;
        scan->last_seq = seq;
        scan->max_seq = seq;
        scan->group_at = cursor->group_at;
        scan->end = cursor->at;
        if (scan->first_seq == 0)
                scan->first_seq = seq;
}

static int scan_segment(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                        uint64_t number, struct scan *ret_scan)
{
        struct scan scan = {.group_at = cursor->at, .end = cursor->at};
        struct tear tear = {0};
        struct mu_frame frame;
        int found;

        for (;;) {
                uint64_t group_at = cursor->group_at;

                found = mu_segment_cursor_next(cursor, &frame);
                if (found < 0)
                        return found;
                if (found == 1) {
                        if (tear.open && cursor->group_at > tear.group_at)
                                settle_damage(journal, cursor, number, &scan, &tear);
                        count_frame(&scan, cursor, frame.seq);
                        continue;
                }
                if (!tear.open)
                        tear = tear_at(cursor, &scan, group_at);
                if (mu_segment_cursor_at_torn_frame(cursor))
                        scan.torn_end = mu_block_ceil(cursor->at + 1);
                found = mu_segment_cursor_resync(cursor);
                if (found < 0)
                        return found;
                if (found == 0)
                        break;
                tear.to = cursor->at;
                scan.torn_end = mu_block_ceil(cursor->at + 1);
        }
        /* Torn in the last group, which was never acknowledged: what stands before the tear is
         * kept, what stands behind it would leave a gap. */
        tear.before.max_seq = scan.max_seq;
        tear.before.torn_end = scan.torn_end;
        *ret_scan = tear.before;
        return 0;
}

static void add_info(struct mu_journal_recovery *recovery, const struct mu_segment_info *info)
{
        recovery->infos[recovery->count++] = *info;
        recovery->file_bytes += info->file_bytes;
}

/* A header that does not hold: unused, or damaged over readable frames. */
static int judge_without_header(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                                uint64_t number, uint64_t file_bytes,
                                struct mu_journal_recovery *recovery)
{
        struct scan scan;
        int err = scan_segment(journal, cursor, number, &scan);

        if (err < 0)
                return err;
        if (scan.first_seq > 0) {
                mu_journal_note_damage(journal, cursor, number, 0, MU_JOURNAL_BLOCK_BYTES);
                atomic_fetch_add_explicit(&journal->damaged_segments, 1, memory_order_relaxed);
                add_info(recovery, &(struct mu_segment_info){.number = number,
                                                             .file_bytes = file_bytes,
                                                             .first_seq = scan.first_seq,
                                                             .durable_seq = scan.first_seq - 1,
                                                             .last_seq = scan.last_seq,
                                                             .end_bytes = mu_block_ceil(scan.end),
                                                             .counted_bytes = scan.end});
                return 0;
        }
        if (file_bytes == journal->config.segment_bytes && recovery->recyclable == 0) {
                recovery->recyclable = number;
                return 0;
        }
        char name[MU_SEGMENT_NAME_BYTES];

        mu_segment_name(number, name);
        return journal->io->remove(journal->io->context, name);
}

static int set_foreign_aside(struct mu_journal *journal, uint64_t number)
{
        char name[MU_SEGMENT_NAME_BYTES];
        char aside[64];

        mu_segment_name(number, name);
        (void)snprintf(aside, sizeof(aside), "damaged/%s", name);
        atomic_fetch_add_explicit(&journal->damaged_segments, 1, memory_order_relaxed);
        return journal->io->rename(journal->io->context, name, aside);
}

static int judge_open_segment(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                              uint64_t number, uint64_t file_bytes,
                              struct mu_journal_recovery *recovery)
{
        struct mu_segment_header header;
        int err = mu_segment_cursor_header(cursor, &header);

        if (err == -ENODATA)
                memset(&header, 0, sizeof(header)); /* too short to hold anything */
        else if (err < 0)
                return err;
        switch (mu_segment_header_check(&header, journal->id, number)) {
        case MU_SEGMENT_HEADER_FOREIGN:
                if (header.version != MU_SEGMENT_VERSION)
                        return -EPROTONOSUPPORT;
                return set_foreign_aside(journal, number);
        case MU_SEGMENT_HEADER_UNUSED:
        case MU_SEGMENT_HEADER_DAMAGED:
                return judge_without_header(journal, cursor, number, file_bytes, recovery);
        case MU_SEGMENT_HEADER_VALID:
                break;
        }
        add_info(recovery, &(struct mu_segment_info){.number = number,
                                                     .file_bytes = file_bytes,
                                                     .first_seq = header.first_seq,
                                                     .durable_seq = header.durable_seq,
                                                     .end_bytes = mu_block_floor(file_bytes),
                                                     .created_at_us = header.created_at_us});
        if (header.assigned_seq > recovery->assigned_seq)
                recovery->assigned_seq = header.assigned_seq;
        return 0;
}

static int judge_segments(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                          const struct found *found, struct mu_journal_recovery *recovery)
{
        for (size_t i = 0; i < found->count; i++) {
                uint64_t number = found->numbers[i];
                int err = mu_segment_cursor_open(cursor, number, found->file_bytes[i]);

                if (err == 0)
                        err = judge_open_segment(journal, cursor, number, found->file_bytes[i],
                                                 recovery);
                mu_segment_cursor_close(cursor);
                if (err < 0)
                        return err;
                if (number > recovery->number_max)
                        recovery->number_max = number;
        }
        return 0;
}

/* The newest segment is the one that may end in a torn group: read whole, then cut. */
static int finish_last(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                       struct mu_journal_recovery *recovery)
{
        struct mu_segment_info *last = &recovery->infos[recovery->count - 1];
        char name[MU_SEGMENT_NAME_BYTES];
        struct scan scan;
        int err = mu_segment_cursor_open(cursor, last->number, last->file_bytes);

        mu_segment_name(last->number, name);
        if (err == 0)
                err = scan_segment(journal, cursor, last->number, &scan);
        /* What was read is not therefore durable: after a kill -9 the last group may stand in a
         * cache alone, and if its fdatasync failed, another one alone would not bring it out. */
        if (err == 0)
                err = mu_segment_cursor_rewrite(cursor, name, scan.group_at,
                                                mu_block_ceil(scan.end));
        mu_segment_cursor_close(cursor);
        if (err < 0)
                return err;
        if (scan.is_damaged)
                atomic_fetch_add_explicit(&journal->damaged_segments, 1, memory_order_relaxed);
        if (scan.torn_end > scan.end)
                atomic_fetch_add_explicit(&journal->torn_bytes, scan.torn_end - scan.end,
                                          memory_order_relaxed);
        if (scan.max_seq > recovery->assigned_seq)
                recovery->assigned_seq = scan.max_seq;
        last->last_seq = scan.last_seq > last->durable_seq ? scan.last_seq : last->durable_seq;
        last->end_bytes = mu_block_ceil(scan.end);
        last->counted_bytes = last->end_bytes;
        recovery->durable_seq = last->last_seq;
        if (last->end_bytes < last->file_bytes) {
                err = journal->io->truncate(journal->io->context, name, last->end_bytes);
                if (err < 0)
                        return err;
                recovery->file_bytes -= last->file_bytes - last->end_bytes;
                last->file_bytes = last->end_bytes;
        }
        return 0;
}

static void chain(struct mu_journal *journal, struct mu_journal_recovery *recovery)
{
        uint64_t records = 0;

        for (uint32_t i = 0; i < recovery->count; i++) {
                struct mu_segment_info *info = &recovery->infos[i];

                /* What the next segment's header does not know as durable was never acknowledged.
                 */
                if (i + 1 < recovery->count)
                        info->last_seq = info[1].durable_seq;
                if (info->last_seq >= info->first_seq)
                        records += info->last_seq - info->first_seq + 1;
        }
        atomic_store_explicit(&journal->recovered_records, records, memory_order_relaxed);
}

static int recover(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                   struct found *found, struct mu_journal_recovery *recovery)
{
        const struct mu_journal_io *io = journal->io;
        int err = io->list(io->context, note_file, found);

        if (err == 0 && found->has_temporary)
                err = io->remove(io->context, "prepared.tmp");
        if (err == 0)
                err = load_id(journal, cursor, found);
        if (err < 0)
                return err;
        recovery->infos = calloc(found->count + 1, sizeof(*recovery->infos));
        if (!recovery->infos)
                return -ENOMEM;
        err = judge_segments(journal, cursor, found, recovery);
        if (err == 0 && recovery->count > 0)
                err = finish_last(journal, cursor, recovery);
        if (err == 0)
                chain(journal, recovery);
        return err;
}

int mu_journal_recover(struct mu_journal *journal, struct mu_journal_recovery *ret_recovery)
{
        struct mu_journal_recovery recovery = {0};
        struct mu_segment_cursor cursor;
        struct found found = {0};
        int err = mu_segment_cursor_init(&cursor, journal->io, journal->id, MU_CURSOR_WINDOW_BYTES);

        if (err < 0)
                return err;
        err = recover(journal, &cursor, &found, &recovery);
        mu_segment_cursor_done(&cursor);
        free(found.numbers);
        free(found.file_bytes);
        if (err < 0) {
                free(recovery.infos);
                return err;
        }
        *ret_recovery = recovery;
        return 0;
}
