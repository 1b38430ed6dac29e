/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local.c - verbs that work on the appliance's own machine: musterd does the work, and this hands
 * over to it. Whoever may read the data directory may make a backup; no sign-in is asked for.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/ctl.h"

enum {
        ARGUMENTS_MAX = 24,
        REPORT_BYTES_MAX = 1 << 20,
        NAME_COLUMNS = 22,
};

/* Beside this program, else wherever PATH has it. */
static const char *find_musterd(char path[PATH_MAX])
{
        ssize_t chars = readlink("/proc/self/exe", path, PATH_MAX - 16);
        char *slash;

        if (chars > 0) {
                path[chars] = '\0';
                slash = strrchr(path, '/');
                if (slash) {
                        memcpy(slash + 1, "musterd", sizeof("musterd"));
                        if (access(path, X_OK) == 0)
                                return path;
                }
        }
        return "musterd";
}

/* musterd refuses what it does not know in its environment, rightly. */
static void forget_our_environment(void)
{
        static const char *const names[] = {"MUSTER_URL", "MUSTER_SESSION", "MUSTER_TOKEN_FILE",
                                            "MUSTER_ADMIN_KEY_FILE"};

        for (size_t i = 0; i < MU_COUNT_OF(names); i++)
                (void)unsetenv(names[i]);
}

struct words {
        const char *list[ARGUMENTS_MAX + 1];
        size_t count;
};

static void add(struct words *words, const char *word)
{
        if (word && words->count < ARGUMENTS_MAX)
                words->list[words->count++] = word;
}

static const char *given(const struct mu_ctl_input *input, const char *key)
{
        return json_string_value(json_object_get(input->local, key));
}

static void add_given(struct words *words, const struct mu_ctl_input *input, const char *key,
                      const char *flag)
{
        if (!given(input, key))
                return;
        add(words, flag);
        add(words, given(input, key));
}

static void add_flag(struct words *words, const struct mu_ctl_input *input, const char *key,
                     const char *flag)
{
        if (json_is_true(json_object_get(input->local, key)))
                add(words, flag);
}

static void begin(struct words *words, const struct mu_ctl_input *input, const char *verb,
                  char path[PATH_MAX])
{
        *words = (struct words){.count = 0};
        add(words, find_musterd(path));
        add(words, verb);
        add(words, given(input, "directory"));
        add_given(words, input, "data_dir", "--data-dir");
        add_given(words, input, "config", "--config");
}

/* Returns only when it can't. */
static int hand_over(struct words *words)
{
        forget_our_environment();
        (void)fflush(NULL);
        (void)execvp(words->list[0], (char *const *)(uintptr_t)words->list);
        mu_ctl_complain("%s can't be run: %s. It does the work, and must be on this machine.",
                        words->list[0], strerror(errno));
        return MU_CTL_FAILED;
}

int mu_ctl_backup(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        char path[PATH_MAX];
        struct words words;

        (void)verb;
        begin(&words, input, "backup", path);
        if (ctl->globals.json)
                add(&words, "--json");
        return hand_over(&words);
}

int mu_ctl_restore(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        char path[PATH_MAX];
        struct words words;

        (void)verb;
        begin(&words, input, "restore", path);
        add_given(&words, input, "identity", "--identity");
        add_flag(&words, input, "replace", "--replace");
        add_flag(&words, input, "without_journal", "--without-journal");
        if (ctl->globals.json)
                add(&words, "--json");
        return hand_over(&words);
}

/* ---- doctor ---- */

static void print_check(const json_t *check)
{
        static const struct {
                const char *status;
                const char *sign;
        } signs[] = {{"ok", "✓"}, {"warn", "!"}, {"fail", "✗"}, {"skip", "·"}};
        const char *status = json_string_value(json_object_get(check, "status"));
        const char *name = json_string_value(json_object_get(check, "name"));
        const char *advice = json_string_value(json_object_get(check, "advice"));
        const char *found = json_string_value(json_object_get(check, "found"));
        const char *sign = "?";
        char *shown = strdup(found ? found : "");

        for (size_t i = 0; status && i < MU_COUNT_OF(signs); i++)
                if (strcmp(status, signs[i].status) == 0)
                        sign = signs[i].sign;
        if (shown)
                mu_ctl_clean(shown);
        (void)printf("%s %-*s %s\n", sign, NAME_COLUMNS, name ? name : "", shown ? shown : "");
        if (advice && *advice)
                (void)printf("  %*s → %s\n", NAME_COLUMNS, "", advice);
        free(shown);
}

static int print_report(const struct mu_ctl *ctl, const json_t *report)
{
        const json_t *counts = json_object_get(report, "counts");
        json_int_t failures = json_integer_value(json_object_get(counts, "fail"));
        json_int_t warnings = json_integer_value(json_object_get(counts, "warn"));
        json_int_t fine = json_integer_value(json_object_get(counts, "ok"));
        size_t i;
        json_t *check;

        if (ctl->globals.json) {
                mu_ctl_print_json(report);
        } else {
                json_array_foreach(json_object_get(report, "checks"), i, check) print_check(check);
                (void)printf("\n%lld fine, %lld to look at, %lld wrong.\n", (long long)fine,
                             (long long)warnings, (long long)failures);
        }
        return failures > 0 ? 2 : warnings > 0 ? 1 : 0;
}

/* What musterd says without running: files, settings, the machine. NULL: it could not be asked. */
static json_t *ask_musterd(struct words *words)
{
        int ends[2];
        json_t *report = NULL;

        (void)fflush(NULL);
        if (pipe(ends) < 0)
                return NULL;
        pid_t pid = fork();

        if (pid == 0) {
                (void)dup2(ends[1], STDOUT_FILENO);
                (void)close(ends[0]);
                (void)close(ends[1]);
                _exit(hand_over(words));
        }
        (void)close(ends[1]);
        FILE *stream = pid > 0 ? fdopen(ends[0], "r") : NULL;

        if (stream) {
                report = json_loadf(stream, JSON_DISABLE_EOF_CHECK, NULL);
                (void)fclose(stream);
        } else {
                (void)close(ends[0]);
        }
        if (pid > 0)
                (void)waitpid(pid, NULL, 0);
        return report;
}

int mu_ctl_doctor(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        char path[PATH_MAX];
        struct words words;
        int code = given(input, "data_dir") ? MU_CTL_UNREACHABLE
                                            : mu_ctl_request(ctl, verb->method, input->path, NULL,
                                                             NULL, NULL, &reply);

        if (code == MU_CTL_OK) {
                code = print_report(ctl, reply.json);
        } else if (code == MU_CTL_UNREACHABLE) {
                begin(&words, input, "doctor", path);
                json_t *report = ask_musterd(&words);

                if (report)
                        code = print_report(ctl, report);
                json_decref(report);
        }
        mu_ctl_reply_done(&reply);
        return code;
}
