/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest may come from anybody. Each member is read with its type and bounds; what does not
 * fit ends it. At last it is written anew and compared: order, spaces, members nobody knows and
 * the hash need no rules of their own.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "archive/manifest.h"
#include "base/clock.h"

struct reading {
        struct mu_archive_manifest *manifest;
        char *detail;
};

static bool refuse(struct reading *reading, const char *format, ...) MU_PRINTF(2, 3);
static bool refuse(struct reading *reading, const char *format, ...)
{
        va_list list;

        va_start(list, format);
        (void)vsnprintf(reading->detail, MU_ARCHIVE_DETAIL_BYTES, format, list);
        va_end(list);
        return false;
}

/* Not empty, shorter than room, printable ASCII. */
static bool read_text(struct reading *reading, const json_t *object, const char *name, char *ret,
                      size_t room)
{
        const json_t *value = json_object_get(object, name);
        size_t bytes = json_string_length(value);
        const char *text = json_string_value(value);

        if (!text || bytes == 0 || bytes >= room)
                return refuse(reading, "has no fitting text \"%s\"", name);
        for (size_t i = 0; i < bytes; i++)
                if (text[i] < ' ' || text[i] > '~')
                        return refuse(reading, "has no fitting text \"%s\"", name);
        memcpy(ret, text, bytes + 1);
        return true;
}

static bool read_number(struct reading *reading, const json_t *object, const char *name,
                        int64_t least, int64_t most, int64_t *ret)
{
        const json_t *value = json_object_get(object, name);
        int64_t number = json_integer_value(value);

        if (!json_is_integer(value) || number < least || number > most)
                return refuse(reading, "has no fitting number \"%s\"", name);
        *ret = number;
        return true;
}

static bool read_day(struct reading *reading, const json_t *object, const char *name, int64_t *ret)
{
        const char *text = json_string_value(json_object_get(object, name));

        if (!text || mu_archive_date_parse(text, ret) < 0)
                return refuse(reading, "has no day \"%s\"", name);
        return true;
}

