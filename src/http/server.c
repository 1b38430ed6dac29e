/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - the loops' common part: configuration, listening sockets, creation and end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "http/private.h"
#include "http/websocket.h"

void mu_server_config_init(struct mu_server_config *config)
{
        *config = (struct mu_server_config){
                .loop_count = 1,
                .handshake_timeout_ms = 10000,
                /* Longer than the devices' five minutes: their next heartbeat finds the connection
                 * open and needs no handshake. Room is made by closing the oldest idle one. */
                .idle_timeout_ms = 360000,
                .request_timeout_ms = 30000, /* 256 KiB over a slow mobile uplink */
                .write_timeout_ms = 30000,
                .websocket_ping_ms = MU_WS_PING_MS,
                .websocket_close_ms = MU_WS_CLOSE_MS,
                .body_bytes_max = 256 * 1024,
                .body_memory_bytes_max = 64 * 1024 * 1024, /* 256 of the largest batches at once */
                .reserved_descriptors = 256,
                .clock = mu_clock_system(),
        };
}

static int set_connections_max(struct mu_server *server)
{
        const struct mu_server_config *config = &server->config;
        uint64_t limit;

        int error = mu_descriptors_raise(&limit);
        if (error)
                return error;
        if (limit <= config->reserved_descriptors)
                return -EMFILE;
        uint64_t room = limit - config->reserved_descriptors;
        if (config->connections_max > 0 && config->connections_max < room)
                room = config->connections_max;
        server->connections_max = room < UINT32_MAX / 2 ? (uint32_t)room : UINT32_MAX / 2;
        return 0;
}

static void on_protocol_error(h2o_conn_t *conn, int status, const char *detail)
{
        struct mu_connection *connection = mu_connection_of(conn);

        (void)status;
        (void)detail;
        mu_cell_add(&connection->loop->cells.protocol_errors, 1);
}

static void configure_h2o(struct mu_server *server)
{
        const struct mu_server_config *config = &server->config;
        h2o_globalconf_t *global = &server->globalconf;

        h2o_config_init(global);
        global->server_name = h2o_iovec_init(config->server_name ? config->server_name : "",
                                             config->server_name ? strlen(config->server_name) : 0);
        global->max_request_entity_size = config->body_bytes_max;
        global->handshake_timeout = config->handshake_timeout_ms;
        global->http1.upgrade_to_http2 = 0;
        global->http1.idle_timeout = config->idle_timeout_ms;
        global->http1.req_timeout = config->request_timeout_ms;
        global->http1.write_timeout = config->write_timeout_ms;
        global->http1.max_entity_memory = config->body_memory_bytes_max;
        global->http1.on_protocol_error = on_protocol_error;
        server->hostconf =
                h2o_config_register_host(global, h2o_iovec_init(H2O_STRLIT("default")), 65535);
}

static bool config_is_valid(const struct mu_server_config *config)
{
        return config->loop_count >= 1 && config->loop_count <= MU_LOOPS_MAX && config->router &&
               config->handshake_timeout_ms > 0 && config->idle_timeout_ms > 0 &&
               config->request_timeout_ms > 0 && config->write_timeout_ms > 0 &&
               config->websocket_ping_ms > 0 && config->websocket_close_ms > 0;
}

int mu_server_create(const struct mu_server_config *config, struct mu_server **ret_server)
{
        if (!config_is_valid(config))
                return -EINVAL;
        struct mu_server *server = aligned_alloc(MU_CACHELINE_BYTES, sizeof(*server));
        if (!server)
                return -ENOMEM;
        memset(server, 0, sizeof(*server));
        server->config = *config;
        if (!server->config.clock)
                server->config.clock = mu_clock_system();
        atomic_init(&server->stop_deadline_ns, UINT64_MAX);
        configure_h2o(server);
        mu_dispatch_install(server);
        server->config.loop_count = 0; /* how many there are to undo */

        int error = set_connections_max(server);
        if (!error && config->connections_per_address > 0) {
                server->address_counts = mu_address_counts_create(config->connections_per_address);
                error = server->address_counts ? 0 : -ENOMEM;
        }
        if (!error) {
                size_t bytes = config->loop_count * sizeof(struct mu_loop);

                server->loops = aligned_alloc(MU_CACHELINE_BYTES, bytes);
                error = server->loops ? 0 : -ENOMEM;
                if (server->loops)
                        memset(server->loops, 0, bytes);
        }
        for (uint32_t i = 0; !error && i < config->loop_count; i++) {
                server->config.loop_count = i + 1;
                error = mu_loop_init(&server->loops[i], server, i);
        }
        if (error) {
                mu_server_destroy(server);
                return error;
        }
        atomic_init(&server->listening_count, config->loop_count);
        if (config->metrics)
                mu_server_metrics_register(server);
        *ret_server = server;
        return 0;
}

