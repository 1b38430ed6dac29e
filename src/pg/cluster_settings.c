/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster.conf: the private server's settings, each with its reason in the file itself, sized for
 * the machine. The work is one stream of COPY into the newest partition, an upsert per batch of a
 * small hot table, and a console's reads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "pg/cluster_place.h"
#include "pg/spawn.h"

#define MIB UINT64_C(1048576)
#define GIB (1024 * MIB)

/* People with psql, pg_basebackup, and the ones PostgreSQL keeps for its superuser. */
enum { EXTRA_CONNECTIONS = 13, PROBE_WAIT_MS = 10000 };

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
        return value < least ? least : value > most ? most : value;
}

/* The machine's memory, or the container's if that is less. */
static uint64_t machine_memory_bytes(void)
{
        uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
        char *text;

        if (mu_fs_read_file("/sys/fs/cgroup/memory.max", 64, &text, NULL) == 0) {
                uint64_t limit = strtoull(text, NULL, 10); /* "max": 0 */

                if (limit > 0 && limit < memory)
                        memory = limit;
                free(text);
        }
        return memory;
}

/* lz4 is a choice of whoever compiled the server: ask it. */
static bool has_lz4(const struct mu_cluster_place *place)
{
        char program[PATH_MAX + 16], output[256];
        const char *const argv[] = {
                program,           "-D", place->directory, "-c", "wal_compression=lz4", "-C",
                "wal_compression", NULL};
        struct mu_spawn spawn = {
                .argv = argv, .uid = place->uid, .gid = place->gid, .directory = place->directory};
        int status;

        snprintf(program, sizeof(program), "%s/postgres", place->bin);
        return mu_spawn_run(&spawn, PROBE_WAIT_MS, output, sizeof(output), &status) == 0 &&
               status == 0;
}

/* Inside of quotes in the settings file a quote is doubled. */
static void add_path(struct mu_text *text, const char *name, const char *path)
{
        mu_text_add_format(text, "%s = '", name);
        for (; *path; path++)
                mu_text_add_bytes(
                        text, *path == '\'' || *path == '\\' ? (const char[]){*path, *path} : path,
                        *path == '\'' || *path == '\\' ? 2 : 1);
        mu_text_add(text, "'\n");
}

static void add_doors(struct mu_text *text, const struct mu_cluster_place *place,
                      const struct mu_cluster_config *config)
{
        mu_text_add(text, "# Written by musterd at each start: changes here are lost. Yours belong "
                          "in local.conf.\n\n"
                          "# The only door: a socket in a directory that only the server's user "
                          "and root can enter.\n"
                          "listen_addresses = ''\n"
                          "port = 5432                        # names the socket, nothing else\n"
                          "unix_socket_permissions = 0700\n");
        add_path(text, "unix_socket_directories", place->socket_directory);
        mu_text_add_format(text,
                           "max_connections = %u               # musterd's cap, and room for psql "
                           "and backups\n\n",
                           config->connections_max + EXTRA_CONNECTIONS);
}

static void add_memory(struct mu_text *text, uint64_t memory)
{
        uint64_t shared = clamp(memory / 4, 64 * MIB, 4 * GIB);

        mu_text_add_format(
                text,
                "# Memory: a quarter holds the newest partition's index and the last status; the "
                "rest is the page cache's.\n"
                "shared_buffers = %lluMB\n"
                "huge_pages = try                   # fewer page table entries where the machine "
                "has them set aside\n"
                "effective_cache_size = %lluMB\n"
                "work_mem = %lluMB                  # reports sort here; few run at once\n"
                "maintenance_work_mem = %lluMB      # vacuum and index builds of a day's "
                "partition\n"
                "wal_buffers = %lluMB               # a batch's log fits while the last one is "
                "written\n\n",
                (unsigned long long)(shared / MIB), (unsigned long long)(memory / 2 / MIB),
                (unsigned long long)clamp(memory / 512 / MIB, 4, 32),
                (unsigned long long)clamp(memory / 32 / MIB, 32, 512),
                (unsigned long long)clamp(shared / 32 / MIB, 4, 32));
}

