/* SPDX-License-Identifier: Apache-2.0 */
#include "control/openapi/openapi_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "http/reply.h"

const char mu_openapi_intro[] =
        "Muster watches and steers a fleet of devices. Everything speaks JSON in UTF-8.\n\n"
        "Errors are application/problem+json (RFC 9457): a sentence in detail, the field where one "
        "is to blame, and a request_id that the appliance's log knows. 503 comes with Retry-After "
        "where trying again can help.\n\n"
        "Ids are strings of digits; times are RFC 3339 in UTC unless said otherwise.\n\n"
        "Signing in: POST /api/auth/login gives an access token for 15 minutes and a refresh "
        "token. "
        "Programs use API tokens with scopes. Both travel as Authorization: Bearer. The "
        "appliance's own machines may use X-Admin-Key where it says so.\n\n"
        "A POST may carry an Idempotency-Key: the same key with the same body gets the first "
        "reply again, with another body 422.\n\n"
        "Where a reply has an ETag, a change may give it back as If-Match: it is made to what was "
        "read, or, should somebody have changed that meanwhile, refused with 412. The tag is of "
        "what people write, and says nothing of what devices report.\n\n"
        "Lists are paged: pass next_cursor of one page as cursor to get the next.\n\n"
        "Requests under /api and /admin are limited per address and account; RateLimit headers say "
        "how much is left, and 429 says when to come back. Devices are never limited.";

size_t mu_openapi_operation_count(const struct mu_control *control)
{
        return mu_openapi_others.count + mu_endpoint_count(control);
}

const struct mu_endpoint *mu_openapi_operation(const struct mu_control *control, size_t index)
{
        if (index < mu_openapi_others.count)
                return &mu_openapi_others.rows[index];
        return mu_endpoint_at(control, index - mu_openapi_others.count);
}

/* ---- who ---- */

static bool is_operator(const struct mu_endpoint *endpoint)
{
        return endpoint->access == MU_ACCESS_VIEWER || endpoint->access == MU_ACCESS_OPERATOR ||
               endpoint->access == MU_ACCESS_ADMIN;
}

void mu_openapi_access(const struct mu_endpoint *endpoint, struct mu_text *text)
{
        static const char *const WHO[] = {
                [MU_ACCESS_PUBLIC] = "Anybody.",
                [MU_ACCESS_VIEWER] = "Any role",
                [MU_ACCESS_OPERATOR] = "Role operator or admin",
                [MU_ACCESS_ADMIN] = "Role admin",
                [MU_ACCESS_ADMIN_KEY] = "X-Admin-Key.",
                [MU_ACCESS_DEVICE] = "A device's token.",
                [MU_ACCESS_OWN] = "X-Enrolment-Token or X-Admin-Key.",
        };

        mu_text_add(text, WHO[endpoint->access]);
        if (!is_operator(endpoint))
                return;
        if (endpoint->scope)
                mu_text_add_format(text, "; an API token needs the scope %s", endpoint->scope);
        else
                mu_text_add(text, "; not for API tokens");
        if (endpoint->flags & MU_ENDPOINT_ADMIN_KEY)
                mu_text_add(text, "; or X-Admin-Key");
        mu_text_add(text, ".");
}

static json_t *security_of(const struct mu_endpoint *endpoint)
{
        json_t *ways = json_array();

        if (is_operator(endpoint)) {
                (void)json_array_append_new(ways, json_pack("{s:[]}", "session"));
                if (endpoint->scope)
                        (void)json_array_append_new(ways, json_pack("{s:[]}", "apiToken"));
        }
        if (endpoint->access == MU_ACCESS_DEVICE)
                (void)json_array_append_new(ways, json_pack("{s:[]}", "deviceToken"));
        if (endpoint->access == MU_ACCESS_OWN)
                (void)json_array_append_new(ways, json_pack("{s:[]}", "enrolmentToken"));
        if (endpoint->access == MU_ACCESS_ADMIN_KEY || endpoint->access == MU_ACCESS_OWN ||
            (endpoint->flags & MU_ENDPOINT_ADMIN_KEY))
                (void)json_array_append_new(ways, json_pack("{s:[]}", "adminKey"));
        return ways;
}

/* ---- what comes in ---- */

static bool is_safe(const struct mu_endpoint *endpoint)
{
        return strcmp(endpoint->method, "GET") == 0 || (endpoint->flags & MU_ENDPOINT_READ_ONLY);
}

