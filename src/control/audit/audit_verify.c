/* SPDX-License-Identifier: Apache-2.0 */
/* audit_verify.c - the chain looked at from its beginning to its end. */
#include <openssl/mem.h>
#include <string.h>

#include "control/audit/audit_chain.h"
#include "control/control.h"
#include "pg/query.h"

static const struct mu_pg_statement ANCHORS = {
        .name = "audit_anchors",
        .sql = "SELECT name, seq, sha256, mac FROM audit_anchors",
        .repeatable = true,
};

static const struct mu_pg_statement LINKS = {
        .name = "audit_chain_walk",
        .sql = "SELECT c.seq, c.audit_id, c.prev_sha256, c.sha256, a.id, a.at, a.actor, a.action,"
               " a.subject, a.address, a.before::text, a.after::text"
               " FROM audit_chain c LEFT JOIN audit_log a ON a.id = c.audit_id ORDER BY c.seq",
};

static const struct mu_pg_statement UNLINKED = {
        .name = "audit_unlinked",
        .sql = "SELECT a.id, a.id < coalesce((SELECT max(audit_id) FROM audit_chain"
               "  WHERE linked_at < now() - make_interval(secs => $1)), 0)"
               " FROM audit_log a"
               " WHERE NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.audit_id = a.id)"
               " ORDER BY a.id",
        .params = {MU_PG_FLOAT8},
};

struct anchor {
        bool there;
        int64_t seq;
        uint8_t sha256[MU_AUDIT_SHA_BYTES];
};

struct walk {
        const struct mu_secrets *secrets;
        struct mu_audit_report *report;
        struct anchor begin;
        struct anchor end;
        int64_t next_seq;
        uint8_t sha256[MU_AUDIT_SHA_BYTES]; /* of the link before */
};

const char *mu_audit_problem_name(enum mu_audit_problem_kind kind)
{
        static const char *const names[] = {
                [MU_AUDIT_CHANGED] = "changed",   [MU_AUDIT_DELETED] = "deleted",
                [MU_AUDIT_INSERTED] = "inserted", [MU_AUDIT_BROKEN] = "broken",
                [MU_AUDIT_MISSING] = "missing",   [MU_AUDIT_TRUNCATED] = "truncated",
                [MU_AUDIT_UNSIGNED] = "unsigned",
        };

        return names[kind];
}

static void report(struct walk *walk, enum mu_audit_problem_kind kind, int64_t audit_id,
                   int64_t seq)
{
        struct mu_audit_report *to = walk->report;

        if (to->problem_count < MU_AUDIT_PROBLEMS_MAX)
                to->problems[to->problem_count] = (struct mu_audit_problem){kind, audit_id, seq};
        to->problem_count++;
}

static void read_anchor(struct walk *walk, const struct mu_pg_result *rows, size_t row)
{
        const char *name = mu_pg_get_text(rows, row, 0);
        struct anchor *anchor = strcmp(name, "begin") == 0 ? &walk->begin : &walk->end;
        uint8_t mac[MU_AUDIT_SHA_BYTES];

        anchor->there = true;
        anchor->seq = mu_pg_get_int(rows, row, 1);
        memcpy(anchor->sha256, mu_pg_get_bytea(rows, row, 2).data, sizeof(anchor->sha256));
        mu_audit_mac(walk->secrets, name, anchor->seq, anchor->sha256, mac);
        if (CRYPTO_memcmp(mac, mu_pg_get_bytea(rows, row, 3).data, sizeof(mac)) != 0)
                report(walk, MU_AUDIT_UNSIGNED, 0, anchor->seq);
}

static int read_anchors(struct walk *walk, struct mu_pg *pg)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &ANCHORS, MU_PG_VALUES(), &rows);

        if (error < 0)
                return error;
        for (size_t i = 0; i < mu_pg_rows(rows); i++)
                read_anchor(walk, rows, i);
        mu_pg_result_free(rows);
        walk->next_seq = walk->begin.there ? walk->begin.seq + 1 : 1;
        if (walk->begin.there)
                memcpy(walk->sha256, walk->begin.sha256, sizeof(walk->sha256));
        return 0;
}

