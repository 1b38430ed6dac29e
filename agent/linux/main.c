/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/enroll_command.h"
#include "linux/loop.h"
#include "linux/options.h"
#include "linux/status.h"

/* Whoever started us may have closed them: a socket or a file that took such a number would be
 * written the log's lines. */
static void hold_standard_files(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd < STDERR_FILENO);
        if (fd < 0)
                abort(); /* nothing is left to say it with */
        if (fd > STDERR_FILENO)
                (void)close(fd);
}

int main(int argc, char **argv)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_options_machine machine;
        struct mu_options options;

        hold_standard_files();
        /* One thread allocates, libcurl's resolver hardly: no arena for each. */
        (void)mallopt(M_ARENA_MAX, 1);
        (void)umask(077);
        (void)signal(SIGPIPE, SIG_IGN); /* a connection that broke is an error like others */
        mu_options_machine_read(&machine);
        if (mu_options_read(argc, argv, &machine, &options, sentence) < 0) {
                (void)fprintf(stderr, "muster-agent: %s.\n", sentence);
                return MU_EXIT_USAGE;
        }
        switch (options.verb) {
        case MU_VERB_ENROLL:
                return mu_enroll_command(&options);
        case MU_VERB_RUN:
                return mu_loop_command(&options, argv);
        case MU_VERB_STATUS:
                return mu_status_command(&options);
        case MU_VERB_VERSION:
                (void)printf("muster-agent %s\n", MUSTER_VERSION);
                return MU_EXIT_OK;
        default:
                (void)printf("%s", mu_options_help(options.help));
                return MU_EXIT_OK;
        }
}
