/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bring_up.c - from "PostgreSQL may be anywhere" to "the writers run", on a thread of its own.
 *
 * Everything here is patient: heartbeats are acknowledged meanwhile. Only what waiting can't mend
 * (a changed migration, a database that is too old) ends the daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "app/app_private.h"
#include "app/log_events.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wait.h"
#include "control/account/account.h"
#include "control/command/dispatcher.h"
#include "control/control.h"
#include "identity/keeper.h"
#include "identity/secrets.h"
#include "ingest/pipeline.h"
#include "jobs/scheduler.h"
#include "pg/advisory_lock.h"
#include "pg/database.h"
#include "pg/migrate.h"
#include "pg/partition.h"
#include "pg/query.h"

enum {
        RETRY_MS = 1000,
        TELL_TRIES = 60,
        PARTITION_DAYS_AHEAD = 7,
        ACQUIRE_MS = 5000,
};

static void die(struct mu_app *app, int code, const char *event, const char *sentence)
{
        atomic_store(&app->fatal, mu_app_fail(code, event, sentence));
        MU_ASSERT(eventfd_write(app->event_fd, 1) == 0);
}

/* True when it is time to stop. */
static bool pause_ms(struct mu_app *app, uint32_t ms)
{
        uint64_t deadline_ns = mu_wait_deadline_ns(ms);

        pthread_mutex_lock(&app->lock);
        while (!app->stopping && mu_wait_until(&app->changed, &app->lock, deadline_ns))
                ;
        bool stopping = app->stopping;

        pthread_mutex_unlock(&app->lock);
        return stopping;
}

/* True: authoritative; false: stopping. */
static bool wait_authoritative(struct mu_app *app)
{
        pthread_mutex_lock(&app->lock);
        while (!app->stopping && !app->authoritative)
                pthread_cond_wait(&app->changed, &app->lock);
        bool stopping = app->stopping;

        pthread_mutex_unlock(&app->lock);
        return !stopping;
}

static int make_partitions(struct mu_app *app, struct mu_pg *pg)
{
        int64_t today = mu_partition_day(mu_clock_realtime_us(app->clock) / MU_US_PER_S);
        uint32_t window_days =
                (uint32_t)(app->config.ingest_window_back / MU_NS_PER_S / MU_S_PER_DAY);

        return mu_partitions_ensure_all(pg, today, window_days, PARTITION_DAYS_AHEAD, NULL);
}

/* An outage is told when it begins, when its reason changes, and once a minute. */
static bool worth_telling(struct mu_app *app, const char *sentence)
{
        if (strcmp(sentence, app->told) != 0) {
                (void)snprintf(app->told, sizeof(app->told), "%s", sentence);
                app->told_tries = 0;
        }
        return app->told_tries++ % TELL_TRIES == 0;
}

/* Whether trying again can't help. */
static bool is_final(int error)
{
        return error == -EBADMSG || error == -EOVERFLOW || error == -ENOENT || error == -EPROTO ||
               error == -EINVAL;
}

/* 0; -EAGAIN: try again later; another errno: it can't be. */
static int prepare_database(struct mu_app *app)
{
        struct mu_database_facts facts;
        struct mu_pg_error error;
        const struct mu_migration *migrations;
        size_t migration_count;
        size_t applied = 0;
        struct mu_pg *pg;

        if (mu_database_acquire(app->database, ACQUIRE_MS, &pg, &error) < 0) {
                if (worth_telling(app, error.text))
                        mu_log(MU_LOG_WARNING, "database.away", MU_LOG_STR("detail", error.text));
                return -EAGAIN;
        }
        mu_database_release(app->database, pg);
        int code = mu_database_check(app->database, &facts, &error);

        if (code == 0)
                code = mu_database_acquire(app->database, ACQUIRE_MS, &pg, &error);
        if (code < 0)
                goto out;
        if (!facts.fsync || !facts.full_page_writes)
                mu_log(MU_LOG_ERROR, "database.not_durable",
                       MU_LOG_STR("detail", "The database runs with fsync or full_page_writes off: "
                                            "what it stores does not survive a power cut."));
        migrations = mu_migrations_embedded(&migration_count);
        code = mu_migrate(pg, migrations, migration_count, mu_log_migration, NULL, &applied,
                          &error);
        if (code == 0) {
                code = make_partitions(app, pg);
                error = *mu_pg_last_error(pg);
        }
        mu_database_release(app->database, pg);
out:
        if (code == 0)
                return 0;
        if (is_final(code)) {
                die(app, code, "database.unusable", error.text);
                return code;
        }
        if (worth_telling(app, error.text))
                mu_log(MU_LOG_WARNING, "database.not_ready", MU_LOG_STR("detail", error.text));
        return -EAGAIN;
}

