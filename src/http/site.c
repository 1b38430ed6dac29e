/* SPDX-License-Identifier: Apache-2.0 */
#include "http/site.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/text.h"

enum {
        MANIFEST_BYTES_MAX = 4 * 1024 * 1024,
        TYPE_BYTES_MAX = 128,
        ETAG_DIGITS = MU_SITE_ETAG_BYTES - 3,
        SHA256_DIGITS = 2 * SHA256_DIGEST_LENGTH,
};

struct mu_site {
        _Atomic uint32_t references;
        uint32_t file_count;
        uint64_t bytes;
        struct mu_site_file *files; /* by path */
        json_t *manifest;           /* whose strings the files use */
};

static const char *const suffixes[MU_SITE_FORMS] = {
        [MU_SITE_PLAIN] = "", [MU_SITE_GZIP] = ".gz", [MU_SITE_BROTLI] = ".br"};

/* ---- reading the folder ---- */

struct reader {
        const char *directory;
        char *error;
        struct mu_site *site;
};

static int refuse(const struct reader *reader, int code, const char *path, const char *why)
{
        (void)snprintf(reader->error, MU_SITE_ERROR_BYTES, "%.300s%.128s %s.", reader->directory,
                       path, why);
        return code;
}

static bool is_path_byte(char byte)
{
        return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
               (byte >= '0' && byte <= '9') || strchr("._-/", byte);
}

/* "/a/b.c": whatever the manifest says, nothing outside the folder is read, nor hidden files. */
static bool is_sound_path(const char *path)
{
        size_t bytes = strlen(path);

        if (bytes < 2 || bytes > MU_SITE_PATH_BYTES_MAX || path[0] != '/' ||
            path[bytes - 1] == '/' || strstr(path, "//") || strstr(path, "/."))
                return false;
        for (size_t i = 0; i < bytes; i++) {
                if (!is_path_byte(path[i]))
                        return false;
        }
        return true;
}

/* It becomes a header. */
static bool is_sound_type(const char *type)
{
        size_t bytes = strlen(type);

        for (size_t i = 0; i < bytes; i++) {
                if (type[i] < ' ' || type[i] > '~')
                        return false;
        }
        return bytes > 0 && bytes <= TYPE_BYTES_MAX && strchr(type, '/');
}

static int read_form(const struct reader *reader, const char *path, enum mu_site_form form,
                     json_t *entry, struct mu_site_body *body)
{
        char whole[PATH_MAX];
        char digits[SHA256_DIGITS + 1];
        uint8_t hash[SHA256_DIGEST_LENGTH];
        const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
        json_int_t bytes = json_integer_value(json_object_get(entry, "bytes"));

        if (!sha256 || !json_is_integer(json_object_get(entry, "bytes")) || bytes < 0)
                return refuse(reader, -EINVAL, path, "has no size or hash in manifest.json");
        reader->site->bytes += (uint64_t)bytes;
        if (bytes > MU_SITE_BYTES_MAX || reader->site->bytes > MU_SITE_BYTES_MAX)
                return refuse(reader, -EFBIG, path, "is too much: all files have 64 MiB together");
        if ((size_t)snprintf(whole, sizeof(whole), "%s%s%s", reader->directory, path,
                             suffixes[form]) >= sizeof(whole))
                return refuse(reader, -ENAMETOOLONG, path, "is too long a path");
        int code = mu_fs_read_file(whole, (size_t)bytes, &body->bytes, &body->size);

        if (code < 0 && code != -EFBIG)
                return refuse(reader, code, path, strerror(-code));
        if (code == 0)
                SHA256((const uint8_t *)body->bytes, body->size, hash);
        if (code == 0)
                mu_text_hex(hash, sizeof(hash), digits);
        if (code < 0 || body->size != (size_t)bytes || strcmp(digits, sha256) != 0)
                return refuse(reader, -EINVAL, path,
                              "is not the file that manifest.json describes: build it anew");
        (void)snprintf(body->etag, sizeof(body->etag), "\"%.*s\"", (int)ETAG_DIGITS, digits);
        return 0;
}

