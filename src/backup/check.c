/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - is the newest backup one that could be restored? It is tried.
 *
 *   every digest ─▶ pg_verifybackup ─▶ a copy in a scratch cluster ─▶ recovers? ─▶ numbers as in
 *   the manifest? ─▶ pg_amcheck ─▶ what the caller asks (the audit chain) ─▶ removed
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/files.h"
#include "backup/record.h"
#include "backup/runner.h"
#include "backup/scratch.h"
#include "backup/source.h"
#include "backup/store.h"
#include "backup/tree.h"
#include "base/fs.h"
#include "pg/spawn.h"

enum { START_WAIT_S = 1800, AMCHECK_LIMIT_S = 1800, LOCATION_BYTES_MAX = 4096 };

#define FALLBACK_HOME "/var/lib/muster"

struct check {
        const struct mu_backup_config *config;
        char *from;
        struct mu_manifest manifest;
        bool is_dump;
        struct mu_scratch scratch;
        struct mu_backup_source source;
        uint64_t rows;
        char examined[256];
        struct mu_backup_error problem; /* of the backup: the outcome is failed */
        struct mu_backup_error *error;  /* of the trying */
};

/* ---- where ---- */

static int find_user(uid_t *ret_uid, gid_t *ret_gid, struct mu_backup_error *error)
{
        struct passwd entry, *found = NULL;
        char strings[4096];

        *ret_uid = geteuid();
        *ret_gid = getegid();
        if (*ret_uid != 0)
                return 0;
        if (getpwnam_r("postgres", &entry, strings, sizeof(strings), &found) != 0 || !found)
                return mu_backup_fail(error, -ENOENT,
                                      "a database does not run as root, and there is no user "
                                      "postgres to try the backup as: apt-get install "
                                      "postgresql-15");
        *ret_uid = entry.pw_uid;
        *ret_gid = entry.pw_gid;
        return 0;
}

/* Beside the live cluster, whose user can get there. */
static char *find_home(const struct mu_backup_config *config, uid_t uid, gid_t gid)
{
        char *location = mu_tree_join(config->data_directory, "postgres.location");
        char *home = NULL;
        bool can = false;

        if (location && mu_fs_read_file(location, LOCATION_BYTES_MAX, &home, NULL) == 0) {
                home[strcspn(home, "\n")] = '\0';
        } else if (mu_spawn_can_enter(config->data_directory, uid, gid, &can) == 0 && can) {
                home = strdup(config->data_directory);
        } else if (mu_fs_make_directories(FALLBACK_HOME, 0755) == 0) {
                home = strdup(FALLBACK_HOME);
        }
        free(location);
        return home;
}

static int prepare(struct check *check)
{
        uid_t uid;
        gid_t gid;
        int err = find_user(&uid, &gid, check->error);
        char *home = err == 0 ? find_home(check->config, uid, gid) : NULL;
        char *directory = home ? mu_tree_join(home, MU_BACKUP_SCRATCH) : NULL;
        struct mu_backup_source programs;

        if (err == 0 && !directory)
                err = mu_backup_fail(check->error, -ENOENT,
                                     "there is no place to try the backup in");
        if (err == 0)
                err = mu_source_of_socket("/", &programs, check->error); /* finds the programs */
        if (err == 0 && programs.bin[0] == '\0')
                err = mu_backup_fail(check->error, -ENOENT,
                                     "PostgreSQL's programs are needed to try a backup: apt-get "
                                     "install postgresql-15");
        if (err == 0)
                err = mu_scratch_init(&check->scratch, directory, programs.bin, uid, gid,
                                      check->error);
        free(directory);
        free(home);
        return err;
}

/* True: there is room for the copy, or it can't be told. */
static bool has_room(struct check *check)
{
        uint64_t free_bytes;
        uint64_t bytes = check->manifest.bytes;

        if (mu_fs_space(check->scratch.directory, &free_bytes, NULL) < 0)
                return true;
        /* A dump grows when it is loaded; how much nobody knows. */
        return (check->is_dump ? 4 * bytes : bytes + bytes / 10) < free_bytes;
}

/* ---- the database ---- */

static int verify_cluster(struct check *check, const char *postgres)
{
        char program[PATH_MAX + 32];
        const char *const argv[] = {program, "--skip-checksums", "--quiet", postgres, NULL};

        (void)snprintf(program, sizeof(program), "%s/pg_verifybackup", check->scratch.bin);
        return mu_process_run_one(argv, NULL, &check->problem);
}

