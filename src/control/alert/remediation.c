/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/remediation.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bus.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "control/alert/remediation_sql.h"
#include "control/command/own_command.h"
#include "control/notify/notifier.h"
#include "control/notify/outbox.h"

enum {
        CHUNK = 100, /* alerts a step, in one round */
        STEPS = 4,
        ID_BYTES = 24,
};

#define COMMAND "relaunch_app"

/* Wait after the end of the first, second, ... command. */
static const int64_t waits_us[MU_REMEDY_TRIES_MAX] = {
        120 * MU_US_PER_S,
        600 * MU_US_PER_S,
        1800 * MU_US_PER_S,
};

struct news {
        int64_t device_id;
        int64_t incident_id;
        int64_t alert_id;
        int64_t command_id; /* 0: none was queued */
        uint32_t firing_count;
        bool acked;
        const char *change;
};

/* A round: what it is to tell once it is committed. */
struct round {
        struct mu_pg *pg;
        int64_t now_us;
        struct news news[STEPS * CHUNK];
        size_t news_count;
        int64_t updated[STEPS * CHUNK]; /* incidents that say more now */
        size_t updated_count;
        bool more;
};

struct alert {
        int64_t id;
        int64_t device_id;
        int64_t incident_id;
        int64_t command_id;
        int32_t episode;
        int32_t count;
        uint32_t incident_firing;
        bool incident_acked;
        bool firing;
        const char *state; /* the row's */
};

static void read_alert(const struct mu_pg_result *rows, size_t row, struct alert *alert)
{
        *alert = (struct alert){
                .id = mu_pg_get_int(rows, row, MU_REMEDY_ALERT_ID),
                .device_id = mu_pg_get_int(rows, row, MU_REMEDY_DEVICE_ID),
                .incident_id = mu_pg_get_int(rows, row, MU_REMEDY_INCIDENT_ID),
                .command_id = mu_pg_get_int(rows, row, MU_REMEDY_COMMAND_ID),
                .episode = (int32_t)mu_pg_get_int(rows, row, MU_REMEDY_EPISODE),
                .count = (int32_t)mu_pg_get_int(rows, row, MU_REMEDY_COUNT),
                .incident_firing = (uint32_t)mu_pg_get_int(rows, row, MU_REMEDY_INCIDENT_FIRING),
                .incident_acked = mu_pg_get_bool(rows, row, MU_REMEDY_INCIDENT_ACKED),
                .firing = mu_pg_get_bool(rows, row, MU_REMEDY_FIRING),
                .state = mu_pg_get_text(rows, row, MU_REMEDY_STATE),
        };
}

/* ---- what a step writes ---- */

static struct mu_pg_value id_or_null(int64_t id)
{
        return id > 0 ? mu_pg_int8(id) : mu_pg_null(MU_PG_INT8);
}

/* command_id 0: none is under way. state NULL: nothing is to be looked at. due_us 0: none. */
static int set(struct round *round, const struct alert *alert, int64_t command_id,
               const char *state, int64_t due_us, int32_t count)
{
        return mu_pg_query(
                round->pg, &mu_remedy_set_sql,
                MU_PG_VALUES(mu_pg_int8(alert->id), id_or_null(command_id), mu_pg_text(state),
                             due_us > 0 ? mu_pg_timestamptz(due_us) : mu_pg_null(MU_PG_TIMESTAMPTZ),
                             mu_pg_int4(count)),
                NULL);
}

static int insert_event(struct round *round, const struct alert *alert, const char *kind,
                        const char *detail)
{
        return mu_pg_query(round->pg, &mu_remedy_event_sql,
                           MU_PG_VALUES(mu_pg_timestamptz(round->now_us),
                                        id_or_null(alert->incident_id), mu_pg_int8(alert->id),
                                        mu_pg_int8(alert->device_id), mu_pg_int4(alert->episode),
                                        mu_pg_text(kind), mu_pg_jsonb(detail, strlen(detail))),
                           NULL);
}

/* A line of the thread. kind: a literal. Takes the detail, which may be NULL: no memory. */
static int tell(struct round *round, const struct alert *alert, const char *kind, json_t *detail)
{
        char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;

        json_decref(detail);
        if (!text)
                return -ENOMEM;
        int error = insert_event(round, alert, kind, text);

        free(text);
        if (error < 0)
                return error;
        MU_ASSERT(round->news_count < STEPS * CHUNK);
        round->news[round->news_count++] = (struct news){
                .device_id = alert->device_id,
                .incident_id = alert->incident_id,
                .alert_id = alert->id,
                .firing_count = alert->incident_firing,
                .acked = alert->incident_acked,
                .change = kind,
        };
        return 0;
}

