/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the agent's one file: who it is, where it reports, what it may do. JSON, 0600; written
 * by `muster-agent enroll`, by a rotated key and by set_config, each time whole (platform.save).
 *
 *   {"server": "https://fleet.example:8443", "device_id": "17", "token": "mu_…",
 *    "keys": {"current": {"version": 1, "key": "<base64>"}, "next": {…}},
 *    "heartbeat_interval_s": 300,
 *    "tls": {"ca_file": "…", "pin": "sha256//…"},
 *    "update": {"channel": "stable", "keys": ["<base64>"], "wifi_only": false,
 *               "trial_s": 120},
 *    "settings": {"monitored_package": "…", "auto_relaunch": true},
 *    "policy": {"reboot": false, "screenshot": false, "services": ["kiosk.service"],
 *               "programs": ["/usr/bin/kiosk"]}}
 *
 * server: https, or http to a loopback address (127.0.0.0/8, [::1], localhost). settings may be set
 * from afar; policy, tls, server and update.keys never: they are the machine owner's word.
 * A member that is not known refuses the file, with the nearest known name.
 *
 * Ownership  texts belong to the config. Errors: -EINVAL and a sentence; -ENOMEM.
 */
#ifndef MUSTER_AGENT_CORE_CONFIG_H
#define MUSTER_AGENT_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/platform.h"
#include "muster/command.h"
#include "muster/compiler.h"

struct json_t;
struct mu_text;

enum mu_agent_config_limits {
        MU_AGENT_CONFIG_BYTES_MAX = 64 * 1024,
        MU_AGENT_URL_BYTES = 512,
        MU_AGENT_TOKEN_BYTES = 128,
        MU_AGENT_PATH_BYTES = 1024,
        MU_AGENT_PIN_BYTES = 64,
        MU_AGENT_CHANNEL_BYTES = 33, /* [a-z0-9-]{1,32} */
        MU_AGENT_UPDATE_KEYS_MAX = 4,
        MU_AGENT_POLICY_NAMES_MAX = 32,
        MU_AGENT_SENTENCE_BYTES = 256,
        MU_AGENT_HEARTBEAT_S_MIN = 10,
        MU_AGENT_HEARTBEAT_S_MAX = 86400,
        MU_AGENT_TRIAL_S_MIN = 10,
        MU_AGENT_TRIAL_S_MAX = 3600,
        MU_AGENT_TRIAL_S_DEFAULT = 120,
};

struct mu_agent_names {
        size_t count;
        char *names[MU_AGENT_POLICY_NAMES_MAX];
};

struct mu_agent_config {
        char server[MU_AGENT_URL_BYTES]; /* without a slash at its end */
        int64_t device_id;
        char token[MU_AGENT_TOKEN_BYTES];
        struct mu_command_key current;
        struct mu_command_key next; /* version 0: there is none */
        int64_t heartbeat_interval_s;
        char ca_file[MU_AGENT_PATH_BYTES];
        char pin[MU_AGENT_PIN_BYTES]; /* libcurl's "sha256//<base64>"; then no chain is needed */
        char channel[MU_AGENT_CHANNEL_BYTES];
        size_t update_key_count;
        uint8_t update_keys[MU_AGENT_UPDATE_KEYS_MAX][MU_ED25519_KEY_BYTES];
        bool update_wifi_only;
        int64_t update_trial_s; /* how long a new program may take to report; 10..3600 */
        char monitored_package[MU_AGENT_PACKAGE_BYTES]; /* "": none */
        bool auto_relaunch;
        bool may_reboot;
        bool may_screenshot;
        struct mu_agent_names services; /* units that may be restarted and stopped */
        struct mu_agent_names programs; /* what may be started */
};

/* Everything but server, device_id, token and the key has a default. */
void mu_agent_config_init(struct mu_agent_config *ret_config);
void mu_agent_config_done(struct mu_agent_config *config); /* wipes the secrets */

MU_MUST_CHECK
int mu_agent_config_read(const char *json, size_t bytes, struct mu_agent_config *ret_config,
                         char ret_sentence[MU_AGENT_SENTENCE_BYTES]);
/* The file's text, members in the order above, indented. */
MU_MUST_CHECK
int mu_agent_config_write(const struct mu_agent_config *config, struct mu_text *text);

/* settings of set_config: all of them or none. -EINVAL and a sentence. */
MU_MUST_CHECK
int mu_agent_config_set(struct mu_agent_config *config, const struct json_t *settings,
                        char ret_sentence[MU_AGENT_SENTENCE_BYTES]);

/* A server's URL as it may stand in the file: 0 and its text without a slash at the end. */
MU_MUST_CHECK
int mu_agent_config_server(const char *url, char ret_server[MU_AGENT_URL_BYTES],
                           char ret_sentence[MU_AGENT_SENTENCE_BYTES]);

#endif
