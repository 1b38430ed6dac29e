/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.h - a connection, named statements, typed values: the control plane's way to SQL.
 *
 *   static const struct mu_pg_statement DEVICE_BY_ID = {
 *           .name = "device_by_id",
 *           .sql = "SELECT alias, created_at FROM devices WHERE id = $1",
 *           .params = {MU_PG_INT8},
 *           .repeatable = true,
 *   };
 *   struct mu_pg_result *rows;
 *   int err = mu_pg_query(pg, &DEVICE_BY_ID, MU_PG_VALUES(mu_pg_int8(id)), &rows);
 *   if (err)
 *           return err;
 *   if (mu_pg_rows(rows) == 1)
 *           alias = mu_pg_get_text(rows, 0, 0);
 *   mu_pg_result_free(rows);
 *
 * Statements are prepared at their first use on a connection and travel in binary, values always
 * bound. Outside of a transaction a lost connection is opened again by the next statement; a
 * statement that was under way is sent once more only if it is marked repeatable. Inside of one
 * everything fails with -ENOTCONN until rollback.
 *
 * Units      timestamptz: microseconds since the Unix epoch.
 * Threads    a connection belongs to who it is lent to; one thread at a time. Blocking.
 * Ownership  Results are freed by the caller; what get_text and get_bytea return lives in them.
 *            Values borrow the text and arrays they are given until the call returns.
 * Errors     negative errno as in pg/error.h; mu_pg_last_error has SQLSTATE and sentence. Values
 *            that do not match the statement's params, wrong columns or types: MU_ASSERT.
 */
#ifndef MUSTER_PG_QUERY_H
#define MUSTER_PG_QUERY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "pg/error.h"

struct mu_pg; /* lent by pg/database.h */
struct mu_pg_result;

#define MU_PG_PARAMS_MAX 32

enum mu_pg_type {
        MU_PG_END = 0, /* ends params and values */
        MU_PG_BOOL,
        MU_PG_INT4,
        MU_PG_INT8,
        MU_PG_FLOAT8,
        MU_PG_TEXT,
        MU_PG_BYTEA,
        MU_PG_TIMESTAMPTZ,
        MU_PG_JSONB, /* given as JSON text */
        MU_PG_INT8_ARRAY,
        MU_PG_INT4_ARRAY,
        MU_PG_BYTEA_ARRAY,
};

struct mu_pg_statement {
        const char *name; /* [a-z0-9_]+, unique in the program; also the metrics' label */
        const char *sql;
        enum mu_pg_type params[MU_PG_PARAMS_MAX + 1];
        bool repeatable; /* running it twice is the same as once: sent again after a lost connection
                          */
};

struct mu_pg_bytes {
        const void *data;
        size_t bytes;
};

struct mu_pg_value {
        enum mu_pg_type type;
        bool is_null;
        size_t count; /* bytes, or elements of an array */
        union {
                bool boolean;
                int64_t integer;
                double real;
                const void *data;
                const int64_t *int8s;
                const int32_t *int4s;
                const struct mu_pg_bytes *byteas;
        } as;
};

/* A list of values for one call. */
#define MU_PG_VALUES(...)                                                                          \
        ((const struct mu_pg_value[]){__VA_ARGS__ __VA_OPT__(, ){.type = MU_PG_END}})

static inline struct mu_pg_value mu_pg_null(enum mu_pg_type type)
{
        return (struct mu_pg_value){.type = type, .is_null = true};
}

static inline struct mu_pg_value mu_pg_bool(bool value)
{
        return (struct mu_pg_value){.type = MU_PG_BOOL, .as = {.boolean = value}};
}

static inline struct mu_pg_value mu_pg_int4(int32_t value)
{
        return (struct mu_pg_value){.type = MU_PG_INT4, .as = {.integer = value}};
}

static inline struct mu_pg_value mu_pg_int8(int64_t value)
{
        return (struct mu_pg_value){.type = MU_PG_INT8, .as = {.integer = value}};
}

static inline struct mu_pg_value mu_pg_float8(double value)
{
        return (struct mu_pg_value){.type = MU_PG_FLOAT8, .as = {.real = value}};
}

static inline struct mu_pg_value mu_pg_timestamptz(int64_t us)
{
        return (struct mu_pg_value){.type = MU_PG_TIMESTAMPTZ, .as = {.integer = us}};
}

