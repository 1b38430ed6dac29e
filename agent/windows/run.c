/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/agent.h"
#include "core/event.h"
#include "core/wipe.h"
#include "net/http_curl.h"
#include "net/shell.h"
#include "windows/actions.h"
#include "windows/commands.h"
#include "windows/crypto.h"
#include "windows/device.h"
#include "windows/secret_file.h"
#include "windows/status.h"
#include "windows/wake.h"

struct shell {
        struct mu_shell common; /* first: what the platform's functions are given */
        const struct mu_windows_options *options;
        char *config_text;
        size_t config_bytes;
        struct mu_windows_device device;
        struct mu_windows_actions actions;
        struct mu_windows_status status;
};

/* ---- the platform's table ---- */

static int platform_read(void *context, const char *monitored,
                         struct mu_agent_readings *ret_readings)
{
        struct shell *shell = context;

        mu_windows_device_read(&shell->device, monitored, ret_readings);
        return 0;
}

static int platform_act(void *context, const struct mu_agent_action *action,
                        mu_agent_action_fn *done, void *done_context)
{
        struct shell *shell = context;

        return mu_windows_act(&shell->actions, action, done, done_context);
}

static int platform_save(void *context, const char *text, size_t bytes)
{
        struct shell *shell = context;

        return mu_secret_file_write(shell->options->config_path, text, bytes);
}

static void platform_log(void *context, const struct mu_agent_event *event)
{
        static const char *const levels[] = {[MU_AGENT_INFO] = "info",
                                             [MU_AGENT_WARNING] = "warning",
                                             [MU_AGENT_ERROR] = "error"};

        (void)context;
        (void)fprintf(stderr, "{\"ts\":%lld.%06d,\"level\":\"%s\",\"event\":\"%s\"%s%s}\n",
                      (long long)(event->at_us / MU_US_PER_S), (int)(event->at_us % MU_US_PER_S),
                      levels[event->level], event->name, event->fields[0] ? "," : "",
                      event->fields);
        (void)fflush(stderr);
}

/* install: none. A new version comes as the first one came. elapsed: none. What the C library calls
 * monotonic here counts sleep too. */
static void fill_platform(struct shell *shell)
{
        struct mu_agent_platform *platform = &shell->common.platform;

        platform->clock = mu_clock_system();
        platform->crypto = mu_windows_crypto();
        platform->read = platform_read;
        platform->act = platform_act;
        platform->save = platform_save;
        platform->log = platform_log;
}

/* ---- the loop ---- */

/* Plain http goes to this machine itself (config.c has seen to it), which needs no network. */
static bool is_online(const struct shell *shell)
{
        return strncmp(shell->common.config.server, "http://", strlen("http://")) == 0 ||
               mu_windows_network() != MU_AGENT_NETWORK_OFFLINE;
}

static int loop(struct shell *shell)
{
        for (;;) {
                uint64_t until_ns = mu_agent_step(shell->common.agent);
                const int extra[] = {mu_wake_socket()};
                bool ready[] = {false};

                if (mu_windows_answer(&shell->actions))
                        continue;
                int err = mu_windows_status_look(&shell->status, shell->common.agent);

                if (err < 0)
                        (void)fprintf(stderr, "muster-agent: %s can't be written: %s.\n",
                                      shell->options->status_path, strerror(-err));
                err = mu_net_wait(shell->common.net, extra, 1, ready,
                                  mu_shell_wait_ms(&shell->common, until_ns));
                if (err < 0)
                        return err;
                unsigned happened = ready[0] ? mu_wake_take() : 0;

                if ((happened & MU_WAKE_STOP) != 0)
                        return 0;
                if ((happened & MU_WAKE_NETWORK) != 0)
                        mu_agent_network_changed(shell->common.agent, is_online(shell));
        }
}

/* ---- from start to end ---- */

static int fail(const char *what, const char *why)
{
        (void)fprintf(stderr, "muster-agent: %s%s.\n", what, why);
        return -EINVAL;
}

static int read_config(struct shell *shell)
{
        char sentence[MU_AGENT_SENTENCE_BYTES] = "there is no memory left";
        const char *path = shell->options->config_path;
        int err = mu_secret_file_read(path, &shell->config_text, &shell->config_bytes);

        if (err == -ENOENT)
                return fail("this device is not enrolled: ", "run muster-agent enroll");
        if (err == -EBADMSG)
                return fail(path, " is not of this machine, or damaged: enroll again");
        if (err < 0)
                return fail(path, " can't be read");
        if (mu_agent_config_read(shell->config_text, shell->config_bytes, &shell->common.config,
                                 sentence) < 0)
                return fail("", sentence);
        return 0;
}

static int open_agent(struct shell *shell)
{
        const struct mu_agent_options options = {.state_directory = shell->options->state_directory,
                                                 .config_text = shell->config_text,
                                                 .config_bytes = shell->config_bytes};
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        int err = mu_shell_open_net(&shell->common);

        if (err < 0)
                return fail("the network's library does not start: ", strerror(-err));
        err = mu_wake_start();
        if (err < 0)
                return fail("Windows gives no notice of events: ", strerror(-err));
        err = mu_agent_create(&shell->common.platform, &options, &shell->common.agent, sentence);
        return err < 0 ? fail("", sentence[0] ? sentence : strerror(-err)) : 0;
}

int mu_windows_run(const struct mu_windows_options *options)
{
        struct shell shell = {.options = options};
        int err = mu_windows_status_open(options, mu_clock_system(), &shell.status);

        if (err < 0) {
                (void)fail(options->state_directory,
                           err == -EBUSY ? ": an agent runs there already"
                                         : " can't be written to: enroll this device first");
                return EXIT_FAILURE;
        }
        mu_shell_init(&shell.common);
        fill_platform(&shell);
        mu_windows_device_init(&shell.device, shell.common.platform.clock,
                               options->state_directory);
        shell.actions.config = &shell.common.config;
        err = read_config(&shell);
        if (err == 0)
                err = open_agent(&shell);
        if (err == 0) {
                mu_agent_network_changed(shell.common.agent, is_online(&shell));
                err = loop(&shell);
        }
        mu_agent_destroy(shell.common.agent);
        mu_wake_stop();
        mu_net_destroy(shell.common.net);
        mu_agent_config_done(&shell.common.config);
        if (shell.config_text)
                mu_agent_wipe(shell.config_text, shell.config_bytes);
        free(shell.config_text);
        mu_windows_status_close(&shell.status);
        return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
