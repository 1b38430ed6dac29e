/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_machine.h"
#include "linux/actions.h"
#include "linux/device.h"
#include "linux/relaunch.h"
#include "linux/running.h"

#define UNIT "kiosk.service"
#define PROGRAM "/opt/kiosk"

enum {
        PATIENCE_MS = 60000,
        BEAT_MS = 10,
};

struct world {
        struct fake_machine *machine;
        struct mu_clock clock;
        uint64_t now_ns;
        struct mu_agent_config config;
        struct mu_actions *actions;
        int64_t command_id; /* of the last answer; 0: none */
        char *result;
        char *error;
        int answer_count;
};

static uint64_t now_ns(void *context)
{
        const struct world *world = context;

        return world->now_ns;
}

static int64_t now_us(void *context)
{
        (void)context;
        return INT64_C(1763730300000000);
}

static int setup(void **state)
{
        static char unit[] = UNIT, program[] = PROGRAM;
        struct world *world = calloc(1, sizeof(*world));
        void *machine;

        assert_non_null(world);
        assert_int_equal(fake_machine_setup(&machine), 0);
        world->machine = machine;
        world->clock = (struct mu_clock){now_ns, now_us, world};
        world->now_ns = UINT64_C(1000) * (uint64_t)MU_NS_PER_S;
        world->config.services = (struct mu_agent_names){1, {unit}};
        world->config.programs = (struct mu_agent_names){1, {program}};
        const struct mu_device_options options = {
                .root = world->machine->root, .clock = &world->clock, .config = &world->config};

        assert_int_equal(mu_actions_create(&options, &world->actions), 0);
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;
        void *machine = world->machine;

        mu_actions_destroy(world->actions);
        free(world->result);
        free(world->error);
        free(world);
        return fake_machine_teardown(&machine);
}

static void answered(void *context, int64_t command_id, const char *result, const char *error)
{
        struct world *world = context;

        free(world->result);
        free(world->error);
        world->command_id = command_id;
        world->result = result ? strdup(result) : NULL;
        world->error = error ? strdup(error) : NULL;
        world->answer_count++;
}

static int run(struct world *world, const char *type, const char *payload)
{
        json_t *object = json_loads(payload, 0, NULL);
        const struct mu_agent_action action = {17, type, object};
        int before = world->answer_count;

        assert_non_null(object);
        int err = mu_actions_run(world->actions, &action, answered, world);

        assert_int_equal(world->answer_count, before); /* never from inside */
        json_decref(object);
        return err;
}

static void look(struct world *world)
{
        struct pollfd ready = {.fd = mu_actions_fd(world->actions), .events = POLLIN};

        assert_true(poll(&ready, 1, BEAT_MS) >= 0);
        mu_actions_look(world->actions);
}

static void wait_answer(struct world *world)
{
        int before = world->answer_count;

        for (int ms = 0; world->answer_count == before; ms += BEAT_MS) {
                assert_true(ms < PATIENCE_MS);
                look(world);
        }
        assert_int_equal(world->answer_count, before + 1);
        assert_int_equal(world->command_id, 17);
}

static void wait_done(struct world *world, const char *result)
{
        wait_answer(world);
        if (world->error)
                fail_msg("%s", world->error);
        if (result)
                assert_string_equal(world->result, result);
        else
                assert_null(world->result);
}

static void wait_failed(struct world *world, const char *part)
{
        wait_answer(world);
        assert_null(world->result);
        assert_non_null(world->error);
        if (!strstr(world->error, part))
                fail_msg("\"%s\" lacks \"%s\"", world->error, part);
}

/* What a tool left behind, with a line's end: then it is whole. */
static char *wait_file(struct world *world, const char *path)
{
        for (int ms = 0; ms < PATIENCE_MS; ms += BEAT_MS) {
                char *content = fake_machine_read(world->machine, path);

                if (content && strchr(content, '\n'))
                        return content;
                free(content);
                look(world);
        }
        fail_msg("%s never came", path);
        return NULL;
}

static void pass(struct world *world, int64_t seconds)
{
        world->now_ns += (uint64_t)(seconds * MU_NS_PER_S);
        mu_actions_look(world->actions);
}

