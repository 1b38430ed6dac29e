/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/outage_note.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/random.h"
#include "base/text.h"
#include "control/alert/outage_sql.h"
#include "control/notify/notifier.h"
#include "control/notify/outbox.h"
#include "pg/partition.h"
#include "pg/query.h"

enum {
        OUTAGES_MAX = 4, /* written down and not settled: the last may still last */
        ID_BYTES = 33,
        NOTE_BYTES_MAX = 16 * 1024,
        TEXT_BYTES = 320,
        /* A start may have to make the database or migrate it: that is no outage yet. */
        START_GRACE_S = 300,
};

#define FILE_NAME "/outage.json"

struct outage {
        char id[ID_BYTES];
        int64_t since_us;
        int64_t fired_us;
        int64_t over_us; /* 0: it lasts */
        int64_t threshold_s;
        bool told;
};

struct mu_outage {
        struct mu_outage_config config;
        char path[PATH_MAX];
        struct outage outages[OUTAGES_MAX];
        size_t count;
        bool seen_storing; /* in the life of this process */
        bool away;
        uint64_t away_since_ns;
        int64_t away_since_us;
        bool back;
        uint64_t back_since_ns;
        int64_t back_since_us;
};

static void MU_PRINTF(2, 3) trouble(struct mu_outage *outage, const char *format, ...)
{
        char detail[PATH_MAX + 128];
        va_list args;

        if (!outage->config.on_trouble)
                return;
        va_start(args, format);
        (void)vsnprintf(detail, sizeof(detail), format, args);
        va_end(args);
        outage->config.on_trouble(outage->config.ctx, detail);
}

/* The one that lasts; NULL: none. */
static struct outage *lasting(struct mu_outage *outage)
{
        struct outage *last = outage->count > 0 ? &outage->outages[outage->count - 1] : NULL;

        return last && last->over_us == 0 ? last : NULL;
}

/* ---- the note ---- */

