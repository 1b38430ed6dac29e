/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "fake_machine.h"

enum { PATH_BYTES = 1024, FILE_BYTES_MAX = 1 << 20 };

int fake_machine_setup(void **state)
{
        struct fake_machine *machine = calloc(1, sizeof(*machine));

        assert_non_null(machine);
        (void)snprintf(machine->root, sizeof(machine->root), "/tmp/mu-machine-XXXXXX");
        assert_non_null(mkdtemp(machine->root));
        *state = machine;
        return 0;
}

static int remove_one(const char *path, const struct stat *of, int type, struct FTW *place)
{
        (void)of;
        (void)type;
        (void)place;
        return remove(path);
}

int fake_machine_teardown(void **state)
{
        struct fake_machine *machine = *state;
        int err = nftw(machine->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);

        free(machine);
        return err;
}

/* The whole path; the directories before its last part are made. */
static void prepare(const struct fake_machine *machine, const char *path, char ret_path[PATH_BYTES])
{
        int bytes = snprintf(ret_path, PATH_BYTES, "%s%s", machine->root, path);

        assert_true(bytes > 0 && bytes < PATH_BYTES);
        char *slash = strrchr(ret_path, '/');

        *slash = '\0';
        assert_int_equal(mu_fs_make_directories(ret_path, 0755), 0);
        *slash = '/';
}

static void write_file(const char *path, const void *data, size_t bytes, mode_t mode)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        assert_true(fd >= 0);
        assert_int_equal(mu_fs_write_all(fd, data, bytes), 0);
        assert_int_equal(close(fd), 0);
}

void fake_machine_data(struct fake_machine *machine, const char *path, const void *data,
                       size_t bytes)
{
        char whole[PATH_BYTES];

        prepare(machine, path, whole);
        write_file(whole, data, bytes, 0644);
}

void fake_machine_file(struct fake_machine *machine, const char *path, const char *content)
{
        fake_machine_data(machine, path, content, strlen(content));
}

void fake_machine_directory(struct fake_machine *machine, const char *path)
{
        char whole[PATH_BYTES];

        prepare(machine, path, whole);
        assert_int_equal(mu_fs_make_directories(whole, 0755), 0);
}

void fake_machine_link(struct fake_machine *machine, const char *path, const char *target)
{
        char whole[PATH_BYTES];

        prepare(machine, path, whole);
        assert_int_equal(symlink(target, whole), 0);
}

void fake_machine_tool(struct fake_machine *machine, const char *path, const char *script)
{
        char whole[PATH_BYTES], text[4096];

        prepare(machine, path, whole);
        int bytes = snprintf(text, sizeof(text), "#!/bin/sh\nroot=%s\n%s\n", machine->root, script);

        assert_true(bytes > 0 && bytes < (int)sizeof(text));
        write_file(whole, text, (size_t)bytes, 0755);
}

char *fake_machine_read(struct fake_machine *machine, const char *path)
{
        char whole[PATH_BYTES], *data;

        prepare(machine, path, whole);
        return mu_fs_read_file(whole, FILE_BYTES_MAX, &data, NULL) < 0 ? NULL : data;
}
