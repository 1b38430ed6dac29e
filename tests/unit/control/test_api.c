/* SPDX-License-Identifier: Apache-2.0 */
/* The control plane's routes through a real server, its workers and a real PostgreSQL. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/qsbr.h"
#include "base/thread.h"
#include "control/control.h"
#include "control/device/device_delete.h"
#include "fixture.h"
#include "http/auth_failures.h"
#include "identity/device_key.h"
#include "identity/device_table.h"
#include "identity/secrets.h"
#include "muster/wire.h"
#include "pg/partition.h"
#include "scratch.h"
#include "server_fixture.h"

#define ADMIN_KEY "an admin key for tests"
#define BUCKET_S INT64_C(1790000000)

static struct test_pg *postgres;

struct world {
        void *directory;
        struct mu_pg *pg;
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        struct mu_secrets *secrets;
        struct mu_auth_failures *failures;
        struct mu_metrics *metrics;
        struct mu_control *control;
        struct mu_router *router;
        struct mu_offload *offload;
        struct mu_server *server;
        pthread_t thread;
        uint16_t port;

        /* The journal's part. */
        int barrier_error;
        uint64_t barrier_seq;
        void (*in_barrier)(struct world *world);
        _Atomic int barriers;
};

static int barrier(void *ctx, uint64_t *ret_seq)
{
        struct world *world = ctx;

        atomic_fetch_add(&world->barriers, 1);
        if (world->in_barrier)
                world->in_barrier(world);
        *ret_seq = world->barrier_seq;
        return world->barrier_error;
}

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

static void make_control(struct world *world)
{
        const struct mu_auth_failures_config failures = {
                .window_s = 60, .failures_max = 20, .addresses_max = 64};
        char error[MU_SECRET_ERROR_BYTES];
        void *directory = world->directory;
        FILE *key = fopen(scratch_path(&directory, "admin-key"), "w");

        assert_non_null(key);
        assert_int_equal(fchmod(fileno(key), 0600), 0);
        assert_true(fputs(ADMIN_KEY "\n", key) >= 0 && fclose(key) == 0);
        assert_int_equal(mu_secrets_open(directory, &world->secrets, error), 0);
        assert_int_equal(mu_auth_failures_create(&failures, &world->failures), 0);
        assert_int_equal(mu_metrics_create(&world->metrics), 0);
        const struct mu_control_config config = {
                .database = postgres->database,
                .devices = world->table,
                .secrets = world->secrets,
                .auth_failures = world->failures,
                .metrics = world->metrics,
                .clock = mu_clock_system(),
                .heartbeat_interval_s = 300,
                .journal_id = (const uint8_t *)"the journal's id",
                .journal_barrier = barrier,
                .ctx = world,
        };

        assert_int_equal(mu_control_create(&config, &world->control), 0);
}

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        if (!world || scratch_setup(&world->directory) < 0)
                return -1;
        world->pg = test_pg_acquire(postgres);
        test_pg_run(world->pg,
                    "TRUNCATE devices, device_tokens, enrolment_tokens, enrolment_token_uses,"
                    " audit_log, device_last_status, heartbeats RESTART IDENTITY");
        assert_int_equal(mu_qsbr_create(2, &world->qsbr), 0);
        assert_int_equal(mu_device_table_create(world->qsbr, &world->table), 0);
        mu_device_table_set_authoritative(world->table);
        make_control(world);
        start_server(world);
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

/* ---- asking ---- */

#define WITH_ADMIN "X-Admin-Key: " ADMIN_KEY "\r\n"
#define count(world, sql) test_pg_number((world)->pg, "SELECT count(*) FROM " sql)

/* The answer's body as JSON (NULL: it is empty), to be given back with json_decref. */
static json_t *ask(struct world *world, const char *method, const char *path, const char *headers,
                   const char *body, int status)
{
        struct answer answer;
        struct peer peer;
        char head[2048];

        (void)snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n%s\r\n",
                       method, path, strlen(body), headers);
        peer_open(&peer, world->port);
        peer_send(&peer, head);
        peer_send(&peer, body);
        peer_receive(&peer, false, &answer);
        if (answer.status != status)
                fail_msg("%s %s: %d, not %d: %s", method, path, answer.status, status, answer.body);
        if (status == 503 || status == 429)
                assert_non_null(strcasestr(answer.head, "\r\nretry-after: "));
        json_t *json = answer.body_bytes ? json_loads(answer.body, 0, NULL) : NULL;

        assert_true(json || answer.body_bytes == 0);
        answer_done(&answer);
        peer_close(&peer);
        return json;
}

