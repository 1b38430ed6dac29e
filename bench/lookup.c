/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c - token → device among 100,000: SHA-256 of the token, probe, comparison in constant
 * time; and the probe alone. Tokens are asked for in random order, so the table is out of cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/qsbr.h"
#include "base/random.h"
#include "bench.h"
#include "identity/device_table.h"

enum {
        DEVICES = 100000,
        TOKEN_CHARS = 46,
};

struct state {
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        char (*tokens)[TOKEN_CHARS];
        struct mu_digest *digests;
        struct mu_random random;
};

static void *prepare(void)
{
        struct state *state = calloc(1, sizeof(*state));

        if (!state || mu_qsbr_create(4, &state->qsbr) < 0 ||
            mu_device_table_create(state->qsbr, &state->table) < 0)
                mu_bench_fail("device table", 12);
        state->tokens = calloc(DEVICES, sizeof(*state->tokens));
        state->digests = calloc(DEVICES, sizeof(*state->digests));
        if (!state->tokens || !state->digests)
                mu_bench_fail("device table", 12);
        mu_random_seed(&state->random, 1);
        for (uint32_t i = 0; i < DEVICES; i++) {
                struct mu_device *device;
                char token[MU_TOKEN_BYTES];

                if (mu_token_generate("mu_", token) < 0 ||
                    mu_device_table_add(state->table, (int64_t)i + 1, &device) < 0)
                        mu_bench_fail("device table", 12);
                memcpy(state->tokens[i], token, TOKEN_CHARS);
                mu_token_digest(token, TOKEN_CHARS, &state->digests[i]);
                if (mu_device_table_add_token(state->table, device, &state->digests[i], 1, true) <
                    0)
                        mu_bench_fail("device table", 12);
        }
        return state;
}

static void finish(void *argument)
{
        struct state *state = argument;

        mu_device_table_destroy(state->table);
        mu_qsbr_destroy(state->qsbr);
        free(state->tokens);
        free(state->digests);
        free(state);
}

static void run_token(void *argument, uint64_t count)
{
        struct state *state = argument;

        for (uint64_t i = 0; i < count; i++) {
                struct mu_digest digest;
                size_t at = mu_random_below(&state->random, DEVICES);

                mu_token_digest(state->tokens[at], TOKEN_CHARS, &digest);
                mu_bench_use(
                        (uint64_t)(uintptr_t)mu_device_table_resolve(state->table, &digest, i));
        }
}

static void run_digest(void *argument, uint64_t count)
{
        struct state *state = argument;

        for (uint64_t i = 0; i < count; i++)
                mu_bench_use((uint64_t)(uintptr_t)mu_device_table_resolve(
                        state->table, &state->digests[mu_random_below(&state->random, DEVICES)],
                        i));
}

const struct mu_bench mu_bench_lookup = {
        .stage = "lookup",
        .operation = "one token among 100,000 devices",
        .count = 1000000,
        .cases = {{"ours: SHA-256 and probe", run_token, prepare, finish},
                  {"the probe alone", run_digest, prepare, finish},
                  {.name = NULL}},
};