static void check_file(struct world *world, const char *path, const char *wanted)
{
        char *content = fake_machine_read(world->machine, path);

        assert_non_null(content);
        assert_string_equal(content, wanted);
        free(content);
}

static void test_what_may_not_be_done(void **state)
{
        struct world *world = *state;

        fake_machine_tool(world->machine, "/usr/bin/systemctl", "echo \"$*\" >>\"$root/log\"");
        assert_int_equal(run(world, "wipe", "{}"), -ENOTSUP);
        assert_int_equal(run(world, "raw", "{\"name\":\"x\"}"), -ENOTSUP);
        assert_int_equal(run(world, "stop_package", "{\"package\":\"ssh.service\"}"), -EPERM);
        assert_int_equal(run(world, "launch_package", "{\"package\":\"/usr/bin/id\"}"), -EPERM);
        assert_int_equal(run(world, "launch_package", "{\"package\":\"--help\"}"), -EPERM);
        assert_int_equal(run(world, "launch_package", "{}"), -EINVAL);
        assert_int_equal(run(world, "reboot", "{}"), -EPERM);
        assert_int_equal(run(world, "screenshot", "{}"), -EPERM);
        world->config.monitored_package[0] = 'X'; /* set from afar: policy stands above it */
        assert_int_equal(run(world, "relaunch_app", "{}"), -EPERM);
        mu_actions_use_config(world->actions, NULL);
        assert_int_equal(run(world, "stop_package", "{\"package\":\"" UNIT "\"}"), -EPERM);
        assert_null(fake_machine_read(world->machine, "/log"));
}

static void test_units_go_to_systemctl(void **state)
{
        struct world *world = *state;

        fake_machine_tool(world->machine, "/usr/bin/systemctl", "echo \"$*\" >>\"$root/log\"");
        assert_int_equal(run(world, "launch_package", "{\"package\":\"" UNIT "\"}"), 0);
        wait_done(world, NULL);
        assert_int_equal(run(world, "stop_package", "{\"package\":\"" UNIT "\"}"), 0);
        wait_done(world, NULL);
        (void)snprintf(world->config.monitored_package, sizeof(world->config.monitored_package),
                       UNIT);
        assert_int_equal(run(world, "relaunch_app", "{}"), 0);
        wait_done(world, NULL);
        check_file(world, "/log",
                   "--no-ask-password start -- " UNIT "\n--no-ask-password stop -- " UNIT
                   "\n--no-ask-password restart -- " UNIT "\n");
}

static void test_a_tool_sees_nothing_of_ours(void **state)
{
        struct world *world = *state;
        int inherited[2];

        assert_int_equal(pipe(inherited), 0); /* without close-on-exec, as careless libraries do */
        assert_int_equal(setenv("MU_TEST_SECRET", "hush", 1), 0);
        fake_machine_tool(world->machine, "/usr/bin/loginctl",
                          "{ env; ls /proc/$$/fd; cat; pwd; } >\"$root/seen\"; echo \"$*\" "
                          ">\"$root/log\"");
        assert_int_equal(run(world, "lock", "{}"), 0);
        wait_done(world, NULL);
        check_file(world, "/log", "--no-ask-password lock-sessions\n");
        char *seen = fake_machine_read(world->machine, "/seen");
        char descriptor[16];

        assert_non_null(seen);
        assert_null(strstr(seen, "hush"));
        assert_non_null(strstr(seen, "PATH=/usr/local/bin:/usr/bin:/bin\n"));
        (void)snprintf(descriptor, sizeof(descriptor), "\n%d\n", inherited[1]);
        assert_null(strstr(seen, descriptor));
        assert_int_equal(seen[strlen(seen) - 2], '/'); /* the directory, after no input at all */
        free(seen);
        assert_int_equal(unsetenv("MU_TEST_SECRET"), 0);
        close(inherited[0]);
        close(inherited[1]);
        assert_int_equal(run(world, "lock", "{\"message\":\"Back to the till, please\"}"), 0);
        wait_done(world, "{\"message_shown\":false}");
}

