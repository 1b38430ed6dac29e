/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alert_fleet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/alert/alert_engine.h"
#include "control/alert/alert_store.h"
#include "identity/device_table.h"
#include "pg/query.h"

enum { FIRST_ROOM = 64 };

struct device {
        const char *site; /* NULL: none */
        uint32_t profile;
};

struct mu_alert_fleet {
        const struct mu_device_table *table;
        struct mu_rule_set *rules;
        struct device *devices; /* by index */
        uint32_t device_count;
        char **sites; /* each name once, ascending; never forgotten */
        size_t site_count;
        size_t site_room;
};

/* Only the tags that rules speak of: $1, one a line. */
#define DEVICES                                                                                    \
        "SELECT d.id, d.site, CASE WHEN $1 <> '' THEN (SELECT string_agg(t.tag, E'\\n')"           \
        " FROM unnest(d.tags) AS t (tag) WHERE t.tag = ANY (string_to_array($1, E'\\n'))) END"     \
        " FROM devices d"                                                                          \
        " WHERE d.deleted_at IS NULL"

static const struct mu_pg_statement READ_ALL = {
        .name = "alert_devices",
        .sql = DEVICES,
        .params = {MU_PG_TEXT},
        .repeatable = true,
};

static const struct mu_pg_statement READ_SOME = {
        .name = "alert_devices_some",
        .sql = DEVICES " AND d.id = ANY ($2)",
        .params = {MU_PG_TEXT, MU_PG_INT8_ARRAY},
        .repeatable = true,
};

/* ---- sites ---- */

/* Where the name is, or belongs. */
static size_t place_of(const struct mu_alert_fleet *fleet, const char *name)
{
        size_t from = 0;
        size_t to = fleet->site_count;

        while (from < to) {
                size_t middle = from + (to - from) / 2;

                if (strcmp(fleet->sites[middle], name) < 0)
                        from = middle + 1;
                else
                        to = middle;
        }
        return from;
}

/* The one copy of a name; NULL: no memory. */
static const char *intern(struct mu_alert_fleet *fleet, const char *name)
{
        size_t place = place_of(fleet, name);

        if (place < fleet->site_count && strcmp(fleet->sites[place], name) == 0)
                return fleet->sites[place];
        if (fleet->site_count == fleet->site_room) {
                size_t room = fleet->site_room ? fleet->site_room * 2 : FIRST_ROOM;
                char **sites = (char **)reallocarray((void *)fleet->sites, room, sizeof(*sites));

                if (!sites)
                        return NULL;
                fleet->sites = sites;
                fleet->site_room = room;
        }
        char *copy = strdup(name);

        if (!copy)
                return NULL;
        memmove((void *)(fleet->sites + place + 1), (void *)(fleet->sites + place),
                (fleet->site_count - place) * sizeof(*fleet->sites));
        fleet->sites[place] = copy;
        fleet->site_count++;
        return copy;
}

/* ---- reading ---- */

static int make_room(struct mu_alert_fleet *fleet, uint32_t device)
{
        if (device < fleet->device_count)
                return 0;
        size_t room = fleet->device_count ? fleet->device_count : FIRST_ROOM;

        while (room <= device)
                room *= 2;
        struct device *devices = reallocarray(fleet->devices, room, sizeof(*devices));

        if (!devices)
                return -ENOMEM;
        for (size_t i = fleet->device_count; i < room; i++)
                devices[i] = (struct device){.profile = MU_PROFILE_FLEET};
        fleet->devices = devices;
        fleet->device_count = (uint32_t)room;
        return 0;
}

static int take_device(void *context, const struct mu_pg_result *row)
{
        struct mu_alert_fleet *fleet = context;
        int64_t device_id = mu_pg_get_int(row, 0, 0);
        const struct mu_device *known = mu_device_table_by_id(fleet->table, device_id);
        const char *site = mu_pg_get_text(row, 0, 1);
        struct device device = {.site = NULL};

        if (!known) /* its row came before the table has it: it will be told of */
                return 0;
        int error = make_room(fleet, known->index);

        if (error == 0)
                error = mu_rule_set_profile(fleet->rules, device_id, mu_pg_get_text(row, 0, 2),
                                            &device.profile);
        if (error < 0)
                return error;
        if (site && !(device.site = intern(fleet, site)))
                return -ENOMEM;
        fleet->devices[known->index] = device;
        return 0;
}

