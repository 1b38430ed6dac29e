/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_change_api.c - changing rules: for all, for devices with a tag, for one device.
 *
 * The row is written, then what the rule comes to with it is judged as a whole; what contradicts
 * itself is refused, and the engine rolls the row back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/alert/alert_api.h"
#include "control/alert/rule_view.h"
#include "control/device/device_filter.h"

enum {
        VALUE_MAX = 1000000000,
        PRIORITY_MAX = 1000,
};

/* ---- shapes ---- */

#define VALUE_FIELDS                                                                               \
        {.name = "threshold",                                                                      \
         .type = MU_FIELD_INTEGER,                                                                 \
         .flags = MU_FIELD_NULLABLE,                                                               \
         .least = 0,                                                                               \
         .most = VALUE_MAX,                                                                        \
         .doc = "In the rule's unit; limits says what is allowed. null: as the wider scope."},     \
                {.name = "clear_at",                                                               \
                 .type = MU_FIELD_INTEGER,                                                         \
                 .flags = MU_FIELD_NULLABLE,                                                       \
                 .least = 0,                                                                       \
                 .most = VALUE_MAX,                                                                \
                 .doc = "A firing alert ends at this value. null: as the wider scope."},           \
                {.name = "hold_s",                                                                 \
                 .type = MU_FIELD_INTEGER,                                                         \
                 .flags = MU_FIELD_NULLABLE,                                                       \
                 .least = 0,                                                                       \
                 .most = MU_RULE_HOLD_S_MAX,                                                       \
                 .doc = "True for so long: it fires. null: as the wider scope."},                  \
                {.name = "clear_hold_s",                                                           \
                 .type = MU_FIELD_INTEGER,                                                         \
                 .flags = MU_FIELD_NULLABLE,                                                       \
                 .least = 0,                                                                       \
                 .most = MU_RULE_HOLD_S_MAX,                                                       \
                 .doc = "Untrue for so long: it ends. null: as the wider scope."},                 \
                {.name = "severity",                                                               \
                 .type = MU_FIELD_TEXT,                                                            \
                 .flags = MU_FIELD_NULLABLE,                                                       \
                 .one_of = MU_ALERT_SEVERITIES,                                                    \
                 .doc = "null: as the wider scope."},                                              \
                {.name = "enabled",                                                                \
                 .type = MU_FIELD_BOOLEAN,                                                         \
                 .flags = MU_FIELD_NULLABLE,                                                       \
                 .doc = "null: as the wider scope."},                                              \
        {                                                                                          \
                .name = "text_value", .type = MU_FIELD_TEXT, .flags = MU_FIELD_NULLABLE,           \
                .least = 1, .most = MU_RULE_TEXT_BYTES - 1,                                        \
                .doc = "agent_outdated: the least version. null: as the wider scope."              \
        }

static const struct mu_field CHANGE_FIELDS[] = {VALUE_FIELDS};
static const struct mu_shape CHANGE = MU_SHAPE("AlertRuleChange", CHANGE_FIELDS);

static const struct mu_field TAG_FIELDS[] = {
        VALUE_FIELDS,
        {.name = "priority",
         .type = MU_FIELD_INTEGER,
         .least = -PRIORITY_MAX,
         .most = PRIORITY_MAX,
         .doc = "Among a device's tags the lowest wins, then the name; without it 0."},
};
static const struct mu_shape TAG_VALUES = MU_SHAPE("AlertRuleTagValues", TAG_FIELDS);

/* ---- statements ---- */

struct place {
        enum mu_alert_rule rule;
        const char *scope;
        char tag[MU_DEVICE_TAG_CHARS_MAX * 4 + 1]; /* "" none */
        int64_t device_id;                         /* 0: none */
};

#define OF_PLACE " r.rule = $1 AND r.scope = $2 AND r.tag = $3 AND r.device_id = $4"
#define PLACE_VALUES(place)                                                                        \
        mu_pg_text(mu_alert_rule_name((place)->rule)), mu_pg_text((place)->scope),                 \
                mu_pg_text((place)->tag), mu_pg_int8((place)->device_id)

