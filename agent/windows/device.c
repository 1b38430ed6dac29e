/* SPDX-License-Identifier: Apache-2.0 */
#include "windows/device.h"

#include <windows.h> /* before all others of Windows */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <wtsapi32.h>

enum {
        BYTES_PER_MB = 1024 * 1024,
        MS_PER_S = 1000,
        PERCENT_UNKNOWN = 255,
        NO_BATTERY = 128,
        FLAG_UNKNOWN = 255,
        CHARGING = 8,
        ON_MAINS = 1,
        ON_BATTERY = 0,
        BOOT_ROUND_S = 60,
        PATH_CHARS = 1024,
};

/* UTF-8 that fits, or "". */
static void to_utf8(const wchar_t *text, char *ret_text, size_t room)
{
        if (WideCharToMultiByte(CP_UTF8, 0, text, -1, ret_text, (int)room, NULL, NULL) == 0)
                ret_text[0] = '\0';
}

/* Windows counts its boots; where it does not say so, the boot's minute has to do. */
static void find_boot_id(struct mu_windows_device *device)
{
        static const char KEY[] = "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\"
                                  "Memory Management\\PrefetchParameters";
        DWORD number = 0;
        DWORD bytes = sizeof(number);

        if (RegGetValueA(HKEY_LOCAL_MACHINE, KEY, "BootId", RRF_RT_REG_DWORD, NULL, &number,
                         &bytes) == ERROR_SUCCESS) {
                (void)snprintf(device->boot_id, sizeof(device->boot_id), "boot-%lu",
                               (unsigned long)number);
                return;
        }
        int64_t at_s = mu_clock_realtime_us(device->clock) / MU_US_PER_S -
                       (int64_t)(GetTickCount64() / MS_PER_S);

        (void)snprintf(device->boot_id, sizeof(device->boot_id), "at-%lld",
                       (long long)(at_s / BOOT_ROUND_S * BOOT_ROUND_S));
}

void mu_windows_device_init(struct mu_windows_device *ret_device, const struct mu_clock *clock,
                            const char *state_directory)
{
        *ret_device =
                (struct mu_windows_device){.clock = clock, .state_directory = state_directory};
        find_boot_id(ret_device);
}

static void read_power(struct mu_agent_readings *readings)
{
        SYSTEM_POWER_STATUS power;

        if (!GetSystemPowerStatus(&power))
                return;
        if (power.ACLineStatus == ON_MAINS || power.ACLineStatus == ON_BATTERY)
                readings->power_ok = power.ACLineStatus == ON_MAINS ? MU_AGENT_YES : MU_AGENT_NO;
        if (power.BatteryFlag == FLAG_UNKNOWN || (power.BatteryFlag & NO_BATTERY) != 0)
                return;
        if (power.BatteryLifePercent != PERCENT_UNKNOWN)
                readings->battery = power.BatteryLifePercent > 100 ? 100 : power.BatteryLifePercent;
        /* One that is full takes no current and is fed all the same. */
        readings->charging = (power.BatteryFlag & CHARGING) != 0 || power.ACLineStatus == ON_MAINS
                                     ? MU_AGENT_YES
                                     : MU_AGENT_NO;
}

static void read_memory(struct mu_agent_readings *readings)
{
        MEMORYSTATUSEX memory = {.dwLength = sizeof(memory)};

        if (!GlobalMemoryStatusEx(&memory))
                return;
        readings->ram_free_mb = (int64_t)(memory.ullAvailPhys / BYTES_PER_MB);
        readings->ram_total_mb = (int64_t)(memory.ullTotalPhys / BYTES_PER_MB);
}

/* The file name of the program whose window is in front: "kiosk.exe". */
static void read_foreground(char ret_package[MU_AGENT_PACKAGE_BYTES])
{
        wchar_t path[PATH_CHARS];
        DWORD chars = PATH_CHARS;
        DWORD process_id = 0;
        HWND window = GetForegroundWindow();

        if (!window || GetWindowThreadProcessId(window, &process_id) == 0)
                return;
        HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process_id);

        if (!process)
                return;
        if (QueryFullProcessImageNameW(process, 0, path, &chars)) {
                const wchar_t *name = wcsrchr(path, L'\\');

                to_utf8(name ? name + 1 : path, ret_package, MU_AGENT_PACKAGE_BYTES);
        }
        (void)CloseHandle(process);
}

static int64_t watch(struct mu_windows_device *device, const char *monitored, const char *package)
{
        uint64_t now_ns = mu_clock_monotonic_ns(device->clock);

        if (strcmp(device->monitored, monitored) != 0) {
                (void)snprintf(device->monitored, sizeof(device->monitored), "%s", monitored);
                device->was_in_front = false;
        }
        if (monitored[0] == '\0')
                return -1;
        /* Names of files know no case here. */
        if (_stricmp(monitored, package) == 0) {
                device->was_in_front = true;
                device->in_front_ns = now_ns;
        }
        return device->was_in_front ? (int64_t)(now_ns - device->in_front_ns) / MU_NS_PER_S : -1;
}

static void add_number(json_t *extra, const char *name, int64_t value)
{
        /* Without memory a member is missing: less is told, nothing wrong. */
        if (json_object_set_new(extra, name, json_integer(value)) < 0)
                return;
}

static void add_user(json_t *extra)
{
        DWORD session = WTSGetActiveConsoleSessionId();
        wchar_t *name = NULL;
        char text[MU_AGENT_PACKAGE_BYTES];
        DWORD bytes = 0;

        if (session == UINT32_MAX ||
            !WTSQuerySessionInformationW(WTS_CURRENT_SERVER_HANDLE, session, WTSUserName, &name,
                                         &bytes))
                return;
        to_utf8(name, text, sizeof(text));
        WTSFreeMemory(name);
        if (text[0] != '\0' && json_object_set_new(extra, "user", json_string(text)) < 0)
                return;
}

static json_t *extra_of(const struct mu_windows_device *device)
{
        LASTINPUTINFO input = {.cbSize = sizeof(input)};
        json_t *extra = json_object();
        ULARGE_INTEGER free_bytes;

        if (!extra)
                return NULL;
        add_user(extra);
        /* Both are 32 bits of the same counter: the difference is right across its end. */
        if (GetLastInputInfo(&input))
                add_number(extra, "idle_s", ((DWORD)GetTickCount64() - input.dwTime) / MS_PER_S);
        if (GetDiskFreeSpaceExA(device->state_directory, &free_bytes, NULL, NULL))
                add_number(extra, "disk_free_mb", (int64_t)(free_bytes.QuadPart / BYTES_PER_MB));
        return extra;
}

void mu_windows_device_read(struct mu_windows_device *device, const char *monitored,
                            struct mu_agent_readings *ret_readings)
{
        read_power(ret_readings);
        read_memory(ret_readings);
        ret_readings->uptime_s = (int64_t)(GetTickCount64() / MS_PER_S);
        ret_readings->network = mu_windows_network();
        read_foreground(ret_readings->fg_package);
        ret_readings->monitored_ago_s = watch(device, monitored, ret_readings->fg_package);
        memcpy(ret_readings->boot_id, device->boot_id, sizeof(ret_readings->boot_id));
        ret_readings->extra = extra_of(device);
}
