/* SPDX-License-Identifier: Apache-2.0 */
#include "backup/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/text.h"

enum { BLOCK_BYTES = 256 * 1024, WALK_DESCRIPTORS = 32, DEPTH_MAX = 64 };

char *mu_tree_join(const char *directory, const char *name)
{
        char *path = NULL;

        return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

bool mu_tree_exists(const char *path)
{
        struct stat status;

        return lstat(path, &status) == 0;
}

/* ---- walking ---- */

struct walk {
        bool (*skip)(void *context, const struct mu_tree_entry *entry);
        int (*each)(void *context, const struct mu_tree_entry *entry);
        void *context;
        size_t root_chars; /* with the slash */
};

static int not_dots(const struct dirent *entry)
{
        return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int walk_directory(const struct walk *walk, const char *directory, unsigned depth);

static int walk_one(const struct walk *walk, const char *whole, unsigned depth)
{
        struct stat status;

        if (lstat(whole, &status) < 0)
                return errno == ENOENT ? 0 : -errno;
        const struct mu_tree_entry entry = {
                .path = whole + walk->root_chars,
                .whole = whole,
                .is_directory = S_ISDIR(status.st_mode),
                .is_regular = S_ISREG(status.st_mode),
                .status = &status,
        };

        if (walk->skip && walk->skip(walk->context, &entry))
                return 0;
        int err = walk->each(walk->context, &entry);

        return err == 0 && entry.is_directory ? walk_directory(walk, whole, depth + 1) : err;
}

static int walk_directory(const struct walk *walk, const char *directory, unsigned depth)
{
        struct dirent **names = NULL;
        int count = depth > DEPTH_MAX ? -1 : scandir(directory, &names, not_dots, alphasort);
        int err = 0;

        if (count < 0)
                return depth > DEPTH_MAX ? -ELOOP : errno == ENOENT ? 0 : -errno;
        for (int i = 0; i < count; i++) {
                char *whole = err < 0 ? NULL : mu_tree_join(directory, names[i]->d_name);

                if (whole)
                        err = walk_one(walk, whole, depth);
                else if (err == 0)
                        err = -ENOMEM;
                free(whole);
                free(names[i]);
        }
        free((void *)names);
        return err;
}

int mu_tree_walk(const char *root, bool (*skip)(void *context, const struct mu_tree_entry *entry),
                 int (*each)(void *context, const struct mu_tree_entry *entry), void *context)
{
        const struct walk walk = {
                .skip = skip, .each = each, .context = context, .root_chars = strlen(root) + 1};

        if (access(root, R_OK | X_OK) < 0)
                return -errno;
        return walk_directory(&walk, root, 0);
}

/* ---- files ---- */

static void keep_pace(struct mu_tree_pace *pace, size_t bytes)
{
        uint64_t now_ns = mu_clock_monotonic_ns(mu_clock_system());

        if (!pace || pace->bytes_per_s == 0)
                return;
        if (pace->begun_ns == 0)
                pace->begun_ns = now_ns;
        pace->bytes += bytes;
        uint64_t due_ns =
                pace->begun_ns + (uint64_t)((double)pace->bytes * 1e9 / (double)pace->bytes_per_s);

        if (due_ns <= now_ns)
                return;
        const struct timespec rest = {.tv_sec = (time_t)((due_ns - now_ns) / MU_NS_PER_S),
                                      .tv_nsec = (long)((due_ns - now_ns) % MU_NS_PER_S)};

        (void)nanosleep(&rest, NULL);
}

/* Reads all of from; writes it to to_fd unless that is -1; hashes it. */
static int pump(int from_fd, int to_fd, struct mu_tree_pace *pace, uint64_t *ret_bytes,
                char *ret_hex)
{
        uint8_t sha256[SHA256_DIGEST_LENGTH];
        char *block = malloc(BLOCK_BYTES);
        uint64_t bytes = 0;
        SHA256_CTX hash;
        int err = block ? 0 : -ENOMEM;

        SHA256_Init(&hash);
        while (err == 0) {
                ssize_t got = read(from_fd, block, BLOCK_BYTES);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0) {
                        err = got < 0 ? -errno : 0;
                        break;
                }
                SHA256_Update(&hash, block, (size_t)got);
                if (to_fd >= 0)
                        err = mu_fs_write_all(to_fd, block, (size_t)got);
                bytes += (uint64_t)got;
                keep_pace(pace, (size_t)got);
        }
        free(block);
        if (err < 0)
                return err;
        SHA256_Final(sha256, &hash);
        if (ret_hex)
                mu_text_hex(sha256, sizeof(sha256), ret_hex);
        *ret_bytes = bytes;
        return 0;
}

int mu_tree_hash_file(const char *path, struct mu_tree_pace *pace, uint64_t *ret_bytes,
                      char *ret_hex)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return -errno;
        int err = pump(fd, -1, pace, ret_bytes, ret_hex);

        (void)close(fd); /* only read from */
        return err;
}

