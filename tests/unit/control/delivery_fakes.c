/* SPDX-License-Identifier: Apache-2.0 */
#include "delivery_fakes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/command/command_news.h"
#include "control/command/command_type.h"
#include "control/command/result.h"
#include "pg/database.h"
#include "pg/query.h"

struct world *world;

/* ---- the database ---- */

static char connection; /* its address is the connection */

int mu_database_acquire(struct mu_database *database, uint32_t wait_ms, struct mu_pg **ret_pg,
                        struct mu_pg_error *ret_error)
{
        (void)database;
        (void)wait_ms;
        if (world->database_away) {
                *ret_error = (struct mu_pg_error){.text = "away"};
                return -ENOTCONN;
        }
        *ret_pg = (struct mu_pg *)&connection;
        return 0;
}

void mu_database_release(struct mu_database *database, struct mu_pg *pg)
{
        (void)database;
        (void)pg;
}

const struct mu_pg_error *mu_pg_last_error(const struct mu_pg *pg)
{
        static const struct mu_pg_error error = {.text = "gone"};

        (void)pg;
        return &error;
}

void mu_pg_disconnect(struct mu_pg *pg)
{
        (void)pg;
}

uint64_t mu_pg_generation(const struct mu_pg *pg)
{
        (void)pg;
        return 1;
}

int mu_pg_script(struct mu_pg *pg, const char *name, const char *sql)
{
        (void)pg;
        (void)name;
        (void)sql;
        return world->database_away ? -ENOTCONN : 0;
}

int mu_pg_begin(struct mu_pg *pg)
{
        (void)pg;
        return world->database_away ? -ENOTCONN : 0;
}

int mu_pg_commit(struct mu_pg *pg)
{
        (void)pg;
        return 0;
}

void mu_pg_rollback(struct mu_pg *pg)
{
        (void)pg;
}

/* Each statement asks here whether it works. */
static int statement(const char *name)
{
        world->statements++;
        if (world->database_away)
                return -ENOTCONN;
        if (world->failing && strcmp(world->failing, name) == 0) {
                world->failing = NULL;
                return -ENOTCONN;
        }
        return 0;
}

/* ---- the ledger ---- */

const char *mu_command_state_name(enum mu_command_state state)
{
        static const char *const names[] = {"awaiting_confirmation",
                                            "queued",
                                            "sent",
                                            "received",
                                            "done",
                                            "failed",
                                            "expired",
                                            "cancelled"};

        return names[state];
}

const char *mu_command_path_name(enum mu_command_path path)
{
        static const char *const names[] = {"websocket", "fcm", "heartbeat", "fcm_nudge"};

        return names[path];
}

struct world_command *world_command(int64_t id)
{
        return &world->commands[id - 1];
}

static bool is_waiting(const struct world_command *command)
{
        return command->state == MU_COMMAND_QUEUED || command->state == MU_COMMAND_SENT;
}

static uint32_t waiting_of(int64_t device_id)
{
        uint32_t count = 0;

        for (size_t i = 0; i < world->command_count; i++)
                count += world->commands[i].device_id == device_id &&
                         is_waiting(&world->commands[i]);
        return world->state[device_id].quarantined ? 0 : count;
}

static struct world_command *head_of(int64_t device_id)
{
        for (size_t i = 0; i < world->command_count; i++)
                if (world->commands[i].device_id == device_id && is_waiting(&world->commands[i]) &&
                    !world->state[device_id].quarantined)
                        return &world->commands[i];
        return NULL;
}

int mu_ledger_cancel_devices(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                             uint64_t *ret_cancelled)
{
        (void)pg;
        *ret_cancelled = 0;
        for (size_t i = 0; i < count; i++)
                for (size_t c = 0; c < world->command_count; c++)
                        if (world->commands[c].device_id == device_ids[i] &&
                            is_waiting(&world->commands[c])) {
                                world->commands[c].state = MU_COMMAND_CANCELLED;
                                ++*ret_cancelled;
                        }
        return statement("cancel_devices");
}

