/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/result.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "control/command/command_type.h"
#include "control/command/result_sql.h"
#include "identity/command_sign.h"
#include "muster/wire.h"
#include "pg/query.h"

enum {
        VALID_KEYS = 3, /* current, next, former */
};

struct report {
        struct mu_command_result_form form;
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        uint8_t sha256[MU_COMMAND_SHA256_BYTES]; /* the same whatever key it is signed with */
        char *result;                            /* as jsonb takes it; NULL: none */
};

/* The command as it stands, its row locked. */
struct standing {
        enum mu_command_state state;
        const struct mu_command_type *type;
        uint32_t key_versions[VALID_KEYS]; /* 0: none */
        uint32_t rotates_to;               /* 0: no rotation */
        bool has_result;
        bool same_result;
};

/* ---- reading ---- */

static const char *refuse(const char *sentence, const char **ret_sentence)
{
        *ret_sentence = sentence;
        return NULL;
}

/* NULL and the sentence when it is there but not a text of at most bytes_max. */
static const char *optional_text(const json_t *body, const char *name, size_t bytes_max,
                                 const char *sentence, const char **ret_sentence)
{
        const json_t *value = json_object_get(body, name);

        if (!value || json_is_null(value))
                return NULL;
        const char *text = json_string_value(value);

        if (!text || json_string_length(value) > bytes_max ||
            strlen(text) != json_string_length(value))
                return refuse(sentence, ret_sentence);
        return text;
}

/* The result's text must be JSON that jsonb takes too: it is written anew. -EBADMSG, -ENOMEM. */
static int read_result(const char *text, char **ret_result)
{
        json_error_t error;
        json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

        if (!value)
                return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
        char *result = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

        json_decref(value);
        if (!result)
                return -ENOMEM;
        *ret_result = result;
        return 0;
}

/* NULL, or what is wrong. */
static const char *read_texts(const json_t *body, struct mu_command_result_form *form)
{
        const char *sentence = NULL;
        const char *status = json_string_value(json_object_get(body, "status"));
        const char *id = json_string_value(json_object_get(body, "command_id"));

        form->command_id = id ? mu_command_id_read(id) : 0;
        if (form->command_id == 0)
                return "command_id must be the command's id, as a string.";
        if (!status || (strcmp(status, "done") != 0 && strcmp(status, "failed") != 0))
                return "status must be \"done\" or \"failed\".";
        form->done = strcmp(status, "done") == 0;
        form->result =
                optional_text(body, "result", MU_COMMAND_RESULT_BYTES_MAX,
                              "result must be a string that holds JSON, up to 64 KiB.", &sentence);
        form->error = optional_text(body, "error", MU_COMMAND_ERROR_BYTES_MAX,
                                    "error must be a text of up to 1024 bytes.", &sentence);
        form->result_bytes = form->result ? strlen(form->result) : 0;
        form->error_bytes = form->error ? strlen(form->error) : 0;
        return sentence;
}

static const char *read_rest(const json_t *body, struct report *report)
{
        const json_t *finished_at = json_object_get(body, "finished_at");
        const json_t *version = json_object_get(body, "key_version");
        const char *signature = json_string_value(json_object_get(body, "signature"));

        if (finished_at && !json_is_null(finished_at)) {
                report->form.finished_at_s = json_integer_value(finished_at);
                if (report->form.finished_at_s <= 0 || report->form.finished_at_s >= MU_TS_S_END)
                        return "finished_at must be whole epoch seconds.";
        }
        if (json_integer_value(version) <= 0 || json_integer_value(version) > UINT32_MAX)
                return "key_version must be the version of the key that signed, as a number.";
        report->form.key_version = (uint32_t)json_integer_value(version);
        if (!signature ||
            !mu_command_hex_read(signature, report->signature, sizeof(report->signature)))
                return "signature must be 64 lower-case hex digits.";
        return NULL;
}

/* What identifies a result: all of it but the key, so that one signed anew is the same. */
static int digest(struct report *report)
{
        struct mu_command_result_form form = report->form;
        char text[MU_COMMAND_CANONICAL_BYTES];
        size_t bytes;

        form.key_version = 1;
        int error = mu_command_result_canonical(&form, &mu_command_crypto_boringssl, text, &bytes);

        if (error == 0)
                mu_command_crypto_boringssl.sha256(text, bytes, report->sha256);
        return error;
}

