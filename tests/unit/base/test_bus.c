/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/bus.h"
#include "base/thread.h"

enum {
        PRODUCERS = 3,
        BATCHES = 1000,
        BATCH_MAX = 50,
};

/* Every byte of the event follows from device and number, so a torn one shows. */
static struct mu_bus_event event_of(int64_t device_id, uint64_t number)
{
        struct mu_bus_event event = {.kind = MU_BUS_STATUS, .device_id = device_id};

        for (size_t i = 0; i < sizeof(event.as.words) / sizeof(event.as.words[0]); i++)
                event.as.words[i] = (number << 8) + i + ((uint64_t)device_id << 48);
        return event;
}

static uint64_t number_of(const struct mu_bus_event *event)
{
        return (event->as.words[0] & 0xffffffffffff) >> 8;
}

static void publish_one(struct mu_bus *bus, int64_t device_id, uint64_t number)
{
        struct mu_bus_event event = event_of(device_id, number);

        mu_bus_publish(bus, &event, 1);
}

static void test_create_refuses_absurd_sizes(void **state)
{
        struct mu_bus *bus = NULL;

        (void)state;
        assert_int_equal(mu_bus_create(0, &bus), -EINVAL);
        assert_int_equal(mu_bus_create(1, &bus), -EINVAL);
        assert_int_equal(mu_bus_create(48, &bus), -EINVAL);
        assert_int_equal(mu_bus_create(2 * MU_BUS_SLOTS_MAX, &bus), -EINVAL);
        assert_null(bus);
        mu_bus_destroy(NULL);
}

static void test_nobody_watches(void **state)
{
        struct mu_bus *bus;
        struct mu_bus_reader reader;
        struct mu_bus_event got[4];
        uint64_t lost = 99;

        (void)state;
        assert_false(mu_bus_watched(NULL));
        mu_bus_publish(NULL, got, 1);
        assert_int_equal(mu_bus_create(4, &bus), 0);
        assert_false(mu_bus_watched(bus));
        publish_one(bus, 1, 1); /* not kept */
        mu_bus_watch(bus, &reader);
        assert_true(mu_bus_watched(bus));
        assert_int_equal(mu_bus_read(&reader, got, 4, &lost), 0);
        assert_int_equal(lost, 0);
        publish_one(bus, 1, 2);
        mu_bus_unwatch(&reader);
        mu_bus_unwatch(&reader); /* a no-op */
        assert_false(mu_bus_watched(bus));
        mu_bus_watch(bus, &reader); /* from now on */
        assert_int_equal(mu_bus_read(&reader, got, 4, &lost), 0);
        mu_bus_unwatch(&reader);
        mu_bus_destroy(bus);
}

static void test_in_order_and_whole(void **state)
{
        struct mu_bus *bus;
        struct mu_bus_reader reader;
        struct mu_bus_event got[3];
        uint64_t lost;

        (void)state;
        assert_int_equal(mu_bus_create(4, &bus), 0);
        mu_bus_watch(bus, &reader);
        for (uint64_t i = 0; i < 20; i += 2) { /* around the ring five times */
                struct mu_bus_event pair[2] = {event_of(7, i), event_of(8, i + 1)};

                mu_bus_publish(bus, pair, 2);
                assert_int_equal(mu_bus_read(&reader, got, 3, &lost), 2);
                assert_int_equal(lost, 0);
                assert_memory_equal(got, pair, sizeof(pair));
        }
        mu_bus_unwatch(&reader);
        mu_bus_destroy(bus);
}

static void test_loss_is_counted_exactly(void **state)
{
        struct mu_bus *bus;
        struct mu_bus_reader slow, quick;
        struct mu_bus_event got[8];
        uint64_t lost;

        (void)state;
        assert_int_equal(mu_bus_create(8, &bus), 0);
        mu_bus_watch(bus, &slow);
        mu_bus_watch(bus, &quick);
        for (uint64_t i = 0; i < 8; i++)
                publish_one(bus, 1, i);
        assert_int_equal(mu_bus_read(&quick, got, 8, &lost), 8); /* just full: nothing is lost */
        assert_int_equal(lost, 0);
        for (uint64_t i = 8; i < 13; i++)
                publish_one(bus, 1, i);
        assert_int_equal(mu_bus_read(&quick, got, 8, &lost), 5);
        assert_int_equal(lost, 0);

        assert_int_equal(mu_bus_read(&slow, got, 3, &lost), 3);
        assert_int_equal(lost, 5);
        assert_int_equal(number_of(&got[0]), 5);
        assert_int_equal(mu_bus_read(&slow, got, 8, &lost), 5);
        assert_int_equal(lost, 0);
        assert_int_equal(number_of(&got[4]), 12);
        mu_bus_unwatch(&slow);
        mu_bus_unwatch(&quick);
        mu_bus_destroy(bus);
}

