/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "wire/register.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_problem(int r, const struct mu_request_problem *problem)
{
        MU_ASSERT(r == -EBADMSG);
        MU_ASSERT(problem->reason < MU_REASON_COUNT);
        MU_ASSERT(strlen(problem->detail) > 0 && strlen(problem->detail) < sizeof(problem->detail));
        MU_ASSERT(strlen(problem->field) < sizeof(problem->field));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_register_request request;
        struct mu_enrolment_request enrolment;
        struct mu_request_problem problem;
        int r = mu_decode_register((const char *)data, bytes, &request, &problem);

        if (r < 0) {
                check_problem(r, &problem);
        } else {
                MU_ASSERT(request.alias[0] != '\0');
                MU_ASSERT(strlen(request.alias) <= MU_ALIAS_CHARS_MAX * 4);
                MU_ASSERT(strlen(request.hardware_id) <= MU_HARDWARE_ID_CHARS_MAX * 4);
                MU_ASSERT(strlen(request.fcm_token) <= MU_FCM_TOKEN_CHARS_MAX);
                MU_ASSERT(request.kind == MU_DEVICE_ANDROID || request.kind == MU_DEVICE_DESKTOP);
        }
        r = mu_decode_enrolment((const char *)data, bytes, &enrolment, &problem);
        if (r < 0) {
                check_problem(r, &problem);
        } else {
                MU_ASSERT(enrolment.max_uses >= 1 && enrolment.max_uses <= MU_ENROLMENT_USES_MAX);
                MU_ASSERT(enrolment.expires_in_s >= MU_ENROLMENT_EXPIRES_S_MIN &&
                          enrolment.expires_in_s <= MU_ENROLMENT_EXPIRES_S_MAX);
        }
        return 0;
}
