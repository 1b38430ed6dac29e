/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/view_api.h"

#include <errno.h>
#include <string.h>

#include "control/cell.h"

/* The console's lists whose address holds a filter. A closed list: it bounds what one can keep. */
#define PAGES "devices|commands|alerts|audit"

enum {
        NAME_CHARS_MAX = 100,
        QUERY_CHARS_MAX = 8000,
        VIEWS_PER_PAGE = 50,
};

/* ---- shapes ---- */

static const struct mu_field VIEW_FIELDS[] = {
        {.name = "id", .type = MU_FIELD_ID, .flags = MU_FIELD_REQUIRED, .doc = "The view's id."},
        {.name = "page",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = PAGES,
         .doc = "Whose list it shows."},
        {.name = "name",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "What it is called."},
        {.name = "query",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The page's query string: search, filter and order."},
        {.name = "updated_at",
         .type = MU_FIELD_TIME,
         .flags = MU_FIELD_REQUIRED,
         .doc = "When it was kept or renamed last."},
};
static const struct mu_shape VIEW = MU_SHAPE("SavedView", VIEW_FIELDS);

static const struct mu_field LIST_FIELDS[] = {
        {.name = "views",
         .type = MU_FIELD_LIST,
         .flags = MU_FIELD_REQUIRED,
         .shape = &VIEW,
         .doc = "By page and name."},
};
static const struct mu_shape LIST = MU_SHAPE("SavedViews", LIST_FIELDS);

static const struct mu_field LIST_QUERY_FIELDS[] = {
        {.name = "page",
         .type = MU_FIELD_TEXT,
         .one_of = PAGES,
         .doc = "Of this page only; absent: of all."},
};
static const struct mu_shape LIST_QUERY = MU_SHAPE("SavedViewQuery", LIST_QUERY_FIELDS);

#define NAME_FIELD                                                                                 \
        {                                                                                          \
                .name = "name", .type = MU_FIELD_TEXT, .flags = MU_FIELD_REQUIRED, .least = 1,     \
                .most = NAME_CHARS_MAX,                                                            \
                .doc = "What it is called; neither begins nor ends with a space.",                 \
        }

static const struct mu_field NEW_FIELDS[] = {
        {.name = "page",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .one_of = PAGES,
         .doc = "Whose list it shows."},
        NAME_FIELD,
        {.name = "query",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .most = QUERY_CHARS_MAX,
         .doc = "The page's query string, without the question mark; empty: everything."},
        {.name = "replace",
         .type = MU_FIELD_BOOLEAN,
         .doc = "Whether a view of the same name is replaced; absent: yes. false: 409."},
};
static const struct mu_shape NEW = MU_SHAPE("NewSavedView", NEW_FIELDS);

static const struct mu_field RENAME_FIELDS[] = {NAME_FIELD};
static const struct mu_shape RENAME = MU_SHAPE("SavedViewChange", RENAME_FIELDS);

/* ---- statements ---- */

#define COLUMNS "v.id, v.page, v.name, v.query, v.updated_at"

static const struct mu_pg_statement VIEW_LIST = {
        .name = "saved_view_list",
        .sql = "SELECT " COLUMNS " FROM saved_views v"
               " WHERE v.user_id = $1 AND ($2::text IS NULL OR v.page = $2)"
               " ORDER BY v.page, v.name, v.id",
        .params = {MU_PG_INT8, MU_PG_TEXT},
        .repeatable = true,
};

/* One person's browsers one after the other: each counts what the one before left. */
static const struct mu_pg_statement LOCK_USER = {
        .name = "saved_view_lock_user",
        .sql = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE",
        .params = {MU_PG_INT8},
};

/* $5 whether one of the same name is replaced, $6 how many there may be. One row always; first
 * whether the name was taken, then the view, or NULLs where there was no place for it. */
static const struct mu_pg_statement VIEW_SAVE = {
        .name = "saved_view_save",
        .sql = "WITH there AS (SELECT coalesce(bool_or(name = $3), false) AS taken,"
               "  count(*) FILTER (WHERE name <> $3) AS others"
               "  FROM saved_views WHERE user_id = $1 AND page = $2),"
               " v AS (INSERT INTO saved_views AS v (user_id, page, name, query)"
               "  SELECT $1, $2, $3, $4 FROM there WHERE others < $6 AND ($5 OR NOT taken)"
               "  ON CONFLICT (user_id, page, name)"
               "  DO UPDATE SET query = EXCLUDED.query, updated_at = now()"
               "  RETURNING v.*)"
               " SELECT there.taken, " COLUMNS " FROM there LEFT JOIN v ON true",
        .params = {MU_PG_INT8, MU_PG_TEXT, MU_PG_TEXT, MU_PG_TEXT, MU_PG_BOOL, MU_PG_INT8},
};

static const struct mu_pg_statement VIEW_RENAME = {
        .name = "saved_view_rename",
        .sql = "UPDATE saved_views v SET name = $3, updated_at = now()"
               " WHERE v.id = $1 AND v.user_id = $2 RETURNING " COLUMNS,
        .params = {MU_PG_INT8, MU_PG_INT8, MU_PG_TEXT},
};

static const struct mu_pg_statement VIEW_REMOVE = {
        .name = "saved_view_remove",
        .sql = "DELETE FROM saved_views WHERE id = $1 AND user_id = $2 RETURNING id",
        .params = {MU_PG_INT8, MU_PG_INT8},
};

/* ---- handlers ---- */

static json_t *view_json(const struct mu_pg_result *rows, size_t row, int column)
{
        return json_pack("{s:o, s:o, s:o, s:o, s:o}", "id", mu_cell_id(rows, row, column), "page",
                         mu_cell_text(rows, row, column + 1), "name",
                         mu_cell_text(rows, row, column + 2), "query",
                         mu_cell_text(rows, row, column + 3), "updated_at",
                         mu_cell_time(rows, row, column + 4));
}

static void list_views(struct mu_ask *ask)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &VIEW_LIST,
                          MU_PG_VALUES(mu_pg_int8(ask->who.id),
                                       mu_pg_text(mu_json_text(ask->query, "page"))),
                          &rows))
                return;
        json_t *list = json_array();
        bool whole = list != NULL;

        for (size_t i = 0; whole && i < mu_pg_rows(rows); i++)
                whole = json_array_append_new(list, view_json(rows, i, 0)) == 0;
        mu_pg_result_free(rows);
        if (!whole) {
                json_decref(list);
                list = NULL;
        }
        mu_ask_reply(ask, 200, list ? json_pack("{s:o}", "views", list) : NULL);
}

