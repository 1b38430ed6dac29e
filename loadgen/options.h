/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - what the person asked for.
 *
 * Units      _ns, _bytes, _count in the names.
 * Threads    Read-only once parsed.
 * Ownership  Strings point into argv, the environment or the options' own buffers; done frees
 * these. Errors     parse answers -EINVAL after writing one sentence to standard error; 1 when it
 * has answered --help or --version.
 */
#ifndef LOADGEN_OPTIONS_H
#define LOADGEN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_LG_THREADS_MAX 64u
#define MU_LG_DEVICES_MAX 2000000u

enum mu_lg_scenario_id {
        MU_LG_STEADY,
        MU_LG_COMPRESSED,
        MU_LG_STORM,
        MU_LG_FLOOD,
        MU_LG_BACKLOG,
        MU_LG_MALFORMED,
        MU_LG_REGISTER,
};

struct mu_lg_options {
        enum mu_lg_scenario_id scenario;
        const char *scenario_name;
        const char *url;
        const char *admin_key_file;
        const char *enrolment_token_file;
        const char *devices_file; /* "" keeps nothing */
        const char *ca_file;
        const char *slo;
        const char *json_file;
        const char *report_file;
        const char *metrics_url;
        const char *database_url;
        const char *pids;
        const char *title;
        char *credential; /* the admin key or enrolment token, read from file or environment */
        const char *credential_header;
        char *devices_file_default;
        uint64_t threads_count;
        uint64_t devices_count;
        uint64_t connections_count; /* 0: the scenario's own default */
        uint64_t rate;              /* per second; 0: closed loop */
        uint64_t count;             /* heartbeats; 0: no limit */
        uint64_t duration_ns;       /* 0: the scenario's own end */
        uint64_t interval_ns;
        uint64_t speed;
        uint64_t window_ns;
        uint64_t rounds_count;
        uint64_t round_gap_ns;
        uint64_t backlog_items_count;
        uint64_t timeout_ns;
        uint64_t verify_deadline_ns;
        uint64_t slow_deadline_ns;
        uint64_t seed;
        bool keep_alive;
        bool channels;
        bool insecure;
        bool verify;
        bool fresh;
        bool quiet;
};

MU_MUST_CHECK
int mu_lg_options_parse(int argc, char **argv, struct mu_lg_options *ret_options);
void mu_lg_options_done(struct mu_lg_options *options);

#endif
