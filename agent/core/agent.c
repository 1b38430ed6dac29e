/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "core/core.h"
#include "core/updater.h"

enum agent_limits {
        DATABASE_PATH_BYTES = 4096,
        ROUNDS_MAX = 64, /* of one step; then the loop gets its turn */
};

struct mu_agent {
        struct mu_agent_core core;
};

static int say(char ret_sentence[MU_AGENT_SENTENCE_BYTES], const char *what, const char *where,
               int error)
{
        (void)snprintf(ret_sentence, MU_AGENT_SENTENCE_BYTES, "%.100s %.120s (error %d).", what,
                       where, -error);
        return error;
}

static int open_store(struct mu_agent_core *core, const char *directory,
                      char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        char path[DATABASE_PATH_BYTES];
        int bytes = snprintf(path, sizeof(path), "%s/agent.db", directory);

        if (bytes < 0 || (size_t)bytes >= sizeof(path))
                return say(ret_sentence, "The path of the state directory is too long:", directory,
                           -ENAMETOOLONG);
        int r = mu_agent_store_open(path, core->events, &core->store);

        if (r == -EBUSY)
                return say(ret_sentence,
                           "Another agent is running on this database; stop it first:", path, r);
        if (r < 0)
                return say(ret_sentence, "The agent's database cannot be opened:", path, r);
        mu_agent_clock_sync_init(&core->clock, mu_agent_elapsed(core), core->store);
        r = mu_agent_queue_create(core->store, core->events, &core->clock, &core->queue);
        if (r == 0)
                r = mu_agent_command_book_create(core->store, &core->book);
        if (r == 0)
                r = mu_agent_load_deleted(core);
        return r < 0 ? say(ret_sentence, "The agent's database cannot be used:", path, r) : 0;
}

static int create_parts(struct mu_agent_core *core, const char *directory,
                        char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        int r = mu_random_seed_from_system(&core->random);

        if (r == 0)
                r = mu_agent_uplink_create(core, &core->uplink);
        if (r == 0)
                r = mu_agent_downlink_create(core, &core->downlink);
        if (r == 0)
                r = mu_agent_updater_create(core, directory, &core->updater);
        return r < 0 ? say(ret_sentence, "The agent cannot start in", directory, r) : 0;
}

static int start(struct mu_agent_core *core, const struct mu_agent_options *options,
                 char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        int r = mu_agent_config_read(options->config_text, options->config_bytes, &core->config,
                                     ret_sentence);

        if (r < 0)
                return r;
        r = mu_agent_events_create(core->platform, &core->events);
        if (r < 0)
                return say(ret_sentence, "The agent cannot start in", options->state_directory, r);
        r = open_store(core, options->state_directory, ret_sentence);
        if (r < 0)
                return r;
        r = create_parts(core, options->state_directory, ret_sentence);
        if (r < 0)
                return r;
        mu_agent_event(core->events, MU_AGENT_INFO, "agent.start",
                       "\"version\":\"%s\",\"device_id\":\"%lld\"", core->platform->version,
                       (long long)core->config.device_id);
        if (core->deleted)
                mu_agent_event(core->events, MU_AGENT_ERROR, "device.deleted",
                               "\"device_id\":\"%lld\"", (long long)core->config.device_id);
        return 0;
}

int mu_agent_create(const struct mu_agent_platform *platform,
                    const struct mu_agent_options *options, struct mu_agent **ret_agent,
                    char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        struct mu_agent *agent = calloc(1, sizeof(*agent));

        if (!agent)
                return say(ret_sentence, "There is no memory to start in", options->state_directory,
                           -ENOMEM);
        agent->core.platform = platform;
        agent->core.online = true;
        agent->core.clock_us = mu_agent_clock_us(&agent->core);
        mu_agent_config_init(&agent->core.config);
        mu_agent_readings_init(&agent->core.readings);
        int r = start(&agent->core, options, ret_sentence);

        if (r < 0) {
                mu_agent_destroy(agent);
                return r;
        }
        *ret_agent = agent;
        return 0;
}

