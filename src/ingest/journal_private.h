/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_private.h - the journal's inside, shared by its own files and by the reader.
 *
 *   journal.c          the state machine: step, write, completion, failure
 *   journal_fill.c     from the ports' rings into the group being filled, and verdicts back
 *   journal_space.c    segments ahead and behind: prepare, cover, recycle, capacity
 *   journal_open.c     configuration, memory, I/O;  journal_recover.c  what the directory holds
 *   journal_thread.c   the thread around step;      journal_status.c   status and metrics
 */
#ifndef MUSTER_INGEST_JOURNAL_PRIVATE_H
#define MUSTER_INGEST_JOURNAL_PRIVATE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "ingest/journal.h"
#include "ingest/journal_format.h"
#include "ingest/journal_io.h"
#include "ingest/port_journal.h"
#include "ingest/segments.h"
#include "ingest/tail.h"
#include "metrics/metrics.h"

enum {
        MU_JOURNAL_DISCARDS_MAX = 16,
        MU_JOURNAL_RATE_SECONDS = 60,
        MU_JOURNAL_DAMAGE_COPY_BYTES_MAX = 1 << 20,
        MU_JOURNAL_DAMAGE_COPIES_MAX = 64,
};

/* Records taken from the ports that are written, synced and resolved together. */
struct mu_group {
        unsigned char *memory; /* where it begins in its chunk */
        uint64_t chunk;
        uint32_t at;    /* in the chunk */
        uint32_t bytes; /* of frames so far, without the pad */
        uint32_t record_count;
        uint32_t attempts; /* failed ones */
        uint64_t first_seq;
        uint64_t last_seq;
        uint64_t begun_ns;
        uint64_t submitted_ns;
        uint64_t tickets[MU_JOURNAL_PORTS_MAX]; /* last one of each port; 0: none in this group */
};

enum mu_journal_write { MU_WRITE_NONE, MU_WRITE_HEADER, MU_WRITE_GROUP };
enum mu_journal_spare { MU_SPARE_NONE, MU_SPARE_PREPARING, MU_SPARE_READY };

struct mu_journal_segment {
        struct mu_journal_file *file; /* NULL: none */
        uint64_t number;
        uint64_t offset; /* where the next group goes; 0: its header is not durable yet */
};

struct mu_journal_discard {
        uint64_t number;
        uint64_t file_bytes; /* gives back */
        uint64_t keep_bytes;
};

/* One for each reader; lives as long as the journal, so that a wake never meets a closed one. */
struct mu_journal_reader_slot {
        alignas(MU_CACHELINE_BYTES) _Atomic uint32_t sleeping;
        _Atomic bool used;
        int eventfd;
};

struct mu_journal_metrics {
        struct mu_cell groups, records, bytes, write_errors, sync_errors, rewritten_groups;
        struct mu_cell failed_records;
        struct mu_histogram *group_records, *group_bytes, *write_ns, *ring_wait_us;
};

struct mu_journal {
        struct mu_journal_config config;
        const struct mu_clock *clock;
        const struct mu_journal_io *io;
        struct mu_journal_io own_io; /* io points here when the journal made its own */
        bool registered;
        uint8_t id[16];
        struct mu_tail *tail;
        struct mu_segments *segments;

        /* Shared with readers and status. */
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t durable_seq;
        _Atomic uint64_t covered_seq;
        _Atomic int state; /* enum mu_journal_state */
        _Atomic bool draining;
        _Atomic uint64_t used_bytes;
        _Atomic uint64_t bytes_per_s;
        _Atomic uint64_t recovered_records, torn_bytes, damaged_bytes, missing_records;
        _Atomic uint32_t damaged_segments, damage_copies;
        struct mu_journal_reader_slot reader_slots[MU_JOURNAL_READERS_MAX];

        /* The journal thread's. */
        alignas(MU_CACHELINE_BYTES) struct mu_port_waker waker;
        struct mu_port *ports[MU_JOURNAL_PORTS_MAX];
        uint32_t port_count;
        uint32_t port_first; /* served first in the next round */