static void done(struct world *world, const char *method, const char *path, const char *headers,
                 const char *body, int status)
{
        json_decref(ask(world, method, path, headers, body, status));
}

/* The problem's type must end in slug. */
static void problem(struct world *world, const char *method, const char *path, const char *headers,
                    const char *body, int status, const char *slug)
{
        json_t *json = ask(world, method, path, headers, body, status);
        const char *type = json_string_value(json_object_get(json, "type"));

        assert_non_null(type);
        if (!strstr(type, slug))
                fail_msg("'%s' is not '%s'", type, slug);
        assert_true(strlen(json_string_value(json_object_get(json, "detail"))) > 10);
        json_decref(json);
}

static const char *text_of(const json_t *json, const char *key)
{
        const char *text = json_string_value(json_object_get(json, key));

        assert_non_null(text);
        return text;
}

#define REGISTER_BODY "{\"alias\":\"a\",\"kind\":\"android\",\"hardware_id\":\"hw\"}"

static struct mu_device *device_of(struct world *world, const char *token)
{
        struct mu_digest digest;

        mu_token_digest(token, strlen(token), &digest);
        mu_device_table_lock(world->table);
        const struct mu_device *device = mu_device_table_peek(world->table, &digest);

        mu_device_table_unlock(world->table);
        return device ? mu_device_table_by_id(world->table, device->id) : NULL;
}

/* ---- registration ---- */

