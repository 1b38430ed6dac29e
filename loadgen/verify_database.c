/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_database.c - verification straight from PostgreSQL: every bucket of every device,
 * compared.
 *
 * Nothing of the server's is trusted here. The counts are polled until all that was acknowledged
 * is there or the deadline passes; then the rows are read, 20 devices a query.
 */
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "clock.h"
#include "verify.h"

#define DEVICES_A_QUERY 20u
#define POLL_US 250000u

struct reader {
        PGconn *connection;
        const struct mu_lg_fleet *fleet;
        struct mu_lg_verify *result;
        uint32_t *indices; /* of the devices that sent something */
        uint32_t count;
        uint32_t first_bucket, last_bucket;
};

static int fail(struct mu_lg_verify *result, int error, const char *what, PGconn *connection)
{
        snprintf(result->error, sizeof(result->error), "%s: %.400s", what,
                 connection ? PQerrorMessage(connection) : "out of memory");
        result->error[strcspn(result->error, "\n")] = '\0';
        return error;
}

/* bigint[] literal of some devices' ids. */
static int id_array(const struct reader *reader, uint32_t at, uint32_t n, struct mu_text *text)
{
        mu_text_clear(text);
        mu_text_add(text, "{");
        for (uint32_t i = 0; i < n; i++)
                mu_text_add_format(text, "%s%" PRIu64, i ? "," : "",
                                   reader->fleet->devices[reader->indices[at + i]].id);
        mu_text_add(text, "}");
        return mu_text_status(text);
}

static PGresult *query(struct reader *reader, const char *sql, const char *ids)
{
        char from[32], to[32];
        const char *values[] = {ids, from, to};

        snprintf(from, sizeof(from), "%" PRIu64, (uint64_t)reader->first_bucket * MU_LG_BUCKET_S);
        snprintf(to, sizeof(to), "%" PRIu64, ((uint64_t)reader->last_bucket + 1) * MU_LG_BUCKET_S);
        return PQexecParams(reader->connection, sql, 3, NULL, values, NULL, NULL, 0);
}

static int compare_one(struct reader *reader, uint32_t index, const PGresult *rows, int from,
                       int to, uint32_t **buckets, size_t *capacity)
{
        const struct mu_lg_device *device = &reader->fleet->devices[index];
        size_t needed = (size_t)(to - from) + 1;
        uint32_t first = 0, last = 0;
        uint64_t count = 0;

        if (needed > *capacity) {
                uint32_t *grown = realloc(*buckets, needed * 2 * sizeof(*grown));

                if (!grown)
                        return fail(reader->result, -ENOMEM, "verify", NULL);
                *buckets = grown;
                *capacity = needed * 2;
        }
        (void)mu_lg_marks_range(&device->marks, &first, &last);
        for (int row = from; row < to; row++) {
                uint32_t bucket =
                        (uint32_t)(strtoull(PQgetvalue(rows, row, 1), NULL, 10) / MU_LG_BUCKET_S);

                if (bucket >= first && bucket <= last) /* others' runs lie outside */
                        (*buckets)[count++] = bucket;
        }
        return mu_lg_verify_compare(device, *buckets, count, reader->result);
}

/* Rows come ordered by device: cut them into devices. Devices without rows lose everything. */
static int compare_rows(struct reader *reader, uint32_t at, uint32_t n, const PGresult *rows)
{
        uint32_t *buckets = NULL;
        size_t capacity = 0;
        int total = PQntuples(rows), r = 0;

        for (uint32_t i = 0; r == 0 && i < n; i++) {
                uint64_t id = reader->fleet->devices[reader->indices[at + i]].id;
                char text[24];
                int from = 0, to;

                /* Binary search for the device's first row. */
                snprintf(text, sizeof(text), "%" PRIu64, id);
                int high = total;
                while (from < high) {
                        int middle = from + (high - from) / 2;

                        if (strtoull(PQgetvalue(rows, middle, 0), NULL, 10) < id)
                                from = middle + 1;
                        else
                                high = middle;
                }
                for (to = from; to < total && strcmp(PQgetvalue(rows, to, 0), text) == 0; to++)
                        ;
                r = compare_one(reader, reader->indices[at + i], rows, from, to, &buckets,
                                &capacity);
        }
        free(buckets);
        return r;
}

