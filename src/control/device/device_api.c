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

static void delete_device(struct mu_call *call, void *state, void *ctx)
{
        struct mu_control *control = ctx;
        char address[MU_ADDRESS_TEXT_BYTES];
        enum mu_delete_outcome outcome;
        int64_t id;

        (void)state;
        if (!mu_control_require_admin_key(control, call) ||
            !mu_control_id_param(call, "id", "device", &id) ||
            !mu_control_require_device_list(control, call))
                return;
        struct mu_pg *pg = mu_control_borrow(control, call);

        if (!pg)
                return;
        mu_address_format(mu_call_address(call), address);
        int error = mu_device_delete(control, pg, id, "admin-key", address, &outcome);

        if (error < 0)
                mu_control_failed(control, call, pg, error);
        else
                reply(call, id, outcome);
        mu_control_give_back(control, pg);
}

static const struct mu_route routes[] = {
        {.method = "DELETE",
         .path = MU_PATH_DEVICES "/{id}",
         .work = delete_device,
         .flags = MU_ROUTE_CONTROL,
         .auth = MU_AUTH_ADMIN_KEY,
         .operation_id = "deleteDevice"},
};

const struct mu_route *const mu_device_routes = routes;
const size_t mu_device_route_count = MU_COUNT_OF(routes);
