/* SPDX-License-Identifier: Apache-2.0 */
#include "net_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "http/tls_self_signed.h"
#include "net/handshake.h"

struct net_conn {
        int fd;
        SSL *ssl;
};

struct net_peer {
        struct net_peer_options options;
        int listener;
        _Atomic int current; /* the connection that is served, or -1 */
        _Atomic bool stopping;
        pthread_t thread;
        int count;
        char url[64];
        char directory[64];
        char certificate[96];
        char key[96];
        SSL_CTX *tls;
};

/* ---- bytes ---- */

size_t net_conn_read(struct net_conn *conn, void *buffer, size_t room)
{
        ssize_t got = conn->ssl ? SSL_read(conn->ssl, buffer, (int)room)
                                : recv(conn->fd, buffer, room, 0);

        return got > 0 ? (size_t)got : 0;
}

bool net_conn_write(struct net_conn *conn, const void *data, size_t bytes)
{
        const char *at = data;

        while (bytes > 0) {
                ssize_t sent = conn->ssl ? SSL_write(conn->ssl, at, (int)bytes)
                                         : send(conn->fd, at, bytes, MSG_NOSIGNAL);

                if (sent <= 0)
                        return false;
                at += sent;
                bytes -= (size_t)sent;
        }
        return true;
}

static bool read_exactly(struct net_conn *conn, void *buffer, size_t bytes)
{
        char *at = buffer;

        while (bytes > 0) {
                size_t got = net_conn_read(conn, at, bytes);

                if (got == 0)
                        return false;
                at += got;
                bytes -= got;
        }
        return true;
}

/* ---- HTTP ---- */

size_t net_conn_request(struct net_conn *conn, char *buffer, size_t room)
{
        size_t bytes = 0;
        size_t body = 0;
        const char *end;
        const char *length;

        do {
                if (bytes + 1 >= room || !read_exactly(conn, buffer + bytes, 1))
                        return 0;
                buffer[++bytes] = '\0';
                end = strstr(buffer, "\r\n\r\n");
        } while (!end);
        length = strcasestr(buffer, "\r\nContent-Length:");
        if (length)
                body = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
        if (bytes + body >= room || !read_exactly(conn, buffer + bytes, body))
                return 0;
        buffer[bytes + body] = '\0';
        return bytes + body;
}

bool net_conn_answer(struct net_conn *conn, const char *text)
{
        return net_conn_write(conn, text, strlen(text));
}

/* ---- WebSocket ---- */

bool net_conn_upgrade(struct net_conn *conn, char *buffer, size_t room)
{
        char key[MU_HANDSHAKE_KEY_BYTES] = "";
        char accept[MU_HANDSHAKE_ACCEPT_BYTES];
        char answer[256];
        const char *at;

        if (net_conn_request(conn, buffer, room) == 0)
                return false;
        at = strcasestr(buffer, "\r\nSec-WebSocket-Key: ");
        MU_ASSERT(at && sscanf(at + strlen("\r\nSec-WebSocket-Key: "), "%24s", key) == 1);
        mu_handshake_accept(key, accept);
        (void)snprintf(answer, sizeof(answer),
                       "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                       "upgrade: websocket\r\nsec-websocket-accept: %s\r\n\r\n",
                       accept);
        return net_conn_answer(conn, answer);
}

bool net_conn_frame(struct net_conn *conn, unsigned opcode, const void *data, size_t bytes)
{
        uint8_t head[10] = {(uint8_t)(0x80 | opcode)};
        size_t head_bytes = 2;

        if (bytes < 126) {
                head[1] = (uint8_t)bytes;
        } else if (bytes < 65536) {
                head[1] = 126;
                head[2] = (uint8_t)(bytes >> 8);
                head[3] = (uint8_t)bytes;
                head_bytes = 4;
        } else {
                head[1] = 127;
                for (size_t i = 0; i < 8; i++)
                        head[2 + i] = (uint8_t)((uint64_t)bytes >> (56 - 8 * i));
                head_bytes = 10;
        }
        return net_conn_write(conn, head, head_bytes) && net_conn_write(conn, data, bytes);
}

int net_conn_next(struct net_conn *conn, char *buffer, size_t room, size_t *ret_bytes)
{
        uint8_t head[2];
        uint8_t longer[8];
        uint8_t mask[4];
        uint64_t bytes;
        size_t more = 0;

        if (!read_exactly(conn, head, sizeof(head)))
                return -1;
        bytes = head[1] & 0x7f;
        if (bytes > 125)
                more = bytes == 126 ? 2 : 8;
        if (!read_exactly(conn, longer, more))
                return -1;
        for (size_t i = 0; i < more; i++)
                bytes = (i == 0 ? 0 : bytes << 8) | longer[i];
        if ((head[1] & 0x80) == 0)
                return -2;
        MU_ASSERT(bytes < room);
        if (!read_exactly(conn, mask, sizeof(mask)) || !read_exactly(conn, buffer, (size_t)bytes))
                return -1;
        for (size_t i = 0; i < bytes; i++)
                buffer[i] = (char)(buffer[i] ^ (char)mask[i % 4]);
        buffer[bytes] = '\0';
        *ret_bytes = (size_t)bytes;
        return head[0] & 0x0f;
}

