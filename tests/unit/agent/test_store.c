/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's memory: what it keeps, whom it lets in, what it does about damage and a full disk. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/random.h"
#include "core/store.h"
#include "fake_platform.h"

enum { FACTS = 300, BIG_BYTES = 600, DAMAGES = 60 };

struct world {
        struct fake_platform *fake;
        struct mu_agent_events *events;
        struct mu_agent_store *store;
        char path[512];
};

static int set_up(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fake = fake_platform_create();
        assert_int_equal(mu_agent_events_create(&world->fake->platform, &world->events), 0);
        (void)snprintf(world->path, sizeof(world->path), "%s", fake_path(world->fake, "agent.db"));
        *state = world;
        return 0;
}

static int tear_down(void **state)
{
        struct world *world = *state;

        mu_agent_store_close(world->store);
        mu_agent_events_destroy(world->events);
        fake_platform_destroy(world->fake);
        free(world);
        return 0;
}

static void open_store(struct world *world)
{
        assert_int_equal(mu_agent_store_open(world->path, world->events, &world->store), 0);
}

static void close_store(struct world *world)
{
        mu_agent_store_close(world->store);
        world->store = NULL;
}

static void restart(struct world *world)
{
        close_store(world);
        open_store(world);
}

static int64_t ask(struct world *world, const char *sql)
{
        sqlite3_stmt *statement;
        sqlite3 *database = mu_agent_store_database(world->store);

        assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        int64_t value = sqlite3_column_int64(statement, 0);

        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        return value;
}

static void execute(const char *path, const char *sql)
{
        sqlite3 *database;

        assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static size_t count_files(struct world *world, const char *part)
{
        DIR *directory = opendir(world->fake->directory);
        const struct dirent *entry;
        size_t count = 0;

        assert_non_null(directory);
        while ((entry = readdir(directory)))
                count += strstr(entry->d_name, part) != NULL;
        (void)closedir(directory);
        return count;
}

static void test_facts(void **state)
{
        struct world *world = *state;
        int64_t number = 4711;
        char text[8] = "before";

        open_store(world);
        assert_int_equal(mu_agent_store_get_number(world->store, "a", &number), -ENOENT);
        assert_int_equal(mu_agent_store_get_text(world->store, "a", text, sizeof(text)), -ENOENT);
        assert_int_equal(number, 4711);
        assert_int_equal(mu_agent_store_set_number(world->store, "a", INT64_MIN), 0);
        assert_int_equal(mu_agent_store_set_number(world->store, "b", INT64_MAX), 0);
        assert_int_equal(mu_agent_store_set_text(world->store, "c", "1234567"), 0);
        assert_int_equal(mu_agent_store_set_text(world->store, "d", "12345678"), 0);
        assert_int_equal(mu_agent_store_set_text(world->store, "e", ""), 0);
        for (int round = 0; round < 2; round++) {
                assert_int_equal(mu_agent_store_get_number(world->store, "a", &number), 0);
                assert_true(number == INT64_MIN);
                assert_int_equal(mu_agent_store_get_number(world->store, "b", &number), 0);
                assert_true(number == INT64_MAX);
                assert_int_equal(mu_agent_store_get_text(world->store, "c", text, sizeof(text)), 0);
                assert_string_equal(text, "1234567");
                assert_int_equal(mu_agent_store_get_text(world->store, "d", text, sizeof(text)),
                                 -EMSGSIZE);
                assert_string_equal(text, "1234567");
                assert_int_equal(mu_agent_store_get_number(world->store, "c", &number), -ENOENT);
                assert_int_equal(mu_agent_store_get_text(world->store, "e", text, sizeof(text)), 0);
                assert_string_equal(text, "");
                restart(world);
        }
        /* The last word counts, whichever kind. */
        assert_int_equal(mu_agent_store_set_text(world->store, "a", "text"), 0);
        assert_int_equal(mu_agent_store_get_number(world->store, "a", &number), -ENOENT);
        assert_int_equal(mu_agent_store_set_number(world->store, "a", -7), 0);
        assert_int_equal(mu_agent_store_get_text(world->store, "a", text, sizeof(text)), -ENOENT);
        assert_int_equal(mu_agent_store_get_number(world->store, "a", &number), 0);
        assert_int_equal(number, -7);
}

static void test_is_durable_and_small(void **state)
{
        struct world *world = *state;

        open_store(world);
        assert_int_equal(ask(world, "PRAGMA synchronous"), 2);
        assert_int_equal(ask(world, "PRAGMA cache_size"), -256);
        assert_int_equal(ask(world, "SELECT 'wal' = journal_mode FROM pragma_journal_mode"), 1);
        assert_int_equal(mu_agent_store_set_number(world->store, "a", 1), 0);
        assert_int_equal(count_files(world, "-wal"), 1);
        assert_int_equal(count_files(world, "-shm"), 0);
        close_store(world);
        assert_int_equal(count_files(world, "agent.db"), 1);
}

/* Opens when told to. Exit code: what came of it, or what it held when killed. */
static pid_t start_other(struct world *world, int *ret_go, int *ret_said)
{
        int go[2];
        int said[2];

        assert_int_equal(pipe(go), 0);
        assert_int_equal(pipe(said), 0);
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                struct mu_agent_store *store;
                char byte;

                (void)close(go[1]);
                while (read(go[0], &byte, 1) == 1) {
                        int err = mu_agent_store_open(world->path, world->events, &store);

                        if (write(said[1], &err, sizeof(err)) != (ssize_t)sizeof(err))
                                break;
                }
                _exit(0);
        }
        (void)close(go[0]);
        (void)close(said[1]);
        *ret_go = go[1];
        *ret_said = said[0];
        return pid;
}

