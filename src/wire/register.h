/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register.h - the control-plane requests that the data plane needs: registration, enrolment
 * tokens, bulk verify.
 *
 * Strict where a heartbeat is lenient: an unknown key, a doubled key or a wrong value refuses the
 * request with a sentence that names it. null is absent.
 *
 * Threads    any; no state.
 * Ownership  Results are plain data, nothing to free.
 * Errors     -EBADMSG with *ret_problem set; -ENOMEM. On failure the request is untouched.
 */
#ifndef MUSTER_WIRE_REGISTER_H
#define MUSTER_WIRE_REGISTER_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "muster/record.h"
#include "muster/wire.h"

enum mu_device_kind {
        MU_DEVICE_ANDROID = 0,
        MU_DEVICE_DESKTOP = 1,
};

/* "android", "desktop". Static. */
const char *mu_device_kind_name(enum mu_device_kind kind);

/* A code point takes up to 4 bytes. */
#define MU_CHARS_BYTES(chars) ((chars)*4 + 1)

/* POST /v1/register. Optional strings are "" when absent (an empty one is refused). */
struct mu_register_request {
        enum mu_device_kind kind;
        char alias[MU_CHARS_BYTES(MU_ALIAS_CHARS_MAX)];
        char hardware_id[MU_CHARS_BYTES(MU_HARDWARE_ID_CHARS_MAX)];
        char agent_version[MU_AGENT_VERSION_BYTES_MAX + 1];
        char fcm_token[MU_FCM_TOKEN_CHARS_MAX + 1]; /* printable ASCII */
};

/* POST /admin/enrolment-tokens; defaults filled in. An empty body means {}. */
struct mu_enrolment_request {
        uint32_t max_uses;
        uint32_t expires_in_s;
        char note[MU_CHARS_BYTES(MU_NOTE_CHARS_MAX)];
};

struct mu_request_problem {
        int status;
        enum mu_wire_reason reason;
        const char *type; /* static */
        char field[64];   /* "" when the body as a whole */
        char detail[320]; /* one sentence */
};

MU_MUST_CHECK
int mu_decode_register(const char *body, size_t body_bytes, struct mu_register_request *ret_request,
                       struct mu_request_problem *ret_problem);
MU_MUST_CHECK
int mu_decode_enrolment(const char *body, size_t body_bytes,
                        struct mu_enrolment_request *ret_request,
                        struct mu_request_problem *ret_problem);

#endif
