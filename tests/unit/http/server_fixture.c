/* SPDX-License-Identifier: Apache-2.0 */
#include "server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/thread.h"
#include "muster/compiler.h"

/* ---- routes ---- */

static void handle_echo(struct mu_request *request, void *ctx)
{
        struct mu_slice body = mu_request_body(request);

        (void)ctx;
        /* The promised bytes behind the body are readable: ASan checks it. */
        volatile unsigned char sum = 0;
        for (size_t i = 0; i < MU_BODY_PADDING_BYTES; i++)
                sum = (unsigned char)(sum + (unsigned char)body.data[body.bytes + i]);
        mu_reply(request, 200, MU_TYPE_JSON, body.data, body.bytes);
}

static void handle_later(struct mu_request *request, void *ctx)
{
        struct site *site = ctx;

        pthread_mutex_lock(&site->lock);
        assert_true(site->later_count < SITE_LATER_MAX);
        site->later[site->later_count] = mu_request_defer(request);
        site->later_loop[site->later_count++] = mu_request_loop(request);
        pthread_cond_broadcast(&site->changed);
        pthread_mutex_unlock(&site->lock);
}

static void handle_thing(struct mu_request *request, void *ctx)
{
        struct mu_slice id = mu_request_param(request, "id");
        struct mu_slice q = mu_request_query_param(request, "q");
        struct mu_slice bearer = mu_request_bearer(request);
        char text[512];

        (void)ctx;
        if (!id.data) {
                mu_reply_problem(request, 400, "id-malformed", "id", "The id is \"%s\".", "\xff");
                return;
        }
        char address[MU_ADDRESS_TEXT_BYTES];
        mu_address_format(mu_request_address(request), address);
        int bytes = snprintf(text, sizeof(text), "id=%.*s q=%.*s bearer=%.*s from=%s",
                             (int)id.bytes, id.data, (int)q.bytes, q.data ? q.data : "",
                             (int)bearer.bytes, bearer.data ? bearer.data : "", address);
        mu_reply(request, 200, MU_TYPE_TEXT, text, (size_t)bytes);
}

static void work_echo(struct mu_call *call, void *state, void *ctx)
{
        struct mu_slice body = mu_call_body(call);
        struct mu_slice path = mu_call_path(call);
        struct mu_slice header = mu_call_header(call, "x-test");
        struct mu_slice q = mu_call_query_param(call, "q");
        char text[1024];

        (void)ctx;
        int bytes = snprintf(
                text, sizeof(text), "%s %.*s body=%.*s header=%.*s q=%.*s state=%s id=%s",
                mu_method_name(mu_call_method(call)), (int)path.bytes, path.data, (int)body.bytes,
                body.data, (int)header.bytes, header.data ? header.data : "", (int)q.bytes,
                q.data ? q.data : "", (const char *)state, mu_call_request_id(call));
        mu_call_reply(call, 200, MU_TYPE_TEXT, text, (size_t)bytes);
        mu_call_reply_header(call, "x-worker", "yes");
}

static void work_block(struct mu_call *call, void *state, void *ctx)
{
        struct site *site = ctx;

        (void)state;
        pthread_mutex_lock(&site->lock);
        site->blocked++;
        pthread_cond_broadcast(&site->changed);
        while (!site->open)
                pthread_cond_wait(&site->changed, &site->lock);
        site->blocked--;
        pthread_mutex_unlock(&site->lock);
        mu_call_reply_json(call, 200, "{\"blocked\":true}", 16);
}

static void work_silent(struct mu_call *call, void *state, void *ctx)
{
        (void)call;
        (void)state;
        (void)ctx;
}

static const struct mu_route routes[] = {
        {.method = "POST",
         .path = "/v1/echo",
         .handle = handle_echo,
         .flags = MU_ROUTE_DATA_PLANE,
         .body_bytes_max = 64 * 1024},
        {.method = "POST",
         .path = "/v1/later",
         .handle = handle_later,
         .flags = MU_ROUTE_DATA_PLANE,
         .body_bytes_max = 1024},
        {.method = "GET", .path = "/things/{id}", .handle = handle_thing},
        {.method = "POST",
         .path = "/work",
         .work = work_echo,
         .flags = MU_ROUTE_CONTROL,
         .body_bytes_max = 1024},
        {.method = "POST",
         .path = "/block",
         .work = work_block,
         .flags = MU_ROUTE_CONTROL,
         .body_bytes_max = 1024},
        {.method = "POST", .path = "/silent", .work = work_silent, .flags = MU_ROUTE_CONTROL},
};

