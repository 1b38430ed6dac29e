/* SPDX-License-Identifier: Apache-2.0 */
#include "control/enroll/register_api.h"

#include <errno.h>
#include <openssl/mem.h>

#include "base/bus.h"
#include "base/text.h"
#include "control/control.h"
#include "control/enroll/register.h"
#include "http/offload.h"
#include "identity/device_key.h"
#include "identity/secrets.h"
#include "muster/wire.h"
#include "wire/reply.h"

enum {
        BODY_BYTES_MAX = 16 * 1024,
};

/* Shows the new token to the frontends. */
static int publish(struct mu_control *control, enum mu_register_outcome outcome,
                   const struct mu_registered *registered,
                   const struct mu_register_request *request, const struct mu_digest *digest)
{
        struct mu_device_table *devices = control->config.devices;
        struct mu_device *device;

        mu_device_table_lock(devices);
        bool is_known = mu_device_table_by_id(devices, registered->device_id) != NULL;
        /* A database restored from a backup under our feet gives out ids anew: a second device must
         * never share one. A restart puts the lost devices back. */
        int error = outcome == MU_REGISTER_NEW && is_known ? -EEXIST : 0;

        if (error == 0)
                error = mu_device_table_add(devices, registered->device_id, &device);
        if (error == 0) {
                if (!is_known)
                        atomic_store(&device->interval_s, registered->interval_s);
                device->kind = (uint8_t)request->kind;
                error = mu_device_table_add_token(devices, device, digest, registered->generation,
                                                  false);
        }
        mu_device_table_unlock(devices);
        if (error == 0)
                mu_device_table_note(devices, device, MU_EVENT_CHANGED);
        return error;
}

static void refuse(struct mu_control *control, struct mu_call *call,
                   enum mu_register_outcome outcome)
{
        atomic_fetch_add_explicit(&control->registrations_refused, 1, memory_order_relaxed);
        switch (outcome) {
        case MU_REGISTER_NEW:
        case MU_REGISTER_AGAIN:
                return;
        case MU_REGISTER_TOKEN_UNKNOWN:
                mu_control_refuse_401(control, call, "enrolment-token-unknown",
                                      "This enrolment token does not exist; ask for a new one.");
                return;
        case MU_REGISTER_TOKEN_EXPIRED:
                mu_call_problem(call, 403, "enrolment-token-expired", NULL,
                                "This enrolment token has expired; ask for a new one.");
                return;
        case MU_REGISTER_TOKEN_REVOKED:
                mu_call_problem(call, 403, "enrolment-token-revoked", NULL,
                                "This enrolment token was revoked; ask for a new one.");
                return;
        case MU_REGISTER_TOKEN_USED_UP:
                mu_call_problem(call, 403, "enrolment-token-used-up", NULL,
                                "This enrolment token has no uses left; ask for a new one.");
                return;
        case MU_REGISTER_HARDWARE_TAKEN:
                mu_call_problem(
                        call, 409, "hardware-id-taken", "hardware_id",
                        "A live device has this hardware_id. To take it over, send its token "
                        "as \"Authorization: Bearer mu_...\" too, or use the admin key, or "
                        "let an operator allow it (POST /admin/devices/{id}/allow-takeover), or "
                        "delete the device.");
                return;
        }
}

