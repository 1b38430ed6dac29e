/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_api.c - what is stored of which device, so that a client that counted its acknowledgements
 * can compare. Times are buckets in epoch seconds, from inclusive, to exclusive.
 */
#include "control/device/verify_api.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "http/offload.h"
#include "muster/wire.h"
#include "pg/query.h"

enum {
        BODY_BYTES_MAX = 128 * 1024,
        ASKED_MAX = 1000,
        BUCKETS_MAX = 100000, /* in one answer of GET */
        BUCKETS_DEFAULT = 10000,
        TIMEOUT_MS = 120000,
};

static const struct mu_pg_statement BUCKETS_OF_DEVICE = {
        .name = "verify_buckets_of_device",
        .sql = "SELECT extract(epoch FROM bucket)::bigint FROM heartbeats"
               " WHERE device_id = $1 AND bucket >= $2 AND bucket < $3"
               " ORDER BY bucket LIMIT $4",
        .params = {MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TIMESTAMPTZ, MU_PG_INT8},
        .repeatable = true,
};

/* The outer bounds stand there once more so that partitions outside of them are not touched. */
static const struct mu_pg_statement BUCKETS_OF_MANY = {
        .name = "verify_buckets_of_many",
        .sql = "SELECT h.device_id, extract(epoch FROM h.bucket)::bigint"
               " FROM unnest($1, $2, $3) AS asked (device_id, from_s, to_s)"
               " JOIN heartbeats h ON h.device_id = asked.device_id"
               " AND h.bucket >= to_timestamp(asked.from_s)"
               " AND h.bucket < to_timestamp(asked.to_s)"
               " WHERE h.bucket >= $4 AND h.bucket < $5",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT8_ARRAY, MU_PG_INT8_ARRAY, MU_PG_TIMESTAMPTZ,
                   MU_PG_TIMESTAMPTZ},
        .repeatable = true,
};

/* ---- GET: the buckets of one device ---- */

static void reply_buckets(struct mu_call *call, int64_t device_id, const struct mu_pg_result *rows,
                          size_t limit)
{
        struct mu_text text;
        size_t count = mu_pg_rows(rows);

        mu_text_init(&text);
        mu_text_add_format(&text, "{\"device_id\":\"%" PRId64 "\",\"count\":%zu,\"buckets\":[",
                           device_id, count);
        for (size_t i = 0; i < count; i++)
                mu_text_add_format(&text, "%s%" PRId64, i ? "," : "", mu_pg_get_int(rows, i, 0));
        mu_text_add(&text, "]");
        if (count == limit)
                mu_text_add_format(&text, ",\"next_after\":%" PRId64,
                                   mu_pg_get_int(rows, count - 1, 0));
        mu_text_add(&text, "}");
        mu_call_reply_text(call, 200, MU_CONTENT_TYPE_JSON, &text);
}

static void verify_one(struct mu_ask *ask)
{
        int64_t device_id = mu_json_id(ask->query, "device_id");
        int64_t from_s = mu_json_integer(ask->query, "from", 0);
        int64_t to_s = mu_json_integer(ask->query, "to", MU_TS_S_END);
        int64_t after_s = mu_json_integer(ask->query, "after", -1);
        int64_t limit = mu_json_integer(ask->query, "limit", BUCKETS_DEFAULT);
        struct mu_pg_result *rows;

        if (after_s >= from_s)
                from_s = after_s + 1;
        if (!mu_ask_query(ask, &BUCKETS_OF_DEVICE,
                          MU_PG_VALUES(mu_pg_int8(device_id),
                                       mu_pg_timestamptz(from_s * MU_US_PER_S),
                                       mu_pg_timestamptz(to_s * MU_US_PER_S), mu_pg_int8(limit)),
                          &rows))
                return;
        reply_buckets(ask->call, device_id, rows, (size_t)limit);
        mu_pg_result_free(rows);
}

/* ---- POST: a digest each of up to a thousand ---- */

struct digest {
        uint64_t count;
        uint64_t bucket_xor;
        int64_t least_s;
        int64_t most_s;
};

struct asked {
        size_t count;
        int64_t from_least_s;
        int64_t to_most_s;
        int64_t ids[ASKED_MAX];
        int64_t from_s[ASKED_MAX];
        int64_t to_s[ASKED_MAX];
        size_t by_id[ASKED_MAX]; /* indices, ascending by id */
        struct digest digests[ASKED_MAX];
};

/* "42" or 42; 0 when it is neither. */
static int64_t id_of(const json_t *value)
{
        const char *text = json_string_value(value);
        char *end = NULL;
        int64_t id = text ? strtoll(text, &end, 10) : json_integer_value(value);

        return id > 0 && (!end || *end == '\0') ? id : 0;
}

