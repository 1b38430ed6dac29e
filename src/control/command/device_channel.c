/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/device_channel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "http/auth_failures.h"
#include "http/loop.h"
#include "http/reply.h"
#include "http/route.h"
#include "identity/device_access.h"
#include "identity/device_table.h"
#include "metrics/metrics.h"
#include "muster/wire.h"

enum {
        PAGE_PLACES = 4096, /* devices whose places are made at once */
        PAGES = MU_DEVICES_MAX / PAGE_PLACES,
        SWEEP_PLACES = 1024, /* looked at under one hold of the lock */
        RETRY_AFTER_S = 5,
};

#define TOKEN_ENDED "This token is not valid any more."

/* One open WebSocket: 72 bytes, beside what http keeps for it. */
struct channel {
        struct mu_channels *channels;
        struct mu_device *device;
        struct mu_ws_handle handle;
        uint64_t second; /* of message_count; the loop's alone, as that */
        uint32_t message_count;
        uint32_t generation; /* of the token it was opened with, or a newer one's */
        bool fresh;          /* under the lock */
};

struct mu_channels {
        struct mu_channels_config config;
        pthread_mutex_t lock; /* held for moments: loops open and close under it */
        struct channel **pages[PAGES];
        uint32_t page_count; /* pages below it may exist */
        _Atomic uint32_t count;
        _Atomic uint64_t opened;
        _Atomic uint64_t replaced;
        _Atomic uint64_t refused;
        _Atomic uint64_t messages;
        _Atomic uint64_t shed;
};

