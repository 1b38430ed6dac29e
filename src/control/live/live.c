/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live.c - the live thread: letters into the hub, time for the hub, its sends to the loops; and
 * what the hub needs of the world.
 */
#include "control/live/live.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/assert.h"
#include "base/bus.h"
#include "base/random.h"
#include "base/thread.h"
#include "control/account/ws_ticket.h"
#include "control/live/live_facts.h"
#include "control/live/live_hub.h"
#include "control/live/live_socket.h"
#include "control/live/live_sql.h"
#include "http/route.h"
#include "pg/database.h"

enum {
        ACQUIRE_MS = 500,
        NICE = 5, /* viewers may wait a moment longer than heartbeats */
        FLEET_ROWS_PER_S = 20000,
};

struct mu_live {
        struct mu_live_config config;
        struct mu_live_post *post;
        struct mu_live_hub *hub;
        pthread_t thread;
        bool running;
        _Atomic bool stopping;
};

/* ---- what the hub needs ---- */

static int make_frame(void *ctx, const char *text, size_t bytes, void **ret_frame)
{
        struct mu_ws_payload *payload;
        int error = mu_ws_payload_create(MU_WS_TEXT, text, bytes, &payload);

        (void)ctx;
        if (error == 0)
                *ret_frame = payload;
        return error;
}

static void drop_frame(void *ctx, void *frame)
{
        (void)ctx;
        mu_ws_payload_unref(frame);
}

static void send_frame(void *ctx, void *socket, void *frame)
{
        (void)ctx;
        mu_live_socket_send(socket, frame);
}

static size_t waiting(void *ctx, void *socket)
{
        (void)ctx;
        return mu_live_socket_waiting(socket);
}

static bool refused(void *ctx, void *socket)
{
        (void)ctx;
        return mu_live_socket_refused(socket);
}

static void close_socket(void *ctx, void *socket, uint16_t code, const char *reason)
{
        (void)ctx;
        mu_live_socket_close(socket, code, reason);
}

static bool redeem(void *ctx, const char *ticket, struct mu_principal *ret_who)
{
        const struct mu_live *live = ctx;

        if (mu_ws_ticket_take(live->config.tickets, ticket, strlen(ticket), ret_who))
                return true;
        if (live->config.on_refused)
                live->config.on_refused(live->config.ctx);
        return false;
}

static int load(void *ctx, struct mu_live_image *image)
{
        const struct mu_live *live = ctx;
        struct mu_pg *pg;
        int error = mu_database_acquire(live->config.database, ACQUIRE_MS, &pg, NULL);

        if (error < 0)
                return error;
        error = mu_live_sql_load(pg, live->config.devices, image);
        mu_database_release(live->config.database, pg);
        return error;
}

static int reload(void *ctx, struct mu_live_image *image, const int64_t *ids, uint32_t count)
{
        const struct mu_live *live = ctx;
        struct mu_pg *pg;
        int error = mu_database_acquire(live->config.database, ACQUIRE_MS, &pg, NULL);

        if (error < 0)
                return error;
        error = mu_live_sql_reload(pg, live->config.devices, image, ids, count);
        mu_database_release(live->config.database, pg);
        return error;
}

static int check(void *ctx, const struct mu_principal *const *who, uint32_t count, bool *ret_valid)
{
        const struct mu_live *live = ctx;
        struct mu_pg *pg;
        int error = mu_database_acquire(live->config.database, ACQUIRE_MS, &pg, NULL);

        if (error < 0)
                return error;
        error = mu_live_sql_check(pg, who, count, ret_valid);
        mu_database_release(live->config.database, pg);
        return error;
}

static void facts(void *ctx, const struct mu_live_image *image, struct mu_live_facts *ret_facts)
{
        const struct mu_live *live = ctx;
        struct mu_live_pipeline pipeline = {0};

        live->config.pipeline(live->config.ctx, &pipeline);
        *ret_facts = (struct mu_live_facts){
                .durable_seq = pipeline.durable_seq,
                .backlog_records = pipeline.backlog_records,
                .storing = pipeline.storing,
        };
        mu_live_count(live->config.devices, image, live->config.clock,
                      live->config.heartbeat_interval_s, ret_facts);
}

