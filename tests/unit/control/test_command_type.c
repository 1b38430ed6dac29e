/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command_type.h"

#include <string.h>

#include "muster/command.h"
#include "unit.h"

/* The choice that requests are checked by, and the table, say the same. */
static void the_choice_is_the_table(void **state)
{
        char choice[] = MU_COMMAND_TYPE_CHOICE;
        size_t asked = 0;
        size_t named = 0;
        char *rest;

        (void)state;
        for (char *name = strtok_r(choice, "|", &rest); name; name = strtok_r(NULL, "|", &rest)) {
                const struct mu_command_type *type = mu_command_type_find(name);

                assert_non_null(type);
                assert_false(type->flags & MU_COMMAND_TYPE_OWN);
                named++;
        }
        for (size_t i = 0; mu_command_type_at(i); i++)
                asked += !(mu_command_type_at(i)->flags & MU_COMMAND_TYPE_OWN);
        assert_int_equal(named, asked);
        assert_null(mu_command_type_find("ping|lock"));
        assert_null(mu_command_type_find(""));
}

static void every_row_is_whole(void **state)
{
        const struct mu_command_type *type;

        (void)state;
        for (size_t i = 0; (type = mu_command_type_at(i)); i++) {
                assert_true(mu_command_type_valid(type->name));
                assert_int_equal(mu_command_type_index(type), i);
                assert_ptr_equal(mu_command_type_find(type->name), type);
                assert_in_range(type->ttl_s, MU_COMMAND_TTL_S_MIN, MU_COMMAND_TTL_S_MAX);
                assert_in_range(type->role, MU_ROLE_OPERATOR, MU_ROLE_ADMIN);
                assert_non_null(type->payload->name);
        }
}

/* What can't be undone, or reaches beyond the known, is the administrators'. */
static void dangerous_ones_are_guarded(void **state)
{
        (void)state;
        assert_int_equal(mu_command_type_find("wipe")->role, MU_ROLE_ADMIN);
        assert_true(mu_command_type_find("wipe")->flags & MU_COMMAND_TYPE_CONFIRMED);
        assert_int_equal(mu_command_type_find("raw")->role, MU_ROLE_ADMIN);
        assert_true(mu_command_type_find("raw")->flags & MU_COMMAND_TYPE_DECLARED);
        assert_true(mu_command_type_find(MU_COMMAND_ROTATE_KEY)->flags &
                    MU_COMMAND_TYPE_DIRECT_ONLY);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_choice_is_the_table),
                cmocka_unit_test(every_row_is_whole),
                cmocka_unit_test(dangerous_ones_are_guarded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
