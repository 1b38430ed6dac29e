/* SPDX-License-Identifier: Apache-2.0 */
#include "control/live/live_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "control/live/live_protocol.h"
#include "http/reply.h"
#include "http/request.h"

enum {
        SENDS_MIN = 64,
        RETRY_AFTER_S = 10,
        QUEUE_MESSAGES = 1024,
};

struct mu_live_socket {
        struct mu_live_post *post;
        struct mu_loop *loop;
        struct mu_ws *ws; /* the loop's; NULL: closed */
        void *client;     /* the live thread's */
        _Atomic uint32_t references;
        _Atomic uint32_t unread; /* messages */
        _Atomic bool refused;
        uint64_t sent_bytes;            /* the live thread's: handed over, ever */
        _Atomic uint64_t arrived_bytes; /* the loop has them, or had */
        _Atomic uint64_t queued_bytes;  /* on the loop, when it last looked */
        struct mu_live_letter *closed;  /* kept for the end: that letter can't fail */
        struct mu_live_letter *opened;
        struct mu_live_socket *next_unclosed; /* the live thread's */
        const char *close_reason;
        uint16_t close_code;
};

struct send {
        struct mu_live_socket *socket;
        struct mu_ws_payload *payload; /* NULL: look, or close */
        const char *reason;
        uint16_t code; /* 0: no close */
};

/* What the next flush brings to one loop. */
struct batch {
        uint32_t count;
        uint32_t room;
        struct send sends[];
};

struct mu_live_post {
        _Atomic(struct mu_live_letter *) letters; /* newest first */
        _Atomic uint32_t sockets;                 /* open */
        int fd;
        struct mu_live_socket *unclosed; /* closes that there was no memory for */
        struct mu_loop *loops[MU_LOOPS_MAX];
        struct batch *batches[MU_LOOPS_MAX];
};

/* ---- letters ---- */

static void drop(struct mu_live_letter *letters);

int mu_live_post_create(struct mu_live_post **ret_post)
{
        struct mu_live_post *post = calloc(1, sizeof(*post));

        if (!post)
                return -ENOMEM;
        post->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (post->fd < 0) {
                int error = -errno;

                free(post);
                return error;
        }
        *ret_post = post;
        return 0;
}

static void free_batch(struct batch *batch)
{
        for (uint32_t i = 0; batch && i < batch->count; i++) {
                mu_ws_payload_unref(batch->sends[i].payload);
                mu_live_socket_unref(batch->sends[i].socket);
        }
        free(batch);
}

void mu_live_post_destroy(struct mu_live_post *post)
{
        if (!post)
                return;
        drop(mu_live_post_take(post));
        while (post->unclosed) {
                struct mu_live_socket *socket = post->unclosed;

                post->unclosed = socket->next_unclosed;
                mu_live_socket_unref(socket);
        }
        for (unsigned i = 0; i < MU_LOOPS_MAX; i++)
                free_batch(post->batches[i]);
        close(post->fd);
        free(post);
}

int mu_live_post_fd(const struct mu_live_post *post)
{
        return post->fd;
}

void mu_live_post_wake(struct mu_live_post *post)
{
        (void)eventfd_write(post->fd, 1); /* fails only when it is readable anyway */
}

static void put_letter(struct mu_live_post *post, struct mu_live_letter *letter)
{
        struct mu_live_letter *top = atomic_load_explicit(&post->letters, memory_order_relaxed);

        do {
                letter->next = top;
        } while (!atomic_compare_exchange_weak_explicit(
                &post->letters, &top, letter, memory_order_release, memory_order_relaxed));
        if (!top)
                mu_live_post_wake(post);
}

struct mu_live_letter *mu_live_post_take(struct mu_live_post *post)
{
        eventfd_t ignored;
        struct mu_live_letter *oldest = NULL;

        /* Drained first: a letter that comes later wakes anew. */
        (void)eventfd_read(post->fd, &ignored);
        struct mu_live_letter *letter =
                atomic_exchange_explicit(&post->letters, NULL, memory_order_acquire);

        while (letter) {
                struct mu_live_letter *next = letter->next;

                letter->next = oldest;
                oldest = letter;
                letter = next;
        }
        return oldest;
}

void mu_live_letter_free(struct mu_live_letter *letter)
{
        if (letter->kind == MU_LIVE_SAID)
                atomic_fetch_sub_explicit(&letter->socket->unread, 1, memory_order_relaxed);
        if (!letter->owned)
                free(letter);
}

