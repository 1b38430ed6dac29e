/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h - cmocka with what it wants included first, and the test that something aborts. */
#ifndef MUSTER_TESTS_UNIT_BASE_UNIT_H
#define MUSTER_TESTS_UNIT_BASE_UNIT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/wait.h>

/* Runs the statement in a child that must die by SIGABRT. */
#define assert_aborts(statement)                                                                   \
        do {                                                                                       \
                int status_ = 0;                                                                   \
                pid_t child_ = fork();                                                             \
                assert_true(child_ >= 0);                                                          \
                if (child_ == 0) {                                                                 \
                        (void)signal(SIGABRT, SIG_DFL); /* cmocka would catch it */                \
                        (void)close(STDERR_FILENO);                                                \
                        statement;                                                                 \
                        _exit(0);                                                                  \
                }                                                                                  \
                assert_int_equal(waitpid(child_, &status_, 0), child_);                            \
                assert_true(WIFSIGNALED(status_));                                                 \
                assert_int_equal(WTERMSIG(status_), SIGABRT);                                      \
        } while (0)

#endif
