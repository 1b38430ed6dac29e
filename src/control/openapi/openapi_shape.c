/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "control/openapi/openapi_private.h"
#include "wire/field.h"

/* Every reference is taken by the object it goes into; NULL (no memory) spreads to the root,
 * which is checked once. */
static void set(json_t *object, const char *key, json_t *value)
{
        (void)json_object_set_new(object, key, value);
}

static json_t *words_of(const char *one_of)
{
        json_t *words = json_array();

        while (*one_of) {
                size_t chars = strcspn(one_of, "|");

                (void)json_array_append_new(words, json_stringn(one_of, chars));
                one_of += chars + (one_of[chars] == '|');
        }
        return words;
}

static void bound(json_t *schema, const struct mu_field *field, const char *least, const char *most)
{
        if (field->least == 0 && field->most == 0)
                return;
        set(schema, least, json_integer(field->least));
        set(schema, most, json_integer(field->most));
}

static json_t *typed(const char *type)
{
        return json_pack("{s:s}", "type", type);
}

static json_t *list_of(json_t *schemas, const struct mu_field *field)
{
        const struct mu_field item = {.type = field->items, .one_of = field->one_of};
        json_t *schema = typed("array");

        bound(schema, field, "minItems", "maxItems");
        set(schema, "items",
            field->shape ? mu_openapi_shape(schemas, field->shape)
                         : mu_openapi_field(schemas, &item));
        return schema;
}

static json_t *by_type(json_t *schemas, const struct mu_field *field)
{
        json_t *schema;

        switch (field->type) {
        case MU_FIELD_TEXT:
                schema = typed("string");
                bound(schema, field, "minLength", "maxLength");
                if (field->one_of)
                        set(schema, "enum", words_of(field->one_of));
                return schema;
        case MU_FIELD_INTEGER:
        case MU_FIELD_NUMBER:
                schema = typed(field->type == MU_FIELD_INTEGER ? "integer" : "number");
                bound(schema, field, "minimum", "maximum");
                return schema;
        case MU_FIELD_BOOLEAN:
                return typed("boolean");
        case MU_FIELD_ID:
                return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[1-9][0-9]{0,17}$");
        case MU_FIELD_TIME:
                return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
        case MU_FIELD_OBJECT:
                return field->shape ? mu_openapi_shape(schemas, field->shape) : typed("object");
        case MU_FIELD_LIST:
                return list_of(schemas, field);
        case MU_FIELD_ANY:
                break;
        }
        return json_object();
}

json_t *mu_openapi_field(json_t *schemas, const struct mu_field *field)
{
        json_t *schema = by_type(schemas, field);

        if (field->flags & MU_FIELD_NULLABLE) {
                json_t *type = json_object_get(schema, "type");

                if (json_is_string(type))
                        set(schema, "type", json_pack("[O,s]", type, "null"));
                else if (json_object_size(schema) > 0)
                        schema = json_pack("{s:[o,{s:s}]}", "anyOf", schema, "type", "null");
                if (json_object_get(schema, "enum"))
                        (void)json_array_append_new(json_object_get(schema, "enum"), json_null());
        }
        if (field->doc)
                set(schema, "description", json_string(field->doc));
        return schema;
}

/* ---- the heartbeat, from the table that decodes it ---- */

static json_t *heartbeat_key(const struct mu_wire_field *key)
{
        switch (key->kind) {
        case MU_KIND_INTEGER:
                return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                                 (json_int_t)key->minimum, "maximum", (json_int_t)key->maximum);
        case MU_KIND_BOOLEAN:
                return typed("boolean");
        case MU_KIND_STRING:
                return json_pack("{s:s, s:I, s:I}", "type", "string", "minLength",
                                 (json_int_t)key->minimum, "maxLength", (json_int_t)key->maximum);
        case MU_KIND_NETWORK:
                return json_pack("{s:s, s:o}", "type", "string", "enum",
                                 words_of("wifi|cellular|ethernet|offline"));
        case MU_KIND_TIME:
                return json_pack("{s:s, s:i, s:s}", "type", "number", "minimum", 0, "description",
                                 "The device's clock: epoch seconds, decimals allowed.");
        case MU_KIND_NONE:
                break;
        }
        return NULL;
}

static json_t *heartbeat(void)
{
        json_t *properties = json_object();

        for (size_t i = 0; i < MU_FIELD_INDEX_UNKNOWN; i++) {
                json_t *schema = heartbeat_key(&mu_wire_fields[i]);

                if (schema)
                        set(properties, mu_wire_fields[i].name, schema);
        }
        return json_pack("{s:s, s:s, s:[s], s:o, s:b}", "type", "object", "description",
                         "Only ts is required. A wrong optional field is stored as null and named "
                         "in invalid_fields; unknown keys are kept, up to 2 KiB.",
                         "required", "ts", "properties", properties, "additionalProperties", 1);
}

/* ---- shapes ---- */

static json_t *object_of(json_t *schemas, const struct mu_shape *shape)
{
        json_t *properties = json_object();
        json_t *required = json_array();
        json_t *schema = typed("object");

        for (size_t i = 0; i < shape->field_count; i++) {
                const struct mu_field *field = &shape->fields[i];

                set(properties, field->name, mu_openapi_field(schemas, field));
                if (field->flags & MU_FIELD_REQUIRED)
                        (void)json_array_append_new(required, json_string(field->name));
        }
        set(schema, "properties", properties);
        if (json_array_size(required) > 0)
                set(schema, "required", required);
        else
                json_decref(required);
        set(schema, "additionalProperties", json_boolean(shape->open));
        return schema;
}

json_t *mu_openapi_shape(json_t *schemas, const struct mu_shape *shape)
{
        if (!json_object_get(schemas, shape->name)) {
                /* Its place first: a shape may contain itself. */
                set(schemas, shape->name, json_object());
                set(schemas, shape->name,
                    shape == &mu_openapi_heartbeat ? heartbeat() : object_of(schemas, shape));
        }
        return json_pack("{s:s+}", "$ref", "#/components/schemas/", shape->name);
}
