/* SPDX-License-Identifier: Apache-2.0 */
#include "channels.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "base/thread.h"
#include "clock.h"
#include "muster/command.h"
#include "muster/wire.h"

enum {
        OPENING_MAX = 256, /* handshakes under way at once */
        EVENTS = 256,
        WAIT_MS = 100,
        OPEN_DEADLINE_S = 60,
        READ_BYTES = 64 * 1024,
        FRAME_BYTES_MAX = 128 * 1024,
        HEADER_BYTES_MAX = 14,
        FRAME_TEXT = 0x81,
        FRAME_CLOSE = 0x88,
        FRAME_PING = 0x89,
        FRAME_PONG = 0x8a,
};

#define COMMAND_HEAD "{\"type\":\"command\",\"command\":"
#define ACKNOWLEDGED_HEAD "{\"type\":\"acknowledged\""
#define STORED_HEAD "{\"type\":\"result_stored\""

struct channel {
        const struct mu_lg_device *device;
        int fd; /* -1: closed */
        bool open;
        int64_t newest_id;
        struct mu_text in; /* what is not a whole frame yet */
        struct mu_text out;
};

struct mu_lg_channels {
        const struct mu_lg_url *url;
        struct channel *channels;
        uint32_t count;
        uint32_t begun;   /* handshakes started */
        uint32_t opening; /* under way */
        int epoll_fd;
        pthread_t thread;
        bool started;
        struct mu_lg_channel_counts counts; /* the thread's, until it has ended */
        char *buffer;
        _Atomic uint32_t opened;
        _Atomic uint32_t failed;
        _Atomic bool stopping;
};

/* ---- cryptography ---- */

static void sha256(const void *data, size_t bytes, uint8_t ret[MU_COMMAND_SHA256_BYTES])
{
        SHA256(data, bytes, ret);
}

static void hmac_sha256(const uint8_t key[MU_COMMAND_KEY_BYTES], const void *data, size_t bytes,
                        uint8_t ret[MU_COMMAND_SIGNATURE_BYTES])
{
        unsigned ret_bytes = MU_COMMAND_SIGNATURE_BYTES;

        (void)!HMAC(EVP_sha256(), key, MU_COMMAND_KEY_BYTES, data, bytes, ret, &ret_bytes);
}

static const struct mu_command_crypto crypto = {sha256, hmac_sha256};

/* ---- sending ---- */

static void watch(struct mu_lg_channels *all, struct channel *channel, int operation)
{
        struct epoll_event event = {
                .events = EPOLLIN | (channel->out.bytes > 0 ? EPOLLOUT : 0u),
                .data.ptr = channel,
        };

        (void)epoll_ctl(all->epoll_fd, operation, channel->fd, &event);
}

static void lose(struct mu_lg_channels *all, struct channel *channel)
{
        if (channel->fd < 0)
                return;
        close(channel->fd);
        channel->fd = -1;
        mu_text_done(&channel->in);
        mu_text_done(&channel->out);
        if (channel->open) {
                all->counts.lost++;
        } else {
                all->opening--;
                atomic_fetch_add(&all->failed, 1);
        }
}

/* What is gathered goes out, as far as the socket takes it. */
static void flush(struct mu_lg_channels *all, struct channel *channel)
{
        size_t sent = 0;

        while (sent < channel->out.bytes) {
                ssize_t n = send(channel->fd, channel->out.data + sent, channel->out.bytes - sent,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0) {
                        lose(all, channel);
                        return;
                }
                sent += (size_t)n;
        }
        if (sent == channel->out.bytes) {
                mu_text_done(&channel->out);
                mu_text_init(&channel->out);
                return;
        }
        struct mu_text rest;

        mu_text_init(&rest);
        mu_text_add_bytes(&rest, channel->out.data + sent, channel->out.bytes - sent);
        mu_text_done(&channel->out);
        channel->out = rest;
        watch(all, channel, EPOLL_CTL_MOD);
}

/* Masked with zeros, which is a mask: a client must have one. */
static void add_frame(struct channel *channel, unsigned first, const char *data, size_t bytes)
{
        unsigned char head[HEADER_BYTES_MAX] = {(unsigned char)first};
        size_t head_bytes = 2;

        head[1] = (unsigned char)(0x80u | (bytes < 126 ? bytes : 126));
        if (bytes >= 126) {
                head[2] = (unsigned char)(bytes >> 8);
                head[3] = (unsigned char)bytes;
                head_bytes = 4;
        }
        head_bytes += 4;
        mu_text_add_bytes(&channel->out, head, head_bytes);
        mu_text_add_bytes(&channel->out, data, bytes);
}

