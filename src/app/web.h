/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web.h - the settings that say who stands in front and which pages may call.
 *
 * Threads    One; read-only once it is given to the server.
 * Errors     -EINVAL, -ENOMEM, and a sentence in error (MU_CONFIG_ERROR_BYTES).
 */
#ifndef MUSTER_APP_WEB_H
#define MUSTER_APP_WEB_H

#include "app/config.h"
#include "muster/compiler.h"

struct mu_proxies;
struct mu_origins;

struct mu_web {
        struct mu_proxies *trusted_proxies; /* NULL: none */
        struct mu_origins *cors_origins;    /* NULL: none */
};

MU_MUST_CHECK
int mu_web_init(struct mu_web *web, const struct mu_config *config, char *error);
void mu_web_done(struct mu_web *web);

#endif
