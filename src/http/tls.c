/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "http/tls_self_signed.h"

#define PEM_BYTES_MAX (1024 * 1024)
/* A device that comes every five minutes, or after a night without network, resumes. */
#define SESSION_LIFETIME_S (24 * 3600)

struct mu_tls {
        pthread_mutex_t lock; /* taken at reload, and by each loop once after it */
        SSL_CTX *ctx;
        struct mu_tls_info info;
        _Atomic uint64_t generation;
        char *certificate_path; /* the operator's, or those in the directory */
        char *key_path;
        char *host_name;
        bool self_signed;
};

/* ---- sentences ---- */

MU_PRINTF(2, 3)
static void say(char *error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(error, MU_TLS_ERROR_BYTES, format, arguments);
        va_end(arguments);
        ERR_clear_error();
}

/* ---- reading ---- */

static int no_password(char *buffer, int bytes, int writing, void *data)
{
        (void)buffer;
        (void)bytes;
        (void)writing;
        (void)data;
        return -1; /* never ask at a terminal */
}

static int read_pem(const char *what, const char *path, BIO **ret_bio, char **ret_data, char *error)
{
        char *data;
        size_t bytes;
        int code = mu_fs_read_file(path, PEM_BYTES_MAX, &data, &bytes);

        if (code < 0) {
                say(error, "cannot read the TLS %s %s: %s", what, path, strerror(-code));
                return code;
        }
        BIO *bio = BIO_new_mem_buf(data, (int)bytes);
        if (!bio) {
                OPENSSL_cleanse(data, bytes);
                free(data);
                say(error, "no memory for the TLS %s %s", what, path);
                return -ENOMEM;
        }
        *ret_bio = bio;
        *ret_data = data;
        return 0;
}

static void free_pem(BIO *bio, char *data)
{
        OPENSSL_cleanse(data, strlen(data));
        free(data);
        BIO_free(bio);
}

static int load_chain(SSL_CTX *ctx, const char *path, char *error)
{
        BIO *bio;
        char *data;
        int code = read_pem("certificate", path, &bio, &data, error);

        if (code < 0)
                return code;
        int count = 0;
        bool loaded = true;
        for (X509 *certificate; loaded && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL));
             count++) {
                loaded = count == 0 ? SSL_CTX_use_certificate(ctx, certificate) == 1
                                    : SSL_CTX_add1_chain_cert(ctx, certificate) == 1;
                X509_free(certificate);
        }
        /* The loop ends with "no more PEM blocks" in the queue; anything else is damage. */
        bool damaged = loaded && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
        free_pem(bio, data);
        if (count == 0 || damaged) {
                say(error, "%s is not a chain of PEM certificates%s", path,
                    count > 0 ? ": a block behind the first one is damaged" : "");
                return -EBADMSG;
        }
        if (!loaded) {
                say(error, "the certificate in %s cannot be used: RSA or ECDSA is needed", path);
                return -EBADMSG;
        }
        ERR_clear_error();
        return 0;
}

static int load_key(SSL_CTX *ctx, const char *path, const char *certificate_path, char *error)
{
        BIO *bio;
        char *data;
        int code = read_pem("key", path, &bio, &data, error);

        if (code < 0)
                return code;
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
        free_pem(bio, data);
        if (!key) {
                say(error, "%s is not an unencrypted PEM private key", path);
                return -EBADMSG;
        }
        int used = SSL_CTX_use_PrivateKey(ctx, key);
        EVP_PKEY_free(key);
        if (used != 1 || SSL_CTX_check_private_key(ctx) != 1) {
                say(error, "the key in %s does not belong to the certificate in %s", path,
                    certificate_path);
                return -EKEYREJECTED;
        }
        return 0;
}

static bool describe_key(const X509 *leaf, char ret_pin[MU_TLS_PIN_BYTES])
{
        uint8_t digest[SHA256_DIGEST_LENGTH];
        char base64[MU_TLS_PIN_BYTES];
        uint8_t *der = NULL;
        int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);

        if (bytes <= 0)
                return false;
        SHA256(der, (size_t)bytes, digest);
        OPENSSL_free(der);
        (void)EVP_EncodeBlock((uint8_t *)base64, digest, sizeof(digest));
        (void)snprintf(ret_pin, MU_TLS_PIN_BYTES, "sha256//%.44s", base64);
        return true;
}

