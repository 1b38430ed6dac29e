/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's file: any bytes give a sentence or a configuration, which survives being written and
 * read. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "core/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_again(const struct mu_agent_config *config)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        char server[MU_AGENT_URL_BYTES];
        struct mu_agent_config again;
        struct mu_text first;
        struct mu_text second;

        MU_ASSERT(mu_agent_config_server(config->server, server, sentence) == 0);
        MU_ASSERT(strcmp(server, config->server) == 0);
        mu_text_init(&first);
        mu_text_init(&second);
        MU_ASSERT(mu_agent_config_write(config, &first) == 0);
        MU_ASSERT(mu_agent_config_read(first.data, first.bytes, &again, sentence) == 0);
        MU_ASSERT(mu_agent_config_write(&again, &second) == 0);
        MU_ASSERT(strcmp(first.data, second.data) == 0);
        MU_ASSERT(memcmp(&config->current, &again.current, sizeof(again.current)) == 0);
        MU_ASSERT(strcmp(config->token, again.token) == 0);
        MU_ASSERT(strcmp(config->monitored_package, again.monitored_package) == 0);
        MU_ASSERT(config->may_reboot == again.may_reboot);
        MU_ASSERT(config->services.count == again.services.count);
        MU_ASSERT(config->programs.count == again.programs.count);
        mu_agent_config_done(&again);
        mu_text_done(&first);
        mu_text_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        struct mu_agent_config config;
        int err = mu_agent_config_read((const char *)data, bytes, &config, sentence);

        if (err < 0) {
                MU_ASSERT(err == -EINVAL && strlen(sentence) > 10);
                MU_ASSERT(!strchr(sentence, '\n'));
                return 0;
        }
        check_again(&config);
        mu_agent_config_done(&config);
        return 0;
}
