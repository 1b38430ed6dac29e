/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel_store.h - rows of alert_channels with what is sealed in them (private to this folder).
 *
 * Threads    a handler's worker, in its transaction.
 * Ownership  mu_channel_row_done and mu_channel_secret_done free what is filled.
 * Errors     a function that returns false has answered the call and filled nothing.
 */
#ifndef MUSTER_CONTROL_NOTIFY_CHANNEL_STORE_H
#define MUSTER_CONTROL_NOTIFY_CHANNEL_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/notify/channel.h"
#include "muster/compiler.h"

struct mu_ask;

/* A row as it was. */
struct mu_channel_row {
        enum mu_channel_kind kind;
        bool allow_private;
        bool opened;                     /* secret is what is sealed */
        struct mu_channel_secret secret; /* of another key or damaged: nothing */
        json_t *json;                    /* as it is shown */
};

/* Locks it; false: 404. People's own subscriptions are not found. */
MU_MUST_CHECK
bool mu_channel_lock(struct mu_ask *ask, int64_t id, struct mu_channel_row *ret_row);
void mu_channel_row_done(struct mu_channel_row *row);

/* As it is shown now; false: 404. */
MU_MUST_CHECK
bool mu_channel_show(struct mu_ask *ask, int64_t id, json_t **ret_channel);

/* Sets where it leads from the body's url, to and allow_private, as far as they are given. before:
 * NULL for a new one. ret_secret: what is sealed now; nothing where nothing of it changed. */
MU_MUST_CHECK
bool mu_channel_set_place(struct mu_ask *ask, int64_t id, enum mu_channel_kind kind,
                          const struct mu_channel_row *before,
                          struct mu_channel_secret *ret_secret);

/* Seals it anew; false: answered. */
MU_MUST_CHECK
bool mu_channel_store_secret(struct mu_ask *ask, int64_t id,
                             const struct mu_channel_secret *secret);

#endif