/* ---- the thread ---- */

static void serve(struct net_peer *peer, int fd)
{
        struct net_conn conn = {.fd = fd};

        if (peer->tls) {
                conn.ssl = SSL_new(peer->tls);
                MU_ASSERT(conn.ssl && SSL_set_fd(conn.ssl, fd) == 1);
                if (SSL_accept(conn.ssl) != 1) {
                        SSL_free(conn.ssl);
                        return;
                }
        }
        peer->options.serve(&conn, peer->count++, peer->options.context);
        if (conn.ssl)
                (void)SSL_shutdown(conn.ssl);
        SSL_free(conn.ssl);
}

static void *run(void *context)
{
        struct net_peer *peer = context;

        while (!atomic_load(&peer->stopping)) {
                int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0)
                        break;
                atomic_store(&peer->current, fd);
                /* Stop may have looked before this one was there. */
                if (!atomic_load(&peer->stopping))
                        serve(peer, fd);
                atomic_store(&peer->current, -1);
                (void)close(fd);
        }
        return NULL;
}

static void make_tls(struct net_peer *peer)
{
        (void)snprintf(peer->directory, sizeof(peer->directory), "/tmp/net_peer.XXXXXX");
        MU_ASSERT(mkdtemp(peer->directory));
        (void)snprintf(peer->certificate, sizeof(peer->certificate), "%s/tls.crt", peer->directory);
        (void)snprintf(peer->key, sizeof(peer->key), "%s/tls.key", peer->directory);
        MU_ASSERT(mu_tls_make_self_signed(peer->certificate, peer->key, "peer.example") == 0);
        peer->tls = SSL_CTX_new(TLS_method());
        MU_ASSERT(peer->tls);
        MU_ASSERT(SSL_CTX_use_certificate_file(peer->tls, peer->certificate, SSL_FILETYPE_PEM) ==
                  1);
        MU_ASSERT(SSL_CTX_use_PrivateKey_file(peer->tls, peer->key, SSL_FILETYPE_PEM) == 1);
        if (peer->options.tls_version_max != 0) {
                MU_ASSERT(SSL_CTX_set_min_proto_version(peer->tls, TLS1_VERSION) == 1);
                MU_ASSERT(SSL_CTX_set_max_proto_version(peer->tls, peer->options.tls_version_max) ==
                          1);
        }
}

struct net_peer *net_peer_start(const struct net_peer_options *options)
{
        struct net_peer *peer = calloc(1, sizeof(*peer));
        struct sockaddr_in address = {.sin_family = AF_INET};
        const char *host = options->address ? options->address : "127.0.0.1";
        socklen_t bytes = sizeof(address);

        MU_ASSERT(peer);
        MU_ASSERT(inet_pton(AF_INET, host, &address.sin_addr) == 1);
        (void)signal(SIGPIPE, SIG_IGN);
        peer->options = *options;
        atomic_store(&peer->current, -1);
        if (options->tls)
                make_tls(peer);
        peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        MU_ASSERT(peer->listener >= 0);
        MU_ASSERT(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
        MU_ASSERT(listen(peer->listener, 16) == 0);
        MU_ASSERT(getsockname(peer->listener, (struct sockaddr *)&address, &bytes) == 0);
        (void)snprintf(peer->url, sizeof(peer->url), "%s://%s:%u", options->tls ? "https" : "http",
                       host, (unsigned)ntohs(address.sin_port));
        MU_ASSERT(pthread_create(&peer->thread, NULL, run, peer) == 0);
        return peer;
}

int net_peer_stop(struct net_peer *peer)
{
        int current;
        int count;

        atomic_store(&peer->stopping, true);
        (void)shutdown(peer->listener, SHUT_RDWR);
        current = atomic_load(&peer->current);
        if (current >= 0)
                (void)shutdown(current, SHUT_RDWR);
        MU_ASSERT(pthread_join(peer->thread, NULL) == 0);
        (void)close(peer->listener);
        if (peer->tls) {
                (void)unlink(peer->certificate);
                (void)unlink(peer->key);
                (void)rmdir(peer->directory);
        }
        SSL_CTX_free(peer->tls);
        count = peer->count;
        free(peer);
        return count;
}

const char *net_peer_url(const struct net_peer *peer)
{
        return peer->url;
}

const char *net_peer_certificate(const struct net_peer *peer)
{
        return peer->certificate;
}
