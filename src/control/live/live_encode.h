/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_encode.h - rows and notes as JSON (README.md has the messages).
 *
 * Threads    any; pure. Errors: the text's own.
 */
#ifndef MUSTER_CONTROL_LIVE_ENCODE_H
#define MUSTER_CONTROL_LIVE_ENCODE_H

#include <stdint.h>

#include "base/text.h"
#include "control/live/live_image.h"

/* {"id":"42","received_at":1763730000.123,"battery":55}: the fields of the mask. What is unknown
 * is null, or left out when the row is new to the reader (skip_null). */
void mu_live_encode_row(struct mu_text *text, const struct mu_live_row *row, unsigned fields,
                        bool skip_null);
void mu_live_encode_id(struct mu_text *text, int64_t id); /* "42" with its quotes */
void mu_live_encode_uint(struct mu_text *text, uint64_t number);
/* Seconds since the epoch, with milliseconds. */
void mu_live_encode_time(struct mu_text *text, int64_t at_us);

/* A command's change of state, an alert's or an incident's change, as it came. */
void mu_live_encode_command(struct mu_text *text, const struct mu_bus_event *event);
void mu_live_encode_alert(struct mu_text *text, const struct mu_bus_event *event);

#endif
