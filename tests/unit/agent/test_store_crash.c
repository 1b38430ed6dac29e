/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Killed in the middle of its writes, again and again: what was answered is there, all of it, and
 * nothing of what was only begun but the one step that was under way.
 *
 *   child   step n, n+1, … on queue, book and facts; each that was answered: its number into a pipe
 *   parent  reads some numbers, kills it, opens the database, compares it with the same steps done
 * on an array: up to the last number that came, or one further
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "fake_platform.h"
#include "store_steps.h"

enum { KILLS = 60, REPORTS_MAX = 40, STEPS_MAX = 100000 };

_Noreturn static void run_child(struct fake_platform *fake, int64_t number, int reports)
{
        struct mu_agent_core core;
        char *body = malloc(STEP_BODY_BYTES_MAX);

        fake_core_open(fake, &core);
        for (; body && number < STEPS_MAX; number++) {
                if (step_do(&core, number, body) < 0)
                        _exit(2);
                if (write(reports, &number, sizeof(number)) != (ssize_t)sizeof(number))
                        _exit(3);
        }
        _exit(4);
}

/* Reads so many reports, kills, reads the rest: the number of steps that were answered. */
static int64_t run_and_kill(struct fake_platform *fake, int64_t steps, uint64_t reports)
{
        int ends[2];
        int64_t number;
        int status;

        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                (void)close(ends[0]);
                run_child(fake, steps, ends[1]);
        }
        (void)close(ends[1]);
        for (uint64_t i = 0; read(ends[0], &number, sizeof(number)) == (ssize_t)sizeof(number);
             i++) {
                assert_int_equal(number, steps);
                steps++;
                if (i == reports)
                        assert_int_equal(kill(pid, SIGKILL), 0);
        }
        (void)close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        return steps;
}

static void test_killed_while_writing(void **state)
{
        struct fake_platform *fake = fake_platform_create();
        struct step_model *model = malloc(sizeof(*model));
        struct mu_random random;
        unsigned further = 0;

        (void)state;
        assert_non_null(model);
        mu_random_seed(&random, 5);
        step_model_init(model);
        for (int i = 0; i < KILLS; i++) {
                int64_t steps =
                        run_and_kill(fake, model->steps, mu_random_below(&random, REPORTS_MAX));
                struct mu_agent_core core;

                while (model->steps < steps)
                        step_model_next(model);
                fake_core_open(fake, &core);
                assert_int_equal(fake_events(fake, "store.damaged"), 0);
                further += step_model_settle(model, &core) > 0;
                fake_core_close(&core);
        }
        assert_true(model->steps > KILLS);
        print_message("%" PRId64 " steps, %u times one further than answered\n", model->steps,
                      further);
        free(model);
        fake_platform_destroy(fake);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_killed_while_writing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
