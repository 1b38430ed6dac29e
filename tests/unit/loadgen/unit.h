/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h - cmocka and the headers it wants before itself. */
#ifndef TESTS_LOADGEN_UNIT_H
#define TESTS_LOADGEN_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
