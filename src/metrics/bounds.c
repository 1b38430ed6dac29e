/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/metrics.h"

static const double latency_s[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                   0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};

static const double wide_s[] = {0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10};

static const double size_bytes[] = {64,     256,     1024,    4096,     16384,   65536,
                                    262144, 1048576, 4194304, 16777216, 67108864};

static const double counts[] = {1,   2,    5,    10,   20,    50,    100,   200,
                                500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

const struct mu_bounds mu_bounds_latency_s = {latency_s, MU_COUNT_OF(latency_s)};
const struct mu_bounds mu_bounds_wide_s = {wide_s, MU_COUNT_OF(wide_s)};
const struct mu_bounds mu_bounds_size_bytes = {size_bytes, MU_COUNT_OF(size_bytes)};
const struct mu_bounds mu_bounds_count = {counts, MU_COUNT_OF(counts)};