bool mu_openapi_takes_key(const struct mu_endpoint *endpoint)
{
        return strcmp(endpoint->method, "POST") == 0 && !is_safe(endpoint) &&
               is_operator(endpoint) &&
               !(endpoint->flags & (MU_ENDPOINT_OWN_TRANSACTION | MU_ENDPOINT_NO_DATABASE));
}

bool mu_openapi_takes_tag(const struct mu_endpoint *endpoint)
{
        return (endpoint->flags & MU_ENDPOINT_ETAG) && !is_safe(endpoint);
}

static void add_path_parameters(json_t *list, const char *path)
{
        for (const char *at = strchr(path, '{'); at; at = strchr(at + 1, '{')) {
                size_t chars = strcspn(at + 1, "}");
                bool is_id = (chars == 2 && memcmp(at + 1, "id", 2) == 0) ||
                             (chars > 3 && memcmp(at + 1 + chars - 3, "_id", 3) == 0);
                json_t *schema = is_id ? json_pack("{s:s, s:s}", "type", "string", "pattern",
                                                   "^[1-9][0-9]{0,17}$")
                                       : json_pack("{s:s}", "type", "string");

                (void)json_array_append_new(
                        list, json_pack("{s:o, s:s, s:b, s:o}", "name", json_stringn(at + 1, chars),
                                        "in", "path", "required", 1, "schema", schema));
        }
}

static void add_query_parameters(json_t *list, json_t *schemas, const struct mu_shape *query)
{
        for (size_t i = 0; query && i < query->field_count; i++) {
                const struct mu_field *field = &query->fields[i];
                struct mu_field bare = *field;
                bool required = field->flags & MU_FIELD_REQUIRED;

                bare.doc = NULL;
                json_t *parameter =
                        json_pack("{s:s, s:s, s:b, s:o}", "name", field->name, "in", "query",
                                  "required", required, "schema", mu_openapi_field(schemas, &bare));

                if (field->doc)
                        (void)json_object_set_new(parameter, "description",
                                                  json_string(field->doc));
                (void)json_array_append_new(list, parameter);
        }
}

static json_t *parameters_of(json_t *schemas, const struct mu_endpoint *endpoint)
{
        json_t *list = json_array();

        add_path_parameters(list, endpoint->path);
        add_query_parameters(list, schemas, endpoint->query);
        if (mu_openapi_takes_key(endpoint))
                (void)json_array_append_new(
                        list, json_pack("{s:s}", "$ref", "#/components/parameters/IdempotencyKey"));
        if (mu_openapi_takes_tag(endpoint))
                (void)json_array_append_new(
                        list, json_pack("{s:s}", "$ref", "#/components/parameters/IfMatch"));
        return list;
}

/* ---- what goes out ---- */

static void add_problem(json_t *responses, int status)
{
        char key[16];

        (void)snprintf(key, sizeof(key), "%d", status);
        if (json_object_get(responses, key))
                return;
        (void)json_object_set_new(responses, key,
                                  json_pack("{s:s, s:{s:{s:{s:s}}}}", "description",
                                            mu_status_text(status), "content", MU_TYPE_PROBLEM,
                                            "schema", "$ref", "#/components/schemas/Problem"));
}

uint32_t mu_openapi_problems(const struct mu_endpoint *endpoint, int *ret_statuses)
{
        uint32_t n = 0;
        bool takes_input = endpoint->body || endpoint->query;

        if (takes_input)
                ret_statuses[n++] = 400;
        if (endpoint->access != MU_ACCESS_PUBLIC)
                ret_statuses[n++] = 401;
        if (is_operator(endpoint))
                ret_statuses[n++] = 403;
        if (strchr(endpoint->path, '{'))
                ret_statuses[n++] = 404;
        if (mu_openapi_takes_key(endpoint)) {
                ret_statuses[n++] = 409;
                ret_statuses[n++] = 422;
        }
        if (mu_openapi_takes_tag(endpoint))
                ret_statuses[n++] = 412;
        if (endpoint->limit != MU_LIMIT_NONE || endpoint->access == MU_ACCESS_OWN)
                ret_statuses[n++] = 429;
        if (!(endpoint->flags & MU_ENDPOINT_NO_DATABASE) && is_operator(endpoint))
                ret_statuses[n++] = 503;
        for (const int *more = endpoint->problems; more && *more; more++) {
                bool known = false;

                for (uint32_t i = 0; i < n; i++)
                        known = known || ret_statuses[i] == *more;
                if (!known && n < MU_OPENAPI_PROBLEMS_MAX)
                        ret_statuses[n++] = *more;
        }
        return n;
}

