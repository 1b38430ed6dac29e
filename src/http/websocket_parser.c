/* SPDX-License-Identifier: Apache-2.0 */
#include "http/websocket_parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/assert.h"
#include "http/websocket.h"

struct mu_ws_parser {
        wslay_event_context_ptr wslay;
        const struct mu_ws_parser_events *events;
        void *ctx;
        const uint8_t *at;
        size_t left;
        uint64_t fed;       /* bytes taken */
        uint64_t framed;    /* bytes of the frames that have begun, as their headers say */
        uint32_t fragments; /* of the message that is open */
        uint16_t failure;   /* of ours, beyond what wslay finds */
        bool message_open;  /* a data frame without FIN has come */
        bool closed;
};

static ssize_t give_bytes(wslay_event_context_ptr wslay, uint8_t *out, size_t room, int flags,
                          void *ctx)
{
        struct mu_ws_parser *parser = ctx;
        size_t bytes = room < parser->left ? room : parser->left;

        (void)flags;
        if (bytes == 0) {
                wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
                return -1;
        }
        memcpy(out, parser->at, bytes);
        parser->at += bytes;
        parser->left -= bytes;
        return (ssize_t)bytes;
}

/* wslay answers pings and closes in a queue of its own. Ours is bounded, so its answers go nowhere;
 * they are let out only to learn the code it would close with. */
static ssize_t swallow(wslay_event_context_ptr wslay, const uint8_t *data, size_t bytes, int flags,
                       void *ctx)
{
        (void)wslay;
        (void)data;
        (void)flags;
        (void)ctx;
        return (ssize_t)bytes;
}

static void fail(struct mu_ws_parser *parser, uint16_t code)
{
        parser->failure = code;
        wslay_event_shutdown_read(parser->wslay);
}

static void on_frame(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_start_arg *frame, void *ctx)
{
        struct mu_ws_parser *parser = ctx;
        uint64_t bytes = frame->payload_length;

        (void)wslay;
        /* wslay refuses lengths that are not in their shortest form, and frames without a mask. */
        parser->framed += 2 + 4 + bytes + (bytes < 126 ? 0 : bytes <= UINT16_MAX ? 2 : 8);
        if (wslay_is_ctrl_frame(frame->opcode))
                return;
        parser->message_open = !frame->fin;
        parser->fragments = parser->message_open ? parser->fragments + 1 : 0;
        if (parser->fragments > MU_WS_FRAGMENTS_MAX)
                fail(parser, MU_WS_POLICY);
}

static void on_message(wslay_event_context_ptr wslay,
                       const struct wslay_event_on_msg_recv_arg *message, void *ctx)
{
        struct mu_ws_parser *parser = ctx;
        const void *data = message->msg ? (const void *)message->msg : "";

        (void)wslay;
        switch (message->opcode) {
        case WSLAY_TEXT_FRAME:
        case WSLAY_BINARY_FRAME:
                parser->events->message(parser->ctx, data, message->msg_length,
                                        message->opcode == WSLAY_TEXT_FRAME);
                return;
        case WSLAY_PING:
                parser->events->ping(parser->ctx, data, message->msg_length);
                return;
        case WSLAY_CONNECTION_CLOSE:
                if (message->msg_length == 1) { /* half a code: wslay lets it pass */
                        fail(parser, MU_WS_PROTOCOL_ERROR);
                        return;
                }
                parser->closed = true;
                parser->events->close(parser->ctx, message->status_code ? message->status_code
                                                                        : MU_WS_NO_STATUS);
                return;
        default: /* a pong: that bytes came is all that matters */
                return;
        }
}

int mu_ws_parser_create(const struct mu_ws_parser_events *events, void *ctx,
                        uint32_t message_bytes_max, struct mu_ws_parser **ret_parser)
{
        static const struct wslay_event_callbacks callbacks = {
                .recv_callback = give_bytes,
                .send_callback = swallow,
                .on_frame_recv_start_callback = on_frame,
                .on_msg_recv_callback = on_message,
        };
        struct mu_ws_parser *parser = calloc(1, sizeof(*parser));

        if (!parser)
                return -ENOMEM;
        parser->events = events;
        parser->ctx = ctx;
        if (wslay_event_context_server_init(&parser->wslay, &callbacks, parser) != 0) {
                free(parser);
                return -ENOMEM;
        }
        wslay_event_config_set_max_recv_msg_length(parser->wslay, message_bytes_max);
        *ret_parser = parser;
        return 0;
}

void mu_ws_parser_destroy(struct mu_ws_parser *parser)
{
        if (!parser)
                return;
        wslay_event_context_free(parser->wslay);
        free(parser);
}

uint16_t mu_ws_parser_feed(struct mu_ws_parser *parser, const void *data, size_t bytes)
{
        parser->at = data;
        parser->left = bytes;
        parser->fed += bytes;
        int error = wslay_event_recv(parser->wslay);
        parser->at = NULL;
        parser->left = 0;
        if (parser->failure != 0)
                return parser->failure;
        if (error)
                return error == WSLAY_ERR_NOMEM ? MU_WS_INTERNAL : MU_WS_PROTOCOL_ERROR;
        if (wslay_event_want_write(parser->wslay) && wslay_event_send(parser->wslay) != 0)
                return MU_WS_INTERNAL;
        if (parser->closed || !wslay_event_get_close_sent(parser->wslay))
                return 0;
        uint16_t code = wslay_event_get_status_code_sent(parser->wslay);
        return code == MU_WS_NO_STATUS ? MU_WS_PROTOCOL_ERROR : code;
}

bool mu_ws_parser_idle(const struct mu_ws_parser *parser)
{
        return parser->fed == parser->framed && !parser->message_open && !parser->closed;
}
