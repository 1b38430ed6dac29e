/* SPDX-License-Identifier: Apache-2.0 */
#include "http/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "http/call.h"
#include "http/hooks.h"
#include "muster/histogram.h"

#define CHUNK_BYTES (32 * 1024 - 32) /* with its head and malloc's: 32 KiB */
#define SEND_CHUNKS_MAX 4            /* handed to h2o at once */
/* Small writes gather to this much before an idle loop is woken for them. */
#define WAKE_BYTES (16 * 1024)

struct chunk {
        struct chunk *next;
        size_t bytes;
        char data[CHUNK_BYTES];
};

struct mu_stream {
        h2o_generator_t generator; /* first: h2o's callbacks cast */
        struct mu_mail mail;
        _Atomic uint32_t references;
        struct mu_loop *loop;

        /* The loop's thread alone. */
        struct mu_call *call; /* NULL once begun: the call may be freed then */
        h2o_req_t *req;       /* NULL: not begun, over, or the client has gone */
        struct mu_connection *connection;
        struct chunk *sending; /* h2o has them */
        struct mu_histogram *duration_ns;
        uint64_t started_ns;
        uint64_t send_began_ns;
        bool ready; /* h2o has nothing of ours in hand */

        /* Both, under the lock. */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct chunk *head; /* waits to be sent */
        struct chunk **tail;
        struct chunk *last;  /* NULL, or the newest: there may be room in it */
        size_t window_bytes; /* waiting or being sent */
        int error;           /* for the worker; 0: goes on */
        bool mailed;
        bool hungry;  /* the loop has nothing to send: wake it */
        bool discard; /* HEAD: what is written goes nowhere */
        bool ended;   /* by the worker, whole */
        bool aborted; /* by the worker, broken off */
};

static void free_chunks(struct chunk *chunk)
{
        while (chunk) {
                struct chunk *next = chunk->next;

                free(chunk);
                chunk = next;
        }
}

static void unref(struct mu_stream *stream)
{
        if (atomic_fetch_sub_explicit(&stream->references, 1, memory_order_acq_rel) > 1)
                return;
        MU_ASSERT(!stream->req && !stream->sending);
        free_chunks(stream->head);
        pthread_cond_destroy(&stream->changed);
        pthread_mutex_destroy(&stream->lock);
        free(stream);
}

static void ref(struct mu_stream *stream)
{
        atomic_fetch_add_explicit(&stream->references, 1, memory_order_relaxed);
}

/* ---- the loop's side ---- */

static size_t free_sent(struct mu_stream *stream)
{
        size_t bytes = 0;

        for (const struct chunk *chunk = stream->sending; chunk; chunk = chunk->next)
                bytes += chunk->bytes;
        free_chunks(stream->sending);
        stream->sending = NULL;
        return bytes;
}

/* Nothing more can be sent: the worker hears of it, and its data goes. */
static void break_off(struct mu_stream *stream, int error)
{
        pthread_mutex_lock(&stream->lock);
        if (stream->error == 0)
                stream->error = error;
        free_chunks(stream->head);
        stream->head = NULL;
        stream->tail = &stream->head;
        stream->last = NULL;
        pthread_cond_signal(&stream->changed);
        pthread_mutex_unlock(&stream->lock);
}

/* h2o's request and the stream part. */
static void unbind(struct mu_stream *stream)
{
        stream->connection->stream = NULL;
        stream->req = NULL;
        mu_histogram_record(stream->duration_ns,
                            mu_loop_monotonic_exact_ns(stream->loop) - stream->started_ns);
        unref(stream);
}

