/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "control/alert/incident_book.h"
#include "incident_book_world.h"

static int64_t fire(struct mu_incident_book *book, struct database *db, int64_t device_id,
                    const char *site, uint64_t network, int64_t at_us)
{
        const struct mu_incident_alert alert = {
                .alert_id = db->alert_max + 1,
                .device_id = device_id,
                .rule = MU_RULE_OFFLINE,
                .severity = MU_SEVERITY_WARNING,
                .site = site,
                .network = network,
                .at_us = at_us,
        };
        int64_t incident_id;

        assert_int_equal(mu_incident_book_fired(book, &alert, &incident_id), 0);
        assert_int_equal(mu_incident_book_fired(book, &alert, &incident_id), -EEXIST);
        db->alert_max++;
        db->alerts[db->alert_max].firing = true;
        db->alerts[db->alert_max].fired_at_us = at_us;
        return incident_id;
}

static int64_t resolve(struct mu_incident_book *book, struct database *db, int64_t alert_id,
                       int64_t at_us)
{
        int64_t incident_id;

        assert_int_equal(mu_incident_book_resolved(book, alert_id, at_us, &incident_id), 0);
        assert_int_equal(mu_incident_book_resolved(book, alert_id, at_us, &incident_id), -ENOENT);
        db->alerts[alert_id].firing = false;
        return incident_id;
}

static uint32_t open_count(const struct database *db, enum mu_incident_kind kind)
{
        uint32_t count = 0;

        for (int64_t i = 1; i <= db->incident_max; i++) {
                const struct incident_row *incident = &db->incidents[i];

                count += incident->there && incident->closed_at_us == 0 &&
                         incident->row.kind == kind;
        }
        return count;
}

/* ---- examples ---- */

#define NET_A UINT64_C(0x1cb007105) /* 203.0.113.5 */
#define NET_A2 UINT64_C(0x1cb0071fe)
#define NET_B UINT64_C(0x1cb007205)

static void test_few_are_single_many_are_one(void **state)
{
        struct database db;

        (void)state;
        database_init(&db);
        struct mu_incident_book *book = book_from(&db);

        for (int64_t i = 1; i <= GROUP_DEVICES; i++)
                assert_int_equal(fire(book, &db, i, "Hall", 0, NOON + i * SECOND), i);
        commit(book, &db);
        assert_int_equal(open_count(&db, MU_INCIDENT_DEVICE), GROUP_DEVICES);
        assert_int_equal(db.incidents[3].row.device_id, 3);
        assert_string_equal(db.incidents[3].key, "Hall");
        assert_int_equal(db.incidents[3].row.group, MU_GROUP_SITE);
        /* The sixth. */
        int64_t wide = fire(book, &db, 6, "Hall", 0, NOON + 6 * SECOND);

        commit(book, &db);
        assert_int_equal(wide, 6);
        assert_int_equal(db.incidents[wide].row.kind, MU_INCIDENT_SITE);
        assert_string_equal(db.incidents[wide].key, "Hall");
        assert_int_equal(db.incidents[wide].row.device_id, 0);
        assert_int_equal(db.incidents[wide].row.alert_count, 6);
        assert_int_equal(db.incidents[wide].firing_count, 6);
        assert_int_equal(open_count(&db, MU_INCIDENT_DEVICE), 0);
        for (int64_t i = 1; i <= 5; i++)
                assert_int_equal(db.incidents[i].merged_into, wide);
        /* While it is open, an hour later too. */
        assert_int_equal(fire(book, &db, 7, "Hall", NET_A, NOON + 3600 * SECOND), wide);
        assert_int_equal(fire(book, &db, 8, "Yard", 0, NOON + 3600 * SECOND), wide + 1);
        for (int64_t alert = 1; alert <= 7; alert++) {
                commit(book, &db);
                assert_int_equal(db.incidents[wide].closed_at_us, 0);
                assert_int_equal(resolve(book, &db, alert, NOON + 4000 * SECOND), wide);
        }
        commit(book, &db);
        assert_int_equal(db.incidents[wide].closed_at_us, NOON + 4000 * SECOND);
        assert_int_equal(db.incidents[wide].row.alert_count, 7);
        assert_int_equal(db.incidents[wide].firing_count, 0);
        /* After that each for itself again. */
        int64_t next = fire(book, &db, 1, "Hall", 0, NOON + 4001 * SECOND);

        commit(book, &db);
        assert_int_equal(db.incidents[next].row.kind, MU_INCIDENT_DEVICE);
        assert_int_equal(mu_incident_book_incident_count(book), 2);
        assert_int_equal(mu_incident_book_alert_count(book), 2);
        mu_incident_book_destroy(book);
        database_done(&db);
}

