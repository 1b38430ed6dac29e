/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/sha.h>

#include "archive/manifest.h"
#include "base/clock.h"

static struct mu_archive_column columns[] = {
        {"device_id", "bigint", true},
        {"bucket", "timestamp with time zone", true},
        {"ssid", "text", false},
};

static struct mu_archive_part parts[] = {
        {.rows = 10, .plain_bytes = 1000, .stored_bytes = 300, .least_us = 5, .most_us = 90},
        {.rows = 2, .plain_bytes = 200, .stored_bytes = 80, .least_us = -7, .most_us = 60},
};

static struct mu_archive_manifest example(void)
{
        struct mu_archive_manifest manifest = {
                .day = 20778,
                .created_at_us = INT64_C(1795262401) * MU_US_PER_S,
                .previous_day = 20777,
                .sequence = 12,
                .column_count = MU_COUNT_OF(columns),
                .part_count = MU_COUNT_OF(parts),
                .parent = "heartbeats",
                .column = "bucket",
                .written_by = "musterd 0.1.0",
                .columns = columns,
                .parts = parts,
        };

        memset(manifest.previous_sha256, 0xab, MU_SHA256_BYTES);
        memset(parts[0].plain_sha256, 1, MU_SHA256_BYTES);
        memset(parts[1].stored_sha256, 2, MU_SHA256_BYTES);
        mu_archive_manifest_sum(&manifest);
        return manifest;
}

static char *encode(const struct mu_archive_manifest *manifest, size_t *ret_bytes)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_archive_manifest_encode(manifest, &text);
        assert_int_equal(mu_text_status(&text), 0);
        *ret_bytes = text.bytes;
        return text.data; /* what done would free */
}

static void comes_back_as_written(void **state)
{
        struct mu_archive_manifest manifest = example();
        struct mu_archive_manifest *again;
        char detail[MU_ARCHIVE_DETAIL_BYTES] = "";
        size_t bytes;
        char *text = encode(&manifest, &bytes);

        (void)state;
        assert_int_equal(manifest.rows, 12);
        assert_int_equal(manifest.least_us, -7);
        assert_int_equal(manifest.most_us, 90);
        assert_int_equal(mu_archive_manifest_decode(text, bytes, &again, detail), 0);
        assert_int_equal(again->day, manifest.day);
        assert_int_equal(again->sequence, 12);
        assert_int_equal(again->previous_day, 20777);
        assert_memory_equal(again->previous_sha256, manifest.previous_sha256, MU_SHA256_BYTES);
        assert_int_equal(again->created_at_us, manifest.created_at_us);
        assert_int_equal(again->rows, 12);
        assert_int_equal(again->part_count, 2);
        assert_memory_equal(again->parts, parts, sizeof(parts));
        assert_int_equal(again->column_count, 3);
        assert_string_equal(again->columns[2].name, "ssid");
        assert_false(again->columns[2].not_null);
        assert_true(again->columns[1].not_null);
        assert_int_equal(mu_archive_manifest_column(again, "bucket"), 1);
        assert_int_equal(mu_archive_manifest_column(again, "nothing"), -1);
        assert_non_null(strstr(text, "\"created_at\": \"2026-11-21T12:00:01Z\""));
        mu_archive_manifest_free(again);
        free(text);
}

static void first_and_empty_day(void **state)
{
        struct mu_archive_manifest manifest = example();
        struct mu_archive_manifest *again;
        char detail[MU_ARCHIVE_DETAIL_BYTES] = "";
        size_t bytes;

        (void)state;
        manifest.sequence = 1;
        manifest.part_count = 0;
        mu_archive_manifest_sum(&manifest);
        char *text = encode(&manifest, &bytes);

        assert_non_null(strstr(text, "\"previous\": null"));
        assert_int_equal(mu_archive_manifest_decode(text, bytes, &again, detail), 0);
        assert_int_equal(again->rows, 0);
        assert_int_equal(again->part_count, 0);
        mu_archive_manifest_free(again);
        free(text);
}

