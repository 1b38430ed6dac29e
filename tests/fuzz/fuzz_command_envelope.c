/* SPDX-License-Identifier: Apache-2.0 */
/* An envelope that is read is one that can be signed, and comes back the same from its own JSON. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "identity/command_sign.h"
#include "wire/command_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_form(const struct mu_command_form *form)
{
        struct mu_command_key key = {.version = form->key_version};
        char text[MU_COMMAND_CANONICAL_BYTES];
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
        size_t text_bytes;
        size_t lines = 0;

        MU_ASSERT(mu_command_canonical(form, &mu_command_crypto_boringssl, text, &text_bytes) == 0);
        MU_ASSERT(strlen(text) == text_bytes);
        for (size_t i = 0; i < text_bytes; i++)
                lines += text[i] == '\n';
        MU_ASSERT(lines == 8);
        MU_ASSERT(mu_command_sign(form, &key, &mu_command_crypto_boringssl, signature) == 0);
        MU_ASSERT(mu_command_verify(form, signature, &key, 1, &mu_command_crypto_boringssl,
                                    form->timestamp_s) == 0);
}

static void check_again(const struct mu_command_envelope *envelope)
{
        struct mu_command_envelope again;
        struct mu_text text;

        mu_text_init(&text);
        MU_ASSERT(mu_command_envelope_write(&envelope->form, envelope->signature, &text, NULL) ==
                  0);
        MU_ASSERT(mu_command_envelope_read(text.data, text.bytes, &again) == 0);
        MU_ASSERT(again.form.device_id == envelope->form.device_id);
        MU_ASSERT(again.form.command_id == envelope->form.command_id);
        MU_ASSERT(again.form.timestamp_s == envelope->form.timestamp_s);
        MU_ASSERT(again.form.key_version == envelope->form.key_version);
        MU_ASSERT(strcmp(again.form.type, envelope->form.type) == 0);
        MU_ASSERT(strcmp(again.form.payload, envelope->form.payload) == 0);
        MU_ASSERT(memcmp(again.form.nonce, envelope->form.nonce, sizeof(again.form.nonce)) == 0);
        MU_ASSERT(memcmp(again.signature, envelope->signature, sizeof(again.signature)) == 0);
        mu_command_envelope_done(&again);
        mu_text_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_command_envelope envelope;
        int error = mu_command_envelope_read((const char *)data, bytes, &envelope);

        MU_ASSERT(error == 0 || error == -EBADMSG);
        if (error < 0)
                return 0;
        check_form(&envelope.form);
        check_again(&envelope);
        mu_command_envelope_done(&envelope);
        return 0;
}
