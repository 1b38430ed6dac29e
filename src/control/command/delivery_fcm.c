/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery_fcm.c - commands by Firebase Cloud Messaging, and what becomes of them.
 *
 * FCM's own module repeats what failed for a passing reason (outbound/fcm.h); each of its attempts
 * is booked here. A message that it gave up is pushed again when the command's next try is due;
 * until then the count in the heartbeat's reply makes the device fetch.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/command/dispatcher_private.h"
#include "identity/device_table.h"

enum {
        FCM_TTL_S_MIN = 1,
        NOTES_CHUNK = 500,
};

#define NUDGE_COLLAPSE_KEY "fetch"

static uint32_t ttl_s(const struct mu_ledger_command *command, int64_t now_us)
{
        int64_t left_s = (command->expires_at_us - now_us) / MU_US_PER_S;

        if (left_s < FCM_TTL_S_MIN)
                return FCM_TTL_S_MIN;
        return left_s < MU_FCM_TTL_S_MAX ? (uint32_t)left_s : MU_FCM_TTL_S_MAX;
}

static int submit(struct mu_dispatcher *dispatcher, struct mu_fcm_try *try,
                  const struct mu_fcm_pair *data, size_t data_count,
                  const struct mu_ledger_command *command)
{
        const struct mu_fcm_message message = {
                .token = try->token,
                .data = data,
                .data_count = data_count,
                .ttl_s = ttl_s(command, mu_clock_realtime_us(dispatcher->config.clock)),
                .collapse_key = try->nudge ? NUDGE_COLLAPSE_KEY : NULL,
        };

        return mu_fcm_send(dispatcher->config.fcm, &message, mu_dispatcher_take_report, try);
}

static int send_nudge(struct mu_dispatcher *dispatcher, struct mu_fcm_try *try,
                      const struct mu_ledger_command *command)
{
        static const struct mu_fcm_pair fetch[] = {{"fetch", "commands"}};

        return submit(dispatcher, try, fetch, 1, command);
}

/* The envelope is an object all of strings: FCM's data as it stands. */
static int send_envelope(struct mu_dispatcher *dispatcher, struct mu_fcm_try *try,
                         const struct mu_ledger_command *command)
{
        struct mu_fcm_pair pairs[MU_FCM_DATA_PAIRS_MAX];
        size_t count = 0;
        size_t data_bytes = 0;
        struct mu_text text;
        const char *key;
        json_t *value;
        json_t *data = NULL;

        mu_text_init(&text);
        int error = mu_ledger_envelope(dispatcher->config.secrets, command,
                                       mu_clock_realtime_us(dispatcher->config.clock), &text,
                                       &data_bytes);

        if (error == 0)
                error = mu_text_status(&text);
        if (error == 0 && data_bytes > MU_FCM_DATA_BYTES_MAX)
                error = -EMSGSIZE;
        if (error == 0)
                data = json_loadb(text.data, text.bytes, 0, NULL);
        if (error == 0 && (!data || json_object_size(data) > MU_FCM_DATA_PAIRS_MAX))
                error = data ? -EMSGSIZE : -ENOMEM;
        if (error == 0) {
                json_object_foreach(data, key, value) pairs[count++] =
                        (struct mu_fcm_pair){key, json_string_value(value)};
                error = submit(dispatcher, try, pairs, count, command);
        }
        json_decref(data);
        mu_text_done(&text);
        return error;
}

int mu_delivery_fcm_send(struct mu_dispatcher *dispatcher, struct mu_device *device,
                         const struct mu_ledger_command *command, uint32_t attempt, bool nudge)
{
        size_t token_bytes = strlen(command->fcm_token) + 1;
        struct mu_fcm_try *try = malloc(sizeof(*try) + token_bytes);

        if (!try)
                return -ENOMEM;
        *try = (struct mu_fcm_try){
                .dispatcher = dispatcher,
                .device = device,
                .command_id = command->id,
                .attempt = attempt,
                .nudge = nudge,
        };
        memcpy(try->token, command->fcm_token, token_bytes);
        int error = nudge ? send_nudge(dispatcher, try, command)
                          : send_envelope(dispatcher, try, command);

        if (error < 0)
                free(try);
        return error;
}

/* ---- what came of it ---- */

