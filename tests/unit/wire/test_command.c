/* SPDX-License-Identifier: Apache-2.0 */
#include "muster/command.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "identity/command_sign.h"
#include "identity/device_key.h"
#include "unit.h"
#include "wire/command_envelope.h"

static const struct mu_command_crypto *const CRYPTO = &mu_command_crypto_boringssl;

static json_t *vectors;

static int load_vectors(void **state)
{
        (void)state;
        vectors = json_load_file(COMMAND_VECTORS, JSON_REJECT_DUPLICATES, NULL);
        return vectors ? 0 : -1;
}

static int drop_vectors(void **state)
{
        (void)state;
        json_decref(vectors);
        return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));

        assert_non_null(text);
        return text;
}

static void read_key(const json_t *vector, uint32_t version, struct mu_command_key *ret_key)
{
        ret_key->version = version;
        assert_true(mu_command_hex_read(text_of(vector, "key"), ret_key->bytes,
                                        sizeof(ret_key->bytes)));
}

static void read_envelope(const json_t *vector, struct mu_command_envelope *ret_envelope)
{
        char *json = json_dumps(json_object_get(vector, "envelope"), JSON_COMPACT);

        assert_non_null(json);
        assert_int_equal(mu_command_envelope_read(json, strlen(json), ret_envelope), 0);
        free(json);
}

static void assert_derived(const json_t *vector, int64_t device_id, uint32_t version)
{
        uint8_t master[MU_DEVICE_KEY_MASTER_BYTES_MIN];
        uint8_t derived[MU_DEVICE_KEY_BYTES];
        struct mu_command_key key;

        assert_true(mu_command_hex_read(text_of(vectors, "master"), master, sizeof(master)));
        mu_device_key_derive(master, sizeof(master), device_id, version, derived);
        read_key(vector, version, &key);
        assert_memory_equal(derived, key.bytes, sizeof(derived));
}

static void command_vectors(void **state)
{
        json_t *vector;
        size_t i;

        (void)state;
        assert_int_equal(json_array_size(json_object_get(vectors, "commands")), 4);
        json_array_foreach(json_object_get(vectors, "commands"), i, vector)
        {
                struct mu_command_envelope envelope;
                struct mu_command_key key;
                char canonical[MU_COMMAND_CANONICAL_BYTES];
                uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
                size_t bytes;

                read_envelope(vector, &envelope);
                const struct mu_command_form *form = &envelope.form;

                assert_derived(vector, form->device_id, form->key_version);
                read_key(vector, form->key_version, &key);
                assert_int_equal(mu_command_canonical(form, CRYPTO, canonical, &bytes), 0);
                assert_string_equal(canonical, text_of(vector, "canonical"));
                assert_int_equal(bytes, strlen(canonical));
                assert_int_equal(mu_command_sign(form, &key, CRYPTO, signature), 0);
                assert_memory_equal(signature, envelope.signature, sizeof(signature));
                assert_int_equal(mu_command_verify(form, envelope.signature, &key, 1, CRYPTO,
                                                   form->timestamp_s),
                                 0);
                mu_command_envelope_done(&envelope);
        }
}

static void read_result(const json_t *vector, struct mu_command_result_form *form,
                        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES])
{
        const json_t *body = json_object_get(vector, "body");
        const char *result = json_string_value(json_object_get(body, "result"));
        const char *error = json_string_value(json_object_get(body, "error"));

        *form = (struct mu_command_result_form){
                .device_id = mu_command_id_read(text_of(vector, "device_id")),
                .command_id = mu_command_id_read(text_of(body, "command_id")),
                .done = strcmp(text_of(body, "status"), "done") == 0,
                .result = result,
                .result_bytes = result ? strlen(result) : 0,
                .error = error,
                .error_bytes = error ? strlen(error) : 0,
                .finished_at_s = json_integer_value(json_object_get(body, "finished_at")),
                .key_version = (uint32_t)json_integer_value(json_object_get(body, "key_version")),
        };
        assert_true(mu_command_hex_read(text_of(body, "signature"), signature,
                                        MU_COMMAND_SIGNATURE_BYTES));
}

