/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "pg/connection.h"

/* From pg_type.dat; fixed for ever. */
enum oid {
        OID_BOOL = 16,
        OID_BYTEA = 17,
        OID_INT8 = 20,
        OID_INT4 = 23,
        OID_TEXT = 25,
        OID_FLOAT8 = 701,
        OID_BYTEA_ARRAY = 1001,
        OID_INT4_ARRAY = 1007,
        OID_INT8_ARRAY = 1016,
        OID_TIMESTAMPTZ = 1184,
        OID_JSONB = 3802,
};

static const Oid OIDS[] = {
        [MU_PG_BOOL] = OID_BOOL,
        [MU_PG_INT4] = OID_INT4,
        [MU_PG_INT8] = OID_INT8,
        [MU_PG_FLOAT8] = OID_FLOAT8,
        [MU_PG_TEXT] = OID_TEXT,
        [MU_PG_BYTEA] = OID_BYTEA,
        [MU_PG_TIMESTAMPTZ] = OID_TIMESTAMPTZ,
        [MU_PG_JSONB] = OID_JSONB,
        [MU_PG_INT8_ARRAY] = OID_INT8_ARRAY,
        [MU_PG_INT4_ARRAY] = OID_INT4_ARRAY,
        [MU_PG_BYTEA_ARRAY] = OID_BYTEA_ARRAY,
};

/* What PQsendQueryPrepared wants. */
struct bound {
        int count;
        const char *values[MU_PG_PARAMS_MAX];
        int lengths[MU_PG_PARAMS_MAX];
        int formats[MU_PG_PARAMS_MAX];
        uint8_t fixed[MU_PG_PARAMS_MAX][8];
        size_t scratch_at[MU_PG_PARAMS_MAX]; /* offsets: the scratch may move while it grows */
        bool in_scratch[MU_PG_PARAMS_MAX];
};

struct mu_pg_value mu_pg_text(const char *text)
{
        return mu_pg_bytes_of(MU_PG_TEXT, text, text ? strlen(text) : 0);
}

struct mu_pg_value mu_pg_int8_array(const int64_t *values, size_t count)
{
        return (struct mu_pg_value){
                .type = MU_PG_INT8_ARRAY, .count = count, .as = {.int8s = values}};
}

struct mu_pg_value mu_pg_int4_array(const int32_t *values, size_t count)
{
        return (struct mu_pg_value){
                .type = MU_PG_INT4_ARRAY, .count = count, .as = {.int4s = values}};
}

struct mu_pg_value mu_pg_bytea_array(const struct mu_pg_bytes *values, size_t count)
{
        return (struct mu_pg_value){
                .type = MU_PG_BYTEA_ARRAY, .count = count, .as = {.byteas = values}};
}

static Oid element_oid(enum mu_pg_type type)
{
        switch (type) {
        case MU_PG_INT8_ARRAY:
                return OID_INT8;
        case MU_PG_INT4_ARRAY:
                return OID_INT4;
        default:
                return OID_BYTEA;
        }
}

static size_t array_bytes(const struct mu_pg_value *value)
{
        size_t bytes = 20 + value->count * (MU_COPY_LENGTH_BYTES + 8);

        if (value->type == MU_PG_BYTEA_ARRAY)
                for (size_t i = 0; i < value->count; i++)
                        bytes += value->as.byteas[i].bytes;
        return bytes;
}

/* Dimensions, no NULLs, element type, then length and lower bound of the one dimension. */
static uint8_t *put_array(uint8_t *at, const struct mu_pg_value *value)
{
        at = mu_copy_put32(at, value->count > 0);
        at = mu_copy_put32(at, 0);
        at = mu_copy_put32(at, element_oid(value->type));
        if (value->count == 0)
                return at;
        at = mu_copy_put32(at, (uint32_t)value->count);
        at = mu_copy_put32(at, 1);
        for (size_t i = 0; i < value->count; i++) {
                if (value->type == MU_PG_INT8_ARRAY)
                        at = mu_copy_int8(at, value->as.int8s[i]);
                else if (value->type == MU_PG_INT4_ARRAY)
                        at = mu_copy_int4(at, value->as.int4s[i]);
                else
                        at = mu_copy_bytes(at, value->as.byteas[i].data,
                                           (uint32_t)value->as.byteas[i].bytes);
        }
        return at;
}

static int bind_in_scratch(struct mu_pg *pg, const struct mu_pg_value *value, struct bound *bound)
{
        int i = bound->count;
        size_t bytes = value->type == MU_PG_JSONB ? value->count + 1 : array_bytes(value);

        if (value->count > INT32_MAX / 16 || bytes > INT32_MAX)
                return mu_pg_error_format(&pg->error, "22001", "a value is too large to be sent");
        uint8_t *start = mu_copy_in_reserve(&pg->scratch, bytes);
        uint8_t *at = start;

        if (!start)
                return -ENOMEM;
        if (value->type == MU_PG_JSONB) {
                *at++ = 1; /* the format's version */
                memcpy(at, value->as.data, value->count);
                at += value->count;
        } else {
                at = put_array(at, value);
        }
        bound->in_scratch[i] = true;
        bound->scratch_at[i] = pg->scratch.used_bytes;
        bound->lengths[i] = (int)(at - start);
        mu_copy_in_commit(&pg->scratch, at);
        return 0;
}

