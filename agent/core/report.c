/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "base/text.h"
#include "core/uplink.h"
#include "muster/wire.h"

/* What the appliance keeps of members that it does not know; beyond, it drops all of them. */
enum extra_limits {
        EXTRA_BYTES_MAX = 2048, /* braces and commas included */
        EXTRA_KEY_BYTES_MAX = 64,
        EXTRA_MEMBERS_MAX = 64,
        EXTRA_DEPTH_MAX = 8,
        SSID_BYTES_MAX = MU_AGENT_SSID_BYTES - 1,
        PACKAGE_BYTES_MAX = MU_AGENT_PACKAGE_BYTES - 1,
        BOOT_ID_BYTES_MAX = MU_AGENT_BOOT_ID_BYTES - 1,
        VERSION_BYTES_MAX = 64,
};

/* A larger one would be taken for a time, not an age. */
#define AGE_S_MAX INT64_C(999999999)

/* The wire's own members and the core's: a member of the readings' extra must not be called so, for
 * a key that occurs twice refuses the whole heartbeat. */
static const char *const taken_names[] = {
        "ts",
        "sent_at",
        "battery",
        "charging",
        "ram_free_mb",
        "ram_total_mb",
        "uptime_s",
        "network",
        "ssid",
        "fg_package",
        "monitored_last_fg_s",
        "agent_version",
        "power_ok",
        "device_owner",
        "battery_unrestricted",
        "doze_whitelisted",
        "net_validated",
        "queue_depth",
        "boot_id",
        "seq",
        "refused_commands",
        "rejected_reports",
        "update_failures",
};

static void add_time(struct mu_text *text, int64_t us)
{
        /* A device whose clock stands before 1970 says 1970: the appliance corrects by sent_at. */
        int64_t ms = us > 0 ? us / MU_US_PER_MS : 0;

        mu_text_add_format(text, "%lld.%03lld", (long long)(ms / MU_MS_PER_S),
                           (long long)(ms % MU_MS_PER_S));
}

static void add_number(struct mu_text *text, const char *name, int64_t value, int64_t most)
{
        if (value >= 0 && value <= most)
                mu_text_add_format(text, ",\"%s\":%lld", name, (long long)value);
}

static void add_maybe(struct mu_text *text, const char *name, enum mu_agent_maybe value)
{
        if (value == MU_AGENT_YES || value == MU_AGENT_NO)
                mu_text_add_format(text, ",\"%s\":%s", name,
                                   value == MU_AGENT_YES ? "true" : "false");
}

static bool is_utf8(const char *value, size_t bytes)
{
        json_t *string = json_stringn(value, bytes);
        bool is = string != NULL;

        json_decref(string);
        return is;
}

/* Cut between two characters. What is not UTF-8 (an SSID may be any bytes) is sent with '?' for
 * what is not ASCII, so that its length stays. */
static void add_string(struct mu_text *text, const char *name, const char *value, size_t bytes_max)
{
        char clean[MU_AGENT_PACKAGE_BYTES] = "";
        size_t bytes = strlen(value);

        MU_ASSERT(bytes_max < sizeof(clean));
        if (bytes == 0)
                return;
        if (bytes > bytes_max)
                for (bytes = bytes_max; bytes > 0 && ((unsigned char)value[bytes] & 0xc0) == 0x80;)
                        bytes--;
        memcpy(clean, value, bytes);
        if (!is_utf8(clean, bytes))
                for (size_t i = 0; i < bytes; i++)
                        if ((unsigned char)clean[i] >= 0x80)
                                clean[i] = '?';
        mu_text_add_format(text, ",\"%s\":", name);
        mu_text_add_json(text, clean, bytes);
}

static const char *network_name(enum mu_agent_network network)
{
        switch (network) {
        case MU_AGENT_NETWORK_OFFLINE:
                return "offline";
        case MU_AGENT_NETWORK_WIFI:
                return "wifi";
        case MU_AGENT_NETWORK_CELLULAR:
                return "cellular";
        case MU_AGENT_NETWORK_ETHERNET:
                return "ethernet";
        case MU_AGENT_NETWORK_UNKNOWN:
                break;
        }
        return NULL;
}

/* The appliance refuses deep nesting and numbers from 10^308 on, and cannot keep a NUL. */
static bool is_fit(json_t *value, int depth)
{
        size_t count = json_is_array(value) ? json_array_size(value) : 0;

        if (json_is_string(value))
                return strlen(json_string_value(value)) == json_string_length(value);
        if (json_is_real(value))
                return json_real_value(value) > -1e308 && json_real_value(value) < 1e308;
        if (depth == 0)
                return false;
        for (size_t i = 0; i < count; i++)
                if (!is_fit(json_array_get(value, i), depth - 1))
                        return false;
        for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at))
                if (!is_fit(json_object_iter_value(at), depth - 1))
                        return false;
        return true;
}

static bool is_taken(const char *name)
{
        for (size_t i = 0; i < MU_COUNT_OF(taken_names); i++)
                if (strcmp(taken_names[i], name) == 0)
                        return true;
        return false;
}

