/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "base/text.h"
#include "control/notify/alert_mail.h"
#include "control/notify/notice.h"
#include "outbound/message.h"
#include "unit.h"

/* ---- the mailer, as the test has it ---- */

enum { MAILS_MAX = 32 };

struct fake_mail {
        char to[256];
        char subject[512];
        char thread[80];
        mu_mail_done *done;
        void *ctx;
};

struct mu_mailer {
        struct fake_mail mails[MAILS_MAX];
        size_t count;
        size_t room; /* beyond: -EAGAIN */
};

int mu_mail_submit(struct mu_mailer *mailer, const struct mu_mail_message *message,
                   mu_mail_done *done, void *ctx)
{
        struct mu_mailbox from;
        struct mu_text built;

        if (mailer->count >= mailer->room)
                return -EAGAIN;
        /* What a real one would refuse must not come. */
        assert_int_equal(mu_mailbox_parse("Muster <m@example.org>", &from), 0);
        mu_text_init(&built);
        assert_int_equal(mu_message_build(&from, message, 0, "0", &built), 0);
        mu_text_done(&built);
        struct fake_mail *mail = &mailer->mails[mailer->count++];

        (void)snprintf(mail->to, sizeof(mail->to), "%s", message->to);
        (void)snprintf(mail->subject, sizeof(mail->subject), "%s", message->subject);
        (void)snprintf(mail->thread, sizeof(mail->thread), "%s",
                       message->thread ? message->thread : "");
        mail->done = done;
        mail->ctx = ctx;
        return 0;
}

static void end_mail(struct mu_mailer *mailer, size_t i, enum mu_mail_outcome outcome, int status,
                     const char *error)
{
        const struct mu_mail_result result = {
                .outcome = outcome, .tries = 2, .status = status, .error = error};

        mailer->mails[i].done(mailer->mails[i].ctx, &result);
}

struct told {
        int calls;
        struct mu_mail_result mail;
        bool again;
        char error[1024];
        char mailed[4096];
};

static void on_done(void *ctx, const struct mu_alert_mail_result *result)
{
        struct told *told = ctx;

        told->calls++;
        told->mail = result->mail;
        told->again = result->again;
        (void)snprintf(told->error, sizeof(told->error), "%s", result->mail.error);
        (void)snprintf(told->mailed, sizeof(told->mailed), "%s", result->mailed);
}

static const char *fate(const struct told *told, const char *address)
{
        static char text[32];
        json_t *mailed = json_loads(told->mailed, 0, NULL);
        const char *found = json_string_value(json_object_get(mailed, address));

        assert_non_null(mailed);
        (void)snprintf(text, sizeof(text), "%s", found ? found : "");
        json_decref(mailed);
        return text;
}

/* ---- notices ---- */

static struct mu_notice a_notice(void)
{
        return (struct mu_notice){
                .kind = MU_NOTICE_OPENED,
                .state = MU_NOTICE_STANDS,
                .severity = MU_SEVERITY_CRITICAL,
                .incident_id = 42,
                .version = 1,
                .opened_us = INT64_C(1790000000) * 1000000,
                .incident_kind = (char *)"device",
                .group_key = (char *)"",
                .rule = (char *)"offline",
                .title = (char *)"Device offline: Till 4",
                .what = (char *)"No request for 13 min (limit 12 min).",
                .where = (char *)"Site Berlin",
                .link = (char *)"https://muster.example/incidents/42",
                .devices = {{.id = 7,
                             .alias = (char *)"Till 4",
                             .site = (char *)"Berlin",
                             .firing = true}},
                .devices_shown = 1,
                .device_count = 1,
                .firing_count = 1,
        };
}

static char *subject_of(const struct mu_notice *notice)
{
        static char copy[1024];
        struct mu_text text;

        mu_text_init(&text);
        mu_alert_mail_subject(notice, &text);
        assert_int_equal(mu_text_status(&text), 0);
        assert_true(text.bytes <= MU_MAIL_SUBJECT_BYTES_MAX);
        (void)snprintf(copy, sizeof(copy), "%s", text.data);
        mu_text_done(&text);
        return copy;
}

static char *body_of(const struct mu_notice *notice)
{
        static char copy[65536];
        struct mu_text text;

        mu_text_init(&text);
        mu_alert_mail_body(notice, &text);
        assert_int_equal(mu_text_status(&text), 0);
        assert_true(text.bytes < sizeof(copy));
        (void)snprintf(copy, sizeof(copy), "%s", text.data);
        mu_text_done(&text);
        return copy;
}

