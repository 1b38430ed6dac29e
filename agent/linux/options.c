/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/options.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base64.h"
#include "linux/crypto.h"

struct verb {
        const char *name;
        enum mu_verb verb;
        const char *help;
};

static const struct verb VERBS[] = {
        {"enroll", MU_VERB_ENROLL,
         "muster-agent enroll --server URL (--token-file F | --admin-key-file F) --alias NAME …\n"
         "\n"
         "Registers this device at an appliance and writes the configuration.\n"
         "\n"
         "  --server URL          https://fleet.example:8443; http:// to this machine only\n"
         "  --token-file F        an enrolment token, in the first line of F (-: standard input)\n"
         "  --admin-key-file F    the appliance's admin key instead\n"
         "  --alias NAME          what the device is called\n"
         "  --hardware-id ID      an inventory number or serial number, if it has one\n"
         "  --pin sha256//…       trust the server whose public key has this hash, and no other\n"
         "  --ca-file F           trust what these certificates have signed\n"
         "  --update-key BASE64   accept updates signed with this Ed25519 key (up to 4 times)\n"
         "  --config F            where the configuration is written\n"
         "  --state-dir DIR       where the agent's memory is kept\n"
         "  --replace             there is a configuration already: the device becomes a new "
         "one\n"},
        {"run", MU_VERB_RUN,
         "muster-agent run [--config F] [--state-dir DIR]\n"
         "\n"
         "Reports to the appliance and does what it asks, until SIGTERM or SIGINT. SIGHUP reads\n"
         "the configuration again. Events are lines of JSON on standard error.\n"},
        {"status", MU_VERB_STATUS,
         "muster-agent status [--json] [--config F] [--state-dir DIR]\n"
         "\n"
         "Asks the agent that runs how it is. Exit codes: 0 it runs, 1 it can't be asked,\n"
         "3 it does not run.\n"},
        {"version", MU_VERB_VERSION, "muster-agent version\n"},
};

static const char HELP[] =
        "muster-agent: reports this device to a Muster appliance and does what it asks.\n"
        "\n"
        "  muster-agent enroll   register this device (once)\n"
        "  muster-agent run      report, in the foreground: what the service starts\n"
        "  muster-agent status   how it is: queue, last delivery, clock, push channel\n"
        "  muster-agent version\n"
        "\n"
        "muster-agent VERB --help tells a verb's options.\n"
        "\n"
        "Configuration: $STATE_DIRECTORY/agent.json; for root and the service's user\n"
        "/var/lib/muster-agent/agent.json; else ~/.local/state/muster-agent/agent.json.\n";

static int refuse(char sentence[MU_AGENT_SENTENCE_BYTES], const char *format, ...) MU_PRINTF(2, 3);

static int refuse(char sentence[MU_AGENT_SENTENCE_BYTES], const char *format, ...)
{
        va_list values;

        va_start(values, format);
        (void)vsnprintf(sentence, MU_AGENT_SENTENCE_BYTES, format, values);
        va_end(values);
        return -EINVAL;
}

const char *mu_options_help(const char *verb)
{
        for (size_t i = 0; verb && i < MU_COUNT_OF(VERBS); i++)
                if (strcmp(VERBS[i].name, verb) == 0)
                        return VERBS[i].help;
        return HELP;
}

/* ---- where files are ---- */

void mu_options_machine_read(struct mu_options_machine *ret_machine)
{
        const struct passwd *user = getpwuid(geteuid());

        *ret_machine = (struct mu_options_machine){
                .is_service =
                        geteuid() == 0 || (user && strcmp(user->pw_name, MU_SERVICE_USER) == 0),
                .state_directory = getenv("STATE_DIRECTORY"),
                .xdg_state_home = getenv("XDG_STATE_HOME"),
                .home = getenv("HOME"),
        };
}

/* Absolute, as the XDG specification demands of its variable. */
static bool is_directory_name(const char *path)
{
        return path && path[0] == '/';
}

