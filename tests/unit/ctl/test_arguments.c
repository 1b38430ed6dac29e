/* SPDX-License-Identifier: Apache-2.0 */
/* From words on a command line to one request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/ctl.h"

struct parsed {
        struct mu_ctl_globals globals;
        struct mu_ctl_input input;
        struct mu_ctl_problem problem;
        int error;
};

#define PARSE(...) parse((char *[]){__VA_ARGS__, NULL})

static struct parsed parse(char **words)
{
        struct parsed parsed = {0};
        int count = 0;

        while (words[count])
                count++;
        parsed.error = mu_ctl_parse(count, words, &parsed.globals, &parsed.input, &parsed.problem);
        return parsed;
}

static void assert_refused(struct parsed parsed, const char *part)
{
        assert_true(parsed.error < 0);
        if (!strstr(parsed.problem.text, part))
                fail_msg("\"%s\" is not in \"%s\"", part, parsed.problem.text);
        mu_ctl_input_done(&parsed.input);
}

static void assert_body(const json_t *body, const char *expected)
{
        json_t *wanted = json_loads(expected, 0, NULL);

        assert_non_null(wanted);
        assert_true(json_equal(body, wanted));
        json_decref(wanted);
}

static void test_path_query_and_body(void **state)
{
        (void)state;
        struct parsed parsed = PARSE("devices", "set", "42", "--alias", "Kasse 3", "--tag", "a",
                                     "--tag=b", "--interval", "2m");

        assert_int_equal(parsed.error, 0);
        assert_string_equal(parsed.input.path, "/admin/devices/42");
        assert_null(parsed.input.query);
        assert_body(parsed.input.body, "{\"alias\":\"Kasse 3\",\"tags\":[\"a\",\"b\"],"
                                       "\"heartbeat_interval_s\":120}");
        mu_ctl_input_done(&parsed.input);

        parsed = PARSE("devices", "list", "--search", "a&b=c d/é", "--tag", "x", "--tag", "y",
                       "--limit", "10");
        assert_int_equal(parsed.error, 0);
        assert_string_equal(parsed.input.path, "/admin/devices");
        assert_string_equal(parsed.input.query, "q=a%26b%3Dc%20d%2F%C3%A9&tag=x&tag=y&limit=10");
        assert_null(parsed.input.body);
        mu_ctl_input_done(&parsed.input);
}

/* What stands in a path stays in its segment. */
static void test_path_is_encoded(void **state)
{
        (void)state;
        struct parsed parsed = PARSE("devices", "show", "../users?x#");

        assert_int_equal(parsed.error, 0);
        assert_string_equal(parsed.input.path, "/admin/devices/..%2Fusers%3Fx%23");
        mu_ctl_input_done(&parsed.input);
}

static void test_globals_stand_anywhere(void **state)
{
        (void)state;
        struct parsed parsed = PARSE("--json", "commands", "--url=https://m:1", "send", "7", "ping",
                                     "--yes", "--wait");

        assert_int_equal(parsed.error, 0);
        assert_true(parsed.globals.json && parsed.globals.yes && !parsed.globals.all);
        assert_string_equal(parsed.globals.url, "https://m:1");
        assert_string_equal(parsed.input.path, "/admin/devices/7/commands");
        assert_body(parsed.input.body, "{\"type\":\"ping\"}");
        assert_true(json_is_true(json_object_get(parsed.input.local, "wait")));
        mu_ctl_input_done(&parsed.input);
}

static void test_payload_is_json(void **state)
{
        (void)state;
        struct parsed parsed = PARSE("commands", "send", "7", "launch_package", "--payload",
                                     "{\"package\":\"org.x\"}");

        assert_int_equal(parsed.error, 0);
        assert_body(parsed.input.body,
                    "{\"type\":\"launch_package\",\"payload\":{\"package\":\"org.x\"}}");
        mu_ctl_input_done(&parsed.input);
        assert_refused(PARSE("commands", "send", "7", "x", "--payload", "{"), "not JSON");
}

static void test_refusals_say_what_would_be_right(void **state)
{
        (void)state;
        assert_refused(PARSE("device", "list"), "there is no \"device\"");
        assert_refused(PARSE("devices", "lits"), "does not go on like that");
        assert_refused(PARSE("devices", "show"), "needs DEVICE");
        assert_refused(PARSE("devices", "show", "1", "2"), "one word too many");
        assert_refused(PARSE("devices", "list", "--frob", "1"), "does not know --frob");
        assert_refused(PARSE("devices", "list", "--limit"), "--limit needs a value");
        assert_refused(PARSE("devices", "list", "--limit", "ten"), "--limit");
        assert_refused(PARSE("devices", "list", "--site", "a", "--site", "b"), "given twice");
        assert_refused(PARSE("devices", "list", "--json=1"), "takes no value");
        assert_refused(PARSE("commands", "send", "7", "ping", "--ttl", "5"), "--ttl");
        assert_refused(PARSE("devices", "list", "--search", "\xff"), "UTF-8");
        assert_refused(PARSE("login", "--password-file", "/nowhere/at/all"), "can't be read");
}

static void test_help(void **state)
{
        (void)state;
        struct parsed parsed = PARSE("commands", "send", "--help");

        assert_int_equal(parsed.error, 0);
        assert_true(parsed.globals.help);
        assert_string_equal(parsed.input.verb->words, "commands send");
        parsed = PARSE("help");
        assert_true(parsed.globals.help && !parsed.input.verb);
}

/* Each row can be said, and each parameter of its path is filled by a required word, unless a
 * function of its own makes the path of what it was given. */
static void test_every_row_is_whole(void **state)
{
        (void)state;
        for (size_t i = 0; i < mu_ctl_verb_count; i++) {
                const struct mu_ctl_verb *verb = &mu_ctl_verbs[i];

                assert_true(verb->run || (verb->method && verb->path));
                assert_true(!verb->rows || verb->columns);
                for (const char *at = verb->path && !verb->run ? strchr(verb->path, '{') : NULL; at;
                     at = strchr(at + 1, '{')) {
                        bool filled = false;

                        for (size_t o = 0; o < MU_CTL_OPTIONS_MAX && verb->options[o].name; o++)
                                filled = filled || (verb->options[o].place == MU_CTL_PATH &&
                                                    verb->options[o].required &&
                                                    strncmp(at + 1, verb->options[o].key,
                                                            strlen(verb->options[o].key)) == 0);
                        if (!filled)
                                fail_msg("%s: %s is not filled", verb->words, at);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path_query_and_body),
                cmocka_unit_test(test_path_is_encoded),
                cmocka_unit_test(test_globals_stand_anywhere),
                cmocka_unit_test(test_payload_is_json),
                cmocka_unit_test(test_refusals_say_what_would_be_right),
                cmocka_unit_test(test_help),
                cmocka_unit_test(test_every_row_is_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
