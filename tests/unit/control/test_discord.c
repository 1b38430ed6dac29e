/* SPDX-License-Identifier: Apache-2.0 */
/* Embeds within Discord's limits whatever they hold, and Discord's answers. */
#include "unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "control/notify/discord.h"
#include "control/notify/notice.h"
#include "muster/compiler.h"

/* ---- what Discord counts ---- */

/* Code points; UTF-16 units are no fewer, and this is what the limits are checked by here. */
static size_t units(const json_t *text)
{
        const char *at = json_string_value(text);
        size_t count = 0;

        for (; at && *at; at++) {
                unsigned char c = (unsigned char)*at;

                count += (c & 0xc0) != 0x80; /* not the middle of one */
                count += c >= 0xf0;          /* two surrogates */
        }
        return count;
}

static void check_embed(const char *text, size_t bytes)
{
        json_t *whole = json_loadb(text, bytes, 0, NULL);
        const json_t *embed = json_array_get(json_object_get(whole, "embeds"), 0);
        const json_t *fields = json_object_get(embed, "fields");
        size_t all = units(json_object_get(embed, "title")) +
                     units(json_object_get(embed, "description")) +
                     units(json_object_get(json_object_get(embed, "footer"), "text"));
        const json_t *field;
        size_t i;

        assert_non_null(whole);
        assert_int_equal(json_array_size(json_object_get(json_object_get(whole, "allowed_mentions"),
                                                         "parse")),
                         0);
        assert_in_range(units(json_object_get(embed, "title")), 1, 256);
        assert_in_range(units(json_object_get(embed, "description")), 0, 4096);
        assert_in_range(json_array_size(fields), 0, 25);
        json_array_foreach(fields, i, field)
        {
                assert_in_range(units(json_object_get(field, "name")), 1, 256);
                assert_in_range(units(json_object_get(field, "value")), 1, 1024);
                all += units(json_object_get(field, "name")) +
                       units(json_object_get(field, "value"));
        }
        assert_in_range(all, 1, 6000);
        json_decref(whole);
}

static void write_and_check(const struct mu_notice *notice)
{
        for (int look = MU_DISCORD_WHOLE; look <= MU_DISCORD_RECOVERY; look++) {
                size_t bytes;
                char *json;

                assert_int_equal(
                        mu_discord_write(notice, (enum mu_discord_look)look, &json, &bytes), 0);
                check_embed(json, bytes);
                free(json);
        }
}

static char *random_text(struct mu_random *random)
{
        static const char *const pieces[] = {"a",  "*", "\\",        "é", "中", "😀",
                                             "\n", " ", "@everyone", "`", "<",  "\xff"};
        size_t length = mu_random_below(random, 3) ? mu_random_below(random, 40)
                                                   : mu_random_below(random, 7000);
        struct mu_text text;
        size_t bytes;
        char *string;

        mu_text_init(&text);
        mu_text_add(&text, "");
        while (length-- > 0)
                mu_text_add(&text, pieces[mu_random_below(random, MU_COUNT_OF(pieces))]);
        assert_int_equal(mu_text_take(&text, &string, &bytes), 0);
        mu_text_done(&text);
        return string ? string : strdup("");
}

static void replace(char **text, struct mu_random *random)
{
        free(*text);
        *text = random_text(random);
}

static void random_notices_fit(void **state)
{
        struct mu_random random;

        (void)state;
        mu_random_seed(&random, 20261121);
        for (int round = 0; round < 300; round++) {
                struct mu_notice notice;

                assert_int_equal(
                        mu_notice_make_text((enum mu_notice_kind)mu_random_below(&random, 5),
                                            (enum mu_notice_state)mu_random_below(&random, 3),
                                            (enum mu_alert_severity)mu_random_below(&random, 3), "",
                                            "", NULL, 1700000000000000, &notice),
                        0);
                replace(&notice.title, &random);
                replace(&notice.what, &random);
                replace(&notice.where, &random);
                replace(&notice.acked_by, &random);
                notice.acked_us = (int64_t)mu_random_below(&random, 2);
                notice.closed_us = (int64_t)mu_random_below(&random, 2) * INT64_MAX;
                notice.device_count = (int32_t)mu_random_below(&random, 100000);
                notice.incident_id = INT64_MAX;
                notice.devices_shown = mu_random_below(&random, MU_NOTICE_DEVICES_MAX + 1);
                for (size_t i = 0; i < notice.devices_shown; i++) {
                        notice.devices[i].alias = random_text(&random);
                        notice.devices[i].site = random_text(&random);
                }
                notice.line_count = mu_random_below(&random, MU_NOTICE_LINES_MAX + 1);
                for (size_t i = 0; i < notice.line_count; i++)
                        notice.lines[i] = random_text(&random);
                write_and_check(&notice);
                mu_notice_done(&notice);
        }
}

