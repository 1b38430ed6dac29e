/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "base/clock.h"
#include "base/fs.h"

void mu_archive_manifest_free(struct mu_archive_manifest *manifest)
{
        if (!manifest)
                return;
        free(manifest->columns);
        free(manifest->parts);
        free(manifest);
}

void mu_archive_manifest_sum(struct mu_archive_manifest *manifest)
{
        manifest->rows = manifest->plain_bytes = manifest->stored_bytes = 0;
        manifest->least_us = manifest->most_us = 0;
        for (uint32_t i = 0; i < manifest->part_count; i++) {
                const struct mu_archive_part *part = &manifest->parts[i];

                manifest->rows += part->rows;
                manifest->plain_bytes += part->plain_bytes;
                manifest->stored_bytes += part->stored_bytes;
                if (i == 0 || part->least_us < manifest->least_us)
                        manifest->least_us = part->least_us;
                if (i == 0 || part->most_us > manifest->most_us)
                        manifest->most_us = part->most_us;
        }
}

int mu_archive_manifest_column(const struct mu_archive_manifest *manifest, const char *name)
{
        for (uint32_t i = 0; i < manifest->column_count; i++)
                if (strcmp(manifest->columns[i].name, name) == 0)
                        return (int)i;
        return -1;
}

/* Writing ---------------------------------------------------------------------------------------
 */

static void add_name(struct mu_text *text, const char *before, const char *name)
{
        mu_text_add(text, before);
        mu_text_add_json(text, name, strlen(name));
}

static void add_hash(struct mu_text *text, const char *before,
                     const uint8_t sha256[MU_SHA256_BYTES])
{
        char digits[2 * MU_SHA256_BYTES + 1];

        mu_text_hex(sha256, MU_SHA256_BYTES, digits);
        mu_text_add_format(text, "%s\"%s\"", before, digits);
}

static void add_created_at(struct mu_text *text, int64_t created_at_us)
{
        int64_t at_s = created_at_us / MU_US_PER_S;
        int64_t of_day_s = at_s % MU_S_PER_DAY;
        char date[MU_ARCHIVE_DATE_BYTES];

        mu_archive_date(at_s / MU_S_PER_DAY, date);
        mu_text_add_format(text, ",\n  \"created_at\": \"%sT%02d:%02d:%02dZ\"", date,
                           (int)(of_day_s / 3600), (int)(of_day_s / 60 % 60), (int)(of_day_s % 60));
}

static void add_columns(struct mu_text *text, const struct mu_archive_manifest *manifest)
{
        mu_text_add(text, ",\n  \"columns\": [");
        for (uint32_t i = 0; i < manifest->column_count; i++) {
                const struct mu_archive_column *column = &manifest->columns[i];

                add_name(text, i ? ",\n    {\"name\": " : "\n    {\"name\": ", column->name);
                add_name(text, ", \"type\": ", column->type);
                mu_text_add_format(text, ", \"not_null\": %s}",
                                   column->not_null ? "true" : "false");
        }
        mu_text_add(text, "\n  ]");
}

static void add_totals(struct mu_text *text, const struct mu_archive_manifest *manifest)
{
        mu_text_add_format(text,
                           ",\n  \"rows\": %" PRId64 ",\n  \"plain_bytes\": %" PRId64
                           ",\n  \"stored_bytes\": %" PRId64 ",\n  \"least_us\": %" PRId64
                           ",\n  \"most_us\": %" PRId64,
                           manifest->rows, manifest->plain_bytes, manifest->stored_bytes,
                           manifest->least_us, manifest->most_us);
}

static void add_parts(struct mu_text *text, const struct mu_archive_manifest *manifest)
{
        char name[MU_ARCHIVE_FILE_BYTES];

        mu_text_add(text, ",\n  \"parts\": [");
        for (uint32_t i = 0; i < manifest->part_count; i++) {
                const struct mu_archive_part *part = &manifest->parts[i];

                mu_archive_part_name(i, name);
                mu_text_add_format(text,
                                   "%s\n    {\"file\": \"%s\", \"rows\": %" PRId64
                                   ", \"plain_bytes\": %" PRId64 ", \"stored_bytes\": %" PRId64
                                   ",\n     \"least_us\": %" PRId64 ", \"most_us\": %" PRId64,
                                   i ? "," : "", name, part->rows, part->plain_bytes,
                                   part->stored_bytes, part->least_us, part->most_us);
                add_hash(text, ",\n     \"plain_sha256\": ", part->plain_sha256);
                add_hash(text, ",\n     \"stored_sha256\": ", part->stored_sha256);
                mu_text_add(text, "}");
        }
        mu_text_add(text, manifest->part_count ? "\n  ]" : "]");
}

void mu_archive_manifest_encode(const struct mu_archive_manifest *manifest, struct mu_text *text)
{
        size_t start = text->bytes;
        char date[MU_ARCHIVE_DATE_BYTES];
        uint8_t sha256[MU_SHA256_BYTES];

        mu_text_add_format(text, "{\n  \"format\": \"muster-archive\",\n  \"format_version\": %d",
                           MU_ARCHIVE_FORMAT_VERSION);
        add_name(text, ",\n  \"parent\": ", manifest->parent);
        mu_archive_date(manifest->day, date);
        mu_text_add_format(text, ",\n  \"day\": \"%s\",\n  \"sequence\": %" PRIu32, date,
                           manifest->sequence);
        if (manifest->sequence > 1) {
                mu_archive_date(manifest->previous_day, date);
                mu_text_add_format(text, ",\n  \"previous\": {\"day\": \"%s\"", date);
                add_hash(text, ", \"manifest_sha256\": ", manifest->previous_sha256);
                mu_text_add(text, "}");
        } else {
                mu_text_add(text, ",\n  \"previous\": null");
        }
        add_created_at(text, manifest->created_at_us);
        add_name(text, ",\n  \"written_by\": ", manifest->written_by);
        add_name(text, ",\n  \"column\": ", manifest->column);
        add_columns(text, manifest);
        add_totals(text, manifest);
        add_parts(text, manifest);
        if (mu_text_status(text) < 0)
                return;
        SHA256((const uint8_t *)text->data + start, text->bytes - start, sha256);
        add_hash(text, ",\n  \"sha256\": ", sha256);
        mu_text_add(text, "\n}\n");
}

/* Reading a directory's ---------------------------------------------------------------------------
 */

int mu_archive_manifest_read(const char *directory, struct mu_archive_manifest **ret_manifest,
                             uint8_t ret_sha256[MU_SHA256_BYTES],
                             char ret_detail[MU_ARCHIVE_DETAIL_BYTES])
{
        char *path = NULL;
        char *text = NULL;
        size_t bytes;

        if (asprintf(&path, "%s/" MU_ARCHIVE_MANIFEST, directory) < 0)
                return -ENOMEM;
        int err = mu_fs_read_file(path, MU_ARCHIVE_MANIFEST_BYTES_MAX, &text, &bytes);

        free(path);
        if (err) {
                snprintf(ret_detail, MU_ARCHIVE_DETAIL_BYTES, "%s",
                         err == -ENOENT ? "is missing" : strerror(-err));
                return err;
        }
        uint8_t sha256[MU_SHA256_BYTES];

        SHA256((const uint8_t *)text, bytes, sha256);
        err = mu_archive_manifest_decode(text, bytes, ret_manifest, ret_detail);
        free(text);
        if (!err)
                memcpy(ret_sha256, sha256, sizeof(sha256));
        return err;
}
