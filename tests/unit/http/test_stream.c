/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed replies: whole, broken off, and every way that a client or the server can go meanwhile.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "muster/compiler.h"
#include "server_fixture.h"

#define ENDLESS_BYTES (UINT64_C(64) * 1024 * 1024 * 1024)
#define SLACK_BYTES (64 * 1024 * 1024) /* more than any socket buffer of the kernel's */

static struct site site;

/* What the worker has seen. */
static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        uint64_t written;
        int result; /* of the last stream; 1: none has ended yet */
        uint32_t begun;
        uint32_t ended;
        bool go; /* /paused may go on */
} seen;

static void note_begun(void)
{
        pthread_mutex_lock(&seen.lock);
        seen.begun++;
        pthread_cond_broadcast(&seen.changed);
        pthread_mutex_unlock(&seen.lock);
}

static void note_end(int result, uint64_t written)
{
        pthread_mutex_lock(&seen.lock);
        seen.result = result;
        seen.written = written;
        seen.ended++;
        pthread_cond_broadcast(&seen.changed);
        pthread_mutex_unlock(&seen.lock);
}

static void wait_for(const uint32_t *counter, uint32_t count)
{
        pthread_mutex_lock(&seen.lock);
        while (*counter < count)
                pthread_cond_wait(&seen.changed, &seen.lock);
        pthread_mutex_unlock(&seen.lock);
}

static void let_go(void)
{
        pthread_mutex_lock(&seen.lock);
        seen.go = true;
        pthread_cond_broadcast(&seen.changed);
        pthread_mutex_unlock(&seen.lock);
}

static void wait_to_go(void)
{
        pthread_mutex_lock(&seen.lock);
        while (!seen.go)
                pthread_cond_wait(&seen.changed, &seen.lock);
        pthread_mutex_unlock(&seen.lock);
}

/* ---- handlers ---- */

static char byte_at(uint64_t at)
{
        return (char)('a' + at % 23);
}

/* Writes so many bytes in pieces; 0 or the first error. */
static int write_pattern(struct mu_call *call, uint64_t bytes, size_t piece, uint64_t *written)
{
        static const size_t pieces_max = 100000;
        char *data = malloc(pieces_max);
        int error = 0;

        assert_non_null(data);
        assert_true(piece <= pieces_max);
        while (!error && *written < bytes) {
                size_t size = bytes - *written < piece ? (size_t)(bytes - *written) : piece;

                for (size_t i = 0; i < size; i++)
                        data[i] = byte_at(*written + i);
                error = mu_call_stream_write(call, data, size);
                *written += error ? 0 : size;
        }
        free(data);
        return error;
}

static uint64_t number(struct mu_call *call, const char *name)
{
        struct mu_slice text = mu_call_query_param(call, name);

        return text.data ? strtoull(text.data, NULL, 10) : 0;
}

/* ?bytes=&piece=&abort= */
static void work_stream(struct mu_call *call, void *state, void *ctx)
{
        uint64_t written = 0;

        (void)state;
        (void)ctx;
        mu_call_problem(call, 500, "not-this", NULL, "A stream replaces it.");
        mu_call_reply_header(call, "content-disposition", "attachment");
        assert_false(mu_call_streaming(call));
        int error = mu_call_stream_begin(call, 200, "text/csv");
        if (error) {
                assert_int_equal(error, -EBUSY);
                return;
        }
        assert_true(mu_call_streaming(call));
        assert_int_equal(mu_call_status(call), 200);
        note_begun();
        error = write_pattern(call, number(call, "bytes"), (size_t)number(call, "piece"), &written);
        if (!error && number(call, "abort") == 0)
                error = mu_call_stream_end(call);
        note_end(error, written);
}

/* Begins, waits, then writes and ends. */
static void work_paused(struct mu_call *call, void *state, void *ctx)
{
        int error;

        (void)state;
        (void)ctx;
        if (number(call, "late") == 0)
                assert_int_equal(mu_call_stream_begin(call, 200, "text/csv"), 0);
        note_begun();
        wait_to_go();
        if (number(call, "late") != 0)
                assert_int_equal(mu_call_stream_begin(call, 200, "text/csv"), 0);
        uint64_t written = 0;
        error = write_pattern(call, number(call, "bytes"), 1000, &written);
        if (!error)
                error = mu_call_stream_end(call);
        note_end(error, written);
}

