/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/partition.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "pg/advisory_lock.h"
#include "pg/query.h"

/* How a day stands: there, made before and taken out since, or missing. The registry may lack a
 * leaf that is there (a restore, somebody's own hand), never the other way round. */
static const struct mu_pg_statement STATE = {
        .name = "partition_state",
        .sql = "SELECT EXISTS (SELECT FROM pg_inherits i"
               "   WHERE i.inhparent = to_regclass($1) AND i.inhrelid = to_regclass($2)"
               "   AND NOT i.inhdetachpending),"
               " (SELECT r.state FROM partition_registry r WHERE r.parent = $1 AND r.partition = "
               "$2)",
        .params = {MU_PG_TEXT, MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement REGISTER = {
        .name = "partition_register",
        .sql = "INSERT INTO partition_registry (parent, partition, range_from, range_to)"
               " VALUES ($1, $2, $3, $4) ON CONFLICT (parent, partition) DO NOTHING",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

/* Days that are there, so that the usual call, which finds all of them, is one statement. */
static const struct mu_pg_statement COUNT = {
        .name = "partition_count",
        .sql = "SELECT count(*) FROM partition_registry r"
               " JOIN pg_inherits i ON i.inhparent = to_regclass($1)"
               "   AND i.inhrelid = to_regclass(r.partition) AND NOT i.inhdetachpending"
               " WHERE r.parent = $1 AND r.state = 'attached'"
               " AND r.range_from >= $2 AND r.range_from <= $3",
        .params = {MU_PG_TEXT, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

/* Heartbeats: rows are only added, and a leaf is gone long before they would need freezing: vacuum
 * has nothing to do but mark pages and summarise the BRIN index, so it comes seldom. */
static const struct mu_parent_facts PARENTS[MU_PARENTS] = {
        [MU_PARENT_HEARTBEATS] =
                {
                        .table = MU_PARTITION_HEARTBEATS,
                        .column = "bucket",
                        .storage = " WITH (fillfactor = 100,"
                                   " autovacuum_vacuum_insert_threshold = 200000,"
                                   " autovacuum_vacuum_insert_scale_factor = 0.5,"
                                   " autovacuum_analyze_threshold = 50000)",
                        .archived = true,
                },
        [MU_PARENT_ALERT_EVENTS] =
                {
                        .table = "alert_events",
                        .column = "at",
                        .storage = "",
                        .archived = true,
                },
        [MU_PARENT_SECURITY_EVENTS] =
                {
                        .table = "security_events",
                        .column = "minute",
                        .storage = "",
                },
};

enum day_state { DAY_MISSING, DAY_THERE, DAY_TAKEN_OUT };

const struct mu_parent_facts *mu_parent_facts(enum mu_parent parent)
{
        MU_ASSERT(parent < MU_PARENTS);
        return &PARENTS[parent];
}

int64_t mu_partition_day(int64_t unix_s)
{
        int64_t day = unix_s / MU_S_PER_DAY;

        return unix_s % MU_S_PER_DAY < 0 ? day - 1 : day;
}

/* Civil date from a day number (the proleptic Gregorian calendar that PostgreSQL uses too), with
 * years counted from March so that the leap day comes last. */
static void civil(int64_t day, int *ret_year, int *ret_month, int *ret_day)
{
        int64_t shifted = day + 719468; /* since 0000-03-01 */
        int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
        int64_t of_era = shifted - era * 146097;
        int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
        int64_t month = (5 * of_year + 2) / 153;

        *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
        *ret_month = (int)(month < 10 ? month + 3 : month - 9);
        *ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

void mu_partition_name(enum mu_parent parent, int64_t day, char ret_name[MU_PARTITION_NAME_BYTES])
{
        int year, month, of_month;

        MU_ASSERT(day >= MU_PARTITION_DAY_MIN && day <= MU_PARTITION_DAY_MAX);
        civil(day, &year, &month, &of_month);
        /* The remainders tell the compiler how wide the numbers can be. */
        snprintf(ret_name, MU_PARTITION_NAME_BYTES, "%s_%04u%02u%02u",
                 mu_parent_facts(parent)->table, (unsigned)year % 10000, (unsigned)month % 100,
                 (unsigned)of_month % 100);
}

static int64_t day_start_us(int64_t day)
{
        return day * MU_S_PER_DAY * MU_US_PER_S;
}

static int read_state(struct mu_pg *pg, const char *table, const char *name,
                      enum day_state *ret_state)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &STATE, MU_PG_VALUES(mu_pg_text(table), mu_pg_text(name)), &rows);

        if (err)
                return err;
        const char *registered = mu_pg_get_text(rows, 0, 1);

        if (registered && strcmp(registered, "restored") == 0)
                *ret_state = DAY_TAKEN_OUT; /* there, but only to be read */
        else if (mu_pg_get_bool(rows, 0, 0))
                *ret_state = DAY_THERE;
        else if (registered && strcmp(registered, "attached") != 0)
                *ret_state = DAY_TAKEN_OUT;
        else
                *ret_state = DAY_MISSING;
        mu_pg_result_free(rows);
        return 0;
}

/* IF NOT EXISTS: a table of that name which is not attached was left by hand; ATTACH says whether
 * it fits. */
static int create_and_attach(struct mu_pg *pg, const struct mu_parent_facts *parent, int64_t day,
                             const char *name)
{
        char sql[1024];
        int year, month, of_month, next_year, next_month, next_of_month;

        civil(day, &year, &month, &of_month);
        civil(day + 1, &next_year, &next_month, &next_of_month);
        int written = snprintf(sql, sizeof(sql),
                               "CREATE TABLE IF NOT EXISTS %s (LIKE %s INCLUDING DEFAULTS INCLUDING"
                               " INDEXES INCLUDING STORAGE INCLUDING COMPRESSION)%s;"
                               " ALTER TABLE %s ATTACH PARTITION %s"
                               " FOR VALUES FROM ('%04d-%02d-%02d 00:00:00+00')"
                               " TO ('%04d-%02d-%02d 00:00:00+00')",
                               name, parent->table, parent->storage, parent->table, name, year,
                               month, of_month, next_year, next_month, next_of_month);

        MU_ASSERT(written > 0 && (size_t)written < sizeof(sql));
        return mu_pg_script(pg, "partition_make", sql);
}

/* In a transaction, under the lock: of several makers one works, the others find it done. */
static int make_day(struct mu_pg *pg, const struct mu_parent_facts *parent, int64_t day,
                    const char *name, enum day_state *ret_state)
{
        int err = mu_pg_script(pg, "partition_lock_timeout", "SET LOCAL lock_timeout = '10s'");

        if (!err)
                err = mu_advisory_lock_transaction(pg, MU_LOCK_PARTITION_MAKE);
        if (!err)
                err = read_state(pg, parent->table, name, ret_state);
        if (!err && *ret_state == DAY_MISSING)
                err = create_and_attach(pg, parent, day, name);
        if (!err && *ret_state != DAY_TAKEN_OUT)
                err = mu_pg_query(pg, &REGISTER,
                                  MU_PG_VALUES(mu_pg_text(parent->table), mu_pg_text(name),
                                               mu_pg_timestamptz(day_start_us(day)),
                                               mu_pg_timestamptz(day_start_us(day + 1))),
                                  NULL);
        return err;
}

static int ensure_day(struct mu_pg *pg, enum mu_parent parent, int64_t day,
                      enum day_state *ret_state)
{
        char name[MU_PARTITION_NAME_BYTES];

        mu_partition_name(parent, day, name);
        int err = mu_pg_begin(pg);

        if (err)
                return err;
        err = make_day(pg, mu_parent_facts(parent), day, name, ret_state);
        if (err) {
                mu_pg_rollback(pg);
                return err;
        }
        return mu_pg_commit(pg);
}

static int all_there(struct mu_pg *pg, const char *table, int64_t from_day, int64_t to_day,
                     bool *ret_there)
{
        struct mu_pg_result *rows;
        int err = mu_pg_query(pg, &COUNT,
                              MU_PG_VALUES(mu_pg_text(table),
                                           mu_pg_timestamptz(day_start_us(from_day)),
                                           mu_pg_timestamptz(day_start_us(to_day))),
                              &rows);

        if (err)
                return err;
        *ret_there = mu_pg_get_int(rows, 0, 0) == to_day - from_day + 1;
        mu_pg_result_free(rows);
        return 0;
}

int mu_partitions_ensure(struct mu_pg *pg, enum mu_parent parent, int64_t from_day, int64_t to_day,
                         uint32_t *ret_made)
{
        MU_ASSERT(from_day >= MU_PARTITION_DAY_MIN && to_day < MU_PARTITION_DAY_MAX);
        MU_ASSERT(from_day <= to_day);
        enum day_state state = DAY_THERE;
        uint32_t made = 0;
        bool there;
        int err = all_there(pg, mu_parent_facts(parent)->table, from_day, to_day, &there);

        for (int64_t day = from_day; !err && !there && day <= to_day; day++) {
                err = ensure_day(pg, parent, day, &state);
                made += !err && state == DAY_MISSING;
        }
        if (!err && state == DAY_TAKEN_OUT && from_day == to_day)
                err = -ESTALE;
        if (!err && ret_made)
                *ret_made = made;
        return err;
}

int mu_partitions_ensure_all(struct mu_pg *pg, int64_t today, uint32_t window_days,
                             uint32_t ahead_days, uint32_t *ret_made)
{
        uint32_t made = 0;
        int err = 0;

        for (enum mu_parent parent = 0; parent < MU_PARENTS && !err; parent++) {
                uint32_t of_parent = 0;
                int64_t back_days = parent == MU_PARENT_HEARTBEATS ? (int64_t)window_days + 1 : 1;

                err = mu_partitions_ensure(pg, parent, today - back_days, today + ahead_days,
                                           &of_parent);
                made += of_parent;
        }
        if (!err && ret_made)
                *ret_made = made;
        return err;
}
