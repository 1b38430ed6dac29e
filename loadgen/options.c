/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/parse_units.h"
#include "base/random.h"

#define SECRET_BYTES_MAX 1024u

enum kind {
        KIND_STRING,
        KIND_NUMBER,
        KIND_DURATION,
        KIND_FLAG,
};

struct option {
        const char *name;
        const char *argument; /* NULL for a flag */
        enum kind kind;
        size_t offset;
        uint64_t least, most;
        const char *help;
};

#define AT(field) offsetof(struct mu_lg_options, field)
#define STRING(name, argument, field, help)                                                        \
        {                                                                                          \
                name, argument, KIND_STRING, AT(field), 0, 0, help                                 \
        }
#define NUMBER(name, argument, field, least, most, help)                                           \
        {                                                                                          \
                name, argument, KIND_NUMBER, AT(field), least, most, help                          \
        }
#define DURATION(name, field, help)                                                                \
        {                                                                                          \
                name, "TIME", KIND_DURATION, AT(field), 0, 0, help                                 \
        }
#define FLAG(name, field, help)                                                                    \
        {                                                                                          \
                name, NULL, KIND_FLAG, AT(field), 0, 0, help                                       \
        }
#define SECTION(title)                                                                             \
        {                                                                                          \
                NULL, NULL, KIND_FLAG, 0, 0, 0, title                                              \
        }

static const struct option options_table[] = {
        SECTION("Where"),
        STRING("url", "URL", url,
               "the server (MUSTER_URL; http://127.0.0.1:8080); https:// speaks TLS"),
        FLAG("insecure", insecure, "accept any certificate (a server of your own, self-signed)"),
        STRING("cafile", "PEM", ca_file, "trust these authorities instead of the system's"),
        STRING("admin-key-file", "FILE", admin_key_file,
               "key for registering and verifying (MUSTER_ADMIN_KEY, or the data directory's)"),
        STRING("enrolment-token-file", "FILE", enrolment_token_file,
               "register with this enrolment token instead of the admin key"),
        SECTION("Who"),
        NUMBER("devices", "N", devices_count, 1, MU_LG_DEVICES_MAX, "simulated devices (2000)"),
        STRING("devices-file", "FILE", devices_file,
               "keeps their identities between runs (in MUSTER_DATA_DIR); `none` keeps nothing"),
        FLAG("fresh", fresh, "register new devices even if the file has some"),
        SECTION("What"),
        NUMBER("connections", "N", connections_count, 1, 1000000,
               "at most so many at once (flood 256, backlog 64, malformed 32, else as needed)"),
        NUMBER("threads", "N", threads_count, 1, MU_LG_THREADS_MAX, "threads of the generator (1)"),
        NUMBER("rate", "PER_SECOND", rate, 1, 100000000, "flood: a fixed rate, open loop"),
        DURATION("duration", duration_ns,
                 "how long to send (steady 10m, compressed 1m, flood 10s, malformed 20s)"),
        NUMBER("count", "N", count, 1, UINT64_MAX / 2, "stop after so many heartbeats"),
        DURATION("interval", interval_ns, "steady, compressed: between heartbeats (5m)"),
        NUMBER("speed", "N", speed, 1, 100000, "compressed: so many times faster (60)"),
        DURATION("window", window_ns, "storm: all devices come within this (1s)"),
        NUMBER("rounds", "N", rounds_count, 1, 60000, "storm: how often (1)"),
        DURATION("round-gap", round_gap_ns,
                 "storm: from one round to the next, at least 10s (10s)"),
        NUMBER("backlog-items", "N", backlog_items_count, 1, 50000,
               "backlog: queued heartbeats per device (500)"),
        FLAG("keep-alive", keep_alive,
             "steady, compressed, storm: devices keep their connection (else one per heartbeat)"),
        FLAG("channels", channels,
             "devices also hold a WebSocket, acknowledge and answer commands (http:// only)"),
        DURATION("timeout", timeout_ns, "an answer must be complete within this (10s)"),
        DURATION("slow-deadline", slow_deadline_ns,
                 "malformed: a slow or silent client must be cut off within this (35s)"),
        NUMBER("seed", "N", seed, 0, UINT64_MAX, "of all random choices (a new one each run)"),
        SECTION("Judging"),
        FLAG("verify", verify, "compare what was acknowledged with what PostgreSQL holds"),
        DURATION("verify-deadline", verify_deadline_ns,
                 "how long the server may take to store the rest (2m)"),
        STRING("database-url", "URL", database_url,
               "verify straight from PostgreSQL, not over HTTP; `env` takes MUSTER_DATABASE_URL"),
        STRING("slo", "TERMS", slo,
               "e.g. 'p99<10ms,p99.9<50ms,shed=0,errors=0,rate>=67000,lost=0'; decides the exit "
               "code"),
        SECTION("Reporting"),
        STRING("report", "FILE", report_file, "one self-contained HTML page with charts"),
        STRING("json", "FILE", json_file,
               "everything measured, for programs; - is standard output"),
        STRING("metrics-url", "URL", metrics_url,
               "where /metrics is, if not at --url; `none` leaves it alone"),
        STRING("pids", "NAME=PID,...", pids,
               "add these local processes' CPU time, e.g. postgres=812 (with children)"),
        STRING("title", "TEXT", title, "heading of the report"),
        FLAG("quiet", quiet, "no progress, no table; the verdict alone"),
};

