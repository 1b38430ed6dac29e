/* SPDX-License-Identifier: Apache-2.0 */
#include "control/idempotency.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/endpoint.h"
#include "control/endpoint_private.h"
#include "control/guard.h"
#include "control/seal.h"
#include "http/reply.h"

enum {
        RETRY_AFTER_S = 1,
};

/* The lock is taken after the statement's snapshot: a reply committed in between is not seen, and
 * the unique key then undoes this second try. The single-bigint space of advisory locks is this
 * statement's alone. */
static const struct mu_pg_statement CLAIM = {
        .name = "idempotency_claim",
        .sql = "WITH claimed AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($2) AS taken)"
               " SELECT taken, body_sha256, status, type, reply FROM claimed"
               " LEFT JOIN idempotency_keys ON scope_sha256 = $1",
        .params = {MU_PG_BYTEA, MU_PG_INT8},
};

static const struct mu_pg_statement KEEP = {
        .name = "idempotency_keep",
        .sql = "INSERT INTO idempotency_keys (scope_sha256, body_sha256, status, type, reply)"
               " VALUES ($1, $2, $3, $4, $5)",
        .params = {MU_PG_BYTEA, MU_PG_BYTEA, MU_PG_INT4, MU_PG_TEXT, MU_PG_BYTEA},
};

static const struct mu_pg_statement PURGE = {
        .name = "idempotency_purge",
        .sql = "DELETE FROM idempotency_keys WHERE scope_sha256 IN"
               " (SELECT scope_sha256 FROM idempotency_keys"
               "  WHERE created_at < now() - make_interval(secs => $1)"
               "  ORDER BY created_at LIMIT $2)",
        .params = {MU_PG_FLOAT8, MU_PG_INT8},
        .repeatable = true,
};

/* ---- the request's key ---- */

static bool takes_key(const struct mu_ask *ask)
{
        bool by_operator = ask->who.kind == MU_PRINCIPAL_USER ||
                           ask->who.kind == MU_PRINCIPAL_API_TOKEN ||
                           ask->who.kind == MU_PRINCIPAL_ADMIN_KEY;

        return by_operator && strcmp(ask->endpoint->method, "POST") == 0 &&
               mu_endpoint_is_transaction(ask->endpoint);
}

static bool is_valid(struct mu_slice key)
{
        if (key.bytes < 1 || key.bytes > MU_IDEMPOTENCY_KEY_CHARS_MAX)
                return false;
        for (size_t i = 0; i < key.bytes; i++) {
                if (key.data[i] <= ' ' || key.data[i] > '~')
                        return false;
        }
        return true;
}

/* Each part with its NUL, so that no two lists give the same bytes. */
static void add_part(SHA256_CTX *hash, const char *data, size_t bytes)
{
        SHA256_Update(hash, data, bytes);
        SHA256_Update(hash, "", 1);
}

bool mu_idempotency_read(struct mu_ask *ask, struct mu_idempotency *ret_key)
{
        struct mu_slice key = mu_call_header(ask->call, "idempotency-key");
        struct mu_slice path = mu_call_path(ask->call);
        struct mu_slice query = mu_call_query(ask->call);
        struct mu_slice body = mu_call_body(ask->call);
        SHA256_CTX hash;

        ret_key->wanted = key.data && takes_key(ask);
        if (!ret_key->wanted)
                return true;
        if (!is_valid(key)) {
                mu_call_problem(ask->call, 400, "idempotency-key", NULL,
                                "Idempotency-Key must be 1 to %d printable characters without "
                                "blanks.",
                                MU_IDEMPOTENCY_KEY_CHARS_MAX);
                return false;
        }
        SHA256_Init(&hash);
        add_part(&hash, ask->actor, strlen(ask->actor));
        add_part(&hash, ask->endpoint->method, strlen(ask->endpoint->method));
        add_part(&hash, path.data, path.bytes);
        add_part(&hash, key.data, key.bytes);
        SHA256_Final(ret_key->scope_sha256, &hash);
        SHA256_Init(&hash);
        add_part(&hash, query.data, query.bytes);
        add_part(&hash, body.data, body.bytes);
        SHA256_Final(ret_key->body_sha256, &hash);
        return true;
}

/* ---- before and after the handler ---- */

/* A literal, as replies want it. */
static const char *type_of(const char *kept)
{
        static const char *const types[] = {MU_TYPE_JSON, MU_TYPE_TEXT, MU_TYPE_HTML};

        for (size_t i = 0; kept && i < MU_COUNT_OF(types); i++) {
                if (strcmp(types[i], kept) == 0)
                        return types[i];
        }
        return kept ? MU_TYPE_BYTES : NULL;
}

