/* SPDX-License-Identifier: Apache-2.0 */
#include "control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "control/account/ws_ticket.h"
#include "control/command/command_news.h"
#include "control/endpoint_private.h"
#include "control/guard.h"
#include "control/openapi/openapi.h"
#include "http/auth_failures.h"
#include "http/offload.h"
#include "identity/device_table.h"
#include "identity/secrets.h"
#include "muster/wire.h"
#include "pg/database.h"
#include "pg/query.h"

enum {
        CONNECTION_WAIT_MS = 2000,
        RETRY_AFTER_S = 5,
};

static double read_counter(void *context)
{
        return (double)atomic_load_explicit((_Atomic uint64_t *)context, memory_order_relaxed);
}

static void register_counters(struct mu_control *control)
{
        struct mu_metrics *metrics = control->config.metrics;

        mu_metrics_counter_fn(metrics, "muster_registrations_total", "Registrations answered 201.",
                              MU_LABELS({"device", "new"}), read_counter, &control->registered_new);
        mu_metrics_counter_fn(metrics, "muster_registrations_total", "Registrations answered 201.",
                              MU_LABELS({"device", "known"}), read_counter,
                              &control->registered_again);
        mu_metrics_counter_fn(metrics, "muster_registrations_refused_total",
                              "Registrations refused by the rules of enrolment.", MU_NO_LABELS,
                              read_counter, &control->registrations_refused);
        mu_metrics_counter_fn(metrics, "muster_devices_deleted_total", "Devices deleted.",
                              MU_NO_LABELS, read_counter, &control->devices_deleted);
        mu_metrics_counter_fn(metrics, "muster_old_admin_header_total",
                              "Requests that carried the admin key under its old name X-Admin.",
                              MU_NO_LABELS, read_counter, &control->old_admin_header);
}

int mu_control_create(const struct mu_control_config *config, struct mu_control **ret_control)
{
        struct mu_control *control = calloc(1, sizeof(*control));

        if (!control)
                return -ENOMEM;
        control->config = *config;
        int error = mu_endpoint_table_create(control, &control->endpoints);

        if (error == 0)
                error = mu_account_create(&config->account, config->secrets, &control->account);
        if (error == 0)
                error = mu_ws_tickets_create(config->clock, &control->ws_tickets);
        if (error == 0)
                error = mu_auth_failures_create_like(config->auth_failures,
                                                     &control->password_failures);
        if (error == 0)
                error = mu_openapi_create(control, &control->openapi);
        if (error == 0)
                error = mu_command_counts_create(config->metrics, &control->command_counts);
        if (error == 0)
                error = mu_guard_create(control, &control->guard);
        if (error < 0) {
                mu_control_destroy(control);
                return error;
        }
        register_counters(control);
        *ret_control = control;
        return 0;
}

void mu_control_destroy(struct mu_control *control)
{
        if (!control)
                return;
        mu_command_counts_destroy(control->command_counts);
        mu_openapi_destroy(control->openapi);
        mu_ws_tickets_destroy(control->ws_tickets);
        mu_auth_failures_destroy(control->password_failures);
        mu_account_destroy(control->account);
        mu_endpoint_table_destroy(control->endpoints);
        mu_guard_destroy(control->guard);
        free(control);
}

int mu_control_add_routes(struct mu_control *control, struct mu_router *router)
{
        return mu_endpoint_table_add(control->endpoints, router);
}

/* ---- who may ---- */

bool mu_control_has_admin_key(struct mu_control *control, const struct mu_call *call)
{
        struct mu_slice key = mu_call_header(call, MU_HEADER_ADMIN_KEY);

        if (!key.data) {
                key = mu_call_header(call, MU_HEADER_ADMIN_KEY_OLD);
                if (key.data)
                        atomic_fetch_add_explicit(&control->old_admin_header, 1,
                                                  memory_order_relaxed);
        }
        return key.data &&
               mu_secrets_admin_key_matches(control->config.secrets, key.data, key.bytes);
}

void mu_control_refuse_401(struct mu_control *control, struct mu_call *call, const char *slug,
                           const char *sentence)
{
        struct mu_auth_failures *failures = control->config.auth_failures;
        struct mu_address address = mu_call_address(call);
        uint64_t now_ns = mu_clock_monotonic_ns(control->config.clock);
        uint32_t blocked_s = mu_auth_failures_blocked(failures, address, now_ns);

        if (blocked_s > 0) {
                mu_call_problem_retry(
                        call, 429, "authentication-rate", blocked_s,
                        "Too many failed authentications from this address; try again "
                        "in %u s.",
                        blocked_s);
                return;
        }
        mu_auth_failures_note(failures, address, now_ns);
        mu_call_problem(call, 401, slug, NULL, "%s", sentence);
}

bool mu_control_require_admin_key(struct mu_control *control, struct mu_call *call)
{
        if (mu_control_has_admin_key(control, call))
                return true;
        mu_control_refuse_401(control, call, "admin-key",
                              "This needs the admin key in X-Admin-Key; it stands in the file "
                              "secrets/admin-key of the data directory.");
        return false;
}

bool mu_control_require_device_list(const struct mu_control *control, struct mu_call *call)
{
        if (mu_device_table_authoritative(control->config.devices))
                return true;
        mu_call_problem_retry(
                call, 503, "starting", RETRY_AFTER_S,
                "The device list has not been read from the database yet; try again.");
        return false;
}

bool mu_control_id_param(struct mu_call *call, const char *name, const char *what, int64_t *ret_id)
{
        struct mu_slice text = mu_call_param(call, name);
        int64_t id = 0;
        bool valid = text.data && text.bytes > 0 && text.bytes <= 18;

        for (size_t i = 0; valid && i < text.bytes; i++) {
                valid = text.data[i] >= '0' && text.data[i] <= '9';
                id = id * 10 + (text.data[i] - '0');
        }
        if (!valid || id == 0) {
                mu_call_problem(call, 404, "not-found", name, "There is no such %s.", what);
                return false;
        }
        *ret_id = id;
        return true;
}

/* ---- the database ---- */

struct mu_pg *mu_control_borrow(struct mu_control *control, struct mu_call *call)
{
        struct mu_pg_error error;
        struct mu_pg *pg;

        if (mu_database_acquire(control->config.database, CONNECTION_WAIT_MS, &pg, &error) == 0)
                return pg;
        mu_call_problem_retry(call, 503, "database-away", RETRY_AFTER_S,
                              "The database can't be reached at the moment; try again.");
        return NULL;
}

void mu_control_give_back(struct mu_control *control, struct mu_pg *pg)
{
        mu_database_release(control->config.database, pg);
}

void mu_control_failed(struct mu_control *control, struct mu_call *call, const struct mu_pg *pg,
                       int error)
{
        const struct mu_pg_error *reason = pg ? mu_pg_last_error(pg) : NULL;
        bool told = reason && *reason->sqlstate;

        if (control->config.on_trouble)
                control->config.on_trouble(control->config.ctx, mu_call_request_id(call),
                                           mu_call_route(call)->path,
                                           told ? reason->text : strerror(-error));
        switch (error) {
        case -EINVAL:
        case -EEXIST:
        case -EPROTO:
        case -ENOMEM:
                mu_call_problem(call, 500, "internal", NULL,
                                "The request could not be carried out because of a mistake in the "
                                "appliance; nothing was changed. Its log has the details.");
                return;
        default:
                mu_call_problem_retry(call, 503, "database-busy", RETRY_AFTER_S,
                                      "The database could not carry this out at the moment; try "
                                      "again.");
                return;
        }
}