static int ask_other(int go, int said)
{
        int err = 1;

        assert_int_equal(write(go, "x", 1), 1);
        assert_int_equal(read(said, &err, sizeof(err)), (ssize_t)sizeof(err));
        return err;
}

static void test_one_process(void **state)
{
        struct world *world = *state;
        struct mu_agent_store *second = NULL;
        int go;
        int said;
        pid_t pid = start_other(world, &go, &said);

        open_store(world);
        assert_int_equal(ask_other(go, said), -EBUSY);
        assert_int_equal(mu_agent_store_open(world->path, world->events, &second), -EBUSY);
        assert_null(second);
        assert_int_equal(mu_agent_store_set_number(world->store, "a", 1), 0);
        assert_int_equal(ask_other(go, said), -EBUSY);
        close_store(world);
        assert_int_equal(ask_other(go, said), 0);
        assert_int_equal(mu_agent_store_open(world->path, world->events, &second), -EBUSY);
        /* Its lock ends with it, however it ends. */
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        open_store(world);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 0);
        (void)close(go);
        (void)close(said);
}

static void test_no_directory(void **state)
{
        struct world *world = *state;
        struct mu_agent_store *store = NULL;
        char path[600];

        (void)snprintf(path, sizeof(path), "%s/none/agent.db", world->fake->directory);
        assert_int_equal(mu_agent_store_open(path, world->events, &store), -EIO);
        assert_null(store);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 0);
}

static void write_file(const char *path, const char *mode, long at, const void *bytes, size_t count)
{
        FILE *file = fopen(path, mode);

        assert_non_null(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, count, file), count);
        assert_int_equal(fclose(file), 0);
}

/* One value, and not the others. */
static void assert_new(struct world *world)
{
        int64_t number;

        assert_int_equal(mu_agent_store_get_number(world->store, "a", &number), -ENOENT);
        assert_int_equal(mu_agent_store_set_number(world->store, "a", 1), 0);
        restart(world);
        assert_int_equal(mu_agent_store_get_number(world->store, "a", &number), 0);
}

static void test_no_database(void **state)
{
        struct world *world = *state;

        write_file(world->path, "wb", 0, "", 0);
        open_store(world);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 0);
        close_store(world);
        /* Text, twice within a second: both are kept. */
        for (int i = 1; i <= 2; i++) {
                write_file(world->path, "wb", 0, "This is no database at all, and longer.", 39);
                open_store(world);
                assert_int_equal(fake_events(world->fake, "store.damaged"), i);
                assert_int_equal(count_files(world, "agent.db.damaged-"), i);
                assert_new(world);
                close_store(world);
        }
        assert_int_equal(fake_events(world->fake, "store.damaged"), 2);
        assert_non_null(strstr(fake_event_fields(world->fake, "store.damaged"),
                               "agent.db.damaged-1800000001"));
}

/* Somebody else's is not written to, and stays whole. */
static void test_not_ours(void **state)
{
        struct world *world = *state;
        char aside[600];

        execute(world->path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (42)");
        open_store(world);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 1);
        assert_new(world);
        close_store(world);
        (void)snprintf(aside, sizeof(aside), "%s.damaged-1800000000", world->path);
        execute(aside, "UPDATE theirs SET x = 1 / (x = 42)");
}

/* A newer agent that was rolled back has only added: its database is good. Another generation is
 * not. */
static void test_schema_versions(void **state)
{
        struct world *world = *state;
        int64_t number = 0;

        open_store(world);
        assert_int_equal(ask(world, "PRAGMA user_version"), 101);
        assert_int_equal(mu_agent_store_set_number(world->store, "a", 5), 0);
        close_store(world);
        execute(world->path, "ALTER TABLE items ADD COLUMN newer TEXT; PRAGMA user_version = 107");
        open_store(world);
        assert_int_equal(mu_agent_store_get_number(world->store, "a", &number), 0);
        assert_int_equal(number, 5);
        assert_int_equal(ask(world, "PRAGMA user_version"), 107);
        close_store(world);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 0);
        execute(world->path, "PRAGMA user_version = 200");
        open_store(world);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 1);
        assert_new(world);
}