int mu_ledger_pending(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                      struct mu_ledger_pending *ret_pending, size_t *ret_count)
{
        (void)pg;
        for (size_t i = 0; i < count; i++)
                ret_pending[i] =
                        (struct mu_ledger_pending){device_ids[i], waiting_of(device_ids[i])};
        *ret_count = count;
        return statement("pending");
}

int mu_ledger_pending_all(struct mu_pg *pg, struct mu_ledger_pending **ret_pending,
                          size_t *ret_count)
{
        size_t count = 0;
        struct mu_ledger_pending *pending = calloc(WORLD_DEVICES_MAX, sizeof(*pending));

        (void)pg;
        assert_non_null(pending);
        if (statement("pending_all") < 0) {
                free(pending);
                return -ENOTCONN;
        }
        /* In no order. */
        for (int64_t id = WORLD_DEVICES_MAX - 1; id > 0; id--)
                if (head_of(id))
                        pending[count++] = (struct mu_ledger_pending){id, waiting_of(id)};
        *ret_pending = pending;
        *ret_count = count;
        return 0;
}

int mu_ledger_heads(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                    struct mu_ledger_list *ret_list)
{
        struct mu_ledger_command *commands = calloc(count + 1, sizeof(*commands));
        size_t found = 0;

        (void)pg;
        assert_non_null(commands);
        world->heads_asked += count;
        for (size_t i = 0; i < count; i++) {
                const struct world_command *head = head_of(device_ids[i]);

                assert_true(i == 0 || device_ids[i - 1] < device_ids[i]);
                if (!head)
                        continue;
                commands[found++] = (struct mu_ledger_command){
                        .device_id = head->device_id,
                        .id = head->id,
                        .created_at_us = 1,
                        .expires_at_us = world->clock.realtime_us + 3600 * MU_US_PER_S,
                        .last_sent_at_us = head->last_sent_at_us,
                        .type = "ping",
                        .payload = "{}",
                        .payload_bytes = head->payload_bytes,
                        .fcm_token = *world->state[head->device_id].fcm_token
                                             ? world->state[head->device_id].fcm_token
                                             : NULL,
                        .attempt_count = head->attempt_count,
                        .key_version = 1,
                        .state = head->state,
                        .direct_only = head->direct_only,
                };
        }
        *ret_list = (struct mu_ledger_list){.commands = commands, .count = found};
        int error = statement("heads");

        if (error < 0)
                free(commands);
        return error;
}

void mu_ledger_list_done(struct mu_ledger_list *list)
{
        free(list->commands);
}

int mu_ledger_envelope(const struct mu_secrets *secrets, const struct mu_ledger_command *command,
                       int64_t now_us, struct mu_text *text, size_t *ret_data_bytes)
{
        (void)secrets;
        (void)now_us;
        mu_text_add_format(text, "{\"command_id\":\"%lld\"}", (long long)command->id);
        if (ret_data_bytes)
                *ret_data_bytes = 16 + command->payload_bytes;
        return 0;
}

int mu_ledger_mark_sent(struct mu_pg *pg, const struct mu_ledger_key *keys, size_t count,
                        enum mu_command_path path, struct mu_ledger_sent *ret_sent,
                        size_t *ret_count)
{
        (void)pg;
        if (world->cancel_on_mark)
                world_command(world->cancel_on_mark)->state = MU_COMMAND_CANCELLED;
        if (statement("mark_sent") < 0)
                return -ENOTCONN;
        *ret_count = 0;
        for (size_t i = 0; i < count; i++) {
                struct world_command *command = world_command(keys[i].command_id);

                if (!is_waiting(command))
                        continue;
                ret_sent[(*ret_count)++] = (struct mu_ledger_sent){
                        keys[i], ++command->attempt_count,
                        command->state == MU_COMMAND_QUEUED && path != MU_COMMAND_BY_FCM_NUDGE};
                if (path == MU_COMMAND_BY_FCM_NUDGE)
                        continue;
                command->state = MU_COMMAND_SENT;
                command->path = path;
                command->last_sent_at_us = world->clock.realtime_us;
        }
        return 0;
}

