/* SPDX-License-Identifier: Apache-2.0 */
#include "control/audit/audit_chain.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/guard.h"
#include "identity/secrets.h"
#include "pg/query.h"

enum {
        BATCH = 2000,
        BATCHES_MAX = 50, /* in one run: other jobs wait */
        STRAGGLERS_EVERY_S = 15,
};

#define COLUMNS "a.id, a.at, a.actor, a.action, a.subject, a.address, a.before::text, a.after::text"

/* The last link, and both anchors. */
static const struct mu_pg_statement HEAD = {
        .name = "audit_chain_head",
        .sql = "(SELECT 'link', seq, sha256, NULL::bytea FROM audit_chain ORDER BY seq DESC LIMIT "
               "1)"
               " UNION ALL SELECT name, seq, sha256, mac FROM audit_anchors",
        .repeatable = true,
};

static const struct mu_pg_statement FRESH = {
        .name = "audit_chain_fresh",
        .sql = "SELECT " COLUMNS " FROM audit_log a"
               " WHERE a.id > coalesce((SELECT max(audit_id) FROM audit_chain), 0)"
               " ORDER BY a.id LIMIT $1",
        .params = {MU_PG_INT8},
};

/* Committed behind higher ids. The bound need not be exact: any link that old will do. */
static const struct mu_pg_statement STRAGGLERS = {
        .name = "audit_chain_stragglers",
        .sql = "SELECT " COLUMNS " FROM audit_log a"
               " WHERE a.id > coalesce((SELECT audit_id FROM audit_chain"
               "  WHERE linked_at < now() - make_interval(secs => $2)"
               "  ORDER BY linked_at DESC, seq DESC LIMIT 1), 0)"
               " AND NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.audit_id = a.id)"
               " ORDER BY a.id LIMIT $1",
        .params = {MU_PG_INT8, MU_PG_FLOAT8},
};

static const struct mu_pg_statement INSERT = {
        .name = "audit_chain_insert",
        .sql = "INSERT INTO audit_chain (seq, audit_id, prev_sha256, sha256)"
               " SELECT * FROM unnest($1, $2, $3, $4)",
        .params = {MU_PG_INT8_ARRAY, MU_PG_INT8_ARRAY, MU_PG_BYTEA_ARRAY, MU_PG_BYTEA_ARRAY},
};

static const struct mu_pg_statement ANCHOR = {
        .name = "audit_anchor",
        .sql = "INSERT INTO audit_anchors (name, seq, sha256, mac) VALUES ($1, $2, $3, $4)"
               " ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, sha256 = excluded.sha256,"
               " mac = excluded.mac, anchored_at = now()",
        .params = {MU_PG_TEXT, MU_PG_INT8, MU_PG_BYTEA, MU_PG_BYTEA},
};

/* ---- hashes ---- */

static void add_field(SHA256_CTX *hash, const char *text)
{
        char head[24];

        if (!text) {
                SHA256_Update(hash, "-,", 2);
                return;
        }
        int bytes = snprintf(head, sizeof(head), "%zu:", strlen(text));

        SHA256_Update(hash, head, (size_t)bytes);
        SHA256_Update(hash, text, strlen(text));
        SHA256_Update(hash, ",", 1);
}

static void add_number(SHA256_CTX *hash, int64_t number)
{
        char text[24];

        (void)snprintf(text, sizeof(text), "%" PRId64, number);
        add_field(hash, text);
}

void mu_audit_hash(const uint8_t prev_sha256[MU_AUDIT_SHA_BYTES], int64_t seq,
                   const struct mu_pg_result *rows, size_t row, int column,
                   uint8_t ret_sha256[MU_AUDIT_SHA_BYTES])
{
        SHA256_CTX hash;

        SHA256_Init(&hash);
        SHA256_Update(&hash, prev_sha256, MU_AUDIT_SHA_BYTES);
        add_number(&hash, seq);
        add_number(&hash, mu_pg_get_int(rows, row, column));
        add_number(&hash, mu_pg_get_timestamptz(rows, row, column + 1));
        for (int i = 2; i < 8; i++)
                add_field(&hash, mu_pg_get_text(rows, row, column + i));
        SHA256_Final(ret_sha256, &hash);
}

