/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_machine.h"
#include "linux/host.h"
#include "linux/power.h"

static void supply(struct fake_machine *machine, const char *name, const char *file,
                   const char *content)
{
        char path[256];

        (void)snprintf(path, sizeof(path), "/sys/class/power_supply/%s/%s", name, file);
        fake_machine_file(machine, path, content);
}

static void battery(struct fake_machine *machine, const char *name, const char *now,
                    const char *full, const char *status)
{
        supply(machine, name, "type", "Battery\n");
        supply(machine, name, "present", "1\n");
        supply(machine, name, "energy_now", now);
        supply(machine, name, "energy_full", full);
        supply(machine, name, "status", status);
}

static void mains(struct fake_machine *machine, const char *online)
{
        supply(machine, "AC", "type", "Mains\n");
        supply(machine, "AC", "online", online);
}

static void check(const struct fake_machine *machine, int percent, enum mu_agent_maybe charging,
                  enum mu_agent_maybe power_ok)
{
        struct mu_power power;

        mu_power_read(machine->root, &power);
        assert_int_equal(power.battery, percent);
        assert_int_equal(power.charging, charging);
        assert_int_equal(power.power_ok, power_ok);
}

static void test_nothing_is_known_without_sys(void **state)
{
        check(*state, -1, MU_AGENT_UNKNOWN, MU_AGENT_UNKNOWN);
}

static void test_a_machine_without_supplies_is_fed(void **state)
{
        fake_machine_directory(*state, "/sys/class/power_supply");
        check(*state, -1, MU_AGENT_UNKNOWN, MU_AGENT_YES);
}

static void test_two_batteries_weigh_what_they_hold(void **state)
{
        /* 10 of 10 Wh and 10 of 40 Wh are 40 %, not 62. */
        battery(*state, "BAT0", "10000000\n", "10000000\n", "Full\n");
        battery(*state, "BAT1", "10000000\n", "40000000\n", "Discharging\n");
        mains(*state, "0\n");
        check(*state, 40, MU_AGENT_NO, MU_AGENT_NO);
}

static void test_charge_is_turned_into_energy(void **state)
{
        struct fake_machine *machine = *state;

        /* 1 of 2 Ah at 10 V, and 30 of 30 Wh: 40 of 50 Wh. */
        supply(machine, "BAT0", "type", "Battery\n");
        supply(machine, "BAT0", "charge_now", "1000000\n");
        supply(machine, "BAT0", "charge_full", "2000000\n");
        supply(machine, "BAT0", "voltage_min_design", "10000000\n");
        supply(machine, "BAT0", "status", "Charging\n");
        battery(machine, "BAT1", "30000000\n", "30000000\n", "Full\n");
        check(machine, 80, MU_AGENT_YES, MU_AGENT_YES);
}

static void test_percent_alone_is_averaged(void **state)
{
        struct fake_machine *machine = *state;

        supply(machine, "BAT0", "type", "Battery\n");
        supply(machine, "BAT0", "capacity", "30\n");
        battery(machine, "BAT1", "9000000\n", "10000000\n", "Discharging\n");
        check(machine, 60, MU_AGENT_NO, MU_AGENT_NO);
}

static void test_held_at_its_limit_on_mains_is_charging(void **state)
{
        battery(*state, "BAT0", "8000000\n", "10000000\n", "Not charging\n");
        mains(*state, "1\n");
        check(*state, 80, MU_AGENT_YES, MU_AGENT_YES);
}

static void test_weak_mains_do_not_charge(void **state)
{
        battery(*state, "BAT0", "800000\n", "10000000\n", "Discharging\n");
        mains(*state, "1\n");
        check(*state, 8, MU_AGENT_NO, MU_AGENT_YES);
}

