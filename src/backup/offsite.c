/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offsite.c - a finished backup to a second place: a mounted directory, or another machine by
 * rsync.
 *
 * The manifest goes last, so that what was cut off does not count as a backup there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/files.h"
#include "backup/store.h"
#include "backup/tree.h"
#include "base/fs.h"

/* ---- a directory ---- */

struct copy {
        const char *to;
        const char *earlier; /* the newest there, to link to; NULL */
        const struct mu_manifest *earlier_manifest;
        const struct mu_manifest *manifest;
        struct mu_tree_pace pace;
        struct mu_backup_error *error;
};

static bool link_earlier(const struct copy *copy, const char *path, const char *to)
{
        const json_t *entry = json_object_get(copy->manifest->files, path);
        const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
        uint64_t bytes = (uint64_t)json_integer_value(json_object_get(entry, "bytes"));

        if (!copy->earlier || !sha256 ||
            !mu_manifest_has(copy->earlier_manifest, path, bytes, sha256))
                return false;
        char *before = mu_tree_join(copy->earlier, path);
        bool linked = before && link(before, to) == 0;

        free(before);
        return linked;
}

static int copy_one(void *context, const struct mu_tree_entry *entry)
{
        struct copy *copy = context;
        const json_t *known = json_object_get(copy->manifest->files, entry->path);
        const char *expected = json_string_value(json_object_get(known, "sha256"));
        char hex[MU_SHA256_HEX_BYTES] = "";
        char *to = mu_tree_join(copy->to, entry->path);
        uint64_t bytes;
        int err = to ? 0 : -ENOMEM;

        if (err == 0 && entry->is_directory)
                err = mkdir(to, 0700) < 0 ? -errno : 0;
        else if (err == 0 && !link_earlier(copy, entry->path, to))
                err = mu_tree_copy_file(entry->whole, to, 0600, &copy->pace, &bytes, hex);
        if (err == 0 && *hex && expected && strcmp(hex, expected) != 0)
                err = -EBADMSG;
        if (err < 0)
                (void)mu_backup_fail(
                        copy->error, err, "%s can't be copied to %s: %s", entry->whole, copy->to,
                        err == -EBADMSG ? "it is not what the manifest says" : strerror(-err));
        free(to);
        return err;
}

/* The earlier one there; NULL when there is none. */
static char *find_earlier(const char *offsite, struct mu_manifest *ret_manifest)
{
        struct mu_backup_error error;
        struct mu_backup_name newest;
        char *earlier =
                mu_store_newest(offsite, &newest) == 0 ? mu_tree_join(offsite, newest.name) : NULL;

        if (earlier && mu_manifest_read(earlier, ret_manifest, &error) < 0) {
                free(earlier);
                earlier = NULL;
        }
        return earlier;
}

static int copy_under(const struct mu_backup_config *config, const char *from, const char *partial,
                      struct mu_backup_error *error)
{
        struct mu_manifest manifest;
        struct mu_manifest earlier_manifest = {0};
        int err = mu_manifest_read(from, &manifest, error);

        if (err < 0)
                return err;
        char *earlier = find_earlier(config->offsite, &earlier_manifest);
        struct copy copy = {
                .to = partial,
                .earlier = earlier,
                .earlier_manifest = &earlier_manifest,
                .manifest = &manifest,
                .pace = {.bytes_per_s = config->bandwidth_bytes_per_s},
                .error = error,
        };

        if (mkdir(partial, 0700) < 0)
                err = mu_backup_fail(error, -errno, "%s can't be made: %s", partial,
                                     strerror(errno));
        if (err == 0)
                err = mu_tree_walk(from, NULL, copy_one, &copy);
        if (err == 0 && (err = mu_tree_sync(partial, false)) < 0)
                (void)mu_backup_fail(error, err, "%s can't be synced: %s", partial, strerror(-err));
        mu_manifest_done(&manifest);
        mu_manifest_done(&earlier_manifest);
        free(earlier);
        return err;
}

static int to_directory(const struct mu_backup_config *config, const char *from, const char *name,
                        int64_t now_s, struct mu_backup_error *error)
{
        char *partial = NULL;
        char *to = mu_tree_join(config->offsite, name);
        uint32_t removed;
        int fd = mu_store_open(config->offsite, error);
        int err = fd < 0 ? fd
                  : to && asprintf(&partial, "%s/.%s.partial", config->offsite, name) >= 0
                          ? mu_store_sweep(config->offsite)
                          : -ENOMEM;

        if (err == 0)
                err = copy_under(config, from, partial, error);
        if (err == 0 && (rename(partial, to) < 0 || mu_fs_sync_directory(config->offsite) < 0))
                err = mu_backup_fail(error, -errno, "%s can't be named: %s", to, strerror(errno));
        if (err == 0 && (err = mu_store_retain(config->offsite, config->keep, config->keep_days,
                                               now_s, NULL, NULL, &removed)) < 0)
                (void)mu_backup_fail(error, err, "older backups in %s can't be removed: %s",
                                     config->offsite, strerror(-err));
        if (fd >= 0)
                (void)close(fd);
        free(partial);
        free(to);
        return err;
}

/* ---- another machine ---- */

/* Without a prompt, and only to a machine whose key is known. HOME has none: the appliance's. */
static void remote_shell(const struct mu_backup_config *config, char *to, size_t room)
{
        bool has_key = *config->offsite_key != '\0';

        (void)snprintf(to, room, "ssh -o BatchMode=yes -o ConnectTimeout=30%s%s",
                       has_key ? " -o IdentitiesOnly=yes -i " : "", config->offsite_key);
}

static int rsync(const struct mu_backup_config *config, const char *from, const char *name,
                 bool manifest_only, struct mu_backup_error *error)
{
        char shell[PATH_MAX + 128];
        char rate[48];
        char target[2 * PATH_MAX];
        char source[PATH_MAX];
        const char *argv[] = {"rsync",
                              "--recursive",
                              "--perms",
                              "--times",
                              "--hard-links",
                              "--partial",
                              "--timeout=600",
                              rate,
                              "-e",
                              shell,
                              manifest_only ? "--include=/" MU_MANIFEST_FILE "*"
                                            : "--exclude=/" MU_MANIFEST_FILE "*",
                              manifest_only ? "--exclude=*" : "--include=*",
                              source,
                              target,
                              NULL};

        remote_shell(config, shell, sizeof(shell));
        (void)snprintf(rate, sizeof(rate), "--bwlimit=%llu",
                       (unsigned long long)(config->bandwidth_bytes_per_s / 1024));
        (void)snprintf(source, sizeof(source), "%s/", from);
        (void)snprintf(target, sizeof(target), "%s/%s/", config->offsite, name);
        return mu_process_run_one(argv, NULL, error);
}

static int to_machine(const struct mu_backup_config *config, const char *from, const char *name,
                      struct mu_backup_error *error)
{
        if (!mu_process_exists("rsync"))
                return mu_backup_fail(error, -ENOENT,
                                      "backup.offsite names another machine, and there is no rsync "
                                      "here: apt-get install rsync openssh-client");
        int err = rsync(config, from, name, false, error);

        return err < 0 ? err : rsync(config, from, name, true, error);
}

int mu_offsite_copy(const struct mu_backup_config *config, const char *directory, const char *name,
                    int64_t now_s, struct mu_backup_error *ret_error)
{
        return *config->offsite == '/' ? to_directory(config, directory, name, now_s, ret_error)
                                       : to_machine(config, directory, name, ret_error);
}
