/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errno.h - Windows' own, and those of our error codes that it lacks: ours alone, never the C
 * library's answer. Beyond all of its numbers (winsock's begin with 10000).
 */
#ifndef MUSTER_AGENT_WINDOWS_COMPAT_ERRNO_H
#define MUSTER_AGENT_WINDOWS_COMPAT_ERRNO_H

#include_next <errno.h>

#define ENOKEY 20126
#define EKEYREJECTED 20129

#endif
