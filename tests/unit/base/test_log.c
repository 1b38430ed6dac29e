/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "fake_clock.h"

/* 2026-11-21 09:50:00.123456 UTC */
#define NOW_US INT64_C(1795254600123456)

static struct fake_clock fake;

static void open_log(const char *path, uint64_t rotate_bytes, uint32_t keep_days)
{
        fake_clock_init(&fake, NOW_US);
        assert_int_equal(mu_log_open(&(struct mu_log_options){.level = MU_LOG_DEBUG,
                                                              .path = path,
                                                              .rotate_bytes = rotate_bytes,
                                                              .keep_days = keep_days,
                                                              .clock = &fake.clock}),
                         0);
}

/* The lines of a file, each of which must be a JSON object; NULL after the last. */
static json_t **read_lines(const char *path)
{
        static json_t *lines[4096];
        char *data;
        size_t count = 0;

        assert_int_equal(mu_fs_read_file(path, 64 << 20, &data, NULL), 0);
        for (char *at = data, *end; *at; at = end + 1) {
                end = strchr(at, '\n');
                assert_non_null(end);
                assert_true(end - at < MU_LOG_LINE_BYTES_MAX);
                assert_true(count < MU_COUNT_OF(lines) - 1);
                lines[count] = json_loadb(at, (size_t)(end - at),
                                          JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
                assert_non_null(lines[count]);
                count++;
        }
        free(data);
        lines[count] = NULL;
        return lines;
}

static size_t free_lines(json_t **lines)
{
        size_t count = 0;

        for (; lines[count]; count++)
                json_decref(lines[count]);
        return count;
}

static const char *string_of(json_t *line, const char *key)
{
        const char *value = json_string_value(json_object_get(line, key));

        assert_non_null(value);
        return value;
}

static void test_fields(void **state)
{
        const char *path = scratch_path(state, "log");

        open_log(path, 0, 0);
        mu_log(MU_LOG_INFO, "plain");
        mu_log(MU_LOG_ERROR, "all.kinds", MU_LOG_STR("text", "say \"hi\"\n"),
               MU_LOG_BYTES("noise", "a\0\xff", 3), MU_LOG_STR("none", NULL),
               MU_LOG_INT("int", INT64_MIN), MU_LOG_UINT("uint", 42), MU_LOG_BOOL("yes", true),
               MU_LOG_DOUBLE("pi", 3.25), MU_LOG_DOUBLE("nan", NAN), MU_LOG_ERRNO(-ENOSPC),
               MU_LOG_REQUEST_ID("r-1"));
        mu_log_close();

        json_t **lines = read_lines(path);
        assert_string_equal(string_of(lines[0], "ts"), "2026-11-21T09:50:00.123456Z");
        assert_string_equal(string_of(lines[0], "level"), "info");
        assert_string_equal(string_of(lines[0], "event"), "plain");
        assert_non_null(json_object_get(lines[0], "thread"));
        assert_int_equal(json_object_size(lines[0]), 4);
        json_t *line = lines[1];
        assert_string_equal(string_of(line, "level"), "error");
        assert_string_equal(string_of(line, "text"), "say \"hi\"\n");
        assert_int_equal(json_string_length(json_object_get(line, "noise")), 5);
        assert_memory_equal(string_of(line, "noise"), "a\0\xef\xbf\xbd", 5);
        assert_true(json_is_null(json_object_get(line, "none")));
        assert_true(json_integer_value(json_object_get(line, "int")) == INT64_MIN);
        assert_int_equal(json_integer_value(json_object_get(line, "uint")), 42);
        assert_true(json_is_true(json_object_get(line, "yes")));
        assert_true(json_real_value(json_object_get(line, "pi")) == 3.25);
        assert_true(json_is_null(json_object_get(line, "nan")));
        assert_string_equal(string_of(line, "error"), "No space left on device");
        assert_int_equal(json_integer_value(json_object_get(line, "errno")), ENOSPC);
        assert_string_equal(string_of(line, "request_id"), "r-1");
        assert_int_equal(free_lines(lines), 2);
}

static void test_levels(void **state)
{
        const char *path = scratch_path(state, "log");
        enum mu_log_level level = MU_LOG_INFO;
        int evaluated = 0;

        open_log(path, 0, 0);
        mu_log_set_level(MU_LOG_WARNING);
        mu_log(MU_LOG_INFO, "quiet", MU_LOG_INT("n", ++evaluated));
        mu_log(MU_LOG_WARNING, "heard");
        mu_log_set_level(MU_LOG_DEBUG);
        mu_log(MU_LOG_DEBUG, "heard.too");
        mu_log_close();
        assert_int_equal(evaluated, 0); /* what is not logged costs nothing */
        json_t **lines = read_lines(path);
        assert_string_equal(string_of(lines[0], "event"), "heard");
        assert_string_equal(string_of(lines[1], "event"), "heard.too");
        assert_int_equal(free_lines(lines), 2);

        assert_int_equal(mu_log_level_parse("error", &level), 0);
        assert_int_equal(level, MU_LOG_ERROR);
        assert_int_equal(mu_log_level_parse("loud", &level), -EINVAL);
        assert_int_equal(level, MU_LOG_ERROR);
}

/* Too much for a line: what fits stays, a long string is shortened, and the line says so. */
static void test_long_lines_are_cut(void **state)
{
        const char *path = scratch_path(state, "log");
        static char long_text[100000];

        memset(long_text, '"', sizeof(long_text)); /* two bytes each once escaped */
        open_log(path, 0, 0);
        mu_log(MU_LOG_INFO, "long", MU_LOG_INT("before", 1),
               MU_LOG_BYTES("text", long_text, sizeof(long_text)), MU_LOG_INT("after", 2));
        mu_log_close();
        json_t **lines = read_lines(path);
        assert_true(json_is_true(json_object_get(lines[0], "truncated")));
        assert_int_equal(json_integer_value(json_object_get(lines[0], "before")), 1);
        assert_int_equal(json_integer_value(json_object_get(lines[0], "after")), 2);
        assert_true(json_string_length(json_object_get(lines[0], "text")) > 900);
        assert_int_equal(free_lines(lines), 1);
}

static void log_repeats(int times)
{
        for (int i = 0; i < times; i++)
                mu_log(MU_LOG_WARNING, "again", MU_LOG_INT("i", i));
}

static json_int_t suppressed_in(json_t *line)
{
        return json_integer_value(json_object_get(line, "suppressed"));
}

static void test_repeats_are_held_back(void **state)
{
        const char *path = scratch_path(state, "log");

        open_log(path, 0, 0);
        log_repeats(MU_LOG_BURST + 30);
        mu_log(MU_LOG_WARNING, "another"); /* other events speak on */
        fake_clock_advance_ms(&fake, 999);
        log_repeats(1);
        fake_clock_advance_ms(&fake, 1);
        log_repeats(MU_LOG_BURST + 5);
        mu_log_report_suppressed();
        mu_log_report_suppressed(); /* nothing more to say */
        fake_clock_advance_ms(&fake, 1000);
        log_repeats(1);
        mu_log_close();

        json_t **lines = read_lines(path);
        assert_int_equal(suppressed_in(lines[MU_LOG_BURST - 1]), 0);
        assert_string_equal(string_of(lines[MU_LOG_BURST], "event"), "another");
        assert_string_equal(string_of(lines[MU_LOG_BURST + 1], "event"), "again");
        assert_int_equal(suppressed_in(lines[MU_LOG_BURST + 1]), 31);
        assert_int_equal(suppressed_in(lines[MU_LOG_BURST + 2]), 0);
        json_t *report = lines[2 * MU_LOG_BURST + 1];
        assert_string_equal(string_of(report, "event"), "log.suppressed");
        assert_string_equal(string_of(report, "of"), "again");
        assert_int_equal(suppressed_in(report), 5);
        assert_int_equal(suppressed_in(lines[2 * MU_LOG_BURST + 2]), 0);
        assert_int_equal(free_lines(lines), 2 * MU_LOG_BURST + 3);
}

static int count_rotated(void **state)
{
        DIR *entries = opendir(*state);
        int count = 0;

        assert_non_null(entries);
        for (struct dirent *entry; (entry = readdir(entries));)
                count += strncmp(entry->d_name, "log.", 4) == 0;
        (void)closedir(entries);
        return count;
}

static void test_rotates_by_size(void **state)
{
        const char *path = scratch_path(state, "log");
        char pad[500];
        size_t lines_count = 0;

        memset(pad, 'x', sizeof(pad));
        open_log(path, 2000, 0);
        for (int i = 0; i < 10; i++)
                mu_log(MU_LOG_INFO, "padded", MU_LOG_BYTES("pad", pad, sizeof(pad)));
        mu_log_close();
        assert_int_equal(count_rotated(state), 3); /* 3 lines each, and one left */
        lines_count += free_lines(read_lines(path));
        lines_count += free_lines(read_lines(scratch_path(state, "log.20261121T095000Z")));
        lines_count += free_lines(read_lines(scratch_path(state, "log.20261121T095000Z-2")));
        lines_count += free_lines(read_lines(scratch_path(state, "log.20261121T095000Z-3")));
        assert_int_equal(lines_count, 10);
}

static void touch(void **state, const char *name)
{
        assert_int_equal(mu_fs_write_file(scratch_path(state, name), "", 0, 0600), 0);
}

static void test_rotates_by_day_and_removes_old(void **state)
{
        const char *path = scratch_path(state, "log");

        touch(state, "log.20261120T000000Z");    /* 3 days on the 23rd: kept */
        touch(state, "log.20261119T235959Z-2");  /* 4 days */
        touch(state, "log.20200101T000000Z.gz"); /* not ours */
        touch(state, "logo.20200101T000000Z");
        open_log(path, 0, 3);
        mu_log(MU_LOG_INFO, "day.one");
        assert_int_equal(count_rotated(state), 3);
        fake_clock_advance_ms(&fake, 2 * MU_S_PER_DAY * MU_MS_PER_S);
        mu_log(MU_LOG_INFO, "day.three");
        mu_log(MU_LOG_INFO, "day.three");
        mu_log_close();
        assert_int_equal(free_lines(read_lines(path)), 2);
        assert_int_equal(free_lines(read_lines(scratch_path(state, "log.20261123T095000Z"))), 1);
        assert_int_equal(access(scratch_path(state, "log.20261120T000000Z"), F_OK), 0);
        assert_int_equal(access(scratch_path(state, "log.20261119T235959Z-2"), F_OK), -1);
        assert_int_equal(access(scratch_path(state, "log.20200101T000000Z.gz"), F_OK), 0);
        assert_int_equal(access(scratch_path(state, "logo.20200101T000000Z"), F_OK), 0);
}

static void test_open_failure_is_told(void **state)
{
        struct mu_log_options options = {.level = MU_LOG_INFO,
                                         .path = scratch_path(state, "none/log")};

        assert_int_equal(mu_log_open(&options), -ENOENT);
        mu_log_close();
}

/* A pipe that nobody reads: logging goes on, and says afterwards how much was lost. */
static void test_slow_consumer_loses_lines_not_time(void **state)
{
        const char *path = scratch_path(state, "out");
        static char drain[1 << 20];
        int ends[2];
        int before = dup(STDERR_FILENO);
        int lost = 0;
        char block[4096];

        assert_int_equal(pipe(ends), 0);
        memset(block, '\n', sizeof(block));
        assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
        while (write(ends[1], block, sizeof(block)) > 0)
                continue;
        assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0); /* full, and writing would block */

        open_log(NULL, 0, 0);
        (void)dup2(ends[1], STDERR_FILENO);
        for (; lost < 5; lost++)
                mu_log(MU_LOG_INFO, "into.the.void");
        /* What was suppressed goes down with the line that would have told it. */
        log_repeats(MU_LOG_BURST + 3);
        fake_clock_advance_ms(&fake, 1000);
        log_repeats(1);
        lost += MU_LOG_BURST + 4;
        assert_true(read(ends[0], drain, sizeof(drain)) > 0);
        mu_log(MU_LOG_INFO, "heard.again");
        mu_log(MU_LOG_INFO, "and.on");
        mu_log_close();
        (void)dup2(before, STDERR_FILENO);
        (void)close(before);
        (void)close(ends[1]);

        ssize_t bytes = read(ends[0], drain, sizeof(drain));
        assert_true(bytes > 0);
        (void)close(ends[0]);
        const char *first = memchr(drain, '{', (size_t)bytes);
        assert_non_null(first);
        assert_int_equal(mu_fs_write_file(path, first, (size_t)(drain + bytes - first), 0600), 0);
        json_t **lines = read_lines(path);
        assert_string_equal(string_of(lines[0], "event"), "heard.again");
        assert_int_equal(json_integer_value(json_object_get(lines[0], "dropped")), lost);
        assert_null(json_object_get(lines[1], "dropped"));
        assert_int_equal(free_lines(lines), 2);
}