static int read_entry(const struct reader *reader, json_t *entry, struct mu_site_file *file)
{
        json_t *compressed[MU_SITE_FORMS] = {
                [MU_SITE_GZIP] = json_object_get(entry, "gzip"),
                [MU_SITE_BROTLI] = json_object_get(entry, "br"),
        };

        file->path = json_string_value(json_object_get(entry, "path"));
        file->type = json_string_value(json_object_get(entry, "type"));
        file->immutable = json_is_true(json_object_get(entry, "immutable"));
        if (!file->path || !is_sound_path(file->path))
                return refuse(reader, -EINVAL, "/manifest.json", "has an entry without a path");
        if (!file->type || !is_sound_type(file->type))
                return refuse(reader, -EINVAL, file->path, "has no type in manifest.json");
        file->path_bytes = strlen(file->path);
        int code = read_form(reader, file->path, MU_SITE_PLAIN, entry, &file->forms[MU_SITE_PLAIN]);

        for (int form = MU_SITE_GZIP; code == 0 && form < MU_SITE_FORMS; form++) {
                if (compressed[form])
                        code = read_form(reader, file->path, (enum mu_site_form)form,
                                         compressed[form], &file->forms[form]);
        }
        return code;
}

static int compare_paths(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
        int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

        return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_files(const void *a, const void *b)
{
        const struct mu_site_file *left = a, *right = b;

        return compare_paths(left->path, left->path_bytes, right->path, right->path_bytes);
}

static int read_files(const struct reader *reader, json_t *files)
{
        struct mu_site *site = reader->site;
        size_t count = json_array_size(files);
        int code = 0;

        if (count == 0 || count > MU_SITE_FILES_MAX)
                return refuse(reader, -EINVAL, "/manifest.json", "names no files, or too many");
        site->files = calloc(count, sizeof(*site->files));
        if (!site->files)
                return refuse(reader, -ENOMEM, "", "does not fit into memory");
        for (size_t i = 0; code == 0 && i < count; i++) {
                site->file_count++;
                code = read_entry(reader, json_array_get(files, i), &site->files[i]);
        }
        if (code < 0)
                return code;
        qsort(site->files, count, sizeof(*site->files), compare_files);
        for (size_t i = 1; i < count; i++) {
                if (compare_files(&site->files[i - 1], &site->files[i]) == 0)
                        return refuse(reader, -EINVAL, site->files[i].path,
                                      "is in manifest.json twice");
        }
        return 0;
}

static int read_manifest(const struct reader *reader)
{
        char path[PATH_MAX];
        char *text;
        size_t bytes;

        if ((size_t)snprintf(path, sizeof(path), "%s/manifest.json", reader->directory) >=
            sizeof(path))
                return refuse(reader, -ENAMETOOLONG, "", "is too long a path");
        int code = mu_fs_read_file(path, MANIFEST_BYTES_MAX, &text, &bytes);

        if (code < 0)
                return refuse(reader, code, "/manifest.json", strerror(-code));
        json_t *manifest = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);

        free(text);
        reader->site->manifest = manifest;
        if (json_integer_value(json_object_get(manifest, "format")) != 1)
                return refuse(reader, -EINVAL, "/manifest.json",
                              "is not a list of files in a format known here");
        return read_files(reader, json_object_get(manifest, "files"));
}

int mu_site_open(const char *directory, struct mu_site **ret_site, char *error)
{
        struct reader reader = {
                .directory = directory, .error = error, .site = calloc(1, sizeof(struct mu_site))};

        if (!reader.site)
                return refuse(&reader, -ENOMEM, "", "does not fit into memory");
        atomic_init(&reader.site->references, 1);
        int code = read_manifest(&reader);

        if (code < 0)
                mu_site_unref(reader.site);
        else
                *ret_site = reader.site;
        return code;
}

struct mu_site *mu_site_ref(struct mu_site *site)
{
        atomic_fetch_add_explicit(&site->references, 1, memory_order_relaxed);
        return site;
}

void mu_site_unref(struct mu_site *site)
{
        /* Release what this thread read, acquire what others did: the last one frees. */
        if (!site || atomic_fetch_sub_explicit(&site->references, 1, memory_order_acq_rel) > 1)
                return;
        for (uint32_t i = 0; i < site->file_count; i++) {
                for (int form = 0; form < MU_SITE_FORMS; form++)
                        free(site->files[i].forms[form].bytes);
        }
        json_decref(site->manifest);
        free(site->files);
        free(site);
}

/* ---- asking ---- */

uint32_t mu_site_file_count(const struct mu_site *site)
{
        return site->file_count;
}

uint64_t mu_site_bytes(const struct mu_site *site)
{
        return site->bytes;
}

const struct mu_site_file *mu_site_find(const struct mu_site *site, const char *path, size_t bytes)
{
        const struct mu_site_file wanted = {.path = path, .path_bytes = bytes};

        return bsearch(&wanted, site->files, site->file_count, sizeof(*site->files), compare_files);
}