static void replay(struct mu_ask *ask, const struct mu_idempotency *key,
                   const struct mu_pg_result *row)
{
        int status = (int)mu_pg_get_int(row, 0, 2);
        char *reply = NULL;
        size_t bytes = 0;

        if (!mu_pg_is_null(row, 0, 4)) {
                struct mu_pg_bytes sealed = mu_pg_get_bytea(row, 0, 4);
                int error = mu_unseal(ask->control->guard->reply_key, key->scope_sha256,
                                      sizeof(key->scope_sha256), sealed.data, sealed.bytes, &reply,
                                      &bytes);

                if (error == -EBADMSG) {
                        mu_call_problem(ask->call, 409, "idempotency-reply-lost", NULL,
                                        "This was carried out before, but its reply can't be read "
                                        "any more: look at what it changed.");
                        return;
                }
                if (error < 0) {
                        mu_ask_failed(ask, error);
                        return;
                }
        }
        mu_call_reply_owned(ask->call, status, type_of(mu_pg_get_text(row, 0, 3)), reply, bytes);
        mu_call_reply_header(ask->call, "idempotency-replayed", "true");
}

/* False: answered. */
static bool go_on(struct mu_ask *ask, const struct mu_idempotency *key,
                  const struct mu_pg_result *row)
{
        struct mu_pg_bytes body = mu_pg_get_bytea(row, 0, 1);

        if (!mu_pg_get_bool(row, 0, 0))
                mu_call_problem_retry(ask->call, 409, "idempotency-under-way", RETRY_AFTER_S,
                                      "A request with this Idempotency-Key is being carried out "
                                      "right now; ask again for its reply.");
        else if (!body.data)
                return true;
        else if (body.bytes != sizeof(key->body_sha256) ||
                 memcmp(body.data, key->body_sha256, body.bytes) != 0)
                mu_call_problem(ask->call, 422, "idempotency-key-reused", NULL,
                                "This Idempotency-Key came with another request before; use a new "
                                "one for each.");
        else
                replay(ask, key, row);
        return false;
}

bool mu_idempotency_begin(struct mu_ask *ask, const struct mu_idempotency *key)
{
        struct mu_pg_result *row;
        int64_t lock;

        memcpy(&lock, key->scope_sha256, sizeof(lock));
        if (!mu_ask_query(ask, &CLAIM,
                          MU_PG_VALUES(mu_pg_bytea(key->scope_sha256, sizeof(key->scope_sha256)),
                                       mu_pg_int8(lock)),
                          &row))
                return false;
        bool fresh = go_on(ask, key, row);

        mu_pg_result_free(row);
        return fresh;
}

int mu_idempotency_keep(struct mu_ask *ask, const struct mu_idempotency *key)
{
        struct mu_slice reply = mu_call_reply_bytes(ask->call);
        uint8_t *sealed = NULL;
        size_t bytes = 0;
        int error = reply.data ? mu_seal(ask->control->guard->reply_key, key->scope_sha256,
                                         sizeof(key->scope_sha256), reply.data, reply.bytes,
                                         &sealed, &bytes)
                               : 0;

        if (error == 0)
                error = mu_pg_query(
                        ask->pg, &KEEP,
                        MU_PG_VALUES(mu_pg_bytea(key->scope_sha256, sizeof(key->scope_sha256)),
                                     mu_pg_bytea(key->body_sha256, sizeof(key->body_sha256)),
                                     mu_pg_int4(mu_call_status(ask->call)),
                                     mu_pg_text(mu_call_reply_type(ask->call)),
                                     mu_pg_bytea(sealed, bytes)),
                        NULL);
        free(sealed);
        return error == -EEXIST ? -EAGAIN : error; /* see CLAIM */
}

int mu_idempotency_purge(struct mu_pg *pg, uint64_t *ret_removed)
{
        struct mu_pg_result *result;
        int error = mu_pg_query(pg, &PURGE,
                                MU_PG_VALUES(mu_pg_float8(MU_IDEMPOTENCY_KEEP_S),
                                             mu_pg_int8(MU_IDEMPOTENCY_PURGE_MAX)),
                                &result);

        if (error < 0)
                return error;
        *ret_removed = mu_pg_affected(result);
        mu_pg_result_free(result);
        return 0;
}
