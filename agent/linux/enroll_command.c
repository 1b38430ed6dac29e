/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/enroll_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "core/base64.h"
#include "core/wipe.h"
#include "linux/config_file.h"
#include "linux/crypto.h"
#include "linux/status.h"
#include "net/certificate.h"
#include "net/enrolling.h"

static int fail(const char *sentence)
{
        size_t chars = strlen(sentence);

        while (chars > 0 && sentence[chars - 1] == '.') /* as the appliance's own words end */
                chars--;
        (void)fprintf(stderr, "muster-agent: %.*s.\n", (int)chars, sentence);
        return -EINVAL;
}

/* ---- before anything is asked ---- */

static int check_running(const struct mu_options *options)
{
        struct mu_text text;

        mu_text_init(&text);
        int err = mu_status_ask(options->state_dir, &text);

        mu_text_done(&text);
        if (err == -ECONNREFUSED)
                return 0;
        return fail("an agent runs here: stop it first (systemctl stop muster-agent)");
}

static int check_present(const struct mu_options *options)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES];

        if (access(options->config, F_OK) != 0) {
                if (errno == ENOENT)
                        return 0;
        } else if (options->replace) {
                return 0;
        } else {
                (void)snprintf(sentence, sizeof(sentence),
                               "this device is enrolled already: %s is there. --replace makes it a "
                               "new device",
                               options->config);
                return fail(sentence);
        }
        (void)snprintf(sentence, sizeof(sentence), "%s can't be looked at: %s", options->config,
                       strerror(errno));
        return fail(sentence);
}

/* An enrolment token is used up by its use: what would fail afterwards fails now. */
static int check_directory(const char *path)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES];
        struct stat info;
        int err = mu_fs_make_directories(path, 0700);

        if (err == 0 && stat(path, &info) < 0)
                err = -errno;
        if (err == 0 && access(path, W_OK | X_OK) < 0)
                err = -errno;
        if (err < 0) {
                (void)snprintf(sentence, sizeof(sentence), "%s can't be written to: %s", path,
                               strerror(-err));
                return fail(sentence);
        }
        if (info.st_uid == geteuid())
                return 0;
        (void)snprintf(sentence, sizeof(sentence),
                       "%s belongs to user %u, who shall be able to read what is written there: "
                       "run this as that user (sudo -u \\#%u muster-agent enroll …)",
                       path, (unsigned)info.st_uid, (unsigned)info.st_uid);
        return fail(sentence);
}

static int check_places(const struct mu_options *options)
{
        char directory[MU_AGENT_PATH_BYTES];
        const char *slash = strrchr(options->config, '/');

        (void)snprintf(directory, sizeof(directory), "%.*s",
                       slash ? (int)(slash == options->config ? 1 : slash - options->config) : 1,
                       slash ? options->config : ".");
        int err = check_present(options);

        if (err == 0)
                err = check_directory(directory);
        if (err == 0)
                err = check_directory(options->state_dir);
        if (err == 0)
                err = check_running(options);
        return err;
}

/* ---- the question ---- */

/* What to do about a certificate that nobody vouches for: a person compares, we never guess. */
static void explain_trust(const struct mu_agent_config *config)
{
        char pin[MU_AGENT_PIN_BYTES];
        char *pem = NULL;

        if (config->pin[0] != '\0')
                (void)fprintf(stderr, "The server's key is not the one that --pin names: it is "
                                      "another machine, or its certificate was renewed with a new "
                                      "key.\n");
        if (mu_net_certificate(config->server, &pem) < 0 || mu_crypto_pin(pem, pin) < 0) {
                free(pem);
                return;
        }
        free(pem);
        (void)fprintf(stderr,
                      "The key that answers there has the pin\n\n  %s\n\n"
                      "On the appliance, ./muster status shows its own; so does, where there is no "
                      "./muster,\n\n"
                      "  openssl x509 -in DATA_DIR/tls/tls.crt -noout -pubkey |\n"
                      "    openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | "
                      "base64\n\n"
                      "without sha256//. If they are the same, run this again with\n\n"
                      "  --pin %s\n",
                      pin, pin);
}