static void answer(struct channel *channel, const struct mu_command_form *form)
{
        const struct mu_lg_device *device = channel->device;
        const struct mu_command_key key = device->key;
        const struct mu_command_result_form result = {
                .device_id = (int64_t)device->id,
                .command_id = form->command_id,
                .done = true,
                .key_version = key.version,
        };
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        char hex[MU_COMMAND_SIGNATURE_TEXT_BYTES];
        char line[256];
        int bytes = snprintf(line, sizeof(line),
                             "{\"type\":\"received\",\"command_id\":\"%" PRId64 "\"}",
                             form->command_id);

        add_frame(channel, FRAME_TEXT, line, (size_t)bytes);
        if (mu_command_result_sign(&result, &key, &crypto, signature) < 0)
                return;
        mu_text_hex(signature, sizeof(signature), hex);
        bytes = snprintf(line, sizeof(line),
                         "{\"type\":\"result\",\"command_id\":\"%" PRId64
                         "\",\"status\":\"done\",\"key_version\":%" PRIu32 ",\"signature\":\"%s\"}",
                         form->command_id, key.version, hex);
        add_frame(channel, FRAME_TEXT, line, (size_t)bytes);
}

/* ---- receiving ---- */

static void count_command(struct mu_lg_channels *all, struct channel *channel, int64_t id)
{
        struct mu_lg_channel_counts *counts = &all->counts;

        counts->last_ns = mu_lg_monotonic_ns();
        if (counts->commands++ == 0)
                counts->first_ns = counts->last_ns;
        if (id == channel->newest_id)
                counts->duplicates++;
        else if (id < channel->newest_id)
                counts->out_of_order++;
        else
                channel->newest_id = id;
}

/* The eight members, all strings (include/muster/COMMAND_SIGNATURE.md); the form borrows them. */
static bool read_envelope(const json_t *envelope, struct mu_command_form *form, uint8_t *signature)
{
        static const char *const names[] = {"device_id", "command_id",  "type",  "payload",
                                            "timestamp", "key_version", "nonce", "signature"};
        const char *values[MU_COUNT_OF(names)];

        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                values[i] = json_string_value(json_object_get(envelope, names[i]));
                if (!values[i])
                        return false;
        }
        *form = (struct mu_command_form){
                .device_id = mu_command_id_read(values[0]),
                .command_id = mu_command_id_read(values[1]),
                .type = values[2],
                .payload = values[3],
                .payload_bytes = strlen(values[3]),
                .timestamp_s = mu_command_id_read(values[4]),
                .key_version = (uint32_t)mu_command_id_read(values[5]),
        };
        return json_object_size(envelope) == MU_COUNT_OF(names) &&
               mu_command_hex_read(values[6], form->nonce, MU_COMMAND_NONCE_BYTES) &&
               mu_command_hex_read(values[7], signature, MU_COMMAND_SIGNATURE_BYTES);
}

static void take_command(struct mu_lg_channels *all, struct channel *channel, const char *json,
                         size_t bytes)
{
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        struct mu_command_form form;
        json_t *envelope = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, NULL);

        if (read_envelope(envelope, &form, signature) &&
            form.device_id == (int64_t)channel->device->id &&
            mu_command_verify(&form, signature, &channel->device->key, 1, &crypto,
                              (int64_t)(mu_lg_wall_ms() / 1000)) == 0) {
                count_command(all, channel, form.command_id);
                answer(channel, &form);
        } else {
                all->counts.bad++;
        }
        json_decref(envelope);
}

static bool begins(const char *data, size_t bytes, const char *head)
{
        return bytes > strlen(head) && memcmp(data, head, strlen(head)) == 0;
}

static void take_message(struct mu_lg_channels *all, struct channel *channel, const char *data,
                         size_t bytes)
{
        const size_t head_bytes = strlen(COMMAND_HEAD);

        if (begins(data, bytes, COMMAND_HEAD))
                take_command(all, channel, data + head_bytes, bytes - head_bytes - 1);
        else if (begins(data, bytes, ACKNOWLEDGED_HEAD))
                all->counts.acknowledged++;
        else if (begins(data, bytes, STORED_HEAD))
                all->counts.results++;
        else
                all->counts.bad++;
}