static int find_state_dir(const struct mu_options_machine *machine, char *path, char *sentence)
{
        int chars;

        if (is_directory_name(machine->state_directory))
                chars = snprintf(path, MU_AGENT_PATH_BYTES, "%s", machine->state_directory);
        else if (machine->is_service)
                chars = snprintf(path, MU_AGENT_PATH_BYTES, "%s", MU_SERVICE_STATE_DIRECTORY);
        else if (is_directory_name(machine->xdg_state_home))
                chars = snprintf(path, MU_AGENT_PATH_BYTES, "%s/muster-agent",
                                 machine->xdg_state_home);
        else if (is_directory_name(machine->home))
                chars = snprintf(path, MU_AGENT_PATH_BYTES, "%s/.local/state/muster-agent",
                                 machine->home);
        else
                return refuse(sentence, "there is no home directory to keep the configuration in: "
                                        "say where by --config");
        if (chars < 0 || chars >= MU_AGENT_PATH_BYTES)
                return refuse(sentence, "the state directory's path is too long");
        return 0;
}

/* The state is where the configuration is, and the other way round, unless said otherwise. */
static int find_places(const struct mu_options_machine *machine, struct mu_options *options,
                       char *sentence)
{
        char path[MU_AGENT_PATH_BYTES + sizeof("/" MU_CONFIG_NAME)];
        const char *slash = strrchr(options->config, '/');

        if (options->state_dir[0] == '\0' && options->config[0] != '\0') {
                size_t chars = slash ? (size_t)(slash - options->config) : 0;

                if (!slash)
                        (void)snprintf(options->state_dir, sizeof(options->state_dir), ".");
                else
                        (void)snprintf(options->state_dir, sizeof(options->state_dir), "%.*s",
                                       (int)(chars > 0 ? chars : 1), options->config);
        }
        if (options->state_dir[0] == '\0') {
                int err = find_state_dir(machine, options->state_dir, sentence);

                if (err < 0)
                        return err;
        }
        if (options->config[0] != '\0')
                return 0;
        (void)snprintf(path, sizeof(path), "%s/" MU_CONFIG_NAME, options->state_dir);
        if (strlen(path) >= sizeof(options->config))
                return refuse(sentence, "the configuration's path is too long");
        memcpy(options->config, path, strlen(path) + 1);
        return 0;
}

/* ---- reading ---- */

enum { ENROLL = 1, RUN = 2, STATUS = 4, ALL = ENROLL | RUN | STATUS };

enum kind { TEXT, PATH, FLAG, KEY, DESCRIPTOR };

struct option {
        const char *name;
        int verbs;
        enum kind kind;
        size_t offset;
};

#define AT(member) offsetof(struct mu_options, member)

static const struct option OPTIONS[] = {
        {"--server", ENROLL, TEXT, AT(server)},
        {"--token-file", ENROLL, TEXT, AT(token_file)},
        {"--admin-key-file", ENROLL, TEXT, AT(admin_key_file)},
        {"--alias", ENROLL, TEXT, AT(alias)},
        {"--hardware-id", ENROLL, TEXT, AT(hardware_id)},
        {"--pin", ENROLL, TEXT, AT(pin)},
        {"--ca-file", ENROLL, TEXT, AT(ca_file)},
        {"--update-key", ENROLL, KEY, AT(update_keys)},
        {"--replace", ENROLL, FLAG, AT(replace)},
        {"--json", STATUS, FLAG, AT(json)},
        {"--trial-fd", RUN, DESCRIPTOR, AT(trial_fd)},
        {"--config", ALL, PATH, AT(config)},
        {"--state-dir", ALL, PATH, AT(state_dir)},
};

static int bit_of(enum mu_verb verb)
{
        switch (verb) {
        case MU_VERB_ENROLL:
                return ENROLL;
        case MU_VERB_RUN:
                return RUN;
        case MU_VERB_STATUS:
                return STATUS;
        default:
                return 0;
        }
}

static int set_value(const struct option *option, const char *value, struct mu_options *options,
                     char *sentence)
{
        char *at = (char *)options + option->offset;
        char *end;
        long number;

        switch (option->kind) {
        case FLAG:
                *(bool *)at = true;
                return 0;
        case TEXT:
                if (*(const char **)at)
                        return refuse(sentence, "%s is given twice", option->name);
                *(const char **)at = value;
                return 0;
        case PATH:
                if (strlen(value) >= MU_AGENT_PATH_BYTES)
                        return refuse(sentence, "%s: the path is too long", option->name);
                memcpy(at, value, strlen(value) + 1);
                return 0;
        case KEY:
                if (options->update_key_count == MU_AGENT_UPDATE_KEYS_MAX)
                        return refuse(sentence, "--update-key is given more than %d times",
                                      MU_AGENT_UPDATE_KEYS_MAX);
                options->update_keys[options->update_key_count++] = value;
                return 0;
        default:
                number = strtol(value, &end, 10);
                if (*end != '\0' || number < 0 || number > 65535)
                        return refuse(sentence, "%s is no descriptor", option->name);
                *(int *)at = (int)number;
                return 0;
        }
}