static void result_vectors(void **state)
{
        json_t *vector;
        size_t i;

        (void)state;
        assert_int_equal(json_array_size(json_object_get(vectors, "results")), 3);
        json_array_foreach(json_object_get(vectors, "results"), i, vector)
        {
                struct mu_command_result_form form;
                struct mu_command_key key;
                char canonical[MU_COMMAND_CANONICAL_BYTES];
                uint8_t expected[MU_COMMAND_SIGNATURE_BYTES];
                uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];
                size_t bytes;

                read_result(vector, &form, expected);
                assert_derived(vector, form.device_id, form.key_version);
                read_key(vector, form.key_version, &key);
                assert_int_equal(mu_command_result_canonical(&form, CRYPTO, canonical, &bytes), 0);
                assert_string_equal(canonical, text_of(vector, "canonical"));
                assert_int_equal(mu_command_result_sign(&form, &key, CRYPTO, signature), 0);
                assert_memory_equal(signature, expected, sizeof(signature));
                assert_int_equal(mu_command_result_verify(&form, expected, &key, 1, CRYPTO), 0);
        }
}

/* The first vector's command, its key, and what verify says of it with one thing changed. */
struct sample {
        struct mu_command_envelope envelope;
        struct mu_command_key keys[2];
};

static void take_sample(struct sample *sample)
{
        const json_t *vector = json_array_get(json_object_get(vectors, "commands"), 0);

        memset(sample, 0, sizeof(*sample));
        read_envelope(vector, &sample->envelope);
        read_key(vector, 1, &sample->keys[0]);
}

static int verdict(const struct sample *sample, int64_t now_s)
{
        return mu_command_verify(&sample->envelope.form, sample->envelope.signature, sample->keys,
                                 2, CRYPTO, now_s);
}

static void anything_changed_is_rejected(void **state)
{
        struct sample sample;

        (void)state;
        for (int change = 0; change < 9; change++) {
                take_sample(&sample);
                struct mu_command_form *form = &sample.envelope.form;
                int64_t now_s = form->timestamp_s;

                assert_int_equal(verdict(&sample, now_s), 0);
                switch (change) {
                case 0:
                        form->device_id = 18;
                        break;
                case 1:
                        form->command_id = 98;
                        break;
                case 2:
                        form->type = "lock";
                        break;
                case 3:
                        form->payload = "[]";
                        break;
                case 4:
                        form->payload_bytes = 1;
                        break;
                case 5:
                        form->timestamp_s++;
                        break;
                case 6:
                        form->nonce[15] ^= 1;
                        break;
                case 7:
                        sample.envelope.signature[31] ^= 0x80;
                        break;
                case 8:
                        sample.keys[0].bytes[0] ^= 1;
                        break;
                default:
                        fail();
                }
                assert_int_equal(verdict(&sample, now_s), -EKEYREJECTED);
                mu_command_envelope_done(&sample.envelope);
        }
}

static void window_is_five_minutes_either_way(void **state)
{
        struct sample sample;

        (void)state;
        take_sample(&sample);
        int64_t sent_s = sample.envelope.form.timestamp_s;

        assert_int_equal(verdict(&sample, sent_s + 300), 0);
        assert_int_equal(verdict(&sample, sent_s + 301), -ETIME);
        assert_int_equal(verdict(&sample, sent_s - 300), 0);
        assert_int_equal(verdict(&sample, sent_s - 301), -ETIME);
        assert_int_equal(verdict(&sample, 0), -ETIME);
        /* A wrong signature is told first: of a forgery nobody learns the agent's clock. */
        sample.envelope.signature[0] ^= 1;
        assert_int_equal(verdict(&sample, sent_s + 301), -EKEYREJECTED);
        mu_command_envelope_done(&sample.envelope);
}

static void current_and_next_key(void **state)
{
        struct sample sample;

        (void)state;
        take_sample(&sample);
        struct mu_command_form *form = &sample.envelope.form;

        memset(sample.keys[1].bytes, 7, sizeof(sample.keys[1].bytes));
        sample.keys[1].version = 2;
        assert_int_equal(verdict(&sample, form->timestamp_s), 0);
        form->key_version = 2;
        assert_int_equal(verdict(&sample, form->timestamp_s), -EKEYREJECTED);
        assert_int_equal(mu_command_sign(form, &sample.keys[1], CRYPTO, sample.envelope.signature),
                         0);
        assert_int_equal(verdict(&sample, form->timestamp_s), 0);
        form->key_version = 3;
        assert_int_equal(verdict(&sample, form->timestamp_s), -ENOKEY);
        /* Version 0 is no key, also where the form says 0. */
        form->key_version = 0;
        sample.keys[1].version = 0;
        assert_int_equal(verdict(&sample, form->timestamp_s), -ENOKEY);
        mu_command_envelope_done(&sample.envelope);
}

