/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine around handlers, with rows of the test's own instead of features.c: what is a
 * transaction, what is undone, what runs after the commit, who is let in, what input passes.
 */
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/qsbr.h"
#include "base/thread.h"
#include "control/endpoint.h"
#include "fixture.h"
#include "http/auth_failures.h"
#include "identity/device_table.h"
#include "identity/secrets.h"
#include "pg/query.h"
#include "scratch.h"
#include "server_fixture.h"

#define ADMIN_KEY "an admin key for tests"
#define WITH_ADMIN "X-Admin-Key: " ADMIN_KEY "\r\n"
#define DEVICE_TOKEN "mu_a device's token"
#define WITH_DEVICE "Authorization: Bearer " DEVICE_TOKEN "\r\n"

static struct test_pg *postgres;

struct world {
        void *directory;
        struct mu_pg *pg;
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        struct mu_device *device;
        struct mu_secrets *secrets;
        struct mu_auth_failures *failures;
        struct mu_metrics *metrics;
        struct mu_control *control;
        struct mu_router *router;
        struct mu_offload *offload;
        struct mu_server *server;
        pthread_t thread;
        uint16_t port;
};

/* ---- the rows ---- */

static _Atomic int calls;
static _Atomic int committed;

static void note_commit(struct mu_control *control, void *arg)
{
        (void)control;
        atomic_fetch_add(&committed, arg ? *(int *)arg : 1);
}

/* Writes a line, asks to be called after the commit, and answers as it is told. */
static void write_and_answer(struct mu_ask *ask)
{
        int64_t status = mu_json_integer(ask->body, "status", 201);
        int *weight = malloc(sizeof(*weight));

        atomic_fetch_add(&calls, 1);
        if (!weight || !mu_pg_in_transaction(ask->pg)) {
                free(weight);
                mu_ask_reply_empty(ask, 500);
                return;
        }
        *weight = 10;
        mu_ask_after_commit(ask, note_commit, weight);
        mu_ask_after_commit(ask, note_commit, NULL);
        if (!mu_ask_audit(ask, "test.write", "test", 7, json_pack("{s:i}", "n", 1), NULL))
                return;
        if (status != 0)
                mu_ask_reply(ask, (int)status, json_pack("{s:i}", "calls", atomic_load(&calls)));
}

static const struct mu_pg_statement BROKEN = {.name = "test_broken",
                                              .sql = "INSERT INTO devices (id) VALUES (NULL)"};

static void break_off(struct mu_ask *ask)
{
        if (!mu_ask_audit(ask, "test.write", "test", 7, NULL, NULL))
                return;
        mu_ask_after_commit(ask, note_commit, NULL);
        if (mu_ask_query(ask, &BROKEN, MU_PG_VALUES(), NULL))
                mu_ask_reply_empty(ask, 204);
}

static const struct mu_pg_statement LATE = {.name = "test_late",
                                            .sql = "INSERT INTO test_late VALUES (1)"};

/* The commit itself fails: a constraint that is checked only then. */
static void fail_late(struct mu_ask *ask)
{
        mu_ask_after_commit(ask, note_commit, NULL);
        if (mu_ask_query(ask, &LATE, MU_PG_VALUES(), NULL))
                mu_ask_reply(ask, 201, json_pack("{s:s}", "secret", "never sent"));
}

static void tell(struct mu_ask *ask)
{
        mu_ask_reply(ask, 200,
                     json_pack("{s:b, s:b, s:s, s:s, s:I, s:I}", "database", ask->pg != NULL,
                               "transaction", ask->pg && mu_pg_in_transaction(ask->pg), "actor",
                               ask->actor, "address", ask->address, "device",
                               (json_int_t)(ask->device ? ask->device->id : 0), "limit",
                               (json_int_t)mu_json_integer(ask->query, "limit", -1)));
}

static const struct mu_field body_fields[] = {
        {.name = "status", .type = MU_FIELD_INTEGER, .least = 0, .most = 599},
        {.name = "note", .type = MU_FIELD_TEXT, .least = 0, .most = 1000},
};
static const struct mu_shape body = MU_SHAPE("Body", body_fields);
static const struct mu_field query_fields[] = {
        {.name = "limit", .type = MU_FIELD_INTEGER, .least = 1, .most = 5},
};
static const struct mu_shape query = MU_SHAPE("Query", query_fields);

