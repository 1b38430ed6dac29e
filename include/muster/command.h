/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - commands to devices as they are signed and travel: server and agent.
 *
 *   server  form ─▶ canonical text ─▶ HMAC-SHA-256 ─▶ envelope (JSON, all strings)
 *   agent   envelope ─▶ form ─▶ key version known? signature? window? ─▶ id or nonce seen? ─▶ run
 *   agent   result form ─▶ canonical text ─▶ HMAC-SHA-256 ─▶ POST /v1/action-result
 *
 * The form, the rules and test vectors stand in COMMAND_SIGNATURE.md beside this file. SHA-256 and
 * HMAC are the caller's: nothing here depends on a crypto library.
 *
 * Units      *_s: seconds since the epoch; bytes as said.
 * Threads    pure functions. Ownership: texts are borrowed; nothing is allocated, except where an
 *            envelope is read (mu_command_envelope_done frees it).
 * Errors     -EINVAL: a field breaks the grammar; -EBADMSG: not an envelope; -ENOKEY, -ETIME,
 *            -EKEYREJECTED: as mu_command_verify says.
 */
#ifndef MUSTER_COMMAND_H
#define MUSTER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct json_t; /* jansson's */

#define MU_PATH_ACTION_RESULT "/v1/action-result"
#define MU_PATH_FCM_TOKEN "/v1/fcm-token"

enum mu_command_limits {
        MU_COMMAND_KEY_BYTES = 32,
        MU_COMMAND_SHA256_BYTES = 32,
        MU_COMMAND_NONCE_BYTES = 16,
        MU_COMMAND_NONCE_TEXT_BYTES = 33, /* lower-case hex and NUL */
        MU_COMMAND_SIGNATURE_BYTES = 32,
        MU_COMMAND_SIGNATURE_TEXT_BYTES = 65,
        MU_COMMAND_TYPE_BYTES = 33,       /* [a-z][a-z0-9_]{0,31} and NUL */
        MU_COMMAND_CANONICAL_BYTES = 512, /* enough for either form */
        MU_COMMAND_PAYLOAD_BYTES_MAX = 16 * 1024,
        MU_COMMAND_RESULT_BYTES_MAX = 64 * 1024,
        MU_COMMAND_ERROR_BYTES_MAX = 1024,
        MU_COMMAND_FCM_BYTES_MAX = 4096, /* keys and values of a data message */
        MU_COMMAND_WINDOW_S = 300, /* either way, between the timestamp and the agent's clock */
};

/* What is signed. */
struct mu_command_form {
        int64_t device_id;
        int64_t command_id;
        int64_t timestamp_s; /* the moment of sending */
        const char *type;
        const char *payload; /* the exact bytes; payload_bytes of them */
        size_t payload_bytes;
        uint32_t key_version;
        uint8_t nonce[MU_COMMAND_NONCE_BYTES];
};

struct mu_command_result_form {
        int64_t device_id;
        int64_t command_id;
        int64_t finished_at_s; /* 0: not said */
        bool done;             /* else failed */
        const char *result;    /* the exact bytes; none: 0 of them */
        size_t result_bytes;
        const char *error;
        size_t error_bytes;
        uint32_t key_version;
};

struct mu_command_key {
        uint32_t version; /* 0: there is none */
        uint8_t bytes[MU_COMMAND_KEY_BYTES];
};

/* The caller's crypto library. */
struct mu_command_crypto {
        void (*sha256)(const void *data, size_t bytes, uint8_t ret[MU_COMMAND_SHA256_BYTES]);
        void (*hmac_sha256)(const uint8_t key[MU_COMMAND_KEY_BYTES], const void *data, size_t bytes,
                            uint8_t ret[MU_COMMAND_SIGNATURE_BYTES]);
};

/* The text that is signed: *ret_bytes of it, NUL-terminated. 0 or -EINVAL. */
MU_MUST_CHECK
int mu_command_canonical(const struct mu_command_form *form, const struct mu_command_crypto *crypto,
                         char ret_text[MU_COMMAND_CANONICAL_BYTES], size_t *ret_bytes);
MU_MUST_CHECK
int mu_command_result_canonical(const struct mu_command_result_form *form,
                                const struct mu_command_crypto *crypto,
                                char ret_text[MU_COMMAND_CANONICAL_BYTES], size_t *ret_bytes);

/* key->version must be the form's. 0 or -EINVAL. */
MU_MUST_CHECK
int mu_command_sign(const struct mu_command_form *form, const struct mu_command_key *key,
                    const struct mu_command_crypto *crypto,
                    uint8_t ret_signature[MU_COMMAND_SIGNATURE_BYTES]);
MU_MUST_CHECK
int mu_command_result_sign(const struct mu_command_result_form *form,
                           const struct mu_command_key *key, const struct mu_command_crypto *crypto,
                           uint8_t ret_signature[MU_COMMAND_SIGNATURE_BYTES]);

/* keys: those that are valid, current and next. 0; -ENOKEY: signed with another version;
 * -EKEYREJECTED: the signature is wrong; -ETIME: signed rightly, but outside of the window: fetch
 * afresh. Compares in constant time. Whether the id or the nonce was seen before is the agent's to
 * know. */
MU_MUST_CHECK
int mu_command_verify(const struct mu_command_form *form, const uint8_t *signature,
                      const struct mu_command_key *keys, size_t key_count,
                      const struct mu_command_crypto *crypto, int64_t now_s);
/* The same without a window: a result is good for as long as its command is remembered. */
MU_MUST_CHECK
int mu_command_result_verify(const struct mu_command_result_form *form, const uint8_t *signature,
                             const struct mu_command_key *keys, size_t key_count,
                             const struct mu_command_crypto *crypto);

/* A signed command as it travels: one JSON object, all members strings. */
struct mu_command_envelope {
        struct mu_command_form form; /* its texts live until done */
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        struct json_t *memory;
};

/* 0; -EBADMSG: a member is missing, unknown, twice, or against its grammar; -ENOMEM. */
MU_MUST_CHECK
int mu_command_envelope_read(const char *json, size_t bytes,
                             struct mu_command_envelope *ret_envelope);
void mu_command_envelope_done(struct mu_command_envelope *envelope);

bool mu_command_type_valid(const char *type);
/* Lower-case hex of exactly count bytes, nothing after it. */
MU_MUST_CHECK
bool mu_command_hex_read(const char *text, uint8_t *ret_bytes, size_t count);
/* 1 .. 2^63-1 in decimal digits without a sign or leading zero; 0: it is not. */
int64_t mu_command_id_read(const char *text);

#endif