static void add_durability(struct mu_text *text, uint64_t disk_bytes, bool lz4)
{
        uint64_t wal = clamp(disk_bytes / 20, 512 * MIB, 8 * GIB);

        mu_text_add(text, "# Durability: what is committed here may leave the journal, so none of "
                          "these is for sale.\n"
                          "fsync = on\n"
                          "full_page_writes = on\n"
                          "synchronous_commit = on\n"
                          "commit_delay = 0                   # batches are few and large already: "
                          "waiting would group nothing\n"
                          "wal_level = replica                # so that pg_basebackup can copy it "
                          "while it runs\n"
                          "max_wal_senders = 4\n\n");
        mu_text_add_format(text,
                           "# Checkpoints: each makes the next write of every page log the whole "
                           "page, so they come seldom.\n"
                           "# Recovery takes longer for it; the journal acknowledges meanwhile.\n"
                           "checkpoint_timeout = 15min\n"
                           "checkpoint_completion_target = 0.9 # spread, so that the disk is left "
                           "to the commits\n"
                           "max_wal_size = %lluMB\n"
                           "min_wal_size = %lluMB              # recycled files need no "
                           "allocation\n"
                           "wal_compression = %s              # of those whole pages: less to "
                           "write for little CPU\n\n",
                           (unsigned long long)(wal / MIB), (unsigned long long)(wal / 4 / MIB),
                           lz4 ? "lz4" : "on");
        mu_text_add_format(text, "default_toast_compression = %s\n\n", lz4 ? "lz4" : "pglz");
}

static void add_work(struct mu_text *text)
{
        mu_text_add(text,
                    "# Disks are taken to be solid: many requests at once, random as good as "
                    "sequential.\n"
                    "effective_io_concurrency = 64\n"
                    "maintenance_io_concurrency = 64    # also how far recovery reads ahead\n"
                    "random_page_cost = 1.1\n\n"
                    "# Queries are short or rare: compiling them costs more than it saves, and a "
                    "report must not take\n"
                    "# every core from the ingest.\n"
                    "jit = off\n"
                    "max_parallel_workers_per_gather = 1\n"
                    "max_parallel_workers = 2\n\n"
                    "# Vacuum early and in small bites: partitions only grow, and the last status "
                    "is updated all day.\n"
                    "autovacuum = on\n"
                    "autovacuum_naptime = 30s\n"
                    "autovacuum_vacuum_cost_limit = 1000\n\n"
                    "# One time and one set of messages, whatever the machine's.\n"
                    "timezone = 'UTC'\n"
                    "lc_messages = 'C'\n"
                    "cluster_name = 'muster'\n\n");
}

static void add_log(struct mu_text *text, const struct mu_cluster_place *place)
{
        mu_text_add(text, "# A file a weekday, written over a week later.\n"
                          "logging_collector = on\n");
        add_path(text, "log_directory", place->log_directory);
        mu_text_add(text, "log_filename = 'postgres-%a.log'\n"
                          "log_file_mode = 0600\n"
                          "log_rotation_age = 1d\n"
                          "log_rotation_size = 0\n"
                          "log_truncate_on_rotation = on\n"
                          "log_timezone = 'UTC'\n"
                          "log_line_prefix = '%m [%p] %a '\n"
                          "log_min_duration_statement = 5s\n"
                          "log_parameter_max_length = 0       # values may be people's data\n"
                          "log_parameter_max_length_on_error = 0\n"
                          "log_checkpoints = on\n"
                          "log_lock_waits = on\n"
                          "log_autovacuum_min_duration = 30s\n"
                          "track_io_timing = on\n");
}

int mu_cluster_write_settings(const struct mu_cluster_place *place,
                              const struct mu_cluster_config *config, struct mu_pg_error *ret_error)
{
        uint64_t memory = config->memory_bytes ? config->memory_bytes : machine_memory_bytes();
        uint64_t disk_bytes = 0;
        struct mu_text text;
        char *settings;
        size_t bytes;
        char path[PATH_MAX + 16];
        int err = 0;

        snprintf(path, sizeof(path), "%s/muster.conf", place->directory);
        /* Without one the server can't read its settings, and could not be asked about lz4. */
        if (access(path, F_OK) < 0)
                err = mu_cluster_write_file(place, "muster.conf", "");

        if (!err)
                err = mu_fs_space(place->home, NULL, &disk_bytes);
        if (!err) {
                mu_text_init(&text);
                add_doors(&text, place, config);
                add_memory(&text, memory);
                add_durability(&text, disk_bytes, has_lz4(place));
                add_work(&text);
                add_log(&text, place);
                err = mu_text_take(&text, &settings, &bytes);
                mu_text_done(&text);
        }
        if (!err) {
                err = mu_cluster_write_file(place, "muster.conf", settings);
                free(settings);
        }
        if (err)
                mu_pg_error_format(ret_error, "58030", "%s/muster.conf can't be written: %s",
                                   place->directory, strerror(-err));
        return err;
}
