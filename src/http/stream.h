/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - a reply that a worker writes bit by bit (private to this folder).
 *
 *   worker: write ─▶ chunks, at most a window ─▶ loop: h2o_send ─▶ written: freed, worker woken
 *
 * Ownership  Shared by the worker's call, by h2o's request while it lasts, and by mail on its way.
 */
#ifndef MUSTER_HTTP_STREAM_H
#define MUSTER_HTTP_STREAM_H

#include <stddef.h>

#include "muster/compiler.h"

struct mu_call;
struct mu_stream;

/* Worker. The call is read by the loop until it is delivered: it must not change any more. */
MU_MUST_CHECK
int mu_stream_create(struct mu_call *call, struct mu_stream **ret_stream);
MU_MUST_CHECK
int mu_stream_write(struct mu_stream *stream, const void *data, size_t bytes);
MU_MUST_CHECK
int mu_stream_end(struct mu_stream *stream);
/* The worker is done with it: without an end before, the transfer is broken off. */
void mu_stream_leave(struct mu_stream *stream);

/* Loop: the stop's deadline has passed. */
void mu_stream_cut(struct mu_stream *stream);

#endif