/* Where nobody can sign in yet, the first user is made. 0; -EAGAIN; another errno: it can't be. */
static int make_first_user(struct mu_app *app)
{
        char error[MU_SECRET_ERROR_BYTES];
        bool made = false;
        struct mu_pg *pg;
        int code = mu_database_acquire(app->database, ACQUIRE_MS, &pg, NULL);

        if (code < 0)
                return -EAGAIN;
        code = mu_account_make_first(app->control->account, app->secrets, pg, &made, error);
        mu_database_release(app->database, pg);
        if (made)
                mu_log(MU_LOG_INFO, "accounts.first_user", MU_LOG_STR("name", "admin"),
                       MU_LOG_STR("password_file", "secrets/admin-password"));
        if (code == -EBADMSG || code == -EPERM) {
                die(app, code, "secrets.unusable", error);
                return code;
        }
        if (code < 0 && worth_telling(app, error))
                mu_log(MU_LOG_WARNING, "accounts.first_user_waits", MU_LOG_STR("detail", error));
        return code < 0 ? -EAGAIN : 0;
}

#define IN_USE "Another musterd uses this database; waiting for it to let go."

/* Two daemons on one database would replay into each other's checkpoints and give out ids twice.
 * The lock lives as long as its connection, which nobody else uses. 0, or -EAGAIN. */
static int take_instance(struct mu_app *app)
{
        bool taken = false;
        int code = mu_database_acquire(app->database, ACQUIRE_MS, &app->instance, NULL);

        if (code == 0)
                code = mu_advisory_lock_try(app->instance, MU_LOCK_INSTANCE, &taken);
        if (taken)
                return 0;
        if (code == 0 && worth_telling(app, IN_USE))
                mu_log(MU_LOG_WARNING, "database.in_use", MU_LOG_STR("detail", IN_USE));
        mu_database_release(app->database, app->instance);
        app->instance = NULL;
        return -EAGAIN;
}

static void start_storing(struct mu_app *app)
{
        int code = mu_pipeline_store(app->pipeline, app->database);

        if (code < 0) {
                die(app, code, "writers.start_failed", strerror(-code));
                return;
        }
        code = mu_jobs_start(app->jobs);
        if (code == 0)
                code = mu_dispatcher_start(app->dispatcher);
        if (code < 0)
                die(app, code, "jobs.start_failed", strerror(-code));
        else
                mu_log(MU_LOG_INFO, "storing");
}

static void run(void *context)
{
        struct mu_app *app = context;
        int code;

        while ((code = prepare_database(app)) == -EAGAIN ||
               (code == 0 && (code = take_instance(app)) == -EAGAIN))
                if (pause_ms(app, RETRY_MS))
                        return;
        while (code == 0 && (code = make_first_user(app)) == -EAGAIN) {
                if (pause_ms(app, RETRY_MS))
                        return;
                code = 0;
        }
        if (code < 0)
                return;
        atomic_store(&app->database_ready, true); /* the keeper may read its list now ... */
        mu_keeper_recheck(app->keeper);           /* ... and need not find out by itself */
        if (wait_authoritative(app))
                start_storing(app);
}

bool mu_app_database_ready(void *context)
{
        struct mu_app *app = context;

        return atomic_load(&app->database_ready);
}

void mu_app_on_authoritative(void *context, const struct mu_keeper_report *report)
{
        struct mu_app *app = context;

        mu_log_identities(report);
        pthread_mutex_lock(&app->lock);
        app->authoritative = true;
        pthread_cond_broadcast(&app->changed);
        pthread_mutex_unlock(&app->lock);
}

int mu_app_start_bring_up(struct mu_app *app)
{
        int code = mu_thread_start("bring-up", run, app, &app->bring_up_thread);

        app->bring_up_started = code == 0;
        return code;
}

void mu_app_stop_bring_up(struct mu_app *app)
{
        if (!app->bring_up_started)
                return;
        pthread_mutex_lock(&app->lock);
        app->stopping = true;
        pthread_cond_broadcast(&app->changed);
        pthread_mutex_unlock(&app->lock);
        mu_thread_join(app->bring_up_thread);
        app->bring_up_started = false;
}
