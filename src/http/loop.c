/* SPDX-License-Identifier: Apache-2.0 */
#include "http/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "http/hooks.h"
#include "http/private.h"

/* While stopping: how often connections that meanwhile turned idle are closed. */
#define STOP_TICK_MS 250
/* Pool chunks (4 KiB) and input buffers that a loop keeps for reuse, of each. */
#define RECYCLED_MAX 512
/* What h2o asks room for at each read; a usual request fits, and a larger one grows its buffer. */
#define INPUT_BYTES 4096

struct mu_timer {
        struct mu_loop *loop;
        h2o_timeout_t timeout;
        h2o_timeout_entry_t entry;
        void (*callback)(void *ctx);
        void *ctx;
};

/* ---- clocks ---- */

static void read_clocks(struct mu_loop *loop)
{
        const struct mu_clock *clock = loop->server->config.clock;

        loop->now_us = mu_clock_realtime_us(clock);
        loop->now_ns = mu_clock_monotonic_ns(clock);
}

int64_t mu_loop_now_us(const struct mu_loop *loop)
{
        return loop->now_us;
}

uint64_t mu_loop_monotonic_ns(const struct mu_loop *loop)
{
        return loop->now_ns;
}

uint64_t mu_loop_monotonic_exact_ns(const struct mu_loop *loop)
{
        return mu_clock_monotonic_ns(loop->server->config.clock);
}

/* ---- small things ---- */

uint32_t mu_loop_index(const struct mu_loop *loop)
{
        return loop->index;
}

uint32_t mu_loop_connection_count(const struct mu_loop *loop)
{
        return atomic_load_explicit(&loop->connection_count, memory_order_relaxed);
}

bool mu_loop_stopping(const struct mu_loop *loop)
{
        return loop->stopping;
}

void mu_loop_set_user(struct mu_loop *loop, void *user)
{
        loop->user = user;
}

void *mu_loop_user(const struct mu_loop *loop)
{
        return loop->user;
}

void mu_loop_set_wait_hooks(struct mu_loop *loop, void (*begin)(void *ctx), void (*end)(void *ctx),
                            void *ctx)
{
        loop->wait_begin = begin;
        loop->wait_end = end;
        loop->wait_ctx = ctx;
}

static void on_wait_begin(void *data)
{
        struct mu_loop *loop = data;

        if (loop->wait_begin)
                loop->wait_begin(loop->wait_ctx);
}

static void on_wait_end(void *data)
{
        struct mu_loop *loop = data;

        if (loop->wait_end)
                loop->wait_end(loop->wait_ctx);
        read_clocks(loop);
}

/* ---- descriptors of others ---- */

/* Polls a duplicate: h2o closes what it is given. NULL when there is no descriptor left. */
h2o_socket_t *mu_loop_poll_start(struct mu_loop *loop, int fd, h2o_socket_cb callback, void *data)
{
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (copy < 0)
                return NULL;

        h2o_socket_t *socket =
                h2o_evloop_socket_create(loop->ctx.loop, copy, H2O_SOCKET_FLAG_DONT_READ);
        socket->data = data;
        h2o_socket_read_start(socket, callback);
        return socket;
}

static void on_poll_readable(h2o_socket_t *socket, const char *error)
{
        struct mu_poll *poll = socket->data;

        (void)error;
        poll->callback(poll->ctx);
}

static int start_poll(struct mu_loop *loop, struct mu_poll *poll)
{
        poll->socket = mu_loop_poll_start(loop, poll->fd, on_poll_readable, poll);
        return poll->socket ? 0 : -errno;
}

static void stop_poll(struct mu_poll *poll)
{
        if (poll->socket)
                h2o_socket_close(poll->socket);
        poll->socket = NULL;
}

int mu_loop_add_fd(struct mu_loop *loop, int fd, void (*callback)(void *ctx), void *ctx)
{
        MU_ASSERT(fd >= 0 && callback);
        if (loop->poll_count == MU_LOOP_FDS_MAX)
                return -ENOSPC;
        loop->polls[loop->poll_count++] =
                (struct mu_poll){.fd = fd, .callback = callback, .ctx = ctx};
        return 0;
}

/* ---- mailbox ---- */

void mu_loop_send(struct mu_loop *loop, struct mu_mail *mail)
{
        uint64_t one = 1;

        mail->next = NULL;
        pthread_mutex_lock(&loop->mail_lock);
        *loop->mail_tail = mail;
        loop->mail_tail = &mail->next;
        bool wake = !loop->mail_signalled;
        loop->mail_signalled = true;
        pthread_mutex_unlock(&loop->mail_lock);
        /* An eventfd of ours can only refuse when it is at its maximum: it is readable then. */
        if (wake && write(loop->mail_poll.fd, &one, sizeof(one)) < 0)
                MU_ASSERT(errno == EAGAIN);
}

