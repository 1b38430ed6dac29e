/* SPDX-License-Identifier: Apache-2.0 */
/*
 * downlink_world.h - an agent's core with a downlink on the fake machine, and the appliance's side:
 * commands that are really signed, results that are really verified.
 */
#ifndef TESTS_UNIT_AGENT_DOWNLINK_WORLD_H
#define TESTS_UNIT_AGENT_DOWNLINK_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/downlink.h"
#include "fake_platform.h"

struct json_t;

struct world {
        struct fake_platform *fake;
        struct mu_agent_core core;
        struct mu_agent_downlink *downlink;
        uint64_t due_ns; /* what the last step said */
        uint8_t nonces;  /* given so far */
};

/* Members that are 0 are the usual: device 17, key 1 of 0x11, now, a new nonce, "{}". */
struct order {
        int64_t id;
        const char *type;
        const char *payload;
        int64_t device_id;
        int64_t signed_ago_s;
        uint32_t key_version;
        uint8_t key;
        uint8_t nonce;
};

int world_open(void **state); /* cmocka's setup and teardown; *state is the world */
int world_close(void **state);
/* The agent stops at once and starts again: its configuration is what was saved last. */
void world_restart(struct world *world);

/* Steps until nothing wants another. */
void world_step(struct world *world);
void world_advance_ms(struct world *world, int64_t ms); /* and steps */
void world_open_channel(struct world *world);
void world_close_channel(struct world *world, int code);

/* The envelope, as it travels; the caller frees. */
char *world_sign(struct world *world, const struct order *order);
/* A message of the channel; steps. */
void world_say(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_push_order(struct world *world, const struct order *order);
void world_push_envelope(struct world *world, const char *envelope);
/* {"commands":[the envelope],"more":…}; the caller frees. */
char *world_fetched(struct world *world, const struct order *order, bool more);

/* How many frames of this type for this command went out. */
size_t world_frames(const struct world *world, const char *type, int64_t command_id);
/* The last frame that is a result of this command, its signature verified with a key of so many
 * times `key`; NULL: none. The caller's. */
struct json_t *world_result(const struct world *world, int64_t command_id, uint8_t key);
/* The same of what is in the queue. */
struct json_t *world_queued(struct world *world, int64_t command_id, uint8_t key);
void world_assert_status(const struct json_t *result, const char *status, const char *in_error);
uint32_t world_queued_results(struct world *world);
/* Acknowledges, so that it runs. */
void world_run(struct world *world, int64_t command_id);
/* The envelope is refused for this reason: said, counted, not answered. */
void world_assert_refused(struct world *world, const char *envelope, const char *reason);

#endif
