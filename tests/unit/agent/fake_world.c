/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/uplink.h"
#include "fake_world.h"

int fake_world_set_up(void **state)
{
        struct fake_world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fake = fake_platform_create();
        fake_core_open(world->fake, &world->core);
        *state = world;
        return 0;
}

int fake_world_tear_down(void **state)
{
        struct fake_world *world = *state;

        mu_agent_uplink_destroy(world->core.uplink);
        fake_core_close(&world->core);
        fake_platform_destroy(world->fake);
        free(world);
        return 0;
}

void fake_world_restart(struct fake_world *world)
{
        fake_core_close(&world->core);
        fake_core_open(world->fake, &world->core);
}
