/* SPDX-License-Identifier: Apache-2.0 */
/* take.c - one backup, from the before hook to the after hook. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/files.h"
#include "backup/record.h"
#include "backup/source.h"
#include "backup/store.h"
#include "backup/tree.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "pg/query.h"

enum { HOOK_WORDS_BYTES = 400 };

struct take {
        const struct mu_backup_config *config;
        const char *store; /* its real path */
        struct mu_backup_report *report;
        struct mu_backup_error *error;
        struct mu_backup_source source;
        struct mu_manifest manifest;
        char name[MU_BACKUP_NAME_BYTES];
        char *partial; /* store/.NAME.partial */
        char *work;    /* where it is put together: partial, or the staging directory */
        int64_t began_s;
        int64_t id;
        int data_lock;
        int store_lock;
};

void mu_backup_say(const struct mu_backup_config *config, const char *format, ...)
{
        char sentence[1536];
        va_list arguments;

        if (!config->say)
                return;
        va_start(arguments, format);
        (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
        va_end(arguments);
        config->say(config->say_context, sentence);
}

/* ---- hooks ---- */

/* HOOK before DIRECTORY, or HOOK after DIRECTORY ok|failed; the same in the environment. */
static int run_hook(struct take *take, const char *hook, const char *when, const char *outcome,
                    struct mu_backup_error *error)
{
        char directory[PATH_MAX + 32];
        char outcome_line[64];
        char data[PATH_MAX + 32];
        const char *const argv[] = {hook, when, take->report->directory, outcome, NULL};
        const char *const environment[] = {directory, outcome_line, data, NULL};
        const struct mu_process stage = {.argv = argv, .environment = environment};
        struct mu_process_run run = {.stages = &stage,
                                     .count = 1,
                                     .input_fd = -1,
                                     .output_fd = -1,
                                     .limit_s = take->config->hook_limit_s};

        (void)snprintf(directory, sizeof(directory), "BACKUP_DIRECTORY=%s",
                       take->report->directory);
        (void)snprintf(outcome_line, sizeof(outcome_line), "BACKUP_OUTCOME=%s",
                       outcome ? outcome : "");
        (void)snprintf(data, sizeof(data), "BACKUP_DATA_DIRECTORY=%s",
                       take->config->data_directory);
        int err = mu_process_run(&run, error);

        if (run.words[0])
                mu_backup_say(take->config, "hook %s: %.*s", when, HOOK_WORDS_BYTES, run.words);
        return err;
}

static int run_before(struct take *take)
{
        struct mu_backup_error error = {.text = ""};
        int err = *take->config->before
                          ? run_hook(take, take->config->before, "before", NULL, &error)
                          : 0;

        return err < 0 ? mu_backup_fail(take->error, err, "backup.before stopped it: %.900s",
                                        error.text)
                       : 0;
}

static void run_after(struct take *take, bool ok)
{
        struct mu_backup_error error = {.text = ""};

        if (!*take->config->after)
                return;
        int err = run_hook(take, take->config->after, "after", ok ? "ok" : "failed", &error);

        if (err < 0) {
                (void)snprintf(take->report->hook_problem, sizeof(take->report->hook_problem),
                               "%.500s", error.text);
                mu_backup_say(take->config, "backup.after failed: %s", error.text);
        }
        if (take->id && mu_record_after_hook(take->source.pg, take->id, err < 0 ? "failed" : "ok"))
                mu_backup_say(take->config, "its outcome could not be recorded");
}

/* ---- getting ready ---- */

/* One at a time, whatever directory it goes to: they share the staging directory and the row. */
static int lock_data(struct take *take)
{
        char *path = mu_tree_join(take->config->data_directory, "backup.lock");

        take->data_lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
        int err = take->data_lock < 0                             ? -errno
                  : flock(take->data_lock, LOCK_EX | LOCK_NB) < 0 ? -EBUSY
                                                                  : 0;

        if (err == -EBUSY)
                (void)mu_backup_fail(take->error, err,
                                     "another backup of %s is under way: wait until it has ended",
                                     take->config->data_directory);
        else if (err < 0)
                (void)mu_backup_fail(take->error, err,
                                     "%s can't be locked (%s): a backup is made by the user who "
                                     "runs musterd, or by root",
                                     path ? path : "backup.lock", strerror(-err));
        free(path);
        return err;
}

/* A name that nobody has yet. */
static int choose_name(struct take *take)
{
        for (unsigned nth = 1; nth < 1000; nth++) {
                char *whole;

                mu_store_name(take->began_s, nth, take->name);
                whole = mu_tree_join(take->store, take->name);
                bool taken = !whole || mu_tree_exists(whole);

                if (whole && !taken)
                        (void)snprintf(take->report->directory, sizeof(take->report->directory),
                                       "%s", whole);
                free(whole);
                if (!taken)
                        return 0;
        }
        return mu_backup_fail(take->error, -EEXIST, "%s has no name left for this second",
                              take->store);
}

static const struct mu_pg_statement DATABASE_BYTES = {
        .name = "backup_database_bytes",
        .sql = "SELECT pg_database_size(current_database())",
        .repeatable = true,
};

/* Better now than after hours. A dump takes less, so it is not asked. */
static int check_room(struct take *take, const char *where)
{
        struct mu_pg_result *rows;
        uint64_t free_bytes = UINT64_MAX;

        if (!take->source.private_cluster || mu_fs_space(where, &free_bytes, NULL) < 0 ||
            mu_pg_query(take->source.pg, &DATABASE_BYTES, MU_PG_VALUES(), &rows) < 0)
                return 0;
        uint64_t bytes = (uint64_t)mu_pg_get_int(rows, 0, 0);

        mu_pg_result_free(rows);
        if (bytes <= free_bytes)
                return 0;
        return mu_backup_fail(take->error, -ENOSPC,
                              "the database has %llu MiB and %s has %llu MiB free: make room, or "
                              "name another directory",
                              (unsigned long long)(bytes >> 20), where,
                              (unsigned long long)(free_bytes >> 20));
}

static int prepare_work(struct take *take)
{
        bool sealed = *take->config->recipients != '\0';
        int err = mu_store_sweep(take->store);

        if (asprintf(&take->partial, "%s/.%s.partial", take->store, take->name) < 0)
                take->partial = NULL;
        take->work = sealed          ? mu_tree_join(take->config->data_directory, MU_BACKUP_STAGING)
                     : take->partial ? strdup(take->partial)
                                     : NULL;
        if (!take->partial || !take->work)
                err = -ENOMEM;
        /* Sealed or not yet: what a killed run has left there is in the clear. */
        char *staging = mu_tree_join(take->config->data_directory, MU_BACKUP_STAGING);

        if (err == 0)
                err = staging ? mu_tree_remove(staging) : -ENOMEM;
        free(staging);
        if (err == 0 && mkdir(take->partial, 0700) < 0)
                err = -errno;
        if (err == 0 && sealed && mkdir(take->work, 0700) < 0)
                err = -errno;
        if (err < 0)
                return mu_backup_fail(take->error, err, "%s can't be prepared: %s", take->store,
                                      strerror(-err));
        return check_room(take, take->work);
}

/* ---- the backup ---- */

static void add_time(struct mu_manifest *manifest, const char *name, int64_t at_s)
{
        time_t at = (time_t)at_s;
        char text[32];
        struct tm utc;

        (void)gmtime_r(&at, &utc);
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
        (void)json_object_set_new(manifest->root, name, json_string(text));
}

static int64_t now_s(void)
{
        return mu_clock_realtime_us(mu_clock_system()) / MU_US_PER_S;
}

static void describe(struct take *take, struct mu_manifest *manifest, bool encrypted, json_t *facts)
{
        char host[256] = "";

        (void)gethostname(host, sizeof(host) - 1);
        (void)json_object_set_new(manifest->root, "made_by", json_string(take->config->made_by));
        (void)json_object_set_new(manifest->root, "host", json_string(host));
        (void)json_object_set_new(manifest->root, "encrypted", json_boolean(encrypted));
        add_time(manifest, "started_at", take->began_s);
        add_time(manifest, "finished_at", now_s());
        (void)json_object_set_new(manifest->root, "database",
                                  json_pack("{s:s, s:i, s:O}", "kind",
                                            take->source.private_cluster ? "cluster" : "dump",
                                            "server_version", (int)take->source.server_version,
                                            "facts", facts));
}

/* Everything into take->work, its manifest last. */
static int put_together(struct take *take, json_t **ret_facts)
{
        const char *database = take->source.private_cluster ? "postgres" : "database.dump";
        json_t *facts = NULL;
        bool sealed = *take->config->recipients != '\0';

        mu_backup_say(take->config, "the database is copied");
        int err = mu_source_copy(&take->source, take->config, take->work, &facts, take->error);

        if (err == 0)
                err = mu_files_add(take->config, take->work, database, &take->manifest,
                                   take->error);
        mu_backup_say(take->config, "the data directory is copied");
        if (err == 0)
                err = mu_files_copy(take->config, sealed ? NULL : take->store, take->work,
                                    &take->manifest, take->error);
        MU_FAILPOINT("backup.before_manifest", err);
        if (err == 0) {
                describe(take, &take->manifest, false, facts);
                err = mu_manifest_write(&take->manifest, take->work, take->error);
        }
        /* pg_basebackup has synced its files itself; pg_dump has not. */
        if (err == 0 && (err = mu_tree_sync(take->work, !take->source.private_cluster)) < 0)
                (void)mu_backup_fail(take->error, err, "%s can't be synced: %s", take->work,
                                     strerror(-err));
        take->report->bytes = take->manifest.bytes;
        take->report->file_count = take->manifest.file_count;
        take->report->linked_count = take->manifest.linked_count;
        *ret_facts = facts;
        return err;
}

/* One encrypted file, and a manifest of it in the clear: it says nothing that is secret. */
static int seal(struct take *take, json_t *facts)
{
        struct mu_manifest outer;
        char hex[MU_SHA256_HEX_BYTES];
        char *path = mu_tree_join(take->partial, MU_BACKUP_SEALED);
        uint64_t bytes;
        int err = path ? mu_manifest_init(&outer) : -ENOMEM;

        if (err < 0) {
                free(path);
                return mu_backup_fail(take->error, err, "there is no memory to encrypt it");
        }
        mu_backup_say(take->config, "it is encrypted");
        err = mu_backup_seal(take->work, take->partial, take->config->recipients, take->error);
        if (err == 0 && ((err = mu_tree_hash_file(path, NULL, &bytes, hex)) < 0 ||
                         (err = mu_manifest_add_file(&outer, MU_BACKUP_SEALED, bytes, 0600, hex))))
                (void)mu_backup_fail(take->error, err, "%s can't be read again: %s", path,
                                     strerror(-err));
        if (err == 0) {
                describe(take, &outer, true, facts);
                err = mu_manifest_write(&outer, take->partial, take->error);
                take->report->bytes = bytes;
        }
        mu_manifest_done(&outer);
        free(path);
        return err;
}

static int finish(struct take *take)
{
        int err = mu_tree_sync(take->partial, false);

        MU_FAILPOINT("backup.before_rename", err);
        if (err == 0 && rename(take->partial, take->report->directory) < 0)
                err = -errno;
        if (err == 0)
                err = mu_fs_sync_directory(take->store);
        return err < 0 ? mu_backup_fail(take->error, err, "%s can't be finished: %s",
                                        take->report->directory, strerror(-err))
                       : 0;
}

static int make(struct take *take)
{
        json_t *facts = NULL;
        int err = mu_manifest_init(&take->manifest);

        if (err == 0)
                err = prepare_work(take);
        if (err == 0)
                err = put_together(take, &facts);
        if (err == 0 && *take->config->recipients)
                err = seal(take, facts);
        if (err == 0)
                err = finish(take);
        json_decref(facts);
        mu_manifest_done(&take->manifest);
        if (err < 0 && take->partial && mu_tree_remove(take->partial) < 0)
                mu_backup_say(take->config, "%s could not be removed; the next backup does it",
                              take->partial);
        if (*take->config->recipients && take->work && mu_tree_remove(take->work) < 0)
                mu_backup_say(take->config, "%s could not be removed and is not encrypted: do it",
                              take->work);
        return err;
}

/* ---- afterwards ---- */

static void copy_offsite(struct take *take)
{
        struct mu_backup_error error = {.text = ""};

        if (!*take->config->offsite)
                return;
        mu_backup_say(take->config, "it is copied to %s", take->config->offsite);
        int err =
                mu_offsite_copy(take->config, take->report->directory, take->name, now_s(), &error);

        if (err < 0) {
                if (error.text[0] == '\0')
                        (void)mu_backup_fail(&error, err, "%s", strerror(-err));
                (void)snprintf(take->report->offsite_problem, sizeof(take->report->offsite_problem),
                               "%.500s", error.text);
                mu_backup_say(take->config, "the copy to %s failed: %s", take->config->offsite,
                              error.text);
        }
        if (mu_record_offsite(take->source.pg, take->id, err < 0 ? "failed" : "ok", error.text))
                mu_backup_say(take->config, "its outcome could not be recorded");
}

static void on_removed(void *context, const char *name)
{
        struct take *take = context;
        char *directory = mu_tree_join(take->store, name);

        mu_backup_say(take->config, "%s has been removed: backup.keep and backup.keep_days", name);
        if (directory && mu_record_removed(take->source.pg, directory) < 0)
                mu_backup_say(take->config, "that could not be recorded");
        free(directory);
}

static void retain(struct take *take)
{
        int err = mu_store_retain(take->store, take->config->keep, take->config->keep_days, now_s(),
                                  on_removed, take, &take->report->removed_count);

        if (err < 0)
                mu_backup_say(take->config, "older backups could not be removed: %s",
                              strerror(-err));
}

/* From the connection on: whatever happens, it is recorded and the after hook hears of it. */
static int take_recorded(struct take *take, const char *kind, const char *requested_by)
{
        int err =
                mu_record_begin(take->source.pg, kind, requested_by, take->report->directory,
                                !take->source.private_cluster, take->report->encrypted, &take->id);

        if (err < 0)
                return mu_backup_fail(take->error, err, "the backup can't be recorded: %s",
                                      mu_pg_last_error(take->source.pg)->text);
        err = run_before(take);
        if (err == 0)
                err = make(take);
        if (mu_record_end(take->source.pg, take->id, take->report, take->error->text) < 0)
                mu_backup_say(take->config, "how it ended could not be recorded: %s",
                              mu_pg_last_error(take->source.pg)->text);
        if (err == 0) {
                copy_offsite(take);
                retain(take);
        }
        run_after(take, err == 0);
        return err;
}

int mu_backup_take(const struct mu_backup_config *config, const char *directory, const char *kind,
                   const char *requested_by, struct mu_backup_report *ret_report,
                   struct mu_backup_error *ret_error)
{
        struct take take = {.config = config,
                            .report = ret_report,
                            .error = ret_error,
                            .began_s = now_s(),
                            .data_lock = -1};

        *ret_report = (struct mu_backup_report){.encrypted = *config->recipients != '\0'};
        ret_error->text[0] = '\0';
        take.store_lock = mu_store_open(directory, ret_error);
        int err = take.store_lock < 0 ? take.store_lock : 0;
        char *store = err == 0 ? realpath(directory, NULL) : NULL;

        take.store = store;
        if (err == 0 && !store)
                err = mu_backup_fail(ret_error, -errno, "%s: %s", directory, strerror(errno));
        if (err == 0)
                err = lock_data(&take);
        if (err == 0)
                err = choose_name(&take);
        if (err == 0)
                err = mu_source_find(config, &take.source, ret_error);
        if (err == 0)
                err = mu_source_connect(&take.source, ret_error);
        if (err == 0)
                err = take_recorded(&take, kind, requested_by);
        mu_source_close(&take.source);
        if (take.data_lock >= 0)
                (void)close(take.data_lock);
        if (take.store_lock >= 0)
                (void)close(take.store_lock);
        free(take.partial);
        free(take.work);
        free(store);
        if (err < 0 && ret_error->text[0] == '\0')
                (void)mu_backup_fail(ret_error, err, "%s", strerror(-err));
        return err;
}