/* data NULL is NULL. */
static inline struct mu_pg_value mu_pg_bytes_of(enum mu_pg_type type, const void *data,
                                                size_t bytes)
{
        return (struct mu_pg_value){
                .type = type, .is_null = !data, .count = bytes, .as = {.data = data}};
}

#define mu_pg_text_n(text, bytes) mu_pg_bytes_of(MU_PG_TEXT, (text), (bytes))
#define mu_pg_bytea(data, bytes) mu_pg_bytes_of(MU_PG_BYTEA, (data), (bytes))
#define mu_pg_jsonb(json, bytes) mu_pg_bytes_of(MU_PG_JSONB, (json), (bytes))
struct mu_pg_value mu_pg_text(const char *text); /* NULL is NULL */

struct mu_pg_value mu_pg_int8_array(const int64_t *values, size_t count);
struct mu_pg_value mu_pg_int4_array(const int32_t *values, size_t count);
struct mu_pg_value mu_pg_bytea_array(const struct mu_pg_bytes *values, size_t count);

/* Runs a statement. ret_result may be NULL when no rows are wanted. */
MU_MUST_CHECK
int mu_pg_query(struct mu_pg *pg, const struct mu_pg_statement *statement,
                const struct mu_pg_value *values, struct mu_pg_result **ret_result);

/* Rows one at a time, memory flat however many there are. The row is 0 of the result handed over,
 * which each must not free. Stops at the first non-zero answer of each and returns it (the rest is
 * read and thrown away). Sent once more, as query does, only before the first row. */
MU_MUST_CHECK
int mu_pg_each(struct mu_pg *pg, const struct mu_pg_statement *statement,
               const struct mu_pg_value *values,
               int (*each)(void *context, const struct mu_pg_result *row), void *context);

/* One or more statements without values, written in the program: DDL, SET. Never user's text. */
MU_MUST_CHECK
int mu_pg_script(struct mu_pg *pg, const char *name, const char *sql);

MU_MUST_CHECK
int mu_pg_begin(struct mu_pg *pg);
MU_MUST_CHECK
int mu_pg_commit(struct mu_pg *pg);
void mu_pg_rollback(
        struct mu_pg *pg); /* no transaction open: a no-op. Closes what it can't undo. */
bool mu_pg_in_transaction(const struct mu_pg *pg);

/* The last call's error; sqlstate "" after a success. */
const struct mu_pg_error *mu_pg_last_error(const struct mu_pg *pg);
/* Makes it this sentence: what a caller on this connection found wrong itself. */
void mu_pg_explain(struct mu_pg *pg, const char *sentence);

/* This connection's limit from now on, instead of the configured one; 0: none. */
MU_MUST_CHECK
int mu_pg_set_timeout(struct mu_pg *pg, uint32_t statement_timeout_ms);

/* The libpq connection, for COPY and pipelines; connects if it is not. NULL: see last_error. The
 * caller leaves it idle and outside of a transaction. */
PGconn *mu_pg_raw(struct mu_pg *pg);
/* Closes the connection; the next statement opens another. */
void mu_pg_disconnect(struct mu_pg *pg);

/* Counts the connections this one has had: a change means prepared statements and session state
 * of a raw user are gone. */
uint64_t mu_pg_generation(const struct mu_pg *pg);

size_t mu_pg_rows(const struct mu_pg_result *result);
uint64_t
mu_pg_affected(const struct mu_pg_result *result); /* INSERT, UPDATE, DELETE, COPY, SELECT */
bool mu_pg_is_null(const struct mu_pg_result *result, size_t row, int column);
/* Not to be called on a NULL, except text and bytea, which answer NULL. */
int64_t mu_pg_get_int(const struct mu_pg_result *result, size_t row, int column); /* int2, 4, 8 */
double mu_pg_get_float8(const struct mu_pg_result *result, size_t row, int column);
bool mu_pg_get_bool(const struct mu_pg_result *result, size_t row, int column);
int64_t mu_pg_get_timestamptz(const struct mu_pg_result *result, size_t row, int column); /* us */
/* NUL-terminated. text, varchar, name, json, jsonb. */
const char *mu_pg_get_text(const struct mu_pg_result *result, size_t row, int column);
struct mu_pg_bytes mu_pg_get_bytea(const struct mu_pg_result *result, size_t row, int column);
void mu_pg_result_free(struct mu_pg_result *result); /* NULL is a no-op */

#endif
