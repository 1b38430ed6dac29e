/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.c - one look at some devices: how many commands each has waiting, which of their heads
 * goes out now, and by which path.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/command/command_type.h"
#include "control/command/dispatcher_private.h"
#include "control/command/ledger_keep.h"
#include "identity/device_table.h"
#include "muster/histogram.h"

enum {
        RESEND_WEBSOCKET_DOUBLINGS = 5, /* 30 s .. 16 min */
        FCM_FACTOR = 8,                 /* FCM holds a message for a device that sleeps */
        RESEND_FCM_DOUBLINGS = 4,       /* 4 min .. 64 min */
        SLOTS_FIRST = 1024,
        FCM_PAYLOAD_BYTES_MAX = MU_COMMAND_FCM_BYTES_MAX - 1024, /* leaves room for the envelope */
};

/* ---- what is remembered of a device ---- */

struct mu_delivery_slot *mu_delivery_slot(struct mu_dispatcher *dispatcher,
                                          const struct mu_device *device)
{
        if (device->index >= dispatcher->slot_count) {
                size_t count = dispatcher->slot_count ? dispatcher->slot_count : SLOTS_FIRST;

                while (count <= device->index)
                        count *= 2;
                struct mu_delivery_slot *slots =
                        reallocarray(dispatcher->slots, count, sizeof(*slots));

                if (!slots)
                        return NULL;
                memset(slots + dispatcher->slot_count, 0,
                       (count - dispatcher->slot_count) * sizeof(*slots));
                dispatcher->slots = slots;
                dispatcher->slot_count = count;
        }
        return &dispatcher->slots[device->index];
}

void mu_delivery_remind(struct mu_dispatcher *dispatcher, struct mu_device *device, uint64_t due_ms)
{
        struct mu_delivery_slot *slot = mu_delivery_slot(dispatcher, device);

        /* An earlier timer looks, finds that it is not time yet, and comes back here. */
        if (slot && slot->timer_ms != 0 && slot->timer_ms <= due_ms)
                return;
        if (slot && mu_resend_add(&dispatcher->resend, due_ms, device->index) == 0)
                slot->timer_ms = due_ms;
        else
                dispatcher->everything = true; /* no memory: the next look at all finds it */
}

uint64_t mu_delivery_wait_ms(const struct mu_dispatcher *dispatcher, enum mu_command_path path,
                             uint32_t attempt)
{
        uint64_t first_ms = dispatcher->config.resend_ms;

        return path == MU_COMMAND_BY_WEBSOCKET
                       ? mu_resend_wait_ms(first_ms, attempt, RESEND_WEBSOCKET_DOUBLINGS)
                       : mu_resend_wait_ms(first_ms * FCM_FACTOR, attempt, RESEND_FCM_DOUBLINGS);
}

/* ---- whether and how ---- */

struct way {
        struct mu_device *device;
        enum mu_command_path path;
        struct mu_ws_handle handle;
};

static bool is_fcm(enum mu_command_path path)
{
        return path == MU_COMMAND_BY_FCM || path == MU_COMMAND_BY_FCM_NUDGE;
}

/* The way to the device as it is now; false: it fetches, with its next heartbeat. */
static bool find_way(struct mu_dispatcher *dispatcher, const struct mu_ledger_command *command,
                     struct way *ret_way, bool *ret_fresh)
{
        struct mu_channel_ref ref;

        *ret_fresh = false;
        if (mu_channels_find(dispatcher->channels, ret_way->device, &ref)) {
                ret_way->path = MU_COMMAND_BY_WEBSOCKET;
                ret_way->handle = ref.handle;
                *ret_fresh = ref.fresh;
                return true;
        }
        /* What FCM would refuse for its size is fetched, like a secret. */
        ret_way->path = command->direct_only || command->payload_bytes > FCM_PAYLOAD_BYTES_MAX
                                ? MU_COMMAND_BY_FCM_NUDGE
                                : MU_COMMAND_BY_FCM;
        return dispatcher->config.fcm && command->fcm_token && *command->fcm_token;
}

/* When a command that the ledger knows as sent, by whom we do not remember, goes again. */
static uint64_t due_by_ledger_ms(const struct mu_dispatcher *dispatcher,
                                 const struct mu_ledger_command *command, enum mu_command_path path)
{
        int64_t since_us =
                mu_clock_realtime_us(dispatcher->config.clock) - command->last_sent_at_us;
        uint64_t since_ms = since_us > 0 ? (uint64_t)(since_us / MU_US_PER_MS) : 0;
        uint64_t wait_ms = mu_delivery_wait_ms(dispatcher, path, command->attempt_count);

        return mu_dispatcher_now_ms(dispatcher) + (wait_ms > since_ms ? wait_ms - since_ms : 0);
}

