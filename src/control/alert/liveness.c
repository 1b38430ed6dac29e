/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/liveness.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/timer_wheel.h"
#include "control/alert/alive_time.h"
#include "identity/device_table.h"

enum {
        TICK_MS = 100,        /* of the wheel */
        PEEK_EVERY_MS = 1000, /* every silent device */
        DEVICES_AT_LEAST = 1024,
        LOOKS_AT_ONCE = 256,
        MOVES_A_LOOK = 4, /* timers dealt out are cheaper than devices looked at */
};

enum watch_state {
        WATCH_NOT, /* threshold 0: no timer */
        WATCH_ON,  /* a timer */
        WATCH_SILENT,
        WATCH_GONE, /* deleted, for ever */
};

struct watch {
        int64_t since_ms; /* alive time: counts as a stamp */
        uint32_t threshold_s;
        uint32_t silent_place; /* in the list of silent ones */
        uint8_t state;
        bool own_threshold;
};

/* A silent device, as it is looked at every second. */
struct silent {
        uint64_t mark_ms; /* the stamp it had when it was found to be */
        uint32_t device;
        bool judge_again; /* its threshold changed */
};

struct mu_liveness {
        struct mu_liveness_config config;
        struct mu_alive_time time;
        struct mu_liveness_now now; /* of the last tick */
        uint64_t alive_ms;          /* now, in alive time */

        struct mu_timer_wheel *wheel;
        struct watch *watches; /* by the device's index */
        struct silent *silent; /* in no order; room for all */
        uint32_t watch_count;
        uint32_t room;

        uint32_t silent_count;
        uint32_t peek_place; /* in silent: the next one */
        uint32_t peeks_due;
        uint64_t peeked_ms; /* peeks are accounted for up to here */
        uint64_t looks;
        uint64_t peeks;
};

static struct mu_device *device_at(const struct mu_liveness *liveness, uint32_t device)
{
        return mu_device_table_at(liveness->config.devices, device);
}

/* Of a moment, now or earlier, also before the machine's start. */
static int64_t real_us(const struct mu_liveness *liveness, uint64_t monotonic_ms)
{
        int64_t ago_ms = (int64_t)(liveness->now.monotonic_ms - monotonic_ms);

        return liveness->now.real_us - ago_ms * MU_US_PER_MS;
}

/* ---- timers and the list of silent ones ---- */

static void set_timer(struct mu_liveness *liveness, uint32_t device, int64_t due_ms)
{
        uint64_t due = due_ms < 0 ? 0 : (uint64_t)due_ms;

        /* Rounded up: never early. */
        mu_timer_wheel_set(liveness->wheel, device, (due + TICK_MS - 1) / TICK_MS);
}

static void list_silent(struct mu_liveness *liveness, uint32_t device, uint64_t mark_ms)
{
        struct watch *watch = &liveness->watches[device];

        watch->state = WATCH_SILENT;
        watch->silent_place = liveness->silent_count;
        liveness->silent[liveness->silent_count++] =
                (struct silent){.mark_ms = mark_ms, .device = device};
}

static void unlist_silent(struct mu_liveness *liveness, uint32_t device)
{
        uint32_t place = liveness->watches[device].silent_place;
        struct silent last = liveness->silent[--liveness->silent_count];

        liveness->silent[place] = last;
        liveness->watches[last.device].silent_place = place;
}

/* It is looked at in the next tick. */
static void watch_soon(struct mu_liveness *liveness, uint32_t device)
{
        liveness->watches[device].state = WATCH_ON;
        set_timer(liveness, device, (int64_t)liveness->alive_ms + 1);
}

/* ---- deadlines ---- */

static int64_t floor_ms(const struct watch *watch)
{
        uint32_t floor_s = watch->threshold_s;

        if (floor_s < MU_LIVENESS_SLACK_S)
                floor_s = MU_LIVENESS_SLACK_S;
        return (int64_t)floor_s * MU_MS_PER_S;
}

