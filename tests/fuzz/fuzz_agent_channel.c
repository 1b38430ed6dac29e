/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broken or hostile appliance: whatever it sends, an agent runs what was signed, once, one at a
 * time, and neither asks without end nor turns without a pause.
 *
 * The input is a script, an operation a line:
 *   M text      a message of the channel          S n id type payload  one with a command signed
 * with O           the channel opens                                      key n, good for now C
 * code      it is closed                      G n id type payload  the same in a fetch's reply F
 * status text    the reply to a fetch         D text   the machine is done: its result R status
 * text    to an acknowledgement        E text   the machine failed W n         a heartbeat's reply:
 * n commands   T        the agent is killed and starts again A seconds   time passes N        the
 * network is back
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/text.h"
#include "core/downlink.h"
#include "core/store.h"
#include "fake_platform.h"
#include "wire/command_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum {
        LINES_MAX = 64,
        LINE_BYTES_MAX = 4096,
        REQUESTS_MAX = 5, /* one fetch and four acknowledgements */
        ROUNDS_MAX = 300,
};

struct pending {
        bool is_fetch;
        mu_agent_reply_fn *done;
        void *done_context;
};

struct stage {
        struct mu_agent_platform platform;
        struct mu_clock clock;
        struct mu_agent_core core;
        struct mu_agent_downlink *downlink;
        uint64_t elapsed_ns;
        bool is_open;
        size_t pending_count;
        struct pending pending[REQUESTS_MAX];
        uint64_t fetches;
        uint64_t signed_count;
        size_t run_count;
        int64_t run_ids[LINES_MAX];
        bool is_acting;
        struct mu_agent_action action;
        mu_agent_action_fn *action_done;
        void *action_context;
};

/* ---- the machine ---- */

static uint64_t monotonic(void *context)
{
        return FAKE_START_NS + ((struct stage *)context)->elapsed_ns;
}

static int64_t realtime(void *context)
{
        return FAKE_START_US + (int64_t)(((struct stage *)context)->elapsed_ns / 1000);
}

static int on_read(void *context, const char *monitored, struct mu_agent_readings *ret_readings)
{
        (void)context;
        (void)monitored;
        (void)snprintf(ret_readings->boot_id, sizeof(ret_readings->boot_id), "boot");
        return 0;
}

static int on_request(void *context, const struct mu_agent_request *request,
                      mu_agent_reply_fn *done, void *done_context)
{
        struct stage *stage = context;
        bool is_fetch = strcmp(request->method, "GET") == 0;

        MU_ASSERT(stage->pending_count < REQUESTS_MAX);
        MU_ASSERT(request->authorization == MU_AGENT_AUTH_TOKEN && request->timeout_ms > 0);
        MU_ASSERT(strncmp(request->path, "/v1/commands", 12) == 0);
        stage->pending[stage->pending_count++] = (struct pending){is_fetch, done, done_context};
        stage->fetches += is_fetch;
        return 0;
}

static void on_cancel_all(void *context)
{
        ((struct stage *)context)->pending_count = 0;
}

static int on_push_open(void *context, const char *path)
{
        struct stage *stage = context;

        MU_ASSERT(!stage->is_open && strcmp(path, "/v1/device/ws") == 0);
        stage->is_open = true;
        return 0;
}

static int on_push_send(void *context, const char *text, size_t bytes)
{
        json_t *message = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);

        MU_ASSERT(((struct stage *)context)->is_open);
        MU_ASSERT(json_is_object(message) && bytes <= 128 * 1024);
        json_decref(message);
        return 0;
}

static void on_push_close(void *context)
{
        ((struct stage *)context)->is_open = false;
}

