/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint.h - one row per operation: who may, what comes in, what goes out, and the function.
 *
 *   request ─▶ limits ─▶ who is it? ─▶ may they? ─▶ input against its shape ─▶ connection
 *           ─▶ [Idempotency-Key seen before? its reply again]
 *           ─▶ BEGIN (unsafe methods) ─▶ handle(ask) ─▶ COMMIT below 400, else ROLLBACK
 *           ─▶ after-commit calls ─▶ reply
 *
 * So a handler is: read ask->body, query ask->pg, write the audit line, reply. It runs on a control
 * worker, plain and synchronous. Everything a handler of an unsafe method does in the database,
 * its audit line and the reply kept for its Idempotency-Key are one transaction.
 *
 *   static void rename(struct mu_ask *ask)
 *   {
 *           int64_t id;
 *           struct mu_pg_result *rows;
 *
 *           if (!mu_ask_id(ask, "id", "device", &id) ||
 *               !mu_ask_query(ask, &DEVICE_RENAME,
 *                             MU_PG_VALUES(mu_pg_int8(id),
 *                                          mu_pg_text(mu_json_text(ask->body, "alias"))), &rows))
 *                   return;
 *           ...
 *           mu_ask_audit(ask, "device.rename", "device", id, before, after);
 *           mu_ask_reply(ask, 200, json_pack("{s:s}", "alias", ...));
 *   }
 *
 * Threads    a handler's worker. Ownership: ask and what hangs on it live until handle returns.
 * Errors     a helper that returns false has answered the call: return at once.
 */
#ifndef MUSTER_CONTROL_ENDPOINT_H
#define MUSTER_CONTROL_ENDPOINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/control.h"
#include "control/shape.h"
#include "http/offload.h"
#include "identity/principal.h"
#include "muster/compiler.h"
#include "pg/query.h"

struct mu_ask;

enum mu_access {
        MU_ACCESS_PUBLIC, /* nobody has to say who they are */
        MU_ACCESS_VIEWER, /* a session, or an API token with the scope, of at least this role */
        MU_ACCESS_OPERATOR,
        MU_ACCESS_ADMIN,
        MU_ACCESS_ADMIN_KEY, /* X-Admin-Key alone */
        MU_ACCESS_DEVICE,    /* a live device's token */
        MU_ACCESS_OWN,       /* the handler checks (registration) */
};

enum mu_endpoint_flag {
        MU_ENDPOINT_ADMIN_KEY = 1u << 0, /* X-Admin-Key will do too, as admin */
        /* No transaction around the handler: it begins and commits itself. No Idempotency-Key. */
        MU_ENDPOINT_OWN_TRANSACTION = 1u << 1,
        MU_ENDPOINT_NO_DATABASE = 1u << 2, /* ask->pg is NULL: answered while PostgreSQL is away */
        /* The handler reads mu_call_body itself; body, if given, only documents it. */
        MU_ENDPOINT_RAW_BODY = 1u << 3,
        /* A GET that changes something or a POST that changes nothing (a search): says which. */
        MU_ENDPOINT_READ_ONLY = 1u << 4,
        MU_ENDPOINT_STREAM = 1u << 5, /* the handler streams its reply (http/offload.h) */
        MU_ENDPOINT_ETAG = 1u << 6,   /* replies with an ETag; a change heeds If-Match (etag.h) */
};

/* Window and maximum of each are settings: limits.general_max, limits.general_window, ... */
enum mu_limit_group {
        MU_LIMIT_GENERAL, /* 60/min, per address and per account */
        MU_LIMIT_NONE,    /* devices, whoever has a valid X-Admin-Key */
        MU_LIMIT_LOGIN,   /* general's, and lockout on top */
        MU_LIMIT_RESET,   /* 3/h per address and account */
        MU_LIMIT_BULK,    /* 10/min */
        MU_LIMIT_GROUP_COUNT,
};