static void test_others_batteries_do_not_count(void **state)
{
        struct fake_machine *machine = *state;

        supply(machine, "hidpp_battery_0", "type", "Battery\n");
        supply(machine, "hidpp_battery_0", "scope", "Device\n");
        supply(machine, "hidpp_battery_0", "capacity", "5\n");
        battery(machine, "BAT1", "0\n", "0\n", "Unknown\n"); /* an empty slot */
        supply(machine, "BAT1", "present", "0\n");
        check(machine, -1, MU_AGENT_UNKNOWN, MU_AGENT_YES);
}

static void test_a_battery_that_tells_nothing_leaves_the_sum_unknown(void **state)
{
        struct fake_machine *machine = *state;

        battery(machine, "BAT0", "5000000\n", "10000000\n", "Unknown\n");
        supply(machine, "BAT1", "type", "Battery\n");
        supply(machine, "BAT1", "capacity", "a lot\n");
        check(machine, -1, MU_AGENT_UNKNOWN, MU_AGENT_UNKNOWN);
}

static void test_memory_uptime_and_boot(void **state)
{
        struct fake_machine *machine = *state;
        char boot_id[MU_AGENT_BOOT_ID_BYTES];
        struct mu_host_memory memory;

        mu_host_memory(machine->root, &memory);
        assert_int_equal(memory.free_mb, -1);
        assert_int_equal(memory.total_mb, -1);
        assert_int_equal(mu_host_uptime_s(machine->root), -1);
        mu_host_boot_id(machine->root, boot_id);
        assert_string_equal(boot_id, "");

        fake_machine_file(machine, "/proc/meminfo",
                          "MemTotal:        4194304 kB\nMemFree:           10240 kB\n"
                          "MemAvailable:    2098175 kB\n");
        fake_machine_file(machine, "/proc/uptime", "86399.99 12.00\n");
        fake_machine_file(machine, "/proc/stat", "cpu  1 2 3\nbtime 1763730301\nprocesses 5\n");
        mu_host_memory(machine->root, &memory);
        assert_int_equal(memory.free_mb, 2048);
        assert_int_equal(memory.total_mb, 4096);
        assert_int_equal(mu_host_uptime_s(machine->root), 86399);
        mu_host_boot_id(machine->root, boot_id);
        assert_string_equal(boot_id, "btime-1763730301");

        fake_machine_file(machine, "/proc/sys/kernel/random/boot_id",
                          "0b2c9f1e-7a64-4f5c-9d0e-3b1a2c4d5e6f\n");
        mu_host_boot_id(machine->root, boot_id);
        assert_string_equal(boot_id, "0b2c9f1e-7a64-4f5c-9d0e-3b1a2c4d5e6f");
}

static void test_disk_is_told_once_per_file_system(void **state)
{
        struct fake_machine *machine = *state;
        struct mu_host_disk disk;

        mu_host_disk(machine->root, machine->root, &disk);
        assert_true(disk.free_mb >= 0);
        assert_int_equal(disk.state_mb, -1);
        mu_host_disk(machine->root, "/proc", &disk); /* surely another one */
        assert_true(disk.state_mb >= 0);
        mu_host_disk("/nowhere/at/all", NULL, &disk);
        assert_int_equal(disk.free_mb, -1);
}

#define ON_A_MACHINE(test)                                                                         \
        cmocka_unit_test_setup_teardown(test, fake_machine_setup, fake_machine_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_A_MACHINE(test_nothing_is_known_without_sys),
                ON_A_MACHINE(test_a_machine_without_supplies_is_fed),
                ON_A_MACHINE(test_two_batteries_weigh_what_they_hold),
                ON_A_MACHINE(test_charge_is_turned_into_energy),
                ON_A_MACHINE(test_percent_alone_is_averaged),
                ON_A_MACHINE(test_held_at_its_limit_on_mains_is_charging),
                ON_A_MACHINE(test_weak_mains_do_not_charge),
                ON_A_MACHINE(test_others_batteries_do_not_count),
                ON_A_MACHINE(test_a_battery_that_tells_nothing_leaves_the_sum_unknown),
                ON_A_MACHINE(test_memory_uptime_and_boot),
                ON_A_MACHINE(test_disk_is_told_once_per_file_system),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