static void test_failures_are_sentences(void **state)
{
        struct world *world = *state;

        assert_int_equal(run(world, "relaunch_app", "{}"), 0);
        wait_failed(world, "none is monitored");
        assert_int_equal(run(world, "lock", "{}"), 0);
        wait_failed(world, "/usr/bin/loginctl can't be run: No such file or directory.");
        fake_machine_tool(world->machine, "/usr/bin/loginctl", "kill -9 $$");
        assert_int_equal(run(world, "lock", "{}"), 0);
        wait_failed(world, "signal 9");
        fake_machine_tool(world->machine, "/usr/bin/systemctl",
                          "echo 'Access\tdenied' >&2; echo; exit 4");
        assert_int_equal(run(world, "stop_package", "{\"package\":\"" UNIT "\"}"), 0);
        wait_failed(world, "systemctl stop " UNIT " failed with exit code 4: Access denied");
        fake_machine_tool(world->machine, "/usr/bin/systemctl",
                          "yes word | head -c 1000000; exit 1");
        assert_int_equal(run(world, "stop_package", "{\"package\":\"" UNIT "\"}"), 0);
        wait_failed(world, "exit code 1: word word");
        assert_true(strlen(world->error) < 600);
}

static pid_t wait_pid(struct world *world, const char *path)
{
        char *content = wait_file(world, path);
        pid_t pid = (pid_t)strtol(content, NULL, 10);

        free(content);
        assert_true(pid > 1);
        return pid;
}

/* Ended, and reaped where it is ours. */
static void wait_gone(struct world *world, pid_t pid)
{
        for (int ms = 0; kill(pid, 0) == 0; ms += BEAT_MS) {
                assert_true(ms < PATIENCE_MS);
                look(world);
        }
        assert_int_equal(errno, ESRCH);
}

static void test_a_tool_that_hangs_is_killed(void **state)
{
        struct world *world = *state;

        fake_machine_tool(world->machine, "/usr/bin/loginctl",
                          "mkfifo \"$root/fifo\"; echo $$ >\"$root/pid\"; read x <\"$root/fifo\"");
        assert_int_equal(run(world, "lock", "{}"), 0);
        pid_t pid = wait_pid(world, "/pid");

        pass(world, 19);
        assert_int_equal(world->answer_count, 0);
        pass(world, 2);
        if (world->answer_count == 0)
                wait_answer(world);
        assert_non_null(strstr(world->error, "did not end in time"));
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(errno, ESRCH);
}

static void test_the_end_of_the_agent_ends_its_tools(void **state)
{
        struct world *world = *state;

        fake_machine_tool(world->machine, "/usr/bin/loginctl",
                          "mkfifo \"$root/fifo\"; echo $$ >\"$root/pid\"; read x <\"$root/fifo\"");
        assert_int_equal(run(world, "lock", "{}"), 0);
        pid_t pid = wait_pid(world, "/pid");

        mu_actions_destroy(world->actions);
        world->actions = NULL;
        assert_int_equal(world->answer_count, 0);
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(errno, ESRCH);
}

static void test_reboot_waits_and_answers_only_failure(void **state)
{
        struct world *world = *state;

        world->config.may_reboot = true;
        fake_machine_tool(world->machine, "/usr/bin/systemctl",
                          "echo \"$*\" >\"$root/log\"\necho $$ >\"$root/pid\"");
        assert_int_equal(run(world, "reboot", "{\"delay_s\":3601}"), -EINVAL);
        assert_int_equal(run(world, "reboot", "{\"delay_s\":60}"), 0);
        pass(world, 59);
        assert_null(fake_machine_read(world->machine, "/log"));
        pass(world, 1);
        wait_gone(world, wait_pid(world, "/pid"));
        check_file(world, "/log", "--no-ask-password reboot\n");
        pass(world, 299);
        assert_int_equal(world->answer_count, 0); /* a machine that goes down says no more */
        pass(world, 2);
        assert_int_equal(world->answer_count, 1);
        assert_non_null(strstr(world->error, "still up"));

        fake_machine_tool(world->machine, "/usr/bin/systemctl",
                          "echo 'Operation inhibited by \"apt\"'; exit 1");
        assert_int_equal(run(world, "reboot", "{}"), 0);
        wait_failed(world, "systemctl reboot failed with exit code 1: Operation inhibited by");
}

