/* SPDX-License-Identifier: Apache-2.0 */
/* shape_private.h - what the files of shape share. Nobody else includes it. */
#ifndef MUSTER_CONTROL_SHAPE_PRIVATE_H
#define MUSTER_CONTROL_SHAPE_PRIVATE_H

#include "control/shape.h"

/* Fills the problem; always -EBADMSG. */
int mu_shape_refuse(struct mu_shape_problem *problem, int status, const char *slug,
                    const char *path, const char *format, ...) MU_PRINTF(5, 6);
/* what: "field", "parameter". */
int mu_shape_refuse_unknown(struct mu_shape_problem *problem, const char *parent, const char *name,
                            const char *what);

/* RFC 3339 with zone, 1970 to 9999. */
bool mu_shape_time_parse(const char *text, int64_t *ret_us);
/* 1..INT64_MAX without leading zeros; 0: it is not. NULL: 0. */
int64_t mu_shape_id_parse(const char *text);

#endif
