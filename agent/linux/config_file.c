/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "core/wipe.h"

enum { SECRET_BYTES_MAX = 4096 };

static int refuse_opening(const char *path, int err, char *sentence)
{
        if (err == -ENOENT)
                (void)snprintf(sentence, MU_CONFIG_SENTENCE_BYTES,
                               "there is no configuration at %s: enrol this device first "
                               "(muster-agent enroll --help), or name another by --config",
                               path);
        else
                (void)snprintf(sentence, MU_CONFIG_SENTENCE_BYTES, "%s can't be read: %s", path,
                               strerror(-err));
        return err;
}

/* Whose it is and who may read it, of the file that is open: no race with its name. */
static int check_owner(int fd, const char *path, char *sentence)
{
        struct stat info;

        if (fstat(fd, &info) < 0)
                return -errno;
        if (!S_ISREG(info.st_mode)) {
                (void)snprintf(sentence, MU_CONFIG_SENTENCE_BYTES, "%s is not a file", path);
                return -EACCES;
        }
        if (info.st_mode & 077) {
                (void)snprintf(sentence, MU_CONFIG_SENTENCE_BYTES,
                               "%s holds this device's token and others may read it (mode %04o): "
                               "chmod 600 %s",
                               path, (unsigned)(info.st_mode & 07777), path);
                return -EACCES;
        }
        if (info.st_uid != geteuid() && info.st_uid != 0) {
                (void)snprintf(sentence, MU_CONFIG_SENTENCE_BYTES,
                               "%s belongs to user %u, not to the one that runs this: chown it",
                               path, (unsigned)info.st_uid);
                return -EACCES;
        }
        return 0;
}

/* 0 and all of it, or a negative errno; -EFBIG above bytes_max. */
static int read_all(int fd, size_t bytes_max, char **ret_text, size_t *ret_bytes)
{
        char *text = malloc(bytes_max + 2);
        size_t bytes = 0;
        int err = 0;

        if (!text)
                return -ENOMEM;
        while (bytes <= bytes_max) {
                ssize_t got = read(fd, text + bytes, bytes_max + 1 - bytes);

                if (got == 0)
                        break;
                if (got < 0 && errno != EINTR) {
                        err = -errno;
                        break;
                }
                bytes += got > 0 ? (size_t)got : 0;
        }
        if (err == 0 && bytes > bytes_max)
                err = -EFBIG;
        if (err < 0) {
                mu_agent_wipe(text, bytes);
                free(text);
                return err;
        }
        text[bytes] = '\0';
        *ret_text = text;
        *ret_bytes = bytes;
        return 0;
}

int mu_config_file_read(const char *path, char **ret_text, size_t *ret_bytes,
                        char ret_sentence[MU_CONFIG_SENTENCE_BYTES])
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return refuse_opening(path, -errno, ret_sentence);
        (void)snprintf(ret_sentence, MU_CONFIG_SENTENCE_BYTES, "%s can't be looked at", path);
        int err = check_owner(fd, path, ret_sentence);

        if (err == 0) {
                err = read_all(fd, MU_AGENT_CONFIG_BYTES_MAX, ret_text, ret_bytes);
                if (err < 0)
                        (void)refuse_opening(path, err, ret_sentence);
        }
        (void)close(fd);
        return err;
}

int mu_config_file_write(const char *path, const char *text, size_t bytes)
{
        return mu_fs_write_file(path, text, bytes, 0600);
}

static int read_present(const char *path, struct mu_agent_config *ret_config)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES];
        char *text;
        size_t bytes;
        int err = mu_config_file_read(path, &text, &bytes, sentence);

        if (err < 0)
                return err;
        err = mu_agent_config_read(text, bytes, ret_config, sentence);
        mu_agent_wipe(text, bytes);
        free(text);
        return err;
}

/* What is the agent's to change. */
static void take_over(const struct mu_agent_config *ours, struct mu_agent_config *present)
{
        present->current = ours->current;
        present->next = ours->next;
        memcpy(present->monitored_package, ours->monitored_package,
               sizeof(present->monitored_package));
        present->auto_relaunch = ours->auto_relaunch;
}

int mu_config_file_save(const char *path, const char *text, size_t bytes)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        struct mu_agent_config ours;
        struct mu_agent_config present;
        struct mu_text merged;
        int err = mu_agent_config_read(text, bytes, &ours, sentence);

        if (err < 0)
                return err;
        err = read_present(path, &present);
        if (err < 0) {
                mu_agent_config_done(&ours);
                return err == -ENOENT ? mu_config_file_write(path, text, bytes) : err;
        }
        mu_text_init(&merged);
        if (present.device_id != ours.device_id || strcmp(present.token, ours.token) != 0)
                err = -ESTALE;
        take_over(&ours, &present);
        if (err == 0)
                err = mu_agent_config_write(&present, &merged);
        if (err == 0)
                err = mu_config_file_write(path, merged.data, merged.bytes);
        if (merged.data)
                mu_agent_wipe(merged.data, merged.room_bytes);
        mu_text_done(&merged);
        mu_agent_config_done(&present);
        mu_agent_config_done(&ours);
        return err;
}

int mu_secret_file_read(const char *path, char **ret_secret,
                        char ret_sentence[MU_CONFIG_SENTENCE_BYTES])
{
        bool is_stdin = strcmp(path, "-") == 0;
        int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        char *text = NULL;
        size_t bytes = 0;
        int err = fd < 0 ? -errno : read_all(fd, SECRET_BYTES_MAX, &text, &bytes);

        if (fd >= 0 && !is_stdin)
                (void)close(fd);
        if (err < 0) {
                (void)snprintf(ret_sentence, MU_CONFIG_SENTENCE_BYTES, "%s can't be read: %s",
                               is_stdin ? "standard input" : path, strerror(-err));
                return err;
        }
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0] == '\0') {
                (void)snprintf(ret_sentence, MU_CONFIG_SENTENCE_BYTES,
                               "%s holds no secret in its first line",
                               is_stdin ? "standard input" : path);
                mu_agent_wipe(text, bytes);
                free(text);
                return -EINVAL;
        }
        *ret_secret = text;
        return 0;
}
