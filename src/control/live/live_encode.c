/* SPDX-License-Identifier: Apache-2.0 */
#include "control/live/live_encode.h"

#include <string.h>

#include "base/clock.h"
#include "muster/record.h"

enum { DIGITS_MAX = 20 };

#define ADD(text, literal) mu_text_add_bytes((text), (literal), sizeof(literal) - 1)

/* The digits' place in a buffer that they fill from its end. */
static char *digits(char *end, uint64_t number)
{
        do {
                *--end = (char)('0' + number % 10);
                number /= 10;
        } while (number > 0);
        return end;
}

void mu_live_encode_uint(struct mu_text *text, uint64_t number)
{
        char buffer[DIGITS_MAX];
        char *end = buffer + sizeof(buffer);
        char *at = digits(end, number);

        mu_text_add_bytes(text, at, (size_t)(end - at));
}

void mu_live_encode_id(struct mu_text *text, int64_t id)
{
        ADD(text, "\"");
        mu_live_encode_uint(text, (uint64_t)id);
        ADD(text, "\"");
}

void mu_live_encode_time(struct mu_text *text, int64_t at_us)
{
        char buffer[DIGITS_MAX + 4];
        char *end = buffer + sizeof(buffer);
        uint64_t ms = (uint64_t)(at_us > 0 ? at_us / MU_US_PER_MS : 0);

        for (int i = 0; i < 3; i++, ms /= 10)
                *--end = (char)('0' + ms % 10);
        *--end = '.';
        end = digits(end, ms);
        mu_text_add_bytes(text, end, (size_t)(buffer + sizeof(buffer) - end));
}

static void add_time(struct mu_text *text, const char *key, int64_t at_us, bool skip_null)
{
        if (at_us == 0 && skip_null)
                return;
        mu_text_add(text, key);
        if (at_us == 0)
                ADD(text, "null");
        else
                mu_live_encode_time(text, at_us);
}

static void add_string(struct mu_text *text, const char *key, const char *value, bool skip_null)
{
        if (!value && skip_null)
                return;
        mu_text_add(text, key);
        if (value)
                mu_text_add_json(text, value, strlen(value));
        else
                ADD(text, "null");
}

static void add_bool(struct mu_text *text, const char *key, bool present, bool value,
                     bool skip_null)
{
        if (!present && skip_null)
                return;
        mu_text_add(text, key);
        mu_text_add(text, !present ? "null" : value ? "true" : "false");
}

static void add_battery(struct mu_text *text, const struct mu_live_row *row, bool skip_null)
{
        if (row->present & MU_FIELD_BATTERY) {
                ADD(text, ",\"battery\":");
                mu_live_encode_uint(text, row->battery_percent);
        } else if (!skip_null) {
                ADD(text, ",\"battery\":null");
        }
}

static void add_network(struct mu_text *text, const struct mu_live_row *row, bool skip_null)
{
        static const char *const names[] = {"wifi", "cellular", "ethernet", "offline"};
        bool known = (row->present & MU_FIELD_NETWORK) && row->network < MU_COUNT_OF(names);

        add_string(text, ",\"network\":", known ? names[row->network] : NULL, skip_null);
}

static void add_flags(struct mu_text *text, const struct mu_live_row *row, bool skip_none)
{
        static const struct {
                uint16_t flag;
                const char *name;
        } names[] = {
                {MU_RECORD_CLOCK_SKEWED, "\"clock_skewed\""},
                {MU_RECORD_QUARANTINED, "\"quarantined\""},
                {MU_RECORD_BACKLOG, "\"backlog\""},
                {MU_RECORD_INVALID_FIELDS, "\"invalid_fields\""},
        };
        const char *comma = "";

        if (row->flags == 0 && skip_none)
                return;
        ADD(text, ",\"flags\":[");
        for (size_t i = 0; i < MU_COUNT_OF(names); i++) {
                if ((row->flags & names[i].flag) == 0)
                        continue;
                mu_text_add(text, comma);
                mu_text_add(text, names[i].name);
                comma = ",";
        }
        ADD(text, "]");
}