static const struct {
        const char *name;
        enum mu_lg_scenario_id id;
        const char *help;
} scenarios[] = {
        {"steady", MU_LG_STEADY, "each device every 5 minutes, or when the server says"},
        {"compressed", MU_LG_COMPRESSED,
         "the same with the devices' clocks running --speed times faster"},
        {"storm", MU_LG_STORM, "all devices connect within a second and report at once"},
        {"flood", MU_LG_FLOOD, "as fast as --connections go (closed loop), or --rate (open loop)"},
        {"backlog", MU_LG_BACKLOG, "each device drains a queue in batches"},
        {"malformed", MU_LG_MALFORMED, "bad input of every kind, between good heartbeats"},
        {"register", MU_LG_REGISTER, "register the devices and stop"},
};

static void print_help(void)
{
        printf("muster-loadgen: simulated devices for a Muster appliance.\n\n"
               "  muster-loadgen SCENARIO [options]\n\nScenarios\n");
        for (size_t i = 0; i < MU_COUNT_OF(scenarios); i++)
                printf("  %-12s %s\n", scenarios[i].name, scenarios[i].help);
        for (size_t i = 0; i < MU_COUNT_OF(options_table); i++) {
                const struct option *option = &options_table[i];
                char left[48];

                if (!option->name) {
                        printf("\n%s\n", option->help);
                        continue;
                }
                snprintf(left, sizeof(left), "--%s%s%s", option->name, option->argument ? " " : "",
                         option->argument ? option->argument : "");
                printf("  %-29s %s\n", left, option->help);
        }
        printf("\nTIME is a number with a unit: 300ms, 10s, 5m, 1h.\n\n"
               "Exit codes\n"
               "  0  everything asked for holds\n"
               "  1  an --slo term does not hold, or an answer was not what `malformed` expects\n"
               "  2  usage: an option is wrong\n"
               "  3  acknowledged heartbeats are not stored: data was lost\n"
               "  4  the load could not be run (server unreachable, registration refused, ...)\n"
               "  5  could not verify (everything else held)\n"
               "  130  interrupted twice\n\n"
               "Examples\n"
               "  muster-loadgen flood --verify --report flood.html\n"
               "  muster-loadgen flood --rate 20000 --duration 1m --slo 'p99<10ms,shed=0'\n"
               "  muster-loadgen storm --devices 2000 --slo 'p99<10ms,p99.9<50ms,errors=0'\n");
}

MU_PRINTF(1, 2)
static int usage(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        fputs("muster-loadgen: ", stderr);
        vfprintf(stderr, format, args);
        fputs(" (muster-loadgen --help lists everything)\n", stderr);
        va_end(args);
        return -EINVAL;
}

