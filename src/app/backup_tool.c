/* SPDX-License-Identifier: Apache-2.0 */
#include "app/backup_tool.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app_private.h"
#include "app/run_files.h"
#include "backup/backup.h"
#include "backup/runner.h"
#include "base/clock.h"
#include "base/fs.h"
#include "control/audit/audit_chain.h"
#include "control/control.h"
#include "control/doctor/doctor.h"
#include "identity/secrets.h"
#include "pg/database.h"
#include "pg/query.h"

enum tool_exit {
        TOOL_DONE = 0,
        TOOL_FAILED = 1,
        TOOL_USAGE = 2,
        ACQUIRE_MS = 20000,
};

struct tool {
        const char *verb;
        const char *operand;
        const char *kind;
        const char *by;
        const char *identity;
        const char *config_path;
        bool replace;
        bool without_journal;
        bool json;
        struct mu_config settings;
        struct mu_backup_config config;
        char *data_directory;
        char journal_directory[PATH_MAX];
        char *config_real;
};

bool mu_backup_tool_is(int argc, char **argv)
{
        static const char *const verbs[] = {"backup", "backup-check", "restore", "doctor"};

        for (size_t i = 0; argc > 1 && i < MU_COUNT_OF(verbs); i++)
                if (strcmp(argv[1], verbs[i]) == 0)
                        return true;
        return false;
}

/* ---- the command line ---- */

/* One that is ours alone: true, and *at stands on the last word it took. */
static bool take_own(struct tool *tool, int argc, char **argv, int *at)
{
        const struct {
                const char *name;
                const char **value;
                bool *flag;
        } own[] = {
                {"--kind", &tool->kind, NULL},
                {"--by", &tool->by, NULL},
                {"--identity", &tool->identity, NULL},
                {"--replace", NULL, &tool->replace},
                {"--without-journal", NULL, &tool->without_journal},
                {"--json", NULL, &tool->json},
        };

        for (size_t i = 0; i < MU_COUNT_OF(own); i++) {
                if (strcmp(argv[*at], own[i].name) != 0)
                        continue;
                if (own[i].flag)
                        *own[i].flag = true;
                else if (*at + 1 < argc)
                        *own[i].value = argv[++*at];
                return true;
        }
        return false;
}

static int complain(const char *sentence)
{
        (void)fprintf(stderr, "musterd: %s\n", sentence);
        return TOOL_USAGE;
}

/* The words that are musterd's settings, with its name before and NULL behind; freed by the caller.
 */
static char **sort_words(struct tool *tool, int argc, char **argv, int *ret_count)
{
        char **rest = calloc((size_t)argc + 1, sizeof(*rest));
        int count = 0;

        if (!rest)
                return NULL;
        rest[count++] = argv[0];
        for (int at = 2; at < argc; at++) {
                if (take_own(tool, argc, argv, &at))
                        continue;
                if (strncmp(argv[at], "--", 2) != 0) {
                        tool->operand = argv[at];
                        continue;
                }
                rest[count++] = argv[at];
                if (strncmp(argv[at], "--config=", 9) == 0)
                        tool->config_path = argv[at] + 9;
                else if (strcmp(argv[at], "--config") == 0 && at + 1 < argc)
                        tool->config_path = argv[at + 1];
                if (!strchr(argv[at], '=') && at + 1 < argc && strncmp(argv[at + 1], "--", 2) != 0)
                        rest[count++] = argv[++at];
        }
        *ret_count = count;
        return rest;
}

static int read_settings(struct tool *tool, int argc, char **argv, char **environment)
{
        char error[MU_CONFIG_ERROR_BYTES];
        enum mu_config_action action;
        int count = 0;
        char **rest = sort_words(tool, argc, argv, &count);
        int err = rest ? mu_config_load(count, rest, environment, &tool->settings, &action, error)
                       : -ENOMEM;

        free((void *)rest);
        if (err < 0)
                return complain(err == -ENOMEM ? "there is no memory" : error);
        for (char **entry = environment; !tool->config_path && *entry; entry++)
                if (strncmp(*entry, "MUSTER_CONFIG=", 14) == 0)
                        tool->config_path = *entry + 14;
        if (!tool->operand && strcmp(tool->verb, "doctor") != 0)
                return complain("name the directory: musterd backup DIR, musterd restore FROM");
        return 0;
}

static void say(void *context, const char *sentence)
{
        (void)context;
        (void)fprintf(stderr, "%s\n", sentence);
}

/* ---- the audit chain of a restored database ---- */