static json_t *note_of(const struct mu_outage *outage)
{
        json_t *list = json_array();

        for (size_t i = 0; list && i < outage->count; i++) {
                const struct outage *one = &outage->outages[i];

                if (json_array_append_new(
                            list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "id", one->id,
                                            "since_us", (json_int_t)one->since_us, "fired_us",
                                            (json_int_t)one->fired_us, "over_us",
                                            (json_int_t)one->over_us, "threshold_s",
                                            (json_int_t)one->threshold_s, "told", one->told)) < 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return list ? json_pack("{s:o}", "outages", list) : NULL;
}

/* On disk when it returns 0. */
static int write_note(struct mu_outage *outage)
{
        json_t *note = note_of(outage);
        char *text = note ? json_dumps(note, JSON_COMPACT) : NULL;
        int error = text ? mu_fs_write_file(outage->path, text, strlen(text), 0600) : -ENOMEM;

        json_decref(note);
        free(text);
        if (error < 0)
                trouble(outage, "The note of a database outage can't be written to %s: %s.",
                        outage->path, strerror(-error));
        return error;
}

static void remove_note(struct mu_outage *outage)
{
        int error = unlink(outage->path) < 0 && errno != ENOENT ? -errno : 0;

        if (error == 0)
                error = mu_fs_sync_directory(outage->config.directory);
        if (error < 0)
                trouble(outage, "The note of a database outage can't be removed from %s: %s.",
                        outage->path, strerror(-error));
}

static bool take_outage(const json_t *entry, struct outage *outage)
{
        const char *id;
        json_int_t since_us;
        json_int_t fired_us;
        json_int_t over_us;
        json_int_t threshold_s;
        int told;

        if (json_unpack((json_t *)entry, "{s:s, s:I, s:I, s:I, s:I, s:b}", "id", &id, "since_us",
                        &since_us, "fired_us", &fired_us, "over_us", &over_us, "threshold_s",
                        &threshold_s, "told", &told) < 0 ||
            strlen(id) != ID_BYTES - 1)
                return false;
        *outage = (struct outage){.since_us = since_us,
                                  .fired_us = fired_us,
                                  .over_us = over_us,
                                  .threshold_s = threshold_s,
                                  .told = told != 0};
        memcpy(outage->id, id, ID_BYTES);
        return true;
}

/* What can't be understood is as good as not there: the outage is told again then. */
static void read_note(struct mu_outage *outage)
{
        char *text = NULL;
        int error = mu_fs_read_file(outage->path, NOTE_BYTES_MAX, &text, NULL);
        json_t *note = error == 0 ? json_loads(text, 0, NULL) : NULL;
        const json_t *list = json_object_get(note, "outages");

        for (size_t i = 0; i < json_array_size(list) && i < OUTAGES_MAX; i++)
                if (take_outage(json_array_get(list, i), &outage->outages[outage->count]))
                        outage->count++;
        if ((error < 0 && error != -ENOENT) || (error == 0 && outage->count == 0))
                trouble(outage, "The note of a database outage in %s can't be read: %s.",
                        outage->path, error < 0 ? strerror(-error) : "it is damaged");
        json_decref(note);
        free(text);
}

int mu_outage_create(const struct mu_outage_config *config, struct mu_outage **ret_outage)
{
        struct mu_outage *outage = calloc(1, sizeof(*outage));

        if (!outage)
                return -ENOMEM;
        outage->config = *config;
        int bytes = snprintf(outage->path, sizeof(outage->path), "%s" FILE_NAME, config->directory);
        int error = bytes < 0 || (size_t)bytes >= sizeof(outage->path) ? -ENAMETOOLONG : 0;

        if (error == 0)
                error = mu_fs_make_directories(config->directory, 0700);
        if (error < 0) {
                free(outage);
                return error;
        }
        read_note(outage);
        *ret_outage = outage;
        return 0;
}

void mu_outage_destroy(struct mu_outage *outage)
{
        free(outage);
}

/* ---- while it lasts ---- */

static void make_text(const struct outage *one, char text[TEXT_BYTES])
{
        time_t since = (time_t)(one->since_us / MU_US_PER_S);
        char time_text[32] = "";
        struct tm parts;

        if (gmtime_r(&since, &parts))
                (void)strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M:%S UTC", &parts);
        (void)snprintf(text, TEXT_BYTES,
                       "PostgreSQL takes no heartbeats since %s (limit %lld s). Devices are still "
                       "answered: the journal keeps what they send. The console and other alerts "
                       "wait for the database.",
                       time_text, (long long)one->threshold_s);
}

/* The note first: a daemon that crashes in a loop must not tell it again and again. */
static void tell(struct mu_outage *outage, struct outage *one)
{
        char key[ID_BYTES + 16];
        char text[TEXT_BYTES];
        int error = -ENODATA;

        MU_FAILPOINT("outage.noted", error);
        (void)snprintf(key, sizeof(key), "outage-%s", one->id);
        make_text(one, text);
        if (outage->config.notifier)
                error = mu_notifier_tell_directly(outage->config.notifier, key, true,
                                                  "Database away", text);
        MU_FAILPOINT("outage.told", error);
        if (error == 0)
                return;
        one->told = false;
        (void)write_note(outage);
        if (error != -ENODATA)
                trouble(outage, "Nobody could be told that the database is away: %s.",
                        strerror(-error));
}

static void make_room(struct mu_outage *outage)
{
        if (outage->count < OUTAGES_MAX)
                return;
        trouble(outage, "A database outage is forgotten: %d wait to be written down already.",
                OUTAGES_MAX);
        memmove(&outage->outages[0], &outage->outages[1],
                (OUTAGES_MAX - 1) * sizeof(outage->outages[0]));
        outage->count--;
}

static void raise_outage(struct mu_outage *outage, uint32_t threshold_s, int64_t now_us)
{
        uint8_t id[(ID_BYTES - 1) / 2];

        make_room(outage);
        struct outage *one = &outage->outages[outage->count++];

        *one = (struct outage){
                .since_us = outage->away_since_us,
                .fired_us = now_us > outage->away_since_us ? now_us : outage->away_since_us,
                .threshold_s = threshold_s,
                .told = true,
        };
        if (mu_random_secret(id, sizeof(id)) == 0)
                mu_text_hex(id, sizeof(id), one->id);
        else
                (void)snprintf(one->id, sizeof(one->id), "%032llx",
                               (unsigned long long)one->since_us);
        (void)write_note(outage);
        tell(outage, one);
}

static void tick_away(struct mu_outage *outage, const struct mu_outage_rule *rule, uint64_t now_ns,
                      int64_t now_us)
{
        uint64_t threshold_s = rule->threshold_s;

        outage->back = false;
        if (!outage->away) {
                outage->away = true;
                outage->away_since_ns = now_ns;
                outage->away_since_us = now_us;
        }
        if (!outage->seen_storing)
                threshold_s += START_GRACE_S;
        if (rule->enabled && !lasting(outage) &&
            now_ns - outage->away_since_ns >= threshold_s * (uint64_t)MU_NS_PER_S)
                raise_outage(outage, rule->threshold_s, now_us);
}

static void tick_back(struct mu_outage *outage, const struct mu_outage_rule *rule, uint64_t now_ns,
                      int64_t now_us)
{
        struct outage *one = lasting(outage);

        outage->seen_storing = true;
        outage->away = false;
        if (!outage->back) {
                outage->back = true;
                outage->back_since_ns = now_ns;
                outage->back_since_us = now_us;
        }
        if (!one ||
            now_ns - outage->back_since_ns < (uint64_t)rule->clear_hold_s * (uint64_t)MU_NS_PER_S)
                return;
        one->over_us =
                outage->back_since_us > one->fired_us ? outage->back_since_us : one->fired_us;
        (void)write_note(outage);
}

void mu_outage_tick(struct mu_outage *outage, bool storing, const struct mu_outage_rule *rule)
{
        uint64_t now_ns = mu_clock_monotonic_ns(outage->config.clock);
        int64_t now_us = mu_clock_realtime_us(outage->config.clock);

        if (storing)
                tick_back(outage, rule, now_ns, now_us);
        else
                tick_away(outage, rule, now_ns, now_us);
}

bool mu_outage_is_firing(const struct mu_outage *outage)
{
        return outage->count > 0 && outage->outages[outage->count - 1].over_us == 0;
}

/* ---- afterwards ---- */

static size_t count_over(const struct mu_outage *outage)
{
        return outage->count - (mu_outage_is_firing(outage) ? 1 : 0);
}

bool mu_outage_is_over(const struct mu_outage *outage)
{
        return count_over(outage) > 0;
}

/* *ret_incident 0: it was written before. */
static int open_incident(struct mu_pg *pg, const struct outage *one, int64_t *ret_incident)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &mu_outage_open_sql,
                MU_PG_VALUES(mu_pg_text(one->id), mu_pg_timestamptz(one->since_us),
                             mu_pg_timestamptz(one->fired_us), mu_pg_timestamptz(one->over_us),
                             mu_pg_int8((one->over_us - one->since_us) / MU_US_PER_S),
                             mu_pg_int8(one->threshold_s), mu_pg_bool(one->told)),
                &rows);

        if (error < 0)
                return error;
        *ret_incident = mu_pg_rows(rows) == 1 ? mu_pg_get_int(rows, 0, 0) : 0;
        mu_pg_result_free(rows);
        return 0;
}