int mu_ledger_mark_received(struct mu_pg *pg, const struct mu_ledger_key *keys, size_t count,
                            enum mu_command_path path, struct mu_ledger_receipt *ret_receipts,
                            size_t *ret_count)
{
        size_t found = 0;

        (void)pg;
        if (statement("mark_received") < 0)
                return -ENOTCONN;
        for (size_t i = 0; i < count; i++) {
                struct world_command *command = keys[i].command_id <= (int64_t)world->command_count
                                                        ? world_command(keys[i].command_id)
                                                        : NULL;
                bool again = false;

                /* Each once, as a statement answers. */
                for (size_t k = 0; k < found; k++)
                        again |= ret_receipts[k].key.command_id == keys[i].command_id;
                if (!command || command->device_id != keys[i].device_id || again)
                        continue;
                ret_receipts[found++] = (struct mu_ledger_receipt){
                        .key = keys[i],
                        .state = is_waiting(command) ? MU_COMMAND_RECEIVED : command->state,
                        .changed = is_waiting(command),
                        .queued_to_received_us = 1000,
                        .path = path,
                };
                if (is_waiting(command))
                        command->state = MU_COMMAND_RECEIVED;
        }
        *ret_count = found;
        return 0;
}

static void book(struct mu_ledger_key key, uint32_t number, enum mu_attempt_status status)
{
        assert_true(world->attempt_count < WORLD_ATTEMPTS_MAX);
        world->attempts[world->attempt_count++] = (struct world_attempt){key, number, status};
}

int mu_ledger_attempts(struct mu_pg *pg, const struct mu_ledger_attempt *attempts, size_t count)
{
        (void)pg;
        if (statement("attempts") < 0)
                return -ENOTCONN;
        for (size_t i = 0; i < count; i++)
                book(attempts[i].key, attempts[i].attempt, attempts[i].status);
        return 0;
}

int mu_delivery_next_attempt(struct mu_pg *pg, struct mu_ledger_key key, enum mu_command_path path,
                             uint32_t *ret_attempt)
{
        (void)pg;
        (void)path;
        *ret_attempt = ++world_command(key.command_id)->attempt_count;
        return statement("next_attempt");
}

int mu_ledger_clear_fcm_token(struct mu_pg *pg, int64_t device_id, const char *fcm_token)
{
        (void)pg;
        if (strcmp(fcm_token, world->state[device_id].fcm_token) == 0)
                *world->state[device_id].fcm_token = '\0';
        world->cleared_token_of = device_id;
        return statement("clear_fcm_token");
}

int mu_result_take(struct mu_pg *pg, const struct mu_secrets *secrets, int64_t device_id,
                   const json_t *body, struct mu_result_answer *ret_answer)
{
        const char *id = json_string_value(json_object_get(body, "command_id"));
        struct world_command *command = world_command(mu_command_id_read(id));

        (void)pg;
        (void)secrets;
        *ret_answer = (struct mu_result_answer){
                .outcome = command->device_id == device_id ? MU_RESULT_STORED : MU_RESULT_UNKNOWN,
                .command_id = command->id,
                .state = MU_COMMAND_DONE,
                .path = MU_COMMAND_PATH_COUNT,
                .queued_to_received_us = -1,
                .detail = "unknown",
        };
        if (statement("result") < 0)
                return -ENOTCONN;
        if (command->id == world->poison)
                return -EINVAL;
        if (ret_answer->outcome == MU_RESULT_STORED)
                command->state = MU_COMMAND_DONE;
        return 0;
}

const struct mu_command_type *mu_command_type_find(const char *name)
{
        assert_string_equal(name, "ping");
        return NULL;
}

void mu_command_counts_add(struct mu_command_counts *counts, const struct mu_command_type *type,
                           enum mu_command_state state, uint64_t n)
{
        (void)counts;
        (void)type;
        (void)state;
        (void)n;
}

