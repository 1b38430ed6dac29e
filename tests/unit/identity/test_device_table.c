/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device_table.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/hash.h"
#include "base/qsbr.h"
#include "base/thread.h"
#include "unit.h"

struct world {
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
};

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        *state = world;
        return !world || mu_qsbr_create(8, &world->qsbr) < 0 ||
                               mu_device_table_create(world->qsbr, &world->table) < 0
                       ? -1
                       : 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        mu_device_table_destroy(world->table);
        mu_qsbr_destroy(world->qsbr);
        free(world);
        return 0;
}

/* A digest of its own for each number. */
static struct mu_digest digest_of(uint64_t number)
{
        struct mu_digest digest;

        mu_token_digest((const char *)&number, sizeof(number), &digest);
        return digest;
}

/* Digests that all begin at one slot. */
static struct mu_digest colliding(uint64_t number)
{
        struct mu_digest digest = {.bytes = {7, 7, 7, 7, 7, 7, 7, 7}};

        memcpy(digest.bytes + 8, &number, sizeof(number));
        return digest;
}

static struct mu_device *add(struct world *world, int64_t id)
{
        struct mu_device *device;

        mu_device_table_lock(world->table);
        assert_int_equal(mu_device_table_add(world->table, id, &device), 0);
        mu_device_table_unlock(world->table);
        return device;
}

static int add_token(struct world *world, struct mu_device *device, struct mu_digest digest,
                     uint32_t generation, bool used)
{
        mu_device_table_lock(world->table);
        int error = mu_device_table_add_token(world->table, device, &digest, generation, used);

        mu_device_table_unlock(world->table);
        return error;
}

static struct mu_device *resolve(struct world *world, struct mu_digest digest)
{
        return mu_device_table_resolve(world->table, &digest, 5000);
}

static bool readable(struct world *world)
{
        struct pollfd fd = {.fd = mu_device_table_eventfd(world->table), .events = POLLIN};

        return poll(&fd, 1, 0) == 1;
}

/* The events of the only device noted. */
static uint32_t take_one(struct world *world, const struct mu_device *expected)
{
        struct mu_device *device = mu_device_table_take(world->table);
        struct mu_device *next;

        assert_ptr_equal(device, expected);
        uint32_t events = mu_device_take_events(device, &next);

        assert_null(next);
        return events;
}

static void find_what_was_added(void **state)
{
        struct world *world = *state;
        struct mu_device *device = add(world, 42);

        assert_null(resolve(world, digest_of(1)));
        assert_int_equal(add_token(world, device, digest_of(1), 1, false), 0);
        assert_int_equal(mu_device_table_token_count(world->table), 1);
        assert_ptr_equal(resolve(world, digest_of(1)), device);
        assert_int_equal(device->stamp_ms, 5000);
        assert_null(resolve(world, digest_of(2)));
        assert_int_equal(add_token(world, device, digest_of(1), 2, false), -EEXIST);
        assert_int_equal(add_token(world, add(world, 43), digest_of(1), 1, false), -EEXIST);
        assert_ptr_equal(add(world, 42), device);
        assert_int_equal(mu_device_table_count(world->table), 2);
}

/* Every state resolves: what to answer is the frontend's affair. */
static void every_state_resolves(void **state)
{
        struct world *world = *state;
        struct mu_device *device = add(world, 1);

        assert_int_equal(add_token(world, device, digest_of(1), 1, true), 0);
        for (uint32_t s = MU_DEVICE_LIVE; s <= MU_DEVICE_DELETED; s++) {
                atomic_store(&device->state, s);
                assert_ptr_equal(resolve(world, digest_of(1)), device);
                assert_int_equal(mu_device_state(device), s);
        }
}

static void authority(void **state)
{
        struct world *world = *state;

        assert_false(mu_device_table_authoritative(world->table));
        mu_device_table_set_authoritative(world->table);
        assert_true(mu_device_table_authoritative(world->table));
}

