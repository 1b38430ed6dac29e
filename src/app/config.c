/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/name_distance.h"
#include "base/parse_units.h"

/* clang-format off */
struct option {
        const char *section;
        const char *key;
        enum mu_option_type type;
        const char *initial;
        uint64_t least; /* of the value; of the length for text */
        uint64_t most;
        bool reloadable;
        const char *help;
        size_t offset;
};

static const struct option options[] = {
#define MU_OPTION(section, key, type, initial, least, most, reload, help)                          \
        {#section, #key, MU_OPTION_##type, initial, least, most, reload, help,                     \
         offsetof(struct mu_config, section##_##key)},
#include "app/config_options.h"
#undef MU_OPTION
};
/* clang-format on */

/* Names that are shorter than the rule makes them. */
static const struct {
        const char *environment;
        const char *flag;
        const char *section;
        const char *key;
} aliases[] = {
        {"MUSTER_PORT", "port", "tls", "port"},
};

static void *field_of(struct mu_config *config, const struct option *option)
{
        return (char *)config + option->offset;
}

static const void *field_of_const(const struct mu_config *config, const struct option *option)
{
        return (const char *)config + option->offset;
}

/* ---- suggestions ---- */

enum {
        NAME_BYTES_MAX = MU_NAME_CHARS_MAX,
        TYPO_CHARS = 2,
        HELP_COLUMNS = 96,
};

/* "section<separator>key" of an option, in the case that the source writes names in. */
static void name_of(const struct option *option, const char *prefix, char separator, bool upper,
                    char name[NAME_BYTES_MAX])
{
        (void)snprintf(name, NAME_BYTES_MAX, "%s%s%c%s", prefix, option->section, separator,
                       option->key);
        for (char *at = name + strlen(prefix); *at; at++) {
                if (upper)
                        *at = (char)toupper((unsigned char)*at);
                else if (separator == '-' && *at == '_')
                        *at = '-';
        }
}

static void nearer(const char *given, const char *name, size_t *best, char nearest[NAME_BYTES_MAX])
{
        size_t differs = mu_name_distance(given, name);

        if (differs >= *best)
                return;
        *best = differs;
        (void)snprintf(nearest, NAME_BYTES_MAX, "%s", name);
}

/* The nearest name as the source would write it; the number of letters that differ. */
static size_t suggest(const char *prefix, char separator, bool upper, const char *given,
                      char nearest[NAME_BYTES_MAX])
{
        size_t best = SIZE_MAX;

        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                char name[NAME_BYTES_MAX];

                name_of(&options[i], prefix, separator, upper, name);
                nearer(given, name, &best, nearest);
        }
        for (size_t i = 0; i < MU_COUNT_OF(aliases); i++) {
                char name[NAME_BYTES_MAX];

                (void)snprintf(name, sizeof(name), "--%s", aliases[i].flag);
                if (upper)
                        nearer(given, aliases[i].environment, &best, nearest);
                else if (separator == '-')
                        nearer(given, name, &best, nearest);
        }
        return best;
}

/* ---- one value ---- */

static int refuse(char *error, const char *source, const char *reason)
{
        (void)snprintf(error, MU_CONFIG_ERROR_BYTES, "%.200s: %.250s", source, reason);
        return -EINVAL;
}

static int check_range(const struct option *option, uint64_t value, struct mu_parse_reason *reason)
{
        char least[MU_FORMAT_UNITS_BYTES];
        char most[MU_FORMAT_UNITS_BYTES];

        if (value >= option->least && value <= option->most)
                return 0;
        if (option->type == MU_OPTION_BYTES) {
                mu_format_bytes(option->least, least);
                mu_format_bytes(option->most, most);
        } else {
                mu_format_duration_ns(option->least, least);
                mu_format_duration_ns(option->most, most);
        }
        (void)snprintf(reason->text, sizeof(reason->text), "must be from %s to %s", least, most);
        return -ERANGE;
}

static int set_text(const struct option *option, const char *value, char **field,
                    struct mu_parse_reason *reason)
{
        size_t chars = strlen(value);

        if (chars < option->least || chars > option->most) {
                (void)snprintf(reason->text, sizeof(reason->text),
                               "must have %llu to %llu characters",
                               (unsigned long long)option->least, (unsigned long long)option->most);
                return -ERANGE;
        }
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

/* source: how the user wrote it down, for the error sentence. */
static int set(struct mu_config *config, const struct option *option, const char *value,
               const char *source, char *error)
{
        struct mu_parse_reason reason = {{0}};
        void *field = field_of(config, option);
        uint64_t number = 0;
        int code = 0;

        switch (option->type) {
        case MU_OPTION_TEXT:
                code = set_text(option, value, field, &reason);
                break;
        case MU_OPTION_NUMBER:
                code = mu_parse_number(value, option->least, option->most, &number, &reason);
                break;
        case MU_OPTION_BYTES:
                code = mu_parse_bytes(value, &number, &reason);
                break;
        case MU_OPTION_DURATION:
                code = mu_parse_duration_ns(value, &number, &reason);
                break;
        }
        if (code == 0 && (option->type == MU_OPTION_BYTES || option->type == MU_OPTION_DURATION))
                code = check_range(option, number, &reason);
        if (code == -ENOMEM)
                return refuse(error, source, strerror(ENOMEM));
        if (code < 0)
                return refuse(error, source, reason.text);
        if (option->type != MU_OPTION_TEXT)
                memcpy(field, &number, sizeof(number));
        return 0;
}

static const struct option *find(const char *section, const char *key)
{
        for (size_t i = 0; i < MU_COUNT_OF(options); i++)
                if (strcmp(options[i].section, section) == 0 && strcmp(options[i].key, key) == 0)
                        return &options[i];
        return NULL;
}

/* ---- the file ---- */

struct file_reader {
        struct mu_config *config;
        FILE *file;
        int line;
        int code; /* of the first wrong line, with its sentence */
        char error[MU_CONFIG_ERROR_BYTES];
};

/* inih's view of the file. A line that does not fit its buffer would be read as two, and one that
 * is indented as more of the value before it: the first is refused, the second is none of our
 * format. */
static char *next_line(char *line, int room, void *context)
{
        struct file_reader *reader = context;

        if (reader->code < 0 || !fgets(line, room, reader->file))
                return NULL;
        reader->line++;
        size_t bytes = strlen(line);

        if (bytes + 1 == (size_t)room && line[bytes - 1] != '\n') {
                (void)snprintf(reader->error, sizeof(reader->error),
                               "this line is longer than %d characters; set it by its environment "
                               "variable or flag instead",
                               room - 2);
                reader->code = -EINVAL;
                return NULL;
        }
        size_t indent = strspn(line, " \t");

        memmove(line, line + indent, bytes + 1 - indent);
        return line;
}

static int on_line(void *context, const char *section, const char *key, const char *value)
{
        struct file_reader *reader = context;
        const struct option *option = find(section, key);
        char given[NAME_BYTES_MAX];
        char nearest[NAME_BYTES_MAX];

        if (reader->code < 0)
                return 0;
        (void)snprintf(given, sizeof(given), "%.30s.%.30s", section, key);
        if (option) {
                reader->code = set(reader->config, option, value, given, reader->error);
                return reader->code == 0;
        }
        (void)suggest("", '.', false, given, nearest);
        (void)snprintf(reader->error, sizeof(reader->error),
                       "there is no setting %s; did you mean %s?", given, nearest);
        reader->code = -EINVAL;
        return 0;
}

static int read_file(struct mu_config *config, const char *path, char *error)
{
        struct file_reader reader = {.config = config, .file = fopen(path, "re")};

        if (!reader.file) {
                (void)snprintf(error, MU_CONFIG_ERROR_BYTES,
                               "The configuration file %.300s can't be read: %s.", path,
                               strerror(errno));
                return -EINVAL;
        }
        int line = ini_parse_stream(next_line, &reader, on_line, &reader);
        int read_error = ferror(reader.file) ? errno : 0;

        (void)fclose(reader.file);
        if (read_error != 0) {
                (void)snprintf(error, MU_CONFIG_ERROR_BYTES,
                               "The configuration file %.300s can't be read: %s.", path,
                               strerror(read_error));
                return -EINVAL;
        }
        /* A line without sense does not stop the parser: it may be the earlier mistake. */
        bool senseless = line != 0 && (reader.code == 0 || line < reader.line);

        if (!senseless && reader.code == 0)
                return 0;
        (void)snprintf(error, MU_CONFIG_ERROR_BYTES, "%.150s line %d: %.300s", path,
                       senseless ? line : reader.line,
                       senseless ? "this is neither [section] nor key = value" : reader.error);
        return -EINVAL;
}

/* ---- environment and flags ---- */

/* What ./muster and test builds are told by, not musterd. */
static bool is_of_others(const char *given)
{
        static const char *const names[] = {"MUSTER_CONFIG", "MUSTER_FAILPOINTS", "MUSTER_JOBS",
                                            "MUSTER_PYTHON", "MUSTER_BIN_DIR"};

        for (size_t i = 0; i < MU_COUNT_OF(names); i++)
                if (strcmp(given, names[i]) == 0)
                        return true;
        return false;
}

static bool section_known(const char *name)
{
        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                size_t chars = strlen(options[i].section);

                if (strncasecmp(name, options[i].section, chars) == 0 && name[chars] == '_')
                        return true;
        }
        return false;
}

static const struct option *find_environment(const char *given)
{
        for (size_t i = 0; i < MU_COUNT_OF(aliases); i++)
                if (strcmp(given, aliases[i].environment) == 0)
                        return find(aliases[i].section, aliases[i].key);
        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                char name[NAME_BYTES_MAX];

                name_of(&options[i], "MUSTER_", '_', true, name);
                if (strcmp(given, name) == 0)
                        return &options[i];
        }
        return NULL;
}

