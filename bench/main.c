/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "muster/compiler.h"

const char mu_bench_heartbeat[] =
        "{\"ts\":1763719200.123,\"sent_at\":1763719200.456,\"battery\":57,\"charging\":true,"
        "\"ram_free_mb\":512,\"ram_total_mb\":4096,\"uptime_s\":123456,\"network\":\"wifi\","
        "\"ssid\":\"office-5G\",\"fg_package\":\"org.example.kiosk\",\"monitored_last_fg_s\":12,"
        "\"agent_version\":\"2.3.1\",\"power_ok\":true,\"device_owner\":true,"
        "\"battery_unrestricted\":true,\"doze_whitelisted\":true,\"net_validated\":true,"
        "\"queue_depth\":0,\"boot_id\":\"5f0c6f0e-9c1b-4a52-8f0e-0a2f0a8f7b11\",\"seq\":4711}";

size_t mu_bench_heartbeat_bytes(void)
{
        return sizeof(mu_bench_heartbeat) - 1;
}

void mu_bench_fail(const char *what, int error)
{
        (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
        exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
        struct timespec now;

        (void)clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
        double left = *(const double *)a;
        double right = *(const double *)b;

        return left < right ? -1 : left > right;
}

static double measure(const struct mu_bench *bench, const struct mu_bench_case *one)
{
        clockid_t clock = bench->wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
        void *state = one->prepare ? one->prepare() : NULL;
        uint64_t began_ns = now_ns(clock);

        one->run(state, bench->count);
        uint64_t took_ns = now_ns(clock) - began_ns;

        if (one->finish)
                one->finish(state);
        return (double)took_ns / (double)bench->count;
}

static void run(const struct mu_bench *bench)
{
        double ns[MU_BENCH_CASES_MAX][MU_BENCH_ROUNDS];
        size_t count = 0;

        while (count < MU_BENCH_CASES_MAX && bench->cases[count].name)
                count++;
        for (size_t round = 0; round < MU_BENCH_ROUNDS; round++)
                for (size_t i = 0; i < count; i++)
                        ns[i][round] = measure(bench, &bench->cases[i]);
        (void)printf("%s (%s, ns %s)\n", bench->stage, bench->operation,
                     bench->wall ? "wall clock" : "CPU");
        for (size_t i = 0; i < count; i++) {
                qsort(ns[i], MU_BENCH_ROUNDS, sizeof(ns[i][0]), compare);
                double median = ns[i][MU_BENCH_ROUNDS / 2];

                (void)printf("  %-34s %10.1f  (%.1f..%.1f)", bench->cases[i].name, median, ns[i][0],
                             ns[i][MU_BENCH_ROUNDS - 1]);
                if (i > 0)
                        (void)printf("  %.2fx ours", median / ns[0][MU_BENCH_ROUNDS / 2]);
                (void)puts("");
        }
}

int main(int argc, char **argv)
{
        static const struct mu_bench *const all[] = {
                &mu_bench_ring,      &mu_bench_decode,   &mu_bench_lookup,  &mu_bench_dedupe,
                &mu_bench_histogram, &mu_bench_copy_row, &mu_bench_journal,
        };
        size_t done = 0;

        for (size_t i = 0; i < MU_COUNT_OF(all); i++) {
                if (argc > 1 && strcmp(argv[1], all[i]->stage) != 0)
                        continue;
                run(all[i]);
                done++;
        }
        if (done == 0)
                (void)fprintf(stderr, "bench: there is no stage %s\n", argv[1]);
        return done == 0 ? 2 : 0;
}
