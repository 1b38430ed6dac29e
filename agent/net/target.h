/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h - where a request goes, and how its other end proves who it is (private to agent/net).
 *
 *   path ──────────────▶ the configured server: ca_file or pin, the device's token
 *   whole URL, its origin: as a path; another's: the system's roots or ca_file, never a secret
 *
 * Every handle gets the same rules: http and https only, http to loopback only, no redirects, TLS
 * 1.2 or later, HTTP/1.1, no cookies, no signals. A proxy is what the environment says
 * (https_proxy, no_proxy): the owner of the machine decides; loopback is never asked of a proxy.
 *
 * Threads    pure. Errors: -EINVAL: no such URL, or one that is not allowed; -ENOMEM.
 */
#ifndef MUSTER_AGENT_NET_TARGET_H
#define MUSTER_AGENT_NET_TARGET_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "muster/compiler.h"

enum mu_net_target_limits {
        MU_NET_TARGET_URL_BYTES = 4096,
        MU_NET_CONNECT_MS = 20000,
};

struct mu_net_target {
        char url[MU_NET_TARGET_URL_BYTES];
        bool is_server;   /* the configured one: its trust, its secrets */
        bool is_loopback; /* by its name */
};

MU_MUST_CHECK
int mu_net_target_find(const struct mu_agent_config *config, const char *path_or_url,
                       struct mu_net_target *ret_target);

/* URL, protocol, trust, timeouts. 0; -ENOMEM; -ENOTSUP: this libcurl can't. */
MU_MUST_CHECK
int mu_net_target_set(const struct mu_net_target *target, const struct mu_agent_config *config,
                      CURL *easy);

/* A negative errno for what libcurl says; -EKEYREJECTED: the other end is not who it should be. */
int mu_net_error_of(CURLcode code);

#endif
