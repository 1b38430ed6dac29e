/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_platform.h"

void fake_core_open(struct fake_platform *fake, struct mu_agent_core *ret_core)
{
        struct mu_agent_core *core = ret_core;

        memset(core, 0, sizeof(*core));
        core->platform = &fake->platform;
        core->online = true;
        mu_random_seed(&core->random, 42);
        mu_agent_config_init(&core->config);
        (void)snprintf(core->config.server, sizeof(core->config.server), "http://127.0.0.1:1");
        (void)snprintf(core->config.token, sizeof(core->config.token), "mu_test");
        core->config.device_id = 17;
        core->config.heartbeat_interval_s = 300;
        core->config.current.version = 1;
        memset(core->config.current.bytes, 0x11, sizeof(core->config.current.bytes));
        mu_agent_readings_init(&core->readings);
        assert_int_equal(mu_agent_events_create(&fake->platform, &core->events), 0);
        assert_int_equal(
                mu_agent_store_open(fake_path(fake, "agent.db"), core->events, &core->store), 0);
        assert_int_equal(
                mu_agent_queue_create(core->store, core->events, &core->clock, &core->queue), 0);
        assert_int_equal(mu_agent_command_book_create(core->store, &core->book), 0);
        mu_agent_clock_sync_init(&core->clock, &fake->elapsed, core->store);
}

void fake_core_close(struct mu_agent_core *core)
{
        mu_agent_command_book_destroy(core->book);
        mu_agent_queue_destroy(core->queue);
        mu_agent_store_close(core->store);
        mu_agent_events_destroy(core->events);
        mu_agent_config_done(&core->config);
}
