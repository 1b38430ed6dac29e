/* SPDX-License-Identifier: Apache-2.0 */
#include "control/doctor/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const NAMES[] = {"ok", "skip", "warn", "fail"};

int mu_doctor_init(struct mu_doctor *doctor)
{
        *doctor = (struct mu_doctor){.checks = json_array()};
        return doctor->checks ? 0 : -ENOMEM;
}

void mu_doctor_done(struct mu_doctor *doctor)
{
        json_decref(doctor->checks);
        doctor->checks = NULL;
}

void mu_doctor_add(struct mu_doctor *doctor, const char *name, enum mu_doctor_status status,
                   const char *advice, const char *found, ...)
{
        char sentence[768];
        va_list arguments;

        va_start(arguments, found);
        (void)vsnprintf(sentence, sizeof(sentence), found, arguments);
        va_end(arguments);
        json_t *text = json_string(sentence);

        /* What other programs said may be no UTF-8. */
        if (!text)
                text = json_string("(what was found can't be shown as text)");
        (void)json_array_append_new(doctor->checks,
                                    json_pack("{s:s, s:s, s:o, s:s}", "name", name, "status",
                                              NAMES[status], "found", text, "advice",
                                              advice && status != MU_DOCTOR_OK ? advice : ""));
        doctor->counts[status]++;
}

int mu_doctor_exit(const struct mu_doctor *doctor)
{
        return doctor->counts[MU_DOCTOR_FAIL] ? 2 : doctor->counts[MU_DOCTOR_WARN] ? 1 : 0;
}

json_t *mu_doctor_json(const struct mu_doctor *doctor)
{
        static const char *const worst[] = {"ok", "warn", "fail"};

        return json_pack(
                "{s:s, s:{s:i, s:i, s:i, s:i}, s:O}", "status", worst[mu_doctor_exit(doctor)],
                "counts", "ok", (int)doctor->counts[MU_DOCTOR_OK], "warn",
                (int)doctor->counts[MU_DOCTOR_WARN], "fail", (int)doctor->counts[MU_DOCTOR_FAIL],
                "skip", (int)doctor->counts[MU_DOCTOR_SKIP], "checks", doctor->checks);
}
