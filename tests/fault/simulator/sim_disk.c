/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk: files whose sectors are durable only after a finished fdatasync, and a directory whose
 * names are durable only after its own. A failed fdatasync leaves some sectors neither durable nor
 * dirty, as Linux does: a later one that succeeds does not bring them back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ingest/journal_format.h"
#include "ingest/journal_io.h"
#include "sim.h"

enum {
        SECTOR = 512,
        INODES_MAX = 1024,
        NAMES_MAX = 512,
        OPERATIONS_MAX = 512,
        HANDLES_MAX = 64,
        NAME_BYTES = 64,
        READ_FAILURES_IN_A_ROW = 3,
};

struct inode {
        unsigned char *live;
        unsigned char *durable;
        bool *dirty; /* per sector: an fdatasync would write it */
        bool failed; /* this process was told that a write or sync of it failed */
        size_t capacity;
        size_t bytes;
        size_t durable_bytes;
};

struct name {
        char name[NAME_BYTES];
        uint32_t inode;
};

struct directory {
        struct name names[NAMES_MAX];
        uint32_t count;
};

/* from empty: a new name. to empty: removed. */
struct operation {
        char from[NAME_BYTES];
        char to[NAME_BYTES];
        uint32_t inode;
};

struct mu_journal_file {
        bool open;
        uint32_t inode;
};

enum write_stage { WRITE_NONE, WRITE_BEGUN, WRITE_WRITTEN, WRITE_FINISHED };
enum job_stage { JOB_NONE, JOB_BEGUN, JOB_ZEROED, JOB_SYNCED, JOB_RENAMED, JOB_FINISHED };

struct sim_disk {
        struct sim *sim;
        struct mu_journal_io io;
        uint8_t journal_id[16];

        struct inode inodes[INODES_MAX];
        uint32_t inode_count;
        struct directory live;
        struct directory durable;
        struct operation operations[OPERATIONS_MAX]; /* on names, since the last directory sync */
        uint32_t operation_count;
        struct mu_journal_file handles[HANDLES_MAX];
        uint32_t read_failures;

        enum write_stage write_stage;
        struct {
                struct mu_journal_file *file;
                const unsigned char *memory;
                size_t bytes;
                uint64_t offset;
                int result;
                int sync_result;
        } write;

        enum job_stage job_stage;
        struct {
                enum mu_journal_io_kind kind;
                char name[NAME_BYTES];
                char from[NAME_BYTES];
                bool fresh;
                uint64_t bytes;
                int result;
        } job;
};

/* --- names --- */

static struct name *find(struct directory *directory, const char *name)
{
        for (uint32_t i = 0; i < directory->count; i++)
                if (strcmp(directory->names[i].name, name) == 0)
                        return &directory->names[i];
        return NULL;
}

static void remove_name(struct directory *directory, const char *name)
{
        struct name *found = find(directory, name);

        if (found)
                *found = directory->names[--directory->count];
}

static void apply(struct directory *directory, const struct operation *operation)
{
        if (operation->from[0] != '\0')
                remove_name(directory, operation->from);
        if (operation->to[0] == '\0')
                return;
        remove_name(directory, operation->to);
        MU_ASSERT(directory->count < NAMES_MAX);
        struct name *name = &directory->names[directory->count++];

        memcpy(name->name, operation->to, NAME_BYTES);
        name->inode = operation->inode;
}

static void operate(struct sim_disk *disk, const char *from, const char *to, uint32_t inode)
{
        MU_ASSERT(disk->operation_count < OPERATIONS_MAX);
        struct operation *operation = &disk->operations[disk->operation_count++];

        memset(operation, 0, sizeof(*operation));
        strncpy(operation->from, from, NAME_BYTES - 1);
        strncpy(operation->to, to, NAME_BYTES - 1);
        operation->inode = inode;
        apply(&disk->live, operation);
}

static void sync_names(struct sim_disk *disk)
{
        for (uint32_t i = 0; i < disk->operation_count; i++)
                apply(&disk->durable, &disk->operations[i]);
        disk->operation_count = 0;
}

/* --- contents --- */