static bool describe_leaf(SSL_CTX *ctx, struct mu_tls_info *ret_info)
{
        X509 *leaf = SSL_CTX_get0_certificate(ctx);
        uint8_t digest[SHA256_DIGEST_LENGTH];
        unsigned digest_bytes = sizeof(digest);
        int days, seconds;

        if (!leaf || X509_digest(leaf, EVP_sha256(), digest, &digest_bytes) != 1 ||
            !describe_key(leaf, ret_info->pin) ||
            ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)) != 1)
                return false;
        int64_t left_s = (int64_t)days * 86400 + seconds;
        ret_info->expires_at_s = mu_clock_realtime_us(mu_clock_system()) / MU_US_PER_S + left_s;
        ret_info->expired = left_s <= 0;
        mu_text_hex(digest, sizeof(digest), ret_info->fingerprint);
        /* A session made under one certificate is never resumed under another. */
        return SSL_CTX_set_session_id_context(ctx, digest, sizeof(digest)) == 1;
}

/* ---- the context ---- */

static int select_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_bytes, const uint8_t *in,
                           unsigned in_bytes, void *arg)
{
        static const uint8_t ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
        uint8_t *selected;

        (void)ssl;
        (void)arg;
        if (SSL_select_next_proto(&selected, out_bytes, ours, sizeof(ours), in, in_bytes) !=
            OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        *out = selected;
        return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_ctx(void)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());

        if (!ctx)
                return NULL;
        /* TLS 1.3 brings its own three ciphers. Renegotiation and early data are off by default. */
        if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
            SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
            SSL_CTX_set_strict_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
            SSL_CTX_set1_curves_list(ctx, "X25519:P-256") != 1) {
                SSL_CTX_free(ctx);
                return NULL;
        }
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_early_data_enabled(ctx, 0);
        SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
        /* Tickets only: the server keeps nothing per session. Their keys are made and rotated by
         * BoringSSL, in the context that all loops share. */
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_timeout(ctx, SESSION_LIFETIME_S);
        SSL_CTX_set_session_psk_dhe_timeout(ctx, SESSION_LIFETIME_S);
        /* An idle connection keeps no record buffers (BoringSSL's default; the mode says so). */
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
        return ctx;
}

static int load(const struct mu_tls *tls, SSL_CTX **ret_ctx, struct mu_tls_info *ret_info,
                char *error)
{
        struct mu_tls_info info = {.self_signed = tls->self_signed};
        SSL_CTX *ctx = make_ctx();

        if (!ctx) {
                say(error, "no memory for TLS");
                return -ENOMEM;
        }
        int code = load_chain(ctx, tls->certificate_path, error);
        if (code == 0)
                code = load_key(ctx, tls->key_path, tls->certificate_path, error);
        if (code == 0 && !describe_leaf(ctx, &info)) {
                say(error, "the certificate in %s cannot be read", tls->certificate_path);
                code = -EBADMSG;
        }
        if (code < 0) {
                SSL_CTX_free(ctx);
                return code;
        }
        *ret_ctx = ctx;
        *ret_info = info;
        return 0;
}

/* Ours alone may be made anew: absent, half written, not a pair, expired. */
static bool wants_new_one(int code, const struct mu_tls_info *info)
{
        if (code == 0)
                return info->expired;
        return code == -ENOENT || code == -EBADMSG || code == -EKEYREJECTED;
}

static int load_or_make(const struct mu_tls *tls, SSL_CTX **ret_ctx, struct mu_tls_info *ret_info,
                        char *error)
{
        int code = load(tls, ret_ctx, ret_info, error);

        if (!tls->self_signed || !wants_new_one(code, ret_info))
                return code;
        if (code == 0)
                SSL_CTX_free(*ret_ctx);
        code = mu_tls_make_self_signed(tls->certificate_path, tls->key_path, tls->host_name);
        if (code < 0) {
                say(error, "cannot make a certificate at %s: %s", tls->certificate_path,
                    strerror(-code));
                return code;
        }
        code = load(tls, ret_ctx, ret_info, error);
        if (code == 0)
                ret_info->created = true;
        return code;
}

/* ---- life ---- */