/* Channels hear of it, once a round. */
static void mark_updated(struct round *round, const struct alert *alert)
{
        if (!alert->firing || alert->incident_id == 0)
                return;
        for (size_t i = 0; i < round->updated_count; i++)
                if (round->updated[i] == alert->incident_id)
                        return;
        round->updated[round->updated_count++] = alert->incident_id;
}

static json_t *detail_of(int64_t command_id, int32_t try_number)
{
        char id[ID_BYTES];

        (void)snprintf(id, sizeof(id), "%lld", (long long)command_id);
        return json_pack("{s:s, s:i, s:i}", "command_id", id, "try", try_number, "of",
                         MU_REMEDY_TRIES_MAX);
}

/* ---- a command is over ---- */

static int end(struct round *round, const struct alert *alert, const char *state,
               const char *error_text)
{
        bool done = strcmp(state, "done") == 0;
        /* After the last one in vain there is nothing to wait for. */
        bool last = alert->count >= MU_REMEDY_TRIES_MAX;
        size_t try_index = (size_t)(last ? MU_REMEDY_TRIES_MAX : alert->count) - 1;
        int64_t wait_us = last && !done ? 0 : waits_us[try_index];
        json_t *detail = detail_of(alert->command_id, alert->count);

        MU_ASSERT(alert->count > 0);
        if (!detail || json_object_set_new(detail, "state", json_string(state)) < 0 ||
            (*error_text && json_object_set_new(detail, "error", json_string(error_text)) < 0)) {
                json_decref(detail);
                return -ENOMEM;
        }
        int error = tell(round, alert, done ? "remedy_done" : "remedy_failed", detail);

        if (error == 0)
                error = set(round, alert, 0, done ? "done" : "failed", round->now_us + wait_us,
                            alert->count);
        mark_updated(round, alert);
        return error;
}

static int end_command(struct round *round, const struct mu_pg_result *rows, size_t row)
{
        struct alert alert;

        read_alert(rows, row, &alert);
        return end(round, &alert, mu_pg_get_text(rows, row, MU_REMEDY_COLUMNS),
                   mu_pg_get_text(rows, row, MU_REMEDY_COLUMNS + 1));
}

/* ---- the alert is over ---- */

/* What has not gone out need not: the service runs again. */
static int take_back(struct round *round, const struct alert *alert)
{
        struct mu_pg_result *result;
        int error = mu_pg_query(
                round->pg, &mu_remedy_take_back_sql,
                MU_PG_VALUES(mu_pg_int8(alert->device_id), mu_pg_int8(alert->command_id)), &result);

        if (error < 0)
                return error;
        bool taken = mu_pg_affected(result) == 1;

        mu_pg_result_free(result);
        if (!taken) /* it has gone out meanwhile, and its end is waited for */
                return 0;
        error = tell(round, alert, "remedy_cancelled", detail_of(alert->command_id, alert->count));
        return error < 0 ? error : set(round, alert, 0, NULL, 0, alert->count);
}

static int end_alert(struct round *round, const struct mu_pg_result *rows, size_t row)
{
        bool recovered = mu_pg_get_bool(rows, row, MU_REMEDY_COLUMNS);
        struct alert alert;
        int error = 0;

        read_alert(rows, row, &alert);
        if (strcmp(alert.state, "sent") == 0)
                return take_back(round, &alert);
        if (recovered && strcmp(alert.state, "done") == 0)
                error = tell(
                        round, &alert, "remedy_worked",
                        json_pack("{s:i, s:i}", "try", alert.count, "of", MU_REMEDY_TRIES_MAX));
        return error < 0 ? error : set(round, &alert, 0, NULL, 0, alert.count);
}

/* ---- nothing helped ---- */

static int give_up(struct round *round, const struct mu_pg_result *rows, size_t row)
{
        struct alert alert;

        read_alert(rows, row, &alert);
        int error = tell(round, &alert, "remedy_gave_up",
                         json_pack("{s:i, s:i}", "try", alert.count, "of", MU_REMEDY_TRIES_MAX));

        mark_updated(round, &alert);
        return error < 0 ? error : set(round, &alert, 0, "gave_up", 0, alert.count);
}

/* ---- another try ---- */

static int queue(struct round *round, const struct alert *alert, const char *package,
                 int64_t *ret_id)
{
        char created_by[ID_BYTES + 8];
        json_t *payload = json_pack("{s:s}", "package", package);
        int64_t id = 0;

        if (!payload)
                return -ENOMEM;
        (void)snprintf(created_by, sizeof(created_by), "alert:%lld", (long long)alert->id);
        int error = mu_own_command_queue(round->pg,
                                         &(struct mu_own_command){.device_id = alert->device_id,
                                                                  .type = COMMAND,
                                                                  .payload = payload,
                                                                  .created_by = created_by},
                                         &id);

        json_decref(payload);
        MU_FAILPOINT("remedy.queued", error);
        if (error == 0)
                *ret_id = id;
        return error;
}

