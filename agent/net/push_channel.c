/* SPDX-License-Identifier: Apache-2.0 */
#include "net/push_channel.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "core/core.h"
#include "core/wipe.h"
#include "net/handshake.h"
#include "net/retry_after.h"
#include "net/target.h"

enum {
        OUT_BYTES = 4096,
        NEVER_MS = -1,
        LOOK_BYTES = 64 * 1024, /* read in one look: reports and signals get their turn too */
        /* The appliance sends a command, a word now and then. More than that within a second is a
         * flood, and the channel is closed for it. */
        FLOOD_FRAMES = 1000,
        FLOOD_BYTES = 4 * 1024 * 1024,
};

enum state { CONNECTING, ASKING, WAITING, OPEN };

struct watched {
        curl_socket_t socket;
        int what; /* CURL_POLL_* */
};

struct mu_channel {
        const struct mu_net_options *options;
        CURLM *multi;
        CURL *easy;
        enum state state;
        bool looking;
        bool abandoned;
        size_t events;
        uint64_t open_deadline_ns;
        char curl_error[CURL_ERROR_SIZE];

        /* CONNECTING: what libcurl wants to be woken for. */
        struct watched watched[MU_CHANNEL_SOCKETS_MAX];
        size_t watched_count;
        uint64_t timer_ns; /* MU_AGENT_NEVER: none */

        curl_socket_t socket; /* from then on */
        struct mu_handshake handshake;
        struct mu_text request; /* ASKING: from request_sent on */
        size_t request_sent;

        /* WAITING: the reply's head; OPEN: frames that came with it, from in_at on. */
        char *in;
        size_t in_bytes;
        size_t in_at;

        struct wslay_event_context *frames;
        size_t look_bytes;  /* read in this look */
        uint64_t second_ns; /* what came since then: */
        size_t second_frames;
        size_t second_bytes;
        size_t out_at; /* what is on its way: libcurl must be given the same bytes again */
        size_t out_bytes;
        char out[OUT_BYTES];
        int error; /* of the connection, while frames are read or written */
        char reason[128];
};

static uint64_t now_ns(void)
{
        return mu_clock_monotonic_ns(mu_clock_system());
}

static void give(struct mu_channel *channel, enum mu_agent_push_event event, const char *text,
                 size_t bytes)
{
        if (channel->abandoned)
                return;
        channel->events++;
        channel->options->push(channel->options->push_context, event, 0, text, bytes);
}

static void set_end(struct mu_channel_end *ret_end, int code, const char *sentence)
{
        ret_end->code = code;
        ret_end->retry_after_s = -1;
        (void)snprintf(ret_end->sentence, sizeof(ret_end->sentence), "%s", sentence);
}

/* ---- connecting ---- */

static struct watched *find_watched(struct mu_channel *channel, curl_socket_t socket)
{
        for (size_t i = 0; i < channel->watched_count; i++)
                if (channel->watched[i].socket == socket)
                        return &channel->watched[i];
        return NULL;
}

static int watch(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context)
{
        struct mu_channel *channel = context;
        struct watched *watched = find_watched(channel, socket);

        (void)easy;
        (void)socket_context;
        if (what == CURL_POLL_REMOVE) {
                if (watched)
                        *watched = channel->watched[--channel->watched_count];
                return 0;
        }
        if (!watched) {
                if (channel->watched_count == MU_CHANNEL_SOCKETS_MAX)
                        return -1;
                watched = &channel->watched[channel->watched_count++];
        }
        *watched = (struct watched){.socket = socket, .what = what};
        return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
        struct mu_channel *channel = context;

        (void)multi;
        channel->timer_ns =
                timeout_ms < 0 ? MU_AGENT_NEVER : now_ns() + (uint64_t)timeout_ms * MU_NS_PER_MS;
        return 0;
}

