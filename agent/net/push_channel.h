/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push_channel.h - one WebSocket to the appliance (private to agent/net).
 *
 *   CONNECTING ──TCP, TLS──▶ ASKING ──request sent──▶ WAITING ──101, checked──▶ OPEN
 *   libcurl, CONNECT_ONLY    our handshake over curl_easy_send and _recv        wslay's frames
 *
 * The connection has a multi handle of its own: other transfers of one that they shared would prune
 * it from the connection cache, or take unread frames for a dead connection.
 *
 * Bounds     MU_CHANNEL_FRAMES_MAX frames and MU_CHANNEL_BYTES_MAX bytes wait to be sent, a message
 *            from the appliance holds MU_CHANNEL_MESSAGE_BYTES_MAX, the opening takes
 *            MU_CHANNEL_OPEN_MS.
 * Threads    the shell's loop. Time: the system's monotonic clock, whatever the core's is.
 * Ownership  destroy must not be called from inside of an event: abandon, and destroy after look.
 * Errors     negative errno.
 */
#ifndef MUSTER_AGENT_NET_PUSH_CHANNEL_H
#define MUSTER_AGENT_NET_PUSH_CHANNEL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "muster/compiler.h"
#include "net/http_curl.h"

enum mu_channel_limits {
        MU_CHANNEL_FRAMES_MAX = 64,
        MU_CHANNEL_BYTES_MAX = 256 * 1024,
        MU_CHANNEL_MESSAGE_BYTES_MAX = 160 * 1024,
        MU_CHANNEL_OPEN_MS = 30000,
        MU_CHANNEL_SOCKETS_MAX = 8,
        MU_CHANNEL_SENTENCE_BYTES = 320,
};

struct mu_channel;

/* How it ended: what MU_AGENT_PUSH_CLOSED says. */
struct mu_channel_end {
        int code;
        int64_t retry_after_s; /* of a handshake that was refused; else -1 */
        char sentence[MU_CHANNEL_SENTENCE_BYTES];
};

/* Events but the end go to options->push. options lives longer. */
MU_MUST_CHECK
int mu_channel_open(const struct mu_net_options *options, const char *path,
                    struct mu_channel **ret_channel);
/* Says goodbye where that takes no waiting. NULL is a no-op. */
void mu_channel_destroy(struct mu_channel *channel);
/* Is one of its events being given right now? Then: abandon, and no other follows. */
bool mu_channel_is_looking(const struct mu_channel *channel);
void mu_channel_abandon(struct mu_channel *channel);

/* -ENOTCONN, -EAGAIN: too much is waiting. */
MU_MUST_CHECK
int mu_channel_send(struct mu_channel *channel, const char *text, size_t bytes);

/* What to wait for: at most MU_CHANNEL_SOCKETS_MAX descriptors, and ms (-1: no limit). */
size_t mu_channel_sockets(const struct mu_channel *channel, struct curl_waitfd *ret_sockets);
int mu_channel_wait_ms(const struct mu_channel *channel);
/* Does what can be done. True: it has ended, and *ret_end says how. */
bool mu_channel_look(struct mu_channel *channel, struct mu_channel_end *ret_end);
/* Events given so far. */
size_t mu_channel_events(const struct mu_channel *channel);

#endif