static int on_link(void *context, const struct mu_pg_result *row)
{
        struct walk *walk = context;
        int64_t seq = mu_pg_get_int(row, 0, 0);
        int64_t audit_id = mu_pg_get_int(row, 0, 1);
        const uint8_t *prev = mu_pg_get_bytea(row, 0, 2).data;
        const uint8_t *sha = mu_pg_get_bytea(row, 0, 3).data;
        uint8_t computed[MU_AUDIT_SHA_BYTES];

        /* Each damage is told once: the next link is judged by what stands here. */
        if (seq != walk->next_seq)
                report(walk, MU_AUDIT_MISSING, 0, walk->next_seq);
        else if (memcmp(prev, walk->sha256, MU_AUDIT_SHA_BYTES) != 0)
                report(walk, MU_AUDIT_BROKEN, audit_id, seq);
        if (mu_pg_is_null(row, 0, 4)) {
                report(walk, MU_AUDIT_DELETED, audit_id, seq);
        } else {
                mu_audit_hash(prev, seq, row, 0, 4, computed);
                if (memcmp(computed, sha, sizeof(computed)) != 0)
                        report(walk, MU_AUDIT_CHANGED, audit_id, seq);
        }
        if (walk->report->linked++ == 0)
                walk->report->first_seq = seq;
        walk->report->last_seq = seq;
        memcpy(walk->sha256, sha, sizeof(walk->sha256));
        walk->next_seq = seq + 1;
        return 0;
}

static void judge_end(struct walk *walk)
{
        int64_t last_seq = walk->next_seq - 1;

        if (!walk->end.there) {
                if (last_seq > 0)
                        report(walk, MU_AUDIT_UNSIGNED, 0, last_seq);
        } else if (last_seq < walk->end.seq) {
                report(walk, MU_AUDIT_TRUNCATED, 0, walk->end.seq);
        } else if (last_seq > walk->end.seq) {
                report(walk, MU_AUDIT_UNSIGNED, 0, last_seq);
        } else if (memcmp(walk->sha256, walk->end.sha256, sizeof(walk->sha256)) != 0) {
                report(walk, MU_AUDIT_BROKEN, 0, last_seq);
        }
        memcpy(walk->report->last_sha256, walk->sha256, sizeof(walk->sha256));
}

static int on_unlinked(void *context, const struct mu_pg_result *row)
{
        struct walk *walk = context;

        if (mu_pg_get_bool(row, 0, 1))
                report(walk, MU_AUDIT_INSERTED, mu_pg_get_int(row, 0, 0), 0);
        else
                walk->report->unlinked++;
        return 0;
}

static int walk_all(struct walk *walk, struct mu_pg *pg)
{
        int error = mu_pg_script(pg, "audit_verify_snapshot",
                                 "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");

        if (error == 0)
                error = read_anchors(walk, pg);
        if (error == 0)
                error = mu_pg_each(pg, &LINKS, MU_PG_VALUES(), on_link, walk);
        if (error == 0)
                judge_end(walk);
        if (error == 0)
                error = mu_pg_each(pg, &UNLINKED, MU_PG_VALUES(mu_pg_float8(MU_AUDIT_SETTLED_S)),
                                   on_unlinked, walk);
        return error;
}

int mu_audit_verify(struct mu_control *control, struct mu_pg *pg,
                    struct mu_audit_report *ret_report)
{
        struct walk walk = {.secrets = control->config.secrets, .report = ret_report};

        *ret_report = (struct mu_audit_report){0};
        int error = mu_pg_begin(pg);

        if (error == 0)
                error = walk_all(&walk, pg);
        mu_pg_rollback(pg);
        return error;
}
