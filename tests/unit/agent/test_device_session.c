/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <utmp.h>

#include "fake_machine.h"
#include "linux/session.h"

#define NOW_S INT64_C(1763730300)

/* Its terminal was last read that long ago. */
static void terminal(struct fake_machine *machine, const char *path, int64_t ago_s)
{
        struct timespec times[] = {{.tv_sec = (time_t)(NOW_S - ago_s)}, {.tv_sec = (time_t)NOW_S}};
        char whole[256];

        fake_machine_file(machine, path, "");
        (void)snprintf(whole, sizeof(whole), "%s%s", machine->root, path);
        assert_int_equal(utimensat(AT_FDCWD, whole, times, 0), 0);
}

static void check(const struct fake_machine *machine, const char *user, const char *type,
                  int64_t idle_s)
{
        struct mu_session session;

        mu_session_read(machine->root, NOW_S, &session);
        assert_string_equal(session.user, user);
        assert_string_equal(session.type, type);
        assert_int_equal(session.idle_s, idle_s);
}

static void test_nobody(void **state)
{
        check(*state, "", "", -1);
        fake_machine_directory(*state, "/run/systemd/sessions");
        check(*state, "", "", -1);
}

static void test_the_one_at_the_seat_is_told(void **state)
{
        struct fake_machine *machine = *state;

        fake_machine_file(machine, "/run/systemd/sessions/c1",
                          "# This is private data. Do not parse.\nUID=42\nUSER=gdm\nSTATE=online\n"
                          "REMOTE=0\nTYPE=wayland\nCLASS=greeter\nSEAT=seat0\nTTY=tty1\n");
        check(machine, "", "", -1); /* the greeter is nobody */
        fake_machine_file(machine, "/run/systemd/sessions/7",
                          "UID=1001\nUSER=remote\nSTATE=active\nREMOTE=1\nTYPE=tty\nCLASS=user\n"
                          "TTY=pts/3\n");
        terminal(machine, "/dev/pts/3", 120);
        check(machine, "remote", "tty", 120);
        fake_machine_file(machine, "/run/systemd/sessions/3",
                          "UID=1000\nUSER=kim\nSTATE=active\nREMOTE=0\nTYPE=x11\nCLASS=user\n"
                          "SEAT=seat0\nTTY=tty2\nDISPLAY=:0\n");
        fake_machine_file(machine, "/run/systemd/sessions/5",
                          "UID=1002\nUSER=switched\nSTATE=online\nREMOTE=0\nTYPE=wayland\n"
                          "CLASS=user\nSEAT=seat0\nTTY=tty4\n");
        terminal(machine, "/dev/tty2", 7); /* of a desktop it says nothing */
        check(machine, "kim", "x11", -1);
}

static void test_a_seat_comes_before_none(void **state)
{
        fake_machine_file(*state, "/run/systemd/sessions/8",
                          "USER=job\nSTATE=active\nREMOTE=0\nTYPE=tty\nCLASS=user\n");
        check(*state, "job", "tty", -1);
        fake_machine_file(*state, "/run/systemd/sessions/2",
                          "USER=kim\nSTATE=online\nREMOTE=0\nTYPE=tty\nCLASS=user\nSEAT=seat0\n");
        fake_machine_file(*state, "/run/systemd/sessions/9",
                          "USER=cron\nSTATE=active\nREMOTE=0\nTYPE=tty\nCLASS=user\n");
        check(*state, "kim", "tty", -1);
}

static void test_closing_sessions_and_their_pipes_do_not_count(void **state)
{
        fake_machine_file(*state, "/run/systemd/sessions/3",
                          "USER=kim\nSTATE=closing\nREMOTE=0\nTYPE=x11\nCLASS=user\nSEAT=seat0\n");
        fake_machine_file(*state, "/run/systemd/sessions/4.ref",
                          "USER=kim\nSTATE=active\nREMOTE=0\nTYPE=x11\nCLASS=user\nSEAT=seat0\n");
        check(*state, "", "", -1);
}

static void test_a_name_is_made_fit_to_travel(void **state)
{
        fake_machine_file(*state, "/run/systemd/sessions/3",
                          "USER=k\xc3\xa4the\xff\x01\nSTATE=active\nTYPE=tty\nCLASS=user\n");
        check(*state, "k\xc3\xa4the??", "tty", -1);
}

static void record(struct utmp *ret_record, const char *user, const char *line, const char *host)
{
        *ret_record = (struct utmp){.ut_type = USER_PROCESS};
        /* Fields of that file need no NUL. */
        memcpy(ret_record->ut_user, user, strnlen(user, sizeof(ret_record->ut_user)));
        memcpy(ret_record->ut_line, line, strnlen(line, sizeof(ret_record->ut_line)));
        memcpy(ret_record->ut_host, host, strnlen(host, sizeof(ret_record->ut_host)));
}

static void test_utmp_where_logind_is_not(void **state)
{
        struct fake_machine *machine = *state;
        struct utmp records[4];

        record(&records[0], "reboot", "~", "6.1.0");
        records[0].ut_type = BOOT_TIME;
        record(&records[1], "far", "pts/0", "192.0.2.7");
        record(&records[2], "near", "tty1", "");
        record(&records[3], "gone", "tty3", "");
        records[3].ut_type = DEAD_PROCESS;
        fake_machine_data(machine, "/run/utmp", records, 2 * sizeof(records[0]));
        terminal(machine, "/dev/pts/0", 5);
        terminal(machine, "/dev/tty1", 3600);
        check(machine, "far", "tty", 5);
        fake_machine_data(machine, "/run/utmp", records, sizeof(records));
        check(machine, "near", "tty", 3600);
        fake_machine_directory(machine, "/run/systemd/sessions"); /* logind's word is the better */
        check(machine, "", "", -1);
}

static void test_a_terminal_read_in_the_future_is_not_idle(void **state)
{
        fake_machine_file(*state, "/run/systemd/sessions/3",
                          "USER=kim\nSTATE=active\nTYPE=tty\nCLASS=user\nTTY=tty1\n");
        terminal(*state, "/dev/tty1", -50);
        check(*state, "kim", "tty", 0);
}

#define ON_A_MACHINE(test)                                                                         \
        cmocka_unit_test_setup_teardown(test, fake_machine_setup, fake_machine_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_A_MACHINE(test_nobody),
                ON_A_MACHINE(test_the_one_at_the_seat_is_told),
                ON_A_MACHINE(test_a_seat_comes_before_none),
                ON_A_MACHINE(test_closing_sessions_and_their_pipes_do_not_count),
                ON_A_MACHINE(test_a_name_is_made_fit_to_travel),
                ON_A_MACHINE(test_utmp_where_logind_is_not),
                ON_A_MACHINE(test_a_terminal_read_in_the_future_is_not_idle),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
