/* SPDX-License-Identifier: Apache-2.0 */
#include "live_world.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "muster/record.h"

/* ---- the client ---- */

static void apply_row(struct world_socket *socket, json_t *row, bool whole)
{
        const char *id = json_string_value(json_object_get(row, "id"));
        json_t *known;
        const char *key;
        json_t *value;

        assert_non_null(id);
        if (json_object_get(row, "edited"))
                socket->edited++;
        known = whole ? NULL : json_object_get(socket->devices, id);
        if (!known) {
                known = json_object();
                json_object_set_new(socket->devices, id, known);
        }
        json_object_foreach(row, key, value)
        {
                if (strcmp(key, "edited") == 0)
                        continue;
                if (json_is_null(value))
                        json_object_del(known, key);
                else
                        json_object_set(known, key, value);
        }
}

static void apply_rows(struct world_socket *socket, const json_t *message, bool whole)
{
        size_t i;
        json_t *row;

        json_array_foreach(json_object_get(message, "devices"), i, row)
                apply_row(socket, row, whole);
        json_array_foreach(json_object_get(message, "removed"), i, row)
                json_object_del(socket->devices, json_string_value(row));
}

static void note_place(struct world_socket *socket, const json_t *message)
{
        const char *stream = json_string_value(json_object_get(message, "stream"));
        uint64_t seq = (uint64_t)json_integer_value(json_object_get(message, "seq"));

        if (stream)
                (void)snprintf(socket->stream, sizeof(socket->stream), "%s", stream);
        assert_true(seq >= socket->seq || socket->snapshots > 0);
        socket->seq = seq;
}

static void on_snapshot(struct world_socket *socket, const json_t *message)
{
        if (json_integer_value(json_object_get(message, "page")) == 0) {
                json_decref(socket->devices);
                socket->devices = json_object();
                socket->snapshots++;
                socket->ready = false;
        }
        assert_non_null(socket->devices);
        apply_rows(socket, message, true);
}

static void on_delta(struct world_socket *socket, const json_t *message)
{
        socket->commands += (uint32_t)json_array_size(json_object_get(message, "commands"));
        socket->alerts += (uint32_t)json_array_size(json_object_get(message, "alerts"));
        socket->missed += json_object_get(message, "missed") != NULL;
        if (json_array_size(json_object_get(message, "alerts")) > 0) {
                json_decref(socket->alert);
                socket->alert = json_incref(json_array_get(json_object_get(message, "alerts"), 0));
        }
        if (json_object_get(message, "devices")) {
                assert_non_null(socket->devices); /* never before a snapshot */
                socket->deltas++;
                socket->edited += json_object_get(message, "edited") != NULL;
                apply_rows(socket, message, false);
        }
        note_place(socket, message);
}

static void on_text(struct world_socket *socket, const char *text, size_t bytes)
{
        json_t *message = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
        const char *type = json_string_value(json_object_get(message, "type"));

        assert_non_null(type);
        if (strcmp(type, "snapshot") == 0)
                on_snapshot(socket, message);
        else if (strcmp(type, "delta") == 0)
                on_delta(socket, message);
        else if (strcmp(type, "ready") == 0) {
                socket->ready = true;
                socket->readies++;
                note_place(socket, message);
        } else if (strcmp(type, "resync") == 0) {
                socket->ready = false;
                socket->resyncs++;
        } else if (strcmp(type, "pulse") == 0) {
                json_decref(socket->pulse);
                socket->pulse = json_incref(message);
        } else if (strcmp(type, "fleet") == 0) {
                json_decref(socket->fleet);
                socket->fleet = json_incref(message);
        } else if (strcmp(type, "waiting") == 0) {
                socket->waits++;
        } else if (strcmp(type, "error") == 0) {
                socket->errors++;
        } else {
                assert_string_equal(type, "welcome");
        }
        json_decref(socket->last);
        socket->last = message;
}

/* ---- what the hub is given ---- */