/* Up to 100,000 tokens through many rehashes; all found, none else. */
static void growth(void **state)
{
        struct world *world = *state;
        const uint64_t count = 100000;

        for (uint64_t i = 1; i <= count; i++)
                assert_int_equal(add_token(world, add(world, (int64_t)i), digest_of(i), 1, true),
                                 0);
        for (uint64_t i = 1; i <= count; i++) {
                struct mu_device *device = resolve(world, digest_of(i));

                assert_non_null(device);
                assert_int_equal(device->id, i);
                assert_ptr_equal(device, mu_device_table_by_id(world->table, (int64_t)i));
                assert_ptr_equal(device, mu_device_table_at(world->table, device->index));
                assert_int_equal(device->index, i - 1);
                assert_null(resolve(world, digest_of(count + i)));
        }
        assert_int_equal(mu_device_table_token_count(world->table), count);
}

static void collisions(void **state)
{
        struct world *world = *state;

        for (uint64_t i = 1; i <= 300; i++)
                assert_int_equal(add_token(world, add(world, (int64_t)i), colliding(i), 1, true),
                                 0);
        for (uint64_t i = 1; i <= 300; i++)
                assert_int_equal(resolve(world, colliding(i))->id, i);
        assert_null(resolve(world, colliding(301)));
}

static void directory_of_ids(void **state)
{
        struct world *world = *state;
        static const int64_t ids[] = {
                1, 8191, 8192, (1 << 26) - 1, 1 << 26, INT64_C(1) << 38, MU_DEVICE_ID_MAX};
        struct mu_device *device;

        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
                assert_null(mu_device_table_by_id(world->table, ids[i]));
                device = add(world, ids[i]);
                assert_int_equal(device->id, ids[i]);
        }
        for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
                assert_int_equal(mu_device_table_by_id(world->table, ids[i])->index, i);
        assert_null(mu_device_table_by_id(world->table, 0));
        assert_null(mu_device_table_by_id(world->table, -1));
        assert_null(mu_device_table_by_id(world->table, MU_DEVICE_ID_MAX + 1));
        assert_null(mu_device_table_by_id(world->table, INT64_MAX));
        assert_null(mu_device_table_by_id(world->table, INT64_MIN));
        assert_int_equal(mu_device_table_add(world->table, 0, &device), -ERANGE);
        assert_int_equal(mu_device_table_add(world->table, -5, &device), -ERANGE);
        assert_int_equal(mu_device_table_add(world->table, MU_DEVICE_ID_MAX + 1, &device), -ERANGE);
}

/* A replaced token is good until the new one is first used. */
static void generations(void **state)
{
        struct world *world = *state;
        struct mu_device *device = add(world, 1);

        for (uint32_t generation = 1; generation <= 4; generation++)
                assert_int_equal(add_token(world, device, digest_of(generation), generation, false),
                                 0);
        assert_ptr_equal(resolve(world, digest_of(1)), device);
        assert_ptr_equal(resolve(world, digest_of(1)), device);
        assert_ptr_equal(resolve(world, digest_of(3)), device); /* the first use of a newer one */
        assert_null(resolve(world, digest_of(1)));
        assert_null(resolve(world, digest_of(2)));
        assert_ptr_equal(resolve(world, digest_of(3)), device);
        assert_ptr_equal(resolve(world, digest_of(4)), device);
        assert_null(resolve(world, digest_of(3)));

        mu_device_table_lock(world->table);
        assert_int_equal(mu_device_table_drop_tokens(world->table, device), 3);
        assert_int_equal(mu_device_table_drop_tokens(world->table, device), 0);
        mu_device_table_unlock(world->table);
        assert_int_equal(mu_device_table_token_count(world->table), 1);
        for (uint32_t generation = 1; generation <= 3; generation++)
                assert_null(resolve(world, digest_of(generation)));
        assert_ptr_equal(resolve(world, digest_of(4)), device);
}

/* What was dropped leaves room: a table that only turns over does not grow. */
static void turnover(void **state)
{
        struct world *world = *state;
        struct mu_device *device = add(world, 1);

        for (uint32_t generation = 1; generation <= 50000; generation++) {
                assert_int_equal(add_token(world, device, digest_of(generation), generation, false),
                                 0);
                assert_ptr_equal(resolve(world, digest_of(generation)), device);
                mu_device_table_lock(world->table);
                assert_int_equal(mu_device_table_drop_tokens(world->table, device),
                                 generation > 1 ? 1 : 0);
                mu_device_table_unlock(world->table);
        }
        assert_int_equal(mu_device_table_token_count(world->table), 1);
        assert_null(resolve(world, digest_of(49999)));
        assert_ptr_equal(resolve(world, digest_of(50000)), device);
}