static void result_changed_is_rejected(void **state)
{
        const json_t *vector = json_array_get(json_object_get(vectors, "results"), 1);
        struct mu_command_result_form form;
        struct mu_command_key key;
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];

        (void)state;
        for (int change = 0; change < 7; change++) {
                read_result(vector, &form, signature);
                read_key(vector, form.key_version, &key);
                switch (change) {
                case 0:
                        form.device_id++;
                        break;
                case 1:
                        form.command_id++;
                        break;
                case 2:
                        form.done = false;
                        break;
                case 3:
                        form.result_bytes--;
                        break;
                case 4:
                        form.finished_at_s++;
                        break;
                case 5:
                        signature[0] ^= 1;
                        break;
                case 6: /* what was the result is called an error */
                        form.error = form.result;
                        form.error_bytes = form.result_bytes;
                        form.result_bytes = 0;
                        break;
                default:
                        fail();
                }
                assert_int_equal(mu_command_result_verify(&form, signature, &key, 1, CRYPTO),
                                 -EKEYREJECTED);
        }
        form.key_version++;
        assert_int_equal(mu_command_result_verify(&form, signature, &key, 1, CRYPTO), -ENOKEY);
}

static void grammar(void **state)
{
        uint8_t bytes[2] = {9, 9};

        (void)state;
        assert_true(mu_command_type_valid("ping"));
        assert_true(mu_command_type_valid("a2345678901234567890123456789_12"));
        assert_false(mu_command_type_valid("a23456789012345678901234567890123"));
        assert_false(mu_command_type_valid(""));
        assert_false(mu_command_type_valid("_a"));
        assert_false(mu_command_type_valid("1a"));
        assert_false(mu_command_type_valid("Ping"));
        assert_false(mu_command_type_valid("ping\n"));
        assert_false(mu_command_type_valid("pi ng"));
        assert_int_equal(mu_command_id_read("1"), 1);
        assert_int_equal(mu_command_id_read("9223372036854775807"), INT64_MAX);
        assert_int_equal(mu_command_id_read("9223372036854775808"), 0);
        assert_int_equal(mu_command_id_read("99999999999999999999"), 0);
        assert_int_equal(mu_command_id_read("01"), 0);
        assert_int_equal(mu_command_id_read("+1"), 0);
        assert_int_equal(mu_command_id_read("1 "), 0);
        assert_int_equal(mu_command_id_read(""), 0);
        assert_true(mu_command_hex_read("00ff", bytes, 2));
        assert_memory_equal(bytes, ((uint8_t[]){0x00, 0xff}), 2);
        assert_false(mu_command_hex_read("00f", bytes, 2));
        assert_false(mu_command_hex_read("00fff", bytes, 2));
        assert_false(mu_command_hex_read("00FF", bytes, 2));
        assert_memory_equal(bytes, ((uint8_t[]){0x00, 0xff}), 2);
}

static void wrong_forms_are_not_signed(void **state)
{
        struct sample sample;
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES];

        (void)state;
        for (int change = 0; change < 8; change++) {
                take_sample(&sample);
                struct mu_command_form *form = &sample.envelope.form;

                switch (change) {
                case 0:
                        form->device_id = 0;
                        break;
                case 1:
                        form->command_id = -1;
                        break;
                case 2:
                        form->type = "two\nlines";
                        break;
                case 3:
                        form->payload_bytes = 0;
                        break;
                case 4:
                        form->payload_bytes = MU_COMMAND_PAYLOAD_BYTES_MAX + 1;
                        break;
                case 5:
                        form->timestamp_s = 0;
                        break;
                case 6:
                        form->key_version = 0;
                        break;
                case 7:
                        form->key_version = 2;
                        break; /* the key's is 1 */
                default:
                        fail();
                }
                assert_int_equal(mu_command_sign(form, &sample.keys[0], CRYPTO, signature),
                                 -EINVAL);
                mu_command_envelope_done(&sample.envelope);
        }
}