/* The bytes of the first whole frame, 0: not whole yet, -1: not acceptable. */
static long frame_bytes(const unsigned char *data, size_t bytes, size_t *ret_head_bytes)
{
        if (bytes < 2)
                return 0;
        size_t body_bytes = data[1];
        size_t head_bytes = body_bytes == 126 ? 4 : body_bytes == 127 ? 10 : 2;

        if (bytes < head_bytes)
                return 0;
        if (head_bytes > 2) {
                body_bytes = 0;
                for (size_t i = 2; i < head_bytes; i++)
                        body_bytes = body_bytes << 8 | data[i];
        }
        if (body_bytes > FRAME_BYTES_MAX || (data[1] & 0x80u))
                return -1;
        *ret_head_bytes = head_bytes;
        return bytes < head_bytes + body_bytes ? 0 : (long)(head_bytes + body_bytes);
}

/* How many of the bytes were used; -1: the channel is over. */
static long take_frames(struct mu_lg_channels *all, struct channel *channel, const char *data,
                        size_t bytes)
{
        size_t at = 0;
        size_t head_bytes = 0;
        long taken;

        while ((taken = frame_bytes((const unsigned char *)data + at, bytes - at, &head_bytes)) >
               0) {
                unsigned first = (unsigned char)data[at];
                const char *body = data + at + head_bytes;
                size_t body_bytes = (size_t)taken - head_bytes;

                if (first == FRAME_TEXT)
                        take_message(all, channel, body, body_bytes);
                else if (first == FRAME_PING)
                        add_frame(channel, FRAME_PONG, body, body_bytes);
                else
                        return -1;
                at += (size_t)taken;
        }
        return taken < 0 ? -1 : (long)at;
}

/* The answer to the handshake; how many bytes it has, 0: not whole yet, -1: refused. */
static long take_handshake(struct mu_lg_channels *all, struct channel *channel, const char *data,
                           size_t bytes)
{
        const char *end = memmem(data, bytes, "\r\n\r\n", 4);

        if (!end)
                return bytes > READ_BYTES / 2 ? -1 : 0;
        if (bytes < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0)
                return -1;
        channel->open = true;
        all->opening--;
        atomic_fetch_add(&all->opened, 1);
        watch(all, channel, EPOLL_CTL_MOD);
        return end + 4 - data;
}

static long take_bytes(struct mu_lg_channels *all, struct channel *channel, const char *data,
                       size_t bytes)
{
        long used = 0;

        if (!channel->open) {
                used = take_handshake(all, channel, data, bytes);
                if (used <= 0)
                        return used;
        }
        long more = take_frames(all, channel, data + used, bytes - (size_t)used);

        return more < 0 ? -1 : used + more;
}

static void receive(struct mu_lg_channels *all, struct channel *channel)
{
        ssize_t n = recv(channel->fd, all->buffer, READ_BYTES, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                lose(all, channel);
                return;
        }
        const char *data = all->buffer;
        size_t bytes = (size_t)n;

        if (channel->in.bytes > 0) {
                mu_text_add_bytes(&channel->in, all->buffer, bytes);
                data = channel->in.data;
                bytes = channel->in.bytes;
        }
        long used = take_bytes(all, channel, data, bytes);

        if (used < 0) {
                lose(all, channel);
                return;
        }
        struct mu_text rest;

        mu_text_init(&rest);
        if ((size_t)used < bytes)
                mu_text_add_bytes(&rest, data + used, bytes - (size_t)used);
        mu_text_done(&channel->in);
        channel->in = rest;
        if (channel->out.bytes > 0)
                flush(all, channel);
}

/* ---- opening ---- */

static void ask(struct mu_lg_channels *all, struct channel *channel)
{
        mu_text_add_format(&channel->out,
                           "GET " MU_PATH_DEVICE_WS " HTTP/1.1\r\nHost: %s\r\n"
                           "Authorization: Bearer %.*s\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                           all->url->authority, (int)channel->device->token_bytes,
                           channel->device->token);
}

static void begin(struct mu_lg_channels *all, struct channel *channel)
{
        int on = 1;
        const struct sockaddr *address = (const struct sockaddr *)&all->url->address;

        mu_text_init(&channel->in);
        mu_text_init(&channel->out);
        channel->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        all->opening++;
        if (channel->fd < 0) {
                all->opening--;
                atomic_fetch_add(&all->failed, 1);
                return;
        }
        (void)setsockopt(channel->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(channel->fd, address, all->url->address_bytes) < 0 && errno != EINPROGRESS) {
                lose(all, channel);
                return;
        }
        ask(all, channel);
        watch(all, channel, EPOLL_CTL_ADD);
}

