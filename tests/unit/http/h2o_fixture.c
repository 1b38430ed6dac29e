/* SPDX-License-Identifier: Apache-2.0 */
#include "h2o_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* A test that waits longer than this many loop turns of up to 20 ms is stuck. */
#define TURNS_MAX 1000

static struct fixture *fixture_of(h2o_context_t *context)
{
        return (struct fixture *)((char *)context - offsetof(struct fixture, context));
}

static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
        static char big[FIXTURE_BIG_REPLY_BYTES];
        static h2o_generator_t generator = {NULL, NULL};

        (void)handler;
        fixture_of(req->conn->ctx)->requests++;
        if (h2o_memis(req->path_normalized.base, req->path_normalized.len, H2O_STRLIT("/none")))
                return -1;
        char *text = h2o_mem_alloc_pool(&req->pool, 64);
        int text_bytes = snprintf(text, 64, "body of %zu bytes\n", req->entity.len);
        h2o_iovec_t body = h2o_iovec_init(text, (size_t)text_bytes);

        if (h2o_memis(req->path_normalized.base, req->path_normalized.len, H2O_STRLIT("/big")))
                body = h2o_iovec_init(big, sizeof(big));
        req->res.status = 200;
        req->res.reason = "OK";
        req->res.content_length = body.len;
        h2o_start_response(req, &generator);
        h2o_send(req, &body, 1, H2O_SEND_STATE_FINAL);
        return 0;
}

static void on_protocol_error(h2o_conn_t *conn, int status, const char *detail)
{
        struct fixture *server = fixture_of(conn->ctx);

        assert_non_null(detail);
        server->protocol_errors++;
        server->last_protocol_error = status;
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
        struct fixture *server = listener->data;
        h2o_socket_t *sock;

        assert_null(err);
        while ((sock = h2o_evloop_socket_accept(listener)) != NULL)
                h2o_accept(&server->accept, sock);
        server->accept_errno = errno;
        if (errno != EMFILE || !server->frees_idle)
                return;
        if (h2o_http1_close_idle_connections(&server->context, 1) == 1) {
                sock = h2o_evloop_socket_accept(listener);
                assert_non_null(sock);
                h2o_accept(&server->accept, sock);
        }
}

static void use_new_certificate(SSL_CTX *tls)
{
        EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
        EVP_PKEY *key = EVP_PKEY_new();
        X509 *cert = X509_new();

        assert_true(ec && key && cert);
        assert_int_equal(EC_KEY_generate_key(ec), 1);
        assert_int_equal(EVP_PKEY_assign_EC_KEY(key, ec), 1);
        X509_gmtime_adj(X509_getm_notBefore(cert), -60);
        X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
        assert_int_equal(X509_set_pubkey(cert, key), 1);
        assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
        assert_int_equal(SSL_CTX_use_certificate(tls, cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
        X509_free(cert);
        EVP_PKEY_free(key);
}

static void listen_on_loopback(struct fixture *server)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t address_bytes = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 128), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_bytes), 0);
        server->port = ntohs(address.sin_port);
        server->listener =
                h2o_evloop_socket_create(server->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
        server->listener->data = server;
        h2o_socket_read_start(server->listener, on_accept);
}

struct fixture *fixture_start(bool tls, uint64_t idle_ms, uint64_t request_ms, uint64_t write_ms)
{
        struct fixture *server = calloc(1, sizeof(*server));

