/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore.c - a backup put into a data directory where nothing runs.
 *
 *   every digest first ─▶ [unseal, every digest in it] ─▶ what is there moved aside ─▶ database ─▶
 *   files ─▶ synced
 *
 * The journal stays where it is: what it holds beyond the backup is replayed by the next start. The
 * identities stay with it: devices that PostgreSQL then lacks are put back from them.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/files.h"
#include "backup/source.h"
#include "backup/store.h"
#include "backup/tree.h"
#include "base/clock.h"
#include "base/fs.h"
#include "pg/cluster.h"
#include "pg/cluster_place.h"
#include "pg/query.h"

enum { CLUSTER_WAIT_MS = 300000, CONNECTIONS = 24, OURS_MAJOR = 15 };

struct restore {
        const struct mu_backup_config *config;
        const struct mu_restore_request *request;
        struct mu_backup_error *error;
        char *from;
        char *staging; /* of an encrypted one; NULL */
        struct mu_manifest manifest;
        bool is_dump;
        bool keeps_identities;
        char stamp[24];
};

static int fail(struct restore *restore, int err, const char *path, const char *what)
{
        return mu_backup_fail(restore->error, err, "%s can't be %s: %s", path, what,
                              strerror(-err));
}

/* ---- what is restored ---- */

static int open_backup(struct restore *restore)
{
        struct mu_backup_name newest;

        if (mu_store_newest(restore->request->from, &newest) == 0)
                restore->from = mu_tree_join(restore->request->from, newest.name);
        else
                restore->from = strdup(restore->request->from);
        if (!restore->from)
                return -ENOMEM;
        int err = mu_manifest_read(restore->from, &restore->manifest, restore->error);

        if (err == 0) {
                mu_backup_say(restore->config, "%s: every file is compared with its manifest",
                              restore->from);
                err = mu_manifest_verify(&restore->manifest, restore->from, restore->error);
        }
        return err;
}

/* Into the data directory's own disk, in the clear: it is what comes to lie there anyway. */
static int unseal(struct restore *restore)
{
        if (!json_is_true(json_object_get(restore->manifest.root, "encrypted")))
                return 0;
        if (*restore->request->identity == '\0')
                return mu_backup_fail(restore->error, -EINVAL,
                                      "%s is encrypted: give the private key's file with "
                                      "--identity",
                                      restore->from);
        restore->staging = mu_tree_join(restore->config->data_directory, MU_BACKUP_STAGING);
        int err = restore->staging ? mu_tree_remove(restore->staging) : -ENOMEM;

        mu_backup_say(restore->config, "it is decrypted");
        if (err == 0)
                err = mu_backup_unseal(restore->from, restore->staging, restore->request->identity,
                                       restore->error);
        if (err < 0)
                return err;
        free(restore->from);
        restore->from = strdup(restore->staging);
        mu_manifest_done(&restore->manifest);
        err = restore->from ? mu_manifest_read(restore->from, &restore->manifest, restore->error)
                            : -ENOMEM;
        return err < 0 ? err
                       : mu_manifest_verify(&restore->manifest, restore->from, restore->error);
}

static int check_kind(struct restore *restore)
{
        const json_t *database = json_object_get(restore->manifest.root, "database");
        const char *kind = json_string_value(json_object_get(database, "kind"));
        json_int_t version = json_integer_value(json_object_get(database, "server_version"));
        bool existing = *restore->config->database_url != '\0';

        restore->is_dump = kind && strcmp(kind, "dump") == 0;
        if (!restore->is_dump && existing)
                return mu_backup_fail(restore->error, -EINVAL,
                                      "this backup holds a private cluster, and database.url names "
                                      "an existing PostgreSQL: restore it without database.url, "
                                      "then move the database with pg_dump and pg_restore");
        if (!restore->is_dump && version / 10000 != OURS_MAJOR)
                return mu_backup_fail(restore->error, -EINVAL,
                                      "this backup holds a cluster of PostgreSQL %lld, and this "
                                      "Muster runs version %d: restore it with the Muster that "
                                      "made it (%s)",
                                      (long long)(version / 10000), OURS_MAJOR,
                                      mu_manifest_text(&restore->manifest, "made_by"));
        return 0;
}

/* ---- where to ---- */

/* As root the database's files are made over to postgres; other people's data directories are
 * theirs to restore. */
static int check_owner(struct restore *restore)
{
        struct stat status;

        if (stat(restore->config->data_directory, &status) < 0)
                return fail(restore, -errno, restore->config->data_directory, "used");
        if (status.st_uid == geteuid())
                return 0;
        return mu_backup_fail(restore->error, -EPERM,
                              "%s belongs to user %u: restore as that user, who runs musterd "
                              "there",
                              restore->config->data_directory, status.st_uid);
}

