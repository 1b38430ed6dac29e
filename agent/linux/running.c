/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/running.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/machine_file.h"

enum {
        GROUP_DEPTH_MAX = 6, /* user.slice/user-1000.slice/user@1000.service/app.slice/x.service */
        GROUPS_MAX = 2048,
        COMMAND_NAME_BYTES = 16,
        COMMAND_LINE_BYTES = 2 * MU_MACHINE_PATH_BYTES,
};

bool mu_is_unit_name(const char *name)
{
        static const char *const KINDS[] = {".service", ".scope", ".target", ".socket",
                                            ".timer",   ".slice", ".path"};
        size_t bytes = strlen(name);

        if (bytes > 255 || name[0] == '-' || name[0] == '.')
                return false;
        for (const char *at = name; *at; at++)
                if (!isalnum((unsigned char)*at) && !strchr(":-_.\\@", *at))
                        return false;
        for (size_t i = 0; i < MU_COUNT_OF(KINDS); i++) {
                size_t kind_bytes = strlen(KINDS[i]);

                if (bytes > kind_bytes && strcmp(name + bytes - kind_bytes, KINDS[i]) == 0)
                        return true;
        }
        return false;
}

bool mu_is_program_path(const char *name)
{
        return name[0] == '/' && name[1] != '\0' && strlen(name) < MU_MACHINE_PATH_BYTES;
}

struct search {
        const char *unit;
        int left;
        bool running;
};

static bool is_populated(const char *group)
{
        char events[256];

        return mu_machine_read_in(events, sizeof(events), group, "cgroup.events") == 0 &&
               strstr(events, "populated 1");
}

static void search_groups(struct search *search, const char *directory, int depth)
{
        const struct dirent *entry;
        DIR *groups = depth < GROUP_DEPTH_MAX ? opendir(directory) : NULL;
        char path[MU_MACHINE_PATH_BYTES];

        if (!groups)
                return;
        while (!search->running && search->left > 0 && (entry = readdir(groups))) {
                if (entry->d_name[0] == '.' || entry->d_type != DT_DIR ||
                    mu_machine_path(path, directory, "/%s", entry->d_name) < 0)
                        continue;
                search->left--;
                if (strcmp(entry->d_name, search->unit) == 0)
                        search->running = is_populated(path);
                else
                        search_groups(search, path, depth + 1);
        }
        closedir(groups);
}

