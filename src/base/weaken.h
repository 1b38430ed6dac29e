/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weaken.h - memory orders that a test can take away one at a time.
 *
 * A lock-free file numbers its acquire and release operations from 1: MU_ORDER(2, acquire). A
 * test compiles that file again with MU_WEAKEN=2, which makes operation 2 relaxed, runs it under
 * ThreadSanitizer and expects a report. An x86 run alone cannot tell the two apart. Otherwise
 * MU_WEAKEN is not defined and this is memory_order_acquire and no more.
 */
#ifndef MUSTER_BASE_WEAKEN_H
#define MUSTER_BASE_WEAKEN_H

#include <stdatomic.h>

#ifndef MU_WEAKEN
#define MU_WEAKEN 0
#endif

#define MU_ORDER(operation, order)                                                                 \
        (MU_WEAKEN == (operation) ? memory_order_relaxed : memory_order_##order)

#endif
