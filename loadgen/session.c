/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/random.h"
#include "channels.h"
#include "clock.h"
#include "outcome.h"
#include "progress.h"
#include "run.h"
#include "scenarios.h"
#include "verify.h"

#define DESCRIPTORS_SPARE 64u
#define REGISTER_CONNECTIONS 64u
#define FLOOD_CONNECTIONS 256u
#define BACKLOG_CONNECTIONS 64u
#define MALFORMED_CONNECTIONS 32u

struct session {
        const struct mu_lg_options *options;
        struct mu_lg_url url;
        struct mu_lg_tls_context *tls;
        struct mu_lg_fleet fleet;
        struct mu_lg_outcome outcome;
        uint32_t boot;
        char error[MU_LG_ERROR_BYTES];
};

static const struct mu_lg_scenario *scenario_of(enum mu_lg_scenario_id id)
{
        switch (id) {
        case MU_LG_FLOOD:
                return &mu_lg_scenario_flood;
        case MU_LG_BACKLOG:
                return &mu_lg_scenario_backlog;
        case MU_LG_MALFORMED:
                return &mu_lg_scenario_malformed;
        case MU_LG_REGISTER:
                return &mu_lg_scenario_register;
        case MU_LG_STEADY:
        case MU_LG_COMPRESSED:
        case MU_LG_STORM:
                break;
        }
        return &mu_lg_scenario_fleet;
}

static int complain(struct session *session, enum mu_lg_exit code)
{
        fprintf(stderr, "muster-loadgen: %s\n", session->error);
        return (int)code;
}

MU_PRINTF(2, 3)
static void note(const struct session *session, const char *format, ...)
{
        va_list args;

        if (session->options->quiet)
                return;
        va_start(args, format);
        fputs("muster-loadgen: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
}

/* Raises the descriptor limit as far as it goes; how many connections fit below it. */
static uint32_t descriptors_free(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return 256;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur > 2 * DESCRIPTORS_SPARE
                       ? (uint32_t)(limit.rlim_cur < 1000000 ? limit.rlim_cur : 1000000) -
                                 DESCRIPTORS_SPARE
                       : DESCRIPTORS_SPARE;
}

/* The kernel doubles a process's descriptor table as it fills, and with several threads waits for
 * an RCU grace period each time: tens of milliseconds in the middle of a run. So it is grown now.
 */
static void grow_descriptor_table(uint32_t connections)
{
        int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)(connections + DESCRIPTORS_SPARE / 2));

        if (fd >= 0)
                close(fd);
}

static uint32_t choose_connections(struct session *session)
{
        const struct mu_lg_options *options = session->options;
        uint32_t room = descriptors_free();
        uint64_t channels = options->channels ? options->devices_count : 0;
        uint64_t wanted = options->connections_count;

        if (wanted == 0) {
                switch (options->scenario) {
                case MU_LG_FLOOD:
                        wanted = FLOOD_CONNECTIONS;
                        break;
                case MU_LG_BACKLOG:
                        wanted = BACKLOG_CONNECTIONS;
                        break;
                case MU_LG_MALFORMED:
                        wanted = MALFORMED_CONNECTIONS;
                        break;
                default:
                        wanted = options->devices_count;
                        break;
                }
        }
        room = room > channels ? room - (uint32_t)channels : 1;
        if (wanted > room) {
                note(session,
                     "%llu connections wanted, the descriptor limit leaves room for %u: "
                     "the rest wait their turn, and their wait counts as latency",
                     (unsigned long long)wanted, room);
                wanted = room;
        }
        return (uint32_t)wanted;
}

static int open_server(struct session *session)
{
        int r = mu_lg_url_parse(session->options->url, &session->url, session->error,
                                sizeof(session->error));

        if (r == 0)
                r = mu_lg_url_resolve(&session->url, session->error, sizeof(session->error));
        if (r == 0 && session->url.is_tls)
                r = mu_lg_tls_context_create(session->options->ca_file, session->options->insecure,
                                             session->url.host, session->error,
                                             sizeof(session->error), &session->tls);
        return r;
}

static int fleet_error(struct session *session, int r)
{
        if (r < 0)
                snprintf(session->error, sizeof(session->error), "%s", session->fleet.error);
        return r;
}

