/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <ftw.h>
#include <openssl/sha.h>

#include "base/fs.h"
#include "base/text.h"

void folder_make(struct folder *folder)
{
        (void)snprintf(folder->path, sizeof(folder->path), "/tmp/muster-site-XXXXXX");
        assert_non_null(mkdtemp(folder->path));
        folder->files = json_array();
        assert_non_null(folder->files);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
        (void)status;
        (void)kind;
        (void)place;
        return remove(path);
}

void folder_remove(struct folder *folder)
{
        assert_int_equal(nftw(folder->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
        json_decref(folder->files);
        folder->files = NULL;
}

void folder_write(const struct folder *folder, const char *name, const void *bytes, size_t size)
{
        char path[PATH_MAX];

        assert_true((size_t)snprintf(path, sizeof(path), "%s%s", folder->path, name) <
                    sizeof(path));
        char *slash = strrchr(path, '/');

        *slash = '\0';
        assert_int_equal(mu_fs_make_directories(path, 0755), 0);
        *slash = '/';
        assert_int_equal(mu_fs_write_file(path, bytes, size, 0644), 0);
}

static void describe(json_t *entry, const void *bytes, size_t size)
{
        uint8_t hash[SHA256_DIGEST_LENGTH];
        char digits[2 * SHA256_DIGEST_LENGTH + 1];

        SHA256(bytes, size, hash);
        mu_text_hex(hash, sizeof(hash), digits);
        assert_int_equal(json_object_set_new(entry, "bytes", json_integer((json_int_t)size)), 0);
        assert_int_equal(json_object_set_new(entry, "sha256", json_string(digits)), 0);
}

json_t *folder_put(struct folder *folder, const char *name, const char *type, bool immutable,
                   const void *bytes, size_t size)
{
        json_t *entry =
                json_pack("{s:s, s:s, s:b}", "path", name, "type", type, "immutable", immutable);

        assert_non_null(entry);
        folder_write(folder, name, bytes, size);
        describe(entry, bytes, size);
        assert_int_equal(json_array_append_new(folder->files, entry), 0);
        return entry;
}

void folder_put_form(struct folder *folder, json_t *entry, const char *form, const void *bytes,
                     size_t size)
{
        char name[PATH_MAX];
        json_t *described = json_object();

        (void)snprintf(name, sizeof(name), "%s%s",
                       json_string_value(json_object_get(entry, "path")),
                       strcmp(form, "gzip") == 0 ? ".gz" : ".br");
        folder_write(folder, name, bytes, size);
        describe(described, bytes, size);
        assert_int_equal(json_object_set_new(entry, form, described), 0);
}

void folder_finish(const struct folder *folder)
{
        json_t *manifest = json_pack("{s:i, s:O}", "format", 1, "files", folder->files);
        char *text = json_dumps(manifest, 0);

        assert_non_null(text);
        folder_write(folder, "/manifest.json", text, strlen(text));
        free(text);
        json_decref(manifest);
}
