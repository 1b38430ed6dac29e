/* SPDX-License-Identifier: Apache-2.0 */
#include "control/security/security_event.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/text.h"
#include "control/guard.h"
#include "pg/partition.h"
#include "pg/query.h"

enum {
        BUCKETS = 1024,
        NONE = 0xffff,
        MINUTE_US = 60 * 1000 * 1000,
};

static const char *const NAMES[MU_SECURITY_EVENT_COUNT] = {
        [MU_SECURITY_LOGIN_FAILED] = "login_failed",
        [MU_SECURITY_LOCKOUT] = "lockout",
        [MU_SECURITY_SESSION_REUSE] = "session_reuse",
        [MU_SECURITY_PASSWORD_RESET] = "password_reset",
        [MU_SECURITY_UNAUTHENTICATED] = "unauthenticated",
        [MU_SECURITY_FORBIDDEN] = "forbidden",
        [MU_SECURITY_BAD_SIGNATURE] = "bad_signature",
        [MU_SECURITY_REPLAY] = "replay",
        [MU_SECURITY_UPLOAD_REFUSED] = "upload_refused",
        [MU_SECURITY_LIMITED] = "limited",
        [MU_SECURITY_ORIGIN_REFUSED] = "origin_refused",
        [MU_SECURITY_CLONE] = "clone",
};

/* One (minute, kind, address). It stays until its minute is over, so that repeats find it. */
struct entry {
        int64_t minute;
        int64_t first_us;
        int64_t last_us;
        uint64_t unwritten; /* what the table has not been told yet */
        enum mu_security_event kind;
        struct mu_address address;
        uint16_t next; /* of the same bucket, or of the free ones */
        bool used;
        char principal[MU_PRINCIPAL_NAME_BYTES + 16];
        char detail[MU_SECURITY_DETAIL_BYTES];
};

struct mu_security_events {
        _Atomic uint64_t totals[MU_SECURITY_EVENT_COUNT];
        _Atomic uint64_t dropped;
        struct mu_hash_key key;
        pthread_mutex_t lock;
        uint16_t buckets[BUCKETS];
        uint16_t free_first;
        struct entry entries[MU_SECURITY_PENDING_MAX];
};

const char *mu_security_event_name(enum mu_security_event kind)
{
        return NAMES[kind];
}

static double read_total(void *context)
{
        return (double)atomic_load_explicit((_Atomic uint64_t *)context, memory_order_relaxed);
}

static void register_metrics(struct mu_metrics *metrics, struct mu_security_events *events)
{
        for (int i = 0; i < MU_SECURITY_EVENT_COUNT; i++)
                mu_metrics_counter_fn(metrics, "muster_security_events_total",
                                      "What looks like an attack, by kind.",
                                      MU_LABELS({"kind", NAMES[i]}), read_total,
                                      &events->totals[i]);
        mu_metrics_counter_fn(metrics, "muster_security_events_dropped_total",
                              "Security events that are in no log because too many were pending.",
                              MU_NO_LABELS, read_total, &events->dropped);
}

int mu_security_events_create(struct mu_control *control, struct mu_security_events **ret_events)
{
        struct mu_security_events *events = calloc(1, sizeof(*events));
        int error = events ? mu_random_secret(&events->key, sizeof(events->key)) : -ENOMEM;

        if (error < 0) {
                free(events);
                return error;
        }
        pthread_mutex_init(&events->lock, NULL);
        memset(events->buckets, 0xff, sizeof(events->buckets));
        for (uint16_t i = 0; i < MU_SECURITY_PENDING_MAX; i++)
                events->entries[i].next = i + 1 < MU_SECURITY_PENDING_MAX ? i + 1 : NONE;
        register_metrics(control->config.metrics, events);
        *ret_events = events;
        return 0;
}

void mu_security_events_destroy(struct mu_security_events *events)
{
        if (!events)
                return;
        pthread_mutex_destroy(&events->lock);
        free(events);
}

/* ---- noting ---- */

