/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform.h - what the core asks of the machine it runs on: one table of functions, which each
 * shell (linux/, windows/, macos/, later Android) fills in.
 *
 *                    ┌─ read()      what the device says of itself now
 *   core ─ platform ─┼─ request()   one HTTP request, answered later on the same thread
 *                    ├─ push_*()    the WebSocket
 *                    ├─ act()       a command that needs the machine, answered later
 *                    ├─ save()      the configuration with its secrets, atomically
 *                    └─ log(), clock, crypto
 *
 * Threads    the core has one thread, the shell's loop. The platform calls back on that thread only
 *            and never from inside of request(), push_open() or act().
 * Ownership  what is handed over lives until the function returns, except where said.
 * Errors     negative errno.
 */
#ifndef MUSTER_AGENT_CORE_PLATFORM_H
#define MUSTER_AGENT_CORE_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "muster/command.h"
#include "muster/compiler.h"

struct json_t;
struct mu_agent_event;

enum mu_agent_platform_limits {
        MU_AGENT_SSID_BYTES = 65, /* with NUL: the wire's limits */
        MU_AGENT_PACKAGE_BYTES = 256,
        MU_AGENT_BOOT_ID_BYTES = 65,
        MU_AGENT_REPLY_BYTES_MAX = 1 << 20, /* a longer reply fails with -EMSGSIZE */
        MU_AGENT_REQUEST_TIMEOUT_MS = 30000,
        MU_ED25519_KEY_BYTES = 32,
        MU_ED25519_SIGNATURE_BYTES = 64,
};

enum mu_agent_maybe {
        MU_AGENT_UNKNOWN = -1, /* the member is left out of the heartbeat */
        MU_AGENT_NO = 0,
        MU_AGENT_YES = 1,
};

enum mu_agent_network {
        MU_AGENT_NETWORK_UNKNOWN = -1,
        MU_AGENT_NETWORK_OFFLINE,
        MU_AGENT_NETWORK_WIFI,
        MU_AGENT_NETWORK_CELLULAR,
        MU_AGENT_NETWORK_ETHERNET,
};

/* Numbers: -1 where the machine does not tell. Texts: "" the same. UTF-8. */
struct mu_agent_readings {
        int battery; /* percent */
        enum mu_agent_maybe charging;
        int64_t ram_free_mb;
        int64_t ram_total_mb;
        int64_t uptime_s;
        enum mu_agent_network network;
        char ssid[MU_AGENT_SSID_BYTES];
        char fg_package[MU_AGENT_PACKAGE_BYTES];
        int64_t monitored_ago_s; /* since config's monitored_package was last in front */
        enum mu_agent_maybe power_ok;
        enum mu_agent_maybe device_owner;
        enum mu_agent_maybe battery_unrestricted;
        enum mu_agent_maybe doze_whitelisted;
        enum mu_agent_maybe net_validated;
        enum mu_agent_maybe in_call; /* not reported: an update may have to wait for its end */
        char boot_id[MU_AGENT_BOOT_ID_BYTES]; /* never "" */
        struct json_t *extra; /* an object of members of its own (user, idle_s, disk_free_mb …), or
                                 NULL; the core releases it */
};

/* All unknown. */
void mu_agent_readings_init(struct mu_agent_readings *ret_readings);

enum mu_agent_authorization {
        MU_AGENT_AUTH_NONE,
        MU_AGENT_AUTH_TOKEN,     /* the device's, from the configuration */
        MU_AGENT_AUTH_ENROLMENT, /* request->secret as X-Enrolment-Token */
        MU_AGENT_AUTH_ADMIN_KEY, /* request->secret as X-Admin-Key */
};

struct mu_agent_request {
        const char *method; /* "GET", "POST" */
        const char *path;   /* below the server's URL, with its query; or, for a download, a whole
                               URL: the token goes to our own server only */
        const char *body;   /* JSON; NULL: none */
        size_t body_bytes;
        enum mu_agent_authorization authorization;
        const char *secret;
        const char *file;   /* the reply's body goes into this new file, 0600; NULL: to memory */
        int64_t file_bytes; /* and is refused when it is longer */
        uint32_t timeout_ms;
};

