/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_machine.h - a directory that stands for a machine's root: its /sys, /proc, /run and tools.
 *
 * Threads: one. Errors: fail the test.
 */
#ifndef MUSTER_TESTS_FAKE_MACHINE_H
#define MUSTER_TESTS_FAKE_MACHINE_H

#include <sys/types.h>

#include "muster/compiler.h"

struct fake_machine {
        char root[64];
};

/* cmocka's setup and teardown: *state is the machine. */
int fake_machine_setup(void **state);
int fake_machine_teardown(void **state);

/* path begins with a slash; its directories are made. */
void fake_machine_file(struct fake_machine *machine, const char *path, const char *content);
void fake_machine_data(struct fake_machine *machine, const char *path, const void *data,
                       size_t bytes);
void fake_machine_directory(struct fake_machine *machine, const char *path);
void fake_machine_link(struct fake_machine *machine, const char *path, const char *target);
/* A shell script that may be executed. */
void fake_machine_tool(struct fake_machine *machine, const char *path, const char *script);
/* Whole, to be freed; NULL: it is not there. */
char *fake_machine_read(struct fake_machine *machine, const char *path);

#endif
