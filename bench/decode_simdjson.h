/* SPDX-License-Identifier: Apache-2.0 */
/* decode_simdjson.h - simdjson's DOM parser, for C. */
#ifndef MUSTER_BENCH_DECODE_SIMDJSON_H
#define MUSTER_BENCH_DECODE_SIMDJSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void *mu_bench_simdjson_create(void);
void mu_bench_simdjson_destroy(void *parser);
/* The heartbeat's battery; ends the program when the text is not JSON. */
uint64_t mu_bench_simdjson_parse(void *parser, const char *json, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
