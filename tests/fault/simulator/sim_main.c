/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster-simulator [--seeds N] [--first N] [--seed N]   runs N seeds, or one with a trace
 *                  [--expect-failure]                   0 when a promise breaks: for planted bugs
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "sim.h"

enum { STEPS_MIN = 200, STEPS_SPREAD = 900, RESTARTS_MAX = 1000 };

_Noreturn void sim_broken(const struct sim *sim, const char *format, ...)
{
        va_list arguments;

        (void)printf("seed %lu, step %lu: ", (unsigned long)sim->seed, (unsigned long)sim->step);
        va_start(arguments, format);
        (void)vprintf(format, arguments);
        va_end(arguments);
        (void)printf("\nagain with a trace: --seed %lu\n", (unsigned long)sim->seed);
        (void)fflush(stdout);
        _exit(1);
}

void sim_trace(const struct sim *sim, const char *format, ...)
{
        va_list arguments;

        if (!sim->trace)
                return;
        (void)printf("%6lu  ", (unsigned long)sim->step);
        va_start(arguments, format);
        (void)vprintf(format, arguments);
        va_end(arguments);
        (void)printf("\n");
}

uint32_t sim_record_bytes(uint32_t id)
{
        return (uint32_t)sizeof(struct mu_record) + id * 2654435761u % 331;
}

uint32_t sim_fill_record(const struct sim *sim, uint32_t id, struct mu_record *record)
{
        uint32_t key = sim->ledger.records[id].key;
        uint32_t bytes = sim_record_bytes(id);

        memset(record, 0, bytes);
        record->device_id = sim_key_device(key);
        record->bucket_s = sim_key_bucket_s(key);
        record->observed_at_us = record->bucket_s * MU_US_PER_S;
        record->received_at_us = record->observed_at_us;
        record->seq = id;
        record->extra_bytes = (uint16_t)(bytes - sizeof(*record));
        memset(record + 1, (int)(id & 0x7f), record->extra_bytes);
        return bytes;
}

uint32_t sim_check_record(const struct sim *sim, const struct mu_record *record, uint32_t bytes)
{
        _Alignas(8) unsigned char expected[sizeof(struct mu_record) + 512];

        if (record->seq < 1 || (uint64_t)record->seq > sim->ledger.record_count ||
            sim_record_bytes((uint32_t)record->seq) != bytes)
                sim_broken(sim, "a record comes back that nobody sent");
        (void)sim_fill_record(sim, (uint32_t)record->seq, (void *)expected);
        if (memcmp(expected, record, bytes) != 0)
                sim_broken(sim, "record %u comes back changed", (uint32_t)record->seq);
        return (uint32_t)record->seq;
}

static uint64_t monotonic_ns(void *context)
{
        return ((const struct sim *)context)->now_ns;
}

static int64_t realtime_us(void *context)
{
        return INT64_C(1760000000000000) + (int64_t)(monotonic_ns(context) / MU_NS_PER_US);
}

/* Some seeds are quiet but for crashes, some are all errors. */
static void choose_faults(struct sim *sim)
{
        static const uint32_t levels[] = {0, 0, 2, 10, 50, 300};
        struct sim_faults *faults = &sim->faults;

        faults->write = levels[sim_below(sim, MU_COUNT_OF(levels))];
        faults->sync = levels[sim_below(sim, MU_COUNT_OF(levels))];
        faults->prepare = levels[sim_below(sim, MU_COUNT_OF(levels))];
        faults->read = levels[sim_below(sim, MU_COUNT_OF(levels) - 1)];
        faults->store = levels[sim_below(sim, MU_COUNT_OF(levels))];
        faults->store_restart = sim_below(sim, 6);
        faults->store_restore = sim_below(sim, 2) * 3;
        faults->kill = sim_below(sim, 8);
        faults->power = sim_below(sim, 8);
}

