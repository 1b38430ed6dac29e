/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/test_clock.h"
#include "core/agent.h"
#include "core/wipe.h"
#include "linux/actions.h"
#include "linux/config_file.h"
#include "linux/crypto.h"
#include "linux/device.h"
#include "linux/install.h"
#include "linux/log_line.h"
#include "linux/status.h"
#include "net/http_curl.h"
#include "net/shell.h"

enum {
        TEST_CLOCK_WAIT_MS = 20, /* somebody else moves that clock */
        SLEPT_S_MIN = 1,
};

/* Later than any clock is set to: a time that has come would be readable at once, and again. */
#define FAR_S (sizeof(time_t) > 4 ? (time_t)9000000000 : (time_t)INT32_MAX)

/* What the loop does next. */
enum course { GO_ON, RELOAD, UPDATE, LEAVE };

struct shell {
        struct mu_shell common; /* first: what the platform's functions are given */
        const struct mu_options *options;
        struct mu_status_facts facts;
        int signal_fd;
        int clock_fd; /* readable when the clock was set, also by waking from sleep */
        int trial_fd; /* -1: no update on trial */
        int64_t asleep_us;
        struct mu_install *install;

        /* Open while an agent runs. */
        struct mu_device *device;
        struct mu_actions *actions;
        int status_fd;
};

/* ---- the platform's table ---- */

static int platform_read(void *context, const char *monitored,
                         struct mu_agent_readings *ret_readings)
{
        struct shell *shell = context;

        mu_device_read(shell->device, monitored, ret_readings);
        (void)mu_actions_auto_relaunch(shell->actions);
        return 0;
}

static int platform_act(void *context, const struct mu_agent_action *action,
                        mu_agent_action_fn *done, void *done_context)
{
        struct shell *shell = context;

        return mu_actions_run(shell->actions, action, done, done_context);
}

static int platform_save(void *context, const char *text, size_t bytes)
{
        struct shell *shell = context;

        return mu_config_file_save(shell->options->config, text, bytes);
}

static int platform_install(void *context, const char *file, const char *version)
{
        struct shell *shell = context;

        return mu_install_ask(shell->install, file, version);
}

static void platform_log(void *context, const struct mu_agent_event *event)
{
        (void)context;
        mu_log_line(event);
}

static const struct mu_clock *clock_in_use(void)
{
#ifdef MUSTER_FAILPOINTS
        return mu_test_clock();
#else
        return mu_clock_system();
#endif
}

static const struct mu_clock *elapsed_in_use(void)
{
#ifdef MUSTER_FAILPOINTS
        return mu_test_clock_boottime();
#else
        return mu_clock_boottime();
#endif
}

static void fill_platform(struct shell *shell)
{
        struct mu_agent_platform *platform = &shell->common.platform;

        platform->clock = clock_in_use();
        platform->elapsed = elapsed_in_use();
        platform->crypto = mu_crypto();
        platform->read = platform_read;
        platform->act = platform_act;
        platform->save = platform_save;
        platform->install = shell->install ? platform_install : NULL;
        platform->log = platform_log;
}

/* ---- an agent's life ---- */

static void close_agent(struct shell *shell)
{
        mu_status_close(shell->options->state_dir, shell->status_fd);
        shell->status_fd = -1;
        mu_agent_destroy(shell->common.agent);
        shell->common.agent = NULL;
        mu_actions_destroy(shell->actions);
        shell->actions = NULL;
        mu_device_destroy(shell->device);
        shell->device = NULL;
        mu_net_destroy(shell->common.net);
        shell->common.net = NULL;
        mu_agent_config_done(&shell->common.config);
}

static int open_machine(struct shell *shell)
{
        const struct mu_device_options device = {.root = "",
                                                 .clock = shell->common.platform.clock,
                                                 .state_directory = shell->options->state_dir};
        int err = mu_shell_open_net(&shell->common);

        if (err == 0)
                err = mu_device_create(&device, &shell->device);
        if (err == 0)
                err = mu_actions_create(&device, &shell->actions);
        return err;
}

static int open_core(struct shell *shell, const char *text, size_t bytes)
{
        const struct mu_agent_options options = {.state_directory = shell->options->state_dir,
                                                 .config_text = text,
                                                 .config_bytes = bytes};
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";
        int err =
                mu_agent_create(&shell->common.platform, &options, &shell->common.agent, sentence);

        if (err < 0) {
                mu_log_line_error("agent.start", sentence[0] ? sentence : strerror(-err));
                return err;
        }
        mu_device_use_config(shell->device, mu_agent_get_config(shell->common.agent));
        mu_actions_use_config(shell->actions, mu_agent_get_config(shell->common.agent));
        mu_agent_network_changed(shell->common.agent, mu_device_is_online(shell->device));
        err = mu_status_open(shell->options->state_dir, &shell->status_fd);
        if (err < 0) {
                mu_log_line_error("status.unavailable", strerror(-err));
                shell->status_fd = -1; /* nobody can ask; reports go on */
        }
        return 0;
}

