/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/x11.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "linux/machine_file.h"

enum {
        STEP_S = 2,
        AUTHORITY_BYTES_MAX = 64 * 1024,
        COOKIE_BYTES_MAX = 64,
        PACKET_BYTES = 32,          /* of each reply's head, event and error */
        DATA_BYTES_MAX = 64 * 1024, /* a server's greeting takes about 10 KiB */
        EVENTS_MAX = 64,            /* before a reply: we asked for none */
        REQUEST_BYTES = 96,
        PROPERTY_WORDS = MU_AGENT_PACKAGE_BYTES / 2,

        ERROR_PACKET = 0,
        REPLY_PACKET = 1,
        GENERIC_EVENT = 35,

        INTERN_ATOM = 16,
        GET_PROPERTY = 20,
        QUERY_EXTENSION = 98,
        SAVER_QUERY_INFO = 1,

        ATOM_STRING = 31,
        ATOM_WINDOW = 33,
        ATOM_WM_CLASS = 67,

        FAMILY_LOCAL = 256,
        FAMILY_WILD = 65535,
};

static const char COOKIE_NAME[] = "MIT-MAGIC-COOKIE-1";

struct cookie {
        size_t bytes; /* 0: none */
        unsigned char data[COOKIE_BYTES_MAX];
};

struct connection {
        int fd;
        uint32_t root_window;
        unsigned char head[PACKET_BYTES];
        unsigned char *data; /* what came after the head */
        size_t data_bytes;
};

static uint16_t get16(const unsigned char *from)
{
        uint16_t value;

        memcpy(&value, from, sizeof(value));
        return value;
}

static uint32_t get32(const unsigned char *from)
{
        uint32_t value;

        memcpy(&value, from, sizeof(value));
        return value;
}

static void put16(unsigned char *to, size_t value)
{
        uint16_t small = (uint16_t)value;

        MU_ASSERT(value <= UINT16_MAX);
        memcpy(to, &small, sizeof(small));
}

static void put32(unsigned char *to, uint32_t value)
{
        memcpy(to, &value, sizeof(value));
}

static size_t padded(size_t bytes)
{
        return (bytes + 3) & ~(size_t)3;
}

/* The display's number, or -1. */
static long display_number(const char *display)
{
        char *end;

        if (strncmp(display, "unix:", 5) == 0)
                display += 4;
        if (display[0] != ':' || display[1] < '0' || display[1] > '9')
                return -1;
        long number = strtol(display + 1, &end, 10);

        return (*end == '\0' || *end == '.') && number <= 65535 ? number : -1;
}

/* A counted text of the cookies' file; false: it is broken off. */
static bool next_text(const unsigned char **at, const unsigned char *end,
                      const unsigned char **ret_text, size_t *ret_bytes)
{
        if (end - *at < 2)
                return false;
        size_t bytes = (size_t)(*at)[0] << 8 | (*at)[1];

        if ((size_t)(end - *at) - 2 < bytes)
                return false;
        *ret_text = *at + 2;
        *ret_bytes = bytes;
        *at += 2 + bytes;
        return true;
}

/* The first cookie for that display of this machine. */
static void find_cookie(const unsigned char *at, size_t bytes, long number,
                        struct cookie *ret_cookie)
{
        const unsigned char *end = at + bytes, *text[4];
        size_t text_bytes[4]; /* address, display, name, data */
        char wanted[8];
        int wanted_bytes = snprintf(wanted, sizeof(wanted), "%u", (unsigned)(uint16_t)number);

        while (end - at >= 2) {
                unsigned family = (unsigned)at[0] << 8 | at[1];

                at += 2;
                for (size_t i = 0; i < MU_COUNT_OF(text); i++)
                        if (!next_text(&at, end, &text[i], &text_bytes[i]))
                                return;
                if ((family != FAMILY_LOCAL && family != FAMILY_WILD) ||
                    (text_bytes[1] != 0 && (text_bytes[1] != (size_t)wanted_bytes ||
                                            memcmp(text[1], wanted, text_bytes[1]) != 0)) ||
                    text_bytes[2] != sizeof(COOKIE_NAME) - 1 ||
                    memcmp(text[2], COOKIE_NAME, sizeof(COOKIE_NAME) - 1) != 0 ||
                    text_bytes[3] > COOKIE_BYTES_MAX)
                        continue;
                memcpy(ret_cookie->data, text[3], text_bytes[3]);
                ret_cookie->bytes = text_bytes[3];
                return;
        }
}