static int start_cluster(struct check *check)
{
        char *postgres = mu_tree_join(check->from, "postgres");
        char *to = mu_tree_join(check->scratch.directory, "postgres");
        int err = postgres && to ? verify_cluster(check, postgres) : -ENOMEM;

        if (err == 0 &&
            (err = mu_tree_copy(postgres, to, check->scratch.uid, check->scratch.gid)) < 0)
                (void)mu_backup_fail(check->error, err, "%s can't be copied: %s", postgres,
                                     strerror(-err));
        if (err == 0)
                err = mu_scratch_start(&check->scratch, START_WAIT_S, &check->problem);
        free(postgres);
        free(to);
        return err;
}

static int load_dump(struct check *check)
{
        char program[PATH_MAX + 32];
        char *dump = mu_tree_join(check->from, "database.dump");
        struct mu_backup_source to;
        int err = dump ? mu_scratch_make(&check->scratch, START_WAIT_S, check->error) : -ENOMEM;

        if (err == 0)
                err = mu_source_of_socket(check->scratch.socket_directory, &to, check->error);
        if (err == 0) {
                const char *const argv[] = {program,           "-d",         to.tool_conninfo,
                                            "--exit-on-error", "--no-owner", "--no-privileges",
                                            "--role=muster",   dump,         NULL};

                (void)snprintf(program, sizeof(program), "%s/pg_restore", check->scratch.bin);
                err = mu_process_run_one(argv, NULL, &check->problem);
        }
        free(dump);
        return err;
}

/* Every row and index entry of the tables that everything hangs on. */
static int run_amcheck(struct check *check)
{
        char program[PATH_MAX + 32];
        const char *const argv[] = {program,
                                    "-h",
                                    check->scratch.socket_directory,
                                    "-U",
                                    "postgres",
                                    "--database=muster",
                                    "--install-missing",
                                    "--table=public.devices",
                                    "--table=public.device_tokens",
                                    "--table=public.device_last_status",
                                    "--table=public.users",
                                    "--table=public.audit_log",
                                    NULL};
        const struct mu_process stage = {.argv = argv};
        struct mu_process_run run = {.stages = &stage,
                                     .count = 1,
                                     .input_fd = -1,
                                     .output_fd = -1,
                                     .limit_s = AMCHECK_LIMIT_S};

        (void)snprintf(program, sizeof(program), "%s/pg_amcheck", check->scratch.bin);
        int err = access(program, X_OK) == 0 ? mu_process_run(&run, &check->problem) : 0;

        /* Some installations have the program and not its extension. */
        if (err < 0 && strstr(run.words, "is not available")) {
                check->problem.text[0] = '\0';
                err = 0;
        }
        return err;
}

/* On a copy of the secrets: whoever opens them may write there what is missing. */
static int examine(struct check *check)
{
        char *from = mu_tree_join(check->from, "data/secrets");
        char *secrets = mu_tree_join(check->scratch.directory, "secrets");
        int err = from && secrets ? mu_tree_copy(from, secrets, geteuid(), getegid()) : -ENOMEM;

        if (err == 0 && check->config->examine)
                err = check->config->examine(check->config->examine_context, check->source.conninfo,
                                             secrets, check->examined, sizeof(check->examined));
        if (err < 0)
                (void)mu_backup_fail(&check->problem, err, "%s",
                                     check->examined[0] ? check->examined : strerror(-err));
        free(from);
        free(secrets);
        return err;
}

static int look(struct check *check)
{
        const json_t *facts =
                json_object_get(json_object_get(check->manifest.root, "database"), "facts");
        int err =
                mu_source_of_socket(check->scratch.socket_directory, &check->source, check->error);

        if (err == 0)
                err = mu_source_connect(&check->source, &check->problem);
        if (err == 0)
                err = mu_facts_compare(facts, check->source.pg, &check->rows, &check->problem);
        if (err == 0)
                err = run_amcheck(check);
        return err == 0 ? examine(check) : err;
}

/* ---- all of it ---- */