int mu_tree_copy_file(const char *from, const char *to, mode_t mode, struct mu_tree_pace *pace,
                      uint64_t *ret_bytes, char *ret_hex)
{
        int from_fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        if (from_fd < 0)
                return -errno;
        int to_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        int err = to_fd < 0 ? -errno : 0;

        MU_FAILPOINT("backup.copy_file", err);
        if (err == 0)
                err = pump(from_fd, to_fd, pace, ret_bytes, ret_hex);
        if (err == 0 && (fchmod(to_fd, mode) < 0 || fsync(to_fd) < 0))
                err = -errno;
        if (to_fd >= 0 && close(to_fd) < 0 && err == 0)
                err = -errno;
        (void)close(from_fd); /* only read from */
        return err;
}

/* ---- whole folders ---- */

struct copy {
        const char *to;
        uid_t uid;
        gid_t gid;
};

static int own(const char *path, uid_t uid, gid_t gid)
{
        return geteuid() == 0 && lchown(path, uid, gid) < 0 ? -errno : 0;
}

static int copy_plainly(const char *from, const char *to, mode_t mode)
{
        int from_fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        int to_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        int err = from_fd < 0 || to_fd < 0 ? -errno : 0;

        while (err == 0) {
                ssize_t moved = copy_file_range(from_fd, NULL, to_fd, NULL, 1 << 30, 0);

                if (moved == 0)
                        break;
                if (moved < 0 &&
                    (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
                        uint64_t bytes;

                        err = pump(from_fd, to_fd, NULL, &bytes, NULL);
                        break;
                }
                if (moved < 0 && errno != EINTR)
                        err = -errno;
        }
        if (from_fd >= 0)
                (void)close(from_fd);
        if (to_fd >= 0 && close(to_fd) < 0 && err == 0)
                err = -errno;
        return err;
}

static int copy_one(void *context, const struct mu_tree_entry *entry)
{
        const struct copy *copy = context;
        char *to = mu_tree_join(copy->to, entry->path);
        mode_t mode = entry->status->st_mode & 0777;
        int err = to ? 0 : -ENOMEM;

        if (err == 0 && entry->is_directory)
                err = mkdir(to, mode) < 0 ? -errno : 0;
        else if (err == 0 && entry->is_regular)
                err = copy_plainly(entry->whole, to, mode);
        if (err == 0 && (entry->is_directory || entry->is_regular))
                err = own(to, copy->uid, copy->gid);
        free(to);
        return err;
}

int mu_tree_copy(const char *from, const char *to, uid_t uid, gid_t gid)
{
        struct copy copy = {.to = to, .uid = uid, .gid = gid};
        int err = mkdir(to, 0700) < 0 ? -errno : own(to, uid, gid);

        return err < 0 ? err : mu_tree_walk(from, NULL, copy_one, &copy);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

int mu_tree_remove(const char *path)
{
        if (!mu_tree_exists(path))
                return 0;
        int err = nftw(path, remove_one, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

        return err < -1 ? err : err < 0 ? -errno : 0;
}

static int sync_one(void *context, const struct mu_tree_entry *entry)
{
        const bool *files_too = context;

        if (entry->is_directory)
                return mu_fs_sync_directory(entry->whole);
        if (!entry->is_regular || !*files_too)
                return 0;
        int fd = open(entry->whole, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        int err = fd < 0 || fsync(fd) < 0 ? -errno : 0;

        if (fd >= 0)
                (void)close(fd);
        return err;
}

int mu_tree_sync(const char *root, bool files_too)
{
        int err = mu_tree_walk(root, NULL, sync_one, &files_too);

        return err < 0 ? err : mu_fs_sync_directory(root);
}

static int count_one(void *context, const struct mu_tree_entry *entry)
{
        uint64_t *bytes = context;

        if (entry->is_regular)
                *bytes += (uint64_t)entry->status->st_size;
        return 0;
}

int mu_tree_bytes(const char *root, uint64_t *ret_bytes)
{
        uint64_t bytes = 0;
        int err = mu_tree_walk(root, NULL, count_one, &bytes);

        if (err == 0)
                *ret_bytes = bytes;
        return err;
}