/* Another program's variable may begin with MUSTER_ too: refused is what names a section of ours or
 * is almost a name of ours. */
static int unknown_variable(const char *given, char *error)
{
        char nearest[NAME_BYTES_MAX];
        size_t differs = suggest("MUSTER_", '_', true, given, nearest);

        if (is_of_others(given) || (differs > TYPO_CHARS && !section_known(given + 7)))
                return 0;
        (void)snprintf(error, MU_CONFIG_ERROR_BYTES,
                       "There is no setting %s in the environment; did you mean %s?", given,
                       nearest);
        return -EINVAL;
}

static int read_environment(struct mu_config *config, char **environment, char *error)
{
        for (char **entry = environment; *entry; entry++) {
                char given[NAME_BYTES_MAX];
                size_t chars = strcspn(*entry, "=");

                if (strncmp(*entry, "MUSTER_", 7) != 0 || (*entry)[chars] != '=')
                        continue;
                (void)snprintf(given, sizeof(given), "%.*s", (int)(chars < 63 ? chars : 63),
                               *entry);
                const struct option *option = find_environment(given);
                int code = option ? set(config, option, *entry + chars + 1, given, error)
                                  : unknown_variable(given, error);

                if (code < 0)
                        return code;
        }
        return 0;
}

static const struct option *find_flag(const char *given)
{
        for (size_t i = 0; i < MU_COUNT_OF(aliases); i++)
                if (strcmp(given, aliases[i].flag) == 0)
                        return find(aliases[i].section, aliases[i].key);
        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                char name[NAME_BYTES_MAX];

                name_of(&options[i], "", '-', false, name);
                if (strcmp(given, name) == 0)
                        return &options[i];
        }
        return NULL;
}