static void forget_text(char *text, size_t bytes)
{
        mu_agent_wipe(text, bytes);
        free(text);
}

/* 0: the caller calls mu_agent_config_done and forget_text; or an error that a line of the log
 * tells. */
static int read_config(const struct shell *shell, struct mu_agent_config *ret_config,
                       char **ret_text, size_t *ret_bytes)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES];
        int err = mu_config_file_read(shell->options->config, ret_text, ret_bytes, sentence);

        if (err == 0) {
                err = mu_agent_config_read(*ret_text, *ret_bytes, ret_config, sentence);
                if (err < 0)
                        forget_text(*ret_text, *ret_bytes);
        }
        if (err < 0)
                mu_log_line_error("config.refused", sentence);
        return err;
}

/* With shell->common.config and the text that it was read from, which is wiped and freed. */
static int open_with(struct shell *shell, char *text, size_t bytes)
{
        int err = open_machine(shell);

        if (err < 0)
                mu_log_line_error("agent.start", strerror(-err));
        else
                err = open_core(shell, text, bytes);
        forget_text(text, bytes);
        if (err < 0)
                close_agent(shell);
        return err;
}

/* 0, or an error that a line of the log tells. */
static int open_agent(struct shell *shell)
{
        char *text;
        size_t bytes;
        int err = read_config(shell, &shell->common.config, &text, &bytes);

        return err < 0 ? err : open_with(shell, text, bytes);
}

/* A file that can't be used changes nothing: the agent goes on as it was. It is read once: whoever
 * writes it may be about to write it again. */
static int reload(struct shell *shell)
{
        struct mu_agent_config config;
        char *text;
        size_t bytes;

        if (read_config(shell, &config, &text, &bytes) < 0)
                return 0;
        close_agent(shell);
        shell->common.config = config;
        mu_agent_wipe(&config, sizeof(config));
        return open_with(shell, text, bytes);
}

/* ---- what wakes it ---- */

/* Time that this machine has spent asleep since it was started, µs. */
static int64_t asleep_us(void)
{
        struct timespec boot;
        struct timespec monotonic;

        if (clock_gettime(CLOCK_BOOTTIME, &boot) < 0 ||
            clock_gettime(CLOCK_MONOTONIC, &monotonic) < 0)
                return 0;
        return (int64_t)(boot.tv_sec - monotonic.tv_sec) * MU_US_PER_S +
               (int64_t)(boot.tv_nsec - monotonic.tv_nsec) / MU_NS_PER_US;
}

/* A timer that never ends, but is cut short when the clock is set: the kernel does that also when
 * the machine wakes. */
