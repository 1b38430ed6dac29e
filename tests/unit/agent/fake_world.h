/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_world.h - what most tests of agent/core begin with: a machine and a core on it.
 */
#ifndef TESTS_UNIT_AGENT_FAKE_WORLD_H
#define TESTS_UNIT_AGENT_FAKE_WORLD_H

#include "fake_platform.h"

/* cmocka's set-up and tear-down (with core.uplink, if the test made one) around such a core. */
struct fake_world {
        struct fake_platform *fake;
        struct mu_agent_core core;
};
int fake_world_set_up(void **state);
int fake_world_tear_down(void **state);
/* The program ends and starts on the same disk; the uplink is the test's. */
void fake_world_restart(struct fake_world *world);

#endif