        assert_non_null(server);
        h2o_config_init(&server->config);
        server->config.server_name = h2o_iovec_init(NULL, 0);
        server->config.max_request_entity_size = FIXTURE_BODY_BYTES_MAX;
        server->config.http1.idle_timeout = idle_ms;
        server->config.http1.req_timeout = request_ms;
        server->config.http1.write_timeout = write_ms;
        server->config.http1.on_protocol_error = on_protocol_error;
        h2o_hostconf_t *host = h2o_config_register_host(
                &server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
        h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
        h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;

        h2o_context_init(&server->context, h2o_evloop_create(), &server->config);
        server->accept = (h2o_accept_ctx_t){.ctx = &server->context, .hosts = server->config.hosts};
        if (tls) {
                server->tls_server = SSL_CTX_new(TLS_method());
                server->tls_client = SSL_CTX_new(TLS_method());
                assert_true(server->tls_server && server->tls_client);
                use_new_certificate(server->tls_server);
                server->accept.ssl_ctx = server->tls_server;
        }
        listen_on_loopback(server);
        return server;
}

static void run_once(struct fixture *server)
{
        assert_int_equal(h2o_evloop_run(server->context.loop, 20), 0);
}

size_t fixture_connections(struct fixture *server)
{
        size_t count = 0;
        h2o_linklist_t *all = &server->context.http1._conns;

        for (h2o_linklist_t *node = all->next; node != all; node = node->next)
                count++;
        return count;
}

void fixture_stop(struct fixture *server)
{
        h2o_socket_close(server->listener);
        for (int turn = 0; fixture_connections(server) != 0; turn++) {
                assert_true(turn < TURNS_MAX);
                h2o_http1_close_idle_connections(&server->context, SIZE_MAX);
                run_once(server);
        }
        run_once(server);
        h2o_loop_t *loop = server->context.loop;
        h2o_context_dispose(&server->context);
        h2o_config_dispose(&server->config);
        h2o_evloop_destroy(loop);
        SSL_CTX_free(server->tls_server);
        SSL_CTX_free(server->tls_client);
        free(server);
}

struct client *client_open(struct fixture *server)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(server->port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct client *client = calloc(1, sizeof(*client));

        assert_non_null(client);
        client->server = server;
        client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(client->fd >= 0);
        assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
        if (!server->tls_client)
                return client;
        client->tls = SSL_new(server->tls_client);
        assert_non_null(client->tls);
        assert_int_equal(SSL_set_fd(client->tls, client->fd), 1);
        for (int turn = 0; SSL_connect(client->tls) != 1; turn++) {
                assert_true(turn < TURNS_MAX);
                run_once(server);
        }
        return client;
}

void client_close(struct client *client)
{
        SSL_free(client->tls);
        close(client->fd);
        run_once(client->server);
        free(client);
}

/* As read(2) and send(2), over TLS too: EAGAIN whenever it could not be done now. */
static ssize_t receive(struct client *client, void *bytes, size_t size)
{
        if (!client->tls)
                return recv(client->fd, bytes, size, 0);
        int ret = SSL_read(client->tls, bytes, (int)size);

        if (ret <= 0 && SSL_get_error(client->tls, ret) == SSL_ERROR_WANT_READ)
                errno = EAGAIN;
        else if (ret <= 0 && SSL_get_error(client->tls, ret) == SSL_ERROR_ZERO_RETURN)
                return 0;
        return ret <= 0 ? -1 : ret;
}

static ssize_t transmit(struct client *client, const void *bytes, size_t size)
{
        if (!client->tls)
                return send(client->fd, bytes, size, MSG_NOSIGNAL);
        int ret = SSL_write(client->tls, bytes, (int)size);

        if (ret <= 0 && SSL_get_error(client->tls, ret) == SSL_ERROR_WANT_WRITE)
                errno = EAGAIN;
        return ret <= 0 ? -1 : ret;
}

void client_pump(struct client *client)
{
        run_once(client->server);
        if (client->ended || client->reset)
                return;
        assert_true(client->size < sizeof(client->bytes) - 1);
        ssize_t got = receive(client, client->bytes + client->size,
                              sizeof(client->bytes) - 1 - client->size);

        if (got > 0)
                client->size += (size_t)got;
        else if (got == 0)
                client->ended = true;
        else if (errno != EAGAIN)
                client->reset = true;
}

void client_send(struct client *client, const void *bytes, size_t size)
{
        size_t sent = 0;

        for (int turn = 0; sent < size && !client->reset; turn++) {
                assert_true(turn < TURNS_MAX);
                ssize_t ret = transmit(client, (const char *)bytes + sent, size - sent);

                if (ret > 0)
                        sent += (size_t)ret;
                else if (errno == EAGAIN)
                        run_once(client->server);
                else
                        client->reset = true;
        }
}

void client_wait_end(struct client *client)
{
        for (int turn = 0; !client->ended && !client->reset; turn++) {
                assert_true(turn < TURNS_MAX);
                client_pump(client);
        }
}

void client_wait_text(struct client *client, const char *text)
{
        for (int turn = 0; !strstr(client->bytes, text); turn++) {
                assert_true(turn < TURNS_MAX);
                assert_false(client->ended || client->reset);
                client_pump(client);
        }
}

int client_status(const struct client *client)
{
        int status = 0;

        return sscanf(client->bytes, "HTTP/1.1 %d ", &status) == 1 ? status : -1;
}
