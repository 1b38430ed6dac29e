/* SPDX-License-Identifier: Apache-2.0 */
/*
 * downlink_turn.c - the command whose turn it is.
 *
 *   IDLE ─ the book's oldest ─▶ ACKNOWLEDGING ─ run, or nobody answered in 10 s ─▶ (book: RUNNING)
 *     ▲                              │ not to be run                     builtin │  │ platform.act
 *     ├──────── (book: DROPPED) ◀────┘                                           │  ▼
 *     │                                                                          │ RUNNING
 *     └── (queue: result; book: ANSWERED) ◀── ANSWERING ◀────────────────────────┴──┘
 *
 * In this order on disk, so that a stop at any moment neither runs a command twice nor loses its
 * result.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "core/downlink_private.h"
#include "core/uplink.h"
#include "core/wipe.h"
#include "muster/wire.h"

/* In the book, for a boot id: begun a second time. */
#define AGAIN "again"

enum {
        NOT_FOUND = 404,
        PATH_BYTES = 64,
        SENTENCE_BYTES = 200,
};

static bool is_turn_of(const struct mu_downlink_turn *turn, int64_t command_id)
{
        return turn->state != MU_DOWNLINK_IDLE && turn->command.id == command_id;
}

/* The command leaves; the next one's turn. */
static void end_turn(struct mu_agent_downlink *downlink)
{
        struct mu_downlink_turn *turn = &downlink->turn;

        json_decref(turn->payload);
        turn->payload = NULL;
        if (turn->command.payload) /* rotate_key's holds a key */
                mu_agent_wipe(turn->command.payload, turn->command.payload_bytes);
        mu_agent_command_done(&turn->command);
        memset(&turn->command, 0, sizeof(turn->command));
        mu_text_done(&turn->body);
        turn->state = MU_DOWNLINK_IDLE;
        downlink->core->changed = true;
}

static void wait_for_disk(struct mu_agent_downlink *downlink)
{
        downlink->turn.retry_ns =
                mu_downlink_later(mu_agent_now_ns(downlink->core), MU_DOWNLINK_STORE_RETRY_MS);
}

/* Of this boot; "" when even the platform does not know. */
static void read_boot_id(const struct mu_agent_core *core, char ret[MU_AGENT_BOOT_ID_BYTES])
{
        const struct mu_agent_platform *platform = core->platform;
        struct mu_agent_readings readings;

        if (*core->readings.boot_id) {
                memcpy(ret, core->readings.boot_id, MU_AGENT_BOOT_ID_BYTES);
                return;
        }
        mu_agent_readings_init(&readings);
        (void)platform->read(platform->context, core->config.monitored_package, &readings);
        json_decref(readings.extra);
        memcpy(ret, readings.boot_id, MU_AGENT_BOOT_ID_BYTES);
}

/* ---- answering ---- */

/* First the result, then the book: a stop in between finds RUNNING, and the queue keeps the first
 * result of a command. */
static void write_down(struct mu_agent_downlink *downlink)
{
        struct mu_agent_core *core = downlink->core;
        struct mu_downlink_turn *turn = &downlink->turn;
        int r = mu_agent_queue_result(core->queue, turn->command.id, turn->body.data,
                                      turn->body.bytes, mu_agent_now_us(core));

        if (r == 0 || r == -EALREADY)
                r = mu_agent_command_book_set(core->book, turn->command.id,
                                              MU_AGENT_COMMAND_ANSWERED, NULL);
        if (r < 0) {
                mu_agent_event(core->events, MU_AGENT_ERROR, "command.result",
                               "\"command_id\":\"%" PRId64 "\",\"not_written\":%d",
                               turn->command.id, r);
                wait_for_disk(downlink);
                return;
        }
        mu_agent_event(core->events, turn->done ? MU_AGENT_INFO : MU_AGENT_WARNING,
                       "command.result",
                       "\"command_id\":\"%" PRId64 "\",\"type\":\"%s\",\"status\":\"%s\"",
                       turn->command.id, turn->command.type, turn->done ? "done" : "failed");
        end_turn(downlink);
        downlink->results.maybe = true;
        if (core->uplink) /* which leaves it to an open channel for a while */
                mu_agent_uplink_result_queued(core->uplink);
}

