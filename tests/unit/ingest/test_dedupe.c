/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dedupe.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../base/unit.h"
#include "base/hash.h"
#include "base/thread.h"

#define BUCKET(n) ((int64_t)(n)*10)

static void sizes(void **state)
{
        struct mu_dedupe *dedupe = NULL;

        (void)state;
        assert_int_equal(mu_dedupe_create(0, &dedupe), -EINVAL);
        assert_int_equal(mu_dedupe_create(4, &dedupe), -EINVAL);
        assert_int_equal(mu_dedupe_create(24, &dedupe), -EINVAL);
        assert_int_equal(mu_dedupe_create((1u << 28) + 8, &dedupe), -EINVAL);
        assert_int_equal(mu_dedupe_create(1u << 29, &dedupe), -EINVAL);
        assert_null(dedupe);
        assert_int_equal(mu_dedupe_create(8, &dedupe), 0);
        mu_dedupe_destroy(dedupe);
        mu_dedupe_destroy(NULL);
}

/* Device and bucket both count, to the last bit. */
static void exact(void **state)
{
        struct mu_dedupe *dedupe;
        const uint32_t device = UINT32_MAX / 32;
        const int64_t bucket = BUCKET(179000000);

        (void)state;
        assert_int_equal(mu_dedupe_create(1024, &dedupe), 0);
        assert_false(mu_dedupe_seen(dedupe, device, bucket));
        mu_dedupe_mark(dedupe, device, bucket);
        assert_true(mu_dedupe_seen(dedupe, device, bucket));
        for (int bit = 0; bit < 32; bit++)
                assert_false(mu_dedupe_seen(dedupe, device ^ (1u << bit), bucket));
        for (int bit = 0; bit < 28; bit++)
                assert_false(mu_dedupe_seen(dedupe, device, BUCKET(179000000 ^ (1 << bit))));
        mu_dedupe_mark(dedupe, 0, BUCKET(1));
        assert_true(mu_dedupe_seen(dedupe, 0, BUCKET(1)));
        mu_dedupe_destroy(dedupe);
}

/* One set of 8: the oldest goes, a mark made again is young again. */
static void oldest_goes(void **state)
{
        struct mu_dedupe *dedupe;

        (void)state;
        assert_int_equal(mu_dedupe_create(8, &dedupe), 0);
        for (int i = 1; i <= 8; i++)
                mu_dedupe_mark(dedupe, 1, BUCKET(i));
        for (int i = 1; i <= 8; i++)
                assert_true(mu_dedupe_seen(dedupe, 1, BUCKET(i)));
        mu_dedupe_mark(dedupe, 1, BUCKET(9));
        assert_false(mu_dedupe_seen(dedupe, 1, BUCKET(1)));
        mu_dedupe_mark(dedupe, 1, BUCKET(2)); /* the oldest now */
        mu_dedupe_mark(dedupe, 1, BUCKET(2)); /* first already */
        mu_dedupe_mark(dedupe, 1, BUCKET(6)); /* from the middle */
        for (int i = 2; i <= 9; i++)
                assert_true(mu_dedupe_seen(dedupe, 1, BUCKET(i))); /* moving loses none */
        for (int i = 10; i <= 15; i++)
                mu_dedupe_mark(dedupe, 1, BUCKET(i));
        assert_true(mu_dedupe_seen(dedupe, 1, BUCKET(2)));
        assert_true(mu_dedupe_seen(dedupe, 1, BUCKET(6)));
        for (int i = 3; i <= 9; i++)
                assert_int_equal(mu_dedupe_seen(dedupe, 1, BUCKET(i)), i == 6);
        mu_dedupe_destroy(dedupe);
}

/* A fleet's last heartbeats fit in a cache of twice their number; what was never marked is never
 * seen. */
static void fleet(void **state)
{
        struct mu_dedupe *dedupe;
        uint32_t kept = 0;

        (void)state;
        assert_int_equal(mu_dedupe_create(1 << 17, &dedupe), 0);
        for (uint32_t device = 0; device < 50000; device++)
                mu_dedupe_mark(dedupe, device, BUCKET(179000000 + device % 30));
        for (uint32_t device = 0; device < 50000; device++) {
                kept += mu_dedupe_seen(dedupe, device, BUCKET(179000000 + device % 30));
                assert_false(mu_dedupe_seen(dedupe, device, BUCKET(179000000 + (device + 1) % 30)));
        }
        /* Sets fill like a Poisson of mean 3: 0.4 % have more than 8. */
        assert_true(kept > 49500);
        mu_dedupe_destroy(dedupe);
}

struct frontend {
        struct mu_dedupe *dedupe;
        uint64_t random;
        uint64_t hits;
};

/* Odd buckets are marked, even ones never: none of those may ever be seen. */
static void hammer(void *context)
{
        struct frontend *frontend = context;

        for (int i = 0; i < 100000; i++) {
                uint64_t random = mu_hash_u64(frontend->random++);
                uint32_t device = (uint32_t)(random % 16);
                int64_t number = 1 + (int64_t)((random >> 8) % 64) * 2;

                mu_dedupe_mark(frontend->dedupe, device, BUCKET(number));
                frontend->hits += mu_dedupe_seen(frontend->dedupe, device, BUCKET(number));
                assert_false(mu_dedupe_seen(frontend->dedupe, device, BUCKET(number + 1)));
        }
}

static void frontends_at_once(void **state)
{
        struct mu_dedupe *dedupe;
        struct frontend frontends[4];
        pthread_t threads[4];

        (void)state;
        assert_int_equal(mu_dedupe_create(64, &dedupe), 0);
        for (uint64_t i = 0; i < 4; i++) {
                frontends[i] = (struct frontend){.dedupe = dedupe, .random = i << 32};
                assert_int_equal(mu_thread_start("frontend", hammer, &frontends[i], &threads[i]),
                                 0);
        }
        for (int i = 0; i < 4; i++)
                mu_thread_join(threads[i]);
        /* Another may have pushed a mark out at once, but not most of them. */
        for (int i = 0; i < 4; i++)
                assert_true(frontends[i].hits > 50000);
        mu_dedupe_destroy(dedupe);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes),
                cmocka_unit_test(exact),
                cmocka_unit_test(oldest_goes),
                cmocka_unit_test(fleet),
                cmocka_unit_test(frontends_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
