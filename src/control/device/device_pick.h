/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_pick.h - of all devices offered, those that come first in one of memory's orders: a heap
 * with room for the page and all that is before it, whose root is the last of them.
 *
 * Threads    one. Ownership: the caller's, until destroy; control, filter and cursor are lent.
 * Errors     -ENOMEM.
 */
#ifndef MUSTER_CONTROL_DEVICE_PICK_H
#define MUSTER_CONTROL_DEVICE_PICK_H

#include <stddef.h>
#include <stdint.h>

#include "control/device/device_find.h"
#include "muster/compiler.h"

struct mu_device_pick;

MU_MUST_CHECK
int mu_device_pick_create(struct mu_control *control, const struct mu_device_filter *filter,
                          const struct mu_device_order *order, const struct mu_device_cursor *after,
                          size_t limit, struct mu_device_pick **ret_pick);
void mu_device_pick_destroy(struct mu_device_pick *pick); /* NULL is a no-op */

/* Offered is looked at with memory's part of the filter. A device is offered once. */
void mu_device_pick_offer_id(struct mu_device_pick *pick, int64_t id);
void mu_device_pick_offer_all(struct mu_device_pick *pick);

/* The page, in order; page is empty before. */
MU_MUST_CHECK
int mu_device_pick_take(struct mu_device_pick *pick, struct mu_device_page *page);

#endif