struct frame {
        size_t bytes;
        char text[];
};

static int make(void *ctx, const char *text, size_t bytes, void **ret_frame)
{
        struct frame *frame = malloc(sizeof(*frame) + bytes);

        assert_non_null(frame);
        frame->bytes = bytes;
        memcpy(frame->text, text, bytes);
        ((struct world *)ctx)->frames_made++;
        *ret_frame = frame;
        return 0;
}

static void drop(void *ctx, void *frame)
{
        (void)ctx;
        free(frame);
}

static void send_frame(void *ctx, void *socket_ctx, void *frame_ctx)
{
        struct world *world = ctx;
        struct world_socket *socket = socket_ctx;
        const struct frame *frame = frame_ctx;

        if (!frame)
                return;
        assert_int_equal(socket->closed, 0);
        world->bytes += frame->bytes;
        socket->bytes += frame->bytes;
        on_text(socket, frame->text, frame->bytes);
}

static size_t waiting(void *ctx, void *socket)
{
        (void)ctx;
        return ((struct world_socket *)socket)->waiting;
}

static bool refused(void *ctx, void *socket_ctx)
{
        struct world_socket *socket = socket_ctx;
        bool was = socket->refused;

        (void)ctx;
        socket->refused = false;
        return was;
}

static void close_socket(void *ctx, void *socket_ctx, uint16_t code, const char *reason)
{
        struct world_socket *socket = socket_ctx;

        (void)ctx;
        assert_non_null(reason);
        assert_int_equal(socket->closed, 0);
        socket->closed = code;
}

static bool redeem(void *ctx, const char *ticket, struct mu_principal *ret_who)
{
        const struct world *world = ctx;

        if (strcmp(ticket, "good") != 0)
                return false;
        *ret_who = world->who;
        return true;
}

static int put(struct world *world, struct mu_live_image *image, int64_t id)
{
        struct world_device *device = &world->devices[id];

        if (!device->live)
                return 0;
        device->row.device_id = id;
        device->row.alias = device->alias;
        device->row.fg_package = *device->fg_package ? device->fg_package : NULL;
        device->row.agent_version = *device->agent_version ? device->agent_version : NULL;
        return mu_live_image_put(image, &device->row);
}

static int load(void *ctx, struct mu_live_image *image)
{
        struct world *world = ctx;

        if (world->database_error)
                return world->database_error;
        world->loads++;
        for (int64_t id = 1; id < WORLD_DEVICES_MAX; id++)
                assert_int_equal(put(world, image, id), 0);
        return 0;
}

static int reload(void *ctx, struct mu_live_image *image, const int64_t *ids, uint32_t count)
{
        struct world *world = ctx;

        if (world->database_error)
                return world->database_error;
        world->reloads++;
        for (uint32_t i = 0; i < count; i++)
                assert_int_equal(put(world, image, ids[i]), 0);
        return 0;
}

static int check(void *ctx, const struct mu_principal *const *who, uint32_t count, bool *ret_valid)
{
        const struct world *world = ctx;

        for (uint32_t i = 0; i < count; i++) {
                assert_int_equal(who[i]->kind, world->who.kind);
                ret_valid[i] = !world->ended;
        }
        return world->check_error;
}

static void facts(void *ctx, const struct mu_live_image *image, struct mu_live_facts *ret_facts)
{
        (void)image;
        *ret_facts = ((struct world *)ctx)->facts;
}

static uint64_t durable_seq(void *ctx)
{
        return ((struct world *)ctx)->facts.durable_seq;
}

/* ---- the world ---- */