/* Would the restored appliance be mixed with what has this name? */
static bool is_in_the_way(const struct restore *restore, const char *name)
{
        static const char *const always[] = {"postgres", "postgres.location", "secrets",
                                             "identities"};
        char path[512];

        for (size_t i = 0; i < MU_COUNT_OF(always); i++)
                if (strcmp(name, always[i]) == 0)
                        return true;
        (void)snprintf(path, sizeof(path), "data/%s", name);
        return json_object_get(restore->manifest.files, path) ||
               json_object_get(restore->manifest.directories, path);
}

static int move_aside(struct restore *restore, const char *name)
{
        char *from = mu_tree_join(restore->config->data_directory, name);
        char *directory = NULL;
        char *to = NULL;
        int err = 0;

        if (asprintf(&directory, "%s/replaced-%s", restore->config->data_directory,
                     restore->stamp) < 0)
                directory = NULL;
        to = directory ? mu_tree_join(directory, name) : NULL;
        if (!from || !to)
                err = -ENOMEM;
        if (err == 0 && mkdir(directory, 0700) < 0 && errno != EEXIST)
                err = fail(restore, -errno, directory, "made");
        if (err == 0 && rename(from, to) < 0)
                err = fail(restore, -errno, from, "moved aside");
        free(from);
        free(directory);
        free(to);
        return err;
}

/* The cluster may lie elsewhere, and comes with its location. */
static int clear_entry(struct restore *restore, const char *name)
{
        if (restore->keeps_identities && strcmp(name, "identities") == 0)
                return 0;
        if (!restore->request->replace)
                return mu_backup_fail(restore->error, -ENOTEMPTY,
                                      "%s holds an appliance already (%s): restore into an empty "
                                      "directory, or say --replace, which moves it to replaced-…",
                                      restore->config->data_directory, name);
        return move_aside(restore, name);
}

static bool holds(const struct restore *restore, const char *name)
{
        char *path = mu_tree_join(restore->config->data_directory, name);
        bool there = path && mu_tree_exists(path);

        free(path);
        return there;
}

static int clear_journal(struct restore *restore)
{
        const char *journal = restore->config->journal_directory;
        char *to = NULL;
        int err = 0;

        if (holds(restore, "journal") && !restore->request->replace)
                return mu_backup_fail(restore->error, -ENOTEMPTY,
                                      "%s holds a journal: say --replace, and what it holds beyond "
                                      "the backup is replayed, or --replace --without-journal, and "
                                      "it is moved aside",
                                      restore->config->data_directory);
        restore->keeps_identities = mu_tree_exists(journal) && holds(restore, "identities") &&
                                    !restore->request->without_journal;
        if (mu_tree_exists(journal) && restore->request->without_journal) {
                if (asprintf(&to, "%s.replaced-%s", journal, restore->stamp) < 0)
                        return -ENOMEM;
                err = rename(journal, to) < 0 ? fail(restore, -errno, journal, "moved aside") : 0;
                free(to);
        }
        return err;
}

static int clear_data(struct restore *restore)
{
        struct dirent **names = NULL;
        int count = scandir(restore->config->data_directory, &names, NULL, alphasort);
        int err = count < 0 ? fail(restore, -errno, restore->config->data_directory, "read")
                            : clear_journal(restore);

        for (int i = 0; i < count; i++) {
                if (err == 0 && is_in_the_way(restore, names[i]->d_name))
                        err = clear_entry(restore, names[i]->d_name);
                free(names[i]);
        }
        free((void *)names);
        return err;
}

/* ---- the database ---- */

static int put_cluster(struct restore *restore)
{
        const struct mu_cluster_config config = {.data_directory = restore->config->data_directory};
        struct mu_cluster_place place;
        struct mu_pg_error error;
        char fresh[PATH_MAX + 32];
        char aside[PATH_MAX + 64];
        char *from = mu_tree_join(restore->from, "postgres");
        int err = from ? mu_cluster_place_find(&place, &config, &error) : -ENOMEM;

        if (err < 0) {
                free(from);
                return mu_backup_fail(restore->error, err, "%s", error.text);
        }
        (void)snprintf(fresh, sizeof(fresh), "%s.new", place.directory);
        (void)snprintf(aside, sizeof(aside), "%s.replaced-%s", place.directory, restore->stamp);
        mu_backup_say(restore->config, "the database is put into %s", place.directory);
        /* One that lay elsewhere by postgres.location, which was moved aside a moment ago. */
        if (mu_tree_exists(place.directory) && rename(place.directory, aside) < 0)
                err = fail(restore, -errno, place.directory, "moved aside");
        if (err == 0 && ((err = mu_tree_remove(fresh)) < 0 ||
                         (err = mu_tree_copy(from, fresh, place.uid, place.gid)) < 0 ||
                         (err = mu_tree_sync(fresh, true)) < 0))
                (void)fail(restore, err, fresh, "written");
        if (err == 0 && rename(fresh, place.directory) < 0)
                err = fail(restore, -errno, place.directory, "put in place");
        if (err == 0)
                err = mu_fs_sync_directory(place.home);
        mu_cluster_place_done(&place);
        free(from);
        return err;
}

