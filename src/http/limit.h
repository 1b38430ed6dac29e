/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.h - how many descriptors, and how many connections an address has (private to this folder).
 *
 * Threads    Any. Errors: enter is false at the limit, and when there is no memory to count.
 */
#ifndef MUSTER_HTTP_LIMIT_H
#define MUSTER_HTTP_LIMIT_H

#include "http/auth_failures.h"
#include "muster/compiler.h"

struct mu_address_counts;

MU_MUST_CHECK
int mu_descriptors_raise(uint64_t *ret_limit); /* soft to hard */
struct mu_address_counts *mu_address_counts_create(uint32_t per_address);
void mu_address_counts_destroy(struct mu_address_counts *counts);
bool mu_address_counts_enter(struct mu_address_counts *counts, struct mu_address address);
void mu_address_counts_leave(struct mu_address_counts *counts, struct mu_address address);

#endif
