/* SPDX-License-Identifier: Apache-2.0 */
/* The console's files over real requests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder_fixture.h"
#include "http/console.h"
#include "server_fixture.h"

#define PAGE_TEXT "<!doctype html><title>console</title>"
#define LARGE_BYTES                                                                                \
        (24 * 1024 * 1024) /* more than the kernel takes for a client that doesn't read */

static struct site site;
static struct folder folder;
static struct mu_console *console;

static void put_files(void)
{
        json_t *page = folder_put(&folder, "/index.html", "text/html; charset=utf-8", false,
                                  PAGE_TEXT, strlen(PAGE_TEXT));
        json_t *script = folder_put(&folder, "/assets/app-1.js", "text/javascript; charset=utf-8",
                                    true, "let a = 1", 9);

        folder_put_form(&folder, page, "gzip", "zipped page", 11);
        folder_put_form(&folder, script, "gzip", "zipped script", 13);
        folder_put_form(&folder, script, "br", "brotli", 6);
        folder_put(&folder, "/favicon.svg", "image/svg+xml", false, "<svg/>", 6);
        folder_finish(&folder);
}

static void read_files(void)
{
        char error[MU_SITE_ERROR_BYTES] = "";

        if (mu_console_read(console, folder.path, error) < 0)
                fail_msg("%s", error);
}

static int setup(void **state)
{
        (void)state;
        site_init(&site);
        folder_make(&folder);
        assert_int_equal(mu_console_create("1.2.3", &console), 0);
        site.console = console;
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        site_done(&site);
        mu_console_destroy(console);
        folder_remove(&folder);
        return 0;
}

/* One request on a connection of its own; answer_done is the caller's. */
static void ask(const char *method, const char *path, const char *headers, struct answer *answer)
{
        struct peer peer;
        char *request;

        assert_true(asprintf(&request, "%s %s HTTP/1.1\r\nHost: t\r\n%s\r\n", method, path,
                             headers) > 0);
        peer_open(&peer, site.port);
        peer_send(&peer, request);
        peer_receive(&peer, strcmp(method, "HEAD") == 0, answer);
        peer_close(&peer);
        free(request);
}

static void has(const struct answer *answer, const char *line)
{
        if (!strstr(answer->head, line))
                fail_msg("no \"%s\" in:\n%s", line, answer->head);
}

static void expect(const char *path, const char *headers, int status, const char *body)
{
        struct answer answer;

        ask("GET", path, headers, &answer);
        if (answer.status != status || (body && strcmp(answer.body, body) != 0))
                fail_msg("%s: expected %d \"%s\", got %s%s", path, status, body ? body : "",
                         answer.head, answer.body);
        answer_done(&answer);
}

/* What it says of the tag, as a header that asks whether it is still the same. */
static void tag_of(const struct answer *answer, char header[128])
{
        const char *tag = strstr(answer->head, "etag: ");

        assert_non_null(tag);
        (void)snprintf(header, 128, "If-None-Match: %.*s\r\n", (int)strcspn(tag + 6, "\r"),
                       tag + 6);
}

#define HTML "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"

static void pages_get_the_index(void **state)
{
        static const char *const pages[] = {
                "/",      "/index.html", "/devices", "/devices/12/", "/administration",
                "/v10/x", "/a%2f..%2fb"};
        struct answer answer;

        (void)state;
        put_files();
        read_files();
        site_start(&site);
        for (size_t i = 0; i < MU_COUNT_OF(pages); i++) {
                ask("GET", pages[i], HTML, &answer);
                assert_int_equal(answer.status, 200);
                assert_string_equal(answer.body, PAGE_TEXT);
                has(&answer, "content-type: text/html; charset=utf-8\r\n");
                has(&answer, "cache-control: no-cache\r\n");
                has(&answer, "content-security-policy: default-src 'none'; script-src 'self'; ");
                has(&answer, "frame-ancestors 'none'; base-uri 'none'; form-action 'self'\r\n");
                has(&answer, "x-content-type-options: nosniff\r\n");
                assert_null(strstr(answer.head, "unsafe"));
                answer_done(&answer);
        }
        ask("GET", "/devices", HTML "Accept-Encoding: gzip, br\r\n", &answer);
        assert_string_equal(answer.body, "zipped page");
        has(&answer, "content-encoding: gzip\r\n");
        has(&answer, "vary: Accept, Accept-Encoding\r\n");
        answer_done(&answer);
        expect("/", "", 200, PAGE_TEXT);
        expect("/", "Accept: application/json\r\n", 200, NULL);
        ask("GET", "/", "Accept: application/json\r\n", &answer);
        has(&answer, "content-type: application/json\r\n");
        assert_non_null(strstr(answer.body, "\"name\":\"muster\",\"version\":\"1.2.3\""));
        answer_done(&answer);
}

