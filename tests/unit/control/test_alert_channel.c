/* SPDX-License-Identifier: Apache-2.0 */
/* What a channel is set up with: URLs, secrets and their seal, signatures. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "control/notify/channel.h"
#include "control/notify/standard_webhook.h"
#include "identity/secrets.h"
#include "muster/compiler.h"

static int check(enum mu_channel_kind kind, const char *url, bool allow_private, const char *hosts)
{
        char host[MU_CHANNEL_HOST_BYTES];
        char error[MU_CHANNEL_ERROR_BYTES] = "";
        int code = mu_channel_check_url(kind, url, allow_private, hosts, host, error);

        /* A sentence, and it does not give the URL's secret away. */
        assert_true((code == 0) == (*error == '\0'));
        assert_null(strstr(error, "s3cret"));
        return code;
}

static void discord_urls(void **state)
{
        static const char *const good[] = {
                "https://discord.com/api/webhooks/123456789012345678/s3cret-_A.b",
                "https://discordapp.com/api/webhooks/1/s3cret",
                "https://canary.discord.com/api/v10/webhooks/1/s3cret",
                "https://DISCORD.com/api/webhooks/1/s3cret",
        };
        static const char *const bad[] = {
                "",
                "discord.com/api/webhooks/1/s3cret",
                "http://discord.com/api/webhooks/1/s3cret",
                "https://discord.com.example/api/webhooks/1/s3cret",
                "https://evil.example/api/webhooks/1/s3cret",
                "https://discord.com@evil.example/api/webhooks/1/s3cret",
                "https://discord.com:8443/api/webhooks/1/s3cret",
                "https://discord.com/api/webhooks/1/s3cret/messages/2",
                "https://discord.com/api/webhooks/1/s3cret?wait=true",
                "https://discord.com/api/webhooks/1/s3cret#x",
                "https://discord.com/api/webhooks/1/../2/s3cret",
                "https://discord.com/api/webhooks/x/s3cret",
                "https://discord.com/api/webhooks/1/",
                "https://discord.com/api/v/webhooks/1/s3cret",
                "https://discord.com",
                "ftp://discord.com/api/webhooks/1/s3cret",
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(good); i++)
                assert_int_equal(check(MU_CHANNEL_DISCORD, good[i], false, NULL), 0);
        for (size_t i = 0; i < MU_COUNT_OF(bad); i++) {
                if (check(MU_CHANNEL_DISCORD, bad[i], false, NULL) != -EINVAL)
                        fail_msg("%s", bad[i]);
        }
        const char *stand_in = "http://127.0.0.1:8080/api/webhooks/1/s3cret";

        assert_int_equal(check(MU_CHANNEL_DISCORD, stand_in, false, "a.example, 127.0.0.1:8080"),
                         0);
        assert_int_equal(check(MU_CHANNEL_DISCORD, stand_in, false, "127.0.0.1:8081"), -EINVAL);
}

static void webhook_urls(void **state)
{
        static const struct {
                const char *url;
                bool in_public;
                bool in_private;
        } cases[] = {
                {"https://example.org/hook?key=s3cret", true, true},
                {"https://8.8.8.8/", true, true},
                {"https://[2001:4860:4860::8888]:8443/", true, true},
                {"https://10.0.0.1/", false, true},
                {"https://10.0.0.1:8443/", false, true},
                {"https://169.254.169.254/latest/meta-data/", false, true},
                {"https://0x7f.1/", false, true},
                {"https://2130706433/", false, true},
                {"https://127.0.0.1/", false, true},
                {"https://localhost/", false, true},
                {"https://[::1]/", false, true},
                {"https://[::1]:99/", false, true},
                {"https://[::ffff:10.0.0.1]/", false, true},
                {"https://[fd00::1]/", false, true},
                {"http://127.0.0.1:8080/", false, true},
                {"http://example.org/", false, false},
                {"http://10.0.0.1/", false, false},
                {"https://user:s3cret@example.org/", false, false},
                {"https://example.org/\r\nx", false, false},
                {"file:///etc/passwd", false, false},
                {"gopher://example.org/", false, false},
                {"", false, false},
        };

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                int in_public = check(MU_CHANNEL_WEBHOOK, cases[i].url, false, NULL);
                int in_private = check(MU_CHANNEL_WEBHOOK, cases[i].url, true, NULL);

                if ((in_public == 0) != cases[i].in_public ||
                    (in_private == 0) != cases[i].in_private)
                        fail_msg("%s", cases[i].url);
        }
}

/* ---- seal ---- */

struct vault {
        char directory[64];
        struct mu_secrets *secrets;
};

static int open_vault(void **state)
{
        char error[MU_SECRET_ERROR_BYTES];
        struct vault *vault = calloc(1, sizeof(*vault));

        assert_non_null(vault);
        (void)snprintf(vault->directory, sizeof(vault->directory), "/tmp/muster-channel-XXXXXX");
        assert_non_null(mkdtemp(vault->directory));
        assert_int_equal(mu_secrets_open(vault->directory, &vault->secrets, error), 0);
        *state = vault;
        return 0;
}

