/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "scratch.h"

#define MINUTE_NS UINT64_C(60000000000)
#define DAY_NS (1440 * MINUTE_NS)

/* The sources of one start. */
struct sources {
        const char *file; /* text; NULL: none */
        const char *environment[8];
        const char *flags[8];
};

struct loaded {
        int code;
        struct mu_config config;
        enum mu_config_action action;
        char error[MU_CONFIG_ERROR_BYTES];
};

static struct loaded load(void **state, struct sources sources)
{
        const char *path = scratch_path(state, "muster.conf");
        char *arguments[16] = {(char *)(uintptr_t) "musterd"};
        char *environment[16] = {NULL};
        struct loaded loaded = {.error = ""};
        int count = 1;

        for (size_t i = 0; i < 8 && sources.environment[i]; i++)
                environment[i] = (char *)(uintptr_t)sources.environment[i];
        if (sources.file) {
                assert_int_equal(mu_fs_write_file(path, sources.file, strlen(sources.file), 0600),
                                 0);
                arguments[count++] = (char *)(uintptr_t) "--config";
                arguments[count++] = (char *)(uintptr_t)path;
        }
        for (size_t i = 0; i < 8 && sources.flags[i]; i++)
                arguments[count++] = (char *)(uintptr_t)sources.flags[i];
        loaded.code = mu_config_load(count, arguments, environment, &loaded.config, &loaded.action,
                                     loaded.error);
        return loaded;
}

#define LOAD(...) load(state, (struct sources){__VA_ARGS__})

static struct loaded good(struct loaded loaded)
{
        if (loaded.code < 0)
                fail_msg("%s", loaded.error);
        return loaded;
}

/* Refused with a sentence that has all of these. */
static void refused(struct loaded loaded, const char *first, const char *second)
{
        if (loaded.code == 0)
                fail_msg("accepted, but should have said: %s … %s", first, second);
        assert_int_equal(loaded.code, -EINVAL);
        if (!strstr(loaded.error, first) || !strstr(loaded.error, second))
                fail_msg("'%s' has not '%s' and '%s'", loaded.error, first, second);
}

static char *printed(void (*print)(const struct mu_config *, FILE *),
                     const struct mu_config *config)
{
        char *text = NULL;
        size_t bytes = 0;
        FILE *to = open_memstream(&text, &bytes);

        assert_non_null(to);
        if (print)
                print(config, to);
        else
                mu_config_print_help(to);
        assert_int_equal(fclose(to), 0);
        return text;
}

/* ---- sources ---- */

static void defaults(void **state)
{
        struct loaded loaded = good(LOAD(.file = NULL));

        assert_int_equal(loaded.action, MU_CONFIG_RUN);
        assert_int_equal(loaded.config.tls_port, 8443);
        assert_int_equal(loaded.config.http_port, 8080);
        assert_string_equal(loaded.config.data_dir, "./var");
        assert_string_equal(loaded.config.database_url, "");
        assert_int_equal(loaded.config.journal_segment, 64 << 20);
        assert_int_equal(loaded.config.ingest_heartbeat_interval, 5 * MINUTE_NS);
        assert_int_equal(loaded.config.retention_heartbeats, 90 * DAY_NS);
        mu_config_done(&loaded.config);
}

static void later_sources_win(void **state)
{
        const char *file = "[data]\ndir = file\n[journal]\ntail = 5MiB\n[tls]\nport=1\n";
        struct loaded loaded = good(LOAD(.file = file));

        assert_string_equal(loaded.config.data_dir, "file");
        assert_int_equal(loaded.config.journal_tail, 5 << 20);
        assert_int_equal(loaded.config.tls_port, 1);
        mu_config_done(&loaded.config);

        loaded = good(LOAD(.file = file, .environment = {"HOME=/", "MUSTER_DATA_DIR=environment",
                                                         "MUSTER_TLS_PORT=2"}));
        assert_string_equal(loaded.config.data_dir, "environment");
        assert_int_equal(loaded.config.journal_tail, 5 << 20);
        assert_int_equal(loaded.config.tls_port, 2);
        mu_config_done(&loaded.config);

        loaded = good(LOAD(.file = file,
                           .environment = {"MUSTER_DATA_DIR=environment", "MUSTER_TLS_PORT=2"},
                           .flags = {"--tls-port=3", "--data-dir", "flag"}));
        assert_string_equal(loaded.config.data_dir, "flag");
        assert_int_equal(loaded.config.tls_port, 3);
        mu_config_done(&loaded.config);
}

