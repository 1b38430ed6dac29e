/* SPDX-License-Identifier: Apache-2.0 */
/* Filters, orders and pages, with a real PostgreSQL and a device table: 3,000 devices. */
#include "control/device/device_find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/qsbr.h"
#include "base/random.h"
#include "control/control.h"
#include "fixture.h"
#include "identity/glance.h"
#include "unit.h"

enum {
        DEVICES = 3000,
        MANY = 100000,
        NOW_S = 1790000000,
        INTERVAL_S = 300,
};

static struct test_pg *postgres;

struct world {
        struct mu_pg *pg;
        struct mu_qsbr *qsbr;
        struct mu_control control;
        struct mu_clock clock;
        int64_t devices; /* ids 1.. */
};

static uint64_t fixed_monotonic(void *context)
{
        (void)context;
        return UINT64_C(1000000) * (uint64_t)MU_NS_PER_S;
}

static int64_t fixed_realtime(void *context)
{
        (void)context;
        return NOW_S * MU_US_PER_S;
}

/* Device i: what the filters below ask for follows from its number. */
static const char MAKE[] =
        "TRUNCATE devices, device_tokens, device_last_status RESTART IDENTITY CASCADE;"
        "INSERT INTO devices (alias, kind, hardware_id, enrolled_by, tags, site, notes, created_at,"
        " first_seen_at, deleted_at, quarantined_at)"
        " SELECT CASE i % 4 WHEN 0 THEN 'Büro ' WHEN 1 THEN 'büro ' WHEN 2 THEN 'phone 100% '"
        "  ELSE 'a_b\\c ' END || i % 700, CASE WHEN i % 5 = 0 THEN 'desktop' ELSE 'android' END,"
        " 'hw-' || i, 'test', ARRAY['t' || i % 7, 'u' || i % 3], 'site ' || i % 20,"
        " CASE WHEN i % 9 = 0 THEN E'first line\\nsecond' END,"
        " to_timestamp(1780000000 + i / 4),"
        " CASE WHEN i % 11 > 0 THEN to_timestamp(1780000000) END,"
        " CASE WHEN i % 50 = 49 THEN now() END, CASE WHEN i % 60 = 7 THEN now() END"
        " FROM generate_series(1, 3000) AS i;"
        "INSERT INTO device_last_status (device_id, received_at, observed_at, clock_offset_s, "
        "flags,"
        " battery, network, fg_package, agent_version)"
        " SELECT id, to_timestamp(1790000000 - id % 1500), to_timestamp(1790000000 - id % 1500), 0,"
        " 0, CASE WHEN id % 13 > 0 THEN id % 101 END,"
        " (ARRAY['wifi', 'cellular', 'ethernet', 'offline', NULL])[1 + id % 5],"
        " 'org.example.app' || id % 6, '1.' || id % 12 || '.0'"
        " FROM devices WHERE deleted_at IS NULL AND first_seen_at IS NOT NULL;"
        "ANALYZE devices; ANALYZE device_last_status";

static const struct mu_pg_statement LIST = {
        .name = "test_list",
        .sql = "SELECT id, deleted_at IS NOT NULL, quarantined_at IS NOT NULL,"
               " first_seen_at IS NOT NULL, kind = 'desktop' FROM devices ORDER BY id",
};

static void fill_table(struct world *world, struct mu_device_table *table)
{
        struct mu_pg_result *rows;

        assert_int_equal(mu_pg_query(world->pg, &LIST, MU_PG_VALUES(), &rows), 0);
        mu_device_table_lock(table);
        for (size_t i = 0; i < mu_pg_rows(rows); i++) {
                struct mu_device *device;

                assert_int_equal(mu_device_table_add(table, mu_pg_get_int(rows, i, 0), &device), 0);
                if (mu_pg_get_bool(rows, i, 1))
                        atomic_store(&device->state, MU_DEVICE_DELETED);
                else if (mu_pg_get_bool(rows, i, 2))
                        atomic_store(&device->state, MU_DEVICE_QUARANTINED);
                atomic_store(&device->seen, mu_pg_get_bool(rows, i, 3));
                device->kind = mu_pg_get_bool(rows, i, 4);
        }
        mu_device_table_unlock(table);
        mu_pg_result_free(rows);
}

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        struct mu_device_table *table;

        if (!world)
                return -1;
        world->clock =
                (struct mu_clock){.monotonic_ns = fixed_monotonic, .realtime_us = fixed_realtime};
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg, MAKE);
        assert_int_equal(mu_qsbr_create(2, &world->qsbr), 0);
        assert_int_equal(mu_device_table_create(world->qsbr, &table), 0);
        mu_device_table_set_authoritative(table);
        fill_table(world, table);
        world->devices = DEVICES;
        world->control.config.devices = table;
        world->control.config.clock = &world->clock;
        world->control.config.heartbeat_interval_s = INTERVAL_S;
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        mu_device_table_destroy(world->control.config.devices);
        mu_qsbr_destroy(world->qsbr);
        mu_database_release(postgres->database, world->pg);
        free(world);
        return 0;
}

