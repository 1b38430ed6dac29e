/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/tree.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/text.h"
#include "pg/conninfo.h"
#include "pg/database.h"
#include "pg/query.h"

#define PROGRAMS "/usr/lib/postgresql"

enum {
        CONNECT_WAIT_MS = 20000,
        RUN_FILE_BYTES_MAX = 65536,
        KIB = 1024,
        RATE_LEAST_KIB = 32, /* pg_basebackup's bounds */
        RATE_MOST_KIB = 1024 * 1024,
};

/* ---- where ---- */

/* The newest installed: pg_dump reads servers up to its own version. */
static void find_programs(struct mu_backup_source *source)
{
        struct dirent **names = NULL;
        int count = scandir(PROGRAMS, &names, NULL, versionsort);
        char path[512];

        source->bin[0] = '\0';
        for (int i = 0; i < count; i++) {
                (void)snprintf(path, sizeof(path), PROGRAMS "/%s/bin/pg_dump", names[i]->d_name);
                /* The private cluster's are version 15. */
                if (access(path, X_OK) == 0 &&
                    (!source->private_cluster || strcmp(names[i]->d_name, "15") == 0))
                        (void)snprintf(source->bin, sizeof(source->bin), PROGRAMS "/%s/bin",
                                       names[i]->d_name);
                free(names[i]);
        }
        free((void *)names);
}

char *mu_source_program(const struct mu_backup_source *source, const char *program)
{
        return source->bin[0] ? mu_tree_join(source->bin, program) : strdup(program);
}

void mu_source_environment(const struct mu_backup_source *source, const char *ret_environment[2])
{
        ret_environment[0] = source->password;
        ret_environment[1] = NULL;
}

static void add_value(struct mu_text *text, const char *keyword, const char *value)
{
        mu_text_add_format(text, "%s%s='", text->bytes ? " " : "", keyword);
        for (; *value; value++)
                mu_text_add_format(text, *value == '\'' || *value == '\\' ? "\\%c" : "%c", *value);
        mu_text_add(text, "'");
}

/* What libpq understands, without the password and what only our own sessions want. */
static int split_url(const char *url, struct mu_backup_source *source,
                     struct mu_backup_error *error)
{
        struct mu_conninfo conninfo;
        struct mu_pg_error pg_error;
        struct mu_text text;
        int err = mu_conninfo_init(&conninfo, url, 0, &pg_error);

        if (err < 0)
                return mu_backup_fail(error, err, "database.url: %s", pg_error.text);
        mu_text_init_fixed(&text, source->tool_conninfo, sizeof(source->tool_conninfo));
        for (uint32_t i = 0; i < conninfo.count; i++) {
                const char *keyword = conninfo.keywords[i];

                if (strcmp(keyword, "password") == 0) {
                        if (asprintf(&source->password, "PGPASSWORD=%s", conninfo.values[i]) < 0)
                                source->password = NULL;
                } else if (strcmp(keyword, "options") != 0) {
                        add_value(&text, keyword, conninfo.values[i]);
                }
        }
        err = mu_text_status(&text);
        mu_conninfo_done(&conninfo);
        if (err == 0 && (size_t)snprintf(source->conninfo, sizeof(source->conninfo), "%s", url) >=
                                sizeof(source->conninfo))
                err = -ENAMETOOLONG;
        return err < 0 ? mu_backup_fail(error, err, "database.url is too long") : 0;
}

static int set_socket(struct mu_backup_source *source, const char *socket_directory,
                      struct mu_backup_error *error)
{
        struct mu_text text;

        source->private_cluster = true;
        (void)snprintf(source->socket_directory, sizeof(source->socket_directory), "%s",
                       socket_directory);
        mu_text_init_fixed(&text, source->conninfo, sizeof(source->conninfo));
        add_value(&text, "host", socket_directory);
        mu_text_add(&text, " port=5432 dbname=muster user=muster");
        int err = mu_text_status(&text);

