/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/config_file.h"
#include "linux/options.h"

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PIN "sha256//" KEY
#define GOOD "enroll", "--server", "https://f.example", "--alias", "a"

static const struct mu_options_machine USER = {.home = "/h/u"};

static int read_words(const struct mu_options_machine *machine, struct mu_options *options,
                      char *sentence, ...)
{
        char *words[32] = {"muster-agent"};
        int count = 1;
        va_list values;
        char *word;

        va_start(values, sentence);
        while ((word = va_arg(values, char *)))
                words[count++] = word;
        va_end(values);
        sentence[0] = '\0';
        int err = mu_options_read(count, words, machine, options, sentence);

        assert_true(err == 0 || (err == -EINVAL && strlen(sentence) > 10));
        return err;
}

#define READ(...) read_words(&USER, &options, sentence, __VA_ARGS__, (char *)NULL)

static void test_verbs(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_options options;

        (void)state;
        assert_int_equal(READ("run"), 0);
        assert_int_equal(options.verb, MU_VERB_RUN);
        assert_int_equal(options.trial_fd, -1);
        assert_int_equal(READ("run", "--trial-fd", "7"), 0);
        assert_int_equal(options.trial_fd, 7);
        assert_int_equal(READ("run", "--trial-fd", "7x"), -EINVAL);
        assert_int_equal(READ("status", "--json"), 0);
        assert_int_equal(options.verb, MU_VERB_STATUS);
        assert_true(options.json);
        assert_int_equal(READ("version"), 0);
        assert_int_equal(options.verb, MU_VERB_VERSION);
        assert_int_equal(READ("--version"), 0);
        assert_int_equal(options.verb, MU_VERB_VERSION);
        assert_int_equal(READ("--help"), 0);
        assert_int_equal(options.verb, MU_VERB_HELP);
        assert_null(options.help);
        assert_int_equal(READ("status", "--nonsense"), -EINVAL);
        assert_int_equal(READ("enroll", "--help"), 0);
        assert_int_equal(options.verb, MU_VERB_HELP);
        assert_string_equal(options.help, "enroll");
        assert_non_null(strstr(mu_options_help("enroll"), "--token-file"));
        assert_non_null(strstr(mu_options_help(NULL), "muster-agent status"));
        assert_int_equal(READ("dance"), -EINVAL);
        assert_non_null(strstr(sentence, "dance"));
        assert_int_equal(read_words(&USER, &options, sentence, (char *)NULL), -EINVAL);
}

static void test_enroll(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_options options;

        (void)state;
        assert_int_equal(READ(GOOD, "--token-file=/t", "--hardware-id", "h 1", "--pin", PIN,
                              "--update-key", KEY, "--update-key=" KEY, "--replace"),
                         0);
        assert_int_equal(options.verb, MU_VERB_ENROLL);
        assert_string_equal(options.server, "https://f.example");
        assert_string_equal(options.token_file, "/t");
        assert_null(options.admin_key_file);
        assert_string_equal(options.hardware_id, "h 1");
        assert_string_equal(options.pin, PIN);
        assert_int_equal(options.update_key_count, 2);
        assert_string_equal(options.update_keys[1], KEY);
        assert_true(options.replace);
        assert_int_equal(READ(GOOD, "--admin-key-file", "/k", "--ca-file", "/c"), 0);
        assert_false(options.replace);
        assert_string_equal(options.ca_file, "/c");
}

static void test_enroll_refused(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_options options = {.trial_fd = 4711};

        (void)state;
        assert_int_equal(READ(GOOD), -EINVAL); /* no secret */
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--admin-key-file", "/k"), -EINVAL);
        assert_int_equal(READ("enroll", "--alias", "a", "--token-file", "/t"), -EINVAL);
        assert_non_null(strstr(sentence, "--server"));
        assert_int_equal(READ("enroll", "--server", "https://f", "--token-file", "/t"), -EINVAL);
        assert_non_null(strstr(sentence, "--alias"));
        assert_int_equal(READ("enroll", "--server", "http://f.example", "--alias", "a",
                              "--token-file", "/t"),
                         -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--alias", "b"), -EINVAL);
        assert_non_null(strstr(sentence, "twice"));
        assert_int_equal(READ(GOOD, "--token-file"), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file="), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--replace=yes"), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--pin", "sha256//abc"), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--pin", KEY), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--pin", PIN, "--ca-file", "/c"),
                         -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--ca-file", "c"), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--update-key", "abc"), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--json"), -EINVAL);
        assert_int_equal(READ(GOOD, "--token-file", "/t", "--serve", "x"), -EINVAL);
        /* A secret in the wrong place is not repeated. */
        assert_int_equal(READ(GOOD, "--token=geheim"), -EINVAL);
        assert_null(strstr(sentence, "geheim"));
        assert_int_equal(options.trial_fd, 4711); /* untouched */
}

