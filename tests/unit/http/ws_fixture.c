/* SPDX-License-Identifier: Apache-2.0 */
#include "ws_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ws_shake(struct peer *peer, const char *path, const char *headers)
{
        struct answer answer;
        char *request;

        assert_true(asprintf(&request, "GET %s HTTP/1.1\r\nHost: t\r\n" WS_ASK "%s\r\n", path,
                             headers) > 0);
        peer_send(peer, request);
        free(request);
        peer_receive(peer, true, &answer);
        if (answer.status != 101)
                fail_msg("expected 101, got %s", answer.head);
        assert_non_null(strcasestr(answer.head, "upgrade: websocket\r\n"));
        assert_non_null(strcasestr(answer.head, "connection: upgrade\r\n"));
        assert_non_null(
                strcasestr(answer.head, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert_null(strcasestr(answer.head, "content-length"));
        answer_done(&answer);
}

void ws_open(struct peer *peer, uint16_t port, const char *path)
{
        peer_open(peer, port);
        ws_shake(peer, path, "");
}

size_t ws_encode(unsigned first, const void *data, size_t bytes, unsigned char *out)
{
        static const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
        size_t extra = bytes < 126 ? 0 : bytes <= UINT16_MAX ? 2 : 8;
        const unsigned char *in = data;
        unsigned char *at = out;

        *at++ = (unsigned char)first;
        *at++ = (unsigned char)(0x80 | (extra == 0 ? bytes : extra == 2 ? 126 : 127));
        for (size_t i = extra; i-- > 0;)
                *at++ = (unsigned char)((uint64_t)bytes >> (8 * i));
        memcpy(at, mask, 4);
        at += 4;
        for (size_t i = 0; i < bytes; i++)
                *at++ = in[i] ^ mask[i % 4];
        return (size_t)(at - out);
}

void ws_send(struct peer *peer, unsigned first, const void *data, size_t bytes)
{
        unsigned char *frame = malloc(bytes + 14);

        assert_non_null(frame);
        peer_send_bytes(peer, frame, ws_encode(first, data, bytes, frame));
        free(frame);
}

void ws_send_text(struct peer *peer, const char *text)
{
        ws_send(peer, WS_TEXT, text, strlen(text));
}

void ws_send_close(struct peer *peer, unsigned code)
{
        const unsigned char body[2] = {(unsigned char)(code >> 8), (unsigned char)code};

        ws_send(peer, WS_CLOSE, body, code == 0 ? 0 : 2);
}

static bool need(struct peer *peer, size_t bytes)
{
        while (peer->size < bytes) {
                if (!peer_read_more(peer))
                        return false;
        }
        return true;
}

bool ws_receive(struct peer *peer, struct frame *ret_frame)
{
        if (!need(peer, 2))
                return false;
        unsigned length = (unsigned char)peer->bytes[1];
        size_t header = length == 126 ? 4 : length == 127 ? 10 : 2;
        uint64_t bytes = length;

        assert_true(length < 128); /* a server's frames have no mask */
        if (!need(peer, header))
                return false;
        if (header > 2) {
                bytes = 0;
                for (size_t i = 2; i < header; i++)
                        bytes = bytes << 8 | (unsigned char)peer->bytes[i];
                assert_true(bytes >= (header == 4 ? 126 : 65536));
        }
        if (!need(peer, header + bytes))
                return false;
        ret_frame->first = (unsigned char)peer->bytes[0];
        ret_frame->bytes = bytes;
        ret_frame->data = malloc(bytes + 1);
        assert_non_null(ret_frame->data);
        memcpy(ret_frame->data, peer->bytes + header, bytes);
        ret_frame->data[bytes] = '\0';
        peer_consume(peer, header + bytes);
        return true;
}

void ws_expect_text(struct peer *peer, const char *text)
{
        struct frame frame;

        assert_true(ws_receive(peer, &frame));
        assert_int_equal(frame.first, WS_TEXT);
        assert_string_equal(frame.data, text);
        free(frame.data);
}

void ws_expect_close(struct peer *peer, unsigned code, bool skip)
{
        struct frame frame;

        for (;;) {
                assert_true(ws_receive(peer, &frame));
                if (frame.first == WS_CLOSE || !skip)
                        break;
                free(frame.data);
        }
        assert_int_equal(frame.first, WS_CLOSE);
        if (code == 0) {
                assert_int_equal(frame.bytes, 0);
        } else {
                assert_true(frame.bytes >= 2);
                assert_int_equal((unsigned char)frame.data[0] << 8 | (unsigned char)frame.data[1],
                                 code);
        }
        free(frame.data);
}