/* ---- asking ---- */

static struct mu_device_filter filter_of(json_t *json)
{
        struct mu_device_filter filter;

        assert_int_equal(mu_device_filter_read(json, &filter), 0);
        return filter;
}

static void find(struct world *world, const struct mu_device_filter *filter,
                 const struct mu_device_order *order, const struct mu_device_cursor *after,
                 size_t limit, struct mu_device_page *ret_page)
{
        bool own;
        int error = mu_device_find_begin(world->pg, &own);

        if (error == 0)
                error = mu_device_find(&world->control, world->pg, filter, order, after, limit,
                                       ret_page);
        if (mu_device_find_end(world->pg, own, error) < 0)
                fail_msg("find: %d %s", error, mu_pg_last_error(world->pg)->text);
}

/* All pages, the cursor going out and in as text. */
static struct mu_device_ids find_all(struct world *world, const struct mu_device_filter *filter,
                                     const struct mu_device_order *order, size_t limit,
                                     void (*between)(struct world *world, size_t page))
{
        struct mu_device_cursor after = {0};
        struct mu_device_ids all = {0};
        struct mu_device_page page;
        char cursor[MU_DEVICE_CURSOR_CHARS];

        for (size_t number = 0;; number++) {
                find(world, filter, order, &after, limit, &page);
                for (size_t i = 0; i < page.ids.count; i++)
                        assert_int_equal(mu_device_ids_add(&all, page.ids.ids[i]), 0);
                mu_device_page_done(&page);
                if (!page.more)
                        return all;
                assert_int_equal(page.ids.count, 0); /* done has emptied it */
                assert_int_equal(mu_device_cursor_encode(&page.next, order, cursor), 0);
                assert_true(mu_device_cursor_decode(cursor, order, &after));
                if (between)
                        between(world, number);
        }
}

static int64_t number(struct world *world, const char *where)
{
        char sql[2048];

        (void)snprintf(sql, sizeof(sql),
                       "SELECT count(*) FROM devices d LEFT JOIN device_last_status s"
                       " ON s.device_id = d.id WHERE %s",
                       where);
        return test_pg_number(world->pg, sql);
}

/* The filter finds as many as SQL says, all of them devices that SQL says, whatever the order. */
static void expect(struct world *world, json_t *json, const char *where)
{
        struct mu_device_filter filter = filter_of(json);
        int64_t expected = number(world, where);
        int64_t counted;
        bool own;

        for (int sort = 0; sort < MU_DEVICE_SORT_COUNT; sort++) {
                const struct mu_device_order order = {.sort = (enum mu_device_sort)sort};
                char text[1200];

                if (filter.status == MU_DEVICE_STATUS_DELETED && sort >= MU_DEVICE_SORT_LAST_SEEN)
                        break;
                struct mu_device_ids ids = find_all(world, &filter, &order, 499, NULL);

                if ((int64_t)ids.count != expected)
                        fail_msg("%s: %zu, not %lld", where, ids.count, (long long)expected);
                for (size_t i = 0; i < ids.count; i += ids.count / 5 + 1) {
                        (void)snprintf(text, sizeof(text), "(%s) AND d.id = %lld", where,
                                       (long long)ids.ids[i]);
                        assert_int_equal(number(world, text), 1);
                }
                mu_device_ids_done(&ids);
        }
        assert_int_equal(mu_device_find_begin(world->pg, &own), 0);
        assert_int_equal(mu_device_count(&world->control, world->pg, &filter, &counted), 0);
        assert_int_equal(mu_device_find_end(world->pg, own, 0), 0);
        assert_int_equal(counted, expected);
        mu_device_filter_done(&filter);
        json_decref(json);
}

/* ---- filters ---- */

