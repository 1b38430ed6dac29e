/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "core/uplink.h"
#include "muster/wire.h"

/* A member that is null counts as one that is absent. */
static const json_t *member_of(const json_t *object, const char *name)
{
        const json_t *member = json_object_get(object, name);

        return json_is_null(member) ? NULL : member;
}

static int read_integer(const json_t *object, const char *name, int64_t *value)
{
        const json_t *member = member_of(object, name);

        if (!member)
                return 0;
        if (!json_is_integer(member) || json_integer_value(member) < 0 ||
            json_integer_value(member) > INT32_MAX)
                return -EBADMSG;
        *value = (int64_t)json_integer_value(member);
        return 0;
}

static int read_heartbeat(const json_t *object, struct mu_agent_heartbeat_reply *reply)
{
        const json_t *server_time = member_of(object, "server_time");
        const json_t *update = member_of(object, "update");

        if (!json_is_object(object))
                return -EBADMSG;
        if (server_time) {
                double seconds = json_number_value(server_time);

                if (!json_is_number(server_time) || !(seconds > 0) ||
                    !(seconds < (double)MU_TS_S_END))
                        return -EBADMSG;
                reply->server_time_s = seconds;
        }
        if (update) {
                if (!json_is_boolean(update))
                        return -EBADMSG;
                reply->update = json_is_true(update);
        }
        int r = read_integer(object, "next_heartbeat_in_s", &reply->next_heartbeat_in_s);

        return r < 0 ? r : read_integer(object, "commands", &reply->commands);
}

int mu_agent_reply_heartbeat(const char *json, size_t bytes,
                             struct mu_agent_heartbeat_reply *ret_reply)
{
        struct mu_agent_heartbeat_reply reply = *ret_reply;
        json_t *object = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, NULL);
        int r = object ? read_heartbeat(object, &reply) : -EBADMSG;

        json_decref(object);
        if (r == 0)
                *ret_reply = reply;
        return r;
}

static int read_verdict(const json_t *result, enum mu_agent_verdict *ret_verdict,
                        const char **ret_why)
{
        static const char *const names[MU_ITEM_STATUS_COUNT] = MU_ITEM_STATUS_NAMES;
        static const enum mu_agent_verdict verdicts[MU_ITEM_STATUS_COUNT] = {
                [MU_ITEM_STORED] = MU_AGENT_DELIVERED,
                [MU_ITEM_DUPLICATE] = MU_AGENT_DELIVERED,
                [MU_ITEM_REJECTED] = MU_AGENT_ASIDE,
                [MU_ITEM_SHED] = MU_AGENT_KEEP,
        };
        const char *status = json_string_value(json_object_get(result, "status"));

        *ret_why = json_string_value(json_object_get(result, "error"));
        for (size_t i = 0; status && i < MU_ITEM_STATUS_COUNT; i++)
                if (strcmp(names[i], status) == 0) {
                        *ret_verdict = verdicts[i];
                        return 0;
                }
        return -EBADMSG;
}

int mu_agent_reply_batch(const char *json, size_t bytes, size_t items,
                         enum mu_agent_verdict *ret_verdicts, const char **ret_whys,
                         struct json_t **ret_memory)
{
        json_t *object = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, NULL);
        const json_t *results = json_object_get(object, "results");
        int r = json_is_array(results) && json_array_size(results) == items ? 0 : -EBADMSG;

        for (size_t i = 0; r == 0 && i < items; i++)
                r = read_verdict(json_array_get(results, i), &ret_verdicts[i], &ret_whys[i]);
        if (r < 0) {
                /* Nothing that was read before the wrong one counts. */
                for (size_t i = 0; i < items; i++) {
                        ret_verdicts[i] = MU_AGENT_KEEP;
                        ret_whys[i] = NULL;
                }
                json_decref(object);
                return r;
        }
        *ret_memory = object;
        return 0;
}

int mu_agent_reply_result(const char *json, size_t bytes, int64_t command_id)
{
        json_t *object = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, NULL);
        const char *id = json_string_value(json_object_get(object, "command_id"));
        int r = id && mu_command_id_read(id) == command_id ? 0 : -EBADMSG;

        json_decref(object);
        return r;
}

void mu_agent_reply_problem(const char *json, size_t bytes, char *ret_detail, size_t room)
{
        json_t *object = json_loadb(json, bytes, 0, NULL);
        const char *detail = json_string_value(json_object_get(object, "detail"));

        MU_ASSERT(room >= 1);
        ret_detail[0] = '\0';
        for (size_t i = 0; detail && detail[i] != '\0' && i + 1 < room; i++) {
                ret_detail[i] = detail[i];
                ret_detail[i + 1] = '\0';
        }
        json_decref(object);
}