static int open_fleet(struct session *session)
{
        const struct mu_lg_options *options = session->options;
        const char *path =
                options->devices_file && options->devices_file[0] ? options->devices_file : NULL;
        int r = mu_lg_fleet_open(&session->fleet, path, session->url.base,
                                 (uint32_t)options->devices_count);

        if (r < 0)
                return fleet_error(session, r);
        if (options->fresh) {
                uint32_t all = session->fleet.count + session->fleet.kept_count;

                memset(session->fleet.devices, 0, (size_t)all * sizeof(*session->fleet.devices));
                session->fleet.loaded_count = 0;
                session->fleet.kept_count = 0;
                session->fleet.unclean = false;
        }
        if (session->fleet.unclean)
                note(session,
                     "the last run with %s did not end properly: some of its heartbeats "
                     "may come back as duplicates",
                     path);
        return 0;
}

static int register_missing(struct session *session)
{
        uint32_t missing = session->fleet.count - session->fleet.loaded_count;
        struct mu_lg_run_plan plan = {
                .options = session->options,
                .scenario = &mu_lg_scenario_register,
                .fleet = &session->fleet,
                .url = &session->url,
                .tls = session->tls,
                .connections_count =
                        missing < REGISTER_CONNECTIONS ? missing : REGISTER_CONNECTIONS,
                .boot = session->boot,
                .label = "register",
                .expected = missing,
        };
        struct mu_lg_stats stats;

        if (missing == 0)
                return 0;
        if (!session->options->credential) {
                snprintf(session->error, sizeof(session->error),
                         "%u devices must be registered first, which needs --admin-key-file, "
                         "MUSTER_ADMIN_KEY, --enrolment-token-file, or the appliance's data "
                         "directory in MUSTER_DATA_DIR",
                         missing);
                return -EACCES;
        }
        int r = mu_lg_run_execute(&plan, &stats, session->error, sizeof(session->error));
        if (r < 0) {
                /* What was registered so far is not lost. */
                (void)!mu_lg_fleet_save(&session->fleet, session->url.base, false);
                return r;
        }
        if (session->options->scenario == MU_LG_REGISTER) {
                session->outcome.stats = stats;
        } else {
                note(session, "registered %u devices in %.1f s", missing,
                     (double)(stats.end_ns - stats.start_ns) / 1e9);
                mu_lg_stats_done(&stats);
        }
        if (mu_lg_run_was_interrupted()) {
                snprintf(session->error, sizeof(session->error), "interrupted");
                r = -EINTR;
        }
        return fleet_error(session, mu_lg_fleet_save(&session->fleet, session->url.base, false)) < 0
                       ? -EIO
                       : r;
}

static int run_load(struct session *session)
{
        const struct mu_lg_options *options = session->options;
        struct mu_lg_outcome *outcome = &session->outcome;
        struct mu_lg_run_plan plan = {
                .options = options,
                .scenario = scenario_of(options->scenario),
                .fleet = &session->fleet,
                .url = &session->url,
                .tls = session->tls,
                .duration_ns = options->duration_ns,
                .connections_count = outcome->connections_count,
                .boot = session->boot,
                .label = options->scenario_name,
                .expected = options->count,
        };
        struct mu_lg_channels *channels = NULL;

        if (options->scenario == MU_LG_BACKLOG)
                plan.expected = session->fleet.count * options->backlog_items_count;
        int r = fleet_error(session, mu_lg_fleet_save(&session->fleet, session->url.base, true));

        if (r == 0)
                r = mu_lg_process_use_start(&outcome->processes, options->pids, session->error,
                                            sizeof(session->error));
        if (r < 0)
                return r;
        mu_lg_server_use_start(&outcome->server, options, &session->url, session->tls);
        outcome->started_at_ms = mu_lg_wall_ms();
        if (options->channels)
                r = mu_lg_channels_open(&session->url, &session->fleet, session->error,
                                        sizeof(session->error), &channels);
        if (r == 0)
                r = mu_lg_run_execute(&plan, &outcome->stats, session->error,
                                      sizeof(session->error));
        mu_lg_channels_close(channels, &outcome->channels);
        mu_lg_server_use_stop(&outcome->server, options, &session->url, session->tls);
        mu_lg_process_use_stop(&outcome->processes);
        if (mu_lg_fleet_save(&session->fleet, session->url.base, false) < 0)
                note(session, "%s", session->fleet.error);
        return r;
}