/* --name value, or --name=value. How many words were used, or a negative errno. */
static int read_option(char *const *words, int count, struct mu_options *options, char *sentence)
{
        const char *equals = strchr(words[0], '=');
        size_t chars = equals ? (size_t)(equals - words[0]) : strlen(words[0]);

        for (size_t i = 0; i < MU_COUNT_OF(OPTIONS); i++) {
                const struct option *option = &OPTIONS[i];

                if (strlen(option->name) != chars || strncmp(option->name, words[0], chars) != 0 ||
                    (option->verbs & bit_of(options->verb)) == 0)
                        continue;
                if (option->kind == FLAG && equals)
                        return refuse(sentence, "%s takes no value", option->name);
                if (option->kind != FLAG && !equals && count < 2)
                        return refuse(sentence, "%s needs a value", option->name);
                const char *value = equals ? equals + 1 : words[option->kind != FLAG];

                if (option->kind != FLAG && *value == '\0')
                        return refuse(sentence, "%s needs a value", option->name);
                int err = set_value(option, value, options, sentence);

                if (err < 0)
                        return err;
                return option->kind == FLAG || equals ? 1 : 2;
        }
        /* Never the value: it may be a secret in the wrong place. */
        return refuse(sentence, "%.*s is no option here; muster-agent --help tells them",
                      (int)(chars < 64 ? chars : 64), words[0]);
}

static int check_enroll(const struct mu_options *options, char *sentence)
{
        uint8_t key[MU_ED25519_KEY_BYTES];
        char server[MU_AGENT_URL_BYTES];

        if (!options->server)
                return refuse(sentence, "--server is missing: the appliance's URL");
        if (!options->alias)
                return refuse(sentence, "--alias is missing: what the device is called");
        if (!options->token_file == !options->admin_key_file)
                return refuse(sentence,
                              "give one of --token-file (an enrolment token) and --admin-key-file");
        if (options->pin && options->ca_file)
                return refuse(sentence, "--pin alone is the trust: leave --ca-file out");
        if (options->pin && !mu_crypto_is_pin(options->pin))
                return refuse(sentence, "--pin is not sha256// and the base64 of 32 bytes");
        if (options->ca_file && options->ca_file[0] != '/')
                return refuse(sentence, "--ca-file must be a whole path, from / on: the service "
                                        "starts elsewhere");
        for (size_t i = 0; i < options->update_key_count; i++)
                if (mu_agent_base64_decode(options->update_keys[i], key, sizeof(key)) < 0)
                        return refuse(sentence, "--update-key is not the base64 of 32 bytes");
        return mu_agent_config_server(options->server, server, sentence);
}

static int find_verb(const char *word, struct mu_options *options, char *sentence)
{
        for (size_t i = 0; i < MU_COUNT_OF(VERBS); i++) {
                if (strcmp(VERBS[i].name, word) != 0)
                        continue;
                options->verb = VERBS[i].verb;
                return 0;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
                options->verb = MU_VERB_HELP;
                return 0;
        }
        if (strcmp(word, "--version") == 0) {
                options->verb = MU_VERB_VERSION;
                return 0;
        }
        return refuse(sentence, "%.64s is no verb; muster-agent --help tells them", word);
}

int mu_options_read(int argc, char *const *argv, const struct mu_options_machine *machine,
                    struct mu_options *ret_options, char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        struct mu_options options = {.trial_fd = -1};

        if (argc < 2)
                return refuse(ret_sentence,
                              "what shall it do? muster-agent --help tells the verbs");
        int err = find_verb(argv[1], &options, ret_sentence);

        for (int i = 2; err == 0 && i < argc;) {
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        options.help = argv[1];
                        options.verb = MU_VERB_HELP;
                        break;
                }
                int used = read_option(argv + i, argc - i, &options, ret_sentence);

                if (used < 0)
                        err = used;
                i += used;
        }
        if (err == 0 && options.verb == MU_VERB_ENROLL)
                err = check_enroll(&options, ret_sentence);
        if (err == 0 && bit_of(options.verb) != 0)
                err = find_places(machine, &options, ret_sentence);
        if (err == 0)
                *ret_options = options;
        return err;
}
