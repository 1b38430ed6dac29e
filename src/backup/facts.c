/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.c - a few numbers of a database, by which a restored one is known to be the same.
 *
 * pg_basebackup gives no moment at which one could count. So each number is read before and after
 * it, and is one that only grows meanwhile: rows of tables nothing is deleted from in the ordinary
 * way, newest ids where retention deletes, and of heartbeats those received in the hour before.
 */
#include <errno.h>
#include <string.h>

#include "backup/source.h"
#include "pg/query.h"

enum { COUNT_LIMIT_MS = 10 * 60 * 1000 };

static const struct mu_pg_statement FACTS = {
        .name = "backup_facts",
        .sql = "SELECT 'devices', count(*) FROM devices"
               " UNION ALL SELECT 'newest_device', coalesce(max(id), 0) FROM devices"
               " UNION ALL SELECT 'device_last_status', count(*) FROM device_last_status"
               " UNION ALL SELECT 'newest_received_us',"
               "  coalesce((extract(epoch FROM max(received_at)) * 1000000)::bigint, 0)"
               "  FROM device_last_status"
               " UNION ALL SELECT 'users', count(*) FROM users"
               " UNION ALL SELECT 'newest_audit', coalesce(max(id), 0) FROM audit_log"
               " UNION ALL SELECT 'newest_command', coalesce(max(id), 0) FROM commands"
               " UNION ALL SELECT 'migrations', count(*) FROM schema_migrations"
               " UNION ALL SELECT 'heartbeats_of_the_hour', count(*) FROM heartbeats"
               "  WHERE received_at >= $1 AND received_at < $2",
        .params = {MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

int mu_facts_read(struct mu_pg *pg, int64_t hour_from_us, int64_t hour_to_us, json_t **ret_facts,
                  struct mu_backup_error *ret_error)
{
        struct mu_pg_result *rows;
        int err = mu_pg_set_timeout(pg, COUNT_LIMIT_MS);

        if (err == 0)
                err = mu_pg_query(pg, &FACTS,
                                  MU_PG_VALUES(mu_pg_timestamptz(hour_from_us),
                                               mu_pg_timestamptz(hour_to_us)),
                                  &rows);
        if (err < 0)
                return mu_backup_fail(ret_error, err, "the database can't be counted: %s",
                                      mu_pg_last_error(pg)->text);
        json_t *facts = json_object();

        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                (void)json_object_set_new(facts, mu_pg_get_text(rows, i, 0),
                                          json_integer(mu_pg_get_int(rows, i, 1)));
        mu_pg_result_free(rows);
        (void)json_object_set_new(facts, "hour_from_us", json_integer(hour_from_us));
        (void)json_object_set_new(facts, "hour_to_us", json_integer(hour_to_us));
        *ret_facts = facts;
        return 0;
}

json_t *mu_facts_join(const json_t *before, const json_t *after)
{
        json_t *joined = json_object();
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)(uintptr_t)before, name, value)
        {
                json_t *later = json_object_get(after, name);

                (void)json_object_set_new(joined, name,
                                          json_pack("[O, O]", value, later ? later : value));
        }
        return joined;
}

static int compare_one(const char *name, const json_t *range, json_int_t found,
                       struct mu_backup_error *error)
{
        json_int_t a = json_integer_value(json_array_get(range, 0));
        json_int_t b = json_integer_value(json_array_get(range, 1));
        json_int_t least = a < b ? a : b;
        json_int_t most = a < b ? b : a;

        if (found >= least && found <= most)
                return 0;
        return mu_backup_fail(error, -EBADMSG,
                              "the restored database has %lld for %s, and the backup was made of "
                              "one with %lld to %lld",
                              (long long)found, name, (long long)least, (long long)most);
}

int mu_facts_compare(const json_t *expected, struct mu_pg *pg, uint64_t *ret_rows,
                     struct mu_backup_error *ret_error)
{
        json_int_t from_us =
                json_integer_value(json_array_get(json_object_get(expected, "hour_from_us"), 0));
        json_int_t to_us =
                json_integer_value(json_array_get(json_object_get(expected, "hour_to_us"), 0));
        json_t *found = NULL;
        const char *name;
        json_t *value;
        uint64_t rows = 0;
        int err = json_object_size(expected) == 0
                          ? mu_backup_fail(ret_error, -EBADMSG,
                                           "the manifest says nothing of what the database held")
                          : mu_facts_read(pg, from_us, to_us, &found, ret_error);

        json_object_foreach(found, name, value)
        {
                const json_t *range = json_object_get(expected, name);

                if (err == 0 && range)
                        err = compare_one(name, range, json_integer_value(value), ret_error);
                if (strncmp(name, "newest", 6) != 0 && strncmp(name, "hour_", 5) != 0)
                        rows += (uint64_t)json_integer_value(value);
        }
        json_decref(found);
        if (err == 0)
                *ret_rows = rows;
        return err;
}
