/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power goes in the middle of the store's writes: what was answered is there. A file system
 * under SQLite that knows what was flushed: of what was not, at a cut, any part may have arrived.
 *
 *   write, truncate ─▶ the file, and a list of what is not flushed yet
 *   sync            ─▶ the list is empty, an image of the file is taken
 *   cut             ─▶ everything fails from then on; the files become their image and some
 *                      of the list, some of it torn
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/random.h"
#include "fake_platform.h"
#include "store_steps.h"

enum { CUTS = 150, OPERATIONS_MAX = 120, PENDING_MAX = 20000, SECTOR_BYTES = 512 };

struct pending {
        bool truncate;
        sqlite3_int64 at; /* or the new size */
        size_t bytes;
        unsigned char *data;
};

/* One of the two files, whether it is open or not. */
struct disk_file {
        char path[600];
        unsigned char *image;
        size_t image_bytes;
        bool exists; /* its image does */
        size_t pending_count;
        struct pending *pending;
};

struct disk {
        sqlite3_vfs vfs;
        sqlite3_vfs *real;
        struct disk_file files[2];
        struct mu_random random;
        bool dead;
        int64_t operations_left; /* -1: no cut */
};

struct open_file {
        sqlite3_file file;
        struct disk *disk;
        struct disk_file *disk_file; /* NULL: not one of ours */
        sqlite3_file *real;
};

/* ---- the list and the image ---- */

static void drop_pending(struct disk_file *file)
{
        for (size_t i = 0; i < file->pending_count; i++)
                free(file->pending[i].data);
        file->pending_count = 0;
}

static void add_pending(struct disk_file *file, const void *data, size_t bytes, sqlite3_int64 at,
                        bool truncated)
{
        struct pending *pending = &file->pending[file->pending_count];

        assert_true(file->pending_count < PENDING_MAX);
        *pending = (struct pending){.truncate = truncated, .at = at, .bytes = bytes};
        if (bytes > 0) {
                pending->data = malloc(bytes);
                assert_non_null(pending->data);
                memcpy(pending->data, data, bytes);
        }
        file->pending_count++;
}

static void resize_image(struct disk_file *file, size_t bytes)
{
        unsigned char *grown = realloc(file->image, bytes + 1);

        assert_non_null(grown);
        if (bytes > file->image_bytes)
                memset(grown + file->image_bytes, 0, bytes - file->image_bytes);
        file->image = grown;
        file->image_bytes = bytes;
}

static void apply(struct disk_file *file, const struct pending *pending, size_t from, size_t bytes)
{
        size_t end = (size_t)pending->at + from + bytes;

        if (pending->truncate) {
                if ((size_t)pending->at < file->image_bytes)
                        resize_image(file, (size_t)pending->at);
                return;
        }
        if (end > file->image_bytes)
                resize_image(file, end);
        memcpy(file->image + (size_t)pending->at + from, pending->data + from, bytes);
}

/* Some of what was not flushed arrives: all, nothing, or each piece as it may be. */
static void apply_some(struct disk *disk, struct disk_file *file)
{
        uint64_t mood = mu_random_below(&disk->random, 4);

        for (size_t i = 0; i < file->pending_count && mood > 0; i++) {
                const struct pending *pending = &file->pending[i];
                size_t from = 0;
                size_t bytes = pending->bytes;

                if (mood > 1 && mu_random_below(&disk->random, 2) == 0)
                        continue;
                if (mood > 2 && bytes > SECTOR_BYTES) {
                        from = mu_random_below(&disk->random, bytes / SECTOR_BYTES) * SECTOR_BYTES;
                        bytes = mu_random_below(&disk->random, bytes - from) + 1;
                }
                apply(file, pending, from, bytes);
                file->exists = true;
        }
        drop_pending(file);
}

/* After a cut: the files as the disk has them. */
static void power_on(struct disk *disk)
{
        for (size_t i = 0; i < MU_COUNT_OF(disk->files); i++) {
                struct disk_file *file = &disk->files[i];

                apply_some(disk, file);
                if (!file->exists) {
                        (void)remove(file->path);
                        continue;
                }
                FILE *out = fopen(file->path, "wb");

                assert_non_null(out);
                assert_int_equal(fwrite(file->image, 1, file->image_bytes, out), file->image_bytes);
                assert_int_equal(fclose(out), 0);
        }
        disk->dead = false;
        disk->operations_left = -1;
}

static bool is_cut(struct disk *disk)
{
        if (!disk->dead && disk->operations_left >= 0 && disk->operations_left-- == 0)
                disk->dead = true;
        return disk->dead;
}