/* A file system that fills up in the middle of a line: the line is lost and counted, the next one
 * starts on a line of its own. */
static void test_torn_line_is_ended(void **state)
{
        const char *path = scratch_path(state, "log");
        struct rlimit before;
        char pad[300];
        char *data;
        size_t bytes;

        memset(pad, 'x', sizeof(pad));
        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        struct rlimit full = {.rlim_cur = 700, .rlim_max = before.rlim_max};

        open_log(path, 0, 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
        for (int i = 0; i < 4; i++)
                mu_log(MU_LOG_INFO, "padded", MU_LOG_BYTES("pad", pad, sizeof(pad)));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        mu_log(MU_LOG_INFO, "room.again");
        mu_log_close();

        assert_int_equal(mu_fs_read_file(path, 1 << 20, &data, &bytes), 0);
        char *last = memrchr(data, '\n', bytes - 1);
        assert_non_null(last);
        json_t *line = json_loads(last + 1, 0, NULL);
        assert_non_null(line);
        assert_string_equal(string_of(line, "event"), "room.again");
        assert_int_equal(json_integer_value(json_object_get(line, "dropped")), 3);
        json_decref(line);
        assert_int_equal(last - data, 700); /* one whole line, a torn one, its end */
        free(data);
}

#define THREADS 4
#define EVENTS 200

static void log_many(void *context)
{
        for (int i = 0; i < EVENTS; i++)
                mu_log(MU_LOG_INFO, "from.threads", MU_LOG_STR("who", context), MU_LOG_INT("i", i));
}

/* Every call is either a whole line or counted as suppressed. */
static void test_threads_do_not_mix(void **state)
{
        const char *path = scratch_path(state, "log");
        pthread_t threads[THREADS];
        json_int_t accounted = 0;

        open_log(path, 5000, 0);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(mu_thread_start("logger", log_many, "a thread", &threads[i]), 0);
        for (int i = 0; i < THREADS; i++)
                mu_thread_join(threads[i]);
        mu_log_close();
        json_t **lines = read_lines(path);
        for (size_t i = 0; lines[i]; i++)
                accounted += suppressed_in(lines[i]) +
                             (strcmp(string_of(lines[i], "event"), "from.threads") == 0);
        free_lines(lines);
        assert_int_equal(accounted, THREADS * EVENTS);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SCRATCH_TEST(test_fields),
                SCRATCH_TEST(test_levels),
                SCRATCH_TEST(test_long_lines_are_cut),
                SCRATCH_TEST(test_repeats_are_held_back),
                SCRATCH_TEST(test_rotates_by_size),
                SCRATCH_TEST(test_rotates_by_day_and_removes_old),
                SCRATCH_TEST(test_open_failure_is_told),
                SCRATCH_TEST(test_slow_consumer_loses_lines_not_time),
                SCRATCH_TEST(test_torn_line_is_ended),
                SCRATCH_TEST(test_threads_do_not_mix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
