/* SPDX-License-Identifier: Apache-2.0 */
#include "control/device/device_api.h"

#include "control/control.h"
#include "control/device/device_delete.h"
#include "http/offload.h"
#include "muster/wire.h"

enum {
        RETRY_AFTER_S = 5,
};

static void reply(struct mu_job *job, int64_t id, enum mu_delete_outcome outcome)
{
        switch (outcome) {
        case MU_DELETE_DONE:
                mu_job_reply_empty(job, 204);
                return;
        case MU_DELETE_UNKNOWN:
                mu_job_problem(job, 404, "not-found", "id", "There is no device %lld.",
                               (long long)id);
                return;
        case MU_DELETE_UNDER_WAY:
                mu_job_problem_retry(job, 409, "device-deleting", 1,
                                     "Somebody else is deleting this device right now.");
                return;
        case MU_DELETE_JOURNAL_BUSY:
                mu_job_problem_retry(job, 503, "journal-busy", RETRY_AFTER_S,
                                     "The journal does not move at the moment, so the device could "
                                     "not be deleted safely; try again.");
                return;
        }
}

static void delete_device(struct mu_job *job, void *state, void *ctx)
{
        struct mu_control *control = ctx;
        char address[MU_ADDRESS_TEXT_BYTES];
        enum mu_delete_outcome outcome;
        int64_t id;

        (void)state;
        if (!mu_control_require_admin_key(control, job) ||
            !mu_control_id_param(job, "id", "device", &id) ||
            !mu_control_require_device_list(control, job))
                return;
        struct mu_pg *pg = mu_control_borrow(control, job);

        if (!pg)
                return;
        mu_address_format(mu_job_address(job), address);
        int error = mu_device_delete(control, pg, id, "admin-key", address, &outcome);

        if (error < 0)
                mu_control_failed(control, job, pg, error);
        else
                reply(job, id, outcome);
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