static char *join(const char *directory, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static char *own_host_name(void)
{
        char name[256] = "localhost";

        if (gethostname(name, sizeof(name) - 1) < 0)
                return strdup("localhost");
        return strdup(name);
}

static void free_paths(struct mu_tls *tls)
{
        free(tls->certificate_path);
        free(tls->key_path);
        free(tls->host_name);
}

/* What config says of the files, into tls; whatever it returns, to be freed. */
static int take_paths(struct mu_tls *tls, const struct mu_tls_config *config, char *error)
{
        if (!config->certificate_path != !config->key_path) {
                say(error, "the TLS certificate and its key are given together: %s is missing",
                    config->key_path ? "the certificate" : "the key");
                return -EINVAL;
        }
        MU_ASSERT(config->certificate_path || config->directory);
        tls->self_signed = !config->certificate_path;
        if (tls->self_signed) {
                tls->certificate_path = join(config->directory, "tls.crt");
                tls->key_path = join(config->directory, "tls.key");
        } else {
                tls->certificate_path = strdup(config->certificate_path);
                tls->key_path = strdup(config->key_path);
        }
        tls->host_name = config->host_name ? strdup(config->host_name) : own_host_name();
        if (tls->certificate_path && tls->key_path && tls->host_name)
                return 0;
        say(error, "no memory for TLS");
        return -ENOMEM;
}

int mu_tls_create(const struct mu_tls_config *config, struct mu_tls **ret_tls, char *error)
{
        struct mu_tls *tls = calloc(1, sizeof(*tls));

        if (!tls)
                return -ENOMEM;
        pthread_mutex_init(&tls->lock, NULL);
        int code = take_paths(tls, config, error);
        if (code == 0)
                code = load_or_make(tls, &tls->ctx, &tls->info, error);
        if (code < 0) {
                mu_tls_destroy(tls);
                return code;
        }
        atomic_init(&tls->generation, 1);
        *ret_tls = tls;
        return 0;
}

void mu_tls_destroy(struct mu_tls *tls)
{
        if (!tls)
                return;
        SSL_CTX_free(tls->ctx);
        pthread_mutex_destroy(&tls->lock);
        free_paths(tls);
        free(tls);
}

static void replace_ctx(struct mu_tls *tls, SSL_CTX *ctx, const struct mu_tls_info *info)
{
        pthread_mutex_lock(&tls->lock);
        SSL_CTX *old = tls->ctx;
        tls->ctx = ctx;
        tls->info = *info;
        atomic_fetch_add_explicit(&tls->generation, 1, memory_order_relaxed);
        pthread_mutex_unlock(&tls->lock);
        SSL_CTX_free(old); /* connections in their handshake hold references of their own */
}

int mu_tls_reload(struct mu_tls *tls, char *error)
{
        SSL_CTX *ctx;
        struct mu_tls_info info;
        int code = load_or_make(tls, &ctx, &info, error);

        if (code == 0)
                replace_ctx(tls, ctx, &info);
        return code;
}

int mu_tls_reload_from(struct mu_tls *tls, const struct mu_tls_config *config, char *error)
{
        struct mu_tls other = {0};
        SSL_CTX *ctx;
        struct mu_tls_info info;
        int code = take_paths(&other, config, error);

        if (code == 0)
                code = load_or_make(&other, &ctx, &info, error);
        if (code < 0) {
                free_paths(&other);
                return code;
        }
        free_paths(tls); /* used by reloads alone, of which there is one at a time */
        tls->certificate_path = other.certificate_path;
        tls->key_path = other.key_path;
        tls->host_name = other.host_name;
        tls->self_signed = other.self_signed;
        replace_ctx(tls, ctx, &info);
        return 0;
}

void mu_tls_info(struct mu_tls *tls, struct mu_tls_info *ret_info)
{
        pthread_mutex_lock(&tls->lock);
        *ret_info = tls->info;
        pthread_mutex_unlock(&tls->lock);
}

uint64_t mu_tls_generation(const struct mu_tls *tls)
{
        return atomic_load_explicit(&tls->generation, memory_order_relaxed);
}

SSL_CTX *mu_tls_acquire(struct mu_tls *tls, uint64_t *ret_generation)
{
        pthread_mutex_lock(&tls->lock);
        SSL_CTX *ctx = tls->ctx;
        SSL_CTX_up_ref(ctx);
        *ret_generation = mu_tls_generation(tls);
        pthread_mutex_unlock(&tls->lock);
        return ctx;
}
