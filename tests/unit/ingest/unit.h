/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h - cmocka with what it wants included first. */
#ifndef MUSTER_TESTS_UNIT_INGEST_UNIT_H
#define MUSTER_TESTS_UNIT_INGEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