static void test_only_what_fired_within_the_window_counts(void **state)
{
        struct database db;

        (void)state;
        database_init(&db);
        struct mu_incident_book *book = book_from(&db);

        (void)fire(book, &db, 1, "Hall", 0, NOON); /* too old by then */
        (void)fire(book, &db, 2, "Hall", 0, NOON + 1);
        for (int64_t i = 3; i <= 6; i++)
                (void)fire(book, &db, i, "Hall", 0, NOON + 30 * SECOND);
        commit(book, &db); /* the sixth made six within the window: one incident */
        assert_int_equal(open_count(&db, MU_INCIDENT_SITE), 1);
        for (int64_t i = 1; i <= 6; i++)
                (void)resolve(book, &db, i, NOON + 40 * SECOND);
        int64_t start_us = NOON + 1000 * SECOND;

        (void)fire(book, &db, 1, "Hall", 0, start_us);
        for (int64_t i = 2; i <= 5; i++)
                (void)fire(book, &db, i, "Hall", 0, start_us + 1);
        int64_t sixth = fire(book, &db, 6, "Hall", 0, start_us + WINDOW_S * SECOND);

        commit(book, &db); /* the first is just out of it */
        assert_int_equal(db.incidents[sixth].row.kind, MU_INCIDENT_DEVICE);
        int64_t wide = fire(book, &db, 7, "Hall", 0, start_us + WINDOW_S * SECOND);

        commit(book, &db);
        assert_int_equal(db.incidents[wide].row.kind, MU_INCIDENT_SITE);
        assert_int_equal(db.incidents[wide].row.alert_count, 6);
        assert_int_equal(open_count(&db, MU_INCIDENT_DEVICE), 1); /* stays single */
        /* What ended meanwhile does not count. */
        for (int64_t i = 1; i <= 5; i++) {
                (void)fire(book, &db, 100 + i, "Yard", 0, start_us);
                (void)resolve(book, &db, db.alert_max, start_us + 2);
        }
        int64_t yard = fire(book, &db, 106, "Yard", 0, start_us + 3);

        commit(book, &db);
        assert_int_equal(db.incidents[yard].row.kind, MU_INCIDENT_DEVICE);
        mu_incident_book_destroy(book);
        database_done(&db);
}

/* Devices of a small site fall silent at once, and are found out one by one. */
static void test_silence_has_a_longer_window(void **state)
{
        static const enum mu_alert_rule rules[] = {MU_RULE_OFFLINE, MU_RULE_LOW_BATTERY};
        const struct mu_incident_book_config config = {
                .group_devices = GROUP_DEVICES,
                .group_window_s = WINDOW_S,
                .offline_spread_s = 300,
                .next_incident_id = 1,
        };
        struct mu_incident_book *book;
        struct database db;

        (void)state;
        database_init(&db);
        assert_int_equal(mu_incident_book_create(&config, &book), 0);
        for (int64_t i = 0; i < 20; i++) {
                const struct mu_incident_alert alert = {
                        .alert_id = i + 1,
                        .device_id = i / 2 + 1,
                        .rule = rules[i % 2],
                        .site = "Hall",
                        .at_us = NOON + i / 2 * 30 * SECOND,
                };
                int64_t incident_id;

                assert_int_equal(mu_incident_book_fired(book, &alert, &incident_id), 0);
        }
        commit(book, &db);
        assert_int_equal(open_count(&db, MU_INCIDENT_SITE), 1);
        assert_int_equal(open_count(&db, MU_INCIDENT_DEVICE), 10); /* the other rule */
        mu_incident_book_destroy(book);
        database_done(&db);
}

