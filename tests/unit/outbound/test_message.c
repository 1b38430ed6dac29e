/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "outbound/message.h"

static const int64_t then_s = 784111777; /* Sun, 06 Nov 1994 08:49:37 */

static char *build(const char *from, const char *subject, const char *text)
{
        struct mu_mailbox mailbox;
        struct mu_text message;
        char *built = NULL;
        size_t bytes;

        assert_int_equal(mu_mailbox_parse(from, &mailbox), 0);
        mu_text_init(&message);
        assert_int_equal(mu_message_build(&mailbox,
                                          &(struct mu_mail_message){.to = "ada@example.org",
                                                                    .subject = subject,
                                                                    .text = text},
                                          then_s, "0123abcd", &message),
                         0);
        assert_int_equal(mu_text_take(&message, &built, &bytes), 0);
        return built;
}

static void addresses(void **state)
{
        static const char *const good[] = {"a@b", "ada.l@example.org", "a+b_c-d!@x-y.example",
                                           "A@1.example"};
        static const char *const bad[] = {
                "",        "a",           "@b",         "a@",          "a@b@c",
                "a b@c",   "a@b c",       ".a@b",       "a.@b",        "a..b@c",
                "a@-b",    "a@b-",        "a@b..c",     "a@.b",        "a@b.",
                "<a@b>",   "a@b>",        "a@b,c@d",    "a@b\r\nX:",   "a\n@b",
                "\"a\"@b", "j\xc3\xb6@b", "a@\xc3\xb6", "a@[1.2.3.4]", "a@b\r\nRCPT TO:<x@y>"};

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_int_equal(mu_mail_check_address(good[i]), 0);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(mu_mail_check_address(bad[i]), -EINVAL);
        assert_int_equal(mu_mail_check_address(NULL), -EINVAL);

        char longest[300];

        (void)snprintf(longest, sizeof(longest), "%065d@example.org", 0);
        assert_int_equal(mu_mail_check_address(longest), -EINVAL);
        assert_int_equal(mu_mail_check_address(longest + 1), 0);
}

static void senders(void **state)
{
        struct mu_mailbox mailbox;
        static const char *const bad[] = {"",          "Muster",        "Muster <>",
                                          "Muster <a", "Muster <a@b>x", "Mus\nter <a@b>",
                                          "\xff <a@b>"};

        (void)state;
        assert_int_equal(mu_mailbox_parse("Muster der Flotte <m@example.org>", &mailbox), 0);
        assert_string_equal(mailbox.name, "Muster der Flotte");
        assert_string_equal(mailbox.address, "m@example.org");
        assert_int_equal(mu_mailbox_parse("<m@example.org>", &mailbox), 0);
        assert_string_equal(mailbox.name, "");
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(mu_mailbox_parse(bad[i], &mailbox), -EINVAL);
}

static void a_whole_message(void **state)
{
        char *message = build("Muster <m@example.org>", "Reset", "Hello\nworld\n");

        (void)state;
        assert_string_equal(message, "Date: Sun, 6 Nov 1994 08:49:37 +0000\r\n"
                                     "From: Muster\r\n"
                                     " <m@example.org>\r\n"
                                     "To: ada@example.org\r\n"
                                     "Subject: Reset\r\n"
                                     "Message-ID: <0123abcd@example.org>\r\n"
                                     "Auto-Submitted: auto-generated\r\n"
                                     "MIME-Version: 1.0\r\n"
                                     "Content-Type: text/plain; charset=utf-8\r\n"
                                     "Content-Transfer-Encoding: quoted-printable\r\n"
                                     "\r\n"
                                     "Hello\r\n"
                                     "world\r\n");
        free(message);
}

static const char *body_of(const char *message)
{
        return strstr(message, "\r\n\r\n") + 4;
}

