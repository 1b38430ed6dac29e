/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_database.c - the alert thread's dealings with PostgreSQL: what it reads, and how what has
 * changed gets written.
 *
 * Whatever fails is given up as a whole: the connection goes, and when there is another, what
 * stands is read again before anything is written. So a COMMIT of which nobody knows the end is no
 * special case.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/alert/alert_store.h"
#include "control/alert/alert_thread_private.h"
#include "control/alert/content_rules.h"
#include "control/alert/outage_note.h"
#include "control/alert/remediation.h"
#include "control/notify/notifier.h"
#include "identity/device_table.h"
#include "muster/record.h"
#include "pg/database.h"
#include "pg/partition.h"
#include "pg/query.h"

enum {
        CONNECT_WAIT_MS = 1000,
        /* A server that hangs holds the thread up for so long, and silence is noticed as much
         * later; doubled each time that it was not enough. */
        STATEMENT_MS = 4000,
        STATEMENT_MS_MAX = 64000,
        DAYS_MAX = 366,     /* of the log, made for one batch */
        CHANGES_MAX = 2000, /* in a transaction */
        REFUSALS_MAX = 3,   /* of one change: memory may have been wrong about its row */
        WRITE_MS = 1000,    /* of writing before it looks up again */
        STATUSES_MAX = 5000,
        SLOW_MS = 60 * 1000,
        REMEDY_MS = 5000,
        REMEDY_ROUNDS_MAX = 20,
};

/* ---- the connection ---- */

void mu_alert_let_go(struct mu_alert_thread *alerts)
{
        if (!alerts->pg)
                return;
        /* Its settings must not go back to the pool. */
        mu_pg_disconnect(alerts->pg);
        mu_database_release(alerts->config.database, alerts->pg);
        alerts->pg = NULL;
}

static void wait_to_connect(struct mu_alert_thread *alerts, const char *detail)
{
        mu_cell_add(&alerts->metrics.failures, 1);
        if (!alerts->away)
                mu_alert_trouble(alerts, detail);
        alerts->away = true;
        alerts->connect_ms = (uint64_t)alerts->now.mono_ms +
                             mu_backoff_next_ms(&alerts->backoff, &alerts->random);
}

static void give_up(struct mu_alert_thread *alerts, int error)
{
        const struct mu_pg_error *reason = mu_pg_last_error(alerts->pg);

        if (error == -ETIMEDOUT && alerts->statement_ms < STATEMENT_MS_MAX)
                alerts->statement_ms *= 2;
        wait_to_connect(alerts, error == -ESTALE
                                        ? "Alerts in the database are not as they were left; they "
                                          "are read again."
                                : *reason->text ? reason->text
                                                : strerror(-error));
        mu_alert_let_go(alerts);
        alerts->rows_known = false;
}

static bool connect(struct mu_alert_thread *alerts)
{
        struct mu_pg_error error;

        if (alerts->pg)
                return true;
        /* Before its device list was read the schema may not be there, or the database be another
         * daemon's. */
        if (!mu_device_table_authoritative(alerts->config.devices) ||
            (uint64_t)alerts->now.mono_ms < alerts->connect_ms)
                return false;
        if (mu_database_acquire(alerts->config.database, CONNECT_WAIT_MS, &alerts->pg, &error) <
            0) {
                alerts->pg = NULL;
                wait_to_connect(alerts, error.text);
                return false;
        }
        if (alerts->statement_ms == 0)
                alerts->statement_ms = STATEMENT_MS;
        int code = mu_pg_set_timeout(alerts->pg, alerts->statement_ms);

        if (code < 0)
                give_up(alerts, code);
        return code == 0;
}

/* ---- what stands ---- */

/* Rows that contradict each other, by somebody's hand: one that can't be must not keep all others
 * from being written. */
static int pass_over(struct mu_alert_thread *alerts, int error, const char *detail)
{
        if (error != -EINVAL && error != -EEXIST && error != -ENOENT)
                return error;
        mu_alert_trouble(alerts, detail);
        return 0;
}

static int load_incident(void *context, const struct mu_incident_row *row)
{
        struct mu_alert_thread *alerts = context;

        return pass_over(alerts, mu_incident_book_load_incident(alerts->book, row),
                         "An open incident in the database contradicts others; it is left alone.");
}