/* Every bit of it counts. */
static void every_flipped_bit_is_refused(void **state)
{
        struct mu_archive_manifest manifest = example();
        struct mu_archive_manifest *again = NULL;
        char detail[MU_ARCHIVE_DETAIL_BYTES];
        size_t bytes;
        char *text = encode(&manifest, &bytes);

        (void)state;
        for (size_t i = 0; i < bytes; i++)
                for (int bit = 0; bit < 8; bit++) {
                        text[i] = (char)(text[i] ^ 1 << bit);
                        detail[0] = '\0';
                        if (mu_archive_manifest_decode(text, bytes, &again, detail) != -EBADMSG)
                                fail_msg("byte %zu, bit %d", i, bit);
                        assert_true(detail[0] != '\0');
                        text[i] = (char)(text[i] ^ 1 << bit);
                }
        for (size_t cut = 0; cut < bytes; cut++)
                assert_int_equal(mu_archive_manifest_decode(text, cut, &again, detail), -EBADMSG);
        assert_null(again);
        free(text);
}

/* With its own hash made right again: only sense can refuse it. */
static void assert_refused(const char *from, const char *to, const char *why)
{
        struct mu_archive_manifest manifest = example();
        struct mu_archive_manifest *again = NULL;
        char detail[MU_ARCHIVE_DETAIL_BYTES] = "";
        size_t bytes;
        char *text = encode(&manifest, &bytes);
        char *at = strstr(text, from);
        char *end = strstr(text, ",\n  \"sha256\"");
        char changed[8192], digits[65];
        uint8_t sha256[MU_SHA256_BYTES];

        assert_non_null(at);
        int used = snprintf(changed, sizeof(changed), "%.*s%s%.*s", (int)(at - text), text, to,
                            (int)(end - at) - (int)strlen(from), at + strlen(from));

        SHA256((const uint8_t *)changed, (size_t)used, sha256);
        mu_text_hex(sha256, sizeof(sha256), digits);
        used += snprintf(changed + used, sizeof(changed) - (size_t)used,
                         ",\n  \"sha256\": \"%s\"\n}\n", digits);
        if (mu_archive_manifest_decode(changed, (size_t)used, &again, detail) != -EBADMSG ||
            !strstr(detail, why))
                fail_msg("\"%s\" for \"%s\": %s", to, from, detail);
        free(text);
}

static void hostile_manifests_are_refused(void **state)
{
        (void)state;
        assert_refused("muster-archive", "mustard-archive", "no manifest");
        assert_refused("\"format_version\": 1", "\"format_version\": 2", "version 2");
        assert_refused("\"format_version\": 1", "\"format_version\": \"1\"", "format_version");
        assert_refused("2026-11-21\"", "2026-02-30\"", "\"day\"");
        assert_refused("2026-11-21\"", "0000-00-00\"", "\"day\"");
        assert_refused("\"sequence\": 12", "\"sequence\": 0", "sequence");
        assert_refused("\"sequence\": 12", "\"sequence\": 9999999999", "sequence");
        assert_refused("\"sequence\": 12", "\"sequence\": 1", "was changed");
        assert_refused("\"rows\": 12", "\"rows\": 13", "was changed");
        assert_refused("\"rows\": 10", "\"rows\": 0", "rows");
        assert_refused("\"rows\": 10", "\"rows\": -10", "rows");
        assert_refused("\"rows\": 10", "\"rows\": 9223372036854775807", "rows");
        assert_refused("\"rows\": 10", "\"rows\": 1e1", "rows");
        assert_refused("\"least_us\": 5", "\"least_us\": 91", "most_us");
        assert_refused("part-0001", "part-0002", "was changed");
        assert_refused("part-0001", "../../x", "was changed");
        assert_refused("0101", "010g", "plain_sha256");
        assert_refused("0101", "01", "plain_sha256");
        assert_refused("abab", "ABAB", "manifest_sha256");
        assert_refused("\"parent\": \"heartbeats\"", "\"parent\": \"\"", "parent");
        assert_refused("\"parent\": \"heartbeats\"", "\"parent\": \"a\\u0000b\"", "JSON");
        assert_refused("\"parent\": \"heartbeats\"", "\"parent\": \"a\\nb\"", "parent");
        assert_refused("\"column\": \"bucket\"", "\"column\": \"other\"", "does not have");
        assert_refused("T12:00:01Z", "T24:00:01Z", "created_at");
        assert_refused("T12:00:01Z", "T12:00:01.0Z", "created_at");
        assert_refused("\"not_null\": true", "\"not_null\": 1", "was changed");
        assert_refused("\"written_by\"", "\"extra\": 1, \"written_by\"", "was changed");
        assert_refused("\"written_by\"", "\"day\": 1, \"written_by\"", "JSON");
        assert_refused("{\n", "{ \n", "was changed");
        assert_refused("\"parts\": [", "\"parts\": 7, \"x\": [", "parts");
        assert_refused("\"columns\": [", "\"columns\": [7, ", "name");
}

