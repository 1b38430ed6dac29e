/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "http/auth_failures.h"
#include "identity/device_access.h"
#include "identity/device_network.h"
#include "ingest/frontend_private.h"

static void refuse(struct mu_frontend *frontend, enum mu_refusal refusal)
{
        mu_cell_add(&frontend->cells->refused[refusal], 1);
}

/* A failed authentication: 401, or 429 once the address has failed too often. */
static void refuse_401(struct mu_frontend *frontend, struct mu_request *request,
                       enum mu_refusal refusal, const char *slug, const char *sentence)
{
        struct mu_auth_failures *failures = frontend->shared->auth_failures;
        struct mu_address address = mu_request_address(request);
        uint64_t now_ns = mu_loop_monotonic_ns(frontend->loop);
        uint32_t blocked_s = mu_auth_failures_blocked(failures, address, now_ns);

        if (frontend->shared->on_refused)
                frontend->shared->on_refused(frontend->shared->on_refused_context, &address,
                                             blocked_s > 0);
        if (blocked_s > 0) {
                refuse(frontend, MU_REFUSAL_RATE_LIMITED);
                mu_reply_problem_retry(request, 429, "authentication-rate", blocked_s,
                                       "Too many failed authentications from this address; try "
                                       "again in %u s.",
                                       blocked_s);
                return;
        }
        mu_auth_failures_note(failures, address, now_ns);
        refuse(frontend, refusal);
        mu_reply_header(request, "www-authenticate", "Bearer realm=\"muster\"");
        mu_reply_problem(request, 401, slug, NULL, "%s", sentence);
}

/* The refusals that the metrics tell apart are those of device_access.h, in its order. */
_Static_assert((int)MU_REFUSAL_TOKEN_MISSING == (int)MU_DEVICE_ACCESS_TOKEN_MISSING &&
                       (int)MU_REFUSAL_DEVICE_DELETING == (int)MU_DEVICE_ACCESS_DEVICE_DELETING,
               "one refusal, one counter");

struct mu_device *mu_frontend_authenticate(struct mu_frontend *frontend, struct mu_request *request)
{
        struct mu_slice token = mu_request_bearer(request);
        struct mu_device *device = NULL;
        enum mu_device_access access =
                mu_device_identify(frontend->shared->devices, token.data, token.bytes,
                                   mu_loop_monotonic_ns(frontend->loop) / MU_NS_PER_MS, &device);

        if (access == MU_DEVICE_ACCESS_GRANTED) {
                struct mu_address address = mu_request_address(request);

                mu_device_note_network(device, mu_network_of(&address));
                return device;
        }
        const struct mu_device_refusal *why = mu_device_refusal(access);

        if (why->status == 401) {
                refuse_401(frontend, request, (enum mu_refusal)access, why->slug, why->sentence);
                return NULL;
        }
        refuse(frontend, (enum mu_refusal)access);
        if (why->status == 503)
                mu_reply_problem_retry(request, 503, why->slug,
                                       mu_frontend_retry_after_s(frontend, NULL), "%s",
                                       why->sentence);
        else
                mu_reply_problem(request, why->status, why->slug, NULL, "%s", why->sentence);
        return NULL;
}

bool mu_frontend_expect_json(struct mu_request *request)
{
        struct mu_slice type = mu_request_header(request, "content-type");

        if (!type.data || mu_request_content_type_is(request, MU_CONTENT_TYPE_JSON))
                return true;
        mu_reply_problem(request, 415, "content-type", NULL,
                         "The body must be sent as \"Content-Type: application/json\".");
        return false;
}