struct mu_endpoint {
        const char *method;
        const char *path;
        void (*handle)(struct mu_ask *ask);
        enum mu_access access;
        const char *scope; /* what an API token needs: "devices:read"; NULL: none is let in */
        enum mu_limit_group limit;
        uint32_t flags;               /* MU_ENDPOINT_* */
        uint32_t body_bytes_max;      /* 0 with a body: 64 KiB */
        const struct mu_shape *query; /* NULL: no parameters */
        const struct mu_shape *body;  /* NULL: none */
        int reply_status;             /* of success: 200, 201, 202, 204 */
        const struct mu_shape *reply; /* NULL: no JSON body */
        const char *reply_type;       /* NULL: application/json */
        const char *operation_id;     /* "listDevices" */
        const char *tag;              /* OpenAPI's heading: "Devices" */
        const char *summary;          /* a few words */
        const char *doc;              /* sentences, or NULL */
        const int *problems;          /* statuses beside the usual ones, ended by 0; or NULL */
};

enum mu_ask_limits {
        MU_ASK_AFTER_COMMIT_MAX = 4,
};

struct mu_ask {
        struct mu_call *call;
        struct mu_control *control;
        const struct mu_endpoint *endpoint;
        struct mu_principal who;
        char actor[MU_PRINCIPAL_NAME_BYTES + 16]; /* mu_principal_actor */
        char address[MU_ADDRESS_TEXT_BYTES];
        json_t *body;  /* fits endpoint->body; NULL without */
        json_t *query; /* fits endpoint->query; NULL without */
        struct mu_pg *pg;
        struct mu_device *device; /* MU_ACCESS_DEVICE */
        struct {
                void (*call)(struct mu_control *control, void *arg);
                void *arg; /* malloc's or NULL; freed by the engine, called or not */
        } after_commit[MU_ASK_AFTER_COMMIT_MAX];
        uint32_t after_commit_count;
        struct mu_rate_verdict limit; /* the engine's: the tightest limit it met */
};

/* A path parameter that is an id; false: answered 404. what: "device", ... */
MU_MUST_CHECK
bool mu_ask_id(struct mu_ask *ask, const char *name, const char *what, int64_t *ret_id);

/* mu_pg_query; false: answered (503 or 500) and logged. ret_rows may be NULL. */
MU_MUST_CHECK
bool mu_ask_query(struct mu_ask *ask, const struct mu_pg_statement *statement,
                  const struct mu_pg_value *values, struct mu_pg_result **ret_rows);
/* Answers a failure of ask->pg (control.h: mu_control_failed). */
void mu_ask_failed(struct mu_ask *ask, int error);
void mu_ask_not_found(struct mu_ask *ask, const char *what); /* 404 */

/* Takes the reference, also NULL (no memory: 500). */
void mu_ask_reply(struct mu_ask *ask, int status, json_t *json);
void mu_ask_reply_empty(struct mu_ask *ask, int status);

/* A line of the audit log, in the transaction that is open: subject "device:42" from type and id.
 * before and after (each may be NULL) are taken. false: answered. */
MU_MUST_CHECK
bool mu_ask_audit(struct mu_ask *ask, const char *action, const char *subject_type, int64_t id,
                  json_t *before, json_t *after);

/* Runs call(control, arg) after the commit, in order; never after a rollback. */
void mu_ask_after_commit(struct mu_ask *ask, void (*call)(struct mu_control *control, void *arg),
                         void *arg);

/* A table of a feature, registered in features.c. */
struct mu_endpoints {
        const struct mu_endpoint *rows;
        size_t count;
};
#define MU_ENDPOINTS(list)                                                                         \
        {                                                                                          \
                (list), MU_COUNT_OF(list)                                                          \
        }

/* ---- introspection: OpenAPI, the test of every route by every role ---- */
size_t mu_endpoint_count(const struct mu_control *control);
const struct mu_endpoint *mu_endpoint_at(const struct mu_control *control, size_t index);

#endif