static void answer(struct mu_agent_downlink *downlink, const char *result, const char *error)
{
        struct mu_downlink_turn *turn = &downlink->turn;

        mu_text_init(&turn->body);
        turn->state = MU_DOWNLINK_ANSWERING;
        turn->retry_ns = 0;
        turn->done = !error;
        int r = mu_agent_result_write(downlink->core, &turn->command, result, error, &turn->body);

        if (r < 0) {
                /* No memory: what can be said without it. */
                mu_text_done(&turn->body);
                mu_text_init(&turn->body);
                turn->done = false;
                r = mu_agent_result_write(downlink->core, &turn->command, NULL,
                                          "The agent ran out of memory.", &turn->body);
        }
        if (r < 0) {
                mu_agent_event(downlink->core->events, MU_AGENT_ERROR, "command.result",
                               "\"command_id\":\"%" PRId64 "\",\"not_written\":%d",
                               turn->command.id, r);
                /* RUNNING in the book: found there again, as after a restart. */
                end_turn(downlink);
                turn->resumed = false;
                turn->waiting = true;
                wait_for_disk(downlink);
                return;
        }
        write_down(downlink);
}

/* ---- running ---- */

static void on_action_done(void *context, int64_t command_id, const char *result, const char *error)
{
        struct mu_agent_downlink *downlink = context;

        if (downlink->turn.state == MU_DOWNLINK_RUNNING && is_turn_of(&downlink->turn, command_id))
                answer(downlink, result, error);
}

static void run_by_platform(struct mu_agent_downlink *downlink)
{
        struct mu_downlink_turn *turn = &downlink->turn;
        const struct mu_agent_platform *platform = downlink->core->platform;
        struct mu_agent_action action = {
                .command_id = turn->command.id,
                .type = turn->command.type,
                .payload = turn->payload,
        };
        char sentence[SENTENCE_BYTES];

        turn->state = MU_DOWNLINK_RUNNING;
        int r = platform->act(platform->context, &action, on_action_done, downlink);

        if (r == 0)
                return;
        if (r == -ENOTSUP)
                (void)snprintf(sentence, sizeof(sentence),
                               "The agent on this device does not support the command %s.",
                               turn->command.type);
        else if (r == -EPERM)
                (void)snprintf(sentence, sizeof(sentence),
                               "The policy of this device does not allow the command %s.",
                               turn->command.type);
        else
                (void)snprintf(sentence, sizeof(sentence),
                               "The device could not begin with the command %s: error %d.",
                               turn->command.type, -r);
        answer(downlink, NULL, sentence);
}

/* The book says that it runs. */
static void execute(struct mu_agent_downlink *downlink)
{
        struct mu_agent_core *core = downlink->core;
        struct mu_downlink_turn *turn = &downlink->turn;
        const struct mu_agent_command *command = &turn->command;
        char *result = NULL;
        char *error = NULL;

        mu_agent_event(core->events, MU_AGENT_INFO, "command.run",
                       "\"command_id\":\"%" PRId64 "\",\"type\":\"%s\"", command->id,
                       command->type);
        turn->payload =
                json_loadb(command->payload, command->payload_bytes, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(turn->payload)) {
                answer(downlink, NULL, "The command's payload is not a JSON object.");
                return;
        }
        int r = mu_agent_builtin_run(core, command, turn->payload, &result, &error);

        if (r == -ENOTSUP)
                run_by_platform(downlink);
        else if (r < 0)
                answer(downlink, NULL, "The agent ran out of memory.");
        else
                answer(downlink, result, error);
        free(result);
        free(error);
}

