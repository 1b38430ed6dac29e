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
#include "pg/query.h"

enum {
        ANSWER_BYTES = 384,
};

/* Not told, the device says it again: at the latest when its channel was closed. */
static void say(struct mu_ws_handle to, const struct mu_text *text)
{
        if (mu_text_status(text) < 0 || mu_channel_send(to, text->data, text->bytes) < 0)
                mu_channel_close(to, MU_WS_TRY_LATER, "Too much is waiting; come again.");
}

static void answer(struct mu_ws_handle to, const char *type, int64_t command_id, const char *detail)
{
        char line[ANSWER_BYTES];
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
        say(to, &text);
}

/* NULL, or what is wrong with it. */
static const char *parse(struct mu_inbound *message)
{
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

/* ---- lists ---- */

static struct mu_inbound *pop(struct mu_inbound_list *list)
{
        struct mu_inbound *message = list->head;

        list->head = message->next;
        if (!list->head)
                list->tail = NULL;
        message->next = NULL;
        return message;
}

static void append(struct mu_inbound_list *list, struct mu_inbound *message)
{
        if (list->tail)
                list->tail->next = message;
        else
                list->head = message;
        list->tail = message;
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

static void tell_result(struct mu_dispatcher *dispatcher, const struct mu_inbound *message,
                        const struct mu_result_answer *result)
{
        if (mu_result_is_refused(result)) {
                mu_cell_add(&dispatcher->metrics.bad_messages, 1);
                if (result->outcome == MU_RESULT_FORGED && dispatcher->config.on_forged)
                        dispatcher->config.on_forged(dispatcher->config.ctx, message->device->id,
                                                     result->command_id);
                answer(message->from, "result_refused", message->command_id, result->detail);
        } else {
                book_result(dispatcher, message, result);
                answer(message->from, "result_stored", message->command_id, NULL);
        }
}

/* The first results, up to count_max, in one transaction; answered once it is committed: until it
 * hears so, a device keeps its result. */
static int take_batch(struct mu_dispatcher *dispatcher, size_t count_max)
{
        struct mu_result_answer results[MU_DISPATCH_RESULTS];
        struct mu_pg *pg = dispatcher->pg;
        size_t count = 0;
        int error = mu_pg_begin(pg);

        /* One key at a time: planning each anew would cost more than running it. */
        if (error == 0)
                error = mu_pg_script(pg, "dispatch_results", "SET LOCAL plan_cache_mode = auto");
        for (const struct mu_inbound *message = dispatcher->results.head;
             error == 0 && message && count < count_max; message = message->next)
                error = mu_result_take(pg, dispatcher->config.secrets, message->device->id,
                                       message->body, &results[count++]);
        if (error == 0)
                error = mu_pg_commit(pg);
        if (error < 0) {
                mu_pg_rollback(pg);
                return error;
        }
        for (size_t i = 0; i < count; i++) {
                struct mu_inbound *message = pop(&dispatcher->results);

                tell_result(dispatcher, message, &results[i]);
                mu_dispatcher_drop_message(dispatcher, message);
        }
        return 0;
}

static bool is_its_own_fault(int error)
{
        return error == -EINVAL || error == -EEXIST || error == -EPROTO;
}

/* One that can't be stored must not hold up the others: after a failure they go one by one. */
static int take_results(struct mu_dispatcher *dispatcher)
{
        bool single = dispatcher->results_alone > 0;
        int error;

        if (!dispatcher->results.head)
                return 0;
        /* Pushing goes before booking what can wait. */
        error = take_batch(dispatcher, single                       ? 1
                                       : dispatcher->todo_count > 0 ? MU_DISPATCH_RESULTS / 5
                                                                    : MU_DISPATCH_RESULTS);
        if (error < 0 && !single && (is_its_own_fault(error) || error == -EAGAIN)) {
                dispatcher->results_alone = MU_DISPATCH_RESULTS;
                return 0;
        }
        if (error < 0 && single && is_its_own_fault(error)) {
                struct mu_inbound *message = pop(&dispatcher->results);

                answer(message->from, "error", message->command_id,
                       "The appliance could not store this result; keep it and send it later.");
                mu_cell_add(&dispatcher->metrics.bad_messages, 1);
                mu_dispatcher_drop_message(dispatcher, message);
                error = 0;
        }
        if (error == 0 && single)
                dispatcher->results_alone--;
        return error;
}

/* ---- receipts ---- */

struct receipts {
        const struct mu_inbound *messages[MU_DISPATCH_CHUNK];
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

/* As POST /v1/commands/{id}/received is answered. */
static void tell_receipt(const struct mu_inbound *message, const struct mu_ledger_receipt *receipt)
{
        struct mu_text text;
        char line[ANSWER_BYTES];

        if (!receipt) {
                answer(message->from, "error", message->command_id,
                       "This device has no such command.");
                return;
        }
        mu_text_init_fixed(&text, line, sizeof(line));
        mu_text_add_format(&text,
                           "{\"type\":\"acknowledged\",\"command_id\":\"%lld\",\"state\":\"%s\","
                           "\"run\":%s}",
                           (long long)message->command_id, mu_command_state_name(receipt->state),
                           receipt->state == MU_COMMAND_RECEIVED ? "true" : "false");
        say(message->from, &text);
}

static void book_receipt(struct mu_dispatcher *dispatcher, const struct mu_ledger_receipt *receipt)
{
        mu_dispatcher_look(dispatcher, receipt->key.device_id);
        if (!receipt->changed)
                return;
        mu_dispatcher_delivered(dispatcher, receipt->path, receipt->queued_to_received_us);
        mu_dispatcher_tell(dispatcher, receipt->key.device_id, receipt->key.command_id,
                           MU_COMMAND_RECEIVED, receipt->type);
}

static void tell_receipts(struct mu_dispatcher *dispatcher, struct receipts *receipts)
{
        qsort(receipts->booked, receipts->booked_count, sizeof(receipts->booked[0]),
              compare_receipts);
        for (size_t i = 0; i < receipts->count; i++) {
                const struct mu_inbound *message = receipts->messages[i];
                const struct mu_ledger_receipt wanted = {.key = receipts->keys[i]};
                struct mu_ledger_receipt *found =
                        bsearch(&wanted, receipts->booked, receipts->booked_count, sizeof(wanted),
                                compare_receipts);

                if (found)
                        book_receipt(dispatcher, found);
                tell_receipt(message, found);
                if (found)
                        found->changed = false; /* the same said twice counts once */
        }
        mu_cell_add(&dispatcher->metrics.receipts, receipts->count);
}

/* A chunk of them in one statement. */
static int take_receipts(struct mu_dispatcher *dispatcher, struct receipts *receipts)
{
        receipts->count = 0;
        for (const struct mu_inbound *message = dispatcher->receipts.head;
             message && receipts->count < MU_DISPATCH_CHUNK; message = message->next) {
                receipts->messages[receipts->count] = message;
                receipts->keys[receipts->count++] =
                        (struct mu_ledger_key){message->device->id, message->command_id};
        }
        int error = mu_ledger_mark_received(dispatcher->pg, receipts->keys, receipts->count,
                                            MU_COMMAND_BY_WEBSOCKET, receipts->booked,
                                            &receipts->booked_count);

        if (error < 0)
                return error;
        tell_receipts(dispatcher, receipts);
        for (size_t i = 0; i < receipts->count; i++)
                mu_dispatcher_drop_message(dispatcher, pop(&dispatcher->receipts));
        return 0;
}

/* ---- a round ---- */

/* Receipts go before results, whose commands they are; what is malformed is answered at once. */
static void sort_out(struct mu_dispatcher *dispatcher)
{
        while (dispatcher->inbound.head) {
                struct mu_inbound *message = pop(&dispatcher->inbound);
                const char *wrong = parse(message);

                if (!wrong) {
                        append(message->is_result ? &dispatcher->results : &dispatcher->receipts,
                               message);
                        continue;
                }
                answer(message->from, "error", 0, wrong);
                mu_cell_add(&dispatcher->metrics.bad_messages, 1);
                mu_dispatcher_drop_message(dispatcher, message);
        }
}

int mu_dispatcher_run_inbound(struct mu_dispatcher *dispatcher)
{
        int error = 0;

        sort_out(dispatcher);
        if (dispatcher->receipts.head) {
                struct receipts *receipts = malloc(sizeof(*receipts));

                if (!receipts)
                        return -ENOMEM;
                while (error == 0 && dispatcher->receipts.head)
                        error = take_receipts(dispatcher, receipts);
                free(receipts);
        }
        return error == 0 ? take_results(dispatcher) : error;
}

bool mu_dispatcher_has_inbound(const struct mu_dispatcher *dispatcher)
{
        return dispatcher->inbound.head || dispatcher->receipts.head || dispatcher->results.head;
}