/* Never shows what follows '=': it may be a password. */
static int unknown_flag(const char *argument, char *error)
{
        char given[NAME_BYTES_MAX];
        char nearest[NAME_BYTES_MAX];

        (void)snprintf(given, sizeof(given), "%.*s", (int)strcspn(argument, "="), argument);
        (void)suggest("--", '-', false, given, nearest);
        (void)snprintf(error, MU_CONFIG_ERROR_BYTES,
                       "There is no option %s; did you mean %s? (--help lists them all)", given,
                       nearest);
        return -EINVAL;
}

/* One "--name value" or "--name=value"; *index moves past what it took. config NULL: only looks for
 * what is not a setting. */
static int read_flag(int argc, char **argv, int *index, struct mu_config *config,
                     const char **config_path, enum mu_config_action *action, char *error)
{
        const char *argument = argv[*index];
        char name[NAME_BYTES_MAX];
        const char *equals = strchr(argument, '=');

        if (strcmp(argument, "--check-config") == 0)
                return *action = MU_CONFIG_CHECK, 0;
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
                return *action = MU_CONFIG_HELP, 0;
        if (strcmp(argument, "--routes") == 0)
                return *action = MU_CONFIG_ROUTES, 0;
        if (strcmp(argument, "--version") == 0)
                return *action = MU_CONFIG_VERSION, 0;
        if (strncmp(argument, "--", 2) != 0)
                return unknown_flag(argument, error);
        size_t chars = equals ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;

        (void)snprintf(name, sizeof(name), "%.*s", (int)(chars < 60 ? chars : 60), argument + 2);
        bool is_path = strcmp(name, "config") == 0;
        const struct option *option = is_path ? NULL : find_flag(name);

        if (!is_path && !option)
                return unknown_flag(argument, error);
        if (!equals && (*index + 1 == argc || strncmp(argv[*index + 1], "--", 2) == 0)) {
                (void)snprintf(error, MU_CONFIG_ERROR_BYTES, "--%s wants a value.", name);
                return -EINVAL;
        }
        const char *value = equals ? equals + 1 : argv[++*index];

        if (is_path) {
                *config_path = value;
                return 0;
        }
        char source[NAME_BYTES_MAX + 2];

        (void)snprintf(source, sizeof(source), "--%s", name);
        return config ? set(config, option, value, source, error) : 0;
}