static void reserve(struct inode *inode, size_t bytes)
{
        size_t capacity = (bytes + MU_JOURNAL_BLOCK_BYTES - 1) / MU_JOURNAL_BLOCK_BYTES *
                          MU_JOURNAL_BLOCK_BYTES;

        if (capacity <= inode->capacity)
                return;
        inode->live = realloc(inode->live, capacity);
        inode->durable = realloc(inode->durable, capacity);
        inode->dirty = realloc(inode->dirty, capacity / SECTOR * sizeof(*inode->dirty));
        MU_ASSERT(inode->live && inode->durable && inode->dirty);
        memset(inode->live + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->durable + inode->capacity, 0, capacity - inode->capacity);
        memset(inode->dirty + inode->capacity / SECTOR, 0,
               (capacity - inode->capacity) / SECTOR * sizeof(*inode->dirty));
        inode->capacity = capacity;
}

static uint32_t new_inode(struct sim_disk *disk)
{
        MU_ASSERT(disk->inode_count < INODES_MAX);
        return disk->inode_count++;
}

static void put(struct inode *inode, const void *data, size_t bytes, uint64_t offset)
{
        if (bytes == 0)
                return;
        reserve(inode, offset + bytes);
        memcpy(inode->live + offset, data, bytes);
        for (uint64_t at = offset / SECTOR; at * SECTOR < offset + bytes; at++)
                inode->dirty[at] = true;
        if (inode->bytes < offset + bytes)
                inode->bytes = offset + bytes;
}

static void sync_contents(struct inode *inode)
{
        for (size_t i = 0; i < inode->capacity / SECTOR; i++) {
                if (!inode->dirty[i])
                        continue;
                memcpy(inode->durable + i * SECTOR, inode->live + i * SECTOR, SECTOR);
                inode->dirty[i] = false;
        }
        inode->durable_bytes = inode->bytes;
}

/* Some sectors are written, some given up without a word. */
static void sync_fails(struct sim_disk *disk, struct inode *inode)
{
        for (size_t i = 0; i < inode->capacity / SECTOR; i++) {
                if (!inode->dirty[i])
                        continue;
                uint32_t fate = sim_below(disk->sim, 3);

                if (fate == 0)
                        memcpy(inode->durable + i * SECTOR, inode->live + i * SECTOR, SECTOR);
                inode->dirty[i] = fate == 2;
        }
}

static void lose_power(struct sim_disk *disk, struct inode *inode)
{
        for (size_t i = 0; i < inode->capacity / SECTOR; i++) {
                unsigned char *durable = inode->durable + i * SECTOR;
                const unsigned char *live = inode->live + i * SECTOR;

                if (!inode->dirty[i])
                        continue;
                inode->dirty[i] = false;
                switch (sim_below(disk->sim, 5)) {
                case 0:
                case 1:
                        memcpy(durable, live, SECTOR);
                        break;
                case 2: /* torn */
                        memcpy(durable, live, sim_below(disk->sim, SECTOR));
                        break;
                default:
                        break;
                }
        }
        if (inode->capacity > 0)
                memcpy(inode->live, inode->durable, inode->capacity);
        if (sim_below(disk->sim, 2) == 0)
                inode->durable_bytes = inode->bytes;
        inode->bytes = inode->durable_bytes;
}

/* --- what the frames say --- */

static const char *name_of(const struct directory *directory, uint32_t inode)
{
        for (uint32_t i = 0; i < directory->count; i++)
                if (directory->names[i].inode == inode)
                        return directory->names[i].name;
        return NULL;
}

typedef void frame_seen(struct sim_disk *disk, uint32_t inode, const struct mu_frame_header *frame);

/* Every valid frame of the group at memory, which stands at offset of the segment. False when
 * something else is in between. */
static bool walk_group(struct sim_disk *disk, uint32_t inode, uint64_t number,
                       const unsigned char *memory, size_t bytes, uint64_t offset, frame_seen *seen)
{
        uint32_t seed = mu_frame_crc_seed(disk->journal_id, number);

        for (uint64_t at = 0; (at = mu_frame_place(at)) < bytes;) {
                const struct mu_frame_header *frame = (const void *)(memory + at);

                if (!mu_frame_is_valid(seed, offset + at, frame, bytes - at))
                        return false;
                if (frame->type == MU_FRAME_RECORD)
                        seen(disk, inode, frame);
                at += mu_frame_stride(frame->payload_bytes);
        }
        return true;
}

static uint32_t id_of(struct sim_disk *disk, const struct mu_frame_header *frame)
{
        return sim_check_record(disk->sim, (const void *)(frame + 1), frame->payload_bytes);
}

