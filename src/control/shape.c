/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape.c - checking a value that is there already, and what the text of a body becomes. Query
 * strings: shape_query.c.
 */
#include "control/shape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "control/shape_private.h"

enum {
        NAME_ECHO_BYTES = 40, /* how much of a stranger's name a sentence repeats */
};

/* One check on its way down. */
struct walk {
        struct mu_shape_problem *problem;
        struct mu_text path; /* fixed, in path_bytes */
        char path_bytes[MU_SHAPE_PATH_BYTES];
        bool drop_null; /* takes out what null makes absent */
};

int mu_shape_refuse(struct mu_shape_problem *problem, int status, const char *slug,
                    const char *path, const char *format, ...)
{
        va_list arguments;

        problem->status = status;
        problem->slug = slug;
        (void)snprintf(problem->path, sizeof(problem->path), "%s", path);
        va_start(arguments, format);
        (void)vsnprintf(problem->detail, sizeof(problem->detail), format, arguments);
        va_end(arguments);
        return -EBADMSG;
}

/* ---- texts ---- */

/* The next code point of well-formed UTF-8. */
static uint32_t next_character(const unsigned char **at)
{
        unsigned char first = *(*at)++;
        uint32_t code = first;
        int more = 0;

        if (first >= 0xf0) {
                code = first & 0x07u;
                more = 3;
        } else if (first >= 0xe0) {
                code = first & 0x0fu;
                more = 2;
        } else if (first >= 0xc0) {
                code = first & 0x1fu;
                more = 1;
        }
        while (more-- > 0)
                code = code << 6 | (*(*at)++ & 0x3fu);
        return code;
}

static bool is_control(uint32_t code, bool lines)
{
        if (lines && (code == '\n' || code == '\t'))
                return false;
        return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* Its length in characters, or -1: it holds a control character. */
static int64_t characters_of(const json_t *value, bool lines)
{
        const unsigned char *at = (const unsigned char *)json_string_value(value);
        const unsigned char *end = at + json_string_length(value);
        int64_t count = 0;

        while (at < end) {
                if (is_control(next_character(&at), lines))
                        return -1;
                count++;
        }
        return count;
}

static bool is_one_of(const char *list, const char *text, size_t bytes)
{
        for (const char *at = list;; at++) {
                size_t length = strcspn(at, "|");

                if (length == bytes && memcmp(at, text, bytes) == 0)
                        return true;
                at += length;
                if (*at == '\0')
                        return false;
        }
}

static int refuse_text(struct walk *walk, const struct mu_field *field)
{
        return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                               "%s must be a text of %" PRId64 " to %" PRId64
                               " characters without control characters.",
                               walk->path_bytes, field->least, field->most);
}

static int check_text(struct walk *walk, const struct mu_field *field, const json_t *value)
{
        bool bounded = field->least != 0 || field->most != 0;

        if (!json_is_string(value))
                return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                                       "%s must be a text.", walk->path_bytes);
        if (field->one_of) {
                if (is_one_of(field->one_of, json_string_value(value), json_string_length(value)))
                        return 0;
                return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                                       "%s must be one of: %s.", walk->path_bytes, field->one_of);
        }
        int64_t characters = characters_of(value, (field->flags & MU_FIELD_LINES) != 0);

        if (!bounded)
                return 0;
        if (characters < field->least || characters > field->most || characters < 0)
                return refuse_text(walk, field);
        return 0;
}

/* ---- the other scalars ---- */

static int check_number(struct walk *walk, const struct mu_field *field, const json_t *value)
{
        bool bounded = field->least != 0 || field->most != 0;
        bool whole = field->type == MU_FIELD_INTEGER;
        bool valid = whole ? json_is_integer(value) : json_is_number(value);

        if (valid && bounded && json_is_integer(value))
                valid = json_integer_value(value) >= field->least &&
                        json_integer_value(value) <= field->most;
        else if (valid && bounded)
                valid = json_real_value(value) >= (double)field->least &&
                        json_real_value(value) <= (double)field->most;
        if (valid)
                return 0;
        if (!bounded)
                return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                                       "%s must be a %s.", walk->path_bytes,
                                       whole ? "whole number" : "number");
        return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                               "%s must be a %s from %" PRId64 " to %" PRId64 ".", walk->path_bytes,
                               whole ? "whole number" : "number", field->least, field->most);
}

