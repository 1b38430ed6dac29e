/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update_offer.h - what the appliance offers as the agent's next version, read and judged: checks
 * 1, 4 and 5 of include/muster/UPDATE_SIGNATURE.md.
 *
 * Threads    pure functions. Ownership: nothing is kept.
 * Errors     negative errno, with a sentence where one is given.
 */
#ifndef MUSTER_AGENT_CORE_UPDATE_OFFER_H
#define MUSTER_AGENT_CORE_UPDATE_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"
#include "muster/update.h"

struct mu_agent_update_constraints {
        bool wifi_only;
        bool not_in_call;
        int min_battery; /* percent; 0: any */
};

struct mu_agent_update_offer {
        char version[MU_UPDATE_VERSION_BYTES];
        char url[MU_UPDATE_URL_BYTES];
        int64_t size_bytes;
        uint8_t sha256[MU_UPDATE_SHA256_BYTES];
        uint8_t signature[MU_UPDATE_SIGNATURE_BYTES];
        struct mu_agent_update_constraints constraints;
};

/* -EBADMSG and a sentence: not what UPDATE_SIGNATURE.md describes. */
MU_MUST_CHECK
int mu_agent_update_offer_read(const char *json, size_t bytes,
                               struct mu_agent_update_offer *ret_offer,
                               char ret_sentence[MU_AGENT_SENTENCE_BYTES]);

/* By one of the pinned keys? */
bool mu_agent_update_offer_is_signed(const struct mu_agent_update_offer *offer,
                                     const struct mu_agent_config *config,
                                     const struct mu_agent_crypto *crypto);

/* NULL: the constraints hold; else what they wait for. */
const char *mu_agent_update_wait(const struct mu_agent_update_constraints *constraints,
                                 const struct mu_agent_config *config,
                                 const struct mu_agent_readings *readings);

#endif
