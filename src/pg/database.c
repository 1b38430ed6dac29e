/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/database.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/backoff.h"
#include "base/random.h"
#include "base/wait.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "pg/statement_stats.h"

/* Open after three failures in a row. The longest pause is short: one probe costs nothing, and each
 * second of it is a second of backlog after PostgreSQL has come back. */
static const struct mu_breaker_options BREAKER = {
        .failures_max = 3, .successes_to_close = 1, .open_ms = 250, .open_ms_max = 4000};

enum { BACKOFF_BASE_MS = 100, BACKOFF_CAP_MS = 2000, PATIENT_WAIT_MS = 1000 };

struct mu_database {
        struct mu_database_config config;
        struct mu_conninfo conninfo;
        struct mu_statement_stats *stats;
        struct mu_histogram *wait_us;

        pthread_mutex_t mutex;  /* for all below */
        pthread_cond_t changed; /* a slot came free, or shut */
        struct mu_breaker breaker;
        struct mu_random random;
        struct mu_pg *idle; /* last in, first out: the rest ages */
        uint32_t idle_count;
        uint32_t lent_count;
        uint32_t waiting_count;
        bool shut;
        int abandoned_fd; /* readable from mu_database_abandon on; constant */
        struct mu_cell connects;
        struct mu_cell connect_failures;
        struct mu_cell timeouts;
};

void mu_database_config_init(struct mu_database_config *config, const char *conninfo)
{
        *config = (struct mu_database_config){
                .conninfo = conninfo,
                .connections_max = 32,
                .connect_timeout_ms = 5000,
                .statement_timeout_ms = 30000,
                .connection_age_max_s = 1800,
                .clock = mu_clock_system(),
        };
}

enum gauge { GAUGE_IDLE, GAUGE_LENT, GAUGE_WAITING };

static double read_gauge(struct mu_database *database, enum gauge gauge)
{
        pthread_mutex_lock(&database->mutex);
        uint32_t value = gauge == GAUGE_IDLE   ? database->idle_count
                         : gauge == GAUGE_LENT ? database->lent_count
                                               : database->waiting_count;

        pthread_mutex_unlock(&database->mutex);
        return value;
}

static double read_idle(void *context)
{
        return read_gauge(context, GAUGE_IDLE);
}

static double read_lent(void *context)
{
        return read_gauge(context, GAUGE_LENT);
}

static double read_waiting(void *context)
{
        return read_gauge(context, GAUGE_WAITING);
}

static double read_max(void *context)
{
        return ((const struct mu_database *)context)->config.connections_max;
}

static double read_breaker_state(void *context)
{
        return mu_breaker_state(&((const struct mu_database *)context)->breaker);
}

static double read_breaker_opened(void *context)
{
        return (double)mu_breaker_opened_count(&((const struct mu_database *)context)->breaker);
}

static void register_metrics(struct mu_database *database)
{
        struct mu_metrics *metrics = database->config.metrics;
        const char *connections = "Connections to PostgreSQL, by what they do.";
        const char *connects = "Attempts to connect to PostgreSQL.";

        mu_metrics_gauge_fn(metrics, "muster_pg_connections", connections,
                            MU_LABELS({"state", "idle"}), read_idle, database);
        mu_metrics_gauge_fn(metrics, "muster_pg_connections", connections,
                            MU_LABELS({"state", "lent"}), read_lent, database);
        mu_metrics_gauge_fn(metrics, "muster_pg_connections_max",
                            "The cap on connections to PostgreSQL.", MU_NO_LABELS, read_max,
                            database);
        mu_metrics_gauge_fn(metrics, "muster_pg_connection_waiters",
                            "Threads that wait for a connection because the cap is reached.",
                            MU_NO_LABELS, read_waiting, database);
        mu_metrics_histogram(metrics, "muster_pg_connection_wait_seconds",
                             "Time waited for a place under the cap on connections.", MU_NO_LABELS,
                             database->wait_us, 1e-6, &mu_bounds_latency_s);
        mu_metrics_counter(metrics, "muster_pg_connection_wait_timeouts_total",
                           "Requests for a connection that gave up waiting.", MU_NO_LABELS,
                           &database->timeouts);
        mu_metrics_counter(metrics, "muster_pg_connects_total", connects,
                           MU_LABELS({"result", "ok"}), &database->connects);
        mu_metrics_counter(metrics, "muster_pg_connects_total", connects,
                           MU_LABELS({"result", "failed"}), &database->connect_failures);
        mu_metrics_gauge_fn(metrics, "muster_pg_breaker_state",
                            "Circuit breaker: 0 closed, 1 open, 2 half-open.", MU_NO_LABELS,
                            read_breaker_state, database);
        mu_metrics_counter_fn(metrics, "muster_pg_breaker_opened_total",
                              "Times the circuit breaker opened.", MU_NO_LABELS,
                              read_breaker_opened, database);
}