static int64_t allowance_ms(const struct mu_liveness *liveness, const struct watch *watch,
                            const struct mu_device *device)
{
        int64_t announced_s = atomic_load_explicit(&device->announced_s, memory_order_acquire);

        if (announced_s == 0) /* told before this start */
                announced_s = atomic_load_explicit(&device->interval_s, memory_order_relaxed);
        if (announced_s == 0)
                announced_s = liveness->config.heartbeat_interval_s;
        int64_t told_ms = (2 * announced_s + MU_LIVENESS_SLACK_S) * MU_MS_PER_S;
        int64_t least_ms = floor_ms(watch);

        return told_ms > least_ms ? told_ms : least_ms;
}

/* When it was last heard of, in alive time: by its stamp, or when watching began. */
static int64_t heard_ms(const struct mu_liveness *liveness, const struct watch *watch,
                        uint64_t stamp_ms)
{
        int64_t stamped_ms =
                stamp_ms == 0 ? INT64_MIN : (int64_t)mu_alive_time_at(&liveness->time, stamp_ms);

        return stamped_ms > watch->since_ms ? stamped_ms : watch->since_ms;
}

static struct mu_liveness_edge edge_now(const struct mu_liveness *liveness, uint32_t device,
                                        enum mu_liveness_edge_kind kind, uint64_t stamp_ms)
{
        return (struct mu_liveness_edge){
                .device = device,
                .kind = kind,
                .at_us = liveness->now.real_us,
                .heard_us = stamp_ms == 0 ? 0 : real_us(liveness, stamp_ms),
        };
}

/* A timer fired. False: there is nothing to tell. */
static bool look(struct mu_liveness *liveness, uint32_t index, struct mu_liveness_edge *ret_edge)
{
        struct watch *watch = &liveness->watches[index];
        const struct mu_device *device = device_at(liveness, index);
        int64_t now_ms = (int64_t)liveness->alive_ms;
        int64_t least_ms = floor_ms(watch);

        MU_ASSERT(watch->state == WATCH_ON);
        liveness->looks++;
        if (mu_device_state(device) == MU_DEVICE_DELETED) {
                watch->state = WATCH_GONE;
                return false;
        }
        if (!atomic_load_explicit(&device->seen, memory_order_relaxed)) {
                set_timer(liveness, index, now_ms + least_ms);
                return false;
        }
        /* The announcement first: it follows its stamp, so no newer one than the stamp's is used.
         */
        int64_t allowed_ms = allowance_ms(liveness, watch, device);
        uint64_t stamp_ms = atomic_load_explicit(&device->stamp_ms, memory_order_relaxed);
        int64_t last_ms = heard_ms(liveness, watch, stamp_ms);
        int64_t deadline_ms = last_ms + allowed_ms;

        if (deadline_ms > now_ms) {
                /* It may be told a shorter time meanwhile: then its deadline is not before the
                 * least one from a stamp that is still to come. */
                int64_t due_ms =
                        last_ms + least_ms > now_ms ? last_ms + least_ms : now_ms + least_ms;

                set_timer(liveness, index, due_ms < deadline_ms ? due_ms : deadline_ms);
                return false;
        }
        list_silent(liveness, index, stamp_ms);
        *ret_edge = edge_now(liveness, index, MU_LIVENESS_SILENT, stamp_ms);
        if (deadline_ms > 0)
                ret_edge->at_us = real_us(
                        liveness, mu_alive_time_when(&liveness->time, (uint64_t)deadline_ms));
        ret_edge->silent_ms = (uint64_t)(now_ms - last_ms);
        return true;
}

/* It is silent no longer, for one reason or another. */
static void end_silence(struct mu_liveness *liveness, const struct silent *silent,
                        enum mu_liveness_edge_kind kind, uint64_t stamp_ms,
                        struct mu_liveness_edge *ret_edge)
{
        uint32_t index = silent->device;
        struct watch *watch = &liveness->watches[index];
        int64_t end_ms = (int64_t)liveness->alive_ms;

