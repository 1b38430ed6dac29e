/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/power.h"

#include <dirent.h>
#include <stdbool.h>
#include <string.h>

#include "linux/machine_file.h"

struct sum {
        double held_uwh;
        double full_uwh;
        int64_t percent;       /* of all batteries, added up */
        int64_t percent_count; /* how many told it */
        int battery_count;
        int weighed_count; /* told energy or charge */
        bool charging;
        bool discharging;
        bool resting; /* full, or held at a limit */
        bool mains_seen;
        bool mains_online;
};

/* now and full in one unit, from energy_* or, times the voltage, charge_*. */
static bool read_energy(const char *supply, double *ret_now_uwh, double *ret_full_uwh)
{
        int64_t now, full, volts_uv;

        if (mu_machine_read_int_in(&now, supply, "energy_now") == 0 &&
            mu_machine_read_int_in(&full, supply, "energy_full") == 0) {
                *ret_now_uwh = (double)now;
                *ret_full_uwh = (double)full;
                return now >= 0 && full > 0;
        }
        if (mu_machine_read_int_in(&now, supply, "charge_now") < 0 ||
            mu_machine_read_int_in(&full, supply, "charge_full") < 0)
                return false;
        if (mu_machine_read_int_in(&volts_uv, supply, "voltage_min_design") < 0 &&
            mu_machine_read_int_in(&volts_uv, supply, "voltage_now") < 0)
                return false;
        *ret_now_uwh = (double)now * (double)volts_uv / 1e6;
        *ret_full_uwh = (double)full * (double)volts_uv / 1e6;
        return now >= 0 && full > 0 && volts_uv > 0;
}

static void add_battery(struct sum *sum, const char *supply)
{
        double now_uwh = 0, full_uwh = 0;
        char status[32] = "";
        int64_t present, percent;
        bool weighed = read_energy(supply, &now_uwh, &full_uwh);
        bool told = mu_machine_read_int_in(&percent, supply, "capacity") == 0 && percent >= 0 &&
                    percent <= 100;

        if (mu_machine_read_int_in(&present, supply, "present") == 0 && present == 0)
                return;
        sum->battery_count++;
        if (weighed) {
                sum->held_uwh += now_uwh < full_uwh ? now_uwh : full_uwh;
                sum->full_uwh += full_uwh;
                sum->weighed_count++;
                if (!told)
                        percent = (int64_t)(now_uwh * 100 / full_uwh + 0.5);
        }
        if (told || weighed) {
                sum->percent += percent < 100 ? percent : 100;
                sum->percent_count++;
        }
        if (mu_machine_read_in(status, sizeof(status), supply, "status") < 0)
                return;
        sum->charging |= strcmp(status, "Charging") == 0;
        sum->discharging |= strcmp(status, "Discharging") == 0;
        sum->resting |= strcmp(status, "Full") == 0 || strcmp(status, "Not charging") == 0;
}

static void add_supply(struct sum *sum, const char *supply)
{
        char type[32], scope[32];
        int64_t online;

        if (mu_machine_read_in(type, sizeof(type), supply, "type") < 0)
                return;
        if (mu_machine_read_in(scope, sizeof(scope), supply, "scope") == 0 &&
            strcmp(scope, "Device") == 0)
                return;
        if (strcmp(type, "Battery") == 0) {
                add_battery(sum, supply);
                return;
        }
        if (strcmp(type, "UPS") == 0 || mu_machine_read_int_in(&online, supply, "online") < 0)
                return;
        sum->mains_seen = true;
        sum->mains_online |= online != 0; /* 2: a socket that takes its part of the current */
}

static int percent_of(const struct sum *sum)
{
        if (sum->battery_count == 0 || sum->percent_count < sum->battery_count)
                return -1;
        if (sum->weighed_count == sum->battery_count)
                return (int)(sum->held_uwh * 100 / sum->full_uwh + 0.5);
        return (int)((sum->percent + sum->percent_count / 2) / sum->percent_count);
}

static enum mu_agent_maybe charging_of(const struct sum *sum)
{
        if (sum->battery_count == 0)
                return MU_AGENT_UNKNOWN;
        if (sum->charging)
                return MU_AGENT_YES;
        if (sum->discharging)
                return MU_AGENT_NO;
        if (sum->mains_seen)
                return sum->mains_online ? MU_AGENT_YES : MU_AGENT_NO;
        return sum->resting ? MU_AGENT_YES : MU_AGENT_UNKNOWN;
}

static enum mu_agent_maybe power_ok_of(const struct sum *sum)
{
        if (sum->mains_seen)
                return sum->mains_online ? MU_AGENT_YES : MU_AGENT_NO;
        if (sum->battery_count == 0 || sum->charging || (sum->resting && !sum->discharging))
                return MU_AGENT_YES;
        return sum->discharging ? MU_AGENT_NO : MU_AGENT_UNKNOWN;
}

void mu_power_read(const char *root, struct mu_power *ret_power)
{
        char path[MU_MACHINE_PATH_BYTES], supply[MU_MACHINE_PATH_BYTES];
        struct sum sum = {0};
        const struct dirent *entry;

        *ret_power = (struct mu_power){-1, MU_AGENT_UNKNOWN, MU_AGENT_UNKNOWN};
        if (mu_machine_path(path, root, "/sys/class/power_supply") < 0)
                return;
        DIR *directory = opendir(path);

        if (!directory) /* a kernel without the class, or a sandbox without /sys: not known */
                return;
        while ((entry = readdir(directory)))
                if (entry->d_name[0] != '.' &&
                    mu_machine_path(supply, path, "/%s", entry->d_name) == 0)
                        add_supply(&sum, supply);
        closedir(directory);
        *ret_power = (struct mu_power){percent_of(&sum), charging_of(&sum), power_ok_of(&sum)};
}
