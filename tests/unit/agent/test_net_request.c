/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "muster/compiler.h"
#include "net/http_curl.h"
#include "net_peer.h"

enum { PATIENCE_MS = 60000 };

/* What came back. */
struct outcome {
        int calls;
        int error;
        int status;
        int64_t retry_after_s;
        size_t body_bytes;
        char body[256];
};

struct world {
        struct mu_agent_config config;
        struct mu_net *net;
        struct outcome outcome;
        char directory[64];
        char file[96];
};

static void no_push(void *context, enum mu_agent_push_event event, int code, const char *text,
                    size_t bytes)
{
        (void)context;
        (void)event;
        (void)code;
        (void)text;
        (void)bytes;
        fail();
}

static void take(void *context, const struct mu_agent_reply *reply)
{
        struct outcome *outcome = context;

        outcome->calls++;
        outcome->error = reply->error;
        outcome->status = reply->status;
        outcome->retry_after_s = reply->retry_after_s;
        outcome->body_bytes = reply->body_bytes;
        assert_int_equal(strlen(reply->body), reply->body_bytes);
        if (reply->error != 0) {
                assert_int_equal(reply->status, 0);
                assert_true(strlen(reply->sentence) > 5);
        }
        (void)snprintf(outcome->body, sizeof(outcome->body), "%s", reply->body);
}

static int open_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        const struct mu_net_options options = {
                .config = &world->config, .user_agent = "muster-agent/test", .push = no_push};

        mu_agent_config_init(&world->config);
        (void)snprintf(world->config.token, sizeof(world->config.token), "mu_secret");
        (void)snprintf(world->directory, sizeof(world->directory), "/tmp/test_net.XXXXXX");
        if (!mkdtemp(world->directory) || mu_net_create(&options, &world->net) < 0)
                return -1;
        (void)snprintf(world->file, sizeof(world->file), "%s/file", world->directory);
        *state = world;
        return 0;
}

static int close_world(void **state)
{
        struct world *world = *state;

        mu_net_destroy(world->net);
        (void)unlink(world->file);
        int left = rmdir(world->directory); /* a stray file would be in the way */

        free(world);
        return left;
}

static struct net_peer *serve(struct world *world, net_peer_fn *function, void *context)
{
        const struct net_peer_options options = {.serve = function, .context = context};
        struct net_peer *peer = net_peer_start(&options);

        (void)snprintf(world->config.server, sizeof(world->config.server), "%s",
                       net_peer_url(peer));
        return peer;
}

static void wait_for(struct world *world, int calls)
{
        const uint64_t end_ns =
                mu_clock_monotonic_ns(mu_clock_system()) + (uint64_t)PATIENCE_MS * MU_NS_PER_MS;

        while (world->outcome.calls < calls && mu_clock_monotonic_ns(mu_clock_system()) < end_ns)
                assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, PATIENCE_MS), 0);
        assert_int_equal(world->outcome.calls, calls);
}

static struct outcome *ask(struct world *world, const struct mu_agent_request *request)
{
        int calls = world->outcome.calls;

        assert_int_equal(mu_net_request(world->net, request, take, &world->outcome), 0);
        assert_int_equal(world->outcome.calls, calls); /* never from inside */
        wait_for(world, calls + 1);
        return &world->outcome;
}

static struct outcome *get(struct world *world, const char *path)
{
        const struct mu_agent_request request = {
                .method = "GET", .path = path, .authorization = MU_AGENT_AUTH_TOKEN};

        return ask(world, &request);
}

/* ---- peers ---- */

/* Answers every request of a connection with one text; keeps the last one. */
struct script {
        const char *answer;
        int requests;
        char request[PEER_REQUEST_BYTES];
};

static void answer_all(struct net_conn *conn, int number, void *context)
{
        struct script *script = context;

        (void)number;
        while (net_conn_request(conn, script->request, sizeof(script->request)) > 0) {
                script->requests++;
                if (!net_conn_answer(conn, script->answer))
                        return;
        }
}