void mu_agent_destroy(struct mu_agent *agent)
{
        if (!agent)
                return;
        struct mu_agent_core *core = &agent->core;

        /* Nothing calls back into what is taken down now. */
        core->platform->push_close(core->platform->context);
        core->platform->cancel_all(core->platform->context);
        mu_agent_updater_destroy(core->updater);
        mu_agent_downlink_destroy(core->downlink);
        mu_agent_uplink_destroy(core->uplink);
        mu_agent_command_book_destroy(core->book);
        mu_agent_queue_destroy(core->queue);
        mu_agent_store_close(core->store);
        if (core->events)
                mu_agent_event(core->events, MU_AGENT_INFO, "agent.stop", "%s", "");
        mu_agent_events_destroy(core->events);
        mu_agent_config_done(&core->config);
        free(agent);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* Only said: every report knows by which clock it was dated (queue.h). */
static void look_at_clock(struct mu_agent_core *core)
{
        int64_t clock_us = mu_agent_clock_us(core);
        int64_t stepped_us = clock_us - core->clock_us;

        if (llabs(stepped_us) >= MU_AGENT_BUCKET_S * MU_US_PER_S)
                mu_agent_event(core->events, MU_AGENT_WARNING, "clock.step", "\"by_s\":%lld",
                               (long long)(stepped_us / MU_US_PER_S));
        core->clock_us = clock_us;
}

uint64_t mu_agent_step(struct mu_agent *agent)
{
        struct mu_agent_core *core = &agent->core;
        uint64_t due_ns = 0;

        look_at_clock(core);
        for (int round = 0; round < ROUNDS_MAX; round++) {
                core->changed = false;
                due_ns = mu_agent_uplink_step(core->uplink);
                due_ns = sooner(due_ns, mu_agent_downlink_step(core->downlink));
                due_ns = sooner(due_ns, mu_agent_updater_step(core->updater));
                if (!core->changed)
                        return due_ns;
        }
        return mu_agent_now_ns(core);
}

void mu_agent_push_event(struct mu_agent *agent, enum mu_agent_push_event event, int code,
                         const char *text, size_t bytes)
{
        mu_agent_downlink_push(agent->core.downlink, event, code, text, bytes);
}

void mu_agent_network_changed(struct mu_agent *agent, bool online)
{
        struct mu_agent_core *core = &agent->core;
        bool was_online = core->online;

        core->online = online;
        if (online != was_online)
                mu_agent_event(core->events, MU_AGENT_INFO, "net.change", "\"online\":%s",
                               online ? "true" : "false");
        if (!online || was_online) {
                mu_agent_uplink_note(core->uplink);
                return;
        }
        mu_agent_event(core->events, MU_AGENT_INFO, "net.regain", "%s", "");
        mu_agent_uplink_network(core->uplink);
        mu_agent_downlink_network(core->downlink);
}

/* Its connections are dead by now, and the clock that timeouts go by stood still meanwhile. */
void mu_agent_woke(struct mu_agent *agent)
{
        mu_agent_uplink_network(agent->core.uplink);
        mu_agent_downlink_network(agent->core.downlink);
}

void mu_agent_update_done(struct mu_agent *agent, int err, const char *sentence)
{
        mu_agent_updater_installed(agent->core.updater, err, sentence);
}

int mu_agent_get_state(struct mu_agent *agent, struct mu_agent_state *ret_state)
{
        struct mu_agent_core *core = &agent->core;
        struct mu_agent_state state = {
                .uplink = mu_agent_uplink_state(core->uplink),
                .channel = mu_agent_downlink_channel(core->downlink),
                .clock_offset_us = mu_agent_clock_sync_offset_us(&core->clock),
                .clock_synced = core->clock.synced,
                .deleted = core->deleted,
                .online = core->online,
        };
        int r = mu_agent_queue_state(core->queue, &state.queue);

        if (r < 0)
                return r;
        state.token_refused = state.uplink.token_refused;
        *ret_state = state;
        return 0;
}

const struct mu_agent_config *mu_agent_get_config(const struct mu_agent *agent)
{
        return &agent->core.config;
}

bool mu_agent_has_reported(const struct mu_agent *agent)
{
        return mu_agent_uplink_state(agent->core.uplink).reported > 0;
}