static void work_guarded(struct mu_call *call, void *state, void *ctx)
{
        struct mu_slice body;

        (void)state;
        (void)ctx;
        assert_int_equal(mu_call_status(call), 0);
        assert_null(mu_call_reply_bytes(call).data);
        mu_call_reply(call, 201, MU_TYPE_JSON, "{}", 2);
        mu_call_reply_header(call, "x-first", "1");
        assert_int_equal(mu_call_status(call), 201);
        assert_string_equal(mu_call_reply_type(call), MU_TYPE_JSON);
        body = mu_call_reply_bytes(call);
        assert_int_equal(body.bytes, 2);
        assert_memory_equal(body.data, "{}", 2);
        mu_call_clear_reply(call);
        assert_false(mu_call_replied(call));
        mu_call_reply(call, 409, MU_TYPE_TEXT, "other", 5);
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/stream", .work = work_stream, .flags = MU_ROUTE_CONTROL},
        {.method = "GET", .path = "/paused", .work = work_paused, .flags = MU_ROUTE_CONTROL},
        {.method = "GET", .path = "/guarded", .work = work_guarded, .flags = MU_ROUTE_CONTROL},
};

/* ---- fixture ---- */

static struct mu_tls *tls;
static char directory[64];

static int setup(void **state)
{
        (void)state;
        memset(&seen, 0, sizeof(seen));
        seen.result = 1;
        pthread_mutex_init(&seen.lock, NULL);
        pthread_cond_init(&seen.changed, NULL);
        site_init(&site);
        site.routes = routes;
        site.route_count = MU_COUNT_OF(routes);
        return 0;
}

static int teardown(void **state)
{
        static const char *const names[] = {"tls.crt", "tls.key"};
        char path[128];

        (void)state;
        let_go();
        site_done(&site);
        if (tls) {
                mu_tls_destroy(tls);
                tls = NULL;
                for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                        unlink(path);
                }
                assert_int_equal(rmdir(directory), 0);
        }
        pthread_cond_destroy(&seen.changed);
        pthread_mutex_destroy(&seen.lock);
        return 0;
}

/* ---- the client's side ---- */

static void ask(struct peer *peer, const char *method, const char *target, const char *version)
{
        char request[256];

        snprintf(request, sizeof(request), "%s %s HTTP/%s\r\nHost: t\r\n\r\n", method, target,
                 version);
        peer_send(peer, request);
}

static bool need_line(struct peer *peer, char **ret_end)
{
        while (!(*ret_end = memmem(peer->bytes, peer->size, "\r\n", 2))) {
                if (!peer_read_more(peer))
                        return false;
        }
        return true;
}

static bool need(struct peer *peer, size_t bytes)
{
        while (peer->size < bytes) {
                if (!peer_read_more(peer))
                        return false;
        }
        return true;
}

/* Reads and checks a chunked body; true: its end was there. */
static bool receive_chunks(struct peer *peer, uint64_t *ret_bytes)
{
        uint64_t at = 0;

        for (;;) {
                char *end;

                *ret_bytes = at;
                if (!need_line(peer, &end))
                        return false;
                if (end == peer->bytes) /* no size: the mark of a stream that was broken off */
                        return false;
                size_t bytes = strtoull(peer->bytes, &end, 16);
                assert_memory_equal(end, "\r\n", 2);
                peer_consume(peer, (size_t)(end - peer->bytes) + 2);
                if (!need(peer, bytes + 2))
                        return false;
                for (size_t i = 0; i < bytes; i++)
                        assert_int_equal(peer->bytes[i], byte_at(at + i));
                at += bytes;
                assert_memory_equal(peer->bytes + bytes, "\r\n", 2);
                peer_consume(peer, bytes + 2);
                if (bytes == 0)
                        return true;
        }
}