/* Two names that look the same are two views that nobody can tell apart. */
static bool accept_name(struct mu_ask *ask, const char *name)
{
        size_t bytes = strlen(name);

        if (name[0] != ' ' && name[bytes - 1] != ' ')
                return true;
        mu_call_problem(ask->call, 400, "field-invalid", "name",
                        "A view's name neither begins nor ends with a space.");
        return false;
}

static void refuse_taken(struct mu_ask *ask, const char *name)
{
        mu_call_problem(ask->call, 409, "name-taken", "name",
                        "You have a view called \"%s\" already.", name);
}

/* False: answered; the account may have gone this moment. */
static bool lock_user(struct mu_ask *ask)
{
        struct mu_pg_result *rows;

        if (!mu_ask_query(ask, &LOCK_USER, MU_PG_VALUES(mu_pg_int8(ask->who.id)), &rows))
                return false;
        bool found = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (!found)
                mu_ask_not_found(ask, "user");
        return found;
}

static void save_view(struct mu_ask *ask)
{
        const char *name = mu_json_text(ask->body, "name");
        bool replace = mu_json_bool(ask->body, "replace", true);
        struct mu_pg_result *rows;

        if (!accept_name(ask, name) || !lock_user(ask) ||
            !mu_ask_query(ask, &VIEW_SAVE,
                          MU_PG_VALUES(mu_pg_int8(ask->who.id),
                                       mu_pg_text(mu_json_text(ask->body, "page")),
                                       mu_pg_text(name),
                                       mu_pg_text(mu_json_text(ask->body, "query")),
                                       mu_pg_bool(replace), mu_pg_int8(VIEWS_PER_PAGE)),
                          &rows))
                return;
        if (!mu_pg_is_null(rows, 0, 1))
                mu_ask_reply(ask, 200, view_json(rows, 0, 1));
        else if (mu_pg_get_bool(rows, 0, 0))
                refuse_taken(ask, name);
        else
                mu_call_problem(ask->call, 409, "too-many-views", NULL,
                                "You have %d views of this page already; delete one first.",
                                (int)VIEWS_PER_PAGE);
        mu_pg_result_free(rows);
}