static void each_filter_means_what_it_says(void **state)
{
        struct world *world = *state;
#define LIVE "d.deleted_at IS NULL AND "

        expect(world, json_object(), "d.deleted_at IS NULL");
        expect(world, json_pack("{s:s}", "kind", "desktop"), LIVE "kind = 'desktop'");
        expect(world, json_pack("{s:s}", "site", "site 3"), LIVE "site = 'site 3'");
        expect(world, json_pack("{s:[s]}", "tag", "t3"), LIVE "'t3' = ANY (tags)");
        expect(world, json_pack("{s:[ss]}", "tag", "t3", "u1"), LIVE "tags @> '{t3,u1}'");
        expect(world, json_pack("{s:[s]}", "tag", "t"), LIVE "false");
        expect(world, json_pack("{s:i}", "battery_below", 15), LIVE "s.battery < 15");
        expect(world, json_pack("{s:s}", "network", "ethernet"), LIVE "s.network = 'ethernet'");
        expect(world, json_pack("{s:s}", "agent_version", "1.7.0"),
               LIVE "s.agent_version = '1.7.0'");
        expect(world, json_pack("{s:s}", "agent_version", "9"), LIVE "false");
        expect(world, json_pack("{s:s}", "app", "org.example.app4"),
               LIVE "s.fg_package = 'org.example.app4'");
        expect(world, json_pack("{s:s}", "status", "deleted"), "d.deleted_at IS NOT NULL");
        expect(world, json_pack("{s:s, s:s}", "status", "deleted", "site", "site 9"),
               "d.deleted_at IS NOT NULL AND site = 'site 9'");
        expect(world, json_pack("{s:s}", "status", "quarantined"),
               LIVE "quarantined_at IS NOT NULL");
        expect(world,
               json_pack("{s:s, s:s, s:[s], s:i, s:s}", "kind", "android", "site", "site 2", "tag",
                         "u2", "battery_below", 70, "network", "ethernet"),
               LIVE "kind = 'android' AND site = 'site 2' AND 'u2' = ANY (tags)"
                    " AND s.battery < 70 AND s.network = 'ethernet'");
}

static enum mu_device_status status_of(const struct mu_device *device,
                                       const struct mu_device_moment *moment)
{
        return mu_device_status(device, moment, mu_device_last_seen_s(device, moment));
}

static void status_follows_the_interval(void **state)
{
        struct world *world = *state;
#define FIT "d.deleted_at IS NULL AND quarantined_at IS NULL AND first_seen_at IS NOT NULL AND "
#define AGO "1790000000 - extract(epoch FROM s.received_at)"

        expect(world, json_pack("{s:s}", "status", "online"), FIT AGO " <= 450");
        expect(world, json_pack("{s:s}", "status", "late"), FIT AGO " BETWEEN 451 AND 720");
        expect(world, json_pack("{s:s}", "status", "silent"), FIT AGO " > 720");
        expect(world, json_pack("{s:s}", "status", "never"),
               "d.deleted_at IS NULL AND quarantined_at IS NULL AND first_seen_at IS NULL");

        /* An interval of its own, and a request that PostgreSQL knows nothing of. */
        struct mu_device *device = mu_device_table_by_id(world->control.config.devices, 1400);
        struct mu_device_moment moment = mu_device_moment(&world->control, NULL);

        assert_int_equal(status_of(device, &moment), MU_DEVICE_STATUS_SILENT);
        atomic_store(&device->interval_s, 1000);
        assert_int_equal(status_of(device, &moment), MU_DEVICE_STATUS_ONLINE);
        atomic_store(&device->interval_s, 0);
        atomic_store(&device->stamp_ms, moment.now_ms - 5000);
        assert_int_equal(mu_device_last_seen_s(device, &moment), NOW_S - 5);
        assert_int_equal(status_of(device, &moment), MU_DEVICE_STATUS_ONLINE);
        atomic_store(&device->state, MU_DEVICE_DELETING);
        assert_int_equal(status_of(device, &moment), MU_DEVICE_STATUS_DELETED);
}

