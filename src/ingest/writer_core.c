/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/writer_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/backoff.h"
#include "base/hash.h"
#include "base/random.h"
#include "ingest/reader.h"
#include "ingest/status_news.h"

enum {
        ARRIVAL_TAU_US = 500 * 1000,
        DRAIN_TAU_US = 5 * 1000 * 1000,
        NAP_MIN_US = 5 * 1000,            /* do not wake more often while a batch ages */
        UNREADABLE_WAIT_US = 1000 * 1000, /* a segment that could not be read is tried again */
        IDLE_WAIT_US = 1000 * 1000,
        PARTITION_TRIES_MAX = 2,
        REFUSED_RUN_MAX = 8, /* neighbouring refused records that share a transaction */
};

/* Events per second, exponentially forgotten. */
struct rate {
        double per_s;
        uint64_t at_us;
        uint64_t tau_us;
};

struct mu_writer_core {
        struct mu_writer_config config;
        struct mu_writer_stats stats;
        struct mu_batch batch;
        struct mu_breaker breaker;
        struct mu_backoff backoff;
        struct mu_random random;
        struct mu_reader *reader;
        struct rate arrivals; /* records of this lane */
        struct rate passed;   /* records of the journal */

        /* The sealed batch: entries before first are committed, the next attempt takes size. */
        uint64_t batch_position; /* where the lane stands once it is committed */
        uint64_t batch_deadline_us;
        uint32_t first;
        uint32_t size;
        uint32_t partition_tries;
        bool batch_conflicts;

        bool connected;
        bool was_connected;
        bool call_open; /* the breaker allowed, and waits for success or failure */
        bool away_noted;
        bool staged; /* rows may be there already */
        bool draining;
        uint64_t retry_at_us;
        uint64_t next_checkpoint_us;
        uint64_t spoke_at_us; /* keeper: the database last answered */
};

static const struct mu_writer_plan again = {.next = MU_WRITER_AGAIN};

static uint64_t now_us(const struct mu_writer_core *core)
{
        return mu_clock_monotonic_ns(core->config.clock) / (uint64_t)MU_NS_PER_US;
}

static void rate_add(struct rate *rate, uint64_t events, uint64_t at_us)
{
        uint64_t passed_us = at_us - rate->at_us;

        rate->at_us = at_us;
        if (passed_us >= rate->tau_us) {
                rate->per_s = (double)events * 1e6 / (double)passed_us;
                return;
        }
        rate->per_s -= rate->per_s * (double)passed_us / (double)rate->tau_us;
        rate->per_s += (double)events * 1e6 / (double)rate->tau_us;
}

static bool is_keeper(const struct mu_writer_core *core)
{
        return core->config.lane == MU_CHECKPOINT_KEEPER;
}

static uint64_t position(const struct mu_writer_core *core)
{
        return mu_checkpoint_position(core->config.checkpoint, core->config.lane);
}

static void note(const struct mu_writer_core *core, struct mu_writer_note note)
{
        if (!core->config.note)
                return;
        note.lane = core->config.lane;
        note.sqlstate = note.sqlstate ? note.sqlstate : "";
        note.sentence = note.sentence ? note.sentence : "";
        core->config.note(core->config.note_context, &note);
}

static const struct mu_store_error *store_error(const struct mu_writer_core *core)
{
        return core->config.store->ops->last_error(core->config.store);
}

/* The lane's position moves forward. */
static void advance(struct mu_writer_core *core, uint64_t to, uint64_t at_us)
{
        uint64_t from = position(core);

        MU_ASSERT(to >= from);
        rate_add(&core->passed, to - from, at_us);
        mu_cell_set(&core->stats.drain_per_s, (uint64_t)core->passed.per_s);
        if (to > from)
                mu_checkpoint_publish(core->config.checkpoint, core->config.lane, to);
}

static void clear_batch(struct mu_writer_core *core)
{
        mu_batch_clear(&core->batch);
        mu_cell_set(&core->stats.oldest_received_at_us, 0);
}

/* Everything after seq is read anew; what of it is stored already falls out in staging. */
static void go_to(struct mu_writer_core *core, uint64_t seq)
{
        uint64_t durable = mu_journal_durable_seq(core->config.journal);

        /* A checkpoint beyond the journal is not about these records: all that is kept is sent. */
        if (seq > durable)
                seq = 0;
        clear_batch(core);
        mu_reader_seek(core->reader, seq);
        mu_checkpoint_publish(core->config.checkpoint, core->config.lane, seq);
        core->staged = seq < durable;
}