static void test_places_and_rules_stay_apart(void **state)
{
        static const struct {
                const char *site;
                uint64_t network;
                const char *key;
                enum mu_incident_kind kind;
        } places[] = {
                {"203.0.113.0/24", 0, "203.0.113.0/24", MU_INCIDENT_SITE}, /* a site of that name */
                {"", NET_A, "203.0.113.0/24", MU_INCIDENT_NETWORK},
                {NULL, NET_B, "203.0.114.0/24", MU_INCIDENT_NETWORK},
                {NULL, 0, "unknown", MU_INCIDENT_NETWORK},
                {"unknown", NET_A, "unknown", MU_INCIDENT_SITE},
        };
        struct database db;
        int64_t last[5] = {0};

        (void)state;
        database_init(&db);
        struct mu_incident_book *book = book_from(&db);

        for (int64_t i = 1; i <= 6; i++)
                for (size_t p = 0; p < 5; p++)
                        last[p] = fire(book, &db, i * 10 + (int64_t)p, places[p].site,
                                       places[p].network, NOON);
        commit(book, &db);
        for (size_t p = 0; p < 5; p++) {
                assert_int_equal(db.incidents[last[p]].row.kind, places[p].kind);
                assert_string_equal(db.incidents[last[p]].key, places[p].key);
                assert_int_equal(db.incidents[last[p]].row.alert_count, 6);
        }
        assert_int_equal(fire(book, &db, 99, NULL, NET_A2, NOON), last[1]); /* same range */
        /* Another rule is another outage. */
        struct mu_incident_alert battery = {
                .alert_id = 5000,
                .device_id = 10,
                .rule = MU_RULE_LOW_BATTERY,
                .network = NET_A,
                .at_us = NOON,
        };
        int64_t incident_id;

        assert_int_equal(mu_incident_book_fired(book, &battery, &incident_id), 0);
        assert_true(incident_id > last[4]);
        mu_incident_book_destroy(book);
        database_done(&db);
}

static void test_the_appliance_is_no_group(void **state)
{
        struct database db;

        (void)state;
        database_init(&db);
        struct mu_incident_book *book = book_from(&db);

        for (int64_t i = 1; i <= 10; i++)
                assert_int_equal(fire(book, &db, 0, "Hall", NET_A, NOON), i);
        commit(book, &db);
        assert_int_equal(open_count(&db, MU_INCIDENT_APPLIANCE), 10);
        assert_string_equal(db.incidents[1].key, "");
        mu_incident_book_destroy(book);
        book = book_from(&db);
        for (int64_t i = 1; i <= 10; i++)
                (void)resolve(book, &db, i, NOON);
        commit(book, &db);
        assert_int_equal(open_count(&db, MU_INCIDENT_APPLIANCE), 0);
        mu_incident_book_destroy(book);
        database_done(&db);
}

static void test_the_worst_severity_stays(void **state)
{
        static const enum mu_alert_severity severities[] = {
                MU_SEVERITY_INFO, MU_SEVERITY_CRITICAL, MU_SEVERITY_INFO,   MU_SEVERITY_WARNING,
                MU_SEVERITY_INFO, MU_SEVERITY_INFO,     MU_SEVERITY_WARNING};
        struct database db;

        (void)state;
        database_init(&db);
        struct mu_incident_book *book = book_from(&db);

        for (int64_t i = 1; i <= 7; i++) {
                const struct mu_incident_alert alert = {
                        .alert_id = i,
                        .device_id = i,
                        .severity = severities[i - 1],
                        .site = "Hall",
                        .at_us = NOON,
                };
                int64_t incident_id;

                assert_int_equal(mu_incident_book_fired(book, &alert, &incident_id), 0);
                commit(book, &db);
                assert_int_equal(db.incidents[incident_id].row.severity,
                                 i > 5 ? MU_SEVERITY_CRITICAL : severities[i - 1]);
        }
        mu_incident_book_destroy(book);
        database_done(&db);
}

/* Opened and ended before it was ever written. */
static void test_edges_between_two_transactions(void **state)
{
        struct database db;

        (void)state;
        database_init(&db);
        struct mu_incident_book *book = book_from(&db);

        for (int64_t i = 1; i <= 7; i++)
                (void)fire(book, &db, i, "Hall", 0, NOON);
        for (int64_t i = 1; i <= 7; i++)
                (void)resolve(book, &db, i, NOON + SECOND);
        (void)fire(book, &db, 8, "Hall", 0, NOON + 2 * SECOND);
        commit(book, &db);
        assert_int_equal(mu_incident_book_incident_count(book), 1);
        assert_int_equal(open_count(&db, MU_INCIDENT_SITE), 0);
        assert_int_equal(open_count(&db, MU_INCIDENT_DEVICE), 1);
        assert_int_equal(db.incidents[6].row.alert_count, 7);
        mu_incident_book_destroy(book);
        database_done(&db);
}