static void bodies(void **state)
{
        static const struct {
                const char *text;
                const char *encoded;
        } cases[] = {
                {"", ""},
                {"no end", "no end\r\n"},
                {"a=b", "a=3Db\r\n"},
                {"blank \nand tab\t\nend ", "blank=20\r\nand tab=09\r\nend=20\r\n"},
                {"\n\n", "\r\n\r\n"},
                {"from\r\nwindows", "from\r\nwindows\r\n"},
                {"lone\rreturn", "lone=0Dreturn\r\n"},
                {".\n..", ".\r\n..\r\n"},
                {"Gr\xc3\xbc\xc3\x9f"
                 "e",
                 "Gr=C3=BC=C3=9Fe\r\n"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *message = build("m@example.org", "x", cases[i].text);

                assert_string_equal(body_of(message), cases[i].encoded);
                free(message);
        }
}

static size_t longest_line(const char *text)
{
        size_t most = 0;

        while (*text) {
                size_t line = strcspn(text, "\r\n");

                most = line > most ? line : most;
                text += line;
                text += strspn(text, "\r\n");
        }
        return most;
}

static void long_lines_are_cut(void **state)
{
        char text[1001];
        char subject[301];

        (void)state;
        for (size_t step = 1; step < 4; step++) {
                for (size_t i = 0; i < sizeof(text) - 1; i++)
                        text[i] = i % step == 0 ? 'x' : '=';
                text[sizeof(text) - 1] = '\0';
                memset(subject, 's', sizeof(subject));
                subject[100 * step] = '\0';
                char *message = build("m@example.org", subject, text);

                assert_true(longest_line(message) <= 76);
                free(message);
        }
}

static void headers_cannot_be_injected(void **state)
{
        static const char *const subjects[] = {"a\r\nBcc: x@y", "a\nb", "a\rb",    "a\tb",
                                               "a\x7f",         "\xff", "\xc0\x8a"};
        struct mu_mailbox from;
        struct mu_text text;

        (void)state;
        assert_int_equal(mu_mailbox_parse("m@example.org", &from), 0);
        mu_text_init(&text);
        for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
                const struct mu_mail_message message = {
                        .to = "a@b", .subject = subjects[i], .text = ""};

                assert_int_equal(mu_message_build(&from, &message, then_s, "1", &text), -EINVAL);
        }
        assert_int_equal(mu_message_build(&from,
                                          &(struct mu_mail_message){.to = "a@b\r\nBcc: x@y",
                                                                    .subject = "",
                                                                    .text = ""},
                                          then_s, "1", &text),
                         -EINVAL);
        assert_int_equal(text.bytes, 0);
        mu_text_done(&text);
}

static void subjects(void **state)
{
        char *message = build("m@example.org",
                              "Ger\xc3\xa4t \xe2\x80\x9eK\xc3\xbc"
                              "che\xe2\x80\x9c schweigt seit 40 Minuten",
                              "");

        (void)state;
        assert_non_null(strstr(
                message,
                "Subject: =?UTF-8?B?R2Vyw6R0IOKAnkvDvGNoZeKAnCBzY2h3ZWlndCBzZWl0IDQwIE1p?=\r\n "
                "=?UTF-8?B?bnV0ZW4=?=\r\n"));
        free(message);
        message = build("m@example.org", "=?UTF-8?Q?no?=", "");
        assert_null(strstr(message, "=?UTF-8?Q?no?="));
        free(message);
}

static void what_is_too_long(void **state)
{
        struct mu_mailbox from;
        struct mu_text text;
        char subject[MU_MAIL_SUBJECT_BYTES_MAX + 2];

        (void)state;
        memset(subject, 'x', sizeof(subject));
        subject[sizeof(subject) - 1] = '\0';
        assert_int_equal(mu_mailbox_parse("m@example.org", &from), 0);
        mu_text_init(&text);
        assert_int_equal(mu_message_build(&from,
                                          &(struct mu_mail_message){
                                                  .to = "a@b", .subject = subject, .text = ""},
                                          then_s, "1", &text),
                         -E2BIG);
        mu_text_done(&text);
}

static int build_with_thread(const char *thread, struct mu_text *to)
{
        struct mu_mailbox from;

        assert_int_equal(mu_mailbox_parse("Muster <m@example.org>", &from), 0);
        return mu_message_build(&from,
                                &(struct mu_mail_message){
                                        .to = "a@b", .subject = "s", .text = "", .thread = thread},
                                then_s, "0123abcd", to);
}

static void threads(void **state)
{
        static const char *const bad[] = {"",    "A",   "a b",     "a\r\nBcc: x@y",
                                          "a@b", "<a>", "\xc3\xb6"};
        struct mu_text message;
        char longest[66];

        (void)state;
        mu_text_init(&message);
        assert_int_equal(build_with_thread("incident-42.7", &message), 0);
        assert_non_null(strstr(message.data, "\r\nIn-Reply-To: <incident-42.7@example.org>\r\n"
                                             "References: <incident-42.7@example.org>\r\n"));
        mu_text_clear(&message);
        assert_int_equal(build_with_thread(NULL, &message), 0);
        assert_null(strstr(message.data, "References"));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(build_with_thread(bad[i], &message), -EINVAL);
        (void)snprintf(longest, sizeof(longest), "%065d", 0);
        assert_int_equal(build_with_thread(longest, &message), -EINVAL);
        mu_text_clear(&message);
        assert_int_equal(build_with_thread(longest + 1, &message), 0);
        mu_text_done(&message);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(threads),
                cmocka_unit_test(addresses),
                cmocka_unit_test(senders),
                cmocka_unit_test(a_whole_message),
                cmocka_unit_test(bodies),
                cmocka_unit_test(long_lines_are_cut),
                cmocka_unit_test(headers_cannot_be_injected),
                cmocka_unit_test(subjects),
                cmocka_unit_test(what_is_too_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