/* A frame is about to be written: its sequence is its own. */
static void see_written(struct sim_disk *disk, uint32_t inode, const struct mu_frame_header *frame)
{
        struct sim_ledger *ledger = &disk->sim->ledger;
        uint32_t id = id_of(disk, frame);

        (void)inode;
        MU_ASSERT(frame->seq < SIM_SEQS_MAX);
        if (ledger->owner[frame->seq] != 0 && ledger->owner[frame->seq] != id)
                sim_broken(disk->sim, "sequence %lu was record %u's and is used again for %u",
                           (unsigned long)frame->seq, ledger->owner[frame->seq], id);
        if (ledger->records[id].seq != 0 && ledger->records[id].seq != frame->seq)
                sim_broken(disk->sim, "record %u gets a second sequence", id);
        ledger->owner[frame->seq] = id;
        ledger->records[id].seq = frame->seq;
}

static void see_synced(struct sim_disk *disk, uint32_t inode, const struct mu_frame_header *frame)
{
        const char *live = name_of(&disk->live, inode);
        const char *durable = name_of(&disk->durable, inode);

        if (durable && strcmp(live, durable) == 0)
                disk->sim->ledger.records[id_of(disk, frame)].on_disk = true;
}

static void see_survivor(struct sim_disk *disk, uint32_t inode, const struct mu_frame_header *frame)
{
        (void)inode;
        disk->sim->ledger.owner[frame->seq] = id_of(disk, frame);
}

static void note_sync(struct sim_disk *disk, uint32_t inode, uint64_t offset, size_t bytes)
{
        const char *name = name_of(&disk->live, inode);
        uint64_t number;

        if (!name || !mu_segment_number(name, &number) || offset == 0)
                return;
        (void)walk_group(disk, inode, number, disk->inodes[inode].durable + offset, bytes, offset,
                         see_synced);
}

/* After a crash only what can still be read holds its sequence. */
static void recount_owners(struct sim_disk *disk)
{
        struct sim_ledger *ledger = &disk->sim->ledger;

        memset(ledger->owner, 0, sizeof(ledger->owner));
        for (uint32_t i = 0; i < disk->live.count; i++) {
                uint32_t index = disk->live.names[i].inode;
                const struct inode *inode = &disk->inodes[index];
                uint64_t number;

                if (!mu_segment_number(disk->live.names[i].name, &number))
                        continue;
                for (uint64_t at = MU_JOURNAL_BLOCK_BYTES; at < inode->bytes;
                     at += MU_JOURNAL_BLOCK_BYTES)
                        (void)walk_group(disk, index, number, inode->live + at, inode->bytes - at,
                                         at, see_survivor);
        }
}

void sim_disk_set_journal_id(struct sim_disk *disk, const uint8_t id[16])
{
        memcpy(disk->journal_id, id, sizeof(disk->journal_id));
}

/* --- the table's blocking half --- */

static int disk_list(void *context, int (*each)(void *argument, const char *name, uint64_t bytes),
                     void *argument)
{
        struct sim_disk *disk = context;

        for (uint32_t i = 0; i < disk->live.count; i++) {
                const struct name *name = &disk->live.names[i];
                int err = each(argument, name->name, disk->inodes[name->inode].bytes);

                if (err < 0)
                        return err;
        }
        return 0;
}

static int handle_for(struct sim_disk *disk, uint32_t inode, struct mu_journal_file **ret_file)
{
        for (uint32_t i = 0; i < HANDLES_MAX; i++) {
                if (disk->handles[i].open)
                        continue;
                disk->handles[i] = (struct mu_journal_file){true, inode};
                *ret_file = &disk->handles[i];
                return 0;
        }
        sim_broken(disk->sim, "more than %d files are open: some are never closed", HANDLES_MAX);
}

static int disk_open(void *context, const char *name, struct mu_journal_file **ret_file)
{
        struct sim_disk *disk = context;
        const struct name *found = find(&disk->live, name);

        return found ? handle_for(disk, found->inode, ret_file) : -ENOENT;
}

static void disk_close(void *context, struct mu_journal_file *file)
{
        (void)context;
        if (file)
                file->open = false;
}

static ssize_t disk_read(void *context, struct mu_journal_file *file, void *memory, size_t bytes,
                         uint64_t offset)
{
        struct sim_disk *disk = context;
        const struct inode *inode = &disk->inodes[file->inode];

        MU_ASSERT(file->open);
        if (disk->read_failures < READ_FAILURES_IN_A_ROW &&
            sim_chance(disk->sim, disk->sim->faults.read)) {
                disk->read_failures++;
                return -EIO;
        }
        disk->read_failures = 0;
        if (offset >= inode->bytes)
                return 0;
        size_t n = inode->bytes - offset < bytes ? inode->bytes - offset : bytes;

        memcpy(memory, inode->live + offset, n);
        return (ssize_t)n;
}

