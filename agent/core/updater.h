/* SPDX-License-Identifier: Apache-2.0 */
/*
 * updater.h - a newer agent: asked for at the start, every 6 h, when a heartbeat's reply says so and
 * on nudge_update; include/muster/UPDATE_SIGNATURE.md says what is signed.
 *
 *   GET /v1/agent/update?version=…&channel=… ─ 204 ▶ nothing
 *     ─ 200 ▶ constraints? ─▶ download (size_bytes at most) ─▶ size, SHA-256, Ed25519 with one of
 *     config.update_keys ─▶ newer than ours? ─▶ nothing under way ─▶ platform.install()
 *
 * platform.install tries the new program beside the old: only one that has reported to the appliance
 * within the time limit takes the old one's place (linux/README). A version that failed is not
 * tried again for 24 h, and counted in a heartbeat's extra.
 *
 * Threads    the core's.
 */
#ifndef MUSTER_AGENT_CORE_UPDATER_H
#define MUSTER_AGENT_CORE_UPDATER_H

#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "muster/compiler.h"

enum mu_agent_updater_limits {
        MU_AGENT_UPDATE_EVERY_S = 6 * 3600,
        MU_AGENT_UPDATE_FAILED_S = 24 * 3600,
        MU_AGENT_UPDATE_BYTES_MAX = 64 * 1024 * 1024,
        MU_AGENT_UPDATE_VERSION_BYTES = 65,
};

MU_MUST_CHECK
int mu_agent_updater_create(struct mu_agent_core *core, const char *directory,
                            struct mu_agent_updater **ret_updater);
void mu_agent_updater_destroy(struct mu_agent_updater *updater);
uint64_t mu_agent_updater_step(struct mu_agent_updater *updater);
/* version: the one to ask for, or NULL. */
void mu_agent_updater_nudge(struct mu_agent_updater *updater, const char *version);
/* The platform's word on what it was given: 0: taken (the program ends soon to be the new one), or
 * a negative errno and a sentence: the old one stays. */
void mu_agent_updater_installed(struct mu_agent_updater *updater, int err, const char *sentence);

#endif