/* Nobody reads them any more. */
static void drop(struct mu_live_letter *letters)
{
        while (letters) {
                struct mu_live_letter *letter = letters;
                struct mu_live_socket *socket = letter->socket;
                bool last = letter->kind == MU_LIVE_CLOSED;

                letters = letter->next;
                mu_live_letter_free(letter);
                if (last)
                        mu_live_socket_unref(socket);
        }
}

static struct mu_live_letter *make_letter(struct mu_live_socket *socket,
                                          enum mu_live_letter_kind kind, const char *text,
                                          size_t bytes)
{
        struct mu_live_letter *letter = malloc(sizeof(*letter) + bytes);

        if (!letter)
                return NULL;
        *letter = (struct mu_live_letter){.socket = socket, .kind = kind, .bytes = bytes};
        memcpy(letter->text, text, bytes);
        return letter;
}

/* ---- sockets, on their loop ---- */

void mu_live_socket_unref(struct mu_live_socket *socket)
{
        if (atomic_fetch_sub_explicit(&socket->references, 1, memory_order_acq_rel) > 1)
                return;
        free(socket->opened);
        free(socket->closed);
        free(socket);
}

static void on_message(struct mu_ws *ws, void *ctx, const char *data, size_t bytes, bool is_text)
{
        struct mu_live_socket *socket = ctx;

        if (!is_text) {
                mu_ws_close(ws, MU_WS_UNSUPPORTED, "Messages are JSON, as text.");
                return;
        }
        uint32_t unread = atomic_fetch_add_explicit(&socket->unread, 1, memory_order_relaxed);
        struct mu_live_letter *letter =
                unread < MU_LIVE_UNREAD_MAX ? make_letter(socket, MU_LIVE_SAID, data, bytes) : NULL;

        if (letter) {
                put_letter(socket->post, letter);
                return;
        }
        atomic_fetch_sub_explicit(&socket->unread, 1, memory_order_relaxed);
        mu_ws_close(ws, MU_WS_TRY_LATER, "Messages come faster than they are read.");
}

static void on_close(struct mu_ws *ws, void *ctx, uint16_t code)
{
        struct mu_live_socket *socket = ctx;

        (void)ws;
        (void)code;
        socket->ws = NULL;
        atomic_fetch_sub_explicit(&socket->post->sockets, 1, memory_order_relaxed);
        put_letter(socket->post, socket->closed);
        mu_live_socket_unref(socket);
}

static const struct mu_ws_callbacks callbacks = {
        .on_message = on_message,
        .on_close = on_close,
        .message_bytes_max = MU_LIVE_MESSAGE_BYTES_MAX,
        .queue_messages_max = QUEUE_MESSAGES,
        /* The hub's bound is met first: this one is for what it can't see. */
        .queue_bytes_max = 4 * MU_LIVE_QUEUE_BYTES,
};

static struct mu_live_socket *create_socket(struct mu_live_post *post, struct mu_loop *loop)
{
        struct mu_live_socket *socket = calloc(1, sizeof(*socket));

        if (!socket)
                return NULL;
        socket->post = post;
        socket->loop = loop;
        atomic_init(&socket->references, 1);
        socket->opened = make_letter(socket, MU_LIVE_OPENED, "", 0);
        socket->closed = make_letter(socket, MU_LIVE_CLOSED, "", 0);
        if (!socket->opened || !socket->closed) {
                mu_live_socket_unref(socket);
                return NULL;
        }
        socket->opened->owned = socket->closed->owned = true;
        return socket;
}

void mu_live_socket_accept(struct mu_live_post *post, struct mu_request *request,
                           uint32_t clients_max)
{
        struct mu_live_socket *socket = NULL;
        int error = -ENOMEM;

        if (atomic_fetch_add_explicit(&post->sockets, 1, memory_order_relaxed) >= clients_max) {
                atomic_fetch_sub_explicit(&post->sockets, 1, memory_order_relaxed);
                mu_reply_problem_retry(request, 503, "live-full", RETRY_AFTER_S,
                                       "%u clients watch already, and live.clients_max lets no "
                                       "more in.",
                                       clients_max);
                return;
        }
        socket = create_socket(post, mu_request_loop(request));
        if (socket)
                error = mu_ws_accept(request, &callbacks, socket, &socket->ws);
        if (error == 0) {
                atomic_fetch_add_explicit(&socket->references, 1, memory_order_relaxed);
                put_letter(post, socket->opened);
                return;
        }
        if (socket)
                mu_live_socket_unref(socket);
        atomic_fetch_sub_explicit(&post->sockets, 1, memory_order_relaxed);
        mu_reply_problem_retry(request, 503, "stopping", RETRY_AFTER_S,
                               "The server is stopping or out of memory; connect again.");
}

