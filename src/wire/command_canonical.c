/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "muster/command.h"

/* Every field is of an alphabet without newline, so lines can't be shifted into one another. */
#define COMMAND_HEAD "MUSTER-COMMAND-1\n"
#define RESULT_HEAD "MUSTER-RESULT-1\n"

enum {
        SHA256_TEXT_BYTES = 2 * MU_COMMAND_SHA256_BYTES + 1,
        /* After the head: three numbers of at most 20 characters and two of 10, a type, two digests
         * or a digest and a nonce, and their newlines. */
        LONGEST_BYTES = 17 + 3 * 21 + 2 * 11 + MU_COMMAND_TYPE_BYTES + 2 * SHA256_TEXT_BYTES,
};

_Static_assert((int)LONGEST_BYTES <= (int)MU_COMMAND_CANONICAL_BYTES, "either form fits");

static void hex_write(const uint8_t *bytes, size_t count, char *ret_text)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < count; i++) {
                ret_text[2 * i] = digits[bytes[i] >> 4];
                ret_text[2 * i + 1] = digits[bytes[i] & 15];
        }
        ret_text[2 * count] = '\0';
}

static void digest_text(const struct mu_command_crypto *crypto, const void *data, size_t bytes,
                        char ret_text[SHA256_TEXT_BYTES])
{
        uint8_t digest[MU_COMMAND_SHA256_BYTES];

        crypto->sha256(bytes > 0 ? data : "", bytes, digest);
        hex_write(digest, sizeof(digest), ret_text);
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mu_command_hex_read(const char *text, uint8_t *ret_bytes, size_t count)
{
        /* Looks before it writes; a NUL on the way is no digit, so nothing is read beyond it. */
        for (size_t i = 0; i < 2 * count; i++)
                if (hex_value(text[i]) < 0)
                        return false;
        if (text[2 * count] != '\0')
                return false;
        for (size_t i = 0; i < count; i++)
                ret_bytes[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
        return true;
}

int64_t mu_command_id_read(const char *text)
{
        uint64_t value = 0;

        if (*text == '0')
                return 0;
        for (; *text; text++) {
                uint64_t digit = (uint64_t)(*text - '0');

                if (*text < '0' || *text > '9' || value > (INT64_MAX - digit) / 10)
                        return 0;
                value = value * 10 + digit;
        }
        return (int64_t)value;
}

bool mu_command_type_valid(const char *type)
{
        size_t chars = strnlen(type, MU_COMMAND_TYPE_BYTES);

        if (chars == 0 || chars == MU_COMMAND_TYPE_BYTES || type[0] < 'a' || type[0] > 'z')
                return false;
        return strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789_") == chars;
}

int mu_command_canonical(const struct mu_command_form *form, const struct mu_command_crypto *crypto,
                         char ret_text[MU_COMMAND_CANONICAL_BYTES], size_t *ret_bytes)
{
        char payload[SHA256_TEXT_BYTES];
        char nonce[MU_COMMAND_NONCE_TEXT_BYTES];

        if (form->device_id <= 0 || form->command_id <= 0 || form->timestamp_s <= 0 ||
            form->key_version == 0 || !mu_command_type_valid(form->type) ||
            form->payload_bytes == 0 || form->payload_bytes > MU_COMMAND_PAYLOAD_BYTES_MAX)
                return -EINVAL;
        digest_text(crypto, form->payload, form->payload_bytes, payload);
        hex_write(form->nonce, sizeof(form->nonce), nonce);
        *ret_bytes = (size_t)snprintf(ret_text, MU_COMMAND_CANONICAL_BYTES,
                                      COMMAND_HEAD "%" PRId64 "\n%" PRId64 "\n%s\n%s\n%" PRId64
                                                   "\n%s\n%" PRIu32 "\n",
                                      form->device_id, form->command_id, form->type, payload,
                                      form->timestamp_s, nonce, form->key_version);
        return 0;
}

int mu_command_result_canonical(const struct mu_command_result_form *form,
                                const struct mu_command_crypto *crypto,
                                char ret_text[MU_COMMAND_CANONICAL_BYTES], size_t *ret_bytes)
{
        char result[SHA256_TEXT_BYTES];
        char error[SHA256_TEXT_BYTES];

        if (form->device_id <= 0 || form->command_id <= 0 || form->finished_at_s < 0 ||
            form->key_version == 0 || form->result_bytes > MU_COMMAND_RESULT_BYTES_MAX ||
            form->error_bytes > MU_COMMAND_ERROR_BYTES_MAX)
                return -EINVAL;
        digest_text(crypto, form->result, form->result_bytes, result);
        digest_text(crypto, form->error, form->error_bytes, error);
        *ret_bytes = (size_t)snprintf(
                ret_text, MU_COMMAND_CANONICAL_BYTES,
                RESULT_HEAD "%" PRId64 "\n%" PRId64 "\n%s\n%s\n%s\n%" PRId64 "\n%" PRIu32 "\n",
                form->device_id, form->command_id, form->done ? "done" : "failed", result, error,
                form->finished_at_s, form->key_version);
        return 0;
}

int mu_command_sign(const struct mu_command_form *form, const struct mu_command_key *key,
                    const struct mu_command_crypto *crypto,
                    uint8_t ret_signature[MU_COMMAND_SIGNATURE_BYTES])
{
        char text[MU_COMMAND_CANONICAL_BYTES];
        size_t bytes;

        if (key->version != form->key_version)
                return -EINVAL;
        int error = mu_command_canonical(form, crypto, text, &bytes);

        if (error == 0)
                crypto->hmac_sha256(key->bytes, text, bytes, ret_signature);
        return error;
}

int mu_command_result_sign(const struct mu_command_result_form *form,
                           const struct mu_command_key *key, const struct mu_command_crypto *crypto,
                           uint8_t ret_signature[MU_COMMAND_SIGNATURE_BYTES])
{
        char text[MU_COMMAND_CANONICAL_BYTES];
        size_t bytes;

        if (key->version != form->key_version)
                return -EINVAL;
        int error = mu_command_result_canonical(form, crypto, text, &bytes);

        if (error == 0)
                crypto->hmac_sha256(key->bytes, text, bytes, ret_signature);
        return error;
}

static const struct mu_command_key *find_key(const struct mu_command_key *keys, size_t key_count,
                                             uint32_t version)
{
        for (size_t i = 0; i < key_count; i++)
                if (keys[i].version != 0 && keys[i].version == version)
                        return &keys[i];
        return NULL;
}

/* In a time that does not depend on where they differ. */
static bool is_equal(const uint8_t *one, const uint8_t *other)
{
        volatile uint8_t difference = 0;

        for (size_t i = 0; i < MU_COMMAND_SIGNATURE_BYTES; i++)
                difference = (uint8_t)(difference | (one[i] ^ other[i]));
        return difference == 0;
}

int mu_command_verify(const struct mu_command_form *form, const uint8_t *signature,
                      const struct mu_command_key *keys, size_t key_count,
                      const struct mu_command_crypto *crypto, int64_t now_s)
{
        const struct mu_command_key *key = find_key(keys, key_count, form->key_version);
        uint8_t expected[MU_COMMAND_SIGNATURE_BYTES];

        if (!key)
                return -ENOKEY;
        int error = mu_command_sign(form, key, crypto, expected);

        if (error < 0)
                return error;
        if (!is_equal(expected, signature))
                return -EKEYREJECTED;
        /* Compared without a subtraction that could overflow: timestamp_s > 0 stands. */
        bool late = now_s > MU_COMMAND_WINDOW_S && form->timestamp_s < now_s - MU_COMMAND_WINDOW_S;
        bool early = form->timestamp_s > now_s + MU_COMMAND_WINDOW_S;

        return late || early ? -ETIME : 0;
}

int mu_command_result_verify(const struct mu_command_result_form *form, const uint8_t *signature,
                             const struct mu_command_key *keys, size_t key_count,
                             const struct mu_command_crypto *crypto)
{
        const struct mu_command_key *key = find_key(keys, key_count, form->key_version);
        uint8_t expected[MU_COMMAND_SIGNATURE_BYTES];

        if (!key)
                return -ENOKEY;
        int error = mu_command_result_sign(form, key, crypto, expected);

        if (error < 0)
                return error;
        return is_equal(expected, signature) ? 0 : -EKEYREJECTED;
}
