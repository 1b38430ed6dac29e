/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/fcm_account.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/base64.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/fs.h"
#include "outbound/outbound.h"

enum {
        FILE_BYTES_MAX = 64 * 1024,
        KEY_BITS_MIN = 2048,
        ASSERTION_LIFE_S = 3600, /* Google's longest */
        SIGNATURE_BYTES_MAX = 1024,
};

static const char scope[] = "https://www.googleapis.com/auth/firebase.messaging";

static int refuse(char *error, const char *what)
{
        (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES, "%s", what);
        return -EINVAL;
}

/* Printable ASCII: these go into URLs and claims. */
static char *take_string(const json_t *object, const char *name)
{
        const char *value = json_string_value(json_object_get(object, name));

        if (!value || !*value)
                return NULL;
        for (const char *c = value; *c; c++)
                if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
                        return NULL;
        return strdup(value);
}

static bool is_project_id(const char *id)
{
        return id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-.:")] == '\0';
}

static int take_key(const json_t *object, struct mu_fcm_account *account, char *error)
{
        const char *pem = json_string_value(json_object_get(object, "private_key"));

        if (!pem || !*pem)
                return refuse(error, "private_key is missing");
        BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));

        account->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
        BIO_free(bio);
        ERR_clear_error();
        if (!account->key)
                return refuse(error, "private_key is not a private key in PEM form");
        if (EVP_PKEY_id(account->key) != EVP_PKEY_RSA ||
            EVP_PKEY_bits(account->key) < KEY_BITS_MIN ||
            EVP_PKEY_size(account->key) > SIGNATURE_BYTES_MAX)
                return refuse(error, "private_key is not an RSA key of 2048 bits or more");
        return 0;
}

static int take_all(const json_t *object, struct mu_fcm_account *account, char *error)
{
        const char *type = json_string_value(json_object_get(object, "type"));

        if (!type || strcmp(type, "service_account") != 0)
                return refuse(error, "type is not \"service_account\"; it must be the key file "
                                     "of a service account, not an app's google-services.json");
        account->project_id = take_string(object, "project_id");
        account->client_email = take_string(object, "client_email");
        account->token_uri = take_string(object, "token_uri");
        account->key_id = take_string(object, "private_key_id");
        if (!account->key_id)
                account->key_id = strdup("");
        if (!account->key_id)
                return -ENOMEM;
        if (!account->project_id || !is_project_id(account->project_id))
                return refuse(error, "project_id is missing or not a project's id");
        if (!account->client_email)
                return refuse(error, "client_email is missing");
        if (!account->token_uri || mu_outbound_check_url(account->token_uri) < 0)
                return refuse(error, "token_uri is missing or not an https URL");
        return take_key(object, account, error);
}

int mu_fcm_account_parse(const char *json, size_t bytes, struct mu_fcm_account **ret_account,
                         char *error)
{
        json_error_t where;
        json_t *object = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &where);

        if (!json_is_object(object)) {
                json_decref(object);
                return refuse(error, "it is not a JSON object");
        }
        struct mu_fcm_account *account = calloc(1, sizeof(*account));
        int code = account ? 0 : -ENOMEM;

        *error = '\0';
        if (code == 0)
                code = take_all(object, account, error);
        /* jansson has no wiping free of its own. */
        const char *pem = json_string_value(json_object_get(object, "private_key"));

        if (pem)
                OPENSSL_cleanse((char *)(uintptr_t)pem, strlen(pem));
        json_decref(object);
        if (code < 0) {
                if (!*error)
                        (void)refuse(error, strerror(-code));
                mu_fcm_account_free(account);
                return code;
        }
        *ret_account = account;
        return 0;
}

int mu_fcm_account_load(const char *path, struct mu_fcm_account **ret_account, char *error)
{
        char what[MU_OUTBOUND_ERROR_BYTES];
        char *json;
        size_t bytes;
        int code = mu_fs_read_file(path, FILE_BYTES_MAX, &json, &bytes);

        if (code < 0) {
                (void)snprintf(what, sizeof(what), "it can't be read, %s", strerror(-code));
        } else {
                code = mu_fcm_account_parse(json, bytes, ret_account, what);
                OPENSSL_cleanse(json, bytes);
                free(json);
        }
        if (code < 0)
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES,
                               "The service account file %.200s (fcm.service_account) can't be "
                               "used: %.200s.",
                               path, what);
        return code;
}

void mu_fcm_account_free(struct mu_fcm_account *account)
{
        if (!account)
                return;
        EVP_PKEY_free(account->key);
        free(account->project_id);
        free(account->client_email);
        free(account->key_id);
        free(account->token_uri);
        free(account);
}

/* ---- the assertion ---- */

static int add_base64url(struct mu_text *to, const void *data, size_t bytes)
{
        size_t room;

        if (!EVP_EncodedLength(&room, bytes))
                return -ENOMEM;
        char *encoded = malloc(room);

        if (!encoded)
                return -ENOMEM;
        size_t count = EVP_EncodeBlock((uint8_t *)encoded, data, bytes);

        for (size_t i = 0; i < count; i++) {
                if (encoded[i] == '+')
                        encoded[i] = '-';
                else if (encoded[i] == '/')
                        encoded[i] = '_';
        }
        while (count > 0 && encoded[count - 1] == '=')
                count--;
        mu_text_add_bytes(to, encoded, count);
        free(encoded);
        return mu_text_status(to);
}

static int add_json(struct mu_text *to, json_t *object)
{
        char *json = json_dumps(object, JSON_COMPACT);
        int code = json ? add_base64url(to, json, strlen(json)) : -ENOMEM;

        json_decref(object);
        free(json);
        return code;
}

static int add_signature(const struct mu_fcm_account *account, const void *signed_part,
                         size_t bytes, struct mu_text *to)
{
        uint8_t signature[SIGNATURE_BYTES_MAX];
        size_t signature_bytes = sizeof(signature);
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        bool good = context &&
                    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, account->key) == 1 &&
                    EVP_DigestSign(context, signature, &signature_bytes, signed_part, bytes) == 1;

        EVP_MD_CTX_free(context);
        ERR_clear_error();
        return good ? add_base64url(to, signature, signature_bytes) : -EIO;
}

int mu_fcm_account_assert(const struct mu_fcm_account *account, const char *audience, int64_t now_s,
                          struct mu_text *to)
{
        struct mu_text jwt;
        json_t *header = json_pack("{s:s, s:s}", "alg", "RS256", "typ", "JWT");

        mu_text_init(&jwt);
        if (header && *account->key_id)
                (void)json_object_set_new(header, "kid", json_string(account->key_id));
        int code = add_json(&jwt, header);

        mu_text_add(&jwt, ".");
        if (code == 0)
                code = add_json(&jwt,
                                json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", account->client_email,
                                          "scope", scope, "aud", audience, "iat", (json_int_t)now_s,
                                          "exp", (json_int_t)(now_s + ASSERTION_LIFE_S)));
        if (code == 0) {
                size_t bytes = jwt.bytes;

                mu_text_add_bytes(to, jwt.data, bytes);
                mu_text_add(to, ".");
                code = add_signature(account, jwt.data, bytes, to);
        }
        mu_text_done(&jwt);
        return code;
}
