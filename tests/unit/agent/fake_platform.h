/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_platform.h - a machine for the agent's core, without network, time or device: tests of
 * every part of agent/core stand on it.
 *
 *   core ─ platform.request() ─▶ recorded, PENDING ─ fake_answer(), or fake_pump() by the script or
 *                                                    the handler ─▶ done() ─▶ ANSWERED
 *
 * Time stands still until fake_advance_ms. Nothing is called back from inside of request() or
 * act(): a test does it. What the core gave is copied and kept until fake_platform_destroy.
 * Crypto is real (BoringSSL).
 *
 *   struct fake_platform *fake = fake_platform_create();
 *   fake_script(fake, "/v1/heartbeat", 202, "{\"server_time\":1800000000.000}");
 *   … step the part under test …
 *   fake_pump(fake);
 *   assert_string_equal(fake_last(fake)->path, "/v1/heartbeat");
 *
 * Errors     a test's precondition that does not hold fails the test (cmocka).
 */
#ifndef TESTS_UNIT_AGENT_FAKE_PLATFORM_H
#define TESTS_UNIT_AGENT_FAKE_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/agent.h"
#include "core/core.h"
#include "core/event.h"
#include "core/platform.h"

#define FAKE_START_US INT64_C(1800000000000000) /* realtime at the start */
#define FAKE_START_NS UINT64_C(5000000000000)   /* monotonic at the start */

enum fake_limits {
        FAKE_REQUESTS_MAX = 8192,
        FAKE_SCRIPT_MAX = 512,
        FAKE_LOG_MAX = 16384,
        FAKE_RECORDS_MAX = 256,
};

struct fake_request {
        char *method;
        char *path;
        char *body; /* NULL: none */
        size_t body_bytes;
        enum mu_agent_authorization authorization;
        char *secret; /* NULL: none */
        char *file;   /* NULL: to memory */
        int64_t file_bytes;
        uint32_t timeout_ms;
        int64_t at_us; /* realtime */
        uint64_t at_ns;
        bool pending;
        mu_agent_reply_fn *done;
        void *done_context;
};

struct fake_scripted {
        char *path; /* what a request's path begins with */
        int error;
        int status;
        int64_t retry_after_s;
        char *body;
        size_t body_bytes;
        bool used;
};

struct fake_action {
        int64_t command_id;
        char *type;
        char *payload; /* JSON */
        bool pending;
        mu_agent_action_fn *done;
        void *done_context;
};

struct fake_event {
        enum mu_agent_level level;
        char *name;
        char *fields;
};

struct fake_platform;

/* What stands for a whole appliance: is asked by fake_pump for each pending request that no line of
 * the script answers. Calls fake_answer* itself, or leaves the request pending. */
typedef void fake_handler_fn(struct fake_platform *fake, struct fake_request *request);

struct fake_platform {
        struct mu_agent_platform platform; /* give the core this one's address */
        struct mu_clock clock;
        uint64_t monotonic_ns;
        struct mu_clock elapsed; /* monotonic_ns and what was slept */
        uint64_t asleep_ns;
        int64_t realtime_us;
        char *directory; /* an empty one of its own, removed at the end */

        struct mu_agent_readings readings; /* what read() gives; its extra is copied each time */
        int read_result;
        char monitored[MU_AGENT_PACKAGE_BYTES]; /* as read() was asked for last */
        size_t reads;

        int request_result; /* what request() answers; != 0: nothing is recorded */
        size_t request_count;
        struct fake_request *requests;
        size_t script_count;
        struct fake_scripted *script;
        fake_handler_fn *handler;
        void *handler_context;
        size_t cancels;

        int push_open_result;
        int push_send_result;
        size_t push_opens;
        size_t push_closes;
        bool push_is_open; /* opened and not closed by the core */
        char *push_path;
        size_t frame_count;
        char *frames[FAKE_RECORDS_MAX];

        int act_result;
        size_t action_count;
        struct fake_action actions[FAKE_RECORDS_MAX];

        int save_result;
        size_t save_count;
        char *saves[FAKE_RECORDS_MAX];

        int install_result;
        size_t install_count;
        char *install_file;
        char *install_version;

        size_t event_count;
        struct fake_event *events;
};

struct fake_platform *fake_platform_create(void);
void fake_platform_destroy(struct fake_platform *fake);

extern const struct mu_agent_crypto fake_crypto;

void fake_advance_ms(struct fake_platform *fake, int64_t ms); /* both clocks */
void fake_sleep_ms(struct fake_platform *fake, int64_t ms);   /* the monotonic one stands still */
void fake_set_realtime_us(struct fake_platform *fake, int64_t realtime_us);

/* The i-th request of all; the last one. */
struct fake_request *fake_request_at(struct fake_platform *fake, size_t i);
struct fake_request *fake_last(struct fake_platform *fake);
/* How many are pending; the oldest pending one whose path begins with this (NULL: none). */
size_t fake_pending(const struct fake_platform *fake);
struct fake_request *fake_find_pending(struct fake_platform *fake, const char *path);
/* How many requests were made whose path begins with this. */
size_t fake_count(const struct fake_platform *fake, const char *path);

/* Answers one pending request now. body may be NULL (empty). A request with a file gets the body
 * into it when the status is 200, within file_bytes (else error -EMSGSIZE). */
void fake_answer(struct fake_request *request, int status, const char *body);
void fake_answer_bytes(struct fake_request *request, int status, const void *body, size_t bytes);
void fake_answer_later(struct fake_request *request, int status, int64_t retry_after_s,
                       const char *body);
void fake_answer_error(struct fake_request *request, int error);

/* One answer for the next request whose path begins with this; used once, in order. */
void fake_script(struct fake_platform *fake, const char *path, int status, const char *body);
void fake_script_later(struct fake_platform *fake, const char *path, int status,
                       int64_t retry_after_s, const char *body);
void fake_script_bytes(struct fake_platform *fake, const char *path, int status, const void *body,
                       size_t bytes);
void fake_script_error(struct fake_platform *fake, const char *path, int error);
/* What is left of the script is forgotten. */
void fake_script_drop(struct fake_platform *fake);
/* Answers what is pending now (not what comes of the answers). How many it answered. */
size_t fake_pump(struct fake_platform *fake);

/* Ends a pending action. */
void fake_action_done(struct fake_action *action, const char *result, const char *error);

/* How many events of this name were logged; the fields of the last ("" when there was none). */
size_t fake_events(const struct fake_platform *fake, const char *name);
const char *fake_event_fields(const struct fake_platform *fake, const char *name);

/* A path in the fake's directory; static, good until the next call but 3. */
const char *fake_path(struct fake_platform *fake, const char *name);

/* A core with all but its three parts: events, store (agent.db in the directory), queue, book,
 * clock, a seeded random and a configuration: device 17, token "mu_test", server
 * http://127.0.0.1:1, current key version 1 of 32 times 0x11, heartbeat_interval_s 300. */
void fake_core_open(struct fake_platform *fake, struct mu_agent_core *ret_core);
void fake_core_close(struct mu_agent_core *core); /* the parts are the test's, and are gone */

#endif
