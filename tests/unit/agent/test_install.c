/* SPDX-License-Identifier: Apache-2.0 */
/* Real processes: trial_agent.c as the old program and as the new one. Both write to one pipe,
 * whose end says that none of them is left. */
#include "linux/install.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"

enum {
        TAIL_BYTES = 64,
        PROGRAM_BYTES_MAX = 256 * 1024 * 1024,
        LINE_BYTES = 512,
        GOES_ON = 3, /* status of the old program */
        FINAL = 7,   /* of the new one in its place */
};

struct world {
        char directory[64];
        char binary[128];
        char previous[128];
        char fresh[128];
        char file[128]; /* the new program, as it was loaded */
        char *program;  /* trial_agent's own content */
        size_t program_bytes;
        int64_t *clock;
        pid_t pid;
        int stop_fd;
        FILE *lines;
};

static void path_of(const struct world *world, const char *name, char ret_path[128])
{
        (void)snprintf(ret_path, 128, "%s/%s", world->directory, name);
}

/* trial_agent with this tail, at path. */
static void write_program(struct world *world, const char *path, const char *tail, mode_t mode)
{
        size_t bytes = world->program_bytes + TAIL_BYTES;
        char *content = calloc(1, bytes);

        assert_non_null(content);
        memcpy(content, world->program, world->program_bytes);
        memcpy(content + world->program_bytes, tail, strlen(tail));
        assert_int_equal(mu_fs_write_file(path, content, bytes, mode), 0);
        free(content);
}

static void make_clock(struct world *world)
{
        static const int64_t zero[3];
        char path[128];

        path_of(world, "clock", path);
        assert_int_equal(mu_fs_write_file(path, zero, sizeof(zero), 0644), 0);
        int fd = open(path, O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0);
        world->clock = mmap(NULL, sizeof(zero), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_true(world->clock != MAP_FAILED);
        (void)close(fd);
        assert_int_equal(setenv("MUSTER_TEST_CLOCK", path, 1), 0);
}

static int open_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        (void)snprintf(world->directory, sizeof(world->directory), "/tmp/muster-install-XXXXXX");
        assert_non_null(mkdtemp(world->directory));
        assert_int_equal(chmod(world->directory, 0755), 0); /* nobody shall get to it */
        path_of(world, "agent", world->binary);
        path_of(world, "agent.previous", world->previous);
        path_of(world, "agent.new", world->fresh);
        path_of(world, "update.download", world->file);
        assert_int_equal(mu_fs_read_file(TRIAL_AGENT, PROGRAM_BYTES_MAX, &world->program,
                                         &world->program_bytes),
                         0);
        write_program(world, world->binary, "old 1.0.0", 0755);
        make_clock(world);
        world->stop_fd = -1;
        *state = world;
        return 0;
}

static int close_world(void **state)
{
        struct world *world = *state;
        static const char *const names[] = {"agent", "agent.previous", "agent.new",
                                            "update.download", "clock"};
        char path[128];

        if (world->lines)
                (void)fclose(world->lines);
        if (world->stop_fd >= 0)
                (void)close(world->stop_fd);
        (void)munmap(world->clock, 3 * sizeof(int64_t));
        (void)unsetenv("MUSTER_FAILPOINTS");
        (void)unsetenv("TRIAL_AS_NOBODY");
        assert_int_equal(chmod(world->directory, 0755), 0);
        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                path_of(world, names[i], path);
                (void)unlink(path);
        }
        assert_int_equal(rmdir(world->directory), 0);
        free(world->program);
        free(world);
        return 0;
}

static void start(struct world *world)
{
        int out[2];
        int in[2];

        if (world->lines)
                (void)fclose(world->lines);
        if (world->stop_fd >= 0)
                (void)close(world->stop_fd);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        world->pid = fork();
        assert_true(world->pid >= 0);
        if (world->pid == 0) {
                (void)dup2(in[0], STDIN_FILENO);
                (void)dup2(out[1], STDOUT_FILENO);
                (void)execl(world->binary, "agent", "run", world->file, (char *)NULL);
                _exit(98);
        }
        (void)close(out[1]);
        (void)close(in[0]);
        world->stop_fd = in[1];
        world->lines = fdopen(out[0], "r");
        assert_non_null(world->lines);
}

static void expect(struct world *world, const char *begins)
{
        char line[LINE_BYTES] = "(the end)";

        (void)fgets(line, sizeof(line), world->lines);
        if (strncmp(line, begins, strlen(begins)) != 0)
                fail_msg("%s, not %s", line, begins);
}

/* None of the processes is left, and the first of them ended so. */
static void expect_end(struct world *world, int status)
{
        char line[LINE_BYTES];
        int ended;

        if (fgets(line, sizeof(line), world->lines))
                fail_msg("%s, not the end", line);
        assert_int_equal(waitpid(world->pid, &ended, 0), world->pid);
        assert_int_equal(WIFEXITED(ended) ? WEXITSTATUS(ended) : -WTERMSIG(ended), status);
}