/* Without the transfer's end. A client of HTTP/1.0 has no chunks to miss: it is shown a reset. */
static void send_broken(struct mu_stream *stream)
{
        h2o_req_t *req = stream->req;
        struct linger reset = {.l_onoff = 1, .l_linger = 0};

        if (req->version != 0x101 && setsockopt(h2o_socket_get_fd(stream->connection->socket),
                                                SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
                shutdown(h2o_socket_get_fd(stream->connection->socket), SHUT_RDWR);
        req->http1_is_persistent = 0;
        break_off(stream, -EPIPE);
        unbind(stream);
        h2o_send(req, NULL, 0, H2O_SEND_STATE_ERROR);
}

static void send_end(struct mu_stream *stream)
{
        h2o_req_t *req = stream->req;

        unbind(stream);
        h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
}

/* Moves chunks from the worker's list to ours; their count. */
static size_t take_chunks(struct mu_stream *stream, h2o_iovec_t *bufs)
{
        struct chunk **link = &stream->sending;
        size_t count = 0;

        while (stream->head && count < SEND_CHUNKS_MAX) {
                struct chunk *chunk = stream->head;

                stream->head = chunk->next;
                chunk->next = NULL;
                *link = chunk;
                link = &chunk->next;
                bufs[count++] = h2o_iovec_init(chunk->data, chunk->bytes);
        }
        if (!stream->head) {
                stream->tail = &stream->head;
                stream->last = NULL;
        }
        return count;
}

/* Sends what there is, if h2o takes it now. */
static void pump(struct mu_stream *stream)
{
        h2o_iovec_t bufs[SEND_CHUNKS_MAX];

        if (!stream->req || !stream->ready)
                return;
        pthread_mutex_lock(&stream->lock);
        bool aborted = stream->aborted;
        size_t count = aborted ? 0 : take_chunks(stream, bufs);
        bool ended = stream->ended;
        stream->hungry = count == 0;
        pthread_mutex_unlock(&stream->lock);
        if (aborted) {
                send_broken(stream);
        } else if (count > 0) {
                stream->ready = false;
                stream->send_began_ns = mu_loop_monotonic_exact_ns(stream->loop);
                h2o_send(stream->req, bufs, count, H2O_SEND_STATE_IN_PROGRESS);
        } else if (ended) {
                send_end(stream);
        }
}

/* h2o: what was sent is in the kernel. */
static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
        struct mu_stream *stream = (struct mu_stream *)generator;
        size_t bytes = free_sent(stream);

        (void)req;
        pthread_mutex_lock(&stream->lock);
        stream->window_bytes -= bytes;
        pthread_cond_signal(&stream->changed);
        pthread_mutex_unlock(&stream->lock);
        stream->ready = true;
        pump(stream);
}

/* h2o: the request dies before its end. */
static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
        struct mu_stream *stream = (struct mu_stream *)generator;
        uint64_t limit_ns = stream->loop->server->config.write_timeout_ms * (uint64_t)MU_NS_PER_MS;
        bool stalled = !stream->ready &&
                       mu_loop_monotonic_exact_ns(stream->loop) - stream->send_began_ns >= limit_ns;

        (void)req;
        mu_cell_add(&stream->loop->cells.aborted, 1);
        (void)free_sent(stream);
        break_off(stream, stalled ? -ETIMEDOUT : -EPIPE);
        unbind(stream);
}

static void discard_rest(struct mu_stream *stream)
{
        pthread_mutex_lock(&stream->lock);
        stream->discard = true;
        pthread_mutex_unlock(&stream->lock);
        break_off(stream, 0);
}

static void begin(struct mu_stream *stream)
{
        struct mu_call *call = stream->call;
        struct mu_request *request = mu_pending_request(call->pending);

        stream->call = NULL;
        if (!request) {
                break_off(stream, -EPIPE);
                return;
        }
        h2o_req_t *req = request->h2o;
        bool is_head = request->method == MU_METHOD_HEAD;

        if (req->version != 0x101) /* no chunks: the connection's end is the transfer's */
                req->http1_is_persistent = 0;
        mu_call_add_headers(call, request);
        mu_reply_stream_head(request, call->status, call->type);
        stream->connection = mu_request_connection(request);
        stream->connection->stream = stream;
        stream->req = req;
        stream->started_ns = request->started_ns;
        stream->duration_ns = mu_request_finish(request, call->status);
        stream->ready = true;
        ref(stream); /* h2o's */
        h2o_start_response(req, &stream->generator);
        if (is_head) {
                discard_rest(stream);
                send_end(stream);
        }
}