static void step(struct sim *sim)
{
        sim->now_ns += sim_below(sim, 500) * (uint64_t)MU_NS_PER_US;
        if (sim_below(sim, 50) == 0)
                sim->now_ns += sim_below(sim, 200) * (uint64_t)MU_NS_PER_MS;
        if (!sim_process_runs(sim->process)) {
                (void)sim_process_start(sim->process);
                return;
        }
        bool power = sim_chance(sim, sim->faults.power);

        if (power || sim_chance(sim, sim->faults.kill)) {
                sim_trace(sim, power ? "power cut" : "kill -9");
                sim_disk_crash(sim->disk, power);
                sim_process_kill(sim->process);
                return;
        }
        if (sim_below(sim, 3) == 0)
                (void)sim_disk_advance(sim->disk);
        sim_store_event(sim->store);
        sim_process_step(sim->process);
}

static void finish(struct sim *sim)
{
        sim_trace(sim, "calm: drain");
        for (int i = 0; !sim_process_runs(sim->process); i++) {
                if (sim_process_start(sim->process))
                        break;
                if (i == RESTARTS_MAX)
                        sim_broken(sim, "the journal does not open any more");
        }
        sim_process_drain(sim->process);
}

static void run_seed(uint64_t seed, bool trace)
{
        struct sim *sim = calloc(1, sizeof(*sim));

        MU_ASSERT(sim);
        sim->seed = seed;
        sim->trace = trace;
        sim->now_ns = (uint64_t)MU_NS_PER_S;
        sim->clock = (struct mu_clock){monotonic_ns, realtime_us, sim};
        mu_random_seed(&sim->random, seed);
        choose_faults(sim);
        sim->disk = sim_disk_create(sim);
        sim->store = sim_store_create(sim);
        sim->process = sim_process_create(sim);

        uint64_t steps = STEPS_MIN + sim_below(sim, STEPS_SPREAD);

        for (; sim->step < steps; sim->step++)
                step(sim);
        sim->calm = true;
        finish(sim);
        /* Once more: a database put back just before the stop is noticed by the next start. */
        finish(sim);
        sim_store_check_all_stored(sim->store);

        sim_process_destroy(sim->process);
        sim_store_destroy(sim->store);
        sim_disk_destroy(sim->disk);
        free(sim);
}

static int run_seeds(uint64_t first, uint64_t count)
{
        for (uint64_t i = 0; i < count; i++)
                run_seed(first + i, false);
        (void)printf("%lu seeds, no promise broken\n", (unsigned long)count);
        return 0;
}

/* A planted bug shows as a broken promise or as an assertion of the product's own. */
static int expect_failure(uint64_t first, uint64_t count)
{
        pid_t child = fork();
        int status;

        if (child < 0)
                return 2;
        if (child == 0)
                _exit(run_seeds(first, count));
        if (waitpid(child, &status, 0) != child)
                return 2;
        bool is_broken = WIFEXITED(status) && WEXITSTATUS(status) == 1;
        bool is_asserted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;

        if (is_broken || is_asserted)
                return 0;
        (void)printf("The planted bug was not found in %lu seeds.\n", (unsigned long)count);
        return 1;
}

int main(int argc, char **argv)
{
        uint64_t first = 1;
        uint64_t count = 10000;
        bool planted = false;

        for (int i = 1; i < argc; i++) {
                const char *value = i + 1 < argc ? argv[i + 1] : "";

                if (strcmp(argv[i], "--expect-failure") == 0) {
                        planted = true;
                        continue;
                }
                if (strcmp(argv[i], "--seed") == 0) {
                        run_seed(strtoull(value, NULL, 10), true);
                        return 0;
                }
                if (strcmp(argv[i], "--seeds") == 0) {
                        count = strtoull(value, NULL, 10);
                } else if (strcmp(argv[i], "--first") == 0) {
                        first = strtoull(value, NULL, 10);
                } else {
                        (void)fprintf(stderr,
                                      "%s is no option: --seeds N, --first N, --seed N, "
                                      "--expect-failure\n",
                                      argv[i]);
                        return 2;
                }
                i++;
        }
        return planted ? expect_failure(first, count) : run_seeds(first, count);
}
