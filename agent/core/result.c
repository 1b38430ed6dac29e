/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/downlink.h"
#include "core/downlink_private.h"
#include "muster/wire.h"

enum {
        CHANNEL_WRAP_BYTES = 32, /* {"type":"result", */
};

/* The appliance takes JSON that PostgreSQL takes: no NUL, no member twice. NULL, or what is wrong
 * with it. */
static const char *judge_result(const char *result)
{
        if (!result)
                return NULL;
        if (strlen(result) > MU_COMMAND_RESULT_BYTES_MAX)
                return "The command was run, but its result is larger than 64 KiB.";
        json_t *value = json_loads(result, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

        if (!value)
                return "The command was run, but its result is not JSON.";
        json_decref(value);
        return NULL;
}

/* As it is signed and sent: UTF-8, and cut between two characters. */
static void fit_error(const char *error, char ret_error[MU_COMMAND_ERROR_BYTES_MAX + 1])
{
        size_t bytes = strlen(error);
        bool cut = bytes > MU_COMMAND_ERROR_BYTES_MAX;

        if (cut)
                bytes = MU_COMMAND_ERROR_BYTES_MAX;
        while (cut && bytes > 0 && ((unsigned char)error[bytes] & 0xc0) == 0x80)
                bytes--;
        memcpy(ret_error, error, bytes);
        ret_error[bytes] = '\0';
        json_t *valid = json_stringn(ret_error, bytes);

        for (size_t i = 0; !valid && i < bytes; i++)
                if ((unsigned char)ret_error[i] >= 0x80)
                        ret_error[i] = '?';
        json_decref(valid);
}

static const struct mu_command_key *key_for(const struct mu_agent_core *core,
                                            const struct mu_agent_command *command, bool done)
{
        bool rotated = done && strcmp(command->type, "rotate_key") == 0;

        return rotated && core->config.next.version != 0 ? &core->config.next
                                                         : &core->config.current;
}

static int write(const struct mu_agent_core *core, const struct mu_agent_command *command,
                 const char *result, const char *error, struct mu_text *text)
{
        const struct mu_command_key *key = key_for(core, command, !error);
        int64_t now_s = mu_agent_clock_sync_now_us(&core->clock) / MU_US_PER_S;
        struct mu_command_result_form form = {
                .device_id = core->config.device_id,
                .command_id = command->id,
                .finished_at_s = now_s > 0 && now_s < MU_TS_S_END ? now_s : 0,
                .done = !error,
                .result = result,
                .result_bytes = result ? strlen(result) : 0,
                .error = error,
                .error_bytes = error ? strlen(error) : 0,
                .key_version = key->version,
        };
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        char digits[MU_COMMAND_SIGNATURE_TEXT_BYTES];
        int r = mu_command_result_sign(&form, key, &core->platform->crypto->command, signature);

        if (r < 0)
                return r;
        mu_text_add_format(text, "{\"command_id\":\"%" PRId64 "\",\"status\":\"%s\"", command->id,
                           error ? "failed" : "done");
        if (result) {
                mu_text_add(text, ",\"result\":");
                mu_text_add_json(text, result, form.result_bytes);
        }
        if (error) {
                mu_text_add(text, ",\"error\":");
                mu_text_add_json(text, error, form.error_bytes);
        }
        if (form.finished_at_s > 0)
                mu_text_add_format(text, ",\"finished_at\":%" PRId64, form.finished_at_s);
        mu_text_hex(signature, sizeof(signature), digits);
        mu_text_add_format(text, ",\"key_version\":%" PRIu32 ",\"signature\":\"%s\"}",
                           form.key_version, digits);
        return mu_text_status(text);
}

int mu_agent_result_write(const struct mu_agent_core *core, const struct mu_agent_command *command,
                          const char *result, const char *error, struct mu_text *text)
{
        char fitting[MU_COMMAND_ERROR_BYTES_MAX + 1];
        size_t before = text->bytes;
        const char *wrong = error ? NULL : judge_result(result);

        if (wrong)
                error = wrong;
        if (error) {
                fit_error(error, fitting);
                error = fitting;
                result = NULL;
        }
        int r = write(core, command, result, error, text);

        if (r < 0)
                return r;
        if (text->bytes - before <= MU_DOWNLINK_ANSWER_BYTES_MAX - CHANNEL_WRAP_BYTES)
                return 0;
        mu_text_cut(text, before);
        return write(core, command, NULL,
                     "The command was run, but its result is larger than 128 KiB as JSON.", text);
}