/* Of a success: JSON, another type, or either. */
static json_t *content_of(json_t *schemas, const struct mu_endpoint *endpoint)
{
        json_t *content = json_object();

        if (endpoint->reply)
                (void)json_object_set_new(
                        content, MU_TYPE_JSON,
                        json_pack("{s:o}", "schema", mu_openapi_shape(schemas, endpoint->reply)));
        if (endpoint->reply_type)
                (void)json_object_set_new(content, endpoint->reply_type,
                                          json_pack("{s:{s:s}}", "schema", "type", "string"));
        return content;
}

static json_t *responses_of(json_t *schemas, const struct mu_endpoint *endpoint)
{
        int problems[MU_OPENAPI_PROBLEMS_MAX];
        uint32_t count = mu_openapi_problems(endpoint, problems);
        json_t *responses = json_object();
        json_t *content = content_of(schemas, endpoint);
        json_t *success = json_pack("{s:s}", "description", mu_status_text(endpoint->reply_status));
        char key[16];

        if (json_object_size(content) > 0)
                (void)json_object_set(success, "content", content);
        json_decref(content);
        if (endpoint->flags & MU_ENDPOINT_ETAG)
                (void)json_object_set_new(
                        success, "headers",
                        json_pack("{s:{s:s}}", "ETag", "$ref", "#/components/headers/ETag"));
        (void)snprintf(key, sizeof(key), "%d", endpoint->reply_status);
        (void)json_object_set_new(responses, key, success);
        for (uint32_t i = 0; i < count; i++)
                add_problem(responses, problems[i]);
        return responses;
}

static json_t *operation_of(json_t *schemas, const struct mu_endpoint *endpoint)
{
        struct mu_text description;
        json_t *parameters = parameters_of(schemas, endpoint);

        mu_text_init(&description);
        if (endpoint->doc) {
                mu_text_add(&description, endpoint->doc);
                mu_text_add(&description, "\n\n");
        }
        mu_text_add(&description, "Who: ");
        mu_openapi_access(endpoint, &description);
        json_t *operation = json_pack(
                "{s:s, s:[s], s:s, s:s, s:o, s:o}", "operationId", endpoint->operation_id, "tags",
                endpoint->tag, "summary", endpoint->summary, "description", description.data,
                "security", security_of(endpoint), "responses", responses_of(schemas, endpoint));

        mu_text_done(&description);
        if (json_array_size(parameters) > 0)
                (void)json_object_set_new(operation, "parameters", parameters);
        else
                json_decref(parameters);
        if (endpoint->body)
                (void)json_object_set_new(operation, "requestBody",
                                          json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content",
                                                    MU_TYPE_JSON, "schema",
                                                    mu_openapi_shape(schemas, endpoint->body)));
        return operation;
}

/* ---- the document ---- */

static const char COMPONENTS[] =
        "{\"securitySchemes\":{"
        "\"session\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\","
        "\"description\":\"The access token of POST /api/auth/login.\"},"
        "\"apiToken\":{\"type\":\"http\",\"scheme\":\"bearer\","
        "\"description\":\"An API token (mp_…) with the operation's scope.\"},"
        "\"deviceToken\":{\"type\":\"http\",\"scheme\":\"bearer\","
        "\"description\":\"A device's token (mu_…), from registration.\"},"
        "\"enrolmentToken\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Enrolment-Token\"},"
        "\"adminKey\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Admin-Key\"}},"
        "\"parameters\":{\"IdempotencyKey\":{\"name\":\"Idempotency-Key\",\"in\":\"header\","
        "\"required\":false,\"description\":\"1 to 128 printable characters: the same key and body "
        "get the first reply again.\",\"schema\":{\"type\":\"string\",\"minLength\":1,"
        "\"maxLength\":128}},"
        "\"IfMatch\":{\"name\":\"If-Match\",\"in\":\"header\",\"required\":false,"
        "\"description\":\"The ETag of what was read: 412 if somebody changed it since. Absent, "
        "or *: whatever is there is changed.\",\"schema\":{\"type\":\"string\"}}},"
        "\"headers\":{\"ETag\":{\"description\":\"For If-Match of a change. Of what people "
        "write alone: no validator for caches.\",\"schema\":{\"type\":\"string\"}}},"
        "\"schemas\":{\"Problem\":{\"type\":\"object\",\"description\":\"RFC 9457\","
        "\"required\":[\"type\",\"title\",\"status\",\"detail\"],\"properties\":{"
        "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
        "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
        "\"field\":{\"type\":\"string\"},\"request_id\":{\"type\":\"string\"}}}}}";

