/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/enroll.h"
#include "core/wipe.h"
#include "muster/wire.h"
#include "net/http_curl.h"
#include "windows/commands.h"
#include "windows/secret_file.h"

enum { SECRET_BYTES_MAX = 4096 };

struct answer {
        struct mu_agent_config *config;
        bool came;
        int err;
        char sentence[MU_AGENT_SENTENCE_BYTES];
};

static int fail(const char *what, const char *why)
{
        (void)fprintf(stderr, "muster-agent: %s%s.\n", what, why);
        return -EINVAL;
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

static int ask(const struct mu_windows_options *options, const char *secret,
               struct mu_agent_config *config)
{
        const struct mu_agent_platform platform = {.kind = "desktop", .version = MUSTER_VERSION};
        const struct mu_agent_enrolment enrolment = {.alias = options->alias};
        const struct mu_net_options net_options = {.config = config,
                                                   .user_agent = "muster-agent/" MUSTER_VERSION,
                                                   .push = ignore_push};
        struct answer answer = {.config = config};
        struct mu_agent_request request = {
                .method = "POST",
                .path = MU_PATH_REGISTER,
                .authorization =
                        options->token_file ? MU_AGENT_AUTH_ENROLMENT : MU_AGENT_AUTH_ADMIN_KEY,
                .secret = secret,
                .timeout_ms = MU_AGENT_REQUEST_TIMEOUT_MS,
        };
        struct mu_net *net = NULL;
        struct mu_text body;

        mu_text_init(&body);
        int err = mu_agent_enroll_write(&enrolment, &platform, &body);

        request.body = body.data;
        request.body_bytes = body.bytes;
        if (err == 0)
                err = mu_net_create(&net_options, &net);
        if (err == 0)
                err = mu_net_request(net, &request, take_answer, &answer);
        while (err == 0 && !answer.came)
                err = mu_net_wait(net, NULL, 0, NULL, -1);
        mu_net_destroy(net);
        mu_text_done(&body);
        if (err < 0)
                return fail("the appliance could not be asked: ", strerror(-err));
        return answer.err < 0 ? fail("", answer.sentence) : 0;
}

static int write_config(const struct mu_windows_options *options,
                        const struct mu_agent_config *config)
{
        struct mu_text text;

        mu_text_init(&text);
        int err = mu_agent_config_write(config, &text);

        if (err == 0)
                err = mu_secret_file_write(options->config_path, text.data, text.bytes);
        if (text.data)
                mu_agent_wipe(text.data, text.room_bytes);
        mu_text_done(&text);
        if (err < 0)
                return fail(options->config_path, " can't be written");
        (void)printf("Enrolled as device %" PRId64 " at %s.\n", config->device_id, config->server);
        return 0;
}

static int fill_config(const struct mu_windows_options *options, struct mu_agent_config *config)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];

        if (mu_agent_config_server(options->server, config->server, sentence) < 0)
                return fail("", sentence);
        if ((options->ca_file && strlen(options->ca_file) >= sizeof(config->ca_file)) ||
            (options->pin && strlen(options->pin) >= sizeof(config->pin)))
                return fail("--ca-file or --pin", " is too long");
        (void)snprintf(config->ca_file, sizeof(config->ca_file), "%s",
                       options->ca_file ? options->ca_file : "");
        (void)snprintf(config->pin, sizeof(config->pin), "%s", options->pin ? options->pin : "");
        return 0;
}

/* The file's first line. */
static int read_secret(const char *path, char **ret_secret)
{
        size_t bytes;

        if (mu_plain_file_read(path, SECRET_BYTES_MAX, ret_secret, &bytes) < 0)
                return fail(path, " can't be read");
        (*ret_secret)[strcspn(*ret_secret, "\r\n")] = '\0';
        return 0;
}

/* An enrolment token is used up by its use: what would fail afterwards fails now. */
static int check_places(const struct mu_windows_options *options)
{
        FILE *file = fopen(options->config_path, "rb");

        if (file) {
                (void)fclose(file);
                return fail("this device is enrolled already: ", options->config_path);
        }
        if (mu_secret_directory(options->state_directory) < 0 ||
            mu_plain_file_write(options->status_path, "{}\n", 3) < 0)
                return fail(options->state_directory,
                            " can't be written to: run this as administrator");
        return 0;
}

int mu_windows_enroll(const struct mu_windows_options *options)
{
        struct mu_agent_config config;
        char *secret = NULL;

        mu_agent_config_init(&config);
        int err = check_places(options);

        if (err == 0)
                err = fill_config(options, &config);
        if (err == 0)
                err = read_secret(options->token_file ? options->token_file
                                                      : options->admin_key_file,
                                  &secret);
        if (err == 0)
                err = ask(options, secret, &config);
        if (err == 0)
                err = write_config(options, &config);
        mu_agent_config_done(&config);
        if (secret)
                mu_agent_wipe(secret, strlen(secret));
        free(secret);
        return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
