/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/failpoint.h"
#include "ingest/journal_files.h"
#include "ingest/journal_io.h"

struct plain_io {
        struct mu_journal_files files; /* first: the shared functions get this context */
        int wake_fd;
        bool has_write;
        struct mu_journal_completion write;
};

static void plain_wake(void *context)
{
        struct plain_io *io = context;
        uint64_t one = 1;

        /* A full counter is as good a wake-up as one more. */
        (void)!write(io->wake_fd, &one, sizeof(one));
}

/* Blocks: the journal thread has nothing better to do without io_uring. */
static int plain_write(void *context, struct mu_journal_file *file, const void *memory,
                       size_t bytes, uint64_t offset)
{
        struct plain_io *io = context;
        struct iovec piece = {.iov_base = (void *)(uintptr_t)memory, .iov_len = bytes};
        ssize_t written;
        int err = 0;

        if (io->has_write)
                return -EBUSY;
        MU_FAILPOINT("journal.write", err);
        if (err < 0)
                return err;
        do
                written = pwritev2(file->fd, &piece, 1, (off_t)offset, 0);
        while (written < 0 && errno == EINTR);

        io->write = (struct mu_journal_completion){.kind = MU_JOURNAL_IO_WRITE,
                                                   .file = file,
                                                   .result = written < 0 ? -errno : (int)written,
                                                   .sync_result = -ECANCELED};
        if (written == (ssize_t)bytes)
                io->write.sync_result = fdatasync(file->fd) == 0 ? 0 : -errno;
        MU_FAILPOINT("journal.sync", io->write.sync_result);
        io->has_write = true;
        return 0;
}

static uint32_t plain_reap(void *context, struct mu_journal_completion *ret_completions,
                           uint32_t count_max)
{
        struct plain_io *io = context;
        uint32_t count = 0;

        MU_ASSERT(count_max >= 2);
        if (io->has_write) {
                ret_completions[count++] = io->write;
                io->has_write = false;
        }
        if (mu_journal_files_reap(&io->files, &ret_completions[count]))
                count++;
        return count;
}

static void plain_wait(void *context, uint64_t timeout_us)
{
        struct plain_io *io = context;
        struct pollfd woken = {.fd = io->wake_fd, .events = POLLIN};
        struct timespec timeout = {.tv_sec = (time_t)(timeout_us / 1000000),
                                   .tv_nsec = (long)(timeout_us % 1000000 * 1000)};
        uint64_t count;

        if (io->has_write)
                return;
        if (ppoll(&woken, 1, &timeout, NULL) > 0)
                (void)!read(io->wake_fd, &count, sizeof(count));
}

static void plain_destroy(void *context)
{
        struct plain_io *io = context;

        mu_journal_files_done(&io->files);
        (void)close(io->wake_fd);
        free(io);
}

int mu_journal_io_plain_create(const char *directory, struct mu_journal_io *ret_io)
{
        struct plain_io *io = calloc(1, sizeof(*io));

        if (!io)
                return -ENOMEM;
        io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (io->wake_fd < 0) {
                int err = -errno;

                free(io);
                return err;
        }
        int err = mu_journal_files_init(&io->files, directory, plain_wake, io);

        if (err < 0) {
                (void)close(io->wake_fd);
                free(io);
                return err;
        }
        *ret_io = (struct mu_journal_io){.context = io,
                                         .name = "pwritev2",
                                         .write = plain_write,
                                         .reap = plain_reap,
                                         .wait = plain_wait,
                                         .wake = plain_wake,
                                         .destroy = plain_destroy};
        mu_journal_files_table(ret_io);
        return 0;
}
