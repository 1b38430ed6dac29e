/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/keeper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/thread.h"
#include "identity/keeper_load.h"
#include "identity/keeper_sql.h"
#include "pg/database.h"

enum {
        BATCH_DEVICES = 1000, /* devices in one statement */
        GATHER_MS = 100,      /* after a first event: others that come along are written with it */
        RETRY_MS = 1000,
        ACQUIRE_MS = 1000,
        REWRITE_APPENDED_MIN = 10000,
};

/* Events that PostgreSQL has to know of. */
#define DATABASE_EVENTS                                                                            \
        (MU_EVENT_FIRST_SEEN | MU_EVENT_TOKEN_USED | MU_EVENT_CLOCK_OFFSET | MU_EVENT_QUARANTINED)

struct mu_keeper {
        struct mu_keeper_config config;
        struct mu_device_table *devices;
        struct mu_snapshot *snapshot;
        pthread_t thread;
        bool started;
        int stop_fd;
        int recheck_fd;
        bool recheck_due; /* PostgreSQL's list is to be read once more */
        bool rewrite_due; /* the snapshot on disk lacks something that was not appended */

        /* Devices whose events PostgreSQL has not yet. */
        struct mu_device **pending;
        uint32_t *pending_events; /* by device index */
        size_t pending_count;
        size_t pending_room;

        struct mu_cell snapshot_errors;
        struct mu_cell database_errors;
        struct mu_cell pending_gauge;
};

static void trouble(struct mu_keeper *keeper, const char *what, const char *detail)
{
        keeper->config.on_trouble(keeper->config.ctx, what, detail);
}

static void database_trouble(struct mu_keeper *keeper, const char *what, const struct mu_pg *pg,
                             int error)
{
        const struct mu_pg_error *told = mu_pg_last_error(pg);

        mu_cell_add(&keeper->database_errors, 1);
        trouble(keeper, what, *told->sqlstate ? told->text : strerror(-error));
}

/* True when it was told to stop meanwhile. */
static bool pause_ms(struct mu_keeper *keeper, int ms)
{
        struct pollfd stop = {.fd = keeper->stop_fd, .events = POLLIN};

        return poll(&stop, 1, ms) > 0;
}

/* ---- the snapshot ---- */

static void write_snapshot(struct mu_keeper *keeper)
{
        uint64_t appended = mu_snapshot_appended(keeper->snapshot);
        uint64_t tokens = mu_device_table_token_count(keeper->devices);
        bool grown = appended > REWRITE_APPENDED_MIN && appended > 4 * tokens;
        int error;

        if (keeper->rewrite_due || grown)
                error = mu_snapshot_rewrite(keeper->snapshot, keeper->devices);
        else
                error = mu_snapshot_sync(keeper->snapshot);
        keeper->rewrite_due = error < 0;
        if (error == 0)
                return;
        mu_snapshot_forget(keeper->snapshot);
        mu_cell_add(&keeper->snapshot_errors, 1);
        trouble(keeper, "writing the identity snapshot", strerror(-error));
}

/* ---- starting ---- */

static bool load(struct mu_keeper *keeper)
{
        struct mu_keeper_report report = {0};
        struct mu_pg *pg;

        if (keeper->config.database_ready && !keeper->config.database_ready(keeper->config.ctx))
                return false;
        if (mu_database_acquire(keeper->config.database, ACQUIRE_MS, &pg, NULL) < 0)
                return false; /* away: the snapshot is what there is */
        int error = mu_keeper_load(&keeper->config, pg, &report);

        if (error < 0)
                database_trouble(keeper, "reading the device list", pg, error);
        mu_database_release(keeper->config.database, pg);
        if (error < 0)
                return false;
        keeper->rewrite_due = true;
        write_snapshot(keeper);
        mu_device_table_set_authoritative(keeper->devices);
        keeper->config.on_authoritative(keeper->config.ctx, &report);
        return true;
}

/* ---- writing down what happened ---- */

static int make_pending_room(struct mu_keeper *keeper, uint32_t index)
{
        if (index < keeper->pending_room)
                return 0;
        size_t room = keeper->pending_room ? keeper->pending_room * 2 : 4096;

        while (room <= index)
                room *= 2;
        struct mu_device **pending = reallocarray(keeper->pending, room, sizeof(*pending));

        if (!pending)
                return -ENOMEM;
        keeper->pending = pending;
        uint32_t *events = reallocarray(keeper->pending_events, room, sizeof(*events));

        if (!events)
                return -ENOMEM;
        memset(events + keeper->pending_room, 0, (room - keeper->pending_room) * sizeof(*events));
        keeper->pending_events = events;
        keeper->pending_room = room;
        return 0;
}

