/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.h - a backup of the running appliance, put back, and tried.
 *
 *   before ─▶ database ─▶ data directory ─▶ manifest ─▶ [seal] ─▶ rename ─▶ off-site ─▶ retention
 *   hook       pg_basebackup, or             SHA-256     tar|zstd|age   it counts from here  ─▶
 * after pg_dump of an existing one                                                      hook
 *
 * A backup is a directory DIR/muster-YYYYMMDDTHHMMSSZ (manifest.h). It is made under another name
 * (.muster-….partial), synced and then renamed: what has the right name is whole. A run that was
 * killed leaves only the other name, and the next one removes it.
 *
 * What is in it: the database; of the data directory everything but LEFT_OUT (files.c): secrets,
 * identities, certificate, archive and whatever folders come later. Files that an earlier backup in
 * DIR has already, by their SHA-256, are hard-linked to it: archives cost their room once.
 * What is not: an archive that lies elsewhere (archive.dir), and the journal. Its covered part lies
 * in the database already; the rest would be a copy of something that moves on while it is read. If
 * it survives, restore keeps it, and musterd replays what the restored database lacks; if not, what
 * was acknowledged after the backup is lost with it.
 *
 * These functions run in a process of their own (`musterd backup DIR`, see app/backup_tool.c), by
 * hand or started by the job: whoever may read the secrets may make a backup, nobody else.
 *
 * Units      bytes, *_s. Threads: one. Ownership: configuration strings are borrowed.
 * Errors     negative errno and a sentence.
 */
#ifndef MUSTER_BACKUP_BACKUP_H
#define MUSTER_BACKUP_BACKUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "backup/process.h"
#include "muster/compiler.h"

/* Strings are never NULL; "": not set. */
struct mu_backup_config {
        const char *data_directory;
        const char *journal_directory;
        const char *database_url; /* "": the private cluster */
        const char *configuration_file;
        const char *tls_certificate; /* from outside the data directory */
        const char *tls_key;
        const char *recipients; /* age public keys, a file; "": not encrypted */
        const char *before;
        const char *after;
        const char *offsite; /* directory, or HOST:PATH for rsync */
        const char *offsite_key;
        const char *made_by; /* "musterd 0.1.0" */
        uint64_t bandwidth_bytes_per_s;
        uint32_t hook_limit_s;
        uint32_t keep;      /* so many stay; 0: all */
        uint32_t keep_days; /* and all that are younger */
        /* How it goes, for a terminal or the log. */
        void (*say)(void *context, const char *sentence);
        void *say_context;
        /* Anything more a restored database can be asked in the self-test; NULL: nothing. */
        int (*examine)(void *context, const char *conninfo, const char *secrets_directory,
                       char *ret_detail, size_t room);
        void *examine_context;
};

void mu_backup_say(const struct mu_backup_config *config, const char *format, ...) MU_PRINTF(2, 3);

struct mu_backup_report {
        char directory[PATH_MAX];
        uint64_t bytes;
        uint64_t file_count;
        uint64_t linked_count;
        bool encrypted;
        uint32_t removed_count;    /* older ones */
        char offsite_problem[512]; /* "" none */
        char hook_problem[512];    /* of the after hook */
};

/* kind: scheduled, asked, manual. directory: made 0700 if it is not there. */
MU_MUST_CHECK
int mu_backup_take(const struct mu_backup_config *config, const char *directory, const char *kind,
                   const char *requested_by, struct mu_backup_report *ret_report,
                   struct mu_backup_error *ret_error);

struct mu_restore_request {
        const char *from;     /* a backup's directory, or one with backups: the newest */
        const char *identity; /* age private key, a file; "": the backup is not encrypted */
        bool replace; /* what is there is moved to DATA_DIR/replaced-…; the journal stays */
        bool without_journal; /* and the journal is moved there too */
};

/* Nothing may run on the data directory. */
MU_MUST_CHECK
int mu_backup_restore(const struct mu_backup_config *config,
                      const struct mu_restore_request *request, struct mu_backup_error *ret_error);

enum mu_backup_check {
        MU_BACKUP_CHECK_OK,
        MU_BACKUP_CHECK_FAILED,
        MU_BACKUP_CHECK_SKIPPED, /* encrypted, or no room */
};

/* Restores the newest of a directory (or that backup) into a scratch cluster, counts, compares with
 * the manifest, removes it. 0 and the outcome with a sentence; or it could not be tried. */
MU_MUST_CHECK
int mu_backup_check(const struct mu_backup_config *config, const char *directory,
                    enum mu_backup_check *ret_outcome, char *ret_detail, size_t room,
                    struct mu_backup_error *ret_error);

#endif