static int load_alert(void *context, const struct mu_alert_row *row)
{
        struct mu_alert_thread *alerts = context;
        const struct mu_device *device =
                row->device_id == 0 ? NULL
                                    : mu_device_table_by_id(alerts->config.devices, row->device_id);
        uint32_t index = device ? device->index : MU_ENGINE_APPLIANCE;
        bool adopted = false;

        /* Nobody's: the book closes its incident. */
        if ((row->device_id == 0) != (row->rule >= MU_RULE_DEVICE_COUNT) ||
            (row->device_id != 0 && !device))
                return 0;
        int error = mu_alert_engine_load(alerts->engine, index, row, alerts->now, &adopted);

        if (error == 0 && row->state == MU_ALERT_FIRING && row->incident_id != 0)
                error = pass_over(alerts,
                                  mu_incident_book_load_alert(alerts->book, row->alert_id,
                                                              row->incident_id, row->fired_us),
                                  "A firing alert in the database has no open incident.");
        if (error == 0 && adopted && row->rule == MU_RULE_OFFLINE && row->state == MU_ALERT_FIRING)
                error = mu_liveness_set_silent(alerts->liveness, index, row->fired_us);
        return error;
}

static int make_book(struct mu_alert_thread *alerts)
{
        struct mu_incident_book_config config = {
                .group_devices = alerts->config.group_devices,
                .group_window_s = alerts->config.group_window_s,
                .offline_spread_s = alerts->config.heartbeat_interval_s,
        };
        struct mu_incident_book *book;
        int64_t alert_id;
        int error = mu_alert_store_next_ids(alerts->pg, &alert_id, &config.next_incident_id);

        if (error == 0)
                error = mu_incident_book_create(&config, &book);
        if (error < 0)
                return error;
        mu_incident_book_destroy(alerts->book);
        alerts->book = book;
        mu_alert_engine_begin_load(alerts->engine, book, alert_id);
        return 0;
}

static int load_rows(struct mu_alert_thread *alerts)
{
        int error = make_book(alerts);

        if (error == 0)
                error = mu_alert_store_each_incident(alerts->pg, load_incident, alerts);
        if (error == 0)
                error = mu_alert_store_each_alert(alerts->pg, load_alert, alerts);
        if (error == 0)
                error = mu_incident_book_settle(alerts->book, alerts->now.real_us);
        if (error < 0)
                return error;
        mu_alert_engine_end_load(alerts->engine);
        if (!alerts->ever_known)
                alerts->facts_ms = 0; /* now the appliance can be judged */
        alerts->rows_known = alerts->ever_known = true;
        alerts->sweep_wanted = true;
        return 0;
}

/* ---- devices and rules ---- */

static int read_fleet(struct mu_alert_thread *alerts)
{
        int error = mu_alert_fleet_read(alerts->fleet, alerts->pg);

        if (error == 0)
                error = mu_alert_set_thresholds(alerts);
        if (error < 0)
                return error;
        alerts->fleet_wanted = false;
        alerts->changed_count = 0;
        alerts->sweep_wanted = true;
        alerts->statuses_wanted = true;
        alerts->statuses_again = false;
        alerts->statuses_after = 0;
        return 0;
}

static int read_changed(struct mu_alert_thread *alerts)
{
        int error;

        if (alerts->changed_count == 0)
                return 0;
        error = mu_alert_fleet_read_devices(alerts->fleet, alerts->pg, alerts->changed,
                                            alerts->changed_count);
        if (error == 0)
                error = mu_alert_set_thresholds(alerts);
        if (error < 0)
                return error;
        /* What they said was judged by the rules of before. */
        for (uint32_t i = 0; i < alerts->changed_count; i++) {
                if (alerts->cut_count < MU_ALERT_CHANGED_MAX)
                        alerts->cut[alerts->cut_count++] = alerts->changed[i];
                else
                        alerts->statuses_again = true;
        }
        alerts->changed_count = 0;
        alerts->sweep_wanted = true;
        return 0;
}

/* ---- last statuses ---- */

#define STATUSES                                                                                   \
        "SELECT device_id, received_at, observed_at, monitored_last_fg_s, queue_depth,"            \
        " clock_offset_s, battery, agent_version, flags FROM device_last_status WHERE "

static const struct mu_pg_statement READ_STATUSES = {
        .name = "alert_statuses",
        .sql = STATUSES "device_id > $1 ORDER BY device_id LIMIT $2",
        .params = {MU_PG_INT8, MU_PG_INT8},
        .repeatable = true,
};

static const struct mu_pg_statement READ_CUT = {
        .name = "alert_statuses_some",
        .sql = STATUSES "device_id = ANY ($1)",
        .params = {MU_PG_INT8_ARRAY},
        .repeatable = true,
};

struct reading_statuses {
        struct mu_alert_thread *alerts;
        uint32_t count;
        int64_t last;
};