/* Into a fleet of its own, so that what was known holds until all of it is read: a device whose own
 * threshold is forgotten for a moment would be a false alarm. */
static int read_anew(struct mu_alert_fleet *fresh, struct mu_pg *pg)
{
        int error = mu_rule_set_create(&fresh->rules);

        if (error == 0)
                error = mu_alert_store_read_rules(pg, fresh->rules);
        if (error == 0)
                error = mu_rule_set_seal(fresh->rules);
        if (error < 0)
                return error;
        return mu_pg_each(pg, &READ_ALL, MU_PG_VALUES(mu_pg_text(mu_rule_set_tags(fresh->rules))),
                          take_device, fresh);
}

int mu_alert_fleet_read(struct mu_alert_fleet *fleet, struct mu_pg *pg)
{
        struct mu_alert_fleet fresh = *fleet; /* goes on with its sites */

        fresh.rules = NULL;
        fresh.devices = NULL;
        fresh.device_count = 0;
        int error = read_anew(&fresh, pg);
        struct mu_alert_fleet *old = error < 0 ? &fresh : fleet;

        mu_rule_set_destroy(old->rules);
        free(old->devices);
        if (error < 0) {
                fresh.rules = fleet->rules;
                fresh.devices = fleet->devices;
                fresh.device_count = fleet->device_count;
        }
        *fleet = fresh;
        return error;
}

int mu_alert_fleet_read_devices(struct mu_alert_fleet *fleet, struct mu_pg *pg,
                                const int64_t *device_ids, size_t count)
{
        return mu_pg_each(pg, &READ_SOME,
                          MU_PG_VALUES(mu_pg_text(mu_rule_set_tags(fleet->rules)),
                                       mu_pg_int8_array(device_ids, count)),
                          take_device, fleet);
}

/* ---- asking ---- */

const char *mu_alert_fleet_site(const struct mu_alert_fleet *fleet, uint32_t device)
{
        const char *site = device < fleet->device_count ? fleet->devices[device].site : NULL;

        return site ? site : "";
}

static uint32_t profile_of(const struct mu_alert_fleet *fleet, uint32_t device)
{
        return device < fleet->device_count ? fleet->devices[device].profile : MU_PROFILE_FLEET;
}

const struct mu_rule *mu_alert_fleet_rule(const struct mu_alert_fleet *fleet, uint32_t device,
                                          enum mu_alert_rule rule)
{
        return mu_rule_set_get(
                fleet->rules,
                device == MU_ENGINE_APPLIANCE ? MU_PROFILE_FLEET : profile_of(fleet, device), rule);
}

void mu_alert_fleet_monitoring(const struct mu_alert_fleet *fleet, uint32_t device,
                               int64_t device_id, struct mu_monitoring *ret_monitoring)
{
        mu_rule_set_monitoring(fleet->rules, device_id, profile_of(fleet, device), ret_monitoring);
}

uint32_t mu_alert_fleet_count(const struct mu_alert_fleet *fleet)
{
        return fleet->device_count;
}

/* ---- lifecycle ---- */

int mu_alert_fleet_create(const struct mu_device_table *devices, struct mu_alert_fleet **ret_fleet)
{
        struct mu_alert_fleet *fleet = calloc(1, sizeof(*fleet));

        if (!fleet)
                return -ENOMEM;
        fleet->table = devices;
        int error = mu_rule_set_create(&fleet->rules);

        if (error == 0)
                error = mu_rule_set_seal(fleet->rules);
        if (error < 0) {
                mu_alert_fleet_destroy(fleet);
                return error;
        }
        *ret_fleet = fleet;
        return 0;
}

void mu_alert_fleet_destroy(struct mu_alert_fleet *fleet)
{
        if (!fleet)
                return;
        for (size_t i = 0; i < fleet->site_count; i++)
                free(fleet->sites[i]);
        free((void *)fleet->sites);
        free(fleet->devices);
        mu_rule_set_destroy(fleet->rules);
        free(fleet);
}