static int disk_rewrite(void *context, const char *name, const void *memory, size_t bytes,
                        uint64_t offset)
{
        struct sim_disk *disk = context;
        const struct name *found = find(&disk->live, name);

        if (!found)
                return -ENOENT;
        struct inode *inode = &disk->inodes[found->inode];

        if (memcmp(inode->live + offset, memory, bytes) != 0)
                sim_broken(disk->sim, "recovery writes something else than it read");
        put(inode, memory, bytes, offset);
        if (sim_chance(disk->sim, disk->sim->faults.sync)) {
                sync_fails(disk, inode);
                return -EIO;
        }
        sync_contents(inode);
        return 0;
}

static int disk_save(void *context, const char *name, const void *data, size_t bytes)
{
        struct sim_disk *disk = context;
        uint32_t inode = new_inode(disk);

        put(&disk->inodes[inode], data, bytes, 0);
        sync_contents(&disk->inodes[inode]);
        operate(disk, "", name, inode);
        sync_names(disk);
        return 0;
}

static int disk_rename(void *context, const char *from, const char *to)
{
        struct sim_disk *disk = context;
        const struct name *found = find(&disk->live, from);

        if (!found)
                return -ENOENT;
        operate(disk, from, to, found->inode);
        sync_names(disk);
        return 0;
}

static int disk_remove(void *context, const char *name)
{
        struct sim_disk *disk = context;

        if (!find(&disk->live, name))
                return -ENOENT;
        operate(disk, name, "", 0);
        return 0;
}

static int disk_truncate(void *context, const char *name, uint64_t bytes)
{
        struct sim_disk *disk = context;
        const struct name *found = find(&disk->live, name);

        if (!found)
                return -ENOENT;
        disk->inodes[found->inode].bytes = bytes;
        return 0;
}

static int disk_free_bytes(void *context, uint64_t *ret_bytes)
{
        (void)context;
        *ret_bytes = 1 << 30;
        return 0;
}

/* --- what takes time --- */

static int disk_write(void *context, struct mu_journal_file *file, const void *memory, size_t bytes,
                      uint64_t offset)
{
        struct sim_disk *disk = context;
        const char *name = name_of(&disk->live, file->inode);
        uint64_t number;

        if (disk->write_stage != WRITE_NONE)
                sim_broken(disk->sim, "two writes are under way");
        if (!file->open || !name || !mu_segment_number(name, &number))
                sim_broken(disk->sim, "write to a file that is no open segment");
        if (offset > 0 &&
            !walk_group(disk, file->inode, number, memory, bytes, offset, see_written))
                sim_broken(disk->sim, "a group is written that is not made of valid frames");
        if (disk->inodes[file->inode].failed)
                sim_broken(disk->sim, "%s is written to after it failed", name);
        sim_trace(disk->sim, "write %s %zu at %lu", name, bytes, (unsigned long)offset);
        disk->write.file = file;
        disk->write.memory = memory;
        disk->write.bytes = bytes;
        disk->write.offset = offset;
        disk->write_stage = WRITE_BEGUN;
        return 0;
}

static void do_write(struct sim_disk *disk)
{
        struct inode *inode = &disk->inodes[disk->write.file->inode];
        size_t bytes = disk->write.bytes;

        disk->write.sync_result = 0;
        disk->write.result = (int)bytes;
        if (sim_chance(disk->sim, disk->sim->faults.write)) {
                static const int errors[] = {-EIO, -ENOSPC, -ECANCELED, 0 /* short */};

                bytes = sim_below(disk->sim, (uint32_t)(bytes / SECTOR)) * (size_t)SECTOR;
                disk->write.result = errors[sim_below(disk->sim, MU_COUNT_OF(errors))];
                disk->write.sync_result = -ECANCELED;
                if (disk->write.result == 0) {
                        disk->write.result = (int)bytes;
                        /* Both results count, whatever the table does with the sync. */
                        disk->write.sync_result = sim_below(disk->sim, 2) == 0 ? 0 : -ECANCELED;
                }
                sim_trace(disk->sim, "write ends with %d", disk->write.result);
        }
        put(inode, disk->write.memory, bytes, disk->write.offset);
        disk->write_stage = WRITE_WRITTEN;
}