static size_t bucket_of(const struct mu_security_events *events, const struct entry *entry)
{
        struct {
                int64_t minute;
                int64_t kind;
                struct mu_address address;
        } key = {entry->minute, entry->kind, entry->address};

        return (size_t)(mu_hash_bytes(&events->key, &key, sizeof(key)) % BUCKETS);
}

static bool is_same(const struct entry *a, const struct entry *b)
{
        return a->minute == b->minute && a->kind == b->kind &&
               memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

static void unlink_entry(struct mu_security_events *events, struct entry *entry)
{
        uint16_t index = (uint16_t)(entry - events->entries);
        uint16_t *at = &events->buckets[bucket_of(events, entry)];

        while (*at != index)
                at = &events->entries[*at].next;
        *at = entry->next;
        entry->used = false;
        entry->next = events->free_first;
        events->free_first = index;
}

/* True: it is the first of its kind in this minute. */
static bool add(struct mu_security_events *events, const struct entry *fresh)
{
        uint16_t *bucket = &events->buckets[bucket_of(events, fresh)];

        for (uint16_t i = *bucket; i != NONE; i = events->entries[i].next) {
                struct entry *entry = &events->entries[i];

                if (!is_same(entry, fresh))
                        continue;
                entry->last_us = fresh->last_us;
                entry->unwritten += fresh->unwritten;
                return false;
        }
        uint16_t index = events->free_first;

        if (index == NONE) {
                atomic_fetch_add_explicit(&events->dropped, 1, memory_order_relaxed);
                return false;
        }
        struct entry *place = &events->entries[index];

        events->free_first = place->next;
        *place = *fresh;
        place->used = true;
        place->next = *bucket;
        *bucket = index;
        return true;
}

void mu_security_event(struct mu_control *control, enum mu_security_event kind,
                       const struct mu_address *address, const char *principal,
                       const char *detail_format, ...)
{
        struct mu_security_events *events = control->guard->events;
        int64_t now_us = mu_clock_realtime_us(control->config.clock);
        struct entry fresh = {.minute = now_us / MINUTE_US,
                              .first_us = now_us,
                              .last_us = now_us,
                              .unwritten = 1,
                              .kind = kind,
                              .address = address ? *address : MU_ADDRESS_ANY};
        char text[MU_ADDRESS_TEXT_BYTES] = "";
        va_list arguments;

        atomic_fetch_add_explicit(&events->totals[kind], 1, memory_order_relaxed);
        (void)snprintf(fresh.principal, sizeof(fresh.principal), "%s", principal ? principal : "");
        va_start(arguments, detail_format);
        (void)vsnprintf(fresh.detail, sizeof(fresh.detail), detail_format, arguments);
        va_end(arguments);
        pthread_mutex_lock(&events->lock);
        bool is_first = add(events, &fresh);

        pthread_mutex_unlock(&events->lock);
        if (!is_first || !control->config.on_security_event)
                return;
        if (address)
                mu_address_format(*address, text);
        control->config.on_security_event(control->config.ctx, NAMES[kind], text, fresh.principal,
                                          fresh.detail);
}

/* ---- writing down ---- */

/* Moves what is unwritten into taken, and forgets the minutes gone by. How many. */
static size_t take(struct mu_security_events *events, int64_t minute, struct entry *taken)
{
        size_t count = 0;

        pthread_mutex_lock(&events->lock);
        for (size_t i = 0; i < MU_SECURITY_PENDING_MAX; i++) {
                struct entry *entry = &events->entries[i];

                if (!entry->used)
                        continue;
                if (entry->unwritten > 0)
                        taken[count++] = *entry;
                entry->unwritten = 0;
                if (entry->minute < minute)
                        unlink_entry(events, entry);
        }
        pthread_mutex_unlock(&events->lock);
        return count;
}

static void put_back(struct mu_security_events *events, const struct entry *taken, size_t count)
{
        pthread_mutex_lock(&events->lock);
        for (size_t i = 0; i < count; i++)
                (void)add(events, &taken[i]);
        pthread_mutex_unlock(&events->lock);
}

static void add_text(struct mu_text *json, const char *name, const char *value)
{
        mu_text_add_format(json, ",\"%s\":", name);
        mu_text_add_json(json, value, strlen(value));
}

static void add_row(struct mu_text *json, const struct entry *entry)
{
        static const struct mu_address none;
        char address[MU_ADDRESS_TEXT_BYTES] = "";

        if (memcmp(&entry->address, &none, sizeof(none)) != 0)
                mu_address_format(entry->address, address);
        mu_text_add_format(json,
                           "{\"minute\":%" PRId64 ",\"first_us\":%" PRId64 ",\"last_us\":%" PRId64
                           ",\"count\":%" PRIu64,
                           entry->minute, entry->first_us, entry->last_us, entry->unwritten);
        add_text(json, "kind", NAMES[entry->kind]);
        add_text(json, "address", address);
        add_text(json, "principal", entry->principal);
        add_text(json, "detail", entry->detail);
        mu_text_add(json, "}");
}

/* Several musterds, or one that was restarted within the minute, add to the same row. */
static const struct mu_pg_statement WRITE = {
        .name = "security_events_write",
        .sql = "INSERT INTO security_events"
               "  (minute, first_at, last_at, count, kind, address, principal, detail)"
               " SELECT to_timestamp(e.minute * 60), to_timestamp(e.first_us / 1e6),"
               "  to_timestamp(e.last_us / 1e6), e.count, e.kind, e.address, e.principal, e.detail"
               " FROM jsonb_to_recordset($1) AS e (minute bigint, first_us bigint, last_us bigint,"
               "  count bigint, kind text, address text, principal text, detail text)"
               " ON CONFLICT (minute, kind, address) DO UPDATE SET"
               "  last_at = greatest(security_events.last_at, excluded.last_at),"
               "  count = security_events.count + excluded.count",
        .params = {MU_PG_JSONB},
};

static int write_down(struct mu_pg *pg, const struct entry *taken, size_t count)
{
        struct mu_text json;

        mu_text_init(&json);
        mu_text_add(&json, "[");
        for (size_t i = 0; i < count; i++) {
                if (i > 0)
                        mu_text_add(&json, ",");
                add_row(&json, &taken[i]);
        }
        mu_text_add(&json, "]");
        int error = mu_text_status(&json);

        if (error == 0)
                error = mu_pg_query(pg, &WRITE, MU_PG_VALUES(mu_pg_jsonb(json.data, json.bytes)),
                                    NULL);
        mu_text_done(&json);
        return error;
}

/* The clock may have been set to a day whose partition was not made ahead. */
static int make_days(struct mu_pg *pg, const struct entry *taken, size_t count)
{
        int64_t first = INT64_MAX;
        int64_t last = INT64_MIN;

        for (size_t i = 0; i < count; i++) {
                int64_t day = mu_partition_day(taken[i].minute * 60);

                first = day < first ? day : first;
                last = day > last ? day : last;
        }
        int error = mu_partitions_ensure(pg, MU_PARENT_SECURITY_EVENTS, first, first, NULL);

        return error < 0 ? error
                         : mu_partitions_ensure(pg, MU_PARENT_SECURITY_EVENTS, last, last, NULL);
}

int mu_security_events_flush(struct mu_control *control, struct mu_pg *pg, uint64_t *ret_written)
{
        struct mu_security_events *events = control->guard->events;
        int64_t minute = mu_clock_realtime_us(control->config.clock) / MINUTE_US;
        struct entry *taken = calloc(MU_SECURITY_PENDING_MAX, sizeof(*taken));

        if (!taken)
                return -ENOMEM;
        size_t count = take(events, minute, taken);
        int error = count > 0 ? write_down(pg, taken, count) : 0;

        if (error < 0 && mu_pg_error_is_missing_partition(mu_pg_last_error(pg))) {
                error = make_days(pg, taken, count);
                if (error == 0)
                        error = write_down(pg, taken, count);
        }
        if (error < 0)
                put_back(events, taken, count);
        else
                *ret_written = count;
        free(taken);
        return error;
}
