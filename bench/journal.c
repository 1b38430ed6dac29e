/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.c - groups made durable: 256 records in flight, as from 256 connections, through ports
 * and journal, against pwrite and fdatasync of as many bytes into a file that was written before.
 *
 * Wall clock: what it measures is mostly the disk. MUSTER_BENCH_DIR says where (default: /var/tmp).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"
#include "ingest/journal.h"
#include "ingest/port.h"

enum {
        IN_FLIGHT = 256,
        EXTRA_BYTES = 96, /* behind the struct: what strings a usual heartbeat has */
        GROUP_BYTES =
                IN_FLIGHT * (int)(sizeof(struct mu_record) + EXTRA_BYTES + 24) / 4096 * 4096 + 4096,
        FILE_BYTES = 64 << 20,
};

struct state {
        char directory[PATH_MAX];
        struct mu_journal *journal;
        struct mu_port *port;
        int fd;
        void *group;
};

static void make_directory(struct state *state)
{
        const char *parent = getenv("MUSTER_BENCH_DIR");

        (void)snprintf(state->directory, sizeof(state->directory), "%s/muster-bench-XXXXXX",
                       parent ? parent : "/var/tmp");
        if (!mkdtemp(state->directory))
                mu_bench_fail(state->directory, errno);
}

static void remove_directory(const struct state *state)
{
        char command[PATH_MAX + 16];
        pid_t child = fork();
        int status;

        (void)snprintf(command, sizeof(command), "%s", state->directory);
        if (child == 0) {
                (void)execlp("rm", "rm", "-r", command, (char *)NULL);
                _exit(127);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0)
                mu_bench_fail("rm", errno);
}

static void *prepare_ours(void)
{
        struct state *state = calloc(1, sizeof(*state));

        if (!state)
                mu_bench_fail("journal", ENOMEM);
        make_directory(state);
        const struct mu_journal_config config = {.directory = state->directory,
                                                 .segment_bytes = 64 << 20,
                                                 .capacity_bytes = 1 << 30,
                                                 .tail_bytes = 32 << 20,
                                                 .group_bytes_max = 256 << 10,
                                                 .linger_us = 5000,
                                                 .clock = mu_clock_system()};
        int error = mu_journal_open(&config, &state->journal);

        if (error == 0)
                error = mu_port_create(1 << 20, &state->port);
        if (error == 0)
                error = mu_journal_add_port(state->journal, state->port);
        if (error == 0)
                error = mu_journal_start(state->journal);
        if (error < 0)
                mu_bench_fail("journal", error);
        return state;
}

static void finish_ours(void *argument)
{
        struct state *state = argument;

        mu_journal_drain(state->journal);
        mu_journal_close(state->journal);
        mu_port_destroy(state->port);
        remove_directory(state);
        free(state);
}

static void commit(struct state *state)
{
        struct mu_record *record =
                mu_port_reserve(state->port, (uint32_t)sizeof(struct mu_record) + EXTRA_BYTES);

        if (!record)
                mu_bench_fail("ring full", ENOSPC);
        memset(record, 0, sizeof(*record) + EXTRA_BYTES);
        record->device_id = 1;
        record->extra_bytes = EXTRA_BYTES;
        (void)mu_port_commit(state->port);
}

static void run_ours(void *argument, uint64_t count)
{
        struct state *state = argument;
        struct pollfd wake = {.fd = mu_port_eventfd(state->port), .events = POLLIN};
        uint64_t committed = 0;
        uint64_t resolved = 0;

        while (resolved < count) {
                struct mu_port_verdict verdict;

                while (committed < count && committed - resolved < IN_FLIGHT) {
                        commit(state);
                        committed++;
                }
                if (!mu_port_poll(state->port, &verdict)) {
                        (void)poll(&wake, 1, -1);
                        continue;
                }
                if (!verdict.durable)
                        mu_bench_fail("journal", EIO);
                resolved = verdict.last;
        }
}

static void *prepare_plain(void)
{
        struct state *state = calloc(1, sizeof(*state));
        char path[PATH_MAX + 8];

        if (!state)
                mu_bench_fail("plain", ENOMEM);
        make_directory(state);
        (void)snprintf(path, sizeof(path), "%s/plain", state->directory);
        state->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        state->group = calloc(1, 1 << 20);
        if (state->fd < 0 || !state->group)
                mu_bench_fail(path, errno);
        for (off_t at = 0; at < FILE_BYTES; at += 1 << 20)
                if (pwrite(state->fd, state->group, 1 << 20, at) != 1 << 20)
                        mu_bench_fail(path, errno);
        if (fsync(state->fd) < 0)
                mu_bench_fail(path, errno);
        return state;
}

static void finish_plain(void *argument)
{
        struct state *state = argument;

        close(state->fd);
        remove_directory(state);
        free(state->group);
        free(state);
}

static void run_plain(void *argument, uint64_t count)
{
        struct state *state = argument;
        off_t at = 0;

        for (uint64_t done = 0; done < count; done += IN_FLIGHT) {
                memset(state->group, (int)done, GROUP_BYTES);
                if (pwrite(state->fd, state->group, GROUP_BYTES, at) != GROUP_BYTES ||
                    fdatasync(state->fd) < 0)
                        mu_bench_fail("pwrite", errno);
                at = (at + GROUP_BYTES) % (FILE_BYTES - GROUP_BYTES);
        }
}

const struct mu_bench mu_bench_journal = {
        .stage = "journal",
        .operation = "one record of 184 bytes made durable, 256 in flight",
        .count = 100000,
        .wall = true,
        .cases = {{"ours: port, group commit, back", run_ours, prepare_ours, finish_ours},
                  {"pwrite and fdatasync, 256 a group", run_plain, prepare_plain, finish_plain},
                  {.name = NULL}},
};
