/* SPDX-License-Identifier: Apache-2.0 */
#include "windows/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_BYTES 16 /* "\agent.dat", "\status.json" */

const char *mu_windows_help(void)
{
        return "muster-agent reports this machine to a Muster appliance and runs its commands.\n"
               "\n"
               "  muster-agent enroll --server URL --token-file FILE --alias NAME\n"
               "                      [--ca-file FILE] [--pin sha256//BASE64]\n"
               "  muster-agent run      in the foreground, until Ctrl-C\n"
               "  muster-agent status   queue, last delivery, clock, push channel of the last run\n"
               "  muster-agent version\n"
               "\n"
               "--admin-key-file FILE in place of --token-file, for whoever insists.\n"
               "--state-dir DIRECTORY: where its files are (%ProgramData%\\Muster).\n";
}

static int refuse(char *sentence, const char *words, const char *given)
{
        (void)snprintf(sentence, MU_AGENT_SENTENCE_BYTES, "%s%.120s: see muster-agent help", words,
                       given);
        return -EINVAL;
}

static int read_verb(const char *name, enum mu_windows_verb *ret_verb, char *sentence)
{
        static const char *const names[] = {[MU_WINDOWS_HELP] = "help",
                                            [MU_WINDOWS_VERSION] = "version",
                                            [MU_WINDOWS_ENROLL] = "enroll",
                                            [MU_WINDOWS_RUN] = "run",
                                            [MU_WINDOWS_STATUS] = "status"};

        while (*name == '-')
                name++;
        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                if (strcmp(name, names[i]) == 0) {
                        *ret_verb = (enum mu_windows_verb)i;
                        return 0;
                }
        }
        return refuse(sentence, "there is no ", name);
}

static int read_option(struct mu_windows_options *options, const char *name, const char *value,
                       const char **state_directory, char *sentence)
{
        const struct {
                const char *name;
                const char **value;
        } known[] = {
                {"--server", &options->server},
                {"--token-file", &options->token_file},
                {"--admin-key-file", &options->admin_key_file},
                {"--alias", &options->alias},
                {"--ca-file", &options->ca_file},
                {"--pin", &options->pin},
                {"--state-dir", state_directory},
        };

        for (size_t i = 0; i < MU_COUNT_OF(known); i++) {
                if (strcmp(name, known[i].name) != 0)
                        continue;
                if (!value)
                        return refuse(sentence, "a value is missing after ", name);
                *known[i].value = value;
                return 0;
        }
        return refuse(sentence, "there is no option ", name);
}

static int find_paths(struct mu_windows_options *options, const char *directory, char *sentence)
{
        const char *data = getenv("ProgramData");

        if (!directory && !data)
                return refuse(sentence, "%ProgramData% is not set, and there is no ",
                              "--state-dir");
        if (strlen(directory ? directory : data) + FILES_BYTES + strlen("\\Muster") >=
            MU_AGENT_PATH_BYTES)
                return refuse(sentence, "the path is too long: ", directory ? directory : data);
        if (directory)
                (void)snprintf(options->state_directory, MU_AGENT_PATH_BYTES, "%s", directory);
        else
                (void)snprintf(options->state_directory, MU_AGENT_PATH_BYTES, "%s\\Muster", data);
        const int chars = MU_AGENT_PATH_BYTES - FILES_BYTES;

        (void)snprintf(options->config_path, MU_AGENT_PATH_BYTES, "%.*s\\agent.dat", chars,
                       options->state_directory);
        (void)snprintf(options->status_path, MU_AGENT_PATH_BYTES, "%.*s\\status.json", chars,
                       options->state_directory);
        return 0;
}

int mu_windows_options_read(int argc, char **argv, struct mu_windows_options *ret_options,
                            char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        struct mu_windows_options options = {.verb = MU_WINDOWS_HELP};
        const char *state_directory = NULL;
        int err = argc > 1 ? read_verb(argv[1], &options.verb, ret_sentence) : 0;

        for (int i = 2; i < argc && err == 0; i += 2)
                err = read_option(&options, argv[i], i + 1 < argc ? argv[i + 1] : NULL,
                                  &state_directory, ret_sentence);
        if (err == 0 && options.verb == MU_WINDOWS_ENROLL &&
            (!options.server || !options.alias || !options.token_file == !options.admin_key_file))
                err = refuse(ret_sentence, "enroll needs --server, --alias and --token-file", "");
        if (err == 0)
                err = find_paths(&options, state_directory, ret_sentence);
        if (err == 0)
                *ret_options = options;
        return err;
}
