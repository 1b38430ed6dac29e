/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device_access.h"

#include <string.h>

#include "base/qsbr.h"
#include "identity/device_table.h"
#include "unit.h"

static const char token[] = "mu_0123456789012345678901234567890123456789012";

struct place {
        struct mu_qsbr *qsbr;
        struct mu_qsbr_reader *reader;
        struct mu_device_table *table;
        struct mu_device *device;
};

static int set_up(void **state)
{
        struct place *place = calloc(1, sizeof(*place));
        struct mu_digest digest;

        assert_non_null(place);
        assert_int_equal(mu_qsbr_create(2, &place->qsbr), 0);
        assert_int_equal(mu_qsbr_reader_register(place->qsbr, &place->reader), 0);
        assert_int_equal(mu_device_table_create(place->qsbr, &place->table), 0);
        mu_token_digest(token, strlen(token), &digest);
        mu_device_table_lock(place->table);
        assert_int_equal(mu_device_table_add(place->table, 7, &place->device), 0);
        assert_int_equal(mu_device_table_add_token(place->table, place->device, &digest, 1, false),
                         0);
        mu_device_table_unlock(place->table);
        *state = place;
        return 0;
}

static int tear_down(void **state)
{
        struct place *place = *state;

        mu_qsbr_reader_unregister(place->reader);
        mu_device_table_destroy(place->table);
        mu_qsbr_destroy(place->qsbr);
        free(place);
        return 0;
}

static enum mu_device_access ask(struct place *place, const char *text, size_t chars)
{
        struct mu_device *device = NULL;
        enum mu_device_access access = mu_device_identify(place->table, text, chars, 5000, &device);

        assert_ptr_equal(device, access == MU_DEVICE_ACCESS_GRANTED ? place->device : NULL);
        mu_qsbr_quiescent(place->reader);
        return access;
}

static void tokens(void **state)
{
        struct place *place = *state;
        char long_one[MU_TOKEN_CHARS_MAX + 1];

        memset(long_one, 'x', sizeof(long_one));
        assert_int_equal(ask(place, NULL, 0), MU_DEVICE_ACCESS_TOKEN_MISSING);
        assert_int_equal(ask(place, "", 0), MU_DEVICE_ACCESS_TOKEN_MISSING);
        assert_int_equal(ask(place, long_one, sizeof(long_one)), MU_DEVICE_ACCESS_TOKEN_MISSING);
        assert_int_equal(ask(place, "mu_x", 4), MU_DEVICE_ACCESS_TOKEN_UNDECIDED);
        mu_device_table_set_authoritative(place->table);
        assert_int_equal(ask(place, "mu_x", 4), MU_DEVICE_ACCESS_TOKEN_UNKNOWN);
        assert_int_equal(ask(place, token, strlen(token)), MU_DEVICE_ACCESS_GRANTED);
        assert_int_equal(place->device->stamp_ms, 5000);
}

/* 410 only on PostgreSQL's word: an agent stops for good on it. */
static void states(void **state)
{
        static const struct {
                enum mu_device_state state;
                enum mu_device_access before; /* PostgreSQL's list was read */
                enum mu_device_access after;
        } cases[] = {
                {MU_DEVICE_LIVE, MU_DEVICE_ACCESS_GRANTED, MU_DEVICE_ACCESS_GRANTED},
                {MU_DEVICE_QUARANTINED, MU_DEVICE_ACCESS_GRANTED, MU_DEVICE_ACCESS_GRANTED},
                {MU_DEVICE_DELETING, MU_DEVICE_ACCESS_DEVICE_DELETING,
                 MU_DEVICE_ACCESS_DEVICE_DELETING},
                {MU_DEVICE_DELETED, MU_DEVICE_ACCESS_TOKEN_UNDECIDED,
                 MU_DEVICE_ACCESS_DEVICE_DELETED},
        };
        struct place *place = *state;

        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                atomic_store(&place->device->state, (uint32_t)cases[i].state);
                assert_int_equal(ask(place, token, strlen(token)), cases[i].before);
        }
        mu_device_table_set_authoritative(place->table);
        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                atomic_store(&place->device->state, (uint32_t)cases[i].state);
                assert_int_equal(ask(place, token, strlen(token)), cases[i].after);
        }
}

static void refusals(void **state)
{
        static const int statuses[MU_DEVICE_ACCESS_REFUSALS] = {401, 401, 503, 410, 503};

        (void)state;
        for (size_t i = 0; i < MU_COUNT_OF(statuses); i++) {
                const struct mu_device_refusal *why = mu_device_refusal((enum mu_device_access)i);

                assert_int_equal(why->status, statuses[i]);
                assert_true(strlen(why->slug) > 0 && strlen(why->sentence) > 0);
        }
        assert_aborts((void)mu_device_refusal(MU_DEVICE_ACCESS_GRANTED));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(tokens, set_up, tear_down),
                cmocka_unit_test_setup_teardown(states, set_up, tear_down),
                cmocka_unit_test(refusals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