        uint64_t next_seq;
        uint64_t chain_seq; /* last durable record; what the next segment's header says */
        struct mu_group groups[2];
        struct mu_group *filling;
        struct mu_group *flight; /* closed, being written or waiting for a segment; NULL: none */
        enum mu_journal_write write;
        size_t write_bytes;

        struct mu_journal_segment current;
        struct mu_journal_segment spare;
        enum mu_journal_spare spare_state;
        uint64_t next_number;
        bool job_under_way;
        uint64_t recyclable; /* number of a file that may become the next segment; 0: none */
        struct mu_journal_discard discards[MU_JOURNAL_DISCARDS_MAX];
        uint32_t discard_count;
        unsigned char *header_block;

        uint32_t header_failures; /* in a row */
        uint64_t retry_ns;        /* no preparing before */
        uint64_t retry_delay_ns;
        uint64_t full_since_ns;

        uint64_t rate_window_ns; /* of arrivals, for lingering */
        uint32_t rate_count;
        uint32_t records_per_s;
        uint64_t second_ns; /* of written bytes, for status */
        uint64_t second_bytes[MU_JOURNAL_RATE_SECONDS];
        uint32_t second_index;

        pthread_t thread;
        bool thread_started;
        struct mu_journal_metrics metrics;
};

/* journal_fill.c */
MU_MUST_CHECK
uint32_t mu_journal_fill(struct mu_journal *journal);
/* Answers everything in the rings with "not durable". */
MU_MUST_CHECK
uint32_t mu_journal_refuse_rings(struct mu_journal *journal);
/* Whether a record waits that fill or refuse_rings could take. */
MU_MUST_CHECK
bool mu_journal_has_work(const struct mu_journal *journal);
MU_MUST_CHECK
bool mu_group_is_ready(const struct mu_journal *journal, uint64_t now_ns);
uint64_t mu_group_linger_us(const struct mu_journal *journal, uint64_t now_ns);
/* Closes the group being filled and begins the next behind it. */
void mu_group_close(struct mu_journal *journal);
void mu_group_begin(struct mu_journal *journal, struct mu_group *group);
void mu_group_resolve(struct mu_journal *journal, struct mu_group *group, bool durable);
void mu_journal_wake_readers(struct mu_journal *journal);

/* journal_space.c */
/* Begins what preparing, recycling and discarding is due; whether anything was. needed: writing
 * waits for a segment. */
MU_MUST_CHECK
bool mu_journal_make_room(struct mu_journal *journal, bool needed);
void mu_journal_job_done(struct mu_journal *journal, const struct mu_journal_completion *completion,
                         bool needed);
void mu_journal_discard_file(struct mu_journal *journal, uint64_t number, uint64_t file_bytes,
                             uint64_t keep_bytes);
void mu_journal_tick(struct mu_journal *journal, uint64_t now_ns);

/* journal.c */
void mu_journal_enter_refusing(struct mu_journal *journal);
MU_MUST_CHECK
bool mu_journal_is_refusing(const struct mu_journal *journal);
MU_MUST_CHECK
bool mu_journal_is_drained(const struct mu_journal *journal);
void mu_journal_set_state(struct mu_journal *journal, enum mu_journal_state state);
MU_MUST_CHECK
enum mu_journal_state mu_journal_get_state(const struct mu_journal *journal);

/* journal_thread.c: how long the thread may sleep now, and whether a commit should wake it. */
uint64_t mu_journal_sleep_us(struct mu_journal *journal, bool *ret_wake_on_commit);

/* journal_recover.c: fills id, segments' infos and sequences; ret_infos is to be freed. */
struct mu_journal_recovery {
        struct mu_segment_info *infos;
        uint32_t count;
        uint64_t file_bytes; /* of all of them */
        uint64_t durable_seq;
        uint64_t assigned_seq;
        uint64_t number_max;
        uint64_t recyclable;
};
MU_MUST_CHECK
int mu_journal_recover(struct mu_journal *journal, struct mu_journal_recovery *ret_recovery);
/* Counts damage of a segment and keeps a copy of it; from recovery and from readers. */
struct mu_segment_cursor;
void mu_journal_note_damage(struct mu_journal *journal, struct mu_segment_cursor *cursor,
                            uint64_t number, uint64_t from, uint64_t to);

#endif