static int on_act(void *context, const struct mu_agent_action *action, mu_agent_action_fn *done,
                  void *done_context)
{
        struct stage *stage = context;

        MU_ASSERT(!stage->is_acting);
        MU_ASSERT(json_is_object(action->payload) && mu_command_type_valid(action->type));
        if (strcmp(action->type, "wipe") == 0)
                return -ENOTSUP;
        for (size_t i = 0; i < stage->run_count; i++)
                MU_ASSERT(stage->run_ids[i] != action->command_id);
        MU_ASSERT(stage->run_count < stage->signed_count);
        stage->run_ids[stage->run_count++] = action->command_id;
        stage->is_acting = true;
        stage->action = *action;
        stage->action_done = done;
        stage->action_context = done_context;
        return 0;
}

static int on_save(void *context, const char *text, size_t bytes)
{
        (void)context;
        MU_ASSERT(strlen(text) == bytes);
        return 0;
}

static void on_log(void *context, const struct mu_agent_event *event)
{
        char line[MU_AGENT_EVENT_FIELDS_BYTES + 2];

        (void)context;
        (void)snprintf(line, sizeof(line), "{%s}", event->fields);
        json_t *json = json_loads(line, 0, NULL);

        MU_ASSERT(json);
        json_decref(json);
}

/* ---- the core, on one database for all inputs ---- */

static int delete_rows(void *database, int columns, char **values, char **names)
{
        char *statement = sqlite3_mprintf("DELETE FROM \"%w\"", values[0]);

        (void)columns;
        (void)names;
        MU_ASSERT(statement && sqlite3_exec(database, statement, NULL, NULL, NULL) == SQLITE_OK);
        sqlite3_free(statement);
        return 0;
}

static void remove_files(const char *directory)
{
        static const char *const names[] = {"agent.db", "agent.db-wal", "agent.db-shm"};
        char path[128];

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                (void)unlink(path);
        }
        (void)rmdir(directory);
}

/* Its files have no name any more when it returns: nothing is left, however the process ends. */
static struct mu_agent_store *open_store(struct mu_agent_events *events)
{
        char directory[] = "/tmp/fuzz-agent-XXXXXX";
        char path[64];
        struct mu_agent_store *store;

        MU_ASSERT(mkdtemp(directory));
        (void)snprintf(path, sizeof(path), "%s/agent.db", directory);
        MU_ASSERT(mu_agent_store_open(path, events, &store) == 0);
        MU_ASSERT(sqlite3_exec(mu_agent_store_database(store), "PRAGMA synchronous = OFF", NULL,
                               NULL, NULL) == SQLITE_OK);
        remove_files(directory);
        return store;
}

static void begin(struct stage *stage)
{
        struct mu_agent_core *core = &stage->core;

        mu_agent_clock_sync_init(&core->clock, &stage->clock, core->store);
        MU_ASSERT(mu_agent_queue_create(core->store, core->events, &core->clock, &core->queue) ==
                  0);
        MU_ASSERT(mu_agent_command_book_create(core->store, &core->book) == 0);
        MU_ASSERT(mu_agent_downlink_create(core, &stage->downlink) == 0);
        core->downlink = stage->downlink;
}

static void end(struct stage *stage)
{
        stage->platform.cancel_all(stage);
        mu_agent_downlink_destroy(stage->downlink);
        MU_ASSERT(!stage->is_open);
        stage->is_acting = false;
        mu_agent_command_book_destroy(stage->core.book);
        mu_agent_queue_destroy(stage->core.queue);
}

