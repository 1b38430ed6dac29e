/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/own_command.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "control/command/command_sql.h"
#include "control/command/command_type.h"
#include "control/command/dispatcher.h"
#include "control/command/dispatcher_private.h"
#include "control/shape.h"

enum {
        WAITING_MAX = 500, /* as for operators */
};

static const struct mu_pg_statement AUDIT = {
        .name = "own_command_audit",
        .sql = "INSERT INTO audit_log (actor, action, subject, after)"
               " VALUES ($1, 'command.create', 'command:' || $2,"
               " jsonb_build_object('device_id', $3::text, 'type', $4::text))",
        .params = {MU_PG_TEXT, MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT},
};

static int insert(struct mu_pg *pg, const struct mu_own_command *command,
                  const struct mu_command_type *type, const char *payload, int64_t *ret_id)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_command_insert_listed_sql,
                                MU_PG_VALUES(mu_pg_text(type->name), mu_pg_text(payload),
                                             mu_pg_int4((int32_t)type->ttl_s), mu_pg_int4(0),
                                             mu_pg_text(command->created_by),
                                             mu_pg_null(MU_PG_INT8), mu_pg_bool(false),
                                             mu_pg_int8_array(&command->device_id, 1),
                                             mu_pg_int8(WAITING_MAX)),
                                &rows);

        if (error < 0)
                return error;
        int64_t id = mu_pg_rows(rows) == 1 ? mu_pg_get_int(rows, 0, 1) : 0;

        mu_pg_result_free(rows);
        if (id > 0)
                error = mu_pg_query(pg, &AUDIT,
                                    MU_PG_VALUES(mu_pg_text(command->created_by), mu_pg_int8(id),
                                                 mu_pg_int8(command->device_id),
                                                 mu_pg_text(type->name)),
                                    NULL);
        if (error == 0)
                *ret_id = id;
        return error;
}

int mu_own_command_queue(struct mu_pg *pg, const struct mu_own_command *command, int64_t *ret_id)
{
        const struct mu_command_type *type = mu_command_type_find(command->type);
        struct mu_shape_problem problem;

        MU_ASSERT(mu_pg_in_transaction(pg));
        if (!type || (type->flags & (MU_COMMAND_TYPE_CONFIRMED | MU_COMMAND_TYPE_DECLARED)))
                return -EBADMSG;
        int error = mu_shape_check(type->payload, command->payload, &problem);

        if (error < 0)
                return error;
        char *payload = json_dumps(command->payload, JSON_COMPACT);

        if (!payload)
                return -ENOMEM;
        error = insert(pg, command, type, payload, ret_id);
        free(payload);
        return error;
}

void mu_own_command_tell(struct mu_dispatcher *dispatcher, int64_t device_id, int64_t id,
                         const char *type)
{
        if (!dispatcher)
                return;
        mu_dispatcher_tell(dispatcher, device_id, id, MU_COMMAND_QUEUED,
                           mu_command_type_find(type));
        mu_dispatcher_changed(dispatcher, &device_id, 1);
}
