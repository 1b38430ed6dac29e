/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbound.c - what devices say on their channels: receipts, many in one statement, and results.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/command/command_type.h"
#include "control/command/dispatcher_private.h"
#include "control/command/result.h"
#include "identity/device_table.h"

static void answer(struct mu_ws_handle to, const char *type, int64_t command_id, const char *detail)
{
        char line[384];
        struct mu_text text;

        mu_text_init_fixed(&text, line, sizeof(line));
        mu_text_add_format(&text, "{\"type\":\"%s\"", type);
        if (command_id > 0)
                mu_text_add_format(&text, ",\"command_id\":\"%lld\"", (long long)command_id);
        if (detail) {
                mu_text_add(&text, ",\"detail\":");
                mu_text_add_json(&text, detail, strlen(detail));
        }
        mu_text_add(&text, "}");
        /* Not told, the device says it again: at the latest when its channel was closed. */
        if (mu_text_status(&text) < 0 || mu_channel_send(to, text.data, text.bytes) < 0)
                mu_channel_close(to, MU_WS_TRY_LATER, "Too much is waiting; come again.");
}

/* NULL, or what is wrong with it. */
static const char *parse(struct mu_inbound *message)
{
        if (message->body)
                return NULL;
        message->body = json_loadb(message->data, message->bytes, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(message->body))
                return "The message is not a JSON object.";
        const char *type = json_string_value(json_object_get(message->body, "type"));
        const char *id = json_string_value(json_object_get(message->body, "command_id"));

        if (!type || (strcmp(type, "received") != 0 && strcmp(type, "result") != 0))
                return "type must be \"received\" or \"result\".";
        message->is_result = strcmp(type, "result") == 0;
        message->command_id = id ? mu_command_id_read(id) : 0;
        return message->command_id > 0 ? NULL : "command_id must be the command's id, as a string.";
}

/* ---- results ---- */

static void book_result(struct mu_dispatcher *dispatcher, const struct mu_inbound *message,
                        const struct mu_result_answer *result)
{
        if (result->queued_to_received_us >= 0)
                mu_dispatcher_delivered(dispatcher, result->path, result->queued_to_received_us);
        if (result->outcome == MU_RESULT_STORED)
                mu_dispatcher_tell(dispatcher, message->device->id, result->command_id,
                                   result->state, result->type);
        mu_cell_add(&dispatcher->metrics.results, 1);
        mu_dispatcher_look(dispatcher, message->device->id);
}

/* Stored, then answered: until it hears so, the device keeps its result. */
static int take_result(struct mu_dispatcher *dispatcher, struct mu_inbound *message)
{
        struct mu_result_answer result;
        int error = mu_result_take(dispatcher->pg, dispatcher->config.secrets, message->device->id,
                                   message->body, &result);

        if (error < 0)
                return error;
        if (mu_result_is_refused(&result)) {
                answer(message->from, "result_refused", message->command_id, result.detail);
                mu_cell_add(&dispatcher->metrics.bad_messages, 1);
                return 0;
        }
        book_result(dispatcher, message, &result);
        answer(message->from, "result_stored", message->command_id, NULL);
        return 0;
}

/* ---- receipts ---- */

struct receipts {
        struct mu_inbound *messages[MU_DISPATCH_CHUNK];
        struct mu_ledger_key keys[MU_DISPATCH_CHUNK];
        struct mu_ledger_receipt booked[MU_DISPATCH_CHUNK];
        size_t count;
        size_t booked_count;
};

static int compare_keys(const struct mu_ledger_key *a, const struct mu_ledger_key *b)
{
        if (a->device_id != b->device_id)
                return a->device_id < b->device_id ? -1 : 1;
        return a->command_id < b->command_id ? -1 : a->command_id > b->command_id;
}

static int compare_receipts(const void *a, const void *b)
{
        return compare_keys(&((const struct mu_ledger_receipt *)a)->key,
                            &((const struct mu_ledger_receipt *)b)->key);
}

static void tell_receipt(const struct mu_inbound *message, const struct mu_ledger_receipt *receipt)
{
        bool over = receipt && (receipt->state == MU_COMMAND_CANCELLED ||
                                receipt->state == MU_COMMAND_EXPIRED);

        if (receipt)
                answer(message->from, over ? "over" : "acknowledged", message->command_id, NULL);
        else
                answer(message->from, "error", message->command_id,
                       "This device has no such command.");
}

