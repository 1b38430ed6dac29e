/* SPDX-License-Identifier: Apache-2.0 */
#include "app/web.h"

#include <stdio.h>

#include "http/origin.h"
#include "http/proxy.h"

_Static_assert((int)MU_PROXIES_ERROR_BYTES <= (int)MU_ORIGINS_ERROR_BYTES, "one buffer for both");

int mu_web_init(struct mu_web *web, const struct mu_config *config, char *error)
{
        char why[MU_ORIGINS_ERROR_BYTES];
        struct mu_web made = {0};
        int code = mu_proxies_parse(config->http_trusted_proxies, &made.trusted_proxies, why);

        if (code < 0) {
                snprintf(error, MU_CONFIG_ERROR_BYTES, "http.trusted_proxies: %s", why);
                return code;
        }
        code = mu_origins_parse(config->http_cors_origins, &made.cors_origins, why);
        if (code < 0) {
                snprintf(error, MU_CONFIG_ERROR_BYTES, "http.cors_origins: %s", why);
                mu_web_done(&made);
                return code;
        }
        *web = made;
        return 0;
}

void mu_web_done(struct mu_web *web)
{
        mu_proxies_destroy(web->trusted_proxies);
        mu_origins_destroy(web->cors_origins);
        *web = (struct mu_web){0};
}
