/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery_fakes.h - everything around the dispatcher, in memory: ledger, database, channels, FCM.
 *
 * The dispatcher's own files are linked with these instead of the real ones. One world at a time;
 * only the test's thread uses it.
 */
#ifndef MUSTER_TEST_DELIVERY_FAKES_H
#define MUSTER_TEST_DELIVERY_FAKES_H

#include "fake_clock.h"
#include "unit.h"

#include "base/qsbr.h"
#include "control/command/dispatcher_private.h"
#include "identity/device_table.h"

#define WORLD_COMMANDS_MAX 8192
#define WORLD_DEVICES_MAX 8192
#define WORLD_SENDS_MAX 65536
#define WORLD_ATTEMPTS_MAX 16384

struct world_command {
        int64_t id;
        int64_t device_id;
        enum mu_command_state state;
        enum mu_command_path path; /* newest */
        uint32_t attempt_count;
        int64_t last_sent_at_us;
        bool direct_only;
        size_t payload_bytes;
};

struct world_device {
        char fcm_token[32]; /* "": none */
        bool connected;
        bool fresh;
        uint64_t channel; /* number of the handle */
        bool quarantined; /* as PostgreSQL knows it */
};

struct world_send {
        enum mu_command_path path;
        int64_t device_id;
        int64_t command_id;
        struct mu_fcm_try *try; /* FCM: for the report */
};

struct world_attempt {
        struct mu_ledger_key key;
        uint32_t number;
        enum mu_attempt_status status;
};

struct world {
        struct fake_clock clock;
        struct mu_qsbr *qsbr;
        struct mu_device_table *devices;
        struct mu_dispatcher *dispatcher;

        struct world_command commands[WORLD_COMMANDS_MAX];
        size_t command_count;
        struct world_device state[WORLD_DEVICES_MAX]; /* [device id] */
        struct world_send sends[WORLD_SENDS_MAX];
        size_t send_count;
        struct world_attempt attempts[WORLD_ATTEMPTS_MAX];
        size_t attempt_count;
        char said[8192]; /* what was sent to devices beside commands, one per line */
        uint64_t closed; /* channels closed */

        bool database_away;
        const char *failing;    /* the ledger's function that fails, once */
        int64_t cancel_on_mark; /* this command is cancelled right before mark_sent */
        int64_t poison;         /* this command's result can't be stored */
        int fcm_error;          /* of mu_fcm_send */
        int64_t cleared_token_of;
        uint64_t statements;
        uint64_t heads_asked; /* devices */
};

extern struct world *world;

void world_create(void);
void world_destroy(void);
void world_add_devices(int64_t count); /* ids 1..count */
struct world_command *world_queue(int64_t device_id);
struct world_command *world_command(int64_t id);
void world_connect(int64_t device_id);
void world_disconnect(int64_t device_id);
/* Steps until there is nothing to do at this moment. */
void world_settle(void);
void world_advance_ms(int64_t ms); /* and settles */
/* A message of the device by its channel, and settles. */
void world_says(int64_t device_id, const char *json);
void world_acknowledges(int64_t device_id, int64_t command_id);
/* FCM reports about the send. */
void world_reports(size_t send, enum mu_fcm_outcome outcome, uint32_t attempt, int http_status);
size_t world_sends_of(int64_t command_id, enum mu_command_path path);
uint32_t world_pending(int64_t device_id);

#endif