        *ret_edge = edge_now(liveness, index, kind, stamp_ms);
        if (kind == MU_LIVENESS_BACK) {
                ret_edge->at_us = ret_edge->heard_us;
                end_ms = heard_ms(liveness, watch, stamp_ms);
        }
        ret_edge->silent_ms = (uint64_t)(end_ms - heard_ms(liveness, watch, silent->mark_ms));
        unlist_silent(liveness, index);
        if (kind == MU_LIVENESS_GONE)
                watch->state = WATCH_GONE;
        else
                watch_soon(liveness, index);
}

/* A silent device: has it spoken? Takes it off the list when there is an edge. */
static bool peek(struct mu_liveness *liveness, uint32_t place, struct mu_liveness_edge *ret_edge)
{
        struct silent *silent = &liveness->silent[place];
        const struct mu_device *device = device_at(liveness, silent->device);
        uint64_t stamp_ms = atomic_load_explicit(&device->stamp_ms, memory_order_relaxed);
        enum mu_liveness_edge_kind kind = MU_LIVENESS_BACK;

        liveness->peeks++;
        if (mu_device_state(device) == MU_DEVICE_DELETED) {
                kind = MU_LIVENESS_GONE;
        } else if (stamp_ms == silent->mark_ms) {
                if (!silent->judge_again)
                        return false;
                const struct watch *watch = &liveness->watches[silent->device];

                silent->judge_again = false;
                if (heard_ms(liveness, watch, stamp_ms) + allowance_ms(liveness, watch, device) <=
                    (int64_t)liveness->alive_ms)
                        return false;
                kind = MU_LIVENESS_EXCUSED;
        }
        end_silence(liveness, silent, kind, stamp_ms, ret_edge);
        return true;
}

/* ---- devices ---- */

/* Room for so many devices; nothing else changes. */
static int make_room(struct mu_liveness *liveness, uint32_t devices)
{
        if (devices <= liveness->room)
                return 0;
        uint32_t room = liveness->room < DEVICES_AT_LEAST ? DEVICES_AT_LEAST : liveness->room;

        while (room < devices)
                room += room / 2;
        struct watch *watches = realloc(liveness->watches, room * sizeof(*watches));

        if (!watches)
                return -ENOMEM;
        liveness->watches = watches;
        struct silent *silent = realloc(liveness->silent, room * sizeof(*silent));

        if (!silent)
                return -ENOMEM;
        liveness->silent = silent;
        int error = mu_timer_wheel_grow(liveness->wheel, room);

        if (error < 0)
                return error;
        liveness->room = room;
        return 0;
}

/* All devices that are in the table by now. */
static int take_up(struct mu_liveness *liveness)
{
        uint32_t count = mu_device_table_count(liveness->config.devices);

        if (count == liveness->watch_count)
                return 0;
        int error = make_room(liveness, count);

        if (error < 0)
                return error;
        for (uint32_t i = liveness->watch_count; i < count; i++) {
                liveness->watches[i] = (struct watch){
                        .since_ms = (int64_t)liveness->alive_ms,
                        .threshold_s = liveness->config.threshold_s,
                        .state = WATCH_NOT,
                };
                if (liveness->config.threshold_s > 0)
                        watch_soon(liveness, i);
        }
        liveness->watch_count = count;
        return 0;
}

int mu_liveness_create(const struct mu_liveness_config *config, const struct mu_liveness_now *now,
                       struct mu_liveness **ret_liveness)
{
        MU_ASSERT(config && config->devices && now && ret_liveness);
        struct mu_liveness *liveness = calloc(1, sizeof(*liveness));