static void test_rows_that_cannot_be(void **state)
{
        const struct mu_incident_book_config config = {5, 60, 0, 100};
        struct mu_incident_book_config wrong = config;
        struct mu_incident_book *book;
        struct mu_incident_row row = {.incident_id = 7,
                                      .kind = MU_INCIDENT_SITE,
                                      .group = MU_GROUP_SITE,
                                      .group_key = "Hall"};
        struct database db;

        (void)state;
        wrong.next_incident_id = 0;
        assert_int_equal(mu_incident_book_create(&wrong, &book), -EINVAL);
        assert_int_equal(mu_incident_book_create(&config, &book), 0);
        assert_int_equal(mu_incident_book_load_incident(book, &row), 0);
        assert_int_equal(mu_incident_book_load_incident(book, &row), -EEXIST);
        row.incident_id = 8;
        assert_int_equal(mu_incident_book_load_incident(book, &row), -EINVAL); /* two of Hall */
        row.kind = MU_INCIDENT_NETWORK;
        assert_int_equal(mu_incident_book_load_incident(book, &row), -EINVAL);
        row.kind = MU_INCIDENT_DEVICE;
        assert_int_equal(mu_incident_book_load_incident(book, &row), -EINVAL); /* which? */
        row.device_id = 3;
        row.incident_id = 100;
        assert_int_equal(mu_incident_book_load_incident(book, &row), -EINVAL); /* not given yet */
        row.incident_id = 9;
        assert_int_equal(mu_incident_book_load_incident(book, &row), 0);
        assert_int_equal(mu_incident_book_load_alert(book, 1, 8, NOON), -ENOENT);
        assert_int_equal(mu_incident_book_load_alert(book, 1, 9, NOON), 0);
        assert_int_equal(mu_incident_book_load_alert(book, 1, 7, NOON), -EEXIST);
        assert_int_equal(mu_incident_book_load_alert(book, 2, 9, NOON), -EINVAL);
        int64_t incident_id;

        assert_aborts(incident_id = mu_incident_book_resolved(book, 1, NOON, &incident_id));
        /* 7 has nothing that fires: it is closed. */
        database_init(&db);
        db.incidents[7].there = db.incidents[9].there = true;
        assert_int_equal(mu_incident_book_settle(book, NOON + 5), 0);
        commit(book, &db);
        assert_int_equal(db.incidents[7].closed_at_us, NOON + 5);
        assert_int_equal(db.incidents[9].closed_at_us, 0);
        assert_int_equal(resolve(book, &db, 1, NOON + 6), 9);
        mu_incident_book_destroy(book); /* with operations that nobody wrote */
        database_done(&db);
}

static void test_names(void **state)
{
        enum mu_incident_kind kind = MU_INCIDENT_DEVICE;
        enum mu_incident_group group = MU_GROUP_NONE;

        (void)state;
        for (unsigned i = 0; i < MU_INCIDENT_KIND_COUNT; i++) {
                const char *name = mu_incident_kind_name((enum mu_incident_kind)i);

                assert_int_equal(mu_incident_kind_of(name, &kind), 0);
                assert_int_equal(kind, i);
        }
        for (unsigned i = 0; i < MU_GROUP_COUNT; i++) {
                const char *name = mu_incident_group_name((enum mu_incident_group)i);

                assert_int_equal(mu_incident_group_of(name, &group), 0);
                assert_int_equal(group, i);
        }
        assert_int_equal(mu_incident_kind_of("", &kind), -ENOENT);
        assert_int_equal(mu_incident_group_of("Site", &group), -ENOENT);
}

/* ---- random histories ---- */

enum { DEVICES = 60, RULES = 2, STEPS = 3000 };

/* What the rule says, read off a list. */
struct expected {
        int64_t alert[DEVICES][RULES]; /* the firing one; 0: none */
        char group[DEVICES][RULES][16];
        int64_t fired_at_us[DEVICES][RULES];
        int64_t wide[DEVICES][RULES]; /* its incident, if that is one of many */
};

static void random_place(struct mu_random *random, char *ret_group, const char **ret_site,
                         uint64_t *ret_network)
{
        static const char *const sites[] = {NULL, "", "A", "B"};
        static const uint64_t networks[] = {0, NET_A, NET_A2, NET_B};
        static const char *const ranges[] = {"-", "a", "a", "b"};
        size_t site = (size_t)mu_random_below(random, 4);
        size_t network = (size_t)mu_random_below(random, 4);

        *ret_site = sites[site];
        *ret_network = networks[network];
        (void)snprintf(ret_group, 16, "%s", site >= 2 ? sites[site] : ranges[network]);
}

