/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: global options anywhere, the verb's words first, then what it takes. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/parse_units.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/when.h"

enum {
        WORDS_MAX = 256,
        FILE_BYTES_MAX = 1024 * 1024,
};

#define WRONG(problem, ...)                                                                        \
        ((void)snprintf((problem)->text, sizeof((problem)->text), __VA_ARGS__), -EINVAL)

/* ---- global options ---- */

static const struct {
        const char *name;
        size_t offset;
        bool is_flag;
} GLOBALS[] = {
        {"--url", offsetof(struct mu_ctl_globals, url), false},
        {"--token-file", offsetof(struct mu_ctl_globals, token_file), false},
        {"--admin-key-file", offsetof(struct mu_ctl_globals, admin_key_file), false},
        {"--ca-file", offsetof(struct mu_ctl_globals, ca_file), false},
        {"--json", offsetof(struct mu_ctl_globals, json), true},
        {"--yes", offsetof(struct mu_ctl_globals, yes), true},
        {"--all", offsetof(struct mu_ctl_globals, all), true},
        {"--help", offsetof(struct mu_ctl_globals, help), true},
        {"-h", offsetof(struct mu_ctl_globals, help), true},
};

/* Splits "--name=value"; *ret_value is NULL without '='. */
static size_t name_chars(const char *word, const char **ret_value)
{
        const char *equals = strchr(word, '=');

        *ret_value = equals ? equals + 1 : NULL;
        return equals ? (size_t)(equals - word) : strlen(word);
}

/* 1: taken; 0: not a global option. */
static int take_global(struct mu_ctl_globals *globals, int argc, char **argv, int *at,
                       struct mu_ctl_problem *problem)
{
        const char *value;
        size_t chars = name_chars(argv[*at], &value);

        for (size_t i = 0; i < MU_COUNT_OF(GLOBALS); i++) {
                void *place = (char *)globals + GLOBALS[i].offset;

                if (strlen(GLOBALS[i].name) != chars || memcmp(argv[*at], GLOBALS[i].name, chars))
                        continue;
                if (GLOBALS[i].is_flag) {
                        if (value)
                                return WRONG(problem, "%s takes no value.", GLOBALS[i].name);
                        *(bool *)place = true;
                        return 1;
                }
                if (!value && *at + 1 < argc)
                        value = argv[++*at];
                if (!value)
                        return WRONG(problem, "%s needs a value.", GLOBALS[i].name);
                *(const char **)place = value;
                return 1;
        }
        return 0;
}

/* ---- the verb ---- */

const struct mu_ctl_verb *mu_ctl_find(int argc, char **argv, int *ret_used)
{
        const struct mu_ctl_verb *best = NULL;

        for (size_t i = 0; i < mu_ctl_verb_count; i++) {
                const char *words = mu_ctl_verbs[i].words;
                int used = 0;

                while (*words && used < argc) {
                        size_t chars = strcspn(words, " ");

                        if (strlen(argv[used]) != chars || memcmp(argv[used], words, chars) != 0)
                                break;
                        words += chars + (words[chars] == ' ');
                        used++;
                }
                if (!*words && (!best || used > *ret_used)) {
                        best = &mu_ctl_verbs[i];
                        *ret_used = used;
                }
        }
        return best;
}

static int complain_verb(int argc, char **argv, struct mu_ctl_problem *problem)
{
        if (argc == 0)
                return WRONG(problem, "say what to do; musterctl --help lists it all.");
        for (size_t i = 0; i < mu_ctl_verb_count; i++) {
                size_t chars = strcspn(mu_ctl_verbs[i].words, " ");

                if (strlen(argv[0]) == chars && memcmp(argv[0], mu_ctl_verbs[i].words, chars) == 0)
                        return WRONG(problem,
                                     "\"%s\" does not go on like that; musterctl %s --help "
                                     "lists what it can do.",
                                     argv[0], argv[0]);
        }
        return WRONG(problem, "there is no \"%s\"; musterctl --help lists what there is.", argv[0]);
}

/* ---- values ---- */

static int read_json(const char *text, json_t **ret_json, struct mu_ctl_problem *problem)
{
        json_error_t where;
        json_t *json;

        if (*text == '@')
                json = json_load_file(text + 1, JSON_REJECT_DUPLICATES, &where);
        else
                json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
        if (!json)
                return WRONG(problem, "that is not JSON: %s (line %d).", where.text, where.line);
        *ret_json = json;
        return 0;
}