void mu_audit_mac(const struct mu_secrets *secrets, const char *name, int64_t seq,
                  const uint8_t sha256[MU_AUDIT_SHA_BYTES], uint8_t ret_mac[MU_AUDIT_SHA_BYTES])
{
        uint8_t key[MU_SECRET_KEY_BYTES];
        char head[64];
        uint8_t message[sizeof(head) + MU_AUDIT_SHA_BYTES];
        unsigned bytes = 0;
        int head_bytes = snprintf(head, sizeof(head), "%s,%" PRId64 ",", name, seq);

        memcpy(message, head, (size_t)head_bytes);
        memcpy(message + head_bytes, sha256, MU_AUDIT_SHA_BYTES);
        mu_secrets_derive(secrets, "audit-anchor", key);
        HMAC(EVP_sha256(), key, sizeof(key), message, (size_t)head_bytes + MU_AUDIT_SHA_BYTES,
             ret_mac, &bytes);
        OPENSSL_cleanse(key, sizeof(key));
}

/* ---- linking ---- */

struct head {
        struct mu_audit_link link; /* the next one follows it */
        bool sign;                 /* the end after it may be signed */
};

static bool is_signed(struct mu_control *control, const char *name,
                      const struct mu_audit_link *link, struct mu_pg_bytes mac)
{
        uint8_t computed[MU_AUDIT_SHA_BYTES];

        mu_audit_mac(control->config.secrets, name, link->seq, link->sha256, computed);
        return mac.bytes == sizeof(computed) &&
               CRYPTO_memcmp(mac.data, computed, sizeof(computed)) == 0;
}

/* The signed end is believed more than the links: when these were cut off or made anew, the next
 * one does not fit them, which tells. An end that is missing, wrong or behind is never signed anew,
 * since that would heal what verify must find; nor is one behind links that all were taken away
 * while we ran. */
static int read_head(struct mu_control *control, struct mu_pg *pg, struct head *ret_head)
{
        struct mu_pg_result *rows;
        struct mu_audit_link end = {0};
        bool end_is_signed = false;
        int error = mu_pg_query(pg, &HEAD, MU_PG_VALUES(), &rows);

        if (error < 0)
                return error;
        size_t count = mu_pg_rows(rows);

        *ret_head = (struct head){0};
        for (size_t i = 0; i < count; i++) {
                const char *name = mu_pg_get_text(rows, i, 0);
                bool is_end = strcmp(name, "end") == 0;
                struct mu_audit_link link = {.seq = mu_pg_get_int(rows, i, 1)};

                memcpy(link.sha256, mu_pg_get_bytea(rows, i, 2).data, MU_AUDIT_SHA_BYTES);
                if (is_end)
                        end = link;
                if (is_end)
                        end_is_signed =
                                is_signed(control, name, &link, mu_pg_get_bytea(rows, i, 3));
                else if (link.seq > ret_head->link.seq)
                        ret_head->link = link;
        }
        mu_pg_result_free(rows);
        if (count == 0)
                ret_head->sign = !atomic_load(&control->guard->chain_begun);
        else
                ret_head->sign = end_is_signed && end.seq >= ret_head->link.seq;
        if (count > 0)
                atomic_store(&control->guard->chain_begun, true);
        if (end_is_signed && end.seq >= ret_head->link.seq)
                ret_head->link = end;
        return 0;
}

static int put_anchor(struct mu_control *control, struct mu_pg *pg, const char *name,
                      const struct mu_audit_link *link)
{
        uint8_t mac[MU_AUDIT_SHA_BYTES];

        mu_audit_mac(control->config.secrets, name, link->seq, link->sha256, mac);
        return mu_pg_query(pg, &ANCHOR,
                           MU_PG_VALUES(mu_pg_text(name), mu_pg_int8(link->seq),
                                        mu_pg_bytea(link->sha256, sizeof(link->sha256)),
                                        mu_pg_bytea(mac, sizeof(mac))),
                           NULL);
}

/* A batch on its way into the table. */
struct batch {
        struct mu_audit_link links[BATCH];
        int64_t seqs[BATCH];
        int64_t ids[BATCH];
        struct mu_pg_bytes prevs[BATCH];
        struct mu_pg_bytes shas[BATCH];
};

static void fill(struct batch *batch, const struct mu_pg_result *rows,
                 const struct mu_audit_link *head)
{
        const struct mu_audit_link *before = head;

        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                struct mu_audit_link *link = &batch->links[i];

                link->seq = before->seq + 1;
                link->audit_id = mu_pg_get_int(rows, i, 0);
                memcpy(link->prev_sha256, before->sha256, MU_AUDIT_SHA_BYTES);
                mu_audit_hash(before->sha256, link->seq, rows, i, 0, link->sha256);
                batch->seqs[i] = link->seq;
                batch->ids[i] = link->audit_id;
                batch->prevs[i] = (struct mu_pg_bytes){link->prev_sha256, MU_AUDIT_SHA_BYTES};
                batch->shas[i] = (struct mu_pg_bytes){link->sha256, MU_AUDIT_SHA_BYTES};
                before = link;
        }
}

