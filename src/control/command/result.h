/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result.h - what a device reports of a command, checked against it and booked once.
 *
 *   {"command_id":"99","status":"done"|"failed","result"?:"<JSON text>","error"?,"finished_at"?,
 *    "key_version":1,"signature":"<64 hex digits>"}   (include/muster/COMMAND_SIGNATURE.md)
 *
 * The same again is a duplicate and changes nothing; another one for a command that is over is a
 * conflict. For a command that expired or was cancelled the report is kept and flagged: the state
 * stays, so that what operators were told remains true.
 * The result of rotate_key, signed with the new key, is what makes that key the current one.
 *
 * Threads    the connection's.
 * Ownership  body is read only; the answer is plain data.
 * Errors     negative errno as in pg/error.h; nothing was changed. A refusal is an answer.
 */
#ifndef MUSTER_CONTROL_COMMAND_RESULT_H
#define MUSTER_CONTROL_COMMAND_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/command/ledger.h"
#include "control/command/ledger_keep.h"
#include "muster/compiler.h"

enum mu_result_outcome {
        MU_RESULT_STORED,
        MU_RESULT_LATE,      /* stored beside the state, which stays */
        MU_RESULT_DUPLICATE, /* was stored before */
        /* Refused: */
        MU_RESULT_MALFORMED, /* 400 */
        MU_RESULT_FORGED,    /* 403: the signature, or its key version, is not the device's */
        MU_RESULT_UNKNOWN,   /* 404: the device has no such command */
        MU_RESULT_CONFLICT,  /* 409: another result stands, or it was never to be run */
        MU_RESULT_OUTCOME_COUNT,
};

enum mu_result_limits {
        MU_RESULT_DETAIL_BYTES = 192,
};

struct mu_result_answer {
        enum mu_result_outcome outcome;
        int64_t command_id;
        const struct mu_command_type *type; /* NULL: not known */
        enum mu_command_state state;        /* after it, unless refused */
        enum mu_command_path path;          /* it was booked to; MU_COMMAND_PATH_COUNT: none */
        int64_t queued_to_received_us;      /* -1 unless this was the first acknowledgement too */
        int64_t queued_to_done_us;          /* -1 unless STORED */
        bool key_rotated;
        char detail[MU_RESULT_DETAIL_BYTES]; /* of a refusal: a sentence */
};

/* Opens a transaction of its own unless one is open. Members beside those above are ignored. */
MU_MUST_CHECK
int mu_result_take(struct mu_pg *pg, const struct mu_secrets *secrets, int64_t device_id,
                   const json_t *body, struct mu_result_answer *ret_answer);

static inline bool mu_result_is_refused(const struct mu_result_answer *answer)
{
        return answer->outcome >= MU_RESULT_MALFORMED;
}
int mu_result_http_status(enum mu_result_outcome outcome);

#endif