struct world *world_create(uint32_t bus_slots, uint64_t bytes_per_s)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        fake_clock_init(&world->clock, INT64_C(1763700000) * MU_US_PER_S);
        world->who = (struct mu_principal){
                .kind = MU_PRINCIPAL_USER, .role = MU_ROLE_VIEWER, .id = 3, .session_id = 4};
        assert_int_equal(mu_bus_create(bus_slots, &world->bus), 0);
        const struct mu_live_hub_config config = {
                .ops = {.make = make,
                        .drop = drop,
                        .send = send_frame,
                        .waiting = waiting,
                        .refused = refused,
                        .close = close_socket,
                        .redeem = redeem,
                        .load = load,
                        .reload = reload,
                        .check = check,
                        .facts = facts,
                        .durable_seq = durable_seq,
                        .ctx = world},
                .bus = world->bus,
                .clock = &world->clock.clock,
                .bytes_per_s = bytes_per_s ? bytes_per_s : UINT64_C(1) << 40,
                .queue_bytes = 1024 * 1024,
                .stream = 0xabcdef01,
                .rows_per_fleet_s = 20000,
        };

        assert_int_equal(mu_live_hub_create(&config, &world->hub), 0);
        return world;
}

void world_destroy(struct world *world)
{
        mu_live_hub_destroy(world->hub);
        assert_false(mu_bus_watched(world->bus));
        mu_bus_destroy(world->bus);
        for (uint32_t i = 0; i < world->socket_count; i++) {
                json_decref(world->sockets[i].devices);
                json_decref(world->sockets[i].last);
                json_decref(world->sockets[i].fleet);
                json_decref(world->sockets[i].pulse);
                json_decref(world->sockets[i].alert);
        }
        free(world);
}

void world_add(struct world *world, int64_t from_id, int64_t to_id)
{
        for (int64_t id = from_id; id <= to_id; id++) {
                world->devices[id] = (struct world_device){.live = true};
                (void)snprintf(world->devices[id].alias, sizeof(world->devices[id].alias),
                               "Device \"%" PRId64 "\"", id);
        }
}

static void publish(struct world *world, struct mu_bus_event event)
{
        mu_bus_publish(world->bus, &event, 1);
}

static struct mu_bus_status status_of(int64_t received_at_us, int64_t observed_at_us, int battery,
                                      const char *fg_package)
{
        struct mu_bus_status status = {
                .received_at_us = received_at_us,
                .observed_at_us = observed_at_us,
                .present = MU_FIELD_FG_PACKAGE | (battery >= 0 ? MU_FIELD_BATTERY : 0u),
                .battery_percent = battery >= 0 ? (uint8_t)battery : 0,
        };
        size_t bytes = strlen(fg_package);

        status.cut = bytes > sizeof(status.strings);
        if (!status.cut) {
                status.fg_package_bytes = (uint8_t)bytes;
                memcpy(status.strings, fg_package, bytes);
        }
        return status;
}

void world_report(struct world *world, int64_t id, int64_t received_at_us, int64_t observed_at_us,
                  int battery, const char *fg_package)
{
        struct world_device *device = &world->devices[id];
        struct mu_live_loaded *row = &device->row;
        struct mu_bus_event event = {
                .kind = MU_BUS_STATUS,
                .device_id = id,
                .as.status = status_of(received_at_us, observed_at_us, battery, fg_package)};

        if (device->live && (row->received_at_us == 0 || observed_at_us > row->observed_at_us)) {
                row->observed_at_us = observed_at_us;
                row->present = event.as.status.present & ~(unsigned)MU_FIELD_FG_PACKAGE;
                row->battery_percent = event.as.status.battery_percent;
                (void)snprintf(device->fg_package, sizeof(device->fg_package), "%s", fg_package);
        }
        if (device->live && received_at_us > row->received_at_us)
                row->received_at_us = received_at_us;
        publish(world, event);
}

void world_delete(struct world *world, int64_t id, bool tell)
{
        world->devices[id].live = false;
        if (tell)
                publish(world,
                        (struct mu_bus_event){.kind = MU_BUS_DEVICE_DELETED, .device_id = id});
}