static const struct mu_pg_statement FIND = {
        .name = "alert_rule_find",
        .sql = "SELECT " MU_RULE_LAYER_COLUMNS " FROM alert_rules r WHERE" OF_PLACE " FOR UPDATE",
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT8},
};
/* Each value behind whether it is given. */
static const struct mu_pg_statement SET = {
        .name = "alert_rule_set",
        .sql = "INSERT INTO alert_rules AS r (rule, scope, tag, device_id, updated_at, updated_by,"
               " threshold, clear_at, hold_s, clear_hold_s, severity, enabled, text_value,"
               " priority) VALUES ($1, $2, $3, $4, $5, $6, $8, $10, $12, $14, $16, $18, $20, $22)"
               " ON CONFLICT (rule, scope, tag, device_id) DO UPDATE SET updated_at = $5,"
               " updated_by = $6,"
               " threshold = CASE WHEN $7 THEN $8 ELSE r.threshold END,"
               " clear_at = CASE WHEN $9 THEN $10 ELSE r.clear_at END,"
               " hold_s = CASE WHEN $11 THEN $12 ELSE r.hold_s END,"
               " clear_hold_s = CASE WHEN $13 THEN $14 ELSE r.clear_hold_s END,"
               " severity = CASE WHEN $15 THEN $16 ELSE r.severity END,"
               " enabled = CASE WHEN $17 THEN $18 ELSE r.enabled END,"
               " text_value = CASE WHEN $19 THEN $20 ELSE r.text_value END,"
               " priority = CASE WHEN $21 THEN $22 ELSE r.priority END"
               " RETURNING " MU_RULE_LAYER_COLUMNS,
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT8, MU_PG_TIMESTAMPTZ, MU_PG_TEXT,
                   MU_PG_BOOL, MU_PG_INT8, MU_PG_BOOL, MU_PG_INT8, MU_PG_BOOL,        MU_PG_INT4,
                   MU_PG_BOOL, MU_PG_INT4, MU_PG_BOOL, MU_PG_TEXT, MU_PG_BOOL,        MU_PG_BOOL,
                   MU_PG_BOOL, MU_PG_TEXT, MU_PG_BOOL, MU_PG_INT4},
};
static const struct mu_pg_statement REMOVE = {
        .name = "alert_rule_remove",
        .sql = "DELETE FROM alert_rules r WHERE" OF_PLACE " RETURNING " MU_RULE_LAYER_COLUMNS,
        .params = {MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_INT8},
};

/* ---- where ---- */

/* The path's tag; false: answered. */
static bool read_tag(struct mu_ask *ask, struct place *place)
{
        struct mu_slice given = mu_call_param(ask->call, "tag");
        json_t *text = given.data ? json_stringn(given.data, given.bytes) : NULL;
        size_t characters = 0;

        for (size_t i = 0; text && i < given.bytes; i++) {
                unsigned char byte = (unsigned char)given.data[i];

                characters += (byte & 0xc0) != 0x80;
                if (byte < 0x20 || byte == 0x7f)
                        characters = MU_DEVICE_TAG_CHARS_MAX + 1;
        }
        json_decref(text);
        if (characters > 0 && characters <= MU_DEVICE_TAG_CHARS_MAX) {
                (void)snprintf(place->tag, sizeof(place->tag), "%.*s", (int)given.bytes,
                               given.data);
                return true;
        }
        mu_call_problem(ask->call, 400, "field-invalid", "tag",
                        "A tag has 1 to %d characters, without control characters.",
                        MU_DEVICE_TAG_CHARS_MAX);
        return false;
}

static void name_tag(json_t *values, const struct place *place)
{
        if (values && *place->tag)
                (void)json_object_set_new(values, "tag", json_string(place->tag));
}

/* Of "alert-rule:offline:42", where 42 is the device, or 0. False: answered. */
static bool audit(struct mu_ask *ask, const struct place *place, const char *action, json_t *before,
                  json_t *after)
{
        char subject[64];

        (void)snprintf(subject, sizeof(subject), "alert-rule:%s", mu_alert_rule_name(place->rule));
        name_tag(before, place);
        name_tag(after, place);
        return mu_ask_audit(ask, action, subject, place->device_id, before, after);
}

/* ---- changes ---- */

/* What the place has now; *ret_json NULL: nothing. False: answered. */
static bool find(struct mu_ask *ask, const struct place *place, json_t **ret_json)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &FIND, MU_PG_VALUES(PLACE_VALUES(place)), &rows))
                return false;
        *ret_json = mu_pg_rows(rows) > 0 ? mu_rule_layer_json(rows, 0) : NULL;
        mu_pg_result_free(rows);
        return true;
}

static struct mu_pg_value integer_of(const json_t *body, const char *name, enum mu_pg_type type)
{
        const json_t *value = json_object_get(body, name);

