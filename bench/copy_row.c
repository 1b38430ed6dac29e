/* SPDX-License-Identifier: Apache-2.0 */
/* copy_row.c - a record as a row of binary COPY, against copying as many bytes. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "ingest/copy_row.h"
#include "wire/heartbeat.h"

struct state {
        struct mu_decoder *decoder;
        const struct mu_record *record;
        uint8_t row[MU_COPY_ROW_BYTES_MAX];
        uint8_t copy[MU_COPY_ROW_BYTES_MAX];
        size_t row_bytes;
};

static void *prepare(void)
{
        struct state *state = calloc(1, sizeof(*state));
        struct mu_heartbeat heartbeat;
        struct mu_wire_problem problem;

        if (!state || mu_decoder_create(&state->decoder) < 0 ||
            mu_decode_heartbeat(state->decoder, mu_bench_heartbeat, mu_bench_heartbeat_bytes(),
                                &heartbeat, &problem) < 0)
                mu_bench_fail("decoder", 12);
        state->record = heartbeat.record;
        state->row_bytes = (size_t)(mu_copy_heartbeat(state->row, state->record) - state->row);
        return state;
}

static void finish(void *argument)
{
        struct state *state = argument;

        mu_decoder_destroy(state->decoder);
        free(state);
}

static void run_ours(void *argument, uint64_t count)
{
        struct state *state = argument;

        for (uint64_t i = 0; i < count; i++)
                mu_bench_use((uint64_t)(uintptr_t)mu_copy_heartbeat(state->row, state->record));
}

static void run_memcpy(void *argument, uint64_t count)
{
        struct state *state = argument;

        for (uint64_t i = 0; i < count; i++) {
                memcpy(state->copy, state->row, state->row_bytes);
                mu_bench_use(state->copy[i % 64]);
        }
}

const struct mu_bench mu_bench_copy_row = {
        .stage = "copy_row",
        .operation = "one row of 25 columns",
        .count = 2000000,
        .cases = {{"ours: record to COPY BINARY", run_ours, prepare, finish},
                  {"memcpy of the row", run_memcpy, prepare, finish},
                  {.name = NULL}},
};
