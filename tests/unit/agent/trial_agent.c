/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial_agent.c - stands for the agent in test_install.c, as the old program and as the new one.
 *
 *   trial_agent run [--trial-fd N] FILE
 *
 * What it does is said by the last 64 bytes of its own file: "MODE VERSION" and NULs. Each of its
 * deeds is a line on the standard output, so the end of that output is the end of all of them.
 * Standard input: readable when it is to stop.
 *
 *   old       installs FILE as version 2.0.0; where that fails: "goes on: ERRNO SENTENCE", status 3
 *   others    on trial: what their name says; else "final VERSION", status 7
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/test_clock.h"
#include "linux/install.h"

enum { TAIL_BYTES = 64, NOBODY = 65534 };

static void die(const char *what)
{
        printf("broken: %s: %s\n", what, strerror(errno));
        exit(99);
}

static void on_end(int signal)
{
        static const char line[] = "told to end\n";

        (void)signal;
        _exit(mu_fs_write_all(STDOUT_FILENO, line, sizeof(line) - 1) < 0);
}

static void on_end_stubborn(int signal)
{
        static const char line[] = "will not end\n";

        (void)signal;
        if (mu_fs_write_all(STDOUT_FILENO, line, sizeof(line) - 1) < 0)
                _exit(1);
}

static int descriptors(void)
{
        DIR *directory = opendir("/proc/self/fd");
        int count = 0;

        if (!directory)
                die("/proc/self/fd");
        for (struct dirent *entry; (entry = readdir(directory));) {
                int fd = (int)strtol(entry->d_name, NULL, 10);

                count += fd > STDERR_FILENO && fd != dirfd(directory);
        }
        (void)closedir(directory);
        return count;
}

static void report(int fd, const char *version)
{
        if (mu_trial_report(&fd, version) < 0 || fd != -1)
                die("report");
}

static void on_trial(const char *mode, const char *version, int fd)
{
        char byte;

        (void)signal(SIGTERM, on_end);
        printf("trial %s, %d descriptors\n", version, descriptors());
        if (strcmp(mode, "crashing") == 0)
                exit(9);
        if (strcmp(mode, "killed") == 0)
                (void)raise(SIGKILL);
        if (strcmp(mode, "closing") == 0)
                (void)close(fd);
        if (strcmp(mode, "stubborn") == 0)
                (void)signal(SIGTERM, on_end_stubborn);
        if (strcmp(mode, "lying") == 0)
                report(fd, "1.9.9");
        if (strcmp(mode, "babbling") == 0)
                for (int i = 0; i < 64; i++)
                        if (write(fd, "words", 5) < 0)
                                break;
        if (strcmp(mode, "parent") == 0 && fork() == 0)
                exit(read(STDIN_FILENO, &byte, 1) < 0); /* with the pipe open */
        if (strcmp(mode, "parent") == 0)
                exit(8);
        if (strcmp(mode, "good") == 0 || strcmp(mode, "stubborn") == 0)
                report(fd, version);
        for (;;)
                (void)pause();
}

static void be_nobody(void)
{
        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                               setresuid(NOBODY, NOBODY, NOBODY) < 0))
                die("nobody");
}

static const struct mu_clock *clock_in_use(void)
{
#ifdef MUSTER_FAILPOINTS
        return mu_test_clock();
#else
        return mu_clock_system();
#endif
}

static int be_old(char **argv, const char *file)
{
        struct mu_install_options options = {.argv = argv, .clock = clock_in_use(), .trial_s = 120};
        struct mu_install *install;
        char sentence[MU_AGENT_SENTENCE_BYTES];
        sigset_t signals;

        /* As a loop has them: read from a descriptor. And one that nobody marked. */
        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || dup2(STDOUT_FILENO, 9) < 0)
                die("signals");
        if (getenv("TRIAL_AS_NOBODY"))
                be_nobody();
        if (mu_install_create(&options, &install) < 0 || mu_install_is_asked(install) ||
            mu_install_ask(install, file, "2.0.0") < 0 || !mu_install_is_asked(install) ||
            mu_install_ask(install, file, "2.0.0") != -EBUSY)
                die("install");
        int err = mu_install_run(install, STDIN_FILENO, sentence);

        if (mu_install_is_asked(install))
                die("asked for yet");
        printf("goes on: %s %s\n", strerrorname_np(-err), sentence);
        mu_install_destroy(install);
        return 3;
}

int main(int argc, char **argv)
{
        char tail[TAIL_BYTES + 1] = "";
        char mode[16];
        char version[32];
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (fd < 0 || lseek(fd, -TAIL_BYTES, SEEK_END) < 0 ||
            read(fd, tail, TAIL_BYTES) != TAIL_BYTES ||
            sscanf(tail, "%15s %31s", mode, version) != 2)
                die("tail");
        (void)close(fd);
        if (argc == 5 && strcmp(argv[2], "--trial-fd") == 0)
                on_trial(mode, version, (int)strtol(argv[3], NULL, 10));
        if (argc != 3 || strcmp(argv[1], "run") != 0)
                die("arguments");
        if (strcmp(mode, "old") == 0)
                return be_old(argv, argv[2]);
        printf("final %s, %d descriptors\n", version, descriptors());
        return 7;
}