static void read_cookie(const char *authority, long number, struct cookie *ret_cookie)
{
        char *data;
        size_t bytes;

        if (!authority || mu_fs_read_file(authority, AUTHORITY_BYTES_MAX, &data, &bytes) < 0)
                return;
        find_cookie((const unsigned char *)data, bytes, number, ret_cookie);
        explicit_bzero(data, bytes);
        free(data);
}

static int connect_to_name(const struct sockaddr_un *address, size_t name_bytes)
{
        struct timeval wait = {.tv_sec = STEP_S};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0 &&
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
            connect(fd, (const struct sockaddr *)address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_bytes)) == 0)
                return fd;
        int err = -errno;

        close(fd);
        return err;
}

/* A service with a /tmp of its own still finds the server by the name that is no file. */
static int connect_to(const char *root, long number)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t room = sizeof(address.sun_path) - 1;
        int length = snprintf(address.sun_path, room, "%s/tmp/.X11-unix/X%ld", root, number);

        if (length < 0 || (size_t)length >= room)
                return -ENAMETOOLONG;
        int fd = connect_to_name(&address, (size_t)length + 1);

        if (fd >= 0 || root[0] != '\0')
                return fd;
        memmove(address.sun_path + 1, address.sun_path, (size_t)length);
        address.sun_path[0] = '\0';
        return connect_to_name(&address, (size_t)length + 1);
}

