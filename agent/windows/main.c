/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "windows/commands.h"
#include "windows/options.h"
#include "windows/status.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_windows_options options;

        if (mu_windows_options_read(argc, argv, &options, sentence) < 0) {
                (void)fprintf(stderr, "muster-agent: %s.\n", sentence);
                return EXIT_USAGE;
        }
        switch (options.verb) {
        case MU_WINDOWS_ENROLL:
                return mu_windows_enroll(&options);
        case MU_WINDOWS_RUN:
                return mu_windows_run(&options);
        case MU_WINDOWS_STATUS:
                return mu_windows_status_command(&options);
        case MU_WINDOWS_VERSION:
                (void)printf("muster-agent %s\n", MUSTER_VERSION);
                return EXIT_SUCCESS;
        default:
                (void)printf("%s", mu_windows_help());
                return EXIT_SUCCESS;
        }
}
