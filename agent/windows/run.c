/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/agent.h"
#include "core/event.h"
#include "core/wipe.h"
#include "net/http_curl.h"
#include "windows/actions.h"
#include "windows/commands.h"
#include "windows/crypto.h"
#include "windows/device.h"
#include "windows/secret_file.h"
#include "windows/status.h"
#include "windows/wake.h"

struct shell {
        const struct mu_windows_options *options;
        struct mu_agent_platform platform;
        struct mu_agent_config config; /* as it was read: who we are never changes meanwhile */
        char *config_text;
        size_t config_bytes;
        struct mu_windows_device device;
        struct mu_windows_actions actions;
        struct mu_windows_status status;
        struct mu_net *net;
        struct mu_agent *agent;
};

/* ---- the platform's table ---- */

static int platform_read(void *context, const char *monitored,
                         struct mu_agent_readings *ret_readings)
{
        struct shell *shell = context;

        mu_windows_device_read(&shell->device, monitored, ret_readings);
        return 0;
}

static int platform_request(void *context, const struct mu_agent_request *request,
                            mu_agent_reply_fn *done, void *done_context)
{
        struct shell *shell = context;

        return mu_net_request(shell->net, request, done, done_context);
}

static void platform_cancel_all(void *context)
{
        struct shell *shell = context;

        mu_net_cancel_all(shell->net);
}

static int platform_push_open(void *context, const char *path)
{
        struct shell *shell = context;

        return mu_net_push_open(shell->net, path);
}

static int platform_push_send(void *context, const char *text, size_t bytes)
{
        struct shell *shell = context;

        return mu_net_push_send(shell->net, text, bytes);
}

static void platform_push_close(void *context)
{
        struct shell *shell = context;

        mu_net_push_close(shell->net);
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

/* install: none. A new version comes as the first one came. */
static void fill_platform(struct shell *shell)
{
        shell->platform = (struct mu_agent_platform){
                .context = shell,
                .clock = mu_clock_system(),
                .crypto = mu_windows_crypto(),
                .kind = "desktop",
                .version = MUSTER_VERSION,
                .read = platform_read,
                .request = platform_request,
                .cancel_all = platform_cancel_all,
                .push_open = platform_push_open,
                .push_send = platform_push_send,
                .push_close = platform_push_close,
                .act = platform_act,
                .save = platform_save,
                .log = platform_log,
        };
}

/* ---- the loop ---- */

static void on_push(void *context, enum mu_agent_push_event event, int code, const char *text,
                    size_t bytes)
{
        struct shell *shell = context;

        mu_agent_push_event(shell->agent, event, code, text, bytes);
}

/* Plain http goes to this machine itself (config.c has seen to it), which needs no network. */
static bool is_online(const struct shell *shell)
{
        return strncmp(shell->config.server, "http://", strlen("http://")) == 0 ||
               mu_windows_network() != MU_AGENT_NETWORK_OFFLINE;
}

static int wait_ms(const struct shell *shell, uint64_t until_ns)
{
        uint64_t now_ns = mu_clock_monotonic_ns(shell->platform.clock);

        if (until_ns <= now_ns)
                return 0;
        uint64_t ms = (until_ns - now_ns) / MU_NS_PER_MS + 1;

        return ms < INT_MAX ? (int)ms : -1;
}

static int loop(struct shell *shell)
{
        for (;;) {
                uint64_t until_ns = mu_agent_step(shell->agent);
                const int extra[] = {mu_wake_socket()};
                bool ready[] = {false};

                if (mu_windows_answer(&shell->actions))
                        continue;
                int err = mu_windows_status_look(&shell->status, shell->agent);

                if (err < 0)
                        (void)fprintf(stderr, "muster-agent: %s can't be written: %s.\n",
                                      shell->options->status_path, strerror(-err));
                err = mu_net_wait(shell->net, extra, 1, ready, wait_ms(shell, until_ns));
                if (err < 0)
                        return err;
                unsigned happened = ready[0] ? mu_wake_take() : 0;

                if ((happened & MU_WAKE_STOP) != 0)
                        return 0;
                if ((happened & MU_WAKE_NETWORK) != 0)
                        mu_agent_network_changed(shell->agent, is_online(shell));
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
        if (mu_agent_config_read(shell->config_text, shell->config_bytes, &shell->config,
                                 sentence) < 0)
                return fail("", sentence);
        return 0;
}

static int open_agent(struct shell *shell)
{
        const struct mu_net_options net = {.config = &shell->config,
                                           .user_agent = "muster-agent/" MUSTER_VERSION,
                                           .push = on_push,
                                           .push_context = shell};
        const struct mu_agent_options options = {.state_directory = shell->options->state_directory,
                                                 .config_text = shell->config_text,
                                                 .config_bytes = shell->config_bytes};
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        int err = mu_net_create(&net, &shell->net);

        if (err < 0)
                return fail("the network's library does not start: ", strerror(-err));
        err = mu_wake_start();
        if (err < 0)
                return fail("Windows gives no notice of events: ", strerror(-err));
        err = mu_agent_create(&shell->platform, &options, &shell->agent, sentence);
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
        fill_platform(&shell);
        mu_windows_device_init(&shell.device, shell.platform.clock, options->state_directory);
        mu_agent_config_init(&shell.config);
        shell.actions.config = &shell.config;
        err = read_config(&shell);
        if (err == 0)
                err = open_agent(&shell);
        if (err == 0) {
                mu_agent_network_changed(shell.agent, is_online(&shell));
                err = loop(&shell);
        }
        mu_agent_destroy(shell.agent);
        mu_wake_stop();
        mu_net_destroy(shell.net);
        mu_agent_config_done(&shell.config);
        if (shell.config_text)
                mu_agent_wipe(shell.config_text, shell.config_bytes);
        free(shell.config_text);
        mu_windows_status_close(&shell.status);
        return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