static int send_all(const struct connection *x, const void *data, size_t bytes)
{
        ssize_t sent = send(x->fd, data, bytes, MSG_NOSIGNAL); /* small: whole or not at all */

        if (sent < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        return (size_t)sent == bytes ? 0 : -ETIMEDOUT;
}

static int receive(const struct connection *x, unsigned char *ret_data, size_t bytes)
{
        ssize_t got = bytes ? recv(x->fd, ret_data, bytes, MSG_WAITALL) : 0;

        if (got < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if ((size_t)got == bytes)
                return 0;
        return got == 0 ? -ECONNRESET : -ETIMEDOUT;
}

static int receive_data(struct connection *x, size_t bytes)
{
        free(x->data);
        x->data_bytes = 0;
        x->data = bytes <= DATA_BYTES_MAX ? malloc(bytes ? bytes : 1) : NULL;
        if (!x->data)
                return bytes <= DATA_BYTES_MAX ? -ENOMEM : -EPROTO;
        int err = receive(x, x->data, bytes);

        if (!err)
                x->data_bytes = bytes;
        return err;
}

/* A request's reply; events before it are passed over. */
static int ask(struct connection *x, const unsigned char *request, size_t bytes)
{
        int err = send_all(x, request, bytes);

        for (int i = 0; !err && i < EVENTS_MAX; i++) {
                err = receive(x, x->head, PACKET_BYTES);
                if (err)
                        break;
                if (x->head[0] == ERROR_PACKET)
                        return -EPROTO;
                size_t more = x->head[0] == REPLY_PACKET || (x->head[0] & 0x7f) == GENERIC_EVENT
                                      ? (size_t)get32(x->head + 4) * 4
                                      : 0;

                err = receive_data(x, more);
                if (!err && x->head[0] == REPLY_PACKET)
                        return 0;
        }
        return err ? err : -EPROTO;
}

/* The greeting: byte order, version 11.0, the cookie; the answer tells the first screen's root. */
static int greet(struct connection *x, const struct cookie *cookie)
{
        enum { HEAD = 12, ANSWER_HEAD = 8, FIXED = 32, FORMAT_BYTES = 8 };
        unsigned char request[HEAD + sizeof(COOKIE_NAME) + 3 + COOKIE_BYTES_MAX] = {0};
        size_t name_bytes = cookie->bytes ? sizeof(COOKIE_NAME) - 1 : 0;

        request[0] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 'l' : 'B';
        put16(request + 2, 11);
        put16(request + 6, name_bytes);
        put16(request + 8, cookie->bytes);
        memcpy(request + HEAD, COOKIE_NAME, name_bytes);
        memcpy(request + HEAD + padded(name_bytes), cookie->data, cookie->bytes);
        int err = send_all(x, request, HEAD + padded(name_bytes) + padded(cookie->bytes));

        if (!err)
                err = receive(x, x->head, ANSWER_HEAD);
        if (!err && x->head[0] != 1)
                err = -EACCES;
        if (!err)
                err = receive_data(x, (size_t)get16(x->head + 6) * 4);
        if (err)
                return err;
        if (x->data_bytes < FIXED)
                return -EPROTO;
        size_t screens = FIXED + padded(get16(x->data + 16)) + (size_t)x->data[21] * FORMAT_BYTES;

        if (x->data[20] == 0 || x->data_bytes < screens + 4)
                return -EPROTO;
        x->root_window = get32(x->data + screens);
        return 0;
}

/* InternAtom (only if it is there) and QueryExtension have one form: the answer's word at 8. */
static int ask_name(struct connection *x, unsigned char opcode, const char *name)
{
        unsigned char request[REQUEST_BYTES] = {opcode, opcode == INTERN_ATOM};
        size_t name_bytes = strlen(name), bytes = 8 + padded(name_bytes);

        MU_ASSERT(bytes <= sizeof(request));
        put16(request + 2, bytes / 4);
        put16(request + 4, name_bytes);
        memcpy(request + 8, name, name_bytes);
        return ask(x, request, bytes);
}

/* Its value is x->data: *ret_bytes of it; 0 where the window has none of that type and format. */
static int ask_property(struct connection *x, uint32_t window, uint32_t property, uint32_t type,
                        unsigned format_bits, size_t *ret_bytes)
{
        unsigned char request[24] = {GET_PROPERTY};

        put16(request + 2, sizeof(request) / 4);
        put32(request + 4, window);
        put32(request + 8, property);
        put32(request + 12, type);
        put32(request + 20, PROPERTY_WORDS);
        int err = ask(x, request, sizeof(request));

        if (err)
                return err;
        size_t bytes =
                x->head[1] == format_bits ? get32(x->head + 16) * (size_t)(format_bits / 8) : 0;

        *ret_bytes = bytes <= x->data_bytes ? bytes : 0;
        return 0;
}

/* WM_CLASS is two texts, each with its NUL: the instance's and the class. */
static int ask_class(struct connection *x, char ret_class[MU_AGENT_PACKAGE_BYTES])
{
        size_t bytes;
        int err = ask_name(x, INTERN_ATOM, "_NET_ACTIVE_WINDOW");

        if (err)
                return err;
        uint32_t active = get32(x->head + 8);

        if (active == 0) /* no window manager ever named it */
                return 0;
        err = ask_property(x, x->root_window, active, ATOM_WINDOW, 32, &bytes);
        if (err || bytes < 4 || get32(x->data) == 0)
                return err;
        err = ask_property(x, get32(x->data), ATOM_WM_CLASS, ATOM_STRING, 8, &bytes);
        if (err == -EPROTO) /* the window was closed in between */
                return 0;
        if (err || bytes == 0)
                return err;
        const unsigned char *nul = memchr(x->data, '\0', bytes);

        if (!nul)
                return 0;
        size_t before = (size_t)(nul - x->data) + 1;

        mu_machine_clean(ret_class, MU_AGENT_PACKAGE_BYTES, nul + 1,
                         strnlen((const char *)nul + 1, bytes - before));
        return 0;
}

static int ask_idle(struct connection *x, int64_t *ret_idle_s)
{
        unsigned char request[8] = {0};
        int err = ask_name(x, QUERY_EXTENSION, "MIT-SCREEN-SAVER");

        if (err || x->head[8] == 0)
                return err;
        request[0] = x->head[9];
        request[1] = SAVER_QUERY_INFO;
        put16(request + 2, sizeof(request) / 4);
        put32(request + 4, x->root_window);
        err = ask(x, request, sizeof(request));
        if (!err)
                *ret_idle_s = get32(x->head + 16) / MU_MS_PER_S;
        return err;
}

int mu_x11_ask(const char *root, const char *display, const char *authority,
               struct mu_x11 *ret_answer)
{
        struct connection x = {0};
        struct cookie cookie = {0};
        struct mu_x11 answer = {.idle_s = -1};
        long number = display_number(display);

        if (number < 0)
                return -ENOTSUP;
        x.fd = connect_to(root, number);
        if (x.fd < 0)
                return x.fd;
        read_cookie(authority, number, &cookie);
        int err = greet(&x, &cookie);

        explicit_bzero(&cookie, sizeof(cookie));
        if (!err)
                err = ask_class(&x, answer.class);
        if (!err)
                err = ask_idle(&x, &answer.idle_s);
        free(x.data);
        close(x.fd);
        if (!err)
                *ret_answer = answer;
        return err;
}
