/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.h - what a JSON body or a query string looks like, written down once: it checks the input,
 * and OpenAPI is made from it.
 *
 *   static const struct mu_field FIELDS[] = {
 *           {.name = "alias", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED,
 *            .least = 1, .most = 100, .doc = "What people call the device."},
 *           {.name = "kind", .type = MU_FIELD_TEXT, .one_of = "android|desktop"},
 *   };
 *   static const struct mu_shape SHAPE = MU_SHAPE("DeviceChange", FIELDS);
 *
 * Texts are UTF-8 without NUL and control characters (MU_FIELD_LINES allows newline and tab). An
 * unknown member is refused unless the shape is open. null is absent unless MU_FIELD_NULLABLE.
 *
 * Units      TEXT: characters; LIST: items (a TEXT among them: 1..256 characters); INTEGER, NUMBER:
 *            the value itself.
 * Threads    any. Ownership: shapes are static const; results are jansson references of the caller.
 * Errors     a sentence and the field's path ("devices[3]", "constraints.min_battery").
 */
#ifndef MUSTER_CONTROL_SHAPE_H
#define MUSTER_CONTROL_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/request.h"
#include "muster/compiler.h"

enum mu_field_type {
        MU_FIELD_TEXT,
        MU_FIELD_INTEGER,
        MU_FIELD_NUMBER,
        MU_FIELD_BOOLEAN,
        MU_FIELD_ID,     /* a positive bigint, as a string of digits */
        MU_FIELD_TIME,   /* RFC 3339 with zone, as a string */
        MU_FIELD_OBJECT, /* of shape; shape NULL: any members */
        MU_FIELD_LIST,   /* of shape's objects; shape NULL: of items */
        MU_FIELD_ANY,    /* any JSON value */
};

enum mu_field_flag {
        MU_FIELD_REQUIRED = 1u << 0,
        MU_FIELD_NULLABLE = 1u << 1, /* null is a value of its own: "clear it" */
        MU_FIELD_SECRET = 1u << 2,   /* never repeated in an error, writeOnly or shown once */
        MU_FIELD_LINES = 1u << 3,    /* a text of several lines */
};

struct mu_shape;

struct mu_field {
        const char *name;
        enum mu_field_type type;
        enum mu_field_type items; /* LIST without shape */
        uint32_t flags;           /* MU_FIELD_* */
        int64_t least;            /* both 0: unbounded (replies only; TEXT and LIST that come in */
        int64_t most;             /* must have a bound) */
        const char *one_of;       /* TEXT (also as a list's items): "a|b|c" */
        const struct mu_shape *shape;
        const char *doc; /* a sentence */
};

struct mu_shape {
        const char *name; /* OpenAPI's component: "DeviceChange" */
        const struct mu_field *fields;
        size_t field_count;
        bool open; /* members that are not listed are let through */
};

#define MU_SHAPE(shape_name, list)                                                                 \
        {                                                                                          \
                .name = (shape_name), .fields = (list), .field_count = MU_COUNT_OF(list)           \
        }

enum mu_shape_limits {
        MU_SHAPE_DETAIL_BYTES = 256,
        MU_SHAPE_PATH_BYTES = 128,
        MU_SHAPE_DEPTH_MAX = 16,
        MU_SHAPE_ITEM_CHARS_MAX = 256,
        MU_SHAPE_QUERY_PARAMS_MAX = 64,
};

struct mu_shape_problem {
        int status;       /* 400, or 413 for lists that are too long */
        const char *slug; /* "json-syntax", "field-missing", "field-invalid", "field-unknown" */
        char path[MU_SHAPE_PATH_BYTES];
        char detail[MU_SHAPE_DETAIL_BYTES];
};

/* Parses text as JSON (duplicate members refused; empty: {}) and checks it. 0 and *ret_object;
 * -EBADMSG and the problem; -ENOMEM. */
MU_MUST_CHECK
int mu_shape_parse_body(const struct mu_shape *shape, struct mu_slice text, json_t **ret_object,
                        struct mu_shape_problem *ret_problem);
/* The same of a query string: "a=1&tag=x&tag=y" becomes an object with typed values; a LIST takes
 * repeated parameters. */
MU_MUST_CHECK
int mu_shape_parse_query(const struct mu_shape *shape, struct mu_slice query, json_t **ret_object,
                         struct mu_shape_problem *ret_problem);
/* Checks a value that is there already; for tests of replies too. */
MU_MUST_CHECK
int mu_shape_check(const struct mu_shape *shape, const json_t *object,
                   struct mu_shape_problem *ret_problem);

/* ---- reading what has passed: NULL, fallback or false when absent ---- */

const char *mu_json_text(const json_t *object, const char *name);
int64_t mu_json_integer(const json_t *object, const char *name, int64_t fallback);
double mu_json_number(const json_t *object, const char *name, double fallback);
bool mu_json_bool(const json_t *object, const char *name, bool fallback);
int64_t mu_json_id(const json_t *object, const char *name); /* 0: absent */
/* us since the epoch; fallback when absent. */
int64_t mu_json_time_us(const json_t *object, const char *name, int64_t fallback);
bool mu_json_has(const json_t *object, const char *name); /* null counts as there */

/* ---- writing replies ---- */

json_t *mu_json_of_id(int64_t id);   /* "42" */
json_t *mu_json_of_time(int64_t us); /* RFC 3339, UTC, milliseconds */
json_t *mu_json_of_text_or_null(const char *text);

#endif