static void other_paths_stay_unknown(void **state)
{
        static const char *const paths[] = {
                "/api",
                "/api/nothing",
                "/admin/x",
                "/v1/x",
                "/ws",
                "/metrics/x",
                "/health/x",
                "/ready/x",
                "/assets",
                "/assets/",
                "/assets/app-2.js",
                "/assets/../x",
                "/assets/app-1.js/",
        };

        (void)state;
        put_files();
        read_files();
        site_start(&site);
        for (size_t i = 0; i < MU_COUNT_OF(paths); i++)
                expect(paths[i], HTML, 404, NULL);
        expect("/devices", "Accept: application/json\r\n", 404, NULL);
        expect("/devices", "", 404, NULL);
        expect("/manifest.json", "", 404, NULL);
        expect("/index.html.gz", "", 404, NULL);
        expect("/%2e%2e/%2e%2e/etc/passwd", "", 404, NULL);
        assert_true(site_metric(&site, "muster_http_requests_total{method=\"any\",route=\"none\","
                                       "status=\"4xx\"}") >= (double)MU_COUNT_OF(paths));

        struct peer peer;

        peer_open(&peer, site.port);
        peer_post(&peer, "/devices", "", 404, "path-unknown");
        peer_post(&peer, "/", "", 405, "method-not-allowed");
        peer_ask(&peer, "OPTIONS /devices HTTP/1.1\r\nHost: t\r\n\r\n", 404, "path-unknown");
        peer_close(&peer);
}

static void files_come_with_their_headers(void **state)
{
        struct answer answer;
        char again[128];

        (void)state;
        put_files();
        read_files();
        site_start(&site);
        ask("GET", "/assets/app-1.js", "Accept-Encoding: gzip, deflate, br\r\n", &answer);
        assert_string_equal(answer.body, "brotli");
        has(&answer, "content-encoding: br\r\n");
        has(&answer, "content-type: text/javascript; charset=utf-8\r\n");
        has(&answer, "cache-control: public, max-age=31536000, immutable\r\n");
        has(&answer, "vary: Accept-Encoding\r\n");
        tag_of(&answer, again);
        answer_done(&answer);

        ask("GET", "/assets/app-1.js", again, &answer); /* another form has another tag */
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body, "let a = 1");
        assert_null(strstr(answer.head, "content-encoding"));
        tag_of(&answer, again);
        answer_done(&answer);

        ask("GET", "/assets/app-1.js", again, &answer);
        assert_int_equal(answer.status, 304);
        assert_null(strcasestr(answer.head, "content-length"));
        has(&answer, "etag: \"");
        has(&answer, "cache-control: public, max-age=31536000, immutable\r\n");
        has(&answer, "vary: Accept-Encoding\r\n");
        answer_done(&answer);

        ask("HEAD", "/assets/app-1.js", "", &answer);
        assert_int_equal(answer.status, 200);
        has(&answer, "Content-Length: 9\r\n");
        answer_done(&answer);
        ask("GET", "/favicon.svg", "", &answer);
        has(&answer, "cache-control: no-cache\r\n");
        has(&answer, "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n");
        answer_done(&answer);
}

static void without_files_it_says_so(void **state)
{
        char error[MU_SITE_ERROR_BYTES];
        struct answer answer;

        (void)state;
        site_start(&site);
        assert_int_equal(mu_console_read(console, folder.path, error), -ENOENT);
        ask("GET", "/", HTML, &answer);
        assert_int_equal(answer.status, 200);
        assert_non_null(strstr(answer.body, "console.dir"));
        has(&answer, "content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n");
        answer_done(&answer);
        expect("/devices", HTML, 404, NULL);
        put_files();
        read_files();
        expect("/devices", HTML, 200, PAGE_TEXT);
        folder_write(&folder, "/index.html", "half a co", 9);
        assert_int_equal(mu_console_read(console, folder.path, error), -EINVAL);
        expect("/devices", HTML, 200, PAGE_TEXT); /* the old ones stay */
        mu_console_close(console);
        expect("/devices", HTML, 404, NULL);
}

/* A transfer that has begun ends with the bytes that it began with, whatever is read meanwhile. */
static void a_transfer_keeps_its_files(void **state)
{
        struct peer slow, gone;
        struct answer answer;
        char *bytes = malloc(LARGE_BYTES + 1);

        (void)state;
        assert_non_null(bytes);
        memset(bytes, 'a', LARGE_BYTES);
        bytes[LARGE_BYTES] = '\0';
        folder_put(&folder, "/large.txt", "text/plain; charset=utf-8", false, bytes, LARGE_BYTES);
        folder_finish(&folder);
        read_files();
        site_start(&site);
        peer_open(&slow, site.port);
        peer_send(&slow, "GET /large.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_true(peer_read_more(&slow)); /* it has begun */
        peer_open(&gone, site.port);
        peer_send(&gone, "GET /large.txt HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_true(peer_read_more(&gone));

        json_array_clear(folder.files);
        put_files();
        read_files();
        expect("/large.txt", "", 404, NULL);
        peer_close(&gone);
        peer_receive(&slow, false, &answer);
        assert_int_equal(answer.body_bytes, LARGE_BYTES);
        assert_memory_equal(answer.body, bytes, LARGE_BYTES);
        answer_done(&answer);
        peer_ask(&slow, "GET /favicon.svg HTTP/1.1\r\nHost: t\r\n\r\n", 200, "<svg/>");
        peer_close(&slow);
        free(bytes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(pages_get_the_index),           T(other_paths_stay_unknown),
                T(files_come_with_their_headers), T(without_files_it_says_so),
                T(a_transfer_keeps_its_files),
        };

        return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
