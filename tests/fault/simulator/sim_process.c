/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One life of the daemon: ports and their clients, the journal, the writers. Everything here is the
 * product's own code but for the clients, who send a record, wait for its verdict, and send again
 * what was not acknowledged, or sometimes what was.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "ingest/checkpoint.h"
#include "ingest/journal.h"
#include "ingest/journal_io.h"
#include "ingest/port.h"
#include "ingest/writer_core.h"
#include "sim.h"

enum {
        PORTS_MAX = 3,
        LANES_MAX = 3,
        PORT_BYTES = 64 * 1024,
        WAITING_MAX = 1024,
        DRAIN_ROUNDS_MAX = 200000,
        STEPS_AT_ONCE_MAX = 6,
};

struct client {
        struct mu_port *port;
        uint32_t waiting[WAITING_MAX]; /* ids in the order of their tickets */
        uint64_t first_ticket;         /* of waiting[0] modulo its size */
        uint64_t next_ticket;
};

struct sim_process {
        struct sim *sim;
        struct mu_journal_config config;
        bool runs;
        struct mu_journal *journal;
        uint32_t client_count;
        struct client clients[PORTS_MAX];
        uint32_t lane_count;
        struct mu_checkpoint checkpoint;
        struct mu_writer_core *lanes[LANES_MAX];
        uint64_t durable_seq;
};

/* --- clients --- */

static uint32_t choose_key(struct sim *sim)
{
        struct sim_ledger *ledger = &sim->ledger;

        /* Again what was sent before: lost replies, failed verdicts, impatience. */
        if (ledger->key_count > 0 && sim_below(sim, 4) == 0)
                return sim_below(sim, ledger->key_count);
        if (ledger->key_count == SIM_KEYS_MAX)
                return SIM_KEYS_MAX;
        return ledger->key_count++;
}

static void send_one(struct sim_process *process, struct client *client)
{
        struct sim *sim = process->sim;
        struct sim_ledger *ledger = &sim->ledger;
        uint32_t id = ledger->record_count + 1;

        if (sim->calm || id == SIM_IDS_MAX ||
            client->next_ticket - client->first_ticket == WAITING_MAX)
                return;
        struct mu_record *record = mu_port_reserve(client->port, sim_record_bytes(id));

        if (!record)
                return;
        uint32_t key = choose_key(sim);

        if (key == SIM_KEYS_MAX) {
                mu_port_abandon(client->port);
                return;
        }
        ledger->record_count = id;
        ledger->records[id] = (struct sim_record){.key = key, .fate = SIM_WAITING};
        (void)sim_fill_record(sim, id, record);
        uint64_t ticket = mu_port_commit(client->port);

        if (ticket != client->next_ticket)
                sim_broken(sim, "ticket %lu instead of %lu", (unsigned long)ticket,
                           (unsigned long)client->next_ticket);
        client->waiting[client->next_ticket++ % WAITING_MAX] = id;
}

static void take_verdict(struct sim_process *process, uint32_t id, bool durable)
{
        struct sim *sim = process->sim;
        struct sim_record *record = &sim->ledger.records[id];

        if (record->fate != SIM_WAITING)
                sim_broken(sim, "record %u is answered twice", id);
        record->fate = durable ? SIM_DURABLE : SIM_FAILED;
        if (!durable)
                return;
        if (!record->on_disk)
                sim_broken(sim, "record %u, seq %lu, is acknowledged and would not survive", id,
                           (unsigned long)record->seq);
        sim->ledger.acknowledged[record->key] = true;
}

static void poll_verdicts(struct sim_process *process, struct client *client)
{
        struct mu_port_verdict verdict;

        while (mu_port_poll(client->port, &verdict)) {
                if (verdict.first != client->first_ticket || verdict.last < verdict.first ||
                    verdict.last >= client->next_ticket)
                        sim_broken(process->sim, "tickets %lu to %lu resolve where %lu is next",
                                   (unsigned long)verdict.first, (unsigned long)verdict.last,
                                   (unsigned long)client->first_ticket);
                for (; client->first_ticket <= verdict.last; client->first_ticket++)
                        take_verdict(process, client->waiting[client->first_ticket % WAITING_MAX],
                                     verdict.durable);
        }
}

/* --- the daemon --- */