static const struct option *find_option(const char *name, size_t bytes)
{
        for (size_t i = 0; i < MU_COUNT_OF(options_table); i++) {
                const char *known = options_table[i].name;

                if (known && strlen(known) == bytes && memcmp(known, name, bytes) == 0)
                        return &options_table[i];
        }
        return NULL;
}

static int set_option(struct mu_lg_options *options, const struct option *option, const char *value)
{
        char *field = (char *)options + option->offset;
        struct mu_parse_reason reason = {0};

        switch (option->kind) {
        case KIND_FLAG:
                *(bool *)field = true;
                return 0;
        case KIND_STRING:
                *(const char **)field = value;
                return 0;
        case KIND_NUMBER:
                if (mu_parse_number(value, option->least, option->most, (uint64_t *)field,
                                    &reason) < 0)
                        return usage("--%s: %s", option->name, reason.text);
                return 0;
        case KIND_DURATION:
                if (mu_parse_duration_ns(value, (uint64_t *)field, &reason) < 0)
                        return usage("--%s: %s", option->name, reason.text);
                return 0;
        }
        return -EINVAL;
}

static int set_scenario(struct mu_lg_options *options, const char *name)
{
        if (options->scenario_name)
                return usage("two scenarios, %s and %s: one at a time", options->scenario_name,
                             name);
        for (size_t i = 0; i < MU_COUNT_OF(scenarios); i++) {
                if (strcmp(scenarios[i].name, name) == 0) {
                        options->scenario = scenarios[i].id;
                        options->scenario_name = scenarios[i].name;
                        return 0;
                }
        }
        return usage("there is no scenario %s: steady, compressed, storm, flood, backlog, "
                     "malformed or register",
                     name);
}

static int parse_arguments(struct mu_lg_options *options, int argc, char **argv)
{
        for (int i = 1; i < argc; i++) {
                const char *argument = argv[i];

                if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
                        print_help();
                        return 1;
                }
                if (strcmp(argument, "--version") == 0) {
                        puts("muster-loadgen " MUSTER_VERSION);
                        return 1;
                }
                if (strncmp(argument, "--", 2) != 0) {
                        int r = set_scenario(options, argument);

                        if (r < 0)
                                return r;
                        continue;
                }
                size_t name_bytes = strcspn(argument + 2, "=");
                const char *value =
                        argument[2 + name_bytes] == '=' ? argument + 3 + name_bytes : NULL;
                int r;

                if (name_bytes == 8 && strncmp(argument + 2, "scenario", 8) == 0) {
                        if (!value && ++i < argc)
                                value = argv[i];
                        r = value ? set_scenario(options, value) : usage("--scenario names none");
                } else {
                        const struct option *option = find_option(argument + 2, name_bytes);

                        if (!option)
                                return usage("there is no option %s", argument);
                        if (option->kind == KIND_FLAG && value)
                                return usage("--%s takes no value", option->name);
                        if (option->kind != KIND_FLAG && !value) {
                                if (++i == argc)
                                        return usage("--%s needs a value: %s", option->name,
                                                     option->argument);
                                value = argv[i];
                        }
                        r = set_option(options, option, value);
                }
                if (r < 0)
                        return r;
        }
        return options->scenario_name ? 0 : usage("no scenario given, for instance `flood`");
}

static const char *data_dir(void)
{
        const char *dir = getenv("MUSTER_DATA_DIR");

        return dir && *dir ? dir : "./var";
}

static int read_secret(const char *path, char **ret_secret)
{
        char *text;
        int r = mu_fs_read_file(path, SECRET_BYTES_MAX, &text, NULL);

        if (r < 0)
                return r;
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0] == '\0') {
                free(text);
                return -ENODATA;
        }
        *ret_secret = text;
        return 0;
}