static void follow_rewind(struct mu_writer_core *core)
{
        uint64_t epoch = 0;
        uint64_t seq = 0;

        if (!mu_checkpoint_rewind_wanted(core->config.checkpoint, core->config.lane, &epoch, &seq))
                return;
        if (seq < position(core))
                go_to(core, seq);
        mu_checkpoint_rewind_done(core->config.checkpoint, core->config.lane, epoch);
}

/* The database does what it is asked: the outage, if there was one, is over. */
static void settle(struct mu_writer_core *core)
{
        if (core->call_open) {
                mu_breaker_success(&core->breaker);
                mu_backoff_reset(&core->backoff);
        }
        core->call_open = false;
        if (core->away_noted)
                note(core, (struct mu_writer_note){.event = MU_WRITER_BACK, .seq = position(core)});
        core->away_noted = false;
        mu_cell_set(&core->stats.available, 1);
}

static void answered(struct mu_writer_core *core, uint64_t at_us)
{
        core->spoke_at_us = at_us;
        settle(core);
}

static struct mu_writer_plan go_away(struct mu_writer_core *core, enum mu_store_outcome outcome)
{
        const struct mu_store_error *error = store_error(core);
        uint64_t wait_ms = mu_backoff_next_ms(&core->backoff, &core->random);

        if (outcome != MU_STORE_STOPPED)
                mu_cell_add(&core->stats.retries, 1);
        if (!core->away_noted && outcome != MU_STORE_STOPPED) {
                core->away_noted = true;
                note(core, (struct mu_writer_note){.event = MU_WRITER_AWAY,
                                                   .seq = position(core),
                                                   .sqlstate = error->sqlstate,
                                                   .sentence = error->text});
        }
        mu_cell_set(&core->stats.available, 0);
        mu_cell_set(&core->stats.drain_per_s, 0);
        /* Nothing in hand: whatever is left unstored from now on is younger than this. */
        if (mu_cell_get(&core->stats.oldest_received_at_us) == 0)
                mu_cell_set(&core->stats.oldest_received_at_us,
                            (uint64_t)mu_clock_realtime_us(core->config.clock));
        core->config.store->ops->disconnect(core->config.store);
        core->connected = false;

        if (!core->call_open) {
                bool allowed = mu_breaker_allow(&core->breaker);

                MU_ASSERT(allowed); /* closed: the last call succeeded */
        }
        core->call_open = false;
        mu_breaker_failure(&core->breaker);
        if (mu_breaker_wait_ms(&core->breaker) > wait_ms)
                wait_ms = mu_breaker_wait_ms(&core->breaker);
        core->retry_at_us = now_us(core) + wait_ms * (uint64_t)MU_US_PER_MS;
        return (struct mu_writer_plan){MU_WRITER_SLEEP, core->retry_at_us};
}

/* Keeper: what the row says has been read. */
static void checkpoint_loaded(struct mu_writer_core *core, uint64_t seq, bool over_new_connection)
{
        uint64_t remembered = mu_checkpoint_stored(core->config.checkpoint);

        if (mu_checkpoint_loaded(core->config.checkpoint, seq, over_new_connection)) {
                mu_cell_add(&core->stats.rewinds, 1);
                note(core, (struct mu_writer_note){
                                   .event = MU_WRITER_REWOUND, .seq = seq, .from_seq = remembered});
        }
        if (seq <= mu_journal_durable_seq(core->config.journal))
                mu_journal_set_covered(core->config.journal, seq);
}

static struct mu_writer_plan connect_store(struct mu_writer_core *core)
{
        struct mu_store *store = core->config.store;
        uint64_t seq = 0;

        if (!mu_breaker_allow(&core->breaker)) {
                core->retry_at_us = now_us(core) + (uint64_t)mu_breaker_wait_ms(&core->breaker) *
                                                           (uint64_t)MU_US_PER_MS;
                return (struct mu_writer_plan){MU_WRITER_SLEEP, core->retry_at_us};
        }
        core->call_open = true;

        enum mu_store_outcome outcome = store->ops->connect(store);

        if (outcome == MU_STORE_OK)
                outcome = store->ops->load_checkpoint(store, &seq);
        if (outcome != MU_STORE_OK)
                return go_away(core, outcome);

