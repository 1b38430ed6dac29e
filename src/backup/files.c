/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/store.h"
#include "backup/tree.h"
#include "base/fs.h"

/* Everything else in the data directory is backed up, also folders that come with later versions.
 * These are copied in their own way (postgres), made anew at each start, or said to be left out in
 * backup.h. */
static const char *const LEFT_OUT[] = {
        "postgres",        "postgres.new", "postgres-log", "postgres.location", "postgres.lock",
        "journal",         "musterd.pid",  "run.json",     "backup.lock",       MU_BACKUP_STAGING,
        MU_BACKUP_SCRATCH, "logs",         "lost+found",   "backup.checked",    "backup.last",
};

bool mu_files_left_out(const char *name)
{
        for (size_t i = 0; i < MU_COUNT_OF(LEFT_OUT); i++)
                if (strcmp(name, LEFT_OUT[i]) == 0)
                        return true;
        return strncmp(name, "replaced-", 9) == 0; /* by an earlier restore */
}

struct copy {
        const struct mu_backup_config *config;
        struct mu_manifest *manifest;
        struct mu_backup_error *error;
        const char *to;   /* the backup */
        const char *name; /* "data" */
        struct mu_tree_pace pace;
        /* What must not be copied into itself: by device and inode. */
        struct stat store;
        struct stat journal;
        /* The newest earlier backup, to link to. */
        char *earlier;
        struct mu_manifest earlier_manifest;
};