/* What a search text says, it says literally; case does not count, in any alphabet. */
static void searching_is_literal(void **state)
{
        struct world *world = *state;

        expect(world, json_pack("{s:s}", "q", "BÜRO"), LIVE "d.id % 4 IN (0, 1)");
        expect(world, json_pack("{s:s}", "q", "100%"), LIVE "d.id % 4 = 2");
        expect(world, json_pack("{s:s}", "q", "%"), LIVE "d.id % 4 = 2");
        expect(world, json_pack("{s:s}", "q", "_"), LIVE "d.id % 4 = 3");
        expect(world, json_pack("{s:s}", "q", "a_B\\C"), LIVE "d.id % 4 = 3");
        expect(world, json_pack("{s:s}", "q", "\\"), LIVE "d.id % 4 = 3");
        expect(world, json_pack("{s:s}", "q", "line second"), LIVE "false");
        expect(world, json_pack("{s:s}", "q", "SECOND"), LIVE "d.id % 9 = 0");
        expect(world, json_pack("{s:s}", "q", "hw-1234"), LIVE "d.id = 1234");
        expect(world, json_pack("{s:s}", "q", "' OR true --"), LIVE "false");
        expect(world, json_pack("{s:s}", "q", "2817"),
               LIVE "(d.id = 2817 OR d.search LIKE '%2817%')");
        expect(world, json_pack("{s:s}", "q", "site 19"), LIVE "d.site = 'site 19'");
        expect(world, json_pack("{s:s}", "q", "99999999999999999999"), LIVE "false");
}

/* ---- orders ---- */

static void orders_are_what_they_are_called(void **state)
{
        static const char *const keys[] = {
                "d.id",
                "lower(d.alias)",
                "d.created_at",
                "coalesce(s.received_at, 'epoch')",
                "coalesce(s.battery, -1)",
                "coalesce(string_to_array(s.agent_version, '.')::int[], '{}')"};
        struct world *world = *state;
        struct mu_device_filter everyone = filter_of(NULL);
        struct mu_device_ids ids;
        struct mu_pg_result *rows;

        for (int sort = 0; sort < MU_DEVICE_SORT_COUNT; sort++)
                for (int descending = 0; descending < 2; descending++) {
                        const struct mu_device_order order = {.sort = (enum mu_device_sort)sort,
                                                              .descending = descending};
                        const char *way = descending ? "DESC" : "ASC";
                        /* They live as long as the connection's prepared statements. */
                        static char names[MU_DEVICE_SORT_COUNT][2][32];
                        static char texts[MU_DEVICE_SORT_COUNT][2][512];
                        static struct mu_pg_statement statements[MU_DEVICE_SORT_COUNT][2];
                        char *name = names[sort][descending];
                        char *sql = texts[sort][descending];
                        struct mu_pg_statement *reference = &statements[sort][descending];

                        (void)snprintf(name, sizeof(names[0][0]), "test_order_%d_%d", sort,
                                       descending);
                        (void)snprintf(sql, sizeof(texts[0][0]),
                                       "SELECT d.id FROM devices d LEFT JOIN device_last_status s"
                                       " ON s.device_id = d.id WHERE d.deleted_at IS NULL"
                                       " ORDER BY %s %s, d.id %s",
                                       keys[sort], way, way);
                        *reference = (struct mu_pg_statement){.name = name, .sql = sql};

                        ids = find_all(world, &everyone, &order, 37, NULL);
                        assert_int_equal(mu_pg_query(world->pg, reference, MU_PG_VALUES(), &rows),
                                         0);
                        assert_int_equal(mu_pg_rows(rows), ids.count);
                        for (size_t i = 0; i < ids.count; i++)
                                if (mu_pg_get_int(rows, i, 0) != ids.ids[i])
                                        fail_msg("by %s %s, place %zu: %lld, not %lld", keys[sort],
                                                 way, i, (long long)ids.ids[i],
                                                 (long long)mu_pg_get_int(rows, i, 0));
                        mu_pg_result_free(rows);
                        mu_device_ids_done(&ids);
                }
}

/* Between pages devices come and go; those with a third of the ids stay as they are. */
static void disturb(struct world *world, size_t page)
{
        struct mu_device_table *table = world->control.config.devices;
        char sql[256];

        for (int64_t id = 1 + (int64_t)page % 90; id <= world->devices; id += 90) {
                struct mu_device *device = mu_device_table_by_id(table, id);

                if (id % 3 != 0)
                        atomic_store(&device->state, MU_DEVICE_DELETED);
        }
        (void)snprintf(
                sql, sizeof(sql),
                "UPDATE devices SET deleted_at = now() WHERE id %% 90 = %zu AND id %% 3 <> 0;"
                "INSERT INTO devices (alias, kind, enrolled_by, created_at)"
                " VALUES ('new', 'android', 'test', to_timestamp(1780000300))",
                1 + page % 90);
        test_pg_run(world->pg, sql);
}

