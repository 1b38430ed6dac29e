/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malformed.h - the kinds of bad input, how each is built, and what must be answered.
 *
 * Units: bytes, ms. Threads: builders are pure. Errors: none; a kind always fits its room.
 */
#ifndef LOADGEN_MALFORMED_H
#define LOADGEN_MALFORMED_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"
#include "url.h"

#define MU_LG_MALFORMED_KINDS_MAX 64u
#define MU_LG_MALFORMED_ROOM_BYTES (512u * 1024u)

/* What came back. */
enum mu_lg_malformed_answer {
        MU_LG_MALFORMED_2XX,
        MU_LG_MALFORMED_4XX,
        MU_LG_MALFORMED_5XX,
        MU_LG_MALFORMED_CLOSED, /* ended or reset without an answer */
        MU_LG_MALFORMED_SILENT, /* nothing within the deadline */
        MU_LG_MALFORMED_OTHER,  /* not HTTP, 1xx, 3xx */
        MU_LG_MALFORMED_ANSWERS,
};

#define MU_LG_EXPECT(answer) (1u << (answer))

/* How the bytes are sent. */
enum mu_lg_malformed_manner {
        MU_LG_SEND_WHOLE,
        MU_LG_SEND_UNFINISHED, /* whole, but a server may wait for more of it */
        MU_LG_SEND_DRIP,       /* a byte now and then: slowloris */
        MU_LG_SEND_HALF,       /* half, then silence */
        MU_LG_SEND_AND_CLOSE,  /* half, then the connection ends; no answer is expected */
        MU_LG_SEND_AND_SHUT,   /* half, then our side of the connection ends */
};

struct mu_lg_malformed_input {
        const struct mu_lg_url *url;
        const char *token; /* of a registered device */
        uint32_t token_bytes;
        uint64_t ts_s; /* inside the window */
        uint64_t now_s;
        char *out; /* MU_LG_MALFORMED_ROOM_BYTES */
};

struct mu_lg_malformed_kind {
        const char *name;
        const char *text;
        uint32_t expected; /* MU_LG_EXPECT of the answers that are right */
        int status;        /* the precise one, 0: any of the class */
        enum mu_lg_malformed_manner manner;
        uint32_t (*build)(const struct mu_lg_malformed_input *input); /* bytes written */
};

extern const struct mu_lg_malformed_kind mu_lg_malformed_kinds[];
extern const uint32_t mu_lg_malformed_kinds_count;

struct mu_lg_malformed_table {
        uint64_t tried[MU_LG_MALFORMED_KINDS_MAX];
        uint64_t wrong[MU_LG_MALFORMED_KINDS_MAX];
        uint64_t answers[MU_LG_MALFORMED_KINDS_MAX][MU_LG_MALFORMED_ANSWERS];
        int status_seen[MU_LG_MALFORMED_KINDS_MAX]; /* the last one */
};

const char *mu_lg_malformed_answer_name(enum mu_lg_malformed_answer answer);

#endif
