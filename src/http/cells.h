/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cells.h - what each loop counts (private to this folder). Written by the loop's thread alone.
 */
#ifndef MUSTER_HTTP_CELLS_H
#define MUSTER_HTTP_CELLS_H

#include "metrics/metrics.h"

#define MU_STATUS_CLASSES 4 /* 2xx .. 5xx */

struct mu_route_cells {
        struct mu_histogram *duration_ns;
        struct mu_cell status[MU_STATUS_CLASSES];
};

enum mu_tls_failure {
        MU_TLS_FAILED_CLOSED,
        MU_TLS_FAILED_TIMEOUT,
        MU_TLS_FAILED_VERSION,
        MU_TLS_FAILED_CIPHER,
        MU_TLS_FAILED_ALPN,
        MU_TLS_FAILED_CERTIFICATE_REFUSED,
        MU_TLS_FAILED_NOT_TLS,
        MU_TLS_FAILED_OTHER,
        MU_TLS_FAILURES,
};

/* How a WebSocket ended. */
enum mu_ws_end {
        MU_WS_END_LOST, /* the connection broke */
        MU_WS_END_PEER,
        MU_WS_END_SERVER,
        MU_WS_END_OVERFLOW, /* 1013: it took too little */
        MU_WS_END_PROTOCOL, /* the peer broke the rules */
        MU_WS_END_TIMEOUT,  /* no answer to a ping */
        MU_WS_END_STALLED,  /* took nothing for the write timeout */
        MU_WS_ENDS,
};

struct mu_loop_cells {
        struct mu_cell open;
        struct mu_cell accepted;
        struct mu_cell handed_over;
        struct mu_cell evicted; /* idle ones closed for room */
        struct mu_cell refused; /* closed at once: at the cap, nothing idle */
        struct mu_cell refused_address;
        struct mu_cell no_descriptors;
        struct mu_cell aborted; /* requests that died unanswered */
        struct mu_cell protocol_errors;
        struct mu_cell tls_full;
        struct mu_cell tls_resumed;
        struct mu_cell tls_failed[MU_TLS_FAILURES];
        struct mu_cell ws_open;
        struct mu_cell ws_messages_in;
        struct mu_cell ws_messages_out;
        struct mu_cell ws_bytes_in;
        struct mu_cell ws_bytes_out;
        struct mu_cell ws_dropped;
        struct mu_cell ws_closed[MU_WS_ENDS];
        struct mu_histogram *handshake_ns;
        struct mu_route_cells *routes; /* routes, and one more for what matched none */
};

#endif