static enum mu_agent_maybe is_unit_running(const char *root, const char *unit)
{
        static const char *const TOPS[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        struct search search = {.unit = unit, .left = GROUPS_MAX};
        char top[MU_MACHINE_PATH_BYTES], group[MU_MACHINE_PATH_BYTES];

        for (size_t i = 0; i < MU_COUNT_OF(TOPS); i++) {
                if (mu_machine_path(top, root, "%s", TOPS[i]) < 0 ||
                    !mu_machine_has(top, "cgroup.procs") ||
                    !mu_machine_has(top, "cgroup.controllers")) /* version 2 has it */
                        continue;
                if (mu_machine_path(group, top, "/system.slice/%s", unit) == 0 &&
                    is_populated(group)) /* where nearly all are */
                        return MU_AGENT_YES;
                search_groups(&search, top, 0);
                if (search.running)
                        return MU_AGENT_YES;
                return search.left > 0 ? MU_AGENT_NO : MU_AGENT_UNKNOWN;
        }
        return MU_AGENT_UNKNOWN;
}

/* Is a process of that name one that runs a script, and not an editor that shows it? */
static bool may_interpret(const char *name, const char *program)
{
        static const char *const INTERPRETERS[] = {"python", "perl", "ruby", "node",
                                                   "bash",   "dash", "sh"};

        if (strncmp(name, strrchr(program, '/') + 1, COMMAND_NAME_BYTES - 1) == 0)
                return true; /* the kernel calls it so when it starts the file itself */
        for (size_t i = 0; i < MU_COUNT_OF(INTERPRETERS); i++)
                if (strncmp(name, INTERPRETERS[i], strlen(INTERPRETERS[i])) == 0)
                        return true;
        return false;
}

/* The second text of a command line is the script that the first interprets. */
static bool is_script(const char *process, const char *program)
{
        char name[COMMAND_NAME_BYTES], line[COMMAND_LINE_BYTES];

        if (mu_machine_read_in(name, sizeof(name), process, "comm") < 0 ||
            !may_interpret(name, program))
                return false;
        memset(line, 0, sizeof(line));
        if (mu_machine_read_in(line, sizeof(line) - 1, process, "cmdline") < 0)
                return false;
        return strcmp(line + strlen(line) + 1, program) == 0;
}

static bool is_of(const char *process, const char *program, const char *resolved)
{
        static const char REPLACED[] = " (deleted)"; /* an update put a new file in its place */
        char path[MU_MACHINE_PATH_BYTES], exe[MU_MACHINE_PATH_BYTES + sizeof(REPLACED)];

        if (mu_machine_path(path, process, "/exe") < 0)
                return false;
        ssize_t bytes = readlink(path, exe, sizeof(exe) - 1);

        if (bytes > 0) {
                size_t length = (size_t)bytes, tail = sizeof(REPLACED) - 1;

                exe[length] = '\0';
                if (length > tail && strcmp(exe + length - tail, REPLACED) == 0)
                        exe[length - tail] = '\0';
                if (strcmp(exe, program) == 0 || strcmp(exe, resolved) == 0)
                        return true;
        }
        return is_script(process, program);
}

static bool is_ours(const char *process)
{
        struct stat of;

        return stat(process, &of) == 0 && of.st_uid == geteuid();
}

int mu_running_find(const char *root, const char *program, bool only_ours, pid_t *ret_pids,
                    size_t room)
{
        char proc[MU_MACHINE_PATH_BYTES], process[MU_MACHINE_PATH_BYTES],
                whole[MU_MACHINE_PATH_BYTES];
        const struct dirent *entry;
        size_t found = 0;

        if (mu_machine_path(proc, root, "/proc") < 0 ||
            mu_machine_path(whole, root, "%s", program) < 0)
                return -ENAMETOOLONG;
        DIR *processes = opendir(proc);

        if (!processes)
                return -errno;
        char *resolved = realpath(whole, NULL);

        while (found < room && (entry = readdir(processes))) {
                char *end;
                long pid = strtol(entry->d_name, &end, 10);

                if (pid <= 0 || *end != '\0' || pid == getpid() ||
                    mu_machine_path(process, proc, "/%ld", pid) < 0)
                        continue;
                if (is_of(process, whole, resolved ? resolved : whole) &&
                    (!only_ours || is_ours(process)))
                        ret_pids[found++] = (pid_t)pid;
        }
        free(resolved);
        closedir(processes);
        return (int)found;
}

bool mu_running_is(const char *root, const char *program, pid_t pid)
{
        char process[MU_MACHINE_PATH_BYTES], whole[MU_MACHINE_PATH_BYTES];

        if (mu_machine_path(process, root, "/proc/%ld", (long)pid) < 0 ||
            mu_machine_path(whole, root, "%s", program) < 0)
                return false;
        char *resolved = realpath(whole, NULL);
        bool is = is_of(process, whole, resolved ? resolved : whole);

        free(resolved);
        return is;
}

enum mu_agent_maybe mu_is_running(const char *root, const char *name)
{
        pid_t one[1];

        if (mu_is_program_path(name)) {
                int found = mu_running_find(root, name, false, one, 1);

                return found < 0 ? MU_AGENT_UNKNOWN : found > 0 ? MU_AGENT_YES : MU_AGENT_NO;
        }
        return mu_is_unit_name(name) ? is_unit_running(root, name) : MU_AGENT_UNKNOWN;
}
