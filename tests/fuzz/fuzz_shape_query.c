/* SPDX-License-Identifier: Apache-2.0 */
/* A query string that a stranger writes, against a shape with every type that one can hold: what
 * passes must fit the shape, what does not must say why. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "control/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct mu_field fields[] = {
        {.name = "q", .type = MU_FIELD_TEXT, .least = 0, .most = 10},
        {.name = "sort", .type = MU_FIELD_TEXT, .one_of = "name|-name"},
        {.name = "limit", .type = MU_FIELD_INTEGER, .least = 1, .most = 500},
        {.name = "ratio", .type = MU_FIELD_NUMBER, .least = -1, .most = 1},
        {.name = "on", .type = MU_FIELD_BOOLEAN},
        {.name = "id", .type = MU_FIELD_ID},
        {.name = "from", .type = MU_FIELD_TIME},
        {.name = "tag", .type = MU_FIELD_LIST, .items = MU_FIELD_TEXT, .least = 0, .most = 4},
        {.name = "ids", .type = MU_FIELD_LIST, .items = MU_FIELD_ID, .least = 0, .most = 4},
};
static const struct mu_shape shape = MU_SHAPE("Query", fields);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_slice query = {(const char *)data, bytes};
        struct mu_shape_problem problem = {0};
        json_t *object;
        int error = mu_shape_parse_query(&shape, query, &object, &problem);

        if (error == 0) {
                int64_t limit = mu_json_integer(object, "limit", 1);

                MU_ASSERT(mu_shape_check(&shape, object, &problem) == 0);
                MU_ASSERT(limit >= 1 && limit <= 500);
                MU_ASSERT(mu_json_id(object, "id") >= 0);
                json_decref(object);
                return 0;
        }
        MU_ASSERT(error == -EBADMSG && (problem.status == 400 || problem.status == 413));
        MU_ASSERT(strlen(problem.slug) > 0 && strlen(problem.detail) > 0);
        return 0;
}
