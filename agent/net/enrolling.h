/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enrolling.h - what `muster-agent enroll` does on every system: the configuration from its
 * options, the question to the appliance, the answer into the file.
 *
 *   fill ─▶ ask ─▶ write
 *
 * Threads    one, which waits for the answer. Errors: negative errno and a sentence.
 */
#ifndef MUSTER_AGENT_NET_ENROLLING_H
#define MUSTER_AGENT_NET_ENROLLING_H

#include <stddef.h>

#include "core/config.h"
#include "core/enroll.h"
#include "core/platform.h"
#include "muster/compiler.h"

struct mu_enrolling {
        struct mu_agent_enrolment enrolment;
        enum mu_agent_authorization authorization;
        const char *secret;
};

/* Into *config, which is initialised. ca_file, pin: or NULL. */
MU_MUST_CHECK
int mu_enrolling_fill(const char *server, const char *ca_file, const char *pin,
                      struct mu_agent_config *config, char ret_sentence[MU_AGENT_SENTENCE_BYTES]);
/* -EKEYREJECTED: nobody vouches for the server, or it is not the one that the pin names. */
MU_MUST_CHECK
int mu_enrolling_ask(const struct mu_enrolling *enrolling, struct mu_agent_config *config,
                     char ret_sentence[MU_AGENT_SENTENCE_BYTES]);
/* By the system's own way to write a file of secrets. */
MU_MUST_CHECK
int mu_enrolling_write(const struct mu_agent_config *config, const char *path,
                       int (*write)(const char *path, const char *text, size_t bytes),
                       char ret_sentence[MU_AGENT_SENTENCE_BYTES]);

#endif
