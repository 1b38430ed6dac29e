/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slo.h - terms like 'p99<10ms,shed=0,rate>=67000' and whether they hold.
 *
 *   p50 p99 p99.9 ...     latency from the intended time        us ms s
 *   mean max              of the same
 *   service_pNN           latency from the sending
 *   late_pNN              the generator's own lateness
 *   rate                  acknowledged per second
 *   shed errors rejected duplicate unexpected offered sent acknowledged lost extra
 *
 * Comparisons: < <= > >= = (== too). `lost` and `extra` need --verify.
 *
 * Threads    any. Ownership: fixed size, nothing to free.
 * Errors     -EINVAL with a sentence that quotes the term.
 */
#ifndef LOADGEN_SLO_H
#define LOADGEN_SLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_LG_SLO_TERMS_MAX 24u

enum mu_lg_slo_metric {
        MU_LG_SLO_LATENCY, /* with percent */
        MU_LG_SLO_SERVICE,
        MU_LG_SLO_LATENESS,
        MU_LG_SLO_MEAN,
        MU_LG_SLO_MAX,
        MU_LG_SLO_RATE,
        MU_LG_SLO_COUNT, /* with name */
};

enum mu_lg_slo_compare {
        MU_LG_SLO_BELOW,
        MU_LG_SLO_AT_MOST,
        MU_LG_SLO_ABOVE,
        MU_LG_SLO_AT_LEAST,
        MU_LG_SLO_EQUAL,
};

struct mu_lg_slo_term {
        char text[64]; /* as written */
        char name[24];
        enum mu_lg_slo_metric metric;
        enum mu_lg_slo_compare compare;
        double percent;
        double bound; /* ns for times, else plain */
        double measured;
        bool known; /* measured at all */
        bool holds;
};

struct mu_lg_slo {
        struct mu_lg_slo_term terms[MU_LG_SLO_TERMS_MAX];
        uint32_t count;
};

MU_MUST_CHECK
int mu_lg_slo_parse(const char *text, struct mu_lg_slo *ret_slo, char *error, size_t error_bytes);

/* Gives a term its value. */
void mu_lg_slo_judge(struct mu_lg_slo_term *term, double measured);
bool mu_lg_slo_is_time(const struct mu_lg_slo_term *term);
/* Whether a name is one of the counts. */
bool mu_lg_slo_is_count(const char *name);

#endif