static void arm_clock_fd(int fd)
{
        const struct itimerspec never = {.it_value = {.tv_sec = FAR_S}};

        (void)timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void look_at_clock(struct shell *shell, bool was_set)
{
        uint64_t count;
        int64_t now_asleep_us;

        if (was_set) {
                ssize_t got = read(shell->clock_fd, &count, sizeof(count)); /* ECANCELED */

                (void)got;
                arm_clock_fd(shell->clock_fd);
        }
        now_asleep_us = asleep_us();
        if (now_asleep_us - shell->asleep_us >= SLEPT_S_MIN * MU_US_PER_S)
                mu_agent_woke(shell->common.agent);
        shell->asleep_us = now_asleep_us;
}

static enum course look_at_signal(const struct shell *shell)
{
        struct signalfd_siginfo info;

        if (read(shell->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
                return GO_ON;
        return info.ssi_signo == SIGHUP ? RELOAD : LEAVE;
}

static int wait_ms(const struct shell *shell, uint64_t until_ns)
{
        int ms = mu_shell_wait_ms(&shell->common, until_ns);
        bool is_moved = shell->common.platform.clock != mu_clock_system();

        return is_moved && (ms < 0 || ms > TEST_CLOCK_WAIT_MS) ? TEST_CLOCK_WAIT_MS : ms;
}

enum { ON_SIGNAL, ON_CLOCK, ON_ACTIONS, ON_STATUS, ON_NETWORK, SOURCES };

/* One sleep, and what it brought. */
static enum course turn(struct shell *shell, uint64_t until_ns)
{
        const int sources[SOURCES] = {
                [ON_SIGNAL] = shell->signal_fd,
                [ON_CLOCK] = shell->clock_fd,
                [ON_ACTIONS] = mu_actions_fd(shell->actions),
                [ON_STATUS] = shell->status_fd,
                [ON_NETWORK] = mu_device_network_fd(shell->device),
        };
        int extra[SOURCES];
        bool extra_ready[SOURCES] = {false};
        bool ready[SOURCES] = {false};
        size_t count = 0;

        for (size_t i = 0; i < SOURCES; i++)
                if (sources[i] >= 0)
                        extra[count++] = sources[i];
        int err =
                mu_net_wait(shell->common.net, extra, count, extra_ready, wait_ms(shell, until_ns));

        if (err < 0) {
                mu_log_line_error("agent.stop", strerror(-err));
                return LEAVE;
        }
        count = 0;
        for (size_t i = 0; i < SOURCES; i++)
                ready[i] = sources[i] >= 0 && extra_ready[count++];
        look_at_clock(shell, ready[ON_CLOCK]);
        if (ready[ON_NETWORK])
                mu_agent_network_changed(shell->common.agent,
                                         mu_device_network_read(shell->device));
        if (ready[ON_ACTIONS])
                mu_actions_look(shell->actions);
        if (ready[ON_STATUS])
                mu_status_answer(shell->status_fd, shell->common.agent, &shell->facts);
        return ready[ON_SIGNAL] ? look_at_signal(shell) : GO_ON;
}

static enum course run_agent(struct shell *shell)
{
        enum course course = GO_ON;

        while (course == GO_ON) {
                uint64_t until_ns = mu_agent_step(shell->common.agent);

                if (shell->trial_fd >= 0 && mu_agent_has_reported(shell->common.agent) &&
                    mu_trial_report(&shell->trial_fd, MUSTER_VERSION) < 0)
                        return LEAVE; /* whoever tries us is gone */
                if (shell->install && mu_install_is_asked(shell->install))
                        return UPDATE;
                course = turn(shell, until_ns);
        }
        return course;
}

/* ---- from start to end ---- */

static int open_signals(struct shell *shell)
{
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        shell->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (shell->signal_fd < 0)
                return -errno;
        shell->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (shell->clock_fd < 0)
                return -errno;
        arm_clock_fd(shell->clock_fd);
        shell->asleep_us = asleep_us();
        return 0;
}

/* The new program is tried while this one is silent; success never comes back. */
static int update(struct shell *shell)
{
        char sentence[MU_AGENT_SENTENCE_BYTES] = "";

        close_agent(shell);
        int tried = mu_install_run(shell->install, shell->signal_fd, sentence);

        if (tried == -EINTR && look_at_signal(shell) == LEAVE)
                return -EINTR;
        int err = open_agent(shell);

        if (err == 0)
                mu_agent_update_done(shell->common.agent, tried, sentence);
        return err;
}

static int run(struct shell *shell)
{
        int err = open_agent(shell);

        while (err == 0) {
                switch (run_agent(shell)) {
                case RELOAD:
                        err = reload(shell);
                        break;
                case UPDATE:
                        err = update(shell);
                        if (err == -EINTR)
                                return 0;
                        break;
                default:
                        close_agent(shell);
                        return 0;
                }
        }
        return err;
}

/* The trial's limit stands in the configuration; one that can't be read is told by open_agent. */
static int64_t trial_s(const struct mu_options *options)
{
        char sentence[MU_CONFIG_SENTENCE_BYTES];
        struct mu_agent_config config;
        char *text;
        size_t bytes;
        int64_t seconds = MU_AGENT_TRIAL_S_DEFAULT;

        if (mu_config_file_read(options->config, &text, &bytes, sentence) < 0)
                return seconds;
        if (mu_agent_config_read(text, bytes, &config, sentence) == 0) {
                seconds = config.update_trial_s;
                mu_agent_config_done(&config);
        }
        forget_text(text, bytes);
        return seconds;
}

static int open_install(struct shell *shell, char **argv)
{
        const struct mu_install_options options = {
                .argv = argv, .clock = clock_in_use(), .trial_s = trial_s(shell->options)};

        return shell->trial_fd >= 0 ? 0 : mu_install_create(&options, &shell->install);
}

int mu_loop_command(const struct mu_options *options, char **argv)
{
        struct shell shell = {.options = options,
                              .signal_fd = -1,
                              .clock_fd = -1,
                              .status_fd = -1,
                              .trial_fd = options->trial_fd};
        int err = open_signals(&shell);

        if (err == 0)
                err = open_install(&shell, argv);
        mu_shell_init(&shell.common);
        fill_platform(&shell);
        shell.facts = (struct mu_status_facts){
                .version = MUSTER_VERSION,
                .clock = shell.common.platform.clock,
                .started_at_us = mu_clock_realtime_us(shell.common.platform.clock)};
        if (err < 0)
                mu_log_line_error("agent.start", strerror(-err));
        else
                err = run(&shell);
        mu_install_destroy(shell.install);
        if (shell.clock_fd >= 0)
                (void)close(shell.clock_fd);
        if (shell.signal_fd >= 0)
                (void)close(shell.signal_fd);
        return err == 0 ? MU_EXIT_OK : MU_EXIT_FAILED;
}
