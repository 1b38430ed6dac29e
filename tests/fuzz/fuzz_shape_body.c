/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON body that a stranger writes, against a shape with every type: what passes must fit it also
 * after a round trip, what does not must say why. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct mu_field inner_fields[] = {
        {.name = "low",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .least = -5,
         .most = 5},
        {.name = "any", .type = MU_FIELD_ANY},
};
static const struct mu_shape inner = MU_SHAPE("Inner", inner_fields);

static const struct mu_field fields[] = {
        {.name = "name", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED, .least = 1, .most = 9},
        {.name = "note", .type = MU_FIELD_TEXT, .flags = MU_FIELD_LINES, .least = 0, .most = 99},
        {.name = "kind", .type = MU_FIELD_TEXT, .one_of = "cat|dog"},
        {.name = "ratio", .type = MU_FIELD_NUMBER, .least = 0, .most = 1},
        {.name = "on", .type = MU_FIELD_BOOLEAN},
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_NULLABLE},
        {.name = "at", .type = MU_FIELD_TIME, .flags = MU_FIELD_NULLABLE},
        {.name = "inner", .type = MU_FIELD_OBJECT, .shape = &inner},
        {.name = "list", .type = MU_FIELD_LIST, .least = 0, .most = 3, .shape = &inner},
        {.name = "tags", .type = MU_FIELD_LIST, .items = MU_FIELD_TEXT, .least = 0, .most = 3},
};
static const struct mu_shape shape = MU_SHAPE("Outer", fields);

static void check_again(const json_t *object)
{
        char *text = json_dumps(object, JSON_COMPACT);
        struct mu_shape_problem problem;
        json_t *again;

        MU_ASSERT(text && mu_shape_check(&shape, object, &problem) == 0);
        struct mu_slice slice = {text, strlen(text)};

        MU_ASSERT(mu_shape_parse_body(&shape, slice, &again, &problem) == 0);
        MU_ASSERT(json_equal(again, object));
        json_decref(again);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_slice body = {(const char *)data, bytes};
        struct mu_shape_problem problem = {0};
        json_t *object;
        int error = mu_shape_parse_body(&shape, body, &object, &problem);

        if (error == 0) {
                MU_ASSERT(mu_json_text(object, "name"));
                check_again(object);
                json_decref(object);
                return 0;
        }
        MU_ASSERT(error == -EBADMSG && (problem.status == 400 || problem.status == 413));
        MU_ASSERT(strlen(problem.slug) > 0 && strlen(problem.detail) > 0);
        return 0;
}
