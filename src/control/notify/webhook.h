/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook.h - notices as a webhook's body: WEBHOOKS.md is what receivers are told.
 *
 * Threads    any.
 * Ownership  *ret_json is malloc's.
 * Errors     -ENOMEM.
 */
#ifndef MUSTER_CONTROL_NOTIFY_WEBHOOK_H
#define MUSTER_CONTROL_NOTIFY_WEBHOOK_H

#include <stddef.h>

#include "muster/compiler.h"

struct mu_notice;

MU_MUST_CHECK
int mu_webhook_write(const struct mu_notice *notice, char **ret_json, size_t *ret_bytes);

#endif