static void set_up(struct stage *stage)
{
        static struct mu_agent_store *store; /* one for the process */
        static struct mu_agent_events *events;
        static struct mu_agent_platform quiet;
        static const struct mu_clock *clock;

        stage->clock = (struct mu_clock){monotonic, realtime, stage};
        stage->platform = (struct mu_agent_platform){
                .context = stage,
                .clock = &stage->clock,
                .crypto = &fake_crypto,
                .kind = "desktop",
                .version = "1.0.0",
                .read = on_read,
                .request = on_request,
                .cancel_all = on_cancel_all,
                .push_open = on_push_open,
                .push_send = on_push_send,
                .push_close = on_push_close,
                .act = on_act,
                .save = on_save,
                .log = on_log,
        };
        if (!store) {
                clock = mu_clock_system();
                quiet = (struct mu_agent_platform){.clock = clock, .log = on_log};
                MU_ASSERT(mu_agent_events_create(&quiet, &events) == 0);
                store = open_store(events);
        }
        MU_ASSERT(sqlite3_exec(mu_agent_store_database(store),
                               "SELECT name FROM sqlite_master WHERE type = 'table'"
                               " AND name NOT LIKE 'sqlite_%'",
                               delete_rows, mu_agent_store_database(store), NULL) == SQLITE_OK);
        stage->core.platform = &stage->platform;
        stage->core.events = events;
        stage->core.store = store;
        stage->core.online = true;
        mu_random_seed(&stage->core.random, 1);
        mu_agent_config_init(&stage->core.config);
        (void)snprintf(stage->core.config.server, sizeof(stage->core.config.server),
                       "http://127.0.0.1:1");
        (void)snprintf(stage->core.config.token, sizeof(stage->core.config.token), "mu_test");
        stage->core.config.device_id = 17;
        stage->core.config.current.version = 1;
        memset(stage->core.config.current.bytes, 0x11, MU_COMMAND_KEY_BYTES);
        mu_agent_readings_init(&stage->core.readings);
        begin(stage);
}

static void step(struct stage *stage)
{
        uint64_t due_ns;
        int rounds = 0;

        do {
                stage->core.changed = false;
                due_ns = mu_agent_downlink_step(stage->downlink);
                MU_ASSERT(++rounds < ROUNDS_MAX);
        } while (stage->core.changed);
        MU_ASSERT(due_ns > monotonic(stage));
}

/* ---- the script ---- */

static void push(struct stage *stage, const char *text, size_t bytes)
{
        mu_agent_downlink_push(stage->downlink, MU_AGENT_PUSH_MESSAGE, 0, text, bytes);
}

static void reply(struct stage *stage, bool is_fetch, int status, const char *body)
{
        struct mu_agent_reply answer = {
                .error = status == 0 ? -ECONNRESET : 0,
                .status = status,
                .retry_after_s = status == 429 ? INT64_MAX : -1,
                .body = status == 0 ? "" : body,
                .body_bytes = status == 0 ? 0 : strlen(body),
                .sentence = "The appliance is away.",
        };

        for (size_t i = 0; i < stage->pending_count; i++) {
                struct pending pending = stage->pending[i];

                if (pending.is_fetch != is_fetch)
                        continue;
                stage->pending[i] = stage->pending[--stage->pending_count];
                pending.done(pending.done_context, &answer);
                return;
        }
}

/* text: "n id type payload". NULL: it is no command. */
static char *sign(struct stage *stage, char *text)
{
        char *rest = NULL;
        const char *version = strtok_r(text, " ", &rest);
        const char *id = strtok_r(NULL, " ", &rest);
        const char *type = strtok_r(NULL, " ", &rest);
        struct mu_command_key key = {.version = version ? (uint32_t)(version[0] - '0') : 0};
        struct mu_command_form form = {
                .device_id = 17,
                .command_id = id ? mu_command_id_read(id) : 0,
                .timestamp_s = realtime(stage) / MU_US_PER_S,
                .type = type ? type : "",
                .payload = rest ? rest : "",
                .payload_bytes = rest ? strlen(rest) : 0,
                .key_version = key.version,
        };
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        struct mu_text json;
        char *envelope = NULL;
        size_t bytes;

        memset(key.bytes, (int)(0x11 * (key.version & 15)), sizeof(key.bytes));
        memset(form.nonce, (int)++stage->signed_count, sizeof(form.nonce));
        if (mu_command_sign(&form, &key, &fake_crypto.command, signature) < 0)
                return NULL;
        mu_text_init(&json);
        MU_ASSERT(mu_command_envelope_write(&form, signature, &json, NULL) == 0);
        MU_ASSERT(mu_text_take(&json, &envelope, &bytes) == 0);
        return envelope;
}

