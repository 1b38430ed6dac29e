/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_file.c - the file that keeps a simulated fleet between runs.
 *
 * Text, one line per device: `id token bucket_newest live_first live_newest seq key_version key`
 * (the last two since there are channels; key in hex, version 0: not known). The first line names
 * format, state and server; tokens make it a secret, hence mode 0600. Written to a neighbour and
 * renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "device.h"

#define FORMAT_NAME "muster-loadgen-devices-2"

MU_PRINTF(3, 4)
static int fail(struct mu_lg_fleet *fleet, int error, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(fleet->error, sizeof(fleet->error), format, args);
        va_end(args);
        return error;
}

static int lock_file(struct mu_lg_fleet *fleet)
{
        char lock_path[4096];

        if (snprintf(lock_path, sizeof(lock_path), "%s.lock", fleet->path) >=
            (int)sizeof(lock_path))
                return fail(fleet, -ENAMETOOLONG, "the devices file's path is too long");
        fleet->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fleet->lock_fd < 0)
                return fail(fleet, -errno,
                            "cannot open %s: %s; name another place with --devices-file", lock_path,
                            strerror(errno));
        if (flock(fleet->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return fail(fleet, -EBUSY,
                            "another muster-loadgen is using %s; two runs over the same devices "
                            "would collide: wait for it, or give this one its own --devices-file",
                            fleet->path);
        return 0;
}

static int ensure_room(struct mu_lg_fleet *fleet, uint32_t wanted, uint32_t *capacity)
{
        if (wanted <= *capacity)
                return 0;
        uint32_t grown_count = *capacity * 2 > wanted ? *capacity * 2 : wanted;
        struct mu_lg_device *grown = realloc(fleet->devices, (size_t)grown_count * sizeof(*grown));

        if (!grown)
                return fail(fleet, -ENOMEM, "no memory for %" PRIu32 " devices", grown_count);
        memset(grown + *capacity, 0, (size_t)(grown_count - *capacity) * sizeof(*grown));
        fleet->devices = grown;
        *capacity = grown_count;
        return 0;
}

static bool parse_line(const char *line, struct mu_lg_device *device)
{
        char token[MU_LG_TOKEN_MAX + 1];
        uint64_t id;
        uint32_t bucket, live_first, live_newest, seq, key_version = 0;
        char key[2 * MU_COMMAND_KEY_BYTES + 1];
        int fields =
                sscanf(line,
                       "%" SCNu64 " %63s %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32
                       " %64[0-9a-f]",
                       &id, token, &bucket, &live_first, &live_newest, &seq, &key_version, key);

        if ((fields != 6 && fields != 8) || id == 0)
                return false;
        *device = (struct mu_lg_device){
                .id = id,
                .bucket_newest = bucket,
                .live_first = live_first,
                .live_newest = live_newest,
                .seq = seq,
        };
        device->token_bytes = (uint8_t)strlen(token);
        memcpy(device->token, token, device->token_bytes);
        if (fields == 8 && !mu_command_hex_read(key, device->key.bytes, MU_COMMAND_KEY_BYTES))
                return false;
        device->key.version = key_version;
        return true;
}

/* How many devices the file holds, or an error. A file of another server is set aside, not used. */
static int read_devices(struct mu_lg_fleet *fleet, FILE *file, const char *base_url,
                        uint32_t *capacity, uint32_t *ret_count)
{
        char line[512], format[64], state[16], url[384];
        uint32_t count = 0;

        if (!fgets(line, sizeof(line), file) ||
            sscanf(line, "%63s %15s %383s", format, state, url) != 3 ||
            strcmp(format, FORMAT_NAME) != 0)
                return fail(fleet, -EINVAL,
                            "%s is not a devices file of muster-loadgen; move it away or name "
                            "another with --devices-file",
                            fleet->path);
        if (strcmp(url, base_url) != 0)
                return fail(fleet, -EINVAL,
                            "the devices in %s are registered at %s, not at %s; use another "
                            "--devices-file for this server",
                            fleet->path, url, base_url);
        fleet->unclean = strcmp(state, "running") == 0;
        while (fgets(line, sizeof(line), file)) {
                int r = ensure_room(fleet, count + 1, capacity);

                if (r < 0)
                        return r;
                if (!parse_line(line, &fleet->devices[count]))
                        return fail(fleet, -EINVAL,
                                    "%s, line %" PRIu32 ": not a device; the file "
                                    "is damaged: remove it to register the fleet anew",
                                    fleet->path, count + 2);
                if (fleet->devices[count].live_first < fleet->first_bucket)
                        fleet->devices[count].live_first = 0; /* no longer in the way */
                count++;
        }
        *ret_count = count;
        return 0;
}

int mu_lg_fleet_open(struct mu_lg_fleet *fleet, const char *path, const char *base_url,
                     uint32_t count)
{
        uint32_t capacity = 0, loaded = 0;
        int r;

        *fleet = (struct mu_lg_fleet){.lock_fd = -1};
        fleet->first_bucket = (uint32_t)(time(NULL) / MU_LG_BUCKET_S) - MU_LG_BACK_BUCKETS;
        if (path) {
                fleet->path = strdup(path);
                if (!fleet->path)
                        return fail(fleet, -ENOMEM, "out of memory");
                r = lock_file(fleet);
                if (r < 0)
                        return r;
                FILE *file = fopen(path, "re");
                if (!file && errno != ENOENT)
                        return fail(fleet, -errno, "cannot read %s: %s", path, strerror(errno));
                if (file) {
                        r = read_devices(fleet, file, base_url, &capacity, &loaded);
                        fclose(file);
                        if (r < 0)
                                return r;
                }
        }
        r = ensure_room(fleet, count, &capacity);
        if (r < 0)
                return r;
        fleet->count = count;
        fleet->loaded_count = loaded < count ? loaded : count;
        fleet->kept_count = loaded > count ? loaded - count : 0;
        return 0;
}

static int write_devices(const struct mu_lg_fleet *fleet, FILE *file, const char *base_url,
                         bool running)
{
        fprintf(file, FORMAT_NAME " %s %s\n", running ? "running" : "clean", base_url);
        for (uint32_t i = 0; i < fleet->count + fleet->kept_count; i++) {
                const struct mu_lg_device *device = &fleet->devices[i];

                if (device->id == 0 || (device->flags & MU_LG_DEVICE_REFUSED))
                        continue;
                char key[2 * MU_COMMAND_KEY_BYTES + 1];

                mu_text_hex(device->key.bytes, MU_COMMAND_KEY_BYTES, key);
                fprintf(file,
                        "%" PRIu64 " %.*s %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32
                        " %s\n",
                        device->id, (int)device->token_bytes, device->token, device->bucket_newest,
                        device->live_first, device->live_newest, device->seq, device->key.version,
                        key);
        }
        if (fflush(file) != 0 || ferror(file))
                return errno ? -errno : -EIO;
        return 0;
}

int mu_lg_fleet_save(struct mu_lg_fleet *fleet, const char *base_url, bool running)
{
        char temporary[4096];

        if (!fleet->path)
                return 0;
        if (snprintf(temporary, sizeof(temporary), "%s.new", fleet->path) >= (int)sizeof(temporary))
                return fail(fleet, -ENAMETOOLONG, "the devices file's path is too long");
        int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || fchmod(fd, 0600) < 0)
                return fail(fleet, -errno, "cannot write %s: %s", temporary, strerror(errno));
        FILE *file = fdopen(fd, "w");
        if (!file) {
                close(fd);
                return fail(fleet, -ENOMEM, "out of memory");
        }
        int r = write_devices(fleet, file, base_url, running);
        if (fclose(file) != 0 && r == 0)
                r = -errno;
        if (r == 0 && rename(temporary, fleet->path) < 0)
                r = -errno;
        if (r < 0) {
                unlink(temporary);
                return fail(fleet, r, "cannot write %s: %s", fleet->path, strerror(-r));
        }
        return 0;
}

void mu_lg_fleet_close(struct mu_lg_fleet *fleet)
{
        for (uint32_t i = 0; fleet->devices && i < fleet->count; i++)
                mu_lg_marks_done(&fleet->devices[i].marks);
        free(fleet->devices);
        free(fleet->path);
        if (fleet->lock_fd >= 0)
                close(fleet->lock_fd);
        *fleet = (struct mu_lg_fleet){.lock_fd = -1};
}