static void markup_is_taken_out(void **state)
{
        struct mu_notice notice;
        size_t bytes;
        char *json;

        (void)state;
        assert_int_equal(mu_notice_make_text(MU_NOTICE_TEST, MU_NOTICE_STANDS, MU_SEVERITY_INFO,
                                             "<@1> *x* [a](b)", "`code` ||s||", NULL, 0, &notice),
                         0);
        assert_int_equal(mu_discord_write(&notice, MU_DISCORD_WHOLE, &json, &bytes), 0);
        assert_non_null(strstr(json, "\\\\<@1\\\\> \\\\*x\\\\* \\\\[a\\\\](b)"));
        assert_non_null(strstr(json, "\\\\`code\\\\` \\\\|\\\\|s\\\\|\\\\|"));
        free(json);
        mu_notice_done(&notice);
}

/* A pair of escape and character is never torn apart by the cut. */
static void a_cut_leaves_no_half_escape(void **state)
{
        struct mu_notice notice;
        char title[600];
        size_t bytes;
        char *json;

        (void)state;
        for (size_t lead = 0; lead < 3; lead++) {
                memset(title, '*', sizeof(title) - 1);
                memset(title, 'a', lead);
                title[sizeof(title) - 1] = '\0';
                assert_int_equal(mu_notice_make_text(MU_NOTICE_TEST, MU_NOTICE_STANDS,
                                                     MU_SEVERITY_INFO, title, "", NULL, 0, &notice),
                                 0);
                assert_int_equal(mu_discord_write(&notice, MU_DISCORD_WHOLE, &json, &bytes), 0);
                assert_non_null(strstr(json, "\\\\*…\""));
                free(json);
                mu_notice_done(&notice);
        }
}

/* ---- replies ---- */

static struct mu_discord_reply read_reply(const char *body)
{
        struct mu_discord_reply reply;

        assert_int_equal(mu_discord_read(body, strlen(body), &reply), 0);
        return reply;
}

static void replies(void **state)
{
        struct mu_discord_reply reply = read_reply("{\"id\":\"1234567890123456789\"}");

        (void)state;
        assert_string_equal(reply.id, "1234567890123456789");
        reply = read_reply("{\"message\":\"You are being rate limited.\",\"retry_after\":64.57,"
                           "\"global\":true}");
        assert_int_equal(reply.retry_after_ms, 64570);
        assert_true(reply.has_retry_after && reply.global);
        assert_string_equal(reply.text, "You are being rate limited.");
        reply = read_reply("{\"message\":\"Unknown Message\",\"code\":10008}");
        assert_int_equal(reply.code, MU_DISCORD_UNKNOWN_MESSAGE);
        /* It would become part of a URL. */
        assert_string_equal(read_reply("{\"id\":\"1/../2\"}").id, "");
        assert_string_equal(read_reply("{\"id\":\"123456789012345678901234567890\"}").id, "");
        assert_int_equal(read_reply("{\"retry_after\":1e300}").retry_after_ms,
                         MU_DISCORD_PAUSE_MS_MAX);
        assert_int_equal(read_reply("{\"retry_after\":-1}").retry_after_ms, 0);
        assert_int_equal(read_reply("{\"retry_after\":0.0001}").retry_after_ms, 1);
        assert_false(read_reply("{\"retry_after\":\"1\"}").has_retry_after);
        assert_int_equal(mu_discord_read("<html>", 6, &reply), -EBADMSG);
        assert_int_equal(mu_discord_read("[]", 2, &reply), -EBADMSG);
}

static void buckets(void **state)
{
        (void)state;
        assert_int_equal(mu_discord_pause_ms("1", "2.5"), 0);
        assert_int_equal(mu_discord_pause_ms("0", "2.5"), 2500);
        assert_int_equal(mu_discord_pause_ms("0", "0.0004"), 1);
        assert_int_equal(mu_discord_pause_ms("0", "1e9"), MU_DISCORD_PAUSE_MS_MAX);
        assert_int_equal(mu_discord_pause_ms("0", "inf"), 0);
        assert_int_equal(mu_discord_pause_ms("0", "-1"), 0);
        assert_int_equal(mu_discord_pause_ms("0", "2s"), 0);
        assert_int_equal(mu_discord_pause_ms("0", NULL), 0);
        assert_int_equal(mu_discord_pause_ms(NULL, "2"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(random_notices_fit),
                cmocka_unit_test(markup_is_taken_out),
                cmocka_unit_test(a_cut_leaves_no_half_escape),
                cmocka_unit_test(replies),
                cmocka_unit_test(buckets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
