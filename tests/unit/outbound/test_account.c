/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include <openssl/base64.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "outbound/fcm_account.h"
#include "outbound/outbound.h"

struct keys {
        char *good;
        char *short_rsa;
        char *elliptic;
};

static char *pem_of(EVP_PKEY *key)
{
        BIO *bio = BIO_new(BIO_s_mem());
        const uint8_t *data;
        size_t bytes;

        assert_true(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
        assert_true(BIO_mem_contents(bio, &data, &bytes));
        char *pem = strndup((const char *)data, bytes);

        BIO_free(bio);
        EVP_PKEY_free(key);
        assert_non_null(pem);
        return pem;
}

static char *rsa_pem(int bits)
{
        EVP_PKEY *key = EVP_PKEY_new();
        RSA *rsa = RSA_new();
        BIGNUM *e = BN_new();

        assert_true(BN_set_word(e, RSA_F4) && RSA_generate_key_ex(rsa, bits, e, NULL) &&
                    EVP_PKEY_assign_RSA(key, rsa));
        BN_free(e);
        return pem_of(key);
}

static char *elliptic_pem(void)
{
        EVP_PKEY *key = EVP_PKEY_new();
        EC_KEY *curve = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);

        assert_true(EC_KEY_generate_key(curve) && EVP_PKEY_assign_EC_KEY(key, curve));
        return pem_of(key);
}

static int make_keys(void **state)
{
        static struct keys keys;

        keys.good = rsa_pem(2048);
        keys.short_rsa = rsa_pem(1024);
        keys.elliptic = elliptic_pem();
        *state = &keys;
        return 0;
}

static int free_keys(void **state)
{
        struct keys *keys = *state;

        free(keys->good);
        free(keys->short_rsa);
        free(keys->elliptic);
        return 0;
}

static json_t *file_of(const char *pem)
{
        json_t *file =
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", "service_account", "project_id",
                          "muster-test", "private_key_id", "kid-1", "private_key", pem,
                          "client_email", "fleet@muster-test.iam.gserviceaccount.com", "token_uri",
                          "https://oauth2.googleapis.com/token");

        assert_non_null(file);
        return file;
}

static int parse(json_t *file, struct mu_fcm_account **ret, char *error)
{
        char *json = json_dumps(file, 0);

        assert_non_null(json);
        int code = mu_fcm_account_parse(json, strlen(json), ret, error);

        free(json);
        json_decref(file);
        return code;
}

static void a_good_file(void **state)
{
        const struct keys *keys = *state;
        struct mu_fcm_account *account = NULL;
        char error[MU_OUTBOUND_ERROR_BYTES];

        assert_int_equal(parse(file_of(keys->good), &account, error), 0);
        assert_string_equal(account->project_id, "muster-test");
        assert_string_equal(account->client_email, "fleet@muster-test.iam.gserviceaccount.com");
        assert_string_equal(account->token_uri, "https://oauth2.googleapis.com/token");
        assert_string_equal(account->key_id, "kid-1");
        mu_fcm_account_free(account);
}

static void expect_refusal(json_t *file, const char *word)
{
        struct mu_fcm_account *account = NULL;
        char error[MU_OUTBOUND_ERROR_BYTES] = "";

        assert_int_equal(parse(file, &account, error), -EINVAL);
        assert_null(account);
        assert_non_null(strstr(error, word));
        assert_null(strstr(error, "BEGIN"));
}

static json_t *with(const char *pem, const char *name, const char *value)
{
        json_t *file = file_of(pem);

        if (value)
                assert_int_equal(json_object_set_new(file, name, json_string(value)), 0);
        else
                assert_int_equal(json_object_del(file, name), 0);
        return file;
}

