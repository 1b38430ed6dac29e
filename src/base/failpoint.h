/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failpoint.h - named places where a test build can be told to fail.
 *
 *   int err = 0;
 *   MU_FAILPOINT("journal.write", err);      err is set when the point fires with an error
 *
 * Armed by the environment, read at the first point passed, or by mu_failpoint_arm:
 *
 *   MUSTER_FAILPOINTS="journal.write=error:ENOSPC@3*2;writer.commit=crash@10"
 *
 *   name=action[@nth][*count]   from the nth passing on (default 1), count times (default: always)
 *   error:NAME   the errno, negated      crash   SIGKILL to ourselves      delay:MS   sleeps
 *
 * Compiled only with MUSTER_FAILPOINTS; without it the macro is nothing.
 *
 * Threads    any. A passing costs one relaxed load while nothing is armed.
 * Errors     A wrong MUSTER_FAILPOINTS ends the process with a sentence: a fault test that
 *            injects nothing must not pass.
 */
#ifndef MUSTER_BASE_FAILPOINT_H
#define MUSTER_BASE_FAILPOINT_H

#ifdef MUSTER_FAILPOINTS

#include <stdint.h>

#include "muster/compiler.h"

#define MU_FAILPOINT(name, error)                                                                  \
        do {                                                                                       \
                int failpoint_error_ = mu_failpoint_hit(name);                                     \
                if (failpoint_error_ < 0)                                                          \
                        (error) = failpoint_error_;                                                \
        } while (0)

/* One or more specifications, ';' between; a point armed again starts anew. 0 or -EINVAL (none of
 * them armed), -ENOSPC. */
MU_MUST_CHECK
int mu_failpoint_arm(const char *specification);
void mu_failpoint_disarm_all(void);
/* How often the armed point was passed, 0 if it is not armed. */
uint64_t mu_failpoint_passed_count(const char *name);
/* Use MU_FAILPOINT. Negative errno when an error fires, else 0. */
int mu_failpoint_hit(const char *name);

#else

#define MU_FAILPOINT(name, error)                                                                  \
        do {                                                                                       \
                (void)sizeof(error);                                                               \
        } while (0)

#endif
#endif
