/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wipe.h - zeroes over a secret that is not needed any more, which no compiler leaves out.
 */
#ifndef MUSTER_AGENT_CORE_WIPE_H
#define MUSTER_AGENT_CORE_WIPE_H

#include <stddef.h>
#include <string.h>

static inline void mu_agent_wipe(void *data, size_t bytes)
{
        if (bytes == 0)
                return;
        memset(data, 0, bytes);
        /* Says that somebody may read them: C11 has no other word for it on every system. */
        __asm__ volatile("" : : "r"(data) : "memory");
}

#endif