static void rename_view(struct mu_ask *ask)
{
        const char *name = mu_json_text(ask->body, "name");
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "view", &id) || !accept_name(ask, name))
                return;
        int error = mu_pg_query(
                ask->pg, &VIEW_RENAME,
                MU_PG_VALUES(mu_pg_int8(id), mu_pg_int8(ask->who.id), mu_pg_text(name)), &rows);

        if (error == -EEXIST) {
                refuse_taken(ask, name);
                return;
        }
        if (error < 0) {
                mu_ask_failed(ask, error);
                return;
        }
        if (mu_pg_rows(rows) == 1)
                mu_ask_reply(ask, 200, view_json(rows, 0, 0));
        else
                mu_ask_not_found(ask, "view");
        mu_pg_result_free(rows);
}

static void remove_view(struct mu_ask *ask)
{
        struct mu_pg_result *rows;
        int64_t id;

        if (!mu_ask_id(ask, "id", "view", &id) ||
            !mu_ask_query(ask, &VIEW_REMOVE, MU_PG_VALUES(mu_pg_int8(id), mu_pg_int8(ask->who.id)),
                          &rows))
                return;
        bool found = mu_pg_rows(rows) == 1;

        mu_pg_result_free(rows);
        if (found)
                mu_ask_reply_empty(ask, 204);
        else
                mu_ask_not_found(ask, "view");
}

/* ---- the table ---- */

static const int CONFLICT[] = {409, 0};
static const int NOT_FOUND[] = {404, 0};
static const int RENAME_PROBLEMS[] = {404, 409, 0};

static const struct mu_endpoint ENDPOINTS[] = {
        {
                .method = "GET",
                .path = "/api/auth/me/views",
                .handle = list_views,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .query = &LIST_QUERY,
                .reply_status = 200,
                .reply = &LIST,
                .operation_id = "listSavedViews",
                .tag = "Your account",
                .summary = "The views of the console's lists that you keep",
        },
        {
                .method = "POST",
                .path = "/api/auth/me/views",
                .handle = save_view,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .body = &NEW,
                .reply_status = 200,
                .reply = &VIEW,
                .operation_id = "saveView",
                .tag = "Your account",
                .summary = "Keep a view, in place of one of the same name",
                .doc = "50 of each page. Nobody else sees them.",
                .problems = CONFLICT,
        },
        {
                .method = "PATCH",
                .path = "/api/auth/me/views/{id}",
                .handle = rename_view,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .body = &RENAME,
                .reply_status = 200,
                .reply = &VIEW,
                .operation_id = "renameView",
                .tag = "Your account",
                .summary = "Give a view of yours another name",
                .doc = "Never that of another view of the same page: 409.",
                .problems = RENAME_PROBLEMS,
        },
        {
                .method = "DELETE",
                .path = "/api/auth/me/views/{id}",
                .handle = remove_view,
                .access = MU_ACCESS_VIEWER,
                .limit = MU_LIMIT_GENERAL,
                .reply_status = 204,
                .operation_id = "deleteView",
                .tag = "Your account",
                .summary = "Delete a view of yours",
                .problems = NOT_FOUND,
        },
};

const struct mu_endpoints mu_view_endpoints = MU_ENDPOINTS(ENDPOINTS);
