/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/failpoint.h"
#include "base/fs.h"

enum entry_type {
        ENTRY_DEVICE = 1,
        ENTRY_TOKEN = 2,
};

enum entry_flag {
        ENTRY_USED = 1u << 0, /* token: has been used; device: has been seen */
};

/* As on disk, little endian. */
struct entry {
        uint32_t crc; /* of the rest */
        uint8_t type;
        uint8_t state;
        uint8_t flags;
        uint8_t kind;
        int64_t device_id;
        uint32_t generation; /* of the token; the device's smallest valid one */
        int32_t clock_offset_s;
        uint32_t interval_s;
        uint32_t reserved2;
        struct mu_digest digest;
};

_Static_assert(sizeof(struct entry) == 64, "the snapshot's layout is fixed");

static const char magic[16] = "muster-ident-1\n";

struct mu_snapshot {
        char *path;
        int fd;
        uint64_t end_bytes; /* where the next sync writes */
        uint64_t appended;
        struct entry *added;
        size_t added_count;
        size_t added_room;
};

static uint32_t entry_crc(const struct entry *entry)
{
        return mu_crc32c(0, &entry->type, sizeof(*entry) - offsetof(struct entry, type));
}

static int apply_token(struct mu_device_table *table, struct mu_device *device,
                       const struct entry *entry)
{
        bool used = entry->flags & ENTRY_USED;
        int error =
                mu_device_table_add_token(table, device, &entry->digest, entry->generation, used);

        if (error != -EEXIST)
                return error;
        /* A later entry of the same token: all that changes is that it was used. */
        for (struct mu_token *token = device->tokens; used && token; token = token->next)
                if (mu_digest_equal(&token->digest, &entry->digest))
                        atomic_store(&token->used, true);
        return 0;
}

static int apply(struct mu_device_table *table, const struct entry *entry)
{
        struct mu_device *device;
        int error = mu_device_table_add(table, entry->device_id, &device);

        if (error < 0)
                return error;
        if (entry->type == ENTRY_TOKEN)
                return apply_token(table, device, entry);
        device->kind = entry->kind;
        atomic_store(&device->state, entry->state);
        atomic_store(&device->generation_min, entry->generation);
        atomic_store(&device->clock_offset_s, entry->clock_offset_s);
        atomic_store(&device->interval_s, entry->interval_s);
        atomic_store(&device->seen, entry->flags & ENTRY_USED);
        return 0;
}

static bool entry_valid(const struct entry *entry)
{
        return entry->crc == entry_crc(entry) && entry->device_id > 0 &&
               entry->device_id <= MU_DEVICE_ID_MAX && entry->state <= MU_DEVICE_DELETED &&
               (entry->type == ENTRY_DEVICE || entry->type == ENTRY_TOKEN);
}

/* Whether the file is ours: -EBADMSG when it begins like another. A header cut short or all zero is
 * what a power cut leaves of a file's first write. */
static int check_header(const struct mu_snapshot *snapshot)
{
        static const char zeros[sizeof(magic)];
        char head[sizeof(magic)] = "";
        ssize_t got = pread(snapshot->fd, head, sizeof(head), 0);

        if (got < 0)
                return -errno;
        if ((size_t)got < sizeof(head))
                return memcmp(head, magic, (size_t)got) == 0 ||
                                       memcmp(head, zeros, (size_t)got) == 0
                               ? 0
                               : -EBADMSG;
        return memcmp(head, magic, sizeof(head)) == 0 || memcmp(head, zeros, sizeof(head)) == 0
                       ? 0
                       : -EBADMSG;
}

/* Applies every entry that holds. Entries have their places, so one that does not hide the next. */
static int load_entries(struct mu_snapshot *snapshot, struct mu_device_table *table,
                        struct mu_snapshot_report *report)
{
        struct entry entries[256];
        uint64_t at_bytes = sizeof(magic);
        size_t count;