static void where_the_file_is(void **state)
{
        const char *path = scratch_path(state, "by-environment.conf");
        char variable[5000];

        assert_int_equal(mu_fs_write_file(path, "[tls]\nport = 7\n", 15, 0600), 0);
        (void)snprintf(variable, sizeof(variable), "MUSTER_CONFIG=%s", path);
        struct loaded loaded = good(LOAD(.environment = {variable}));

        assert_int_equal(loaded.config.tls_port, 7);
        mu_config_done(&loaded.config);
        loaded = good(LOAD(.file = "[tls]\nport = 9\n", .environment = {variable}));
        assert_int_equal(loaded.config.tls_port, 9);
        mu_config_done(&loaded.config);
        refused(LOAD(.flags = {"--config", "/none/muster.conf"}), "/none/muster.conf",
                "can't be read: No such file");
        refused(LOAD(.flags = {"--config", *state}), *state, "can't be read: Is a directory");
}

static void short_names(void **state)
{
        struct loaded loaded =
                good(LOAD(.environment = {"MUSTER_PORT=1111", "MUSTER_HTTP_PORT=2222"}));

        assert_int_equal(loaded.config.tls_port, 1111);
        assert_int_equal(loaded.config.http_port, 2222);
        mu_config_done(&loaded.config);
        loaded = good(LOAD(.environment = {"MUSTER_PORT=1111"}, .flags = {"--port", "3333"}));
        assert_int_equal(loaded.config.tls_port, 3333);
        mu_config_done(&loaded.config);
}

static void actions(void **state)
{
        static const struct {
                const char *flag;
                enum mu_config_action action;
        } known[] = {{"--check-config", MU_CONFIG_CHECK},
                     {"--help", MU_CONFIG_HELP},
                     {"-h", MU_CONFIG_HELP},
                     {"--version", MU_CONFIG_VERSION}};

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                struct loaded loaded = good(LOAD(.flags = {known[i].flag}));

                assert_int_equal(loaded.action, known[i].action);
                mu_config_done(&loaded.config);
        }
        /* Help is given whatever the configuration is like; a check is not. */
        struct loaded loaded =
                good(LOAD(.environment = {"MUSTER_TLS_PORT=x"}, .flags = {"--help"}));

        assert_int_equal(loaded.action, MU_CONFIG_HELP);
        mu_config_done(&loaded.config);
        refused(LOAD(.environment = {"MUSTER_TLS_PORT=x"}, .flags = {"--check-config"}),
                "MUSTER_TLS_PORT", "not a whole number");
}

/* ---- what is refused ---- */

static void unknown_names(void **state)
{
        refused(LOAD(.file = "[journal]\ntale = 5MiB\n"), "muster.conf line 2: ",
                "there is no setting journal.tale; did you mean journal.tail?");
        refused(LOAD(.file = "[jurnal]\ntail = 5MiB\n"), "line 2", "journal.tail");
        refused(LOAD(.file = "port = 5\n"), "line 1", "there is no setting .port");
        refused(LOAD(.environment = {"MUSTER_JOURNAL_TALE=5MiB"}),
                "There is no setting MUSTER_JOURNAL_TALE", "did you mean MUSTER_JOURNAL_TAIL?");
        refused(LOAD(.environment = {"MUSTER_JURNAL_TAIL=5MiB"}), "MUSTER_JURNAL_TAIL",
                "did you mean MUSTER_JOURNAL_TAIL?");
        refused(LOAD(.environment = {"MUSTER_PROT=1"}), "MUSTER_PROT", "MUSTER_PORT?");
        refused(LOAD(.environment = {"MUSTER_tls_port=1"}), "MUSTER_tls_port", "MUSTER_TLS_PORT?");
        refused(LOAD(.environment = {"MUSTER_JOURNAL_"
                                     "A_NAME_THAT_GOES_ON_AND_ON_AND_ON_AND_ON_AND_ON_AND_ON=1"}),
                "There is no setting MUSTER_JOURNAL_A_NAME", "did you mean");
        refused(LOAD(.flags = {"--journal-tale", "5MiB"}), "There is no option --journal-tale",
                "did you mean --journal-tail?");
        refused(LOAD(.flags = {"--porf", "5"}), "--porf", "--port?");
        refused(LOAD(.flags = {"stray"}), "There is no option stray", "--help");
        refused(LOAD(.flags = {"--tls_port=1"}), "--tls_port", "--tls-port?");
}

/* Other programs' variables, and the launcher's and the tests' own. */
static void variables_of_others(void **state)
{
        struct loaded loaded = good(
                LOAD(.environment = {"MUSTER_JOBS=4", "MUSTER_FAILPOINTS=", "MUSTER_PYTHON=python3",
                                     "MUSTER_BIN_DIR=/x", "MUSTERD_X=1", "MUSTER_OF_THE_GUARD=9"}));

        mu_config_done(&loaded.config);
}