static int read_flags(int argc, char **argv, struct mu_config *config, const char **config_path,
                      enum mu_config_action *action, char *error)
{
        for (int i = 1; i < argc; i++) {
                int code = read_flag(argc, argv, &i, config, config_path, action, error);

                if (code < 0)
                        return code;
        }
        return 0;
}

/* ---- reloading ---- */

static bool equal(const struct option *option, const void *a, const void *b)
{
        if (option->type == MU_OPTION_TEXT)
                return strcmp(*(char *const *)a, *(char *const *)b) == 0;
        return memcmp(a, b, sizeof(uint64_t)) == 0;
}

static void swap(const struct option *option, void *a, void *b)
{
        unsigned char kept[sizeof(uint64_t)];
        size_t bytes = option->type == MU_OPTION_TEXT ? sizeof(char *) : sizeof(uint64_t);

        memcpy(kept, a, bytes);
        memcpy(a, b, bytes);
        memcpy(b, kept, bytes);
}

int mu_config_reload(struct mu_config *config, char **argv, char **environment,
                     void (*pending)(void *context, const char *name), void *context, char *error)
{
        enum mu_config_action action;
        struct mu_config fresh;
        int argc = 0;

        while (argv[argc])
                argc++;
        int code = mu_config_load(argc, argv, environment, &fresh, &action, error);

        if (code < 0)
                return code;
        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                const struct option *option = &options[i];
                void *now = field_of(config, option);
                void *then = field_of(&fresh, option);
                char name[NAME_BYTES_MAX];

                if (equal(option, now, then))
                        continue;
                name_of(option, "", '.', false, name);
                if (option->reloadable)
                        swap(option, now, then);
                else
                        pending(context, name);
        }
        mu_config_done(&fresh);
        return 0;
}