static bool is_program(const struct world *world, const char *path, const char *tail)
{
        char *content;
        size_t bytes;

        if (mu_fs_read_file(path, PROGRAM_BYTES_MAX, &content, &bytes) < 0)
                return false;
        bool is = bytes == world->program_bytes + TAIL_BYTES &&
                  memcmp(content, world->program, world->program_bytes) == 0 &&
                  strcmp(content + world->program_bytes, tail) == 0;

        free(content);
        return is && access(path, X_OK) == 0;
}

static void assert_old_stands(const struct world *world)
{
        assert_true(is_program(world, world->binary, "old 1.0.0"));
        assert_int_not_equal(access(world->fresh, F_OK), 0);
}

/* ---- it works ---- */

static void a_program_that_reports_takes_the_place(void **state)
{
        struct world *world = *state;
        struct stat now;

        write_program(world, world->file, "good 2.0.0", 0600);
        assert_int_equal(chmod(world->binary, 0750), 0);
        start(world);
        expect(world, "trial 2.0.0, 1 descriptors");
        expect(world, "told to end");
        expect(world, "final 2.0.0, 0 descriptors");
        expect_end(world, FINAL); /* of the same process */
        assert_true(is_program(world, world->binary, "good 2.0.0"));
        assert_true(is_program(world, world->previous, "old 1.0.0"));
        assert_int_not_equal(access(world->fresh, F_OK), 0);
        assert_int_equal(stat(world->binary, &now), 0);
        assert_int_equal(now.st_mode & 0777, 0750);
}

/* ---- it does not ---- */

static void assert_goes_on(struct world *world, const char *tail, const char *why)
{
        write_program(world, world->file, tail, 0600);
        start(world);
        expect(world, "trial 2.0.0");
        expect(world, why);
        expect_end(world, GOES_ON);
        assert_old_stands(world);
        assert_int_not_equal(access(world->previous, F_OK), 0);
}

static void one_that_crashes_does_not(void **state)
{
        assert_goes_on(*state, "crashing 2.0.0",
                       "goes on: ECHILD version 2.0.0 ended by itself (status 9)");
}

static void one_that_is_killed_does_not(void **state)
{
        assert_goes_on(*state, "killed 2.0.0",
                       "goes on: ECHILD version 2.0.0 ended by itself (signal 9)");
}

static void one_that_leaves_a_child_behind_does_not(void **state)
{
        struct world *world = *state;

        write_program(world, world->file, "parent 2.0.0", 0600);
        start(world);
        expect(world, "trial 2.0.0");
        expect(world, "goes on: ECHILD version 2.0.0 ended by itself (status 8)");
        (void)close(world->stop_fd); /* what it left reads there */
        world->stop_fd = -1;
        expect_end(world, GOES_ON);
        assert_old_stands(world);
}

static void one_of_another_version_does_not(void **state)
{
        assert_goes_on(*state, "lying 2.0.0",
                       "goes on: EPROTO what was offered as version 2.0.0 says that it is version "
                       "1.9.9");
}

static void one_that_babbles_does_not(void **state)
{
        assert_goes_on(*state, "babbling 2.0.0",
                       "goes on: EPROTO version 2.0.0 reported in words that are not known");
}

static void what_is_no_program_does_not(void **state)
{
        struct world *world = *state;

        assert_int_equal(mu_fs_write_file(world->file, "no program\n", 11, 0600), 0);
        start(world);
        expect(world, "goes on: ENOEXEC version 2.0.0 can't be started: Exec format error");
        expect_end(world, GOES_ON);
        assert_old_stands(world);
}

static void a_file_that_is_gone_does_not(void **state)
{
        struct world *world = *state;

        start(world);
        expect(world, "goes on: ENOENT the new program can't be made ready");
        expect_end(world, GOES_ON);
        assert_old_stands(world);
}

static void a_stop_breaks_the_trial_off(void **state)
{
        struct world *world = *state;

        write_program(world, world->file, "silent 2.0.0", 0600);
        start(world);
        expect(world, "trial 2.0.0");
        assert_int_equal(write(world->stop_fd, "x", 1), 1);
        expect(world, "told to end");
        expect(world, "goes on: EINTR");
        expect_end(world, GOES_ON);
        assert_old_stands(world);
}

static void nothing_is_tried_that_could_not_take_the_place(void **state)
{
        struct world *world = *state;

        write_program(world, world->file, "good 2.0.0", 0600);
        assert_int_equal(chmod(world->directory, 0555), 0);
        assert_int_equal(setenv("TRIAL_AS_NOBODY", "1", 1), 0);
        start(world);
        expect(world, "goes on: EACCES the agent may not replace ");
        expect_end(world, GOES_ON);
        assert_old_stands(world);
}

/* ---- kill -9, a full disk ---- */

static void a_trial_does_not_outlive_the_old_program(void **state)
{
        struct world *world = *state;

        write_program(world, world->file, "silent 2.0.0", 0600);
        start(world);
        expect(world, "trial 2.0.0");
        assert_int_equal(kill(world->pid, SIGKILL), 0);
        expect_end(world, -SIGKILL);
        assert_old_stands(world);
}

