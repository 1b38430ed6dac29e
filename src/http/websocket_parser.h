/* SPDX-License-Identifier: Apache-2.0 */
/*
 * websocket_parser.h - bytes of a client into messages: wslay, as this server uses it (private).
 *
 * Threads    The ws's loop.
 * Ownership  Data is lent for the call. A callback must not destroy the parser.
 * Errors     feed answers with the close code that the connection must fail with.
 */
#ifndef MUSTER_HTTP_WEBSOCKET_PARSER_H
#define MUSTER_HTTP_WEBSOCKET_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_ws_parser;

struct mu_ws_parser_events {
        void (*message)(void *ctx, const char *data, size_t bytes, bool is_text);
        void (*ping)(void *ctx, const void *data, size_t bytes); /* bytes <= 125 */
        void (*close)(void *ctx, uint16_t code);                 /* nothing comes behind it */
};

MU_MUST_CHECK
int mu_ws_parser_create(const struct mu_ws_parser_events *events, void *ctx,
                        uint32_t message_bytes_max, struct mu_ws_parser **ret_parser);
void mu_ws_parser_destroy(struct mu_ws_parser *parser); /* NULL is a no-op */

/* Takes all of data. 0, or the code to fail with: nothing may be fed any more. */
MU_MUST_CHECK
uint16_t mu_ws_parser_feed(struct mu_ws_parser *parser, const void *data, size_t bytes);

/* Between two messages: it may be destroyed and made anew at the next byte. */
bool mu_ws_parser_idle(const struct mu_ws_parser *parser);

#endif
