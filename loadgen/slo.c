/* SPDX-License-Identifier: Apache-2.0 */
#include "slo.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const counts[] = {
        "shed",    "errors", "rejected", "duplicate", "unexpected",
        "offered", "sent",   "lost",     "extra",     "acknowledged",
};

bool mu_lg_slo_is_count(const char *name)
{
        for (size_t i = 0; i < MU_COUNT_OF(counts); i++)
                if (strcmp(counts[i], name) == 0)
                        return true;
        return false;
}

bool mu_lg_slo_is_time(const struct mu_lg_slo_term *term)
{
        return term->metric != MU_LG_SLO_RATE && term->metric != MU_LG_SLO_COUNT;
}

static int fail(char *error, size_t error_bytes, const char *term, const char *why)
{
        snprintf(error, error_bytes,
                 "--slo: in '%s' %s; a term reads like p99<10ms, shed=0 or rate>=1000", term, why);
        return -EINVAL;
}

/* p99.9 -> 99.9 */
static bool parse_percent(const char *name, double *ret_percent)
{
        char *end;

        if (name[0] != 'p' || name[1] < '0' || name[1] > '9')
                return false;
        double percent = strtod(name + 1, &end);

        if (*end != '\0' || !isfinite(percent) || percent <= 0 || percent > 100)
                return false;
        *ret_percent = percent;
        return true;
}

static bool parse_name(struct mu_lg_slo_term *term)
{
        const char *name = term->name;

        if (parse_percent(name, &term->percent))
                term->metric = MU_LG_SLO_LATENCY;
        else if (strncmp(name, "service_", 8) == 0 && parse_percent(name + 8, &term->percent))
                term->metric = MU_LG_SLO_SERVICE;
        else if (strncmp(name, "late_", 5) == 0 && parse_percent(name + 5, &term->percent))
                term->metric = MU_LG_SLO_LATENESS;
        else if (strcmp(name, "mean") == 0)
                term->metric = MU_LG_SLO_MEAN;
        else if (strcmp(name, "max") == 0)
                term->metric = MU_LG_SLO_MAX;
        else if (strcmp(name, "rate") == 0)
                term->metric = MU_LG_SLO_RATE;
        else if (mu_lg_slo_is_count(name))
                term->metric = MU_LG_SLO_COUNT;
        else
                return false;
        return true;
}

static const char *parse_compare(const char *at, enum mu_lg_slo_compare *ret_compare)
{
        bool equal = at[1] == '=';

        switch (at[0]) {
        case '<':
                *ret_compare = equal ? MU_LG_SLO_AT_MOST : MU_LG_SLO_BELOW;
                break;
        case '>':
                *ret_compare = equal ? MU_LG_SLO_AT_LEAST : MU_LG_SLO_ABOVE;
                break;
        case '=':
                *ret_compare = MU_LG_SLO_EQUAL;
                break;
        default:
                return NULL;
        }
        return at + 1 + equal;
}

static bool parse_bound(struct mu_lg_slo_term *term, const char *text)
{
        char *end;
        double value = strtod(text, &end);

        if (end == text || !isfinite(value) || value < 0 || text[0] == '+' || text[0] == '-')
                return false;
        if (mu_lg_slo_is_time(term)) {
                if (strcmp(end, "us") == 0)
                        value *= 1e3;
                else if (strcmp(end, "ms") == 0)
                        value *= 1e6;
                else if (strcmp(end, "s") == 0)
                        value *= 1e9;
                else
                        return false;
        } else if (strcmp(end, "k") == 0) {
                value *= 1e3;
        } else if (*end != '\0') {
                return false;
        }
        term->bound = value;
        return true;
}

static int parse_term(const char *text, struct mu_lg_slo_term *term, char *error,
                      size_t error_bytes)
{
        size_t name_bytes = strcspn(text, "<>=");
        const char *bound;

        snprintf(term->text, sizeof(term->text), "%s", text);
        if (name_bytes == 0 || name_bytes >= sizeof(term->name))
                return fail(error, error_bytes, text, "there is no name");
        memcpy(term->name, text, name_bytes);
        term->name[name_bytes] = '\0';
        if (!parse_name(term))
                return fail(error, error_bytes, text, "the name is not one that is measured");
        bound = parse_compare(text + name_bytes, &term->compare);
        if (!bound)
                return fail(error, error_bytes, text, "there is no comparison (< <= > >= =)");
        if (!parse_bound(term, bound))
                return fail(error, error_bytes, text,
                            mu_lg_slo_is_time(term) ? "the time is not a number with us, ms or s"
                                                    : "the bound is not a plain number");
        return 0;
}

int mu_lg_slo_parse(const char *text, struct mu_lg_slo *ret_slo, char *error, size_t error_bytes)
{
        struct mu_lg_slo slo = {0};

        while (*text) {
                char one[64];
                size_t bytes = strcspn(text, ",");
                size_t kept = 0;

                if (bytes >= sizeof(one) || slo.count == MU_LG_SLO_TERMS_MAX)
                        return fail(error, error_bytes, text, "there is too much");
                for (size_t i = 0; i < bytes; i++)
                        if (text[i] != ' ')
                                one[kept++] = text[i];
                one[kept] = '\0';
                if (kept > 0) {
                        int r = parse_term(one, &slo.terms[slo.count], error, error_bytes);

                        if (r < 0)
                                return r;
                        slo.count++;
                }
                text += bytes + (text[bytes] == ',');
        }
        *ret_slo = slo;
        return 0;
}

void mu_lg_slo_judge(struct mu_lg_slo_term *term, double measured)
{
        term->known = true;
        term->measured = measured;
        switch (term->compare) {
        case MU_LG_SLO_BELOW:
                term->holds = measured < term->bound;
                break;
        case MU_LG_SLO_AT_MOST:
                term->holds = measured <= term->bound;
                break;
        case MU_LG_SLO_ABOVE:
                term->holds = measured > term->bound;
                break;
        case MU_LG_SLO_AT_LEAST:
                term->holds = measured >= term->bound;
                break;
        case MU_LG_SLO_EQUAL:
                term->holds = measured >= term->bound && measured <= term->bound;
                break;
        }
}