static int write_links(struct mu_control *control, struct mu_pg *pg, const struct batch *batch,
                       size_t count, bool sign)
{
        int error = mu_pg_query(pg, &INSERT,
                                MU_PG_VALUES(mu_pg_int8_array(batch->seqs, count),
                                             mu_pg_int8_array(batch->ids, count),
                                             mu_pg_bytea_array(batch->prevs, count),
                                             mu_pg_bytea_array(batch->shas, count)),
                                NULL);

        if (error < 0 || !sign)
                return error;
        return put_anchor(control, pg, "end", &batch->links[count - 1]);
}

/* Within a transaction. */
static int link_rows(struct mu_control *control, struct mu_pg *pg, struct batch *batch,
                     bool stragglers, size_t *ret_count)
{
        struct head head;
        struct mu_pg_result *rows;
        int error = read_head(control, pg, &head);

        if (error < 0)
                return error;
        if (stragglers)
                error = mu_pg_query(
                        pg, &STRAGGLERS,
                        MU_PG_VALUES(mu_pg_int8(BATCH), mu_pg_float8(MU_AUDIT_SETTLED_S)), &rows);
        else
                error = mu_pg_query(pg, &FRESH, MU_PG_VALUES(mu_pg_int8(BATCH)), &rows);
        if (error < 0)
                return error;
        size_t count = mu_pg_rows(rows);

        fill(batch, rows, &head.link);
        mu_pg_result_free(rows);
        if (count > 0)
                error = write_links(control, pg, batch, count, head.sign);
        if (error == 0)
                *ret_count = count;
        return error;
}

static int link_batch(struct mu_control *control, struct mu_pg *pg, struct batch *batch,
                      bool stragglers, size_t *ret_count)
{
        int error = mu_pg_begin(pg);

        if (error == 0)
                error = link_rows(control, pg, batch, stragglers, ret_count);
        if (error == 0)
                error = mu_pg_commit(pg);
        mu_pg_rollback(pg);
        if (error == 0 && *ret_count > 0)
                atomic_store(&control->guard->chain_begun, true);
        return error;
}

/* Now and then: their search looks at all lines of the last ten minutes. */
static bool stragglers_due(struct mu_control *control)
{
        uint64_t now_ns = mu_clock_monotonic_ns(control->config.clock);
        uint64_t every_ns = STRAGGLERS_EVERY_S * (uint64_t)MU_NS_PER_S;
        uint64_t last_ns = atomic_load(&control->guard->stragglers_ns);

        if (last_ns != 0 && now_ns - last_ns < every_ns)
                return false;
        atomic_store(&control->guard->stragglers_ns, now_ns);
        return true;
}

int mu_audit_link(struct mu_control *control, struct mu_pg *pg, uint64_t *ret_linked)
{
        struct batch *batch = malloc(sizeof(*batch));
        bool stragglers = stragglers_due(control);
        size_t count = BATCH;
        int error = 0;

        if (!batch)
                return -ENOMEM;
        for (int i = 0; i < BATCHES_MAX && count == BATCH && error == 0; i++) {
                error = link_batch(control, pg, batch, stragglers, &count);
                if (error == 0)
                        *ret_linked += count;
        }
        free(batch);
        return error;
}

/* ---- retention ---- */

static const struct mu_pg_statement BEGINNING = {
        .name = "audit_chain_begin",
        .sql = "SELECT seq, sha256, mac FROM audit_anchors WHERE name = 'begin'",
        .repeatable = true,
};

static const struct mu_pg_statement OLDEST = {
        .name = "audit_chain_oldest",
        .sql = "SELECT c.seq, c.prev_sha256, c.sha256, " COLUMNS " FROM audit_chain c"
               " LEFT JOIN audit_log a ON a.id = c.audit_id ORDER BY c.seq LIMIT $1",
        .params = {MU_PG_INT8},
};

static const struct mu_pg_statement REMOVE_LINES = {
        .name = "audit_remove_lines",
        .sql = "DELETE FROM audit_log WHERE id IN"
               " (SELECT audit_id FROM audit_chain WHERE seq <= $1)",
        .params = {MU_PG_INT8},
};

static const struct mu_pg_statement REMOVE_LINKS = {
        .name = "audit_remove_links",
        .sql = "DELETE FROM audit_chain WHERE seq <= $1",
        .params = {MU_PG_INT8},
};

