/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcm_private.h - what the fcm_*.c files share.
 *
 *   a message is   READY    in a queue, its timer set to the end of its ttl
 *                  ACTIVE   handed to the outbound, which ends it by the ttl too
 *                  WAITING  its timer set to the next attempt
 *
 * Threads    the outbound's, but for fcm_message.c: any.
 */
#ifndef MUSTER_OUTBOUND_FCM_PRIVATE_H
#define MUSTER_OUTBOUND_FCM_PRIVATE_H

#include <stdatomic.h>

#include "base/backoff.h"
#include "outbound/fcm.h"
#include "outbound/fcm_account.h"
#include "outbound/fcm_reply.h"
#include "outbound/private.h"

struct mu_fcm_queued;

struct mu_fcm_list {
        struct mu_fcm_queued *first;
        struct mu_fcm_queued *last;
};

struct mu_fcm_queued {
        struct mu_outbound_job job; /* first: run casts */
        struct mu_timer timer;
        struct mu_fcm *fcm;
        struct mu_fcm_queued *next;
        struct mu_fcm_queued *previous;
        struct mu_fcm_list *list; /* ready or waiting; NULL: active */
        struct mu_text body;      /* up to the ttl's number */
        uint64_t deadline_ns;
        struct mu_backoff backoff;
        uint32_t attempts;
        bool unauthorized; /* was answered 401 once */
        uint64_t token_number;
        mu_fcm_callback *callback;
        void *ctx;
};

struct mu_fcm_access {
        struct mu_fcm_access_token token;
        uint64_t number; /* of the token; 0: there has been none */
        uint64_t expires_ns;
        bool held;
        bool fetching;
        uint32_t dropped; /* tokens in a row that FCM would not have */
        struct mu_timer refresh;
        struct mu_backoff backoff;
};

struct mu_fcm {
        struct mu_outbound_part part; /* first: callbacks cast */
        struct mu_outbound *outbound;
        struct mu_outbound_service *service;
        struct mu_outbound_service *oauth;
        struct mu_fcm_account *account;
        char *send_url;
        char *token_uri;
        uint32_t messages_max;
        uint32_t attempts_max;
        uint32_t backoff_base_ms;
        uint32_t backoff_cap_ms;
        uint32_t timeout_ms;
        struct mu_fcm_access access;
        struct mu_fcm_list ready;
        struct mu_fcm_list waiting;
        uint32_t active_count;
        uint64_t paused_until_ns;
        struct mu_timer pause; /* its end */
        struct mu_cell outcomes[MU_FCM_CANCELLED + 1];
        struct mu_cell paused;
        struct mu_cell tokens_fetched;
        struct mu_cell tokens_failed;
        _Atomic uint32_t in_hand;
};

/* ---- fcm_message.c: any thread ---- */

/* Checked and written as JSON, all but the ttl. As mu_fcm_send says. */
MU_MUST_CHECK
int mu_fcm_message_write(const struct mu_fcm_message *message, struct mu_text *to);
/* The body of an attempt. */
MU_MUST_CHECK
int mu_fcm_message_end(const struct mu_text *written, uint32_t ttl_s, struct mu_text *to);

/* ---- fcm_token.c ---- */

void mu_fcm_access_init(struct mu_fcm *fcm);
/* Unless one is under way. */
void mu_fcm_access_fetch(struct mu_fcm *fcm);
bool mu_fcm_access_is_valid(const struct mu_fcm *fcm);
/* FCM would not have the token of that number. */
void mu_fcm_access_drop(struct mu_fcm *fcm, uint64_t number);
void mu_fcm_access_accepted(struct mu_fcm *fcm);
void mu_fcm_access_stop(struct mu_fcm *fcm);

/* ---- fcm.c ---- */

/* Sends what may be sent now. */
void mu_fcm_pump(struct mu_fcm *fcm);
/* No access token is to be had: what waits for one ends. */
void mu_fcm_end_ready(struct mu_fcm *fcm, enum mu_fcm_outcome outcome, const char *sentence);

#endif