static bool is_ready(void *ctx, struct mu_text *json)
{
        (void)ctx;
        mu_text_add(json, "{\"ready\":true,\"degraded\":[]}");
        return true;
}

static bool details(void *ctx, struct mu_text *json)
{
        (void)ctx;
        mu_text_add(json, "{\"database\":\"down\"}");
        return false;
}

static int start_state(void *ctx, void **ret_state)
{
        (void)ctx;
        *ret_state = strdup("fresh");
        return *ret_state ? 0 : -ENOMEM;
}

static void stop_state(void *ctx, void *state)
{
        (void)ctx;
        free(state);
}

/* ---- site ---- */

void site_init(struct site *site)
{
        memset(site, 0, sizeof(*site));
        pthread_mutex_init(&site->lock, NULL);
        pthread_cond_init(&site->changed, NULL);
        mu_server_config_init(&site->config);
        site->config.server_name = "muster";
        assert_int_equal(mu_metrics_create(&site->metrics), 0);
        site->config.metrics = site->metrics;
        site->control_config = (struct mu_offload_config){.name = "control",
                                                          .worker_count = 1,
                                                          .queue_max = 2,
                                                          .deadline_ms = 60000,
                                                          .metrics = site->metrics,
                                                          .start_state = start_state,
                                                          .stop_state = stop_state};
        site->health = (struct mu_health_source){.version = "1.2.3",
                                                 .metrics = site->metrics,
                                                 .ready = is_ready,
                                                 .details = details};
}

static void on_wait_begin(void *ctx)
{
        struct site *site = ctx;

        atomic_fetch_add(&site->waits, 1);
        atomic_fetch_add(&site->wait_begins, 1);
}

static void on_wait_end(void *ctx)
{
        struct site *site = ctx;

        atomic_fetch_sub(&site->waits, 1);
}

static void run_loop(void *ctx)
{
        assert_int_equal(mu_loop_run(ctx), 0);
}

void site_start(struct site *site)
{
        char error[MU_LISTEN_ERROR_BYTES];
        struct mu_offload_config probe = {.name = "probe",
                                          .worker_count = 1,
                                          .queue_max = 16,
                                          .deadline_ms = 60000,
                                          .metrics = site->metrics};

        assert_int_equal(mu_router_create(&site->router), 0);
        assert_int_equal(mu_router_add(site->router, routes, MU_COUNT_OF(routes), site), 0);
        assert_int_equal(
                mu_router_add(site->router, site->routes, site->route_count, site->routes_ctx), 0);
        assert_int_equal(mu_health_routes(site->router, &site->health), 0);
        if (site->console)
                assert_int_equal(mu_console_routes(site->router, site->console), 0);
        mu_router_seal(site->router);
        assert_int_equal(mu_offload_create(&site->control_config, &site->control), 0);
        assert_int_equal(mu_offload_create(&probe, &site->probe), 0);
        assert_int_equal(mu_offload_start(site->control), 0);
        assert_int_equal(mu_offload_start(site->probe), 0);
        site->config.router = site->router;
        site->config.control = site->control;
        site->config.probe = site->probe;
        assert_int_equal(mu_server_create(&site->config, &site->server), 0);
        assert_int_equal(mu_metrics_status(site->metrics), 0);
        assert_int_equal(mu_server_listen(site->server, "127.0.0.1", 0, NULL, &site->port, error),
                         0);
        if (site->tls)
                assert_int_equal(mu_server_listen(site->server, "127.0.0.1", 0, site->tls,
                                                  &site->tls_port, error),
                                 0);
        mu_loop_set_wait_hooks(mu_server_loop(site->server, 0), on_wait_begin, on_wait_end, site);
        for (uint32_t i = 0; i < site->config.loop_count; i++)
                assert_int_equal(mu_thread_start("loop", run_loop, mu_server_loop(site->server, i),
                                                 &site->threads[i]),
                                 0);
}