/* ---- the whole ---- */

static bool is_time_of_day(const char *text)
{
        unsigned hour, minute;
        char rest;

        return *text == '\0' ||
               (strlen(text) == 5 && text[2] == ':' &&
                sscanf(text, "%2u:%2u%c", &hour, &minute, &rest) == 2 && hour < 24 && minute < 60);
}

static int check_together(const struct mu_config *config, char *error)
{
        uint64_t day_ns = UINT64_C(86400000000000);
        enum mu_log_level level;

        if (!*config->tls_certificate != !*config->tls_key)
                return refuse(error, "tls.certificate and tls.key", "give both or neither");
        if (config->retention_heartbeats < config->ingest_window_back + 2 * day_ns)
                return refuse(error, "retention.heartbeats",
                              "must be at least ingest.window_back and 2 days, or late heartbeats "
                              "would find their day gone");
        if (config->tls_port != 0 && config->tls_port == config->http_port)
                return refuse(error, "tls.port and http.port", "must differ");
        if (mu_log_level_parse(config->log_level, &level) < 0)
                return refuse(error, "log.level", "must be debug, info, warning or error");
        if (config->journal_capacity != 0 && config->journal_capacity < 4 * config->journal_segment)
                return refuse(error, "journal.capacity", "must be 0 or at least 4 segments");
        if ((config->ingest_ring & (config->ingest_ring - 1)) != 0)
                return refuse(error, "ingest.ring", "must be a power of two");
        if ((config->ingest_dedupe_entries & (config->ingest_dedupe_entries - 1)) != 0)
                return refuse(error, "ingest.dedupe_entries", "must be a power of two");
        if (!is_time_of_day(config->backup_at))
                return refuse(error, "backup.at", "must be a time of day such as 03:30");
        if (strpbrk(config->backup_offsite_key, " \t"))
                return refuse(error, "backup.offsite_key", "must have no space in its path");
        if (config->journal_segment % (1024 * 1024) != 0)
                return refuse(error, "journal.segment", "must be a multiple of 1MiB");
        if (strcmp(config->journal_io, "auto") != 0 && strcmp(config->journal_io, "uring") != 0 &&
            strcmp(config->journal_io, "plain") != 0)
                return refuse(error, "journal.io", "must be auto, uring or plain");
        /* The instance's lock, the keeper, the jobs, the dispatcher, the live thread, the alert
         * thread, the notifier. */
        if (config->database_connections < config->writer_count + config->control_workers + 7)
                return refuse(error, "database.connections",
                              "must be at least writer.count + control.workers + 7");
        return 0;
}

static int load_sources(int argc, char **argv, char **environment, struct mu_config *config,
                        enum mu_config_action *action, char *error)
{
        const char *path = NULL;
        int code = 0;

        for (size_t i = 0; i < MU_COUNT_OF(options) && code == 0; i++)
                code = set(config, &options[i], options[i].initial, options[i].key, error);
        if (code == 0)
                code = read_flags(argc, argv, NULL, &path, action, error);
        for (char **entry = environment; !path && *entry; entry++)
                if (strncmp(*entry, "MUSTER_CONFIG=", 14) == 0)
                        path = *entry + 14;
        if (code == 0 && path)
                code = read_file(config, path, error);
        if (code == 0)
                code = read_environment(config, environment, error);
        if (code == 0)
                code = read_flags(argc, argv, config, &path, action, error);
        return code == 0 ? check_together(config, error) : code;
}

int mu_config_load(int argc, char **argv, char **environment, struct mu_config *ret_config,
                   enum mu_config_action *ret_action, char *error)
{
        struct mu_config config = {0};
        enum mu_config_action action = MU_CONFIG_RUN;
        int code = load_sources(argc, argv, environment, &config, &action, error);