        if (!liveness)
                return -ENOMEM;
        liveness->config = *config;
        liveness->now = *now;
        liveness->alive_ms = now->monotonic_ms;
        liveness->peeked_ms = now->monotonic_ms;
        mu_alive_time_init(&liveness->time, now->monotonic_ms);
        int error = mu_timer_wheel_create(now->monotonic_ms / TICK_MS, 0, &liveness->wheel);

        if (error == 0)
                error = take_up(liveness);
        if (error < 0) {
                mu_liveness_destroy(liveness);
                return error;
        }
        *ret_liveness = liveness;
        return 0;
}

void mu_liveness_destroy(struct mu_liveness *liveness)
{
        if (!liveness)
                return;
        mu_timer_wheel_destroy(liveness->wheel);
        free(liveness->watches);
        free(liveness->silent);
        free(liveness);
}

static void apply_threshold(struct mu_liveness *liveness, uint32_t device, uint32_t threshold_s)
{
        struct watch *watch = &liveness->watches[device];

        if (threshold_s > MU_LIVENESS_THRESHOLD_MAX_S)
                threshold_s = MU_LIVENESS_THRESHOLD_MAX_S;
        if (watch->threshold_s == threshold_s)
                return;
        watch->threshold_s = threshold_s;
        if (watch->state == WATCH_GONE)
                return;
        if (threshold_s == 0) {
                if (watch->state == WATCH_SILENT)
                        unlist_silent(liveness, device);
                mu_timer_wheel_cancel(liveness->wheel, device);
                watch->state = WATCH_NOT;
        } else if (watch->state == WATCH_SILENT) {
                liveness->silent[watch->silent_place].judge_again = true;
        } else {
                watch_soon(liveness, device);
        }
}

int mu_liveness_set_threshold(struct mu_liveness *liveness, uint32_t device, uint32_t threshold_s)
{
        if (device >= liveness->watch_count) {
                int error = take_up(liveness);

                if (error < 0)
                        return error;
        }
        MU_ASSERT(device < liveness->watch_count);
        liveness->watches[device].own_threshold = true;
        apply_threshold(liveness, device, threshold_s);
        return 0;
}

void mu_liveness_set_default_threshold(struct mu_liveness *liveness, uint32_t threshold_s)
{
        liveness->config.threshold_s = threshold_s;
        for (uint32_t i = 0; i < liveness->watch_count; i++) {
                if (!liveness->watches[i].own_threshold)
                        apply_threshold(liveness, i, threshold_s);
        }
}

void mu_liveness_clear_threshold(struct mu_liveness *liveness, uint32_t device)
{
        if (device >= liveness->watch_count)
                return;
        liveness->watches[device].own_threshold = false;
        apply_threshold(liveness, device, liveness->config.threshold_s);
}

int mu_liveness_set_silent(struct mu_liveness *liveness, uint32_t device, int64_t heard_us)
{
        if (device >= liveness->watch_count) {
                int error = take_up(liveness);

                if (error < 0)
                        return error;
        }
        MU_ASSERT(device < liveness->watch_count);
        struct watch *watch = &liveness->watches[device];

        if (watch->state != WATCH_ON)
                return 0;
        int64_t ago_ms = (liveness->now.real_us - heard_us) / MU_US_PER_MS;

        mu_timer_wheel_cancel(liveness->wheel, device);
        watch->since_ms = (int64_t)liveness->alive_ms - (ago_ms > 0 ? ago_ms : 0);
        list_silent(liveness, device, 0);
        return 0;
}

bool mu_liveness_is_silent(const struct mu_liveness *liveness, uint32_t device)
{
        return device < liveness->watch_count && liveness->watches[device].state == WATCH_SILENT;
}

/* ---- a tick ---- */

