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

/* ---- GET / ---- */

static const char page[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Muster</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;"
        "padding:0 1em;color:#1d2733;background:#fff}a{color:#0b5cad}"
        "@media(prefers-color-scheme:dark){body{color:#dbe3ec;background:#12181f}"
        "a{color:#7db7f0}}</style></head>\n"
        "<body><h1>Muster</h1>\n"
        "<p>This appliance takes the reports of a fleet of devices. It is running.</p>\n"
        "<p>The console for the browser is not part of this version yet. What there is:</p>\n"
        "<ul><li><a href=\"/ready\">/ready</a>: can it acknowledge heartbeats, and what is "
        "degraded</li>\n"
        "<li><a href=\"/health/detailed\">/health/detailed</a>: how its parts are</li>\n"
        "<li><a href=\"/metrics\">/metrics</a>: numbers for Prometheus</li></ul>\n"
        "</body></html>\n";

/* Browsers name text/html, programs that want JSON name it alone. */
static bool wants_json(const struct mu_request *request)
{
        struct mu_slice accept = mu_request_header(request, "accept");

        return accept.data && memmem(accept.data, accept.bytes, "application/json", 16) &&
               !memmem(accept.data, accept.bytes, "text/html", 9);
}

static void handle_root(struct mu_request *request, void *ctx)
{
        const struct mu_health_source *source = ctx;
        char json[512];
        struct mu_text text;

        mu_reply_header(request, "vary", "accept");
        if (!wants_json(request)) {
                mu_reply_header(request, "content-security-policy",
                                "default-src 'none'; style-src 'unsafe-inline'; "
                                "frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
                mu_reply(request, 200, MU_TYPE_HTML, page, sizeof(page) - 1);
                return;
        }
        mu_text_init_fixed(&text, json, sizeof(json));
        mu_text_add(&text, "{\"name\":\"muster\",\"version\":");
        mu_text_add_json(&text, source->version, strlen(source->version));
        mu_text_add(&text, ",\"links\":{\"ready\":\"/ready\",\"health\":\"/health\","
                           "\"details\":\"/health/detailed\",\"metrics\":\"/metrics\"}}\n");
        mu_reply_json(request, 200, text.data, text.bytes);
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/", .handle = handle_root, .operation_id = "getRoot"},
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