int mu_database_create(const struct mu_database_config *config, struct mu_database **ret_database,
                       struct mu_pg_error *ret_error)
{
        MU_ASSERT(config->connections_max > 0 && config->clock);
        struct mu_database *database = calloc(1, sizeof(*database));

        if (!database)
                return -ENOMEM;
        database->config = *config;
        database->config.conninfo = NULL; /* may hold a password: read once, below */
        pthread_mutex_init(&database->mutex, NULL);
        mu_wait_init(&database->changed);
        mu_breaker_init(&database->breaker, &BREAKER, config->clock);
        database->abandoned_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        int err = database->abandoned_fd < 0 ? -errno : 0;

        if (!err)
                err = mu_random_seed_from_system(&database->random);
        if (!err)
                err = mu_histogram_create(&database->wait_us);
        if (!err)
                err = mu_statement_stats_create(config->metrics, &database->stats);
        if (!err)
                err = mu_conninfo_init(&database->conninfo, config->conninfo,
                                       config->statement_timeout_ms, ret_error);
        if (err) {
                mu_database_destroy(database);
                return err;
        }
        if (config->metrics)
                register_metrics(database);
        *ret_database = database;
        return 0;
}

void mu_database_destroy(struct mu_database *database)
{
        if (!database)
                return;
        MU_ASSERT(database->lent_count == 0);
        while (database->idle) {
                struct mu_pg *pg = database->idle;

                database->idle = pg->next_idle;
                mu_pg_free(pg);
        }
        mu_conninfo_done(&database->conninfo);
        mu_statement_stats_destroy(database->stats);
        mu_histogram_destroy(database->wait_us);
        if (database->abandoned_fd >= 0)
                (void)close(database->abandoned_fd);
        pthread_cond_destroy(&database->changed);
        pthread_mutex_destroy(&database->mutex);
        free(database);
}

int mu_database_pause(struct mu_database *database, uint32_t ms)
{
        uint64_t deadline_ns = mu_wait_deadline_ns(ms);

        pthread_mutex_lock(&database->mutex);
        while (!database->shut && mu_wait_until(&database->changed, &database->mutex, deadline_ns))
                ;
        bool shut = database->shut;

        pthread_mutex_unlock(&database->mutex);
        return shut ? -ECANCELED : 0;
}

/* Takes a place under the cap, and the idle connection that holds one if there is any. */
static int take_slot(struct mu_database *database, uint32_t wait_ms, struct mu_pg **ret_pg)
{
        const struct mu_clock *clock = database->config.clock;
        uint64_t start_ns = mu_clock_monotonic_ns(clock);
        int err = 0;

        pthread_mutex_lock(&database->mutex);
        database->waiting_count++;
        while (!database->shut && !database->idle &&
               database->lent_count >= database->config.connections_max) {
                uint64_t waited_ms =
                        (mu_clock_monotonic_ns(clock) - start_ns) / (uint64_t)MU_NS_PER_MS;

                if (waited_ms >= wait_ms) {
                        err = -ETIMEDOUT;
                        mu_cell_add(&database->timeouts, 1);
                        break;
                }
                /* The loop asks the clock again, whichever way this ends. */
                (void)mu_wait_until(&database->changed, &database->mutex,
                                    mu_wait_deadline_ns(wait_ms - waited_ms));
        }
        database->waiting_count--;
        if (database->shut)
                err = -ECANCELED;
        mu_histogram_record(database->wait_us,
                            (mu_clock_monotonic_ns(clock) - start_ns) / (uint64_t)MU_NS_PER_US);
        if (!err) {
                *ret_pg = database->idle;
                database->lent_count++;
                if (database->idle) {
                        database->idle = database->idle->next_idle;
                        database->idle_count--;
                }
        }
        pthread_mutex_unlock(&database->mutex);
        return err;
}