static int ask(const struct mu_options *options, const char *secret, struct mu_agent_config *config)
{
        const struct mu_enrolling enrolling = {
                .enrolment = {.alias = options->alias, .hardware_id = options->hardware_id},
                .authorization =
                        options->token_file ? MU_AGENT_AUTH_ENROLMENT : MU_AGENT_AUTH_ADMIN_KEY,
                .secret = secret};
        char sentence[MU_AGENT_SENTENCE_BYTES];
        int err = mu_enrolling_ask(&enrolling, config, sentence);

        if (err < 0)
                (void)fail(sentence);
        if (err == -EKEYREJECTED)
                explain_trust(config);
        return err;
}

/* ---- what is kept ---- */

/* What an earlier identity had queued and seen is not the new device's: it is laid beside. */
static int lay_aside(const struct mu_options *options)
{
        static const char *const SUFFIXES[] = {"", "-wal", "-shm"};
        long long now_s = (long long)time(NULL);

        for (size_t i = 0; i < MU_COUNT_OF(SUFFIXES); i++) {
                char from[MU_AGENT_PATH_BYTES + 32];
                char to[MU_AGENT_PATH_BYTES + 64];

                (void)snprintf(from, sizeof(from), "%s/agent.db%s", options->state_dir,
                               SUFFIXES[i]);
                (void)snprintf(to, sizeof(to), "%s/agent.db.before-%lld%s", options->state_dir,
                               now_s, SUFFIXES[i]);
                if (rename(from, to) < 0 && errno != ENOENT) {
                        int err = -errno;

                        (void)fprintf(stderr, "muster-agent: %s can't be laid aside: %s.\n", from,
                                      strerror(-err));
                        return err;
                }
        }
        return 0;
}

/* Everything that the appliance does not say. The options were checked when they were read. */
static int fill_config(const struct mu_options *options, struct mu_agent_config *config)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        int err = mu_enrolling_fill(options->server, options->ca_file, options->pin, config,
                                    sentence);

        if (err < 0)
                return fail(sentence);
        if (options->ca_file && access(options->ca_file, R_OK) < 0)
                return fail("the file that --ca-file names can't be read");
        for (size_t i = 0; err == 0 && i < options->update_key_count; i++)
                err = mu_agent_base64_decode(options->update_keys[i], config->update_keys[i],
                                             sizeof(config->update_keys[i]));
        config->update_key_count = options->update_key_count;
        return err;
}

static int enroll(const struct mu_options *options, const char *secret,
                  struct mu_agent_config *config)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];
        int err = fill_config(options, config);

        if (err == 0)
                err = ask(options, secret, config);
        if (err == 0 && options->replace)
                err = lay_aside(options);
        if (err < 0)
                return err;
        err = mu_enrolling_write(config, options->config, mu_config_file_write, sentence);
        if (err < 0)
                (void)fail(sentence);
        else
                (void)printf("Enrolled as device %" PRId64 " at %s.\nConfiguration: %s\n",
                             config->device_id, config->server, options->config);
        return err;
}

int mu_enroll_command(const struct mu_options *options)
{
        const char *path = options->token_file ? options->token_file : options->admin_key_file;
        char sentence[MU_CONFIG_SENTENCE_BYTES];
        struct mu_agent_config config;
        char *secret = NULL;
        int err = check_places(options);

        if (err < 0)
                return MU_EXIT_FAILED;
        if (mu_secret_file_read(path, &secret, sentence) < 0) {
                (void)fail(sentence);
                return MU_EXIT_FAILED;
        }
        mu_agent_config_init(&config);
        err = enroll(options, secret, &config);
        mu_agent_config_done(&config);
        mu_agent_wipe(secret, strlen(secret));
        free(secret);
        return err == 0 ? MU_EXIT_OK : MU_EXIT_FAILED;
}
