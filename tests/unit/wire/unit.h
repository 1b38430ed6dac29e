/* SPDX-License-Identifier: Apache-2.0 */
/* What every test of src/wire includes. */
#ifndef TESTS_UNIT_WIRE_UNIT_H
#define TESTS_UNIT_WIRE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A copy that ends where the text ends, so that AddressSanitizer sees one byte too many. */
static inline char *exact_copy(const char *text, size_t bytes)
{
        char *copy = malloc(bytes ? bytes : 1);

        assert_non_null(copy);
        memcpy(copy, text, bytes);
        return copy;
}

#endif