static void receive_head(struct peer *peer)
{
        struct answer answer;

        peer_receive(peer, true, &answer);
        assert_int_equal(answer.status, 200);
        assert_non_null(strcasestr(answer.head, "transfer-encoding: chunked\r\n"));
        assert_non_null(strcasestr(answer.head, "content-type: text/csv\r\n"));
        assert_non_null(strcasestr(answer.head, "x-content-type-options: nosniff\r\n"));
        assert_null(strcasestr(answer.head, "content-length"));
        answer_done(&answer);
}

static void receive_whole(struct peer *peer, uint64_t bytes)
{
        uint64_t received;

        receive_head(peer);
        assert_true(receive_chunks(peer, &received));
        assert_int_equal(received, bytes);
}

/* ---- tests ---- */

static void streams_come_whole(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        ask(&peer, "GET", "/stream?bytes=0&piece=1", "1.1");
        receive_whole(&peer, 0);
        ask(&peer, "GET", "/stream?bytes=5&piece=5", "1.1");
        receive_whole(&peer, 5);
        ask(&peer, "GET", "/stream?bytes=100000&piece=7", "1.1");
        receive_whole(&peer, 100000);
        ask(&peer, "GET", "/stream?bytes=20000000&piece=100000", "1.1");
        receive_whole(&peer, 20000000);
        wait_for(&seen.ended, 4);
        assert_int_equal(seen.result, 0);
        peer_post(&peer, "/v1/echo", "[]", 200, "[]"); /* the connection goes on */
        peer_close(&peer);
        assert_true(site_metric(&site, "muster_http_requests_aborted_total") == 0);
}

static void pipelined_requests_wait_for_the_end(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        peer_send(&peer, "GET /stream?bytes=300000&piece=5000 HTTP/1.1\r\nHost: t\r\n\r\n"
                         "GET /stream?bytes=10&piece=5 HTTP/1.1\r\nHost: t\r\n\r\n");
        receive_whole(&peer, 300000);
        receive_whole(&peer, 10);
        peer_close(&peer);
}

static void it_works_over_tls(void **state)
{
        struct mu_tls_config config = {.directory = directory, .host_name = "box.example"};
        char error[MU_TLS_ERROR_BYTES];
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());
        struct peer peer;

        (void)state;
        snprintf(directory, sizeof(directory), "/tmp/mu-test-stream.XXXXXX");
        assert_non_null(mkdtemp(directory));
        assert_int_equal(mu_tls_create(&config, &tls, error), 0);
        site.tls = tls;
        site_start(&site);
        peer_open(&peer, site.tls_port);
        assert_true(peer_start_tls(&peer, ctx, NULL));
        ask(&peer, "GET", "/stream?bytes=5000000&piece=30000", "1.1");
        receive_whole(&peer, 5000000);
        ask(&peer, "GET", "/stream?bytes=700000&piece=30000&abort=1", "1.1");
        uint64_t received;
        receive_head(&peer);
        assert_false(receive_chunks(&peer, &received));
        peer_close(&peer);
        SSL_CTX_free(ctx);
}

static void head_has_no_body(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        ask(&peer, "HEAD", "/stream?bytes=3000000&piece=100000", "1.1");
        peer_receive(&peer, true, &answer);
        assert_int_equal(answer.status, 200);
        assert_non_null(strcasestr(answer.head, "content-type: text/csv\r\n"));
        answer_done(&answer);
        wait_for(&seen.ended, 1);
        assert_int_equal(seen.result, 0);
        peer_post(&peer, "/v1/echo", "[]", 200, "[]"); /* nothing lies between */
        peer_close(&peer);
}

static void a_stream_broken_off_is_seen_as_such(void **state)
{
        static const char *const targets[] = {
                "/stream?bytes=0&piece=1&abort=1",
                "/stream?bytes=10&piece=5&abort=1",
                "/stream?bytes=3000000&piece=100000&abort=1",
        };
        struct peer peer;
        uint64_t received;

        (void)state;
        site_start(&site);
        for (size_t i = 0; i < MU_COUNT_OF(targets); i++) {
                peer_open(&peer, site.port);
                ask(&peer, "GET", targets[i], "1.1");
                receive_head(&peer);
                assert_false(receive_chunks(&peer, &received));
                while (peer_read_more(&peer)) /* and the connection ends */
                        ;
                peer_close(&peer);
        }
}