        if (is_keeper(core))
                checkpoint_loaded(core, seq, core->was_connected);
        if (core->was_connected && position(core) < seq)
                seq = position(core);
        go_to(core, seq);
        core->connected = true;
        core->was_connected = true;
        core->spoke_at_us = now_us(core);
        core->next_checkpoint_us = core->spoke_at_us + core->config.checkpoint_us;
        return again;
}

/* MU_STORE_OK also when there was nothing to save. */
static enum mu_store_outcome save_checkpoint(struct mu_writer_core *core)
{
        struct mu_store *store = core->config.store;
        uint64_t seq = 0;

        if (!mu_checkpoint_due(core->config.checkpoint, &seq))
                return MU_STORE_OK;
        enum mu_store_outcome outcome = store->ops->save_checkpoint(store, seq);

        if (outcome != MU_STORE_OK)
                return outcome;
        mu_checkpoint_saved(core->config.checkpoint, seq);
        mu_journal_set_covered(core->config.journal, seq);
        mu_cell_add(&core->stats.checkpoints, 1);
        answered(core, now_us(core));
        return MU_STORE_OK;
}

/* Keeper, about once a second: moves the row; when long silent, asks whether it still stands. */
static enum mu_store_outcome keep_checkpoint(struct mu_writer_core *core, uint64_t at_us)
{
        struct mu_store *store = core->config.store;
        uint64_t seq = 0;

        if (at_us >= core->next_checkpoint_us) {
                core->next_checkpoint_us = at_us + core->config.checkpoint_us;
                enum mu_store_outcome outcome = save_checkpoint(core);

                if (outcome != MU_STORE_OK)
                        return outcome;
        }
        if (at_us < core->spoke_at_us + core->config.probe_us)
                return MU_STORE_OK;
        enum mu_store_outcome outcome = store->ops->load_checkpoint(store, &seq);

        if (outcome == MU_STORE_OK) {
                checkpoint_loaded(core, seq, false);
                answered(core, at_us);
        }
        return outcome;
}

static void seal(struct mu_writer_core *core, enum mu_flush_cause cause)
{
        mu_batch_seal(&core->batch);
        mu_cell_add(&core->stats.flushes[cause], 1);
        mu_cell_add(&core->stats.duplicates, core->batch.repeats);
        mu_histogram_record(core->stats.batch_rows, core->batch.count);
        core->batch_position = mu_reader_position(core->reader);
        core->batch_conflicts = false;
        core->partition_tries = 0;
        core->first = 0;
        core->size = core->batch.count;
}

/* 1: added; 0: not this lane's, or a deleted device's; -ENOBUFS: no room. */
static int take(struct mu_writer_core *core, const struct mu_frame *frame, int64_t expired_before_s)
{
        const struct mu_writer_config *config = &core->config;
        enum mu_verdict verdict = MU_VERDICT_MALFORMED;
        uint64_t key = frame->seq;

        if (mu_frame_is_record(frame)) {
                const struct mu_record *record = frame->payload;

                key = (uint64_t)record->device_id;
                verdict =
                        record->bucket_s < expired_before_s ? MU_VERDICT_EXPIRED : MU_VERDICT_STORE;
        }
        if (mu_hash_u64(key) % config->lane_count != config->lane)
                return 0;
        if (verdict != MU_VERDICT_MALFORMED && config->is_deleted &&
            config->is_deleted(config->is_deleted_context, (int64_t)key)) {
                mu_cell_add(&core->stats.deleted, 1);
                return 0;
        }
        int err = mu_batch_add(&core->batch, frame, verdict);

        return err ? err : 1;
}

/* The batch is not full and every durable frame has been read. */
static struct mu_writer_plan wait_or_seal(struct mu_writer_core *core, uint64_t at_us)
{
        const struct mu_writer_config *config = &core->config;
        double worthwhile_per_s = (double)MU_WRITER_WORTHWHILE_ROWS * 1e6 / config->batch_age_us;

        if (core->draining) {
                seal(core, MU_FLUSH_DRAIN);
                return again;
        }
        if (at_us >= core->batch_deadline_us) {
                seal(core, MU_FLUSH_AGE);
                return again;
        }
        if (core->arrivals.per_s < worthwhile_per_s) {
                seal(core, MU_FLUSH_IDLE);
                return again;
        }
        /* Not woken by each frame: sleep until the batch is old, or full at this rate. */
        double full_in_us =
                (double)(config->batch_rows_max - core->batch.count) * 1e6 / core->arrivals.per_s;
        uint64_t left_us = core->batch_deadline_us - at_us;
        uint64_t nap_us = full_in_us < (double)left_us ? (uint64_t)full_in_us : left_us;

