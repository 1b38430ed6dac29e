/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h - a directory of the test's own, removed with all that is in it. */
#ifndef MUSTER_TESTS_UNIT_BASE_SCRATCH_H
#define MUSTER_TESTS_UNIT_BASE_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "unit.h"

static inline int scratch_remove_one(const char *path, const struct stat *status, int kind,
                                     struct FTW *place)
{
        (void)status;
        (void)kind;
        (void)place;
        return remove(path);
}

/* cmocka's per-test setup and teardown: *state is the directory's path. */
static inline int scratch_setup(void **state)
{
        const char *base = getenv("TMPDIR");
        char *path;

        if (asprintf(&path, "%s/muster-unit-XXXXXX", base ? base : "/tmp") < 0)
                return -1;
        *state = path;
        return mkdtemp(path) ? 0 : -1;
}

static inline int scratch_teardown(void **state)
{
        int err = nftw(*state, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);

        free(*state);
        return err;
}

/* A path in it, for reading until 16 calls later. */
static inline const char *scratch_path(void **state, const char *name)
{
        static char paths[16][4096];
        static unsigned next;
        char *path = paths[next++ % 16];

        assert_true(snprintf(path, sizeof(paths[0]), "%s/%s", (const char *)*state, name) <
                    (int)sizeof(paths[0]));
        return path;
}

#endif