        do {
                ssize_t got = pread(snapshot->fd, entries, sizeof(entries), (off_t)at_bytes);

                if (got < 0)
                        return -errno;
                count = (size_t)got / sizeof(entries[0]);
                for (size_t i = 0; i < count; i++) {
                        at_bytes += sizeof(entries[0]);
                        if (!entry_valid(&entries[i]))
                                continue;
                        int error = apply(table, &entries[i]);

                        if (error < 0)
                                return error;
                        snapshot->end_bytes = at_bytes;
                        report->entry_count++;
                        if (entries[i].device_id > report->device_id_max)
                                report->device_id_max = entries[i].device_id;
                }
        } while (count > 0);
        return 0;
}

static int load(struct mu_snapshot *snapshot, struct mu_device_table *table,
                struct mu_snapshot_report *report)
{
        struct stat file;

        if (fstat(snapshot->fd, &file) < 0)
                return -errno;
        int error = check_header(snapshot);

        if (error == 0)
                error = load_entries(snapshot, table, report);
        if (error < 0)
                return error;
        uint64_t size_bytes = (uint64_t)file.st_size;
        uint64_t sound_bytes = report->entry_count * sizeof(struct entry);

        if (size_bytes >= sizeof(magic))
                sound_bytes += sizeof(magic);
        report->damaged_bytes = size_bytes - (sound_bytes < size_bytes ? sound_bytes : size_bytes);
        snapshot->appended = report->entry_count;
        return 0;
}

static int sync_directory_of(const char *path)
{
        const char *slash = strrchr(path, '/');
        char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
        int error = directory ? mu_fs_sync_directory(directory) : -ENOMEM;

        free(directory);
        return error;
}

int mu_snapshot_open(const char *path, struct mu_device_table *table,
                     struct mu_snapshot_report *ret_report, struct mu_snapshot **ret_snapshot)
{
        struct mu_snapshot_report report = {0};
        struct mu_snapshot *snapshot = calloc(1, sizeof(*snapshot));
        int error = -ENOMEM;

        if (!snapshot)
                return error;
        snapshot->path = strdup(path);
        snapshot->fd = -1;
        if (!snapshot->path)
                goto fail;
        snapshot->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (snapshot->fd < 0) {
                error = -errno;
                goto fail;
        }
        error = sync_directory_of(path); /* it may be new */
        if (error < 0)
                goto fail;
        mu_device_table_lock(table);
        error = load(snapshot, table, &report);
        mu_device_table_unlock(table);
        if (error < 0)
                goto fail;
        *ret_report = report;
        *ret_snapshot = snapshot;
        return 0;
fail:
        mu_snapshot_close(snapshot);
        return error;
}

void mu_snapshot_close(struct mu_snapshot *snapshot)
{
        if (!snapshot)
                return;
        if (snapshot->fd >= 0)
                close(snapshot->fd);
        free(snapshot->added);
        free(snapshot->path);
        free(snapshot);
}

static struct entry *next_entry(struct mu_snapshot *snapshot)
{
        if (snapshot->added_count == snapshot->added_room) {
                size_t room = snapshot->added_room ? snapshot->added_room * 2 : 256;
                struct entry *more = reallocarray(snapshot->added, room, sizeof(*more));

                if (!more)
                        return NULL;
                snapshot->added = more;
                snapshot->added_room = room;
        }
        struct entry *entry = &snapshot->added[snapshot->added_count++];

        memset(entry, 0, sizeof(*entry));
        return entry;
}