        if (nap_us < NAP_MIN_US)
                nap_us = NAP_MIN_US;
        return (struct mu_writer_plan){MU_WRITER_SLEEP, at_us + nap_us};
}

static struct mu_writer_plan nothing_to_send(struct mu_writer_core *core, uint64_t at_us)
{
        settle(core); /* connect and load were all that was to do */
        if (!core->draining) {
                uint64_t wait_us = IDLE_WAIT_US;

                if (is_keeper(core) && core->next_checkpoint_us - at_us < wait_us)
                        wait_us = core->next_checkpoint_us - at_us;
                return (struct mu_writer_plan){MU_WRITER_WAIT_FRAME, at_us + wait_us};
        }
        mu_checkpoint_finish(core->config.checkpoint, core->config.lane);
        if (is_keeper(core)) {
                if (!mu_checkpoint_others_finished(core->config.checkpoint))
                        return (struct mu_writer_plan){MU_WRITER_SLEEP, at_us + IDLE_WAIT_US};
                enum mu_store_outcome outcome = save_checkpoint(core);

                if (outcome != MU_STORE_OK)
                        return go_away(core, outcome);
        }
        return (struct mu_writer_plan){.next = MU_WRITER_DRAINED};
}

static struct mu_writer_plan unreadable(struct mu_writer_core *core, int err, uint64_t at_us)
{
        mu_cell_add(&core->stats.journal_errors, 1);
        note(core, (struct mu_writer_note){.event = MU_WRITER_UNREADABLE,
                                           .seq = mu_reader_position(core->reader),
                                           .sentence = strerrordesc_np(-err)});
        core->retry_at_us = at_us + UNREADABLE_WAIT_US;
        return (struct mu_writer_plan){MU_WRITER_SLEEP, core->retry_at_us};
}

static struct mu_writer_plan fill(struct mu_writer_core *core, uint64_t at_us)
{
        const struct mu_writer_config *config = &core->config;
        int64_t expired_before_s = INT64_MIN;
        uint32_t before = core->batch.count;
        int got = 1;
        int err = 0;

        if (config->retention_s > 0)
                expired_before_s =
                        mu_clock_realtime_us(config->clock) / MU_US_PER_S - config->retention_s;
        for (uint32_t i = 0; i < MU_WRITER_FRAMES_PER_STEP; i++) {
                struct mu_frame frame;

                if (mu_batch_rows_full(&core->batch) || mu_batch_bytes_full(&core->batch))
                        break;
                got = mu_reader_next(core->reader, &frame);
                if (got <= 0)
                        break;
                err = take(core, &frame, expired_before_s);
                if (err == -ENOBUFS) {
                        mu_reader_seek(core->reader, frame.seq - 1);
                        break;
                }
        }

        rate_add(&core->arrivals, core->batch.count - before, at_us);
        if (before == 0 && core->batch.count > 0)
                core->batch_deadline_us = at_us + config->batch_age_us;
        mu_cell_set(&core->stats.oldest_received_at_us, (uint64_t)core->batch.first_received_at_us);
        if (core->batch.count == 0)
                advance(core, mu_reader_position(core->reader), at_us);

        if (mu_batch_rows_full(&core->batch))
                seal(core, MU_FLUSH_ROWS);
        else if (err == -ENOBUFS || mu_batch_bytes_full(&core->batch))
                seal(core, MU_FLUSH_BYTES);
        else if (got < 0 && core->batch.count == 0)
                return unreadable(core, got, at_us);
        else if (got < 0)
                seal(core, MU_FLUSH_IDLE); /* what lies before the place that can't be read */
        else if (got == 0)
                return core->batch.count == 0 ? nothing_to_send(core, at_us)
                                              : wait_or_seal(core, at_us);
        return again;
}