static int check_plain(struct walk *walk, bool valid, const char *what)
{
        if (valid)
                return 0;
        return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                               "%s must be %s.", walk->path_bytes, what);
}

static bool is_time(const json_t *value)
{
        int64_t us;

        return json_is_string(value) && mu_shape_time_parse(json_string_value(value), &us);
}

/* ---- what holds others ---- */

static int check_object(struct walk *walk, const struct mu_shape *shape, json_t *object);
static int check_field(struct walk *walk, const struct mu_field *field, json_t *value);

static int check_list(struct walk *walk, const struct mu_field *field, json_t *list)
{
        const struct mu_field item = {
                .name = field->name,
                .type = field->items,
                .flags = field->flags,
                .least = field->items == MU_FIELD_TEXT ? 1 : 0,
                .most = field->items == MU_FIELD_TEXT ? MU_SHAPE_ITEM_CHARS_MAX : 0,
                .one_of = field->one_of};
        size_t count = json_array_size(list);
        size_t length = walk->path.bytes;
        int error = 0;

        if (!json_is_array(list))
                return check_plain(walk, false, "a list");
        if ((field->least != 0 || field->most != 0) && (int64_t)count > field->most)
                return mu_shape_refuse(walk->problem, 413, "list-too-long", walk->path_bytes,
                                       "%s holds %zu items; at most %" PRId64 " are taken at once.",
                                       walk->path_bytes, count, field->most);
        if ((int64_t)count < field->least)
                return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                                       "%s must have at least %" PRId64 " items.", walk->path_bytes,
                                       field->least);
        for (size_t i = 0; i < count && error == 0; i++) {
                mu_text_add_format(&walk->path, "[%zu]", i);
                json_t *value = json_array_get(list, i);

                error = field->shape ? check_object(walk, field->shape, value)
                                     : check_field(walk, &item, value);
                mu_text_cut(&walk->path, length);
        }
        return error;
}

static int check_field(struct walk *walk, const struct mu_field *field, json_t *value)
{
        switch (field->type) {
        case MU_FIELD_TEXT:
                return check_text(walk, field, value);
        case MU_FIELD_INTEGER:
        case MU_FIELD_NUMBER:
                return check_number(walk, field, value);
        case MU_FIELD_BOOLEAN:
                return check_plain(walk, json_is_boolean(value), "true or false");
        case MU_FIELD_ID:
                return check_plain(walk, mu_shape_id_parse(json_string_value(value)) > 0,
                                   "an id: a text of digits");
        case MU_FIELD_TIME:
                return check_plain(walk, is_time(value),
                                   "a time like 2026-01-31T12:00:00Z (RFC 3339, with its zone)");
        case MU_FIELD_OBJECT:
                if (field->shape)
                        return check_object(walk, field->shape, value);
                return check_plain(walk, json_is_object(value), "an object");
        case MU_FIELD_LIST:
                return check_list(walk, field, value);
        case MU_FIELD_ANY:
                break;
        }
        return 0;
}

static const struct mu_field *find_field(const struct mu_shape *shape, const char *name)
{
        for (size_t i = 0; i < shape->field_count; i++) {
                if (strcmp(shape->fields[i].name, name) == 0)
                        return &shape->fields[i];
        }
        return NULL;
}