static void fact_of(int i, char name[32], char text[BIG_BYTES + 1])
{
        (void)snprintf(name, 32, "fact-%d", i);
        memset(text, 'a' + i % 26, BIG_BYTES);
        text[BIG_BYTES] = '\0';
}

static void write_facts(struct world *world)
{
        char name[32];
        char text[BIG_BYTES + 1];

        for (int i = 0; i < FACTS; i++) {
                fact_of(i, name, text);
                assert_int_equal(mu_agent_store_set_text(world->store, name, text), 0);
        }
}

static void assert_facts(struct world *world)
{
        char name[32];
        char text[BIG_BYTES + 1];
        char have[BIG_BYTES + 1];

        for (int i = 0; i < FACTS; i++) {
                fact_of(i, name, text);
                assert_int_equal(mu_agent_store_get_text(world->store, name, have, sizeof(have)),
                                 0);
                assert_string_equal(have, text);
        }
}

/* A structure that is damaged is seen when it is opened. Bytes inside a text are not: SQLite has
 * no checksum of them, so only zeroed pages and cut files are tried. */
static void test_damaged_pages(void **state)
{
        struct world *world = *state;
        static const char zeros[4096];
        struct mu_random random;
        struct stat info;

        mu_random_seed(&random, 20261121);
        for (size_t i = 1; i <= DAMAGES; i++) {
                open_store(world);
                write_facts(world);
                close_store(world);
                assert_int_equal(stat(world->path, &info), 0);
                long pages = info.st_size / 4096;

                assert_true(pages > 40);
                long page = (long)mu_random_below(&random, (uint64_t)pages);

                if (i % 3 == 0)
                        assert_int_equal(truncate(world->path, page * 4096 + 1000), 0);
                else
                        write_file(world->path, "r+b", page * 4096, zeros, sizeof(zeros));
                open_store(world);
                if (fake_events(world->fake, "store.damaged") == 0)
                        fail_msg("page %ld of %ld was damaged, and nothing said so", page, pages);
                assert_int_equal(fake_events(world->fake, "store.damaged"), i);
                assert_true(count_files(world, "agent.db.damaged-") >= i);
                assert_new(world);
                close_store(world);
                assert_int_equal(unlink(world->path), 0);
        }
}

/* Killed with changes in its log, and then damaged: the log goes aside too, for a new database
 * must not find it. */
static void test_log_goes_aside(void **state)
{
        struct world *world = *state;
        static const char zeros[10 * 4096];
        int said[2];

        open_store(world);
        write_facts(world);
        close_store(world);
        assert_int_equal(pipe(said), 0);
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                struct mu_agent_store *store;

                if (mu_agent_store_open(world->path, world->events, &store) < 0 ||
                    mu_agent_store_set_number(store, "a", 9) < 0 || write(said[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void)pause();
        }
        char byte;

        assert_int_equal(read(said[0], &byte, 1), 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(count_files(world, "-wal"), 1);
        write_file(world->path, "r+b", 10 * 4096, zeros, sizeof(zeros));
        open_store(world);
        assert_int_equal(fake_events(world->fake, "store.damaged"), 1);
        assert_new(world);
        close_store(world);
        assert_int_equal(count_files(world, "-wal"), 1);
        assert_int_equal(count_files(world, "damaged-1800000000-wal"), 1);
        (void)close(said[0]);
        (void)close(said[1]);
}

static void test_full_disk(void **state)
{
        struct world *world = *state;
        sqlite3 *database;
        char text[BIG_BYTES + 1];
        char name[32];
        int stored = 0;
        int err = 0;

        open_store(world);
        database = mu_agent_store_database(world->store);
        assert_int_equal(mu_agent_store_set_text(world->store, "fixed", "before"), 0);
        assert_int_equal(sqlite3_exec(database, "PRAGMA max_page_count = 40", NULL, NULL, NULL), 0);
        while (stored < FACTS) {
                fact_of(stored, name, text);
                err = mu_agent_store_set_text(world->store, name, text);
                if (err < 0)
                        break;
                stored++;
        }
        assert_int_equal(err, -ENOSPC);
        assert_true(stored > 10);
        assert_int_equal(mu_agent_store_get_text(world->store, name, text, sizeof(text)), -ENOENT);
        /* What needs no new page still goes. */
        assert_int_equal(mu_agent_store_set_text(world->store, "fixed", "behind"), 0);
        restart(world);
        assert_int_equal(ask(world, "SELECT count(*) FROM facts"), stored + 1);
        assert_int_equal(mu_agent_store_get_text(world->store, "fixed", text, sizeof(text)), 0);
        assert_string_equal(text, "behind");
        write_facts(world);
        assert_facts(world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_facts, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_is_durable_and_small, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_one_process, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_directory, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_database, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_not_ours, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_schema_versions, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_damaged_pages, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_log_goes_aside, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