/* 0: the connection stands; -EAGAIN; another: *ret_end. */
static int connect_on(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        struct watched watched[MU_CHANNEL_SOCKETS_MAX];
        size_t count = channel->watched_count;
        CURLMsg *message;
        int left;

        memcpy(watched, channel->watched, sizeof(watched));
        if (channel->timer_ns <= now_ns()) {
                channel->timer_ns = MU_AGENT_NEVER;
                (void)curl_multi_socket_action(channel->multi, CURL_SOCKET_TIMEOUT, 0, &left);
        }
        /* 0: libcurl looks itself at what is ready. */
        for (size_t i = 0; i < count; i++)
                if (find_watched(channel, watched[i].socket))
                        (void)curl_multi_socket_action(channel->multi, watched[i].socket, 0, &left);
        message = curl_multi_info_read(channel->multi, &left);
        if (!message || message->msg != CURLMSG_DONE)
                return -EAGAIN;
        CURLcode code = message->data.result;

        if (code == CURLE_OK)
                code = curl_easy_getinfo(channel->easy, CURLINFO_ACTIVESOCKET, &channel->socket);
        if (code == CURLE_OK && channel->socket != CURL_SOCKET_BAD)
                return 0;
        int err = code == CURLE_OK ? -ENOTCONN : mu_net_error_of(code);

        set_end(ret_end, err,
                channel->curl_error[0] ? channel->curl_error : curl_easy_strerror(code));
        return err;
}

/* ---- the opening handshake ---- */

static int refuse(struct mu_channel_end *ret_end, int err, const char *sentence)
{
        set_end(ret_end, err, sentence);
        return err;
}

/* 0: sent; -EAGAIN; another: *ret_end. */
static int ask(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        while (channel->request_sent < channel->request.bytes) {
                size_t sent = 0;
                CURLcode code =
                        curl_easy_send(channel->easy, channel->request.data + channel->request_sent,
                                       channel->request.bytes - channel->request_sent, &sent);

                if (code == CURLE_AGAIN)
                        return -EAGAIN;
                if (code != CURLE_OK)
                        return refuse(ret_end, mu_net_error_of(code), curl_easy_strerror(code));
                channel->request_sent += sent;
        }
        mu_agent_wipe(channel->request.data, channel->request.room_bytes); /* the token */
        mu_text_done(&channel->request);
        mu_text_init(&channel->request);
        return 0;
}

static int64_t asked_to_wait_s(const struct mu_channel *channel)
{
        char value[64];
        char date[64];
        bool asks = mu_handshake_header(channel->in, channel->in_bytes, "Retry-After", value,
                                        sizeof(value));
        bool dated =
                mu_handshake_header(channel->in, channel->in_bytes, "Date", date, sizeof(date));

        return mu_net_retry_after_s(asks ? value : NULL, dated ? date : NULL);
}

static int judge_reply(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        char sentence[128];
        int status = 0;
        int err = mu_handshake_reply(&channel->handshake, channel->in, channel->in_bytes,
                                     &channel->in_at, &status);

        if (err == 0 || err == -EAGAIN)
                return err;
        if (err != -EPERM)
                return refuse(ret_end, err,
                              "what answered is no WebSocket server of this protocol");
        (void)snprintf(sentence, sizeof(sentence),
                       "the opening of the push channel was answered with HTTP status %d", status);
        set_end(ret_end, status, sentence);
        ret_end->retry_after_s = asked_to_wait_s(channel);
        return err;
}

/* 0: the channel is open; -EAGAIN; another: *ret_end. */
static int await_reply(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        for (;;) {
                size_t got = 0;
                CURLcode code =
                        curl_easy_recv(channel->easy, channel->in + channel->in_bytes,
                                       MU_HANDSHAKE_REPLY_BYTES_MAX - channel->in_bytes, &got);

                if (code == CURLE_AGAIN)
                        return -EAGAIN;
                if (code != CURLE_OK)
                        return refuse(ret_end, mu_net_error_of(code), curl_easy_strerror(code));
                if (got == 0)
                        return refuse(ret_end, -ECONNRESET,
                                      "the connection ended before the push channel was open");
                channel->in_bytes += got;
                int err = judge_reply(channel, ret_end);

                if (err != -EAGAIN)
                        return err;
        }
}