/* ---- sends, made by the live thread, done on the loop ---- */

static void do_send(const struct send *send)
{
        struct mu_live_socket *socket = send->socket;
        struct mu_ws *ws = socket->ws;

        if (send->payload) {
                /* A closing one (-ESHUTDOWN) is told by on_close. */
                int error = ws ? mu_ws_send(ws, send->payload) : 0;

                if (error == -ENOBUFS || error == -ENOMEM)
                        atomic_store_explicit(&socket->refused, true, memory_order_release);
                atomic_fetch_add_explicit(&socket->arrived_bytes,
                                          mu_ws_payload_bytes(send->payload), memory_order_relaxed);
        }
        if (ws && send->code != 0)
                mu_ws_close(ws, send->code, send->reason);
        atomic_store_explicit(&socket->queued_bytes, ws ? mu_ws_queued_bytes(ws) : 0,
                              memory_order_relaxed);
}

static void run_batch(void *ctx)
{
        struct batch *batch = ctx;

        for (uint32_t i = 0; i < batch->count; i++)
                do_send(&batch->sends[i]);
        free_batch(batch);
}

/* NULL: no memory. */
static struct send *add_send(struct mu_live_socket *socket)
{
        struct mu_live_post *post = socket->post;
        uint32_t index = mu_loop_index(socket->loop);
        struct batch *batch = post->batches[index];

        MU_ASSERT(index < MU_LOOPS_MAX);
        post->loops[index] = socket->loop;
        if (!batch || batch->count == batch->room) {
                uint32_t room = batch ? batch->room * 2 : SENDS_MIN;
                struct batch *larger =
                        realloc(batch, sizeof(*batch) + room * sizeof(batch->sends[0]));

                if (!larger)
                        return NULL;
                if (!batch)
                        larger->count = 0;
                larger->room = room;
                post->batches[index] = batch = larger;
        }
        atomic_fetch_add_explicit(&socket->references, 1, memory_order_relaxed);
        batch->sends[batch->count] = (struct send){.socket = socket};
        return &batch->sends[batch->count++];
}

void mu_live_socket_send(struct mu_live_socket *socket, struct mu_ws_payload *payload)
{
        struct send *send = add_send(socket);

        if (!send) {
                atomic_store_explicit(&socket->refused, true, memory_order_release);
                return;
        }
        if (!payload)
                return;
        send->payload = mu_ws_payload_ref(payload);
        socket->sent_bytes += mu_ws_payload_bytes(payload);
}

void mu_live_socket_close(struct mu_live_socket *socket, uint16_t code, const char *reason)
{
        struct send *send = add_send(socket);

        if (send) {
                send->code = code;
                send->reason = reason;
                return;
        }
        /* No memory: kept until there is some. */
        socket->close_code = code;
        socket->close_reason = reason;
        socket->next_unclosed = socket->post->unclosed;
        socket->post->unclosed = socket;
        atomic_fetch_add_explicit(&socket->references, 1, memory_order_relaxed);
}

static void close_again(struct mu_live_post *post)
{
        struct mu_live_socket *sockets = post->unclosed;

        post->unclosed = NULL;
        while (sockets) {
                struct mu_live_socket *socket = sockets;

                sockets = socket->next_unclosed;
                mu_live_socket_close(socket, socket->close_code, socket->close_reason);
                mu_live_socket_unref(socket);
        }
}

size_t mu_live_socket_waiting(const struct mu_live_socket *socket)
{
        uint64_t arrived = atomic_load_explicit(&socket->arrived_bytes, memory_order_relaxed);

        return (size_t)(socket->sent_bytes - arrived +
                        atomic_load_explicit(&socket->queued_bytes, memory_order_relaxed));
}

bool mu_live_socket_refused(struct mu_live_socket *socket)
{
        return atomic_exchange_explicit(&socket->refused, false, memory_order_acquire);
}

void mu_live_post_flush(struct mu_live_post *post)
{
        close_again(post);
        for (unsigned i = 0; i < MU_LOOPS_MAX; i++) {
                struct batch *batch = post->batches[i];

                /* No memory for the mail: the next flush takes it along. */
                if (batch && batch->count > 0 &&
                    mu_loop_post(post->loops[i], run_batch, batch) == 0)
                        post->batches[i] = NULL;
        }
}

void *mu_live_socket_client(const struct mu_live_socket *socket)
{
        return socket->client;
}

void mu_live_socket_set_client(struct mu_live_socket *socket, void *client)
{
        socket->client = client;
}