/* It says its number and stays until it is asked to end. */
static void install_program(struct world *world, const char *before)
{
        char script[512];

        fake_machine_link(world->machine, "/proc", "/proc");
        (void)snprintf(script, sizeof(script),
                       "%s\n[ -p \"$root/fifo\" ] || mkfifo \"$root/fifo\"\n"
                       "echo $$ >\"$root/pid\"\nread x <\"$root/fifo\"",
                       before);
        fake_machine_tool(world->machine, PROGRAM, script);
}

static void forget_pid(struct world *world)
{
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/pid", world->machine->root);
        assert_int_equal(unlink(path), 0);
}

static pid_t launch(struct world *world)
{
        int before = world->answer_count;

        assert_int_equal(run(world, "launch_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        pid_t pid = wait_pid(world, "/pid");

        assert_int_equal(world->answer_count, before);
        pass(world, 2); /* it has stayed */
        assert_int_equal(world->answer_count, before + 1);
        assert_null(world->error);
        return pid;
}

static void test_programs_are_started_and_ended(void **state)
{
        struct world *world = *state;

        install_program(world, "");
        assert_int_equal(mu_is_running(world->machine->root, PROGRAM), MU_AGENT_NO);
        pid_t first = launch(world);

        assert_int_equal(mu_is_running(world->machine->root, PROGRAM), MU_AGENT_YES);
        assert_int_equal(getsid(first), first); /* apart from us */
        assert_int_equal(run(world, "launch_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_done(world, "{\"already_running\":true}");

        forget_pid(world);
        assert_int_equal(run(world, "relaunch_app", "{\"package\":\"" PROGRAM "\"}"), 0);
        pid_t second = wait_pid(world, "/pid");

        assert_int_not_equal(second, first);
        wait_gone(world, first);
        pass(world, 2);
        assert_int_equal(world->answer_count, 3);
        assert_null(world->error);

        assert_int_equal(run(world, "stop_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_done(world, "{\"stopped\":1}");
        assert_int_equal(run(world, "stop_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_done(world, "{\"stopped\":0}");
        assert_int_equal(mu_is_running(world->machine->root, PROGRAM), MU_AGENT_NO);
}

static void test_a_program_that_falls_over_is_told(void **state)
{
        struct world *world = *state;

        fake_machine_link(world->machine, "/proc", "/proc");
        assert_int_equal(run(world, "launch_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_failed(world, PROGRAM " can't be started: No such file or directory.");
        fake_machine_tool(world->machine, PROGRAM, "exit 3");
        assert_int_equal(run(world, "launch_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_failed(world, "ended at once with exit code 3");
        fake_machine_tool(world->machine, PROGRAM, "kill -11 $$");
        assert_int_equal(run(world, "launch_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_failed(world, "ended at once by signal 11");
        fake_machine_tool(world->machine, PROGRAM, "exit 0"); /* a daemon of the old kind */
        assert_int_equal(run(world, "launch_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_done(world, NULL);
}

static void test_a_program_that_will_not_end_and_outlives_us(void **state)
{
        struct world *world = *state;

        install_program(world, "trap '' TERM");
        pid_t pid = launch(world);

        assert_int_equal(run(world, "stop_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        pass(world, 9);
        assert_int_equal(world->answer_count, 1);
        pass(world, 2);
        assert_int_equal(world->answer_count, 2);
        assert_non_null(strstr(world->error, "still runs 10 s after"));
        mu_actions_destroy(world->actions);
        world->actions = NULL;
        assert_int_equal(kill(pid, 0), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
}

static void test_screenshots_shrink_until_they_fit(void **state)
{
        struct world *world = *state;

        world->config.may_screenshot = true;
        assert_int_equal(setenv("WAYLAND_DISPLAY", "wayland-9", 1), 0);
        assert_int_equal(run(world, "screenshot", "{}"), 0);
        wait_failed(world, "neither grim");
        fake_machine_tool(world->machine, "/usr/bin/grim",
                          "echo \"$6\" >>\"$root/log\"\n"
                          "[ $6 = 0.5 ] && exec yes too much\nprintf image");
        assert_int_equal(run(world, "screenshot", "{}"), 0);
        wait_done(world, "{\"media_type\":\"image/jpeg\",\"user_notified\":false,"
                         "\"data\":\"aW1hZ2U=\"}");
        check_file(world, "/log", "0.5\n0.25\n");
        fake_machine_tool(world->machine, "/usr/bin/notify-send",
                          "printf '%s\\n' \"$@\" >\"$root/told\"");
        assert_int_equal(run(world, "screenshot", "{\"reason\":\"-a <b> & c\"}"), 0);
        wait_done(world, "{\"media_type\":\"image/jpeg\",\"user_notified\":true,"
                         "\"data\":\"aW1hZ2U=\"}");
        check_file(world, "/told",
                   "--app-name=Muster\n--\nYour administrator takes a screenshot\n"
                   "-a &lt;b> &amp; c\n");
        fake_machine_tool(world->machine, "/usr/bin/grim", "exec yes too much");
        assert_int_equal(run(world, "screenshot", "{}"), 0);
        wait_failed(world, "larger than 46 KiB");
        fake_machine_tool(world->machine, "/usr/bin/grim", "echo compositor >&2; exit 1");
        assert_int_equal(run(world, "screenshot", "{}"), 0);
        wait_failed(world, "grim failed with exit code 1");
        assert_int_equal(unsetenv("WAYLAND_DISPLAY"), 0);
}

static void populate(struct world *world, const char *group, const char *populated)
{
        char path[256], events[64];

        (void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/cgroup.events", group);
        (void)snprintf(events, sizeof(events), "populated %s\nfrozen 0\n", populated);
        fake_machine_file(world->machine, path, events);
}

static void test_units_are_found_in_their_groups(void **state)
{
        struct world *world = *state;
        const char *root = world->machine->root;

        assert_int_equal(mu_is_running(root, UNIT), MU_AGENT_UNKNOWN); /* no groups: not known */
        fake_machine_file(world->machine, "/sys/fs/cgroup/cgroup.procs", "");
        fake_machine_file(world->machine, "/sys/fs/cgroup/cgroup.controllers", "cpu\n");
        assert_int_equal(mu_is_running(root, UNIT), MU_AGENT_NO);
        populate(world, "system.slice/" UNIT, "1");
        assert_int_equal(mu_is_running(root, UNIT), MU_AGENT_YES);
        populate(world, "system.slice/" UNIT, "0");
        assert_int_equal(mu_is_running(root, UNIT), MU_AGENT_NO);
        populate(world, "user.slice/user-1.slice/user@1.service/app.slice/till@2.service", "1");
        assert_int_equal(mu_is_running(root, "till@2.service"), MU_AGENT_YES);
        assert_int_equal(mu_is_running(root, "Firefox"), MU_AGENT_UNKNOWN);
        assert_false(mu_is_unit_name("../x.service"));
        assert_false(mu_is_unit_name("-M.service"));
        assert_false(mu_is_unit_name("a b.service"));
        assert_false(mu_is_unit_name(".service"));
        assert_true(mu_is_unit_name("a\\x2db@1.service"));
}

static void test_auto_relaunch_tries_three_times(void **state)
{
        struct world *world = *state;

        fake_machine_tool(world->machine, "/usr/bin/systemctl", "echo \"$2\" >>\"$root/log\"");
        fake_machine_file(world->machine, "/sys/fs/cgroup/cgroup.procs", "");
        fake_machine_file(world->machine, "/sys/fs/cgroup/cgroup.controllers", "cpu\n");
        (void)snprintf(world->config.monitored_package, sizeof(world->config.monitored_package),
                       UNIT);
        assert_int_equal(mu_actions_auto_relaunch(world->actions), 0); /* not wanted */
        world->config.auto_relaunch = true;
        assert_int_equal(mu_actions_auto_relaunch(world->actions), 1);
        assert_int_equal(mu_actions_auto_relaunch(world->actions), 1); /* is at it */
        for (uint64_t count = 2; count <= 5; count++) {
                char wanted[64] = "";

                for (uint64_t i = 1; i < count && i <= MU_RELAUNCH_TRIES_MAX; i++)
                        (void)snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted),
                                       "restart\n");
                for (int ms = 0; ms < PATIENCE_MS; ms += BEAT_MS) {
                        char *log = fake_machine_read(world->machine, "/log");
                        bool there = log && strcmp(log, wanted) == 0;

                        free(log);
                        if (there)
                                break;
                        look(world);
                }
                check_file(world, "/log", wanted);
                /* The act is over when another may begin: its tool's end has to be seen. */
                assert_int_equal(run(world, "stop_package", "{\"package\":\"no\"}"), -EPERM);
                look(world);
                pass(world, MU_RELAUNCH_PAUSE_S);
                look(world);
                for (int ms = 0; ms < PATIENCE_MS && count <= MU_RELAUNCH_TRIES_MAX;
                     ms += BEAT_MS) {
                        if (mu_actions_auto_relaunch(world->actions) == count)
                                break;
                        look(world);
                }
                assert_int_equal(mu_actions_auto_relaunch(world->actions),
                                 count <= MU_RELAUNCH_TRIES_MAX ? count : MU_RELAUNCH_TRIES_MAX);
        }
        assert_int_equal(world->answer_count, 0); /* nobody had asked */
}

static void test_what_an_operator_stopped_stays_so(void **state)
{
        struct world *world = *state;

        install_program(world, "");
        (void)snprintf(world->config.monitored_package, sizeof(world->config.monitored_package),
                       PROGRAM);
        world->config.auto_relaunch = true;
        pid_t pid = launch(world);

        assert_int_equal(mu_actions_auto_relaunch(world->actions), 0); /* it runs */
        assert_int_equal(run(world, "stop_package", "{\"package\":\"" PROGRAM "\"}"), 0);
        wait_done(world, "{\"stopped\":1}");
        wait_gone(world, pid);
        pass(world, MU_RELAUNCH_PAUSE_S);
        assert_int_equal(mu_actions_auto_relaunch(world->actions), 0);

        forget_pid(world);
        pid = launch(world);
        assert_int_equal(kill(pid, SIGKILL), 0); /* it crashed */
        wait_gone(world, pid);
        forget_pid(world);
        assert_int_equal(mu_actions_auto_relaunch(world->actions), 1);
        pid = wait_pid(world, "/pid");
        assert_int_equal(kill(pid, SIGKILL), 0);
        wait_gone(world, pid);
}

static void test_relaunch_counts_a_row(void **state)
{
        struct mu_relaunch relaunch = {0};
        uint64_t minute_ns = (uint64_t)(MU_RELAUNCH_PAUSE_S * MU_NS_PER_S), now = 5;

        (void)state;
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_UNKNOWN, now));
        assert_true(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now));
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now + minute_ns - 1));
        assert_true(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now += minute_ns));
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_YES, now)); /* for a moment */
        assert_true(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now += minute_ns));
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now += minute_ns));
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_YES, now));
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_YES, now));
        assert_true(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now)); /* a new row */

        mu_relaunch_asked(&relaunch, "a", false);
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now += minute_ns));
        mu_relaunch_asked(&relaunch, "other", true);
        assert_false(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now += minute_ns));
        mu_relaunch_asked(&relaunch, "a", true);
        assert_true(mu_relaunch_is_due(&relaunch, "a", MU_AGENT_NO, now));
        assert_true(mu_relaunch_is_due(&relaunch, "b", MU_AGENT_NO, now)); /* another's row */
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_A_WORLD(test_what_may_not_be_done),
                IN_A_WORLD(test_units_go_to_systemctl),
                IN_A_WORLD(test_a_tool_sees_nothing_of_ours),
                IN_A_WORLD(test_failures_are_sentences),
                IN_A_WORLD(test_a_tool_that_hangs_is_killed),
                IN_A_WORLD(test_the_end_of_the_agent_ends_its_tools),
                IN_A_WORLD(test_reboot_waits_and_answers_only_failure),
                IN_A_WORLD(test_programs_are_started_and_ended),
                IN_A_WORLD(test_a_program_that_falls_over_is_told),
                IN_A_WORLD(test_a_program_that_will_not_end_and_outlives_us),
                IN_A_WORLD(test_screenshots_shrink_until_they_fit),
                IN_A_WORLD(test_units_are_found_in_their_groups),
                IN_A_WORLD(test_auto_relaunch_tries_three_times),
                IN_A_WORLD(test_what_an_operator_stopped_stays_so),
                cmocka_unit_test(test_relaunch_counts_a_row),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