static void registers(void **state)
{
        struct world *world = *state;
        json_t *reply = ask(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        uint8_t key[MU_DEVICE_KEY_BYTES];
        char key_text[MU_DEVICE_KEY_TEXT_BYTES];
        struct mu_device *device = device_of(world, text_of(reply, "token"));
        json_t *hmac = json_object_get(reply, "hmac");

        assert_non_null(device);
        assert_string_equal(text_of(reply, "device_id"), "1");
        assert_int_equal(device->id, 1);
        assert_int_equal(device->kind, 0);
        assert_int_equal(json_integer_value(json_object_get(reply, "heartbeat_interval_s")), 300);
        assert_int_equal(json_integer_value(json_object_get(reply, "next_heartbeat_in_s")), 0);
        assert_int_equal(json_integer_value(json_object_get(hmac, "version")), 1);
        mu_device_key_derive(mu_secrets_hmac_master(world->secrets), MU_SECRET_MASTER_BYTES, 1, 1,
                             key);
        mu_device_key_text(key, key_text);
        assert_string_equal(text_of(hmac, "key"), key_text);
        assert_ptr_equal(mu_device_table_take(world->table), device); /* for the snapshot */
        json_decref(reply);

        /* Under the header's old name, counted. */
        reply = ask(world, "POST", "/v1/register", "X-Admin: " ADMIN_KEY "\r\n", REGISTER_BODY,
                    201);
        assert_ptr_equal(device_of(world, text_of(reply, "token")), device);
        assert_int_equal(atomic_load(&world->control->old_admin_header), 1);
        assert_int_equal(atomic_load(&world->control->registered_new), 1);
        assert_int_equal(atomic_load(&world->control->registered_again), 1);
        json_decref(reply);
}

static void register_refusals(void **state)
{
        struct world *world = *state;
        const char *path = "/v1/register";

        problem(world, "POST", path, "", REGISTER_BODY, 401, "enrolment-token-missing");
        problem(world, "POST", path, "X-Admin-Key: wrong\r\n", REGISTER_BODY, 401,
                "enrolment-token-missing");
        problem(world, "POST", path, "X-Enrolment-Token: me_wrong\r\n", REGISTER_BODY, 401,
                "enrolment-token-unknown");
        problem(world, "POST", path, WITH_ADMIN, "{\"alias\":\"a\"}", 400, "field-missing");
        problem(world, "POST", path, WITH_ADMIN, "", 400, "json-syntax");
        assert_int_equal(count(world, "devices"), 0);
        /* Whoever guesses is slowed down; whoever knows is not. */
        for (int i = 0; i < 17; i++)
                done(world, "POST", path, "X-Enrolment-Token: me_wrong\r\n", REGISTER_BODY, 401);
        problem(world, "POST", path, "X-Enrolment-Token: me_wrong\r\n", REGISTER_BODY, 429,
                "authentication-rate");
        done(world, "POST", path, WITH_ADMIN, REGISTER_BODY, 201);
}

/* Before PostgreSQL's list was read nobody can say who is new. */
static void not_before_the_list(void **state)
{
        struct world *world = *state;
        struct mu_device_table *known = world->table;
        struct mu_device_table *unread;

        assert_int_equal(mu_device_table_create(world->qsbr, &unread), 0);
        world->control->config.devices = unread;
        problem(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 503, "starting");
        problem(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 503, "starting");
        world->control->config.devices = known;
        mu_device_table_destroy(unread);
}

static void own_token_takes_over(void **state)
{
        struct world *world = *state;
        json_t *first = ask(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        json_t *issued = ask(world, "POST", "/admin/enrolment-tokens", WITH_ADMIN, "", 201);
        struct mu_device *device = device_of(world, text_of(first, "token"));
        char stranger[256];
        char owner[512];

        (void)snprintf(stranger, sizeof(stranger), "X-Enrolment-Token: %s\r\n",
                       text_of(issued, "token"));
        (void)snprintf(owner, sizeof(owner), "%sAuthorization: Bearer %s\r\n", stranger,
                       text_of(first, "token"));
        problem(world, "POST", "/v1/register", stranger, REGISTER_BODY, 409, "hardware-id-taken");
        atomic_store(&device->state, MU_DEVICE_QUARANTINED);
        problem(world, "POST", "/v1/register", owner, REGISTER_BODY, 409, "hardware-id-taken");
        atomic_store(&device->state, MU_DEVICE_LIVE);
        json_t *again = ask(world, "POST", "/v1/register", owner, REGISTER_BODY, 201);

        assert_string_equal(text_of(again, "device_id"), text_of(first, "device_id"));
        assert_false(device->seen); /* to show a token is not to use it */
        assert_ptr_equal(device_of(world, text_of(first, "token")), device);
        atomic_store(&device->seen, true); /* so that it is no lost reply */
        problem(world, "POST", "/v1/register", owner, REGISTER_BODY, 403, "used-up");
        assert_int_equal(atomic_load(&world->control->registrations_refused), 3);
        json_decref(first);
        json_decref(issued);
        json_decref(again);
}

/* A backup restored under our feet gives ids anew: two devices never share one. */
static void id_given_twice(void **state)
{
        struct world *world = *state;

        done(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        test_pg_run(world->pg, "TRUNCATE devices, device_tokens RESTART IDENTITY");
        problem(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 500, "internal");
        assert_int_equal(mu_device_table_token_count(world->table), 1);
}

/* ---- enrolment tokens ---- */

static void enrolment_tokens(void **state)
{
        struct world *world = *state;
        const char *path = "/admin/enrolment-tokens";
        json_t *issued = ask(world, "POST", path, WITH_ADMIN,
                             "{\"max_uses\":3,\"expires_in_s\":120,\"note\":\"n\"}", 201);
        char headers[256];
        char one[64];

        assert_int_equal(strncmp(text_of(issued, "token"), "me_", 3), 0);
        assert_int_equal(count(world, "enrolment_tokens WHERE max_uses = 3 AND note = 'n' AND"
                                      " expires_at BETWEEN now() + interval '100 s'"
                                      " AND now() + interval '121 s'"),
                         1);
        (void)snprintf(headers, sizeof(headers), "X-Enrolment-Token: %s\r\n",
                       text_of(issued, "token"));
        done(world, "POST", "/v1/register", headers, REGISTER_BODY, 201);
        (void)snprintf(one, sizeof(one), "%s/%s", path, text_of(issued, "id"));
        done(world, "DELETE", one, WITH_ADMIN, "", 204);
        done(world, "DELETE", one, WITH_ADMIN, "", 204); /* the same again */
        problem(world, "POST", "/v1/register", headers, REGISTER_BODY, 403, "token-revoked");
        assert_int_equal(count(world, "audit_log WHERE action LIKE 'enrolment_token.%'"), 2);
        json_decref(issued);

        problem(world, "DELETE", "/admin/enrolment-tokens/99", WITH_ADMIN, "", 404, "not-found");
        problem(world, "DELETE", "/admin/enrolment-tokens/0", WITH_ADMIN, "", 404, "not-found");
        problem(world, "DELETE", "/admin/enrolment-tokens/x", WITH_ADMIN, "", 404, "not-found");
        problem(world, "POST", path, "", "{}", 401, "token-missing");
        problem(world, "DELETE", one, "", "", 401, "token-missing");
        problem(world, "POST", path, WITH_ADMIN, "{\"max_uses\":0}", 400, "field-value");
}

/* ---- deleting ---- */

static void deletes(void **state)
{
        struct world *world = *state;
        json_t *reply = ask(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        struct mu_device *device = device_of(world, text_of(reply, "token"));

        test_pg_run(world->pg, "INSERT INTO device_last_status"
                               " (device_id, received_at, observed_at, clock_offset_s, flags)"
                               " VALUES (1, now(), now(), 0, 0)");
        problem(world, "DELETE", "/admin/devices/1", "", "", 401, "token-missing");
        problem(world, "DELETE", "/admin/devices/2", WITH_ADMIN, "", 404, "not-found");
        problem(world, "DELETE", "/admin/devices/1x", WITH_ADMIN, "", 404, "not-found");
        problem(world, "DELETE", "/admin/devices/9999999999999999999", WITH_ADMIN, "", 404,
                "not-found");
        world->barrier_seq = 4711;
        done(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 204);
        assert_int_equal(mu_device_state(device), MU_DEVICE_DELETED);
        assert_ptr_equal(device_of(world, text_of(reply, "token")), device); /* 410, not 401 */
        assert_int_equal(count(world, "devices WHERE deleted_at IS NOT NULL"
                                      " AND deletion_journal_seq = 4711"
                                      " AND deletion_journal_id = 'the journal''s id'"),
                         1);
        assert_int_equal(count(world, "device_last_status"), 0);
        assert_int_equal(count(world, "audit_log WHERE action = 'device.delete' AND subject ="
                                      " 'device:1' AND before->>'hardware_id' = 'hw'"),
                         1);
        /* Again: done, nothing new; but a status that a writer put back late goes. */
        test_pg_run(world->pg, "INSERT INTO device_last_status"
                               " (device_id, received_at, observed_at, clock_offset_s, flags)"
                               " VALUES (1, now(), now(), 0, 0)");
        done(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 204);
        assert_int_equal(count(world, "device_last_status"), 0);
        assert_int_equal(count(world, "audit_log WHERE action = 'device.delete'"), 1);
        assert_int_equal(atomic_load(&world->barriers), 1);
        assert_int_equal(atomic_load(&world->control->devices_deleted), 1);
        json_decref(reply);
        /* Its hardware is free. */
        reply = ask(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        assert_string_equal(text_of(reply, "device_id"), "2");
        json_decref(reply);
}

static void delete_waits_for_the_journal(void **state)
{
        struct world *world = *state;
        json_t *reply = ask(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        struct mu_device *device = device_of(world, text_of(reply, "token"));

        atomic_store(&device->state, MU_DEVICE_QUARANTINED);
        world->barrier_error = -ETIMEDOUT;
        problem(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 503, "journal-busy");
        assert_int_equal(mu_device_state(device), MU_DEVICE_QUARANTINED); /* as it was */
        assert_int_equal(count(world, "devices WHERE deleted_at IS NULL"), 1);
        world->barrier_error = 0;
        done(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 204);
        json_decref(reply);
}

/* While one deletes, the device is in between, and a second one is told so. */
static void delete_again_meanwhile(struct world *world)
{
        assert_int_equal(mu_device_state(mu_device_table_by_id(world->table, 1)),
                         MU_DEVICE_DELETING);
        world->in_barrier = NULL;
        problem(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 409, "device-deleting");
}

static void deletes_at_once(void **state)
{
        struct world *world = *state;

        done(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        world->in_barrier = delete_again_meanwhile;
        done(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 204);
        assert_int_equal(atomic_load(&world->barriers), 1);
}

/* A first try was committed, but its answer never came: the sequence is written anew, since the
 * device has reported in between; it is one deletion all the same. */
static void delete_committed_unheard(void **state)
{
        struct world *world = *state;

        done(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        test_pg_run(world->pg, "UPDATE devices SET deleted_at = '2026-01-01Z', deletion_journal_id"
                               " = 'the journal''s id', deletion_journal_seq = 10");
        world->barrier_seq = 20;
        done(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 204);
        assert_int_equal(count(world, "devices WHERE deleted_at = '2026-01-01Z'"
                                      " AND deletion_journal_seq = 20"),
                         1);
        assert_int_equal(count(world, "audit_log WHERE action = 'device.delete'"), 0);
}

/* ---- verify ---- */

/* Device 1: 30 buckets, 10 s apart, but for the 7th; device 2: one. */
static void fill(struct world *world)
{
        int64_t day = mu_partition_day(BUCKET_S);

        assert_int_equal(mu_partitions_ensure(world->pg, MU_PARENT_HEARTBEATS, day, day + 1, NULL),
                         0);
        test_pg_run(world->pg,
                    "INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
                    " clock_offset_s, flags) SELECT 1, to_timestamp(1790000000 + 10 * n), now(),"
                    " now(), 0, 0 FROM generate_series(0, 29) n WHERE n <> 7;"
                    "INSERT INTO heartbeats (device_id, bucket, received_at, observed_at,"
                    " clock_offset_s, flags) VALUES"
                    " (2, to_timestamp(1790000050), now(), now(), 0, 0)");
}

static void verify_one(void **state)
{
        struct world *world = *state;

        fill(world);
        json_t *json = ask(world, "GET", "/admin/verify?device_id=1", WITH_ADMIN, "", 200);

        assert_string_equal(text_of(json, "device_id"), "1");
        assert_int_equal(json_integer_value(json_object_get(json, "count")), 29);
        for (size_t i = 0; i < 29; i++)
                assert_int_equal(
                        json_integer_value(json_array_get(json_object_get(json, "buckets"), i)),
                        BUCKET_S + 10 * (int64_t)(i < 7 ? i : i + 1));
        assert_null(json_object_get(json, "next_after"));
        json_decref(json);

        json = ask(world, "GET", "/admin/verify?device_id=1&from=1790000100&to=1790000120",
                   WITH_ADMIN, "", 200);
        assert_int_equal(json_integer_value(json_object_get(json, "count")), 2); /* to: exclusive */
        json_decref(json);

        /* In pages. */
        char path[128] = "/admin/verify?device_id=1&limit=10";
        size_t total = 0;

        for (int page = 0; page < 3; page++) {
                json = ask(world, "GET", path, WITH_ADMIN, "", 200);
                total += json_array_size(json_object_get(json, "buckets"));
                (void)snprintf(path, sizeof(path), "/admin/verify?device_id=1&limit=10&after=%lld",
                               (long long)json_integer_value(json_object_get(json, "next_after")));
                json_decref(json);
        }
        assert_int_equal(total, 29);

        problem(world, "GET", "/admin/verify?device_id=1", "", "", 401, "admin-key");
        problem(world, "GET", "/admin/verify", WITH_ADMIN, "", 400, "field-missing");
        problem(world, "GET", "/admin/verify?device_id=x", WITH_ADMIN, "", 400, "field-invalid");
        problem(world, "GET", "/admin/verify?device_id=1&limit=0", WITH_ADMIN, "", 400,
                "field-invalid");
        problem(world, "GET", "/admin/verify?device_id=1&from=-1", WITH_ADMIN, "", 400,
                "field-invalid");
}

/* result: device, how many, which XOR, from its first to its last. */
static void assert_digest(const json_t *result, const char *id, int64_t from_s, int64_t to_s,
                          int64_t without_s)
{
        uint64_t digest = 0;
        int64_t buckets = 0;
        char hex[17];

        for (int64_t bucket_s = from_s; bucket_s < to_s; bucket_s += 10) {
                if (bucket_s == without_s)
                        continue;
                digest ^= mu_verify_mix64((uint64_t)bucket_s);
                buckets++;
        }
        (void)snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)digest);
        assert_string_equal(text_of(result, "device_id"), id);
        assert_int_equal(json_integer_value(json_object_get(result, "count")), buckets);
        assert_string_equal(text_of(result, "bucket_xor"), hex);
        if (buckets == 0) {
                assert_null(json_object_get(result, "min"));
                return;
        }
        assert_int_equal(json_integer_value(json_object_get(result, "min")), from_s);
        assert_int_equal(json_integer_value(json_object_get(result, "max")), to_s - 10);
}

static void verify_many(void **state)
{
        struct world *world = *state;

        fill(world);
        json_t *json = ask(world, "POST", "/admin/verify", WITH_ADMIN,
                           "{\"devices\":[{\"device_id\":\"3\"},"
                           "{\"device_id\":\"1\",\"from\":1790000020,\"to\":1790000100},"
                           "{\"device_id\":2}]}",
                           200);
        json_t *results = json_object_get(json, "results");

        assert_int_equal(json_array_size(results), 3); /* in the order asked */
        assert_digest(json_array_get(results, 0), "3", 0, 0, 0);
        assert_digest(json_array_get(results, 1), "1", BUCKET_S + 20, BUCKET_S + 100,
                      BUCKET_S + 70);
        assert_digest(json_array_get(results, 2), "2", BUCKET_S + 50, BUCKET_S + 60, 0);
        json_decref(json);

        static const char *const wrong[] = {
                "",
                "[]",
                "{\"devices\":[]}",
                "{\"devices\":{}}",
                "{\"devices\":[1]}",
                "{\"devices\":[{\"device_id\":0}]}",
                "{\"devices\":[{\"device_id\":\"\"}]}",
                "{\"devices\":[{\"device_id\":\"1x\"}]}",
                "{\"devices\":[{\"device_id\":1,\"from\":true}]}",
                "{\"devices\":[{\"device_id\":1,\"from\":1.5}]}",
                "{\"devices\":[{\"device_id\":1,\"from\":20,\"to\":10}]}",
                "{\"devices\":[{\"device_id\":1,\"to\":99999999999}]}",
                "{\"devices\":[{\"device_id\":1},{\"device_id\":\"1\"}]}",
                "{\"devices\":[{\"device_id\":1}],\"devices\":[]}",
                "{\"devices\":[{\"device_id\":\"\xff\"}]}",
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                done(world, "POST", "/admin/verify", WITH_ADMIN, wrong[i], 400);
        problem(world, "POST", "/admin/verify", "", "{}", 401, "admin-key");
}

/* ---- PostgreSQL away ---- */

static void database_away(void **state)
{
        struct world *world = *state;
        struct mu_database_config config;
        struct mu_database *nowhere;
        struct mu_pg_error error;

        done(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 201);
        mu_database_config_init(&config, "host=/nowhere/at/all dbname=muster user=muster");
        assert_int_equal(mu_database_create(&config, &nowhere, &error), 0);
        world->control->config.database = nowhere;
        problem(world, "POST", "/v1/register", WITH_ADMIN, REGISTER_BODY, 503, "database-away");
        problem(world, "DELETE", "/admin/devices/1", WITH_ADMIN, "", 503, "database-away");
        problem(world, "POST", "/admin/enrolment-tokens", WITH_ADMIN, "", 503, "database-away");
        problem(world, "GET", "/admin/verify?device_id=1", WITH_ADMIN, "", 503, "database-away");
        assert_int_equal(mu_device_state(mu_device_table_by_id(world->table, 1)), MU_DEVICE_LIVE);
        world->control->config.database = postgres->database;
        mu_database_destroy(nowhere);
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
                WORLD(registers),
                WORLD(register_refusals),
                WORLD(not_before_the_list),
                WORLD(own_token_takes_over),
                WORLD(id_given_twice),
                WORLD(enrolment_tokens),
                WORLD(deletes),
                WORLD(delete_waits_for_the_journal),
                WORLD(deletes_at_once),
                WORLD(delete_committed_unheard),
                WORLD(verify_one),
                WORLD(verify_many),
                WORLD(database_away),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
