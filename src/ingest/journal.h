/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h - the durable log between the frontends and the writers (design §3).
 *
 * One thread fills a group from the ports' rings into a tail chunk, writes it (io_uring: write
 * linked to fdatasync, double-buffered) and then publishes durable_seq to the readers and a verdict
 * to each port. The core is a state machine over an I/O table and a clock, so that the simulator
 * drives it without threads: mu_journal_step does all that can be done now.
 *
 * Units      *_bytes, *_us; sequences count records from 1 over the journal's whole life.
 * Threads    open, close: one thread, nothing else active. step: the journal thread
 * (mu_journal_start makes it) or the simulator. status, durable_seq: any thread. Ownership  The
 * journal owns segments, tail and registered ports' journal side; ports stay the caller's and must
 * outlive it. Errors     negative errno. After a failed write the journal heals itself into a new
 * segment (design §2 rule 6); when that fails too, state is MU_JOURNAL_REFUSING until a fresh one
 * works.
 */
#ifndef MUSTER_INGEST_JOURNAL_H
#define MUSTER_INGEST_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "muster/compiler.h"

struct mu_metrics;
struct mu_port;
struct mu_journal;
struct mu_journal_io; /* journal_io.h: the seam; NULL below means the real one */

enum mu_journal_limits {
        MU_JOURNAL_PORTS_MAX = 64,
        MU_JOURNAL_READERS_MAX = 32,
        MU_JOURNAL_BLOCK_BYTES = 4096,
};

struct mu_journal_config {
        const char *directory;
        uint64_t segment_bytes;      /* 64 MiB; whole blocks, more than a group and its header */
        uint64_t capacity_bytes;     /* most the directory may hold; 0: design §3's default */
        uint64_t tail_bytes;         /* memory for the tail; 32 MiB */
        uint32_t group_bytes_max;    /* most one group may hold; 256 KiB */
        uint32_t linger_us;          /* most a group may wait for more records under load; 2000 */
        uint64_t keep_covered_s;     /* 24 h */
        uint64_t keep_covered_bytes; /* 2 GiB */
        uint64_t sequence_min;       /* next sequence is above this too (the checkpoint) */
        const struct mu_clock *clock;
        const struct mu_journal_io *io; /* NULL: io_uring, or where it is refused pwritev2 */
        bool avoid_io_uring;            /* with io NULL: pwritev2 at once */
};

enum mu_journal_state {
        MU_JOURNAL_ACCEPTING,
        MU_JOURNAL_FULL,     /* capacity reached: rings fill, frontends shed */
        MU_JOURNAL_REFUSING, /* neither the segment nor a fresh one takes writes */
        MU_JOURNAL_DRAINING,
};

struct mu_journal_status {
        enum mu_journal_state state;
        uint8_t id[16];
        uint64_t durable_seq; /* every record up to here is on disk */
        uint64_t oldest_seq;  /* first record still in the directory */
        uint64_t used_bytes;
        uint64_t capacity_bytes;
        uint64_t bytes_per_s; /* write rate over the last minute */
        uint32_t segment_count;
        bool io_uring; /* false: pwritev2 + fdatasync, said at start */
        bool registered_buffers;
        bool direct_io; /* false: the file system refused O_DIRECT */
        /* What recovery found. */
        uint64_t recovered_records;
        uint64_t torn_bytes;    /* cut from the last segment's end */
        uint64_t damaged_bytes; /* set aside, valid frames after them */
        uint32_t damaged_segments;
        uint64_t missing_records; /* acknowledged, and not found where they should be: at most */
        uint64_t write_errors;
        uint64_t sync_errors;
        uint64_t rewritten_groups;
};

/* Recovers the directory (made if missing), then starts a new segment. */
MU_MUST_CHECK
int mu_journal_open(const struct mu_journal_config *config, struct mu_journal **ret_journal);
void mu_journal_close(struct mu_journal *journal);

/* Before start. The port's records are read from now on. */
MU_MUST_CHECK
int mu_journal_add_port(struct mu_journal *journal, struct mu_port *port);

MU_MUST_CHECK
int mu_journal_start(struct mu_journal *journal);
/* Everything committed to a port before this call becomes durable or failed, then the thread ends.
 * Ports must not commit any more, but are still to be polled. */
void mu_journal_drain(struct mu_journal *journal);

/* One round: take from rings, submit, reap, publish. The number of things done; 0 when idle. */
int mu_journal_step(struct mu_journal *journal);

uint64_t mu_journal_durable_seq(const struct mu_journal *journal);
void mu_journal_status(const struct mu_journal *journal, struct mu_journal_status *ret_status);

/* The largest sequence every writer has committed: segments wholly below are covered and may go. */
void mu_journal_set_covered(struct mu_journal *journal, uint64_t seq);

MU_MUST_CHECK
int mu_journal_register_metrics(struct mu_journal *journal, struct mu_metrics *metrics);

#endif