/* ---- where time can be set, and places to fail at ---- */

#ifdef MUSTER_FAILPOINTS
static void pass_s(struct world *world, int64_t seconds)
{
        __atomic_add_fetch(&world->clock[0], seconds * MU_NS_PER_S, __ATOMIC_SEQ_CST);
}

static void one_that_will_not_end_is_killed(void **state)
{
        struct world *world = *state;

        write_program(world, world->file, "stubborn 2.0.0", 0600);
        start(world);
        expect(world, "trial");
        expect(world, "will not end");
        pass_s(world, MU_INSTALL_END_S);
        expect(world, "final 2.0.0");
        expect_end(world, FINAL);
}

static void assert_time_is_over(struct world *world, const char *tail)
{
        write_program(world, world->file, tail, 0600);
        start(world);
        expect(world, "trial 2.0.0");
        pass_s(world, 120);
        expect(world, "goes on: ETIMEDOUT version 2.0.0 could not report to the appliance within "
                      "120 s");
        expect_end(world, GOES_ON);
        assert_old_stands(world);
}

static void one_that_is_silent_does_not(void **state)
{
        assert_time_is_over(*state, "silent 2.0.0");
}

static void one_that_closes_its_pipe_has_its_time_all_the_same(void **state)
{
        assert_time_is_over(*state, "closing 2.0.0");
}

static void assert_whole(struct world *world)
{
        if (!is_program(world, world->binary, "old 1.0.0") &&
            !is_program(world, world->binary, "good 2.0.0"))
                fail_msg("neither the one nor the other");
        if (access(world->previous, F_OK) == 0)
                assert_true(is_program(world, world->previous, "old 1.0.0"));
}

static void a_kill_at_any_moment_leaves_a_whole_program(void **state)
{
        static const char *const points[] = {"install.copied=crash@1", "install.previous=crash",
                                             "install.copied=crash@2", "install.replaced=crash",
                                             "install.exec=crash"};
        struct world *world = *state;
        char line[LINE_BYTES];
        size_t replaced = 0;

        for (size_t i = 0; i < MU_COUNT_OF(points); i++) {
                write_program(world, world->binary, "old 1.0.0", 0755);
                write_program(world, world->file, "good 2.0.0", 0600);
                assert_int_equal(setenv("MUSTER_FAILPOINTS", points[i], 1), 0);
                start(world);
                expect(world, "trial 2.0.0");
                while (fgets(line, sizeof(line), world->lines))
                        assert_string_equal(line, "told to end\n");
                expect_end(world, -SIGKILL);
                assert_whole(world);
                replaced += is_program(world, world->binary, "good 2.0.0");
                /* Whichever it is, it comes to the new one from there. */
                assert_int_equal(unsetenv("MUSTER_FAILPOINTS"), 0);
                start(world);
                while (fgets(line, sizeof(line), world->lines))
                        ;
                assert_memory_equal(line, "final 2.0.0,", 12);
                expect_end(world, FINAL);
                assert_int_not_equal(access(world->fresh, F_OK), 0);
        }
        assert_int_equal(replaced, 2);
}

static void a_failure_at_any_moment_leaves_the_old_program(void **state)
{
        static const char *const points[][2] = {
                {"install.copied=error:ENOSPC@1", "goes on: ENOSPC"},
                {"install.copied=error:ENOSPC@2", "goes on: ENOSPC"},
                {"install.replaced=error:EIO", "goes on: EIO"},
                {"install.exec=error:EPERM", "goes on: EPERM version 2.0.0 can't be started as"},
        };
        struct world *world = *state;

        for (size_t i = 0; i < MU_COUNT_OF(points); i++) {
                bool is_told = strncmp(points[i][0], "install.exec", 12) == 0;

                write_program(world, world->file, "good 2.0.0", 0600);
                assert_int_equal(setenv("MUSTER_FAILPOINTS", points[i][0], 1), 0);
                start(world);
                expect(world, "trial 2.0.0");
                if (is_told)
                        expect(world, "told to end");
                expect(world, points[i][1]);
                expect_end(world, GOES_ON);
                assert_old_stands(world);
        }
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_program_that_reports_takes_the_place),
                TEST(one_that_crashes_does_not),
                TEST(one_that_is_killed_does_not),
                TEST(one_that_leaves_a_child_behind_does_not),
                TEST(one_of_another_version_does_not),
                TEST(one_that_babbles_does_not),
                TEST(what_is_no_program_does_not),
                TEST(a_file_that_is_gone_does_not),
                TEST(a_stop_breaks_the_trial_off),
                TEST(nothing_is_tried_that_could_not_take_the_place),
                TEST(a_trial_does_not_outlive_the_old_program),
#ifdef MUSTER_FAILPOINTS
                TEST(one_that_will_not_end_is_killed),
                TEST(one_that_is_silent_does_not),
                TEST(one_that_closes_its_pipe_has_its_time_all_the_same),
                TEST(a_kill_at_any_moment_leaves_a_whole_program),
                TEST(a_failure_at_any_moment_leaves_the_old_program),
#endif
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