static void remember(struct mu_keeper *keeper, struct mu_device *device, uint32_t events)
{
        events &= DATABASE_EVENTS;
        if (events == 0)
                return;
        if (make_pending_room(keeper, device->index) < 0) {
                /* No memory now: note it again, for the next round. */
                mu_device_table_note(keeper->devices, device, events);
                return;
        }
        if (keeper->pending_events[device->index] == 0)
                keeper->pending[keeper->pending_count++] = device;
        keeper->pending_events[device->index] |= events;
}

/* Table → snapshot, and what PostgreSQL has to know into pending. */
static void take_events(struct mu_keeper *keeper)
{
        struct mu_device *device = mu_device_table_take(keeper->devices);

        while (device) {
                struct mu_device *next;
                uint32_t events = mu_device_take_events(device, &next);

                mu_device_table_lock(keeper->devices);
                if (events & MU_EVENT_TOKEN_USED)
                        (void)mu_device_table_drop_tokens(keeper->devices, device);
                if (mu_snapshot_add(keeper->snapshot, device) < 0)
                        keeper->rewrite_due = true;
                mu_device_table_unlock(keeper->devices);
                remember(keeper, device, events);
                device = next;
        }
        mu_cell_set(&keeper->pending_gauge, keeper->pending_count);
}

struct gathered {
        size_t seen_count, used_count, offset_count, quarantined_count;
        int64_t seen[BATCH_DEVICES];
        int64_t used[BATCH_DEVICES];
        int32_t generations[BATCH_DEVICES];
        int64_t offset_ids[BATCH_DEVICES];
        int32_t offsets[BATCH_DEVICES];
        int64_t quarantined[BATCH_DEVICES];
};

static void gather(struct gathered *gathered, const struct mu_device *device, uint32_t events)
{
        if (events & MU_EVENT_FIRST_SEEN)
                gathered->seen[gathered->seen_count++] = device->id;
        if (events & MU_EVENT_TOKEN_USED) {
                gathered->generations[gathered->used_count] =
                        (int32_t)atomic_load(&device->generation_min);
                gathered->used[gathered->used_count++] = device->id;
        }
        if (events & MU_EVENT_CLOCK_OFFSET) {
                gathered->offsets[gathered->offset_count] = atomic_load(&device->clock_offset_s);
                gathered->offset_ids[gathered->offset_count++] = device->id;
        }
        /* An operator may have ended it since. */
        if (events & MU_EVENT_QUARANTINED && mu_device_state(device) == MU_DEVICE_QUARANTINED)
                gathered->quarantined[gathered->quarantined_count++] = device->id;
}

static int write_gathered(struct mu_pg *pg, const struct gathered *gathered)
{
        int error = mu_pg_begin(pg);

        if (error == 0 && gathered->seen_count > 0)
                error = mu_pg_query(
                        pg, &mu_keeper_first_seen,
                        MU_PG_VALUES(mu_pg_int8_array(gathered->seen, gathered->seen_count)), NULL);
        if (error == 0 && gathered->used_count > 0)
                error = mu_pg_query(
                        pg, &mu_keeper_tokens_used,
                        MU_PG_VALUES(mu_pg_int8_array(gathered->used, gathered->used_count),
                                     mu_pg_int4_array(gathered->generations, gathered->used_count)),
                        NULL);
        if (error == 0 && gathered->offset_count > 0)
                error = mu_pg_query(
                        pg, &mu_keeper_clock_offsets,
                        MU_PG_VALUES(mu_pg_int8_array(gathered->offset_ids, gathered->offset_count),
                                     mu_pg_int4_array(gathered->offsets, gathered->offset_count)),
                        NULL);
        if (error == 0 && gathered->quarantined_count > 0)
                error = mu_pg_query(pg, &mu_keeper_quarantined,
                                    MU_PG_VALUES(mu_pg_int8_array(gathered->quarantined,
                                                                  gathered->quarantined_count)),
                                    NULL);
        return error == 0 ? mu_pg_commit(pg) : error;
}

/* The first BATCH_DEVICES of pending. */
static int write_pending_batch(struct mu_keeper *keeper, struct mu_pg *pg)
{
        size_t count =
                keeper->pending_count < BATCH_DEVICES ? keeper->pending_count : BATCH_DEVICES;
        struct gathered *gathered = calloc(1, sizeof(*gathered));

        if (!gathered)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++)
                gather(gathered, keeper->pending[i],
                       keeper->pending_events[keeper->pending[i]->index]);
        int error = write_gathered(pg, gathered);

        free(gathered);
        if (error < 0)
                return error;
        for (size_t i = 0; i < count; i++)
                keeper->pending_events[keeper->pending[i]->index] = 0;
        keeper->pending_count -= count;
        memmove(keeper->pending, keeper->pending + count,
                keeper->pending_count * sizeof(keeper->pending[0]));
        return 0;
}

