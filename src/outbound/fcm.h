/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcm.h - Firebase Cloud Messaging, HTTP v1: data messages to single devices.
 *
 *   send ─▶ in hand ─▶ access token there, not paused, fewer than 64 under way ─▶ POST
 * messages:send ▲                                                                    │ report │
 * 429, 5xx, 408, no answer: Retry-After, else backoff, full jitter   │
 *              '────────────────────────────────────────────────────────────────────┤
 *   200 SENT   UNREGISTERED: forget the device's token   other 4xx REFUSED          ◀┘
 *   tries or ttl used up GAVE_UP     stop CANCELLED
 *
 * The access token (OAuth 2.0, assertion signed RS256 with the service account's key) is fetched at
 * start and again before a tenth of its life, at least 5 minutes, is left; one fetch at a time. A
 * 401 drops it and the message is tried once more. A 429 that is not about one device's rate pauses
 * all sends.
 *
 * Units      *_s, *_ms, *_us.
 * Threads    create, destroy: one, create before outbound's start, destroy after its stop. send:
 *            any. Reports: the outbound thread; they must not block, and may send.
 * Ownership  send copies. The outbound is lent and outlives the fcm. A report and its strings live
 *            until the callback returns.
 * Errors     negative errno and, from create, a sentence naming the file. An accepted message gets
 *            a report for every attempt, and exactly one that is final: the last.
 */
#ifndef MUSTER_OUTBOUND_FCM_H
#define MUSTER_OUTBOUND_FCM_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "outbound/outbound.h"

struct mu_fcm;

enum mu_fcm_limits {
        MU_FCM_TOKEN_BYTES_MAX = 4096,
        MU_FCM_DATA_BYTES_MAX = 4096, /* keys and values together: Google's */
        MU_FCM_DATA_PAIRS_MAX = 64,
        MU_FCM_TTL_S_MAX = 28 * 86400, /* Google's */
        MU_FCM_COLLAPSE_BYTES_MAX = 64,
};

struct mu_fcm_config {
        struct mu_outbound *outbound;
        const char *service_account; /* path of Google's JSON key file */
        const char *endpoint;        /* NULL or "": https://fcm.googleapis.com */
        const char *token_uri;       /* NULL or "": the key file's */
        uint32_t messages_max;       /* in hand; 0: 10,000 */
        uint32_t attempts_max;       /* 0: 8 */
        uint32_t backoff_base_ms;    /* 0: 1 s */
        uint32_t backoff_cap_ms;     /* 0: 60 s */
        uint32_t timeout_ms;         /* of one attempt; 0: 15 s */
};

struct mu_fcm_pair {
        const char *key;
        const char *value;
};

struct mu_fcm_message {
        const char *token; /* the device's registration token */
        const struct mu_fcm_pair *data;
        size_t data_count;
        uint32_t ttl_s;           /* from send on; 1..MU_FCM_TTL_S_MAX */
        const char *collapse_key; /* NULL: none */
};

enum mu_fcm_outcome {
        MU_FCM_WILL_RETRY, /* not final */
        MU_FCM_SENT,
        MU_FCM_UNREGISTERED, /* the registration token is dead: forget it */
        MU_FCM_REFUSED,      /* FCM will never take this message for this token */
        MU_FCM_GAVE_UP,      /* attempts or ttl used up, or no access token to be had */
        MU_FCM_CANCELLED,    /* stop */
};

struct mu_fcm_report {
        enum mu_fcm_outcome outcome; /* final, unless MU_FCM_WILL_RETRY */
        uint32_t attempt;            /* 1.. ; 0: final without another attempt */
        int http_status;             /* 0: no answer */
        const char *error_code;      /* "UNREGISTERED", "QUOTA_EXCEEDED" ...; "" when none */
        const char *error;           /* a sentence; "" when sent */
        const char *message_id;      /* "projects/p/messages/..." when sent; else "" */
        uint64_t latency_us;         /* of the attempt */
        uint32_t retry_in_ms;        /* with MU_FCM_WILL_RETRY */
};

typedef void mu_fcm_callback(void *ctx, const struct mu_fcm_report *report);

/* error: MU_OUTBOUND_ERROR_BYTES. */
MU_MUST_CHECK
int mu_fcm_create(const struct mu_fcm_config *config, struct mu_fcm **ret_fcm, char *error);
void mu_fcm_destroy(struct mu_fcm *fcm); /* NULL is a no-op */

/* -EINVAL: empty or unprintable token, ttl out of range, a data key that FCM reserves ("from",
 * "message_type", "google...", "gcm..."), text that is not UTF-8; -EMSGSIZE: more data than FCM
 * takes; -EAGAIN: too many in hand, counted; -ESHUTDOWN: stopping; -ENOMEM. */
MU_MUST_CHECK
int mu_fcm_send(struct mu_fcm *fcm, const struct mu_fcm_message *message, mu_fcm_callback *callback,
                void *ctx);

/* "sent", "unregistered" ... for logs, metrics and the database. */
const char *mu_fcm_outcome_name(enum mu_fcm_outcome outcome);

#endif
