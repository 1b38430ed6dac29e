/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_world.h - nine devices, a database, and the ledger's calls in few words.
 */
#ifndef MUSTER_TESTS_CONTROL_LEDGER_WORLD_H
#define MUSTER_TESTS_CONTROL_LEDGER_WORLD_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/command/command_news.h"
#include "control/command/command_sql.h"
#include "control/command/ledger.h"
#include "control/command/ledger_keep.h"
#include "identity/secrets.h"
#include "scratch.h"
#include "unit.h"

#include "fixture.h"

static struct test_pg *postgres;

struct world {
        struct mu_pg *pg;
        struct mu_secrets *secrets;
        void *scratch; /* a path */
};

static inline int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        char error[MU_SECRET_ERROR_BYTES];
        char path[128];

        if (!world)
                return -1;
        if (scratch_setup(&world->scratch) < 0)
                return -1;
        (void)snprintf(path, sizeof(path), "%s/secrets", (const char *)world->scratch);
        if (mu_secrets_open(path, &world->secrets, error) < 0)
                return -1;
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg, "TRUNCATE devices, device_tokens, enrolment_token_uses, commands,"
                               " command_attempts, bulk_commands RESTART IDENTITY");
        test_pg_run(world->pg, "INSERT INTO devices (kind, alias, enrolled_by, fcm_token)"
                               " SELECT 'android', 'device ' || n, 'admin-key', 'fcm ' || n"
                               " FROM generate_series(1, 9) n");
        *state = world;
        return 0;
}

static inline int teardown(void **state)
{
        struct world *world = *state;

        mu_database_release(postgres->database, world->pg);
        mu_secrets_close(world->secrets);
        int error = scratch_teardown(&world->scratch);

        free(world);
        return error;
}

#define number(world, ...) number_of((world)->pg, __VA_ARGS__)

static inline int64_t MU_PRINTF(2, 3) number_of(struct mu_pg *pg, const char *format, ...)
{
        char sql[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(sql, sizeof(sql), format, args);
        va_end(args);
        return test_pg_number(pg, sql);
}

static inline void MU_PRINTF(2, 3) run(struct world *world, const char *format, ...)
{
        char sql[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(sql, sizeof(sql), format, args);
        va_end(args);
        test_pg_run(world->pg, sql);
}

/* A command as the operators' side makes it. */
static inline int64_t queue_as(struct world *world, int64_t device_id, const char *type,
                               const char *payload, int32_t confirm_s)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                world->pg, &mu_command_insert_listed_sql,
                MU_PG_VALUES(mu_pg_text(type), mu_pg_text(payload), mu_pg_int4(3600),
                             mu_pg_int4(confirm_s), mu_pg_text("user:test"), mu_pg_null(MU_PG_INT8),
                             mu_pg_bool(false), mu_pg_int8_array(&device_id, 1), mu_pg_int8(500)),
                &rows);

        assert_int_equal(error, 0);
        assert_int_equal(mu_pg_rows(rows), 1);
        int64_t id = mu_pg_get_int(rows, 0, 1);

        mu_pg_result_free(rows);
        return id;
}

static inline int64_t queue(struct world *world, int64_t device_id)
{
        return queue_as(world, device_id, "ping", "{}", 0);
}

/* Of that many devices from 1 on: the ids of their heads, 0 where there is none. */
static inline void heads(struct world *world, size_t count, int64_t *ret_ids)
{
        int64_t devices[16];
        struct mu_ledger_list list;

        for (size_t i = 0; i < count; i++) {
                devices[i] = (int64_t)i + 1;
                ret_ids[i] = 0;
        }
        assert_int_equal(mu_ledger_heads(world->pg, devices, count, &list), 0);
        for (size_t i = 0; i < list.count; i++)
                ret_ids[list.commands[i].device_id - 1] = list.commands[i].id;
        mu_ledger_list_done(&list);
}

static inline int64_t head(struct world *world)
{
        int64_t id;

        heads(world, 1, &id);
        return id;
}

static inline bool send_by(struct mu_pg *pg, int64_t device_id, int64_t id,
                           enum mu_command_path path, struct mu_ledger_sent *ret_sent)
{
        const struct mu_ledger_key key = {device_id, id};
        size_t count = 99;

        assert_int_equal(mu_ledger_mark_sent(pg, &key, 1, path, ret_sent, &count), 0);
        assert_true(count <= 1);
        return count == 1;
}

static inline bool receive(struct mu_pg *pg, int64_t device_id, int64_t id,
                           enum mu_command_path path, struct mu_ledger_receipt *ret_receipt)
{
        const struct mu_ledger_key key = {device_id, id};
        size_t count = 99;

        assert_int_equal(mu_ledger_mark_received(pg, &key, 1, path, ret_receipt, &count), 0);
        return count == 1;
}

static inline bool cancel(struct mu_pg *pg, int64_t device_id, int64_t id)
{
        struct mu_pg_result *rows;

        assert_int_equal(mu_pg_query(pg, &mu_command_cancel_sql,
                                     MU_PG_VALUES(mu_pg_int8(device_id), mu_pg_int8(id)), &rows),
                         0);
        bool done = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        return done;
}

static inline bool is_in(struct mu_pg *pg, int64_t id, const char *state)
{
        return number_of(pg, "SELECT count(*) FROM commands WHERE id = %lld AND state = '%s'",
                         (long long)id, state) == 1;
}

static inline size_t expire(struct mu_pg *pg)
{
        struct mu_ledger_expired expired;

        assert_int_equal(mu_ledger_expire(pg, 100, &expired), 0);
        size_t count = expired.count;

        assert_int_equal(expired.news->count, count);
        mu_ledger_expired_done(&expired);
        return count;
}

static inline int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
