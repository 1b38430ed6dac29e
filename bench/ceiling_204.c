/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ceiling_204.c - the HTTP ceiling: plain h2o, one thread, answers 204 to whatever is asked.
 *
 *   bench_ceiling_204 PORT     serves on 127.0.0.1 until SIGTERM
 *
 * The same libh2o that musterd links, without anything of ours: what a heartbeat costs above this
 * is ours.
 */
#include <errno.h>
#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static h2o_accept_ctx_t accept_ctx;
static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
        (void)number;
        stopped = 1;
}

static int answer(h2o_handler_t *self, h2o_req_t *req)
{
        static h2o_generator_t generator;

        (void)self;
        req->res.status = 204;
        req->res.reason = "No Content";
        h2o_start_response(req, &generator);
        h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
        return 0;
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
        h2o_socket_t *sock;

        if (error)
                return;
        while ((sock = h2o_evloop_socket_accept(listener)))
                h2o_accept(&accept_ctx, sock);
}

static int listen_on(uint16_t port)
{
        const struct sockaddr_in address = {.sin_family = AF_INET,
                                            .sin_port = htons(port),
                                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int one = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(fd, 1024) < 0) {
                perror("bench_ceiling_204");
                return -1;
        }
        return fd;
}

int main(int argc, char **argv)
{
        h2o_globalconf_t config;
        h2o_context_t context;

        if (argc != 2) {
                (void)fputs("usage: bench_ceiling_204 PORT\n", stderr);
                return 2;
        }
        int fd = listen_on((uint16_t)strtoul(argv[1], NULL, 10));

        if (fd < 0)
                return 1;
        signal(SIGPIPE, SIG_IGN);
        signal(SIGTERM, on_stop);
        h2o_config_init(&config);
        h2o_hostconf_t *host =
                h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
        h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);

        h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = answer;
        h2o_context_init(&context, h2o_evloop_create(), &config);
        accept_ctx = (h2o_accept_ctx_t){.ctx = &context, .hosts = config.hosts};
        h2o_socket_t *listener =
                h2o_evloop_socket_create(context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);

        h2o_socket_read_start(listener, on_accept);
        while (!stopped && h2o_evloop_run(context.loop, 1000) == 0)
                ;
        return 0;
}
