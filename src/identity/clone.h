/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.h - two devices on one token, told by their boots.
 *
 * A device that reboots moves from boot A to boot B and never comes back. When A's ts and seq go on
 * after B has spoken, two machines share the token. Once can be a stray late request; twice, with
 * no new boot between, is a clone. Only live heartbeats count, never backlog.
 *
 * Units      *_us: the device's clock. Threads: any; contended observations are skipped, not waited
 *            for (false silence is worse than a late verdict).
 */
#ifndef MUSTER_IDENTITY_CLONE_H
#define MUSTER_IDENTITY_CLONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity/device_table.h"

enum mu_clone_limits {
        MU_CLONE_EVIDENCE_ENOUGH = 2,
};

/* True once, when the evidence becomes enough. */
MU_MUST_CHECK
bool mu_clone_observe(struct mu_device *device, const char *boot_id, size_t boot_id_bytes,
                      int64_t ts_us, int64_t seq);
/* Whatever was observed is forgotten: an operator has ended the quarantine. Waits for moments. */
void mu_clone_forget(struct mu_device *device);

#endif
