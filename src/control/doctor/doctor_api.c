/* SPDX-License-Identifier: Apache-2.0 */
#include "control/doctor/doctor_api.h"

#include <errno.h>

#include "control/doctor/doctor.h"
#include "pg/database.h"

enum { ACQUIRE_MS = 3000 };

static void examine_database(struct mu_control *control, struct mu_doctor *doctor)
{
        struct mu_pg_error error;
        struct mu_pg *pg;

        if (mu_database_acquire(control->config.database, ACQUIRE_MS, &pg, &error) < 0) {
                mu_doctor_add(doctor, "postgres", MU_DOCTOR_FAIL,
                              "Bring it back; the journal keeps the heartbeats meanwhile.",
                              "it does not answer: %s", error.text);
                return;
        }
        mu_doctor_database(doctor, control, pg, control->config.doctor);
        mu_database_release(control->config.database, pg);
}

static void show_doctor(struct mu_ask *ask)
{
        const struct mu_control_config *config = &ask->control->config;
        struct mu_doctor_facts facts = {0};
        struct mu_doctor doctor;

        if (!config->doctor || !config->doctor_facts || mu_doctor_init(&doctor) < 0) {
                mu_ask_failed(ask, -ENOMEM);
                return;
        }
        config->doctor_facts(config->ctx, &facts);
        mu_doctor_running(&doctor, &facts);
        examine_database(ask->control, &doctor);
        mu_doctor_local(&doctor, config->doctor);
        mu_doctor_machine(&doctor, config->doctor);
        json_t *json = mu_doctor_json(&doctor);

        mu_doctor_done(&doctor);
        mu_ask_reply(ask, 200, json);
}

static const struct mu_field CHECK_FIELDS[] = {
        {.name = "name", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "status",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "ok|skip|warn|fail",
         .doc = "skip: it could not be told, or does not apply."},
        {.name = "found", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED},
        {.name = "advice",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What to do; empty: nothing."},
};
static const struct mu_shape CHECK = MU_SHAPE("DoctorCheck", CHECK_FIELDS);

static const struct mu_field COUNT_FIELDS[] = {
        {.name = "ok", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "warn", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "fail", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
        {.name = "skip", .type = MU_FIELD_INTEGER, .flags = MU_FIELD_REQUIRED},
};
static const struct mu_shape COUNTS = MU_SHAPE("DoctorCounts", COUNT_FIELDS);

static const struct mu_field DOCTOR_FIELDS[] = {
        {.name = "status",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = "ok|warn|fail",
         .doc = "The worst of them."},
        {.name = "counts", .type = MU_FIELD_OBJECT, .flags = MU_FIELD_REQUIRED, .shape = &COUNTS},
        {.name = "checks", .type = MU_FIELD_LIST, .flags = MU_FIELD_REQUIRED, .shape = &CHECK},
};
static const struct mu_shape DOCTOR = MU_SHAPE("Doctor", DOCTOR_FIELDS);

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/admin/doctor",
         .handle = show_doctor,
         .access = MU_ACCESS_ADMIN,
         .scope = "doctor:read",
         .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_NO_DATABASE,
         .reply_status = 200,
         .reply = &DOCTOR,
         .operation_id = "showDoctor",
         .tag = "Operation",
         .summary = "Is everything as it should be, and if not, what to do",
         .doc = "Walks the audit chain too: with a long one it takes a few seconds."},
};

const struct mu_endpoints mu_doctor_endpoints = MU_ENDPOINTS(rows);