struct mu_agent_reply {
        int error;             /* 0, or a negative errno: no reply came (status is 0) */
        int status;            /* HTTP's */
        int64_t retry_after_s; /* -1: none; a date has been turned into seconds */
        const char *body;      /* NUL-terminated; "" where it went to a file */
        size_t body_bytes;
        const char *sentence; /* of an error: what went wrong, for a log */
};

typedef void mu_agent_reply_fn(void *context, const struct mu_agent_reply *reply);

enum mu_agent_push_event {
        MU_AGENT_PUSH_OPENED,
        MU_AGENT_PUSH_MESSAGE, /* text holds it; empty: a ping, a sign of life */
        MU_AGENT_PUSH_WAIT, /* the handshake was refused with a Retry-After of code seconds; CLOSED
                               follows */
        MU_AGENT_PUSH_CLOSED, /* code: the WebSocket's (4401, 4410 …), an HTTP status of the
                                 handshake, or a negative errno; text a sentence */
};

/* A command that only the machine can run. Its texts live until its answer. */
struct mu_agent_action {
        int64_t command_id;
        const char *type;             /* "relaunch_app", "lock" … */
        const struct json_t *payload; /* an object */
};

/* result: JSON text or NULL; error: a sentence, NULL when it is done. */
typedef void mu_agent_action_fn(void *context, int64_t command_id, const char *result,
                                const char *error);

struct mu_agent_crypto {
        struct mu_command_crypto command; /* SHA-256 and HMAC */
        bool (*ed25519_verify)(const void *message, size_t bytes,
                               const uint8_t signature[MU_ED25519_SIGNATURE_BYTES],
                               const uint8_t key[MU_ED25519_KEY_BYTES]);
        /* The SHA-256 of a file's content and its size. */
        int (*sha256_file)(const char *path, uint8_t ret[MU_COMMAND_SHA256_BYTES],
                           int64_t *ret_bytes);
};

struct mu_agent_platform {
        void *context;
        const struct mu_clock *clock;
        /* The same, but its monotonic time goes on while the machine sleeps. NULL: clock's own
         * does, or the machine never sleeps. */
        const struct mu_clock *elapsed;
        const struct mu_agent_crypto *crypto;
        const char *kind;    /* "desktop", "android" */
        const char *version; /* the agent's */

        /* Fills what it knows of *ret_readings, which is all unknown. monitored: the package that
         * is watched, or "". */
        int (*read)(void *context, const char *monitored, struct mu_agent_readings *ret_readings);

        /* done is called once, later, except after an error here or after cancel_all. */
        MU_MUST_CHECK
        int (*request)(void *context, const struct mu_agent_request *request,
                       mu_agent_reply_fn *done, void *done_context);
        void (*cancel_all)(void *context); /* requests under way are dropped without an answer */

        /* One channel at most. What happens on it comes by mu_agent_push_event(). */
        MU_MUST_CHECK
        int (*push_open)(void *context, const char *path);
        /* -ENOTCONN, -EAGAIN (too much is waiting); queued otherwise. */
        MU_MUST_CHECK
        int (*push_send)(void *context, const char *text, size_t bytes);
        void (*push_close)(void *context); /* no event follows */

        /* -ENOTSUP: this machine has no such action; -EPERM: its policy forbids it. Else done is
         * called once, later. */
        MU_MUST_CHECK
        int (*act)(void *context, const struct mu_agent_action *action, mu_agent_action_fn *done,
                   void *done_context);

        /* The configuration's new text: durable when it returns 0. */
        MU_MUST_CHECK
        int (*save)(void *context, const char *text, size_t bytes);

        /* A verified new program, complete in this file: tries it, takes it, or says why not by
         * mu_agent_update_done(), but never from inside. NULL where updates come another way: none
         * is asked for then, nor in a program that is itself on trial. */
        MU_MUST_CHECK
        int (*install)(void *context, const char *file, const char *version);

        void (*log)(void *context, const struct mu_agent_event *event);
};

#endif