/* ---- SQLite's files ---- */

static struct open_file *open_of(sqlite3_file *file)
{
        return (struct open_file *)file;
}

static int file_close(sqlite3_file *file)
{
        sqlite3_file *real = open_of(file)->real;

        return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *data, int bytes, sqlite3_int64 at)
{
        sqlite3_file *real = open_of(file)->real;

        return real->pMethods->xRead(real, data, bytes, at);
}

static int file_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 at)
{
        struct open_file *open = open_of(file);

        /* The piece under way at the cut may have arrived too. */
        bool was_dead = open->disk->dead;
        bool cut = is_cut(open->disk);

        if (open->disk_file && !was_dead)
                add_pending(open->disk_file, data, (size_t)bytes, at, false);
        return cut ? SQLITE_IOERR_WRITE : open->real->pMethods->xWrite(open->real, data, bytes, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
        struct open_file *open = open_of(file);

        if (is_cut(open->disk))
                return SQLITE_IOERR_TRUNCATE;
        if (open->disk_file)
                add_pending(open->disk_file, NULL, 0, size, true);
        return open->real->pMethods->xTruncate(open->real, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
        struct open_file *open = open_of(file);
        struct disk_file *disk_file = open->disk_file;

        (void)flags;
        if (is_cut(open->disk))
                return SQLITE_IOERR_FSYNC;
        for (size_t i = 0; disk_file && i < disk_file->pending_count; i++)
                apply(disk_file, &disk_file->pending[i], 0, disk_file->pending[i].bytes);
        if (disk_file) {
                disk_file->exists = true;
                drop_pending(disk_file);
        }
        return SQLITE_OK; /* the real disk need not be asked */
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
        sqlite3_file *real = open_of(file)->real;

        return real->pMethods->xFileSize(real, ret_size);
}

static int file_lock(sqlite3_file *file, int level)
{
        sqlite3_file *real = open_of(file)->real;

        return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *file, int level)
{
        sqlite3_file *real = open_of(file)->real;

        return real->pMethods->xUnlock(real, level);
}

static int file_check_lock(sqlite3_file *file, int *ret_reserved)
{
        sqlite3_file *real = open_of(file)->real;

        return real->pMethods->xCheckReservedLock(real, ret_reserved);
}

static int file_control(sqlite3_file *file, int what, void *argument)
{
        sqlite3_file *real = open_of(file)->real;

        return real->pMethods->xFileControl(real, what, argument);
}

static int file_sector_size(sqlite3_file *file)
{
        (void)file;
        return SECTOR_BYTES;
}

/* A write harms nothing beside it; no more is promised. */
static int file_characteristics(sqlite3_file *file)
{
        (void)file;
        return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = file_close,
        .xRead = file_read,
        .xWrite = file_write,
        .xTruncate = file_truncate,
        .xSync = file_sync,
        .xFileSize = file_size,
        .xLock = file_lock,
        .xUnlock = file_unlock,
        .xCheckReservedLock = file_check_lock,
        .xFileControl = file_control,
        .xSectorSize = file_sector_size,
        .xDeviceCharacteristics = file_characteristics,
};

static struct disk_file *find_file(struct disk *disk, const char *path)
{
        for (size_t i = 0; path && i < MU_COUNT_OF(disk->files); i++)
                if (strcmp(disk->files[i].path, path) == 0)
                        return &disk->files[i];
        return NULL;
}

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                     int *ret_flags)
{
        struct disk *disk = vfs->pAppData;
        struct open_file *open = open_of(file);

        *open = (struct open_file){
                .disk = disk,
                .disk_file = find_file(disk, path),
                .real = (sqlite3_file *)(open + 1),
        };
        int code = disk->real->xOpen(disk->real, path, open->real, flags, ret_flags);

        if (code == SQLITE_OK)
                file->pMethods = &methods;
        return code;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int flush)
{
        struct disk *disk = vfs->pAppData;
        struct disk_file *file = find_file(disk, path);

        if (is_cut(disk))
                return SQLITE_IOERR_DELETE;
        if (file) {
                drop_pending(file);
                file->exists = false;
                file->image_bytes = 0;
        }
        return disk->real->xDelete(disk->real, path, flush);
}

static struct disk *plug_in(struct fake_platform *fake)
{
        struct disk *disk = calloc(1, sizeof(*disk));

        assert_non_null(disk);
        disk->real = sqlite3_vfs_find(NULL);
        disk->vfs = *disk->real;
        disk->vfs.zName = "power";
        disk->vfs.szOsFile = (int)sizeof(struct open_file) + disk->real->szOsFile;
        disk->vfs.pAppData = disk;
        disk->vfs.pNext = NULL;
        disk->vfs.xOpen = disk_open;
        disk->vfs.xDelete = disk_delete;
        disk->operations_left = -1;
        mu_random_seed(&disk->random, 7);
        for (size_t i = 0; i < MU_COUNT_OF(disk->files); i++) {
                struct disk_file *file = &disk->files[i];

                (void)snprintf(file->path, sizeof(file->path), "%s%s", fake_path(fake, "agent.db"),
                               i == 0 ? "" : "-wal");
                file->pending = calloc(PENDING_MAX, sizeof(*file->pending));
                assert_non_null(file->pending);
        }
        assert_int_equal(sqlite3_vfs_register(&disk->vfs, 1), SQLITE_OK);
        return disk;
}

static void plug_out(struct disk *disk)
{
        assert_int_equal(sqlite3_vfs_unregister(&disk->vfs), SQLITE_OK);
        assert_int_equal(sqlite3_vfs_register(disk->real, 1), SQLITE_OK);
        for (size_t i = 0; i < MU_COUNT_OF(disk->files); i++) {
                drop_pending(&disk->files[i]);
                free(disk->files[i].pending);
                free(disk->files[i].image);
        }
        free(disk);
}

/* ---- the tests ---- */

/* Steps until the power goes: how many were answered. */
static void run_until_cut(struct disk *disk, struct mu_agent_core *core, struct step_model *model,
                          char *body)
{
        disk->operations_left = (int64_t)mu_random_below(&disk->random, OPERATIONS_MAX);
        while (step_do(core, model->steps, body) == 0)
                step_model_next(model);
        assert_true(disk->dead);
}

/* The power goes while it is opened: nothing is lost by that. */
static void cut_while_opening(struct disk *disk, struct fake_platform *fake)
{
        struct mu_agent_store *store = NULL;
        struct mu_agent_events *events;

        assert_int_equal(mu_agent_events_create(&fake->platform, &events), 0);
        disk->operations_left = (int64_t)mu_random_below(&disk->random, 12);
        if (mu_agent_store_open(fake_path(fake, "agent.db"), events, &store) == 0) {
                disk->dead = true;
                mu_agent_store_close(store);
        }
        mu_agent_events_destroy(events);
        power_on(disk);
}

static void test_power_cuts(void **state)
{
        struct fake_platform *fake = fake_platform_create();
        struct disk *disk = plug_in(fake);
        struct step_model *model = malloc(sizeof(*model));
        char *body = malloc(STEP_BODY_BYTES_MAX);
        struct mu_agent_core core;
        unsigned further = 0;

        (void)state;
        assert_true(model && body);
        step_model_init(model);
        for (int i = 0; i < CUTS; i++) {
                if (i % 3 == 0)
                        cut_while_opening(disk, fake);
                fake_core_open(fake, &core);
                assert_int_equal(fake_events(fake, "store.damaged"), 0);
                further += step_model_settle(model, &core) > 0;
                run_until_cut(disk, &core, model, body);
                fake_core_close(&core);
                power_on(disk);
        }
        fake_core_open(fake, &core);
        (void)step_model_settle(model, &core);
        fake_core_close(&core);
        assert_true(model->steps > CUTS);
        print_message("%" PRId64 " steps, %u times one further than answered\n", model->steps,
                      further);
        free(body);
        free(model);
        plug_out(disk);
        fake_platform_destroy(fake);
}

/* The same with the log flushed at checkpoints only: something must be lost, or the test above says
 * nothing. */
static void test_sees_what_is_not_flushed(void **state)
{
        struct fake_platform *fake = fake_platform_create();
        struct disk *disk = plug_in(fake);
        struct mu_agent_core core;
        int64_t number = 0;

        (void)state;
        fake_core_open(fake, &core);
        assert_int_equal(mu_agent_store_set_number(core.store, "a", 1), 0);
        assert_int_equal(sqlite3_exec(mu_agent_store_database(core.store),
                                      "PRAGMA synchronous = NORMAL", NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(mu_agent_store_set_number(core.store, "a", 2), 0);
        disk->dead = true;
        fake_core_close(&core);
        drop_pending(&disk->files[0]);
        drop_pending(&disk->files[1]);
        power_on(disk);
        fake_core_open(fake, &core);
        assert_int_equal(mu_agent_store_get_number(core.store, "a", &number), 0);
        assert_int_equal(number, 1);
        fake_core_close(&core);
        plug_out(disk);
        fake_platform_destroy(fake);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_power_cuts),
                cmocka_unit_test(test_sees_what_is_not_flushed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
