/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcm_reply.h - what Google's token and message endpoints answer.
 *
 * Units      seconds. Threads: any.
 * Errors     A reply that is not what Google documents yields empty fields, never a failure; but a
 *            token reply without a usable token is -EBADMSG.
 */
#ifndef MUSTER_OUTBOUND_FCM_REPLY_H
#define MUSTER_OUTBOUND_FCM_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_fcm_reply {
        char message_id[256]; /* name */
        char error_code[64];  /* details[].errorCode, else error.status; [A-Z0-9_] */
        char message[256];    /* error.message, one line of printable ASCII */
        bool from_details;    /* the error code is FCM's own, not just HTTP's */
        bool device_quota;    /* 429 about one device's rate, not the project's */
};

void mu_fcm_reply_parse(const char *json, size_t bytes, struct mu_fcm_reply *ret_reply);

enum { MU_FCM_ACCESS_TOKEN_BYTES_MAX = 4096 };

struct mu_fcm_access_token {
        char value[MU_FCM_ACCESS_TOKEN_BYTES_MAX + 1];
        uint32_t life_s;
};

MU_MUST_CHECK
int mu_fcm_token_parse(const char *json, size_t bytes, struct mu_fcm_access_token *ret_token);
/* RFC 6749 5.2: "invalid_grant: Invalid JWT ..." as printable ASCII; "" when it is not that. */
void mu_fcm_token_error(const char *json, size_t bytes, char *ret_text, size_t room);

#endif