/* ---- several producers, a reader that can't keep up ---- */

struct crowd {
        struct mu_bus *bus;
        _Atomic uint32_t running;
        _Atomic int64_t next_id;
};

static uint32_t batch_size(uint64_t batch)
{
        return 1 + (uint32_t)(batch * 7 % BATCH_MAX);
}

static void produce(void *context)
{
        struct crowd *crowd = context;
        int64_t id = atomic_fetch_add(&crowd->next_id, 1);
        uint64_t number = 0;

        for (uint64_t batch = 0; batch < BATCHES; batch++) {
                struct mu_bus_event events[BATCH_MAX];
                uint32_t count = batch_size(batch);

                for (uint32_t i = 0; i < count; i++)
                        events[i] = event_of(id, number++);
                mu_bus_publish(crowd->bus, events, count);
                if (batch % 16 == 0)
                        sched_yield(); /* lets the reader deliver something too */
        }
        atomic_fetch_sub(&crowd->running, 1);
}

struct account {
        uint64_t delivered;
        uint64_t lost;
        uint64_t next[PRODUCERS];
};

static void book(struct account *account, const struct mu_bus_event *event)
{
        uint64_t number = number_of(event);
        struct mu_bus_event expected = event_of(event->device_id, number);

        assert_in_range(event->device_id, 0, PRODUCERS - 1);
        assert_memory_equal(event, &expected, sizeof(expected));
        assert_true(number >= account->next[event->device_id]);
        account->next[event->device_id] = number + 1;
        account->delivered++;
}

static void run_crowd(uint32_t slots, struct account *account)
{
        struct crowd crowd = {.running = PRODUCERS};
        struct mu_bus_reader reader;
        struct mu_bus_event got[64];
        pthread_t threads[PRODUCERS];
        uint64_t lost;
        uint32_t count;

        assert_int_equal(mu_bus_create(slots, &crowd.bus), 0);
        mu_bus_watch(crowd.bus, &reader);
        for (int i = 0; i < PRODUCERS; i++)
                assert_int_equal(mu_thread_start("producer", produce, &crowd, &threads[i]), 0);
        for (bool more = true; more;) {
                more = atomic_load(&crowd.running) > 0; /* then one more round to the end */
                while ((count = mu_bus_read(&reader, got, 64, &lost)) > 0 || lost > 0) {
                        account->lost += lost;
                        for (uint32_t i = 0; i < count; i++)
                                book(account, &got[i]);
                }
        }
        for (int i = 0; i < PRODUCERS; i++)
                mu_thread_join(threads[i]);
        mu_bus_unwatch(&reader);
        mu_bus_destroy(crowd.bus);
}

static uint64_t published(void)
{
        uint64_t sum = 0;

        for (uint64_t batch = 0; batch < BATCHES; batch++)
                sum += batch_size(batch);
        return sum * PRODUCERS;
}

static void test_delivered_and_lost_are_all_there_was(void **state)
{
        struct account account = {0};

        (void)state;
        run_crowd(32, &account);
        assert_int_equal(account.delivered + account.lost, published());
        assert_true(account.lost > 0);
        assert_true(account.delivered >= 32); /* what the ring held at the end, at the least */
}

static void test_a_large_ring_loses_nothing(void **state)
{
        struct account account = {0};

        (void)state;
        run_crowd(1 << 17, &account);
        assert_int_equal(account.lost, 0);
        assert_int_equal(account.delivered, published());
        for (int i = 0; i < PRODUCERS; i++)
                assert_int_equal(account.next[i], published() / PRODUCERS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_create_refuses_absurd_sizes),
                cmocka_unit_test(test_nobody_watches),
                cmocka_unit_test(test_in_order_and_whole),
                cmocka_unit_test(test_loss_is_counted_exactly),
                cmocka_unit_test(test_delivered_and_lost_are_all_there_was),
                cmocka_unit_test(test_a_large_ring_loses_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
