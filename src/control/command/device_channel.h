/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_channel.h - the WebSockets that devices hold open, one a device: who is there, how to
 * reach it, and what it says.
 *
 *   GET /v1/device/ws ─ token ─▶ channel ──▶ places[device index] ──▶ find, send (dispatcher)
 *                                  │ a second one of the same device: the first is closed, 4001
 *                                  └─ messages ─▶ on_message, on the loop: copies and returns
 *
 * Units      *_ms: monotonic. counts: channels.
 * Threads    callbacks: loops, several at once. find, sent, send, close, sweep, count: any. create,
 *            destroy, add_routes: one thread, destroy after the server's.
 * Ownership  A channel belongs to its loop; others hold a struct mu_ws_handle, which may outlive
 * it. Errors     negative errno. A channel that is gone is no error.
 */
#ifndef MUSTER_CONTROL_COMMAND_DEVICE_CHANNEL_H
#define MUSTER_CONTROL_COMMAND_DEVICE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/websocket.h"
#include "muster/compiler.h"

struct mu_auth_failures;
struct mu_channels;
struct mu_clock;
struct mu_device;
struct mu_device_table;
struct mu_metrics;
struct mu_router;

enum mu_channel_limits {
        MU_CHANNEL_MESSAGE_BYTES_MAX = 128 * 1024, /* in: a whole result and what is around it */
        MU_CHANNEL_QUEUE_MESSAGES = 64,            /* out */
        MU_CHANNEL_QUEUE_BYTES = 256 * 1024,
        MU_CHANNEL_MESSAGES_PER_S = 256, /* in, of one device; above: closed with 1008 */
};

enum mu_channel_close {
        MU_CHANNEL_REPLACED = 4001,    /* the device has opened another */
        MU_CHANNEL_TOKEN_ENDED = 4401, /* its token was revoked or replaced: as 401 */
        MU_CHANNEL_DELETED = 4410,     /* the device was deleted: stop for good */
};

struct mu_channels_config {
        struct mu_device_table *devices;
        struct mu_auth_failures *auth_failures;
        struct mu_metrics *metrics;
        const struct mu_clock *clock;
        /* A device can be reached now, or no more. */
        void (*on_change)(void *ctx, struct mu_device *device);
        /* Lent for the call. False: no room for it; the channel is closed with 1013. */
        bool (*on_message)(void *ctx, struct mu_device *device, struct mu_ws_handle from,
                           const char *data, size_t bytes);
        void *ctx;
};

MU_MUST_CHECK
int mu_channels_create(const struct mu_channels_config *config, struct mu_channels **ret_channels);
void mu_channels_destroy(struct mu_channels *channels); /* NULL is a no-op */
MU_MUST_CHECK
int mu_channels_add_routes(struct mu_channels *channels, struct mu_router *router);

struct mu_channel_ref {
        struct mu_ws_handle handle;
        bool fresh; /* nothing was sent since it opened */
};

/* False: the device has none that a valid token opened. */
MU_MUST_CHECK
bool mu_channels_find(struct mu_channels *channels, const struct mu_device *device,
                      struct mu_channel_ref *ret_ref);
/* The channel is not fresh any more, if it is still the device's. */
void mu_channels_greeted(struct mu_channels *channels, const struct mu_device *device,
                         struct mu_ws_handle handle);
uint32_t mu_channels_count(const struct mu_channels *channels);
/* Closes the channels of deleted devices and of tokens that are not valid any more. */
void mu_channels_sweep(struct mu_channels *channels);

/* 0, -ENOMEM, -ENOBUFS (the loop is far behind). */
MU_MUST_CHECK
int mu_channel_send(struct mu_ws_handle handle, const char *json, size_t bytes);
void mu_channel_close(struct mu_ws_handle handle, uint16_t code, const char *reason); /* literal */

#endif
