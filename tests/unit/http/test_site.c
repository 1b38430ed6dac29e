/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder_fixture.h"
#include "http/site.h"
#include "muster/compiler.h"

#define PAGE "text/html; charset=utf-8"
#define PUT(name, text) folder_put(&folder, name, PAGE, false, text, strlen(text))

static struct folder folder;

static int setup(void **state)
{
        (void)state;
        folder_make(&folder);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        folder_remove(&folder);
        return 0;
}

static struct mu_site *open_site(void)
{
        struct mu_site *site;
        char error[MU_SITE_ERROR_BYTES] = "";

        folder_finish(&folder);
        if (mu_site_open(folder.path, &site, error) < 0)
                fail_msg("%s", error);
        return site;
}

static void refused_with(int code, const char *needle)
{
        struct mu_site *site = NULL;
        char error[MU_SITE_ERROR_BYTES] = "";
        int given = mu_site_open(folder.path, &site, error);

        if (given != code || site || !strstr(error, needle))
                fail_msg("expected %d with \"%s\", got %d: %s", code, needle, given, error);
}

/* ---- reading ---- */

static void reads_what_the_manifest_names(void **state)
{
        static const char raw[] = "\0\xff binary";
        json_t *page = PUT("/index.html", "<p>plain");

        (void)state;
        folder_put_form(&folder, page, "br", "b", 1);
        folder_put_form(&folder, page, "gzip", "gz", 2);
        folder_put(&folder, "/assets/font-x.woff2", "font/woff2", true, raw, sizeof(raw));
        PUT("/assets/empty.txt", "");
        folder_write(&folder, "/unnamed.txt", "x", 1);
        struct mu_site *site = open_site();

        assert_int_equal(mu_site_file_count(site), 3);
        assert_int_equal(mu_site_bytes(site), 8 + 1 + 2 + sizeof(raw));
        const struct mu_site_file *file = mu_site_find(site, "/assets/font-x.woff2", 20);

        assert_non_null(file);
        assert_true(file->immutable);
        assert_string_equal(file->type, "font/woff2");
        assert_int_equal(file->forms[MU_SITE_PLAIN].size, sizeof(raw));
        assert_memory_equal(file->forms[MU_SITE_PLAIN].bytes, raw, sizeof(raw));
        assert_null(file->forms[MU_SITE_GZIP].bytes);
        file = mu_site_find(site, "/index.html", 11);
        assert_non_null(file);
        assert_false(file->immutable);
        assert_memory_equal(file->forms[MU_SITE_BROTLI].bytes, "b", 1);
        assert_memory_equal(file->forms[MU_SITE_GZIP].bytes, "gz", 2);
        assert_string_not_equal(file->forms[MU_SITE_PLAIN].etag, file->forms[MU_SITE_GZIP].etag);
        assert_int_equal(strlen(file->forms[MU_SITE_PLAIN].etag), MU_SITE_ETAG_BYTES - 1);
        file = mu_site_find(site, "/assets/empty.txt", 17);
        assert_non_null(file);
        assert_int_equal(file->forms[MU_SITE_PLAIN].size, 0);
        mu_site_unref(site);
}

static void finds_nothing_but_exact_paths(void **state)
{
        static const struct mu_slice others[] = {
                {"/", 1},
                {"", 0},
                {"/a", 2},
                {"/a.html/", 8},
                {"/a.htm", 6},
                {"/a.htmlx", 8},
                {"/a.html\0", 8},
                {"/a\0html", 7},
                {"a.html", 6},
                {"/A.html", 7},
                {"//a.html", 8},
                {"/./a.html", 9},
                {"/b/../a.html", 12},
                {"/%61.html", 9},
                {"/a.html.br", 10},
                {"/manifest.json", 14},
                {"/../../../etc/passwd", 20},
        };
        json_t *entry;

        (void)state;
        PUT("/b/c.html", "c");
        entry = PUT("/a.html", "a");
        folder_put_form(&folder, entry, "br", "x", 1);
        struct mu_site *site = open_site();

        assert_non_null(mu_site_find(site, "/a.html", 7));
        assert_non_null(mu_site_find(site, "/b/c.html", 9));
        for (size_t i = 0; i < MU_COUNT_OF(others); i++)
                assert_null(mu_site_find(site, others[i].data, others[i].bytes));
        mu_site_unref(site);
}

static void refuses_paths_that_lead_elsewhere(void **state)
{
        static const char *const paths[] = {
                "",         "/",       "index.html", "/../x",     "/a/../x", "/a/./x",
                "/.hidden", "/a/.b/c", "/a//b",      "/a/",       "/a\nb",   "/a b",
                "/%2e/x",   "/a\\b",   "/a\"b",      "/\xc3\xa4", "/..",
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(paths); i++) {
                json_t *entry = PUT("/ok.html", "ok");

                assert_int_equal(json_object_set_new(entry, "path", json_string(paths[i])), 0);
                folder_finish(&folder);
                refused_with(-EINVAL, "/manifest.json has an entry without a path");
                json_array_clear(folder.files);
        }
}