static void bind_fixed(const struct mu_pg_value *value, struct bound *bound)
{
        int i = bound->count;
        uint8_t *start = bound->fixed[i];
        uint8_t *at = start;
        uint64_t bits;

        switch (value->type) {
        case MU_PG_BOOL:
                *at++ = value->as.boolean;
                break;
        case MU_PG_INT4:
                at = mu_copy_put32(at, (uint32_t)value->as.integer);
                break;
        case MU_PG_FLOAT8:
                memcpy(&bits, &value->as.real, sizeof(bits));
                at = mu_copy_put64(at, bits);
                break;
        case MU_PG_TIMESTAMPTZ:
                at = mu_copy_put64(at, (uint64_t)value->as.integer - (uint64_t)MU_PG_EPOCH_US);
                break;
        default:
                at = mu_copy_put64(at, (uint64_t)value->as.integer);
                break;
        }
        bound->values[i] = (const char *)start;
        bound->lengths[i] = (int)(at - start);
}

static int bind_value(struct mu_pg *pg, const struct mu_pg_value *value, struct bound *bound)
{
        static const char nothing[1];
        int err = 0;

        if (value->is_null)
                return 0;
        switch (value->type) {
        case MU_PG_TEXT:
        case MU_PG_BYTEA:
                if (value->count > INT32_MAX / 2)
                        return mu_pg_error_format(&pg->error, "22001",
                                                  "a value is too large to be sent");
                bound->values[bound->count] = value->count ? value->as.data : nothing;
                bound->lengths[bound->count] = (int)value->count;
                break;
        case MU_PG_JSONB:
        case MU_PG_INT8_ARRAY:
        case MU_PG_INT4_ARRAY:
        case MU_PG_BYTEA_ARRAY:
                err = bind_in_scratch(pg, value, bound);
                break;
        default:
                bind_fixed(value, bound);
                break;
        }
        return err;
}

static int bind_values(struct mu_pg *pg, const struct mu_pg_statement *statement,
                       const struct mu_pg_value *values, struct bound *bound)
{
        memset(bound, 0, sizeof(*bound));
        mu_copy_in_clear(&pg->scratch);
        for (; values[bound->count].type != MU_PG_END; bound->count++) {
                MU_ASSERT(bound->count < MU_PG_PARAMS_MAX);
                MU_ASSERT(values[bound->count].type == statement->params[bound->count]);
                bound->formats[bound->count] = 1;
                int err = bind_value(pg, &values[bound->count], bound);

                if (err)
                        return err;
        }
        MU_ASSERT(statement->params[bound->count] == MU_PG_END);
        for (int i = 0; i < bound->count; i++)
                if (bound->in_scratch[i])
                        bound->values[i] = (const char *)pg->scratch.data + bound->scratch_at[i];
        return 0;
}

static bool is_prepared(const struct mu_pg *pg, const struct mu_pg_statement *statement)
{
        for (uint32_t i = 0; i < pg->prepared_count; i++)
                if (pg->prepared[i] == statement)
                        return true;
        return false;
}

static int prepare(struct mu_pg *pg, const struct mu_pg_statement *statement, int count)
{
        Oid types[MU_PG_PARAMS_MAX];
        PGresult *result;

        if (pg->prepared_count == pg->prepared_room) {
                uint32_t room = pg->prepared_room ? pg->prepared_room * 2 : 32;
                void *prepared = realloc(pg->prepared, room * sizeof(*pg->prepared));

                if (!prepared)
                        return -ENOMEM;
                pg->prepared = prepared;
                pg->prepared_room = room;
        }
        for (int i = 0; i < count; i++)
                types[i] = OIDS[statement->params[i]];
        if (!PQsendPrepare(pg->conn, statement->name, statement->sql, count, types))
                return mu_pg_send_failed(pg);
        int err = mu_pg_take(pg, &result);

        if (err)
                return err;
        PQclear(result);
        pg->prepared[pg->prepared_count++] = statement;
        return 0;
}

/* Prepared and sent; the results are still to be taken. */
static int send_statement(struct mu_pg *pg, const struct mu_pg_statement *statement,
                          const struct bound *bound)
{
        int err = is_prepared(pg, statement) ? 0 : prepare(pg, statement, bound->count);

        if (err)
                return err;
        if (!PQsendQueryPrepared(pg->conn, statement->name, bound->count, bound->values,
                                 bound->lengths, bound->formats, 1))
                return mu_pg_send_failed(pg);
        return 0;
}

/* The server has lost our prepared statements (a pooler's DISCARD ALL), or a table's shape has
 * changed under them (a migration): nothing ran, so prepare afresh. */