#define ROW(m, p, f, ...)                                                                          \
        {                                                                                          \
                .method = m, .path = p, .handle = f, .reply_status = 200, .operation_id = p m,     \
                .tag = "Test", .summary = "Test", __VA_ARGS__                                      \
        }

static const struct mu_endpoint rows[] = {
        ROW("POST", "/admin/write", write_and_answer, .access = MU_ACCESS_ADMIN,
            .flags = MU_ENDPOINT_ADMIN_KEY, .body = &body, .body_bytes_max = 512),
        ROW("POST", "/admin/break", break_off, .access = MU_ACCESS_ADMIN,
            .flags = MU_ENDPOINT_ADMIN_KEY),
        ROW("POST", "/admin/late", fail_late, .access = MU_ACCESS_ADMIN,
            .flags = MU_ENDPOINT_ADMIN_KEY),
        ROW("GET", "/admin/tell", tell, .access = MU_ACCESS_VIEWER, .flags = MU_ENDPOINT_ADMIN_KEY,
            .query = &query),
        ROW("POST", "/admin/search", tell, .access = MU_ACCESS_VIEWER,
            .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_READ_ONLY, .body = &body),
        ROW("POST", "/admin/own", tell, .access = MU_ACCESS_VIEWER,
            .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_OWN_TRANSACTION),
        ROW("PATCH", "/admin/inside", tell, .access = MU_ACCESS_VIEWER,
            .flags = MU_ENDPOINT_ADMIN_KEY),
        ROW("POST", "/admin/without", tell, .access = MU_ACCESS_VIEWER,
            .flags = MU_ENDPOINT_ADMIN_KEY | MU_ENDPOINT_NO_DATABASE),
        ROW("GET", "/admin/person", tell, .access = MU_ACCESS_VIEWER),
        ROW("GET", "/api/public", tell, .access = MU_ACCESS_PUBLIC,
            .flags = MU_ENDPOINT_NO_DATABASE),
        ROW("GET", "/v1/device", tell, .access = MU_ACCESS_DEVICE, .limit = MU_LIMIT_NONE),
};

size_t mu_endpoint_count(const struct mu_control *control)
{
        (void)control;
        return MU_COUNT_OF(rows);
}

const struct mu_endpoint *mu_endpoint_at(const struct mu_control *control, size_t index)
{
        (void)control;
        return &rows[index];
}

/* ---- the world ---- */

static void run_loop(void *ctx)
{
        assert_int_equal(mu_loop_run(ctx), 0);
}

static void start_server(struct world *world)
{
        struct mu_offload_config workers = {
                .name = "control", .worker_count = 2, .queue_max = 16, .deadline_ms = 60000};
        struct mu_server_config config;
        char error[MU_LISTEN_ERROR_BYTES];

        assert_int_equal(mu_router_create(&world->router), 0);
        assert_int_equal(mu_control_add_routes(world->control, world->router), 0);
        mu_router_seal(world->router);
        assert_int_equal(mu_offload_create(&workers, &world->offload), 0);
        assert_int_equal(mu_offload_start(world->offload), 0);
        mu_server_config_init(&config);
        config.loop_count = 1;
        config.router = world->router;
        config.control = world->offload;
        assert_int_equal(mu_server_create(&config, &world->server), 0);
        assert_int_equal(mu_server_listen(world->server, "127.0.0.1", 0, NULL, &world->port, error),
                         0);
        assert_int_equal(
                mu_thread_start("loop", run_loop, mu_server_loop(world->server, 0), &world->thread),
                0);
}

static void make_device(struct world *world)
{
        struct mu_digest digest;

        mu_token_digest(DEVICE_TOKEN, strlen(DEVICE_TOKEN), &digest);
        mu_device_table_lock(world->table);
        assert_int_equal(mu_device_table_add(world->table, 42, &world->device), 0);
        assert_int_equal(mu_device_table_add_token(world->table, world->device, &digest, 1, false),
                         0);
        mu_device_table_unlock(world->table);
}

