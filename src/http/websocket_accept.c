/* SPDX-License-Identifier: Apache-2.0 */
/*
 * websocket_accept.c - the opening handshake (RFC 6455 section 4.2).
 */
#include <errno.h>
#include <openssl/base64.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "http/origin.h"
#include "http/websocket_private.h"
#include "muster/histogram.h"

#define KEY_BYTES 24 /* 16 bytes in base64 */
#define ACCEPT_BYTES 28
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static size_t count_headers(const struct mu_request *request, const char *name)
{
        const h2o_headers_t *headers = &request->h2o->headers;
        size_t count = 0;

        for (size_t i = 0; i < headers->size; i++)
                count += (size_t)h2o_memis(headers->entries[i].name->base,
                                           headers->entries[i].name->len, name, strlen(name));
        return count;
}

static bool key_is_correct(const struct mu_request *request)
{
        struct mu_slice key = mu_request_header(request, "sec-websocket-key");
        uint8_t decoded[KEY_BYTES];
        size_t bytes;

        return key.bytes == KEY_BYTES && count_headers(request, "sec-websocket-key") == 1 &&
               EVP_DecodeBase64(decoded, &bytes, sizeof(decoded), (const uint8_t *)key.data,
                                key.bytes) == 1 &&
               bytes == 16;
}

static bool version_is_13(const struct mu_request *request)
{
        struct mu_slice version = mu_request_header(request, "sec-websocket-version");

        return version.bytes == 2 && memcmp(version.data, "13", 2) == 0;
}

bool mu_ws_check_handshake(struct mu_request *request)
{
        const h2o_req_t *req = request->h2o;

        /* h2o keeps Upgrade only when Connection names it. */
        if (request->method != MU_METHOD_GET || req->version != 0x101 || !req->upgrade.base ||
            !h2o_lcstris(req->upgrade.base, req->upgrade.len, H2O_STRLIT("websocket"))) {
                mu_reply_problem(request, 400, "websocket-expected", NULL,
                                 "This path speaks WebSocket: ask with GET, HTTP/1.1, "
                                 "Upgrade: websocket and Connection: Upgrade.");
                return false;
        }
        if (!version_is_13(request)) {
                mu_reply_header(request, "sec-websocket-version", "13");
                mu_reply_problem(request, 426, "websocket-version", "Sec-WebSocket-Version",
                                 "Only version 13 of the WebSocket protocol is spoken here.");
                return false;
        }
        if (!key_is_correct(request)) {
                mu_reply_problem(request, 400, "websocket-key", "Sec-WebSocket-Key",
                                 "Sec-WebSocket-Key must be there once: 16 bytes in base64.");
                return false;
        }
        if ((request->route->flags & MU_ROUTE_ANY_ORIGIN) == 0 &&
            !mu_request_origin_allowed(request)) {
                mu_reply_problem(request, 403, "origin-not-allowed", "Origin",
                                 "Pages of this origin may not connect here; http.cors_origins "
                                 "lists those that may.");
                return false;
        }
        if (mu_loop_stopping(mu_request_loop(request))) {
                mu_reply_problem_retry(request, 503, "stopping", 5,
                                       "The server is stopping; connect again.");
                return false;
        }
        return true;
}

/* base64(SHA-1(key + GUID)) */
static void add_accept_header(struct mu_request *request)
{
        struct mu_slice key = mu_request_header(request, "sec-websocket-key");
        uint8_t source[KEY_BYTES + sizeof(GUID) - 1];
        uint8_t digest[SHA_DIGEST_LENGTH];
        char accept[ACCEPT_BYTES + 1];

        MU_ASSERT(key.bytes == KEY_BYTES);
        memcpy(source, key.data, KEY_BYTES);
        memcpy(source + KEY_BYTES, GUID, sizeof(GUID) - 1);
        SHA1(source, sizeof(source), digest);
        size_t bytes = EVP_EncodeBlock((uint8_t *)accept, digest, sizeof(digest));
        MU_ASSERT(bytes == ACCEPT_BYTES);
        mu_reply_header(request, "sec-websocket-accept", accept);
}

static void upgrade(struct mu_request *request, struct mu_ws *ws)
{
        struct mu_loop *loop = mu_request_loop(request);
        h2o_req_t *req = request->h2o;

        mu_reply_header(request, "upgrade", "websocket");
        add_accept_header(request);
        req->res.status = 101;
        req->res.reason = mu_status_text(101);
        req->res.content_length = SIZE_MAX;
        uint64_t started_ns = request->started_ns;
        struct mu_histogram *duration_ns = mu_request_finish(request, 101);
        mu_ws_arm_stall(ws);
        h2o_http1_upgrade(req, NULL, 0, mu_ws_upgraded, ws);
        mu_histogram_record(duration_ns, mu_loop_monotonic_exact_ns(loop) - started_ns);
}

int mu_ws_accept(struct mu_request *request, const struct mu_ws_callbacks *callbacks, void *ctx,
                 struct mu_ws **ret_ws)
{
        struct mu_connection *connection = mu_request_connection(request);
        struct mu_loop *loop = connection->loop;

        MU_ASSERT(request->h2o && (request->route->flags & MU_ROUTE_WEBSOCKET) != 0);
        MU_ASSERT(callbacks->on_close && callbacks->message_bytes_max <= MU_WS_MESSAGE_BYTES_MAX &&
                  !connection->ws);
        if (mu_loop_stopping(loop))
                return -ESHUTDOWN;
        struct mu_ws *ws = calloc(1, sizeof(*ws));
        if (!ws)
                return -ENOMEM;
        ws->connection = connection;
        ws->callbacks = callbacks;
        ws->ctx = ctx;
        ws->address = mu_request_address(request);
        connection->ws = ws;
        mu_cell_add(&loop->cells.ws_open, 1);
        atomic_fetch_add_explicit(&loop->ws_count, 1, memory_order_relaxed);
        upgrade(request, ws);
        *ret_ws = ws;
        return 0;
}