static bool is_stale_plan(const struct mu_pg *pg)
{
        return strcmp(pg->error.sqlstate, "26000") == 0 || strcmp(pg->error.sqlstate, "0A000") == 0;
}

static int attempt(struct mu_pg *pg, const struct mu_pg_statement *statement,
                   const struct bound *bound, PGresult **ret_result)
{
        int err = mu_pg_ensure(pg);

        if (err)
                return err;
        mu_pg_error_clear(&pg->error);
        err = send_statement(pg, statement, bound);
        if (!err)
                err = mu_pg_take(pg, ret_result);
        return err;
}

/* May what failed be sent once more? Then it goes to a fresh connection. */
static bool may_repeat(struct mu_pg *pg, const struct mu_pg_statement *statement, int err)
{
        if (pg->in_transaction || pg->pinned)
                return false;
        if (err == -EPROTO && pg->conn && is_stale_plan(pg)) {
                mu_pg_disconnect(pg);
                return true;
        }
        return err == -ENOTCONN && statement->repeatable;
}

static uint64_t now_us(const struct mu_pg *pg)
{
        return mu_clock_monotonic_ns(mu_database_configuration(pg->database)->clock) /
               (uint64_t)MU_NS_PER_US;
}

int mu_pg_query(struct mu_pg *pg, const struct mu_pg_statement *statement,
                const struct mu_pg_value *values, struct mu_pg_result **ret_result)
{
        struct bound bound;
        PGresult *result = NULL;

        mu_pg_error_clear(&pg->error);
        int err = bind_values(pg, statement, values, &bound);

        if (err)
                return err;
        uint64_t start_us = now_us(pg);

        err = attempt(pg, statement, &bound, &result);
        if (err && may_repeat(pg, statement, err))
                err = attempt(pg, statement, &bound, &result);
        struct mu_pg_result *rows = (struct mu_pg_result *)result;

        mu_database_observe(pg->database, statement->name, now_us(pg) - start_us,
                            err ? 0 : mu_pg_affected(rows), err != 0);
        if (err)
                return err;
        if (ret_result)
                *ret_result = rows;
        else
                PQclear(result);
        return 0;
}

/* Hands the rows over as they come. ret_stop: the caller's non-zero answer. */
static int take_rows(struct mu_pg *pg, int (*each)(void *context, const struct mu_pg_result *row),
                     void *context, uint64_t *ret_rows, int *ret_stop)
{
        int failure = 0;

        for (;;) {
                PGresult *result;
                /* The limit is for silence: a long list may take long to read. */
                int err = mu_pg_take_one(pg, mu_pg_deadline_ns(pg), &result);

                if (err)
                        return err;
                if (!result)
                        break;
                switch (PQresultStatus(result)) {
                case PGRES_SINGLE_TUPLE:
                        if (*ret_stop == 0)
                                *ret_stop = each(context, (struct mu_pg_result *)result);
                        ++*ret_rows;
                        break;
                case PGRES_TUPLES_OK:
                case PGRES_COMMAND_OK:
                        break;
                default:
                        if (failure == 0)
                                failure = mu_pg_error_set(&pg->error, pg->conn, result);
                        break;
                }
                PQclear(result);
        }
        if (PQstatus(pg->conn) == CONNECTION_BAD)
                mu_pg_disconnect(pg);
        return failure;
}

static int attempt_rows(struct mu_pg *pg, const struct mu_pg_statement *statement,
                        const struct bound *bound,
                        int (*each)(void *context, const struct mu_pg_result *row), void *context,
                        uint64_t *ret_rows, int *ret_stop)
{
        int err = mu_pg_ensure(pg);

        if (err)
                return err;
        mu_pg_error_clear(&pg->error);
        err = send_statement(pg, statement, bound);
        if (err)
                return err;
        if (!PQsetSingleRowMode(pg->conn)) {
                mu_pg_disconnect(pg);
                return mu_pg_error_format(&pg->error, "XX000", "rows can't be had one at a time");
        }
        return take_rows(pg, each, context, ret_rows, ret_stop);
}

int mu_pg_each(struct mu_pg *pg, const struct mu_pg_statement *statement,
               const struct mu_pg_value *values,
               int (*each)(void *context, const struct mu_pg_result *row), void *context)
{
        struct bound bound;
        uint64_t rows = 0;
        int stop = 0;

        mu_pg_error_clear(&pg->error);
        int err = bind_values(pg, statement, values, &bound);

        if (err)
                return err;
        uint64_t start_us = now_us(pg);

        err = attempt_rows(pg, statement, &bound, each, context, &rows, &stop);
        /* Rows handed over can't be taken back. */
        if (err && rows == 0 && may_repeat(pg, statement, err))
                err = attempt_rows(pg, statement, &bound, each, context, &rows, &stop);
        mu_database_observe(pg->database, statement->name, now_us(pg) - start_us, rows, err != 0);
        return err ? err : stop;
}