static bool start_lanes(struct sim_process *process)
{
        mu_checkpoint_init(&process->checkpoint, process->lane_count);
        for (uint32_t i = 0; i < process->lane_count; i++) {
                struct mu_writer_config config;

                mu_writer_config_init(&config);
                config.journal = process->journal;
                config.store = sim_store_connection(process->sim->store, i);
                config.checkpoint = &process->checkpoint;
                config.clock = &process->sim->clock;
                config.lane = i;
                config.lane_count = process->lane_count;
                config.batch_rows_max = 1 + sim_below(process->sim, 64);
                config.batch_bytes_max = MU_BATCH_BYTES_MIN;
                config.checkpoint_us = 20000;
                config.backoff_base_ms = 1;
                config.backoff_cap_ms = 20;
                config.breaker.open_ms = 5;
                config.breaker.open_ms_max = 50;
                config.random_seed = process->sim->seed;
                if (mu_writer_core_create(&config, &process->lanes[i]) < 0)
                        return false;
        }
        return true;
}

bool sim_process_start(struct sim_process *process)
{
        struct sim *sim = process->sim;
        struct mu_journal_status status;

        MU_ASSERT(!process->runs);
        process->config.io = sim_disk_io(sim->disk);
        /* The database may be away when the daemon starts. */
        process->config.sequence_min =
                sim_below(sim, 3) == 0 ? 0 : sim_store_checkpoint(sim->store);
        if (mu_journal_open(&process->config, &process->journal) < 0) {
                process->journal = NULL;
                return false;
        }
        mu_journal_status(process->journal, &status);
        sim_disk_set_journal_id(sim->disk, status.id);
        sim_trace(sim, "journal opened: durable %lu, torn %lu, damaged %lu",
                  (unsigned long)status.durable_seq, (unsigned long)status.torn_bytes,
                  (unsigned long)status.damaged_bytes);
        if (status.damaged_bytes > 0 || status.missing_records > 0)
                sim_broken(sim, "a crash alone is reported as damage");
        process->durable_seq = status.durable_seq;
        process->client_count = 1 + sim_below(sim, PORTS_MAX);
        for (uint32_t i = 0; i < process->client_count; i++) {
                struct client *client = &process->clients[i];

                client->first_ticket = client->next_ticket = 1;
                if (mu_port_create(PORT_BYTES, &client->port) < 0 ||
                    mu_journal_add_port(process->journal, client->port) < 0)
                        sim_broken(sim, "no port");
        }
        process->lane_count = 1 + sim_below(sim, LANES_MAX);
        if (!start_lanes(process))
                sim_broken(sim, "no writer");
        process->runs = true;
        return true;
}

/* Durable never passes a record that is neither on disk nor refused. */
static void check_durable(struct sim_process *process)
{
        struct sim *sim = process->sim;
        uint64_t durable_seq = mu_journal_durable_seq(process->journal);

        if (durable_seq < process->durable_seq)
                sim_broken(sim, "durable goes back from %lu to %lu",
                           (unsigned long)process->durable_seq, (unsigned long)durable_seq);
        for (uint64_t seq = process->durable_seq + 1; seq <= durable_seq; seq++) {
                uint32_t id = sim->ledger.owner[seq];

                if (id == 0 || sim->ledger.records[id].on_disk)
                        continue;
                for (uint32_t i = 0; i < process->client_count; i++)
                        poll_verdicts(process, &process->clients[i]);
                if (sim->ledger.records[id].fate == SIM_WAITING ||
                    sim->ledger.records[id].fate == SIM_DURABLE)
                        sim_broken(sim, "durable %lu passes seq %lu, which is not on disk",
                                   (unsigned long)durable_seq, (unsigned long)seq);
        }
        process->durable_seq = durable_seq;
}

static void step_journal(struct sim_process *process)
{
        for (uint32_t i = sim_below(process->sim, STEPS_AT_ONCE_MAX) + 1; i > 0; i--) {
                if (mu_journal_step(process->journal) == 0)
                        break;
                check_durable(process);
        }
}

static void check_nothing_missing(struct sim_process *process)
{
        struct mu_journal_status status;

        mu_journal_status(process->journal, &status);
        if (status.damaged_bytes > 0 || status.missing_records > 0)
                sim_broken(process->sim, "readers miss %lu records, %lu bytes damaged",
                           (unsigned long)status.missing_records,
                           (unsigned long)status.damaged_bytes);
}

