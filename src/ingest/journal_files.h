/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_files.h - the part of the journal's real I/O that io_uring and pwritev2 share: the
 * directory, blocking reads, and the helper thread that zeroes segments ahead.
 *
 * Threads    as journal_io.h. A job (prepare, discard) runs on the helper; when it is finished the
 *            helper calls wake.
 * Errors     negative errno.
 */
#ifndef MUSTER_INGEST_JOURNAL_FILES_H
#define MUSTER_INGEST_JOURNAL_FILES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ingest/journal_format.h"
#include "ingest/journal_io.h"
#include "muster/compiler.h"

struct mu_journal_file {
        int fd;
};

enum mu_journal_files_state { MU_JOB_NONE, MU_JOB_WAITING, MU_JOB_FINISHED };

struct mu_journal_files {
        int directory_fd;
        bool is_direct;
        void (*wake)(void *context);
        void *context;

        pthread_t thread;
        bool thread_started;
        pthread_mutex_t mutex; /* job, stop; never taken by the journal thread while a job runs */
        pthread_cond_t changed;
        bool stop;
        _Atomic int job_state; /* enum mu_journal_files_state */
        struct {
                enum mu_journal_io_kind kind;
                char name[MU_SEGMENT_NAME_BYTES];
                char recycled[MU_SEGMENT_NAME_BYTES]; /* "": none */
                uint64_t bytes;
                int result;
                struct mu_journal_file *file;
        } job;
};

MU_MUST_CHECK
int mu_journal_files_init(struct mu_journal_files *files, const char *directory,
                          void (*wake)(void *context), void *context);
void mu_journal_files_done(struct mu_journal_files *files);

/* Fills the table's blocking functions and jobs; its context must begin with the files. */
void mu_journal_files_table(struct mu_journal_io *io);
/* The finished job, if there is one. */
MU_MUST_CHECK
bool mu_journal_files_reap(struct mu_journal_files *files,
                           struct mu_journal_completion *ret_completion);

#endif