#define assert_has(text, piece) assert_non_null(strstr((text), (piece)))

static void subjects(void **state)
{
        struct mu_notice notice = a_notice();

        (void)state;
        assert_string_equal(subject_of(&notice), "[critical] Device offline: Till 4 (Berlin)");
        notice.state = MU_NOTICE_OVER;
        notice.kind = MU_NOTICE_CLOSED;
        assert_string_equal(subject_of(&notice), "[resolved] Device offline: Till 4 (Berlin)");
        notice.state = MU_NOTICE_MERGED;
        assert_string_equal(subject_of(&notice), "[merged] Device offline: Till 4 (Berlin)");
        notice.state = MU_NOTICE_STANDS;
        notice.severity = MU_SEVERITY_WARNING;
        notice.title = (char *)"214 devices offline: site Berlin";
        notice.device_count = 214;
        assert_string_equal(subject_of(&notice), "[warning] 214 devices offline: site Berlin");
        notice.kind = MU_NOTICE_DIGEST;
        notice.incident_id = 0;
        notice.title = (char *)"Daily digest: 1 opened, 0 resolved, 1 open";
        assert_string_equal(subject_of(&notice), "Daily digest: 1 opened, 0 resolved, 1 open");
        notice.kind = MU_NOTICE_TEST;
        notice.title = (char *)"A test";
        assert_string_equal(subject_of(&notice), "[test] A test");
}

/* Whatever people called a device, there is one header line and it is UTF-8. */
static void subjects_are_one_line(void **state)
{
        static const char *const titles[] = {
                "Device offline: a\r\nBcc: everybody@example.org",
                "Device offline: a\nb",
                "Device offline: \x01\x1b[31m\x7f",
                "Device offline: \xff\xfe\xc3",
                "Device offline: \xed\xa0\x80",
        };
        static char longest[4096];

        (void)state;
        for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
                struct mu_notice notice = a_notice();
                struct mu_mailer mailer = {.room = MAILS_MAX};
                struct told told = {0};

                notice.title = (char *)titles[i];
                notice.devices[0].site = (char *)"x\r\nTo: y@example.org";
                char *subject = subject_of(&notice);

                for (const char *c = subject; *c; c++)
                        assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
                assert_int_equal(mu_alert_mail_send(&mailer, &notice,
                                                    (const char *const[]){"a@example.org"}, 1, NULL,
                                                    on_done, &told),
                                 0);
                end_mail(&mailer, 0, MU_MAIL_SENT, 250, "");
                assert_int_equal(told.calls, 1);
        }
        for (size_t i = 0; i + 3 < sizeof(longest); i += 3)
                memcpy(longest + i, "\xe2\x82\xac", 3);
        struct mu_notice notice = a_notice();

        notice.title = longest;
        assert_has(subject_of(&notice), "\xe2\x80\xa6 (Berlin)");
}

static void bodies(void **state)
{
        struct mu_notice notice = a_notice();

        (void)state;
        char *body = body_of(&notice);

        assert_has(body, "No request for 13 min (limit 12 min).\n");
        assert_has(body, "Where: Site Berlin\n");
        assert_has(body, "Severity: critical\n");
        assert_has(body, "Since: 2026-09-21 14:13 UTC\n");
        assert_has(body, "https://muster.example/incidents/42\n");
        assert_null(strstr(body, "Until"));
        assert_null(strstr(body, "Devices ("));
        assert_null(strstr(body, "Acknowledged"));

        notice.state = MU_NOTICE_OVER;
        notice.closed_us = notice.opened_us + INT64_C(11100) * 1000000;
        notice.acked_us = notice.opened_us + INT64_C(60) * 1000000;
        notice.acked_by = (char *)"anna";
        notice.ack_note = (char *)"on it\r\nreally";
        notice.lines[0] = (char *)"14:15 relaunch sent (1 of 3)";
        notice.lines[1] = (char *)"14:16 relaunch failed: no such app";
        notice.line_count = 2;
        notice.devices[1] = (struct mu_notice_device){
                .id = 8, .alias = (char *)"Till 5", .site = (char *)"", .firing = false};
        notice.devices_shown = 2;
        notice.device_count = 214;
        notice.firing_count = 3;
        body = body_of(&notice);
        assert_has(body, "Until: 2026-09-21 17:18 UTC (3 h 5 min)\n");
        assert_has(body, "Acknowledged: anna, 2026-09-21 14:14 UTC\nNote: on it  really\n");
        assert_has(body, "Devices (214, firing: 3):\n- Till 4 (Berlin)\n- Till 5: back\n"
                         "and 212 more.\n");
        assert_has(body, "What happened:\n- 14:15 relaunch sent (1 of 3)\n"
                         "- 14:16 relaunch failed: no such app\n");
        assert_has(body, "Muster, incident 42\n");
}