int mu_snapshot_add(struct mu_snapshot *snapshot, const struct mu_device *device)
{
        size_t before = snapshot->added_count;
        struct entry *entry = next_entry(snapshot);

        if (!entry)
                return -ENOMEM;
        /* Deleting is not yet decided: after a crash the device is what PostgreSQL says. */
        uint32_t state = mu_device_state(device);

        *entry = (struct entry){
                .type = ENTRY_DEVICE,
                .state = (uint8_t)(state == MU_DEVICE_DELETING ? MU_DEVICE_LIVE : state),
                .flags = atomic_load(&device->seen) ? ENTRY_USED : 0,
                .kind = device->kind,
                .device_id = device->id,
                .generation = atomic_load(&device->generation_min),
                .clock_offset_s = atomic_load(&device->clock_offset_s),
                .interval_s = atomic_load(&device->interval_s),
        };
        entry->crc = entry_crc(entry);
        for (const struct mu_token *token = device->tokens; token; token = token->next) {
                entry = next_entry(snapshot);
                if (!entry) {
                        snapshot->added_count = before;
                        return -ENOMEM;
                }
                *entry = (struct entry){
                        .type = ENTRY_TOKEN,
                        .flags = atomic_load(&token->used) ? ENTRY_USED : 0,
                        .device_id = device->id,
                        .generation = token->generation,
                        .digest = token->digest,
                };
                entry->crc = entry_crc(entry);
        }
        return 0;
}

/* Writes added entries at the end; the end moves only when they are synced. A failure may leave
 * bytes behind the end: whole entries of states that the table has had, which the next load may
 * well believe. After a failed sync the file is not to be trusted again: rewrite. */
static int append(struct mu_snapshot *snapshot)
{
        size_t bytes = snapshot->added_count * sizeof(snapshot->added[0]);

        int error = 0;

        if (lseek(snapshot->fd, (off_t)snapshot->end_bytes, SEEK_SET) < 0)
                return -errno;
        if (snapshot->end_bytes == 0)
                error = mu_fs_write_all(snapshot->fd, magic, sizeof(magic));
        if (error == 0)
                error = mu_fs_write_all(snapshot->fd, snapshot->added, bytes);
        MU_FAILPOINT("snapshot.write", error);
        if (error == 0 && fdatasync(snapshot->fd) < 0)
                error = -errno;
        MU_FAILPOINT("snapshot.sync", error);
        if (error < 0)
                return error;
        snapshot->end_bytes += bytes + (snapshot->end_bytes == 0 ? sizeof(magic) : 0);
        snapshot->appended += snapshot->added_count;
        snapshot->added_count = 0;
        return 0;
}

int mu_snapshot_sync(struct mu_snapshot *snapshot)
{
        return snapshot->added_count ? append(snapshot) : 0;
}

static int write_whole(struct mu_snapshot *whole, struct mu_device_table *table)
{
        uint32_t count = mu_device_table_count(table);
        int error = 0;

        mu_device_table_lock(table);
        for (uint32_t i = 0; i < count && error == 0; i++)
                error = mu_snapshot_add(whole, mu_device_table_at(table, i));
        mu_device_table_unlock(table);
        return error < 0 ? error : append(whole);
}

/* Appends go to the new file from here on. */
static void take_over(struct mu_snapshot *snapshot, struct mu_snapshot *whole)
{
        close(snapshot->fd);
        snapshot->fd = whole->fd;
        snapshot->end_bytes = whole->end_bytes;
        snapshot->appended = 0;
        snapshot->added_count = 0; /* the whole has them */
        whole->fd = -1;
}

int mu_snapshot_rewrite(struct mu_snapshot *snapshot, struct mu_device_table *table)
{
        struct mu_snapshot whole = {.fd = -1};
        int error = -ENOMEM;

        if (asprintf(&whole.path, "%s.new", snapshot->path) < 0)
                return error;
        whole.fd = open(whole.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        error = whole.fd < 0 ? -errno : write_whole(&whole, table);
        if (error == 0)
                MU_FAILPOINT("snapshot.rename", error);
        if (error == 0 && rename(whole.path, snapshot->path) < 0)
                error = -errno;
        if (error == 0) {
                take_over(snapshot, &whole);
                error = sync_directory_of(snapshot->path);
        }
        if (whole.fd >= 0) {
                close(whole.fd);
                (void)unlink(whole.path);
        }
        free(whole.added);
        free(whole.path);
        return error;
}

void mu_snapshot_forget(struct mu_snapshot *snapshot)
{
        snapshot->added_count = 0;
}

uint64_t mu_snapshot_appended(const struct mu_snapshot *snapshot)
{
        return snapshot->appended;
}
