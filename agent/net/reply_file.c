/* SPDX-License-Identifier: Apache-2.0 */
#include "net/reply_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

int mu_reply_file_init(struct mu_reply_file *file, const char *path, int64_t bytes_max)
{
        *file = (struct mu_reply_file){.bytes_max = bytes_max};
        file->path = strdup(path);
        return file->path ? 0 : -ENOMEM;
}

/* Nobody else's, from its first moment. On Windows the directory's list of rights says so. */
static int create(const char *path)
{
#ifdef _WIN32
        return _open(path, _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY, _S_IREAD | _S_IWRITE);
#else
        return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
#endif
}

static int sync_stream(FILE *stream)
{
#ifdef _WIN32
        return _commit(_fileno(stream));
#else
        return fsync(fileno(stream));
#endif
}

static int begin(struct mu_reply_file *file)
{
        int fd = create(file->path);

        if (fd < 0)
                return -errno;
        file->stream = fdopen(fd, "wb");
        if (file->stream)
                return 0;
        int err = -errno;

        (void)close(fd);
        (void)remove(file->path);
        return err;
}

int mu_reply_file_add(struct mu_reply_file *file, const void *data, size_t bytes)
{
        int err = file->stream ? 0 : begin(file);

        if (err < 0)
                return err;
        if ((int64_t)bytes > file->bytes_max - file->bytes)
                return -EMSGSIZE;
        if (fwrite(data, 1, bytes, file->stream) != bytes)
                return errno > 0 ? -errno : -EIO;
        file->bytes += (int64_t)bytes;
        return 0;
}

int mu_reply_file_finish(struct mu_reply_file *file)
{
        int err = file->stream ? 0 : begin(file);

        if (err < 0)
                return err;
        if (fflush(file->stream) != 0 || sync_stream(file->stream) != 0)
                err = -errno;
        if (fclose(file->stream) != 0 && err == 0)
                err = -errno;
        file->stream = NULL;
        if (err < 0)
                (void)remove(file->path);
        free(file->path);
        file->path = NULL;
        return err;
}

void mu_reply_file_abort(struct mu_reply_file *file)
{
        if (file->stream) {
                (void)fclose(file->stream);
                (void)remove(file->path);
        }
        free(file->path);
        *file = (struct mu_reply_file){0};
}