static void run(struct mu_agent_downlink *downlink)
{
        struct mu_agent_core *core = downlink->core;
        struct mu_downlink_turn *turn = &downlink->turn;
        struct mu_agent_command *command = &turn->command;

        _Static_assert(sizeof(command->boot_id) == MU_AGENT_BOOT_ID_BYTES, "one boot id");
        read_boot_id(core, command->boot_id);
        int r = mu_agent_command_book_set(core->book, command->id, MU_AGENT_COMMAND_RUNNING,
                                          command->boot_id);

        if (r == 0) {
                execute(downlink);
                return;
        }
        /* Not begun: its turn comes again. */
        turn->waiting = true;
        turn->waiting_count++;
        end_turn(downlink);
        wait_for_disk(downlink);
}

/* ---- after a restart ---- */

/* The core's own can be run twice, and half a rotation of keys is worse than that: once more, and
 * no third time, should it be what ends the agent. */
static bool run_again(struct mu_agent_downlink *downlink)
{
        const struct mu_agent_command *command = &downlink->turn.command;

        if (!mu_agent_builtin_knows(command->type) || strcmp(command->boot_id, AGAIN) == 0 ||
            mu_agent_command_book_set(downlink->core->book, command->id, MU_AGENT_COMMAND_RUNNING,
                                      AGAIN) < 0)
                return false;
        execute(downlink);
        return true;
}

/* A stop cut it off. What can be proved to have happened is done. */
static void answer_cut_off(struct mu_agent_downlink *downlink)
{
        const struct mu_agent_command *command = &downlink->turn.command;
        char boot_id[MU_AGENT_BOOT_ID_BYTES];

        if (run_again(downlink))
                return;
        read_boot_id(downlink->core, boot_id);
        bool done = strcmp(command->type, "reboot") == 0 && *boot_id && *command->boot_id &&
                    strcmp(boot_id, command->boot_id) != 0;

        answer(downlink, NULL,
               done ? NULL
                    : "The agent was stopped while the command ran; whether it took effect is "
                      "not known.");
}

/* ---- acknowledging ---- */

static bool say_by_channel(struct mu_agent_downlink *downlink, int64_t command_id)
{
        const struct mu_agent_platform *platform = downlink->core->platform;
        char text[PATH_BYTES];
        int bytes = snprintf(text, sizeof(text),
                             "{\"type\":\"received\",\"command_id\":\"%" PRId64 "\"}", command_id);

        return platform->push_send(platform->context, text, (size_t)bytes) == 0;
}

static void not_reached(struct mu_agent_downlink *downlink, int64_t command_id,
                        int64_t retry_after_s)
{
        struct mu_downlink_turn *turn = &downlink->turn;
        uint64_t wait_ms = retry_after_s > MU_DOWNLINK_ACK_RETRY_MS / MU_MS_PER_S
                                   ? MU_AGENT_ACKNOWLEDGE_MS
                                   : MU_DOWNLINK_ACK_RETRY_MS;

        if (turn->state != MU_DOWNLINK_ACKNOWLEDGING || !is_turn_of(turn, command_id))
                return;
        turn->said = MU_DOWNLINK_SAID_NOT;
        turn->say_ns = mu_downlink_later(mu_agent_now_ns(downlink->core), wait_ms);
}

static void on_received_reply(void *context, const struct mu_agent_reply *reply)
{
        struct mu_downlink_request *request = context;
        struct mu_agent_downlink *downlink = request->downlink;
        enum mu_agent_answer said = mu_agent_answer_of(downlink->core, reply);
        json_t *body = NULL;
        const json_t *run;

        request->is_busy = false;
        downlink->core->changed = true;
        if (said == MU_AGENT_ANSWER_RETRY)
                mu_breaker_failure(&downlink->ack_breaker);
        else
                mu_breaker_success(&downlink->ack_breaker);
        switch (said) {
        case MU_AGENT_ANSWER_OK:
                body = json_loadb(reply->body, reply->body_bytes, JSON_REJECT_DUPLICATES, NULL);
                run = json_object_get(body, "run");
                if (json_is_boolean(run))
                        mu_downlink_acknowledged(downlink, request->command_id, json_is_true(run));
                json_decref(body);
                break;
        case MU_AGENT_ANSWER_RETRY:
                not_reached(downlink, request->command_id, reply->retry_after_s);
                break;
        case MU_AGENT_ANSWER_REFUSED:
                /* The appliance knows no such command any more. */
                if (reply->status == NOT_FOUND)
                        mu_downlink_acknowledged(downlink, request->command_id, false);
                break;
        case MU_AGENT_ANSWER_TOKEN:
        case MU_AGENT_ANSWER_GONE:
                break;
        }
}

