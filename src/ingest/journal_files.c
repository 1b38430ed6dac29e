/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/journal_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/thread.h"

enum { ZERO_BYTES = 1 << 20 };

static const char prepared_name[] = "prepared.tmp";

/* O_DIRECT where the file system takes it; tmpfs before Linux 6.6 and some network ones do not. */
static int open_at(const struct mu_journal_files *files, const char *name, int flags, int *ret_fd)
{
        int direct = files->is_direct ? O_DIRECT : 0;
        int fd = openat(files->directory_fd, name, flags | direct | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int sync_directory(const struct mu_journal_files *files)
{
        return fsync(files->directory_fd) == 0 ? 0 : -errno;
}

static int files_open(void *context, const char *name, struct mu_journal_file **ret_file)
{
        struct mu_journal_files *files = context;
        struct mu_journal_file *file = calloc(1, sizeof(*file));

        if (!file)
                return -ENOMEM;
        int err = open_at(files, name, O_RDONLY, &file->fd);

        if (err < 0) {
                free(file);
                return err;
        }
        *ret_file = file;
        return 0;
}

static void files_close(void *context, struct mu_journal_file *file)
{
        (void)context;
        if (!file)
                return;
        (void)close(file->fd);
        free(file);
}

static ssize_t files_read(void *context, struct mu_journal_file *file, void *memory, size_t bytes,
                          uint64_t offset)
{
        (void)context;
        size_t done = 0;

        while (done < bytes) {
                ssize_t n = pread(file->fd, (char *)memory + done, bytes - done,
                                  (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                done += (size_t)n;
                /* A short read that leaves the block grid is the file's end. */
                if (n == 0 || done % MU_JOURNAL_BLOCK_BYTES != 0)
                        break;
        }
        return (ssize_t)done;
}

static int files_rewrite(void *context, const char *name, const void *memory, size_t bytes,
                         uint64_t offset)
{
        struct mu_journal_files *files = context;
        int fd = -1;
        int err = open_at(files, name, O_WRONLY, &fd);

        if (err < 0)
                return err;
        ssize_t n = pwrite(fd, memory, bytes, (off_t)offset);

        if (n < 0)
                err = -errno;
        else if ((size_t)n < bytes)
                err = -EIO;
        else if (fdatasync(fd) < 0)
                err = -errno;
        (void)close(fd);
        return err;
}

static int write_and_sync(int fd, const void *data, size_t bytes)
{
        int err = mu_fs_write_all(fd, data, bytes);

        if (err < 0)
                return err;
        return fsync(fd) == 0 ? 0 : -errno;
}

static int files_save(void *context, const char *name, const void *data, size_t bytes)
{
        struct mu_journal_files *files = context;
        char temporary[128];

        if (strncmp(name, "damaged/", 8) == 0 &&
            mkdirat(files->directory_fd, "damaged", 0700) < 0 && errno != EEXIST)
                return -errno;
        (void)snprintf(temporary, sizeof(temporary), "%s.tmp", name);
        int fd = openat(files->directory_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        0600);

        if (fd < 0)
                return -errno;
        int err = write_and_sync(fd, data, bytes);

        (void)close(fd);
        if (err == 0 && renameat(files->directory_fd, temporary, files->directory_fd, name) < 0)
                err = -errno;
        if (err < 0) {
                (void)unlinkat(files->directory_fd, temporary, 0);
                return err;
        }
        return sync_directory(files);
}

static int files_rename(void *context, const char *from, const char *to)
{
        struct mu_journal_files *files = context;

        if (strncmp(to, "damaged/", 8) == 0 && mkdirat(files->directory_fd, "damaged", 0700) < 0 &&
            errno != EEXIST)
                return -errno;
        if (renameat(files->directory_fd, from, files->directory_fd, to) < 0)
                return -errno;
        return sync_directory(files);
}

static int files_remove(void *context, const char *name)
{
        struct mu_journal_files *files = context;

        return unlinkat(files->directory_fd, name, 0) == 0 ? 0 : -errno;
}

static int files_truncate(void *context, const char *name, uint64_t bytes)
{
        struct mu_journal_files *files = context;
        int fd = openat(files->directory_fd, name, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        int err = ftruncate(fd, (off_t)bytes) == 0 ? 0 : -errno;

        (void)close(fd);
        return err;
}

static int files_free_bytes(void *context, uint64_t *ret_bytes)
{
        struct mu_journal_files *files = context;
        struct statvfs space;

        if (fstatvfs(files->directory_fd, &space) < 0)
                return -errno;
        *ret_bytes = (uint64_t)space.f_bavail * space.f_frsize;
        return 0;
}

static int files_list(void *context, int (*each)(void *argument, const char *name, uint64_t bytes),
                      void *argument)
{
        struct mu_journal_files *files = context;
        int fd = openat(files->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *entry;
        int err = 0;

        if (!directory) {
                err = -errno;
                if (fd >= 0)
                        (void)close(fd);
                return err;
        }
        while (err == 0 && (errno = 0, entry = readdir(directory))) {
                struct stat status;

                if (fstatat(files->directory_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                        err = -errno;
                else if (S_ISREG(status.st_mode))
                        err = each(argument, entry->d_name, (uint64_t)status.st_size);
        }
        if (err == 0 && errno != 0)
                err = -errno;
        (void)closedir(directory);
        return err;
}

/* Real zeros, not fallocate: an unwritten extent would cost a metadata write at every fdatasync. */
static int write_zeros(int fd, uint64_t bytes)
{
        void *zeros = aligned_alloc(MU_JOURNAL_BLOCK_BYTES, ZERO_BYTES);
        int err = 0;

        if (!zeros)
                return -ENOMEM;
        memset(zeros, 0, ZERO_BYTES);
        for (uint64_t done = 0; err == 0 && done < bytes;) {
                uint64_t left = bytes - done;
                size_t piece = left < ZERO_BYTES ? (size_t)left : ZERO_BYTES;

                err = mu_fs_write_all(fd, zeros, piece);
                done += piece;
        }
        free(zeros);
        return err;
}

static int prepare_fresh(struct mu_journal_files *files, uint64_t bytes, int *ret_fd)
{
        int fd = -1;
        int err = open_at(files, prepared_name, O_RDWR | O_CREAT | O_TRUNC, &fd);

        if (err < 0)
                return err;
        MU_FAILPOINT("journal.prepare", err);
        if (err == 0)
                err = write_zeros(fd, bytes);
        if (err == 0 && fdatasync(fd) < 0)
                err = -errno;
        if (err < 0) {
                (void)close(fd);
                (void)unlinkat(files->directory_fd, prepared_name, 0);
                return err;
        }
        *ret_fd = fd;
        return 0;
}

static int run_prepare(struct mu_journal_files *files)
{
        const char *from = files->job.recycled;
        struct mu_journal_file *file = calloc(1, sizeof(*file));
        int err = 0;

        if (!file)
                return -ENOMEM;
        if (from[0] != '\0') {
                err = open_at(files, from, O_RDWR, &file->fd);
        } else {
                err = prepare_fresh(files, files->job.bytes, &file->fd);
                from = prepared_name;
        }
        if (err < 0) {
                free(file);
                return err;
        }
        if (renameat(files->directory_fd, from, files->directory_fd, files->job.name) < 0)
                err = -errno;
        if (err == 0)
                err = sync_directory(files);
        if (err < 0) {
                files_close(files, file);
                return err;
        }
        files->job.file = file;
        return 0;
}

static int run_job(struct mu_journal_files *files)
{
        if (files->job.kind == MU_JOURNAL_IO_PREPARE)
                return run_prepare(files);
        if (files->job.bytes > 0)
                return files_truncate(files, files->job.name, files->job.bytes);
        return files_remove(files, files->job.name);
}

static void helper(void *context)
{
        struct mu_journal_files *files = context;

        (void)pthread_mutex_lock(&files->mutex);
        while (!files->stop) {
                if (atomic_load_explicit(&files->job_state, memory_order_relaxed) !=
                    MU_JOB_WAITING) {
                        (void)pthread_cond_wait(&files->changed, &files->mutex);
                        continue;
                }
                (void)pthread_mutex_unlock(&files->mutex);
                files->job.file = NULL;
                files->job.result = run_job(files);
                atomic_store_explicit(&files->job_state, MU_JOB_FINISHED, memory_order_release);
                files->wake(files->context);
                (void)pthread_mutex_lock(&files->mutex);
        }
        (void)pthread_mutex_unlock(&files->mutex);
}

static int begin_job(struct mu_journal_files *files, enum mu_journal_io_kind kind, const char *name,
                     const char *recycled, uint64_t bytes)
{
        if (atomic_load_explicit(&files->job_state, memory_order_relaxed) != MU_JOB_NONE)
                return -EBUSY;
        (void)pthread_mutex_lock(&files->mutex);
        files->job.kind = kind;
        (void)snprintf(files->job.name, sizeof(files->job.name), "%s", name);
        (void)snprintf(files->job.recycled, sizeof(files->job.recycled), "%s",
                       recycled ? recycled : "");
        files->job.bytes = bytes;
        atomic_store_explicit(&files->job_state, MU_JOB_WAITING, memory_order_relaxed);
        (void)pthread_cond_signal(&files->changed);
        (void)pthread_mutex_unlock(&files->mutex);
        return 0;
}

static int files_prepare(void *context, const char *name, const char *recycled, uint64_t bytes)
{
        return begin_job(context, MU_JOURNAL_IO_PREPARE, name, recycled, bytes);
}

static int files_discard(void *context, const char *name, uint64_t keep_bytes)
{
        return begin_job(context, MU_JOURNAL_IO_DISCARD, name, NULL, keep_bytes);
}

bool mu_journal_files_reap(struct mu_journal_files *files,
                           struct mu_journal_completion *ret_completion)
{
        if (atomic_load_explicit(&files->job_state, memory_order_acquire) != MU_JOB_FINISHED)
                return false;
        *ret_completion = (struct mu_journal_completion){
                .kind = files->job.kind, .result = files->job.result, .file = files->job.file};
        files->job.file = NULL;
        atomic_store_explicit(&files->job_state, MU_JOB_NONE, memory_order_relaxed);
        return true;
}

/* Whether the file system takes O_DIRECT, tried with the file that a later prepare would make. */
static int probe_direct(struct mu_journal_files *files)
{
        int fd = openat(files->directory_fd, prepared_name,
                        O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);

        if (fd < 0 && errno != EINVAL)
                return -errno;
        files->is_direct = fd >= 0;
        if (fd >= 0)
                (void)close(fd);
        /* Not there when O_DIRECT was refused at once. */
        (void)unlinkat(files->directory_fd, prepared_name, 0);
        return 0;
}

int mu_journal_files_init(struct mu_journal_files *files, const char *directory,
                          void (*wake)(void *context), void *context)
{
        *files = (struct mu_journal_files){.directory_fd = -1, .wake = wake, .context = context};
        int err = mu_fs_make_directories(directory, 0700);

        if (err < 0)
                return err;
        files->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (files->directory_fd < 0)
                return -errno;
        err = probe_direct(files);
        if (err == 0)
                err = -pthread_mutex_init(&files->mutex, NULL);
        if (err == 0)
                err = -pthread_cond_init(&files->changed, NULL);
        if (err == 0)
                err = mu_thread_start("journal-prep", helper, files, &files->thread);
        if (err < 0) {
                (void)close(files->directory_fd);
                return err;
        }
        files->thread_started = true;
        return 0;
}

void mu_journal_files_done(struct mu_journal_files *files)
{
        if (files->thread_started) {
                (void)pthread_mutex_lock(&files->mutex);
                files->stop = true;
                (void)pthread_cond_signal(&files->changed);
                (void)pthread_mutex_unlock(&files->mutex);
                mu_thread_join(files->thread);
                files_close(files, files->job.file);
                (void)pthread_cond_destroy(&files->changed);
                (void)pthread_mutex_destroy(&files->mutex);
        }
        (void)close(files->directory_fd);
}

void mu_journal_files_table(struct mu_journal_io *io)
{
        struct mu_journal_files *files = io->context;

        io->is_direct = files->is_direct;
        io->list = files_list;
        io->open = files_open;
        io->close = files_close;
        io->read = files_read;
        io->rewrite = files_rewrite;
        io->save = files_save;
        io->rename = files_rename;
        io->remove = files_remove;
        io->truncate = files_truncate;
        io->free_bytes = files_free_bytes;
        io->prepare = files_prepare;
        io->discard = files_discard;
}
