/* SPDX-License-Identifier: Apache-2.0 */
#include "app/run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"

static void path_of(const char *directory, const char *name, char path[PATH_MAX])
{
        (void)snprintf(path, PATH_MAX, "%s/%s", directory, name);
}

/* Field 22 of /proc/self/stat: tells this process from a later one with the same pid. */
static unsigned long long start_time(void)
{
        char stat[1024];
        int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        ssize_t bytes = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);

        if (fd >= 0)
                close(fd);
        if (bytes <= 0)
                return 0;
        stat[bytes] = '\0';
        char *at = strrchr(stat, ')'); /* the name before it may hold anything */

        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at, NULL, 10) : 0;
}

int mu_run_lock(const char *data_directory, int *ret_fd, char *error)
{
        char path[PATH_MAX];
        char text[64] = "";

        path_of(data_directory, "musterd.pid", path);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0) {
                int code = -errno;

                (void)snprintf(error, MU_RUN_ERROR_BYTES, "%.300s can't be written: %s.", path,
                               strerror(-code));
                return code;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                (void)!pread(fd, text, sizeof(text) - 1, 0);
                (void)snprintf(error, MU_RUN_ERROR_BYTES,
                               "Another musterd (pid %.*s) runs on %.300s; stop it first or choose "
                               "another data.dir.",
                               (int)strcspn(text, " \n"), text, data_directory);
                close(fd);
                return -EBUSY;
        }
        int bytes = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(), start_time());

        if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)bytes, 0) != bytes) {
                int code = errno ? -errno : -EIO;

                (void)snprintf(error, MU_RUN_ERROR_BYTES, "%.300s can't be written: %s.", path,
                               strerror(-code));
                close(fd);
                return code;
        }
        *ret_fd = fd;
        return 0;
}

int mu_run_publish(const char *data_directory, const struct mu_run_facts *facts)
{
        char path[PATH_MAX];
        char *json;
        size_t bytes;
        struct mu_text text;

        path_of(data_directory, "run.json", path);
        mu_text_init(&text);
        mu_text_add_format(&text,
                           "{\"pid\":%d,\"https_url\":\"https://localhost:%u\","
                           "\"tls_pin\":\"%s\","
                           "\"http_url\":\"http://%s:%u\","
                           "\"ready_url\":\"http://%s:%u/ready\",\"database\":",
                           (int)getpid(), facts->https_port, facts->tls_pin, facts->http_address,
                           facts->http_port, facts->http_address, facts->http_port);
        mu_text_add_json(&text, facts->database, strlen(facts->database));
        if (facts->socket_directory) {
                mu_text_add(&text, ",\"socket_dir\":");
                mu_text_add_json(&text, facts->socket_directory, strlen(facts->socket_directory));
        }
        mu_text_add(&text, "}\n");
        int error = mu_text_take(&text, &json, &bytes);

        if (error < 0)
                return error;
        error = mu_fs_write_file(path, json, bytes, 0644);
        free(json);
        return error;
}

void mu_run_unlock(const char *data_directory, int fd)
{
        char path[PATH_MAX];

        if (fd < 0)
                return;
        path_of(data_directory, "run.json", path);
        (void)unlink(path);
        /* Emptied, not removed: whoever waits for the lock has this very file open. */
        (void)!ftruncate(fd, 0);
        close(fd);
}
