/* SPDX-License-Identifier: Apache-2.0 */
#include "net/handshake.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/random.h"
#include "core/base64.h"
#include "net/sha1.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { NONCE_BYTES = 16, SWITCHING = 101 };

int mu_handshake_init(struct mu_handshake *handshake)
{
        uint8_t nonce[NONCE_BYTES];
        int err = mu_random_secret(nonce, sizeof(nonce));

        if (err < 0)
                return err;
        mu_agent_base64_encode(nonce, sizeof(nonce), handshake->key);
        mu_handshake_accept(handshake->key, handshake->accept);
        return 0;
}

void mu_handshake_accept(const char *key, char ret_accept[MU_HANDSHAKE_ACCEPT_BYTES])
{
        char joined[MU_HANDSHAKE_KEY_BYTES + sizeof(GUID)];
        uint8_t digest[MU_SHA1_BYTES];
        struct mu_text text;

        mu_text_init_fixed(&text, joined, sizeof(joined));
        mu_text_add(&text, key);
        mu_text_add(&text, GUID);
        mu_sha1(text.data, text.bytes, digest);
        mu_agent_base64_encode(digest, sizeof(digest), ret_accept);
}

int mu_handshake_request(const struct mu_handshake *handshake, const char *url, const char *token,
                         const char *user_agent, struct mu_text *text)
{
        const char *host = strstr(url, "://");

        if (!host)
                return -EINVAL;
        host += strlen("://");
        size_t host_chars = strcspn(host, "/?#");
        const char *path = host + host_chars;

        mu_text_add_format(text, "GET %s%s HTTP/1.1\r\n", *path == '/' ? "" : "/", path);
        mu_text_add_format(text, "Host: %.*s\r\n", (int)host_chars, host);
        mu_text_add_format(text,
                           "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
                           handshake->key);
        mu_text_add_format(text, "Authorization: Bearer %s\r\n", token);
        mu_text_add_format(text, "User-Agent: %s\r\n\r\n", user_agent);
        return mu_text_status(text);
}

/* ---- the reply ---- */

struct piece {
        const char *data;
        size_t bytes;
};

static char lower(char letter)
{
        return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static bool is_word(struct piece piece, const char *word)
{
        if (piece.bytes != strlen(word))
                return false;
        for (size_t i = 0; i < piece.bytes; i++)
                if (lower(piece.data[i]) != lower(word[i]))
                        return false;
        return true;
}

static struct piece trim(struct piece piece)
{
        while (piece.bytes > 0 && (*piece.data == ' ' || *piece.data == '\t')) {
                piece.data++;
                piece.bytes--;
        }
        while (piece.bytes > 0 &&
               (piece.data[piece.bytes - 1] == ' ' || piece.data[piece.bytes - 1] == '\t'))
                piece.bytes--;
        return piece;
}

/* Cuts up to the first separator off *rest. */
static struct piece cut(struct piece *rest, char separator)
{
        const char *end = rest->bytes > 0 ? memchr(rest->data, separator, rest->bytes) : NULL;
        struct piece first = {.data = rest->data,
                              .bytes = end ? (size_t)(end - rest->data) : rest->bytes};
        size_t used = end ? first.bytes + 1 : first.bytes;

        rest->data += used;
        rest->bytes -= used;
        return first;
}

static bool has_token(struct piece list, const char *token)
{
        while (list.bytes > 0)
                if (is_word(trim(cut(&list, ',')), token))
                        return true;
        return false;
}

/* "HTTP/1.1 101 …": 0: not such a line. */
static int status_of(struct piece line)
{
        if (line.bytes < strlen("HTTP/1.1 101") || memcmp(line.data, "HTTP/1.1 ", 9) != 0)
                return 0;
        const char *digits = line.data + 9;
        int status = 0;

        for (int i = 0; i < 3; i++) {
                if (digits[i] < '0' || digits[i] > '9')
                        return 0;
                status = status * 10 + (digits[i] - '0');
        }
        return status;
}

/* What a 101 must hold, and what it must not: nothing was offered. */
struct found {
        bool upgrade;
        bool connection;
        unsigned accepts;
        bool accepted;
        bool extra;
};

static void look_at_line(const struct mu_handshake *handshake, struct piece line,
                         struct found *found)
{
        struct piece name = cut(&line, ':');
        struct piece value = trim(line);

        if (is_word(name, "Upgrade"))
                found->upgrade = is_word(value, "websocket");
        else if (is_word(name, "Connection"))
                found->connection = found->connection || has_token(value, "upgrade");
        else if (is_word(name, "Sec-WebSocket-Extensions") ||
                 is_word(name, "Sec-WebSocket-Protocol"))
                found->extra = true;
        if (!is_word(name, "Sec-WebSocket-Accept"))
                return;
        found->accepts++;
        found->accepted = value.bytes == strlen(handshake->accept) &&
                          memcmp(value.data, handshake->accept, value.bytes) == 0;
}

/* Where the head ends, or 0. */
static size_t head_bytes(const char *reply, size_t bytes)
{
        for (size_t i = 0; i + 4 <= bytes; i++)
                if (memcmp(reply + i, "\r\n\r\n", 4) == 0)
                        return i + 4;
        return 0;
}

static struct piece cut_line(struct piece *rest)
{
        struct piece line = cut(rest, '\n');

        if (line.bytes > 0 && line.data[line.bytes - 1] == '\r')
                line.bytes--;
        return line;
}

int mu_handshake_reply(const struct mu_handshake *handshake, const char *reply, size_t bytes,
                       size_t *ret_used, int *ret_status)
{
        size_t head = head_bytes(reply, bytes);
        struct found found = {0};

        if (head == 0 || head > MU_HANDSHAKE_REPLY_BYTES_MAX)
                return bytes < MU_HANDSHAKE_REPLY_BYTES_MAX ? -EAGAIN : -EMSGSIZE;
        struct piece rest = {.data = reply, .bytes = head - 2};
        int status = status_of(cut(&rest, '\n'));

        if (status == 0)
                return -EPROTO;
        if (status != SWITCHING) {
                *ret_status = status;
                return -EPERM;
        }
        while (rest.bytes > 0)
                look_at_line(handshake, cut_line(&rest), &found);
        if (!found.upgrade || !found.connection || found.extra || found.accepts != 1 ||
            !found.accepted)
                return -EPROTO;
        *ret_used = head;
        *ret_status = status;
        return 0;
}

bool mu_handshake_header(const char *reply, size_t bytes, const char *name, char *ret_value,
                         size_t room)
{
        struct piece rest = {.data = reply, .bytes = head_bytes(reply, bytes)};

        (void)cut_line(&rest); /* the status */
        while (rest.bytes > 0) {
                struct piece value = cut_line(&rest);
                bool is_it = is_word(cut(&value, ':'), name);

                value = trim(value);
                if (!is_it || value.bytes >= room || memchr(value.data, '\0', value.bytes))
                        continue;
                memcpy(ret_value, value.data, value.bytes);
                ret_value[value.bytes] = '\0';
                return true;
        }
        return false;
}
