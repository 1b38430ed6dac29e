/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assert.h - assertions that stay on in release builds.
 *
 * MU_ASSERT states an invariant of ours: when it is false the process is wrong and must stop before
 * it acknowledges anything more (the journal is what makes stopping safe). Never for input.
 */
#ifndef MUSTER_BASE_ASSERT_H
#define MUSTER_BASE_ASSERT_H

#include "muster/compiler.h"

/* Writes the expression, place and a backtrace to standard error and aborts. Any thread. */
_Noreturn void mu_assert_failed(const char *expression, const char *file, int line);

#define MU_ASSERT(expression)                                                                      \
        do {                                                                                       \
                if (MU_UNLIKELY(!(expression)))                                                    \
                        mu_assert_failed(#expression, __FILE__, __LINE__);                         \
        } while (0)

#endif