static const char *tag_description(const char *name)
{
        static const struct {
                const char *name;
                const char *description;
        } TAGS[] = {
                {"Alert channels", "Where people are told: Discord, webhooks, mail."},
                {"Alert rules", "When there is an alert: for all, for a tag, for one device."},
                {"Alerts", "What is wrong with devices and with the appliance itself."},
                {"API tokens", "For programs: scopes instead of a person's role."},
                {"Archive", "Days that left their tables for files: what is there, is it whole."},
                {"Audit", "Who changed what, in a chain that shows tampering."},
                {"Commands", "What devices are told to do, and what became of it."},
                {"Devices", "The fleet: finding, describing and deleting devices."},
                {"Devices' side", "What agents call with a device's token."},
                {"Enrolment", "Letting devices in."},
                {"Incidents", "What people are told of: one alert, or many of one place."},
                {"Live", "What changes, as it changes."},
                {"Monitoring", "The service that a device is there for."},
                {"Probes", "For load balancers, Prometheus and people in a hurry."},
                {"Operation", "Looking after the appliance itself."},
                {"Security", "Events, offenders and keys."},
                {"Sign in", "From a password to tokens, and a way back for the forgetful."},
                {"Silences", "Times in which nobody is told."},
                {"This page", "The description itself."},
                {"Users", "Who may sign in, and as what."},
                {"Verify", "What is stored, for whoever counted what was acknowledged."},
                {"Your account", "The signed-in person's own sessions and password."},
        };

        for (size_t i = 0; i < MU_COUNT_OF(TAGS); i++) {
                if (strcmp(TAGS[i].name, name) == 0)
                        return TAGS[i].description;
        }
        return name;
}

static void add_tag(json_t *tags, const char *name)
{
        size_t i;
        json_t *tag;

        json_array_foreach(tags, i, tag)
        {
                if (strcmp(json_string_value(json_object_get(tag, "name")), name) == 0)
                        return;
        }
        (void)json_array_append_new(
                tags, json_pack("{s:s, s:s}", "name", name, "description", tag_description(name)));
}

static char method_key_byte(char byte)
{
        return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static void add_operation(json_t *paths, json_t *schemas, const struct mu_endpoint *endpoint)
{
        char method[16] = "";
        json_t *item = json_object_get(paths, endpoint->path);

        for (size_t i = 0; endpoint->method[i] && i + 1 < sizeof(method); i++)
                method[i] = method_key_byte(endpoint->method[i]);
        if (!item) {
                item = json_object();
                (void)json_object_set_new(paths, endpoint->path, item);
        }
        (void)json_object_set_new(item, method, operation_of(schemas, endpoint));
}

static json_t *document_of(const struct mu_control *control)
{
        json_t *components = json_loads(COMPONENTS, JSON_REJECT_DUPLICATES, NULL);
        json_t *schemas = json_object_get(components, "schemas");
        json_t *paths = json_object();
        json_t *tags = json_array();

        for (size_t i = 0; i < mu_openapi_operation_count(control); i++) {
                const struct mu_endpoint *endpoint = mu_openapi_operation(control, i);

                add_tag(tags, endpoint->tag);
                add_operation(paths, schemas, endpoint);
        }
        return json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:o, s:o, s:o}",
                         "openapi", "3.1.0", "info", "title", "Muster", "version", MUSTER_VERSION,
                         "description", mu_openapi_intro, "license", "name", "Apache-2.0",
                         "identifier", "Apache-2.0", "servers", "url", "/", "tags", tags, "paths",
                         paths, "components", components);
}

int mu_openapi_create(const struct mu_control *control, struct mu_openapi **ret_openapi)
{
        struct mu_openapi *openapi = calloc(1, sizeof(*openapi));
        json_t *document = document_of(control);
        struct mu_text page;

        mu_text_init(&page);
        int error = openapi && document ? mu_openapi_page(control, &page) : -ENOMEM;

        if (error == 0)
                error = mu_text_take(&page, &openapi->page, &openapi->page_bytes);
        if (error == 0) {
                openapi->json = json_dumps(document, JSON_COMPACT | JSON_ENSURE_ASCII);
                error = openapi->json ? 0 : -ENOMEM;
        }
        mu_text_done(&page);
        json_decref(document);
        if (error < 0) {
                mu_openapi_destroy(openapi);
                return error;
        }
        openapi->json_bytes = strlen(openapi->json);
        *ret_openapi = openapi;
        return 0;
}

void mu_openapi_destroy(struct mu_openapi *openapi)
{
        if (!openapi)
                return;
        free(openapi->json);
        free(openapi->page);
        free(openapi);
}
