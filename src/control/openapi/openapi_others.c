/* SPDX-License-Identifier: Apache-2.0 */
/* What is served but is no endpoint row: the data plane, WebSockets and probes. */
#include "control/openapi/openapi_private.h"
#include "muster/wire.h"

const struct mu_shape mu_openapi_heartbeat = {.name = "Heartbeat", .open = true};

static const struct mu_field ACKNOWLEDGEMENT_FIELDS[] = {
        {.name = "server_time",
         .type = MU_FIELD_NUMBER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Epoch seconds with three decimals."},
        {.name = "next_heartbeat_in_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When to report next: the server spreads the fleet evenly."},
        {.name = "commands",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How many commands wait: fetch them with GET /v1/commands."},
        {.name = "update", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_REQUIRED},
        {.name = "duplicate",
         .type = MU_FIELD_BOOLEAN,
         .doc = "Only in a 200: it was stored before."},
        {.name = "invalid_fields",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .doc = "Optional fields that were wrong and are stored as null."},
};
static const struct mu_shape ACKNOWLEDGEMENT =
        MU_SHAPE("HeartbeatAcknowledgement", ACKNOWLEDGEMENT_FIELDS);

static const struct mu_field BATCH_FIELDS[] = {
        {.name = "sent_at",
         .type = MU_FIELD_NUMBER,
         .doc = "The device's clock when sending: epoch seconds."},
        {.name = "heartbeats",
         .type = MU_FIELD_LIST,
         .shape = &mu_openapi_heartbeat,
         .flags = MU_FIELD_REQUIRED,
         .least = 0,
         .most = MU_BATCH_ITEMS_MAX},
};
static const struct mu_shape BATCH = {.name = "HeartbeatBatch",
                                      .fields = BATCH_FIELDS,
                                      .field_count = MU_COUNT_OF(BATCH_FIELDS),
                                      .open = true};

static const struct mu_field RESULT_FIELDS[] = {
        {.name = "status",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "stored|duplicate|rejected|shed",
         .doc = "stored, duplicate: delete it; rejected: move it aside; shed: keep it."},
        {.name = "error", .type = MU_FIELD_TEXT, .doc = "Why it was rejected."},
};
static const struct mu_shape RESULT = MU_SHAPE("HeartbeatResult", RESULT_FIELDS);

static const struct mu_field BATCH_REPLY_FIELDS[] = {
        {.name = "results",
         .type = MU_FIELD_LIST,
         .shape = &RESULT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "One per item, in order."},
};
static const struct mu_shape BATCH_REPLY = MU_SHAPE("HeartbeatResults", BATCH_REPLY_FIELDS);

static const struct mu_field HEALTH_FIELDS[] = {
        {.name = "status", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "version", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
};
static const struct mu_shape HEALTH = MU_SHAPE("Health", HEALTH_FIELDS);

static const struct mu_field READY_FIELDS[] = {
        {.name = "ready", .type = MU_FIELD_BOOLEAN, .flags = MU_FIELD_REQUIRED},
        {.name = "degraded",
         .type = MU_FIELD_LIST,
         .items = MU_FIELD_TEXT,
         .doc = "What does not work as it should: \"database\", \"backlog\", …"},
};
static const struct mu_shape READY = {.name = "Ready",
                                      .fields = READY_FIELDS,
                                      .field_count = MU_COUNT_OF(READY_FIELDS),
                                      .open = true};
static const struct mu_shape DETAILS = {.name = "HealthDetails", .open = true};
static const struct mu_shape ROOT = {.name = "Appliance", .open = true};

static const int HEARTBEAT_PROBLEMS[] = {410, 413, 503, 0};
static const int READY_PROBLEMS[] = {503, 0};
static const int UPGRADE_PROBLEMS[] = {403, 410, 426, 503, 0};

static const struct mu_endpoint rows[] = {
        {.method = "POST",
         .path = MU_PATH_HEARTBEAT,
         .access = MU_ACCESS_DEVICE,
         .limit = MU_LIMIT_NONE,
         .flags = MU_ENDPOINT_OWN_TRANSACTION,
         .body = &mu_openapi_heartbeat,
         .reply_status = 202,
         .reply = &ACKNOWLEDGEMENT,
         .operation_id = "sendHeartbeat",
         .tag = "Devices' side",
         .summary = "Report in",
         .doc = "202: the heartbeat is on disk and will be stored exactly once, whatever happens. "
                "200: it was stored before.",
         .problems = HEARTBEAT_PROBLEMS},
        {.method = "POST",
         .path = MU_PATH_HEARTBEATS,
         .access = MU_ACCESS_DEVICE,
         .limit = MU_LIMIT_NONE,
         .flags = MU_ENDPOINT_OWN_TRANSACTION,
         .body = &BATCH,
         .reply_status = 200,
         .reply = &BATCH_REPLY,
         .operation_id = "sendHeartbeats",
         .tag = "Devices' side",
         .summary = "Report what has queued up",
         .doc = "Up to 500 heartbeats and 256 KiB; answered after the last one is on disk.",
         .problems = HEARTBEAT_PROBLEMS},
        {.method = "GET",
         .path = "/v1/device/ws",
         .access = MU_ACCESS_DEVICE,
         .limit = MU_LIMIT_NONE,
         .flags = MU_ENDPOINT_READ_ONLY,
         .reply_status = 101,
         .operation_id = "openDeviceChannel",
         .tag = "Devices' side",
         .summary = "The push channel: commands as they are given",
         .doc = "A WebSocket (RFC 6455, version 13).",
         .problems = UPGRADE_PROBLEMS},
        {.method = "GET",
         .path = "/ws/{device_id}",
         .access = MU_ACCESS_DEVICE,
         .limit = MU_LIMIT_NONE,
         .flags = MU_ENDPOINT_READ_ONLY,
         .reply_status = 101,
         .operation_id = "openDeviceChannelById",
         .tag = "Devices' side",
         .summary = "The push channel, under its older path",
         .doc = "The id must be the token's own device.",
         .problems = UPGRADE_PROBLEMS},
        {.method = "GET",
         .path = "/api/ws",
         .access = MU_ACCESS_PUBLIC,
         .limit = MU_LIMIT_NONE,
         .flags = MU_ENDPOINT_READ_ONLY,
         .reply_status = 101,
         .operation_id = "openLive",
         .tag = "Live",
         .summary = "What changes, as it changes",
         .doc = "A WebSocket. Its first message must be {\"type\":\"auth\",\"ticket\":…} with a "
                "ticket of POST /api/auth/ws-ticket, within 5 seconds.",
         .problems = UPGRADE_PROBLEMS},
        {.method = "GET",
         .path = "/",
         .access = MU_ACCESS_PUBLIC,
         .limit = MU_LIMIT_NONE,
         .reply_status = 200,
         .reply = &ROOT,
         .reply_type = "text/html",
         .operation_id = "getRoot",
         .tag = "Probes",
         .summary = "The front page; with Accept: application/json what there is"},
        {.method = "GET",
         .path = MU_PATH_HEALTH,
         .access = MU_ACCESS_PUBLIC,
         .limit = MU_LIMIT_NONE,
         .reply_status = 200,
         .reply = &HEALTH,
         .operation_id = "getHealth",
         .tag = "Probes",
         .summary = "Is the process alive?"},
        {.method = "GET",
         .path = "/api/health",
         .access = MU_ACCESS_PUBLIC,
         .limit = MU_LIMIT_NONE,
         .reply_status = 200,
         .reply = &HEALTH,
         .operation_id = "getApiHealth",
         .tag = "Probes",
         .summary = "The same, under its older path"},
        {.method = "GET",
         .path = "/health/detailed",
         .access = MU_ACCESS_PUBLIC,
         .limit = MU_LIMIT_NONE,
         .reply_status = 200,
         .reply = &DETAILS,
         .operation_id = "getHealthDetailed",
         .tag = "Probes",
         .summary = "How each part is",
         .problems = READY_PROBLEMS},
        {.method = "GET",
         .path = MU_PATH_READY,
         .access = MU_ACCESS_PUBLIC,
         .limit = MU_LIMIT_NONE,
         .reply_status = 200,
         .reply = &READY,
         .operation_id = "getReady",
         .tag = "Probes",
         .summary = "Can heartbeats be acknowledged?",
         .problems = READY_PROBLEMS},
        {.method = "GET",
         .path = MU_PATH_METRICS,
         .access = MU_ACCESS_PUBLIC,
         .limit = MU_LIMIT_NONE,
         .reply_status = 200,
         .reply_type = "text/plain",
         .operation_id = "getMetrics",
         .tag = "Probes",
         .summary = "Everything that is counted, for Prometheus",
         .problems = READY_PROBLEMS},
};

const struct mu_endpoints mu_openapi_others = MU_ENDPOINTS(rows);