static int setup(void **state)
{
        const struct mu_auth_failures_config failures = {
                .window_s = 60, .failures_max = 0, .addresses_max = 64};
        struct world *world = calloc(1, sizeof(*world));
        char error[MU_SECRET_ERROR_BYTES];

        if (!world || scratch_setup(&world->directory) < 0)
                return -1;
        void *directory = world->directory;
        FILE *key = fopen(scratch_path(&directory, "admin-key"), "w");

        assert_non_null(key);
        assert_int_equal(fchmod(fileno(key), 0600), 0);
        assert_true(fputs(ADMIN_KEY "\n", key) >= 0 && fclose(key) == 0);
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg, "TRUNCATE audit_log, idempotency_keys RESTART IDENTITY;"
                               "DROP TABLE IF EXISTS test_late, test_target;"
                               "CREATE TABLE test_target (id integer PRIMARY KEY);"
                               "CREATE TABLE test_late (id integer REFERENCES test_target (id)"
                               " DEFERRABLE INITIALLY DEFERRED)");
        assert_int_equal(mu_qsbr_create(2, &world->qsbr), 0);
        assert_int_equal(mu_device_table_create(world->qsbr, &world->table), 0);
        mu_device_table_set_authoritative(world->table);
        make_device(world);
        assert_int_equal(mu_secrets_open(directory, &world->secrets, error), 0);
        assert_int_equal(mu_auth_failures_create(&failures, &world->failures), 0);
        assert_int_equal(mu_metrics_create(&world->metrics), 0);
        const struct mu_control_config config = {.database = postgres->database,
                                                 .devices = world->table,
                                                 .secrets = world->secrets,
                                                 .auth_failures = world->failures,
                                                 .metrics = world->metrics,
                                                 .clock = mu_clock_system(),
                                                 .heartbeat_interval_s = 300};

        assert_int_equal(mu_control_create(&config, &world->control), 0);
        start_server(world);
        atomic_store(&calls, 0);
        atomic_store(&committed, 0);
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;
        void *directory = world->directory;

        mu_server_stop(world->server, 0);
        mu_thread_join(world->thread);
        mu_offload_stop(world->offload, 1000);
        mu_server_destroy(world->server);
        mu_offload_destroy(world->offload);
        mu_router_destroy(world->router);
        mu_control_destroy(world->control);
        mu_metrics_destroy(world->metrics);
        mu_auth_failures_destroy(world->failures);
        mu_secrets_close(world->secrets);
        mu_device_table_destroy(world->table);
        mu_qsbr_destroy(world->qsbr);
        mu_database_release(postgres->database, world->pg);
        free(world);
        return scratch_teardown(&directory);
}

#define lines(world) test_pg_number((world)->pg, "SELECT count(*) FROM audit_log")

/* The body as JSON, NULL when it is empty; ret_head, if wanted, is to be freed. */
static json_t *ask(struct world *world, const char *method, const char *path, const char *headers,
                   const char *text, int status, char **ret_head)
{
        struct answer answer;
        struct peer peer;
        char head[1024];

        (void)snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n", method, path,
                       strlen(text), headers);
        peer_open(&peer, world->port);
        peer_send(&peer, head);
        peer_send(&peer, text);
        peer_receive(&peer, false, &answer);
        if (answer.status != status)
                fail_msg("%s %s: %d, not %d: %s", method, path, answer.status, status, answer.body);
        json_t *json = answer.body_bytes ? json_loads(answer.body, 0, NULL) : NULL;

        assert_true(json || answer.body_bytes == 0);
        if (ret_head)
                *ret_head = strdup(answer.head);
        answer_done(&answer);
        peer_close(&peer);
        return json;
}

static void done(struct world *world, const char *method, const char *path, const char *headers,
                 const char *text, int status)
{
        json_decref(ask(world, method, path, headers, text, status, NULL));
}

static void problem(struct world *world, const char *method, const char *path, const char *headers,
                    const char *text, int status, const char *slug)
{
        json_t *json = ask(world, method, path, headers, text, status, NULL);
        const char *type = json_string_value(json_object_get(json, "type"));

        assert_non_null(type);
        if (strcmp(strrchr(type, ':') + 1, slug) != 0)
                fail_msg("'%s' is not '%s'", type, slug);
        json_decref(json);
}

/* ---- transactions ---- */

static void a_success_is_committed(void **state)
{
        struct world *world = *state;

        done(world, "POST", "/admin/write", WITH_ADMIN, "{}", 201);
        done(world, "POST", "/admin/write", WITH_ADMIN, "", 201); /* no body is {} */
        assert_int_equal(lines(world), 2);
        assert_int_equal(test_pg_number(world->pg,
                                        "SELECT count(*) FROM audit_log WHERE actor = 'admin-key'"
                                        " AND action = 'test.write' AND subject = 'test:7'"
                                        " AND address = '127.0.0.1' AND before = '{\"n\":1}'"
                                        " AND after IS NULL"),
                         2);
        assert_int_equal(atomic_load(&committed), 22);
}

