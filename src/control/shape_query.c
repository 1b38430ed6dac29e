/* SPDX-License-Identifier: Apache-2.0 */
/* shape_query.c - a query string becomes an object with typed values. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/shape_private.h"

/* ---- one value ---- */

static json_t *boolean_of(const char *text)
{
        if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
                return json_true();
        if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
                return json_false();
        return NULL;
}

static json_t *integer_of(const char *text)
{
        const char *digits = text + (*text == '-');
        size_t count = strspn(digits, "0123456789");
        char *end;

        if (count == 0 || digits[count] != '\0')
                return NULL;
        errno = 0;
        int64_t value = strtoll(text, &end, 10);

        return errno == 0 ? json_integer(value) : NULL;
}

static json_t *number_of(const char *text)
{
        size_t count = strspn(text, "0123456789+-.eE"); /* no "inf", "nan", "0x" */
        char *end;

        if (count == 0 || text[count] != '\0')
                return NULL;
        double value = strtod(text, &end);

        return *end == '\0' && isfinite(value) ? json_real(value) : NULL;
}

/* A zone's plus that was sent as it stands has become a blank. */
static void mend_time(char *text)
{
        char *blank = strrchr(text, ' ');
        bool is_zone = blank && strlen(blank) == strlen("+hh:mm") && blank - text > 10;

        if (is_zone)
                *blank = '+';
}

/* NULL: text is none, or no memory; *ret_what then says what it should be. */
static json_t *value_of(enum mu_field_type type, char *text, size_t bytes, const char **ret_what)
{
        /* What a query string can't hold. */
        MU_ASSERT(type != MU_FIELD_OBJECT && type != MU_FIELD_LIST && type != MU_FIELD_ANY);
        *ret_what = "a text (UTF-8)";
        switch (type) {
        case MU_FIELD_INTEGER:
                *ret_what = "a whole number";
                return integer_of(text);
        case MU_FIELD_NUMBER:
                *ret_what = "a number";
                return number_of(text);
        case MU_FIELD_BOOLEAN:
                *ret_what = "true or false";
                return boolean_of(text);
        case MU_FIELD_TIME:
                mend_time(text);
                return json_stringn(text, bytes);
        case MU_FIELD_TEXT:
        case MU_FIELD_ID:
                return json_stringn(text, bytes);
        case MU_FIELD_OBJECT:
        case MU_FIELD_LIST:
        case MU_FIELD_ANY:
                break;
        }
        return NULL;
}

/* ---- one parameter ---- */

static const struct mu_field *find_field(const struct mu_shape *shape, const char *name)
{
        for (size_t i = 0; i < shape->field_count; i++) {
                if (strcmp(shape->fields[i].name, name) == 0)
                        return &shape->fields[i];
        }
        return NULL;
}

static int put(const struct mu_field *field, json_t *object, json_t *value,
               struct mu_shape_problem *problem)
{
        json_t *there = json_object_get(object, field->name);

        if (field->type == MU_FIELD_LIST) {
                if (!there && (json_object_set_new(object, field->name, json_array()) < 0)) {
                        json_decref(value);
                        return -ENOMEM;
                }
                there = json_object_get(object, field->name);
                return json_array_append_new(there, value) < 0 ? -ENOMEM : 0;
        }
        if (there) {
                json_decref(value);
                return mu_shape_refuse(problem, 400, "field-invalid", field->name,
                                       "%s is given twice; give it once.", field->name);
        }
        return json_object_set_new(object, field->name, value) < 0 ? -ENOMEM : 0;
}

/* name and value: decoded, NUL-terminated. */
static int add_parameter(const struct mu_shape *shape, const char *name, char *text, size_t bytes,
                         json_t *object, struct mu_shape_problem *problem)
{
        const struct mu_field *field = find_field(shape, name);
        const char *what;

        if (!field)
                return shape->open ? 0 : mu_shape_refuse_unknown(problem, "", name, "parameter");
        json_t *value = value_of(field->type == MU_FIELD_LIST ? field->items : field->type, text,
                                 bytes, &what);

        if (!value)
                return mu_shape_refuse(problem, 400, "field-invalid", field->name, "%s must be %s.",
                                       field->name, what);
        return put(field, object, value, problem);
}

/* text: room for both parts of the pair, decoded, with their NULs. */
static int read_pair(const struct mu_shape *shape, struct mu_slice pair, char *text, json_t *object,
                     struct mu_shape_problem *problem)
{
        const char *equals = memchr(pair.data, '=', pair.bytes);
        struct mu_slice name = {pair.data, equals ? (size_t)(equals - pair.data) : pair.bytes};
        struct mu_slice value = {equals ? equals + 1 : pair.data,
                                 equals ? pair.bytes - name.bytes - 1 : 0};
        size_t name_bytes;
        size_t value_bytes;

        if (mu_percent_decode(name, true, text, &name_bytes) < 0 ||
            mu_percent_decode(value, true, text + name_bytes + 1, &value_bytes) < 0)
                return mu_shape_refuse(problem, 400, "query-syntax", "",
                                       "The query string holds a broken percent escape.");
        text[name_bytes] = '\0';
        text[name_bytes + 1 + value_bytes] = '\0';
        return add_parameter(shape, text, text + name_bytes + 1, value_bytes, object, problem);
}

static int read_pairs(const struct mu_shape *shape, struct mu_slice query, char *text,
                      json_t *object, struct mu_shape_problem *problem)
{
        const char *at = query.data;
        const char *end = query.data + query.bytes;
        int count = 0;
        int error = 0;

        while (at < end && error == 0) {
                const char *stop = memchr(at, '&', (size_t)(end - at));

                if (!stop)
                        stop = end;
                if (++count > MU_SHAPE_QUERY_PARAMS_MAX)
                        return mu_shape_refuse(problem, 400, "query-syntax", "",
                                               "The query string has more than %d parameters.",
                                               MU_SHAPE_QUERY_PARAMS_MAX);
                if (stop > at)
                        error = read_pair(shape, (struct mu_slice){at, (size_t)(stop - at)}, text,
                                          object, problem);
                at = stop < end ? stop + 1 : end;
        }
        return error;
}

int mu_shape_parse_query(const struct mu_shape *shape, struct mu_slice query, json_t **ret_object,
                         struct mu_shape_problem *ret_problem)
{
        char *text = malloc(query.bytes + 2);
        json_t *object = json_object();
        int error = text && object ? 0 : -ENOMEM;

        if (error == 0)
                error = read_pairs(shape, query, text, object, ret_problem);
        if (error == 0)
                error = mu_shape_check(shape, object, ret_problem);
        if (error == -EBADMSG)
                ret_problem->status = 400; /* 413 speaks of bodies */
        free(text);
        if (error < 0) {
                json_decref(object);
                return error;
        }
        *ret_object = object;
        return 0;
}
