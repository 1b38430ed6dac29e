/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/text.h"
#include "clock.h"

#define REPLY_BYTES_MAX (64u * 1024u * 1024u)
#define PIECE_BYTES 16384u

void mu_lg_client_init(struct mu_lg_client *client, const struct mu_lg_url *url,
                       struct mu_lg_tls_context *context, uint64_t timeout_ns)
{
        *client = (struct mu_lg_client){
                .url = url, .context = context, .fd = -1, .timeout_ns = timeout_ns};
        mu_lg_reply_init(&client->reply);
}

static void drop(struct mu_lg_client *client)
{
        if (client->fd >= 0)
                close(client->fd);
        client->fd = -1;
        mu_lg_tls_destroy(client->tls);
        client->tls = NULL;
}

void mu_lg_client_done(struct mu_lg_client *client)
{
        drop(client);
        mu_lg_reply_done(&client->reply);
}

static int fail(struct mu_lg_client *client, int error, const char *what, const char *why)
{
        snprintf(client->error, sizeof(client->error), "%.300s: %.60s%s%.120s", client->url->base,
                 what, why ? ": " : "", why ? why : "");
        drop(client);
        return error;
}

static int send_all(struct mu_lg_client *client, const char *data, size_t bytes)
{
        while (bytes > 0) {
                ssize_t sent = send(client->fd, data, bytes, MSG_NOSIGNAL);

                if (sent < 0 && errno == EINTR)
                        continue;
                if (sent <= 0)
                        return -errno;
                data += sent;
                bytes -= (size_t)sent;
        }
        return 0;
}

static int flush_tls(struct mu_lg_client *client)
{
        char wire[PIECE_BYTES];
        size_t bytes;

        while ((bytes = mu_lg_tls_take(client->tls, wire, sizeof(wire))) > 0) {
                int r = send_all(client, wire, bytes);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* More from the peer into TLS; -EPIPE at its end. */
static int fill_tls(struct mu_lg_client *client)
{
        char wire[PIECE_BYTES];
        ssize_t got = recv(client->fd, wire, sizeof(wire), 0);

        if (got < 0)
                return -errno;
        if (got == 0)
                return -EPIPE;
        return mu_lg_tls_receive(client->tls, wire, (size_t)got);
}

static int shake_hands(struct mu_lg_client *client)
{
        int r = mu_lg_tls_create(client->context, NULL, &client->tls);

        if (r < 0)
                return fail(client, r, "out of memory", NULL);
        for (;;) {
                int done = mu_lg_tls_handshake(client->tls);

                if (done < 0)
                        return fail(client, done, "TLS handshake failed",
                                    mu_lg_tls_error(client->tls));
                r = flush_tls(client);
                if (r == 0 && done == 0)
                        r = fill_tls(client);
                if (r < 0)
                        return fail(client, r, "TLS handshake failed", strerror(-r));
                if (done == 1)
                        return 0;
        }
}

static int open_connection(struct mu_lg_client *client)
{
        struct timeval timeout = {
                .tv_sec = (time_t)(client->timeout_ns / MU_LG_NS_PER_S),
                .tv_usec = (suseconds_t)(client->timeout_ns % MU_LG_NS_PER_S / 1000),
        };
        int one = 1;

        client->fd = socket(client->url->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (client->fd < 0)
                return fail(client, -errno, "cannot open a socket", strerror(errno));
        (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        (void)setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(client->fd, (const struct sockaddr *)&client->url->address,
                    client->url->address_bytes) < 0)
                return fail(client, -errno, "cannot connect", strerror(errno));
        return client->url->is_tls ? shake_hands(client) : 0;
}

static ssize_t receive_piece(struct mu_lg_client *client, char *piece)
{
        if (!client->tls) {
                ssize_t got = recv(client->fd, piece, PIECE_BYTES, 0);

                return got < 0 ? -errno : got;
        }
        for (;;) {
                ssize_t got = mu_lg_tls_read(client->tls, piece, PIECE_BYTES);

                if (got == -EPIPE)
                        return 0;
                if (got != 0)
                        return got;
                int r = fill_tls(client);
                if (r < 0)
                        return r == -EPIPE ? 0 : r;
        }
}

static int receive_reply(struct mu_lg_client *client)
{
        char piece[PIECE_BYTES];

        mu_lg_reply_next(&client->reply, REPLY_BYTES_MAX);
        while (!mu_lg_reply_complete(&client->reply)) {
                ssize_t got = receive_piece(client, piece);

                if (got < 0)
                        return (int)(got == -EAGAIN ? -ETIMEDOUT : got);
                if (got == 0)
                        return mu_lg_reply_eof(&client->reply);
                ssize_t used = mu_lg_reply_feed(&client->reply, piece, (size_t)got);
                if (used < 0)
                        return (int)used;
        }
        return 0;
}

static int exchange(struct mu_lg_client *client, const struct mu_text *request)
{
        int r;

        if (client->tls) {
                r = mu_lg_tls_write(client->tls, request->data, request->bytes);
                if (r == 0)
                        r = flush_tls(client);
        } else {
                r = send_all(client, request->data, request->bytes);
        }
        return r < 0 ? r : receive_reply(client);
}

int mu_lg_client_request(struct mu_lg_client *client, const char *path, const char *header,
                         const char *body, size_t body_bytes)
{
        struct mu_text request;
        bool reused = client->fd >= 0;
        int r;

        mu_text_init(&request);
        mu_text_add_format(&request, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", body ? "POST" : "GET",
                           path, client->url->authority, header);
        if (body)
                mu_text_add_format(&request,
                                   "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                                   body_bytes);
        mu_text_add(&request, "\r\n");
        if (body)
                mu_text_add_bytes(&request, body, body_bytes);
        r = mu_text_status(&request);
        if (r == 0 && !reused)
                r = open_connection(client);
        if (r == 0) {
                r = exchange(client, &request);
                if (r < 0 && reused && !client->reply.started) {
                        drop(client);
                        r = open_connection(client);
                        if (r == 0)
                                r = exchange(client, &request);
                }
                if (r < 0)
                        r = fail(client, r, path,
                                 client->reply.error ? client->reply.error : strerror(-r));
        }
        mu_text_done(&request);
        if (r == 0 && !client->reply.keep_alive)
                drop(client);
        return r;
}