static int digit_of(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hash(struct reading *reading, const json_t *object, const char *name, uint8_t *ret)
{
        const json_t *value = json_object_get(object, name);
        const char *text = json_string_value(value);

        if (!text || json_string_length(value) != 2 * MU_SHA256_BYTES)
                return refuse(reading, "has no hash \"%s\"", name);
        for (size_t i = 0; i < MU_SHA256_BYTES; i++) {
                int high = digit_of(text[2 * i]);
                int low = digit_of(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return refuse(reading, "has no hash \"%s\"", name);
                ret[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

static bool read_created_at(struct reading *reading, const json_t *object)
{
        const json_t *value = json_object_get(object, "created_at");
        const char *text = json_string_value(value);
        char date[MU_ARCHIVE_DATE_BYTES] = "";
        unsigned hour, minute, second;
        int64_t day;

        if (!text || json_string_length(value) != 20 ||
            sscanf(text, "%10[0-9-]T%2u:%2u:%2uZ", date, &hour, &minute, &second) != 4 ||
            mu_archive_date_parse(date, &day) < 0 || hour > 23 || minute > 59 || second > 59)
                return refuse(reading, "has no time \"created_at\"");
        reading->manifest->created_at_us =
                (day * MU_S_PER_DAY + hour * 3600 + minute * 60 + second) * MU_US_PER_S;
        return true;
}

static bool read_chain(struct reading *reading, const json_t *object)
{
        const json_t *previous = json_object_get(object, "previous");
        struct mu_archive_manifest *manifest = reading->manifest;
        int64_t sequence;

        if (!read_number(reading, object, "sequence", 1, INT32_MAX, &sequence))
                return false;
        manifest->sequence = (uint32_t)sequence;
        if (sequence == 1)
                return true;
        return read_day(reading, previous, "day", &manifest->previous_day) &&
               read_hash(reading, previous, "manifest_sha256", manifest->previous_sha256);
}

static bool read_columns(struct reading *reading, const json_t *object)
{
        const json_t *list = json_object_get(object, "columns");
        size_t count = json_array_size(list);
        struct mu_archive_manifest *manifest = reading->manifest;

        if (count == 0 || count > MU_ARCHIVE_COLUMNS_MAX)
                return refuse(reading, "has no fitting list \"columns\"");
        manifest->columns = calloc(count, sizeof(*manifest->columns));
        if (!manifest->columns)
                return refuse(reading, "is too large for the memory there is");
        manifest->column_count = (uint32_t)count;
        for (size_t i = 0; i < count; i++) {
                const json_t *item = json_array_get(list, i);
                struct mu_archive_column *column = &manifest->columns[i];

                if (!read_text(reading, item, "name", column->name, sizeof(column->name)) ||
                    !read_text(reading, item, "type", column->type, sizeof(column->type)))
                        return false;
                column->not_null = json_is_true(json_object_get(item, "not_null"));
        }
        if (mu_archive_manifest_column(manifest, manifest->column) < 0)
                return refuse(reading, "parts by a column that it does not have");
        return true;
}

static bool read_part(struct reading *reading, const json_t *item, struct mu_archive_part *part)
{
        /* So that no sum of 10,000 parts overflows. */
        const int64_t most = INT64_C(1) << 48;

        return read_number(reading, item, "rows", 1, most, &part->rows) &&
               read_number(reading, item, "plain_bytes", 1, most, &part->plain_bytes) &&
               read_number(reading, item, "stored_bytes", 1, most, &part->stored_bytes) &&
               read_number(reading, item, "least_us", INT64_MIN, INT64_MAX, &part->least_us) &&
               read_number(reading, item, "most_us", part->least_us, INT64_MAX, &part->most_us) &&
               read_hash(reading, item, "plain_sha256", part->plain_sha256) &&
               read_hash(reading, item, "stored_sha256", part->stored_sha256);
}

static bool read_parts(struct reading *reading, const json_t *object)
{
        const json_t *list = json_object_get(object, "parts");
        size_t count = json_array_size(list);
        struct mu_archive_manifest *manifest = reading->manifest;

        if (!json_is_array(list) || count > MU_ARCHIVE_PARTS_MAX)
                return refuse(reading, "has no fitting list \"parts\"");
        manifest->parts = calloc(count + 1, sizeof(*manifest->parts));
        if (!manifest->parts)
                return refuse(reading, "is too large for the memory there is");
        manifest->part_count = (uint32_t)count;
        for (size_t i = 0; i < count; i++)
                if (!read_part(reading, json_array_get(list, i), &manifest->parts[i]))
                        return false;
        mu_archive_manifest_sum(manifest);
        return true;
}

static bool read_members(struct reading *reading, const json_t *object)
{
        const char *format = json_string_value(json_object_get(object, "format"));
        struct mu_archive_manifest *manifest = reading->manifest;
        int64_t version;

        if (!format || strcmp(format, "muster-archive") != 0)
                return refuse(reading, "is no manifest of an archive");
        if (!read_number(reading, object, "format_version", 1, INT32_MAX, &version))
                return false;
        if (version != MU_ARCHIVE_FORMAT_VERSION)
                return refuse(reading, "has format version %" PRId64 "; this program reads %d",
                              version, MU_ARCHIVE_FORMAT_VERSION);
        return read_text(reading, object, "parent", manifest->parent, sizeof(manifest->parent)) &&
               read_day(reading, object, "day", &manifest->day) && read_chain(reading, object) &&
               read_created_at(reading, object) &&
               read_text(reading, object, "written_by", manifest->written_by,
                         sizeof(manifest->written_by)) &&
               read_text(reading, object, "column", manifest->column, sizeof(manifest->column)) &&
               read_columns(reading, object) && read_parts(reading, object);
}

/* Everything else that could be wrong shows here. */
static int compare(struct reading *reading, const char *text, size_t bytes)
{
        struct mu_text again;

        mu_text_init(&again);
        mu_archive_manifest_encode(reading->manifest, &again);
        int err = mu_text_status(&again);

        if (!err && (again.bytes != bytes || memcmp(again.data, text, bytes) != 0)) {
                (void)refuse(reading, "was changed: its content and its own hash do not agree");
                err = -EBADMSG;
        }
        mu_text_done(&again);
        return err;
}

int mu_archive_manifest_decode(const char *text, size_t bytes,
                               struct mu_archive_manifest **ret_manifest,
                               char ret_detail[MU_ARCHIVE_DETAIL_BYTES])
{
        struct reading reading = {.detail = ret_detail};
        json_error_t error;
        int err = -EBADMSG;

        if (bytes > MU_ARCHIVE_MANIFEST_BYTES_MAX) {
                (void)refuse(&reading, "is too large for a manifest");
                return -EBADMSG;
        }
        json_t *object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);

        if (!json_is_object(object)) {
                (void)refuse(&reading, "is no JSON object");
                json_decref(object);
                return -EBADMSG;
        }
        reading.manifest = calloc(1, sizeof(*reading.manifest));
        if (!reading.manifest)
                err = -ENOMEM;
        else if (read_members(&reading, object))
                err = compare(&reading, text, bytes);
        json_decref(object);
        if (err)
                mu_archive_manifest_free(reading.manifest);
        else
                *ret_manifest = reading.manifest;
        return err;
}
