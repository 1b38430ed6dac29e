/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_metrics.c - each loop's cells, and their names in the registry.
 */
#include <errno.h>
#include <stdlib.h>

#include "http/private.h"
#include "muster/histogram.h"

static const char *const status_names[MU_STATUS_CLASSES] = {"2xx", "3xx", "4xx", "5xx"};

static const char *const failure_names[MU_TLS_FAILURES] = {
        [MU_TLS_FAILED_CLOSED] = "closed",
        [MU_TLS_FAILED_TIMEOUT] = "timeout",
        [MU_TLS_FAILED_VERSION] = "version",
        [MU_TLS_FAILED_CIPHER] = "cipher",
        [MU_TLS_FAILED_ALPN] = "alpn",
        [MU_TLS_FAILED_CERTIFICATE_REFUSED] = "certificate_refused",
        [MU_TLS_FAILED_NOT_TLS] = "not_tls",
        [MU_TLS_FAILED_OTHER] = "other",
};

static const char *const end_names[MU_WS_ENDS] = {
        [MU_WS_END_LOST] = "lost",         [MU_WS_END_PEER] = "peer",
        [MU_WS_END_SERVER] = "server",     [MU_WS_END_OVERFLOW] = "overflow",
        [MU_WS_END_PROTOCOL] = "protocol", [MU_WS_END_TIMEOUT] = "timeout",
        [MU_WS_END_STALLED] = "stalled",
};

int mu_loop_cells_create(struct mu_loop *loop, uint32_t route_count)
{
        struct mu_loop_cells *cells = &loop->cells;

        cells->routes = calloc(route_count, sizeof(*cells->routes));
        if (!cells->routes)
                return -ENOMEM;
        int error = mu_histogram_create(&cells->handshake_ns);
        for (uint32_t i = 0; !error && i < route_count; i++)
                error = mu_histogram_create(&cells->routes[i].duration_ns);
        return error;
}

void mu_loop_cells_destroy(struct mu_loop *loop, uint32_t route_count)
{
        struct mu_loop_cells *cells = &loop->cells;

        for (uint32_t i = 0; cells->routes && i < route_count; i++)
                mu_histogram_destroy(cells->routes[i].duration_ns);
        mu_histogram_destroy(cells->handshake_ns);
        free(cells->routes);
}

static void register_routes(struct mu_metrics *metrics, struct mu_server *server,
                            const struct mu_loop *loop)
{
        uint32_t count = mu_router_count(server->config.router);

        for (uint32_t i = 0; i <= count; i++) {
                const struct mu_route *route =
                        i < count ? mu_router_at(server->config.router, i) : NULL;
                const char *path = route ? route->path : "none";
                const char *method = route ? route->method : "any";

                mu_metrics_histogram(metrics, "muster_http_request_duration_seconds",
                                     "From the complete request to its reply on the socket.",
                                     MU_LABELS({"method", method}, {"route", path}),
                                     loop->cells.routes[i].duration_ns, 1e-9, &mu_bounds_latency_s);
                for (int class = 0; class < MU_STATUS_CLASSES; class ++)
                        mu_metrics_counter(metrics, "muster_http_requests_total",
                                           "Requests answered.",
                                           MU_LABELS({"method", method}, {"route", path},
                                                     {"status", status_names[class]}),
                                           &loop->cells.routes[i].status[class]);
        }
}