static void verify(struct session *session)
{
        const struct mu_lg_options *options = session->options;
        struct mu_lg_verify *result = &session->outcome.verify;

        if (!options->verify && !options->database_url)
                return;
        note(session, "verifying");
        int r = options->database_url ? mu_lg_verify_database(options, &session->fleet, result)
                                      : mu_lg_verify_http(options, &session->url, session->tls,
                                                          &session->fleet, result);
        if (r < 0 && result->error[0] == '\0')
                snprintf(result->error, sizeof(result->error), "%s", strerror(-r));
}

static int write_reports(struct session *session)
{
        const struct mu_lg_options *options = session->options;
        int r = 0;

        mu_lg_report_text(&session->outcome,
                          options->json_file && strcmp(options->json_file, "-") == 0 ? stderr
                                                                                     : stdout);
        if (options->json_file && mu_lg_report_json(&session->outcome, options->json_file) < 0) {
                fprintf(stderr, "muster-loadgen: cannot write %s\n", options->json_file);
                r = -EIO;
        }
        if (options->report_file &&
            mu_lg_report_html(&session->outcome, options->report_file) < 0) {
                fprintf(stderr, "muster-loadgen: cannot write %s\n", options->report_file);
                r = -EIO;
        }
        return r;
}

static int judge_and_report(struct session *session)
{
        struct mu_lg_outcome *outcome = &session->outcome;
        const struct mu_lg_stats *stats = &outcome->stats;

        outcome->interrupted = mu_lg_run_was_interrupted();
        outcome->seconds = (double)(stats->end_ns - stats->start_ns) / 1e9;
        if (outcome->seconds > 0)
                outcome->acknowledged_per_s =
                        (double)mu_lg_get(&stats->counters.acknowledged) / outcome->seconds;
        if (mu_lg_get(&stats->counters.exhausted))
                fprintf(stderr,
                        "muster-loadgen: some devices have used up their 10-second buckets (6 days "
                        "back to now: 51,840 each, less what real-time runs took), so less was "
                        "sent "
                        "than asked: use more --devices, or --fresh ones\n");
        verify(session);
        mu_lg_outcome_judge(outcome);
        if (write_reports(session) < 0 && outcome->verdict == MU_LG_EXIT_OK)
                outcome->verdict = MU_LG_EXIT_RUN;
        return (int)outcome->verdict;
}

static int work(struct session *session)
{
        const struct mu_lg_options *options = session->options;
        struct mu_lg_outcome *outcome = &session->outcome;

        if (options->slo && mu_lg_slo_parse(options->slo, &outcome->slo, session->error,
                                            sizeof(session->error)) < 0)
                return complain(session, MU_LG_EXIT_USAGE);
        if (open_server(session) < 0)
                return complain(session, MU_LG_EXIT_USAGE);
        if (open_fleet(session) < 0)
                return complain(session, MU_LG_EXIT_RUN);
        outcome->devices_count = session->fleet.count;
        outcome->url = session->url.base;
        outcome->connections_count = choose_connections(session);
        grow_descriptor_table(outcome->connections_count);
        if (register_missing(session) < 0)
                return complain(session, MU_LG_EXIT_RUN);
        if (options->scenario == MU_LG_REGISTER) {
                if (!outcome->stats.latency) {
                        note(session, "all %u devices are registered already",
                             session->fleet.count);
                        return MU_LG_EXIT_OK;
                }
        } else if (run_load(session) < 0) {
                return complain(session, MU_LG_EXIT_RUN);
        }
        return judge_and_report(session);
}

int mu_lg_session(const struct mu_lg_options *options)
{
        struct session *session = calloc(1, sizeof(*session));
        int code;

        if (!session || mu_random_secret(&session->boot, sizeof(session->boot)) < 0) {
                fputs("muster-loadgen: out of memory or randomness\n", stderr);
                free(session);
                return MU_LG_EXIT_RUN;
        }
        session->options = options;
        session->outcome.options = options;
        session->fleet.lock_fd = -1;
        code = work(session);
        mu_lg_stats_done(&session->outcome.stats);
        mu_lg_server_use_done(&session->outcome.server);
        mu_lg_fleet_close(&session->fleet);
        mu_lg_tls_context_destroy(session->tls);
        free(session);
        return code;
}