static void run(void *context)
{
        struct mu_lg_channels *all = context;
        struct epoll_event events[EVENTS];

        while (!atomic_load(&all->stopping)) {
                while (all->begun < all->count && all->opening < OPENING_MAX)
                        begin(all, &all->channels[all->begun++]);
                int n = epoll_wait(all->epoll_fd, events, EVENTS, WAIT_MS);

                for (int i = 0; i < n; i++) {
                        struct channel *channel = events[i].data.ptr;

                        if (channel->fd >= 0 && (events[i].events & EPOLLOUT)) {
                                flush(all, channel);
                                if (channel->fd >= 0)
                                        watch(all, channel, EPOLL_CTL_MOD);
                        }
                        if (channel->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
                                receive(all, channel);
                }
        }
}

/* ---- lifecycle ---- */

static int prepare(struct mu_lg_channels *all, const struct mu_lg_fleet *fleet, char *error,
                   size_t error_bytes)
{
        if (all->url->is_tls) {
                snprintf(error, error_bytes,
                         "--channels speaks plain HTTP only: give the "
                         "appliance's http URL (port 8080)");
                return -EINVAL;
        }
        all->channels = calloc(fleet->count + 1, sizeof(*all->channels));
        all->buffer = malloc(READ_BYTES);
        all->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (!all->channels || !all->buffer || all->epoll_fd < 0) {
                snprintf(error, error_bytes, "out of memory or descriptors");
                return -ENOMEM;
        }
        for (; all->count < fleet->count; all->count++) {
                const struct mu_lg_device *device = &fleet->devices[all->count];

                if (device->key.version == 0) {
                        snprintf(error, error_bytes,
                                 "the devices file holds no keys to check commands with: it was "
                                 "written by an older muster-loadgen; register anew with --fresh");
                        return -EINVAL;
                }
                all->channels[all->count] = (struct channel){.device = device, .fd = -1};
        }
        return 0;
}

static int wait_open(struct mu_lg_channels *all, char *error, size_t error_bytes)
{
        uint64_t deadline_ns = mu_lg_monotonic_ns() + OPEN_DEADLINE_S * MU_LG_NS_PER_S;

        while (atomic_load(&all->opened) < all->count && atomic_load(&all->failed) == 0 &&
               mu_lg_monotonic_ns() < deadline_ns)
                usleep(1000);
        if (atomic_load(&all->opened) == all->count)
                return 0;
        snprintf(error, error_bytes, "only %u of %u channels could be opened at %s",
                 atomic_load(&all->opened), all->count, all->url->base);
        return -ECONNREFUSED;
}

int mu_lg_channels_open(const struct mu_lg_url *url, const struct mu_lg_fleet *fleet, char *error,
                        size_t error_bytes, struct mu_lg_channels **ret_channels)
{
        struct mu_lg_channels *all = calloc(1, sizeof(*all));
        struct mu_lg_channel_counts ignored;

        if (!all) {
                snprintf(error, error_bytes, "out of memory");
                return -ENOMEM;
        }
        all->url = url;
        all->epoll_fd = -1;
        int r = prepare(all, fleet, error, error_bytes);

        if (r == 0) {
                r = mu_thread_start("channels", run, all, &all->thread);
                all->started = r == 0;
                if (r < 0)
                        snprintf(error, error_bytes, "a thread can't be started");
        }
        if (r == 0)
                r = wait_open(all, error, error_bytes);
        if (r < 0) {
                mu_lg_channels_close(all, &ignored);
                return r;
        }
        *ret_channels = all;
        return 0;
}

void mu_lg_channels_close(struct mu_lg_channels *all, struct mu_lg_channel_counts *ret_counts)
{
        if (!all)
                return;
        atomic_store(&all->stopping, true);
        if (all->started)
                mu_thread_join(all->thread);
        *ret_counts = all->counts;
        ret_counts->asked = all->count;
        ret_counts->opened = atomic_load(&all->opened);
        for (uint32_t i = 0; i < all->count; i++)
                lose(all, &all->channels[i]);
        if (all->epoll_fd >= 0)
                close(all->epoll_fd);
        free(all->buffer);
        free(all->channels);
        free(all);
}
