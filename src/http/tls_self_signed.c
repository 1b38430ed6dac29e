/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls_self_signed.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "http/tls.h"

static EVP_PKEY *make_key(void)
{
        EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
        EVP_PKEY *key = EVP_PKEY_new();

        if (!ec || !key || EC_KEY_generate_key(ec) != 1 || EVP_PKEY_set1_EC_KEY(key, ec) != 1) {
                EVP_PKEY_free(key);
                key = NULL;
        }
        EC_KEY_free(ec);
        return key;
}

static bool is_dns_name(const char *name)
{
        size_t bytes = strlen(name);

        return bytes > 0 && bytes <= 253 && name[0] != '.' && name[0] != '-' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
                       bytes;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
        X509V3_CTX context;

        X509V3_set_ctx_nodb(&context);
        X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
        X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
        if (!extension)
                return false;
        bool added = X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        return added;
}

static bool add_extensions(X509 *certificate, const char *host_name)
{
        char names[512];

        snprintf(names, sizeof(names), "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1%s%s",
                 is_dns_name(host_name) && strcmp(host_name, "localhost") != 0 ? ",DNS:" : "",
                 is_dns_name(host_name) && strcmp(host_name, "localhost") != 0 ? host_name : "");
        return add_extension(certificate, NID_subject_alt_name, names) &&
               add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
               add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
               add_extension(certificate, NID_ext_key_usage, "serverAuth");
}

static bool set_serial(X509 *certificate)
{
        uint8_t bytes[16];
        BIGNUM *number;

        if (RAND_bytes(bytes, sizeof(bytes)) != 1)
                return false;
        bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and never short */
        number = BN_bin2bn(bytes, sizeof(bytes), NULL);
        bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
        BN_free(number);
        return set;
}

static X509 *make_certificate(EVP_PKEY *key, const char *host_name)
{
        X509 *certificate = X509_new();
        const char *name =
                is_dns_name(host_name) && strlen(host_name) <= 64 ? host_name : "localhost";

        if (!certificate)
                return NULL;
        X509_NAME *subject = X509_get_subject_name(certificate);
        /* Valid from an hour ago: a device's clock may be slow. */
        bool made = X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
                    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
                    X509_gmtime_adj(X509_getm_notAfter(certificate),
                                    (long)MU_TLS_SELF_SIGNED_DAYS * 86400) &&
                    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name,
                                               -1, -1, 0) == 1 &&
                    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                                               (const uint8_t *)"Muster (self-signed)", -1, -1,
                                               0) == 1 &&
                    X509_set_issuer_name(certificate, subject) == 1 &&
                    X509_set_pubkey(certificate, key) == 1 &&
                    add_extensions(certificate, host_name) &&
                    X509_sign(certificate, key, EVP_sha256()) > 0;
        if (!made) {
                X509_free(certificate);
                return NULL;
        }
        return certificate;
}

static int write_bio(const char *path, BIO *bio, mode_t mode)
{
        const uint8_t *bytes;
        size_t count;

        if (BIO_mem_contents(bio, &bytes, &count) != 1)
                return -ENOMEM;
        return mu_fs_write_file(path, bytes, count, mode);
}

int mu_tls_make_self_signed(const char *certificate_path, const char *key_path,
                            const char *host_name)
{
        EVP_PKEY *key = make_key();
        X509 *certificate = key ? make_certificate(key, host_name) : NULL;
        BIO *key_pem = BIO_new(BIO_s_mem());
        BIO *certificate_pem = BIO_new(BIO_s_mem());
        int code = -ENOMEM;

        if (certificate && key_pem && certificate_pem &&
            PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1 &&
            PEM_write_bio_X509(certificate_pem, certificate) == 1)
                code = write_bio(key_path, key_pem, 0600);
        if (code == 0)
                code = write_bio(certificate_path, certificate_pem, 0644);
        BIO_free(key_pem);
        BIO_free(certificate_pem);
        X509_free(certificate);
        EVP_PKEY_free(key);
        ERR_clear_error();
        return code;
}