static int read_line(json_t **ret_json, struct mu_ctl_problem *problem)
{
        char *line = mu_ctl_read_secret("-");

        if (!line)
                return WRONG(problem, "nothing can be read from standard input.");
        *ret_json = json_string(line);
        mu_ctl_forget(line);
        return *ret_json ? 0 : WRONG(problem, "standard input is not text in UTF-8.");
}

static int read_file(const char *path, json_t **ret_json, struct mu_ctl_problem *problem)
{
        char *text;
        size_t bytes;

        if (strcmp(path, "-") == 0)
                return read_line(ret_json, problem);
        int error = mu_fs_read_file(path, FILE_BYTES_MAX, &text, &bytes);

        if (error < 0)
                return WRONG(problem, "%s can't be read: %s.", path, strerror(-error));
        while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
                bytes--;
        *ret_json = json_stringn(text, bytes);
        mu_ctl_forget(text);
        return *ret_json ? 0 : WRONG(problem, "%s is not text in UTF-8.", path);
}

static int read_time(const struct mu_ctl_option *option, const char *text, json_t **ret_json,
                     struct mu_ctl_problem *problem)
{
        char formatted[MU_CTL_WHEN_BYTES];
        int64_t seconds;

        if (mu_ctl_parse_when(text, mu_ctl_now_s(), &seconds) < 0)
                return WRONG(problem,
                             "%s must be a time: 2026-11-20T14:00:00Z, \"2026-11-20 14:00\" (of "
                             "this machine's zone), 14:00, \"2h ago\" or now.",
                             option->name);
        mu_ctl_format_when(seconds, formatted);
        *ret_json = json_string(formatted);
        return *ret_json ? 0 : -ENOMEM;
}

static int read_setting(const struct mu_ctl_option *option, const char *text, json_t **ret_json,
                        struct mu_ctl_problem *problem)
{
        struct mu_parse_reason reason;
        uint64_t number;

        if (strcmp(text, "default") == 0)
                *ret_json = json_null();
        else if (strcmp(text, "yes") == 0)
                *ret_json = json_true();
        else if (strcmp(text, "no") == 0)
                *ret_json = json_false();
        else if (mu_parse_number(text, 0, INT64_MAX, &number, &reason) == 0)
                *ret_json = json_integer((json_int_t)number);
        else
                return WRONG(problem, "%s must be a number, yes, no or default.", option->name);
        return 0;
}

static int read_value(const struct mu_ctl_option *option, const char *text, json_t **ret_json,
                      struct mu_ctl_problem *problem)
{
        struct mu_parse_reason reason;
        uint64_t number;

        switch (option->value) {
        case MU_CTL_INTEGER:
                if (mu_parse_number(text, 0, INT64_MAX, &number, &reason) < 0)
                        return WRONG(problem, "%s %s", option->name, reason.text);
                *ret_json = json_integer((json_int_t)number);
                return 0;
        case MU_CTL_DURATION:
                if (mu_parse_duration_ns(text, &number, &reason) < 0)
                        return WRONG(problem, "%s %s", option->name, reason.text);
                *ret_json = json_integer((json_int_t)(number / 1000000000u));
                return 0;
        case MU_CTL_TIME:
                return read_time(option, text, ret_json, problem);
        case MU_CTL_SETTING:
                return read_setting(option, text, ret_json, problem);
        case MU_CTL_JSON:
                return read_json(text, ret_json, problem);
        case MU_CTL_FILE:
        case MU_CTL_NEW_PASSWORD:
        case MU_CTL_OLD_PASSWORD:
                return read_file(text, ret_json, problem);
        case MU_CTL_FLAG:
                *ret_json = json_true();
                return 0;
        case MU_CTL_TEXT:
        case MU_CTL_LIST:
                break;
        }
        *ret_json = json_string(text);
        return *ret_json ? 0 : WRONG(problem, "%s: that is not text in UTF-8.", option->name);
}

static int store(json_t *values, const struct mu_ctl_option *option, json_t *value,
                 struct mu_ctl_problem *problem)
{
        json_t *there = json_object_get(values, option->name);

        if (option->value != MU_CTL_LIST) {
                if (there) {
                        json_decref(value);
                        return WRONG(problem, "%s is given twice.", option->name);
                }
                return json_object_set_new(values, option->name, value) < 0 ? -ENOMEM : 0;
        }
        if (!there) {
                there = json_array();
                if (json_object_set_new(values, option->name, there) < 0) {
                        json_decref(value);
                        return -ENOMEM;
                }
        }
        return json_array_append_new(there, value) < 0 ? -ENOMEM : 0;
}