static void bad_files(void **state)
{
        const struct keys *keys = *state;
        static const char *const needed[] = {"type", "project_id", "client_email", "private_key",
                                             "token_uri"};

        for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
                expect_refusal(with(keys->good, needed[i], NULL), needed[i]);
                expect_refusal(with(keys->good, needed[i], ""), needed[i]);
        }
        expect_refusal(with(keys->good, "type", "authorized_user"), "service_account");
        expect_refusal(with(keys->good, "project_id", "../../x"), "project_id");
        expect_refusal(with(keys->good, "client_email", "a\r\nb"), "client_email");
        expect_refusal(with(keys->good, "token_uri", "http://example.org/token"), "token_uri");
        expect_refusal(file_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
                       "private_key");
        expect_refusal(file_of(keys->short_rsa), "2048");
        expect_refusal(file_of(keys->elliptic), "RSA");
        expect_refusal(json_array(), "JSON");
}

static void the_sentence_names_the_file(void **state)
{
        struct mu_fcm_account *account = NULL;
        char error[MU_OUTBOUND_ERROR_BYTES];

        (void)state;
        assert_int_equal(mu_fcm_account_load("/nowhere/key.json", &account, error), -ENOENT);
        assert_non_null(strstr(error, "/nowhere/key.json"));
        assert_non_null(strstr(error, "fcm.service_account"));
        assert_null(account);
}

/* One part of a JWT, NUL-terminated, to be freed. */
static char *decode(const char *part, size_t chars, size_t *ret_bytes)
{
        char *padded = calloc(1, chars + 5);
        char *data = calloc(1, chars + 5);

        assert_true(padded && data);
        for (size_t i = 0; i < chars; i++)
                padded[i] = part[i] == '-' ? '+' : part[i] == '_' ? '/' : part[i];
        for (size_t i = chars; i % 4 != 0; i++)
                padded[i] = '=';
        assert_true(EVP_DecodeBase64((uint8_t *)data, ret_bytes, chars + 4, (uint8_t *)padded,
                                     strlen(padded)));
        free(padded);
        return data;
}

static void the_assertion_is_signed(void **state)
{
        const struct keys *keys = *state;
        struct mu_fcm_account *account = NULL;
        char error[MU_OUTBOUND_ERROR_BYTES];
        struct mu_text jwt;
        size_t bytes;

        assert_int_equal(parse(file_of(keys->good), &account, error), 0);
        mu_text_init(&jwt);
        assert_int_equal(mu_fcm_account_assert(account, "https://x/token", 1000000, &jwt), 0);
        assert_null(strpbrk(jwt.data, "+/="));
        const char *claims = strchr(jwt.data, '.') + 1;
        const char *signature = strchr(claims, '.') + 1;
        char *header = decode(jwt.data, (size_t)(claims - 1 - jwt.data), &bytes);

        assert_string_equal(header, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"kid-1\"}");
        free(header);
        char *said = decode(claims, (size_t)(signature - 1 - claims), &bytes);

        assert_string_equal(said, "{\"iss\":\"fleet@muster-test.iam.gserviceaccount.com\","
                                  "\"scope\":\"https://www.googleapis.com/auth/firebase.messaging\""
                                  ",\"aud\":\"https://x/token\",\"iat\":1000000,\"exp\":1003600}");
        free(said);
        char *raw = decode(signature, strlen(signature), &bytes);
        EVP_MD_CTX *context = EVP_MD_CTX_new();

        assert_int_equal(bytes, 256);
        assert_true(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, account->key));
        assert_true(EVP_DigestVerify(context, (uint8_t *)raw, bytes, (const uint8_t *)jwt.data,
                                     (size_t)(signature - 1 - jwt.data)));
        EVP_MD_CTX_free(context);
        free(raw);
        mu_text_done(&jwt);
        mu_fcm_account_free(account);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_good_file),
                cmocka_unit_test(bad_files),
                cmocka_unit_test(the_sentence_names_the_file),
                cmocka_unit_test(the_assertion_is_signed),
        };

        return cmocka_run_group_tests(tests, make_keys, free_keys);
}
