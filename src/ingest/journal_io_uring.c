/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/failpoint.h"
#include "ingest/journal_files.h"
#include "ingest/journal_io.h"

enum { ENTRIES = 16 };

enum tag { TAG_WRITE = 1, TAG_SYNC = 2, TAG_WAKE = 3 };

struct uring_io {
        struct mu_journal_files files; /* first: the shared functions get this context */
        struct io_uring ring;
        int wake_fd;
        uint64_t wake_count;
        bool wake_armed;
        const unsigned char *registered; /* NULL: nothing */
        size_t registered_bytes;
        uint32_t write_parts; /* completions of the write under way still to come: 2, 1, 0 */
        struct mu_journal_completion write;
};

static void uring_wake(void *context)
{
        struct uring_io *io = context;
        uint64_t one = 1;

        /* A full counter is as good a wake-up as one more. */
        (void)!write(io->wake_fd, &one, sizeof(one));
}

static struct io_uring_sqe *next_sqe(struct uring_io *io)
{
        struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

        /* Three are under way at most: a write, its sync, the wake-up. */
        MU_ASSERT(sqe);
        return sqe;
}

static bool is_registered(const struct uring_io *io, const void *memory, size_t bytes)
{
        const unsigned char *at = memory;

        return io->registered && at >= io->registered &&
               at + bytes <= io->registered + io->registered_bytes;
}

static int uring_write(void *context, struct mu_journal_file *file, const void *memory,
                       size_t bytes, uint64_t offset)
{
        struct uring_io *io = context;
        int err = 0;

        if (io->write_parts > 0)
                return -EBUSY;
        MU_FAILPOINT("journal.write", err);
        if (err < 0)
                return err;
        struct io_uring_sqe *sqe = next_sqe(io);

        if (is_registered(io, memory, bytes))
                io_uring_prep_write_fixed(sqe, file->fd, memory, (unsigned)bytes, offset, 0);
        else
                io_uring_prep_write(sqe, file->fd, memory, (unsigned)bytes, offset);
        /* The link breaks on a short write too: the sync then comes back cancelled. */
        io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
        io_uring_sqe_set_data64(sqe, TAG_WRITE);
        sqe = next_sqe(io);
        io_uring_prep_fsync(sqe, file->fd, IORING_FSYNC_DATASYNC);
        io_uring_sqe_set_data64(sqe, TAG_SYNC);
        io->write_parts = 2;
        io->write = (struct mu_journal_completion){.kind = MU_JOURNAL_IO_WRITE, .file = file};
        /* Out of requests or memory for the moment: the next wait submits again. */
        (void)io_uring_submit(&io->ring);
        return 0;
}

/* True when the completion finished the write under way. */
static bool take_cqe(struct uring_io *io, const struct io_uring_cqe *cqe)
{
        switch ((enum tag)io_uring_cqe_get_data64(cqe)) {
        case TAG_WRITE:
                io->write.result = cqe->res;
                break;
        case TAG_SYNC:
                io->write.sync_result = cqe->res;
                break;
        case TAG_WAKE:
                io->wake_armed = false;
                return false;
        }
        MU_ASSERT(io->write_parts > 0);
        return --io->write_parts == 0;
}

static uint32_t uring_reap(void *context, struct mu_journal_completion *ret_completions,
                           uint32_t count_max)
{
        struct uring_io *io = context;
        struct io_uring_cqe *cqe;
        uint32_t count = 0;

        MU_ASSERT(count_max >= 2);
        while (io_uring_peek_cqe(&io->ring, &cqe) == 0) {
                bool is_write = take_cqe(io, cqe);

                io_uring_cqe_seen(&io->ring, cqe);
                if (!is_write)
                        continue;
                MU_FAILPOINT("journal.sync", io->write.sync_result);
                ret_completions[count++] = io->write;
                break; /* one write is under way at a time */
        }
        if (count < count_max && mu_journal_files_reap(&io->files, &ret_completions[count]))
                count++;
        return count;
}

static void uring_wait(void *context, uint64_t timeout_us)
{
        struct uring_io *io = context;
        struct __kernel_timespec timeout = {.tv_sec = (long long)(timeout_us / 1000000),
                                            .tv_nsec = (long long)(timeout_us % 1000000 * 1000)};
        struct io_uring_cqe *cqe;

        if (!io->wake_armed) {
                struct io_uring_sqe *sqe = next_sqe(io);

                io_uring_prep_read(sqe, io->wake_fd, &io->wake_count, sizeof(io->wake_count), 0);
                io_uring_sqe_set_data64(sqe, TAG_WAKE);
                io->wake_armed = true;
        }
        /* -ETIME and -EINTR: the caller looks around and waits again. */
        (void)io_uring_submit_and_wait_timeout(&io->ring, &cqe, 1, &timeout, NULL);
}

static int uring_register(void *context, void *memory, size_t bytes)
{
        struct uring_io *io = context;
        struct iovec whole = {.iov_base = memory, .iov_len = bytes};
        int err = io_uring_register_buffers(&io->ring, &whole, 1);

        if (err < 0)
                return err;
        io->registered = memory;
        io->registered_bytes = bytes;
        return 0;
}

static void uring_destroy(void *context)
{
        struct uring_io *io = context;

        /* Cancels what is under way: nothing of ours may be written to after this. */
        io_uring_queue_exit(&io->ring);
        mu_journal_files_done(&io->files);
        (void)close(io->wake_fd);
        free(io);
}

int mu_journal_io_uring_create(const char *directory, struct mu_journal_io *ret_io)
{
        struct uring_io *io = calloc(1, sizeof(*io));

        if (!io)
                return -ENOMEM;
        int err = io_uring_queue_init(ENTRIES, &io->ring, 0);

        if (err < 0)
                goto free_io;
        io->wake_fd = eventfd(0, EFD_CLOEXEC);
        if (io->wake_fd < 0) {
                err = -errno;
                goto exit_ring;
        }
        err = mu_journal_files_init(&io->files, directory, uring_wake, io);
        if (err < 0)
                goto close_wake;
        *ret_io = (struct mu_journal_io){.context = io,
                                         .name = "io_uring",
                                         .write = uring_write,
                                         .reap = uring_reap,
                                         .wait = uring_wait,
                                         .wake = uring_wake,
                                         .register_memory = uring_register,
                                         .destroy = uring_destroy};
        mu_journal_files_table(ret_io);
        return 0;

close_wake:
        (void)close(io->wake_fd);
exit_ring:
        io_uring_queue_exit(&io->ring);
free_io:
        free(io);
        return err;
}