void site_stop(struct site *site, uint32_t deadline_ms)
{
        mu_server_stop(site->server, deadline_ms);
}

void site_join(struct site *site)
{
        for (uint32_t i = 0; !site->loops_ended && i < site->config.loop_count; i++)
                mu_thread_join(site->threads[i]);
        site->loops_ended = true;
}

void site_done(struct site *site)
{
        if (site->server) {
                if (!site->loops_ended)
                        site_stop(site, 0);
                site_join(site);
                site_unblock(site);
                mu_offload_stop(site->control, 1000);
                mu_offload_stop(site->probe, 1000);
        }
        mu_server_destroy(site->server);
        mu_offload_destroy(site->control);
        mu_offload_destroy(site->probe);
        mu_router_destroy(site->router);
        mu_metrics_destroy(site->metrics);
        pthread_mutex_destroy(&site->lock);
        pthread_cond_destroy(&site->changed);
}

void site_wait_later(struct site *site, uint32_t count)
{
        pthread_mutex_lock(&site->lock);
        while (site->later_count < count)
                pthread_cond_wait(&site->changed, &site->lock);
        pthread_mutex_unlock(&site->lock);
}

struct release {
        struct site *site;
        uint32_t index;
};

static void run_release(void *ctx)
{
        struct release *release = ctx;
        struct site *site = release->site;
        char json[32];

        int bytes = snprintf(json, sizeof(json), "{\"n\":%u}", release->index);
        pthread_mutex_lock(&site->lock);
        if (mu_pending_reply_json(site->later[release->index], 202, json, (size_t)bytes))
                site->sent++;
        else
                site->dead++;
        site->released++;
        pthread_cond_broadcast(&site->changed);
        pthread_mutex_unlock(&site->lock);
        free(release);
}

void site_release(struct site *site, uint32_t index)
{
        struct release *release = malloc(sizeof(*release));

        assert_non_null(release);
        *release = (struct release){.site = site, .index = index};
        assert_int_equal(mu_loop_post(site->later_loop[index], run_release, release), 0);
}

void site_wait_released(struct site *site, uint32_t count)
{
        pthread_mutex_lock(&site->lock);
        while (site->released < count)
                pthread_cond_wait(&site->changed, &site->lock);
        pthread_mutex_unlock(&site->lock);
}

void site_wait_blocked(struct site *site, uint32_t count)
{
        pthread_mutex_lock(&site->lock);
        while (site->blocked < count)
                pthread_cond_wait(&site->changed, &site->lock);
        pthread_mutex_unlock(&site->lock);
}

void site_unblock(struct site *site)
{
        pthread_mutex_lock(&site->lock);
        site->open = true;
        pthread_cond_broadcast(&site->changed);
        pthread_mutex_unlock(&site->lock);
}

double site_metric(struct site *site, const char *series)
{
        char *text;
        size_t bytes;
        double value = -1;
        size_t series_bytes = strlen(series);

        assert_int_equal(mu_metrics_render(site->metrics, &text, &bytes), 0);
        for (char *line = text; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0) {
                if (strncmp(line, series, series_bytes) == 0 && line[series_bytes] == ' ')
                        value = strtod(line + series_bytes, NULL);
        }
        free(text);
        return value;
}

/* ---- peers ---- */