static int compare_all(struct reader *reader)
{
        static const char sql[] =
                "SELECT device_id, extract(epoch FROM bucket)::bigint FROM heartbeats "
                "WHERE device_id = ANY($1::bigint[]) AND bucket >= to_timestamp($2::bigint) "
                "AND bucket < to_timestamp($3::bigint) ORDER BY device_id";
        struct mu_text ids;
        int r = 0;

        mu_text_init(&ids);
        for (uint32_t at = 0; r == 0 && at < reader->count; at += DEVICES_A_QUERY) {
                uint32_t n =
                        reader->count - at < DEVICES_A_QUERY ? reader->count - at : DEVICES_A_QUERY;

                r = id_array(reader, at, n, &ids);
                if (r < 0)
                        break;
                PGresult *rows = query(reader, sql, ids.data);
                if (PQresultStatus(rows) == PGRES_TUPLES_OK)
                        r = compare_rows(reader, at, n, rows);
                else
                        r = fail(reader->result, -EIO, "reading heartbeats", reader->connection);
                PQclear(rows);
        }
        mu_text_done(&ids);
        return r;
}

/* Whether as many rows are there as were acknowledged. */
static int count_rows(struct reader *reader, uint64_t acknowledged, bool *ret_enough)
{
        static const char sql[] =
                "SELECT count(*) FROM heartbeats WHERE device_id = ANY($1::bigint[]) "
                "AND bucket >= to_timestamp($2::bigint) AND bucket < to_timestamp($3::bigint)";
        struct mu_text ids;

        mu_text_init(&ids);
        int r = id_array(reader, 0, reader->count, &ids);
        if (r == 0) {
                PGresult *rows = query(reader, sql, ids.data);

                if (PQresultStatus(rows) == PGRES_TUPLES_OK)
                        *ret_enough = strtoull(PQgetvalue(rows, 0, 0), NULL, 10) >= acknowledged;
                else
                        r = fail(reader->result, -EIO, "counting heartbeats", reader->connection);
                PQclear(rows);
        }
        mu_text_done(&ids);
        return r;
}

static int wait_for_rows(struct reader *reader, uint64_t acknowledged, uint64_t deadline_ns)
{
        uint64_t start_ns = mu_lg_monotonic_ns();

        for (;;) {
                bool enough = false;
                int r = count_rows(reader, acknowledged, &enough);

                reader->result->waited_ns = mu_lg_monotonic_ns() - start_ns;
                if (r < 0 || enough || reader->result->waited_ns > deadline_ns)
                        return r;
                usleep(POLL_US);
        }
}

static uint64_t list_devices(struct reader *reader)
{
        const struct mu_lg_fleet *fleet = reader->fleet;
        uint64_t acknowledged = 0;

        reader->first_bucket = UINT32_MAX;
        for (uint32_t i = 0; i < fleet->count; i++) {
                uint32_t first, last;

                if (!mu_lg_marks_range(&fleet->devices[i].marks, &first, &last))
                        continue;
                reader->indices[reader->count++] = i;
                acknowledged += mu_lg_digest_of_marks(&fleet->devices[i].marks, true).count;
                if (first < reader->first_bucket)
                        reader->first_bucket = first;
                if (last > reader->last_bucket)
                        reader->last_bucket = last;
        }
        return acknowledged;
}

int mu_lg_verify_database(const struct mu_lg_options *options, const struct mu_lg_fleet *fleet,
                          struct mu_lg_verify *result)
{
        struct reader reader = {.fleet = fleet, .result = result};
        int r = 0;

        result->asked = true;
        result->source = "PostgreSQL";
        reader.indices = calloc(fleet->count, sizeof(*reader.indices));
        if (!reader.indices)
                return fail(result, -ENOMEM, "verify", NULL);
        uint64_t acknowledged = list_devices(&reader);

        result->devices_count = reader.count;
        if (reader.count > 0) {
                reader.connection = PQconnectdb(options->database_url);
                if (PQstatus(reader.connection) == CONNECTION_OK)
                        r = wait_for_rows(&reader, acknowledged, options->verify_deadline_ns);
                else
                        r = fail(result, -ECONNREFUSED, "cannot connect to --database-url",
                                 reader.connection);
                if (r == 0)
                        r = compare_all(&reader);
                PQfinish(reader.connection);
        }
        free(reader.indices);
        result->finished = r == 0;
        return r;
}