        if (!json_is_integer(value))
                return mu_pg_null(type);
        return type == MU_PG_INT4 ? mu_pg_int4((int32_t)json_integer_value(value))
                                  : mu_pg_int8(json_integer_value(value));
}

/* whole: what the body does not give is as the wider scope has it. False: answered. */
static bool write(struct mu_ask *ask, const struct place *place, bool whole,
                  struct mu_pg_result **ret_rows)
{
        const json_t *body = ask->body;
        const json_t *enabled = json_object_get(body, "enabled");

#define GIVEN(name) mu_pg_bool(whole || mu_json_has(body, name))
        return mu_ask_query(
                ask, &SET,
                MU_PG_VALUES(PLACE_VALUES(place), mu_pg_timestamptz(mu_alert_now_us(ask)),
                             mu_pg_text(ask->actor), GIVEN("threshold"),
                             integer_of(body, "threshold", MU_PG_INT8), GIVEN("clear_at"),
                             integer_of(body, "clear_at", MU_PG_INT8), GIVEN("hold_s"),
                             integer_of(body, "hold_s", MU_PG_INT4), GIVEN("clear_hold_s"),
                             integer_of(body, "clear_hold_s", MU_PG_INT4), GIVEN("severity"),
                             mu_pg_text(mu_json_text(body, "severity")), GIVEN("enabled"),
                             json_is_boolean(enabled) ? mu_pg_bool(json_is_true(enabled))
                                                      : mu_pg_null(MU_PG_BOOL),
                             GIVEN("text_value"), mu_pg_text(mu_json_text(body, "text_value")),
                             GIVEN("priority"),
                             mu_pg_int4((int32_t)mu_json_integer(body, "priority", 0))),
                ret_rows);
#undef GIVEN
}

static bool says_something(const struct mu_pg_result *row)
{
        for (int i = 0; i < MU_RULE_COLUMNS; i++)
                if (!mu_pg_is_null(row, 0, i))
                        return true;
        return false;
}

/* Whether the rule makes sense with the row as it is now; false: answered. */
static bool check(struct mu_ask *ask, const struct place *place, const struct mu_pg_result *row)
{
        struct mu_rule_problem problem;
        struct mu_rule_layers layers;
        uint32_t columns = 0;
        int error = mu_rule_layers_read(ask->pg, place->device_id, *place->tag ? place->tag : NULL,
                                        &layers);

        if (error < 0) {
                mu_ask_failed(ask, error);
                return false;
        }
        for (unsigned i = 0; i < MU_RULE_COLUMNS; i++)
                if (!mu_pg_is_null(row, 0, (int)i))
                        columns |= 1u << i;
        error = mu_rule_check(place->rule, columns, &layers.rules[place->rule], &problem);
        mu_rule_layers_done(&layers);
        if (error < 0)
                mu_call_problem(ask->call, 400, "field-invalid", problem.member, "%s",
                                problem.sentence);
        return error == 0;
}

/* Sets the place's values and answers with them: a JSON null where it has none any more. */
static void set_values(struct mu_ask *ask, const struct place *place, bool whole)
{
        struct mu_pg_result *row;
        json_t *before;

        if (!find(ask, place, &before))
                return;
        if (!write(ask, place, whole, &row)) {
                json_decref(before);
                return;
        }
        bool something = says_something(row);
        json_t *after = something ? mu_rule_layer_json(row, 0) : NULL;
        bool fine = check(ask, place, row);

        mu_pg_result_free(row);
        if (fine && !something)
                fine = mu_ask_query(ask, &REMOVE, MU_PG_VALUES(PLACE_VALUES(place)), NULL);
        if (!fine) {
                json_decref(before);
                json_decref(after);
                return;
        }
        mu_alert_rules_changed(ask);
        if (audit(ask, place, "alert_rule.change", before, json_copy(after)))
                mu_ask_reply(ask, 200,
                             json_pack("{s:s, s:O}", "rule", mu_alert_rule_name(place->rule),
                                       "values", after ? after : json_null()));
        json_decref(after);
}

static void remove_values(struct mu_ask *ask, const struct place *place)
{
        struct mu_pg_result *row;

        if (!mu_ask_query(ask, &REMOVE, MU_PG_VALUES(PLACE_VALUES(place)), &row))
                return;
        json_t *before = mu_pg_rows(row) > 0 ? mu_rule_layer_json(row, 0) : NULL;

        mu_pg_result_free(row);
        /* Asked for again: nothing to write down. */
        if (before) {
                mu_alert_rules_changed(ask);
                if (!audit(ask, place, "alert_rule.remove", before, NULL))
                        return;
        }
        mu_ask_reply_empty(ask, 204);
}