static uint64_t durable_seq(void *ctx)
{
        const struct mu_live *live = ctx;
        struct mu_live_pipeline pipeline = {0};

        live->config.pipeline(live->config.ctx, &pipeline);
        return pipeline.durable_seq;
}

/* ---- the thread ---- */

static void read_letter(struct mu_live *live, struct mu_live_letter *letter)
{
        struct mu_live_socket *socket = letter->socket;
        struct mu_live_client *client = mu_live_socket_client(socket);

        switch (letter->kind) {
        case MU_LIVE_OPENED:
                if (mu_live_hub_open(live->hub, socket, &client) < 0)
                        mu_live_socket_close(socket, MU_WS_TRY_LATER, "Out of memory; come again.");
                else
                        mu_live_socket_set_client(socket, client);
                break;
        case MU_LIVE_SAID:
                if (client)
                        mu_live_hub_message(live->hub, client, letter->text, letter->bytes);
                break;
        case MU_LIVE_CLOSED:
                if (client)
                        mu_live_hub_closed(live->hub, client);
                mu_live_letter_free(letter);
                mu_live_socket_unref(socket);
                return;
        }
        mu_live_letter_free(letter);
}

static void read_letters(struct mu_live *live)
{
        struct mu_live_letter *letter = mu_live_post_take(live->post);

        while (letter) {
                struct mu_live_letter *next = letter->next;

                read_letter(live, letter);
                letter = next;
        }
}

static void run(void *context)
{
        struct mu_live *live = context;

        (void)setpriority(PRIO_PROCESS, 0, NICE); /* on Linux: this thread's */
        while (!atomic_load_explicit(&live->stopping, memory_order_acquire)) {
                read_letters(live);
                uint32_t wait_ms = mu_live_hub_tick(live->hub);
                struct pollfd wake = {.fd = mu_live_post_fd(live->post), .events = POLLIN};

                mu_live_post_flush(live->post);
                (void)poll(&wake, 1, wait_ms > 60000 ? 60000 : (int)wait_ms);
        }
}

/* ---- lifecycle ---- */

static void register_metrics(struct mu_metrics *m, const struct mu_live_stats *stats)
{
        mu_metrics_gauge(m, "muster_live_clients", "Open WebSockets of operators.", MU_NO_LABELS,
                         &stats->clients);
        mu_metrics_gauge(m, "muster_live_clients_current",
                         "Of those, the ones that are up to date and get what is new.",
                         MU_NO_LABELS, &stats->live);
        mu_metrics_gauge(m, "muster_live_devices", "Devices whose state is kept for viewers.",
                         MU_NO_LABELS, &stats->devices);
        mu_metrics_counter(m, "muster_live_rounds_total", "Rounds of changes.", MU_NO_LABELS,
                           &stats->rounds);
        mu_metrics_counter(m, "muster_live_deltas_total", "Devices' changes that rounds carried.",
                           MU_NO_LABELS, &stats->rows);
        mu_metrics_counter(m, "muster_live_frames_total", "Messages sent to viewers.", MU_NO_LABELS,
                           &stats->frames);
        mu_metrics_counter(m, "muster_live_bytes_total", "Bytes of messages sent to viewers.",
                           MU_NO_LABELS, &stats->bytes);
        mu_metrics_counter(m, "muster_live_pages_total", "Pages sent to bring viewers up to date.",
                           MU_NO_LABELS, &stats->pages);
        mu_metrics_counter(m, "muster_live_resyncs_total",
                           "Times that a viewer took too little and was dropped to a resync.",
                           MU_NO_LABELS, &stats->resyncs);
        mu_metrics_counter(m, "muster_live_dropped_total",
                           "Messages that a viewer's queue refused.", MU_NO_LABELS,
                           &stats->refused);
        mu_metrics_counter(m, "muster_live_closed_total", "Viewers that were sent away.",
                           MU_LABELS({"reason", "unauthenticated"}), &stats->unauthenticated);
        mu_metrics_counter(m, "muster_live_closed_total", "Viewers that were sent away.",
                           MU_LABELS({"reason", "session_ended"}), &stats->ended);
        mu_metrics_counter(m, "muster_bus_gaps_total",
                           "Times that the live view missed events and read the list anew.",
                           MU_NO_LABELS, &stats->bus_gaps);
        mu_metrics_counter(m, "muster_bus_lost_events_total", "Events that it missed.",
                           MU_NO_LABELS, &stats->bus_lost);
        mu_metrics_counter(m, "muster_live_loads_total",
                           "Times that the device list was read for viewers.",
                           MU_LABELS({"outcome", "ok"}), &stats->loads);
        mu_metrics_counter(m, "muster_live_loads_total",
                           "Times that the device list was read for viewers.",
                           MU_LABELS({"outcome", "failed"}), &stats->load_failures);
}