/* One member more, if there is room for it. room: what is left. */
static void add_member(struct mu_text *text, const char *name, json_t *value, size_t *room)
{
        size_t before = text->bytes;
        size_t name_bytes = strlen(name);

        if (name_bytes == 0 || name_bytes > EXTRA_KEY_BYTES_MAX || is_taken(name) ||
            json_is_null(value) || !is_fit(value, EXTRA_DEPTH_MAX) || mu_text_status(text) < 0)
                return;
        char *json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

        if (!json)
                return;
        mu_text_add(text, ",");
        mu_text_add_json(text, name, name_bytes);
        mu_text_add(text, ":");
        mu_text_add(text, json);
        free(json);
        if (mu_text_status(text) < 0)
                return;
        if (text->bytes - before > *room)
                mu_text_cut(text, before);
        else
                *room -= text->bytes - before;
}

static void add_counter(struct mu_text *text, const char *name, uint64_t value, size_t *room)
{
        size_t before = text->bytes;

        if (value == 0)
                return;
        mu_text_add_format(text, ",\"%s\":%llu", name, (unsigned long long)value);
        *room -= text->bytes - before;
}

/* What the wire has no name for. The counters first: what goes wrong is to be seen. */
static void add_extra(struct mu_text *text, const struct mu_agent_core *core, json_t *extra)
{
        size_t room = EXTRA_BYTES_MAX - 1; /* the braces, less the first comma */
        size_t members = 0;

        add_counter(text, "refused_commands", core->refused_commands, &room);
        add_counter(text, "rejected_reports", core->rejected_reports, &room);
        add_counter(text, "update_failures", core->update_failures, &room);
        for (void *at = json_object_iter(extra); at && members < EXTRA_MEMBERS_MAX;
             at = json_object_iter_next(extra, at), members++)
                add_member(text, json_object_iter_key(at), json_object_iter_value(at), &room);
}

int mu_agent_report_write(const struct mu_agent_core *core,
                          const struct mu_agent_readings *readings, int64_t ts_us, int64_t seq,
                          uint32_t queue_depth, struct mu_text *text)
{
        const char *network = network_name(readings->network);

        MU_ASSERT(seq >= 1);
        mu_text_add(text, "{\"ts\":");
        add_time(text, ts_us);
        add_number(text, "battery", readings->battery, 100);
        add_maybe(text, "charging", readings->charging);
        add_number(text, "ram_free_mb", readings->ram_free_mb, INT32_MAX);
        add_number(text, "ram_total_mb", readings->ram_total_mb, INT32_MAX);
        add_number(text, "uptime_s", readings->uptime_s, MU_JSON_INTEGER_MAX);
        if (network)
                mu_text_add_format(text, ",\"network\":\"%s\"", network);
        add_string(text, "ssid", readings->ssid, SSID_BYTES_MAX);
        add_string(text, "fg_package", readings->fg_package, PACKAGE_BYTES_MAX);
        add_number(text, "monitored_last_fg_s", readings->monitored_ago_s, AGE_S_MAX);
        add_string(text, "agent_version", core->platform->version, VERSION_BYTES_MAX);
        add_maybe(text, "power_ok", readings->power_ok);
        add_maybe(text, "device_owner", readings->device_owner);
        add_maybe(text, "battery_unrestricted", readings->battery_unrestricted);
        add_maybe(text, "doze_whitelisted", readings->doze_whitelisted);
        add_maybe(text, "net_validated", readings->net_validated);
        add_number(text, "queue_depth", queue_depth, INT32_MAX);
        add_string(text, "boot_id", readings->boot_id, BOOT_ID_BYTES_MAX);
        add_number(text, "seq", seq, MU_JSON_INTEGER_MAX);
        add_extra(text, core, readings->extra);
        mu_text_add(text, "}");
        return mu_text_status(text);
}

/* A heartbeat of the queue ends with its brace: it was written here. */
static bool is_object(const struct mu_agent_item *item)
{
        return item->body_bytes > 2 && item->body[0] == '{' &&
               item->body[item->body_bytes - 1] == '}';
}

int mu_agent_report_single(const struct mu_agent_item *item, int64_t sent_at_us,
                           struct mu_text *text)
{
        if (!is_object(item))
                return -EBADMSG;
        mu_text_add_bytes(text, item->body, item->body_bytes - 1);
        mu_text_add(text, ",\"sent_at\":");
        add_time(text, sent_at_us);
        mu_text_add(text, "}");
        return mu_text_status(text);
}

int mu_agent_report_batch(const struct mu_agent_items *items, int64_t sent_at_us,
                          struct mu_text *text)
{
        MU_ASSERT(items->count <= MU_BATCH_ITEMS_MAX);
        mu_text_add(text, "{\"sent_at\":");
        add_time(text, sent_at_us);
        mu_text_add(text, ",\"heartbeats\":[");
        for (size_t i = 0; i < items->count; i++) {
                if (!is_object(&items->items[i]))
                        return -EBADMSG;
                if (i > 0)
                        mu_text_add(text, ",");
                mu_text_add_bytes(text, items->items[i].body, items->items[i].body_bytes);
        }
        mu_text_add(text, "]}");
        return mu_text_status(text);
}
