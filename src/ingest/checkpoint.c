/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/checkpoint.h"

#include "base/assert.h"

static uint64_t get(const _Atomic uint64_t *value)
{
        return atomic_load_explicit(value, memory_order_acquire);
}

static void set(_Atomic uint64_t *value, uint64_t to)
{
        atomic_store_explicit(value, to, memory_order_release);
}

void mu_checkpoint_init(struct mu_checkpoint *checkpoint, uint32_t lane_count)
{
        MU_ASSERT(lane_count > 0 && lane_count <= MU_WRITER_LANES_MAX);
        *checkpoint = (struct mu_checkpoint){.lane_count = lane_count};
}

void mu_checkpoint_publish(struct mu_checkpoint *checkpoint, uint32_t lane, uint64_t position)
{
        MU_ASSERT(lane < checkpoint->lane_count);
        set(&checkpoint->lanes[lane].position, position);
}

uint64_t mu_checkpoint_position(const struct mu_checkpoint *checkpoint, uint32_t lane)
{
        MU_ASSERT(lane < checkpoint->lane_count);
        return get(&checkpoint->lanes[lane].position);
}

bool mu_checkpoint_rewind_wanted(const struct mu_checkpoint *checkpoint, uint32_t lane,
                                 uint64_t *ret_epoch, uint64_t *ret_seq)
{
        MU_ASSERT(lane < checkpoint->lane_count);
        uint64_t epoch = get(&checkpoint->epoch);

        if (epoch == get(&checkpoint->lanes[lane].epoch))
                return false;
        /* May already be a later epoch's: then that one will be followed as well. */
        *ret_seq = get(&checkpoint->rewind_to);
        *ret_epoch = epoch;
        return true;
}

void mu_checkpoint_rewind_done(struct mu_checkpoint *checkpoint, uint32_t lane, uint64_t epoch)
{
        MU_ASSERT(lane < checkpoint->lane_count);
        set(&checkpoint->lanes[lane].epoch, epoch);
}

bool mu_checkpoint_loaded(struct mu_checkpoint *checkpoint, uint64_t seq, bool again)
{
        bool forgotten = checkpoint->loaded && seq < get(&checkpoint->stored);

        set(&checkpoint->stored, seq);
        /* At first too: a lane that was faster may have committed to a database that was put back
         * before the keeper ever saw it. */
        if (!checkpoint->loaded || again || forgotten) {
                set(&checkpoint->rewind_to, seq);
                set(&checkpoint->epoch, get(&checkpoint->epoch) + 1);
        }
        checkpoint->loaded = true;
        return forgotten;
}

bool mu_checkpoint_due(const struct mu_checkpoint *checkpoint, uint64_t *ret_seq)
{
        uint64_t epoch = get(&checkpoint->epoch);
        uint64_t lowest = UINT64_MAX;

        if (!checkpoint->loaded)
                return false;
        for (uint32_t i = 0; i < checkpoint->lane_count; i++) {
                if (get(&checkpoint->lanes[i].epoch) != epoch)
                        return false;
                uint64_t position = get(&checkpoint->lanes[i].position);

                lowest = position < lowest ? position : lowest;
        }
        if (lowest <= get(&checkpoint->stored))
                return false;
        *ret_seq = lowest;
        return true;
}

void mu_checkpoint_saved(struct mu_checkpoint *checkpoint, uint64_t seq)
{
        MU_ASSERT(seq > get(&checkpoint->stored));
        set(&checkpoint->stored, seq);
}

void mu_checkpoint_finish(struct mu_checkpoint *checkpoint, uint32_t lane)
{
        MU_ASSERT(lane < checkpoint->lane_count);
        atomic_store_explicit(&checkpoint->lanes[lane].finished, true, memory_order_release);
}

bool mu_checkpoint_others_finished(const struct mu_checkpoint *checkpoint)
{
        for (uint32_t i = 0; i < checkpoint->lane_count; i++) {
                if (i == MU_CHECKPOINT_KEEPER)
                        continue;
                if (!atomic_load_explicit(&checkpoint->lanes[i].finished, memory_order_acquire))
                        return false;
        }
        return true;
}

uint64_t mu_checkpoint_stored(const struct mu_checkpoint *checkpoint)
{
        return get(&checkpoint->stored);
}

uint64_t mu_checkpoint_lowest(const struct mu_checkpoint *checkpoint)
{
        uint64_t lowest = UINT64_MAX;

        for (uint32_t i = 0; i < checkpoint->lane_count; i++) {
                uint64_t position = get(&checkpoint->lanes[i].position);

                lowest = position < lowest ? position : lowest;
        }
        return lowest;
}