static enum mu_attempt_status status_of(const struct mu_fcm_note *note)
{
        switch (note->outcome) {
        case MU_FCM_SENT:
                return MU_ATTEMPT_ACCEPTED;
        case MU_FCM_UNREGISTERED:
                return MU_ATTEMPT_UNREGISTERED;
        case MU_FCM_REFUSED:
                return MU_ATTEMPT_REFUSED;
        case MU_FCM_WILL_RETRY:
        case MU_FCM_GAVE_UP:
        case MU_FCM_CANCELLED:
                break;
        }
        return note->http_status == 429 ? MU_ATTEMPT_THROTTLED : MU_ATTEMPT_UNREACHABLE;
}

static enum mu_send_result result_of(const struct mu_fcm_note *note)
{
        return note->outcome == MU_FCM_SENT           ? MU_SEND_OK
               : note->outcome == MU_FCM_UNREGISTERED ? MU_SEND_UNREGISTERED
                                                      : MU_SEND_FAILED;
}

static enum mu_command_path path_of(const struct mu_fcm_try *try)
{
        return try->nudge ? MU_COMMAND_BY_FCM_NUDGE : MU_COMMAND_BY_FCM;
}

/* The end of what FCM had in hand: when is the command's next try? */
static void settle(struct mu_dispatcher *dispatcher, const struct mu_fcm_note *note)
{
        const struct mu_fcm_try *try = note->try;
        struct mu_delivery_slot *slot = mu_delivery_slot(dispatcher, try->device);

        if (!slot) {
                dispatcher->everything = true;
                return;
        }
        if (slot->in_fcm_id == try->command_id)
                slot->in_fcm_id = 0;
        if (slot->command_id != try->command_id)
                return;
        uint64_t now_ms = mu_dispatcher_now_ms(dispatcher);

        /* Without a token there is no such path any more: another one, or the next heartbeat. */
        slot->due_ms =
                note->outcome == MU_FCM_UNREGISTERED
                        ? now_ms
                        : now_ms + mu_delivery_wait_ms(dispatcher, path_of(try), try->attempt);
        mu_delivery_remind(dispatcher, try->device, slot->due_ms);
}

/* Each report of the same message after its first is about a new attempt. */
static int number_attempt(struct mu_dispatcher *dispatcher, struct mu_fcm_note *note)
{
        struct mu_ledger_key key = {note->try->device->id, note->try->command_id};
        int error = 0;

        if (note->number != 0)
                return 0; /* before a statement that failed */
        if (note->fcm_attempt > 1)
                error = mu_delivery_next_attempt(dispatcher->pg, key, path_of(note->try),
                                                 &note->try->attempt);
        if (error == 0)
                note->number = note->try->attempt;
        return error;
}

static struct mu_ledger_attempt attempt_of(const struct mu_fcm_note *note)
{
        return (struct mu_ledger_attempt){
                .key = {note->try->device->id, note->try->command_id},
                .attempt = note->number,
                .status = status_of(note),
                .latency_us = note->latency_us,
                .retry_at_us = note->retry_at_us,
                .http_status = note->http_status,
                .fcm_message_id = *note->message_id ? note->message_id : NULL,
                .error = *note->error ? note->error : NULL,
        };
}

/* Books the first notes, up to a chunk of them. */
static int book(struct mu_dispatcher *dispatcher, size_t *ret_count)
{
        struct mu_ledger_attempt attempts[NOTES_CHUNK];
        size_t count = 0;
        int error = 0;

        for (struct mu_fcm_note *note = dispatcher->notes.head;
             error == 0 && note && count < NOTES_CHUNK; note = note->next) {
                error = number_attempt(dispatcher, note);
                if (error == 0 && note->outcome == MU_FCM_UNREGISTERED)
                        error = mu_ledger_clear_fcm_token(dispatcher->pg, note->try->device->id,
                                                          note->try->token);
                attempts[count++] = attempt_of(note);
        }
        if (error == 0 && count > 0)
                error = mu_ledger_attempts(dispatcher->pg, attempts, count);
        *ret_count = count;
        return error;
}

int mu_delivery_run_notes(struct mu_dispatcher *dispatcher)
{
        size_t count;
        int error = book(dispatcher, &count);

        for (size_t i = 0; error == 0 && i < count; i++) {
                struct mu_fcm_note *note = dispatcher->notes.head;

                mu_cell_add(&dispatcher->metrics.sends[path_of(note->try)][result_of(note)], 1);
                if (note->outcome != MU_FCM_WILL_RETRY)
                        settle(dispatcher, note);
                dispatcher->notes.head = note->next;
                if (!dispatcher->notes.head)
                        dispatcher->notes.tail = NULL;
                mu_dispatcher_drop_note(note);
        }
        return error;
}