static int verify_chain(struct mu_control *control, const char *conninfo, char *detail, size_t room)
{
        struct mu_database_config config;
        struct mu_database *database;
        struct mu_audit_report report;
        struct mu_pg_error error;
        struct mu_pg *pg;

        mu_database_config_init(&config, conninfo);
        config.connections_max = 1;
        config.statement_timeout_ms = 0;
        int err = mu_database_create(&config, &database, &error);

        if (err < 0) {
                (void)snprintf(detail, room, "%s", error.text);
                return err;
        }
        err = mu_database_acquire(database, ACQUIRE_MS, &pg, &error);
        if (err == 0) {
                err = mu_audit_verify(control, pg, &report);
                error = *mu_pg_last_error(pg);
                mu_database_release(database, pg);
        }
        mu_database_destroy(database);
        if (err < 0)
                (void)snprintf(detail, room, "the audit chain can't be read: %.150s", error.text);
        else if (report.problem_count > 0)
                (void)snprintf(detail, room, "the audit chain has %llu problems",
                               (unsigned long long)report.problem_count);
        else
                (void)snprintf(detail, room, "the audit chain holds");
        return err < 0 ? err : report.problem_count > 0 ? -EBADMSG : 0;
}

static int examine(void *context, const char *conninfo, const char *secrets_directory, char *detail,
                   size_t room)
{
        char error[MU_SECRET_ERROR_BYTES];
        struct mu_secrets *secrets;
        int err = mu_secrets_open(secrets_directory, &secrets, error);

        (void)context;
        if (err < 0) {
                (void)snprintf(detail, room, "its secrets can't be used: %.200s", error);
                return err;
        }
        struct mu_control *control = calloc(1, sizeof(*control));

        if (control) {
                control->config.secrets = secrets;
                err = verify_chain(control, conninfo, detail, room);
        }
        free(control);
        mu_secrets_close(secrets);
        return control ? err : -ENOMEM;
}

/* ---- the configuration ---- */

static int fill(struct tool *tool)
{
        const struct mu_config *settings = &tool->settings;
        bool restoring = strcmp(tool->verb, "restore") == 0;
        int err = restoring ? mu_fs_make_directories(settings->data_dir, 0755) : 0;

        tool->data_directory = err == 0 ? realpath(settings->data_dir, NULL) : NULL;
        if (!tool->data_directory) {
                (void)fprintf(stderr, "musterd: the data directory %s can't be used: %s.\n",
                              settings->data_dir, strerror(err < 0 ? -err : errno));
                return TOOL_USAGE;
        }
        if (*settings->journal_dir)
                (void)snprintf(tool->journal_directory, PATH_MAX, "%s", settings->journal_dir);
        else
                (void)snprintf(tool->journal_directory, PATH_MAX, "%s/journal",
                               tool->data_directory);
        tool->config_real = tool->config_path ? realpath(tool->config_path, NULL) : NULL;
        tool->config = (struct mu_backup_config){
                .data_directory = tool->data_directory,
                .journal_directory = tool->journal_directory,
                .database_url = settings->database_url,
                .configuration_file = tool->config_real ? tool->config_real : "",
                .tls_certificate = settings->tls_certificate,
                .tls_key = settings->tls_key,
                .recipients = settings->backup_recipients,
                .before = settings->backup_before,
                .after = settings->backup_after,
                .offsite = settings->backup_offsite,
                .offsite_key = settings->backup_offsite_key,
                .made_by = "musterd " MUSTER_VERSION,
                .bandwidth_bytes_per_s = settings->backup_bandwidth,
                .hook_limit_s = (uint32_t)(settings->backup_hook_timeout / MU_NS_PER_S),
                .keep = (uint32_t)settings->backup_keep,
                .keep_days = (uint32_t)settings->backup_keep_days,
                .say = say,
                .examine = examine,
        };
        return 0;
}

static void print(const struct tool *tool, json_t *result, const char *sentence)
{
        if (tool->json)
                (void)json_dumpf(result, stdout, JSON_COMPACT);
        (void)printf("%s\n", tool->json ? "" : sentence);
        json_decref(result);
}

static int report_failure(const struct tool *tool, const struct mu_backup_error *error)
{
        if (tool->json)
                print(tool, json_pack("{s:s, s:s}", "outcome", "failed", "error", error->text), "");
        (void)fprintf(stderr, "musterd: %s\n", error->text);
        return TOOL_FAILED;
}

/* ---- the verbs ---- */

/* For the next one that is scheduled: runner.h. */
static void remember(const struct tool *tool)
{
        const char *directory = tool->settings.backup_directory;
        char path[PATH_MAX + 32];

        if (strcmp(tool->operand, directory) != 0)
                return;
        (void)snprintf(path, sizeof(path), "%s/" MU_BACKUP_LAST_FILE, tool->data_directory);
        if (mu_fs_write_file(path, directory, strlen(directory), 0600) < 0)
                (void)fprintf(stderr, "%s can't be written\n", path);
}