        mu_text_init_fixed(&text, source->tool_conninfo, sizeof(source->tool_conninfo));
        add_value(&text, "host", socket_directory);
        mu_text_add(&text, " port=5432 dbname=muster user=postgres");
        if (err == 0)
                err = mu_text_status(&text);
        find_programs(source);
        return err < 0 ? mu_backup_fail(error, err, "%s is too long", socket_directory) : 0;
}

int mu_source_of_socket(const char *socket_directory, struct mu_backup_source *source,
                        struct mu_backup_error *ret_error)
{
        *source = (struct mu_backup_source){0};
        return set_socket(source, socket_directory, ret_error);
}

/* run.json's socket_dir: only a private cluster has one. */
static int find_running(const struct mu_backup_config *config, struct mu_backup_source *source,
                        struct mu_backup_error *error)
{
        char *path = mu_tree_join(config->data_directory, "run.json");
        char *text = NULL;
        int err = path ? mu_fs_read_file(path, RUN_FILE_BYTES_MAX, &text, NULL) : -ENOMEM;

        free(path);
        if (err < 0)
                return mu_backup_fail(error, err,
                                      "no appliance runs on %s, and a backup is made of a running "
                                      "one: start it, or name its data directory with --data-dir",
                                      config->data_directory);
        json_t *run = json_loads(text, 0, NULL);
        const char *socket_directory = json_string_value(json_object_get(run, "socket_dir"));

        if (socket_directory)
                err = set_socket(source, socket_directory, error);
        else
                err = mu_backup_fail(error, -EINVAL,
                                     "the appliance on %s uses an existing PostgreSQL: give "
                                     "database.url as musterd has it (MUSTER_DATABASE_URL, or "
                                     "--config with its file)",
                                     config->data_directory);
        json_decref(run);
        free(text);
        return err;
}

int mu_source_find(const struct mu_backup_config *config, struct mu_backup_source *source,
                   struct mu_backup_error *ret_error)
{
        *source = (struct mu_backup_source){0};
        if (*config->database_url == '\0')
                return find_running(config, source, ret_error);
        int err = split_url(config->database_url, source, ret_error);

        find_programs(source);
        return err;
}

int mu_source_connect(struct mu_backup_source *source, struct mu_backup_error *ret_error)
{
        struct mu_database_config config;
        struct mu_pg_error error = {.text = ""};

        mu_database_config_init(&config, source->conninfo);
        config.connections_max = 2;
        int err = mu_database_create(&config, &source->database, &error);

        if (err == 0)
                err = mu_database_acquire(source->database, CONNECT_WAIT_MS, &source->pg, &error);
        if (err < 0)
                return mu_backup_fail(ret_error, err, "the database does not answer: %s",
                                      error.text);
        source->server_version = PQserverVersion(mu_pg_raw(source->pg));
        return 0;
}

void mu_source_close(struct mu_backup_source *source)
{
        if (source->database)
                mu_database_release(source->database, source->pg);
        mu_database_destroy(source->database);
        if (source->password) {
                explicit_bzero(source->password, strlen(source->password));
                free(source->password);
        }
        explicit_bzero(source->conninfo, sizeof(source->conninfo));
        *source = (struct mu_backup_source){0};
}

/* ---- copying ---- */

/* Its own manifest too, so that pg_verifybackup can be run on it by anybody. */
static int run_basebackup(const struct mu_backup_source *source,
                          const struct mu_backup_config *config, const char *to,
                          struct mu_backup_error *error)
{
        char rate[32];
        uint64_t rate_kib = config->bandwidth_bytes_per_s / KIB;
        char *program = mu_source_program(source, "pg_basebackup");
        const char *argv[] = {program,
                              "-d",
                              source->tool_conninfo,
                              "-D",
                              to,
                              "--format=plain",
                              "--wal-method=stream",
                              "--checkpoint=fast",
                              "--manifest-checksums=SHA256",
                              "--label=muster",
                              "--no-password",
                              NULL,
                              NULL};

        rate_kib = rate_kib < RATE_LEAST_KIB  ? RATE_LEAST_KIB
                   : rate_kib > RATE_MOST_KIB ? RATE_MOST_KIB
                                              : rate_kib;
        (void)snprintf(rate, sizeof(rate), "--max-rate=%lluk", (unsigned long long)rate_kib);
        if (config->bandwidth_bytes_per_s > 0)
                argv[11] = rate;
        int err = program ? mu_process_run_one(argv, NULL, error) : -ENOMEM;