static void give_signed(struct stage *stage, char *text, bool fetched)
{
        char *envelope = sign(stage, text);
        struct mu_text message;

        if (!envelope)
                return;
        mu_text_init(&message);
        mu_text_add(&message, fetched ? "{\"commands\":[" : "{\"type\":\"command\",\"command\":");
        mu_text_add(&message, envelope);
        mu_text_add(&message, fetched ? "],\"more\":true}" : "}");
        MU_ASSERT(mu_text_status(&message) == 0);
        if (fetched)
                reply(stage, true, 200, message.data);
        else
                push(stage, message.data, message.bytes);
        mu_text_done(&message);
        free(envelope);
}

static void end_action(struct stage *stage, const char *result, const char *error)
{
        if (!stage->is_acting)
                return;
        stage->is_acting = false;
        stage->action_done(stage->action_context, stage->action.command_id, result, error);
}

static void operate(struct stage *stage, char operation, char *text)
{
        char *rest = text;
        long number = strtol(text, &rest, 10);

        if (*rest == ' ')
                rest++;
        switch (operation) {
        case 'M':
                push(stage, text, strlen(text));
                break;
        case 'O':
                if (stage->is_open)
                        mu_agent_downlink_push(stage->downlink, MU_AGENT_PUSH_OPENED, 0, "", 0);
                break;
        case 'C':
                if (stage->is_open) {
                        stage->is_open = false;
                        mu_agent_downlink_push(stage->downlink, MU_AGENT_PUSH_CLOSED, (int)number,
                                               rest, strlen(rest));
                }
                break;
        case 'F':
        case 'R':
                reply(stage, operation == 'F', (int)number, rest);
                break;
        case 'S':
        case 'G':
                give_signed(stage, text, operation == 'G');
                break;
        case 'D':
                end_action(stage, *text ? text : NULL, NULL);
                break;
        case 'E':
                end_action(stage, NULL, text);
                break;
        case 'W':
                mu_agent_downlink_waiting(stage->downlink, number);
                break;
        case 'A':
                stage->elapsed_ns += (uint64_t)(number < 0      ? 0
                                                : number > 9999 ? 9999
                                                                : number) *
                                     (uint64_t)MU_NS_PER_S;
                break;
        case 'N':
                mu_agent_downlink_network(stage->downlink);
                break;
        case 'T':
                end(stage);
                begin(stage);
                break;
        default:
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct stage *stage = calloc(1, sizeof(*stage));
        const uint8_t *at = data;
        char line[LINE_BYTES_MAX + 1];

        MU_ASSERT(stage);
        set_up(stage);
        step(stage);
        for (int i = 0; i < LINES_MAX && at < data + bytes; i++) {
                const uint8_t *newline = memchr(at, '\n', bytes - (size_t)(at - data));
                size_t length = (size_t)((newline ? newline : data + bytes) - at);

                if (length > 0) {
                        size_t taken = length - 1 < LINE_BYTES_MAX ? length - 1 : LINE_BYTES_MAX;

                        memcpy(line, at + 1, taken);
                        line[taken] = '\0';
                        operate(stage, (char)at[0], line + (line[0] == ' '));
                        step(stage);
                }
                at += length + (newline != NULL);
        }
        /* One at the start of each pause; what brought something new may go on without one. */
        MU_ASSERT(stage->fetches <=
                  LINES_MAX / 2 + stage->signed_count +
                          stage->elapsed_ns / (MU_AGENT_FETCH_PAUSE_MS * (uint64_t)MU_NS_PER_MS));
        end(stage);
        mu_agent_config_done(&stage->core.config);
        free(stage);
        return 0;
}