static bool is_same(const struct stat *a, const struct stat *b)
{
        return a->st_ino != 0 && a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool skip(void *context, const struct mu_tree_entry *entry)
{
        const struct copy *copy = context;

        return (!strchr(entry->path, '/') && mu_files_left_out(entry->path)) ||
               is_same(entry->status, &copy->store) || is_same(entry->status, &copy->journal);
}

/* True when the earlier backup's file was linked in its place. That one is read too: what has
 * rotted there would else be in every backup to come. */
static bool link_earlier(struct copy *copy, const char *from, const char *path, const char *to,
                         uint64_t *ret_bytes, char *ret_hex)
{
        char hex[MU_SHA256_HEX_BYTES], hex_before[MU_SHA256_HEX_BYTES];
        uint64_t bytes, bytes_before;
        bool linked = false;

        if (!copy->earlier || !json_object_get(copy->earlier_manifest.files, path) ||
            mu_tree_hash_file(from, &copy->pace, &bytes, hex) < 0 ||
            !mu_manifest_has(&copy->earlier_manifest, path, bytes, hex))
                return false;
        char *before = mu_tree_join(copy->earlier, path);

        linked = before && mu_tree_hash_file(before, &copy->pace, &bytes_before, hex_before) == 0 &&
                 bytes_before == bytes && strcmp(hex_before, hex) == 0 && link(before, to) == 0;
        free(before);
        if (linked) {
                *ret_bytes = bytes;
                memcpy(ret_hex, hex, sizeof(hex));
                copy->manifest->linked_count++;
        }
        return linked;
}

/* path: in the backup. What vanished since it was listed was not to stay anyway. */
static int copy_file(struct copy *copy, const char *from, const char *path, mode_t mode)
{
        char hex[MU_SHA256_HEX_BYTES];
        char *to = mu_tree_join(copy->to, path);
        uint64_t bytes = 0;
        int err = to ? 0 : -ENOMEM;

        if (err == 0 && !link_earlier(copy, from, path, to, &bytes, hex))
                err = mu_tree_copy_file(from, to, 0600, &copy->pace, &bytes, hex);
        bool vanished = err == -ENOENT && !mu_tree_exists(from);

        free(to);
        if (vanished)
                return 0;
        if (err == 0)
                err = mu_manifest_add_file(copy->manifest, path, bytes, mode, hex);
        return err < 0 ? mu_backup_fail(copy->error, err, "%s can't be backed up: %s", from,
                                        strerror(-err))
                       : 0;
}

static int make_directory(struct copy *copy, const char *path, mode_t mode)
{
        char *to = mu_tree_join(copy->to, path);
        int err = to ? mkdir(to, 0700) < 0 ? -errno : 0 : -ENOMEM;

        if (err == 0)
                err = mu_manifest_add_directory(copy->manifest, path, mode);
        if (err < 0)
                (void)mu_backup_fail(copy->error, err, "%s can't be made: %s", to ? to : path,
                                     strerror(-err));
        free(to);
        return err;
}

static int copy_entry(void *context, const struct mu_tree_entry *entry)
{
        struct copy *copy = context;
        mode_t mode = entry->status->st_mode & 07777;
        char *path = mu_tree_join(copy->name, entry->path);
        int err = path ? 0 : -ENOMEM;

        if (err == 0 && entry->is_directory)
                err = make_directory(copy, path, mode);
        else if (err == 0 && entry->is_regular)
                err = copy_file(copy, entry->whole, path, mode);
        else if (err == 0)
                mu_backup_say(copy->config, "%s is no file and no directory: it is left out",
                              entry->whole);
        free(path);
        return err;
}

static void find_earlier(struct copy *copy, const char *store)
{
        struct mu_backup_error error;
        struct mu_backup_name newest;

        if (!store || mu_store_newest(store, &newest) < 0)
                return;
        copy->earlier = mu_tree_join(store, newest.name);
        if (copy->earlier && mu_manifest_read(copy->earlier, &copy->earlier_manifest, &error) < 0) {
                free(copy->earlier);
                copy->earlier = NULL;
        }
}

/* Those that lie elsewhere: in the data directory they are copied with it. */
static int copy_outside(struct copy *copy, const char *from, const char *name)
{
        char path[64];
        size_t chars = strlen(copy->config->data_directory);

        if (*from == '\0' ||
            (strncmp(from, copy->config->data_directory, chars) == 0 && from[chars] == '/'))
                return 0;
        char *real = realpath(from, NULL); /* certificates are often links */

        if (!real)
                return mu_backup_fail(copy->error, -errno, "%s can't be backed up: %s", from,
                                      strerror(errno));
        (void)snprintf(path, sizeof(path), "config/%s", name);
        int err = copy_file(copy, real, path, 0600);

        free(real);
        return err;
}

int mu_files_copy(const struct mu_backup_config *config, const char *store, const char *to,
                  struct mu_manifest *manifest, struct mu_backup_error *ret_error)
{
        struct copy copy = {
                .config = config,
                .manifest = manifest,
                .error = ret_error,
                .to = to,
                .name = "data",
                .pace = {.bytes_per_s = config->bandwidth_bytes_per_s},
        };

        if (store && stat(store, &copy.store) < 0)
                copy.store.st_ino = 0;
        if (stat(config->journal_directory, &copy.journal) < 0)
                copy.journal.st_ino = 0;
        find_earlier(&copy, store);
        int err = make_directory(&copy, "data", 0755);

        if (err == 0) {
                err = mu_tree_walk(config->data_directory, skip, copy_entry, &copy);
                if (err < 0 && ret_error->text[0] == '\0')
                        (void)mu_backup_fail(ret_error, err, "%s can't be read: %s",
                                             config->data_directory, strerror(-err));
        }
        if (err == 0)
                err = make_directory(&copy, "config", 0700);
        if (err == 0)
                err = copy_outside(&copy, config->configuration_file, "muster.conf");
        if (err == 0)
                err = copy_outside(&copy, config->tls_certificate, "certificate.pem");
        if (err == 0)
                err = copy_outside(&copy, config->tls_key, "key.pem");
        if (copy.earlier)
                mu_manifest_done(&copy.earlier_manifest);
        free(copy.earlier);
        return err;
}

/* ---- what others put there ---- */

static int add_entry(void *context, const struct mu_tree_entry *entry)
{
        struct copy *copy = context;
        char hex[MU_SHA256_HEX_BYTES];
        char *path = mu_tree_join(copy->name, entry->path);
        uint64_t bytes;
        int err = path ? 0 : -ENOMEM;

        if (err == 0 && entry->is_directory) {
                err = mu_manifest_add_directory(copy->manifest, path, 0700);
        } else if (err == 0 && entry->is_regular) {
                err = mu_tree_hash_file(entry->whole, &copy->pace, &bytes, hex);
                if (err == 0)
                        err = mu_manifest_add_file(copy->manifest, path, bytes, 0600, hex);
        } else if (err == 0) {
                err = -EMLINK; /* a tablespace elsewhere: none of ours */
        }
        free(path);
        return err;
}

int mu_files_add(const struct mu_backup_config *config, const char *to, const char *name,
                 struct mu_manifest *manifest, struct mu_backup_error *ret_error)
{
        struct copy copy = {.manifest = manifest,
                            .to = to,
                            .name = name,
                            .pace = {.bytes_per_s = config->bandwidth_bytes_per_s}};
        char *whole = mu_tree_join(to, name);
        int err = whole ? mu_manifest_add_directory(manifest, name, 0700) : -ENOMEM;

        if (err == 0)
                err = mu_tree_walk(whole, NULL, add_entry, &copy);
        free(whole);
        return err < 0 ? mu_backup_fail(ret_error, err, "%s/%s can't be read again: %s", to, name,
                                        strerror(-err))
                       : 0;
}
