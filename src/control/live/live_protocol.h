/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_protocol.h - what a client says, read and checked (README.md has the messages).
 *
 * Threads    any; pure.
 * Ownership  ids is the caller's to free.
 * Errors     -EBADMSG and a sentence for the client.
 */
#ifndef MUSTER_CONTROL_LIVE_PROTOCOL_H
#define MUSTER_CONTROL_LIVE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

enum mu_live_protocol_limits {
        MU_LIVE_MESSAGE_BYTES_MAX = 16 * 1024,
        MU_LIVE_DEVICES_MAX = 500,
        MU_LIVE_TICKET_BYTES = 128, /* with NUL */
        MU_LIVE_SENTENCE_BYTES = 120,
};

enum mu_live_message_type {
        MU_LIVE_AUTH,
        MU_LIVE_SUBSCRIBE,
        MU_LIVE_RESUME,
        MU_LIVE_UNSUBSCRIBE,
};

enum mu_live_topic {
        MU_LIVE_FLEET = 1u << 0,
        MU_LIVE_DEVICES = 1u << 1,
        MU_LIVE_COMMANDS = 1u << 2,
        MU_LIVE_ALERTS = 1u << 3,
        MU_LIVE_TOPICS_END = 1u << 4,
};

struct mu_live_message {
        enum mu_live_message_type type;
        char ticket[MU_LIVE_TICKET_BYTES]; /* AUTH */
        unsigned topics;                   /* SUBSCRIBE, RESUME: MU_LIVE_FLEET ... */
        bool all;                          /* every device */
        int64_t *ids;                      /* else these: ascending, each once; may be none */
        uint32_t id_count;
        uint32_t stream; /* RESUME */
        uint64_t seq;
};

/* sentence has MU_LIVE_SENTENCE_BYTES. 0, -EBADMSG, -ENOMEM. */
MU_MUST_CHECK
int mu_live_message_parse(const char *text, size_t bytes, struct mu_live_message *ret_message,
                          char *sentence);
void mu_live_message_done(struct mu_live_message *message);

/* "fleet", ...: the topic's name, and the scope an API token needs for it. topic: one bit. */
const char *mu_live_topic_name(enum mu_live_topic topic);
const char *mu_live_topic_scope(enum mu_live_topic topic);

#endif
