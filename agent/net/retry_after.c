/* SPDX-License-Identifier: Apache-2.0 */
#include "net/retry_after.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <time.h>

enum { RETRY_AFTER_S_MAX = 86400 };

int64_t mu_net_retry_after_s(const char *value, const char *date)
{
        char *end;

        if (!value || *value == '\0')
                return -1;
        long long seconds = strtoll(value, &end, 10);

        if (*end != '\0') {
                time_t then = curl_getdate(value, NULL);
                time_t now = date ? curl_getdate(date, NULL) : -1;

                if (now < 0)
                        now = time(NULL);
                if (then < 0)
                        return -1;
                seconds = (long long)(then - now);
        }
        if (seconds < 0)
                return 0;
        return seconds < RETRY_AFTER_S_MAX ? (int64_t)seconds : (int64_t)RETRY_AFTER_S_MAX;
}