static int connect_to(uint16_t port, int *ret_fd)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(*ret_fd >= 0);
        return connect(*ret_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

bool peer_can_open(uint16_t port)
{
        int fd;
        int error = connect_to(port, &fd);

        close(fd);
        assert_true(error == 0 || error == -ECONNREFUSED);
        return error == 0;
}

void peer_open(struct peer *peer, uint16_t port)
{
        struct timeval timeout = {.tv_sec = 60};
        int on = 1;

        *peer = (struct peer){.room = 4096};
        peer->bytes = calloc(1, peer->room);
        assert_non_null(peer->bytes);
        assert_int_equal(connect_to(port, &peer->fd), 0);
        setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

bool peer_start_tls(struct peer *peer, SSL_CTX *ctx, SSL_SESSION *session)
{
        peer->tls = SSL_new(ctx);
        assert_non_null(peer->tls);
        SSL_set_fd(peer->tls, peer->fd);
        if (session)
                SSL_set_session(peer->tls, session);
        return SSL_connect(peer->tls) == 1;
}

void peer_close(struct peer *peer)
{
        SSL_free(peer->tls);
        close(peer->fd);
        free(peer->bytes);
}

void peer_send_bytes(struct peer *peer, const void *bytes, size_t size)
{
        const char *at = bytes;

        while (size > 0) {
                ssize_t n = peer->tls ? SSL_write(peer->tls, at, (int)size)
                                      : send(peer->fd, at, size, MSG_NOSIGNAL);

                if (n <= 0)
                        return; /* the server has closed: the answer is what counts */
                at += n;
                size -= (size_t)n;
        }
}

void peer_send(struct peer *peer, const char *text)
{
        peer_send_bytes(peer, text, strlen(text));
}

/* false at the end of the stream. */
bool peer_read_more(struct peer *peer)
{
        if (peer->room - peer->size < 2048) {
                peer->room *= 2;
                peer->bytes = realloc(peer->bytes, peer->room);
                assert_non_null(peer->bytes);
        }
        char *at = peer->bytes + peer->size;
        size_t room = peer->room - peer->size - 1;
        ssize_t n = peer->tls ? SSL_read(peer->tls, at, (int)room) : recv(peer->fd, at, room, 0);

        if (n <= 0) {
                /* A timeout is a hang: the test fails. */
                assert_false(!peer->tls && n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
                peer->ended = true;
                return false;
        }
        peer->size += (size_t)n;
        peer->bytes[peer->size] = '\0';
        return true;
}

void peer_consume(struct peer *peer, size_t bytes)
{
        memmove(peer->bytes, peer->bytes + bytes, peer->size - bytes + 1);
        peer->size -= bytes;
}

void peer_receive(struct peer *peer, bool head_only, struct answer *ret_answer)
{
        char *end;

        while (!(end = strstr(peer->bytes, "\r\n\r\n"))) {
                if (!peer_read_more(peer))
                        fail_msg("closed in the middle of: \"%s\"", peer->bytes);
        }
        size_t head_bytes = (size_t)(end - peer->bytes) + 4;
        ret_answer->head = strndup(peer->bytes, head_bytes);
        assert_non_null(ret_answer->head);
        peer_consume(peer, head_bytes);
        assert_int_equal(sscanf(ret_answer->head, "HTTP/1.1 %d", &ret_answer->status), 1);
        size_t body_bytes = 0;
        char *length = strcasestr(ret_answer->head, "content-length: ");
        if (length && !head_only)
                body_bytes = (size_t)strtoul(length + 16, NULL, 10);
        while (peer->size < body_bytes) {
                if (!peer_read_more(peer))
                        fail_msg("closed in the middle of a body: \"%s\"", peer->bytes);
        }
        ret_answer->body = strndup(peer->bytes, body_bytes);
        ret_answer->body_bytes = body_bytes;
        assert_non_null(ret_answer->body);
        peer_consume(peer, body_bytes);
}

void answer_done(struct answer *answer)
{
        free(answer->head);
        free(answer->body);
}

bool peer_at_end(struct peer *peer)
{
        return peer->size == 0 && !peer_read_more(peer);
}

void peer_ask(struct peer *peer, const char *request, int status, const char *needle)
{
        struct answer answer;

        peer_send(peer, request);
        peer_receive(peer, strncmp(request, "HEAD", 4) == 0, &answer);
        if (answer.status != status || (needle && !strstr(answer.body, needle)))
                fail_msg("expected %d with \"%s\", got %s%s", status, needle ? needle : "",
                         answer.head, answer.body);
        answer_done(&answer);
}

void peer_post(struct peer *peer, const char *path, const char *body, int status,
               const char *needle)
{
        char *request;

        assert_true(asprintf(&request,
                             "POST %s HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
                             "Content-Length: %zu\r\n\r\n%s",
                             path, strlen(body), body) > 0);
        peer_ask(peer, request, status, needle);
        free(request);
}