/* Without chunks the end of the connection is the end of the body; broken off, it is a reset. */
static void http_1_0_clients_see_it_too(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        ask(&peer, "GET", "/stream?bytes=500000&piece=10000", "1.0");
        peer_receive(&peer, true, &answer);
        assert_int_equal(answer.status, 200);
        assert_null(strcasestr(answer.head, "chunked"));
        answer_done(&answer);
        while (peer_read_more(&peer))
                ;
        assert_int_equal(peer.size, 500000);
        for (size_t i = 0; i < peer.size; i++)
                assert_int_equal(peer.bytes[i], byte_at(i));
        peer_close(&peer);

        peer_open(&peer, site.port);
        ask(&peer, "GET", "/stream?bytes=500000&piece=10000&abort=1", "1.0");
        errno = 0;
        while (peer_read_more(&peer))
                ;
        assert_int_equal(errno, ECONNRESET);
        peer_close(&peer);
}

static void memory_is_bounded_and_a_stall_ends_it(void **state)
{
        char target[96];
        struct peer peer;

        (void)state;
        site.config.write_timeout_ms = 300;
        site_start(&site);
        peer_open(&peer, site.port);
        snprintf(target, sizeof(target), "/stream?bytes=%llu&piece=100000",
                 (unsigned long long)ENDLESS_BYTES);
        ask(&peer, "GET", target, "1.1"); /* and reads nothing */
        wait_for(&seen.ended, 1);
        /* Our timer, or the kernel's for the same time: whichever is first. */
        assert_true(seen.result == -ETIMEDOUT || seen.result == -EPIPE);
        assert_true(seen.written < SLACK_BYTES);
        peer_close(&peer);
}

static void a_client_that_leaves_midway_ends_it(void **state)
{
        char target[96];
        struct peer peer;
        uint64_t received;

        (void)state;
        site_start(&site);
        snprintf(target, sizeof(target), "/stream?bytes=%llu&piece=10000",
                 (unsigned long long)ENDLESS_BYTES);
        for (uint32_t i = 1; i <= 10; i++) {
                peer_open(&peer, site.port);
                ask(&peer, "GET", target, "1.1");
                if (i % 3 == 0)
                        receive_head(&peer);
                if (i % 3 == 1)
                        assert_true(need(&peer, 400000));
                peer_close(&peer);
                wait_for(&seen.ended, i);
                assert_int_equal(seen.result, -EPIPE);
        }
        peer_open(&peer, site.port); /* the worker is free again */
        ask(&peer, "GET", "/stream?bytes=10&piece=10", "1.1");
        receive_head(&peer);
        assert_true(receive_chunks(&peer, &received));
        peer_close(&peer);
}

static void a_client_that_left_before_costs_nothing(void **state)
{
        static const char *const targets[] = {"/paused?bytes=100000000&late=1",
                                              "/paused?bytes=100000000"};
        struct peer peer, other;

        (void)state;
        site_start(&site);
        for (uint32_t i = 0; i < MU_COUNT_OF(targets); i++) {
                pthread_mutex_lock(&seen.lock);
                seen.go = false;
                pthread_mutex_unlock(&seen.lock);
                peer_open(&peer, site.port);
                ask(&peer, "GET", targets[i], "1.1");
                wait_for(&seen.begun, i + 1);
                peer_close(&peer);
                peer_open(&other, site.port); /* the loop has been round since */
                peer_post(&other, "/v1/echo", "[]", 200, "[]");
                peer_close(&other);
                let_go();
                wait_for(&seen.ended, i + 1);
                assert_int_equal(seen.result, -EPIPE);
        }
}