/* What the first link follows. -EBADMSG: its signature is wrong. */
static int read_beginning(struct mu_control *control, struct mu_pg *pg,
                          struct mu_audit_link *ret_begin)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &BEGINNING, MU_PG_VALUES(), &rows);

        if (error < 0)
                return error;
        *ret_begin = (struct mu_audit_link){0};
        if (mu_pg_rows(rows) == 1) {
                ret_begin->seq = mu_pg_get_int(rows, 0, 0);
                memcpy(ret_begin->sha256, mu_pg_get_bytea(rows, 0, 1).data, MU_AUDIT_SHA_BYTES);
                if (!is_signed(control, "begin", ret_begin, mu_pg_get_bytea(rows, 0, 2)))
                        error = -EBADMSG;
        }
        mu_pg_result_free(rows);
        return error;
}

/* Whether the line is there and is what was linked: only then its time can be believed. */
static bool is_genuine(const struct mu_pg_result *rows, size_t row)
{
        uint8_t computed[MU_AUDIT_SHA_BYTES];

        if (mu_pg_is_null(rows, row, 3))
                return false;
        mu_audit_hash(mu_pg_get_bytea(rows, row, 1).data, mu_pg_get_int(rows, row, 0), rows, row, 3,
                      computed);
        return memcmp(computed, mu_pg_get_bytea(rows, row, 2).data, sizeof(computed)) == 0;
}

/* How many links, from the beginning, are followed by a genuine old one or are one; 0 where the
 * chain itself is broken. last: before the first link, and then the last of them. */
static size_t count_old(const struct mu_pg_result *rows, int64_t before_us,
                        struct mu_audit_link *last)
{
        struct mu_audit_link at = *last;
        size_t count = 0;

        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                bool genuine = is_genuine(rows, i);

                if (mu_pg_get_int(rows, i, 0) != at.seq + 1 ||
                    memcmp(mu_pg_get_bytea(rows, i, 1).data, at.sha256, MU_AUDIT_SHA_BYTES) != 0)
                        return 0;
                if (genuine && mu_pg_get_timestamptz(rows, i, 4) >= before_us)
                        break;
                at.seq++;
                memcpy(at.sha256, mu_pg_get_bytea(rows, i, 2).data, MU_AUDIT_SHA_BYTES);
                if (genuine) {
                        *last = at;
                        count = i + 1;
                }
        }
        return count;
}

/* The last link of the chain's beginning that is old; how many there are, up to BATCH. Damage is
 * evidence: it stays until what came after it, and is whole, is old too. */
static int find_old(struct mu_control *control, struct mu_pg *pg, int64_t before_us,
                    struct mu_audit_link *ret_last, size_t *ret_count)
{
        struct mu_pg_result *rows;
        int error = read_beginning(control, pg, ret_last);

        *ret_count = 0;
        if (error < 0)
                return error == -EBADMSG ? 0 : error;
        error = mu_pg_query(pg, &OLDEST, MU_PG_VALUES(mu_pg_int8(BATCH)), &rows);
        if (error < 0)
                return error;
        *ret_count = count_old(rows, before_us, ret_last);
        mu_pg_result_free(rows);
        return 0;
}

/* Within a transaction. */
static int remove_old(struct mu_control *control, struct mu_pg *pg, int64_t before_us,
                      size_t *ret_count)
{
        struct mu_audit_link last;
        int error = find_old(control, pg, before_us, &last, ret_count);

        if (error < 0 || *ret_count == 0)
                return error;
        error = mu_pg_script(pg, "audit_maintenance", "SET LOCAL muster.audit_maintenance = 'on'");
        if (error == 0)
                error = mu_pg_query(pg, &REMOVE_LINES, MU_PG_VALUES(mu_pg_int8(last.seq)), NULL);
        if (error == 0)
                error = mu_pg_query(pg, &REMOVE_LINKS, MU_PG_VALUES(mu_pg_int8(last.seq)), NULL);
        return error < 0 ? error : put_anchor(control, pg, "begin", &last);
}

int mu_audit_retain(struct mu_control *control, struct mu_pg *pg, int64_t before_us,
                    uint64_t *ret_removed)
{
        size_t count = BATCH;
        int error = 0;

        for (int i = 0; i < BATCHES_MAX && count == BATCH && error == 0; i++) {
                error = mu_pg_begin(pg);
                if (error == 0)
                        error = remove_old(control, pg, before_us, &count);
                if (error == 0)
                        error = mu_pg_commit(pg);
                mu_pg_rollback(pg);
                if (error == 0)
                        *ret_removed += count;
        }
        return error;
}
