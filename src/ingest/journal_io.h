/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_io.h - everything the journal asks of the outside world, as a table.
 *
 * The daemon's table is io_uring, or pwritev2 and fdatasync where io_uring is refused; the
 * simulator brings a disk of its own. A table serves one directory; names are relative to it.
 *
 * Units      bytes; timeouts in us. Lengths and offsets of segments are multiples of a block.
 * Threads    open, close, read, save: any thread (readers use them). wake: any thread. The rest:
 * the journal thread. Ordering   write is one write followed by one fdatasync of the same file that
 * begins only when the write has finished whole. One write is under way at a time, and one job.
 * Ownership  A file belongs to who opened it until close. Memory handed to write is borrowed until
 *            the completion.
 * Errors     negative errno.
 */
#ifndef MUSTER_INGEST_JOURNAL_IO_H
#define MUSTER_INGEST_JOURNAL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "muster/compiler.h"

struct mu_journal_file; /* the table's own */

enum mu_journal_io_kind {
        MU_JOURNAL_IO_WRITE,   /* result: bytes written or errno; sync_result: of the fdatasync */
        MU_JOURNAL_IO_PREPARE, /* result: 0 and file, open for writing, or errno */
        MU_JOURNAL_IO_DISCARD,
};

struct mu_journal_completion {
        enum mu_journal_io_kind kind;
        int result;
        int sync_result;
        struct mu_journal_file *file;
};

struct mu_journal_io {
        void *context;
        const char *name; /* "io_uring", "pwritev2" */
        bool is_direct;   /* O_DIRECT */

        /* Blocking: recovery, readers. */
        int (*list)(void *context, int (*each)(void *argument, const char *name, uint64_t bytes),
                    void *argument);
        int (*open)(void *context, const char *name, struct mu_journal_file **ret_file);
        void (*close)(void *context, struct mu_journal_file *file);
        /* memory, bytes and offset in whole blocks; fewer bytes only at the file's end. */
        ssize_t (*read)(void *context, struct mu_journal_file *file, void *memory, size_t bytes,
                        uint64_t offset);
        /* Writes what was read once more, and syncs: for recovery. */
        int (*rewrite)(void *context, const char *name, const void *memory, size_t bytes,
                       uint64_t offset);
        /* Whole and durable, or not there. name may begin with "damaged/". */
        int (*save)(void *context, const char *name, const void *data, size_t bytes);
        int (*rename)(void *context, const char *from, const char *to);
        int (*remove)(void *context, const char *name);
        int (*truncate)(void *context, const char *name, uint64_t bytes);
        int (*free_bytes)(void *context, uint64_t *ret_bytes);

        /* Begun here, finished in reap; a negative errno means it was not begun. */
        /* A segment file called name: zeros, or the blocks of the file recycled (NULL: none), which
         * is renamed. Name and contents are durable on completion. */
        int (*prepare)(void *context, const char *name, const char *recycled, uint64_t bytes);
        /* keep_bytes 0: removes the file, else cuts it. */
        int (*discard)(void *context, const char *name, uint64_t keep_bytes);
        int (*write)(void *context, struct mu_journal_file *file, const void *memory, size_t bytes,
                     uint64_t offset);

        uint32_t (*reap)(void *context, struct mu_journal_completion *ret_completions,
                         uint32_t count_max);
        /* Until something can be reaped, a wake, or the timeout. */
        void (*wait)(void *context, uint64_t timeout_us);
        void (*wake)(void *context);

        /* Whether writes from this memory skip the page pinning. Optional: a failure costs speed.
         */
        int (*register_memory)(void *context, void *memory, size_t bytes);
        void (*destroy)(void *context);
};

/* The real ones. -ENOSYS or -EPERM from the first: io_uring is refused, take the second. */
MU_MUST_CHECK
int mu_journal_io_uring_create(const char *directory, struct mu_journal_io *ret_io);
MU_MUST_CHECK
int mu_journal_io_plain_create(const char *directory, struct mu_journal_io *ret_io);

#endif
