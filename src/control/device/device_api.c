/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_api.h"

#include "control/control.h"
#include "control/device/device_delete.h"
#include "http/offload.h"
#include "muster/wire.h"

enum {
        RETRY_AFTER_S = 5,
};

static void reply(struct mu_call *call, int64_t id, enum mu_delete_outcome outcome)
{
        switch (outcome) {
        case MU_DELETE_DONE:
                mu_call_reply_empty(call, 204);
                return;
        case MU_DELETE_UNKNOWN:
                mu_call_problem(call, 404, "not-found", "id", "There is no device %lld.",
                                (long long)id);
                return;
        case MU_DELETE_UNDER_WAY:
                mu_call_problem_retry(call, 409, "device-deleting", 1,
                                      "Somebody else is deleting this device right now.");
                return;
        case MU_DELETE_JOURNAL_BUSY:
                mu_call_problem_retry(
                        call, 503, "journal-busy", RETRY_AFTER_S,
                        "The journal does not move at the moment, so the device could "
                        "not be deleted safely; try again.");
                return;
        }
}

static const struct mu_field DELETE_FIELDS[] = {
        {.name = "purge",
         .type = MU_FIELD_BOOLEAN,
         .doc = "Also remove every heartbeat it sent, in the background."},
};
static const struct mu_shape DELETE_QUERY = MU_SHAPE("DeviceDeleteQuery", DELETE_FIELDS);

static void delete_device(struct mu_ask *ask)
{
        enum mu_delete_outcome outcome;
        int64_t id;

        if (!mu_ask_id(ask, "id", "device", &id) ||
            !mu_control_require_device_list(ask->control, ask->call))
                return;
        int error = mu_device_delete(ask->control, ask->pg, id, ask->actor, ask->address, &outcome);

        if (error == 0 && outcome == MU_DELETE_DONE && mu_json_bool(ask->query, "purge", false))
                error = mu_device_purge(ask->control, ask->pg, id, ask->actor, ask->address,
                                        &outcome);
        if (error < 0)
                mu_ask_failed(ask, error);
        else
                reply(ask->call, id, outcome);
}

static const int DELETE_PROBLEMS[] = {404, 409, 503, 0};

static const struct mu_endpoint rows[] = {
        {.method = "DELETE",
         .path = MU_PATH_DEVICES "/{id}",
         .handle = delete_device,
         .access = MU_ACCESS_ADMIN,
         .scope = "devices:delete",
         /* It begins in memory and must not be undone there by a rollback. */
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_OWN_TRANSACTION,
         .query = &DELETE_QUERY,
         .reply_status = 204,
         .operation_id = "deleteDevice",
         .tag = "Devices",
         .summary = "Delete a device for good",
         .doc = "Its token is answered 410 from then on; the same hardware registers as a new "
                "device. Deleting it again is answered 204 too.",
         .problems = DELETE_PROBLEMS},
};

const struct mu_endpoints mu_device_endpoints = MU_ENDPOINTS(rows);