static void first_use_is_told_once(void **state)
{
        struct world *world = *state;
        struct mu_device *device = add(world, 1);

        assert_int_equal(add_token(world, device, digest_of(1), 1, false), 0);
        assert_false(readable(world));
        assert_ptr_equal(resolve(world, digest_of(1)), device);
        assert_true(readable(world));
        assert_int_equal(take_one(world, device), MU_EVENT_FIRST_SEEN | MU_EVENT_TOKEN_USED);
        assert_false(readable(world));
        assert_ptr_equal(resolve(world, digest_of(1)), device);
        assert_null(mu_device_table_take(world->table));

        assert_int_equal(add_token(world, device, digest_of(2), 2, false), 0);
        assert_ptr_equal(resolve(world, digest_of(2)), device);
        assert_int_equal(take_one(world, device), MU_EVENT_TOKEN_USED);
}

static void peek_leaves_no_trace(void **state)
{
        struct world *world = *state;
        struct mu_device *device = add(world, 1);
        struct mu_digest old = digest_of(1);
        struct mu_digest new = digest_of(2);

        assert_int_equal(add_token(world, device, old, 1, false), 0);
        assert_int_equal(add_token(world, device, new, 2, false), 0);
        mu_device_table_lock(world->table);
        assert_ptr_equal(mu_device_table_peek(world->table, &new), device);
        assert_ptr_equal(mu_device_table_peek(world->table, &old), device);
        mu_device_table_unlock(world->table);
        assert_null(mu_device_table_take(world->table));
        assert_int_equal(device->stamp_ms, 0);
        assert_false(device->seen);
        assert_ptr_equal(resolve(world, new), device);
        mu_device_table_lock(world->table);
        assert_null(mu_device_table_peek(world->table, &old));
        mu_device_table_unlock(world->table);
}

static void events_gather(void **state)
{
        struct world *world = *state;
        struct mu_device *one = add(world, 1);
        struct mu_device *two = add(world, 2);
        struct mu_device *next;

        mu_device_table_note(world->table, one, MU_EVENT_CHANGED);
        mu_device_table_note(world->table, two, MU_EVENT_QUARANTINED);
        mu_device_table_note(world->table, one, MU_EVENT_CLOCK_OFFSET);
        struct mu_device *first = mu_device_table_take(world->table);

        assert_ptr_equal(first, two);
        assert_int_equal(mu_device_take_events(first, &next), MU_EVENT_QUARANTINED);
        assert_ptr_equal(next, one);
        assert_int_equal(mu_device_take_events(one, &next),
                         MU_EVENT_CHANGED | MU_EVENT_CLOCK_OFFSET);
        assert_null(next);
}

/* ---- threads ---- */

#define READERS 3
#define NUMBERS 6000

struct traffic {
        struct world *world;
        _Atomic uint64_t added; /* digests 1..added resolve to device number */
        _Atomic bool stop;
        _Atomic uint64_t found;
};

static void look_up(void *context)
{
        struct traffic *traffic = context;
        struct mu_qsbr_reader *reader;
        uint64_t random = 88172645463325252;

        assert_int_equal(mu_qsbr_reader_register(traffic->world->qsbr, &reader), 0);
        while (!atomic_load(&traffic->stop)) {
                uint64_t added = atomic_load(&traffic->added);

                random = mu_hash_u64(random + 1);
                uint64_t number = 1 + random % (added + 16);
                struct mu_device *device = resolve(traffic->world, digest_of(number));

                if (number <= added)
                        assert_non_null(device);
                if (device) {
                        assert_int_equal(device->id, number);
                        assert_ptr_equal(mu_device_table_by_id(traffic->world->table, device->id),
                                         device);
                        atomic_fetch_add(&traffic->found, 1);
                }
                mu_qsbr_quiescent(reader);
        }
        mu_qsbr_reader_unregister(reader);
}