static void stop_lets_a_stream_finish(void **state)
{
        struct peer peer;
        uint64_t received;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        ask(&peer, "GET", "/paused?bytes=1000000", "1.1");
        wait_for(&seen.begun, 1);
        site_stop(&site, 60000);
        let_go();
        receive_head(&peer);
        assert_true(receive_chunks(&peer, &received));
        assert_int_equal(received, 1000000);
        peer_close(&peer);
        site_join(&site);
        wait_for(&seen.ended, 1);
        assert_int_equal(seen.result, 0);
}

static void the_deadline_cuts_a_stream(void **state)
{
        char target[96];
        struct peer peer;
        uint64_t received;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        snprintf(target, sizeof(target), "/stream?bytes=%llu&piece=10000",
                 (unsigned long long)ENDLESS_BYTES);
        ask(&peer, "GET", target, "1.1"); /* reads nothing: the worker waits for room */
        wait_for(&seen.begun, 1);
        site_stop(&site, 0);
        site_join(&site);
        wait_for(&seen.ended, 1);
        assert_int_equal(seen.result, -EPIPE);
        if (need(&peer, 13)) {
                receive_head(&peer);
                assert_false(receive_chunks(&peer, &received));
        }
        peer_close(&peer);
}

/* The worker writes only when the loops are gone already. */
static void a_stream_after_the_loops_end_meets_nobody(void **state)
{
        struct peer peer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        ask(&peer, "GET", "/paused?bytes=10000000", "1.1");
        wait_for(&seen.begun, 1);
        site_stop(&site, 0);
        site_join(&site);
        let_go();
        wait_for(&seen.ended, 1);
        assert_int_equal(seen.result, -EPIPE);
        peer_close(&peer);
}

static void half_of_the_workers_stay_free(void **state)
{
        struct peer slow, other;
        struct answer answer;
        uint64_t received;
        int status;

        (void)state;
        site.control_config.worker_count = 2;
        site_start(&site);
        peer_open(&slow, site.port);
        peer_open(&other, site.port);
        ask(&slow, "GET", "/paused?bytes=1000", "1.1");
        wait_for(&seen.begun, 1);
        ask(&other, "GET", "/stream?bytes=10&piece=10", "1.1");
        peer_receive(&other, false, &answer);
        assert_int_equal(answer.status, 503);
        assert_non_null(strstr(answer.head, "retry-after: 5\r\n"));
        assert_null(strstr(answer.head, "chunked"));
        assert_non_null(strstr(answer.body, "urn:muster:problem:overloaded"));
        answer_done(&answer);
        let_go();
        receive_head(&slow);
        assert_true(receive_chunks(&slow, &received));
        do { /* the first worker has still to leave */
                ask(&other, "GET", "/stream?bytes=10&piece=10", "1.1");
                peer_receive(&other, false, &answer);
                status = answer.status;
                answer_done(&answer);
        } while (status == 503);
        assert_int_equal(status, 200);
        assert_true(receive_chunks(&other, &received));
        peer_close(&slow);
        peer_close(&other);
}

static void a_guard_sees_and_replaces_the_reply(void **state)
{
        struct peer peer;
        struct answer answer;

        (void)state;
        site_start(&site);
        peer_open(&peer, site.port);
        ask(&peer, "GET", "/guarded", "1.1");
        peer_receive(&peer, false, &answer);
        assert_int_equal(answer.status, 409);
        assert_string_equal(answer.body, "other");
        assert_null(strstr(answer.head, "x-first"));
        answer_done(&answer);
        peer_close(&peer);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(streams_come_whole),
                T(pipelined_requests_wait_for_the_end),
                T(it_works_over_tls),
                T(head_has_no_body),
                T(a_stream_broken_off_is_seen_as_such),
                T(http_1_0_clients_see_it_too),
                T(memory_is_bounded_and_a_stall_ends_it),
                T(a_client_that_leaves_midway_ends_it),
                T(a_client_that_left_before_costs_nothing),
                T(stop_lets_a_stream_finish),
                T(the_deadline_cuts_a_stream),
                T(a_stream_after_the_loops_end_meets_nobody),
                T(half_of_the_workers_stay_free),
                T(a_guard_sees_and_replaces_the_reply),
        };

        return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