/* 0; -EBADMSG and the sentence; -ENOMEM. */
static int read_report(const json_t *body, int64_t device_id, struct report *report,
                       const char **ret_sentence)
{
        *report = (struct report){.form = {.device_id = device_id}};
        *ret_sentence = read_texts(body, &report->form);
        if (!*ret_sentence)
                *ret_sentence = read_rest(body, report);
        if (*ret_sentence)
                return -EBADMSG;
        int error = report->form.result ? read_result(report->form.result, &report->result) : 0;

        if (error == -EBADMSG)
                *ret_sentence = "result must be a string that holds JSON.";
        return error < 0 ? error : digest(report);
}

/* ---- against the command ---- */

static int find(struct mu_pg *pg, const struct report *report, struct standing *standing,
                bool *ret_found)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_result_find_sql,
                                MU_PG_VALUES(mu_pg_int8(report->form.device_id),
                                             mu_pg_int8(report->form.command_id),
                                             mu_pg_bytea(report->sha256, sizeof(report->sha256))),
                                &rows);

        if (error < 0)
                return error;
        *ret_found = mu_pg_rows(rows) == 1;
        if (*ret_found) {
                *standing = (struct standing){
                        .state = mu_command_state_of(mu_pg_get_text(rows, 0, 0)),
                        .type = mu_command_type_find(mu_pg_get_text(rows, 0, 1)),
                        .rotates_to = (uint32_t)mu_pg_get_int(rows, 0, 2),
                        .has_result = mu_pg_get_bool(rows, 0, 3),
                        .same_result = mu_pg_get_bool(rows, 0, 4),
                };
                for (int i = 0; i < VALID_KEYS; i++)
                        standing->key_versions[i] = (uint32_t)mu_pg_get_int(rows, 0, 5 + i);
        }
        mu_pg_result_free(rows);
        return 0;
}

static bool is_genuine(const struct mu_secrets *secrets, const struct report *report,
                       const struct standing *standing)
{
        struct mu_command_key key = {0};
        bool known = false;

        for (int i = 0; i < VALID_KEYS; i++)
                known = known || (standing->key_versions[i] != 0 &&
                                  standing->key_versions[i] == report->form.key_version);
        if (!known)
                return false;
        mu_command_key_of(secrets, report->form.device_id, report->form.key_version, &key);
        int error = mu_command_result_verify(&report->form, report->signature, &key, 1,
                                             &mu_command_crypto_boringssl);

        mu_command_key_wipe(&key);
        return error == 0;
}

static void MU_PRINTF(3, 4) answer_with(struct mu_result_answer *answer,
                                        enum mu_result_outcome outcome, const char *format, ...)
{
        va_list args;

        answer->outcome = outcome;
        va_start(args, format);
        (void)vsnprintf(answer->detail, sizeof(answer->detail), format, args);
        va_end(args);
}

/* True: it may be stored; else the answer says why not. */
static bool judge(const struct mu_secrets *secrets, const struct report *report,
                  const struct standing *standing, struct mu_result_answer *answer)
{
        answer->state = standing->state;
        answer->type = standing->type;
        if (!is_genuine(secrets, report, standing))
                answer_with(answer, MU_RESULT_FORGED,
                            "The signature does not fit the result under key version %u of this "
                            "device.",
                            report->form.key_version);
        else if (standing->has_result && standing->same_result)
                answer->outcome = MU_RESULT_DUPLICATE;
        else if (standing->has_result)
                answer_with(answer, MU_RESULT_CONFLICT,
                            "Another result of this command was stored before; it stays.");
        else if (standing->state == MU_COMMAND_AWAITING_CONFIRMATION)
                answer_with(answer, MU_RESULT_CONFLICT,
                            "This command was never sent: it awaits confirmation.");
        else if (standing->rotates_to > 0 && report->form.done &&
                 report->form.key_version != standing->rotates_to)
                answer_with(answer, MU_RESULT_FORGED,
                            "The result of rotate_key must be signed with the new key, version %u.",
                            standing->rotates_to);
        else
                return true;
        return false;
}

