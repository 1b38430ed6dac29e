/* SPDX-License-Identifier: Apache-2.0 */
/* TLS: what is offered, resumption, certificates and their reload. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/tls_self_signed.h"
#include "server_fixture.h"

static struct site site;
static char directory[64];
static SSL_SESSION *ticket; /* the newest that the client got */

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
        (void)ssl;
        SSL_SESSION_free(ticket);
        ticket = session;
        return 1;
}

static SSL_CTX *client_ctx(uint16_t version)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_method());

        assert_non_null(ctx);
        assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
        assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
        return ctx;
}

static char *path_of(const char *name)
{
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static int setup(void **state)
{
        struct mu_tls_config config = {.directory = directory, .host_name = "box.example"};
        char error[MU_TLS_ERROR_BYTES];

        (void)state;
        snprintf(directory, sizeof(directory), "/tmp/mu-test-tls.XXXXXX");
        assert_non_null(mkdtemp(directory));
        site_init(&site);
        assert_int_equal(mu_tls_create(&config, &site.tls, error), 0);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        site_done(&site);
        mu_tls_destroy(site.tls);
        SSL_SESSION_free(ticket);
        ticket = NULL;
        static const char *const names[] = {"tls.crt", "tls.key", "b.crt", "b.key"};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                unlink(path_of(names[i]));
        assert_int_equal(rmdir(directory), 0);
        return 0;
}

/* A request over a fresh connection; was it resumed? */
static bool ask(SSL_CTX *ctx, SSL_SESSION *session)
{
        struct peer peer;

        peer_open(&peer, site.tls_port);
        assert_true(peer_start_tls(&peer, ctx, session));
        peer_post(&peer, "/v1/echo", "{\"t\":1}", 200, "{\"t\":1}");
        bool resumed = SSL_session_reused(peer.tls) == 1;
        peer_close(&peer);
        return resumed;
}

static bool handshake_works(SSL_CTX *ctx)
{
        struct peer peer;

        peer_open(&peer, site.tls_port);
        bool works = peer_start_tls(&peer, ctx, NULL);
        peer_close(&peer);
        ERR_clear_error();
        return works;
}

static void serves_both_versions_and_resumes(void **state)
{
        static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

        (void)state;
        site_start(&site);
        for (int i = 0; i < 2; i++) {
                SSL_CTX *ctx = client_ctx(versions[i]);

                assert_false(ask(ctx, NULL));
                assert_non_null(ticket);
                for (int n = 0; n < 3; n++)
                        assert_true(ask(ctx, ticket));
                SSL_CTX_free(ctx);
                SSL_SESSION_free(ticket);
                ticket = NULL;
        }
        assert_true(site_metric(&site, "muster_tls_handshakes_total{kind=\"full\"}") == 2);
        assert_true(site_metric(&site, "muster_tls_handshakes_total{kind=\"resumed\"}") == 6);
}

static void refuses_old_versions_weak_ciphers_and_h2(void **state)
{
        static const uint8_t h2[] = {2, 'h', '2'};
        static const uint8_t both[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
        const uint8_t *selected;
        unsigned selected_bytes;
        struct peer peer;

        (void)state;
        site_start(&site);
        SSL_CTX *old = client_ctx(TLS1_1_VERSION);
        assert_false(handshake_works(old));
        SSL_CTX_free(old);
        SSL_CTX *weak = client_ctx(TLS1_2_VERSION);
        assert_int_equal(SSL_CTX_set_strict_cipher_list(weak, "ECDHE-ECDSA-AES128-SHA"), 1);
        assert_false(handshake_works(weak));
        SSL_CTX_free(weak);

        SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
        assert_int_equal(SSL_CTX_set_alpn_protos(ctx, h2, sizeof(h2)), 0);
        assert_false(handshake_works(ctx));
        assert_int_equal(SSL_CTX_set_alpn_protos(ctx, both, sizeof(both)), 0);
        peer_open(&peer, site.tls_port);
        assert_true(peer_start_tls(&peer, ctx, NULL));
        SSL_get0_alpn_selected(peer.tls, &selected, &selected_bytes);
        assert_int_equal(selected_bytes, 8);
        assert_memory_equal(selected, "http/1.1", 8);
        peer_post(&peer, "/v1/echo", "[]", 200, "[]");
        peer_close(&peer);
        SSL_CTX_free(ctx);
        site_stop(&site, 0);
        site_join(&site);
#define FAILED(reason)                                                                             \
        site_metric(&site, "muster_tls_handshakes_failed_total{reason=\"" reason "\"}")
        assert_true(FAILED("version") == 1);
        assert_true(FAILED("cipher") == 1);
        assert_true(FAILED("alpn") == 1);
}

static void counts_what_is_not_tls_and_what_never_comes(void **state)
{
        struct peer plain, silent, gone, alive;
        SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);

        (void)state;
        site.config.handshake_timeout_ms = 500;
        site_start(&site);
        peer_open(&alive, site.tls_port);
        assert_true(peer_start_tls(&alive, ctx, NULL));
        peer_open(&gone, site.tls_port);
        peer_send_bytes(&gone, "\x16\x03\x01", 3);
        peer_close(&gone);
        peer_open(&plain, site.tls_port);
        peer_send(&plain, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        while (!peer_at_end(&plain))
                plain.size = 0; /* an alert */
        peer_close(&plain);
        peer_open(&silent, site.tls_port);
        assert_true(peer_at_end(&silent));
        peer_close(&silent);
        /* Younger than this one, whose handshake is over: it lives on. */
        peer_post(&alive, "/v1/echo", "[]", 200, "[]");
        peer_close(&alive);
        SSL_CTX_free(ctx);
        site_stop(&site, 0);
        site_join(&site);
        assert_true(FAILED("closed") == 1);
        assert_true(FAILED("not_tls") == 1);
        assert_true(FAILED("timeout") == 1);
        assert_true(site_metric(&site, "muster_http_connections") == 0);
}

static void security_headers_differ_on_tls(void **state)
{
        struct peer peer;
        struct answer answer;
        SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);

        (void)state;
        site_start(&site);
        peer_open(&peer, site.tls_port);
        assert_true(peer_start_tls(&peer, ctx, NULL));
        peer_send(&peer, "GET /health HTTP/1.1\r\nHost: t\r\n\r\n");
        peer_receive(&peer, false, &answer);
        assert_non_null(strstr(answer.head, "strict-transport-security: max-age=31536000\r\n"));
        answer_done(&answer);
        peer_close(&peer);
        SSL_CTX_free(ctx);
}

static void makes_its_own_certificate(void **state)
{
        struct mu_tls_config config = {.directory = directory, .host_name = "box.example"};
        struct mu_tls_info info, again;
        struct stat status;
        struct mu_tls *tls;
        char error[MU_TLS_ERROR_BYTES];

        (void)state;
        mu_tls_info(site.tls, &info);
        assert_true(info.self_signed && info.created && !info.expired);
        int64_t days = (info.expires_at_s - (int64_t)time(NULL)) / 86400;
        assert_in_range(days, 823, 825);
        assert_int_equal(stat(path_of("tls.key"), &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);

        FILE *file = fopen(path_of("tls.crt"), "r");
        assert_non_null(file);
        X509 *leaf = PEM_read_X509(file, NULL, NULL, NULL);
        fclose(file);
        assert_non_null(leaf);
        assert_int_equal(X509_check_host(leaf, "localhost", strlen("localhost"), 0, NULL), 1);
        assert_int_equal(X509_check_host(leaf, "box.example", strlen("box.example"), 0, NULL), 1);
        assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
        assert_int_equal(X509_check_ip_asc(leaf, "::1", 0), 1);
        assert_int_equal(X509_check_host(leaf, "evil.example", strlen("evil.example"), 0, NULL), 0);
        X509_free(leaf);

        /* A second start finds it; a half-written pair is made anew. */
        assert_int_equal(mu_tls_create(&config, &tls, error), 0);
        mu_tls_info(tls, &again);
        assert_false(again.created);
        assert_string_equal(again.fingerprint, info.fingerprint);
        mu_tls_destroy(tls);
        assert_int_equal(unlink(path_of("tls.crt")), 0);
        assert_int_equal(mu_tls_create(&config, &tls, error), 0);
        mu_tls_info(tls, &again);
        assert_true(again.created);
        assert_string_not_equal(again.fingerprint, info.fingerprint);
        mu_tls_destroy(tls);
}

static void write_text(const char *path, const char *text)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static void says_what_is_wrong_with_files(void **state)
{
        char error[MU_TLS_ERROR_BYTES];
        char certificate[128], key[128], other[128];
        struct mu_tls_config config = {.certificate_path = certificate, .key_path = key};
        struct mu_tls *tls = NULL;

        (void)state;
        snprintf(certificate, sizeof(certificate), "%s/tls.crt", directory);
        snprintf(key, sizeof(key), "%s/b.key", directory);
        snprintf(other, sizeof(other), "%s/b.crt", directory);
        assert_int_equal(mu_tls_create(&config, &tls, error), -ENOENT);
        assert_non_null(strstr(error, "cannot read the TLS key"));
        assert_non_null(strstr(error, "No such file"));
        write_text(key, "nonsense");
        assert_int_equal(mu_tls_create(&config, &tls, error), -EBADMSG);
        assert_non_null(strstr(error, "not an unencrypted PEM private key"));
        assert_int_equal(mu_tls_make_self_signed(other, key, "x"), 0);
        assert_int_equal(mu_tls_create(&config, &tls, error), -EKEYREJECTED);
        assert_non_null(strstr(error, "does not belong to the certificate"));
        write_text(other, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        config.certificate_path = other;
        assert_int_equal(mu_tls_create(&config, &tls, error), -EBADMSG);
        assert_non_null(strstr(error, "is not a chain of PEM certificates"));
        config.key_path = NULL;
        assert_int_equal(mu_tls_create(&config, &tls, error), -EINVAL);
        assert_non_null(strstr(error, "the key is missing"));
        assert_null(tls);
}

static void reload_changes_new_connections_only(void **state)
{
        char certificate[128], key[128], error[MU_TLS_ERROR_BYTES];
        struct mu_tls_info before, after;
        struct peer old;
        SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);

        (void)state;
        snprintf(certificate, sizeof(certificate), "%s/tls.crt", directory);
        snprintf(key, sizeof(key), "%s/tls.key", directory);
        site_start(&site);
        mu_tls_info(site.tls, &before);
        assert_false(ask(ctx, NULL));
        peer_open(&old, site.tls_port);
        assert_true(peer_start_tls(&old, ctx, NULL));
        peer_post(&old, "/v1/echo", "[1]", 200, "[1]");
        assert_true(ask(ctx, ticket));

        /* The same certificate again: nothing to notice but new tickets. */
        assert_int_equal(mu_tls_make_self_signed(certificate, key, "box.example"), 0);
        assert_int_equal(mu_tls_reload(site.tls, error), 0);
        mu_tls_info(site.tls, &after);
        assert_string_not_equal(after.fingerprint, before.fingerprint);
        assert_false(ask(ctx, ticket)); /* a ticket never crosses certificates */
        peer_post(&old, "/v1/echo", "[2]", 200, "[2]");
        peer_close(&old);
        SSL_CTX_free(ctx);
}

/* An operator's files that became bad: the old certificate stays. */
static void a_refused_reload_changes_nothing(void **state)
{
        char certificate[128], key[128], error[MU_TLS_ERROR_BYTES];
        struct mu_tls_info before, after;
        SSL_CTX *ctx = client_ctx(TLS1_3_VERSION);
        struct mu_tls_config config = {.certificate_path = certificate, .key_path = key};

        (void)state;
        snprintf(certificate, sizeof(certificate), "%s/b.crt", directory);
        snprintf(key, sizeof(key), "%s/b.key", directory);
        assert_int_equal(mu_tls_make_self_signed(certificate, key, "x"), 0);
        mu_tls_destroy(site.tls);
        assert_int_equal(mu_tls_create(&config, &site.tls, error), 0);
        site_start(&site);
        mu_tls_info(site.tls, &before);
        write_text(key, "nonsense");
        assert_int_equal(mu_tls_reload(site.tls, error), -EBADMSG);
        assert_non_null(strstr(error, "not an unencrypted PEM private key"));
        mu_tls_info(site.tls, &after);
        assert_string_equal(after.fingerprint, before.fingerprint);
        assert_int_equal(mu_tls_generation(site.tls), 1);
        assert_false(ask(ctx, NULL));
        SSL_CTX_free(ctx);
}

static void deferred_replies_work_over_tls(void **state)
{
        struct peer peer;
        struct answer answer;
        SSL_CTX *ctx = client_ctx(TLS1_2_VERSION);

        (void)state;
        site_start(&site);
        peer_open(&peer, site.tls_port);
        assert_true(peer_start_tls(&peer, ctx, NULL));
        peer_send(&peer, "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        site_wait_later(&site, 1);
        site_release(&site, 0);
        peer_receive(&peer, false, &answer);
        assert_int_equal(answer.status, 202);
        answer_done(&answer);
        /* And with a client that has gone. */
        peer_send(&peer, "POST /v1/later HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{}");
        site_wait_later(&site, 2);
        peer_close(&peer);
        site_release(&site, 1);
        site_wait_released(&site, 2);
        SSL_CTX_free(ctx);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(serves_both_versions_and_resumes),
                T(refuses_old_versions_weak_ciphers_and_h2),
                T(counts_what_is_not_tls_and_what_never_comes),
                T(security_headers_differ_on_tls),
                T(makes_its_own_certificate),
                T(says_what_is_wrong_with_files),
                T(reload_changes_new_connections_only),
                T(a_refused_reload_changes_nothing),
                T(deferred_replies_work_over_tls),
        };

        return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