static void run_mail(void *ctx)
{
        struct mu_loop *loop = ctx;
        uint64_t count;

        /* Drained before the list is taken: mail that comes later signals anew. */
        if (read(loop->mail_poll.fd, &count, sizeof(count)) < 0)
                MU_ASSERT(errno == EAGAIN);
        pthread_mutex_lock(&loop->mail_lock);
        struct mu_mail *mail = loop->mail_head;
        loop->mail_head = NULL;
        loop->mail_tail = &loop->mail_head;
        loop->mail_signalled = false;
        pthread_mutex_unlock(&loop->mail_lock);

        while (mail) {
                struct mu_mail *next = mail->next;

                mail->run(mail, loop);
                mail = next;
        }
}

struct call_mail {
        struct mu_mail mail;
        void (*call)(void *ctx);
        void *ctx;
};

static void run_call(struct mu_mail *mail, struct mu_loop *loop)
{
        struct call_mail *call = (struct call_mail *)mail;

        (void)loop;
        call->call(call->ctx);
        free(call);
}

int mu_loop_post(struct mu_loop *loop, void (*call)(void *ctx), void *ctx)
{
        struct call_mail *mail = malloc(sizeof(*mail));

        if (!mail)
                return -ENOMEM;
        *mail = (struct call_mail){.mail = {.run = run_call}, .call = call, .ctx = ctx};
        mu_loop_send(loop, &mail->mail);
        return 0;
}

/* ---- timers ---- */

static void on_timer(h2o_timeout_entry_t *entry)
{
        struct mu_timer *timer = H2O_STRUCT_FROM_MEMBER(struct mu_timer, entry, entry);

        timer->callback(timer->ctx);
}

int mu_timer_create(struct mu_loop *loop, uint32_t delay_ms, void (*callback)(void *ctx), void *ctx,
                    struct mu_timer **ret_timer)
{
        struct mu_timer *timer = calloc(1, sizeof(*timer));

        if (!timer)
                return -ENOMEM;
        timer->loop = loop;
        timer->callback = callback;
        timer->ctx = ctx;
        timer->entry.cb = on_timer;
        h2o_timeout_init(loop->ctx.loop, &timer->timeout, delay_ms);
        *ret_timer = timer;
        return 0;
}

void mu_timer_start(struct mu_timer *timer)
{
        h2o_timeout_unlink(&timer->entry);
        h2o_timeout_link(timer->loop->ctx.loop, &timer->timeout, &timer->entry);
}

void mu_timer_stop(struct mu_timer *timer)
{
        h2o_timeout_unlink(&timer->entry);
}

void mu_timer_destroy(struct mu_timer *timer)
{
        if (!timer)
                return;
        h2o_timeout_unlink(&timer->entry);
        h2o_timeout_dispose(timer->loop->ctx.loop, &timer->timeout);
        free(timer);
}

/* ---- stopping ---- */

static uint64_t stop_deadline(const struct mu_server *server)
{
        return atomic_load_explicit(&server->stop_deadline_ns, memory_order_acquire);
}

static void on_stop_tick(void *ctx)
{
        struct mu_loop *loop = ctx;

        h2o_http1_close_idle_connections(&loop->ctx, SIZE_MAX);
        if (mu_loop_monotonic_exact_ns(loop) >= stop_deadline(loop->server)) {
                loop->cut = true;
                mu_connections_cut(loop);
        }
        mu_timer_start(loop->stop_tick);
}

/* Mail without a sender's memory: stop may be asked for several times. */
static void begin_stop(void *ctx)
{
        struct mu_loop *loop = ctx;

        if (!loop->stopping) {
                loop->stopping = true;
                loop->ctx.shutdown_requested = 1; /* h2o answers with Connection: close from now */
                mu_loop_listeners_stop(loop);
                mu_websockets_stop(loop);
        }
        on_stop_tick(loop);
}

void mu_server_stop(struct mu_server *server, uint32_t deadline_ms)
{
        uint64_t deadline = mu_clock_monotonic_ns(server->config.clock) +
                            (uint64_t)deadline_ms * (uint64_t)MU_NS_PER_MS;
        uint64_t earlier = stop_deadline(server);

        while (deadline < earlier &&
               !atomic_compare_exchange_weak_explicit(&server->stop_deadline_ns, &earlier, deadline,
                                                      memory_order_acq_rel, memory_order_acquire))
                ;
        for (uint32_t i = 0; i < server->config.loop_count; i++) {
                uint64_t one = 1;

                if (write(server->loops[i].mail_poll.fd, &one, sizeof(one)) < 0)
                        MU_ASSERT(errno == EAGAIN);
        }
}

static void on_mail(void *ctx)
{
        struct mu_loop *loop = ctx;

        run_mail(loop);
        uint64_t deadline = stop_deadline(loop->server);
        if (deadline != UINT64_MAX && (!loop->stopping || deadline < loop->stop_deadline_ns)) {
                loop->stop_deadline_ns = deadline;
                begin_stop(loop);
        }
}

/* ---- life ---- */