static const struct mu_ctl_option *find_option(const struct mu_ctl_verb *verb, const char *word,
                                               size_t chars)
{
        for (size_t i = 0; i < MU_CTL_OPTIONS_MAX && verb->options[i].name; i++) {
                if (strlen(verb->options[i].name) == chars &&
                    memcmp(verb->options[i].name, word, chars) == 0)
                        return &verb->options[i];
        }
        return NULL;
}

static const struct mu_ctl_option *find_positional(const struct mu_ctl_verb *verb, json_t *values)
{
        for (size_t i = 0; i < MU_CTL_OPTIONS_MAX && verb->options[i].name; i++) {
                const struct mu_ctl_option *option = &verb->options[i];

                if (option->name[0] != '-' &&
                    (option->value == MU_CTL_LIST || !json_object_get(values, option->name)))
                        return option;
        }
        return NULL;
}

static int take_word(const struct mu_ctl_verb *verb, int argc, char **argv, int *at, json_t *values,
                     struct mu_ctl_problem *problem)
{
        const char *word = argv[*at];
        const char *value = word;
        const struct mu_ctl_option *option;
        json_t *json = NULL;

        if (word[0] == '-' && word[1] == '-') {
                size_t chars = name_chars(word, &value);

                option = find_option(verb, word, chars);
                if (!option)
                        return WRONG(problem,
                                     "musterctl %s does not know %.*s; --help lists what "
                                     "it takes.",
                                     verb->words, (int)chars, word);
                if (option->value == MU_CTL_FLAG && value)
                        return WRONG(problem, "%s takes no value.", option->name);
                if (option->value == MU_CTL_FLAG)
                        value = "";
                else if (!value && *at + 1 < argc)
                        value = argv[++*at];
                if (!value)
                        return WRONG(problem, "%s needs a value.", option->name);
        } else {
                option = find_positional(verb, values);
                if (!option)
                        return WRONG(problem, "\"%s\" is one word too many for musterctl %s.", word,
                                     verb->words);
        }
        int error = read_value(option, value, &json, problem);

        return error < 0 ? error : store(values, option, json, problem);
}

/* ---- the request ---- */

static void encode(struct mu_text *text, const char *value)
{
        for (; *value; value++) {
                unsigned char byte = (unsigned char)*value;

                if (isalnum(byte) || strchr("-._~", byte))
                        mu_text_add_bytes(text, value, 1);
                else
                        mu_text_add_format(text, "%%%02X", byte);
        }
}

static void encode_json(struct mu_text *text, const json_t *value)
{
        char number[32];

        if (json_is_string(value)) {
                encode(text, json_string_value(value));
        } else if (json_is_integer(value)) {
                (void)snprintf(number, sizeof(number), "%lld",
                               (long long)json_integer_value(value));
                encode(text, number);
        } else {
                encode(text, json_is_true(value) ? "true" : "false");
        }
}

static void add_query(struct mu_text *query, const char *key, const json_t *value)
{
        size_t i;
        json_t *item;

        if (json_is_array(value)) {
                json_array_foreach(value, i, item) add_query(query, key, item);
                return;
        }
        if (query->bytes > 0)
                mu_text_add(query, "&");
        encode(query, key);
        mu_text_add(query, "=");
        encode_json(query, value);
}

static int build_path(const struct mu_ctl_verb *verb, const json_t *path_values, char **ret_path)
{
        struct mu_text text;
        size_t bytes;
        char key[32];

        mu_text_init(&text);
        for (const char *at = verb->path ? verb->path : ""; *at;) {
                if (*at != '{') {
                        mu_text_add_bytes(&text, at++, 1);
                        continue;
                }
                size_t chars = strcspn(at, "}");

                (void)snprintf(key, sizeof(key), "%.*s", (int)chars - 1, at + 1);
                encode_json(&text, json_object_get(path_values, key));
                at += chars + 1;
        }
        int error = mu_text_take(&text, ret_path, &bytes);

        mu_text_done(&text);
        return error;
}