static void do_sync(struct sim_disk *disk)
{
        struct inode *inode = &disk->inodes[disk->write.file->inode];

        disk->write_stage = WRITE_FINISHED;
        if (disk->write.sync_result != 0)
                return;
        if (sim_chance(disk->sim, disk->sim->faults.sync)) {
                disk->write.sync_result = sim_below(disk->sim, 3) == 0 ? -ECANCELED : -EIO;
                sim_trace(disk->sim, "fdatasync ends with %d", disk->write.sync_result);
                if (disk->write.sync_result == -EIO)
                        sync_fails(disk, inode);
                return;
        }
        sync_contents(inode);
        note_sync(disk, disk->write.file->inode, disk->write.offset, (size_t)disk->write.result);
}

static int disk_prepare(void *context, const char *name, const char *recycled, uint64_t bytes)
{
        struct sim_disk *disk = context;

        MU_ASSERT(disk->job_stage == JOB_NONE);
        memset(&disk->job, 0, sizeof(disk->job));
        disk->job.kind = MU_JOURNAL_IO_PREPARE;
        strncpy(disk->job.name, name, NAME_BYTES - 1);
        strncpy(disk->job.from, recycled ? recycled : "prepared.tmp", NAME_BYTES - 1);
        disk->job.fresh = !recycled;
        disk->job.bytes = bytes;
        disk->job_stage = recycled ? JOB_SYNCED : JOB_BEGUN;
        return 0;
}

static int disk_discard(void *context, const char *name, uint64_t keep_bytes)
{
        struct sim_disk *disk = context;

        MU_ASSERT(disk->job_stage == JOB_NONE);
        memset(&disk->job, 0, sizeof(disk->job));
        disk->job.kind = MU_JOURNAL_IO_DISCARD;
        strncpy(disk->job.name, name, NAME_BYTES - 1);
        disk->job.bytes = keep_bytes;
        disk->job_stage = JOB_BEGUN;
        return 0;
}

static void finish_job(struct sim_disk *disk, int result)
{
        sim_trace(disk->sim, "job %s ends with %d", disk->job.name, result);
        disk->job.result = result;
        disk->job_stage = JOB_FINISHED;
}

static void advance_prepare(struct sim_disk *disk)
{
        const struct name *found = find(&disk->live, disk->job.from);

        if (sim_chance(disk->sim, disk->sim->faults.prepare)) {
                finish_job(disk, sim_below(disk->sim, 2) == 0 ? -ENOSPC : -EIO);
                return;
        }
        switch (disk->job_stage) {
        case JOB_BEGUN:
                if (!found) {
                        operate(disk, "", disk->job.from, new_inode(disk));
                        found = find(&disk->live, disk->job.from);
                }
                reserve(&disk->inodes[found->inode], disk->job.bytes);
                memset(disk->inodes[found->inode].live, 0, disk->job.bytes);
                memset(disk->inodes[found->inode].dirty, 1, disk->job.bytes / SECTOR);
                disk->inodes[found->inode].bytes = disk->job.bytes;
                disk->job_stage = JOB_ZEROED;
                break;
        case JOB_ZEROED:
                sync_contents(&disk->inodes[found->inode]);
                disk->job_stage = JOB_SYNCED;
                break;
        case JOB_SYNCED:
                if (!found) {
                        finish_job(disk, -ENOENT);
                        break;
                }
                operate(disk, disk->job.from, disk->job.name, found->inode);
                disk->job_stage = JOB_RENAMED;
                break;
        case JOB_RENAMED:
                sync_names(disk);
                finish_job(disk, 0);
                break;
        case JOB_NONE:
        case JOB_FINISHED:
                break;
        }
}

static void advance_discard(struct sim_disk *disk)
{
        if (sim_chance(disk->sim, disk->sim->faults.prepare))
                finish_job(disk, -EIO);
        else if (disk->job.bytes > 0)
                finish_job(disk, disk_truncate(disk, disk->job.name, disk->job.bytes));
        else
                finish_job(disk, disk_remove(disk, disk->job.name));
}

