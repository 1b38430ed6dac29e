/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/outage_note.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alert_world.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "control/notify/notifier.h"
#include "fake_clock.h"
#include "scratch.h"

/* ---- the notifier, as the test has it ---- */

struct mu_notifier {
        int told;
        int woken;
        int answer;
        bool note_was_there;
        const char *note;
        char key[128];
        char text[512];
};

int mu_notifier_tell_directly(struct mu_notifier *notifier, const char *key, bool firing,
                              const char *title, const char *text)
{
        assert_true(firing);
        assert_string_equal(title, "Database away");
        notifier->told++;
        notifier->note_was_there = access(notifier->note, F_OK) == 0;
        (void)snprintf(notifier->key, sizeof(notifier->key), "%s", key);
        (void)snprintf(notifier->text, sizeof(notifier->text), "%s", text);
        return notifier->answer;
}

void mu_notifier_wake(struct mu_notifier *notifier)
{
        notifier->woken++;
}

/* ---- an appliance ---- */

static struct fake_clock fake;
static struct mu_notifier notifier;
static struct mu_outage *outage;
static char directory[256];
static char note[300];
static int troubles;
static void *scratch;
static const struct mu_outage_rule rule = {.enabled = true, .threshold_s = 30, .clear_hold_s = 10};

static void on_trouble(void *ctx, const char *detail)
{
        (void)ctx;
        assert_true(strlen(detail) > 0);
        troubles++;
}

static void start(void)
{
        const struct mu_outage_config config = {
                .directory = directory,
                .notifier = &notifier,
                .clock = &fake.clock,
                .on_trouble = on_trouble,
        };

        assert_int_equal(mu_outage_create(&config, &outage), 0);
}

/* kill -9 and another start: monotonic time means nothing across it. */
static void restart(void)
{
        mu_outage_destroy(outage);
        fake.monotonic_ns += 12345 * (uint64_t)MU_NS_PER_S;
        start();
}

static int setup(void **state)
{
        if (alert_world_setup(state) < 0 || scratch_setup(&scratch) < 0)
                return -1;
        (void)snprintf(directory, sizeof(directory), "%s/alerts", (const char *)scratch);
        (void)snprintf(note, sizeof(note), "%s/outage.json", directory);
        fake_clock_init(&fake, ALERT_WORLD_US);
        notifier = (struct mu_notifier){.note = note};
        troubles = 0;
        run("INSERT INTO alert_channels (kind, name, config, updated_by) VALUES"
            " ('email', 'all', '{\"to\":[\"a@b\"]}', 'test'),"
            " ('email', 'offline only', '{\"to\":[\"a@b\"]}', 'test'),"
            " ('email', 'tagged', '{\"to\":[\"a@b\"]}', 'test')");
        run("UPDATE alert_channels SET rules = '{offline}' WHERE name = 'offline only'");
        run("UPDATE alert_channels SET tags = '{till}' WHERE name = 'tagged'");
        start();
        return 0;
}

static int teardown(void **state)
{
#ifdef MUSTER_FAILPOINTS
        mu_failpoint_disarm_all();
#endif
        mu_outage_destroy(outage);
        outage = NULL;
        if (scratch_teardown(&scratch) < 0)
                return -1;
        return alert_world_teardown(state);
}

/* A tick each 5 s. */
static void pass(bool storing, int64_t s)
{
        for (int64_t at = 0; at < s; at += 5) {
                fake_clock_advance_ms(&fake, 5000);
                mu_outage_tick(outage, storing, &rule);
        }
}

static void settle(void)
{
        assert_true(mu_outage_is_over(outage));
        assert_int_equal(mu_outage_settle(outage, alert_pg), 0);
        assert_false(mu_outage_is_over(outage));
}

static bool is_noted(void)
{
        return access(note, F_OK) == 0;
}

/* Told while it lasted, its recovery put into the outbox: count times in all. */
static void assert_written(int count)
{
        assert_int_equal(number("SELECT count(*) FROM alerts WHERE device_id = 0 AND"
                                " rule = 'database_away' AND state = 'resolved'"
                                " AND resolved_by = 'recovered'"),
                         count);
        assert_int_equal(number("SELECT count(*) FROM alert_incidents WHERE kind = 'appliance' AND"
                                " closed_at IS NOT NULL AND firing_count = 0"),
                         count);
        static const char *const kinds[] = {"fired", "opened", "resolved", "closed"};

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                assert_int_equal(
                        number("SELECT count(*) FROM alert_events WHERE kind = '%s'", kinds[i]),
                        count);
        /* 'all' and 'tagged': the appliance's own go to channels with any tags. */
        assert_int_equal(number("SELECT count(*) FROM alert_notifications WHERE kind = 'closed'"
                                " AND state = 'waiting'"),
                         2 * count);
}

