/* SPDX-License-Identifier: Apache-2.0 */
#include "control/enroll/register.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "control/enroll/register_sql.h"

enum {
        ACTOR_BYTES = 48,
        TRIES_MAX =
                3, /* two first registrations of one hardware_id at once: the loser looks again */
};

/* An enrolment token, its row locked until the transaction ends. */
struct enrolment {
        int64_t id; /* 0: by admin key */
        bool used_up;
        char actor[ACTOR_BYTES];
};

/* The live device that has the hardware_id. */
struct holder {
        int64_t device_id; /* 0: none */
        bool seen;
        uint32_t interval_s;
        uint32_t hmac_key_version;
        bool approved; /* an operator lets it be taken over */
};

static const char *or_null(const char *text)
{
        return *text ? text : NULL;
}

/* *ret_outcome is NEW when it may be used. */
static int lock_enrolment(struct mu_pg *pg, const struct mu_digest *digest,
                          struct enrolment *enrolment, enum mu_register_outcome *ret_outcome)
{
        struct mu_pg_result *rows;
        int error =
                mu_pg_query(pg, &mu_register_lock_enrolment,
                            MU_PG_VALUES(mu_pg_bytea(digest->bytes, sizeof(digest->bytes))), &rows);

        if (error < 0)
                return error;
        *ret_outcome = MU_REGISTER_TOKEN_UNKNOWN;
        if (mu_pg_rows(rows) == 1) {
                enrolment->id = mu_pg_get_int(rows, 0, 0);
                enrolment->used_up = mu_pg_get_bool(rows, 0, 3);
                (void)snprintf(enrolment->actor, sizeof(enrolment->actor), "enrolment-token:%lld",
                               (long long)enrolment->id);
                *ret_outcome = mu_pg_get_bool(rows, 0, 2)   ? MU_REGISTER_TOKEN_REVOKED
                               : mu_pg_get_bool(rows, 0, 1) ? MU_REGISTER_TOKEN_EXPIRED
                                                            : MU_REGISTER_NEW;
        }
        mu_pg_result_free(rows);
        return 0;
}

static int find_holder(struct mu_pg *pg, const struct mu_register_ask *ask, struct holder *holder)
{
        struct mu_pg_result *rows;

        *holder = (struct holder){0};
        if (!*ask->request->hardware_id)
                return 0;
        int error = mu_pg_query(pg, &mu_register_find_hardware,
                                MU_PG_VALUES(mu_pg_text(ask->request->hardware_id)), &rows);

        if (error < 0)
                return error;
        if (mu_pg_rows(rows) == 1) {
                holder->device_id = mu_pg_get_int(rows, 0, 0);
                holder->seen = mu_pg_get_bool(rows, 0, 1);
                holder->interval_s = (uint32_t)mu_pg_get_int(rows, 0, 2);
                holder->hmac_key_version = (uint32_t)mu_pg_get_int(rows, 0, 3);
                holder->approved = mu_pg_get_bool(rows, 0, 4);
                /* A first use may not have reached PostgreSQL yet. */
                const struct mu_device *device =
                        mu_device_table_by_id(ask->devices, holder->device_id);

                if (device && atomic_load(&device->seen))
                        holder->seen = true;
        }
        mu_pg_result_free(rows);
        return 0;
}

static int add_device(struct mu_pg *pg, const struct mu_register_ask *ask, const char *actor,
                      struct mu_registered *registered)
{
        const struct mu_register_request *request = ask->request;
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &mu_register_insert_device,
                MU_PG_VALUES(mu_pg_text(request->alias),
                             mu_pg_text(mu_device_kind_name(request->kind)),
                             mu_pg_text(or_null(request->hardware_id)),
                             mu_pg_text(or_null(request->agent_version)),
                             mu_pg_text(or_null(request->fcm_token)), mu_pg_text(actor),
                             mu_pg_bytea(ask->digest->bytes, sizeof(ask->digest->bytes)),
                             mu_pg_text(ask->address)),
                &rows);

        if (error < 0)
                return error;
        *registered = (struct mu_registered){
                .device_id = mu_pg_get_int(rows, 0, 0),
                .generation = 1,
                .hmac_key_version = (uint32_t)mu_pg_get_int(rows, 0, 1),
        };
        mu_pg_result_free(rows);
        return 0;
}

static int add_token(struct mu_pg *pg, const struct mu_register_ask *ask, const char *actor,
                     const struct holder *holder, struct mu_registered *registered)
{
        const struct mu_register_request *request = ask->request;
        struct mu_pg_result *rows;
        int error = mu_pg_query(
                pg, &mu_register_add_token,
                MU_PG_VALUES(mu_pg_int8(holder->device_id), mu_pg_text(request->alias),
                             mu_pg_text(mu_device_kind_name(request->kind)),
                             mu_pg_text(or_null(request->agent_version)),
                             mu_pg_text(or_null(request->fcm_token)), mu_pg_text(actor),
                             mu_pg_bytea(ask->digest->bytes, sizeof(ask->digest->bytes)),
                             mu_pg_text(ask->address)),
                &rows);

        if (error < 0)
                return error;
        *registered = (struct mu_registered){
                .device_id = holder->device_id,
                .generation = (uint32_t)mu_pg_get_int(rows, 0, 0),
                .interval_s = holder->interval_s,
                .hmac_key_version = holder->hmac_key_version,
        };
        mu_pg_result_free(rows);
        return 0;
}