static int start_polls(struct mu_loop *loop)
{
        int error = start_poll(loop, &loop->mail_poll);

        for (uint32_t i = 0; !error && i < loop->poll_count; i++)
                error = start_poll(loop, &loop->polls[i]);
        if (!error)
                error = mu_timer_create(loop, STOP_TICK_MS, on_stop_tick, loop, &loop->stop_tick);
        if (!error)
                error = mu_timer_create(loop, 100, mu_loop_listeners_retry, loop,
                                        &loop->retry_accept);
        if (!error)
                error = mu_loop_listeners_start(loop);
        return error;
}

int mu_loop_run(struct mu_loop *loop)
{
        sigset_t pipe_signal;

        /* A reply to a client that has gone is an error of writev, not a signal. */
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);

        loop->ctx.loop->wait_hooks.begin = on_wait_begin;
        loop->ctx.loop->wait_hooks.end = on_wait_end;
        loop->ctx.loop->wait_hooks.data = loop;
        /* Replies wait for the journal, so many requests are open at once: what they use is kept
         * for the next ones instead of going through malloc. */
        h2o_mem_keep_pool_chunks(RECYCLED_MAX);
        h2o_socket_buffer_prototype.allocator.max = RECYCLED_MAX;
        h2o_socket_buffer_prototype._initial_buf.capacity = INPUT_BYTES;
        read_clocks(loop);
        int error = start_polls(loop);
        if (!error)
                on_mail(loop); /* stop may have been asked for already */
        /* EINTR and the like come back here; a connection that never ends is cut at the deadline.
         */
        while (!error && !(loop->stopping && mu_loop_connection_count(loop) == 0))
                (void)h2o_evloop_run(loop->ctx.loop, INT32_MAX);

        mu_loop_listeners_stop(loop);
        mu_timer_destroy(loop->stop_tick);
        mu_timer_destroy(loop->retry_accept);
        loop->stop_tick = NULL;
        loop->retry_accept = NULL;
        for (uint32_t i = 0; i < loop->poll_count; i++)
                stop_poll(&loop->polls[i]);
        stop_poll(&loop->mail_poll);
        /* What h2o keeps for reuse lies in this thread. */
        h2o_mem_free_recycled(&h2o_socket_buffer_prototype.allocator);
        h2o_mem_free_recycled_pool_chunks();
        return error;
}

static void init_timeouts(struct mu_loop *loop)
{
        const struct mu_server_config *config = &loop->server->config;

        h2o_timeout_init(loop->ctx.loop, &loop->ws_ping_timeout, config->websocket_ping_ms);
        h2o_timeout_init(loop->ctx.loop, &loop->ws_close_timeout, config->websocket_close_ms);
        h2o_timeout_init(loop->ctx.loop, &loop->ws_stall_timeout, config->write_timeout_ms);
}

int mu_loop_init(struct mu_loop *loop, struct mu_server *server, uint32_t index)
{
        loop->server = server;
        loop->index = index;
        loop->reserve_fd = -1;
        loop->mail_poll = (struct mu_poll){.fd = -1, .callback = on_mail, .ctx = loop};
        loop->mail_tail = &loop->mail_head;
        loop->stop_deadline_ns = UINT64_MAX;
        pthread_mutex_init(&loop->mail_lock, NULL);
        h2o_context_init(&loop->ctx, h2o_evloop_create(), &server->globalconf);
        loop->accept_ctx = (h2o_accept_ctx_t){.ctx = &loop->ctx, .hosts = server->globalconf.hosts};
        init_timeouts(loop);
        read_clocks(loop);
        int error = mu_random_secret(&loop->id_seed, sizeof(loop->id_seed));
        if (error)
                return error;
        loop->mail_poll.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (loop->mail_poll.fd < 0)
                return -errno;
        loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (loop->reserve_fd < 0)
                return -errno;
        return mu_loop_cells_create(loop, mu_router_count(server->config.router) + 1);
}

void mu_loop_done(struct mu_loop *loop)
{
        struct mu_server *server = loop->server;

        if (loop->mail_poll.fd >= 0) {
                run_mail(loop); /* late results: their requests are gone, their memory is not */
                close(loop->mail_poll.fd);
        }
        MU_ASSERT(mu_loop_connection_count(loop) == 0);
        for (uint32_t i = 0; i < loop->listener_count; i++)
                SSL_CTX_free(loop->listeners[i].ssl_ctx);
        if (loop->reserve_fd >= 0)
                close(loop->reserve_fd);
        mu_connections_done(loop);
        mu_loop_cells_destroy(loop, mu_router_count(server->config.router) + 1);
        h2o_evloop_t *evloop = loop->ctx.loop;
        h2o_timeout_dispose(evloop, &loop->ws_ping_timeout);
        h2o_timeout_dispose(evloop, &loop->ws_close_timeout);
        h2o_timeout_dispose(evloop, &loop->ws_stall_timeout);
        h2o_context_dispose(&loop->ctx);
        h2o_evloop_destroy(evloop);
        pthread_mutex_destroy(&loop->mail_lock);
        h2o_mem_free_recycled(&h2o_socket_buffer_prototype.allocator);
        h2o_mem_free_recycled_pool_chunks();
}
