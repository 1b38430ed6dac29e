/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a binary result. A mu_pg_result is libpq's own, under a name that hides it. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "pg/copy_in.h"
#include "pg/query.h"

enum oid {
        OID_BOOL = 16,
        OID_BYTEA = 17,
        OID_NAME = 19,
        OID_INT8 = 20,
        OID_INT2 = 21,
        OID_INT4 = 23,
        OID_TEXT = 25,
        OID_JSON = 114,
        OID_FLOAT8 = 701,
        OID_VARCHAR = 1043,
        OID_TIMESTAMPTZ = 1184,
        OID_JSONB = 3802,
};

static const PGresult *of(const struct mu_pg_result *result)
{
        return (const PGresult *)result;
}

size_t mu_pg_rows(const struct mu_pg_result *result)
{
        return (size_t)PQntuples(of(result));
}

uint64_t mu_pg_affected(const struct mu_pg_result *result)
{
        /* libpq does not change the result; its prototype only fails to say so. */
        return strtoull(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
}

void mu_pg_result_free(struct mu_pg_result *result)
{
        PQclear((PGresult *)result);
}

bool mu_pg_is_null(const struct mu_pg_result *result, size_t row, int column)
{
        MU_ASSERT(row < mu_pg_rows(result) && column >= 0 && column < PQnfields(of(result)));
        return PQgetisnull(of(result), (int)row, column);
}

static const char *value_of(const struct mu_pg_result *result, size_t row, int column)
{
        MU_ASSERT(!mu_pg_is_null(result, row, column));
        return PQgetvalue(of(result), (int)row, column);
}

static uint64_t bits64(const char *value)
{
        uint64_t bits;

        memcpy(&bits, value, sizeof(bits));
        return __builtin_bswap64(bits);
}

int64_t mu_pg_get_int(const struct mu_pg_result *result, size_t row, int column)
{
        const char *value = value_of(result, row, column);
        uint16_t bits16;
        uint32_t bits32;

        switch (PQftype(of(result), column)) {
        case OID_INT2:
                memcpy(&bits16, value, sizeof(bits16));
                return (int16_t)__builtin_bswap16(bits16);
        case OID_INT4:
                memcpy(&bits32, value, sizeof(bits32));
                return (int32_t)__builtin_bswap32(bits32);
        default:
                MU_ASSERT(PQftype(of(result), column) == OID_INT8);
                return (int64_t)bits64(value);
        }
}

double mu_pg_get_float8(const struct mu_pg_result *result, size_t row, int column)
{
        uint64_t bits = bits64(value_of(result, row, column));
        double value;

        MU_ASSERT(PQftype(of(result), column) == OID_FLOAT8);
        memcpy(&value, &bits, sizeof(value));
        return value;
}

bool mu_pg_get_bool(const struct mu_pg_result *result, size_t row, int column)
{
        MU_ASSERT(PQftype(of(result), column) == OID_BOOL);
        return *value_of(result, row, column) != 0;
}

int64_t mu_pg_get_timestamptz(const struct mu_pg_result *result, size_t row, int column)
{
        int64_t us = (int64_t)bits64(value_of(result, row, column));

        MU_ASSERT(PQftype(of(result), column) == OID_TIMESTAMPTZ);
        /* -infinity and infinity stay the extremes that they are. */
        if (us == INT64_MIN || us > INT64_MAX - MU_PG_EPOCH_US)
                return us == INT64_MIN ? INT64_MIN : INT64_MAX;
        return us + MU_PG_EPOCH_US;
}

const char *mu_pg_get_text(const struct mu_pg_result *result, size_t row, int column)
{
        if (mu_pg_is_null(result, row, column))
                return NULL;
        const char *value = value_of(result, row, column);

        Oid type = PQftype(of(result), column);

        if (type == OID_JSONB) {
                MU_ASSERT(value[0] == 1);
                return value + 1; /* after the format's version */
        }
        MU_ASSERT(type == OID_TEXT || type == OID_VARCHAR || type == OID_NAME || type == OID_JSON);
        return value;
}

struct mu_pg_bytes mu_pg_get_bytea(const struct mu_pg_result *result, size_t row, int column)
{
        if (mu_pg_is_null(result, row, column))
                return (struct mu_pg_bytes){0};
        MU_ASSERT(PQftype(of(result), column) == OID_BYTEA);
        return (struct mu_pg_bytes){
                .data = value_of(result, row, column),
                .bytes = (size_t)PQgetlength(of(result), (int)row, column),
        };
}
