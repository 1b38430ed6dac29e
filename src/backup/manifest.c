/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/manifest.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/tree.h"
#include "base/fs.h"
#include "base/text.h"

int mu_manifest_init(struct mu_manifest *manifest)
{
        json_t *root = json_object();
        json_t *files = json_object();
        json_t *directories = json_object();

        if (json_object_set(root, "files", files) < 0 ||
            json_object_set(root, "directories", directories) < 0) {
                json_decref(root);
                json_decref(files);
                json_decref(directories);
                return -ENOMEM;
        }
        json_decref(files);
        json_decref(directories);
        *manifest = (struct mu_manifest){.root = root, .files = files, .directories = directories};
        return 0;
}

void mu_manifest_done(struct mu_manifest *manifest)
{
        json_decref(manifest->root);
        *manifest = (struct mu_manifest){0};
}

int mu_manifest_add_file(struct mu_manifest *manifest, const char *path, uint64_t bytes,
                         mode_t mode, const char *sha256)
{
        json_t *entry = json_pack("{s:I, s:s, s:i}", "bytes", (json_int_t)bytes, "sha256", sha256,
                                  "mode", (int)(mode & 07777));

        /* A name that is no UTF-8 is refused here, by jansson: our folders have none. */
        if (!entry || json_object_set_new(manifest->files, path, entry) < 0)
                return -EILSEQ;
        manifest->bytes += bytes;
        manifest->file_count++;
        return 0;
}

int mu_manifest_add_directory(struct mu_manifest *manifest, const char *path, mode_t mode)
{
        json_t *value = json_integer((json_int_t)(mode & 07777));

        return json_object_set_new(manifest->directories, path, value) < 0 ? -EILSEQ : 0;
}

bool mu_manifest_has(const struct mu_manifest *manifest, const char *path, uint64_t bytes,
                     const char *sha256)
{
        const json_t *entry = json_object_get(manifest->files, path);
        const char *digest = json_string_value(json_object_get(entry, "sha256"));

        return digest && strcmp(digest, sha256) == 0 &&
               json_integer_value(json_object_get(entry, "bytes")) == (json_int_t)bytes;
}

const char *mu_manifest_text(const struct mu_manifest *manifest, const char *member)
{
        const char *text = json_string_value(json_object_get(manifest->root, member));

        return text ? text : "";
}

static void digest_of(const char *text, size_t bytes, char hex[MU_SHA256_HEX_BYTES])
{
        uint8_t sha256[SHA256_DIGEST_LENGTH];

        SHA256((const uint8_t *)text, bytes, sha256);
        mu_text_hex(sha256, sizeof(sha256), hex);
}

static int write_in(const char *directory, const char *name, const char *text, size_t bytes,
                    struct mu_backup_error *error)
{
        char *path = mu_tree_join(directory, name);
        int err = path ? mu_fs_write_file(path, text, bytes, 0600) : -ENOMEM;

        free(path);
        return err < 0 ? mu_backup_fail(error, err, "%s/%s can't be written: %s", directory, name,
                                        strerror(-err))
                       : 0;
}

int mu_manifest_write(struct mu_manifest *manifest, const char *directory,
                      struct mu_backup_error *ret_error)
{
        char hex[MU_SHA256_HEX_BYTES];
        char line[128];
        char *text = NULL;

        if (json_object_set_new(manifest->root, "format", json_string(MU_MANIFEST_FORMAT)) == 0 &&
            json_object_set_new(manifest->root, "version", json_integer(MU_MANIFEST_VERSION)) ==
                    0 &&
            json_object_set_new(manifest->root, "bytes",
                                json_integer((json_int_t)manifest->bytes)) == 0)
                text = json_dumps(manifest->root, JSON_INDENT(1));
        if (!text)
                return mu_backup_fail(ret_error, -ENOMEM, "there is no memory for the manifest");
        size_t bytes = strlen(text);

        digest_of(text, bytes, hex);
        int line_bytes = snprintf(line, sizeof(line), "%s  " MU_MANIFEST_FILE "\n", hex);
        int err = write_in(directory, MU_MANIFEST_FILE, text, bytes, ret_error);

        if (err == 0)
                err = write_in(directory, MU_MANIFEST_SUM, line, (size_t)line_bytes, ret_error);
        free(text);
        return err;
}

/* ---- reading ---- */

static int read_in(const char *directory, const char *name, size_t bytes_max, char **ret_text,
                   size_t *ret_bytes, struct mu_backup_error *error)
{
        char *path = mu_tree_join(directory, name);
        int err = path ? mu_fs_read_file(path, bytes_max, ret_text, ret_bytes) : -ENOMEM;

        free(path);
        if (err == -ENOENT)
                return mu_backup_fail(error, err, "%s holds no whole backup: there is no %s in it",
                                      directory, name);
        return err < 0 ? mu_backup_fail(error, err, "%s/%s can't be read: %s", directory, name,
                                        strerror(-err))
                       : 0;
}

