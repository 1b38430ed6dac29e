/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger.h - the books of the commands: what has to go out, and what went. What came back:
 * result.h; upkeep: ledger_keep.h.
 *
 *   awaiting_confirmation ─▶ queued ─▶ sent ─▶ received ─▶ done | failed
 *            └───────────────┴─────────┴──▶ cancelled
 *            └───────────────┴─────────┴─────────┴──▶ expired
 *
 * Order      A device's commands go out by ascending id, one at a time: a push (WebSocket, FCM)
 *            carries the device's head only, the lowest id that is sent, else that is queued, until
 *            it is received or over. A fetch takes several, as one list in order.
 * Sending    mark_sent first (committed), then send what it returned: a command that was cancelled
 *            or expired in between is not among them and must not be sent. After a crash a command
 *            that was marked but not sent is sent again; a device treats a known id as a no-op.
 * Truth      Every change names the states it may start from, in one UPDATE: of a cancel and a
 *            receipt at the same time one wins, and the other is told so.
 *
 * Units      *_us: since the epoch, or a span where named so.
 * Threads    the connection's.
 * Ownership  Lists are freed by their _done; what they hold lives until then.
 * Errors     negative errno as in pg/error.h; on error nothing was changed by the statement.
 */
#ifndef MUSTER_CONTROL_COMMAND_LEDGER_H
#define MUSTER_CONTROL_COMMAND_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "muster/command.h"
#include "muster/compiler.h"

struct mu_command_type; /* command_type.h */
struct mu_pg;
struct mu_pg_result;
struct mu_secrets;

enum mu_command_state {
        MU_COMMAND_AWAITING_CONFIRMATION,
        MU_COMMAND_QUEUED,
        MU_COMMAND_SENT,
        MU_COMMAND_RECEIVED,
        MU_COMMAND_DONE,
        MU_COMMAND_FAILED,
        MU_COMMAND_EXPIRED,
        MU_COMMAND_CANCELLED,
        MU_COMMAND_STATE_COUNT,
};

enum mu_command_path {
        MU_COMMAND_BY_WEBSOCKET,
        MU_COMMAND_BY_FCM,
        MU_COMMAND_BY_HEARTBEAT, /* the device fetched it */
        /* An FCM message that only makes the device fetch: an attempt, the state stays. */
        MU_COMMAND_BY_FCM_NUDGE,
        MU_COMMAND_PATH_COUNT,
};

const char *mu_command_state_name(enum mu_command_state state);
const char *mu_command_path_name(enum mu_command_path path);
enum mu_command_state mu_command_state_of(const char *name); /* one that the table knows */
/* MU_COMMAND_PATH_COUNT: NULL or unknown. */
enum mu_command_path mu_command_path_of(const char *name);

struct mu_ledger_key {
        int64_t device_id;
        int64_t command_id;
};

/* ---- what has to go out ---- */

struct mu_ledger_command {
        int64_t device_id;
        int64_t id;
        int64_t created_at_us;
        int64_t expires_at_us;
        int64_t last_sent_at_us; /* 0: never */
        const char *type;
        const char *payload; /* as stored; mu_ledger_envelope makes it what is sent */
        size_t payload_bytes;
        const char *fcm_token; /* NULL: the device has none */
        uint32_t attempt_count;
        uint32_t key_version;        /* to sign with */
        enum mu_command_state state; /* QUEUED or SENT */
        /* Carries a secret: never by FCM, which others read. Nudge the device instead. */
        bool direct_only;
};

struct mu_ledger_list {
        struct mu_ledger_command *commands;
        size_t count;
        struct mu_pg_result *rows; /* the memory behind the texts */
};

void mu_ledger_list_done(struct mu_ledger_list *list);

/* The head of each of the devices that has one: devices deleted or quarantined have none, nor does
 * a command that is over its time. By device. */
MU_MUST_CHECK
int mu_ledger_heads(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                    struct mu_ledger_list *ret_list);
/* A device's next ones, in order. */
MU_MUST_CHECK
int mu_ledger_waiting(struct mu_pg *pg, int64_t device_id, size_t count_max,
                      struct mu_ledger_list *ret_list);