/* Gives the place back; pg, if any, is kept for the next. */
static void give_slot(struct mu_database *database, struct mu_pg *pg)
{
        pthread_mutex_lock(&database->mutex);
        MU_ASSERT(database->lent_count > 0);
        database->lent_count--;
        if (pg) {
                pg->next_idle = database->idle;
                database->idle = pg;
                database->idle_count++;
        }
        /* All: who pauses between attempts waits on the same condition. */
        pthread_cond_broadcast(&database->changed);
        pthread_mutex_unlock(&database->mutex);
}

static int slot_failed(const struct mu_database *database, int err, struct mu_pg_error *ret_error)
{
        if (ret_error && err == -ETIMEDOUT)
                mu_pg_error_format(ret_error, "53300",
                                   "all %u connections to PostgreSQL are in use "
                                   "(database.connections_max)",
                                   database->config.connections_max);
        else if (ret_error)
                mu_pg_error_format(ret_error, "57P01", "the appliance is stopping");
        return err;
}

int mu_database_acquire(struct mu_database *database, uint32_t wait_ms, struct mu_pg **ret_pg,
                        struct mu_pg_error *ret_error)
{
        struct mu_pg *pg;
        int err = take_slot(database, wait_ms, &pg);

        if (err)
                return slot_failed(database, err, ret_error);
        if (!pg) {
                pg = calloc(1, sizeof(*pg));
                if (!pg) {
                        give_slot(database, NULL);
                        return -ENOMEM;
                }
                pg->database = database;
                pg->wanted_timeout_ms = database->config.statement_timeout_ms;
                mu_copy_in_init(&pg->scratch);
        }
        err = mu_pg_connect(pg);
        if (err) {
                if (ret_error)
                        *ret_error = pg->error;
                mu_pg_free(pg);
                give_slot(database, NULL);
                return err;
        }
        *ret_pg = pg;
        return 0;
}