static int backup(struct tool *tool)
{
        struct mu_backup_report report;
        struct mu_backup_error error;
        char sentence[PATH_MAX + 256];
        int err = mu_backup_take(&tool->config, tool->operand, tool->kind ? tool->kind : "manual",
                                 tool->by ? tool->by : "", &report, &error);

        if (err < 0)
                return report_failure(tool, &error);
        remember(tool);
        (void)snprintf(sentence, sizeof(sentence), "%s: %llu files, %llu MiB%s%s%s",
                       report.directory, (unsigned long long)report.file_count,
                       (unsigned long long)(report.bytes >> 20),
                       report.encrypted ? ", encrypted" : "",
                       report.offsite_problem[0] ? "; the off-site copy FAILED" : "",
                       report.hook_problem[0] ? "; the after hook FAILED" : "");
        print(tool,
              json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:i, s:s, s:s}", "outcome", "ok",
                        "directory", report.directory, "bytes", (json_int_t)report.bytes, "files",
                        (json_int_t)report.file_count, "linked_files",
                        (json_int_t)report.linked_count, "encrypted", (int)report.encrypted,
                        "removed", (int)report.removed_count, "offsite_problem",
                        report.offsite_problem, "hook_problem", report.hook_problem),
              sentence);
        return TOOL_DONE;
}

static int check(struct tool *tool)
{
        static const char *const names[] = {"ok", "failed", "skipped"};
        struct mu_backup_error error;
        enum mu_backup_check outcome;
        char detail[1024] = "";
        char sentence[1100];
        int err = mu_backup_check(&tool->config, tool->operand, &outcome, detail, sizeof(detail),
                                  &error);

        if (err < 0)
                return report_failure(tool, &error);
        (void)snprintf(sentence, sizeof(sentence), "%s: %s", names[outcome], detail);
        print(tool, json_pack("{s:s, s:s}", "outcome", names[outcome], "detail", detail), sentence);
        if (outcome == MU_BACKUP_CHECK_FAILED)
                (void)fprintf(stderr, "musterd: the backup is not good: %s\n", detail);
        return outcome == MU_BACKUP_CHECK_FAILED ? MU_BACKUP_NOT_GOOD : TOOL_DONE;
}

static int restore(struct tool *tool)
{
        const struct mu_restore_request request = {
                .from = tool->operand,
                .identity = tool->identity ? tool->identity : "",
                .replace = tool->replace,
                .without_journal = tool->without_journal,
        };
        struct mu_backup_error error;
        char sentence[MU_RUN_ERROR_BYTES + PATH_MAX];
        int lock_fd;

        if (tool->without_journal && !tool->replace)
                return complain("--without-journal goes with --replace");
        if (mu_run_lock(tool->data_directory, &lock_fd, sentence) < 0) {
                (void)fprintf(stderr, "musterd: %s\n", sentence);
                return TOOL_FAILED;
        }
        int err = mu_backup_restore(&tool->config, &request, &error);

        mu_run_unlock(tool->data_directory, lock_fd);
        if (err < 0)
                return report_failure(tool, &error);
        (void)snprintf(sentence, sizeof(sentence),
                       "Restored into %s. Start musterd on it: the first start recovers the "
                       "database, later ones are as usual.",
                       tool->data_directory);
        print(tool, json_pack("{s:s, s:s}", "outcome", "ok", "directory", tool->data_directory),
              sentence);
        return TOOL_DONE;
}

/* Without the daemon: files, settings, the machine. */
static int doctor(struct tool *tool)
{
        struct mu_doctor_settings settings;
        char certificate[PATH_MAX];
        struct mu_doctor doctor;

        if (mu_doctor_init(&doctor) < 0)
                return complain("there is no memory");
        mu_app_doctor_settings(&tool->settings, tool->journal_directory, certificate, &settings);
        mu_doctor_add(&doctor, "running", MU_DOCTOR_WARN,
                      "Start musterd; then musterctl doctor asks it, and the database too.",
                      "only files, settings and the machine were looked at");
        mu_doctor_local(&doctor, &settings);
        mu_doctor_machine(&doctor, &settings);
        json_t *json = mu_doctor_json(&doctor);
        int code = mu_doctor_exit(&doctor);

        (void)json_dumpf(json, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(json);
        mu_doctor_done(&doctor);
        return code;
}

int mu_backup_tool(int argc, char **argv, char **environment)
{
        struct tool tool = {.verb = argv[1]};
        int code = read_settings(&tool, argc, argv, environment);

        if (code == 0)
                code = fill(&tool);
        if (code == 0)
                code = strcmp(tool.verb, "backup") == 0         ? backup(&tool)
                       : strcmp(tool.verb, "backup-check") == 0 ? check(&tool)
                       : strcmp(tool.verb, "doctor") == 0       ? doctor(&tool)
                                                                : restore(&tool);
        mu_config_done(&tool.settings);
        free(tool.data_directory);
        free(tool.config_real);
        return code;
}