void mu_server_destroy(struct mu_server *server)
{
        if (!server)
                return;
        for (uint32_t i = 0; i < server->config.loop_count; i++)
                mu_loop_done(&server->loops[i]);
        for (uint32_t i = 0; i < server->listener_count; i++) {
                if (server->listeners[i].fd >= 0)
                        close(server->listeners[i].fd);
        }
        h2o_config_dispose(&server->globalconf);
        mu_address_counts_destroy(server->address_counts);
        free(server->loops);
        free(server);
}

struct mu_loop *mu_server_loop(struct mu_server *server, uint32_t index)
{
        MU_ASSERT(index < server->config.loop_count);
        return &server->loops[index];
}

/* ---- listening ---- */

union socket_address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
};

static int parse_address(const char *text, uint16_t port, union socket_address *ret_address,
                         socklen_t *ret_bytes)
{
        memset(ret_address, 0, sizeof(*ret_address));
        if (inet_pton(AF_INET, text, &ret_address->v4.sin_addr) == 1) {
                ret_address->v4.sin_family = AF_INET;
                ret_address->v4.sin_port = htons(port);
                *ret_bytes = sizeof(ret_address->v4);
                return 0;
        }
        if (inet_pton(AF_INET6, text, &ret_address->v6.sin6_addr) == 1) {
                ret_address->v6.sin6_family = AF_INET6;
                ret_address->v6.sin6_port = htons(port);
                *ret_bytes = sizeof(ret_address->v6);
                return 0;
        }
        return -EINVAL;
}

/* Accepted sockets inherit these on Linux: no system call per connection. */
static int set_options(int fd, int family, uint32_t write_timeout_ms)
{
        int on = 1, off = 0;

        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &write_timeout_ms,
                       sizeof(write_timeout_ms)) < 0)
                return -errno;
        /* "::" takes IPv4 too, whatever the machine's default is. */
        if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
                return -errno;
        return 0;
}

static int open_listener(const union socket_address *address, socklen_t bytes,
                         uint32_t write_timeout_ms, uint16_t *ret_port)
{
        union socket_address bound;
        socklen_t bound_bytes = sizeof(bound);
        int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        int error = set_options(fd, address->any.sa_family, write_timeout_ms);
        if (!error && (bind(fd, &address->any, bytes) < 0 || listen(fd, MU_LISTEN_BACKLOG) < 0 ||
                       getsockname(fd, &bound.any, &bound_bytes) < 0))
                error = -errno;
        if (error) {
                close(fd);
                return error;
        }
        /* Both families have the port at the same place. */
        *ret_port = ntohs(bound.v4.sin_port);
        return fd;
}

int mu_server_listen(struct mu_server *server, const char *address, uint16_t port,
                     struct mu_tls *tls, uint16_t *ret_port, char *error)
{
        union socket_address parsed;
        socklen_t bytes = 0;

        if (server->listener_count == MU_LISTENERS_MAX) {
                snprintf(error, MU_LISTEN_ERROR_BYTES, "there are %d listeners already: no more",
                         MU_LISTENERS_MAX);
                return -ENOSPC;
        }
        if (parse_address(address, port, &parsed, &bytes) < 0) {
                snprintf(error, MU_LISTEN_ERROR_BYTES,
                         "\"%s\" is not an IPv4 or IPv6 address: listen on one of this machine, "
                         "on 0.0.0.0 or on ::",
                         address);
                return -EINVAL;
        }
        int fd = open_listener(&parsed, bytes, server->config.write_timeout_ms, ret_port);
        if (fd < 0) {
                snprintf(error, MU_LISTEN_ERROR_BYTES, "cannot listen on %s port %u: %s%s", address,
                         port, strerror(-fd),
                         fd == -EADDRINUSE ? ". Stop the other program or choose another port"
                                           : "");
                return fd;
        }
        server->listeners[server->listener_count].fd = fd;
        server->listeners[server->listener_count].tls = tls;
        server->listener_count++;
        return 0;
}