static const struct mu_pg_statement TABLES = {
        .name = "restore_tables",
        .sql = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
               " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')",
};

static int check_empty(struct restore *restore, struct mu_backup_source *to)
{
        struct mu_pg_result *rows;
        int err = mu_source_connect(to, restore->error);

        if (err < 0)
                return err;
        err = mu_pg_query(to->pg, &TABLES, MU_PG_VALUES(), &rows);
        if (err < 0)
                return mu_backup_fail(restore->error, err, "%s", mu_pg_last_error(to->pg)->text);
        if (mu_pg_get_int(rows, 0, 0) > 0)
                err = mu_backup_fail(restore->error, -ENOTEMPTY,
                                     "the database is not empty: give one that is (createdb), "
                                     "nothing there is replaced");
        mu_pg_result_free(rows);
        return err;
}

static int load_dump(struct restore *restore, struct mu_backup_source *to)
{
        const char *environment[2];
        char *program = mu_source_program(to, "pg_restore");
        char *dump = mu_tree_join(restore->from, "database.dump");
        char jobs[16];
        const char *argv[] = {program,
                              "-d",
                              to->tool_conninfo,
                              jobs,
                              "--exit-on-error",
                              "--no-owner",
                              "--no-privileges",
                              "--no-password",
                              dump,
                              to->private_cluster ? "--role=muster" : NULL,
                              NULL};
        int err = program && dump ? check_empty(restore, to) : -ENOMEM;

        (void)snprintf(jobs, sizeof(jobs), "--jobs=%d", MU_BACKUP_DUMP_JOBS);
        mu_source_environment(to, environment);
        mu_backup_say(restore->config, "the database is loaded");
        if (err == 0)
                err = mu_process_run_one(argv, environment, restore->error);
        free(program);
        free(dump);
        return err;
}

/* A dump into a private cluster, which is made for it and runs for as long. */
static int load_into_cluster(struct restore *restore)
{
        const struct mu_cluster_config config = {.data_directory = restore->config->data_directory,
                                                 .connections_max = CONNECTIONS};
        struct mu_cluster_status status;
        struct mu_backup_source to = {0};
        struct mu_cluster *cluster;
        struct mu_pg_error error;
        int err = mu_cluster_create(&config, &cluster, &error);

        if (err < 0)
                return mu_backup_fail(restore->error, err, "%s", error.text);
        err = mu_cluster_start(cluster);
        if (err == 0)
                err = mu_cluster_wait_ready(cluster, CLUSTER_WAIT_MS);
        mu_cluster_status(cluster, &status);
        if (err < 0)
                (void)mu_backup_fail(restore->error, err, "the new database does not start: %s",
                                     status.last_error[0] ? status.last_error : strerror(-err));
        else
                err = mu_source_of_socket(status.socket_directory, &to, restore->error);
        if (err == 0)
                err = load_dump(restore, &to);
        mu_source_close(&to);
        mu_cluster_stop(cluster);
        mu_cluster_destroy(cluster);
        return err;
}

static int put_database(struct restore *restore)
{
        struct mu_backup_source to = {0};

        if (!restore->is_dump)
                return put_cluster(restore);
        if (*restore->config->database_url == '\0')
                return load_into_cluster(restore);
        int err = mu_source_find(restore->config, &to, restore->error);

        if (err == 0)
                err = load_dump(restore, &to);
        mu_source_close(&to);
        return err;
}

/* ---- the files ---- */

static int put_file(struct restore *restore, const char *path, const json_t *entry, const char *to)
{
        const char *expected = json_string_value(json_object_get(entry, "sha256"));
        mode_t mode = (mode_t)json_integer_value(json_object_get(entry, "mode")) & 0777;
        char hex[MU_SHA256_HEX_BYTES];
        char *from = mu_tree_join(restore->from, path);
        uint64_t bytes;
        int err = from ? mu_tree_copy_file(from, to, mode, NULL, &bytes, hex) : -ENOMEM;

        if (err == 0 && strcmp(hex, expected) != 0)
                err = -EBADMSG;
        free(from);
        return err < 0 ? fail(restore, err, to, "written") : 0;
}

