/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_world.h - a world for the live hub: a database of devices, sockets that take as much as the
 * test lets them, and clients that keep what they are told.
 *
 * Errors: anything unexpected fails the running cmocka test.
 */
#ifndef MUSTER_TESTS_UNIT_CONTROL_LIVE_WORLD_H
#define MUSTER_TESTS_UNIT_CONTROL_LIVE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/bus.h"
#include "control/live/live_hub.h"
#include "fake_clock.h"

enum {
        WORLD_DEVICES_MAX = 3000,
        WORLD_SOCKETS_MAX = 400,
};

struct world_device {
        bool live;
        char alias[32];
        char fg_package[300]; /* "": NULL */
        char agent_version[32];
        struct mu_live_loaded row; /* strings are set when it is read */
};

struct world_socket {
        struct world *world;
        struct mu_live_client *client;
        json_t *devices; /* id → what the client knows; NULL: no snapshot yet */
        json_t *last;    /* newest message */
        json_t *fleet;
        json_t *pulse;
        json_t *alert; /* the first of the newest that came together */
        char stream[16];
        uint64_t seq;
        size_t waiting; /* what the test says */
        size_t bytes;   /* ever sent to it */
        bool refused;
        bool ready;
        uint32_t snapshots; /* first pages */
        uint32_t deltas;    /* with devices */
        uint32_t resyncs;
        uint32_t commands;
        uint32_t alerts;
        uint32_t missed;
        uint32_t edited; /* rows and whole deltas that said so */
        uint32_t waits;
        uint32_t errors;
        uint32_t readies;
        uint16_t closed; /* code; 0: open */
};

struct world {
        struct fake_clock clock;
        struct mu_bus *bus;
        struct mu_live_hub *hub;
        struct world_device devices[WORLD_DEVICES_MAX]; /* by id */
        struct world_socket sockets[WORLD_SOCKETS_MAX];
        uint32_t socket_count;
        uint32_t frames_made;
        int database_error; /* of load and reload; 0: fine */
        int check_error;
        bool ended; /* what check says of all */
        uint32_t loads;
        uint32_t reloads;
        uint64_t bytes;
        struct mu_principal who; /* of the ticket "good" */
        struct mu_live_facts facts;
};

/* bytes_per_s 0: plenty. */
struct world *world_create(uint32_t bus_slots, uint64_t bytes_per_s);
void world_destroy(struct world *world);

/* In the database. */
void world_add(struct world *world, int64_t from_id, int64_t to_id);
/* A committed status of it: in the database by its rules, and on the bus. battery < 0: NULL. */
void world_report(struct world *world, int64_t id, int64_t received_at_us, int64_t observed_at_us,
                  int battery, const char *fg_package);
void world_delete(struct world *world, int64_t id, bool tell);
void world_command(struct world *world, int64_t device_id, int64_t id, const char *state);
/* id 0: of the incident as a whole. device_id 0: the appliance's. */
void world_alert(struct world *world, int64_t device_id, int64_t id, const char *change);

struct world_socket *world_open(struct world *world);
void world_say(struct world_socket *socket, const char *text);
/* open, auth, subscribe with these members ("" : all topics, all devices), run until ready. */
struct world_socket *world_watch(struct world *world, const char *members);

/* Ticks as the live thread does, for so long. */
void world_run(struct world *world, uint32_t ms);
/* Whether the client's devices are the database's: those of ids, NULL: all. */
void assert_same(const struct world_socket *socket, const int64_t *ids, uint32_t id_count);

#endif