/* ---- frames ---- */

static bool is_flood(struct mu_channel *channel, size_t frames, size_t bytes)
{
        uint64_t now = now_ns();

        if (now - channel->second_ns >= (uint64_t)MU_NS_PER_S) {
                channel->second_ns = now;
                channel->second_frames = 0;
                channel->second_bytes = 0;
        }
        channel->second_frames += frames;
        channel->second_bytes += bytes;
        if (channel->second_frames <= FLOOD_FRAMES && channel->second_bytes <= FLOOD_BYTES)
                return false;
        channel->error = -ENOBUFS;
        return true;
}

/* Each frame, a part of a message too. */
static void count_frame(wslay_event_context_ptr frames,
                        const struct wslay_event_on_frame_recv_start_arg *frame, void *context)
{
        struct mu_channel *channel = context;

        (void)frame;
        if (is_flood(channel, 1, 0))
                wslay_event_shutdown_read(frames);
}

/* One read of what the connection holds. */
static CURLcode read_socket(struct mu_channel *channel, uint8_t *buffer, size_t room, size_t *got)
{
        if (channel->look_bytes >= LOOK_BYTES)
                return CURLE_AGAIN;
        CURLcode code = curl_easy_recv(channel->easy, buffer, room, got);

        if (code == CURLE_OK)
                channel->look_bytes += *got;
        return code == CURLE_OK && is_flood(channel, 0, *got) ? CURLE_RECV_ERROR : code;
}

static ssize_t recv_bytes(wslay_event_context_ptr frames, uint8_t *buffer, size_t room, int flags,
                          void *context)
{
        struct mu_channel *channel = context;
        size_t got = channel->in_bytes - channel->in_at;

        (void)flags;
        if (got > 0) {
                got = got < room ? got : room;
                memcpy(buffer, channel->in + channel->in_at, got);
                channel->in_at += got;
                return (ssize_t)got;
        }
        free(channel->in); /* not needed again */
        channel->in = NULL;
        channel->in_bytes = 0;
        channel->in_at = 0;
        CURLcode code = read_socket(channel, buffer, room, &got);

        if (code == CURLE_OK && got > 0)
                return (ssize_t)got;
        if (code == CURLE_AGAIN) {
                wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
                return -1;
        }
        if (channel->error == 0)
                channel->error = code == CURLE_OK ? -ECONNRESET : mu_net_error_of(code);
        wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
}

/* 0: nothing is on its way any more; -EAGAIN; else channel->error. */
static int flush(struct mu_channel *channel)
{
        while (channel->out_at < channel->out_bytes) {
                size_t sent = 0;
                CURLcode code = curl_easy_send(channel->easy, channel->out + channel->out_at,
                                               channel->out_bytes - channel->out_at, &sent);

                if (code == CURLE_AGAIN)
                        return -EAGAIN;
                if (code != CURLE_OK) {
                        channel->error = mu_net_error_of(code);
                        return channel->error;
                }
                channel->out_at += sent;
        }
        channel->out_at = 0;
        channel->out_bytes = 0;
        return 0;
}

static ssize_t send_bytes(wslay_event_context_ptr frames, const uint8_t *data, size_t bytes,
                          int flags, void *context)
{
        struct mu_channel *channel = context;
        int err = flush(channel);

        (void)flags;
        if (err < 0) {
                wslay_event_set_error(frames, err == -EAGAIN ? WSLAY_ERR_WOULDBLOCK
                                                             : WSLAY_ERR_CALLBACK_FAILURE);
                return -1;
        }
        channel->out_bytes = bytes < OUT_BYTES ? bytes : OUT_BYTES;
        memcpy(channel->out, data, channel->out_bytes);
        return (ssize_t)channel->out_bytes;
}

