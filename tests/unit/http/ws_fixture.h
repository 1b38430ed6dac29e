/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ws_fixture.h - a WebSocket client in raw frames, so that a test can also send wrong ones.
 */
#ifndef MUSTER_TEST_WS_FIXTURE_H
#define MUSTER_TEST_WS_FIXTURE_H

#include "server_fixture.h"

#define WS_TEXT 0x81u
#define WS_BINARY 0x82u
#define WS_CLOSE 0x88u
#define WS_PING 0x89u
#define WS_PONG 0x8Au

#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455's example */
#define WS_ASK                                                                                     \
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"                                \
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n"

struct frame {
        unsigned first; /* FIN and opcode */
        char *data;     /* NUL-terminated */
        size_t bytes;
};

/* The whole opening handshake on a connected peer; headers may be "". */
void ws_shake(struct peer *peer, const char *path, const char *headers);
void ws_open(struct peer *peer, uint16_t port, const char *path);
/* One masked frame. */
void ws_send(struct peer *peer, unsigned first, const void *data, size_t bytes);
void ws_send_text(struct peer *peer, const char *text);
/* The same into memory: its length. out has room for bytes + 14. */
size_t ws_encode(unsigned first, const void *data, size_t bytes, unsigned char *out);
/* false: the connection ended. */
bool ws_receive(struct peer *peer, struct frame *ret_frame);
/* A text frame with just this. */
void ws_expect_text(struct peer *peer, const char *text);
/* A close frame with this code (0: none), whatever came before it when skip. */
void ws_expect_close(struct peer *peer, unsigned code, bool skip);
void ws_send_close(struct peer *peer, unsigned code);

#endif