/* The envelope of a command, signed now with the device's key, as one JSON object all of strings,
 * added to text: FCM's "data" as it stands. 0 or a negative errno; *ret_data_bytes (may be NULL):
 * its keys and values, to hold against MU_COMMAND_FCM_BYTES_MAX. */
MU_MUST_CHECK
int mu_ledger_envelope(const struct mu_secrets *secrets, const struct mu_ledger_command *command,
                       int64_t now_us, struct mu_text *text, size_t *ret_data_bytes);

/* ---- on the way ---- */

struct mu_ledger_sent {
        struct mu_ledger_key key;
        uint32_t attempt; /* its number, for mu_ledger_attempts */
        bool first;       /* was queued before */
};

/* Marks what is about to be sent by path and opens an attempt for each. ret_sent has room for
 * count; *ret_count of them may go out. BY_FCM_NUDGE leaves the state. */
MU_MUST_CHECK
int mu_ledger_mark_sent(struct mu_pg *pg, const struct mu_ledger_key *keys, size_t count,
                        enum mu_command_path path, struct mu_ledger_sent *ret_sent,
                        size_t *ret_count);

struct mu_ledger_receipt {
        struct mu_ledger_key key;
        enum mu_command_state state; /* after it: RECEIVED, or what it was already */
        bool changed;                /* this acknowledgement was the first */
        int64_t queued_to_received_us;
        int64_t sent_to_received_us;        /* -1: never marked sent */
        enum mu_command_path path;          /* that was booked, when changed */
        const struct mu_command_type *type; /* NULL: of another release */
};

/* The devices acknowledged them, by path (MU_COMMAND_PATH_COUNT: they did not say: the newest it
 * was sent by). ret_receipts has room for count; commands that do not exist are left out. */
MU_MUST_CHECK
int mu_ledger_mark_received(struct mu_pg *pg, const struct mu_ledger_key *keys, size_t count,
                            enum mu_command_path path, struct mu_ledger_receipt *ret_receipts,
                            size_t *ret_count);

enum mu_attempt_status {
        MU_ATTEMPT_STARTED,
        MU_ATTEMPT_SENT,         /* written to the device's WebSocket, or answered to its fetch */
        MU_ATTEMPT_ACCEPTED,     /* FCM took it */
        MU_ATTEMPT_THROTTLED,    /* 429 */
        MU_ATTEMPT_UNREGISTERED, /* 404: the token is gone */
        MU_ATTEMPT_REFUSED,      /* any other 4xx */
        MU_ATTEMPT_UNREACHABLE,  /* 5xx, no answer, connection lost */
        MU_ATTEMPT_STATUS_COUNT,
};

const char *mu_attempt_status_name(enum mu_attempt_status status);

struct mu_ledger_attempt {
        struct mu_ledger_key key;
        uint32_t attempt; /* as mark_sent gave it */
        enum mu_attempt_status status;
        int64_t latency_us;
        int64_t retry_at_us;        /* 0: none planned */
        int32_t http_status;        /* 0: none */
        const char *fcm_message_id; /* NULL: none */
        const char *error;          /* NULL: none; a sentence, no secret */
};

/* How they went. Attempts of commands that are gone are left out. */
MU_MUST_CHECK
int mu_ledger_attempts(struct mu_pg *pg, const struct mu_ledger_attempt *attempts, size_t count);

/* FCM said UNREGISTERED: the device's token goes, unless it has sent another since. */
MU_MUST_CHECK
int mu_ledger_clear_fcm_token(struct mu_pg *pg, int64_t device_id, const char *fcm_token);

/* ---- keeping count ---- */

struct mu_ledger_pending {
        int64_t device_id;
        uint32_t count; /* queued or sent; 0 for devices quarantined or deleted */
};

/* Of the devices asked for, each once, in any order; ret_pending has room for count. */
MU_MUST_CHECK
int mu_ledger_pending(struct mu_pg *pg, const int64_t *device_ids, size_t count,
                      struct mu_ledger_pending *ret_pending, size_t *ret_count);
/* Of all devices that have any; *ret_pending is the caller's to free(). */
MU_MUST_CHECK
int mu_ledger_pending_all(struct mu_pg *pg, struct mu_ledger_pending **ret_pending,
                          size_t *ret_count);

#endif