/* Whether this enrolment token made the device, which was not seen since: its reply was lost. */
static int is_lost_reply(struct mu_pg *pg, const struct enrolment *enrolment,
                         const struct holder *holder, bool *ret_lost)
{
        struct mu_pg_result *rows;

        *ret_lost = false;
        if (holder->seen)
                return 0;
        int error = mu_pg_query(
                pg, &mu_register_was_enrolled_by,
                MU_PG_VALUES(mu_pg_int8(enrolment->id), mu_pg_int8(holder->device_id)), &rows);

        if (error < 0)
                return error;
        *ret_lost = mu_pg_rows(rows) == 1;
        mu_pg_result_free(rows);
        return 0;
}

static int use_enrolment(struct mu_pg *pg, const struct mu_register_ask *ask,
                         const struct enrolment *enrolment, int64_t device_id)
{
        if (enrolment->id == 0)
                return 0;
        return mu_pg_query(pg, &mu_register_use_enrolment,
                           MU_PG_VALUES(mu_pg_int8(enrolment->id), mu_pg_int8(device_id),
                                        mu_pg_text(or_null(ask->request->hardware_id))),
                           NULL);
}

/* The device exists: who may have a fresh token for it? */
static int register_again(struct mu_pg *pg, const struct mu_register_ask *ask,
                          const struct enrolment *enrolment, const struct holder *holder,
                          enum mu_register_outcome *ret_outcome, struct mu_registered *registered)
{
        bool by_admin = enrolment->id == 0;
        bool by_itself = ask->own_device_id == holder->device_id;
        bool lost_reply = false;
        int error = by_admin ? 0 : is_lost_reply(pg, enrolment, holder, &lost_reply);

        if (error < 0)
                return error;
        *ret_outcome = MU_REGISTER_AGAIN;
        if (!by_admin && !lost_reply && !by_itself && !holder->approved)
                *ret_outcome = MU_REGISTER_HARDWARE_TAKEN;
        else if (!by_admin && !lost_reply && enrolment->used_up)
                *ret_outcome = MU_REGISTER_TOKEN_USED_UP;
        if (*ret_outcome != MU_REGISTER_AGAIN)
                return 0;
        error = add_token(pg, ask, enrolment->actor, holder, registered);
        if (error == 0 && !lost_reply)
                error = use_enrolment(pg, ask, enrolment, holder->device_id);
        return error;
}

static int register_in_transaction(struct mu_pg *pg, const struct mu_register_ask *ask,
                                   enum mu_register_outcome *ret_outcome,
                                   struct mu_registered *registered)
{
        struct enrolment enrolment = {.actor = "admin-key"};
        struct holder holder;
        int error = 0;

        *ret_outcome = MU_REGISTER_NEW;
        if (ask->enrolment)
                error = lock_enrolment(pg, ask->enrolment, &enrolment, ret_outcome);
        if (error < 0 || *ret_outcome != MU_REGISTER_NEW)
                return error;
        error = find_holder(pg, ask, &holder);
        if (error < 0)
                return error;
        if (holder.device_id != 0)
                return register_again(pg, ask, &enrolment, &holder, ret_outcome, registered);
        if (enrolment.used_up) {
                *ret_outcome = MU_REGISTER_TOKEN_USED_UP;
                return 0;
        }
        error = add_device(pg, ask, enrolment.actor, registered);
        if (error == 0)
                error = use_enrolment(pg, ask, &enrolment, registered->device_id);
        return error;
}

int mu_register(struct mu_pg *pg, const struct mu_register_ask *ask,
                enum mu_register_outcome *ret_outcome, struct mu_registered *ret_registered)
{
        enum mu_register_outcome outcome = MU_REGISTER_NEW;
        struct mu_registered registered = {0};
        int error = -EEXIST;

        /* By admin key a new device is one statement, its own transaction. */
        if (!ask->enrolment)
                error = add_device(pg, ask, "admin-key", &registered);
        for (int i = 0; i < TRIES_MAX && error == -EEXIST; i++) {
                error = mu_pg_begin(pg);
                if (error == 0)
                        error = register_in_transaction(pg, ask, &outcome, &registered);
                if (error == 0)
                        error = mu_pg_commit(pg);
                else
                        mu_pg_rollback(pg);
        }
        if (error < 0)
                return error;
        *ret_outcome = outcome;
        *ret_registered = registered;
        return 0;
}