static int close_vault(void **state)
{
        static const char *const files[] = {"admin-key", "admin-password", "hmac-master",
                                            "jwt-secret"};
        struct vault *vault = *state;
        char path[128];

        mu_secrets_close(vault->secrets);
        for (size_t i = 0; i < MU_COUNT_OF(files); i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", vault->directory, files[i]);
                (void)unlink(path);
        }
        assert_int_equal(rmdir(vault->directory), 0);
        free(vault);
        return 0;
}

static void what_is_sealed_comes_back_for_its_channel_alone(void **state)
{
        struct vault *vault = *state;
        struct mu_channel_secret secret;
        struct mu_channel_secret back;
        uint8_t *sealed;
        size_t bytes;

        assert_int_equal(
                mu_channel_secret_make(MU_CHANNEL_WEBHOOK, "https://h.example/s3cret", &secret), 0);
        assert_int_equal(mu_channel_seal(vault->secrets, 7, &secret, &sealed, &bytes), 0);
        assert_null(memmem(sealed, bytes, "s3cret", 6));
        assert_int_equal(mu_channel_open(vault->secrets, 7, sealed, bytes, &back), 0);
        assert_string_equal(back.url, secret.url);
        assert_string_equal(back.signing, secret.signing);
        assert_null(back.signing_before);
        mu_channel_secret_done(&back);
        assert_int_equal(mu_channel_open(vault->secrets, 8, sealed, bytes, &back), -EBADMSG);
        for (size_t i = 0; i < bytes; i++) {
                sealed[i] ^= 1;
                assert_int_equal(mu_channel_open(vault->secrets, 7, sealed, bytes, &back),
                                 -EBADMSG);
                sealed[i] ^= 1;
                assert_int_equal(mu_channel_open(vault->secrets, 7, sealed, i, &back), -EBADMSG);
        }
        free(sealed);
        mu_channel_secret_done(&secret);
}

static void a_rotation_keeps_the_one_before(void **state)
{
        struct vault *vault = *state;
        struct mu_channel_secret secret;
        struct mu_channel_secret back;
        uint8_t *sealed;
        size_t bytes;

        assert_int_equal(mu_channel_secret_make(MU_CHANNEL_WEBHOOK, "https://h.example/", &secret),
                         0);
        char *first = strdup(secret.signing);

        assert_int_equal(mu_channel_secret_rotate(&secret, 123), 0);
        assert_string_equal(secret.signing_before, first);
        assert_string_not_equal(secret.signing, first);
        assert_int_equal(mu_channel_seal(vault->secrets, 1, &secret, &sealed, &bytes), 0);
        assert_int_equal(mu_channel_open(vault->secrets, 1, sealed, bytes, &back), 0);
        assert_string_equal(back.signing_before, first);
        assert_string_equal(back.signing, secret.signing);
        assert_int_equal(back.until_us, 123);
        mu_channel_secret_done(&back);
        /* At once: what leaked signs no more. */
        assert_int_equal(mu_channel_secret_rotate(&secret, 0), 0);
        assert_null(secret.signing_before);
        free(sealed);
        free(first);
        mu_channel_secret_done(&secret);
}

/* ---- signatures ---- */

/* The vector that Standard Webhooks' libraries are tested with, and WEBHOOKS.md shows. */
static void the_published_vector(void **state)
{
        static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        static const char body[] = "{\"test\": 2432232314}";
        char signature[MU_WEBHOOK_SIGNATURE_BYTES];

        (void)state;
        assert_int_equal(mu_webhook_sign(secret, NULL, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                                         body, strlen(body), signature),
                         0);
        assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_int_equal(mu_webhook_sign(secret, secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                                         body, strlen(body), signature),
                         0);
        assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
                                       " v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void what_is_a_secret(void **state)
{
        static const char *const bad[] = {
                "",
                "whsec_",
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",      /* no prefix */
                "whsec_c2hvcnQ=",                        /* 5 bytes */
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", /* cut */
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa*w",
        };
        uint8_t key[MU_WEBHOOK_KEY_BYTES_MAX];
        char made[MU_WEBHOOK_SECRET_BYTES];
        char other[MU_WEBHOOK_SECRET_BYTES];
        size_t bytes;

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(bad); i++) {
                if (mu_webhook_read_secret(bad[i], key, &bytes) != -EINVAL)
                        fail_msg("%s", bad[i]);
        }
        char long_one[6 + 92 + 1] = "whsec_"; /* 69 bytes */

        memset(long_one + 6, 'A', sizeof(long_one) - 7);
        assert_int_equal(mu_webhook_read_secret(long_one, key, &bytes), -EINVAL);
        assert_int_equal(mu_webhook_make_secret(made), 0);
        assert_int_equal(mu_webhook_make_secret(other), 0);
        assert_string_not_equal(made, other);
        assert_int_equal(strlen(made) + 1, sizeof(made));
        assert_int_equal(mu_webhook_read_secret(made, key, &bytes), 0);
        assert_int_equal(bytes, MU_WEBHOOK_KEY_BYTES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(discord_urls),
                cmocka_unit_test(webhook_urls),
                cmocka_unit_test(what_is_sealed_comes_back_for_its_channel_alone),
                cmocka_unit_test(a_rotation_keeps_the_one_before),
                cmocka_unit_test(the_published_vector),
                cmocka_unit_test(what_is_a_secret),
        };

        return cmocka_run_group_tests(tests, open_vault, close_vault);
}