static bool read_item(struct mu_call *call, const json_t *item, size_t index, struct asked *asked)
{
        const json_t *from = json_object_get(item, "from");
        const json_t *to = json_object_get(item, "to");
        int64_t id = id_of(json_object_get(item, "device_id"));
        int64_t from_s = from ? json_integer_value(from) : 0;
        int64_t to_s = to ? json_integer_value(to) : MU_TS_S_END;

        if (id == 0 || from_s < 0 || to_s < from_s || to_s > MU_TS_S_END ||
            (from && !json_is_integer(from)) || (to && !json_is_integer(to))) {
                char field[32];

                (void)snprintf(field, sizeof(field), "devices[%zu]", index);
                mu_call_problem(call, 400, "field-value", field,
                                "Each device needs a device_id, and from and to in whole epoch "
                                "seconds if it has them.");
                return false;
        }
        asked->ids[index] = id;
        asked->from_s[index] = from_s;
        asked->to_s[index] = to_s;
        if (index == 0 || from_s < asked->from_least_s)
                asked->from_least_s = from_s;
        if (index == 0 || to_s > asked->to_most_s)
                asked->to_most_s = to_s;
        return true;
}

static int compare_ids(const void *a, const void *b, void *context)
{
        const int64_t *ids = context;
        int64_t left = ids[*(const size_t *)a];
        int64_t right = ids[*(const size_t *)b];

        return left < right ? -1 : left > right;
}

static bool read_asked(struct mu_call *call, struct asked *asked)
{
        struct mu_slice body = mu_call_body(call);
        json_error_t where;
        json_t *root = json_loadb(body.data, body.bytes, JSON_REJECT_DUPLICATES, &where);
        const json_t *devices = json_object_get(root, "devices");
        bool valid = false;

        asked->count = json_array_size(devices);
        if (!root)
                mu_call_problem(call, 400, "json-syntax", NULL, "The body is not valid JSON: %s.",
                                where.text);
        else if (asked->count == 0 || asked->count > ASKED_MAX)
                mu_call_problem(call, 400, "field-value", "devices",
                                "devices must be an array of 1 to %d.", ASKED_MAX);
        else
                valid = true;
        for (size_t i = 0; valid && i < asked->count; i++) {
                asked->by_id[i] = i;
                valid = read_item(call, json_array_get(devices, i), i, asked);
        }
        json_decref(root);
        if (!valid)
                return false;
        qsort_r(asked->by_id, asked->count, sizeof(asked->by_id[0]), compare_ids, asked->ids);
        for (size_t i = 1; i < asked->count; i++) {
                if (asked->ids[asked->by_id[i - 1]] != asked->ids[asked->by_id[i]])
                        continue;
                mu_call_problem(call, 400, "field-value", "devices",
                                "A device is asked for twice.");
                return false;
        }
        return true;
}

static int on_bucket(void *context, const struct mu_pg_result *row)
{
        struct asked *asked = context;
        int64_t id = mu_pg_get_int(row, 0, 0);
        int64_t bucket_s = mu_pg_get_int(row, 0, 1);
        size_t low = 0;
        size_t high = asked->count;

        while (low + 1 < high) {
                size_t middle = (low + high) / 2;

                if (asked->ids[asked->by_id[middle]] <= id)
                        low = middle;
                else
                        high = middle;
        }
        struct digest *digest = &asked->digests[asked->by_id[low]];

        if (digest->count == 0 || bucket_s < digest->least_s)
                digest->least_s = bucket_s;
        if (digest->count == 0 || bucket_s > digest->most_s)
                digest->most_s = bucket_s;
        digest->count++;
        digest->bucket_xor ^= mu_verify_mix64((uint64_t)bucket_s);
        return 0;
}

static void reply_digests(struct mu_call *call, const struct asked *asked)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_text_add(&text, "{\"results\":[");
        for (size_t i = 0; i < asked->count; i++) {
                const struct digest *digest = &asked->digests[i];

                mu_text_add_format(&text,
                                   "%s{\"device_id\":\"%" PRId64 "\",\"count\":%" PRIu64
                                   ",\"bucket_xor\":\"%016" PRIx64 "\"",
                                   i ? "," : "", asked->ids[i], digest->count, digest->bucket_xor);
                if (digest->count > 0)
                        mu_text_add_format(&text, ",\"min\":%" PRId64 ",\"max\":%" PRId64,
                                           digest->least_s, digest->most_s);
                mu_text_add(&text, "}");
        }
        mu_text_add(&text, "]}");
        mu_call_reply_text(call, 200, MU_CONTENT_TYPE_JSON, &text);
}

static int count_buckets(struct mu_pg *pg, struct asked *asked)
{
        int error = mu_pg_set_timeout(pg, TIMEOUT_MS);

        if (error < 0)
                return error;
        return mu_pg_each(pg, &BUCKETS_OF_MANY,
                          MU_PG_VALUES(mu_pg_int8_array(asked->ids, asked->count),
                                       mu_pg_int8_array(asked->from_s, asked->count),
                                       mu_pg_int8_array(asked->to_s, asked->count),
                                       mu_pg_timestamptz(asked->from_least_s * MU_US_PER_S),
                                       mu_pg_timestamptz(asked->to_most_s * MU_US_PER_S)),
                          on_bucket, asked);
}

