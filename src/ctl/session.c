/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/session.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "ctl/ctl.h"

enum {
        SESSION_BYTES_MAX = 256 * 1024,
        SESSION_MODE = 0600,
};

static char *file_name(void)
{
        const char *given = getenv("MUSTER_SESSION");
        const char *config = getenv("XDG_CONFIG_HOME");
        const char *home = getenv("HOME");
        char *name = NULL;

        if (given && *given)
                return strdup(given);
        if (config && *config)
                return asprintf(&name, "%s/muster/session.json", config) < 0 ? NULL : name;
        if (home && *home)
                return asprintf(&name, "%s/.config/muster/session.json", home) < 0 ? NULL : name;
        return strdup("muster-session.json");
}

int mu_ctl_session_set(char **member, const char *value)
{
        char *copy = value ? strdup(value) : NULL;

        if (value && !copy)
                return -ENOMEM;
        mu_ctl_forget(*member);
        *member = copy;
        return 0;
}

static int take(json_t *root, const char *key, char **member)
{
        return mu_ctl_session_set(member, json_string_value(json_object_get(root, key)));
}

static int read_members(struct mu_ctl_session *session, json_t *root)
{
        int error = take(root, "url", &session->url);

        session->access_expires_s = json_integer_value(json_object_get(root, "access_expires_s"));
        if (error == 0)
                error = take(root, "user", &session->user);
        if (error == 0)
                error = take(root, "access_token", &session->access_token);
        if (error == 0)
                error = take(root, "refresh_token", &session->refresh_token);
        if (error == 0)
                error = take(root, "certificate", &session->certificate);
        return error;
}

int mu_ctl_session_load(struct mu_ctl_session *session)
{
        char *text;
        json_error_t where;
        struct stat status;

        if (!session->file)
                session->file = file_name();
        if (!session->file)
                return -ENOMEM;
        int error = mu_fs_read_file(session->file, SESSION_BYTES_MAX, &text, NULL);

        if (error == -ENOENT)
                return 0;
        if (error == 0 && stat(session->file, &status) == 0 && (status.st_mode & 077) != 0) {
                mu_ctl_complain("%s can be read by others: chmod 600 it, or remove it and sign in "
                                "again.",
                                session->file);
                mu_ctl_forget(text);
                return -EPERM;
        }
        if (error < 0) {
                mu_ctl_complain("%s can't be read: %s.", session->file, strerror(-error));
                return error;
        }
        json_t *root = json_loads(text, 0, &where);

        mu_ctl_forget(text);
        if (!json_is_object(root)) {
                mu_ctl_complain("%s is damaged: remove it and sign in again.", session->file);
                json_decref(root);
                return -EBADMSG;
        }
        error = read_members(session, root);
        json_decref(root);
        return error;
}

static int write_text(const struct mu_ctl_session *session, const char *text)
{
        char *directory = strdup(session->file);
        char *slash = directory ? strrchr(directory, '/') : NULL;
        int error = directory ? 0 : -ENOMEM;

        if (error == 0 && slash && slash != directory) {
                *slash = '\0';
                error = mu_fs_make_directories(directory, 0700);
        }
        if (error == 0)
                error = mu_fs_write_file(session->file, text, strlen(text), SESSION_MODE);
        free(directory);
        return error;
}

int mu_ctl_session_save(const struct mu_ctl_session *session)
{
        json_t *root =
                json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:I}", "url", session->url, "user",
                          session->user, "access_token", session->access_token, "refresh_token",
                          session->refresh_token, "certificate", session->certificate,
                          "access_expires_s", (json_int_t)session->access_expires_s);
        char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
        int error = text ? write_text(session, text) : -ENOMEM;

        if (error < 0)
                mu_ctl_complain("%s can't be written: %s.", session->file, strerror(-error));
        mu_ctl_forget(text);
        json_decref(root);
        return error;
}

int mu_ctl_session_remove(const struct mu_ctl_session *session)
{
        if (unlink(session->file) == 0 || errno == ENOENT)
                return 0;
        mu_ctl_complain("%s can't be removed: %s.", session->file, strerror(errno));
        return -errno;
}

void mu_ctl_session_done(struct mu_ctl_session *session)
{
        free(session->file);
        free(session->url);
        free(session->user);
        free(session->certificate);
        mu_ctl_forget(session->access_token);
        mu_ctl_forget(session->refresh_token);
        *session = (struct mu_ctl_session){0};
}

int mu_ctl_session_lock(const struct mu_ctl_session *session)
{
        char *name = NULL;

        if (asprintf(&name, "%s.lock", session->file) < 0)
                return -ENOMEM;
        int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, SESSION_MODE);

        free(name);
        if (lock < 0)
                return -errno;
        while (flock(lock, LOCK_EX) < 0) {
                if (errno == EINTR)
                        continue;
                int error = -errno;

                (void)close(lock);
                return error;
        }
        return lock;
}

void mu_ctl_session_unlock(int lock)
{
        if (lock >= 0)
                (void)close(lock);
}