/* Passwords that no file gave are asked for on the terminal. */
static int ask(const struct mu_ctl_option *option, json_t **ret_json,
               struct mu_ctl_problem *problem)
{
        char *password = mu_ctl_ask_secret(option->value == MU_CTL_NEW_PASSWORD ? "New password: "
                                                                                : "Password: ");
        char *again = password && option->value == MU_CTL_NEW_PASSWORD
                              ? mu_ctl_ask_secret("Once more: ")
                              : NULL;
        int error = password ? 0 : WRONG(problem, "no password was given.");

        if (error == 0 && option->value == MU_CTL_NEW_PASSWORD &&
            (!again || strcmp(password, again) != 0))
                error = WRONG(problem, "the two passwords differ.");
        if (error == 0)
                *ret_json = json_string(password);
        mu_ctl_forget(password);
        mu_ctl_forget(again);
        return error;
}

static int complete(const struct mu_ctl_verb *verb, json_t *values, struct mu_ctl_problem *problem)
{
        for (size_t i = 0; i < MU_CTL_OPTIONS_MAX && verb->options[i].name; i++) {
                const struct mu_ctl_option *option = &verb->options[i];
                json_t *json;

                if (json_object_get(values, option->name))
                        continue;
                if (option->value == MU_CTL_NEW_PASSWORD || option->value == MU_CTL_OLD_PASSWORD) {
                        int error = ask(option, &json, problem);

                        if (error < 0)
                                return error;
                        (void)json_object_set_new(values, option->name, json);
                } else if (option->required) {
                        return WRONG(problem, "musterctl %s needs %s: %s", verb->words,
                                     option->name, option->help);
                }
        }
        return 0;
}

static int build(const struct mu_ctl_verb *verb, const json_t *values,
                 struct mu_ctl_input *ret_input)
{
        json_t *path_values = json_object();
        struct mu_text query;
        size_t bytes;
        bool has_body = false;
        int error = 0;

        mu_text_init(&query);
        ret_input->verb = verb;
        ret_input->body = json_object();
        ret_input->local = json_object();
        for (size_t i = 0; i < MU_CTL_OPTIONS_MAX && verb->options[i].name; i++) {
                const struct mu_ctl_option *option = &verb->options[i];
                json_t *value = json_object_get(values, option->name);

                has_body = has_body || option->place == MU_CTL_BODY;
                if (!value)
                        continue;
                if (option->place == MU_CTL_PATH)
                        error = json_object_set(path_values, option->key, value);
                else if (option->place == MU_CTL_BODY)
                        error = json_object_set(ret_input->body, option->key, value);
                else if (option->place == MU_CTL_LOCAL)
                        error = json_object_set(ret_input->local, option->key, value);
                else
                        add_query(&query, option->key, value);
        }
        error = error < 0 ? -ENOMEM : build_path(verb, path_values, &ret_input->path);
        if (error == 0 && query.bytes > 0)
                error = mu_text_take(&query, &ret_input->query, &bytes);
        if (!has_body) {
                json_decref(ret_input->body);
                ret_input->body = NULL;
        }
        mu_text_done(&query);
        json_decref(path_values);
        return error;
}

int mu_ctl_parse(int argc, char **argv, struct mu_ctl_globals *globals,
                 struct mu_ctl_input *ret_input, struct mu_ctl_problem *problem)
{
        char *words[WORDS_MAX];
        int count = 0;
        int used = 0;

        *problem = (struct mu_ctl_problem){"there is no memory for that."};
        for (int at = 0; at < argc; at++) {
                int taken = take_global(globals, argc, argv, &at, problem);

                if (taken < 0)
                        return taken;
                if (taken == 0 && count == WORDS_MAX)
                        return WRONG(problem, "there are more than %d words.", WORDS_MAX);
                if (taken == 0)
                        words[count++] = argv[at];
        }
        const struct mu_ctl_verb *verb = mu_ctl_find(count, words, &used);

        if (count == 0 || (count == 1 && strcmp(words[0], "help") == 0))
                globals->help = true;
        ret_input->verb = verb;
        if (globals->help)
                return 0;
        if (!verb)
                return complain_verb(count, words, problem);
        json_t *values = json_object();
        int error = 0;

        for (int at = used; at < count && error == 0; at++)
                error = take_word(verb, count, words, &at, values, problem);
        if (error == 0)
                error = complete(verb, values, problem);
        if (error == 0)
                error = build(verb, values, ret_input);
        json_decref(values);
        return error;
}

void mu_ctl_input_done(struct mu_ctl_input *input)
{
        free(input->path);
        free(input->query);
        json_decref(input->body);
        json_decref(input->local);
        *input = (struct mu_ctl_input){0};
}