static int send_command(struct round *round, const struct mu_pg_result *rows, size_t row)
{
        const char *package = mu_pg_get_text(rows, row, MU_REMEDY_COLUMNS);
        struct alert alert;
        int64_t id = 0;

        read_alert(rows, row, &alert);
        int error = queue(round, &alert, package, &id);

        if (error == 0 && id == 0) /* too many wait for the device: later, and that is no try */
                return set(round, &alert, 0, *alert.state ? alert.state : NULL,
                           round->now_us + waits_us[0], alert.count);
        if (error < 0)
                return error;
        json_t *detail = detail_of(id, alert.count + 1);

        if (!detail || json_object_set_new(detail, "package", json_string(package)) < 0) {
                json_decref(detail);
                return -ENOMEM;
        }
        error = tell(round, &alert, "remedy_sent", detail);
        if (error == 0) {
                round->news[round->news_count - 1].command_id = id;
                error = set(round, &alert, id, "sent", 0, alert.count + 1);
        }
        return error;
}

/* ---- a round ---- */

static int step(struct round *round, const struct mu_pg_statement *statement,
                const struct mu_pg_value *values,
                int (*each)(struct round *round, const struct mu_pg_result *rows, size_t row))
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(round->pg, statement, values, &rows);

        if (error < 0)
                return error;
        for (size_t i = 0; error == 0 && i < mu_pg_rows(rows); i++)
                error = each(round, rows, i);
        round->more = round->more || mu_pg_rows(rows) == CHUNK;
        mu_pg_result_free(rows);
        return error;
}

static int run(struct round *round)
{
        struct mu_pg_value now = mu_pg_timestamptz(round->now_us);
        struct mu_pg_value tries = mu_pg_int4(MU_REMEDY_TRIES_MAX);
        struct mu_pg_value chunk = mu_pg_int8(CHUNK);
        int error = step(round, &mu_remedy_ended_sql, MU_PG_VALUES(chunk), end_command);

        if (error == 0)
                error = step(round, &mu_remedy_over_sql, MU_PG_VALUES(chunk), end_alert);
        if (error == 0)
                error = step(round, &mu_remedy_vain_sql, MU_PG_VALUES(now, tries, chunk), give_up);
        if (error == 0)
                error = step(round, &mu_remedy_due_sql, MU_PG_VALUES(now, tries, chunk),
                             send_command);
        if (error == 0 && round->updated_count > 0)
                error = mu_alert_outbox_add(round->pg, round->updated, round->updated_count,
                                            MU_NOTICE_UPDATED, round->now_us, round->now_us, NULL);
        return error;
}

static void publish(struct mu_bus *bus, const struct news *news, int64_t now_us)
{
        struct mu_bus_event event = {
                .kind = MU_BUS_ALERT,
                .device_id = news->device_id,
                .as.alert = {.incident_id = news->incident_id,
                             .alert_id = news->alert_id,
                             .at_us = now_us,
                             .firing_count = news->firing_count,
                             .acked = news->acked},
        };

        (void)snprintf(event.as.alert.rule, sizeof(event.as.alert.rule), "%s", "service_down");
        (void)snprintf(event.as.alert.change, sizeof(event.as.alert.change), "%s", news->change);
        mu_bus_publish(bus, &event, 1);
}

static void tell_all(const struct mu_remedy_config *config, const struct round *round)
{
        for (size_t i = 0; i < round->news_count; i++) {
                const struct news *news = &round->news[i];

                publish(config->bus, news, round->now_us);
                if (news->command_id > 0)
                        mu_own_command_tell(config->dispatcher, news->device_id, news->command_id,
                                            COMMAND);
        }
        if (round->updated_count > 0)
                mu_notifier_wake(config->notifier);
}

int mu_remedy_round(const struct mu_remedy_config *config, struct mu_pg *pg, bool *ret_more)
{
        struct round *round = calloc(1, sizeof(*round));

        if (!round)
                return -ENOMEM;
        round->pg = pg;
        round->now_us = mu_clock_realtime_us(config->clock);
        int error = mu_pg_begin(pg);

        if (error == 0)
                error = run(round);
        MU_FAILPOINT("remedy.commit", error);
        if (error == 0)
                error = mu_pg_commit(pg);
        if (error < 0)
                mu_pg_rollback(pg);
        MU_FAILPOINT("remedy.committed", error);
        if (error == 0) {
                tell_all(config, round);
                if (ret_more)
                        *ret_more = round->more;
        }
        free(round);
        return error;
}