static void take_fields(const struct mu_pg_result *row, struct mu_content *content)
{
        const char *version = mu_pg_get_text(row, 0, 7);

        if (!mu_pg_is_null(row, 0, 3)) {
                content->present |= MU_FIELD_MONITORED_LAST_FG;
                content->monitored_last_fg_s = mu_pg_get_int(row, 0, 3);
        }
        if (!mu_pg_is_null(row, 0, 4)) {
                content->present |= MU_FIELD_QUEUE_DEPTH;
                content->queue_depth = (int32_t)mu_pg_get_int(row, 0, 4);
        }
        if (!mu_pg_is_null(row, 0, 6)) {
                content->present |= MU_FIELD_BATTERY;
                content->battery_percent = (uint8_t)mu_pg_get_int(row, 0, 6);
        }
        if (version && strlen(version) < sizeof(content->agent_version)) {
                content->present |= MU_FIELD_AGENT_VERSION;
                memcpy(content->agent_version, version, strlen(version) + 1);
        }
}

static int take_status(void *context, const struct mu_pg_result *row)
{
        struct reading_statuses *reading = context;
        struct mu_content content = {
                .received_at_us = mu_pg_get_timestamptz(row, 0, 1),
                .observed_at_us = mu_pg_get_timestamptz(row, 0, 2),
                .clock_offset_s = (int32_t)mu_pg_get_int(row, 0, 5),
        };

        reading->count++;
        reading->last = mu_pg_get_int(row, 0, 0);
        if ((mu_pg_get_int(row, 0, 8) & MU_RECORD_QUARANTINED) != 0)
                return 0;
        take_fields(row, &content);
        mu_alert_judge_content(reading->alerts, reading->last, &content);
        return 0;
}

static int read_statuses(struct mu_alert_thread *alerts)
{
        struct reading_statuses reading = {.alerts = alerts};

        if (alerts->cut_count > 0) {
                int error =
                        mu_pg_each(alerts->pg, &READ_CUT,
                                   MU_PG_VALUES(mu_pg_int8_array(alerts->cut, alerts->cut_count)),
                                   take_status, &reading);

                if (error < 0)
                        return error;
                alerts->cut_count = 0;
        }
        if (!alerts->statuses_wanted && alerts->statuses_again) {
                alerts->statuses_wanted = true;
                alerts->statuses_again = false;
                alerts->statuses_after = 0;
        }
        if (!alerts->statuses_wanted)
                return 0;
        reading.count = 0;
        int error = mu_pg_each(
                alerts->pg, &READ_STATUSES,
                MU_PG_VALUES(mu_pg_int8(alerts->statuses_after), mu_pg_int8(STATUSES_MAX)),
                take_status, &reading);

        if (error < 0)
                return error;
        alerts->statuses_wanted = reading.count == STATUSES_MAX;
        alerts->statuses_after = alerts->statuses_wanted ? reading.last : 0;
        return 0;
}

/* ---- writing ---- */

static uint32_t firing_count_of(const struct mu_alert_batch *batch, int64_t incident_id)
{
        for (uint32_t i = batch->op_count; i-- > 0;)
                if (batch->ops[i].op == MU_INCIDENT_COUNT &&
                    batch->ops[i].incident_id == incident_id)
                        return batch->ops[i].firing_count;
        return 0;
}

static void publish(struct mu_alert_thread *alerts, const struct mu_alert_batch *batch,
                    enum mu_alert_rule rule, int64_t device_id, const struct mu_bus_alert *alert,
                    const char *change)
{
        struct mu_bus_event event = {
                .kind = MU_BUS_ALERT, .device_id = device_id, .as = {.alert = *alert}};

        event.as.alert.firing_count = firing_count_of(batch, alert->incident_id);
        (void)strncpy(event.as.alert.rule, mu_alert_rule_name(rule),
                      sizeof(event.as.alert.rule) - 1);
        (void)strncpy(event.as.alert.change, change, sizeof(event.as.alert.change) - 1);
        mu_bus_publish(alerts->config.bus, &event, 1);
}

