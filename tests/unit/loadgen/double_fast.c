/* SPDX-License-Identifier: Apache-2.0 */
/*
 * double_fast.c - answers 202 to everything, fast, to measure what the generator itself costs.
 *
 *   double_fast PORT
 *
 * One thread, epoll, loopback. It reads Content-Length and nothing else, registers whoever asks and
 * keeps nothing: neither for correctness (double.py is) nor a model of any server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (512u * 1024u)
#define EVENTS_MAX 256
#define ANSWER_BYTES_MAX 1024

static const char accepted[] = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                               "Content-Length: 90\r\n\r\n"
                               "{\"server_time\":1763719200.123,\"next_heartbeat_in_s\":300,"
                               "\"commands\":0,\"update\":false}      ";

struct peer {
        int fd;
        size_t bytes;
        char *data;
};

static unsigned long next_id = 1;

static size_t answer(const char *request, char *out)
{
        if (strncmp(request, "POST /v1/register", 17) != 0) {
                memcpy(out, accepted, sizeof(accepted) - 1);
                return sizeof(accepted) - 1;
        }
        char body[160];
        int bytes = snprintf(body, sizeof(body), "{\"device_id\":\"%lu\",\"token\":\"mu_%043lu\"}",
                             next_id, next_id);

        next_id++;
        return (size_t)snprintf(out, ANSWER_BYTES_MAX,
                                "HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s", bytes,
                                body);
}

/* Answers every complete request in the buffer; false when the peer must go. */
static int serve(struct peer *peer)
{
        static char out[65536];
        size_t used = 0, out_bytes = 0;

        for (;;) {
                char *from = peer->data + used;
                char *end = memmem(from, peer->bytes - used, "\r\n\r\n", 4);

                if (!end)
                        break;
                *end = '\0';
                const char *length = strstr(from, "Content-Length: ");
                size_t body_bytes = length ? strtoul(length + 16, NULL, 10) : 0;
                *end = '\r';
                size_t total = (size_t)(end + 4 - from) + body_bytes;

                if (total > peer->bytes - used)
                        break;
                if (out_bytes + ANSWER_BYTES_MAX > sizeof(out))
                        return 0;
                out_bytes += answer(from, out + out_bytes);
                used += total;
        }
        memmove(peer->data, peer->data + used, peer->bytes - used);
        peer->bytes -= used;
        return out_bytes == 0 || send(peer->fd, out, out_bytes, MSG_NOSIGNAL) == (ssize_t)out_bytes;
}

static void on_readable(struct peer *peer)
{
        ssize_t got = recv(peer->fd, peer->data + peer->bytes, BUFFER_BYTES - peer->bytes, 0);

        if (got > 0) {
                peer->bytes += (size_t)got;
                if (peer->bytes < BUFFER_BYTES && serve(peer))
                        return;
        }
        close(peer->fd);
        free(peer->data);
        free(peer);
}

static void on_connect(int epoll, int listener)
{
        int one = 1, fd = accept(listener, NULL, NULL);
        struct peer *peer = fd >= 0 ? calloc(1, sizeof(*peer)) : NULL;

        if (!peer)
                return;
        peer->fd = fd;
        peer->data = malloc(BUFFER_BYTES); /* touched only as far as needed */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};

        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
        struct sockaddr_in address = {.sin_family = AF_INET};
        int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0), one = 1;
        struct epoll_event event = {.events = EPOLLIN}, events[EVENTS_MAX];
        struct rlimit limit;

        unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

        if (port == 0 || port > 65535)
                return 2;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        address.sin_port = htons((unsigned short)port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(listener, 4096) < 0) {
                perror("double_fast");
                return 1;
        }
        epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
        for (;;) {
                int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

                for (int i = 0; i < count; i++) {
                        if (events[i].data.ptr)
                                on_readable(events[i].data.ptr);
                        else
                                on_connect(epoll, listener);
                }
        }
}
