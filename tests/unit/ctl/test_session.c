/* SPDX-License-Identifier: Apache-2.0 */
/* What musterctl keeps between runs, and whom it shows it to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/certificate.h"
#include "ctl/session.h"

static char directory[] = "/tmp/muster-ctl-XXXXXX";
static char file[sizeof(directory) + 32];

static int setup(void **state)
{
        (void)state;
        if (!mkdtemp(directory))
                return -1;
        (void)snprintf(file, sizeof(file), "%s/a/session.json", directory);
        return setenv("MUSTER_SESSION", file, 1);
}

static int teardown(void **state)
{
        char name[sizeof(file) + 8];

        (void)state;
        (void)unlink(file);
        (void)snprintf(name, sizeof(name), "%s/a", directory);
        (void)rmdir(name);
        return rmdir(directory);
}

static void test_kept_and_read_back(void **state)
{
        struct mu_ctl_session session = {0};
        struct mu_ctl_session again = {0};
        struct stat status;

        (void)state;
        assert_int_equal(mu_ctl_session_load(&session), 0); /* nothing there yet */
        assert_null(session.access_token);
        assert_int_equal(mu_ctl_session_set(&session.url, "https://m:8443"), 0);
        assert_int_equal(mu_ctl_session_set(&session.access_token, "one"), 0);
        assert_int_equal(mu_ctl_session_set(&session.access_token, "two"), 0);
        session.access_expires_s = 1732182939;
        assert_int_equal(mu_ctl_session_save(&session), 0);
        assert_int_equal(stat(file, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);

        assert_int_equal(mu_ctl_session_load(&again), 0);
        assert_string_equal(again.url, "https://m:8443");
        assert_string_equal(again.access_token, "two");
        assert_null(again.refresh_token);
        assert_true(again.access_expires_s == 1732182939);
        mu_ctl_session_done(&again);

        assert_int_equal(chmod(file, 0644), 0);
        assert_int_equal(mu_ctl_session_load(&again), -EPERM);
        mu_ctl_session_done(&again);
        assert_int_equal(mu_ctl_session_remove(&session), 0);
        assert_int_equal(mu_ctl_session_remove(&session), 0);
        mu_ctl_session_done(&session);
}

static void test_damaged(void **state)
{
        struct mu_ctl_session session = {0};

        (void)state;
        assert_int_equal(mu_ctl_session_load(&session), 0);
        assert_int_equal(mu_ctl_session_save(&session), 0);
        FILE *out = fopen(file, "w");

        assert_non_null(out);
        assert_true(fputs("{\"url\":", out) >= 0);
        assert_int_equal(fclose(out), 0);
        assert_int_equal(mu_ctl_session_load(&session), -EBADMSG);
        mu_ctl_session_done(&session);
}

/* The bytes behind the base64 are what is hashed: "hello" here. */
static void test_fingerprint(void **state)
{
        char text[MU_CTL_FINGERPRINT_BYTES];

        (void)state;
        assert_int_equal(mu_ctl_certificate_fingerprint("-----BEGIN CERTIFICATE-----\naGVs\nbG8=\n"
                                                        "-----END CERTIFICATE-----\n",
                                                        text),
                         0);
        assert_string_equal(text, "2C:F2:4D:BA:5F:B0:A3:0E:26:E8:3B:2A:C5:B9:E2:9E:1B:16:1E:5C:1F:"
                                  "A7:42:5E:73:04:33:62:93:8B:98:24");
        assert_int_equal(mu_ctl_certificate_fingerprint("no certificate", text), -EBADMSG);
        assert_int_equal(mu_ctl_certificate_fingerprint("-----BEGIN CERTIFICATE-----\n!!\n"
                                                        "-----END CERTIFICATE-----\n",
                                                        text),
                         -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kept_and_read_back),
                cmocka_unit_test(test_damaged),
                cmocka_unit_test(test_fingerprint),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
