/* SPDX-License-Identifier: Apache-2.0 */
/* The readable page: plain HTML, one style sheet, no script, nothing from elsewhere. */
#include <string.h>

#include "base/text.h"
#include "control/openapi/openapi_private.h"
#include "http/reply.h"
#include "wire/field.h"

enum {
        SHAPE_DEPTH_MAX = 4, /* deeper ones are named, not unfolded */
};

#define REQUIRED_MARK " <b title=\"required\">*</b>"

static void add_escaped(struct mu_text *html, const char *text, size_t chars)
{
        for (size_t i = 0; i < chars; i++) {
                switch (text[i]) {
                case '<':
                        mu_text_add(html, "&lt;");
                        break;
                case '>':
                        mu_text_add(html, "&gt;");
                        break;
                case '&':
                        mu_text_add(html, "&amp;");
                        break;
                case '"':
                        mu_text_add(html, "&quot;");
                        break;
                default:
                        mu_text_add_bytes(html, &text[i], 1);
                }
        }
}

static void add(struct mu_text *html, const char *text)
{
        add_escaped(html, text, strlen(text));
}

static void add_paragraphs(struct mu_text *html, const char *text)
{
        while (*text) {
                const char *end = strstr(text, "\n\n");
                size_t chars = end ? (size_t)(end - text) : strlen(text);

                mu_text_add(html, "<p>");
                add_escaped(html, text, chars);
                mu_text_add(html, "</p>\n");
                text += chars + (end ? 2 : 0);
        }
}

/* ---- shapes as tables ---- */

static const char *type_name(enum mu_field_type type)
{
        static const char *const NAMES[] = {
                [MU_FIELD_TEXT] = "text",     [MU_FIELD_INTEGER] = "integer",
                [MU_FIELD_NUMBER] = "number", [MU_FIELD_BOOLEAN] = "true or false",
                [MU_FIELD_ID] = "id",         [MU_FIELD_TIME] = "time",
                [MU_FIELD_OBJECT] = "object", [MU_FIELD_LIST] = "list",
                [MU_FIELD_ANY] = "any value",
        };

        return NAMES[type];
}

static void add_bounds(struct mu_text *html, const struct mu_field *field)
{
        const char *unit = field->type == MU_FIELD_TEXT   ? " characters"
                           : field->type == MU_FIELD_LIST ? " items"
                                                          : "";

        if (field->least == 0 && field->most == 0)
                return;
        mu_text_add_format(html, ", %lld to %lld%s", (long long)field->least,
                           (long long)field->most, unit);
}

static void add_type(struct mu_text *html, const struct mu_field *field)
{
        if (field->type == MU_FIELD_LIST)
                mu_text_add_format(html, "list of %s",
                                   field->shape ? "objects" : type_name(field->items));
        else
                mu_text_add(html, type_name(field->type));
        add_bounds(html, field);
        if (field->flags & MU_FIELD_NULLABLE)
                mu_text_add(html, ", or null");
        if (!field->one_of)
                return;
        mu_text_add(html, ": ");
        for (const char *word = field->one_of; *word;) {
                size_t chars = strcspn(word, "|");

                mu_text_add(html, "<code>");
                add_escaped(html, word, chars);
                mu_text_add(html, "</code>");
                word += chars;
                if (*word == '|') {
                        mu_text_add(html, " ");
                        word++;
                }
        }
}

static void add_rows(struct mu_text *html, const struct mu_shape *shape, unsigned depth)
{
        for (size_t i = 0; i < shape->field_count; i++) {
                const struct mu_field *field = &shape->fields[i];

                mu_text_add_format(html, "<tr><td class=\"d%u\"><code>", depth);
                add(html, field->name);
                mu_text_add(html, "</code>");
                if (field->flags & MU_FIELD_REQUIRED)
                        mu_text_add(html, REQUIRED_MARK);
                mu_text_add(html, "</td><td>");
                add_type(html, field);
                mu_text_add(html, "</td><td>");
                if (field->doc)
                        add(html, field->doc);
                mu_text_add(html, "</td></tr>\n");
                if (field->shape && field->shape != shape && depth + 1 < SHAPE_DEPTH_MAX)
                        add_rows(html, field->shape, depth + 1);
        }
}

/* From the table that decodes it. */
static void add_heartbeat_rows(struct mu_text *html)
{
        static const char *const TYPES[] = {
                [MU_KIND_INTEGER] = "integer",
                [MU_KIND_BOOLEAN] = "true or false",
                [MU_KIND_STRING] = "text",
                [MU_KIND_NETWORK] = "wifi, cellular, ethernet or offline",
                [MU_KIND_TIME] = "number",
        };

        for (size_t i = 0; i < MU_FIELD_INDEX_UNKNOWN; i++) {
                const struct mu_wire_field *key = &mu_wire_fields[i];
                const struct mu_field bounds = {
                        .type = key->kind == MU_KIND_STRING ? MU_FIELD_TEXT : MU_FIELD_INTEGER,
                        .least = key->minimum,
                        .most = key->maximum,
                };

                if (key->kind == MU_KIND_NONE)
                        continue;
                mu_text_add_format(html, "<tr><td><code>%s</code>%s</td><td>%s", key->name,
                                   i == MU_FIELD_INDEX_TS ? REQUIRED_MARK : "", TYPES[key->kind]);
                add_bounds(html, &bounds);
                mu_text_add_format(html, "</td><td>%s</td></tr>\n",
                                   key->kind == MU_KIND_TIME
                                           ? "The device's clock: epoch seconds, decimals allowed."
                                           : "");
        }
}