static void count_committed(struct mu_writer_core *core, const struct mu_store_request *request,
                            const struct mu_store_result *result)
{
        int64_t wall_us = mu_clock_realtime_us(core->config.clock);

        for (uint32_t i = 0; i < request->count; i++) {
                const struct mu_batch_entry *entry = &request->batch->entries[request->first + i];

                if (entry->verdict != MU_VERDICT_STORE) {
                        mu_cell_add(&core->stats.rejects[entry->verdict], 1);
                        continue;
                }
                int64_t lag_us = wall_us - entry->received_at_us;

                /* A duplicate's lag would tell when it was repeated, not when it was stored. */
                if (result->duplicates == 0)
                        mu_histogram_record(core->stats.lag_us, lag_us > 0 ? (uint64_t)lag_us : 0);
        }
        mu_cell_add(&core->stats.rows, result->rows);
        mu_cell_add(&core->stats.duplicates, result->duplicates);
        mu_histogram_record(core->stats.copy_ns, result->copy_ns);
        mu_histogram_record(core->stats.status_ns, result->status_ns);
        mu_histogram_record(core->stats.commit_ns, result->commit_ns);
}

static void committed(struct mu_writer_core *core, const struct mu_store_request *request,
                      const struct mu_store_result *result)
{
        uint64_t at_us = now_us(core);

        answered(core, at_us);
        count_committed(core, request, result);
        mu_status_news_publish(core->config.bus, request);
        if (core->config.stored)
                core->config.stored(core->config.stored_context, request);
        core->partition_tries = 0;
        core->batch_conflicts = core->batch_conflicts || result->duplicates > 0;
        core->first += request->count;
        if (core->first < core->batch.count) {
                uint32_t left = core->batch.count - core->first;

                core->size = core->size < left / 2 ? core->size * 2 : left;
                return;
        }
        core->staged = core->staged && core->batch_conflicts;
        clear_batch(core);
        advance(core, core->batch_position, at_us);
}

/* A row in the range is refused: halve it, and when it is alone, mark it. The next attempt commits
 * the mark with the rows that follow; the lane's position moves only behind all of the batch. */
static bool bisect(struct mu_writer_core *core, const struct mu_store_request *request)
{
        const struct mu_store_error *error = store_error(core);
        uint32_t candidates = 0;
        uint32_t candidate = 0;

        for (uint32_t i = request->first; i < request->first + request->count; i++) {
                if (request->batch->entries[i].verdict != MU_VERDICT_STORE)
                        continue;
                candidates++;
                candidate = i;
        }
        if (candidates == 0)
                return false;
        if (candidates > 1) {
                core->size = (core->size + 1) / 2;
                return true;
        }
        note(core, (struct mu_writer_note){
                           .event = MU_WRITER_REFUSED,
                           .seq = request->batch->entries[candidate].seq,
                           .device_id = request->batch->entries[candidate].device_id,
                           .sqlstate = error->sqlstate,
                           .sentence = error->text,
                   });
        mu_batch_refuse(&core->batch, candidate, error->sqlstate);
        if (core->size < REFUSED_RUN_MAX && core->first + core->size < core->batch.count)
                core->size++;
        return true;
}

static enum mu_store_outcome make_partitions(struct mu_writer_core *core,
                                             const struct mu_store_request *request)
{
        struct mu_store *store = core->config.store;
        int64_t gone_day = 0;

        /* Made, and still missing: something else is wrong with the schema. */
        if (core->partition_tries++ == PARTITION_TRIES_MAX)
                return MU_STORE_AWAY;
        enum mu_store_outcome outcome = store->ops->ensure_partitions(store, request, &gone_day);

        if (outcome == MU_STORE_DATA) {
                mu_batch_expire_day(&core->batch, gone_day);
                core->partition_tries--;
                return MU_STORE_OK;
        }
        if (outcome == MU_STORE_OK) {
                mu_cell_add(&core->stats.partitions, 1);
                note(core, (struct mu_writer_note){.event = MU_WRITER_PARTITIONS,
                                                   .seq = core->batch_position});
        }
        return outcome;
}

static struct mu_writer_plan attempt(struct mu_writer_core *core)
{
        struct mu_store *to = core->config.store;
        struct mu_store_result result = {0};
        struct mu_store_request request = {
                .batch = &core->batch,
                .first = core->first,
                .count = core->size,
                .staged = core->staged,
        };
        enum mu_store_outcome outcome = to->ops->store_batch(to, &request, &result);

        switch (outcome) {
        case MU_STORE_OK:
                committed(core, &request, &result);
                return again;
        case MU_STORE_CONFLICT:
                if (core->staged) /* staging never conflicts: the schema is not ours */
                        return go_away(core, MU_STORE_AWAY);
                mu_cell_add(&core->stats.conflicts, 1);
                core->staged = true;
                core->batch_conflicts = true;
                return again;
        case MU_STORE_DATA:
                return bisect(core, &request) ? again : go_away(core, MU_STORE_AWAY);
        case MU_STORE_PARTITION:
                outcome = make_partitions(core, &request);
                return outcome == MU_STORE_OK ? again : go_away(core, outcome);
        case MU_STORE_AWAY:
        case MU_STORE_STOPPED:
                break;
        }
        return go_away(core, outcome);
}

