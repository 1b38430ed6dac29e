/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2o_fixture.h - a libh2o server on loopback and raw clients, in one thread.
 *
 * Units      *_ms are milliseconds.
 * Threads    One: a client's wait runs the server's loop, so nothing ever sleeps.
 * Ownership  fixture_stop and client_close release what start and open made.
 * Errors     Anything unexpected fails the running cmocka test.
 */
#ifndef MUSTER_TEST_H2O_FIXTURE_H
#define MUSTER_TEST_H2O_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <h2o.h>

#include <h2o/http1.h> /* needs h2o.h first */
#include <openssl/ssl.h>

#define FIXTURE_BODY_BYTES_MAX 4096u
#define FIXTURE_BIG_REPLY_BYTES (8u << 20)

struct fixture {
        h2o_globalconf_t config;
        h2o_context_t context;
        h2o_accept_ctx_t accept;
        h2o_socket_t *listener;
        SSL_CTX *tls_server;
        SSL_CTX *tls_client;
        uint16_t port;
        int accept_errno;  /* of the last accept that brought no connection */
        bool frees_idle;   /* on EMFILE close the longest idle connection and try again */
        unsigned requests; /* that reached the handler */
        unsigned protocol_errors;
        int last_protocol_error; /* its status */
};

struct client {
        struct fixture *server;
        int fd;
        SSL *tls;
        bool ended; /* the server closed in order */
        bool reset; /* the server reset the connection */
        size_t size;
        char bytes[16384];
};

/* Defaults are long; a test shortens the one it is about before the first connection. */
struct fixture *fixture_start(bool tls, uint64_t idle_ms, uint64_t request_ms, uint64_t write_ms);
void fixture_stop(struct fixture *server);
size_t fixture_connections(struct fixture *server);

struct client *client_open(struct fixture *server);
void client_close(struct client *client);
/* Sends everything, unless the server closes first. */
void client_send(struct client *client, const void *bytes, size_t size);
/* Runs the server once and reads what there is. */
void client_pump(struct client *client);
/* Until the server closed or reset the connection. */
void client_wait_end(struct client *client);
/* Until `text` has come; fails when the connection ends first. */
void client_wait_text(struct client *client, const char *text);
int client_status(const struct client *client);

#endif