static int open_backup(struct check *check, const char *directory, bool *ret_bad)
{
        struct mu_backup_name newest;
        int err = mu_store_newest(directory, &newest);

        check->from = err == 0 ? mu_tree_join(directory, newest.name) : strdup(directory);
        if (!check->from)
                return -ENOMEM;
        err = mu_manifest_read(check->from, &check->manifest, &check->problem);
        if (err == -ENOENT)
                return mu_backup_fail(check->error, err, "there is no backup in %s", directory);
        if (err == 0) {
                const json_t *database = json_object_get(check->manifest.root, "database");
                const char *kind = json_string_value(json_object_get(database, "kind"));

                check->is_dump = kind && strcmp(kind, "dump") == 0;
                err = mu_manifest_verify(&check->manifest, check->from, &check->problem);
        }
        *ret_bad = err < 0;
        return 0;
}

static enum mu_backup_check try_it(struct check *check, char *detail, size_t room, int *ret_err)
{
        int err = prepare(check);

        if (err == 0 && !has_room(check)) {
                (void)snprintf(detail, room,
                               "all %llu files are what they were; %s has no room to restore them "
                               "for a closer look",
                               (unsigned long long)check->manifest.file_count,
                               check->scratch.directory);
                return MU_BACKUP_CHECK_SKIPPED;
        }
        mu_backup_say(check->config, "it is restored into %s", check->scratch.directory);
        if (err == 0)
                err = check->is_dump ? load_dump(check) : start_cluster(check);
        if (err == 0)
                err = look(check);
        if (err == 0)
                (void)snprintf(detail, room, "restored and counted: %llu files, %llu rows%s%s",
                               (unsigned long long)check->manifest.file_count,
                               (unsigned long long)check->rows, check->examined[0] ? "; " : "",
                               check->examined);
        else if (check->problem.text[0])
                (void)snprintf(detail, room, "%s", check->problem.text);
        *ret_err = err < 0 && check->problem.text[0] == '\0' ? err : 0;
        return err == 0 ? MU_BACKUP_CHECK_OK : MU_BACKUP_CHECK_FAILED;
}

/* For the next time it is due, and for the metrics: runner.h. */
static void remember(struct check *check, enum mu_backup_check outcome)
{
        const char *word = mu_backup_check_name(outcome);
        char *path = mu_tree_join(check->config->data_directory, MU_BACKUP_CHECKED_FILE);

        if (!path || mu_fs_write_file(path, word, strlen(word), 0600) < 0)
                mu_backup_say(check->config, "%s can't be written",
                              path ? path : MU_BACKUP_CHECKED_FILE);
        free(path);
}

static void record(struct check *check, enum mu_backup_check outcome, const char *detail)
{
        struct mu_backup_source live = {0};
        struct mu_backup_error error = {.text = ""};
        char *real = realpath(check->from, NULL);
        int err = mu_source_find(check->config, &live, &error);

        if (err == 0)
                err = mu_source_connect(&live, &error);
        if (err == 0 && real)
                err = mu_record_checked(live.pg, real, outcome, detail);
        if (err < 0)
                mu_backup_say(check->config, "the outcome could not be recorded: %s",
                              error.text[0] ? error.text : strerror(-err));
        mu_source_close(&live);
        free(real);
}

int mu_backup_check(const struct mu_backup_config *config, const char *directory,
                    enum mu_backup_check *ret_outcome, char *ret_detail, size_t room,
                    struct mu_backup_error *ret_error)
{
        struct check check = {.config = config, .error = ret_error, .scratch = {.log_fd = -1}};
        enum mu_backup_check outcome = MU_BACKUP_CHECK_FAILED;
        bool bad = false;

        ret_error->text[0] = '\0';
        int err = open_backup(&check, directory, &bad);

        if (err == 0 && bad) {
                (void)snprintf(ret_detail, room, "%s", check.problem.text);
        } else if (err == 0 && json_is_true(json_object_get(check.manifest.root, "encrypted"))) {
                outcome = MU_BACKUP_CHECK_SKIPPED;
                (void)snprintf(ret_detail, room,
                               "it is whole, and encrypted: only where its private key is can it "
                               "be tried, by restoring it there");
        } else if (err == 0) {
                outcome = try_it(&check, ret_detail, room, &err);
        }
        mu_source_close(&check.source);
        mu_scratch_done(&check.scratch);
        if (err == 0) {
                record(&check, outcome, ret_detail);
                remember(&check, outcome);
                *ret_outcome = outcome;
        } else if (ret_error->text[0] == '\0') {
                (void)mu_backup_fail(ret_error, err, "%s", strerror(-err));
        }
        mu_manifest_done(&check.manifest);
        free(check.from);
        return err;
}