/* Whether the head goes out now; if it will go later, a timer stands. */
static bool is_due(struct mu_dispatcher *dispatcher, const struct mu_ledger_command *command,
                   const struct way *way, bool fresh)
{
        struct mu_delivery_slot *slot = mu_delivery_slot(dispatcher, way->device);
        bool known;

        if (!slot) {
                dispatcher->everything = true;
                return false;
        }
        known = slot->command_id == command->id;
        if (is_fcm(way->path) && slot->in_fcm_id == command->id)
                return false; /* its report brings it back here */
        if (way->path == MU_COMMAND_BY_WEBSOCKET && fresh)
                return true;
        if (known && is_fcm((enum mu_command_path)slot->path) != is_fcm(way->path))
                return true; /* the path it went by is gone, or a better one has come */
        if (!known && command->state == MU_COMMAND_QUEUED)
                return true;
        if (!known) {
                slot->command_id = command->id;
                slot->path = (uint8_t)way->path;
                slot->due_ms = due_by_ledger_ms(dispatcher, command, way->path);
        }
        if (slot->due_ms <= mu_dispatcher_now_ms(dispatcher))
                return true;
        mu_delivery_remind(dispatcher, way->device, slot->due_ms);
        return false;
}

/* ---- sending ---- */

struct batch {
        struct mu_ledger_list list;
        struct way ways[MU_DISPATCH_CHUNK];
        struct mu_ledger_key keys[MU_DISPATCH_CHUNK];
        struct mu_ledger_sent sent[MU_DISPATCH_CHUNK];
        struct mu_ledger_attempt attempts[MU_DISPATCH_CHUNK];
        struct mu_text text;
};

static int by_device(const void *key, const void *element)
{
        int64_t device_id = *(const int64_t *)key;
        int64_t other = ((const struct mu_ledger_command *)element)->device_id;

        return device_id < other ? -1 : device_id > other;
}

static const struct mu_ledger_command *command_of(const struct batch *batch,
                                                  const struct mu_ledger_key *key)
{
        const struct mu_ledger_command *command =
                bsearch(&key->device_id, batch->list.commands, batch->list.count,
                        sizeof(*batch->list.commands), by_device);

        MU_ASSERT(command && command->id == key->command_id);
        return command;
}

static int push(struct mu_dispatcher *dispatcher, struct batch *batch, const struct way *way,
                const struct mu_ledger_command *command)
{
        mu_text_clear(&batch->text);
        mu_text_add(&batch->text, "{\"type\":\"command\",\"command\":");
        int error = mu_ledger_envelope(dispatcher->config.secrets, command,
                                       mu_clock_realtime_us(dispatcher->config.clock), &batch->text,
                                       NULL);

        mu_text_add(&batch->text, "}");
        if (error == 0)
                error = mu_text_status(&batch->text);
        if (error == 0)
                error = mu_channel_send(way->handle, batch->text.data, batch->text.bytes);
        if (error == 0)
                mu_channels_greeted(dispatcher->channels, way->device, way->handle);
        return error;
}

/* Sends what was marked, by its way. An attempt that ended here is at batch->attempts[*at]. */
static void send_one(struct mu_dispatcher *dispatcher, struct batch *batch,
                     const struct mu_ledger_sent *sent, enum mu_command_path path, size_t *at)
{
        const struct mu_ledger_command *command = command_of(batch, &sent->key);
        const struct way *way = &batch->ways[command - batch->list.commands];
        struct mu_delivery_slot *slot = mu_delivery_slot(dispatcher, way->device);
        int64_t now_us = mu_clock_realtime_us(dispatcher->config.clock);
        uint64_t wait_ms = mu_delivery_wait_ms(dispatcher, path, sent->attempt);
        int error = path == MU_COMMAND_BY_WEBSOCKET
                            ? push(dispatcher, batch, way, command)
                            : mu_delivery_fcm_send(dispatcher, way->device, command, sent->attempt,
                                                   path == MU_COMMAND_BY_FCM_NUDGE);

        MU_ASSERT(slot);
        slot->command_id = command->id;
        slot->path = (uint8_t)path;
        slot->due_ms = mu_dispatcher_now_ms(dispatcher) + wait_ms;
        if (error == 0 && is_fcm(path))
                slot->in_fcm_id = command->id;
        else
                mu_delivery_remind(dispatcher, way->device, slot->due_ms);
        if (sent->first && now_us > command->created_at_us)
                mu_histogram_record(dispatcher->metrics.lag_us,
                                    (uint64_t)(now_us - command->created_at_us));
        if (sent->first)
                mu_dispatcher_tell(dispatcher, command->device_id, command->id, MU_COMMAND_SENT,
                                   mu_command_type_find(command->type));
        if (error == 0 && is_fcm(path))
                return;
        mu_cell_add(&dispatcher->metrics.sends[path][error == 0 ? MU_SEND_OK : MU_SEND_FAILED], 1);
        batch->attempts[(*at)++] = (struct mu_ledger_attempt){
                .key = sent->key,
                .attempt = sent->attempt,
                .status = error == 0         ? MU_ATTEMPT_SENT
                          : error == -EAGAIN ? MU_ATTEMPT_THROTTLED
                          : error == -EINVAL ? MU_ATTEMPT_REFUSED
                                             : MU_ATTEMPT_UNREACHABLE,
                .retry_at_us = error == 0 ? 0 : now_us + (int64_t)wait_ms * MU_US_PER_MS,
                .error = error == 0 ? NULL : strerror(-error),
        };
}