static void write_pending(struct mu_keeper *keeper)
{
        struct mu_pg *pg;

        if (keeper->pending_count == 0 ||
            mu_database_acquire(keeper->config.database, ACQUIRE_MS, &pg, NULL) < 0)
                return; /* the database's own breaker and metrics tell */
        while (keeper->pending_count > 0) {
                int error = write_pending_batch(keeper, pg);

                if (error < 0) {
                        database_trouble(keeper, "writing what devices changed", pg, error);
                        break;
                }
        }
        mu_database_release(keeper->config.database, pg);
        mu_cell_set(&keeper->pending_gauge, keeper->pending_count);
}

/* PostgreSQL's list, when it has not been read or may have gone back to an older state. */
static void read_list(struct mu_keeper *keeper, bool *authoritative)
{
        eventfd_t asked;

        if (eventfd_read(keeper->recheck_fd, &asked) == 0)
                keeper->recheck_due = true;
        if (*authoritative && !keeper->recheck_due)
                return;
        if (load(keeper)) {
                *authoritative = true;
                keeper->recheck_due = false;
        }
}

static void run(void *context)
{
        struct mu_keeper *keeper = context;
        bool authoritative = false;
        bool stopping = false;

        while (!stopping) {
                struct pollfd wake[] = {
                        {.fd = keeper->stop_fd, .events = POLLIN},
                        {.fd = mu_device_table_eventfd(keeper->devices), .events = POLLIN},
                        {.fd = keeper->recheck_fd, .events = POLLIN},
                };

                read_list(keeper, &authoritative);
                bool again = !authoritative || keeper->recheck_due || keeper->rewrite_due ||
                             keeper->pending_count > 0;

                if (poll(wake, 3, again ? RETRY_MS : -1) > 0 && wake[1].revents && !wake[0].revents)
                        stopping = pause_ms(keeper, GATHER_MS);
                stopping = stopping || pause_ms(keeper, 0);
                take_events(keeper);
                write_snapshot(keeper);
                if (authoritative)
                        write_pending(keeper);
        }
}

/* ---- lifecycle ---- */

int mu_keeper_create(const struct mu_keeper_config *config, struct mu_snapshot_report *ret_report,
                     struct mu_keeper **ret_keeper)
{
        struct mu_keeper *keeper = calloc(1, sizeof(*keeper));

        if (!keeper)
                return -ENOMEM;
        keeper->config = *config;
        keeper->devices = config->devices;
        keeper->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        keeper->recheck_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        int error = keeper->stop_fd < 0 || keeper->recheck_fd < 0 ? -errno : 0;

        if (error == 0)
                error = mu_snapshot_open(config->snapshot_path, config->devices, ret_report,
                                         &keeper->snapshot);
        if (error < 0) {
                mu_keeper_destroy(keeper);
                return error;
        }
        mu_metrics_counter(config->metrics, "muster_identity_snapshot_errors_total",
                           "Failed writes of the identity snapshot; each is tried again.",
                           MU_NO_LABELS, &keeper->snapshot_errors);
        mu_metrics_counter(config->metrics, "muster_identity_database_errors_total",
                           "Failed transactions of the identity keeper; each is tried again.",
                           MU_NO_LABELS, &keeper->database_errors);
        mu_metrics_gauge(config->metrics, "muster_identity_pending_devices",
                         "Devices whose changes are not yet in PostgreSQL.", MU_NO_LABELS,
                         &keeper->pending_gauge);
        *ret_keeper = keeper;
        return 0;
}

int mu_keeper_start(struct mu_keeper *keeper)
{
        int error = mu_thread_start("keeper", run, keeper, &keeper->thread);

        keeper->started = error == 0;
        return error;
}

void mu_keeper_recheck(struct mu_keeper *keeper)
{
        MU_ASSERT(eventfd_write(keeper->recheck_fd, 1) == 0);
}

void mu_keeper_stop(struct mu_keeper *keeper)
{
        if (!keeper->started) {
                take_events(keeper);
                write_snapshot(keeper);
                return;
        }
        MU_ASSERT(eventfd_write(keeper->stop_fd, 1) == 0);
        mu_thread_join(keeper->thread);
        keeper->started = false;
}

void mu_keeper_destroy(struct mu_keeper *keeper)
{
        if (!keeper)
                return;
        MU_ASSERT(!keeper->started);
        mu_snapshot_close(keeper->snapshot);
        if (keeper->stop_fd >= 0)
                close(keeper->stop_fd);
        if (keeper->recheck_fd >= 0)
                close(keeper->recheck_fd);
        free(keeper->pending);
        free(keeper->pending_events);
        free(keeper);
}
