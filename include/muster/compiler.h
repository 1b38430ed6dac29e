/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compiler.h - the few compiler facts that the other headers lean on.
 */
#ifndef MUSTER_COMPILER_H
#define MUSTER_COMPILER_H

#define MU_MUST_CHECK __attribute__((warn_unused_result))
#ifdef __MINGW32__ /* whose plain "printf" means Microsoft's formats */
#define MU_PRINTF(format_index, first_index) \
        __attribute__((format(gnu_printf, format_index, first_index)))
#else
#define MU_PRINTF(format_index, first_index) \
        __attribute__((format(printf, format_index, first_index)))
#endif

/* What one core writes and another reads must not share a line. 64 on every
 * x86-64 and AArch64 server; a wrong value costs speed, never correctness. */
#define MU_CACHELINE_BYTES 64

#define MU_LIKELY(x)   __builtin_expect(!!(x), 1)
#define MU_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define MU_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