/* A name that a stranger chose, shortened and without anything that could harm a terminal. */
static void echo_name(const char *name, char text[NAME_ECHO_BYTES])
{
        size_t i = 0;

        for (; name[i] != '\0' && i < NAME_ECHO_BYTES - 1; i++)
                text[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '?';
        text[i] = '\0';
}

int mu_shape_refuse_unknown(struct mu_shape_problem *problem, const char *parent, const char *name,
                            const char *what)
{
        char echo[NAME_ECHO_BYTES];
        char path[MU_SHAPE_PATH_BYTES];

        echo_name(name, echo);
        (void)snprintf(path, sizeof(path), "%.80s%s%s", parent, *parent ? "." : "", echo);
        return mu_shape_refuse(problem, 400, "field-unknown", path, "%s is not a %s here.", path,
                               what);
}

static int check_unknown(struct walk *walk, const struct mu_shape *shape, json_t *object)
{
        const char *name;
        json_t *value;

        if (shape->open)
                return 0;
        json_object_foreach(object, name, value)
        {
                if (!find_field(shape, name))
                        return mu_shape_refuse_unknown(walk->problem, walk->path_bytes, name,
                                                       "field");
        }
        return 0;
}

static int check_member(struct walk *walk, const struct mu_field *field, json_t *object)
{
        json_t *value = json_object_get(object, field->name);

        if (json_is_null(value) && (field->flags & MU_FIELD_NULLABLE) != 0)
                return 0;
        if (json_is_null(value)) {
                if (walk->drop_null)
                        (void)json_object_del(object, field->name);
                value = NULL;
        }
        if (value)
                return check_field(walk, field, value);
        if ((field->flags & MU_FIELD_REQUIRED) == 0)
                return 0;
        return mu_shape_refuse(walk->problem, 400, "field-missing", walk->path_bytes,
                               "%s is missing.", walk->path_bytes);
}

static int check_object(struct walk *walk, const struct mu_shape *shape, json_t *object)
{
        size_t length = walk->path.bytes;

        if (!json_is_object(object))
                return mu_shape_refuse(walk->problem, 400, "field-invalid", walk->path_bytes,
                                       "%s must be a JSON object.",
                                       length ? walk->path_bytes : "The body");
        int error = check_unknown(walk, shape, object);

        for (size_t i = 0; i < shape->field_count && error == 0; i++) {
                if (length > 0)
                        mu_text_add(&walk->path, ".");
                mu_text_add(&walk->path, shape->fields[i].name);
                error = check_member(walk, &shape->fields[i], object);
                mu_text_cut(&walk->path, length);
        }
        return error;
}

/* How deep value is nested, as far as depth_max + 1. */
static int depth_of(const json_t *value, int depth_max)
{
        int deepest = 0;
        const char *name;
        json_t *child;
        size_t i;

        if (depth_max < 0 || (!json_is_object(value) && !json_is_array(value)))
                return 0;
        json_object_foreach((json_t *)value, name, child)
        {
                int depth = depth_of(child, depth_max - 1);

                deepest = depth > deepest ? depth : deepest;
        }
        json_array_foreach(value, i, child)
        {
                int depth = depth_of(child, depth_max - 1);

                deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
}

static int check_whole(const struct mu_shape *shape, json_t *object, bool drop_null,
                       struct mu_shape_problem *ret_problem)
{
        struct walk walk = {.problem = ret_problem, .drop_null = drop_null};

        mu_text_init_fixed(&walk.path, walk.path_bytes, sizeof(walk.path_bytes));
        if (depth_of(object, MU_SHAPE_DEPTH_MAX) > MU_SHAPE_DEPTH_MAX)
                return mu_shape_refuse(ret_problem, 400, "json-depth", "",
                                       "The body is nested too deeply: at most %d levels.",
                                       MU_SHAPE_DEPTH_MAX);
        return check_object(&walk, shape, object);
}

int mu_shape_check(const struct mu_shape *shape, const json_t *object,
                   struct mu_shape_problem *ret_problem)
{
        /* Without drop_null nothing is changed. */
        return check_whole(shape, (json_t *)object, false, ret_problem);
}

int mu_shape_parse_body(const struct mu_shape *shape, struct mu_slice text, json_t **ret_object,
                        struct mu_shape_problem *ret_problem)
{
        json_error_t where;
        json_t *object;

        /* jansson takes a NUL byte between tokens for the end of the text. */
        if (text.bytes > 0 && memchr(text.data, '\0', text.bytes))
                return mu_shape_refuse(ret_problem, 400, "json-syntax", "",
                                       "The body is not valid JSON: it holds a NUL byte.");
        if (text.bytes == 0)
                object = json_object();
        else
                object = json_loadb(text.data, text.bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                                    &where);
        if (!object && (text.bytes == 0 || json_error_code(&where) == json_error_out_of_memory))
                return -ENOMEM;
        /* jansson's text would repeat what stands there: a password, perhaps. */
        if (!object)
                return mu_shape_refuse(ret_problem, 400, "json-syntax", "",
                                       "The body is not valid JSON (line %d, column %d).",
                                       where.line, where.column);
        int error = check_whole(shape, object, true, ret_problem);

        if (error < 0) {
                json_decref(object);
                return error;
        }
        *ret_object = object;
        return 0;
}
