/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/clone.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "unit.h"

static struct mu_device fresh(void)
{
        struct mu_device device = {.id = 1};

        atomic_flag_clear(&device.clone_busy);
        return device;
}

static bool beat(struct mu_device *device, const char *boot, int64_t ts_s, int64_t seq)
{
        return mu_clone_observe(device, boot, strlen(boot), ts_s * 1000000, seq);
}

static void reboots(void **state)
{
        struct mu_device device = fresh();
        int64_t ts_s = 1000;

        (void)state;
        for (int boot = 0; boot < 200; boot++) {
                char name[16];

                (void)snprintf(name, sizeof(name), "boot-%d", boot);
                for (int seq = 1; seq <= 5; seq++)
                        assert_false(beat(&device, name, ts_s += 300, seq));
        }
        assert_int_equal(device.clone_evidence, 0);
}

/* The last requests of the old boot come in after the first ones of the new. */
static void late_requests(void **state)
{
        struct mu_device device = fresh();

        (void)state;
        assert_false(beat(&device, "A", 1000, 1));
        assert_false(beat(&device, "B", 2000, 1));
        for (int i = 0; i < 10; i++) {
                assert_false(beat(&device, "A", 1010 + i, 2 + i));
                assert_false(beat(&device, "B", 2010 + i, 2 + i));
        }
        assert_int_equal(device.clone_evidence, 0);
}

static void two_machines(void **state)
{
        struct mu_device device = fresh();

        (void)state;
        assert_false(beat(&device, "A", 1000, 1));
        assert_false(beat(&device, "B", 1010, 1));
        assert_false(beat(&device, "A", 1300, 2)); /* once */
        assert_true(beat(&device, "B", 1310, 2));  /* twice */
        /* Said once. */
        for (int i = 0; i < 10; i++) {
                assert_false(beat(&device, "A", 1600 + 300 * i, 3 + i));
                assert_false(beat(&device, "B", 1610 + 300 * i, 3 + i));
        }
}

/* Neither time nor number alone is enough. */
static void both_must_advance(void **state)
{
        struct mu_device device = fresh();

        (void)state;
        assert_false(beat(&device, "A", 1000, 9));
        assert_false(beat(&device, "B", 1010, 9));
        for (int i = 0; i < 10; i++)
                assert_false(beat(&device, "A", 1300 + i, 9)); /* repeats with a new ts */
        for (int i = 0; i < 10; i++)
                assert_false(beat(&device, "A", 1000, 10 + i)); /* a queue's old ones */
        assert_int_equal(device.clone_evidence, 0);
}

/* A boot that was never seen wipes the suspicion: a restored image, then a real reboot. */
static void new_boot_forgives(void **state)
{
        struct mu_device device = fresh();

        (void)state;
        assert_false(beat(&device, "A", 1000, 1));
        assert_false(beat(&device, "B", 1010, 1));
        assert_false(beat(&device, "A", 1300, 2));
        assert_false(beat(&device, "C", 1400, 1));
        assert_false(beat(&device, "A", 1500, 3)); /* once again: the first */
        assert_false(beat(&device, "D", 1600, 1));
        assert_false(beat(&device, "D", 1700, 2));
}

struct crowd {
        struct mu_device *device;
        _Atomic int verdicts;
        char boot[2];
};

static void shout(void *context)
{
        struct crowd *crowd = context;

        for (int i = 1; i <= 20000; i++)
                if (beat(crowd->device, crowd->boot, 1000 + i, i))
                        atomic_fetch_add(&crowd->verdicts, 1);
}

/* Two loops at once: no race (TSan), at most one verdict. */
static void contended(void **state)
{
        struct mu_device device = fresh();
        struct crowd crowds[2] = {{.device = &device, .boot = "A"},
                                  {.device = &device, .boot = "B"}};
        pthread_t threads[2];

        (void)state;
        for (int i = 0; i < 2; i++)
                assert_int_equal(mu_thread_start("crowd", shout, &crowds[i], &threads[i]), 0);
        for (int i = 0; i < 2; i++)
                mu_thread_join(threads[i]);
        assert_true(atomic_load(&crowds[0].verdicts) + atomic_load(&crowds[1].verdicts) <= 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reboots),           cmocka_unit_test(late_requests),
                cmocka_unit_test(two_machines),      cmocka_unit_test(both_must_advance),
                cmocka_unit_test(new_boot_forgives), cmocka_unit_test(contended),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