/* As if each edge had been written when it happened. */
static int settle_one(struct mu_pg *pg, const struct outage *one, int64_t now_us)
{
        int64_t incident;
        int error = open_incident(pg, one, &incident);

        if (error < 0 || incident == 0)
                return error;
        error = mu_alert_outbox_add(pg, &incident, 1, MU_NOTICE_OPENED, one->fired_us,
                                    one->fired_us, NULL);
        if (error == 0 && one->told)
                error = mu_pg_query(
                        pg, &mu_outage_told_sql,
                        MU_PG_VALUES(mu_pg_int8(incident), mu_pg_timestamptz(one->fired_us)), NULL);
        if (error == 0)
                error = mu_pg_query(
                        pg, &mu_outage_close_sql,
                        MU_PG_VALUES(mu_pg_int8(incident), mu_pg_timestamptz(one->over_us)), NULL);
        if (error == 0)
                error = mu_alert_outbox_add(pg, &incident, 1, MU_NOTICE_CLOSED, one->over_us,
                                            now_us, NULL);
        return error;
}

static int settle_all(struct mu_outage *outage, struct mu_pg *pg, size_t count)
{
        int64_t now_us = mu_clock_realtime_us(outage->config.clock);
        int error = 0;

        /* Its days may be older than any that the jobs make. */
        for (size_t i = 0; error == 0 && i < count; i++) {
                const struct outage *one = &outage->outages[i];

                error = mu_partitions_ensure(pg, MU_PARENT_ALERT_EVENTS,
                                             mu_partition_day(one->fired_us / MU_US_PER_S),
                                             mu_partition_day(one->over_us / MU_US_PER_S), NULL);
        }
        if (error == 0)
                error = mu_pg_begin(pg);
        for (size_t i = 0; error == 0 && i < count; i++)
                error = settle_one(pg, &outage->outages[i], now_us);
        MU_FAILPOINT("outage.commit", error);
        if (error == 0)
                error = mu_pg_commit(pg);
        if (error < 0)
                mu_pg_rollback(pg);
        return error;
}

int mu_outage_settle(struct mu_outage *outage, struct mu_pg *pg)
{
        size_t count = count_over(outage);
        int error = count > 0 ? settle_all(outage, pg, count) : 0;

        if (error == 0 && count > 0)
                MU_FAILPOINT("outage.committed", error);
        if (error < 0 || count == 0)
                return error;
        outage->count -= count;
        memmove(&outage->outages[0], &outage->outages[count],
                outage->count * sizeof(outage->outages[0]));
        if (outage->count > 0)
                (void)write_note(outage);
        else
                remove_note(outage);
        mu_notifier_wake(outage->config.notifier);
        return 0;
}
