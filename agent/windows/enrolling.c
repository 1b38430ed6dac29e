/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wipe.h"
#include "net/enrolling.h"
#include "windows/commands.h"
#include "windows/secret_file.h"

enum { SECRET_BYTES_MAX = 4096 };

static int fail(const char *what, const char *why)
{
        (void)fprintf(stderr, "muster-agent: %s%s.\n", what, why);
        return -EINVAL;
}

static int ask(const struct mu_windows_options *options, const char *secret,
               struct mu_agent_config *config)
{
        const struct mu_enrolling enrolling = {.enrolment = {.alias = options->alias},
                                               .authorization = options->token_file
                                                                        ? MU_AGENT_AUTH_ENROLMENT
                                                                        : MU_AGENT_AUTH_ADMIN_KEY,
                                               .secret = secret};
        char sentence[MU_AGENT_SENTENCE_BYTES];

        return mu_enrolling_ask(&enrolling, config, sentence) < 0 ? fail("", sentence) : 0;
}

static int write_config(const struct mu_windows_options *options,
                        const struct mu_agent_config *config)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];

        if (mu_enrolling_write(config, options->config_path, mu_secret_file_write, sentence) < 0)
                return fail("", sentence);
        (void)printf("Enrolled as device %" PRId64 " at %s.\n", config->device_id, config->server);
        return 0;
}

static int fill_config(const struct mu_windows_options *options, struct mu_agent_config *config)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];

        return mu_enrolling_fill(options->server, options->ca_file, options->pin, config,
                                 sentence) < 0
                       ? fail("", sentence)
                       : 0;
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
