/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/machine_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

int mu_machine_path(char ret_path[MU_MACHINE_PATH_BYTES], const char *root, const char *format, ...)
{
        size_t root_bytes = strlen(root);
        va_list arguments;

        if (root_bytes >= MU_MACHINE_PATH_BYTES)
                return -ENAMETOOLONG;
        memcpy(ret_path, root, root_bytes);
        va_start(arguments, format);
        int bytes = vsnprintf(ret_path + root_bytes, MU_MACHINE_PATH_BYTES - root_bytes, format,
                              arguments);
        va_end(arguments);
        if (bytes < 0 || (size_t)bytes >= MU_MACHINE_PATH_BYTES - root_bytes)
                return -ENAMETOOLONG;
        return 0;
}

int mu_machine_read(char *ret_text, size_t room, const char *path)
{
        size_t bytes = 0;
        int err = 0;

        MU_ASSERT(room > 1);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        while (bytes < room - 1) {
                ssize_t got = read(fd, ret_text + bytes, room - 1 - bytes);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        err = -errno;
                if (got <= 0)
                        break;
                bytes += (size_t)got;
        }
        close(fd);
        if (err) {
                ret_text[0] = '\0';
                return err;
        }
        while (bytes > 0 && strchr(" \t\r\n", ret_text[bytes - 1]))
                bytes--;
        ret_text[bytes] = '\0';
        return 0;
}

int mu_machine_read_in(char *ret_text, size_t room, const char *directory, const char *name)
{
        char path[MU_MACHINE_PATH_BYTES];
        int err = mu_machine_path(path, directory, "/%s", name);

        return err ? err : mu_machine_read(ret_text, room, path);
}

int mu_machine_read_int_in(int64_t *ret_value, const char *directory, const char *name)
{
        char text[32], *end;
        int err = mu_machine_read_in(text, sizeof(text), directory, name);

        if (err)
                return err;
        errno = 0;
        long long value = strtoll(text, &end, 10);

        if (errno || end == text || *end != '\0')
                return -EBADMSG;
        *ret_value = value;
        return 0;
}

bool mu_machine_has(const char *directory, const char *name)
{
        char path[MU_MACHINE_PATH_BYTES];

        return mu_machine_path(path, directory, "/%s", name) == 0 && access(path, F_OK) == 0;
}

/* Bytes of the printable character that text begins with; 0: there is none. */
static size_t character(const unsigned char *text, size_t bytes)
{
        static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t length = text[0] < 0x80   ? 1
                        : text[0] < 0xc2 ? 0
                        : text[0] < 0xe0 ? 2
                        : text[0] < 0xf0 ? 3
                        : text[0] < 0xf5 ? 4
                                         : 0;

        if (length == 1)
                return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
        if (length == 0 || length > bytes)
                return 0;
        uint32_t code = text[0] & (0xffU >> (length + 1));

        for (size_t i = 1; i < length; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (text[i] & 0x3fU);
        }
        if (code < LEAST[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
            code < 0xa0) /* C1 controls */
                return 0;
        return length;
}

void mu_machine_clean(char *ret_text, size_t room, const void *text, size_t bytes)
{
        const unsigned char *from = text;
        size_t written = 0;

        MU_ASSERT(room > 0);
        while (bytes > 0) {
                size_t length = character(from, bytes);
                size_t taken = length ? length : 1;

                if (written + taken >= room)
                        break;
                if (length)
                        memcpy(ret_text + written, from, length);
                else
                        ret_text[written] = '?';
                written += taken;
                from += taken;
                bytes -= taken;
        }
        ret_text[written] = '\0';
}