static bool say_by_http(struct mu_agent_downlink *downlink, int64_t command_id)
{
        const struct mu_agent_platform *platform = downlink->core->platform;
        struct mu_downlink_request *request = NULL;
        char path[PATH_BYTES];

        for (size_t i = 0; i < MU_DOWNLINK_REQUESTS && !request; i++)
                if (!downlink->requests[i].is_busy)
                        request = &downlink->requests[i];
        if (!request || !downlink->core->online || !mu_breaker_allow(&downlink->ack_breaker))
                return false;
        (void)snprintf(path, sizeof(path), MU_PATH_COMMANDS "/%" PRId64 "/received", command_id);
        *request = (struct mu_downlink_request){downlink, command_id, true};
        int r = platform->request(platform->context,
                                  &(struct mu_agent_request){
                                          .method = "POST",
                                          .path = path,
                                          .body = "{}",
                                          .body_bytes = 2,
                                          .authorization = MU_AGENT_AUTH_TOKEN,
                                          .timeout_ms = MU_AGENT_ACKNOWLEDGE_MS,
                                  },
                                  on_received_reply, request);

        if (r == 0)
                return true;
        mu_breaker_failure(&downlink->ack_breaker);
        request->is_busy = false;
        return false;
}

static void say_received(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        struct mu_downlink_turn *turn = &downlink->turn;
        int64_t id = turn->command.id;

        if (turn->said != MU_DOWNLINK_SAID_NOT || now_ns < turn->say_ns)
                return;
        if (downlink->channel == MU_AGENT_CHANNEL_OPEN && !turn->not_by_channel &&
            say_by_channel(downlink, id))
                turn->said = MU_DOWNLINK_SAID_BY_CHANNEL;
        else if (say_by_http(downlink, id))
                turn->said = MU_DOWNLINK_SAID_BY_HTTP;
        else
                turn->say_ns = mu_downlink_later(now_ns, MU_DOWNLINK_ACK_RETRY_MS);
}

void mu_downlink_acknowledged(struct mu_agent_downlink *downlink, int64_t command_id, bool to_run)
{
        struct mu_agent_core *core = downlink->core;
        struct mu_downlink_turn *turn = &downlink->turn;

        if (turn->state != MU_DOWNLINK_ACKNOWLEDGING || !is_turn_of(turn, command_id))
                return;
        core->changed = true;
        if (to_run) {
                turn->deadline_ns =
                        mu_agent_now_ns(core); /* in the next step, not inside of this */
                return;
        }
        int r = mu_agent_command_book_set(core->book, command_id, MU_AGENT_COMMAND_DROPPED, NULL);

        if (r < 0) {
                /* Still RECEIVED: asked again when the disk takes it. */
                turn->waiting = true;
                turn->waiting_count++;
                end_turn(downlink);
                wait_for_disk(downlink);
                return;
        }
        mu_agent_event(core->events, MU_AGENT_INFO, "command.dropped",
                       "\"command_id\":\"%" PRId64 "\",\"type\":\"%s\"", command_id,
                       turn->command.type);
        end_turn(downlink);
}

void mu_downlink_not_acknowledged(struct mu_agent_downlink *downlink, int64_t command_id)
{
        struct mu_downlink_turn *turn = &downlink->turn;

        if (turn->state != MU_DOWNLINK_ACKNOWLEDGING || !is_turn_of(turn, command_id) ||
            turn->said != MU_DOWNLINK_SAID_BY_CHANNEL)
                return;
        turn->not_by_channel = true;
        turn->said = MU_DOWNLINK_SAID_NOT;
        downlink->core->changed = true;
}

void mu_downlink_turn_channel_closed(struct mu_agent_downlink *downlink)
{
        if (downlink->turn.said == MU_DOWNLINK_SAID_BY_CHANNEL)
                downlink->turn.said = MU_DOWNLINK_SAID_NOT;
}

