/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - the command line of muster-agent.
 *
 * Threads    pure, but for mu_options_machine_read. Ownership: texts point into argv, or into the
 * options. Errors: -EINVAL and a sentence.
 */
#ifndef MUSTER_AGENT_LINUX_OPTIONS_H
#define MUSTER_AGENT_LINUX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "muster/compiler.h"

#define MU_SERVICE_USER "muster-agent"
#define MU_SERVICE_STATE_DIRECTORY "/var/lib/muster-agent"
#define MU_CONFIG_NAME "agent.json"

enum mu_exit {
        MU_EXIT_OK = 0,
        MU_EXIT_FAILED = 1,
        MU_EXIT_USAGE = 2,
        MU_EXIT_NOT_RUNNING = 3, /* as systemctl status says it */
};

enum mu_verb {
        MU_VERB_HELP,
        MU_VERB_VERSION,
        MU_VERB_ENROLL,
        MU_VERB_RUN,
        MU_VERB_STATUS,
};

struct mu_options {
        enum mu_verb verb;
        const char *help; /* of --help: the verb that it is asked for, or NULL */
        const char *server;
        const char *token_file;
        const char *admin_key_file;
        const char *alias;
        const char *hardware_id;
        const char *pin;
        const char *ca_file;
        size_t update_key_count;
        const char *update_keys[MU_AGENT_UPDATE_KEYS_MAX];
        bool replace;
        bool json;
        int trial_fd; /* -1: none; run --trial-fd, which an update on trial is started with */
        char config[MU_AGENT_PATH_BYTES];
        char state_dir[MU_AGENT_PATH_BYTES];
};

/* What decides where the agent's files are, where nobody says it. */
struct mu_options_machine {
        bool is_service;             /* root, or the user of the service */
        const char *state_directory; /* $STATE_DIRECTORY, from systemd */
        const char *xdg_state_home;
        const char *home;
};
void mu_options_machine_read(struct mu_options_machine *ret_machine);

MU_MUST_CHECK
int mu_options_read(int argc, char *const *argv, const struct mu_options_machine *machine,
                    struct mu_options *ret_options, char ret_sentence[MU_AGENT_SENTENCE_BYTES]);

/* Of a verb, or of the program (NULL). */
const char *mu_options_help(const char *verb);

#endif