static int make_mask(wslay_event_context_ptr frames, uint8_t *buffer, size_t bytes, void *context)
{
        struct mu_channel *channel = context;
        int err = mu_random_secret(buffer, bytes);

        if (err == 0)
                return 0;
        channel->error = err;
        wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
}

static void keep_reason(struct mu_channel *channel, const uint8_t *body, size_t bytes)
{
        struct mu_text text;

        mu_text_init_fixed(&text, channel->reason, sizeof(channel->reason));
        if (bytes > 2) /* the code comes first */
                mu_text_add_bytes(&text, body + 2, bytes - 2);
}

static void take_message(wslay_event_context_ptr frames,
                         const struct wslay_event_on_msg_recv_arg *message, void *context)
{
        struct mu_channel *channel = context;

        switch (message->opcode) {
        case WSLAY_TEXT_FRAME:
                if (message->msg_length > 0)
                        give(channel, MU_AGENT_PUSH_MESSAGE, (const char *)message->msg,
                             message->msg_length);
                return;
        case WSLAY_PING:
                /* wslay answers it. One that never reads the answers is not kept for ever. */
                if (wslay_event_get_queued_msg_count(frames) > 2 * (size_t)MU_CHANNEL_FRAMES_MAX) {
                        channel->error = -ENOBUFS;
                        wslay_event_shutdown_read(frames);
                        return;
                }
                give(channel, MU_AGENT_PUSH_MESSAGE, "", 0); /* a sign of life */
                return;
        case WSLAY_CONNECTION_CLOSE:
                keep_reason(channel, message->msg, message->msg_length);
                return;
        case WSLAY_BINARY_FRAME:
                (void)wslay_event_queue_close(frames, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
                wslay_event_shutdown_read(frames); /* as wslay does with what it refuses */
                return;
        default:
                return;
        }
}

static int begin_frames(struct mu_channel *channel)
{
        static const struct wslay_event_callbacks CALLBACKS = {
                .recv_callback = recv_bytes,
                .send_callback = send_bytes,
                .genmask_callback = make_mask,
                .on_frame_recv_start_callback = count_frame,
                .on_msg_recv_callback = take_message,
        };

        if (wslay_event_context_client_init(&channel->frames, &CALLBACKS, channel) != 0)
                return -ENOMEM;
        wslay_event_config_set_max_recv_msg_length(channel->frames, MU_CHANNEL_MESSAGE_BYTES_MAX);
        return 0;
}

static bool wants_write(const struct mu_channel *channel)
{
        return channel->out_bytes > 0 || wslay_event_want_write(channel->frames) != 0;
}

/* Also when the other end has said goodbye: our answer goes out first, if it can. */
static bool set_closed(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        struct wslay_event_context *frames = channel->frames;
        char sentence[MU_CHANNEL_SENTENCE_BYTES];

        if (wslay_event_get_close_received(frames)) {
                int code = wslay_event_get_status_code_received(frames);

                (void)snprintf(sentence, sizeof(sentence),
                               "the appliance closed the push channel with code %d%s%s", code,
                               channel->reason[0] ? ": " : "", channel->reason);
                set_end(ret_end, code, sentence);
        } else if (wslay_event_get_close_sent(frames)) {
                int code = wslay_event_get_status_code_sent(frames);

                (void)snprintf(sentence, sizeof(sentence),
                               "what came by the push channel was refused with code %d", code);
                set_end(ret_end, code, sentence);
        } else if (channel->error == -ENOBUFS) {
                set_end(ret_end, channel->error, "more came by the push channel than can be meant");
        } else {
                set_end(ret_end, channel->error ? channel->error : -EPROTO,
                        channel->error ? "the push channel's connection broke off"
                                       : "what came by the push channel is no WebSocket frame");
        }
        return true;
}

static bool exchange(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        bool failed = false;

        channel->look_bytes = 0;
        if (wslay_event_want_read(channel->frames))
                failed = wslay_event_recv(channel->frames) != 0;
        if (!failed && !channel->abandoned && wslay_event_want_write(channel->frames))
                failed = wslay_event_send(channel->frames) != 0;
        if (!failed && flush(channel) < 0)
                failed = channel->error != 0;
        if (failed || channel->error != 0)
                return set_closed(channel, ret_end);
        if (!wslay_event_want_read(channel->frames) && !wants_write(channel))
                return set_closed(channel, ret_end);
        return false;
}

/* ---- what net asks for ---- */

/* One step of the opening; 0: one more can be taken at once. */
static int open_on(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        int err;

        switch (channel->state) {
        case CONNECTING:
                err = connect_on(channel, ret_end);
                break;
        case ASKING:
                err = ask(channel, ret_end);
                break;
        default:
                err = await_reply(channel, ret_end);
                break;
        }
        if (err == 0)
                channel->state++;
        if (err == -EAGAIN && now_ns() >= channel->open_deadline_ns)
                return refuse(ret_end, -ETIMEDOUT, "the push channel did not open in time");
        return err;
}

static bool look(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        while (channel->state != OPEN) {
                int err = open_on(channel, ret_end);

                if (err == -EAGAIN)
                        return false;
                if (err < 0)
                        return true;
                if (channel->state != OPEN)
                        continue;
                err = begin_frames(channel);
                if (err < 0) {
                        set_end(ret_end, err, "there is no memory for the push channel");
                        return true;
                }
                give(channel, MU_AGENT_PUSH_OPENED, "", 0);
        }
        return channel->abandoned || exchange(channel, ret_end);
}

bool mu_channel_look(struct mu_channel *channel, struct mu_channel_end *ret_end)
{
        channel->looking = true;
        bool ended = look(channel, ret_end);

        channel->looking = false;
        return ended;
}

bool mu_channel_is_looking(const struct mu_channel *channel)
{
        return channel->looking;
}

static int prepare(struct mu_channel *channel, const struct mu_net_target *target)
{
        const struct mu_agent_config *config = channel->options->config;
        int err = mu_handshake_init(&channel->handshake);

        if (err == 0)
                err = mu_handshake_request(&channel->handshake, target->url, config->token,
                                           channel->options->user_agent, &channel->request);
        if (err == 0)
                err = mu_net_target_set(target, config, channel->easy);
        if (err < 0)
                return err;
        CURLcode code = curl_easy_setopt(channel->easy, CURLOPT_CONNECT_ONLY, 1L);

        code |= curl_easy_setopt(channel->easy, CURLOPT_ERRORBUFFER, channel->curl_error);
        code |= curl_easy_setopt(channel->easy, CURLOPT_TCP_KEEPALIVE, 1L);
        CURLMcode multi_code = curl_multi_setopt(channel->multi, CURLMOPT_SOCKETFUNCTION, watch);

        multi_code |= curl_multi_setopt(channel->multi, CURLMOPT_SOCKETDATA, channel);
        multi_code |= curl_multi_setopt(channel->multi, CURLMOPT_TIMERFUNCTION, set_timer);
        multi_code |= curl_multi_setopt(channel->multi, CURLMOPT_TIMERDATA, channel);
        if (code != CURLE_OK || multi_code != CURLM_OK)
                return -ENOTSUP;
        return curl_multi_add_handle(channel->multi, channel->easy) == CURLM_OK ? 0 : -ENOMEM;
}

int mu_channel_open(const struct mu_net_options *options, const char *path,
                    struct mu_channel **ret_channel)
{
        struct mu_channel *channel;
        struct mu_net_target target;
        int err = mu_net_target_find(options->config, path, &target);

        if (err < 0)
                return err;
        if (!target.is_server)
                return -EINVAL;
        channel = calloc(1, sizeof(*channel));
        if (!channel)
                return -ENOMEM;
        channel->options = options;
        channel->socket = CURL_SOCKET_BAD;
        channel->timer_ns = MU_AGENT_NEVER;
        channel->open_deadline_ns = now_ns() + (uint64_t)MU_CHANNEL_OPEN_MS * MU_NS_PER_MS;
        mu_text_init(&channel->request);
        channel->in = malloc(MU_HANDSHAKE_REPLY_BYTES_MAX);
        channel->multi = curl_multi_init();
        channel->easy = curl_easy_init();
        err = channel->in && channel->multi && channel->easy ? prepare(channel, &target) : -ENOMEM;
        if (err < 0) {
                mu_channel_destroy(channel);
                return err;
        }
        *ret_channel = channel;
        return 0;
}

void mu_channel_abandon(struct mu_channel *channel)
{
        channel->abandoned = true;
}

void mu_channel_destroy(struct mu_channel *channel)
{
        if (!channel)
                return;
        channel->abandoned = true;
        if (channel->frames && channel->error == 0 && flush(channel) == 0 &&
            wslay_event_queue_close(channel->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0 &&
            wslay_event_send(channel->frames) == 0)
                (void)flush(channel);
        if (channel->frames)
                wslay_event_context_free(channel->frames);
        if (channel->easy && channel->multi)
                (void)curl_multi_remove_handle(channel->multi, channel->easy);
        curl_easy_cleanup(channel->easy);
        (void)curl_multi_cleanup(channel->multi);
        if (channel->request.data)
                mu_agent_wipe(channel->request.data, channel->request.room_bytes);
        mu_text_done(&channel->request);
        free(channel->in);
        free(channel);
}

int mu_channel_send(struct mu_channel *channel, const char *text, size_t bytes)
{
        struct wslay_event_msg message = {
                .opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text, .msg_length = bytes};

        if (channel->state != OPEN || channel->error != 0)
                return -ENOTCONN;
        if (wslay_event_get_queued_msg_count(channel->frames) >= MU_CHANNEL_FRAMES_MAX ||
            wslay_event_get_queued_msg_length(channel->frames) + bytes > MU_CHANNEL_BYTES_MAX)
                return -EAGAIN;
        switch (wslay_event_queue_msg(channel->frames, &message)) {
        case 0:
                return 0;
        case WSLAY_ERR_NOMEM:
                return -ENOMEM;
        default:
                return -ENOTCONN; /* it is closing */
        }
}

static short events_of(int what)
{
        short events = 0;

        if (what & CURL_POLL_IN)
                events |= CURL_WAIT_POLLIN;
        if (what & CURL_POLL_OUT)
                events |= CURL_WAIT_POLLOUT;
        return events;
}

size_t mu_channel_sockets(const struct mu_channel *channel, struct curl_waitfd *ret_sockets)
{
        int what = 0;

        if (channel->state == CONNECTING) {
                for (size_t i = 0; i < channel->watched_count; i++)
                        ret_sockets[i] =
                                (struct curl_waitfd){.fd = channel->watched[i].socket,
                                                     .events = events_of(channel->watched[i].what)};
                return channel->watched_count;
        }
        if (channel->state != OPEN || wslay_event_want_read(channel->frames))
                what |= CURL_POLL_IN;
        if (channel->state == ASKING || (channel->state == OPEN && wants_write(channel)))
                what |= CURL_POLL_OUT;
        ret_sockets[0] = (struct curl_waitfd){.fd = channel->socket, .events = events_of(what)};
        return 1;
}

int mu_channel_wait_ms(const struct mu_channel *channel)
{
        uint64_t until = channel->state == OPEN ? MU_AGENT_NEVER : channel->open_deadline_ns;
        uint64_t now = now_ns();

        /* What TLS holds already wakes no poll. */
        if (channel->state == OPEN && channel->look_bytes >= LOOK_BYTES)
                return 0;
        if (channel->state == CONNECTING && channel->timer_ns < until)
                until = channel->timer_ns;
        if (until == MU_AGENT_NEVER)
                return NEVER_MS;
        return until <= now ? 0 : (int)((until - now) / MU_NS_PER_MS) + 1;
}

size_t mu_channel_events(const struct mu_channel *channel)
{
        return channel->events;
}