/* Too deep, too many, too large: refused without taking much. */
static void floods_are_refused(void **state)
{
        struct mu_archive_manifest *manifest;
        char detail[MU_ARCHIVE_DETAIL_BYTES];
        size_t bytes = MU_ARCHIVE_MANIFEST_BYTES_MAX + 1;
        char *text = malloc(bytes);

        (void)state;
        memset(text, '[', bytes);
        assert_int_equal(mu_archive_manifest_decode(text, bytes, &manifest, detail), -EBADMSG);
        assert_int_equal(mu_archive_manifest_decode(text, 1 << 20, &manifest, detail), -EBADMSG);
        free(text);
}

static void dates_and_places(void **state)
{
        char date[MU_ARCHIVE_DATE_BYTES], place[MU_ARCHIVE_PLACE_BYTES];
        int64_t day;
        uint32_t number;

        (void)state;
        for (day = MU_ARCHIVE_DAY_MIN; day <= MU_ARCHIVE_DAY_MAX; day += 97) {
                int64_t again;

                mu_archive_date(day, date);
                assert_int_equal(mu_archive_date_parse(date, &again), 0);
                assert_int_equal(again, day);
                mu_archive_place("heartbeats", day, place);
                assert_int_equal(mu_archive_place_parse(strrchr(place, '/') + 1, &again), 0);
                assert_int_equal(again, day);
        }
        mu_archive_place("heartbeats", 20778, place);
        assert_string_equal(place, "heartbeats/2026/20261121");
        assert_int_equal(mu_archive_date_parse("2026-1-21", &day), -EINVAL);
        assert_int_equal(mu_archive_date_parse("2026-11-21 ", &day), -EINVAL);
        assert_int_equal(mu_archive_date_parse("2026-11-31", &day), -EINVAL);
        assert_int_equal(mu_archive_date_parse("2023-02-29", &day), -EINVAL);
        assert_int_equal(mu_archive_date_parse("0000-01-01", &day), -EINVAL);
        assert_int_equal(mu_archive_date_parse("", &day), -EINVAL);
        assert_int_equal(mu_archive_part_parse("part-0042.copy.zst", &number), 0);
        assert_int_equal(number, 42);
        assert_int_equal(mu_archive_part_parse("part-042.copy.zst", &number), -EINVAL);
        assert_int_equal(mu_archive_part_parse("part-0042.copy.zst.tmp", &number), -EINVAL);
        assert_int_equal(mu_archive_part_parse("part", &number), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(comes_back_as_written),
                cmocka_unit_test(first_and_empty_day),
                cmocka_unit_test(every_flipped_bit_is_refused),
                cmocka_unit_test(hostile_manifests_are_refused),
                cmocka_unit_test(floods_are_refused),
                cmocka_unit_test(dates_and_places),
        };

        return cmocka_run_group_tests_name("archive/manifest", tests, NULL, NULL);
}