void mu_downlink_acknowledge_again(struct mu_agent_downlink *downlink, int64_t command_id)
{
        for (size_t i = 0; i < downlink->again_count; i++)
                if (downlink->again[i] == command_id)
                        return;
        /* Full: the appliance will send the command once more. */
        if (downlink->again_count < MU_DOWNLINK_AGAIN_MAX)
                downlink->again[downlink->again_count++] = command_id;
        downlink->core->changed = true;
}

/* Once each; what can't be said now is forgotten, for the command comes again. */
static void say_again(struct mu_agent_downlink *downlink)
{
        for (size_t i = 0; i < downlink->again_count; i++)
                if (downlink->channel != MU_AGENT_CHANNEL_OPEN ||
                    !say_by_channel(downlink, downlink->again[i]))
                        (void)say_by_http(downlink, downlink->again[i]);
        downlink->again_count = 0;
}

/* ---- a step ---- */

static void begin_turn(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        struct mu_downlink_turn *turn = &downlink->turn;

        turn->said = MU_DOWNLINK_SAID_NOT;
        turn->not_by_channel = false;
        turn->say_ns = now_ns;
        turn->deadline_ns = mu_downlink_later(now_ns, MU_AGENT_ACKNOWLEDGE_MS);
        turn->state = MU_DOWNLINK_ACKNOWLEDGING;
        mu_text_init(&turn->body);
}

/* True: there is one. */
static bool take_next(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        struct mu_downlink_turn *turn = &downlink->turn;
        bool resuming = !turn->resumed;
        int r = mu_agent_command_book_next(
                downlink->core->book,
                resuming ? MU_AGENT_COMMAND_RUNNING : MU_AGENT_COMMAND_RECEIVED, &turn->command);

        if (r == -ENOENT && resuming) {
                turn->resumed = true;
                return true;
        }
        if (r == -ENOENT) {
                turn->waiting = false;
                turn->waiting_count = 0;
                return false;
        }
        if (r < 0) {
                wait_for_disk(downlink);
                return false;
        }
        begin_turn(downlink, now_ns);
        if (resuming)
                answer_cut_off(downlink);
        else if (turn->waiting_count > 0)
                turn->waiting_count--;
        return true;
}

/* True: look again. */
static bool go_on(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        struct mu_downlink_turn *turn = &downlink->turn;

        switch (turn->state) {
        case MU_DOWNLINK_IDLE:
                return turn->waiting && now_ns >= turn->retry_ns && take_next(downlink, now_ns);
        case MU_DOWNLINK_ACKNOWLEDGING:
                if (now_ns < turn->deadline_ns) {
                        say_received(downlink, now_ns);
                        return false;
                }
                run(downlink);
                return true;
        case MU_DOWNLINK_ANSWERING:
                if (now_ns < turn->retry_ns)
                        return false;
                write_down(downlink);
                return true;
        case MU_DOWNLINK_RUNNING:
                break;
        }
        return false;
}

uint64_t mu_downlink_turn_step(struct mu_agent_downlink *downlink, uint64_t now_ns)
{
        const struct mu_downlink_turn *turn = &downlink->turn;

        say_again(downlink);
        /* Ends: each turn waits for an answer to its acknowledgement, or for the disk. */
        while (go_on(downlink, now_ns))
                continue;
        switch (turn->state) {
        case MU_DOWNLINK_ACKNOWLEDGING:
                return turn->said == MU_DOWNLINK_SAID_NOT
                               ? mu_downlink_earlier(turn->say_ns, turn->deadline_ns)
                               : turn->deadline_ns;
        case MU_DOWNLINK_ANSWERING:
                return turn->retry_ns;
        case MU_DOWNLINK_IDLE:
                return turn->waiting ? turn->retry_ns : MU_AGENT_NEVER;
        case MU_DOWNLINK_RUNNING:
                break;
        }
        return MU_AGENT_NEVER;
}

void mu_downlink_turn_done(struct mu_agent_downlink *downlink)
{
        if (downlink->turn.state != MU_DOWNLINK_IDLE)
                end_turn(downlink);
}
