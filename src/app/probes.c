/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "app/app_private.h"
#include "base/fs.h"
#include "base/text.h"
#include "http/offload.h"
#include "identity/device_table.h"
#include "ingest/pipeline.h"
#include "pg/cluster.h"
#include "pg/database.h"

enum {
        BACKLOG_AGE_S = 10, /* a batch under load is stored within a second or two */
};

static const char *journal_state_name(enum mu_journal_state state)
{
        switch (state) {
        case MU_JOURNAL_ACCEPTING:
                return "accepting";
        case MU_JOURNAL_FULL:
                return "full";
        case MU_JOURNAL_REFUSING:
                return "refusing";
        case MU_JOURNAL_DRAINING:
                return "draining";
        }
        return "unknown";
}

static void add_journal(struct mu_text *json, const struct mu_pipeline_status *status)
{
        const struct mu_journal_status *journal = &status->journal;

        mu_text_add_format(json,
                           "\"journal\":{\"state\":\"%s\",\"durable_seq\":%llu,"
                           "\"used_bytes\":%llu,\"capacity_bytes\":%llu,\"bytes_per_s\":%llu,"
                           "\"hours_left\":",
                           journal_state_name(journal->state),
                           (unsigned long long)journal->durable_seq,
                           (unsigned long long)journal->used_bytes,
                           (unsigned long long)journal->capacity_bytes,
                           (unsigned long long)journal->bytes_per_s);
        if (isfinite(status->journal_hours_left))
                mu_text_add_format(json, "%.1f}", status->journal_hours_left);
        else
                mu_text_add(json, "null}");
}

static void add_backlog(struct mu_text *json, const struct mu_pipeline_status *status)
{
        mu_text_add_format(json,
                           "\"backlog\":{\"records\":%llu,\"oldest_s\":%llu,"
                           "\"drain_per_s\":%llu,\"stored_seq\":%llu}",
                           (unsigned long long)status->backlog_records,
                           (unsigned long long)status->oldest_unstored_s,
                           (unsigned long long)status->drain_per_s,
                           (unsigned long long)status->stored_seq);
}

/* Heartbeats can be acknowledged when the journal takes them and some device can be recognised. */
bool mu_app_probe_ready(void *context, struct mu_text *json)
{
        struct mu_app *app = context;
        struct mu_pipeline_status status;
        bool authoritative = mu_device_table_authoritative(app->devices);
        bool knows_devices = authoritative || mu_device_table_count(app->devices) > 0;

        mu_pipeline_status(app->pipeline, &status);
        bool ready = status.journal.state == MU_JOURNAL_ACCEPTING && knows_devices;
        const char *comma = "";

        mu_text_add_format(json, "{\"ready\":%s,\"degraded\":[", ready ? "true" : "false");
        if (status.journal.state != MU_JOURNAL_ACCEPTING) {
                mu_text_add_format(json, "\"journal_%s\"",
                                   journal_state_name(status.journal.state));
                comma = ",";
        }
        if (!authoritative) {
                mu_text_add_format(json, "%s\"device_list\"", comma);
                comma = ",";
        }
        if (!status.storing)
                mu_text_add_format(json, "%s\"database\"", comma);
        else if (status.oldest_unstored_s > BACKLOG_AGE_S) /* slow, or hung and not yet given up */
                mu_text_add_format(json, "%s\"backlog\"", comma);
        mu_text_add(json, "],");
        add_backlog(json, &status);
        mu_text_add(json, ",");
        add_journal(json, &status);
        mu_text_add(json, "}");
        return ready;
}

static void add_database(struct mu_app *app, struct mu_text *json, bool storing)
{
        const char *description = mu_database_description(app->database);

        mu_text_add_format(json, "\"database\":{\"storing\":%s,\"breaker\":\"%s\",\"where\":",
                           storing ? "true" : "false",
                           mu_breaker_state_name(mu_database_breaker_state(app->database)));
        mu_text_add_json(json, description, strlen(description));
        if (app->cluster) {
                struct mu_cluster_status status;

                mu_cluster_status(app->cluster, &status);
                mu_text_add_format(json,
                                   ",\"private\":{\"state\":\"%s\",\"pid\":%d,\"restarts\":%u,"
                                   "\"last_error\":",
                                   mu_cluster_state_name(status.state), (int)status.pid,
                                   status.restarts);
                mu_text_add_json(json, status.last_error, strlen(status.last_error));
                mu_text_add(json, "}");
        }
        mu_text_add(json, "}");
}

static void add_host(struct mu_app *app, struct mu_text *json)
{
        struct sysinfo info;
        uint64_t free_bytes;
        uint64_t total_bytes;

        if (sysinfo(&info) == 0)
                mu_text_add_format(json,
                                   ",\"memory\":{\"total_bytes\":%llu,\"free_bytes\":%llu},"
                                   "\"cpu\":{\"load_1m\":%.2f}",
                                   (unsigned long long)info.totalram * info.mem_unit,
                                   (unsigned long long)info.freeram * info.mem_unit,
                                   (double)info.loads[0] / (1 << SI_LOAD_SHIFT));
        if (mu_fs_space(app->config.data_dir, &free_bytes, &total_bytes) == 0)
                mu_text_add_format(json, ",\"disk\":{\"free_bytes\":%llu,\"total_bytes\":%llu}",
                                   (unsigned long long)free_bytes, (unsigned long long)total_bytes);
}

bool mu_app_probe_details(void *context, struct mu_text *json)
{
        struct mu_app *app = context;
        struct mu_pipeline_status status;
        uint32_t connections = 0;

        mu_pipeline_status(app->pipeline, &status);
        for (uint32_t i = 0; i < app->loop_count; i++)
                connections += mu_loop_connection_count(mu_server_loop(app->server, i));
        bool well = status.storing && status.journal.state == MU_JOURNAL_ACCEPTING &&
                    mu_device_table_authoritative(app->devices);

        mu_text_add_format(json, "{\"well\":%s,\"version\":\"" MUSTER_VERSION "\",",
                           well ? "true" : "false");
        add_journal(json, &status);
        mu_text_add(json, ",");
        add_backlog(json, &status);
        mu_text_add(json, ",");
        add_database(app, json, status.storing);
        mu_text_add_format(json,
                           ",\"devices\":{\"known\":%u,\"tokens\":%u,\"list_read\":%s},"
                           "\"connections\":%u,\"control_queue\":%u",
                           mu_device_table_count(app->devices),
                           mu_device_table_token_count(app->devices),
                           mu_device_table_authoritative(app->devices) ? "true" : "false",
                           connections, mu_offload_queued(app->control_workers));
        add_host(app, json);
        mu_text_add(json, "}");
        return well;
}
