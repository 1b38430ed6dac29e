/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct mu_lg_tls_context {
        SSL_CTX *ssl;
        char host[256];
        bool is_address;
        bool insecure;
};

struct mu_lg_tls_slot {
        SSL_SESSION *session;
};

struct mu_lg_tls {
        SSL *ssl;
        char error[160];
};

/* SSL's application data points to the slot. 1: the session is ours to free. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
        struct mu_lg_tls_slot *slot = SSL_get_app_data(ssl);

        if (!slot)
                return 0;
        SSL_SESSION_free(slot->session);
        slot->session = session;
        return 1;
}

static bool load_authorities(SSL_CTX *ssl, const char *ca_file)
{
        static const char *const bundle = "/etc/ssl/certs/ca-certificates.crt";

        return SSL_CTX_load_verify_locations(ssl, ca_file ? ca_file : bundle, NULL) == 1;
}

int mu_lg_tls_context_create(const char *ca_file, bool insecure, const char *host, char *error,
                             size_t error_bytes, struct mu_lg_tls_context **ret_context)
{
        struct mu_lg_tls_context *context = calloc(1, sizeof(*context));
        unsigned char address[16];

        if (!context)
                return -ENOMEM;
        context->ssl = SSL_CTX_new(TLS_method());
        if (!context->ssl) {
                free(context);
                return -ENOMEM;
        }
        snprintf(context->host, sizeof(context->host), "%s", host);
        context->insecure = insecure;
        context->is_address =
                inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
        SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION);
        SSL_CTX_set_mode(context->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                               SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(context->ssl,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context->ssl, on_new_session);
        if (insecure) {
                SSL_CTX_set_verify(context->ssl, SSL_VERIFY_NONE, NULL);
        } else {
                SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
                if (!load_authorities(context->ssl, ca_file)) {
                        snprintf(error, error_bytes,
                                 "cannot read certificates from %s; name a PEM file with --cafile, "
                                 "or use --insecure on a server of your own",
                                 ca_file ? ca_file : "the system's bundle");
                        mu_lg_tls_context_destroy(context);
                        return -EINVAL;
                }
        }
        *ret_context = context;
        return 0;
}

void mu_lg_tls_context_destroy(struct mu_lg_tls_context *context)
{
        if (!context)
                return;
        SSL_CTX_free(context->ssl);
        free(context);
}

int mu_lg_tls_slot_create(struct mu_lg_tls_slot **ret_slot)
{
        struct mu_lg_tls_slot *slot = calloc(1, sizeof(*slot));

        if (!slot)
                return -ENOMEM;
        *ret_slot = slot;
        return 0;
}

void mu_lg_tls_slot_destroy(struct mu_lg_tls_slot *slot)
{
        if (!slot)
                return;
        SSL_SESSION_free(slot->session);
        free(slot);
}

static bool set_peer_name(const struct mu_lg_tls_context *context, SSL *ssl)
{
        if (context->is_address)
                return context->insecure ||
                       X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), context->host) == 1;
        if (SSL_set_tlsext_host_name(ssl, context->host) != 1)
                return false;
        return context->insecure || X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), context->host,
                                                                strlen(context->host)) == 1;
}

int mu_lg_tls_create(struct mu_lg_tls_context *context, struct mu_lg_tls_slot *slot,
                     struct mu_lg_tls **ret_tls)
{
        struct mu_lg_tls *tls = calloc(1, sizeof(*tls));

        if (!tls)
                return -ENOMEM;
        tls->ssl = SSL_new(context->ssl);
        BIO *in = BIO_new(BIO_s_mem());
        BIO *out = BIO_new(BIO_s_mem());
        if (!tls->ssl || !in || !out || !set_peer_name(context, tls->ssl)) {
                BIO_free(in);
                BIO_free(out);
                mu_lg_tls_destroy(tls);
                return -ENOMEM;
        }
        BIO_set_mem_eof_return(in, -1); /* empty means "later", not the end */
        SSL_set_bio(tls->ssl, in, out);
        SSL_set_connect_state(tls->ssl);
        SSL_set_app_data(tls->ssl, slot);
        if (slot && slot->session)
                SSL_set_session(tls->ssl, slot->session);
        *ret_tls = tls;
        return 0;
}

void mu_lg_tls_destroy(struct mu_lg_tls *tls)
{
        if (!tls)
                return;
        SSL_free(tls->ssl);
        free(tls);
}

static int explain(struct mu_lg_tls *tls, int result)
{
        int error = SSL_get_error(tls->ssl, result);

        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
                return 0;
        if (error == SSL_ERROR_ZERO_RETURN)
                return -EPIPE;
        uint32_t code = ERR_peek_error();
        const char *reason = code ? ERR_reason_error_string(code) : NULL;

        snprintf(tls->error, sizeof(tls->error), "%s", reason ? reason : "the stream ended");
        ERR_clear_error();
        return -EPROTO;
}

int mu_lg_tls_handshake(struct mu_lg_tls *tls)
{
        int r = SSL_do_handshake(tls->ssl);

        return r == 1 ? 1 : explain(tls, r);
}

bool mu_lg_tls_resumed(const struct mu_lg_tls *tls)
{
        return SSL_session_reused(tls->ssl) == 1;
}

int mu_lg_tls_receive(struct mu_lg_tls *tls, const void *data, size_t bytes)
{
        return BIO_write(SSL_get_rbio(tls->ssl), data, (int)bytes) == (int)bytes ? 0 : -ENOMEM;
}

ssize_t mu_lg_tls_read(struct mu_lg_tls *tls, void *buffer, size_t room_bytes)
{
        int r = SSL_read(tls->ssl, buffer, (int)room_bytes);

        return r > 0 ? r : explain(tls, r);
}

int mu_lg_tls_write(struct mu_lg_tls *tls, const void *data, size_t bytes)
{
        const char *from = data;

        /* A memory BIO takes everything: WANT_* cannot happen once the handshake is done. */
        while (bytes > 0) {
                int r = SSL_write(tls->ssl, from, (int)bytes);

                if (r <= 0)
                        return explain(tls, r) < 0 ? -EPROTO : -EAGAIN;
                from += r;
                bytes -= (size_t)r;
        }
        return 0;
}

size_t mu_lg_tls_take(struct mu_lg_tls *tls, void *buffer, size_t room_bytes)
{
        int r = BIO_read(SSL_get_wbio(tls->ssl), buffer, (int)room_bytes);

        return r > 0 ? (size_t)r : 0;
}

const char *mu_lg_tls_error(const struct mu_lg_tls *tls)
{
        return tls->error;
}