static void add_described(struct mu_text *text, const struct mu_live_row *row, unsigned fields)
{
        if (fields & MU_LIVE_ALIAS)
                add_string(text, ",\"alias\":", row->alias, false);
        if (fields & MU_LIVE_KIND)
                add_string(text, ",\"kind\":", row->is_desktop ? "desktop" : "android", false);
        if (fields & MU_LIVE_QUARANTINED)
                add_bool(text, ",\"quarantined\":", true, row->quarantined, false);
        if (fields & MU_LIVE_EDITED)
                ADD(text, ",\"edited\":true");
}

void mu_live_encode_row(struct mu_text *text, const struct mu_live_row *row, unsigned fields,
                        bool skip_null)
{
        ADD(text, "{\"id\":");
        mu_live_encode_id(text, row->device_id);
        add_described(text, row, fields);
        if (fields & MU_LIVE_RECEIVED)
                add_time(text, ",\"received_at\":", row->received_at_us, skip_null);
        if (fields & MU_LIVE_OBSERVED)
                add_time(text, ",\"observed_at\":", row->observed_at_us, skip_null);
        if (fields & MU_LIVE_BATTERY)
                add_battery(text, row, skip_null);
        if (fields & MU_LIVE_CHARGING)
                add_bool(text, ",\"charging\":", row->present & MU_FIELD_CHARGING, row->charging,
                         skip_null);
        if (fields & MU_LIVE_NETWORK)
                add_network(text, row, skip_null);
        if (fields & MU_LIVE_POWER_OK)
                add_bool(text, ",\"power_ok\":", row->present & MU_FIELD_POWER_OK, row->power_ok,
                         skip_null);
        if (fields & MU_LIVE_FLAGS)
                add_flags(text, row, skip_null);
        if (fields & MU_LIVE_FG_PACKAGE)
                add_string(text, ",\"fg_package\":", row->fg_package, skip_null);
        if (fields & MU_LIVE_AGENT_VERSION)
                add_string(text, ",\"agent_version\":", row->agent_version, skip_null);
        ADD(text, "}");
}

static void add_name(struct mu_text *text, const char *name, size_t name_bytes)
{
        mu_text_add_json(text, name, strnlen(name, name_bytes));
}

void mu_live_encode_command(struct mu_text *text, const struct mu_bus_event *event)
{
        const struct mu_bus_command *command = &event->as.command;

        ADD(text, "{\"id\":");
        mu_live_encode_id(text, command->id);
        ADD(text, ",\"device_id\":");
        mu_live_encode_id(text, event->device_id);
        ADD(text, ",\"type\":");
        add_name(text, command->type, sizeof(command->type));
        ADD(text, ",\"state\":");
        add_name(text, command->state, sizeof(command->state));
        ADD(text, ",\"at\":");
        mu_live_encode_time(text, command->at_us);
        ADD(text, "}");
}

static void add_id_or_null(struct mu_text *text, const char *key, int64_t id)
{
        mu_text_add(text, key);
        if (id > 0)
                mu_live_encode_id(text, id);
        else
                ADD(text, "null");
}

/* Whoever publishes other changes does not look whether somebody has acknowledged the incident. */
static bool knows_ack(const char *change)
{
        static const char *const KNOW[] = {"opened", "unacked", "noted"};

        for (size_t i = 0; i < MU_COUNT_OF(KNOW); i++)
                if (strncmp(change, KNOW[i], MU_BUS_STATE_BYTES) == 0)
                        return true;
        return false;
}

void mu_live_encode_alert(struct mu_text *text, const struct mu_bus_event *event)
{
        const struct mu_bus_alert *alert = &event->as.alert;

        add_id_or_null(text, "{\"incident_id\":", alert->incident_id);
        add_id_or_null(text, ",\"alert_id\":", alert->alert_id);
        add_id_or_null(text, ",\"device_id\":", event->device_id);
        ADD(text, ",\"rule\":");
        add_name(text, alert->rule, sizeof(alert->rule));
        ADD(text, ",\"change\":");
        add_name(text, alert->change, sizeof(alert->change));
        ADD(text, ",\"firing_count\":");
        mu_live_encode_uint(text, alert->firing_count);
        if (alert->acked || knows_ack(alert->change))
                mu_text_add(text, alert->acked ? ",\"acked\":true" : ",\"acked\":false");
        ADD(text, ",\"at\":");
        mu_live_encode_time(text, alert->at_us);
        ADD(text, "}");
}