static void publish_all(struct mu_alert_thread *alerts, const struct mu_alert_batch *batch)
{
        static const char *const OPS[] = {[MU_INCIDENT_OPEN] = "opened",
                                          [MU_INCIDENT_MERGE] = "merged",
                                          [MU_INCIDENT_CLOSE] = "closed"};

        for (uint32_t i = 0; i < batch->op_count; i++) {
                const struct mu_incident_op *op = &batch->ops[i];
                const struct mu_bus_alert alert = {
                        .incident_id = op->op == MU_INCIDENT_MERGE ? op->from_id : op->incident_id,
                        .at_us = op->at_us,
                };

                if (op->op == MU_INCIDENT_OPEN || op->op == MU_INCIDENT_MERGE ||
                    op->op == MU_INCIDENT_CLOSE)
                        publish(alerts, batch, op->rule, op->device_id, &alert, OPS[op->op]);
        }
        for (uint32_t i = 0; i < batch->change_count; i++) {
                const struct mu_alert_change *change = &batch->changes[i];
                bool resolved = change->kind == MU_CHANGE_RESOLVE;
                const struct mu_bus_alert alert = {
                        .incident_id = change->incident_id,
                        .alert_id = change->alert_id,
                        .at_us = resolved ? change->resolved_us : change->fired_us,
                };

                if (resolved || change->kind == MU_CHANGE_BEGIN_FIRING ||
                    change->kind == MU_CHANGE_FIRE)
                        publish(alerts, batch, change->rule, change->device_id, &alert,
                                resolved ? "resolved" : "fired");
        }
}

static void count(struct mu_alert_thread *alerts, const struct mu_alert_batch *batch)
{
        struct mu_alert_metrics *metrics = &alerts->metrics;

        for (uint32_t i = 0; i < batch->change_count; i++) {
                const struct mu_alert_change *change = &batch->changes[i];

                if (change->kind == MU_CHANGE_BEGIN)
                        mu_cell_add(&metrics->pending[change->rule], 1);
                else if (change->kind == MU_CHANGE_RESOLVE)
                        mu_cell_add(&metrics->resolved[change->rule], 1);
                else if (change->kind == MU_CHANGE_BEGIN_FIRING || change->kind == MU_CHANGE_FIRE)
                        mu_cell_add(&metrics->fired[change->rule], 1);
                if (change->rule == MU_RULE_SERVICE_DOWN)
                        alerts->remedy_wanted = true;
        }
}

static int64_t day_of_change(const struct mu_alert_change *change)
{
        return mu_partition_day(
                (change->kind == MU_CHANGE_RESOLVE ? change->resolved_us : change->fired_us) /
                MU_US_PER_S);
}

/* Days of the log that are not there are made, also those of an outage's begin; the batch is tried
 * again. */
static int make_days(struct mu_alert_thread *alerts, const struct mu_alert_batch *batch, int error)
{
        int64_t today = mu_partition_day(alerts->now.real_us / MU_US_PER_S);
        int64_t first = today - 1;
        int64_t last = today + 1;

        if (!mu_pg_error_is_missing_partition(mu_pg_last_error(alerts->pg)))
                return error;
        for (uint32_t i = 0; i < batch->change_count; i++) {
                int64_t day = day_of_change(&batch->changes[i]);

                if (day < first && day >= today - DAYS_MAX)
                        first = day;
                if (day > last && day <= today + DAYS_MAX)
                        last = day;
        }
        return mu_partitions_ensure(alerts->pg, MU_PARENT_ALERT_EVENTS, first, last, NULL);
}

/* One change that the database refuses for its data must not hold up all others: what is tried
 * next is half as much, until it is found. */
static void note_refusal(struct mu_alert_thread *alerts, const struct mu_alert_batch *batch)
{
        char detail[256];

        if (!mu_pg_error_is_data(mu_pg_last_error(alerts->pg)) || batch->change_count == 0)
                return;
        if (batch->change_count > 1) {
                alerts->changes_max = batch->change_count / 2;
                mu_backoff_reset(&alerts->backoff);
                return;
        }
        if (++alerts->refused_alone < REFUSALS_MAX)
                return;
        alerts->refused_alone = 0;
        (void)snprintf(detail, sizeof(detail),
                       "PostgreSQL refuses an edge of %s of device %" PRId64
                       ", which is set aside: %.120s",
                       mu_alert_rule_name(batch->changes->rule), batch->changes->device_id,
                       mu_pg_last_error(alerts->pg)->text);
        mu_alert_trouble(alerts, detail);
        mu_cell_add(&alerts->metrics.refused, 1);
        mu_alert_engine_set_aside(alerts->engine);
}

static void note_accepted(struct mu_alert_thread *alerts)
{
        alerts->refused_alone = 0;
        alerts->changes_max =
                alerts->changes_max < CHANGES_MAX / 2 ? alerts->changes_max * 2 : CHANGES_MAX;
}