static void anything_else_is_undone(void **state)
{
        struct world *world = *state;

        done(world, "POST", "/admin/write", WITH_ADMIN, "{\"status\":409}", 409);
        done(world, "POST", "/admin/write", WITH_ADMIN, "{\"status\":500}", 500);
        problem(world, "POST", "/admin/write", WITH_ADMIN, "{\"status\":0}", 500, "no-answer");
        problem(world, "POST", "/admin/break", WITH_ADMIN, "", 500, "internal");
        assert_int_equal(atomic_load(&calls), 3);
        assert_int_equal(lines(world), 0);
        assert_int_equal(atomic_load(&committed), 0);
        /* The connection is as good as new. */
        done(world, "POST", "/admin/write", WITH_ADMIN, "", 201);
        assert_int_equal(lines(world), 1);
}

static void a_failed_commit_is_no_success(void **state)
{
        struct world *world = *state;
        json_t *json = ask(world, "POST", "/admin/late", WITH_ADMIN, "", 500, NULL);

        assert_null(json_object_get(json, "secret"));
        assert_int_equal(atomic_load(&committed), 0);
        json_decref(json);
}

static void where_there_is_none(void **state)
{
        static const struct {
                const char *method;
                const char *path;
                bool database;
                bool transaction;
        } cases[] = {
                {"GET", "/admin/tell", true, false},      {"POST", "/admin/search", true, false},
                {"POST", "/admin/own", true, false},      {"PATCH", "/admin/inside", true, true},
                {"POST", "/admin/without", false, false},
        };

        for (size_t i = 0; i < MU_COUNT_OF(cases); i++) {
                json_t *json =
                        ask(*state, cases[i].method, cases[i].path, WITH_ADMIN, "", 200, NULL);

                assert_int_equal(json_is_true(json_object_get(json, "database")),
                                 cases[i].database);
                assert_int_equal(json_is_true(json_object_get(json, "transaction")),
                                 cases[i].transaction);
                assert_string_equal(json_string_value(json_object_get(json, "actor")), "admin-key");
                json_decref(json);
        }
}

/* Also a key's replay commits nothing, and its after-commit calls are not made again. */
static void a_replay_changes_nothing(void **state)
{
        struct world *world = *state;
        char *head;
        const char *headers = WITH_ADMIN "Idempotency-Key: k\r\n";
        json_t *first = ask(world, "POST", "/admin/write", headers, "{}", 201, NULL);
        json_t *again = ask(world, "POST", "/admin/write", headers, "{}", 201, &head);

        assert_true(json_equal(first, again));
        assert_non_null(strcasestr(head, "\r\nidempotency-replayed: true\r\n"));
        free(head);
        assert_int_equal(atomic_load(&calls), 1);
        assert_int_equal(atomic_load(&committed), 11);
        assert_int_equal(lines(world), 1);
        /* What failed was not kept. */
        headers = WITH_ADMIN "Idempotency-Key: l\r\n";
        done(world, "POST", "/admin/write", headers, "{\"status\":409}", 409);
        done(world, "POST", "/admin/write", headers, "{\"status\":200}", 200);
        problem(world, "POST", "/admin/write", headers, "{\"status\":201}", 422,
                "idempotency-key-reused");
        problem(world, "POST", "/admin/write", WITH_ADMIN "Idempotency-Key: a b\r\n", "", 400,
                "idempotency-key");
        /* Where nothing is kept the header means nothing. */
        done(world, "POST", "/admin/own", headers, "", 200);
        done(world, "PATCH", "/admin/inside", headers, "", 200);
        assert_int_equal(test_pg_number(world->pg, "SELECT count(*) FROM idempotency_keys"), 2);
        json_decref(first);
        json_decref(again);
}

/* ---- input ---- */