/* Secrets come from files or the environment, never from the command line, which ps shows. */
static int find_credential(struct mu_lg_options *options)
{
        const char *named = options->enrolment_token_file ? options->enrolment_token_file
                                                          : options->admin_key_file;
        const char *from_environment = getenv("MUSTER_ADMIN_KEY");
        char path[4096];
        int r;

        options->credential_header =
                options->enrolment_token_file ? "X-Enrolment-Token" : "X-Admin-Key";
        if (named) {
                r = read_secret(named, &options->credential);
                return r < 0 ? usage("cannot read a key from %s: %s", named, strerror(-r)) : 0;
        }
        if (from_environment && *from_environment) {
                options->credential = strdup(from_environment);
                return options->credential ? 0 : -ENOMEM;
        }
        snprintf(path, sizeof(path), "%s/secrets/admin-key", data_dir());
        r = read_secret(path, &options->credential);
        return r == -ENOMEM ? r : 0; /* reusing devices needs no key: missed later, if at all */
}

static int place_devices_file(struct mu_lg_options *options)
{
        struct stat status;

        if (options->devices_file) {
                if (strcmp(options->devices_file, "none") == 0)
                        options->devices_file = "";
                return 0;
        }
        options->devices_file = "";
        if (stat(data_dir(), &status) < 0 || !S_ISDIR(status.st_mode) ||
            access(data_dir(), W_OK) < 0)
                return 0;
        if (asprintf(&options->devices_file_default, "%s/loadgen-devices", data_dir()) < 0)
                return -ENOMEM;
        options->devices_file = options->devices_file_default;
        return 0;
}

static int fill_defaults(struct mu_lg_options *options)
{
        static char url[64]; /* filled once, before any thread */
        const char *from_environment = getenv("MUSTER_URL");
        const char *port = getenv("MUSTER_HTTP_PORT");

        if (!options->url && from_environment && *from_environment)
                options->url = from_environment;
        if (!options->url) {
                snprintf(url, sizeof(url), "http://127.0.0.1:%.5s", port && *port ? port : "8080");
                options->url = url;
        }
        if (options->duration_ns == 0 && options->count == 0) {
                if (options->scenario == MU_LG_STEADY)
                        options->duration_ns = 600000000000u;
                else if (options->scenario == MU_LG_COMPRESSED)
                        options->duration_ns = 60000000000u;
                else if (options->scenario == MU_LG_FLOOD)
                        options->duration_ns = 10000000000u;
                else if (options->scenario == MU_LG_MALFORMED)
                        options->duration_ns = 20000000000u;
        }
        if (options->database_url && strcmp(options->database_url, "env") == 0) {
                options->database_url = getenv("MUSTER_DATABASE_URL");
                if (!options->database_url)
                        return usage("--database-url env: MUSTER_DATABASE_URL is not set");
        }
        if (options->rate && options->scenario != MU_LG_FLOOD)
                return usage("--rate belongs to flood; the others have a pace of their own");
        if (options->scenario == MU_LG_STORM && options->round_gap_ns < 10000000000u)
                return usage("--round-gap below 10s: heartbeats of one 10-second bucket are "
                             "duplicates");
        if (options->interval_ns == 0 || options->timeout_ns == 0)
                return usage("--interval and --timeout must be above zero");
        if (options->threads_count > options->devices_count)
                return usage("more threads than devices");
        return 0;
}

int mu_lg_options_parse(int argc, char **argv, struct mu_lg_options *ret_options)
{
        struct mu_lg_options options = {
                .threads_count = 1,
                .devices_count = 2000,
                .interval_ns = 300000000000u,
                .speed = 60,
                .window_ns = 1000000000u,
                .rounds_count = 1,
                .round_gap_ns = 10000000000u,
                .backlog_items_count = 500,
                .timeout_ns = 10000000000u,
                .verify_deadline_ns = 120000000000u,
                .slow_deadline_ns = 35000000000u,
        };
        int r = mu_random_secret(&options.seed, sizeof(options.seed));

        if (r == 0)
                r = parse_arguments(&options, argc, argv);
        if (r == 0)
                r = fill_defaults(&options);
        if (r == 0)
                r = find_credential(&options);
        if (r == 0)
                r = place_devices_file(&options);
        if (r != 0) {
                mu_lg_options_done(&options);
                return r;
        }
        *ret_options = options;
        return 0;
}

void mu_lg_options_done(struct mu_lg_options *options)
{
        free(options->credential);
        free(options->devices_file_default);
        options->credential = NULL;
        options->devices_file_default = NULL;
}