static int send_path(struct mu_dispatcher *dispatcher, struct batch *batch,
                     enum mu_command_path path, size_t key_count)
{
        size_t sent_count = 0;
        size_t attempt_count = 0;

        if (key_count == 0)
                return 0;
        int error = mu_ledger_mark_sent(dispatcher->pg, batch->keys, key_count, path, batch->sent,
                                        &sent_count);

        for (size_t i = 0; error == 0 && i < sent_count; i++)
                send_one(dispatcher, batch, &batch->sent[i], path, &attempt_count);
        if (error == 0 && attempt_count > 0)
                error = mu_ledger_attempts(dispatcher->pg, batch->attempts, attempt_count);
        return error;
}

/* The heads that are due, one path after the other. */
static int send_heads(struct mu_dispatcher *dispatcher, struct batch *batch)
{
        static const enum mu_command_path paths[] = {MU_COMMAND_BY_WEBSOCKET, MU_COMMAND_BY_FCM,
                                                     MU_COMMAND_BY_FCM_NUDGE};
        bool due[MU_DISPATCH_CHUNK] = {false};
        int error = 0;

        MU_ASSERT(batch->list.count <= MU_DISPATCH_CHUNK);
        for (size_t i = 0; i < batch->list.count; i++) {
                const struct mu_ledger_command *command = &batch->list.commands[i];
                struct way *way = &batch->ways[i];
                bool fresh;

                way->device = mu_device_table_by_id(dispatcher->config.devices, command->device_id);
                /* The table knows of a clone before PostgreSQL does. */
                due[i] = way->device && mu_device_state(way->device) == MU_DEVICE_LIVE &&
                         find_way(dispatcher, command, way, &fresh) &&
                         is_due(dispatcher, command, way, fresh);
        }
        for (size_t p = 0; error == 0 && p < MU_COUNT_OF(paths); p++) {
                size_t count = 0;

                for (size_t i = 0; i < batch->list.count; i++)
                        if (due[i] && batch->ways[i].path == paths[p])
                                batch->keys[count++] =
                                        (struct mu_ledger_key){batch->list.commands[i].device_id,
                                                               batch->list.commands[i].id};
                error = send_path(dispatcher, batch, paths[p], count);
        }
        return error;
}

/* Brings the counts that heartbeats are answered with up to date; ret_ids: who has any. */
static int count_waiting(struct mu_dispatcher *dispatcher, const int64_t *device_ids, size_t count,
                         int64_t *ret_ids, size_t *ret_count)
{
        struct mu_ledger_pending pending[MU_DISPATCH_CHUNK];
        size_t pending_count = 0;
        int error = mu_ledger_pending(dispatcher->pg, device_ids, count, pending, &pending_count);

        *ret_count = 0;
        for (size_t i = 0; error == 0 && i < pending_count; i++) {
                struct mu_device *device =
                        mu_device_table_by_id(dispatcher->config.devices, pending[i].device_id);

                if (!device)
                        continue;
                mu_dispatcher_count_pending(dispatcher, device, pending[i].count);
                if (pending[i].count > 0)
                        ret_ids[(*ret_count)++] = pending[i].device_id;
        }
        return error;
}

/* What was ordered while its device was being deleted: neither saw the other. Whoever deletes
 * cancels after the state says so, and here it is looked at after the order's commit. */
static int cancel_of_deleted(struct mu_dispatcher *dispatcher, const int64_t *device_ids,
                             size_t count)
{
        int64_t deleted[MU_DISPATCH_CHUNK];
        size_t deleted_count = 0;
        uint64_t cancelled;

        for (size_t i = 0; i < count; i++) {
                const struct mu_device *device =
                        mu_device_table_by_id(dispatcher->config.devices, device_ids[i]);

                if (device && mu_device_state(device) == MU_DEVICE_DELETED)
                        deleted[deleted_count++] = device_ids[i];
        }
        if (deleted_count == 0)
                return 0;
        return mu_ledger_cancel_devices(dispatcher->pg, deleted, deleted_count, &cancelled);
}

int mu_delivery_look(struct mu_dispatcher *dispatcher, const int64_t *device_ids, size_t count)
{
        int64_t waiting[MU_DISPATCH_CHUNK];
        size_t waiting_count = 0;

        MU_ASSERT(count <= MU_DISPATCH_CHUNK);
        int error = cancel_of_deleted(dispatcher, device_ids, count);

        if (error == 0)
                error = count_waiting(dispatcher, device_ids, count, waiting, &waiting_count);
        if (error < 0 || waiting_count == 0)
                return error;
        struct batch *batch = malloc(sizeof(*batch));

        if (!batch)
                return -ENOMEM;
        mu_text_init(&batch->text);
        error = mu_ledger_heads(dispatcher->pg, waiting, waiting_count, &batch->list);
        if (error == 0) {
                error = send_heads(dispatcher, batch);
                mu_ledger_list_done(&batch->list);
        }
        mu_text_done(&batch->text);
        free(batch);
        return error;
}