/* The wide incident that an alert joins; 0: it stands alone. opens: it is a new one. */
static int64_t expect(struct expected *e, int rule, const char *group, int64_t at_us,
                      int64_t next_id)
{
        uint32_t count = 1;
        bool within[DEVICES] = {false};

        for (int d = 0; d < DEVICES; d++) {
                if (e->alert[d][rule] == 0 || strcmp(e->group[d][rule], group) != 0)
                        continue;
                if (e->wide[d][rule] > 0)
                        return e->wide[d][rule];
                int64_t apart_us = at_us - e->fired_at_us[d][rule];

                within[d] = apart_us < WINDOW_S * SECOND && apart_us > -WINDOW_S * SECOND;
                count += within[d];
        }
        if (count <= GROUP_DEVICES)
                return 0;
        for (int d = 0; d < DEVICES; d++)
                if (within[d])
                        e->wide[d][rule] = next_id;
        return next_id;
}

static void check_database(const struct database *db, const struct expected *e)
{
        for (int d = 0; d < DEVICES; d++) {
                for (int r = 0; r < RULES; r++) {
                        if (e->alert[d][r] == 0)
                                continue;
                        int64_t id = db->alerts[e->alert[d][r]].incident_id;

                        assert_int_equal(db->incidents[id].closed_at_us, 0);
                        if (e->wide[d][r] > 0)
                                assert_int_equal(id, e->wide[d][r]);
                        else
                                assert_int_equal(db->incidents[id].row.kind, MU_INCIDENT_DEVICE);
                }
        }
}

/* reload: the book is made anew from the rows after every transaction. most: edges in one. */
static void run_history(uint64_t seed, bool reload, uint64_t most, bool check, struct database *db)
{
        struct expected e;
        struct mu_random random;
        int64_t at_us = NOON;
        uint64_t batch = 0;

        memset(&e, 0, sizeof(e));
        database_init(db);
        mu_random_seed(&random, seed);
        struct mu_incident_book *book = book_from(db);

        for (int step = 0; step < STEPS; step++) {
                int d = (int)mu_random_below(&random, DEVICES);
                int r = (int)mu_random_below(&random, RULES);
                bool flood = step / 300 % 2 == 0;
                struct mu_incident_alert alert = {
                        .alert_id = db->alert_max + 1,
                        .device_id = d + 1,
                        .rule = (enum mu_alert_rule)r,
                        .severity = (enum mu_alert_severity)mu_random_below(&random, 3),
                };
                char group[16];
                int64_t id;

                at_us += (int64_t)mu_random_below(&random, flood ? 3 : 40) * SECOND;
                if (mu_random_below(&random, 200) == 0)
                        at_us -= 300 * SECOND; /* the clock is set back */
                alert.at_us = at_us;
                random_place(&random, group, &alert.site, &alert.network);
                if (e.alert[d][r] > 0 && (!flood || mu_random_below(&random, 4) == 0)) {
                        assert_int_equal(mu_incident_book_resolved(book, e.alert[d][r], at_us, &id),
                                         0);
                        db->alerts[e.alert[d][r]].firing = false;
                        e.alert[d][r] = 0;
                } else if (e.alert[d][r] == 0) {
                        e.wide[d][r] = 0;
                        assert_int_equal(mu_incident_book_fired(book, &alert, &id), 0);
                        int64_t wide = expect(&e, r, group, at_us, id);

                        db->alert_max++;
                        db->alerts[alert.alert_id].firing = true;
                        db->alerts[alert.alert_id].fired_at_us = at_us;
                        e.alert[d][r] = alert.alert_id;
                        e.fired_at_us[d][r] = at_us;
                        e.wide[d][r] = wide;
                        memcpy(e.group[d][r], group, sizeof(group));
                        if (wide > 0)
                                assert_int_equal(id, wide);
                }
                if (++batch < most)
                        continue;
                batch = 0;
                commit(book, db);
                if (check)
                        check_database(db, &e);
                if (reload) {
                        mu_incident_book_destroy(book);
                        book = book_from(db);
                }
        }
        commit(book, db);
        check_database(db, &e);
        mu_incident_book_destroy(book);
}