static void wrong_values(void **state)
{
        refused(LOAD(.file = "[tls]\nport = 65536\n"), "tls.port: 65536", "0..65535");
        refused(LOAD(.file = "\n\n[tls]\nport =\n"), "line 4: tls.port", "not a whole number");
        refused(LOAD(.environment = {"MUSTER_JOURNAL_TAIL=4194303"}), "MUSTER_JOURNAL_TAIL",
                "must be from 4MiB to 16GiB");
        refused(LOAD(.environment = {"MUSTER_JOURNAL_TAIL=17179869185"}), "MUSTER_JOURNAL_TAIL",
                "must be from 4MiB");
        refused(LOAD(.flags = {"--journal-tail=5MB"}), "--journal-tail", "unknown unit 'MB'");
        refused(LOAD(.flags = {"--ingest-window-back=7"}), "--ingest-window-back", "has no unit");
        refused(LOAD(.flags = {"--ingest-window-back=59s"}), "--ingest-window-back",
                "must be from 1m to 365d");
        refused(LOAD(.flags = {"--data-dir="}), "--data-dir", "must have 1 to 4000 characters");
        refused(LOAD(.flags = {"--data-dir"}), "--data-dir wants a value", ".");
        refused(LOAD(.flags = {"--data-dir", "--tls-port=5"}), "--data-dir wants a value", ".");
        refused(LOAD(.flags = {"--config"}), "--config wants a value", ".");
        refused(LOAD(.file = "[tls]\nport = 8443 # not a comment here\n"), "tls.port",
                "after the number");
}

static void at_the_bounds(void **state)
{
        struct loaded loaded = good(
                LOAD(.flags = {"--tls-port=65535", "--journal-tail=4MiB",
                               "--ingest-window-ahead=1s", "--tls-address=x", "--http-port=0"}));

        assert_int_equal(loaded.config.tls_port, 65535);
        assert_int_equal(loaded.config.journal_tail, 4 << 20);
        mu_config_done(&loaded.config);
        loaded = good(LOAD(.flags = {"--tls-port=0", "--http-port=0", "--journal-tail=16GiB"}));
        mu_config_done(&loaded.config);
}

static void what_must_fit_together(void **state)
{
        refused(LOAD(.flags = {"--tls-key=k"}), "tls.certificate and tls.key", "both or neither");
        refused(LOAD(.flags = {"--tls-certificate=c"}), "tls.certificate", "both or neither");
        refused(LOAD(.flags = {"--retention-heartbeats=8d"}), "retention.heartbeats", "2 days");
        refused(LOAD(.flags = {"--ingest-window-back=89d"}), "retention.heartbeats", "2 days");
        refused(LOAD(.flags = {"--ingest-ring=3MiB"}), "ingest.ring", "power of two");
        refused(LOAD(.flags = {"--ingest-dedupe-entries=5000"}), "ingest.dedupe_entries",
                "power of two");
        refused(LOAD(.flags = {"--journal-segment=1048577"}), "journal.segment", "1MiB");
        refused(LOAD(.flags = {"--backup-at=24:00"}), "backup.at", "03:30");
        refused(LOAD(.flags = {"--backup-at=3:30"}), "backup.at", "03:30");
        refused(LOAD(.flags = {"--backup-offsite-key=/a key"}), "backup.offsite_key", "space");
        refused(LOAD(.flags = {"--journal-capacity=255MiB"}), "journal.capacity", "4 segments");
        refused(LOAD(.flags = {"--journal-io=posix"}), "journal.io", "auto, uring or plain");
        refused(LOAD(.flags = {"--database-connections=8", "--control-workers=5"}),
                "database.connections", "writer.count + control.workers");
        refused(LOAD(.flags = {"--tls-port=8080"}), "tls.port and http.port", "differ");
        refused(LOAD(.flags = {"--log-level=verbose"}), "log.level",
                "debug, info, warning or error");
        struct loaded loaded =
                good(LOAD(.flags = {"--retention-heartbeats=9d", "--journal-capacity=256MiB",
                                    "--tls-key=k", "--tls-certificate=c", "--log-level=debug"}));

        mu_config_done(&loaded.config);
}

/* ---- the file's fine print ---- */

static void file_format(void **state)
{
        struct loaded loaded = good(LOAD(.file = "# a comment\n; another\n\n"
                                                 "[tls] ; here too\n"
                                                 "  port = 5   ; and here\r\n"
                                                 "\taddress = ::1\n"
                                                 "[http]\nport: 6\n"
                                                 "[data]\ndir = a # b=c [d]\n"
                                                 "[tls]\nport = 7"));

        assert_int_equal(loaded.config.tls_port, 7); /* the later line, a section opened again */
        assert_string_equal(loaded.config.tls_address, "::1"); /* indented: not more of the port */
        assert_int_equal(loaded.config.http_port, 6);
        assert_string_equal(loaded.config.data_dir, "a # b=c [d]");
        mu_config_done(&loaded.config);
        refused(LOAD(.file = "[tls]\nnonsense\nport = 5\n"), "line 2", "neither [section] nor key");
        refused(LOAD(.file = "[tls\nport = 5\n"), "line 1", "neither [section] nor key");
        /* The first mistake is the one that is told, whatever its kind. */
        refused(LOAD(.file = "[tls]\nnonsense\nport = x\n"), "line 2", "neither");
        refused(LOAD(.file = "[tls]\nport = x\nnonsense\n"), "line 2", "tls.port");
}

