/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/glance.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "unit.h"

static const struct mu_glance FIRST = {
        .received_s = 1790000000, .observed_s = 1790000000, .battery = 80, .network = 1};

static struct mu_device *make_device(void)
{
        struct mu_device *device = aligned_alloc(MU_CACHELINE_BYTES, sizeof(*device));

        assert_non_null(device);
        memset(device, 0, sizeof(*device));
        return device;
}

static void nothing_is_known_at_first(void **state)
{
        struct mu_device *device = make_device();
        struct mu_glance glance = mu_glance_read(device);

        (void)state;
        assert_int_equal(glance.received_s, 0);
        assert_int_equal(glance.battery, -1);
        assert_int_equal(glance.network, -1);
        assert_int_equal(glance.version_id, 0);
        free(device);
}

static void every_value_comes_back(void **state)
{
        struct mu_device *device = make_device();

        (void)state;
        for (int battery = -1; battery <= 100; battery++)
                for (int network = -1; network <= 3; network++) {
                        struct mu_glance glance = {.received_s = UINT32_MAX,
                                                   .observed_s = UINT32_MAX,
                                                   .battery = battery,
                                                   .network = network,
                                                   .version_id = MU_NAMES_OTHER};

                        mu_glance_note(device, &glance);
                        struct mu_glance read = mu_glance_read(device);

                        assert_int_equal(read.received_s, glance.received_s);
                        assert_int_equal(read.observed_s, glance.observed_s);
                        assert_int_equal(read.battery, battery);
                        assert_int_equal(read.network, network);
                        assert_int_equal(read.version_id, MU_NAMES_OTHER);
                }
        free(device);
}

/* Liveness is the newest received, content the newest observed: a backlog changes only the first.
 */
static void backlog_keeps_the_content(void **state)
{
        struct mu_device *device = make_device();
        struct mu_glance backlog = FIRST;

        (void)state;
        mu_glance_note(device, &FIRST);
        backlog.received_s += 60;
        backlog.observed_s -= 3600;
        backlog.battery = 5;
        mu_glance_note(device, &backlog);
        assert_int_equal(mu_glance_read(device).received_s, FIRST.received_s + 60);
        assert_int_equal(mu_glance_read(device).battery, 80);

        struct mu_glance replayed = FIRST;

        replayed.received_s -= 60;
        replayed.observed_s += 1;
        replayed.battery = 79;
        mu_glance_note(device, &replayed);
        assert_int_equal(mu_glance_read(device).received_s, FIRST.received_s + 60);
        assert_int_equal(mu_glance_read(device).battery, 79);
        free(device);
}

static void names_keep_their_numbers(void **state)
{
        struct mu_names *names;

        (void)state;
        assert_int_equal(mu_names_create(&names), 0);
        assert_int_equal(mu_names_find(names, "1.0", 3), 0);
        uint32_t id = mu_names_id(names, "1.0", 3);

        assert_int_equal(id, 1);
        assert_int_equal(mu_names_id(names, "1.0.1", 5), 2);
        assert_int_equal(mu_names_id(names, "1.0.1", 3), id);
        assert_int_equal(mu_names_find(names, "1.0", 3), id);
        assert_string_equal(mu_names_text(names, id), "1.0");
        assert_string_equal(mu_names_text(names, 0), "");
        assert_string_equal(mu_names_text(names, 3), "");
        assert_int_equal(mu_names_id(names, "", 0), 0);
        mu_names_destroy(names);
}

static void names_end(void **state)
{
        struct mu_names *names;
        char name[MU_NAMES_BYTES_MAX + 2];

        (void)state;
        assert_int_equal(mu_names_create(&names), 0);
        for (unsigned i = 1; i <= MU_NAMES_MAX; i++) {
                int bytes = snprintf(name, sizeof(name), "v%u", i);

                assert_int_equal(mu_names_id(names, name, (size_t)bytes), i);
        }
        assert_int_equal(mu_names_id(names, "one more", 8), MU_NAMES_OTHER);
        assert_int_equal(mu_names_find(names, "one more", 8), 0);
        assert_int_equal(mu_names_id(names, "v7", 2), 7);
        assert_string_equal(mu_names_text(names, MU_NAMES_OTHER), "");
        memset(name, 'x', sizeof(name));
        assert_int_equal(mu_names_id(names, name, sizeof(name)), MU_NAMES_OTHER);
        mu_names_destroy(names);
}

static void add_names(void *ctx)
{
        struct mu_names *names = ctx;
        char name[16];

        for (unsigned i = 0; i < 2000; i++) {
                int bytes = snprintf(name, sizeof(name), "v%u", i % 500);
                uint32_t id = mu_names_id(names, name, (size_t)bytes);

                if (id == 0 || id > 500 || strcmp(mu_names_text(names, id), name) != 0)
                        abort();
        }
}

static void names_are_given_once_under_contention(void **state)
{
        struct mu_names *names;
        pthread_t threads[4];

        (void)state;
        assert_int_equal(mu_names_create(&names), 0);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(mu_thread_start("names", add_names, names, &threads[i]), 0);
        for (size_t i = 0; i < 4; i++)
                mu_thread_join(threads[i]);
        assert_int_equal(mu_names_count(names), 500);
        mu_names_destroy(names);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_known_at_first),
                cmocka_unit_test(every_value_comes_back),
                cmocka_unit_test(backlog_keeps_the_content),
                cmocka_unit_test(names_keep_their_numbers),
                cmocka_unit_test(names_end),
                cmocka_unit_test(names_are_given_once_under_contention),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