static void add_shape(struct mu_text *html, const char *heading, const struct mu_shape *shape)
{
        if (!shape)
                return;
        mu_text_add_format(html,
                           "<h4>%s</h4>\n<div class=\"scroll\"><table><thead><tr><th>Name</th>"
                           "<th>Type</th><th>Meaning</th></tr></thead><tbody>\n",
                           heading);
        if (shape == &mu_openapi_heartbeat)
                add_heartbeat_rows(html);
        else
                add_rows(html, shape, 0);
        mu_text_add(html, "</tbody></table></div>\n");
}

/* ---- operations ---- */

static void add_statuses(struct mu_text *html, const struct mu_endpoint *endpoint)
{
        int problems[MU_OPENAPI_PROBLEMS_MAX];
        uint32_t count = mu_openapi_problems(endpoint, problems);

        mu_text_add_format(html, "<p class=\"who\">Answers <span class=\"ok\">%d</span>",
                           endpoint->reply_status);
        for (uint32_t i = 0; i < count; i++)
                mu_text_add_format(html, " <span title=\"%s\">%d</span>",
                                   mu_status_text(problems[i]), problems[i]);
        mu_text_add(html, "</p>\n");
}

static void add_operation(struct mu_text *html, const struct mu_endpoint *endpoint)
{
        mu_text_add(html, "<section id=\"");
        add(html, endpoint->operation_id);
        mu_text_add_format(html, "\"><h3><span class=\"method %s\">%s</span> <code>",
                           endpoint->method, endpoint->method);
        add(html, endpoint->path);
        mu_text_add(html, "</code></h3>\n<p class=\"summary\">");
        add(html, endpoint->summary);
        mu_text_add(html, "</p>\n");
        if (endpoint->doc)
                add_paragraphs(html, endpoint->doc);
        mu_text_add(html, "<p class=\"who\">Who: ");
        mu_openapi_access(endpoint, html);
        if (mu_openapi_takes_key(endpoint))
                mu_text_add(html, " Takes <code>Idempotency-Key</code>.");
        if (endpoint->flags & MU_ENDPOINT_ETAG)
                mu_text_add(html, " Replies with an <code>ETag</code>.");
        if (mu_openapi_takes_tag(endpoint))
                mu_text_add(html, " Heeds <code>If-Match</code>.");
        mu_text_add(html, "</p>\n");
        add_statuses(html, endpoint);
        add_shape(html, "Query", endpoint->query);
        add_shape(html, "Body", endpoint->body);
        add_shape(html, "Reply", endpoint->reply);
        mu_text_add(html, "</section>\n");
}

/* Calls each(html, endpoint) for the operations of one heading. */
static void each_of(const struct mu_control *control, struct mu_text *html, const char *tag,
                    void (*each)(struct mu_text *html, const struct mu_endpoint *endpoint))
{
        for (size_t i = 0; i < mu_openapi_operation_count(control); i++) {
                const struct mu_endpoint *endpoint = mu_openapi_operation(control, i);

                if (strcmp(endpoint->tag, tag) == 0)
                        each(html, endpoint);
        }
}

static void add_link(struct mu_text *html, const struct mu_endpoint *endpoint)
{
        mu_text_add(html, "<li><a href=\"#");
        add(html, endpoint->operation_id);
        mu_text_add_format(html, "\"><span class=\"method %s\">%s</span> ", endpoint->method,
                           endpoint->method);
        add(html, endpoint->path);
        mu_text_add(html, "</a></li>\n");
}

static bool is_first_of_tag(const struct mu_control *control, size_t index)
{
        const char *tag = mu_openapi_operation(control, index)->tag;

        for (size_t i = 0; i < index; i++) {
                if (strcmp(mu_openapi_operation(control, i)->tag, tag) == 0)
                        return false;
        }
        return true;
}

int mu_openapi_page(const struct mu_control *control, struct mu_text *html)
{
        size_t count = mu_openapi_operation_count(control);

        mu_text_add(
                html,
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                "<title>Muster API</title>\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<link rel=\"stylesheet\" href=\"/api/docs.css\"></head>\n<body>\n"
                "<nav aria-label=\"Operations\"><a class=\"home\" href=\"#top\">Muster API</a>\n");
        for (size_t i = 0; i < count; i++) {
                const char *tag = mu_openapi_operation(control, i)->tag;

                if (!is_first_of_tag(control, i))
                        continue;
                mu_text_add(html, "<details open><summary>");
                add(html, tag);
                mu_text_add(html, "</summary><ul>\n");
                each_of(control, html, tag, add_link);
                mu_text_add(html, "</ul></details>\n");
        }
        mu_text_add(html, "</nav>\n<main id=\"top\"><h1>Muster API</h1>\n");
        add_paragraphs(html, mu_openapi_intro);
        mu_text_add(html, "<p>For programs: <a href=\"/api/openapi.json\">openapi.json</a> "
                          "(OpenAPI 3.1).</p>\n");
        for (size_t i = 0; i < count; i++) {
                const char *tag = mu_openapi_operation(control, i)->tag;

                if (!is_first_of_tag(control, i))
                        continue;
                mu_text_add(html, "<h2>");
                add(html, tag);
                mu_text_add(html, "</h2>\n");
                each_of(control, html, tag, add_operation);
        }
        mu_text_add(html, "</main></body></html>\n");
        return mu_text_status(html);
}