static void run_mail(struct mu_mail *mail, struct mu_loop *loop)
{
        struct mu_stream *stream = H2O_STRUCT_FROM_MEMBER(struct mu_stream, mail, mail);

        (void)loop;
        pthread_mutex_lock(&stream->lock);
        stream->mailed = false;
        pthread_mutex_unlock(&stream->lock);
        if (stream->call)
                begin(stream);
        pump(stream);
        unref(stream);
}

void mu_stream_cut(struct mu_stream *stream)
{
        if (stream->ready) {
                send_broken(stream);
                return;
        }
        /* What h2o is writing fails now, and on_stop follows. */
        break_off(stream, -EPIPE);
        shutdown(h2o_socket_get_fd(stream->connection->socket), SHUT_RDWR);
}

/* ---- the worker's side ---- */

/* Under the lock. */
static void wake_loop(struct mu_stream *stream)
{
        if (stream->mailed)
                return;
        stream->mailed = true;
        stream->hungry = false;
        ref(stream); /* the mail's */
        mu_loop_send(stream->loop, &stream->mail);
}

int mu_stream_create(struct mu_call *call, struct mu_stream **ret_stream)
{
        struct mu_stream *stream = calloc(1, sizeof(*stream));

        if (!stream)
                return -ENOMEM;
        stream->generator = (h2o_generator_t){on_proceed, on_stop};
        stream->mail.run = run_mail;
        atomic_init(&stream->references, 1);
        stream->loop = call->loop;
        stream->call = call;
        stream->tail = &stream->head;
        pthread_mutex_init(&stream->lock, NULL);
        pthread_cond_init(&stream->changed, NULL);
        pthread_mutex_lock(&stream->lock);
        wake_loop(stream);
        pthread_mutex_unlock(&stream->lock);
        *ret_stream = stream;
        return 0;
}

/* Under the lock: room in the newest chunk, or a new one. NULL: no memory. */
static struct chunk *room(struct mu_stream *stream)
{
        if (stream->last && stream->last->bytes < CHUNK_BYTES)
                return stream->last;
        struct chunk *chunk = malloc(sizeof(*chunk));

        if (!chunk)
                return NULL;
        chunk->next = NULL;
        chunk->bytes = 0;
        *stream->tail = chunk;
        stream->tail = &chunk->next;
        stream->last = chunk;
        return chunk;
}

/* Under the lock. */
static int write_some(struct mu_stream *stream, const char **data, size_t *bytes)
{
        while (stream->window_bytes >= MU_STREAM_WINDOW_BYTES && stream->error == 0 &&
               !stream->discard)
                pthread_cond_wait(&stream->changed, &stream->lock);
        if (stream->discard) {
                *bytes = 0;
                return 0;
        }
        if (stream->error)
                return stream->error;
        struct chunk *chunk = room(stream);
        if (!chunk)
                return -ENOMEM;
        size_t taken = CHUNK_BYTES - chunk->bytes;
        if (taken > *bytes)
                taken = *bytes;
        memcpy(chunk->data + chunk->bytes, *data, taken);
        chunk->bytes += taken;
        stream->window_bytes += taken;
        *data += taken;
        *bytes -= taken;
        if (stream->hungry && stream->window_bytes >= WAKE_BYTES)
                wake_loop(stream);
        return 0;
}

int mu_stream_write(struct mu_stream *stream, const void *data, size_t bytes)
{
        const char *at = data;
        int error = 0;

        pthread_mutex_lock(&stream->lock);
        MU_ASSERT(!stream->ended);
        while (bytes > 0 && !error)
                error = write_some(stream, &at, &bytes);
        pthread_mutex_unlock(&stream->lock);
        return error;
}

int mu_stream_end(struct mu_stream *stream)
{
        pthread_mutex_lock(&stream->lock);
        MU_ASSERT(!stream->ended);
        int error = stream->error;
        if (!error) {
                stream->ended = true;
                if (stream->hungry)
                        wake_loop(stream); /* else it finds out when it has sent the rest */
        }
        pthread_mutex_unlock(&stream->lock);
        return error;
}

void mu_stream_leave(struct mu_stream *stream)
{
        pthread_mutex_lock(&stream->lock);
        if (!stream->ended) {
                stream->aborted = true;
                if (stream->hungry)
                        wake_loop(stream);
        }
        pthread_mutex_unlock(&stream->lock);
        unref(stream);
}
