/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/rule_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/text.h"

enum {
        FIRST_ROOM = 16,
        PROFILES_MAX = 1 << 24,
};

struct row {
        struct mu_rule_layer layer;
        char *tag;
};

struct monitoring {
        struct mu_monitoring_row row;
        char *package;
        char *display_name;
};

struct profile {
        struct mu_rule rules[MU_RULE_COUNT];
        int64_t device_id; /* 0: of all devices with these tags */
        char *tags;        /* those that matter, a line each, in the order of their names */
};

struct mu_rule_set {
        struct row *rows; /* sealed: in the order in which they are applied */
        uint32_t row_count;
        struct monitoring *monitoring; /* sealed: by device */
        uint32_t monitoring_count;
        int64_t *devices; /* that have rows of their own, ascending */
        uint32_t device_count;
        char **tags; /* that rows speak of, ascending */
        uint32_t tag_count;
        struct mu_text tag_names;
        struct profile *profiles;
        uint32_t profile_count;
        uint32_t *places; /* profile + 1 by hash; 0: empty. A power of two, at most half full */
        uint32_t place_count;
        bool sealed;
};

int mu_rule_set_create(struct mu_rule_set **ret_set)
{
        struct mu_rule_set *set = calloc(1, sizeof(*set));

        if (!set)
                return -ENOMEM;
        mu_text_init(&set->tag_names);
        *ret_set = set;
        return 0;
}

void mu_rule_set_destroy(struct mu_rule_set *set)
{
        if (!set)
                return;
        for (uint32_t i = 0; i < set->row_count; i++)
                free(set->rows[i].tag);
        for (uint32_t i = 0; i < set->monitoring_count; i++) {
                free(set->monitoring[i].package);
                free(set->monitoring[i].display_name);
        }
        for (uint32_t i = 0; i < set->profile_count; i++)
                free(set->profiles[i].tags);
        mu_text_done(&set->tag_names);
        free(set->rows);
        free(set->monitoring);
        free(set->devices);
        free((void *)set->tags);
        free(set->profiles);
        free(set->places);
        free(set);
}

/* ---- rows ---- */

/* Room for one more of size bytes, doubling at powers of two. */
static void *grow(void *items, uint32_t count, size_t size)
{
        if (count != 0 && (count < FIRST_ROOM || (count & (count - 1)) != 0))
                return items;
        return reallocarray(items, count < FIRST_ROOM ? FIRST_ROOM : (size_t)count * 2, size);
}

int mu_rule_set_add(struct mu_rule_set *set, const struct mu_rule_layer *layer)
{
        MU_ASSERT(!set->sealed);
        struct row *rows = grow(set->rows, set->row_count, sizeof(*rows));
        char *tag = strdup(layer->scope == MU_SCOPE_TAG ? layer->tag : "");

        if (rows)
                set->rows = rows;
        if (!rows || !tag) {
                free(tag);
                return -ENOMEM;
        }
        rows[set->row_count] = (struct row){.layer = *layer, .tag = tag};
        rows[set->row_count].layer.tag = tag;
        set->row_count++;
        return 0;
}

int mu_rule_set_add_monitoring(struct mu_rule_set *set, const struct mu_monitoring_row *row)
{
        MU_ASSERT(!set->sealed);
        struct monitoring *all = grow(set->monitoring, set->monitoring_count, sizeof(*all));
        struct monitoring one = {
                .row = *row,
                .package = row->package ? strdup(row->package) : NULL,
                .display_name = row->display_name ? strdup(row->display_name) : NULL,
        };

        if (all)
                set->monitoring = all;
        if (!all || (row->package && !one.package) || (row->display_name && !one.display_name)) {
                free(one.package);
                free(one.display_name);
                return -ENOMEM;
        }
        one.row.package = one.package;
        one.row.display_name = one.display_name;
        all[set->monitoring_count++] = one;
        return 0;
}

/* Wider scopes first; of tags the one that wins last. */
static int compare_rows(const void *a, const void *b)
{
        const struct mu_rule_layer *left = &((const struct row *)a)->layer;
        const struct mu_rule_layer *right = &((const struct row *)b)->layer;

        if (left->scope != right->scope)
                return left->scope < right->scope ? -1 : 1;
        if (left->scope == MU_SCOPE_DEVICE)
                return (left->device_id > right->device_id) - (left->device_id < right->device_id);
        if (left->priority != right->priority)
                return left->priority > right->priority ? -1 : 1;
        return -strcmp(left->tag, right->tag);
}

static int compare_monitoring(const void *a, const void *b)
{
        int64_t left = ((const struct monitoring *)a)->row.device_id;
        int64_t right = ((const struct monitoring *)b)->row.device_id;

        return (left > right) - (left < right);
}