/* ---- channels ---- */

static struct mu_ws_handle handle_of(int64_t device_id)
{
        return (struct mu_ws_handle){.number = world->state[device_id].channel};
}

int mu_channels_create(const struct mu_channels_config *config, struct mu_channels **ret_channels)
{
        (void)config;
        *ret_channels = NULL;
        return 0;
}

void mu_channels_destroy(struct mu_channels *channels)
{
        (void)channels;
}

int mu_channels_add_routes(struct mu_channels *channels, struct mu_router *router)
{
        (void)channels;
        (void)router;
        return 0;
}

bool mu_channels_find(struct mu_channels *channels, const struct mu_device *device,
                      struct mu_channel_ref *ret_ref)
{
        const struct world_device *state = &world->state[device->id];

        (void)channels;
        *ret_ref = (struct mu_channel_ref){handle_of(device->id), state->fresh};
        return state->connected;
}

void mu_channels_greeted(struct mu_channels *channels, const struct mu_device *device,
                         struct mu_ws_handle handle)
{
        (void)channels;
        assert_int_equal(handle.number, world->state[device->id].channel);
        world->state[device->id].fresh = false;
}

uint32_t mu_channels_count(const struct mu_channels *channels)
{
        (void)channels;
        return 0;
}

void mu_channels_sweep(struct mu_channels *channels)
{
        (void)channels;
}

static int64_t device_of(struct mu_ws_handle handle)
{
        return (int64_t)(handle.number % WORLD_DEVICES_MAX);
}

static void sent(enum mu_command_path path, int64_t device_id, int64_t command_id,
                 struct mu_fcm_try *try)
{
        assert_true(world->send_count < WORLD_SENDS_MAX);
        world->sends[world->send_count++] = (struct world_send){path, device_id, command_id, try};
}

int mu_channel_send(struct mu_ws_handle handle, const char *json, size_t bytes)
{
        json_error_t error;
        json_t *body = json_loadb(json, bytes, 0, &error);
        const char *type = json_string_value(json_object_get(body, "type"));

        assert_non_null(type);
        if (strcmp(type, "command") == 0) {
                json_t *command = json_object_get(body, "command");
                const char *id = json_string_value(json_object_get(command, "command_id"));

                sent(MU_COMMAND_BY_WEBSOCKET, device_of(handle), mu_command_id_read(id), NULL);
        } else {
                size_t at = strlen(world->said);

                (void)snprintf(world->said + at, sizeof(world->said) - at, "%lld %.*s\n",
                               (long long)device_of(handle), (int)bytes, json);
        }
        json_decref(body);
        return 0;
}

void mu_channel_close(struct mu_ws_handle handle, uint16_t code, const char *reason)
{
        (void)handle;
        (void)code;
        (void)reason;
        world->closed++;
}

/* ---- FCM ---- */

int mu_fcm_send(struct mu_fcm *fcm, const struct mu_fcm_message *message, mu_fcm_callback *callback,
                void *ctx)
{
        struct mu_fcm_try *try = ctx;

        (void)fcm;
        (void)callback;
        assert_string_equal(message->token, world->state[try->device->id].fcm_token);
        assert_in_range(message->ttl_s, 1, 3600);
        if (world->fcm_error < 0)
                return world->fcm_error;
        sent(try->nudge ? MU_COMMAND_BY_FCM_NUDGE : MU_COMMAND_BY_FCM, try->device->id,
             try->command_id, try);
        return 0;
}

void world_reports(size_t send, enum mu_fcm_outcome outcome, uint32_t attempt, int http_status)
{
        const struct mu_fcm_report report = {
                .outcome = outcome,
                .attempt = attempt,
                .http_status = http_status,
                .error_code = "",
                .error = "",
                .message_id = outcome == MU_FCM_SENT ? "projects/p/messages/1" : "",
                .latency_us = 5000,
                .retry_in_ms = outcome == MU_FCM_WILL_RETRY ? 1000 : 0,
        };

        mu_dispatcher_take_report(world->sends[send].try, &report);
        if (outcome != MU_FCM_WILL_RETRY)
                world->sends[send].try = NULL;
        world_settle();
}

