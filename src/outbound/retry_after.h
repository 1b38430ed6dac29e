/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry_after.h - the Retry-After header, RFC 9110 10.2.3: seconds, or a date in one of the three
 * forms of 5.6.7.
 *
 * Units      seconds, UTC. Threads: any.
 * Errors     -EBADMSG: neither, and the header counts as absent.
 */
#ifndef MUSTER_OUTBOUND_RETRY_AFTER_H
#define MUSTER_OUTBOUND_RETRY_AFTER_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_RETRY_AFTER_S_MAX 86400 /* more is cut to this */

/* A date that has passed is 0 seconds. */
MU_MUST_CHECK
int mu_retry_after_parse(const char *value, size_t bytes, int64_t now_s, uint32_t *ret_s);

/* Seconds since 1970. now_s decides the century of the form with two digits. */
MU_MUST_CHECK
int mu_http_date_parse(const char *value, size_t bytes, int64_t now_s, int64_t *ret_s);

#endif