        /* Help is help, whatever else is wrong. */
        if (code < 0 && (action == MU_CONFIG_RUN || action == MU_CONFIG_CHECK)) {
                mu_config_done(&config);
                return code;
        }
        *ret_config = config;
        *ret_action = action;
        return 0;
}

void mu_config_done(struct mu_config *config)
{
        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                if (options[i].type != MU_OPTION_TEXT)
                        continue;
                char **field = field_of(config, &options[i]);

                free(*field);
                *field = NULL;
        }
}

/* "# " and the text, broken between words. */
static void print_comment(const char *help, const char *suffix, FILE *to)
{
        char text[512];
        const char *at = text;

        (void)snprintf(text, sizeof(text), "%s%s", help, suffix);
        while (strlen(at) > HELP_COLUMNS) {
                int chars = HELP_COLUMNS;

                while (chars > 1 && at[chars] != ' ')
                        chars--;
                (void)fprintf(to, "# %.*s\n", chars, at);
                at += chars + 1;
        }
        (void)fprintf(to, "# %s\n", at);
}

void mu_config_print_help(FILE *to)
{
        const char *section = "";

        (void)fprintf(to,
                      "# musterd " MUSTER_VERSION " - fleet ingest and control appliance\n"
                      "#\n"
                      "#   musterd [--config FILE] [--SECTION-KEY VALUE]...\n"
                      "#   musterd --check-config | --routes | --help | --version\n"
                      "#   musterd backup DIR | backup-check DIR | restore FROM [--identity FILE] "
                      "[--replace]\n"
                      "#\n"
                      "# Each setting can stand in the file (--config or MUSTER_CONFIG), in the "
                      "environment as\n"
                      "# MUSTER_SECTION_KEY, or be given as a flag --section-key; later ones win. "
                      "SIGHUP reloads\n"
                      "# those marked (reloadable). The values below are the defaults; this text "
                      "is a valid file.\n");
        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                if (strcmp(section, options[i].section) != 0) {
                        section = options[i].section;
                        (void)fprintf(to, "\n[%s]\n", section);
                }
                print_comment(options[i].help, options[i].reloadable ? " (reloadable)" : "", to);
                (void)fprintf(to, "#%s = %s\n", options[i].key, options[i].initial);
        }
}

static void print_text(const char *value, FILE *to)
{
        const char *scheme = strstr(value, "://");
        const char *at = scheme ? strrchr(value, '@') : NULL;
        const char *rest = at ? at : value;

        /* In a URL any parameter may hold one, its name written in percents if need be. */
        if (!scheme && strcasestr(value, "password"))
                (void)fputs("(not shown: holds a password)\n", to);
        else if (scheme)
                (void)fprintf(to, "%.*s%s%.*s\n", at ? (int)(scheme + 3 - value) : 0, value,
                              at ? "(user not shown)" : "", (int)strcspn(rest, "?"), rest);
        else
                (void)fprintf(to, "%s\n", value);
}

void mu_config_print(const struct mu_config *config, FILE *to)
{
        for (size_t i = 0; i < MU_COUNT_OF(options); i++) {
                const struct option *option = &options[i];
                const void *field = field_of_const(config, option);
                char units[MU_FORMAT_UNITS_BYTES];
                uint64_t number;

                (void)fprintf(to, "%s.%s = ", option->section, option->key);
                if (option->type == MU_OPTION_TEXT) {
                        print_text(*(char *const *)field, to);
                        continue;
                }
                memcpy(&number, field, sizeof(number));
                if (option->type == MU_OPTION_NUMBER)
                        (void)fprintf(to, "%llu\n", (unsigned long long)number);
                else if (option->type == MU_OPTION_BYTES)
                        (void)fprintf(to, "%s\n", mu_format_bytes(number, units));
                else
                        (void)fprintf(to, "%s\n", mu_format_duration_ns(number, units));
        }
}