static int compare_texts(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_ids(const void *a, const void *b)
{
        int64_t left = *(const int64_t *)a;
        int64_t right = *(const int64_t *)b;

        return (left > right) - (left < right);
}

static void collect_names(struct mu_rule_set *set)
{
        uint32_t kept = 0;

        for (uint32_t i = 0; i < set->row_count; i++) {
                if (set->rows[i].layer.scope == MU_SCOPE_TAG)
                        set->tags[set->tag_count++] = set->rows[i].tag;
                /* ascending already, a device's rows beside each other */
                if (set->rows[i].layer.scope == MU_SCOPE_DEVICE &&
                    (set->device_count == 0 ||
                     set->devices[set->device_count - 1] != set->rows[i].layer.device_id))
                        set->devices[set->device_count++] = set->rows[i].layer.device_id;
        }
        if (set->tag_count > 0)
                qsort((void *)set->tags, set->tag_count, sizeof(*set->tags), compare_texts);
        for (uint32_t i = 0; i < set->tag_count; i++) {
                if (kept > 0 && strcmp(set->tags[kept - 1], set->tags[i]) == 0)
                        continue;
                set->tags[kept++] = set->tags[i];
                mu_text_add_format(&set->tag_names, "%s%s", kept > 1 ? "\n" : "", set->tags[i]);
        }
        set->tag_count = kept;
}

int mu_rule_set_seal(struct mu_rule_set *set)
{
        uint32_t fleet;

        MU_ASSERT(!set->sealed);
        set->devices = calloc((size_t)set->row_count + 1, sizeof(*set->devices));
        set->tags = (char **)calloc((size_t)set->row_count + 1, sizeof(*set->tags));
        set->places = calloc(FIRST_ROOM, sizeof(*set->places));
        if (!set->devices || !set->tags || !set->places)
                return -ENOMEM;
        set->place_count = FIRST_ROOM;
        if (set->row_count > 0)
                qsort(set->rows, set->row_count, sizeof(*set->rows), compare_rows);
        if (set->monitoring_count > 0)
                qsort(set->monitoring, set->monitoring_count, sizeof(*set->monitoring),
                      compare_monitoring);
        collect_names(set);
        set->sealed = true;
        int error = mu_text_status(&set->tag_names);

        if (error == 0)
                error = mu_rule_set_profile(set, 0, NULL, &fleet);
        MU_ASSERT(error < 0 || fleet == MU_PROFILE_FLEET);
        return error;
}

const char *mu_rule_set_tags(const struct mu_rule_set *set)
{
        MU_ASSERT(set->sealed);
        return set->tag_names.data ? set->tag_names.data : "";
}

/* ---- profiles ---- */

/* Whether a line of tags is this one. */
static bool has_tag(const char *tags, const char *tag)
{
        size_t bytes = strlen(tag);

        for (const char *at = tags; at; at = strchr(at, '\n')) {
                at += *at == '\n';
                if (strncmp(at, tag, bytes) == 0 && (at[bytes] == '\0' || at[bytes] == '\n'))
                        return true;
        }
        return false;
}

static bool has_own_rows(const struct mu_rule_set *set, int64_t device_id)
{
        return set->device_count > 0 && bsearch(&device_id, set->devices, set->device_count,
                                                sizeof(*set->devices), compare_ids);
}

static void resolve(const struct mu_rule_set *set, struct profile *profile)
{
        for (unsigned rule = 0; rule < MU_RULE_COUNT; rule++)
                mu_rule_default((enum mu_alert_rule)rule, &profile->rules[rule]);
        for (uint32_t i = 0; i < set->row_count; i++) {
                const struct mu_rule_layer *layer = &set->rows[i].layer;

                if (layer->scope == MU_SCOPE_TAG && !has_tag(profile->tags, layer->tag))
                        continue;
                if (layer->scope == MU_SCOPE_DEVICE && layer->device_id != profile->device_id)
                        continue;
                mu_rule_apply(&profile->rules[layer->rule], layer);
        }
        for (unsigned rule = 0; rule < MU_RULE_COUNT; rule++)
                mu_rule_finish((enum mu_alert_rule)rule, &profile->rules[rule]);
}

static uint32_t place_of(const struct mu_rule_set *set, int64_t device_id, const char *tags)
{
        const struct mu_hash_key key = {.k0 = (uint64_t)device_id};
        uint32_t mask = set->place_count - 1;
        uint32_t place = (uint32_t)mu_hash_bytes(&key, tags, strlen(tags)) & mask;

        for (; set->places[place] != 0; place = (place + 1) & mask) {
                const struct profile *profile = &set->profiles[set->places[place] - 1];

                if (profile->device_id == device_id && strcmp(profile->tags, tags) == 0)
                        break;
        }
        return place;
}

static int widen(struct mu_rule_set *set)
{
        uint32_t count = set->place_count * 2;
        uint32_t *places = calloc(count, sizeof(*places));

        if (!places)
                return -ENOMEM;
        free(set->places);
        set->places = places;
        set->place_count = count;
        for (uint32_t i = 0; i < set->profile_count; i++)
                set->places[place_of(set, set->profiles[i].device_id, set->profiles[i].tags)] =
                        i + 1;
        return 0;
}

/* Takes over tags. */
static int add_profile(struct mu_rule_set *set, int64_t device_id, char *tags,
                       uint32_t *ret_profile)
{
        struct profile *profiles =
                set->profile_count < PROFILES_MAX
                        ? grow(set->profiles, set->profile_count, sizeof(*profiles))
                        : NULL;
        int error = profiles ? 0 : -ENOMEM;

        if (profiles)
                set->profiles = profiles;
        if (error == 0 && set->profile_count * 2 >= set->place_count)
                error = widen(set);
        if (error < 0) {
                free(tags);
                return error;
        }
        struct profile *profile = &set->profiles[set->profile_count];

        *profile = (struct profile){.device_id = device_id, .tags = tags};
        resolve(set, profile);
        set->places[place_of(set, device_id, tags)] = set->profile_count + 1;
        *ret_profile = set->profile_count++;
        return 0;
}

int mu_rule_set_profile(struct mu_rule_set *set, int64_t device_id, const char *tags,
                        uint32_t *ret_profile)
{
        struct mu_text relevant;
        size_t names_bytes;
        char *names;

        MU_ASSERT(set->sealed);
        mu_text_init(&relevant);
        mu_text_add(&relevant, "");
        for (uint32_t i = 0; tags && *tags && i < set->tag_count; i++)
                if (has_tag(tags, set->tags[i]))
                        mu_text_add_format(&relevant, "%s%s", relevant.bytes > 0 ? "\n" : "",
                                           set->tags[i]);
        int error = mu_text_take(&relevant, &names, &names_bytes);

        if (error < 0) {
                mu_text_done(&relevant);
                return error;
        }
        if (!has_own_rows(set, device_id))
                device_id = 0;
        uint32_t found = set->places[place_of(set, device_id, names)];

        if (found == 0)
                return add_profile(set, device_id, names, ret_profile);
        free(names);
        *ret_profile = found - 1;
        return 0;
}

const struct mu_rule *mu_rule_set_get(const struct mu_rule_set *set, uint32_t profile,
                                      enum mu_alert_rule rule)
{
        MU_ASSERT(profile < set->profile_count && rule < MU_RULE_COUNT);
        return &set->profiles[profile].rules[rule];
}

/* ---- monitoring ---- */

static const struct mu_monitoring_row *find_monitoring(const struct mu_rule_set *set,
                                                       int64_t device_id)
{
        static const struct mu_monitoring_row NOTHING;
        const struct monitoring wanted = {.row = {.device_id = device_id}};
        const struct monitoring *found =
                set->monitoring_count > 0 ? bsearch(&wanted, set->monitoring, set->monitoring_count,
                                                    sizeof(wanted), compare_monitoring)
                                          : NULL;

        return found ? &found->row : &NOTHING;
}

void mu_rule_set_monitoring(const struct mu_rule_set *set, int64_t device_id, uint32_t profile,
                            struct mu_monitoring *ret_monitoring)
{
        const struct mu_monitoring_row *fleet = find_monitoring(set, 0);
        const struct mu_monitoring_row *own = find_monitoring(set, device_id);
        const struct mu_rule *rule = mu_rule_set_get(set, profile, MU_RULE_SERVICE_DOWN);
        const char *package = own->package ? own->package : fleet->package;
        /* The fleet's name is of the fleet's package. */
        bool fleets = package == fleet->package ||
                      (package && fleet->package && strcmp(package, fleet->package) == 0);
        const char *name = own->display_name ? own->display_name
                           : fleets          ? fleet->display_name
                                             : NULL;

        ret_monitoring->package = package ? package : "";
        ret_monitoring->display_name = name ? name : ret_monitoring->package;
        ret_monitoring->threshold_min = (uint32_t)rule->threshold;
        ret_monitoring->enabled = package != NULL;
        if (fleet->columns & MU_MONITORING_HAS_THRESHOLD)
                ret_monitoring->threshold_min = fleet->threshold_min;
        if (fleet->columns & MU_MONITORING_HAS_ENABLED)
                ret_monitoring->enabled = fleet->enabled;
        if (own->columns & MU_MONITORING_HAS_THRESHOLD)
                ret_monitoring->threshold_min = own->threshold_min;
        if (own->columns & MU_MONITORING_HAS_ENABLED)
                ret_monitoring->enabled = own->enabled;
}