/* ---- the world ---- */

void world_create(void)
{
        world = calloc(1, sizeof(*world));
        assert_non_null(world);
        fake_clock_init(&world->clock, INT64_C(1790000000) * MU_US_PER_S);
        assert_int_equal(mu_qsbr_create(4, &world->qsbr), 0);
        assert_int_equal(mu_device_table_create(world->qsbr, &world->devices), 0);
        const struct mu_dispatcher_config config = {
                .devices = world->devices,
                .fcm = (struct mu_fcm *)&connection,
                .clock = &world->clock.clock,
        };

        assert_int_equal(mu_dispatcher_create(&config, &world->dispatcher), 0);
}

void world_destroy(void)
{
        for (size_t i = 0; i < world->send_count; i++)
                free(world->sends[i].try);
        mu_dispatcher_destroy(world->dispatcher);
        mu_device_table_destroy(world->devices);
        mu_qsbr_destroy(world->qsbr);
        free(world);
        world = NULL;
}

void world_add_devices(int64_t count)
{
        mu_device_table_lock(world->devices);
        for (int64_t id = 1; id <= count; id++) {
                struct mu_device *device;

                assert_int_equal(mu_device_table_add(world->devices, id, &device), 0);
        }
        mu_device_table_unlock(world->devices);
}

struct world_command *world_queue(int64_t device_id)
{
        struct world_command *command = &world->commands[world->command_count];

        assert_true(world->command_count < WORLD_COMMANDS_MAX);
        *command = (struct world_command){
                .id = (int64_t)++world->command_count,
                .device_id = device_id,
                .state = MU_COMMAND_QUEUED,
                .payload_bytes = 2,
        };
        mu_dispatcher_changed(world->dispatcher, &device_id, 1);
        return command;
}

void world_connect(int64_t device_id)
{
        struct world_device *state = &world->state[device_id];

        state->connected = state->fresh = true;
        state->channel =
                (state->channel / WORLD_DEVICES_MAX + 1) * WORLD_DEVICES_MAX + (uint64_t)device_id;
        mu_dispatcher_changed(world->dispatcher, &device_id, 1);
}

void world_disconnect(int64_t device_id)
{
        world->state[device_id].connected = false;
        mu_dispatcher_changed(world->dispatcher, &device_id, 1);
}

void world_settle(void)
{
        uint64_t wait_ms;
        int rounds = 0;

        do {
                assert_true(mu_dispatcher_take_intake(world->dispatcher));
                wait_ms = mu_dispatcher_step(world->dispatcher);
                assert_true(++rounds < 1000); /* it comes to rest */
        } while (wait_ms == 0);
}

void world_advance_ms(int64_t ms)
{
        fake_clock_advance_ms(&world->clock, ms);
        world_settle();
}

void world_says(int64_t device_id, const char *json)
{
        struct mu_device *device = mu_device_table_by_id(world->devices, device_id);

        assert_true(mu_dispatcher_take_message(world->dispatcher, device, handle_of(device_id),
                                               json, strlen(json)));
        world_settle();
}

void world_acknowledges(int64_t device_id, int64_t command_id)
{
        char line[96];

        (void)snprintf(line, sizeof(line), "{\"type\":\"received\",\"command_id\":\"%lld\"}",
                       (long long)command_id);
        world_says(device_id, line);
}

size_t world_sends_of(int64_t command_id, enum mu_command_path path)
{
        size_t count = 0;

        for (size_t i = 0; i < world->send_count; i++)
                count += world->sends[i].command_id == command_id && world->sends[i].path == path;
        return count;
}

uint32_t world_pending(int64_t device_id)
{
        return mu_device_table_by_id(world->devices, device_id)->commands_pending;
}