static int create_hub(struct mu_live *live)
{
        struct mu_live_hub_config config = {
                .ops = {.make = make_frame,
                        .drop = drop_frame,
                        .send = send_frame,
                        .waiting = waiting,
                        .refused = refused,
                        .close = close_socket,
                        .redeem = redeem,
                        .load = load,
                        .reload = reload,
                        .check = check,
                        .facts = facts,
                        .durable_seq = durable_seq,
                        .ctx = live},
                .bus = live->config.bus,
                .clock = live->config.clock,
                .bytes_per_s = live->config.bytes_per_s,
                .queue_bytes = MU_LIVE_QUEUE_BYTES,
                .rows_per_fleet_s = FLEET_ROWS_PER_S,
        };
        int error = mu_random_secret(&config.stream, sizeof(config.stream));

        return error < 0 ? error : mu_live_hub_create(&config, &live->hub);
}

int mu_live_create(const struct mu_live_config *config, struct mu_live **ret_live)
{
        MU_ASSERT(config->tickets && config->pipeline);
        struct mu_live *live = calloc(1, sizeof(*live));

        if (!live)
                return -ENOMEM;
        live->config = *config;
        int error = mu_live_post_create(&live->post);

        if (error == 0)
                error = create_hub(live);
        if (error < 0) {
                mu_live_destroy(live);
                return error;
        }
        if (config->metrics)
                register_metrics(config->metrics, mu_live_hub_stats(live->hub));
        *ret_live = live;
        return 0;
}

int mu_live_start(struct mu_live *live)
{
        int error = mu_thread_start("live", run, live, &live->thread);

        live->running = error == 0;
        return error;
}

void mu_live_stop(struct mu_live *live)
{
        if (!live || !live->running)
                return;
        atomic_store_explicit(&live->stopping, true, memory_order_release);
        mu_live_post_wake(live->post);
        mu_thread_join(live->thread);
        live->running = false;
}

void mu_live_destroy(struct mu_live *live)
{
        if (!live)
                return;
        mu_live_stop(live);
        /* Every socket has said that it is gone. */
        if (live->hub)
                read_letters(live);
        mu_live_hub_destroy(live->hub);
        mu_live_post_destroy(live->post);
        free(live);
}

/* ---- the route ---- */

static void handle_open(struct mu_request *request, void *ctx)
{
        struct mu_live *live = ctx;

        mu_live_socket_accept(live->post, request, live->config.clients_max);
}

static const struct mu_route routes[] = {
        {.method = "GET",
         .path = "/api/ws",
         .handle = handle_open,
         .flags = MU_ROUTE_WEBSOCKET,
         .auth = MU_AUTH_OPERATOR,
         .operation_id = "openLive"},
};

int mu_live_add_routes(struct mu_live *live, struct mu_router *router)
{
        return mu_router_add(router, routes, MU_COUNT_OF(routes), live);
}
