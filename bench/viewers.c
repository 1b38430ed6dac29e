/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viewers.c - many operators' WebSockets on one thread: opens one for each ticket that comes on
 * standard input, subscribes to everything and reads as fast as it can, parsing no JSON.
 *
 * After SIGTERM it prints what it has seen, as one line of JSON. "age": from the
 * server's receipt of a delta's first device to the viewer's reading of it, both on this machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "muster/histogram.h"

enum {
        VIEWERS_MAX = 10000,
        EVENTS = 256,
        READ_BYTES = 256 * 1024,
        HEAD_BYTES = 512,   /* of a frame: enough for its type and first device */
        TICKET_BYTES = 128, /* with newline and NUL */
        FRAME_BYTES_MAX = 512,
};

struct viewer {
        int fd;
        bool open;         /* the 101 has come */
        uint64_t left;     /* bytes of the frame under way that are still to come */
        size_t head_bytes; /* of head */
        char ticket[TICKET_BYTES];
        unsigned char head[HEAD_BYTES + 1]; /* the handshake's end, or a frame's beginning */
};

struct crowd {
        struct sockaddr_in server;
        int epoll_fd;
        struct viewer *viewers[VIEWERS_MAX];
        uint32_t count;
        uint32_t ready;
        uint32_t closed;
        uint64_t frames;
        uint64_t deltas;
        uint64_t resyncs;
        uint64_t bytes;
        struct mu_histogram *age_us;
        char tickets[TICKET_BYTES * 64]; /* read, not yet used */
        size_t ticket_bytes;
        unsigned char buffer[READ_BYTES];
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
        (void)number;
        stopped = 1;
}

/* ---- sending: a few small frames, which always fit ---- */

static void send_frame(const struct viewer *viewer, unsigned opcode, const void *data, size_t bytes)
{
        unsigned char frame[FRAME_BYTES_MAX + 8] = {(unsigned char)(0x80 | opcode)};
        size_t at = 2;

        MU_ASSERT(bytes <= FRAME_BYTES_MAX);
        if (bytes < 126) {
                frame[1] = (unsigned char)(0x80 | bytes);
        } else {
                frame[1] = 0x80 | 126;
                frame[at++] = (unsigned char)(bytes >> 8);
                frame[at++] = (unsigned char)bytes;
        }
        at += 4; /* masked with zeros */
        memcpy(frame + at, data, bytes);
        (void)!send(viewer->fd, frame, at + bytes, MSG_NOSIGNAL);
}

static void introduce(const struct viewer *viewer)
{
        char text[FRAME_BYTES_MAX];

        int bytes = snprintf(text, sizeof(text), "{\"type\":\"auth\",\"ticket\":\"%s\"}",
                             viewer->ticket);
        send_frame(viewer, 1, text, (size_t)bytes);
        bytes = snprintf(text, sizeof(text),
                         "{\"type\":\"subscribe\",\"topics\":[\"fleet\",\"devices\"]}");
        send_frame(viewer, 1, text, (size_t)bytes);
}

static void open_viewer(struct crowd *crowd, const char *ticket)
{
        struct viewer *viewer = calloc(1, sizeof(*viewer));
        char request[512];

        MU_ASSERT(viewer && crowd->count < VIEWERS_MAX);
        viewer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)snprintf(viewer->ticket, sizeof(viewer->ticket), "%.127s", ticket);
        int bytes = snprintf(request, sizeof(request),
                             "GET /api/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};

        if (viewer->fd < 0 ||
            connect(viewer->fd, (struct sockaddr *)&crowd->server, sizeof(crowd->server)) < 0 ||
            send(viewer->fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes ||
            epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, viewer->fd, &event) < 0) {
                perror("viewers: connect");
                exit(1);
        }
        crowd->viewers[crowd->count++] = viewer;
}

/* ---- reading ---- */

static bool begins(const struct viewer *viewer, size_t at, const char *with)
{
        return strncmp((const char *)viewer->head + at, with, strlen(with)) == 0;
}

static void note_age(struct crowd *crowd, const struct viewer *viewer)
{
        static const char key[] = "\"received_at\":";
        const char *at = strstr((const char *)viewer->head, key);

        if (!at)
                return;
        double received_s = strtod(at + sizeof(key) - 1, NULL);
        double age_us = (double)mu_clock_realtime_us(mu_clock_system()) - received_s * 1e6;

        mu_histogram_record(crowd->age_us, age_us > 0 ? (uint64_t)age_us : 0);
}

/* The frame's beginning is in head, from payload on. */
static void take_frame(struct crowd *crowd, struct viewer *viewer, size_t payload)
{
        viewer->head[viewer->head_bytes] = '\0';
        crowd->frames++;
        if ((viewer->head[0] & 0x0f) == 9) { /* ping */
                send_frame(viewer, 10, viewer->head + payload, viewer->head_bytes - payload);
        } else if (begins(viewer, payload, "{\"type\":\"delta\"")) {
                crowd->deltas++;
                note_age(crowd, viewer);
        } else if (begins(viewer, payload, "{\"type\":\"resync\"")) {
                crowd->resyncs++;
        } else if (begins(viewer, payload, "{\"type\":\"ready\"")) {
                crowd->ready++;
        }
}

/* The header's size, or 0: more has to come. */
static size_t header_of(const struct viewer *viewer, uint64_t *ret_payload_bytes)
{
        const unsigned char *head = viewer->head;
        size_t length_bytes;

        if (viewer->head_bytes < 2)
                return 0;
        length_bytes = head[1] < 126 ? 0 : head[1] == 126 ? 2 : 8;
        if (viewer->head_bytes < 2 + length_bytes)
                return 0;
        uint64_t bytes = length_bytes ? 0 : head[1];

        for (size_t i = 0; i < length_bytes; i++)
                bytes = bytes << 8 | head[2 + i];
        *ret_payload_bytes = bytes;
        return 2 + length_bytes;
}