/* What lay in the data directory, and beside it what lay elsewhere, for a person to put back. */
static char *target_of(const struct restore *restore, const char *path)
{
        const char *data = restore->config->data_directory;
        char *to = NULL;

        if (strncmp(path, "data/", 5) == 0) {
                if (restore->keeps_identities && strcmp(path, "data/identities") == 0)
                        return NULL;
                return mu_tree_join(data, path + 5);
        }
        if (strncmp(path, "config/", 7) == 0 &&
            asprintf(&to, "%s/restored-config-%s/%s", data, restore->stamp, path + 7) >= 0)
                return to;
        return NULL;
}

static int put_directories(struct restore *restore)
{
        const char *path;
        json_t *mode;
        int err = 0;

        json_object_foreach(restore->manifest.directories, path, mode)
        {
                char *to = err == 0 ? target_of(restore, path) : NULL;

                if (to && mkdir(to, 0700) < 0 && errno != EEXIST)
                        err = fail(restore, -errno, to, "made");
                if (to && err == 0 && chmod(to, (mode_t)json_integer_value(mode) & 0777) < 0)
                        err = fail(restore, -errno, to, "closed to others");
                free(to);
        }
        return err;
}

static int put_files(struct restore *restore)
{
        char *config = NULL;
        const char *path;
        json_t *entry;
        bool has_config = false;
        int err = put_directories(restore);

        if (asprintf(&config, "%s/restored-config-%s", restore->config->data_directory,
                     restore->stamp) < 0)
                return -ENOMEM;
        json_object_foreach(restore->manifest.files, path, entry)
        {
                bool is_config = strncmp(path, "config/", 7) == 0;
                char *to = err == 0 ? target_of(restore, path) : NULL;

                if (to && is_config && !has_config && mkdir(config, 0700) < 0)
                        err = fail(restore, -errno, config, "made");
                has_config = has_config || (to && is_config);
                if (to && err == 0)
                        err = put_file(restore, path, entry, to);
                free(to);
        }
        if (err == 0 && has_config)
                mu_backup_say(restore->config,
                              "%s: the configuration that lay outside the data directory; put back "
                              "what you want of it",
                              config);
        free(config);
        return err;
}

/* Their names too must outlive a power cut: the files themselves are synced. */
static int sync_directories(struct restore *restore)
{
        const char *path;
        json_t *mode;
        int err = 0;

        json_object_foreach(restore->manifest.directories, path, mode)
        {
                char *to = err == 0 ? target_of(restore, path) : NULL;

                if (to && (err = mu_fs_sync_directory(to)) < 0)
                        (void)fail(restore, err, to, "synced");
                free(to);
        }
        return err;
}

/* ---- all of it ---- */

static int put_all(struct restore *restore)
{
        int err = clear_data(restore);

        if (err == 0)
                err = put_database(restore);
        if (err == 0) {
                mu_backup_say(restore->config, "the files are put into %s",
                              restore->config->data_directory);
                err = put_files(restore);
        }
        if (err == 0)
                err = sync_directories(restore);
        if (err == 0 && (err = mu_fs_sync_directory(restore->config->data_directory)) < 0)
                (void)fail(restore, err, restore->config->data_directory, "synced");
        return err;
}

int mu_backup_restore(const struct mu_backup_config *config,
                      const struct mu_restore_request *request, struct mu_backup_error *ret_error)
{
        struct restore restore = {.config = config, .request = request, .error = ret_error};
        time_t now = (time_t)(mu_clock_realtime_us(mu_clock_system()) / MU_US_PER_S);
        struct tm utc;

        ret_error->text[0] = '\0';
        (void)gmtime_r(&now, &utc);
        (void)strftime(restore.stamp, sizeof(restore.stamp), "%Y%m%dT%H%M%SZ", &utc);
        int err = check_owner(&restore);

        if (err == 0)
                err = open_backup(&restore);
        if (err == 0)
                err = unseal(&restore);
        if (err == 0)
                err = check_kind(&restore);
        if (err == 0)
                err = put_all(&restore);
        if (restore.staging && mu_tree_remove(restore.staging) < 0)
                mu_backup_say(config, "%s could not be removed: do it, it is not encrypted",
                              restore.staging);
        mu_manifest_done(&restore.manifest);
        free(restore.staging);
        free(restore.from);
        if (err < 0 && ret_error->text[0] == '\0')
                (void)mu_backup_fail(ret_error, err, "%s", strerror(-err));
        return err;
}
