/* SPDX-License-Identifier: Apache-2.0 */
/*
 * liveness_world.h - a fleet with a clock of its own, and what is known of it without any
 * cleverness: every pause in a list, every deadline computed anew.
 */
#ifndef MUSTER_TESTS_UNIT_CONTROL_LIVENESS_WORLD_H
#define MUSTER_TESTS_UNIT_CONTROL_LIVENESS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "control/alert/liveness.h"
#include "identity/device_table.h"

enum {
        WORLD_PAUSES_MAX = 60, /* fewer than liveness merges */
        WORLD_EDGES_MAX = 512,
        WORLD_INTERVAL_S = 300,
        WORLD_THRESHOLD_S = 720,
        WORLD_BACK_MS = 2500,
};

struct pause {
        uint64_t start_ms, end_ms;
};

struct model {
        int64_t since_ms; /* alive time */
        uint64_t mark_ms;
        uint64_t changed_ms; /* alive time: its threshold, or its deletion */
        uint32_t threshold_s;
        bool silent;
};

struct world {
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        struct mu_liveness *liveness;
        struct mu_random random;
        struct mu_liveness_now now;
        bool was_listening;
        struct pause pauses[WORLD_PAUSES_MAX];
        size_t pause_count;
        struct model *models;
        uint32_t count;
        uint32_t looks_max;
        uint64_t edges[4]; /* by kind */
        int64_t late_max_ms;
};

void world_init(struct world *world, uint64_t seed, uint32_t devices, uint32_t looks_max);
void world_done(struct world *world);
/* A device enrolled; seen: it has made a request, some time. */
uint32_t world_enrol(struct world *world, bool seen);
struct mu_device *world_device(const struct world *world, uint32_t index);
/* It makes a request at that moment, and is told to come back after announced_s (0: it isn't). */
void world_speak(struct world *world, uint32_t index, uint64_t at_ms, uint32_t announced_s);
void world_set_threshold(struct world *world, uint32_t index, uint32_t threshold_s);
/* Ticks after so long, takes all edges and checks each. */
void world_tick(struct world *world, uint64_t after_ms);
/* Checks that no edge is missing. */
void world_check(struct world *world);
uint64_t world_alive_ms(const struct world *world, uint64_t ms);
/* Of a device that is watched, in alive time. */
int64_t world_deadline_ms(const struct world *world, uint32_t index);

#endif
