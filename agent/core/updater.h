/* SPDX-License-Identifier: Apache-2.0 */
/*
 * updater.h - a newer agent: asked for within a minute of the start, every 6 h, when a heartbeat's
 * reply says so and on nudge_update; include/muster/UPDATE_SIGNATURE.md says what is signed and in
 * which order it is checked.
 *
 *   GET /v1/agent/update?version=…&channel=… ─ 204 ▶ nothing
 *     ─ 200 ▶ newer than ours, signed by one of config.update_keys? ─▶ constraints? ─▶ download
 *     (size_bytes at most) ─▶ size, SHA-256 ─▶ nothing under way ─▶ platform.install()
 *
 * platform.install tries the new program beside the old: only one that has reported to the
 * appliance within the time limit takes the old one's place (linux/install.h). A version that
 * failed is not tried again for 24 h, unless nudge_update names it, and counted in
 * core->update_failures. Where constraints don't hold, they are looked at in every step, and the
 * question is put again.
 *
 * Nothing is asked for without a key, where platform.install is NULL, on a frugal battery, offline.
 *
 * Threads    the core's.
 */
#ifndef MUSTER_AGENT_CORE_UPDATER_H
#define MUSTER_AGENT_CORE_UPDATER_H

#include <stdint.h>

#include "core/core.h"
#include "muster/compiler.h"

enum mu_agent_updater_limits {
        MU_AGENT_UPDATE_FIRST_S = 60, /* the first question comes within */
        MU_AGENT_UPDATE_EVERY_S = 6 * 3600,
        MU_AGENT_UPDATE_SPREAD_S = 600, /* less than that by up to so much, at random */
        MU_AGENT_UPDATE_PAUSE_S = 60,   /* between two questions, nudged or not */
        MU_AGENT_UPDATE_FAILED_S = 24 * 3600,
        MU_AGENT_UPDATE_RETRY_BASE_MS = 30 * 1000,
        MU_AGENT_UPDATE_RETRY_CAP_MS = 30 * 60 * 1000,
        MU_AGENT_UPDATE_LOAD_MS = 30 * 60 * 1000,
};

/* directory: where a download lies ("update.download"), until it is installed or thrown away. */
MU_MUST_CHECK
int mu_agent_updater_create(struct mu_agent_core *core, const char *directory,
                            struct mu_agent_updater **ret_updater);
void mu_agent_updater_destroy(struct mu_agent_updater *updater);
uint64_t mu_agent_updater_step(struct mu_agent_updater *updater);
/* version: the one to ask for, or NULL. */
void mu_agent_updater_nudge(struct mu_agent_updater *updater, const char *version);
/* The platform's word on what it was given: 0: taken (the program ends soon to be the new one), or
 * a negative errno and a sentence: the old one stays; -EACCES: nothing was tried. May come to
 * another updater on the same store than the one that called platform.install, before its first
 * step. */
void mu_agent_updater_installed(struct mu_agent_updater *updater, int err, const char *sentence);

#endif
