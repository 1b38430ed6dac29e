/* SPDX-License-Identifier: Apache-2.0 */
#include "app/run_files.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/fs.h"
#include "scratch.h"

static const struct mu_run_facts facts = {
        .https_port = 8443,
        .http_port = 8080,
        .http_address = "127.0.0.1",
        .database = "host=db.example dbname=\"odd\"",
};

static void one_at_a_time(void **state)
{
        char error[MU_RUN_ERROR_BYTES] = "";
        char pid[64];
        int fd = -1;
        int second = -1;
        char *text;

        assert_int_equal(mu_run_lock(*state, &fd, error), 0);
        assert_int_equal(mu_run_lock(*state, &second, error), -EBUSY);
        assert_int_equal(second, -1);
        (void)snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
        assert_non_null(strstr(error, pid));
        assert_non_null(strstr(error, *state));
        assert_int_equal(mu_fs_read_file(scratch_path(state, "musterd.pid"), 100, &text, NULL), 0);
        (void)snprintf(pid, sizeof(pid), "%d ", (int)getpid());
        assert_int_equal(strncmp(text, pid, strlen(pid)), 0);
        /* The start time, in ticks: field 22 of /proc/PID/stat, whatever the name holds. */
        assert_true(strtoull(text + strlen(pid), NULL, 10) > 0);
        free(text);
        mu_run_unlock(*state, fd);
        assert_int_equal(mu_run_lock(*state, &fd, error), 0);
        mu_run_unlock(*state, fd);
        mu_run_unlock(*state, -1);
}

static void published(void **state)
{
        char error[MU_RUN_ERROR_BYTES] = "";
        struct mu_run_facts private = facts;
        int fd = -1;

        assert_int_equal(mu_run_lock(*state, &fd, error), 0);
        assert_int_equal(mu_run_publish(*state, &facts), 0);
        json_t *run = json_load_file(scratch_path(state, "run.json"), 0, NULL);

        assert_int_equal(json_integer_value(json_object_get(run, "pid")), getpid());
        assert_string_equal(json_string_value(json_object_get(run, "ready_url")),
                            "http://127.0.0.1:8080/ready");
        assert_string_equal(json_string_value(json_object_get(run, "database")), facts.database);
        assert_null(json_object_get(run, "socket_dir"));
        json_decref(run);
        private.socket_directory = "/run/muster/x";
        assert_int_equal(mu_run_publish(*state, &private), 0);
        run = json_load_file(scratch_path(state, "run.json"), 0, NULL);
        assert_string_equal(json_string_value(json_object_get(run, "socket_dir")), "/run/muster/x");
        json_decref(run);
        mu_run_unlock(*state, fd);
        assert_int_equal(access(scratch_path(state, "run.json"), F_OK), -1);
}

static void no_place(void **state)
{
        char error[MU_RUN_ERROR_BYTES] = "";
        int fd = -1;

        assert_int_equal(mu_run_lock(scratch_path(state, "none"), &fd, error), -ENOENT);
        assert_non_null(strstr(error, "none/musterd.pid can't be written: No such file"));
        assert_true(mu_run_publish(scratch_path(state, "none"), &facts) < 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(one_at_a_time, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(published, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(no_place, scratch_setup, scratch_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
