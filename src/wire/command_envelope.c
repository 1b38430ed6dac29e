/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/command_envelope.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
        NUMBER_TEXT_BYTES = 21,
        MEMBERS = 8,
};

static void add_member(struct mu_text *text, const char *name, const char *value, size_t bytes,
                       size_t *data_bytes)
{
        mu_text_add(text, *data_bytes == 0 ? "{\"" : ",\"");
        mu_text_add(text, name);
        mu_text_add(text, "\":");
        mu_text_add_json(text, value, bytes);
        *data_bytes += strlen(name) + bytes;
}

static void add_number(struct mu_text *text, const char *name, int64_t value, size_t *data_bytes)
{
        char digits[NUMBER_TEXT_BYTES];

        (void)snprintf(digits, sizeof(digits), "%" PRId64, value);
        add_member(text, name, digits, strlen(digits), data_bytes);
}

static void add_hex(struct mu_text *text, const char *name, const uint8_t *bytes, size_t count,
                    size_t *data_bytes)
{
        char digits[MU_COMMAND_SIGNATURE_TEXT_BYTES];

        mu_text_hex(bytes, count, digits);
        add_member(text, name, digits, 2 * count, data_bytes);
}

int mu_command_envelope_write(const struct mu_command_form *form,
                              const uint8_t signature[MU_COMMAND_SIGNATURE_BYTES],
                              struct mu_text *text, size_t *ret_data_bytes)
{
        size_t data_bytes = 0;

        add_number(text, "device_id", form->device_id, &data_bytes);
        add_number(text, "command_id", form->command_id, &data_bytes);
        add_member(text, "type", form->type, strlen(form->type), &data_bytes);
        add_member(text, "payload", form->payload, form->payload_bytes, &data_bytes);
        add_number(text, "timestamp", form->timestamp_s, &data_bytes);
        add_hex(text, "nonce", form->nonce, sizeof(form->nonce), &data_bytes);
        add_number(text, "key_version", form->key_version, &data_bytes);
        add_hex(text, "signature", signature, MU_COMMAND_SIGNATURE_BYTES, &data_bytes);
        mu_text_add(text, "}");
        int error = mu_text_status(text);

        if (error == 0 && ret_data_bytes)
                *ret_data_bytes = data_bytes;
        return error;
}

/* NULL: missing, not a string, or with a NUL in it. */
static const char *member(const json_t *object, const char *name)
{
        const json_t *value = json_object_get(object, name);
        const char *text = json_string_value(value);

        return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool read_id(const json_t *object, const char *name, int64_t most, int64_t *ret_id)
{
        const char *text = member(object, name);

        *ret_id = text ? mu_command_id_read(text) : 0;
        return *ret_id > 0 && *ret_id <= most;
}

static bool read_hex(const json_t *object, const char *name, uint8_t *ret_bytes, size_t count)
{
        const char *text = member(object, name);

        return text && mu_command_hex_read(text, ret_bytes, count);
}

static bool read_members(const json_t *object, struct mu_command_envelope *envelope)
{
        struct mu_command_form *form = &envelope->form;
        int64_t version;

        form->type = member(object, "type");
        form->payload = member(object, "payload");
        if (!form->type || !form->payload || !mu_command_type_valid(form->type) ||
            !read_id(object, "device_id", INT64_MAX, &form->device_id) ||
            !read_id(object, "command_id", INT64_MAX, &form->command_id) ||
            !read_id(object, "timestamp", INT64_MAX, &form->timestamp_s) ||
            !read_id(object, "key_version", UINT32_MAX, &version) ||
            !read_hex(object, "nonce", form->nonce, sizeof(form->nonce)) ||
            !read_hex(object, "signature", envelope->signature, sizeof(envelope->signature)))
                return false;
        form->key_version = (uint32_t)version;
        form->payload_bytes = strlen(form->payload);
        return form->payload_bytes > 0 && form->payload_bytes <= MU_COMMAND_PAYLOAD_BYTES_MAX;
}

int mu_command_envelope_read(const char *json, size_t bytes,
                             struct mu_command_envelope *ret_envelope)
{
        struct mu_command_envelope envelope = {0};
        json_error_t error;

        envelope.memory = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &error);
        if (!envelope.memory)
                return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
        if (!json_is_object(envelope.memory) || json_object_size(envelope.memory) != MEMBERS ||
            !read_members(envelope.memory, &envelope)) {
                mu_command_envelope_done(&envelope);
                return -EBADMSG;
        }
        *ret_envelope = envelope;
        return 0;
}

void mu_command_envelope_done(struct mu_command_envelope *envelope)
{
        json_decref(envelope->memory);
        envelope->memory = NULL;
}