        free(program);
        return err;
}

static int64_t now_us(void)
{
        return mu_clock_realtime_us(mu_clock_system());
}

static int copy_cluster(struct mu_backup_source *source, const struct mu_backup_config *config,
                        const char *directory, json_t **ret_facts, struct mu_backup_error *error)
{
        int64_t hour_to_us = now_us();
        int64_t hour_from_us = hour_to_us - 3600 * MU_US_PER_S;
        char *to = mu_tree_join(directory, "postgres");
        json_t *before = NULL;
        json_t *after = NULL;
        int err =
                to ? mu_facts_read(source->pg, hour_from_us, hour_to_us, &before, error) : -ENOMEM;

        MU_FAILPOINT("backup.database", err);
        if (err == 0)
                err = run_basebackup(source, config, to, error);
        if (err == 0)
                err = mu_facts_read(source->pg, hour_from_us, hour_to_us, &after, error);
        if (err == 0)
                *ret_facts = mu_facts_join(before, after);
        json_decref(before);
        json_decref(after);
        free(to);
        return err;
}

static const struct mu_pg_statement SNAPSHOT = {
        .name = "backup_snapshot",
        .sql = "SELECT pg_export_snapshot()",
};

static int run_dump(const struct mu_backup_source *source, const char *snapshot, const char *to,
                    struct mu_backup_error *error)
{
        const char *environment[2];
        char *program = mu_source_program(source, "pg_dump");
        char jobs[16];
        char with[128];

        (void)snprintf(jobs, sizeof(jobs), "--jobs=%d", MU_BACKUP_DUMP_JOBS);
        (void)snprintf(with, sizeof(with), "--snapshot=%s", snapshot);
        const char *const argv[] = {program,
                                    "-d",
                                    source->tool_conninfo,
                                    "--file",
                                    to,
                                    jobs,
                                    "--format=directory",
                                    with,
                                    "--no-owner",
                                    "--no-privileges",
                                    "--no-password",
                                    NULL};

        mu_source_environment(source, environment);
        int err = program ? mu_process_run_one(argv, environment, error) : -ENOMEM;

        free(program);
        return err;
}

/* The transaction whose snapshot is dumped stays open until the end, and is what is counted. */
static int copy_dump(struct mu_backup_source *source, const char *directory, json_t **ret_facts,
                     struct mu_backup_error *error)
{
        int64_t hour_to_us = now_us();
        struct mu_pg_result *rows = NULL;
        char *to = mu_tree_join(directory, "database.dump");
        json_t *facts = NULL;
        int err = to ? mu_pg_begin(source->pg) : -ENOMEM;

        if (err == 0)
                err = mu_pg_script(source->pg, "backup_isolation",
                                   "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
                                   "SET LOCAL idle_in_transaction_session_timeout = 0");
        if (err == 0)
                err = mu_pg_query(source->pg, &SNAPSHOT, MU_PG_VALUES(), &rows);
        if (err < 0)
                err = mu_backup_fail(error, err, "the database gives no snapshot: %s",
                                     mu_pg_last_error(source->pg)->text);
        if (err == 0)
                err = mu_facts_read(source->pg, hour_to_us - 3600 * MU_US_PER_S, hour_to_us, &facts,
                                    error);
        MU_FAILPOINT("backup.database", err);
        if (err == 0)
                err = run_dump(source, mu_pg_get_text(rows, 0, 0), to, error);
        if (err == 0)
                *ret_facts = mu_facts_join(facts, facts);
        mu_pg_result_free(rows);
        mu_pg_rollback(source->pg);
        json_decref(facts);
        free(to);
        return err;
}

int mu_source_copy(struct mu_backup_source *source, const struct mu_backup_config *config,
                   const char *directory, json_t **ret_facts, struct mu_backup_error *ret_error)
{
        return source->private_cluster
                       ? copy_cluster(source, config, directory, ret_facts, ret_error)
                       : copy_dump(source, directory, ret_facts, ret_error);
}
