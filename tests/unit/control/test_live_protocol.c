/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "control/live/live_protocol.h"

static struct mu_live_message parsed(const char *text)
{
        struct mu_live_message message;
        char sentence[MU_LIVE_SENTENCE_BYTES];

        assert_int_equal(mu_live_message_parse(text, strlen(text), &message, sentence), 0);
        return message;
}

static void assert_refused(const char *text, const char *needle)
{
        struct mu_live_message message = {.topics = 99};
        char sentence[MU_LIVE_SENTENCE_BYTES] = "";

        assert_int_equal(mu_live_message_parse(text, strlen(text), &message, sentence), -EBADMSG);
        assert_non_null(strstr(sentence, needle));
        assert_int_equal(message.topics, 99); /* untouched */
}

static void test_auth(void **state)
{
        struct mu_live_message message = parsed("{\"type\":\"auth\",\"ticket\":\"abc\"}");
        char text[400];

        (void)state;
        assert_int_equal(message.type, MU_LIVE_AUTH);
        assert_string_equal(message.ticket, "abc");
        assert_refused("{\"type\":\"auth\"}", "ticket");
        assert_refused("{\"type\":\"auth\",\"ticket\":\"\"}", "ticket");
        assert_refused("{\"type\":\"auth\",\"ticket\":7}", "ticket");
        (void)snprintf(text, sizeof(text), "{\"type\":\"auth\",\"ticket\":\"%0200d\"}", 1);
        assert_refused(text, "ticket");
}

static void test_subscribe(void **state)
{
        struct mu_live_message message = parsed("{\"type\":\"subscribe\",\"topics\":[\"fleet\","
                                                "\"commands\"],\"devices\":[\"9\",\"2\",\"9\"]}");

        (void)state;
        assert_int_equal(message.type, MU_LIVE_SUBSCRIBE);
        assert_int_equal(message.topics, MU_LIVE_FLEET | MU_LIVE_COMMANDS);
        assert_false(message.all);
        assert_int_equal(message.id_count, 2);
        assert_int_equal(message.ids[0], 2);
        assert_int_equal(message.ids[1], 9);
        mu_live_message_done(&message);

        message = parsed("{\"type\":\"subscribe\",\"topics\":[\"alerts\"]}");
        assert_int_equal(message.topics, MU_LIVE_ALERTS);
        assert_string_equal(mu_live_topic_scope(MU_LIVE_ALERTS), "alerts:read");
        assert_string_equal(mu_live_topic_name(MU_LIVE_DEVICES), "devices");
        message = parsed("{\"type\":\"subscribe\",\"topics\":[\"devices\"]}");
        assert_true(message.all);
        message = parsed("{\"type\":\"subscribe\",\"topics\":[\"devices\"],\"devices\":\"all\"}");
        assert_true(message.all);
        message = parsed("{\"type\":\"subscribe\",\"topics\":[\"devices\"],\"devices\":[]}");
        assert_false(message.all);
        assert_int_equal(message.id_count, 0);
        mu_live_message_done(&message);
}

static void test_resume(void **state)
{
        struct mu_live_message message =
                parsed("{\"type\":\"resume\",\"topics\":[\"devices\"],\"stream\":\"0a0b0c0d\","
                       "\"seq\":815}");

        (void)state;
        assert_int_equal(message.type, MU_LIVE_RESUME);
        assert_int_equal(message.stream, 0x0a0b0c0d);
        assert_int_equal(message.seq, 815);
        /* What is no place becomes a snapshot, never an error. */
        message = parsed("{\"type\":\"resume\",\"topics\":[\"devices\"],\"seq\":-1,"
                         "\"stream\":\"0a0b0c0d\"}");
        assert_int_equal(message.seq, 0);
        message = parsed("{\"type\":\"resume\",\"topics\":[\"devices\"],\"seq\":5,"
                         "\"stream\":\"0a0b0c0x\"}");
        assert_int_equal(message.seq, 0);
}

static void test_refusals(void **state)
{
        char text[16384];
        size_t used;

        (void)state;
        assert_refused("", "object");
        assert_refused("[]", "object");
        assert_refused("{\"type\":\"auth\",\"type\":\"auth\"}", "object");
        assert_refused("{}", "type");
        assert_refused("{\"type\":\"dance\"}", "type");
        assert_refused("{\"type\":\"subscribe\"}", "topics");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[]}", "topics");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[\"weather\"]}", "topics");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[7]}", "topics");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[\"fleet\"],\"devices\":\"some\"}",
                       "devices");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[\"fleet\"],\"devices\":[7]}", "digits");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[\"fleet\"],\"devices\":[\"-7\"]}",
                       "digits");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[\"fleet\"],\"devices\":[\"0\"]}",
                       "digits");
        assert_refused("{\"type\":\"subscribe\",\"topics\":[\"fleet\"],"
                       "\"devices\":[\"9999999999999999999\"]}",
                       "digits");
        used = (size_t)snprintf(text, sizeof(text),
                                "{\"type\":\"subscribe\",\"topics\":[\"devices\"],"
                                "\"devices\":[\"1\"");
        for (int i = 0; i < MU_LIVE_DEVICES_MAX; i++)
                used += (size_t)snprintf(text + used, sizeof(text) - used, ",\"1\"");
        (void)snprintf(text + used, sizeof(text) - used, "]}");
        assert_refused(text, "500");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_auth),
                cmocka_unit_test(test_subscribe),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
