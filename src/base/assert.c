/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN32
_Noreturn void mu_assert_failed(const char *expression, const char *file, int line)
{
        (void)fprintf(stderr, "assertion failed: %s, at %s:%d\n", expression, file, line);
        abort();
}
#else
#include <execinfo.h>
#include <unistd.h>

/* No lock, no heap: the process is in an unknown state. */
void mu_assert_failed(const char *expression, const char *file, int line)
{
        void *frames[64];
        int count = backtrace(frames, (int)MU_COUNT_OF(frames));

        (void)dprintf(STDERR_FILENO, "assertion failed: %s, at %s:%d\n", expression, file, line);
        backtrace_symbols_fd(frames, count, STDERR_FILENO);
        abort();
}
#endif
