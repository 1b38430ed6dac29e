/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enroll.h - POST /v1/register and the configuration that comes of it, for `muster-agent enroll`.
 * Errors: negative errno; a sentence says what was wrong and what to do.
 */
#ifndef MUSTER_AGENT_CORE_ENROLL_H
#define MUSTER_AGENT_CORE_ENROLL_H

#include <stddef.h>

#include "core/config.h"
#include "core/platform.h"
#include "muster/compiler.h"

struct mu_agent_enrolment {
        const char *alias;
        const char *hardware_id; /* or NULL */
};

/* The request's body. */
MU_MUST_CHECK
int mu_agent_enroll_write(const struct mu_agent_enrolment *enrolment,
                          const struct mu_agent_platform *platform, struct mu_text *text);
/* A 201's body into *config, which holds server, tls, update and policy already. Other statuses:
 * the problem's detail becomes the sentence. */
MU_MUST_CHECK
int mu_agent_enroll_read(const struct mu_agent_reply *reply, struct mu_agent_config *config,
                         char ret_sentence[MU_AGENT_SENTENCE_BYTES]);

#endif