/* PUT needs something to say; false: answered. */
static bool require_values(struct mu_ask *ask)
{
        const char *name;
        json_t *value;

        json_object_foreach(ask->body, name, value)
        {
                if (!json_is_null(value) && strcmp(name, "priority") != 0)
                        return true;
        }
        mu_call_problem(ask->call, 400, "field-missing", NULL,
                        "Say at least one value that differs; DELETE takes an override back.");
        return false;
}

/* ---- handlers ---- */

static void change_fleet(struct mu_ask *ask)
{
        struct place place = {.scope = "fleet"};

        if (mu_ask_rule(ask, &place.rule))
                set_values(ask, &place, false);
}

static void put_tag(struct mu_ask *ask)
{
        struct place place = {.scope = "tag"};

        if (mu_ask_device_rule(ask, &place.rule) && read_tag(ask, &place) && require_values(ask))
                set_values(ask, &place, true);
}

static void delete_tag(struct mu_ask *ask)
{
        struct place place = {.scope = "tag"};

        if (mu_ask_device_rule(ask, &place.rule) && read_tag(ask, &place))
                remove_values(ask, &place);
}

static void put_device(struct mu_ask *ask)
{
        struct place place = {.scope = "device"};

        if (mu_ask_device_rule(ask, &place.rule) &&
            mu_ask_id(ask, "id", "device", &place.device_id) && require_values(ask) &&
            mu_alert_require_device(ask, place.device_id))
                set_values(ask, &place, true);
}

static void delete_device(struct mu_ask *ask)
{
        struct place place = {.scope = "device"};

        if (mu_ask_device_rule(ask, &place.rule) &&
            mu_ask_id(ask, "id", "device", &place.device_id))
                remove_values(ask, &place);
}

/* ---- the table ---- */

static const struct mu_field REPLY_FIELDS[] = {
        MU_ALERT_FIELD_CHOICE("rule", MU_ALERT_RULES, "Its name."),
        {.name = "values",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED | MU_FIELD_NULLABLE,
         .shape = &mu_rule_layer_shape,
         .doc = "What differs here from now on; null: nothing."},
};
static const struct mu_shape REPLY = MU_SHAPE("AlertRuleChanged", REPLY_FIELDS);

static const int NOT_FOUND[] = {404, 0};

#define CHANGES                                                                                    \
        .access = MU_ACCESS_ADMIN, .scope = "alerts:write", .flags = MU_ENDPOINT_ADMIN_KEY,        \
        .tag = "Alert rules", .problems = NOT_FOUND

static const struct mu_endpoint ROWS[] = {
        {.method = "PATCH",
         .path = "/admin/alert-rules/{rule}",
         .handle = change_fleet,
         CHANGES,
         .body = &CHANGE,
         .reply_status = 200,
         .reply = &REPLY,
         .operation_id = "changeAlertRule",
         .summary = "Change a rule for all",
         .doc = "What is left out stays; null goes back to what is built in. Judged anew at once."},
        {.method = "PUT",
         .path = "/admin/alert-rules/{rule}/tags/{tag}",
         .handle = put_tag,
         CHANGES,
         .body = &TAG_VALUES,
         .reply_status = 200,
         .reply = &REPLY,
         .operation_id = "setAlertRuleForTag",
         .summary = "Other values for devices with a tag",
         .doc = "Replaces what the tag had. What is left out is as for all."},
        {.method = "DELETE",
         .path = "/admin/alert-rules/{rule}/tags/{tag}",
         .handle = delete_tag,
         CHANGES,
         .reply_status = 204,
         .operation_id = "removeAlertRuleForTag",
         .summary = "Take a tag's values back"},
        {.method = "PUT",
         .path = "/admin/alert-rules/{rule}/devices/{id}",
         .handle = put_device,
         CHANGES,
         .body = &CHANGE,
         .reply_status = 200,
         .reply = &REPLY,
         .operation_id = "setAlertRuleForDevice",
         .summary = "Other values for one device",
         .doc = "Replaces what the device had. What is left out is as its tags have it, or all."},
        {.method = "DELETE",
         .path = "/admin/alert-rules/{rule}/devices/{id}",
         .handle = delete_device,
         CHANGES,
         .reply_status = 204,
         .operation_id = "removeAlertRuleForDevice",
         .summary = "Take a device's values back"},
};
const struct mu_endpoints mu_alert_rule_change_endpoints = MU_ENDPOINTS(ROWS);
