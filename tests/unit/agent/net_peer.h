/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_peer.h - a small server on a loopback port, HTTP or WebSocket, with TLS or without: what
 * tests of agent/net talk to. Each connection is handed to a function of the test's, one after the
 * other, on the peer's own thread.
 *
 * Errors     a test's precondition that does not hold ends the test program.
 */
#ifndef TESTS_UNIT_AGENT_NET_PEER_H
#define TESTS_UNIT_AGENT_NET_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum net_peer_limits { PEER_REQUEST_BYTES = 64 * 1024 };

struct net_peer;
struct net_conn;

/* Serves one connection; returning closes it. number: from 0 on. */
typedef void net_peer_fn(struct net_conn *conn, int number, void *context);

struct net_peer_options {
        net_peer_fn *serve;
        void *context;
        const char *address; /* a loopback one; NULL: 127.0.0.1 */
        bool tls;
        uint16_t tls_version_max; /* 0: the newest */
};

struct net_peer *net_peer_start(const struct net_peer_options *options);
/* What is being served is cut off. How many connections there were. */
int net_peer_stop(struct net_peer *peer);
const char *net_peer_url(const struct net_peer *peer);         /* "http://127.0.0.1:4711" */
const char *net_peer_certificate(const struct net_peer *peer); /* its path */

/* One byte at least, 0: the other end has closed. */
size_t net_conn_read(struct net_conn *conn, void *buffer, size_t room);
/* False: the other end is gone. */
bool net_conn_write(struct net_conn *conn, const void *data, size_t bytes);
/* A whole request, NUL-terminated: head and body of Content-Length. 0: no more of them. */
size_t net_conn_request(struct net_conn *conn, char *buffer, size_t room);
bool net_conn_answer(struct net_conn *conn, const char *text);

/* WebSocket: the opening, answered; the request is left in buffer. */
bool net_conn_upgrade(struct net_conn *conn, char *buffer, size_t room);
bool net_conn_frame(struct net_conn *conn, unsigned opcode, const void *data, size_t bytes);
/* The next frame's opcode, unmasked into buffer with a NUL; -1: gone; -2: it was not masked. */
int net_conn_next(struct net_conn *conn, char *buffer, size_t room, size_t *ret_bytes);

#endif
