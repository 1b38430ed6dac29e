/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/field.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "wire/heartbeat.h"

/* A field's place in the table, from its bit: a constant. */
#define AT(bit) __builtin_ctz(bit)

#define INTEGER(key, member, least, most)                                                          \
        {                                                                                          \
                .name = key, .kind = MU_KIND_INTEGER,                                              \
                .width_bytes = sizeof(((struct mu_record *)0)->member),                            \
                .offset = offsetof(struct mu_record, member), .minimum = least, .maximum = most    \
        }
#define BOOLEAN(key, bit)                                                                          \
        {                                                                                          \
                .name = key, .kind = MU_KIND_BOOLEAN, .slot = bit                                  \
        }
#define STRING(key, place, least, most)                                                            \
        {                                                                                          \
                .name = key, .kind = MU_KIND_STRING, .slot = place, .minimum = least,              \
                .maximum = most                                                                    \
        }
#define OTHER(key, of_kind)                                                                        \
        {                                                                                          \
                .name = key, .kind = of_kind                                                       \
        }

const struct mu_wire_field mu_wire_fields[MU_FIELD_INDEX_UNKNOWN] = {
        [AT(MU_FIELD_BATTERY)] = INTEGER("battery", battery_percent, 0, 100),
        [AT(MU_FIELD_CHARGING)] = BOOLEAN("charging", MU_BOOL_CHARGING),
        [AT(MU_FIELD_RAM_FREE)] = INTEGER("ram_free_mb", ram_free_mb, 0, INT32_MAX),
        [AT(MU_FIELD_RAM_TOTAL)] = INTEGER("ram_total_mb", ram_total_mb, 0, INT32_MAX),
        [AT(MU_FIELD_UPTIME)] = INTEGER("uptime_s", uptime_s, 0, MU_JSON_INTEGER_MAX),
        [AT(MU_FIELD_NETWORK)] = OTHER("network", MU_KIND_NETWORK),
        [AT(MU_FIELD_SSID)] = STRING("ssid", MU_STRING_SSID, 0, MU_SSID_BYTES_MAX),
        [AT(MU_FIELD_FG_PACKAGE)] =
                STRING("fg_package", MU_STRING_FG_PACKAGE, 0, MU_FG_PACKAGE_BYTES_MAX),
        [AT(MU_FIELD_MONITORED_LAST_FG)] =
                INTEGER("monitored_last_fg_s", monitored_last_fg_s, 0, MU_JSON_INTEGER_MAX),
        [AT(MU_FIELD_AGENT_VERSION)] =
                STRING("agent_version", MU_STRING_AGENT_VERSION, 0, MU_AGENT_VERSION_BYTES_MAX),
        [AT(MU_FIELD_POWER_OK)] = BOOLEAN("power_ok", MU_BOOL_POWER_OK),
        [AT(MU_FIELD_DEVICE_OWNER)] = BOOLEAN("device_owner", MU_BOOL_DEVICE_OWNER),
        [AT(MU_FIELD_BATTERY_UNRESTRICTED)] =
                BOOLEAN("battery_unrestricted", MU_BOOL_BATTERY_UNRESTRICTED),
        [AT(MU_FIELD_DOZE_WHITELISTED)] = BOOLEAN("doze_whitelisted", MU_BOOL_DOZE_WHITELISTED),
        [AT(MU_FIELD_NET_VALIDATED)] = BOOLEAN("net_validated", MU_BOOL_NET_VALIDATED),
        [AT(MU_FIELD_QUEUE_DEPTH)] = INTEGER("queue_depth", queue_depth, 0, INT32_MAX),
        [AT(MU_FIELD_BOOT_ID)] = STRING("boot_id", MU_STRING_BOOT_ID, 1, MU_BOOT_ID_BYTES_MAX),
        [AT(MU_FIELD_SEQ)] = INTEGER("seq", seq, 1, MU_JSON_INTEGER_MAX),
        [AT(MU_FIELD_EXTRA)] = OTHER("extra", MU_KIND_NONE),
        [AT(MU_FIELD_SENT_AT)] = OTHER("sent_at", MU_KIND_TIME),
        [MU_FIELD_INDEX_TS] = OTHER("ts", MU_KIND_TIME),
};

/* The only known key that a key of this length and these bytes can be. */
static uint32_t candidate(const char *key, uint32_t key_bytes)
{
        switch (key_bytes) {
        case 2:
                return MU_FIELD_INDEX_TS;
        case 3:
                return AT(MU_FIELD_SEQ);
        case 4:
                return AT(MU_FIELD_SSID);
        case 7:
                if (key[0] == 's')
                        return AT(MU_FIELD_SENT_AT);
                if (key[0] == 'n')
                        return AT(MU_FIELD_NETWORK);
                return key[1] == 'a' ? AT(MU_FIELD_BATTERY) : AT(MU_FIELD_BOOT_ID);
        case 8:
                if (key[0] == 'c')
                        return AT(MU_FIELD_CHARGING);
                return key[0] == 'u' ? AT(MU_FIELD_UPTIME) : AT(MU_FIELD_POWER_OK);
        case 10:
                return AT(MU_FIELD_FG_PACKAGE);
        case 11:
                return key[0] == 'r' ? AT(MU_FIELD_RAM_FREE) : AT(MU_FIELD_QUEUE_DEPTH);
        case 12:
                return key[0] == 'r' ? AT(MU_FIELD_RAM_TOTAL) : AT(MU_FIELD_DEVICE_OWNER);
        case 13:
                return key[0] == 'a' ? AT(MU_FIELD_AGENT_VERSION) : AT(MU_FIELD_NET_VALIDATED);
        case 16:
                return AT(MU_FIELD_DOZE_WHITELISTED);
        case 19:
                return AT(MU_FIELD_MONITORED_LAST_FG);
        case 20:
                return AT(MU_FIELD_BATTERY_UNRESTRICTED);
        default:
                return MU_FIELD_INDEX_UNKNOWN;
        }
}

uint32_t mu_field_find(const char *key, uint32_t key_bytes)
{
        uint32_t index = candidate(key, key_bytes);

        if (index == MU_FIELD_INDEX_UNKNOWN || memcmp(mu_wire_fields[index].name, key, key_bytes) !=
                                                       0) /* same length by construction */
                return MU_FIELD_INDEX_UNKNOWN;
        return index;
}

const char *mu_field_name(enum mu_record_field field)
{
        uint32_t index = (uint32_t)AT((uint32_t)field);

        MU_ASSERT(field != 0 && index < MU_FIELD_COUNT);
        return mu_wire_fields[index].name;
}