static void answer_once(struct net_conn *conn, int number, void *context)
{
        struct script *script = context;

        (void)number;
        if (net_conn_request(conn, script->request, sizeof(script->request)) > 0)
                (void)net_conn_answer(conn, script->answer);
}

/* Until the other end gives up. */
static void say_nothing(struct net_conn *conn, int number, void *context)
{
        char byte;

        (void)number;
        (void)context;
        while (net_conn_read(conn, &byte, 1) > 0)
                ;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: "

/* ---- requests ---- */

static void test_get(void **state)
{
        struct world *world = *state;
        static struct script script;

        script = (struct script){.answer = OK_HEAD "2\r\n\r\nhi"};
        struct net_peer *peer = serve(world, answer_all, &script);
        struct outcome *outcome = get(world, "/v1/commands?limit=1");

        assert_int_equal(outcome->error, 0);
        assert_int_equal(outcome->status, 200);
        assert_string_equal(outcome->body, "hi");
        assert_int_equal(outcome->retry_after_s, -1);
        (void)get(world, "/v1/commands?limit=1");
        assert_int_equal(net_peer_stop(peer), 1); /* the connection was kept */
        assert_int_equal(script.requests, 2);
        assert_non_null(strstr(script.request, "GET /v1/commands?limit=1 HTTP/1.1\r\n"));
        assert_non_null(strstr(script.request, "Authorization: Bearer mu_secret\r\n"));
        assert_non_null(strstr(script.request, "User-Agent: muster-agent/test\r\n"));
        assert_null(strstr(script.request, "Cookie"));
}

static void test_post(void **state)
{
        struct world *world = *state;
        static struct script script;
        char body[] = "{\"ts\":1}";
        struct mu_agent_request request = {.method = "POST",
                                           .path = "/v1/heartbeat",
                                           .body = body,
                                           .body_bytes = strlen(body),
                                           .authorization = MU_AGENT_AUTH_ENROLMENT,
                                           .secret = "token-1"};

        script = (struct script){.answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"};
        struct net_peer *peer = serve(world, answer_all, &script);

        assert_int_equal(mu_net_request(world->net, &request, take, &world->outcome), 0);
        memset(body, 'x', sizeof(body)); /* it was copied */
        wait_for(world, 1);
        assert_int_equal(world->outcome.status, 202);
        assert_string_equal(world->outcome.body, "");
        request.body = NULL;
        request.authorization = MU_AGENT_AUTH_ADMIN_KEY;
        request.secret = "key\r\nX-Other: 1";
        assert_int_equal(mu_net_request(world->net, &request, take, &world->outcome), -EINVAL);
        (void)net_peer_stop(peer);
        assert_non_null(strstr(script.request, "\r\n\r\n{\"ts\":1}"));
        assert_non_null(strstr(script.request, "X-Enrolment-Token: token-1\r\n"));
        assert_non_null(strstr(script.request, "Content-Type: application/json\r\n"));
        assert_null(strstr(script.request, "Bearer"));
}

static void test_redirect_is_not_followed(void **state)
{
        struct world *world = *state;
        static struct script script;

        script = (struct script){.answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n"
                                           "Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"};
        struct net_peer *peer = serve(world, answer_all, &script);

        assert_int_equal(get(world, "/v1/commands")->status, 302);
        assert_int_equal(get(world, "/v1/commands")->status, 302);
        (void)net_peer_stop(peer);
        assert_int_equal(script.requests, 2);
        assert_null(strstr(script.request, "elsewhere"));
        assert_null(strstr(script.request, "Cookie"));
}

static void endless(struct net_conn *conn, int number, void *context)
{
        static const char CHUNK[] = "10\r\n0123456789abcdef\r\n";
        char request[4096];

        (void)number;
        (void)context;
        if (net_conn_request(conn, request, sizeof(request)) == 0 ||
            !net_conn_answer(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
                return;
        while (net_conn_answer(conn, CHUNK))
                ;
}

static void test_reply_is_bounded(void **state)
{
        struct world *world = *state;
        struct net_peer *peer = serve(world, endless, NULL);

        assert_int_equal(get(world, "/")->error, -EMSGSIZE);
        (void)net_peer_stop(peer);
}

static void test_retry_after(void **state)
{
        static const struct {
                const char *headers;
                int64_t seconds;
        } CASES[] = {
                {"", -1},
                {"Retry-After: 7\r\n", 7},
                {"Retry-After: 0\r\n", 0},
                {"Retry-After: 99999999\r\n", 86400},
                {"Retry-After: soon\r\n", -1},
                {"Retry-After: \r\n", -1},
                {"Retry-After: -5\r\n", 0},
                {"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
                 "Retry-After: Sat, 21 Nov 2026 10:02:00 GMT\r\n",
                 120},
                {"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
                 "Retry-After: Sat, 21 Nov 2026 09:00:00 GMT\r\n",
                 0},
        };
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(CASES); i++) {
                static struct script script;
                char answer[256];

                (void)snprintf(answer, sizeof(answer),
                               "HTTP/1.1 503 Later\r\n%sContent-Length: 0\r\n\r\n",
                               CASES[i].headers);
                script = (struct script){.answer = answer};
                struct net_peer *peer = serve(world, answer_all, &script);

                assert_int_equal(get(world, "/")->status, 503);
                assert_int_equal(world->outcome.retry_after_s, CASES[i].seconds);
                (void)net_peer_stop(peer);
        }
}

static void test_no_answer(void **state)
{
        struct world *world = *state;
        struct net_peer *peer = serve(world, say_nothing, NULL);
        const struct mu_agent_request request = {.method = "GET", .path = "/", .timeout_ms = 100};

        assert_int_equal(ask(world, &request)->error, -ETIMEDOUT);
        (void)net_peer_stop(peer);
        assert_int_equal(get(world, "/")->error, -ECONNREFUSED);
}

static void test_broken_answers(void **state)
{
        static const char *const ANSWERS[] = {OK_HEAD "10\r\n\r\nhal", "", "SSH-2.0-x\r\n\r\n"};
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(ANSWERS); i++) {
                static struct script script;

                script = (struct script){.answer = ANSWERS[i]};
                struct net_peer *peer = serve(world, answer_once, &script);

                assert_true(get(world, "/")->error < 0);
                (void)net_peer_stop(peer);
        }
}

/* ---- where it may go ---- */

static void test_places_that_are_refused(void **state)
{
        static const char *const URLS[] = {"http://fleet.example/x",
                                           "ftp://127.0.0.1/x",
                                           "file:///etc/passwd",
                                           "http://127.0.0.1.example/x",
                                           "https://user:p@localhost",
                                           "",
                                           "http://localhost.example/x",
                                           "gopher://localhost/",
                                           "https://",
                                           "http://[::2]/x",
                                           "http://0.0.0.0/",
                                           "http://128.0.0.1/"};
        struct world *world = *state;

        (void)snprintf(world->config.server, sizeof(world->config.server), "http://127.0.0.1:1");
        for (size_t i = 0; i < MU_COUNT_OF(URLS); i++) {
                const struct mu_agent_request request = {.method = "GET", .path = URLS[i]};

                assert_int_equal(mu_net_request(world->net, &request, take, &world->outcome),
                                 -EINVAL);
        }
        const struct mu_agent_request other = {.method = "BREW", .path = "/"};

        assert_int_equal(mu_net_request(world->net, &other, take, &world->outcome), -EINVAL);
}

static void test_token_goes_to_our_server_only(void **state)
{
        struct world *world = *state;
        static struct script ours;
        static struct script theirs;
        char url[160];

        ours = (struct script){.answer = OK_HEAD "0\r\n\r\n"};
        theirs = ours;
        struct net_peer *other = serve(world, answer_all, &theirs);

        (void)snprintf(url, sizeof(url), "%s/a", net_peer_url(other));
        struct net_peer *server = serve(world, answer_all, &ours);

        assert_int_equal(get(world, url)->status, 200);
        (void)snprintf(url, sizeof(url), "%s/a", net_peer_url(server));
        assert_int_equal(get(world, url)->status, 200);
        (void)net_peer_stop(other);
        (void)net_peer_stop(server);
        assert_int_equal(theirs.requests, 1);
        assert_null(strstr(theirs.request, "mu_secret"));
        assert_non_null(strstr(ours.request, "Bearer mu_secret\r\n"));
}

/* ---- files ---- */

static struct mu_agent_request download(const struct world *world, int64_t bytes)
{
        return (struct mu_agent_request){
                .method = "GET", .path = "/x", .file = world->file, .file_bytes = bytes};
}

static void test_download(void **state)
{
        struct world *world = *state;
        static struct script script;
        char content[16] = "";
        struct stat info;
        struct mu_agent_request request = download(world, 5);

        script = (struct script){.answer = OK_HEAD "5\r\n\r\nhello"};
        struct net_peer *peer = serve(world, answer_all, &script);

        assert_int_equal(ask(world, &request)->error, 0);
        assert_int_equal(world->outcome.status, 200);
        assert_string_equal(world->outcome.body, "");
        assert_int_equal(stat(world->file, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
        FILE *file = fopen(world->file, "r");

        assert_non_null(file);
        assert_int_equal(fread(content, 1, sizeof(content), file), 5);
        (void)fclose(file);
        assert_string_equal(content, "hello");
        assert_int_equal(ask(world, &request)->error, -EEXIST);
        assert_int_equal(stat(world->file, &info), 0); /* and stays */
        assert_int_equal(unlink(world->file), 0);
        request = download(world, 4);
        assert_int_equal(ask(world, &request)->error, -EMSGSIZE);
        assert_int_equal(access(world->file, F_OK), -1);
        (void)net_peer_stop(peer);
}

static void test_download_refused_or_cut(void **state)
{
        struct world *world = *state;
        static struct script script;
        const struct mu_agent_request request = download(world, 100);

        script = (struct script){.answer = "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone"};
        struct net_peer *peer = serve(world, answer_all, &script);

        assert_int_equal(ask(world, &request)->status, 404);
        assert_string_equal(world->outcome.body, "none");
        assert_int_equal(access(world->file, F_OK), -1);
        (void)net_peer_stop(peer);
        script = (struct script){.answer = OK_HEAD "50\r\n\r\nhalf"};
        peer = serve(world, answer_once, &script);
        assert_true(ask(world, &request)->error < 0);
        assert_int_equal(access(world->file, F_OK), -1);
        (void)net_peer_stop(peer);
        script = (struct script){.answer = OK_HEAD "0\r\n\r\n"};
        peer = serve(world, answer_all, &script);
        assert_int_equal(ask(world, &request)->status, 200);
        assert_int_equal(access(world->file, F_OK), 0); /* empty, as it was sent */
        (void)net_peer_stop(peer);
}

/* ---- from inside of an answer ---- */

static void cancel_from_inside(void *context, const struct mu_agent_reply *reply)
{
        struct world *world = context;

        assert_int_equal(reply->error, 0);
        world->outcome.calls++;
        mu_net_cancel_all(world->net);
}

static void ask_from_inside(void *context, const struct mu_agent_reply *reply)
{
        struct world *world = context;
        const struct mu_agent_request request = {.method = "GET", .path = "/second"};

        assert_int_equal(reply->error, 0);
        world->outcome.calls++;
        assert_int_equal(mu_net_request(world->net, &request, take, &world->outcome), 0);
}

static void test_requests_from_an_answer(void **state)
{
        struct world *world = *state;
        static struct script script;
        const struct mu_agent_request request = {.method = "GET", .path = "/first"};

        script = (struct script){.answer = OK_HEAD "0\r\n\r\n"};
        struct net_peer *peer = serve(world, answer_all, &script);

        assert_int_equal(mu_net_request(world->net, &request, ask_from_inside, world), 0);
        wait_for(world, 2);
        assert_int_equal(world->outcome.status, 200);
        (void)net_peer_stop(peer);
        assert_non_null(strstr(script.request, "GET /second "));
}

static void test_cancel(void **state)
{
        struct world *world = *state;
        static struct script script;
        const struct mu_agent_request request = {.method = "GET", .path = "/"};

        script = (struct script){.answer = OK_HEAD "0\r\n\r\n"};
        struct net_peer *peer = serve(world, answer_all, &script);

        for (int i = 0; i < 3; i++)
                assert_int_equal(mu_net_request(world->net, &request, cancel_from_inside, world),
                                 0);
        wait_for(world, 1); /* the first to be answered ends the others */
        assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, 0), 0);
        assert_int_equal(world->outcome.calls, 1);
        assert_int_equal(mu_net_request(world->net, &request, take, &world->outcome), 0);
        mu_net_cancel_all(world->net);
        assert_int_equal(mu_net_wait(world->net, NULL, 0, NULL, 0), 0);
        assert_int_equal(world->outcome.calls, 1);
        (void)net_peer_stop(peer);
}

static void test_too_many(void **state)
{
        struct world *world = *state;
        struct net_peer *peer = serve(world, say_nothing, NULL);
        const struct mu_agent_request request = {.method = "GET", .path = "/"};
        int taken = 0;

        while (taken < 1000 && mu_net_request(world->net, &request, take, &world->outcome) == 0)
                taken++;
        assert_int_equal(taken, 16);
        mu_net_cancel_all(world->net);
        assert_int_equal(mu_net_request(world->net, &request, take, &world->outcome), 0);
        mu_net_cancel_all(world->net);
        (void)net_peer_stop(peer);
}

static void test_extra_descriptors(void **state)
{
        struct world *world = *state;
        bool ready[2] = {true, true};
        int one[2];
        int two[2];

        assert_int_equal(pipe(one), 0);
        assert_int_equal(pipe(two), 0);
        const int extra[2] = {one[0], two[0]};

        assert_int_equal(mu_net_wait(world->net, extra, 2, ready, 0), 0);
        assert_false(ready[0]);
        assert_false(ready[1]);
        assert_int_equal(write(two[1], "x", 1), 1);
        assert_int_equal(mu_net_wait(world->net, extra, 2, ready, -1), 0);
        assert_false(ready[0]);
        assert_true(ready[1]);
        for (size_t i = 0; i < 2; i++) {
                (void)close(one[i]);
                (void)close(two[i]);
        }
}

/* Nothing is due for long: what is kept open would only cost. */
static void test_rest(void **state)
{
        struct world *world = *state;
        static struct script script;
        bool ready[1];
        int ends[2];

        script = (struct script){.answer = OK_HEAD "0\r\n\r\n"};
        struct net_peer *peer = serve(world, answer_all, &script);

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_int_equal(get(world, "/")->status, 200);
        assert_int_equal(mu_net_wait(world->net, ends, 1, ready, 1000), 0); /* soon: kept */
        assert_int_equal(get(world, "/")->status, 200);
        assert_int_equal(mu_net_wait(world->net, ends, 1, ready, -1), 0);
        assert_int_equal(get(world, "/")->status, 200);
        assert_int_equal(mu_net_wait(world->net, ends, 1, ready, 3600000), 0);
        assert_int_equal(net_peer_stop(peer), 2);
        assert_int_equal(script.requests, 3);
        (void)close(ends[0]);
        (void)close(ends[1]);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)
        const struct CMUnitTest tests[] = {
                TEST(test_get),
                TEST(test_post),
                TEST(test_redirect_is_not_followed),
                TEST(test_reply_is_bounded),
                TEST(test_retry_after),
                TEST(test_no_answer),
                TEST(test_broken_answers),
                TEST(test_places_that_are_refused),
                TEST(test_token_goes_to_our_server_only),
                TEST(test_download),
                TEST(test_download_refused_or_cut),
                TEST(test_requests_from_an_answer),
                TEST(test_cancel),
                TEST(test_too_many),
                TEST(test_extra_descriptors),
                TEST(test_rest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