static int store(struct mu_pg *pg, const struct report *report, struct mu_result_answer *answer)
{
        const struct mu_command_result_form *form = &report->form;
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &mu_result_store_sql,
                MU_PG_VALUES(
                        mu_pg_int8(form->device_id), mu_pg_int8(form->command_id),
                        mu_pg_text(form->done ? "done" : "failed"), mu_pg_text(form->error),
                        mu_pg_jsonb(report->result, report->result ? strlen(report->result) : 0),
                        mu_pg_bytea(report->sha256, sizeof(report->sha256)),
                        form->finished_at_s > 0
                                ? mu_pg_timestamptz(form->finished_at_s * MU_US_PER_S)
                                : mu_pg_null(MU_PG_TIMESTAMPTZ)),
                &rows);

        if (error < 0)
                return error;
        MU_ASSERT(mu_pg_rows(rows) == 1); /* find has locked it */
        answer->state = mu_command_state_of(mu_pg_get_text(rows, 0, 0));
        answer->path = mu_command_path_of(mu_pg_get_text(rows, 0, 1));
        answer->queued_to_received_us = mu_pg_get_int(rows, 0, 2);
        answer->queued_to_done_us = mu_pg_get_int(rows, 0, 3);
        answer->outcome = answer->queued_to_done_us < 0 ? MU_RESULT_LATE : MU_RESULT_STORED;
        mu_pg_result_free(rows);
        return 0;
}

/* The device has proved that it has the new key: from here on it signs. */
static int promote(struct mu_pg *pg, const struct report *report, const struct standing *standing,
                   struct mu_result_answer *answer)
{
        struct mu_pg_result *result;

        if (standing->rotates_to == 0 || !report->form.done)
                return 0;
        int error = mu_pg_query(pg, &mu_result_promote_key_sql,
                                MU_PG_VALUES(mu_pg_int8(report->form.device_id),
                                             mu_pg_int4((int32_t)standing->rotates_to)),
                                &result);

        if (error < 0)
                return error;
        answer->key_rotated = mu_pg_affected(result) == 1;
        mu_pg_result_free(result);
        return 0;
}

static int take_in_transaction(struct mu_pg *pg, const struct mu_secrets *secrets,
                               const struct report *report, struct mu_result_answer *answer)
{
        struct standing standing;
        bool found;
        int error = find(pg, report, &standing, &found);

        if (error < 0)
                return error;
        if (!found) {
                answer_with(answer, MU_RESULT_UNKNOWN, "This device has no such command.");
                return 0;
        }
        if (!judge(secrets, report, &standing, answer))
                return 0;
        error = store(pg, report, answer);
        return error < 0 ? error : promote(pg, report, &standing, answer);
}

int mu_result_take(struct mu_pg *pg, const struct mu_secrets *secrets, int64_t device_id,
                   const json_t *body, struct mu_result_answer *ret_answer)
{
        struct mu_result_answer answer = {
                .path = MU_COMMAND_PATH_COUNT,
                .queued_to_received_us = -1,
                .queued_to_done_us = -1,
        };
        bool own = !mu_pg_in_transaction(pg);
        struct report report;
        const char *sentence;
        int error = read_report(body, device_id, &report, &sentence);

        answer.command_id = report.form.command_id;
        if (error == -EBADMSG) {
                answer_with(&answer, MU_RESULT_MALFORMED, "%s", sentence);
                *ret_answer = answer;
                return 0;
        }
        if (error == 0 && own)
                error = mu_pg_begin(pg);
        if (error == 0)
                error = take_in_transaction(pg, secrets, &report, &answer);
        if (error == 0 && own)
                error = mu_pg_commit(pg);
        else if (own)
                mu_pg_rollback(pg);
        free(report.result);
        if (error == 0)
                *ret_answer = answer;
        return error;
}

int mu_result_http_status(enum mu_result_outcome outcome)
{
        static const int statuses[MU_RESULT_OUTCOME_COUNT] = {200, 200, 200, 400, 403, 404, 409};

        return statuses[outcome];
}
