/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - a heartbeat of 20 fields: our decoder, which checks and fills a record, against
 * parsers that only build their tree of it.
 */
#include <jansson.h>

#include "bench.h"
#include "decode_simdjson.h"
#include "wire/heartbeat.h"

static void *prepare(void)
{
        struct mu_decoder *decoder;
        int error = mu_decoder_create(&decoder);

        if (error < 0)
                mu_bench_fail("decoder", error);
        return decoder;
}

static void finish(void *decoder)
{
        mu_decoder_destroy(decoder);
}

static void run_ours(void *decoder, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++) {
                struct mu_heartbeat heartbeat;
                struct mu_wire_problem problem;

                if (mu_decode_heartbeat(decoder, mu_bench_heartbeat, mu_bench_heartbeat_bytes(),
                                        &heartbeat, &problem) < 0)
                        mu_bench_fail(problem.detail, 22);
                mu_bench_use((uint64_t)heartbeat.ts_us);
        }
}

static void run_jansson(void *state, uint64_t count)
{
        (void)state;
        for (uint64_t i = 0; i < count; i++) {
                json_t *root = json_loadb(mu_bench_heartbeat, mu_bench_heartbeat_bytes(),
                                          JSON_REJECT_DUPLICATES, NULL);

                if (!root)
                        mu_bench_fail("jansson", 22);
                mu_bench_use((uint64_t)json_integer_value(json_object_get(root, "battery")));
                json_decref(root);
        }
}

static void run_simdjson(void *parser, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++)
                mu_bench_use(mu_bench_simdjson_parse(parser, mu_bench_heartbeat,
                                                     mu_bench_heartbeat_bytes()));
}

const struct mu_bench mu_bench_decode = {
        .stage = "decode",
        .operation = "one heartbeat of 20 fields",
        .count = 200000,
        .cases = {{"ours: to a record, checked", run_ours, prepare, finish},
                  {"simdjson, tree only", run_simdjson, mu_bench_simdjson_create,
                   mu_bench_simdjson_destroy},
                  {"jansson, tree only", run_jansson, NULL, NULL},
                  {.name = NULL}},
};