static void input_is_checked_first(void **state)
{
        struct world *world = *state;
        char large[600];

        problem(world, "POST", "/admin/write", WITH_ADMIN, "{\"status\":600}", 400,
                "field-invalid");
        problem(world, "POST", "/admin/write", WITH_ADMIN, "{\"other\":1}", 400, "field-unknown");
        problem(world, "POST", "/admin/write", WITH_ADMIN, "{", 400, "json-syntax");
        problem(world, "POST", "/admin/write", WITH_ADMIN "Content-Type: text/plain\r\n", "{}", 415,
                "content-type");
        done(world, "POST", "/admin/write",
             WITH_ADMIN "Content-Type: application/json; charset=utf-8\r\n", "{}", 201);
        problem(world, "POST", "/admin/write?x=1", WITH_ADMIN, "{}", 400, "field-unknown");
        problem(world, "GET", "/admin/tell?limit=6", WITH_ADMIN, "", 400, "field-invalid");
        done(world, "GET", "/admin/tell?limit=5", WITH_ADMIN, "", 200);
        (void)snprintf(large, sizeof(large), "{\"note\":\"%0520d\"}", 0);
        done(world, "POST", "/admin/write", WITH_ADMIN, large, 413);
        done(world, "POST", "/admin/break", WITH_ADMIN, "{}", 413); /* takes no body */
        assert_int_equal(atomic_load(&calls), 1);
        /* Whoever may not is not told what is wrong with the input. */
        problem(world, "POST", "/admin/write", "", "{", 401, "token-missing");
}

/* ---- who ---- */

static void operators(void **state)
{
        struct world *world = *state;
        char *head;

        json_decref(ask(world, "GET", "/admin/tell", "", "", 401, &head));
        assert_non_null(strcasestr(head, "\r\nwww-authenticate: bearer "));
        free(head);
        problem(world, "GET", "/admin/tell", "Authorization: Bearer x\r\n", "", 401,
                "token-invalid");
        problem(world, "GET", "/admin/tell", WITH_DEVICE, "", 401, "token-of-device");
        problem(world, "GET", "/admin/tell", "X-Admin-Key: x\r\n", "", 401, "admin-key");
        problem(world, "GET", "/admin/person", WITH_ADMIN, "", 403, "admin-key-unfit");
        done(world, "GET", "/api/public", "", "", 200);
        done(world, "GET", "/api/public", "Authorization: Bearer x\r\n", "", 200);
}

static void devices(void **state)
{
        struct world *world = *state;
        const char *path = "/v1/device?whatever=1"; /* an agent may know more than we */
        json_t *json = ask(world, "GET", path, WITH_DEVICE, "", 200, NULL);

        assert_string_equal(json_string_value(json_object_get(json, "actor")), "device:42");
        assert_int_equal(json_integer_value(json_object_get(json, "device")), 42);
        assert_true(atomic_load(&world->device->seen)); /* it was a use of the token */
        assert_true(atomic_load(&world->device->stamp_ms) > 0);
        json_decref(json);
        problem(world, "GET", path, "", "", 401, "token-missing");
        problem(world, "GET", path, WITH_ADMIN, "", 401, "token-missing");
        problem(world, "GET", path, "Authorization: Bearer mu_x\r\n", "", 401, "token-unknown");
        atomic_store(&world->device->state, MU_DEVICE_QUARANTINED);
        done(world, "GET", path, WITH_DEVICE, "", 200);
        atomic_store(&world->device->state, MU_DEVICE_DELETING);
        problem(world, "GET", path, WITH_DEVICE, "", 503, "device-deleting");
        atomic_store(&world->device->state, MU_DEVICE_DELETED);
        problem(world, "GET", path, WITH_DEVICE, "", 410, "device-deleted");
}

static void devices_before_the_list(void **state)
{
        struct world *world = *state;
        struct mu_device_table *known = world->table;
        struct mu_device_table *unread;

        assert_int_equal(mu_device_table_create(world->qsbr, &unread), 0);
        world->control->config.devices = unread;
        problem(world, "GET", "/v1/device", WITH_DEVICE, "", 503, "starting");
        world->control->config.devices = known;
        mu_device_table_destroy(unread);
}

static int group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        postgres = *state;
        return error;
}

static int group_teardown(void **state)
{
        *state = postgres;
        return test_pg_group_teardown(state);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WORLD(a_success_is_committed),
                WORLD(anything_else_is_undone),
                WORLD(a_failed_commit_is_no_success),
                WORLD(where_there_is_none),
                WORLD(a_replay_changes_nothing),
                WORLD(input_is_checked_first),
                WORLD(operators),
                WORLD(devices),
                WORLD(devices_before_the_list),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
