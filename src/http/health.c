/* SPDX-License-Identifier: Apache-2.0 */
#include "http/health.h"

#include <string.h>

#include "http/offload.h"
#include "http/reply.h"

#define READY_BYTES_MAX 4096

static void handle_health(struct mu_request *request, void *ctx)
{
        const struct mu_health_source *source = ctx;
        char json[256];
        struct mu_text text;

        mu_text_init_fixed(&text, json, sizeof(json));
        mu_text_add(&text, "{\"status\":\"ok\",\"version\":");
        mu_text_add_json(&text, source->version, strlen(source->version));
        mu_text_add(&text, "}\n");
        mu_reply_json(request, 200, text.data, text.bytes);
}

static void handle_ready(struct mu_request *request, void *ctx)
{
        const struct mu_health_source *source = ctx;
        char *json = mu_request_alloc(request, READY_BYTES_MAX);
        struct mu_text text;

        mu_text_init_fixed(&text, json, READY_BYTES_MAX);
        bool ready = source->ready(source->ctx, &text);
        if (mu_text_status(&text) < 0) {
                mu_text_clear(&text);
                mu_text_add(&text, ready ? "{\"ready\":true}" : "{\"ready\":false}");
        }
        mu_reply_json(request, ready ? 200 : 503, text.data, text.bytes);
}

static void work_details(struct mu_call *call, void *state, void *ctx)
{
        const struct mu_health_source *source = ctx;
        struct mu_text text;

        (void)state;
        mu_text_init(&text);
        bool well = source->details(source->ctx, &text);
        mu_call_reply_text(call, well ? 200 : 503, MU_TYPE_JSON, &text);
        mu_text_done(&text);
}

static void work_metrics(struct mu_call *call, void *state, void *ctx)
{
        const struct mu_health_source *source = ctx;
        char *rendered;
        size_t bytes;

        (void)state;
        if (mu_metrics_render(source->metrics, &rendered, &bytes) < 0) {
                mu_call_problem_retry(call, 503, "no-memory", 10,
                                      "There is no memory to render the metrics.");
                return;
        }
        mu_call_reply_owned(call, 200, MU_METRICS_CONTENT_TYPE, rendered, bytes);
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/health", .handle = handle_health, .operation_id = "getHealth"},
        {.method = "GET", .path = "/api/health", .handle = handle_health},
        {.method = "GET", .path = "/ready", .handle = handle_ready, .operation_id = "getReady"},
        {.method = "GET",
         .path = "/health/detailed",
         .work = work_details,
         .flags = MU_ROUTE_PROBE,
         .operation_id = "getHealthDetailed"},
        {.method = "GET",
         .path = "/metrics",
         .work = work_metrics,
         .flags = MU_ROUTE_PROBE,
         .operation_id = "getMetrics"},
};

int mu_health_routes(struct mu_router *router, const struct mu_health_source *source)
{
        return mu_router_add(router, routes, MU_COUNT_OF(routes), (void *)source);
}
