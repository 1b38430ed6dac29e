/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.h - the whole data plane from port to database in one thread, on a disk, a clock and a
 * database that misbehave as a seed tells them.
 *
 *   clients ─ port ─▶ journal ─ disk (sim_disk) ─▶ reader ─ writer core ─▶ store
 *      ▲ verdicts                                                 (sim_store)
 *
 * What the parts found out about a record meets in struct sim_ledger, and every part checks there
 * what it can check, when it happens.
 *
 * Units      ids count records sent, from 1; keys are what the database calls (device, bucket).
 * Errors     A broken promise prints seed, step and sentence, and ends the process with 1.
 */
#ifndef MUSTER_TESTS_FAULT_SIM_H
#define MUSTER_TESTS_FAULT_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/random.h"
#include "ingest/reader.h"
#include "muster/compiler.h"
#include "muster/record.h"

enum {
        SIM_IDS_MAX = 8192,
        SIM_KEYS_MAX = 2048,
        SIM_SEQS_MAX = 16384,
        SIM_DEVICES = 7,
        SIM_POISON_DEVICE = 5, /* the database refuses its rows */
};

enum sim_fate { SIM_UNKNOWN, SIM_WAITING, SIM_DURABLE, SIM_FAILED, SIM_LOST /* in a crash */ };

struct sim_record {
        uint32_t key;
        uint8_t fate; /* enum sim_fate: what its client was told */
        bool on_disk; /* a finished fdatasync covered a whole frame of it, its file's name durable
                       */
        uint64_t seq; /* 0: not yet written */
};

struct sim_ledger {
        struct sim_record records[SIM_IDS_MAX];
        uint32_t record_count;        /* ids 1..record_count */
        uint32_t owner[SIM_SEQS_MAX]; /* seq → id that was written with it; 0: none */
        bool acknowledged[SIM_KEYS_MAX];
        uint32_t key_count;
};

/* How much goes wrong. Chances are per mille of the occasions. */
struct sim_faults {
        uint32_t write, sync, prepare, read;
        uint32_t store, store_restart, store_restore;
        uint32_t kill, power;
};

struct sim {
        uint64_t seed;
        uint64_t step;
        bool trace;
        bool calm; /* the end: nothing goes wrong any more */
        struct mu_random random;
        struct sim_faults faults;
        uint64_t now_ns;
        struct mu_clock clock;
        struct sim_ledger ledger;
        struct sim_disk *disk;
        struct sim_store *store;
        struct sim_process *process;
};

_Noreturn MU_PRINTF(2, 3) void sim_broken(const struct sim *sim, const char *format, ...);
MU_PRINTF(2, 3) void sim_trace(const struct sim *sim, const char *format, ...);

static inline uint32_t sim_below(struct sim *sim, uint32_t bound)
{
        return (uint32_t)mu_random_below(&sim->random, bound);
}

static inline bool sim_chance(struct sim *sim, uint32_t per_mille)
{
        return per_mille > 0 && !sim->calm && sim_below(sim, 1000) < per_mille;
}

static inline int64_t sim_key_device(uint32_t key)
{
        return key % SIM_DEVICES + 1;
}

static inline int64_t sim_key_bucket_s(uint32_t key)
{
        return INT64_C(1750000000) + (int64_t)(key / SIM_DEVICES) * 7200;
}

/* The record with the id, as its client sends it. Returns its length. */
uint32_t sim_fill_record(const struct sim *sim, uint32_t id, struct mu_record *record);
uint32_t sim_record_bytes(uint32_t id);
/* The id of a record that came back, checked byte for byte. */
uint32_t sim_check_record(const struct sim *sim, const struct mu_record *record, uint32_t bytes);

/* sim_disk.c */
struct mu_journal_io;
struct sim_disk *sim_disk_create(struct sim *sim);
void sim_disk_destroy(struct sim_disk *disk);
const struct mu_journal_io *sim_disk_io(struct sim_disk *disk);
/* One more piece of what is under way happens; false when nothing is. */
bool sim_disk_advance(struct sim_disk *disk);
/* The process is gone: its handles too, what is under way happens in part. power: and what no
 * fdatasync covered is kept, lost or torn. */
void sim_disk_crash(struct sim_disk *disk, bool power);
void sim_disk_set_journal_id(struct sim_disk *disk, const uint8_t id[16]);

/* sim_store.c */
struct mu_store;
struct sim_store *sim_store_create(struct sim *sim);
void sim_store_destroy(struct sim_store *store);
/* A connection of a writer's own; freed with the store. */
struct mu_store *sim_store_connection(struct sim_store *store, uint32_t index);
/* Restarts, backups and their return happen now and then. */
void sim_store_event(struct sim_store *store);
void sim_store_process_gone(struct sim_store *store);
uint64_t sim_store_checkpoint(const struct sim_store *store);
void sim_store_check_all_stored(const struct sim_store *store);

/* sim_process.c: one life of the daemon */
struct sim_process *sim_process_create(struct sim *sim);
void sim_process_destroy(struct sim_process *process);
bool sim_process_start(struct sim_process *process); /* false: could not, try later */
bool sim_process_runs(const struct sim_process *process);
void sim_process_step(struct sim_process *process);
void sim_process_kill(struct sim_process *process);
/* Everything taken is resolved, everything durable is stored. */
void sim_process_drain(struct sim_process *process);

#endif