static void tell_time(struct mu_liveness *liveness, const struct mu_liveness_now *now)
{
        uint64_t gap_ms = now->monotonic_ms - liveness->now.monotonic_ms;
        bool pause = gap_ms > MU_LIVENESS_GAP_MS || !now->listening || !liveness->now.listening;

        MU_ASSERT(now->monotonic_ms >= liveness->now.monotonic_ms);
        mu_alive_time_tell(&liveness->time, now->monotonic_ms, pause);
        liveness->now = *now;
        liveness->alive_ms = mu_alive_time_at(&liveness->time, now->monotonic_ms);
}

/* All of them once in PEEK_EVERY_MS, spread over the ticks in it. */
static void account_peeks(struct mu_liveness *liveness)
{
        uint64_t passed_ms = liveness->now.monotonic_ms - liveness->peeked_ms;
        uint64_t due = passed_ms >= PEEK_EVERY_MS
                               ? liveness->silent_count
                               : liveness->silent_count * passed_ms / PEEK_EVERY_MS;

        if (due == 0 && liveness->silent_count > 0)
                return; /* too little time for one of them */
        liveness->peeked_ms = liveness->now.monotonic_ms;
        due += liveness->peeks_due;
        liveness->peeks_due = due < liveness->silent_count ? (uint32_t)due : liveness->silent_count;
}

static uint32_t peek_at_silent(struct mu_liveness *liveness, struct mu_liveness_edge *edges,
                               uint32_t edges_max)
{
        uint32_t count = 0;

        while (count < edges_max && liveness->peeks_due > 0 && liveness->silent_count > 0) {
                if (liveness->peek_place >= liveness->silent_count)
                        liveness->peek_place = 0;
                /* With an edge another one has taken its place. */
                if (peek(liveness, liveness->peek_place, &edges[count]))
                        count++;
                else
                        liveness->peek_place++;
                liveness->peeks_due--;
        }
        return count;
}

static uint32_t look_at_due(struct mu_liveness *liveness, struct mu_liveness_edge *edges,
                            uint32_t edges_max)
{
        uint32_t looks = liveness->config.looks_max > 0 ? liveness->config.looks_max : UINT32_MAX;
        uint32_t moves = looks < UINT32_MAX / MOVES_A_LOOK ? looks * MOVES_A_LOOK : UINT32_MAX;
        uint32_t count = 0;

        while (count < edges_max && looks > 0) {
                uint32_t fired[LOOKS_AT_ONCE];
                uint32_t most = edges_max - count;

                most = most < looks ? most : looks;
                most = most < LOOKS_AT_ONCE ? most : LOOKS_AT_ONCE;
                uint32_t taken = mu_timer_wheel_take(liveness->wheel, liveness->alive_ms / TICK_MS,
                                                     &moves, fired, most);

                for (uint32_t i = 0; i < taken; i++) {
                        if (look(liveness, fired[i], &edges[count]))
                                count++;
                }
                looks -= taken;
                if (taken < most)
                        break;
        }
        return count;
}

uint32_t mu_liveness_tick(struct mu_liveness *liveness, const struct mu_liveness_now *now,
                          struct mu_liveness_edge *ret_edges, uint32_t edges_max)
{
        MU_ASSERT(ret_edges && edges_max > 0);
        tell_time(liveness, now);
        (void)take_up(liveness); /* -ENOMEM: again in the next tick, counted in the stats */
        account_peeks(liveness);
        uint32_t count = peek_at_silent(liveness, ret_edges, edges_max);

        return count + look_at_due(liveness, ret_edges + count, edges_max - count);
}

struct mu_liveness_stats mu_liveness_stats(const struct mu_liveness *liveness)
{
        return (struct mu_liveness_stats){
                .looks = liveness->looks,
                .peeks = liveness->peeks,
                .paused_ms = mu_alive_time_paused_ms(&liveness->time),
                .watched_count = mu_timer_wheel_count(liveness->wheel),
                .silent_count = liveness->silent_count,
                .left_out_count =
                        mu_device_table_count(liveness->config.devices) - liveness->watch_count,
        };
}