/* ---- sending ---- */

static const char *const three[] = {"a@example.org", "b@example.org", "c@example.org"};

static void everybody_gets_it(void **state)
{
        struct mu_mailer mailer = {.room = MAILS_MAX};
        struct mu_notice notice = a_notice();
        struct told told = {0};

        (void)state;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 3, NULL, on_done, &told), 0);
        assert_int_equal(mailer.count, 3);
        assert_string_equal(mailer.mails[1].to, "b@example.org");
        assert_string_equal(mailer.mails[0].thread, mailer.mails[2].thread);
        assert_string_equal(mailer.mails[0].thread, "incident-42.1790000000");
        end_mail(&mailer, 2, MU_MAIL_SENT, 250, "");
        end_mail(&mailer, 0, MU_MAIL_SENT, 250, "");
        assert_int_equal(told.calls, 0);
        end_mail(&mailer, 1, MU_MAIL_SENT, 250, "");
        assert_int_equal(told.calls, 1);
        assert_int_equal(told.mail.outcome, MU_MAIL_SENT);
        assert_int_equal(told.mail.tries, 2);
        assert_false(told.again);
        assert_string_equal(told.error, "");
        assert_string_equal(fate(&told, "c@example.org"), "sent");
}

static void who_has_it_is_not_written_to_again(void **state)
{
        struct mu_mailer mailer = {.room = MAILS_MAX};
        struct mu_notice notice = a_notice();
        struct told told = {0};

        (void)state;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 3, NULL, on_done, &told), 0);
        end_mail(&mailer, 0, MU_MAIL_SENT, 250, "");
        end_mail(&mailer, 1, MU_MAIL_REFUSED, 550, "The server said 550 No such user.");
        end_mail(&mailer, 2, MU_MAIL_GAVE_UP, 451, "The server said 451 later.");
        assert_int_equal(told.calls, 1);
        assert_int_equal(told.mail.outcome, MU_MAIL_SENT);
        assert_true(told.again);
        assert_null(strstr(told.error, "a@example.org"));
        assert_has(told.error, "b@example.org did not get it: The server said 550 No such user.");
        assert_has(told.error, "c@example.org did not get it: The server said 451 later.");
        assert_string_equal(fate(&told, "a@example.org"), "sent");
        assert_string_equal(fate(&told, "b@example.org"), "refused");
        assert_string_equal(fate(&told, "c@example.org"), "");

        char mailed[4096];

        (void)snprintf(mailed, sizeof(mailed), "%s", told.mailed);
        mailer.count = 0;
        told = (struct told){0};
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 3, mailed, on_done, &told), 0);
        assert_int_equal(mailer.count, 1);
        assert_string_equal(mailer.mails[0].to, "c@example.org");
        end_mail(&mailer, 0, MU_MAIL_SENT, 250, "");
        assert_int_equal(told.calls, 1);
        assert_int_equal(told.mail.outcome, MU_MAIL_SENT);
        assert_false(told.again);

        /* A third time there is nobody left. */
        (void)snprintf(mailed, sizeof(mailed), "%s", told.mailed);
        told = (struct told){0};
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 3, mailed, on_done, &told), 0);
        assert_int_equal(mailer.count, 1);
        assert_int_equal(told.calls, 1);
        assert_int_equal(told.mail.outcome, MU_MAIL_SENT);
}