static void assert_opened(const char *state, int count)
{
        assert_int_equal(number("SELECT count(*) FROM alert_notifications WHERE kind = 'opened'"
                                " AND state = '%s'",
                                state),
                         count);
}

/* ---- tests ---- */

static void a_short_one_is_nothing(void **state)
{
        (void)state;
        pass(true, 10);
        pass(false, 30); /* the first tick of them begins it */
        assert_int_equal(notifier.told, 0);
        assert_false(mu_outage_is_firing(outage));
        pass(true, 60);
        assert_false(is_noted());
        assert_false(mu_outage_is_over(outage));
        assert_int_equal(mu_outage_settle(outage, alert_pg), 0);
        assert_written(0);
}

static void told_once_and_written_afterwards(void **state)
{
        struct stat status;

        (void)state;
        pass(true, 10);
        pass(false, 35);
        assert_int_equal(notifier.told, 1);
        assert_true(notifier.note_was_there);
        assert_true(mu_outage_is_firing(outage));
        assert_non_null(strstr(notifier.text, "since 2026-03-28 12:00:15 UTC (limit 30 s)"));
        assert_int_equal(stat(directory, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
        assert_int_equal(stat(note, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        pass(false, 600);
        assert_int_equal(notifier.told, 1);
        pass(true, 10);
        assert_true(mu_outage_is_firing(outage)); /* back, and not for long enough */
        pass(false, 15);
        pass(true, 15);
        assert_false(mu_outage_is_firing(outage));
        settle();
        assert_int_equal(notifier.woken, 1);
        assert_false(is_noted());
        assert_written(1);
        assert_opened("sent", 2);
        assert_opened("waiting", 0);
        assert_int_equal(number("SELECT count(*) FROM alerts WHERE"
                                " pending_at = '2026-03-28 12:00:15+00' AND"
                                " fired_at = '2026-03-28 12:00:45+00' AND"
                                " resolved_at = '2026-03-28 12:11:15+00' AND"
                                " value = 660 AND threshold = 30 AND episode = 1"),
                         1);
        assert_int_equal(number("SELECT count(*) FROM alert_incidents i JOIN alerts a"
                                " ON a.incident_id = i.id WHERE i.opened_at = a.fired_at"
                                " AND i.closed_at = a.resolved_at AND i.severity = 'critical'"),
                         1);
        assert_int_equal(troubles, 0);
        /* The next one is an episode of its own. */
        pass(false, 35);
        assert_int_equal(notifier.told, 2);
        pass(true, 15);
        settle();
        assert_written(2);
        assert_int_equal(number("SELECT max(episode) FROM alerts"), 2);
}

static void a_rule_that_is_off(void **state)
{
        const struct mu_outage_rule off = {.threshold_s = 30};

        (void)state;
        for (int i = 0; i < 100; i++) {
                fake_clock_advance_ms(&fake, 5000);
                mu_outage_tick(outage, i < 2, &off);
        }
        assert_int_equal(notifier.told, 0);
        assert_false(is_noted());
        /* Switched on while it lasts: it counts from its beginning. */
        pass(false, 5);
        assert_int_equal(notifier.told, 1);
}

static void a_start_takes_its_time(void **state)
{
        (void)state;
        pass(false, 330);
        assert_int_equal(notifier.told, 0);
        pass(false, 5);
        assert_int_equal(notifier.told, 1);
}

static void killed_while_it_lasts(void **state)
{
        (void)state;
        pass(true, 10);
        pass(false, 35);
        assert_int_equal(notifier.told, 1);
        for (int i = 0; i < 3; i++) {
                restart();
                assert_true(mu_outage_is_firing(outage));
                pass(false, 1000);
        }
        assert_int_equal(notifier.told, 1);
        restart();
        pass(true, 15);
        settle();
        assert_written(1);
        assert_opened("sent", 2);
        restart();
        pass(true, 15);
        assert_false(mu_outage_is_over(outage));
        assert_written(1);
}

static void killed_when_it_is_over(void **state)
{
        (void)state;
        pass(true, 10);
        pass(false, 35);
        pass(true, 15);
        assert_true(mu_outage_is_over(outage));
        restart();
        settle(); /* with the time that it was over, not the restart's */
        assert_written(1);
        assert_int_equal(number("SELECT count(*) FROM alerts WHERE"
                                " resolved_at = '2026-03-28 12:00:50+00'"),
                         1);
}

/* The note goes after the commit: killed in between, nothing is written twice. */
static void killed_after_the_commit(void **state)
{
        char *kept;
        size_t bytes;

        (void)state;
        pass(true, 10);
        pass(false, 35);
        pass(true, 15);
        assert_int_equal(mu_fs_read_file(note, 65536, &kept, &bytes), 0);
        settle();
        assert_int_equal(mu_fs_write_file(note, kept, bytes, 0600), 0);
        free(kept);
        restart();
        settle();
        assert_written(1);
        assert_false(is_noted());
}

#ifdef MUSTER_FAILPOINTS
static void the_database_goes_again(void **state)
{
        (void)state;
        pass(true, 10);
        pass(false, 35);
        pass(true, 15);
        assert_int_equal(mu_failpoint_arm("outage.commit=error:EIO*1"), 0);
        assert_int_equal(mu_outage_settle(outage, alert_pg), -EIO);
        assert_written(0);
        assert_true(is_noted());
        /* A second one before the first could be written. */
        pass(false, 35);
        assert_int_equal(notifier.told, 2);
        assert_true(mu_outage_is_over(outage));
        assert_true(mu_outage_is_firing(outage));
        restart();
        settle();
        assert_written(1);
        assert_true(is_noted());
        assert_true(mu_outage_is_firing(outage));
        restart();
        pass(true, 15);
        settle();
        assert_written(2);
        assert_opened("sent", 4);
        assert_int_equal(notifier.told, 2);
}

/* In a process of its own, which the point kills. */
static void die_at(const char *point)
{
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                if (mu_failpoint_arm(point) == 0)
                        pass(false, 60);
                _exit(1); /* it should not have come here */
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
}

static void killed_around_the_telling(void **state)
{
        static const char *const points[] = {"outage.noted=crash", "outage.told=crash"};

        (void)state;
        for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
                pass(true, 15);
                die_at(points[i]);
                assert_true(is_noted());
                fake_clock_advance_ms(&fake, 60000);
                restart();
                pass(false, 600);
                assert_int_equal(notifier.told, 0); /* by this process */
                pass(true, 15);
                settle();
                assert_written((int)i + 1);
        }
}
#endif

static void nobody_to_tell(void **state)
{
        (void)state;
        notifier.answer = -ENODATA;
        pass(true, 10);
        pass(false, 600);
        assert_int_equal(notifier.told, 1);
        assert_int_equal(troubles, 0);
        restart();
        pass(true, 15);
        settle();
        assert_written(1);
        assert_opened("sent", 0);
        assert_opened("waiting", 2);
        assert_int_equal(number("SELECT count(*) FROM alert_events WHERE kind = 'not_notified'"),
                         1);
}

static void a_note_that_cannot_be_written(void **state)
{
        (void)state;
        pass(true, 10);
        assert_int_equal(rmdir(directory), 0);
        pass(false, 35);
        assert_int_equal(notifier.told, 1); /* all the same */
        assert_int_equal(troubles, 1);
        pass(true, 15);
        settle();
        assert_written(1);
}

static void a_damaged_note(void **state)
{
        static const char *const contents[] = {
                "", "{", "[]", "{\"outages\":[{\"id\":1}]}", "{\"outages\":7}", "\x00\xff"};

        (void)state;
        for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
                troubles = 0;
                assert_int_equal(mu_fs_write_file(note, contents[i], strlen(contents[i]), 0600), 0);
                restart();
                assert_int_equal(troubles, 1);
                assert_false(mu_outage_is_firing(outage));
        }
        pass(true, 10);
        pass(false, 35);
        assert_int_equal(notifier.told, 1);
        pass(true, 15);
        settle();
        assert_written(1);
}

/* More than a note holds; the clock set back in between. */
static void many_and_a_clock_set_back(void **state)
{
        (void)state;
        for (int i = 0; i < 5; i++) {
                pass(true, 10);
                pass(false, 35);
                fake.realtime_us -= 3600 * MU_US_PER_S;
                pass(true, 15);
        }
        assert_int_equal(notifier.told, 5);
        assert_int_equal(troubles, 1);
        settle();
        assert_written(4);
        assert_int_equal(number("SELECT count(*) FROM alerts WHERE pending_at > fired_at"
                                " OR fired_at > resolved_at"),
                         0);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_short_one_is_nothing),  TEST(told_once_and_written_afterwards),
                TEST(a_rule_that_is_off),      TEST(a_start_takes_its_time),
                TEST(killed_while_it_lasts),   TEST(killed_when_it_is_over),
                TEST(killed_after_the_commit),
#ifdef MUSTER_FAILPOINTS
                TEST(the_database_goes_again), TEST(killed_around_the_telling),
#endif
                TEST(nobody_to_tell),          TEST(a_note_that_cannot_be_written),
                TEST(a_damaged_note),          TEST(many_and_a_clock_set_back),
        };

        return cmocka_run_group_tests(tests, alert_group_setup, test_pg_group_teardown);
}
