/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/session.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <utmp.h>

#include "linux/machine_file.h"

enum {
        FILE_BYTES = 4096,
        TERMINAL_BYTES = 64,
        RANK_REMOTE = 1,
        RANK_LOCAL = 2,
        RANK_SEAT = 4,
        RANK_GRAPHICAL = 8,
        RANK_ACTIVE = 16,
};

struct candidate {
        int rank; /* 0: nobody */
        char user[MU_SESSION_USER_BYTES];
        char type[16];
        char terminal[TERMINAL_BYTES]; /* below /dev */
};

/* The value of KEY= on a line of its own; "" where it has none. */
static void value_of(const char *text, const char *key, char *ret_value, size_t room)
{
        size_t key_bytes = strlen(key);

        ret_value[0] = '\0';
        for (const char *line = text; line && *line;) {
                const char *end = strchrnul(line, '\n');

                if (strncmp(line, key, key_bytes) == 0 && line[key_bytes] == '=') {
                        const char *value = line + key_bytes + 1;

                        mu_machine_clean(ret_value, room, value, (size_t)(end - value));
                        return;
                }
                line = *end ? end + 1 : NULL;
        }
}

static bool is_graphical(const char *type)
{
        return strcmp(type, "x11") == 0 || strcmp(type, "wayland") == 0 || strcmp(type, "mir") == 0;
}

static void read_logind(const char *path, struct candidate *ret_candidate)
{
        char text[FILE_BYTES], class[32], state[32], remote[8], seat[32];
        struct candidate candidate = {0};

        if (mu_machine_read(text, sizeof(text), path) < 0)
                return;
        value_of(text, "CLASS", class, sizeof(class));
        value_of(text, "STATE", state, sizeof(state));
        value_of(text, "REMOTE", remote, sizeof(remote));
        value_of(text, "SEAT", seat, sizeof(seat));
        value_of(text, "TYPE", candidate.type, sizeof(candidate.type));
        value_of(text, "TTY", candidate.terminal, sizeof(candidate.terminal));
        value_of(text, "USER", candidate.user, sizeof(candidate.user));
        if (strncmp(class, "user", 4) != 0 || strcmp(state, "closing") == 0 || !candidate.user[0])
                return;
        candidate.rank = strcmp(remote, "1") == 0 ? RANK_REMOTE : RANK_LOCAL;
        if (seat[0])
                candidate.rank += RANK_SEAT;
        if (is_graphical(candidate.type))
                candidate.rank += RANK_GRAPHICAL;
        if (strcmp(state, "active") == 0 && seat[0])
                candidate.rank += RANK_ACTIVE;
        if (candidate.rank > ret_candidate->rank)
                *ret_candidate = candidate;
}

/* false: there is no logind here. */
static bool look_logind(const char *root, struct candidate *ret_candidate)
{
        char path[MU_MACHINE_PATH_BYTES], file[MU_MACHINE_PATH_BYTES];
        const struct dirent *entry;

        if (mu_machine_path(path, root, "/run/systemd/sessions") < 0)
                return false;
        DIR *sessions = opendir(path);

        if (!sessions)
                return false;
        while ((entry = readdir(sessions))) /* beside each session lies its pipe, N.ref */
                if (!strchr(entry->d_name, '.') &&
                    mu_machine_path(file, path, "/%s", entry->d_name) == 0)
                        read_logind(file, ret_candidate);
        closedir(sessions);
        return true;
}

static void take_utmp(const struct utmp *record, struct candidate *ret_candidate)
{
        struct candidate candidate = {0};
        size_t line_bytes = strnlen(record->ut_line, sizeof(record->ut_line));

        if (record->ut_type != USER_PROCESS || record->ut_user[0] == '\0')
                return;
        mu_machine_clean(candidate.user, sizeof(candidate.user), record->ut_user,
                         strnlen(record->ut_user, sizeof(record->ut_user)));
        mu_machine_clean(candidate.terminal, sizeof(candidate.terminal), record->ut_line,
                         line_bytes);
        if (candidate.terminal[0] == ':') { /* a display */
                candidate.rank = RANK_LOCAL + RANK_SEAT + RANK_GRAPHICAL;
                (void)snprintf(candidate.type, sizeof(candidate.type), "x11");
        } else {
                candidate.rank =
                        record->ut_host[0] && record->ut_host[0] != ':' ? RANK_REMOTE : RANK_LOCAL;
                if (strncmp(candidate.terminal, "tty", 3) == 0)
                        candidate.rank += RANK_SEAT;
                (void)snprintf(candidate.type, sizeof(candidate.type), "tty");
        }
        if (candidate.rank > ret_candidate->rank)
                *ret_candidate = candidate;
}

static void look_utmp(const char *root, struct candidate *ret_candidate)
{
        char path[MU_MACHINE_PATH_BYTES];
        struct utmp record;

        if (mu_machine_path(path, root, "/run/utmp") < 0)
                return;
        FILE *file = fopen(path, "re");

        if (!file)
                return;
        while (fread(&record, sizeof(record), 1, file) == 1)
                take_utmp(&record, ret_candidate);
        fclose(file);
}

static int64_t idle_of(const char *root, const char *terminal, int64_t now_s)
{
        char path[MU_MACHINE_PATH_BYTES];
        struct stat of;

        if (terminal[0] == '\0' || terminal[0] == ':' || strstr(terminal, "..") ||
            mu_machine_path(path, root, "/dev/%s", terminal) < 0 || stat(path, &of) < 0)
                return -1;
        return now_s > of.st_atim.tv_sec ? now_s - of.st_atim.tv_sec : 0;
}

void mu_session_read(const char *root, int64_t now_s, struct mu_session *ret_session)
{
        struct candidate best = {0};

        *ret_session = (struct mu_session){.idle_s = -1};
        if (!look_logind(root, &best))
                look_utmp(root, &best);
        if (best.rank == 0)
                return;
        memcpy(ret_session->user, best.user, sizeof(best.user));
        memcpy(ret_session->type, best.type, sizeof(best.type));
        if (!is_graphical(best.type)) /* a desktop's terminal is read by its server, not by hands */
                ret_session->idle_s = idle_of(root, best.terminal, now_s);
}