static void step_lane(struct sim_process *process, uint32_t lane)
{
        for (uint32_t i = sim_below(process->sim, STEPS_AT_ONCE_MAX) + 1; i > 0; i--)
                if (mu_writer_core_step(process->lanes[lane]).next != MU_WRITER_AGAIN)
                        break;
        check_nothing_missing(process);
}

void sim_process_step(struct sim_process *process)
{
        struct sim *sim = process->sim;
        struct client *client = &process->clients[sim_below(sim, process->client_count)];

        switch (sim_below(sim, 8)) {
        case 0:
        case 1:
                for (uint32_t i = sim_below(sim, 8) + 1; i > 0; i--)
                        send_one(process, client);
                break;
        case 2:
        case 3:
        case 4:
                step_journal(process);
                break;
        case 5:
                poll_verdicts(process, client);
                break;
        default:
                step_lane(process, sim_below(sim, process->lane_count));
                break;
        }
}

static void release(struct sim_process *process)
{
        struct sim *sim = process->sim;

        for (uint32_t i = 0; i < process->lane_count; i++)
                mu_writer_core_destroy(process->lanes[i]);
        mu_journal_close(process->journal);
        for (uint32_t i = 0; i < process->client_count; i++)
                mu_port_destroy(process->clients[i].port);
        for (uint32_t id = 1; id <= sim->ledger.record_count; id++)
                if (sim->ledger.records[id].fate == SIM_WAITING)
                        sim->ledger.records[id].fate = SIM_LOST;
        memset(process->lanes, 0, sizeof(process->lanes));
        process->runs = false;
}

/* The disk has crashed already: what is freed here writes nothing any more. */
void sim_process_kill(struct sim_process *process)
{
        release(process);
        sim_store_process_gone(process->sim->store);
}

void sim_process_drain(struct sim_process *process)
{
        struct sim *sim = process->sim;
        uint32_t drained = 0;

        MU_ASSERT(sim->calm && process->runs);
        mu_journal_drain(process->journal);
        check_durable(process);
        for (uint32_t i = 0; i < process->client_count; i++) {
                poll_verdicts(process, &process->clients[i]);
                if (process->clients[i].first_ticket != process->clients[i].next_ticket)
                        sim_broken(sim, "drained, and a ticket is not resolved");
        }
        for (uint32_t i = 0; i < process->lane_count; i++)
                mu_writer_core_drain(process->lanes[i]);
        for (uint32_t round = 0; drained != (1u << process->lane_count) - 1; round++) {
                if (round == DRAIN_ROUNDS_MAX)
                        sim_broken(sim, "the writers do not come to an end");
                sim_store_event(sim->store);
                sim->now_ns += (uint64_t)MU_NS_PER_MS;
                for (uint32_t i = 0; i < process->lane_count; i++)
                        if (!(drained & (1u << i)) &&
                            mu_writer_core_step(process->lanes[i]).next == MU_WRITER_DRAINED)
                                drained |= 1u << i;
        }
        check_nothing_missing(process);
        sim_disk_crash(sim->disk, false);
        release(process);
}

bool sim_process_runs(const struct sim_process *process)
{
        return process->runs;
}

struct sim_process *sim_process_create(struct sim *sim)
{
        struct sim_process *process = calloc(1, sizeof(*process));
        uint64_t segment_bytes = (4 + sim_below(sim, 13)) * (uint64_t)MU_JOURNAL_BLOCK_BYTES;
        uint64_t capacity_bytes = segment_bytes * (4 + sim_below(sim, 60));
        uint64_t keep_bytes = sim_below(sim, 2) * (uint64_t)(1 << 20);

        MU_ASSERT(process);
        /* A backup put back is promised only while the journal keeps what came after it. */
        if (sim->faults.store_restore > 0)
                capacity_bytes = keep_bytes = 1000 * segment_bytes;
        process->sim = sim;
        process->config = (struct mu_journal_config){
                .segment_bytes = segment_bytes,
                .capacity_bytes = capacity_bytes,
                .tail_bytes = 5 * 2 * MU_JOURNAL_BLOCK_BYTES,
                .group_bytes_max = 2 * MU_JOURNAL_BLOCK_BYTES,
                .linger_us = sim_below(sim, 2) * 5000,
                .keep_covered_s = 86400,
                .keep_covered_bytes = keep_bytes,
                .clock = &sim->clock,
        };
        return process;
}

void sim_process_destroy(struct sim_process *process)
{
        free(process);
}
