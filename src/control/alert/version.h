/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version.h - which of two agent versions is older.
 *
 *   [v] number {. number} [- identifier {. identifier}] [+ anything]
 *
 * Numbers are compared one by one, a missing one is 0 (1.2 = 1.2.0). What has identifiers behind a
 * '-' is older than what has none (1.2.0-rc.1 < 1.2.0); identifiers compare as in semver: numbers
 * as numbers and before words, words by their bytes, the shorter list first.
 *
 * Threads: any. Errors: negative errno.
 */
#ifndef MUSTER_CONTROL_ALERT_VERSION_H
#define MUSTER_CONTROL_ALERT_VERSION_H

#include <stdbool.h>

#include "muster/compiler.h"

bool mu_version_is_valid(const char *version);
/* *ret_order below, at or above 0: a is older than, the same as, newer than b. -EINVAL: one of them
 * is none. */
MU_MUST_CHECK
int mu_version_compare(const char *a, const char *b, int *ret_order);

#endif