int mu_database_acquire_patiently(struct mu_database *database, struct mu_pg **ret_pg)
{
        struct mu_backoff backoff;

        mu_backoff_init(&backoff, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
        for (;;) {
                int err = mu_database_acquire(database, PATIENT_WAIT_MS, ret_pg, NULL);

                if (err == 0 || err == -ECANCELED || err == -ENOMEM)
                        return err;
                pthread_mutex_lock(&database->mutex);
                uint32_t pause_ms = mu_backoff_next_ms(&backoff, &database->random);
                uint32_t breaker_ms = mu_breaker_wait_ms(&database->breaker);

                pthread_mutex_unlock(&database->mutex);
                err = mu_database_pause(database, pause_ms > breaker_ms ? pause_ms : breaker_ms);
                if (err)
                        return err;
        }
}

static bool is_reusable(const struct mu_database *database, const struct mu_pg *pg)
{
        uint64_t age_ns = mu_clock_monotonic_ns(database->config.clock) - pg->connected_at_ns;
        uint64_t age_max_ns = database->config.connection_age_max_s * (uint64_t)MU_NS_PER_S;

        return pg->conn && !pg->pinned && PQstatus(pg->conn) == CONNECTION_OK &&
               PQtransactionStatus(pg->conn) == PQTRANS_IDLE &&
               pg->timeout_ms == database->config.statement_timeout_ms &&
               (age_max_ns == 0 || age_ns < age_max_ns);
}

void mu_database_release(struct mu_database *database, struct mu_pg *pg)
{
        if (!pg)
                return;
        mu_pg_rollback(pg);
        if (!is_reusable(database, pg)) {
                mu_pg_free(pg);
                pg = NULL;
        }
        give_slot(database, pg);
}

void mu_database_shut(struct mu_database *database)
{
        pthread_mutex_lock(&database->mutex);
        database->shut = true;
        pthread_cond_broadcast(&database->changed);
        pthread_mutex_unlock(&database->mutex);
}

void mu_database_abandon(struct mu_database *database)
{
        mu_database_shut(database);
        (void)!eventfd_write(database->abandoned_fd, 1);
}

int mu_database_abandoned_fd(const struct mu_database *database)
{
        return database->abandoned_fd;
}

int mu_database_connect_begins(struct mu_database *database, struct mu_pg_error *ret_error)
{
        int err = 0;

        pthread_mutex_lock(&database->mutex);
        if (database->shut)
                err = -ECANCELED;
        else if (!mu_breaker_allow(&database->breaker))
                err = -EHOSTDOWN;
        pthread_mutex_unlock(&database->mutex);
        if (err == -ECANCELED)
                mu_pg_error_format(ret_error, "57P01", "the appliance is stopping");
        else if (err)
                mu_pg_error_format(ret_error, "08001",
                                   "PostgreSQL (%s) did not answer lately; it is tried again soon",
                                   database->conninfo.description);
        return err;
}

void mu_database_connect_ended(struct mu_database *database, bool connected)
{
        pthread_mutex_lock(&database->mutex);
        if (connected) {
                mu_breaker_success(&database->breaker);
                mu_cell_add(&database->connects, 1);
        } else {
                mu_breaker_failure(&database->breaker);
                mu_cell_add(&database->connect_failures, 1);
        }
        pthread_mutex_unlock(&database->mutex);
}

enum mu_breaker_state mu_database_breaker_state(const struct mu_database *database)
{
        return mu_breaker_state(&database->breaker);
}

const char *mu_database_description(const struct mu_database *database)
{
        return database->conninfo.description;
}

const char *const *mu_database_keywords(const struct mu_database *database)
{
        return database->conninfo.keywords;
}

const char *const *mu_database_values(const struct mu_database *database)
{
        return database->conninfo.values;
}

const struct mu_database_config *mu_database_configuration(const struct mu_database *database)
{
        return &database->config;
}

void mu_database_observe(struct mu_database *database, const char *statement, uint64_t duration_us,
                         uint64_t rows, bool failed)
{
        const struct mu_database_config *config = &database->config;

        mu_statement_stats_observe(database->stats, statement, duration_us, rows, failed);
        if (config->on_slow && config->slow_statement_us > 0 &&
            duration_us >= config->slow_statement_us)
                config->on_slow(config->on_slow_context, statement, duration_us, rows);
}

static const struct mu_pg_statement FACTS = {
        .name = "database_facts",
        .sql = "SELECT current_setting('server_version_num')::int,"
               " current_setting('max_connections')::int"
               " - current_setting('superuser_reserved_connections')::int,"
               " current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',"
               " current_setting('synchronous_commit') NOT IN ('off', 'local'),"
               " pg_is_in_recovery()",
        .repeatable = true,
};

static int judge(const struct mu_database *database, const struct mu_database_facts *facts,
                 bool in_recovery, struct mu_pg_error *ret_error)
{
        if (facts->server_version < 150000)
                mu_pg_error_format(ret_error, "0A000",
                                   "PostgreSQL at %s is version %d.%d; Muster needs 15 or newer",
                                   database->conninfo.description, facts->server_version / 10000,
                                   facts->server_version % 10000);
        else if (in_recovery)
                mu_pg_error_format(ret_error, "25006",
                                   "PostgreSQL at %s is a standby and takes no writes; point the "
                                   "database URL at the primary",
                                   database->conninfo.description);
        else if (facts->connections_available < (int32_t)database->config.connections_max)
                mu_pg_error_format(ret_error, "53300",
                                   "PostgreSQL at %s has %d connections for everybody, fewer than "
                                   "database.connections_max = %u; lower that, or raise "
                                   "max_connections there",
                                   database->conninfo.description, facts->connections_available,
                                   database->config.connections_max);
        else
                return 0;
        return -EINVAL;
}

int mu_database_check(struct mu_database *database, struct mu_database_facts *ret_facts,
                      struct mu_pg_error *ret_error)
{
        struct mu_pg_result *rows;
        struct mu_pg *pg;
        int err =
                mu_database_acquire(database, database->config.connect_timeout_ms, &pg, ret_error);

        if (err)
                return err;
        err = mu_pg_query(pg, &FACTS, MU_PG_VALUES(), &rows);
        if (err) {
                *ret_error = *mu_pg_last_error(pg);
                mu_database_release(database, pg);
                return err;
        }
        struct mu_database_facts facts = {
                .server_version = (int32_t)mu_pg_get_int(rows, 0, 0),
                .connections_available = (int32_t)mu_pg_get_int(rows, 0, 1),
                .fsync = mu_pg_get_bool(rows, 0, 2),
                .full_page_writes = mu_pg_get_bool(rows, 0, 3),
                .synchronous_commit = mu_pg_get_bool(rows, 0, 4),
        };
        bool in_recovery = mu_pg_get_bool(rows, 0, 5);

        mu_pg_result_free(rows);
        mu_database_release(database, pg);
        err = judge(database, &facts, in_recovery, ret_error);
        if (!err)
                *ret_facts = facts;
        return err;
}