bool sim_disk_advance(struct sim_disk *disk)
{
        bool has_write = disk->write_stage == WRITE_BEGUN || disk->write_stage == WRITE_WRITTEN;
        bool has_job = disk->job_stage != JOB_NONE && disk->job_stage != JOB_FINISHED;

        if (has_write && (!has_job || sim_below(disk->sim, 2) == 0)) {
                if (disk->write_stage == WRITE_BEGUN)
                        do_write(disk);
                else
                        do_sync(disk);
                return true;
        }
        if (!has_job)
                return false;
        if (disk->job.kind == MU_JOURNAL_IO_PREPARE)
                advance_prepare(disk);
        else
                advance_discard(disk);
        return true;
}

static uint32_t disk_reap(void *context, struct mu_journal_completion *ret_completions,
                          uint32_t count_max)
{
        struct sim_disk *disk = context;
        uint32_t count = 0;

        MU_ASSERT(count_max >= 2);
        if (disk->write_stage == WRITE_FINISHED) {
                disk->write_stage = WRITE_NONE;
                if (disk->write.sync_result != 0 || disk->write.result != (int)disk->write.bytes)
                        disk->inodes[disk->write.file->inode].failed = true;
                ret_completions[count++] =
                        (struct mu_journal_completion){.kind = MU_JOURNAL_IO_WRITE,
                                                       .result = disk->write.result,
                                                       .sync_result = disk->write.sync_result,
                                                       .file = disk->write.file};
        }
        if (disk->job_stage == JOB_FINISHED) {
                struct mu_journal_completion *completion = &ret_completions[count++];

                disk->job_stage = JOB_NONE;
                *completion = (struct mu_journal_completion){.kind = disk->job.kind,
                                                             .result = disk->job.result};
                if (disk->job.kind == MU_JOURNAL_IO_PREPARE && disk->job.result == 0)
                        (void)handle_for(disk, find(&disk->live, disk->job.name)->inode,
                                         &completion->file);
        }
        return count;
}

static void disk_wait(void *context, uint64_t timeout_us)
{
        struct sim_disk *disk = context;

        disk->sim->now_ns += (timeout_us < 1000 ? timeout_us : 1000) * (uint64_t)MU_NS_PER_US;
        (void)sim_disk_advance(disk);
}

static void disk_wake(void *context)
{
        (void)context;
}

void sim_disk_crash(struct sim_disk *disk, bool power)
{
        if (disk->write_stage == WRITE_BEGUN) {
                uint32_t sectors = sim_below(disk->sim, (uint32_t)(disk->write.bytes / SECTOR) + 1);

                put(&disk->inodes[disk->write.file->inode], disk->write.memory,
                    sectors * (size_t)SECTOR, disk->write.offset);
        }
        disk->write_stage = WRITE_NONE;
        disk->job_stage = JOB_NONE;
        for (uint32_t i = 0; i < HANDLES_MAX; i++)
                disk->handles[i].open = false;
        for (uint32_t i = 0; i < disk->inode_count; i++)
                disk->inodes[i].failed = false;
        if (power) {
                uint32_t kept = sim_below(disk->sim, disk->operation_count + 1);

                for (uint32_t i = 0; i < kept; i++)
                        apply(&disk->durable, &disk->operations[i]);
                disk->operation_count = 0;
                disk->live = disk->durable;
                for (uint32_t i = 0; i < disk->inode_count; i++)
                        lose_power(disk, &disk->inodes[i]);
        }
        recount_owners(disk);
}

struct sim_disk *sim_disk_create(struct sim *sim)
{
        struct sim_disk *disk = calloc(1, sizeof(*disk));

        MU_ASSERT(disk);
        disk->sim = sim;
        disk->io = (struct mu_journal_io){.context = disk,
                                          .name = "simulated",
                                          .list = disk_list,
                                          .open = disk_open,
                                          .close = disk_close,
                                          .read = disk_read,
                                          .rewrite = disk_rewrite,
                                          .save = disk_save,
                                          .rename = disk_rename,
                                          .remove = disk_remove,
                                          .truncate = disk_truncate,
                                          .free_bytes = disk_free_bytes,
                                          .prepare = disk_prepare,
                                          .discard = disk_discard,
                                          .write = disk_write,
                                          .reap = disk_reap,
                                          .wait = disk_wait,
                                          .wake = disk_wake};
        return disk;
}

void sim_disk_destroy(struct sim_disk *disk)
{
        for (uint32_t i = 0; i < disk->inode_count; i++) {
                free(disk->inodes[i].live);
                free(disk->inodes[i].durable);
                free(disk->inodes[i].dirty);
        }
        free(disk);
}

const struct mu_journal_io *sim_disk_io(struct sim_disk *disk)
{
        return &disk->io;
}