/* Readers resolve while tokens come, go and the table is rebuilt; TSan and ASan watch. */
static void readers_and_a_writer(void **state)
{
        struct world *world = *state;
        struct traffic traffic = {.world = world};
        pthread_t threads[READERS];

        for (int i = 0; i < READERS; i++)
                assert_int_equal(mu_thread_start("reader", look_up, &traffic, &threads[i]), 0);
        for (uint64_t number = 1; number <= NUMBERS; number++) {
                struct mu_device *device = add(world, (int64_t)number);

                /* An older token that goes at once, so that there is something to free. */
                assert_int_equal(add_token(world, device, digest_of(number << 32), 1, true), 0);
                assert_int_equal(add_token(world, device, digest_of(number), 2, false), 0);
                atomic_store(&device->generation_min, 2);
                mu_device_table_lock(world->table);
                assert_int_equal(mu_device_table_drop_tokens(world->table, device), 1);
                mu_device_table_unlock(world->table);
                atomic_store(&traffic.added, number);
        }
        while (atomic_load(&traffic.found) < 1000)
                sched_yield();
        atomic_store(&traffic.stop, true);
        for (int i = 0; i < READERS; i++)
                mu_thread_join(threads[i]);
}

#define PRODUCERS 4
#define DEVICES 8
#define NOTES 20000

struct noise {
        struct world *world;
        _Atomic uint64_t noted[DEVICES]; /* before the note of it */
        _Atomic int running;
};

static void make_noise(void *context)
{
        struct noise *noise = context;

        for (uint64_t i = 0; i < NOTES; i++) {
                uint32_t index = (uint32_t)(mu_hash_u64(i) % DEVICES);

                atomic_fetch_add_explicit(&noise->noted[index], 1, memory_order_relaxed);
                mu_device_table_note(noise->world->table,
                                     mu_device_table_at(noise->world->table, index),
                                     MU_EVENT_CHANGED);
        }
        atomic_fetch_sub(&noise->running, 1);
}

/* Many note, one takes: after each wake-up the taker reads what was noted; when all is quiet it has
 * seen the last of every device. A lost event or wake-up leaves one behind, and the poll times out.
 */
static void no_event_is_lost(void **state)
{
        struct world *world = *state;
        struct noise noise = {.world = world, .running = PRODUCERS};
        pthread_t threads[PRODUCERS];
        uint64_t seen[DEVICES] = {0};
        uint64_t total = 0;

        for (int i = 0; i < DEVICES; i++)
                (void)add(world, i + 1);
        for (int i = 0; i < PRODUCERS; i++)
                assert_int_equal(mu_thread_start("producer", make_noise, &noise, &threads[i]), 0);
        while (total < (uint64_t)PRODUCERS * NOTES) {
                struct pollfd fd = {.fd = mu_device_table_eventfd(world->table), .events = POLLIN};

                assert_int_equal(poll(&fd, 1, 20000), 1);
                for (struct mu_device *device = mu_device_table_take(world->table); device;) {
                        struct mu_device *next;

                        assert_int_equal(mu_device_take_events(device, &next), MU_EVENT_CHANGED);
                        seen[device->index] = atomic_load_explicit(&noise.noted[device->index],
                                                                   memory_order_relaxed);
                        device = next;
                }
                total = 0;
                for (int i = 0; i < DEVICES; i++)
                        total += seen[i];
        }
        for (int i = 0; i < PRODUCERS; i++)
                mu_thread_join(threads[i]);
        assert_int_equal(atomic_load(&noise.running), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(find_what_was_added, setup, teardown),
                cmocka_unit_test_setup_teardown(every_state_resolves, setup, teardown),
                cmocka_unit_test_setup_teardown(authority, setup, teardown),
                cmocka_unit_test_setup_teardown(growth, setup, teardown),
                cmocka_unit_test_setup_teardown(collisions, setup, teardown),
                cmocka_unit_test_setup_teardown(directory_of_ids, setup, teardown),
                cmocka_unit_test_setup_teardown(generations, setup, teardown),
                cmocka_unit_test_setup_teardown(turnover, setup, teardown),
                cmocka_unit_test_setup_teardown(first_use_is_told_once, setup, teardown),
                cmocka_unit_test_setup_teardown(peek_leaves_no_trace, setup, teardown),
                cmocka_unit_test_setup_teardown(events_gather, setup, teardown),
                cmocka_unit_test_setup_teardown(readers_and_a_writer, setup, teardown),
                cmocka_unit_test_setup_teardown(no_event_is_lost, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