struct mu_writer_plan mu_writer_core_step(struct mu_writer_core *core)
{
        uint64_t at_us = now_us(core);

        follow_rewind(core);
        if (at_us < core->retry_at_us)
                return (struct mu_writer_plan){MU_WRITER_SLEEP, core->retry_at_us};
        if (!core->connected)
                return connect_store(core);
        if (is_keeper(core)) {
                enum mu_store_outcome outcome = keep_checkpoint(core, at_us);

                if (outcome != MU_STORE_OK)
                        return go_away(core, outcome);
                follow_rewind(core);
        }
        if (!core->batch.sealed)
                return fill(core, at_us);
        return attempt(core);
}

void mu_writer_core_drain(struct mu_writer_core *core)
{
        core->draining = true;
}

void mu_writer_config_init(struct mu_writer_config *config)
{
        *config = (struct mu_writer_config){
                .lane_count = 1,
                .batch_rows_max = 10000,
                .batch_bytes_max = 8 * 1024 * 1024,
                .batch_age_us = 300 * 1000,
                .checkpoint_us = 1000 * 1000,
                .probe_us = 5 * 1000 * 1000,
                .backoff_base_ms = 100,
                .backoff_cap_ms = 5000,
                .breaker = {.failures_max = 5,
                            .successes_to_close = 1,
                            .open_ms = 1000,
                            .open_ms_max = 10000},
        };
}

static int create_histograms(struct mu_writer_stats *stats)
{
        if (mu_histogram_create(&stats->batch_rows) || mu_histogram_create(&stats->copy_ns) ||
            mu_histogram_create(&stats->status_ns) || mu_histogram_create(&stats->commit_ns) ||
            mu_histogram_create(&stats->lag_us))
                return -ENOMEM;
        return 0;
}

int mu_writer_core_create(const struct mu_writer_config *config, struct mu_writer_core **ret_core)
{
        MU_ASSERT(config->journal && config->store && config->checkpoint && config->clock);
        if (config->lane >= config->lane_count || config->lane_count > MU_WRITER_LANES_MAX ||
            config->lane_count != config->checkpoint->lane_count || config->batch_age_us == 0)
                return -EINVAL;

        struct mu_writer_core *core = calloc(1, sizeof(*core));

        if (!core)
                return -ENOMEM;
        core->config = *config;
        core->arrivals = (struct rate){.at_us = now_us(core), .tau_us = ARRIVAL_TAU_US};
        core->passed = (struct rate){.at_us = now_us(core), .tau_us = DRAIN_TAU_US};
        mu_breaker_init(&core->breaker, &config->breaker, config->clock);
        mu_backoff_init(&core->backoff, config->backoff_base_ms, config->backoff_cap_ms);
        mu_random_seed(&core->random, config->random_seed);

        int err = create_histograms(&core->stats);

        if (!err)
                err = mu_batch_init(&core->batch, config->batch_rows_max, config->batch_bytes_max);
        if (!err)
                err = mu_reader_open(config->journal, 0, &core->reader);
        if (err) {
                mu_writer_core_destroy(core);
                return err;
        }
        *ret_core = core;
        return 0;
}

void mu_writer_core_destroy(struct mu_writer_core *core)
{
        if (!core)
                return;
        if (core->connected)
                core->config.store->ops->disconnect(core->config.store);
        if (core->reader)
                mu_reader_close(core->reader);
        mu_batch_done(&core->batch);
        mu_histogram_destroy(core->stats.batch_rows);
        mu_histogram_destroy(core->stats.copy_ns);
        mu_histogram_destroy(core->stats.status_ns);
        mu_histogram_destroy(core->stats.commit_ns);
        mu_histogram_destroy(core->stats.lag_us);
        free(core);
}

struct mu_reader *mu_writer_core_reader(struct mu_writer_core *core)
{
        return core->reader;
}

const struct mu_writer_stats *mu_writer_core_stats(const struct mu_writer_core *core)
{
        return &core->stats;
}

const struct mu_breaker *mu_writer_core_breaker(const struct mu_writer_core *core)
{
        return &core->breaker;
}