static void reply(struct mu_control *control, struct mu_call *call,
                  const struct mu_registered *registered, const char *token)
{
        uint8_t key[MU_DEVICE_KEY_BYTES];
        char key_text[MU_DEVICE_KEY_TEXT_BYTES];
        struct mu_text text;
        uint32_t interval_s = registered->interval_s ? registered->interval_s
                                                     : control->config.heartbeat_interval_s;

        mu_device_key_derive(mu_secrets_hmac_master(control->config.secrets),
                             MU_SECRET_MASTER_BYTES, registered->device_id,
                             registered->hmac_key_version, key);
        mu_device_key_text(key, key_text);
        mu_text_init(&text);
        mu_reply_register(&text, &(struct mu_register_reply){
                                         .device_id = registered->device_id,
                                         .token = token,
                                         .hmac_key = key_text,
                                         .hmac_version = registered->hmac_key_version,
                                         .heartbeat_interval_s = interval_s,
                                         .next_heartbeat_in_s = 0, /* the first one at once */
                                 });
        mu_call_reply_text(call, 201, MU_CONTENT_TYPE_JSON, &text);
        OPENSSL_cleanse(key, sizeof(key));
        OPENSSL_cleanse(key_text, sizeof(key_text));
}

/* The device whose token came along, if it is a valid one. To show a token is not to use it: a lost
 * reply stays one. */
static int64_t own_device_id(struct mu_control *control, const struct mu_call *call)
{
        struct mu_slice bearer = mu_call_bearer(call);
        struct mu_digest digest;
        int64_t device_id = 0;

        if (!bearer.data || bearer.bytes > MU_TOKEN_CHARS_MAX)
                return 0;
        mu_token_digest(bearer.data, bearer.bytes, &digest);
        mu_device_table_lock(control->config.devices);
        const struct mu_device *device = mu_device_table_peek(control->config.devices, &digest);

        if (device && mu_device_state(device) == MU_DEVICE_LIVE)
                device_id = device->id;
        mu_device_table_unlock(control->config.devices);
        return device_id;
}

/* Who asks: 0, or the call is answered. */
static int authorise(struct mu_control *control, struct mu_call *call,
                     struct mu_digest *enrolment_digest, struct mu_register_ask *ask)
{
        struct mu_slice token = mu_call_header(call, MU_HEADER_ENROLMENT_TOKEN);

        if (mu_control_has_admin_key(control, call))
                return 0;
        if (!token.data || token.bytes == 0 || token.bytes > MU_TOKEN_CHARS_MAX) {
                mu_control_refuse_401(control, call, "enrolment-token-missing",
                                      "Registration needs a valid X-Enrolment-Token or "
                                      "X-Admin-Key.");
                return -EACCES;
        }
        mu_token_digest(token.data, token.bytes, enrolment_digest);
        ask->enrolment = enrolment_digest;
        ask->own_device_id = own_device_id(control, call);
        return 0;
}

static void carry_out(struct mu_control *control, struct mu_call *call, struct mu_register_ask *ask)
{
        char token[MU_TOKEN_BYTES];
        struct mu_digest digest;
        enum mu_register_outcome outcome;
        struct mu_registered registered;
        struct mu_pg *pg = mu_control_borrow(control, call);

        if (!pg)
                return;
        int error = mu_token_generate("mu_", token);

        if (error == 0) {
                mu_token_digest(token, MU_TOKEN_CHARS, &digest);
                ask->digest = &digest;
                error = mu_register(pg, ask, &outcome, &registered);
        }
        if (error < 0)
                mu_control_failed(control, call, pg, error);
        mu_control_give_back(control, pg);
        if (error < 0) {
                /* answered */
        } else if (outcome != MU_REGISTER_NEW && outcome != MU_REGISTER_AGAIN) {
                refuse(control, call, outcome);
        } else if (publish(control, outcome, &registered, ask->request, &digest) < 0) {
                mu_call_problem(call, 500, "internal", NULL,
                                "The device was registered but could not be taken into memory; "
                                "register it again. If that does not help, the database has gone "
                                "back to an older state: restart the appliance.");
        } else {
                const struct mu_bus_event event = {.kind = MU_BUS_DEVICE_CHANGED,
                                                   .device_id = registered.device_id};

                mu_bus_publish(control->config.bus, &event, 1);
                atomic_fetch_add_explicit(outcome == MU_REGISTER_NEW ? &control->registered_new
                                                                     : &control->registered_again,
                                          1, memory_order_relaxed);
                reply(control, call, &registered, token);
        }
        OPENSSL_cleanse(token, sizeof(token));
}

