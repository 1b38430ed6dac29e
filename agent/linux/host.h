/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - memory, uptime, boot and disk: what the kernel tells anyone.
 *
 * Units      _mb: 2^20 bytes. Threads: any. Errors: what can't be read is -1, or "".
 */
#ifndef MUSTER_AGENT_LINUX_HOST_H
#define MUSTER_AGENT_LINUX_HOST_H

#include <stdint.h>

#include "core/platform.h"

struct mu_host_memory {
        int64_t free_mb; /* what programs may still take: MemAvailable */
        int64_t total_mb;
};

void mu_host_memory(const char *root, struct mu_host_memory *ret_memory);
int64_t mu_host_uptime_s(const char *root);
/* The kernel's id of this boot; else one made of the moment it began. "": neither is told. */
void mu_host_boot_id(const char *root, char ret_boot_id[MU_AGENT_BOOT_ID_BYTES]);

struct mu_host_disk {
        int64_t free_mb;  /* of root's file system, for ordinary users */
        int64_t state_mb; /* of the state directory's; -1 where it is the same one */
};
void mu_host_disk(const char *root, const char *state_directory, struct mu_host_disk *ret_disk);

#endif
