/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit_chain.h - the audit log as a hash chain: a line that is changed, deleted, inserted or moved
 * afterwards shows.
 *
 *   transactions ─▶ audit_log        each second, by the job audit_chain
 *                       └───────────▶ audit_chain: link n = {seq n, line, link n-1's hash, hash}
 *                                     audit_anchors: begin, end, each signed
 *
 *   hash(n) = SHA-256(hash(n-1), field(seq), field(id), field(at), field(actor), field(action),
 *                     field(subject), field(address), field(before), field(after))
 *   field(x) = "<bytes>:<text>," or "-," for NULL. at: us since the epoch; before and after: as
 *   PostgreSQL writes jsonb as text. hash(0): 32 zero bytes.
 *
 * Lines are linked after their commit, in the order of their ids, so no transaction waits for
 * another. One that commits late, behind higher ids, is linked when it is found
 * (MU_AUDIT_SETTLED_S); a line that turns up below what has settled was inserted.
 *
 * The end is signed with every batch, the beginning when retention takes lines away: HMAC-SHA-256
 * over name, seq and hash with a key derived from hmac-master ("audit-anchor"). So lines cut off at
 * the end show too, and who has the database alone can't compute a chain anew. Whoever puts the
 * whole database back to an older state can't be found out by it: keep the end that verify tells.
 *
 * Threads    link, retain: under the job's advisory lock. verify: any.
 * Errors     negative errno as in pg/error.h; nothing was changed.
 */
#ifndef MUSTER_CONTROL_AUDIT_CHAIN_H
#define MUSTER_CONTROL_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_control;
struct mu_pg;
struct mu_pg_result;
struct mu_secrets;

enum mu_audit_limits {
        MU_AUDIT_SHA_BYTES = 32,
        MU_AUDIT_SETTLED_S = 600, /* longer than any transaction of ours lasts */
        MU_AUDIT_PROBLEMS_MAX = 100,
};

struct mu_audit_link {
        int64_t seq;
        int64_t audit_id;
        uint8_t prev_sha256[MU_AUDIT_SHA_BYTES];
        uint8_t sha256[MU_AUDIT_SHA_BYTES];
};

/* The hash of a line as link seq after prev. row: id, at, actor, action, subject, address, before
 * and after as text, from column on. */
void mu_audit_hash(const uint8_t prev_sha256[MU_AUDIT_SHA_BYTES], int64_t seq,
                   const struct mu_pg_result *rows, size_t row, int column,
                   uint8_t ret_sha256[MU_AUDIT_SHA_BYTES]);

/* name: "begin", "end". */
void mu_audit_mac(const struct mu_secrets *secrets, const char *name, int64_t seq,
                  const uint8_t sha256[MU_AUDIT_SHA_BYTES], uint8_t ret_mac[MU_AUDIT_SHA_BYTES]);

/* Links what is not linked yet. */
MU_MUST_CHECK
int mu_audit_link(struct mu_control *control, struct mu_pg *pg, uint64_t *ret_linked);

/* Takes away lines older than before_us, from the beginning, and signs where the rest begins. */
MU_MUST_CHECK
int mu_audit_retain(struct mu_control *control, struct mu_pg *pg, int64_t before_us,
                    uint64_t *ret_removed);

/* ---- verifying ---- */

enum mu_audit_problem_kind {
        MU_AUDIT_CHANGED,   /* a line is not what was linked */
        MU_AUDIT_DELETED,   /* a linked line is gone */
        MU_AUDIT_INSERTED,  /* a line was put below what has settled */
        MU_AUDIT_BROKEN,    /* a link does not follow from the one before: moved, or made anew */
        MU_AUDIT_MISSING,   /* links are gone */
        MU_AUDIT_TRUNCATED, /* the end is gone */
        MU_AUDIT_UNSIGNED,  /* an anchor is missing, or its signature is wrong */
};

struct mu_audit_problem {
        enum mu_audit_problem_kind kind;
        int64_t audit_id; /* 0: none */
        int64_t seq;      /* 0: none */
};

struct mu_audit_report {
        uint64_t linked;   /* links that were looked at */
        uint64_t unlinked; /* lines that wait for their link */
        int64_t first_seq; /* 0: the chain is empty */
        int64_t last_seq;
        uint8_t last_sha256[MU_AUDIT_SHA_BYTES];
        uint64_t problem_count;
        struct mu_audit_problem problems[MU_AUDIT_PROBLEMS_MAX]; /* the first ones */
};

/* "changed", ... */
const char *mu_audit_problem_name(enum mu_audit_problem_kind kind);

/* Walks the whole chain, memory flat. No transaction may be open. */
MU_MUST_CHECK
int mu_audit_verify(struct mu_control *control, struct mu_pg *pg,
                    struct mu_audit_report *ret_report);

#endif