static void register_device(struct mu_ask *ask)
{
        struct mu_control *control = ask->control;
        struct mu_register_request request;
        struct mu_request_problem problem;
        struct mu_digest enrolment_digest;
        struct mu_register_ask enrolment = {
                .request = &request, .address = ask->address, .devices = control->config.devices};
        struct mu_slice body = mu_call_body(ask->call);

        if (authorise(control, ask->call, &enrolment_digest, &enrolment) < 0)
                return;
        if (!mu_control_require_device_list(control, ask->call))
                return;
        int error = mu_decode_register(body.data, body.bytes, &request, &problem);

        if (error == -EBADMSG)
                mu_call_problem(ask->call, problem.status, problem.type,
                                *problem.field ? problem.field : NULL, "%s", problem.detail);
        else if (error < 0)
                mu_control_failed(control, ask->call, NULL, error);
        else
                carry_out(control, ask->call, &enrolment);
}

/* ---- the table ---- */

static const struct mu_field REQUEST_FIELDS[] = {
        {.name = "alias",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = MU_ALIAS_CHARS_MAX,
         .doc = "What people call the device."},
        {.name = "kind",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "android|desktop",
         .doc = "What it is."},
        {.name = "hardware_id",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_HARDWARE_ID_CHARS_MAX,
         .doc = "The same for as long as the device lives: a repeated registration finds it."},
        {.name = "agent_version",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_AGENT_VERSION_BYTES_MAX,
         .doc = "The agent's version."},
        {.name = "fcm_token",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = MU_FCM_TOKEN_CHARS_MAX,
         .doc = "Where Firebase Cloud Messaging reaches it."},
};
static const struct mu_shape REQUEST = MU_SHAPE("Registration", REQUEST_FIELDS);

static const struct mu_field KEY_FIELDS[] = {
        {.name = "key",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "Verifies commands to this device, base64."},
        {.name = "version",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "Counts the device's keys."},
};
static const struct mu_shape KEY = MU_SHAPE("DeviceKey", KEY_FIELDS);

static const struct mu_field REPLY_FIELDS[] = {
        {.name = "device_id",
         .type = MU_FIELD_ID,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The device's id."},
        {.name = "token",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_SECRET,
         .doc = "What the device authenticates with from here on."},
        {.name = "hmac",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .shape = &KEY,
         .doc = "The device's own command key."},
        {.name = "heartbeat_interval_s",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "How often it reports."},
        {.name = "next_heartbeat_in_s",
         .type = MU_FIELD_NUMBER,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it reports next."},
};
static const struct mu_shape REPLY = MU_SHAPE("Registered", REPLY_FIELDS);

static const int PROBLEMS[] = {403, 409, 503, 0};

static const struct mu_endpoint rows[] = {
        {.method = "POST",
         .path = MU_PATH_REGISTER,
         .handle = register_device,
         .access = MU_ACCESS_OWN,
         .limit = MU_LIMIT_NONE,
         /* It borrows a connection when there is a device to write down, not before. */
         .flags = MU_ENDPOINT_RAW_BODY | MU_ENDPOINT_OWN_TRANSACTION | MU_ENDPOINT_NO_DATABASE,
         .body_bytes_max = BODY_BYTES_MAX,
         .body = &REQUEST,
         .reply_status = 201,
         .reply = &REPLY,
         .operation_id = "registerDevice",
         .tag = "Enrolment",
         .summary = "Register a device",
         .doc = "With X-Enrolment-Token or X-Admin-Key. Repeated with the same enrolment token and "
                "hardware_id before the device was first seen, it gives the same device a fresh "
                "token and uses nothing.",
         .problems = PROBLEMS},
};

const struct mu_endpoints mu_register_endpoints = MU_ENDPOINTS(rows);