void world_command(struct world *world, int64_t device_id, int64_t id, const char *state)
{
        struct mu_bus_event event = {.kind = MU_BUS_COMMAND,
                                     .device_id = device_id,
                                     .as.command = {.id = id, .at_us = 1, .type = "reboot"}};

        (void)snprintf(event.as.command.state, sizeof(event.as.command.state), "%s", state);
        publish(world, event);
}

void world_alert(struct world *world, int64_t device_id, int64_t id, const char *change)
{
        struct mu_bus_event event = {.kind = MU_BUS_ALERT,
                                     .device_id = device_id,
                                     .as.alert = {.incident_id = 7,
                                                  .alert_id = id,
                                                  .at_us = 1500000,
                                                  .firing_count = 2,
                                                  .rule = "offline"}};

        (void)snprintf(event.as.alert.change, sizeof(event.as.alert.change), "%s", change);
        publish(world, event);
}

struct world_socket *world_open(struct world *world)
{
        assert_true(world->socket_count < WORLD_SOCKETS_MAX);
        struct world_socket *socket = &world->sockets[world->socket_count++];

        socket->world = world;
        assert_int_equal(mu_live_hub_open(world->hub, socket, &socket->client), 0);
        return socket;
}

void world_say(struct world_socket *socket, const char *text)
{
        mu_live_hub_message(socket->world->hub, socket->client, text, strlen(text));
}

struct world_socket *world_watch(struct world *world, const char *members)
{
        struct world_socket *socket = world_open(world);
        char text[16384];

        world_say(socket, "{\"type\":\"auth\",\"ticket\":\"good\"}");
        (void)snprintf(text, sizeof(text), "{\"type\":\"subscribe\",%s}",
                       *members ? members : "\"topics\":[\"fleet\",\"devices\",\"commands\"]");
        world_say(socket, text);
        for (int i = 0; i < 1000 && !socket->ready; i++)
                world_run(world, 20);
        assert_true(socket->ready);
        return socket;
}

void world_run(struct world *world, uint32_t ms)
{
        uint32_t passed = 0;

        do {
                uint32_t wait = mu_live_hub_tick(world->hub);

                if (wait > ms - passed)
                        wait = ms - passed;
                fake_clock_advance_ms(&world->clock, wait);
                passed += wait;
        } while (passed < ms);
        (void)mu_live_hub_tick(world->hub);
}

/* ---- comparing ---- */

static void assert_time(const json_t *known, const char *key, int64_t at_us)
{
        const json_t *value = json_object_get(known, key);

        if (at_us == 0)
                assert_null(value);
        else
                assert_true(fabs(json_number_value(value) - (double)(at_us / 1000) / 1000) < 5e-4);
}

static void assert_device(const json_t *known, const struct world_device *device)
{
        const struct mu_live_loaded *row = &device->row;
        const char *package = json_string_value(json_object_get(known, "fg_package"));

        assert_string_equal(json_string_value(json_object_get(known, "alias")), device->alias);
        assert_time(known, "received_at", row->received_at_us);
        assert_time(known, "observed_at", row->observed_at_us);
        if (row->present & MU_FIELD_BATTERY)
                assert_int_equal(json_integer_value(json_object_get(known, "battery")),
                                 row->battery_percent);
        else
                assert_null(json_object_get(known, "battery"));
        if (*device->fg_package || package)
                assert_string_equal(package, device->fg_package);
}

void assert_same(const struct world_socket *socket, const int64_t *ids, uint32_t id_count)
{
        size_t expected = 0;
        uint32_t count = ids ? id_count : WORLD_DEVICES_MAX - 1;

        for (uint32_t i = 0; i < count; i++) {
                int64_t id = ids ? ids[i] : i + 1;
                char key[24];

                if (!socket->world->devices[id].live)
                        continue;
                expected++;
                (void)snprintf(key, sizeof(key), "%" PRId64, id);
                const json_t *known = json_object_get(socket->devices, key);

                assert_non_null(known);
                assert_device(known, &socket->world->devices[id]);
        }
        assert_int_equal(json_object_size(socket->devices), expected);
}
