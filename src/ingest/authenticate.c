/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "http/auth_failures.h"
#include "identity/token.h"
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

static void refuse_later(struct mu_frontend *frontend, struct mu_request *request,
                         enum mu_refusal refusal, const char *slug, const char *sentence)
{
        refuse(frontend, refusal);
        mu_reply_problem_retry(request, 503, slug, mu_frontend_retry_after_s(frontend, NULL), "%s",
                               sentence);
}

/* 410 only on PostgreSQL's word: an agent stops for good on it. */
static void refuse_deleted(struct mu_frontend *frontend, struct mu_request *request)
{
        if (!mu_device_table_authoritative(frontend->shared->devices)) {
                refuse_later(frontend, request, MU_REFUSAL_TOKEN_UNDECIDED, "starting",
                             "The device list has not been read from the database yet; try "
                             "again.");
                return;
        }
        refuse(frontend, MU_REFUSAL_DEVICE_DELETED);
        mu_reply_problem(request, 410, "device-deleted", NULL,
                         "This device was deleted; stop sending. To come back it must be enrolled "
                         "again.");
}

struct mu_device *mu_frontend_authenticate(struct mu_frontend *frontend, struct mu_request *request)
{
        struct mu_device_table *devices = frontend->shared->devices;
        struct mu_slice token = mu_request_bearer(request);
        struct mu_digest digest;

        if (!token.data || token.bytes == 0 || token.bytes > MU_TOKEN_CHARS_MAX) {
                refuse_401(frontend, request, MU_REFUSAL_TOKEN_MISSING, "token-missing",
                           "Send the device's token as \"Authorization: Bearer mu_...\".");
                return NULL;
        }
        mu_token_digest(token.data, token.bytes, &digest);
        struct mu_device *device = mu_device_table_resolve(
                devices, &digest, mu_loop_monotonic_ns(frontend->loop) / MU_NS_PER_MS);

        if (!device && mu_device_table_authoritative(devices)) {
                refuse_401(frontend, request, MU_REFUSAL_TOKEN_UNKNOWN, "token-unknown",
                           "No device has this token; keep the queue and try again in 5 minutes, "
                           "or enrol the device again.");
                return NULL;
        }
        if (!device) {
                refuse_later(frontend, request, MU_REFUSAL_TOKEN_UNDECIDED, "starting",
                             "The device list has not been read from the database yet; try "
                             "again.");
                return NULL;
        }
        switch (mu_device_state(device)) {
        case MU_DEVICE_LIVE:
        case MU_DEVICE_QUARANTINED:
                return device;
        case MU_DEVICE_DELETING:
                refuse_later(frontend, request, MU_REFUSAL_DEVICE_DELETING, "device-deleting",
                             "This device is being deleted; try again.");
                return NULL;
        case MU_DEVICE_DELETED:
                refuse_deleted(frontend, request);
                return NULL;
        }
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