static void count_one(_Atomic uint64_t *counter)
{
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- places ---- */

/* The device's place, or NULL while its page does not exist. Under the lock. */
static struct channel **place_of(struct mu_channels *channels, const struct mu_device *device)
{
        struct channel **page = channels->pages[device->index / PAGE_PLACES];

        return page ? &page[device->index % PAGE_PLACES] : NULL;
}

/* Puts the channel at its device's place; the one that was there, or NULL. -ENOMEM. */
static int take_place(struct mu_channels *channels, struct channel *channel,
                      struct mu_ws_handle *ret_former, bool *ret_replaced)
{
        uint32_t page = channel->device->index / PAGE_PLACES;
        int error = 0;

        pthread_mutex_lock(&channels->lock);
        if (!channels->pages[page])
                channels->pages[page] = calloc(PAGE_PLACES, sizeof(struct channel *));
        struct channel **place = place_of(channels, channel->device);

        if (place) {
                *ret_replaced = *place != NULL;
                if (*place)
                        *ret_former = (*place)->handle;
                else
                        atomic_fetch_add_explicit(&channels->count, 1, memory_order_relaxed);
                *place = channel;
                if (page >= channels->page_count)
                        channels->page_count = page + 1;
        } else {
                error = -ENOMEM;
        }
        pthread_mutex_unlock(&channels->lock);
        return error;
}

/* Whether it was still the device's. */
static bool leave_place(struct mu_channels *channels, const struct channel *channel)
{
        pthread_mutex_lock(&channels->lock);
        struct channel **place = place_of(channels, channel->device);

        /* Another one may have taken it. */
        bool own = place && *place == channel;

        if (own) {
                *place = NULL;
                atomic_fetch_sub_explicit(&channels->count, 1, memory_order_relaxed);
        }
        pthread_mutex_unlock(&channels->lock);
        return own;
}

static bool same_handle(struct mu_ws_handle a, struct mu_ws_handle b)
{
        return a.slot == b.slot && a.number == b.number;
}

static uint32_t generation_of(const struct mu_device *device)
{
        return atomic_load_explicit(&device->generation_min, memory_order_relaxed);
}

/* The token it was opened with was revoked, or a newer one was used. */
static bool is_outdated(const struct channel *channel)
{
        return channel->generation < generation_of(channel->device);
}

bool mu_channels_find(struct mu_channels *channels, const struct mu_device *device,
                      struct mu_channel_ref *ret_ref)
{
        pthread_mutex_lock(&channels->lock);
        struct channel **place = place_of(channels, device);
        bool found = place && *place && !is_outdated(*place);

        if (found)
                *ret_ref = (struct mu_channel_ref){(*place)->handle, (*place)->fresh};
        pthread_mutex_unlock(&channels->lock);
        return found;
}

void mu_channels_greeted(struct mu_channels *channels, const struct mu_device *device,
                         struct mu_ws_handle handle)
{
        pthread_mutex_lock(&channels->lock);
        struct channel **place = place_of(channels, device);

        if (place && *place && same_handle((*place)->handle, handle))
                (*place)->fresh = false;
        pthread_mutex_unlock(&channels->lock);
}

uint32_t mu_channels_count(const struct mu_channels *channels)
{
        return atomic_load_explicit(&channels->count, memory_order_relaxed);
}

static void sweep_page(struct mu_channels *channels, uint32_t page, uint32_t begin)
{
        struct mu_ws_handle deleted[SWEEP_PLACES];
        struct mu_ws_handle outdated[SWEEP_PLACES];
        size_t deleted_count = 0;
        size_t outdated_count = 0;

        pthread_mutex_lock(&channels->lock);
        struct channel **places = channels->pages[page];

        for (uint32_t i = begin; places && i < begin + SWEEP_PLACES; i++) {
                if (places[i] && mu_device_state(places[i]->device) == MU_DEVICE_DELETED)
                        deleted[deleted_count++] = places[i]->handle;
                else if (places[i] && is_outdated(places[i]))
                        outdated[outdated_count++] = places[i]->handle;
        }
        pthread_mutex_unlock(&channels->lock);
        for (size_t i = 0; i < deleted_count; i++)
                mu_channel_close(deleted[i], MU_CHANNEL_DELETED, "This device was deleted.");
        for (size_t i = 0; i < outdated_count; i++)
                mu_channel_close(outdated[i], MU_CHANNEL_TOKEN_ENDED, TOKEN_ENDED);
}

void mu_channels_sweep(struct mu_channels *channels)
{
        pthread_mutex_lock(&channels->lock);
        uint32_t page_count = channels->page_count;

        pthread_mutex_unlock(&channels->lock);
        for (uint32_t page = 0; page < page_count; page++)
                for (uint32_t begin = 0; begin < PAGE_PLACES; begin += SWEEP_PLACES)
                        sweep_page(channels, page, begin);
}

/* ---- sending and closing, from any thread ---- */

int mu_channel_send(struct mu_ws_handle handle, const char *json, size_t bytes)
{
        struct mu_ws_payload *payload;
        int error = mu_ws_payload_create(MU_WS_TEXT, json, bytes, &payload);

        if (error < 0)
                return error;
        error = mu_ws_post(handle, payload);
        mu_ws_payload_unref(payload);
        return error;
}

struct closing {
        struct mu_ws_handle handle;
        const char *reason;
        uint16_t code;
};

static void close_on_loop(void *context)
{
        struct closing *closing = context;
        struct mu_ws *ws = mu_ws_of(closing->handle);

        if (ws)
                mu_ws_close(ws, closing->code, closing->reason);
        free(closing);
}

void mu_channel_close(struct mu_ws_handle handle, uint16_t code, const char *reason)
{
        struct closing *closing = malloc(sizeof(*closing));

        if (!closing)
                return; /* a sweep comes again, a replaced one's pings find nobody */
        *closing = (struct closing){handle, reason, code};
        if (mu_loop_post(handle.loop, close_on_loop, closing) < 0)
                free(closing);
}

/* ---- on the loop ---- */

static bool too_many(struct channel *channel)
{
        uint64_t second = mu_clock_monotonic_ns(channel->channels->config.clock) / MU_NS_PER_S;

        if (second != channel->second) {
                channel->second = second;
                channel->message_count = 0;
        }
        return ++channel->message_count > MU_CHANNEL_MESSAGES_PER_S;
}

static void on_message(struct mu_ws *ws, void *ctx, const char *data, size_t bytes, bool is_text)
{
        struct channel *channel = ctx;
        struct mu_channels *channels = channel->channels;

        count_one(&channels->messages);
        if (!is_text) {
                mu_ws_close(ws, MU_WS_UNSUPPORTED, "Messages are JSON, sent as text.");
        } else if (is_outdated(channel)) {
                mu_ws_close(ws, MU_CHANNEL_TOKEN_ENDED, TOKEN_ENDED);
        } else if (too_many(channel)) {
                mu_ws_close(ws, MU_WS_POLICY, "Too many messages in a second.");
        } else if (!channels->config.on_message(channels->config.ctx, channel->device,
                                                channel->handle, data, bytes)) {
                count_one(&channels->shed);
                mu_ws_close(ws, MU_WS_TRY_LATER, "Too much is waiting; come again.");
        }
}

static void on_close(struct mu_ws *ws, void *ctx, uint16_t code)
{
        struct channel *channel = ctx;
        const struct mu_channels_config *config = &channel->channels->config;

        (void)ws;
        (void)code;
        if (leave_place(channel->channels, channel))
                config->on_change(config->ctx, channel->device);
        free(channel);
}

static const struct mu_ws_callbacks callbacks = {
        .on_message = on_message,
        .on_close = on_close,
        .message_bytes_max = MU_CHANNEL_MESSAGE_BYTES_MAX,
        .queue_messages_max = MU_CHANNEL_QUEUE_MESSAGES,
        .queue_bytes_max = MU_CHANNEL_QUEUE_BYTES,
};

/* A failed authentication: 401, or 429 once the address has failed too often. */
static void refuse_401(struct mu_channels *channels, struct mu_request *request,
                       const struct mu_device_refusal *why)
{
        struct mu_auth_failures *failures = channels->config.auth_failures;
        struct mu_address address = mu_request_address(request);
        uint64_t now_ns = mu_clock_monotonic_ns(channels->config.clock);
        uint32_t blocked_s = mu_auth_failures_blocked(failures, address, now_ns);

        if (blocked_s > 0) {
                mu_reply_problem_retry(request, 429, "authentication-rate", blocked_s,
                                       "Too many failed authentications from this address; try "
                                       "again in %u s.",
                                       blocked_s);
                return;
        }
        mu_auth_failures_note(failures, address, now_ns);
        mu_reply_header(request, "www-authenticate", "Bearer realm=\"muster\"");
        mu_reply_problem(request, 401, why->slug, NULL, "%s", why->sentence);
}

static void refuse(struct mu_channels *channels, struct mu_request *request,
                   const struct mu_device_refusal *why)
{
        count_one(&channels->refused);
        if (why->status == 401)
                refuse_401(channels, request, why);
        else if (why->status == 503)
                mu_reply_problem_retry(request, 503, why->slug, RETRY_AFTER_S, "%s", why->sentence);
        else
                mu_reply_problem(request, why->status, why->slug, NULL, "%s", why->sentence);
}

/* /ws/{device_id} is older fleets' path: the id says nothing that the token does not. */
static bool names_itself(struct mu_request *request, const struct mu_device *device)
{
        struct mu_slice id = mu_request_param(request, "device_id");
        char own[24];
        size_t chars = (size_t)snprintf(own, sizeof(own), "%lld", (long long)device->id);

        return !id.data || (id.bytes == chars && memcmp(id.data, own, chars) == 0);
}

static void open_channel(struct mu_channels *channels, struct mu_request *request,
                         struct mu_device *device)
{
        struct channel *channel = malloc(sizeof(*channel));
        struct mu_ws_handle former = {0};
        bool replaced = false;
        struct mu_ws *ws;

        if (!channel || mu_ws_accept(request, &callbacks, channel, &ws) < 0) {
                free(channel);
                mu_reply_problem_retry(request, 503, "no-room", RETRY_AFTER_S,
                                       "No channel can be opened at the moment; try again.");
                return;
        }
        *channel = (struct channel){.channels = channels,
                                    .device = device,
                                    .handle = mu_ws_handle_of(ws),
                                    .generation = generation_of(device),
                                    .fresh = true};
        if (take_place(channels, channel, &former, &replaced) < 0) {
                mu_ws_close(ws, MU_WS_TRY_LATER, "No memory; come again.");
                return;
        }
        count_one(&channels->opened);
        if (replaced) {
                count_one(&channels->replaced);
                mu_channel_close(former, MU_CHANNEL_REPLACED, "This device has opened another.");
        }
        channels->config.on_change(channels->config.ctx, device);
}

static void handle_open(struct mu_request *request, void *ctx)
{
        struct mu_channels *channels = ctx;
        struct mu_slice token = mu_request_bearer(request);
        struct mu_device *device = NULL;
        uint64_t now_ms = mu_clock_monotonic_ns(channels->config.clock) / (uint64_t)MU_NS_PER_MS;
        enum mu_device_access access = mu_device_identify(channels->config.devices, token.data,
                                                          token.bytes, now_ms, &device);

        if (access != MU_DEVICE_ACCESS_GRANTED) {
                refuse(channels, request, mu_device_refusal(access));
                return;
        }
        if (!names_itself(request, device)) {
                count_one(&channels->refused);
                mu_reply_problem(request, 403, "device-other", "device_id",
                                 "This token belongs to another device than the path names; use "
                                 "/v1/device/ws.");
                return;
        }
        open_channel(channels, request, device);
}

static const struct mu_route routes[] = {
        {.method = "GET",
         .path = MU_PATH_DEVICE_WS,
         .handle = handle_open,
         .flags = MU_ROUTE_WEBSOCKET,
         .auth = MU_AUTH_DEVICE,
         .operation_id = "openDeviceChannel"},
        {.method = "GET",
         .path = "/ws/{device_id}",
         .handle = handle_open,
         .flags = MU_ROUTE_WEBSOCKET,
         .auth = MU_AUTH_DEVICE,
         .operation_id = "openDeviceChannelOld"},
};

int mu_channels_add_routes(struct mu_channels *channels, struct mu_router *router)
{
        return mu_router_add(router, routes, MU_COUNT_OF(routes), channels);
}

/* ---- lifecycle ---- */

static double read_counter(void *context)
{
        return (double)atomic_load_explicit((_Atomic uint64_t *)context, memory_order_relaxed);
}

static double read_open(void *context)
{
        return (double)mu_channels_count(context);
}

static void register_metrics(struct mu_channels *channels, struct mu_metrics *metrics)
{
        const struct {
                const char *name;
                const char *help;
                _Atomic uint64_t *counter;
        } counters[] = {
                {"muster_device_channels_opened_total", "WebSockets opened by devices.",
                 &channels->opened},
                {"muster_device_channels_replaced_total",
                 "Channels closed because their device opened another.", &channels->replaced},
                {"muster_device_channels_refused_total", "Channels refused for their token.",
                 &channels->refused},
                {"muster_device_channel_messages_total", "Messages from devices by WebSocket.",
                 &channels->messages},
                {"muster_device_channel_messages_shed_total",
                 "Messages for which there was no room; their channel was closed (1013).",
                 &channels->shed},
        };

        mu_metrics_gauge_fn(metrics, "muster_device_channels", "Devices reachable by WebSocket.",
                            MU_NO_LABELS, read_open, channels);
        for (size_t i = 0; i < MU_COUNT_OF(counters); i++)
                mu_metrics_counter_fn(metrics, counters[i].name, counters[i].help, MU_NO_LABELS,
                                      read_counter, counters[i].counter);
}

int mu_channels_create(const struct mu_channels_config *config, struct mu_channels **ret_channels)
{
        struct mu_channels *channels = calloc(1, sizeof(*channels));

        if (!channels)
                return -ENOMEM;
        channels->config = *config;
        pthread_mutex_init(&channels->lock, NULL);
        if (config->metrics)
                register_metrics(channels, config->metrics);
        *ret_channels = channels;
        return 0;
}

void mu_channels_destroy(struct mu_channels *channels)
{
        if (!channels)
                return;
        MU_ASSERT(mu_channels_count(channels) == 0);
        for (uint32_t page = 0; page < channels->page_count; page++)
                free(channels->pages[page]);
        pthread_mutex_destroy(&channels->lock);
        free(channels);
}