static void cover(struct world *world, const struct mu_device_order *order, size_t limit)
{
        struct mu_device_filter everyone = filter_of(NULL);
        struct mu_device_ids ids = find_all(world, &everyone, order, limit, disturb);
        uint8_t *seen = calloc((size_t)world->devices + 10000, 1);

        assert_non_null(seen);
        for (size_t i = 0; i < ids.count; i++)
                assert_int_equal(seen[ids.ids[i]]++, 0);
        for (int64_t id = 3; id <= world->devices; id += 3)
                if (id % 50 != 49 && !seen[id])
                        fail_msg("order %d left out %lld", order->sort, (long long)id);
        free(seen);
        mu_device_ids_done(&ids);
}

static void pages_cover_each_device_once_while_others_change(void **state)
{
        for (int sort = 0; sort < MU_DEVICE_SORT_COUNT; sort++) {
                const struct mu_device_order order = {.sort = (enum mu_device_sort)sort,
                                                      .descending = sort % 2};

                cover(*state, &order, 41);
        }
}

/* Any place is reached at once, and is the one that walking leads to. */
static void skipping_leads_where_walking_does(struct world *world, json_t *json,
                                              const struct mu_device_order *order)
{
        static const uint32_t places[] = {0, 1, 36, 1499, 2900, 2939, 2940, 5000, 1000000};
        struct mu_device_filter filter = filter_of(json);
        struct mu_device_ids all = find_all(world, &filter, order, 500, NULL);

        for (size_t i = 0; i < MU_COUNT_OF(places); i++) {
                const struct mu_device_cursor start = {.skip = places[i]};
                size_t left = all.count > places[i] ? all.count - places[i] : 0;
                struct mu_device_page page;

                find(world, &filter, order, &start, 37, &page);
                assert_int_equal(page.ids.count, left < 37 ? left : 37);
                assert_int_equal(page.more, left > 37);
                for (size_t j = 0; j < page.ids.count; j++)
                        assert_int_equal(page.ids.ids[j], all.ids[places[i] + j]);
                if (page.more) { /* and a cursor leads on from there */
                        const struct mu_device_cursor next = page.next;

                        mu_device_page_done(&page);
                        assert_int_equal(next.skip, 0);
                        find(world, &filter, order, &next, 1, &page);
                        assert_int_equal(page.ids.ids[0], all.ids[places[i] + 37]);
                }
                mu_device_page_done(&page);
        }
        mu_device_ids_done(&all);
        mu_device_filter_done(&filter);
        json_decref(json);
}

static void any_place_is_reached_at_once(void **state)
{
        for (int sort = 0; sort < 2 * MU_DEVICE_SORT_COUNT; sort++) {
                const struct mu_device_order order = {.sort = (enum mu_device_sort)(sort / 2),
                                                      .descending = sort % 2};

                skipping_leads_where_walking_does(*state, json_object(), &order);
                /* Many, some and few whom memory lets through. */
                skipping_leads_where_walking_does(*state, json_pack("{s:s}", "kind", "android"),
                                                  &order);
                skipping_leads_where_walking_does(*state, json_pack("{s:s}", "status", "online"),
                                                  &order);
                skipping_leads_where_walking_does(
                        *state, json_pack("{s:i, s:s}", "battery_below", 9, "q", "b"), &order);
        }
}

/* The rest of a hundred thousand, made as the first are. */
static void pages_of_many(void **state)
{
        static const struct mu_device_order orders[] = {
                {.sort = MU_DEVICE_SORT_ALIAS},
                {.sort = MU_DEVICE_SORT_BATTERY, .descending = true},
        };
        struct world *world = *state;

        world->devices = MANY;
        test_pg_run(world->pg,
                    "INSERT INTO devices (alias, kind, enrolled_by, first_seen_at, deleted_at)"
                    " SELECT 'device ' || i % 977, 'android', 'test', now(),"
                    " CASE WHEN i % 50 = 49 THEN now() END FROM generate_series(3001, 100000) AS i;"
                    "INSERT INTO device_last_status (device_id, received_at, observed_at,"
                    " clock_offset_s, flags, battery) SELECT id, now(), now(), 0, 0, id % 101"
                    " FROM devices WHERE id > 3000 AND deleted_at IS NULL; ANALYZE devices");
        fill_table(world, world->control.config.devices);
        for (size_t i = 0; i < MU_COUNT_OF(orders); i++)
                cover(world, &orders[i], MU_DEVICE_PAGE_MAX);
}