static void check_places(const struct mu_options_machine *machine, const char *config,
                         const char *state_dir)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_options options;

        assert_int_equal(read_words(machine, &options, sentence, "run", (char *)NULL), 0);
        assert_string_equal(options.config, config);
        assert_string_equal(options.state_dir, state_dir);
}

static void test_places(void **state)
{
        struct mu_options_machine machine = {.home = "/h/u"};
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_options options;

        (void)state;
        check_places(&machine, "/h/u/.local/state/muster-agent/agent.json",
                     "/h/u/.local/state/muster-agent");
        machine.xdg_state_home = "/x";
        check_places(&machine, "/x/muster-agent/agent.json", "/x/muster-agent");
        machine.xdg_state_home = "relative"; /* the specification says: ignore it */
        check_places(&machine, "/h/u/.local/state/muster-agent/agent.json",
                     "/h/u/.local/state/muster-agent");
        machine.is_service = true;
        check_places(&machine, "/var/lib/muster-agent/agent.json", "/var/lib/muster-agent");
        machine.state_directory = "/srv/state";
        check_places(&machine, "/srv/state/agent.json", "/srv/state");
        machine = (struct mu_options_machine){0};
        assert_int_equal(read_words(&machine, &options, sentence, "run", (char *)NULL), -EINVAL);

        assert_int_equal(READ("run", "--config", "/a/b.json"), 0);
        assert_string_equal(options.config, "/a/b.json");
        assert_string_equal(options.state_dir, "/a");
        assert_int_equal(READ("run", "--config", "/b.json"), 0);
        assert_string_equal(options.state_dir, "/");
        assert_int_equal(READ("run", "--config", "b.json"), 0);
        assert_string_equal(options.state_dir, ".");
        assert_int_equal(READ("run", "--config", "/a/b.json", "--state-dir", "/s"), 0);
        assert_string_equal(options.state_dir, "/s");
        assert_int_equal(READ("status", "--state-dir", "/s"), 0);
        assert_string_equal(options.config, "/s/agent.json");
}

static void test_long_paths(void **state)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_options options;
        char path[MU_AGENT_PATH_BYTES + 1];

        (void)state;
        memset(path, 'x', sizeof(path));
        path[0] = '/';
        path[MU_AGENT_PATH_BYTES] = '\0';
        assert_int_equal(READ("run", "--config", path), -EINVAL);
        path[MU_AGENT_PATH_BYTES - 1] = '\0';
        assert_int_equal(READ("run", "--config", path), 0);
        assert_string_equal(options.config, path);
        assert_int_equal(READ("run", "--state-dir", path), -EINVAL); /* no room for the name */
}

/* ---- files with secrets ---- */

struct place {
        char directory[64];
        char path[96];
};

static struct place make_place(void)
{
        struct place place;

        (void)snprintf(place.directory, sizeof(place.directory), "/tmp/test_options.XXXXXX");
        assert_non_null(mkdtemp(place.directory));
        (void)snprintf(place.path, sizeof(place.path), "%s/agent.json", place.directory);
        return place;
}

static void remove_place(const struct place *place)
{
        (void)unlink(place->path);
        assert_int_equal(rmdir(place->directory), 0);
}

