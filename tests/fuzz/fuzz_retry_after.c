/* SPDX-License-Identifier: Apache-2.0 */
/* The Retry-After header: any bytes give a bounded wait or none. A date that is read is the one
 * that strptime and timegm make of it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "outbound/retry_after.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_date(const char *text, int64_t at_s)
{
        struct tm date = {0};
        const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date);

        if (!end || *end || date.tm_sec > 59)
                return; /* one of the other forms */
        MU_ASSERT((int64_t)timegm(&date) == at_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        const int64_t now_s = 1792000000;
        char *copy = malloc(bytes + 1);
        char *exact = malloc(bytes ? bytes : 1); /* ASan sees one byte too far */
        uint32_t wait_s;
        int64_t at_s;

        MU_ASSERT(copy && exact);
        memcpy(copy, data, bytes);
        memcpy(exact, data, bytes);
        copy[bytes] = '\0';
        if (mu_retry_after_parse(exact, bytes, now_s, &wait_s) == 0)
                MU_ASSERT(wait_s <= MU_RETRY_AFTER_S_MAX);
        if (mu_http_date_parse(exact, bytes, now_s, &at_s) == 0 && !memchr(data, '\0', bytes))
                check_date(copy, at_s);
        free(exact);
        free(copy);
        return 0;
}