static void long_lines(void **state)
{
        char file[700];
        char url[600];

        memset(url, 'x', sizeof(url));
        (void)snprintf(file, sizeof(file), "[tls]\nport = 5\n[database]\nurl = %.500s\n", url);
        refused(LOAD(.file = file), "line 4: this line is longer", "environment variable or flag");
        assert_null(strstr(LOAD(.file = file).error, "xxx"));
        (void)snprintf(file, sizeof(file), "[database]\nurl = %.180s\n", url);
        struct loaded loaded = good(LOAD(.file = file));

        assert_int_equal(strlen(loaded.config.database_url), 180);
        mu_config_done(&loaded.config);
        (void)snprintf(file, sizeof(file), "[database]\nurl = %.180s", url); /* no newline */
        loaded = good(LOAD(.file = file));
        assert_int_equal(strlen(loaded.config.database_url), 180);
        mu_config_done(&loaded.config);
}

/* ---- what is shown ---- */

static void help_is_a_file(void **state)
{
        char *help = printed(NULL, NULL);
        char *shown = strdup(help);
        char *at = shown;

        /* With every "#key = value" in force it still says the defaults. */
        for (char *line = strtok_r(help, "\n", &at); line; line = strtok_r(NULL, "\n", &at))
                if (line[0] == '#' && line[1] != ' ' && line[1] != '\0')
                        line[0] = ' ';
        for (char *end = help + strlen(shown); --end > help;)
                if (*end == '\0')
                        *end = '\n';
        struct loaded from_help = good(LOAD(.file = help));
        struct loaded from_nothing = good(LOAD(.file = NULL));
        struct loaded as_it_is = good(LOAD(.file = shown));
        char *one = printed(mu_config_print, &from_help.config);
        char *two = printed(mu_config_print, &from_nothing.config);
        char *three = printed(mu_config_print, &as_it_is.config);

        assert_string_equal(one, two);
        assert_string_equal(three, two);
        assert_non_null(strstr(one, "journal.segment = 64MiB\n"));
        assert_non_null(strstr(one, "tls.port = 8443\n"));
        assert_non_null(strstr(one, "retention.heartbeats = 90d\n"));
        free(one);
        free(two);
        free(three);
        free(help);
        free(shown);
        mu_config_done(&from_help.config);
        mu_config_done(&from_nothing.config);
        mu_config_done(&as_it_is.config);
}

static void passwords_are_not_shown(void **state)
{
        static const char *const urls[] = {
                "postgres://user:SECRET@db.example:5432/muster",
                "postgres://user:SEC@SECRET@db.example/muster",
                "postgresql://db.example/muster?user=u&password=SECRET",
                "postgresql://db.example/muster?pass%77ord=SECRET",
                "host=db.example password=SECRET dbname=muster",
                "host=db.example password = 'SECRET'",
                "host=db.example sslpassword=SECRET",
        };

        for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
                char flag[256];

                (void)snprintf(flag, sizeof(flag), "--database-url=%s", urls[i]);
                struct loaded loaded = good(LOAD(.flags = {flag}));
                char *text = printed(mu_config_print, &loaded.config);

                assert_string_equal(loaded.config.database_url, urls[i]);
                assert_null(strstr(text, "SEC"));
                free(text);
                mu_config_done(&loaded.config);
                (void)snprintf(flag, sizeof(flag), "--databse-url=%s", urls[i]);
                assert_null(strstr(LOAD(.flags = {flag}).error, "SEC"));
        }
        struct loaded loaded = good(LOAD(.flags = {"--database-url=postgres://u:p@db:5/muster"}));
        char *text = printed(mu_config_print, &loaded.config);

        assert_non_null(strstr(text, "database.url = postgres://(user not shown)@db:5/muster\n"));
        free(text);
        mu_config_done(&loaded.config);
}

#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SCRATCH(defaults),
                SCRATCH(later_sources_win),
                SCRATCH(where_the_file_is),
                SCRATCH(short_names),
                SCRATCH(actions),
                SCRATCH(unknown_names),
                SCRATCH(variables_of_others),
                SCRATCH(wrong_values),
                SCRATCH(at_the_bounds),
                SCRATCH(what_must_fit_together),
                SCRATCH(file_format),
                SCRATCH(long_lines),
                SCRATCH(help_is_a_file),
                SCRATCH(passwords_are_not_shown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
