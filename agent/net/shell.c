/* SPDX-License-Identifier: Apache-2.0 */
#include "net/shell.h"

#include <limits.h>

#include "base/clock.h"
#include "net/http_curl.h"

static int platform_request(void *context, const struct mu_agent_request *request,
                            mu_agent_reply_fn *done, void *done_context)
{
        struct mu_shell *shell = context;

        return mu_net_request(shell->net, request, done, done_context);
}

static void platform_cancel_all(void *context)
{
        struct mu_shell *shell = context;

        mu_net_cancel_all(shell->net);
}

static int platform_push_open(void *context, const char *path)
{
        struct mu_shell *shell = context;

        return mu_net_push_open(shell->net, path);
}

static int platform_push_send(void *context, const char *text, size_t bytes)
{
        struct mu_shell *shell = context;

        return mu_net_push_send(shell->net, text, bytes);
}

static void platform_push_close(void *context)
{
        struct mu_shell *shell = context;

        mu_net_push_close(shell->net);
}

static void push_event(void *context, enum mu_agent_push_event event, int code, const char *text,
                       size_t bytes)
{
        struct mu_shell *shell = context;

        mu_agent_push_event(shell->agent, event, code, text, bytes);
}

void mu_shell_init(struct mu_shell *shell)
{
        *shell = (struct mu_shell){.platform = {.context = shell,
                                                .kind = "desktop",
                                                .version = MUSTER_VERSION,
                                                .request = platform_request,
                                                .cancel_all = platform_cancel_all,
                                                .push_open = platform_push_open,
                                                .push_send = platform_push_send,
                                                .push_close = platform_push_close}};
        mu_agent_config_init(&shell->config);
}

int mu_shell_open_net(struct mu_shell *shell)
{
        const struct mu_net_options options = {.config = &shell->config,
                                               .user_agent = "muster-agent/" MUSTER_VERSION,
                                               .push = push_event,
                                               .push_context = shell};

        return mu_net_create(&options, &shell->net);
}

int mu_shell_wait_ms(const struct mu_shell *shell, uint64_t until_ns)
{
        uint64_t now_ns = mu_clock_monotonic_ns(shell->platform.clock);

        if (until_ns <= now_ns)
                return 0;
        uint64_t ms = (until_ns - now_ns) / MU_NS_PER_MS + 1;

        return ms < INT_MAX ? (int)ms : -1;
}