/* Takes what belongs to the frame under way: how many bytes. */
static size_t take_some(struct crowd *crowd, struct viewer *viewer, const unsigned char *data,
                        size_t bytes)
{
        uint64_t payload_bytes = 0;

        if (viewer->left > 0) { /* the rest of a long one */
                size_t taken = bytes < viewer->left ? bytes : (size_t)viewer->left;

                viewer->left -= taken;
                return taken;
        }
        size_t header = header_of(viewer, &payload_bytes);
        size_t wanted = 2;

        if (header > 0)
                wanted = header +
                         (payload_bytes < HEAD_BYTES - 16 ? payload_bytes : HEAD_BYTES - 16);
        else if (viewer->head_bytes >= 2)
                wanted = viewer->head[1] == 127 ? 10 : 4;
        size_t taken = wanted - viewer->head_bytes;

        taken = taken < bytes ? taken : bytes;
        memcpy(viewer->head + viewer->head_bytes, data, taken);
        viewer->head_bytes += taken;
        header = header_of(viewer, &payload_bytes);
        if (header == 0 || viewer->head_bytes < wanted || wanted < header ||
            (wanted == header && payload_bytes > 0))
                return taken;
        viewer->left = header + payload_bytes - viewer->head_bytes;
        take_frame(crowd, viewer, header);
        viewer->head_bytes = 0;
        return taken;
}

/* A byte at a time: the handshake is short. */
static size_t take_handshake(struct viewer *viewer, const unsigned char *data, size_t bytes)
{
        for (size_t i = 0; i < bytes; i++) {
                memmove(viewer->head, viewer->head + 1, 3);
                viewer->head[3] = data[i];
                if (memcmp(viewer->head, "\r\n\r\n", 4) != 0)
                        continue;
                viewer->open = true;
                introduce(viewer);
                return i + 1;
        }
        return bytes;
}

static void read_viewer(struct crowd *crowd, struct viewer *viewer)
{
        ssize_t got = recv(viewer->fd, crowd->buffer, sizeof(crowd->buffer), MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (got <= 0) {
                (void)epoll_ctl(crowd->epoll_fd, EPOLL_CTL_DEL, viewer->fd, NULL);
                crowd->closed++;
                return;
        }
        crowd->bytes += (uint64_t)got;
        for (size_t at = 0; at < (size_t)got;)
                at += viewer->open ? take_some(crowd, viewer, crowd->buffer + at, (size_t)got - at)
                                   : take_handshake(viewer, crowd->buffer + at, (size_t)got - at);
}

/* Opens one for each whole line. False: there will be no more. */
static bool read_tickets(struct crowd *crowd)
{
        char *lines = crowd->tickets;
        size_t room = sizeof(crowd->tickets) - crowd->ticket_bytes - 1;
        ssize_t got = read(STDIN_FILENO, lines + crowd->ticket_bytes, room);
        char *end;

        if (got <= 0)
                return false;
        crowd->ticket_bytes += (size_t)got;
        lines[crowd->ticket_bytes] = '\0';
        while ((end = strchr(lines, '\n'))) {
                *end = '\0';
                open_viewer(crowd, lines);
                crowd->ticket_bytes -= (size_t)(end + 1 - lines);
                memmove(lines, end + 1, crowd->ticket_bytes + 1);
        }
        return true;
}

static void report(const struct crowd *crowd)
{
        printf("{\"opened\":%u,\"ready\":%u,\"closed\":%u,\"frames\":%" PRIu64
               ",\"deltas\":%" PRIu64 ",\"resyncs\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"age_p50_s\":%.3f,\"age_p99_s\":%.3f}\n",
               crowd->count, crowd->ready, crowd->closed, crowd->frames, crowd->deltas,
               crowd->resyncs, crowd->bytes,
               (double)mu_histogram_percentile(crowd->age_us, 50) / 1e6,
               (double)mu_histogram_percentile(crowd->age_us, 99) / 1e6);
}

static void run(struct crowd *crowd)
{
        struct epoll_event tickets = {.events = EPOLLIN, .data.ptr = NULL};
        struct epoll_event events[EVENTS];

        MU_ASSERT(epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &tickets) == 0);
        while (!stopped) {
                int count = epoll_wait(crowd->epoll_fd, events, EVENTS, 200);

                for (int i = 0; i < count; i++) {
                        if (events[i].data.ptr)
                                read_viewer(crowd, events[i].data.ptr);
                        else if (!read_tickets(crowd))
                                (void)epoll_ctl(crowd->epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
                }
        }
}

int main(int argc, char **argv)
{
        struct crowd *crowd = calloc(1, sizeof(*crowd));
        struct sigaction action = {.sa_handler = on_signal};

        char *end = NULL;
        unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;

        if (port == 0 || port > UINT16_MAX || *end || !crowd ||
            mu_histogram_create(&crowd->age_us) < 0) {
                (void)fprintf(stderr, "usage: bench_viewers PORT < tickets\n");
                return 2;
        }
        crowd->server = (struct sockaddr_in){.sin_family = AF_INET,
                                             .sin_port = htons((uint16_t)port),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        (void)sigaction(SIGTERM, &action, NULL);
        (void)sigaction(SIGINT, &action, NULL);
        run(crowd);
        report(crowd);
        return 0;
}