static void envelope_comes_back_as_it_went(void **state)
{
        struct mu_command_form form = {
                .device_id = INT64_MAX,
                .command_id = 1,
                .timestamp_s = 1732182939,
                .type = "set_config",
                .payload = "{\"a\":\"\\\" \\u0001 ü 🔑\"}",
                .key_version = UINT32_MAX,
                .nonce = {1, 2, 3},
        };
        uint8_t signature[MU_COMMAND_SIGNATURE_BYTES] = {0xab};
        struct mu_command_envelope back;
        struct mu_text text;
        size_t data_bytes;

        (void)state;
        form.payload_bytes = strlen(form.payload);
        mu_text_init(&text);
        assert_int_equal(mu_command_envelope_write(&form, signature, &text, &data_bytes), 0);
        assert_int_equal(data_bytes, 64 + 19 + 1 + 10 + form.payload_bytes + 10 + 32 + 10 + 64);
        assert_int_equal(mu_command_envelope_read(text.data, text.bytes, &back), 0);
        assert_int_equal(back.form.device_id, form.device_id);
        assert_int_equal(back.form.command_id, 1);
        assert_int_equal(back.form.timestamp_s, form.timestamp_s);
        assert_string_equal(back.form.type, form.type);
        assert_string_equal(back.form.payload, form.payload);
        assert_int_equal(back.form.payload_bytes, form.payload_bytes);
        assert_int_equal(back.form.key_version, UINT32_MAX);
        assert_memory_equal(back.form.nonce, form.nonce, sizeof(form.nonce));
        assert_memory_equal(back.signature, signature, sizeof(signature));
        mu_command_envelope_done(&back);
        mu_text_done(&text);
}

/* The sample's envelope with one member replaced (value NULL: taken out), as JSON. */
static int read_with(const char *name, json_t *value)
{
        const json_t *vector = json_array_get(json_object_get(vectors, "commands"), 0);
        json_t *envelope = json_copy(json_object_get(vector, "envelope"));
        struct mu_command_envelope read = {.form = {.device_id = 4711}};

        if (value)
                assert_int_equal(json_object_set_new(envelope, name, value), 0);
        else
                assert_int_equal(json_object_del(envelope, name), 0);
        char *json = json_dumps(envelope, JSON_COMPACT);
        int error = mu_command_envelope_read(json, strlen(json), &read);

        if (error == 0)
                mu_command_envelope_done(&read);
        else
                assert_int_equal(read.form.device_id, 4711); /* untouched */
        free(json);
        json_decref(envelope);
        return error;
}

static void wrong_envelopes(void **state)
{
        static const char *const members[] = {"device_id",   "command_id", "type",
                                              "payload",     "timestamp",  "nonce",
                                              "key_version", "signature"};
        struct mu_command_envelope envelope;

        (void)state;
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                assert_int_equal(read_with(members[i], NULL), -EBADMSG);
                assert_int_equal(read_with(members[i], json_integer(1)), -EBADMSG);
                assert_int_equal(read_with(members[i], json_string("")), -EBADMSG);
        }
        assert_int_equal(read_with("device_id", json_string("18")), 0);
        assert_int_equal(read_with("device_id", json_string("-18")), -EBADMSG);
        assert_int_equal(read_with("key_version", json_string("4294967296")), -EBADMSG);
        assert_int_equal(read_with("nonce", json_string("00")), -EBADMSG);
        assert_int_equal(read_with("extra", json_string("x")), -EBADMSG);
        assert_int_equal(mu_command_envelope_read("[]", 2, &envelope), -EBADMSG);
        assert_int_equal(mu_command_envelope_read("{", 1, &envelope), -EBADMSG);
        assert_int_equal(mu_command_envelope_read("{\"a\":1,\"a\":2}", 13, &envelope), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(command_vectors),
                cmocka_unit_test(result_vectors),
                cmocka_unit_test(anything_changed_is_rejected),
                cmocka_unit_test(window_is_five_minutes_either_way),
                cmocka_unit_test(current_and_next_key),
                cmocka_unit_test(result_changed_is_rejected),
                cmocka_unit_test(grammar),
                cmocka_unit_test(wrong_forms_are_not_signed),
                cmocka_unit_test(envelope_comes_back_as_it_went),
                cmocka_unit_test(wrong_envelopes),
        };

        return cmocka_run_group_tests(tests, load_vectors, drop_vectors);
}
