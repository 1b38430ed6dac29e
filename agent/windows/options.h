/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - the command line of muster-agent.exe.
 *
 * Threads: pure. Ownership: texts point into argv, or into the options. Errors: -EINVAL and a
 * sentence.
 */
#ifndef MUSTER_AGENT_WINDOWS_OPTIONS_H
#define MUSTER_AGENT_WINDOWS_OPTIONS_H

#include "core/config.h"
#include "muster/compiler.h"

enum mu_windows_verb {
        MU_WINDOWS_HELP,
        MU_WINDOWS_VERSION,
        MU_WINDOWS_ENROLL,
        MU_WINDOWS_RUN,
        MU_WINDOWS_STATUS,
};

struct mu_windows_options {
        enum mu_windows_verb verb;
        const char *server;
        const char *token_file;
        const char *admin_key_file;
        const char *alias;
        const char *ca_file;
        const char *pin;
        char state_directory[MU_AGENT_PATH_BYTES]; /* of %ProgramData% where nobody says it */
        char config_path[MU_AGENT_PATH_BYTES];
        char status_path[MU_AGENT_PATH_BYTES];
};

MU_MUST_CHECK
int mu_windows_options_read(int argc, char **argv, struct mu_windows_options *ret_options,
                            char ret_sentence[MU_AGENT_SENTENCE_BYTES]);
const char *mu_windows_help(void);

#endif