static void refuses_what_is_not_as_described(void **state)
{
        (void)state;
        refused_with(-ENOENT, "/manifest.json");
        folder_write(&folder, "/manifest.json", "{", 1);
        refused_with(-EINVAL, "format known here");
        folder_write(&folder, "/manifest.json", "{\"format\":2,\"files\":[]}", 23);
        refused_with(-EINVAL, "format known here");
        folder_finish(&folder);
        refused_with(-EINVAL, "names no files");

        json_t *entry = PUT("/a.html", "abc");

        folder_finish(&folder);
        folder_write(&folder, "/a.html", "abd", 3);
        refused_with(-EINVAL, "/a.html is not the file");
        folder_write(&folder, "/a.html", "ab", 2);
        refused_with(-EINVAL, "/a.html is not the file");
        folder_write(&folder, "/a.html", "abcd", 4);
        refused_with(-EINVAL, "/a.html is not the file");
        folder_write(&folder, "/a.html", "abc", 3);
        json_object_set_new(entry, "type", json_string("text/html\r\nx: y"));
        folder_finish(&folder);
        refused_with(-EINVAL, "/a.html has no type");
        json_object_set_new(entry, "type", json_string(PAGE));
        json_object_set_new(entry, "bytes", json_string("3"));
        folder_finish(&folder);
        refused_with(-EINVAL, "/a.html has no size");
        json_object_set_new(entry, "bytes", json_integer(MU_SITE_BYTES_MAX + 1));
        folder_finish(&folder);
        refused_with(-EFBIG, "/a.html is too much");
        json_array_clear(folder.files);
        PUT("/a.html", "abc");
        PUT("/a.html", "abc");
        folder_finish(&folder);
        refused_with(-EINVAL, "/a.html is in manifest.json twice");
        json_array_clear(folder.files);
        entry = PUT("/b.html", "abc");
        folder_put_form(&folder, entry, "gzip", "z", 1);
        folder_finish(&folder);
        folder_write(&folder, "/b.html.gz", "y", 1);
        refused_with(-EINVAL, "/b.html is not the file");
}

/* ---- negotiating ---- */

static void chooses_what_the_client_likes_best(void **state)
{
        static const struct {
                const char *wish; /* NULL: no header */
                enum mu_site_form all, gzip_only;
        } cases[] = {
                {NULL, MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"gzip, deflate, br, zstd", MU_SITE_BROTLI, MU_SITE_GZIP},
                {"br", MU_SITE_BROTLI, MU_SITE_PLAIN},
                {"BR;Q=1", MU_SITE_BROTLI, MU_SITE_PLAIN},
                {"gzip", MU_SITE_GZIP, MU_SITE_GZIP},
                {"x-gzip", MU_SITE_GZIP, MU_SITE_GZIP},
                {"gzip;q=1.0, br;q=0.5", MU_SITE_GZIP, MU_SITE_GZIP},
                {"gzip;q=0.5, br;q=0.5", MU_SITE_BROTLI, MU_SITE_GZIP},
                {"gzip;q=0, br;q=0.000", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"br;q=0, *", MU_SITE_GZIP, MU_SITE_GZIP},
                {"*", MU_SITE_BROTLI, MU_SITE_GZIP},
                {"*;q=0", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"identity", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"identity, gzip;q=0.9", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"identity;q=0", MU_SITE_PLAIN, MU_SITE_PLAIN}, /* nothing else was asked for */
                {" br ; q=0.001 ,,", MU_SITE_BROTLI, MU_SITE_PLAIN},
                {"br;q=2", MU_SITE_PLAIN, MU_SITE_PLAIN}, /* nonsense is not a wish */
                {"br;q=1.5", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"br;q=", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"br;q=0.1234", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {"brotli, gzipped", MU_SITE_PLAIN, MU_SITE_PLAIN},
                {";;;,=,q=1", MU_SITE_PLAIN, MU_SITE_PLAIN},
        };
        char byte = 'x';
        const struct mu_site_file all = {.forms = {{&byte, 1, ""}, {&byte, 1, ""}, {&byte, 1, ""}}};
        const struct mu_site_file gzip_only = {.forms = {{&byte, 1, ""}, {&byte, 1, ""}}};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                const char *wish = cases[i].wish;
                struct mu_slice slice = {wish, wish ? strlen(wish) : 0};

                if (mu_site_choose(&all, slice) != cases[i].all ||
                    mu_site_choose(&gzip_only, slice) != cases[i].gzip_only)
                        fail_msg("Accept-Encoding: %s", wish ? wish : "(none)");
        }
}

static void compares_tags_weakly(void **state)
{
        static const struct {
                const char *wish;
                bool among;
        } cases[] = {
                {"\"abc\"", true},
                {"W/\"abc\"", true},
                {"\"x\", \"abc\"", true},
                {"\"x\",W/\"abc\"", true},
                {"*", true},
                {" * ", true},
                {"", false},
                {"abc", false},
                {"\"ab\"", false},
                {"\"abcd\"", false},
                {"w/\"abc\"", false},
                {",,", false},
        };

        (void)state;
        assert_false(mu_etag_is_among((struct mu_slice){NULL, 0}, "\"abc\""));
        assert_false(mu_etag_is_strongly_among((struct mu_slice){NULL, 0}, "\"abc\""));
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                struct mu_slice slice = {cases[i].wish, strlen(cases[i].wish)};

                if (mu_etag_is_among(slice, "\"abc\"") != cases[i].among)
                        fail_msg("If-None-Match: %s", cases[i].wish);
                if (mu_etag_is_strongly_among(slice, "\"abc\"") !=
                    (cases[i].among && !strstr(cases[i].wish, "W/")))
                        fail_msg("If-Match: %s", cases[i].wish);
        }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(reads_what_the_manifest_names),
                T(finds_nothing_but_exact_paths),
                T(refuses_paths_that_lead_elsewhere),
                T(refuses_what_is_not_as_described),
                cmocka_unit_test(chooses_what_the_client_likes_best),
                cmocka_unit_test(compares_tags_weakly),
        };

        return cmocka_run_group_tests_name("site", tests, NULL, NULL);
}