const char *mu_site_form_name(enum mu_site_form form)
{
        static const char *const names[MU_SITE_FORMS] = {
                [MU_SITE_GZIP] = "gzip", [MU_SITE_BROTLI] = "br"};

        MU_ASSERT(form < MU_SITE_FORMS);
        return names[form];
}

/* ---- what the client wants ---- */

enum {
        QUALITY_MAX = 1000, /* "1.000" */
        UNSAID = -1,
};

static struct mu_slice trim(struct mu_slice text)
{
        while (text.bytes > 0 && (*text.data == ' ' || *text.data == '\t')) {
                text.data++;
                text.bytes--;
        }
        while (text.bytes > 0 &&
               (text.data[text.bytes - 1] == ' ' || text.data[text.bytes - 1] == '\t'))
                text.bytes--;
        return text;
}

/* What stands before the next separator, trimmed; rest is what follows it. */
static struct mu_slice cut(struct mu_slice *rest, char separator)
{
        const char *end = memchr(rest->data, separator, rest->bytes);
        size_t bytes = end ? (size_t)(end - rest->data) : rest->bytes;
        struct mu_slice piece = {rest->data, bytes};

        rest->data += bytes + (end ? 1 : 0);
        rest->bytes -= bytes + (end ? 1 : 0);
        return trim(piece);
}

static bool is_word(struct mu_slice text, const char *word)
{
        return text.bytes == strlen(word) && strncasecmp(text.data, word, text.bytes) == 0;
}

/* "q=0.25" in thousandths; UNSAID where it is not one. */
static int quality_of(struct mu_slice parameter)
{
        int quality = 0;
        int weight = QUALITY_MAX;

        if (parameter.bytes < 3 || parameter.bytes > 7 || (parameter.data[0] | 0x20) != 'q' ||
            parameter.data[1] != '=')
                return UNSAID;
        for (size_t i = 2; i < parameter.bytes; i++) {
                char byte = parameter.data[i];

                if (i == 3 && byte == '.')
                        continue;
                if (byte < '0' || byte > '9' || i == 3)
                        return UNSAID;
                quality += (byte - '0') * weight;
                weight /= 10;
        }
        return quality <= QUALITY_MAX ? quality : UNSAID;
}

struct wishes {
        int quality[MU_SITE_FORMS]; /* UNSAID, or 0..QUALITY_MAX */
        int others;                 /* "*" */
};

static void note_wish(struct wishes *wishes, struct mu_slice item)
{
        struct mu_slice name = cut(&item, ';');
        int quality = item.bytes == 0 ? QUALITY_MAX : quality_of(trim(item));

        if (quality == UNSAID)
                return;
        if (is_word(name, "*"))
                wishes->others = quality;
        else if (is_word(name, "identity"))
                wishes->quality[MU_SITE_PLAIN] = quality;
        else if (is_word(name, "gzip") || is_word(name, "x-gzip"))
                wishes->quality[MU_SITE_GZIP] = quality;
        else if (is_word(name, "br"))
                wishes->quality[MU_SITE_BROTLI] = quality;
}

enum mu_site_form mu_site_choose(const struct mu_site_file *file, struct mu_slice accept_encoding)
{
        struct wishes wishes = {.quality = {UNSAID, UNSAID, UNSAID}, .others = UNSAID};
        enum mu_site_form best = MU_SITE_PLAIN;
        int best_quality = 0;

        while (accept_encoding.data && accept_encoding.bytes > 0)
                note_wish(&wishes, cut(&accept_encoding, ','));
        for (int form = MU_SITE_PLAIN; form < MU_SITE_FORMS; form++) {
                int quality = wishes.quality[form] != UNSAID ? wishes.quality[form] : wishes.others;

                if (file->forms[form].bytes && quality > 0 && quality >= best_quality) {
                        best = (enum mu_site_form)form;
                        best_quality = quality;
                }
        }
        return best;
}

static bool is_among(struct mu_slice list, const char *etag, bool weakly)
{
        while (list.data && list.bytes > 0) {
                struct mu_slice tag = cut(&list, ',');

                if (is_word(tag, "*"))
                        return true;
                if (weakly && tag.bytes > 2 && memcmp(tag.data, "W/", 2) == 0) {
                        tag.data += 2;
                        tag.bytes -= 2;
                }
                if (tag.bytes == strlen(etag) && memcmp(tag.data, etag, tag.bytes) == 0)
                        return true;
        }
        return false;
}

bool mu_etag_is_among(struct mu_slice if_none_match, const char *etag)
{
        return is_among(if_none_match, etag, true);
}

bool mu_etag_is_strongly_among(struct mu_slice if_match, const char *etag)
{
        return is_among(if_match, etag, false);
}