static void test_config_file(void **state)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES] = "";
        struct place place = make_place();
        struct stat info;
        char *text = NULL;
        size_t bytes = 0;

        (void)state;
        assert_int_equal(mu_config_file_read(place.path, &text, &bytes, sentence), -ENOENT);
        assert_non_null(strstr(sentence, "enrol"));
        assert_int_equal(mu_config_file_write(place.path, "{}", 2), 0);
        assert_int_equal(stat(place.path, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
        assert_int_equal(mu_config_file_read(place.path, &text, &bytes, sentence), 0);
        assert_int_equal(bytes, 2);
        assert_string_equal(text, "{}");
        free(text);
        static const mode_t MODES[] = {0640, 0604, 0620, 0602, 0610, 0601, 0666};

        for (size_t i = 0; i < MU_COUNT_OF(MODES); i++) {
                assert_int_equal(chmod(place.path, MODES[i]), 0);
                assert_int_equal(mu_config_file_read(place.path, &text, &bytes, sentence), -EACCES);
                assert_non_null(strstr(sentence, "chmod 600"));
        }
        assert_int_equal(mu_config_file_read(place.directory, &text, &bytes, sentence), -EACCES);
        remove_place(&place);
}

#define SECRET "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define DEVICE(id) "{\"server\":\"https://a.example\",\"device_id\":\"" id "\",\"token\":\"t\","
#define KEYS(more) "\"keys\":{\"current\":{\"version\":1,\"key\":\"" SECRET "\"}" more "},"
#define NEXT ",\"next\":{\"version\":2,\"key\":\"" SECRET "\"}"
#define POLICY(reboot) "\"policy\":{\"reboot\":" reboot "}}"

static void write_text(const struct place *place, const char *text)
{
        assert_int_equal(mu_config_file_write(place->path, text, strlen(text)), 0);
}

static struct mu_agent_config read_back(const struct place *place)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES] = "";
        struct mu_agent_config config;
        char *text = NULL;
        size_t bytes = 0;

        assert_int_equal(mu_config_file_read(place->path, &text, &bytes, sentence), 0);
        assert_int_equal(mu_agent_config_read(text, bytes, &config, sentence), 0);
        free(text);
        return config;
}

/* What an agent saves never takes back what the owner has written since it read the file. */
static void test_saved_beside_the_owners_changes(void **state)
{
        static const char OURS[] =
                DEVICE("7") KEYS(NEXT) "\"settings\":{\"auto_relaunch\":true}," POLICY("true");
        static const char OWNERS[] = DEVICE("7") KEYS("") POLICY("false");
        static const char OTHERS[] = DEVICE("8") KEYS("") POLICY("false");
        struct place place = make_place();

        (void)state;
        assert_int_equal(mu_config_file_save(place.path, OURS, strlen(OURS)), 0);
        write_text(&place, OWNERS);
        assert_int_equal(mu_config_file_save(place.path, OURS, strlen(OURS)), 0);
        struct mu_agent_config config = read_back(&place);

        assert_false(config.may_reboot);
        assert_int_equal(config.next.version, 2);
        assert_true(config.auto_relaunch);
        mu_agent_config_done(&config);
        /* Enrolled anew meanwhile, or half written. */
        write_text(&place, OTHERS);
        assert_int_equal(mu_config_file_save(place.path, OURS, strlen(OURS)), -ESTALE);
        config = read_back(&place);
        assert_int_equal(config.device_id, 8);
        mu_agent_config_done(&config);
        write_text(&place, "{");
        assert_int_equal(mu_config_file_save(place.path, OURS, strlen(OURS)), -EINVAL);
        remove_place(&place);
}

static void write_secret(const struct place *place, const char *text)
{
        FILE *file = fopen(place->path, "w");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void test_secret_file(void **state)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES] = "";
        struct place place = make_place();
        char *secret = NULL;

        (void)state;
        assert_int_equal(mu_secret_file_read(place.path, &secret, sentence), -ENOENT);
        assert_non_null(strstr(sentence, place.path));
        write_secret(&place, "token-1\r\nmore\n");
        assert_int_equal(mu_secret_file_read(place.path, &secret, sentence), 0);
        assert_string_equal(secret, "token-1");
        free(secret);
        write_secret(&place, "token-2");
        assert_int_equal(mu_secret_file_read(place.path, &secret, sentence), 0);
        assert_string_equal(secret, "token-2");
        free(secret);
        write_secret(&place, "\ntoken-3");
        assert_int_equal(mu_secret_file_read(place.path, &secret, sentence), -EINVAL);
        write_secret(&place, "");
        assert_int_equal(mu_secret_file_read(place.path, &secret, sentence), -EINVAL);
        remove_place(&place);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verbs),
                cmocka_unit_test(test_enroll),
                cmocka_unit_test(test_enroll_refused),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_long_paths),
                cmocka_unit_test(test_config_file),
                cmocka_unit_test(test_secret_file),
                cmocka_unit_test(test_saved_beside_the_owners_changes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