static int write_batch(struct mu_alert_thread *alerts, uint32_t *ret_count)
{
        struct mu_alert_batch batch = {
                .now_us = alerts->now.real_us,
                .due_us = alerts->now.real_us + (int64_t)alerts->config.group_wait_s * MU_US_PER_S,
        };
        int error;

        if (alerts->changes_max == 0)
                alerts->changes_max = CHANGES_MAX;
        error = mu_alert_engine_take(alerts->engine, alerts->changes_max, &batch.changes,
                                     &batch.change_count);

        if (error == 0)
                error = mu_incident_book_ops(alerts->book, &batch.ops, &batch.op_count);
        *ret_count = batch.change_count;
        if (error < 0 || (batch.change_count == 0 && batch.op_count == 0))
                return error;
        uint64_t began_ns = mu_clock_monotonic_ns(alerts->config.clock);

        error = mu_alert_store_write(alerts->pg, &batch);
        if (error < 0) {
                error = make_days(alerts, &batch, error);
                if (error == 0)
                        error = mu_alert_store_write(alerts->pg, &batch);
        }
        if (error < 0) {
                note_refusal(alerts, &batch);
                return error;
        }
        note_accepted(alerts);
        mu_histogram_record(alerts->metrics.commit_ns,
                            mu_clock_monotonic_ns(alerts->config.clock) - began_ns);
        count(alerts, &batch);
        if (mu_bus_watched(alerts->config.bus))
                publish_all(alerts, &batch);
        mu_alert_engine_committed(alerts->engine);
        mu_notifier_wake(alerts->config.notifier);
        return 0;
}

static int write_changes(struct mu_alert_thread *alerts)
{
        uint64_t began_ns = mu_clock_monotonic_ns(alerts->config.clock);
        uint32_t count = 1;
        int error = 0;

        while (error == 0 && count > 0 &&
               mu_clock_monotonic_ns(alerts->config.clock) - began_ns < WRITE_MS * MU_NS_PER_MS)
                error = write_batch(alerts, &count);
        return error;
}

/* ---- now and then ---- */

static int settle_outage(struct mu_alert_thread *alerts)
{
        if (!mu_outage_is_over(alerts->outage))
                return 0;
        int error = mu_outage_settle(alerts->outage, alerts->pg);

        /* It has given out ids that the book does not know of. */
        return error < 0 ? error : load_rows(alerts);
}

static int run_remedies(struct mu_alert_thread *alerts)
{
        const struct mu_remedy_config config = {
                .dispatcher = alerts->config.dispatcher,
                .notifier = alerts->config.notifier,
                .bus = alerts->config.bus,
                .clock = alerts->config.clock,
        };
        bool more = true;
        int error = 0;

        if (!alerts->remedy_wanted && (uint64_t)alerts->now.mono_ms < alerts->remedy_ms)
                return 0;
        for (unsigned i = 0; error == 0 && more && i < REMEDY_ROUNDS_MAX; i++)
                error = mu_remedy_round(&config, alerts->pg, &more);
        if (error < 0)
                return error;
        alerts->remedy_wanted = false;
        alerts->remedy_ms = (uint64_t)alerts->now.mono_ms + REMEDY_MS;
        return 0;
}

static int read_slow(struct mu_alert_thread *alerts)
{
        if (!alerts->config.facts || (uint64_t)alerts->now.mono_ms < alerts->slow_ms)
                return 0;
        int error = mu_appliance_read(alerts->pg, &alerts->facts, alerts->now.real_us,
                                      alerts->start_us, &alerts->slow);

        if (error == 0)
                alerts->slow_ms = (uint64_t)alerts->now.mono_ms + SLOW_MS;
        return error;
}

static int work(struct mu_alert_thread *alerts)
{
        int error = 0;

        if (!alerts->reader.bus)
                mu_bus_watch(alerts->config.bus, &alerts->reader);
        if (alerts->fleet_wanted)
                error = read_fleet(alerts);
        if (error == 0)
                error = read_changed(alerts);
        if (error == 0 && !alerts->rows_known)
                error = load_rows(alerts);
        if (error == 0)
                error = read_statuses(alerts);
        if (error == 0)
                error = write_changes(alerts);
        if (error == 0)
                error = settle_outage(alerts);
        if (error == 0)
                error = run_remedies(alerts);
        if (error == 0)
                error = read_slow(alerts);
        return error;
}

void mu_alert_work(struct mu_alert_thread *alerts)
{
        if (!connect(alerts))
                return;
        int error = work(alerts);

        if (error < 0) {
                give_up(alerts, error);
                return;
        }
        mu_backoff_reset(&alerts->backoff);
        alerts->away = false;
}
