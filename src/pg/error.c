/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

struct rule {
        const char *prefix; /* of the SQLSTATE; the first that fits counts */
        int error;
};

static const struct rule RULES[] = {
        {"23505", -EEXIST},    {"22", -EINVAL},       {"23", -EINVAL},      {"40", -EAGAIN},
        {"55P03", -EAGAIN},    {"57014", -ETIMEDOUT}, {"57P0", -ENOTCONN},  {"08001", -EHOSTDOWN},
        {"08004", -EHOSTDOWN}, {"08", -ENOTCONN},     {"25P03", -ENOTCONN}, {"42", -EPROTO},
        {"0A", -EPROTO},       {"26", -EPROTO},       {"53", -ENOSPC},
};

static bool starts_with(const char *sqlstate, const char *prefix)
{
        return strncmp(sqlstate, prefix, strlen(prefix)) == 0;
}

/* One line: libpq's texts end in a line break and have some inside. */
static void copy_line(char *to, size_t room, const char *from)
{
        size_t used = 0;

        for (; *from && used + 1 < room; from++) {
                char c = *from;

                if (c == '\n' || c == '\r' || c == '\t')
                        c = ' ';
                if (c == ' ' && (used == 0 || to[used - 1] == ' '))
                        continue;
                to[used++] = c;
        }
        while (used > 0 && to[used - 1] == ' ')
                used--;
        to[used] = '\0';
}

void mu_pg_error_clear(struct mu_pg_error *error)
{
        error->sqlstate[0] = error->constraint[0] = error->text[0] = '\0';
}

int mu_pg_error_errno(const char *sqlstate)
{
        if (sqlstate[0] == '\0')
                return 0;
        for (size_t i = 0; i < MU_COUNT_OF(RULES); i++)
                if (starts_with(sqlstate, RULES[i].prefix))
                        return RULES[i].error;
        return -EIO;
}

int mu_pg_error_set(struct mu_pg_error *error, const PGconn *conn, const PGresult *result)
{
        const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
        const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
        const char *constraint =
                result ? PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) : NULL;

        mu_pg_error_clear(error);
        /* Without a SQLSTATE it is libpq that speaks: nearly always of a lost connection. */
        if (!sqlstate || strlen(sqlstate) != sizeof(error->sqlstate) - 1)
                sqlstate = !conn || PQstatus(conn) == CONNECTION_BAD ? "08006" : "XX000";
        if (!text && result && PQresultErrorMessage(result)[0])
                text = PQresultErrorMessage(result);
        if (!text)
                text = conn ? PQerrorMessage(conn) : "out of memory";
        memcpy(error->sqlstate, sqlstate, sizeof(error->sqlstate));
        if (constraint)
                copy_line(error->constraint, sizeof(error->constraint), constraint);
        copy_line(error->text, sizeof(error->text), text[0] ? text : "no reason was given");
        return mu_pg_error_errno(error->sqlstate);
}

int mu_pg_error_format(struct mu_pg_error *error, const char *sqlstate, const char *format, ...)
{
        char text[sizeof(error->text)];
        va_list arguments;

        MU_ASSERT(strlen(sqlstate) == sizeof(error->sqlstate) - 1);
        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        mu_pg_error_clear(error);
        memcpy(error->sqlstate, sqlstate, sizeof(error->sqlstate));
        copy_line(error->text, sizeof(error->text), text);
        return mu_pg_error_errno(sqlstate);
}

bool mu_pg_error_is_connection_lost(const struct mu_pg_error *error)
{
        int answer = mu_pg_error_errno(error->sqlstate);

        return answer == -ENOTCONN || answer == -EHOSTDOWN;
}

bool mu_pg_error_is_missing_partition(const struct mu_pg_error *error)
{
        if (strcmp(error->sqlstate, "42P01") == 0)
                return true;
        /* A CHECK of a table has a name; neither routing nor a leaf's bounds have one. */
        return strcmp(error->sqlstate, "23514") == 0 && error->constraint[0] == '\0';
}

bool mu_pg_error_is_data(const struct mu_pg_error *error)
{
        return (starts_with(error->sqlstate, "22") || starts_with(error->sqlstate, "23")) &&
               !mu_pg_error_is_missing_partition(error);
}

bool mu_pg_error_is_unique_violation(const struct mu_pg_error *error)
{
        return strcmp(error->sqlstate, "23505") == 0;
}