static void verify_many(struct mu_ask *ask)
{
        struct asked *asked = calloc(1, sizeof(*asked));

        if (!asked) {
                mu_ask_failed(ask, -ENOMEM);
                return;
        }
        if (read_asked(ask->call, asked)) {
                int error = count_buckets(ask->pg, asked);

                if (error < 0)
                        mu_ask_failed(ask, error);
                else
                        reply_digests(ask->call, asked);
                /* The longer timeout must not stay on a connection that others get. */
                mu_pg_disconnect(ask->pg);
        }
        free(asked);
}

/* ---- the table ---- */

static const struct mu_field QUERY_FIELDS[] = {
        {.name = "device_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Whose heartbeats."},
        {.name = "from",
         .type = MU_FIELD_INTEGER,
         .least = 0,
         .most = MU_TS_S_END,
         .doc = "Buckets from here on, epoch seconds."},
        {.name = "to",
         .type = MU_FIELD_INTEGER,
         .least = 0,
         .most = MU_TS_S_END,
         .doc = "And before this, epoch seconds."},
        {.name = "after",
         .type = MU_FIELD_INTEGER,
         .least = 0,
         .most = MU_TS_S_END,
         .doc = "The next_after of the page before."},
        {.name = "limit",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = BUCKETS_MAX,
         .doc = "Most buckets in the answer; 10,000 unless said otherwise."},
};
static const struct mu_shape QUERY = MU_SHAPE("VerifyQuery", QUERY_FIELDS);

static const struct mu_field BUCKETS_FIELDS[] = {
        {.name = "device_id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "Whose."},
        {.name = "count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many buckets this page has."},
        {.name = "buckets",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Stored buckets, ascending, epoch seconds."},
        {.name = "next_after",
         .type = MU_FIELD_INTEGER,
         .doc = "There may be more: ask again with this as after."},
};
static const struct mu_shape BUCKETS = MU_SHAPE("StoredBuckets", BUCKETS_FIELDS);

static const struct mu_field ASKED_FIELDS[] = {
        {.name = "device_id",
         .type = MU_FIELD_ANY,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Whose, as a text of digits or a number."},
        {.name = "from",
         .type = MU_FIELD_INTEGER,
         .least = 0,
         .most = MU_TS_S_END,
         .doc = "Buckets from here on, epoch seconds."},
        {.name = "to",
         .type = MU_FIELD_INTEGER,
         .least = 0,
         .most = MU_TS_S_END,
         .doc = "And before this, epoch seconds."},
};
static const struct mu_shape ASKED = MU_SHAPE("VerifyDevice", ASKED_FIELDS);

static const struct mu_field ASK_FIELDS[] = {
        {.name = "devices",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = ASKED_MAX,
         .shape = &ASKED,
         .doc = "Each device once."},
};
static const struct mu_shape ASK = MU_SHAPE("VerifyRequest", ASK_FIELDS);

static const struct mu_field DIGEST_FIELDS[] = {
        {.name = "device_id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "Whose."},
        {.name = "count",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many buckets are stored."},
        {.name = "bucket_xor",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "XOR over splitmix64's finaliser of each bucket, 16 hex digits."},
        {.name = "min", .type = MU_FIELD_INTEGER, .doc = "The first bucket, epoch seconds."},
        {.name = "max", .type = MU_FIELD_INTEGER, .doc = "The last one."},
};
static const struct mu_shape DIGEST = MU_SHAPE("StoredDigest", DIGEST_FIELDS);

static const struct mu_field DIGESTS_FIELDS[] = {
        {.name = "results",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &DIGEST,
         .doc = "In the order they were asked for."},
};
static const struct mu_shape DIGESTS = MU_SHAPE("StoredDigests", DIGESTS_FIELDS);

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = MU_PATH_VERIFY,
         .handle = verify_one,
         .access = MU_ACCESS_ADMIN_KEY,
         .limit = MU_LIMIT_NONE,
         .query = &QUERY,
         .reply_status = 200,
         .reply = &BUCKETS,
         .operation_id = "verifyDevice",
         .tag = "Operation",
         .summary = "Which heartbeats of a device are stored"},
        {.method = "POST",
         .path = MU_PATH_VERIFY,
         .handle = verify_many,
         .access = MU_ACCESS_ADMIN_KEY,
         .limit = MU_LIMIT_NONE,
         .flags = MU_ENDPOINT_READ_ONLY | MU_ENDPOINT_RAW_BODY,
         .body_bytes_max = BODY_BYTES_MAX,
         .body = &ASK,
         .reply_status = 200,
         .reply = &DIGESTS,
         .operation_id = "verifyDevices",
         .tag = "Operation",
         .summary = "Digests of what is stored, of many devices"},
};

const struct mu_endpoints mu_verify_endpoints = MU_ENDPOINTS(rows);