/* ---- cursors ---- */

static void cursors_are_checked(void **state)
{
        const struct mu_device_order order = {.sort = MU_DEVICE_SORT_ALIAS};
        const struct mu_device_order other = {.sort = MU_DEVICE_SORT_ALIAS, .descending = true};
        const struct mu_device_order by_id = {.sort = MU_DEVICE_SORT_ID};
        struct mu_device_cursor cursor = {.id = 42, .text = "b\"üro\\"};
        struct mu_device_cursor back = {0};
        char text[MU_DEVICE_CURSOR_CHARS];
        struct mu_random random;

        (void)state;
        assert_int_equal(mu_device_cursor_encode(&cursor, &order, text), 0);
        assert_null(strpbrk(text, "+/=%&\""));
        assert_true(mu_device_cursor_decode(text, &order, &back));
        assert_int_equal(back.id, 42);
        assert_string_equal(back.text, cursor.text);
        assert_false(mu_device_cursor_decode(text, &other, &back));
        assert_false(mu_device_cursor_decode(text, &by_id, &back));
        assert_false(mu_device_cursor_decode("", &order, &back));
        assert_false(mu_device_cursor_decode("e30", &order, &back));    /* {} */
        assert_false(mu_device_cursor_decode("bnVsbA", &order, &back)); /* null */
        assert_false(mu_device_cursor_decode("%00", &order, &back));
        mu_random_seed(&random, 7);
        for (int i = 0; i < 20000; i++) {
                char mutated[MU_DEVICE_CURSOR_CHARS];

                memcpy(mutated, text, sizeof(mutated));
                mutated[mu_random_below(&random, strlen(text))] =
                        (char)(1 + mu_random_below(&random, 127));
                if (mu_device_cursor_decode(mutated, &order, &back))
                        assert_true(back.id > 0 && strlen(back.text) < sizeof(back.text));
        }
        /* The longest key there can be. */
        memset(cursor.text, '"', 512);
        cursor.id = INT64_MAX;
        assert_int_equal(mu_device_cursor_encode(&cursor, &order, text), 0);
        assert_true(mu_device_cursor_decode(text, &order, &back));
        assert_string_equal(back.text, cursor.text);
}

/* A cursor of another's making is still only values. */
static void made_up_cursors_find_what_they_say(void **state)
{
        struct world *world = *state;
        struct mu_device_filter everyone = filter_of(NULL);

        for (int sort = 0; sort < MU_DEVICE_SORT_COUNT; sort++) {
                const struct mu_device_order order = {.sort = (enum mu_device_sort)sort};
                const struct mu_device_cursor after = {
                        .id = INT64_MAX, .number = INT64_C(253402300799000000), .text = "\x7f"};
                struct mu_device_page page;

                find(world, &everyone, &order, &after, 10, &page);
                assert_false(page.more);
                mu_device_page_done(&page);
        }
}

/* ---- memory ---- */

static void what_was_stored_before_is_read_once(void **state)
{
        struct world *world = *state;
        struct mu_device *device = mu_device_table_by_id(world->control.config.devices, 100);

        assert_int_equal(mu_glance_read(device).battery, -1);
        assert_int_equal(mu_device_glances_load(&world->control, world->pg), 0);
        assert_int_equal(mu_glance_read(device).battery, 100);
        assert_int_equal(mu_glance_read(device).received_s, NOW_S - 100);
        assert_string_equal(mu_names_text(mu_device_table_versions(world->control.config.devices),
                                          mu_glance_read(device).version_id),
                            "1.4.0");
        test_pg_run(world->pg, "UPDATE device_last_status SET battery = 1,"
                               " observed_at = observed_at + interval '1 hour'");
        assert_int_equal(mu_device_glances_load(&world->control, world->pg), 0);
        assert_int_equal(mu_glance_read(device).battery, 100);
}

static int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

static int group_teardown(void **state)
{
        *state = postgres;
        return test_pg_group_teardown(state);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(each_filter_means_what_it_says),
                TEST(status_follows_the_interval),
                TEST(searching_is_literal),
                TEST(orders_are_what_they_are_called),
                TEST(pages_cover_each_device_once_while_others_change),
                TEST(any_place_is_reached_at_once),
                TEST(pages_of_many),
                TEST(cursors_are_checked),
                TEST(made_up_cursors_find_what_they_say),
                TEST(what_was_stored_before_is_read_once),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
