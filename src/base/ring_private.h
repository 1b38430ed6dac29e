/* SPDX-License-Identifier: Apache-2.0 */
/* ring_private.h - for the ring's own tests: indices that start near their wrap. */
#ifndef MUSTER_BASE_RING_PRIVATE_H
#define MUSTER_BASE_RING_PRIVATE_H

#include "muster/ring.h"

/* first_index: multiple of 8, where head and tail start. */
MU_MUST_CHECK
int mu_ring_create_at(size_t bytes, uint64_t first_index, struct mu_ring **ret_ring);

#endif