static void outcomes_of_all(void **state)
{
        struct mu_mailer mailer = {.room = MAILS_MAX};
        struct mu_notice notice = a_notice();
        struct told told = {0};

        (void)state;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 2, NULL, on_done, &told), 0);
        end_mail(&mailer, 0, MU_MAIL_REFUSED, 550, "No.");
        end_mail(&mailer, 1, MU_MAIL_REFUSED, 550, "No.");
        assert_int_equal(told.mail.outcome, MU_MAIL_REFUSED);
        assert_int_equal(told.mail.status, 550);
        assert_false(told.again);

        mailer.count = 0;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 2, NULL, on_done, &told), 0);
        end_mail(&mailer, 0, MU_MAIL_REFUSED, 550, "No.");
        end_mail(&mailer, 1, MU_MAIL_GAVE_UP, 0, "No connection.");
        assert_int_equal(told.mail.outcome, MU_MAIL_GAVE_UP);
        assert_true(told.again);

        mailer.count = 0;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 2, NULL, on_done, &told), 0);
        end_mail(&mailer, 0, MU_MAIL_CANCELLED, 0, "The appliance stops.");
        end_mail(&mailer, 1, MU_MAIL_CANCELLED, 0, "The appliance stops.");
        assert_int_equal(told.mail.outcome, MU_MAIL_CANCELLED);
        assert_true(told.again);
        assert_int_equal(told.calls, 3);
}

static void a_full_mailer(void **state)
{
        struct mu_mailer mailer = {.room = 0};
        struct mu_notice notice = a_notice();
        struct told told = {0};

        (void)state;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 3, NULL, on_done, &told),
                         -EAGAIN);
        assert_int_equal(told.calls, 0);
        mailer.room = 2;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 3, NULL, on_done, &told), 0);
        end_mail(&mailer, 0, MU_MAIL_SENT, 250, "");
        end_mail(&mailer, 1, MU_MAIL_SENT, 250, "");
        assert_int_equal(told.calls, 1);
        assert_true(told.again);
        assert_has(told.error, "c@example.org did not get it: too many mails");
}

static void odd_lists(void **state)
{
        static const char *const odd[] = {"a@example.org", "A@Example.org", "not an address",
                                          "b@example.org\r\nRCPT TO:<x@y>"};
        static const char *const many[21] = {0};
        struct mu_mailer mailer = {.room = MAILS_MAX};
        struct mu_notice notice = a_notice();
        struct told told = {0};

        (void)state;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, odd, 4, NULL, on_done, &told), 0);
        assert_int_equal(mailer.count, 1);
        end_mail(&mailer, 0, MU_MAIL_SENT, 250, "");
        assert_int_equal(told.calls, 1);
        assert_false(told.again);
        assert_has(told.error, "not an address did not get it");
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, odd, 0, NULL, on_done, &told),
                         -EINVAL);
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, many, 21, NULL, on_done, &told),
                         -EINVAL);
        assert_int_equal(told.calls, 1);
        /* What was kept may be damaged: then everybody is written to. */
        mailer.count = 0;
        assert_int_equal(mu_alert_mail_send(&mailer, &notice, three, 3, "[1,", on_done, &told), 0);
        assert_int_equal(mailer.count, 3);
        for (size_t i = 0; i < 3; i++)
                end_mail(&mailer, i, MU_MAIL_SENT, 250, "");
        assert_int_equal(told.calls, 2);
}

struct ending {
        struct mu_mailer *mailer;
        size_t index;
};

static void *end_in_thread(void *arg)
{
        const struct ending *ending = arg;

        end_mail(ending->mailer, ending->index, MU_MAIL_SENT, 250, "");
        return NULL;
}

static void ends_from_several_threads(void **state)
{
        (void)state;
        for (int turn = 0; turn < 50; turn++) {
                struct mu_mailer mailer = {.room = MAILS_MAX};
                struct mu_notice notice = a_notice();
                struct ending endings[3];
                pthread_t threads[3];
                struct told told = {0};

                assert_int_equal(
                        mu_alert_mail_send(&mailer, &notice, three, 3, NULL, on_done, &told), 0);
                for (size_t i = 0; i < 3; i++) {
                        endings[i] = (struct ending){&mailer, i};
                        assert_int_equal(
                                pthread_create(&threads[i], NULL, end_in_thread, &endings[i]), 0);
                }
                for (size_t i = 0; i < 3; i++)
                        assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(told.calls, 1);
                assert_int_equal(told.mail.outcome, MU_MAIL_SENT);
                assert_false(told.again);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(subjects),
                cmocka_unit_test(subjects_are_one_line),
                cmocka_unit_test(bodies),
                cmocka_unit_test(everybody_gets_it),
                cmocka_unit_test(who_has_it_is_not_written_to_again),
                cmocka_unit_test(outcomes_of_all),
                cmocka_unit_test(a_full_mailer),
                cmocka_unit_test(odd_lists),
                cmocka_unit_test(ends_from_several_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