static void book_receipt(struct mu_dispatcher *dispatcher, const struct mu_device *device,
                         const struct mu_ledger_receipt *receipt)
{
        const struct mu_delivery_slot *slot = mu_delivery_slot(dispatcher, device);
        bool known = slot && slot->command_id == receipt->key.command_id;

        mu_dispatcher_look(dispatcher, device->id);
        if (!receipt->changed)
                return;
        mu_dispatcher_delivered(dispatcher, receipt->path, receipt->queued_to_received_us);
        mu_dispatcher_tell(dispatcher, device->id, receipt->key.command_id, MU_COMMAND_RECEIVED,
                           known ? slot->type : NULL);
}

static int book_receipts(struct mu_dispatcher *dispatcher, struct receipts *receipts)
{
        if (receipts->count == 0)
                return 0;
        int error = mu_ledger_mark_received(dispatcher->pg, receipts->keys, receipts->count,
                                            MU_COMMAND_BY_WEBSOCKET, receipts->booked,
                                            &receipts->booked_count);

        if (error < 0)
                return error;
        qsort(receipts->booked, receipts->booked_count, sizeof(receipts->booked[0]),
              compare_receipts);
        for (size_t i = 0; i < receipts->count; i++) {
                const struct mu_ledger_receipt wanted = {.key = receipts->keys[i]};
                struct mu_ledger_receipt *found =
                        bsearch(&wanted, receipts->booked, receipts->booked_count, sizeof(wanted),
                                compare_receipts);

                if (found)
                        book_receipt(dispatcher, receipts->messages[i]->device, found);
                tell_receipt(receipts->messages[i], found);
                if (found)
                        found->changed = false; /* the same said twice counts once */
        }
        mu_cell_add(&dispatcher->metrics.receipts, receipts->count);
        receipts->count = 0;
        return 0;
}

/* ---- the list ---- */

/* The first count messages were dealt with. */
static void drop(struct mu_dispatcher *dispatcher, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct mu_inbound *message = dispatcher->inbound.head;

                dispatcher->inbound.head = message->next;
                if (!dispatcher->inbound.head)
                        dispatcher->inbound.tail = NULL;
                mu_dispatcher_drop_message(dispatcher, message);
        }
}

/* The receipts at the head of the list, up to a result; what is malformed is answered at once. How
 * many messages that were. */
static size_t gather_receipts(struct mu_dispatcher *dispatcher, struct receipts *receipts)
{
        struct mu_inbound *message = dispatcher->inbound.head;
        size_t taken = 0;

        receipts->count = 0;
        for (; message && taken < MU_DISPATCH_CHUNK; message = message->next, taken++) {
                const char *wrong = parse(message);

                if (!wrong && message->is_result)
                        break;
                if (wrong) {
                        if (!message->told)
                                answer(message->from, "error", 0, wrong);
                        mu_cell_add(&dispatcher->metrics.bad_messages, message->told ? 0 : 1);
                        message->told = true;
                        continue;
                }
                receipts->messages[receipts->count] = message;
                receipts->keys[receipts->count++] =
                        (struct mu_ledger_key){message->device->id, message->command_id};
        }
        return taken;
}

int mu_dispatcher_run_inbound(struct mu_dispatcher *dispatcher)
{
        int error = 0;

        if (!dispatcher->inbound.head)
                return 0;
        struct receipts *receipts = malloc(sizeof(*receipts));

        if (!receipts)
                return -ENOMEM;
        for (size_t results = 0; error == 0 && dispatcher->inbound.head;) {
                size_t taken = gather_receipts(dispatcher, receipts);

                if (taken > 0) {
                        error = book_receipts(dispatcher, receipts);
                        if (error == 0)
                                drop(dispatcher, taken);
                        if (error < 0 || taken == MU_DISPATCH_CHUNK)
                                break;
                        continue;
                }
                if (++results > MU_DISPATCH_RESULTS)
                        break;
                error = take_result(dispatcher, dispatcher->inbound.head);
                if (error == 0)
                        drop(dispatcher, 1);
        }
        free(receipts);
        return error;
}
