/* SPDX-License-Identifier: Apache-2.0 */
#include "net/enrolling.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/wipe.h"
#include "muster/wire.h"
#include "net/http_curl.h"

struct answer {
        struct mu_agent_config *config;
        bool came;
        int err;
        char *sentence;
};

static int say(char ret_sentence[MU_AGENT_SENTENCE_BYTES], const char *what, int err)
{
        (void)snprintf(ret_sentence, MU_AGENT_SENTENCE_BYTES, "%.150s: %.80s", what,
                       strerror(-err));
        return err;
}

static int too_long(char ret_sentence[MU_AGENT_SENTENCE_BYTES], const char *option)
{
        (void)snprintf(ret_sentence, MU_AGENT_SENTENCE_BYTES, "%s: the text is too long", option);
        return -EINVAL;
}

int mu_enrolling_fill(const char *server, const char *ca_file, const char *pin,
                      struct mu_agent_config *config, char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        if (ca_file && strlen(ca_file) >= sizeof(config->ca_file))
                return too_long(ret_sentence, "--ca-file");
        if (pin && strlen(pin) >= sizeof(config->pin))
                return too_long(ret_sentence, "--pin");
        if (ca_file)
                memcpy(config->ca_file, ca_file, strlen(ca_file) + 1);
        if (pin)
                memcpy(config->pin, pin, strlen(pin) + 1);
        return mu_agent_config_server(server, config->server, ret_sentence);
}

static void take_answer(void *context, const struct mu_agent_reply *reply)
{
        struct answer *answer = context;

        answer->came = true;
        answer->err = mu_agent_enroll_read(reply, answer->config, answer->sentence);
}

static void ignore_push(void *context, enum mu_agent_push_event event, int code, const char *text,
                        size_t bytes)
{
        (void)context;
        (void)event;
        (void)code;
        (void)text;
        (void)bytes;
}

int mu_enrolling_ask(const struct mu_enrolling *enrolling, struct mu_agent_config *config,
                     char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        const struct mu_agent_platform platform = {.kind = "desktop", .version = MUSTER_VERSION};
        const struct mu_net_options options = {.config = config,
                                               .user_agent = "muster-agent/" MUSTER_VERSION,
                                               .push = ignore_push};
        struct answer answer = {.config = config, .sentence = ret_sentence};
        struct mu_agent_request request = {.method = "POST",
                                           .path = MU_PATH_REGISTER,
                                           .authorization = enrolling->authorization,
                                           .secret = enrolling->secret,
                                           .timeout_ms = MU_AGENT_REQUEST_TIMEOUT_MS};
        struct mu_net *net = NULL;
        struct mu_text body;

        mu_text_init(&body);
        int err = mu_agent_enroll_write(&enrolling->enrolment, &platform, &body);

        request.body = body.data;
        request.body_bytes = body.bytes;
        if (err == 0)
                err = mu_net_create(&options, &net);
        if (err == 0)
                err = mu_net_request(net, &request, take_answer, &answer);
        while (err == 0 && !answer.came)
                err = mu_net_wait(net, NULL, 0, NULL, -1);
        mu_net_destroy(net);
        mu_text_done(&body);
        return err < 0 ? say(ret_sentence, "the appliance could not be asked", err) : answer.err;
}

int mu_enrolling_write(const struct mu_agent_config *config, const char *path,
                       int (*write)(const char *path, const char *text, size_t bytes),
                       char ret_sentence[MU_AGENT_SENTENCE_BYTES])
{
        struct mu_text text;
        char what[MU_AGENT_SENTENCE_BYTES];

        mu_text_init(&text);
        int err = mu_agent_config_write(config, &text);

        if (err == 0)
                err = write(path, text.data, text.bytes);
        if (text.data)
                mu_agent_wipe(text.data, text.room_bytes);
        mu_text_done(&text);
        (void)snprintf(what, sizeof(what), "%.120s can't be written", path);
        return err < 0 ? say(ret_sentence, what, err) : 0;
}