static void assert_same_rows(const struct database *a, const struct database *b)
{
        assert_int_equal(a->incident_max, b->incident_max);
        assert_int_equal(a->alert_max, b->alert_max);
        assert_memory_equal(a->alerts, b->alerts,
                            ((size_t)a->alert_max + 1) * sizeof(a->alerts[0]));
        for (int64_t i = 1; i <= a->incident_max; i++) {
                const struct incident_row *left = &a->incidents[i], *right = &b->incidents[i];

                assert_int_equal(left->closed_at_us, right->closed_at_us);
                assert_int_equal(left->merged_into, right->merged_into);
                assert_int_equal(left->firing_count, right->firing_count);
                assert_int_equal(left->row.alert_count, right->row.alert_count);
                assert_int_equal(left->row.severity, right->row.severity);
                assert_string_equal(left->key, right->key);
        }
}

static void test_random_histories(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 10; seed++) {
                struct database once, twice, reloaded, batched, batches_reloaded;

                print_message("seed %llu\n", (unsigned long long)seed);
                run_history(seed, false, 1, true, &once);
                run_history(seed, false, 1, false, &twice);
                run_history(seed, true, 1, false, &reloaded);
                run_history(seed, false, 37, false, &batched);
                run_history(seed, true, 37, false, &batches_reloaded);
                assert_true(once.opened[MU_INCIDENT_SITE] > 0 &&
                            once.opened[MU_INCIDENT_NETWORK] > 0);
                assert_true(once.opened[MU_INCIDENT_DEVICE] > 100);
                /* Word for word. */
                assert_int_equal(once.log, twice.log);
                assert_int_equal(once.log, reloaded.log);
                assert_int_equal(batched.log, batches_reloaded.log);
                assert_same_rows(&once, &batched);
                database_done(&once);
                database_done(&twice);
                database_done(&reloaded);
                database_done(&batched);
                database_done(&batches_reloaded);
        }
}

static void test_a_hundred_thousand_at_once(void **state)
{
        enum { FLEET = 100000, SITES = 40 };
        struct database db;

        (void)state;
        database_init(&db);
        struct mu_incident_book *book = book_from(&db);

        for (int64_t i = 1; i <= FLEET; i++) {
                char site[16];

                (void)snprintf(site, sizeof(site), "Site %d", (int)(i % SITES));
                (void)fire(book, &db, i, site, NET_A, NOON + i);
                if (i % 5000 == 0)
                        commit(book, &db);
        }
        assert_int_equal(open_count(&db, MU_INCIDENT_SITE), SITES);
        assert_int_equal(open_count(&db, MU_INCIDENT_DEVICE), 0);
        assert_int_equal(db.opened[MU_INCIDENT_DEVICE], SITES * GROUP_DEVICES);
        /* A line per edge, and what is per incident. */
        assert_true(db.op_count <= FLEET + SITES * (20 + 3 * (GROUP_DEVICES + 1)));
        mu_incident_book_destroy(book);
        book = book_from(&db);
        assert_int_equal(mu_incident_book_incident_count(book), SITES);
        for (int64_t i = 1; i <= FLEET; i++)
                (void)resolve(book, &db, i, NOON + 900 * SECOND);
        commit(book, &db);
        assert_int_equal(open_count(&db, MU_INCIDENT_SITE), 0);
        /* Silent once more: one incident a site again, and nothing is left behind. */
        for (int64_t i = 1; i <= FLEET; i++)
                (void)fire(book, &db, i, i % 2 ? "odd" : "even", NET_A, NOON + 960 * SECOND + i);
        commit(book, &db);
        assert_int_equal(db.opened[MU_INCIDENT_SITE], SITES + 2);
        for (int64_t i = 1; i <= FLEET; i++)
                (void)resolve(book, &db, FLEET + i, NOON + 1000 * SECOND);
        commit(book, &db);
        assert_int_equal(mu_incident_book_incident_count(book), 0);
        assert_int_equal(mu_incident_book_alert_count(book), 0);
        mu_incident_book_destroy(book);
        database_done(&db);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_few_are_single_many_are_one),
                cmocka_unit_test(test_only_what_fired_within_the_window_counts),
                cmocka_unit_test(test_silence_has_a_longer_window),
                cmocka_unit_test(test_places_and_rules_stay_apart),
                cmocka_unit_test(test_the_appliance_is_no_group),
                cmocka_unit_test(test_the_worst_severity_stays),
                cmocka_unit_test(test_edges_between_two_transactions),
                cmocka_unit_test(test_rows_that_cannot_be),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_random_histories),
                cmocka_unit_test(test_a_hundred_thousand_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