/* Relative, and without a step up. */
static bool path_is_safe(const char *path)
{
        if (*path == '/' || *path == '\0')
                return false;
        while (*path) {
                size_t chars = strcspn(path, "/");

                if (chars == 0 || (chars == 1 && path[0] == '.') ||
                    (chars == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                path += chars;
                if (*path == '/' && *++path == '\0')
                        return false;
        }
        return true;
}

static bool entries_are_sound(struct mu_manifest *manifest)
{
        const char *path;
        json_t *entry;

        json_object_foreach(manifest->directories, path, entry)
        {
                if (!path_is_safe(path) || !json_is_integer(entry))
                        return false;
        }
        json_object_foreach(manifest->files, path, entry)
        {
                const char *sha256 = json_string_value(json_object_get(entry, "sha256"));

                if (!path_is_safe(path) || !sha256 || strlen(sha256) != MU_SHA256_HEX_BYTES - 1 ||
                    !json_is_integer(json_object_get(entry, "bytes")) ||
                    !json_is_integer(json_object_get(entry, "mode")))
                        return false;
                manifest->bytes += (uint64_t)json_integer_value(json_object_get(entry, "bytes"));
                manifest->file_count++;
        }
        return true;
}

static int parse(const char *directory, const char *text, size_t bytes,
                 struct mu_manifest *ret_manifest, struct mu_backup_error *error)
{
        struct mu_manifest manifest = {
                .root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL)};
        const char *format = mu_manifest_text(&manifest, "format");
        json_int_t version = json_integer_value(json_object_get(manifest.root, "version"));
        int err = 0;

        manifest.files = json_object_get(manifest.root, "files");
        manifest.directories = json_object_get(manifest.root, "directories");
        if (strcmp(format, MU_MANIFEST_FORMAT) != 0)
                err = mu_backup_fail(error, -EBADMSG,
                                     "%s/" MU_MANIFEST_FILE " is not the manifest of a backup",
                                     directory);
        else if (version != MU_MANIFEST_VERSION)
                err = mu_backup_fail(error, -EBADMSG,
                                     "%s was made by a newer Muster (format %lld): restore it with "
                                     "that version",
                                     directory, (long long)version);
        else if (!json_is_object(manifest.files) || !json_is_object(manifest.directories) ||
                 !entries_are_sound(&manifest))
                err = mu_backup_fail(error, -EBADMSG,
                                     "%s/" MU_MANIFEST_FILE " lists what no backup holds",
                                     directory);
        if (err < 0)
                mu_manifest_done(&manifest);
        else
                *ret_manifest = manifest;
        return err;
}

int mu_manifest_read(const char *directory, struct mu_manifest *ret_manifest,
                     struct mu_backup_error *ret_error)
{
        char hex[MU_SHA256_HEX_BYTES];
        char *text = NULL;
        char *sum = NULL;
        size_t bytes = 0;
        int err = read_in(directory, MU_MANIFEST_FILE, MU_MANIFEST_BYTES_MAX, &text, &bytes,
                          ret_error);

        if (err == 0)
                err = read_in(directory, MU_MANIFEST_SUM, 4096, &sum, NULL, ret_error);
        if (err == 0) {
                digest_of(text, bytes, hex);
                if (strncmp(sum, hex, strlen(hex)) != 0 ||
                    strcmp(sum + strlen(hex), "  " MU_MANIFEST_FILE "\n") != 0)
                        err = mu_backup_fail(ret_error, -EBADMSG,
                                             "%s/" MU_MANIFEST_FILE
                                             " is damaged: its checksum is another one than "
                                             "in " MU_MANIFEST_SUM,
                                             directory);
        }
        if (err == 0)
                err = parse(directory, text, bytes, ret_manifest, ret_error);
        free(text);
        free(sum);
        return err;
}

/* ---- verifying ---- */

static int verify_file(const char *directory, const char *path, const json_t *entry,
                       struct mu_backup_error *error)
{
        const char *expected = json_string_value(json_object_get(entry, "sha256"));
        char *whole = mu_tree_join(directory, path);
        char hex[MU_SHA256_HEX_BYTES];
        uint64_t bytes = 0;
        int err = whole ? mu_tree_hash_file(whole, NULL, &bytes, hex) : -ENOMEM;

        free(whole);
        if (err == -ENOENT)
                return mu_backup_fail(error, -EBADMSG, "%s is missing in %s", path, directory);
        if (err < 0)
                return mu_backup_fail(error, err, "%s in %s can't be read: %s", path, directory,
                                      strerror(-err));
        if (strcmp(hex, expected) == 0)
                return 0;
        return mu_backup_fail(error, -EBADMSG,
                              "%s in %s is damaged: it is not what was backed up (SHA-256 %.16s… "
                              "instead of %.16s…)",
                              path, directory, hex, expected);
}

struct strangers {
        const struct mu_manifest *manifest;
        char found[512];
};

static int look_for_stranger(void *context, const struct mu_tree_entry *entry)
{
        struct strangers *strangers = context;
        const struct mu_manifest *manifest = strangers->manifest;
        const json_t *listed = json_object_get(
                entry->is_directory ? manifest->directories : manifest->files, entry->path);
        bool known =
                listed || (!entry->is_directory && (strcmp(entry->path, MU_MANIFEST_FILE) == 0 ||
                                                    strcmp(entry->path, MU_MANIFEST_SUM) == 0));

        if (known)
                return 0;
        (void)snprintf(strangers->found, sizeof(strangers->found), "%s", entry->path);
        return -EBADMSG;
}

int mu_manifest_verify(const struct mu_manifest *manifest, const char *directory,
                       struct mu_backup_error *ret_error)
{
        struct strangers strangers = {.manifest = manifest};
        const char *path;
        json_t *entry;

        json_object_foreach(manifest->files, path, entry)
        {
                int err = verify_file(directory, path, entry, ret_error);

                if (err < 0)
                        return err;
        }
        int err = mu_tree_walk(directory, NULL, look_for_stranger, &strangers);

        if (err == -EBADMSG && strangers.found[0])
                return mu_backup_fail(ret_error, err, "%s in %s is none of the backup's files",
                                      strangers.found, directory);
        return err < 0 ? mu_backup_fail(ret_error, err, "%s can't be read: %s", directory,
                                        strerror(-err))
                       : 0;
}