static void register_connections(struct mu_metrics *metrics, const struct mu_loop *loop)
{
        const struct mu_loop_cells *cells = &loop->cells;
        static const char closed_name[] = "muster_http_connections_shed_total";
        static const char closed_help[] =
                "Connections closed for want of room: idle ones, or new ones at once.";

        mu_metrics_gauge(metrics, "muster_http_connections", "Open client connections.",
                         MU_NO_LABELS, &cells->open);
        mu_metrics_counter(metrics, "muster_http_connections_accepted_total",
                           "Client connections taken on.", MU_NO_LABELS, &cells->accepted);
        mu_metrics_counter(metrics, "muster_http_connections_handed_over_total",
                           "Connections accepted by one loop for another one.", MU_NO_LABELS,
                           &cells->handed_over);
        mu_metrics_counter(metrics, closed_name, closed_help, MU_LABELS({"reason", "idle_evicted"}),
                           &cells->evicted);
        mu_metrics_counter(metrics, closed_name, closed_help, MU_LABELS({"reason", "refused"}),
                           &cells->refused);
        mu_metrics_counter(metrics, closed_name, closed_help,
                           MU_LABELS({"reason", "refused_address"}), &cells->refused_address);
        mu_metrics_counter(metrics, "muster_http_accept_no_descriptor_total",
                           "Times that accepting found no file descriptor left.", MU_NO_LABELS,
                           &cells->no_descriptors);
        mu_metrics_counter(metrics, "muster_http_requests_aborted_total",
                           "Requests whose connection went before the reply.", MU_NO_LABELS,
                           &cells->aborted);
        mu_metrics_counter(metrics, "muster_http_protocol_errors_total",
                           "Requests refused before routing: malformed, too large or too slow.",
                           MU_NO_LABELS, &cells->protocol_errors);
}

static void register_tls(struct mu_metrics *metrics, const struct mu_loop *loop)
{
        const struct mu_loop_cells *cells = &loop->cells;
        static const char name[] = "muster_tls_handshakes_total";
        static const char help[] = "TLS handshakes that succeeded.";

        mu_metrics_counter(metrics, name, help, MU_LABELS({"kind", "full"}), &cells->tls_full);
        mu_metrics_counter(metrics, name, help, MU_LABELS({"kind", "resumed"}),
                           &cells->tls_resumed);
        for (int i = 0; i < MU_TLS_FAILURES; i++)
                mu_metrics_counter(metrics, "muster_tls_handshakes_failed_total",
                                   "TLS handshakes that failed, by reason.",
                                   MU_LABELS({"reason", failure_names[i]}), &cells->tls_failed[i]);
        mu_metrics_histogram(metrics, "muster_tls_handshake_duration_seconds",
                             "From accept to the end of a successful TLS handshake.", MU_NO_LABELS,
                             cells->handshake_ns, 1e-9, &mu_bounds_latency_s);
}

static void register_websockets(struct mu_metrics *metrics, const struct mu_loop *loop)
{
        const struct mu_loop_cells *cells = &loop->cells;
        static const char messages[] = "muster_websocket_messages_total";
        static const char messages_help[] = "WebSocket messages, without control frames.";
        static const char bytes[] = "muster_websocket_bytes_total";
        static const char bytes_help[] = "Bytes of WebSocket frames.";

        mu_metrics_gauge(metrics, "muster_websocket_connections", "Open WebSockets.", MU_NO_LABELS,
                         &cells->ws_open);
        mu_metrics_counter(metrics, messages, messages_help, MU_LABELS({"direction", "in"}),
                           &cells->ws_messages_in);
        mu_metrics_counter(metrics, messages, messages_help, MU_LABELS({"direction", "out"}),
                           &cells->ws_messages_out);
        mu_metrics_counter(metrics, bytes, bytes_help, MU_LABELS({"direction", "in"}),
                           &cells->ws_bytes_in);
        mu_metrics_counter(metrics, bytes, bytes_help, MU_LABELS({"direction", "out"}),
                           &cells->ws_bytes_out);
        mu_metrics_counter(metrics, "muster_websocket_dropped_total",
                           "Messages refused because the WebSocket's queue was full.", MU_NO_LABELS,
                           &cells->ws_dropped);
        for (int i = 0; i < MU_WS_ENDS; i++)
                mu_metrics_counter(metrics, "muster_websocket_closed_total",
                                   "WebSockets that ended, by reason.",
                                   MU_LABELS({"reason", end_names[i]}), &cells->ws_closed[i]);
}

void mu_server_metrics_register(struct mu_server *server)
{
        struct mu_metrics *metrics = server->config.metrics;

        for (uint32_t i = 0; i < server->config.loop_count; i++) {
                register_routes(metrics, server, &server->loops[i]);
                register_connections(metrics, &server->loops[i]);
                register_tls(metrics, &server->loops[i]);
                register_websockets(metrics, &server->loops[i]);
        }
}
