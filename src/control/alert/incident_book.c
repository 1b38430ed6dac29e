/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/incident_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/link_table.h"
#include "base/random.h"
#include "identity/device_network.h"

/* ---- the book ---- */

struct incident;

/* Of one rule and one place: as long as it has incidents. */
struct group {
        struct mu_link link;
        struct incident *wide;  /* the open one of kind site or network */
        struct incident *first; /* open single ones, by when they fired, then by id */
        struct incident *last;
        uint32_t incident_count;
        enum mu_alert_rule rule;
        enum mu_incident_group kind;
        char key[];
};

struct member;

struct incident {
        struct mu_link link;
        struct group *group; /* NULL: the appliance's */
        /* Of a single one in its group's list. */
        struct incident *earlier;
        struct incident *later;
        struct member *only;
        struct incident *changed_next;
        int64_t id;
        int64_t device_id;
        uint32_t alert_count;
        uint32_t firing_count;
        enum mu_incident_kind kind;
        enum mu_alert_rule rule;
        enum mu_alert_severity severity;
        bool changed; /* in the list of those whose counts are to be written */
        bool open;
};

/* A firing alert. */
struct member {
        struct mu_link link;
        struct incident *incident;
        int64_t alert_id;
        int64_t fired_at_us;
};

struct mu_incident_book {
        struct mu_incident_book_config config;
        struct mu_hash_key hash_key;
        struct mu_link_table groups;
        struct mu_link_table incidents; /* open ones */
        struct mu_link_table members;
        bool loading;

        struct mu_incident_op *ops;
        uint32_t op_count; /* those of kind COUNT are put behind them when asked for */
        uint32_t op_room;
        struct incident *changed; /* in the order in which they changed */
        struct incident **changed_end;
        uint32_t changed_count;
};

static const char *const kind_names[MU_INCIDENT_KIND_COUNT] = {
        [MU_INCIDENT_DEVICE] = "device",
        [MU_INCIDENT_SITE] = "site",
        [MU_INCIDENT_NETWORK] = "network",
        [MU_INCIDENT_APPLIANCE] = "appliance",
};

static const char *const group_names[MU_GROUP_COUNT] = {
        [MU_GROUP_NONE] = "",
        [MU_GROUP_SITE] = "site",
        [MU_GROUP_NETWORK] = "network",
};

const char *mu_incident_kind_name(enum mu_incident_kind kind)
{
        MU_ASSERT(kind < MU_INCIDENT_KIND_COUNT);
        return kind_names[kind];
}

int mu_incident_kind_of(const char *name, enum mu_incident_kind *ret_kind)
{
        for (unsigned i = 0; i < MU_INCIDENT_KIND_COUNT; i++) {
                if (strcmp(name, kind_names[i]) == 0) {
                        *ret_kind = (enum mu_incident_kind)i;
                        return 0;
                }
        }
        return -ENOENT;
}

const char *mu_incident_group_name(enum mu_incident_group group)
{
        MU_ASSERT(group < MU_GROUP_COUNT);
        return group_names[group];
}

int mu_incident_group_of(const char *name, enum mu_incident_group *ret_group)
{
        for (unsigned i = 0; i < MU_GROUP_COUNT; i++) {
                if (strcmp(name, group_names[i]) == 0) {
                        *ret_group = (enum mu_incident_group)i;
                        return 0;
                }
        }
        return -ENOENT;
}

int mu_incident_book_create(const struct mu_incident_book_config *config,
                            struct mu_incident_book **ret_book)
{
        MU_ASSERT(config && ret_book);
        if (config->group_devices == 0 || config->group_window_s == 0 ||
            config->next_incident_id <= 0)
                return -EINVAL;
        struct mu_incident_book *book = calloc(1, sizeof(*book));

        if (!book)
                return -ENOMEM;
        int error = mu_random_secret(&book->hash_key, sizeof(book->hash_key));

        if (error < 0) {
                free(book);
                return error;
        }
        book->config = *config;
        book->changed_end = &book->changed;
        *ret_book = book;
        return 0;
}

static void free_link(struct mu_link *link, void *ctx)
{
        (void)ctx;
        free(link);
}

static void free_all(struct mu_link_table *table)
{
        mu_link_table_each(table, free_link, NULL);
        mu_link_table_done(table);
}

/* Closed ones that wait to be written are no longer in the table. */
static void free_closed(struct mu_incident_book *book)
{
        for (struct incident *incident = book->changed, *next; incident; incident = next) {
                next = incident->changed_next;
                incident->changed = false;
                if (incident->open)
                        continue;
                struct group *group = incident->group;

                free(incident);
                if (group && --group->incident_count == 0) {
                        mu_link_table_remove(&book->groups, &group->link);
                        free(group);
                }
        }
        book->changed = NULL;
        book->changed_end = &book->changed;
        book->changed_count = 0;
}

void mu_incident_book_destroy(struct mu_incident_book *book)
{
        if (!book)
                return;
        free_closed(book);
        free_all(&book->members);
        free_all(&book->incidents);
        free_all(&book->groups);
        free(book->ops);
        free(book);
}

/* ---- operations ---- */

static int reserve_ops(struct mu_incident_book *book, uint32_t more)
{
        if (more <= book->op_room - book->op_count)
                return 0;
        uint32_t room = book->op_room + book->op_room / 2;

        if (room < book->op_count + more)
                room = book->op_count + more + 16;
        struct mu_incident_op *ops = realloc(book->ops, room * sizeof(*ops));

        if (!ops)
                return -ENOMEM;
        book->ops = ops;
        book->op_room = room;
        return 0;
}

static struct mu_incident_op op_of(enum mu_incident_op_kind kind, const struct incident *incident,
                                   int64_t at_us)
{
        return (struct mu_incident_op){
                .op = kind,
                .kind = incident->kind,
                .group = incident->group ? incident->group->kind : MU_GROUP_NONE,
                .rule = incident->rule,
                .severity = incident->severity,
                .alert_count = incident->alert_count,
                .firing_count = incident->firing_count,
                .incident_id = incident->id,
                .device_id = incident->device_id,
                .at_us = at_us,
                .group_key = incident->group ? incident->group->key : "",
        };
}

/* There is room. */
static void add_op(struct mu_incident_book *book, struct mu_incident_op op)
{
        MU_ASSERT(book->op_count < book->op_room);
        book->ops[book->op_count++] = op;
}

static void note_changed(struct mu_incident_book *book, struct incident *incident)
{
        if (incident->changed)
                return;
        incident->changed = true;
        incident->changed_next = NULL;
        *book->changed_end = incident;
        book->changed_end = &incident->changed_next;
        book->changed_count++;
}

int mu_incident_book_ops(struct mu_incident_book *book, const struct mu_incident_op **ret_ops,
                         uint32_t *ret_count)
{
        int error = reserve_ops(book, book->changed_count);

        if (error < 0)
                return error;
        uint32_t count = book->op_count;

        for (const struct incident *i = book->changed; i; i = i->changed_next)
                book->ops[count++] = op_of(MU_INCIDENT_COUNT, i, 0);
        *ret_ops = count > 0 ? book->ops : NULL;
        *ret_count = count;
        return 0;
}

void mu_incident_book_done(struct mu_incident_book *book)
{
        free_closed(book);
        book->op_count = 0;
}

/* ---- groups ---- */

static uint64_t group_hash(const struct mu_incident_book *book, enum mu_alert_rule rule,
                           enum mu_incident_group kind, const char *key)
{
        uint64_t hash = mu_hash_bytes(&book->hash_key, key, strlen(key));

        return hash ^ mu_hash_u64((uint64_t)rule * MU_GROUP_COUNT + (uint64_t)kind + 1);
}

/* The group, a new one if need be: that is empty, and stays only with an incident. NULL: no
 * memory. */
static struct group *group_get(struct mu_incident_book *book, enum mu_alert_rule rule,
                               enum mu_incident_group kind, const char *key)
{
        uint64_t hash = group_hash(book, rule, kind, key);

        for (struct mu_link *link = mu_link_table_first(&book->groups, hash); link;
             link = link->next) {
                struct group *group = (struct group *)link;

                if (group->rule == rule && group->kind == kind && strcmp(group->key, key) == 0)
                        return group;
        }
        size_t key_bytes = strlen(key) + 1;
        struct group *group = calloc(1, sizeof(*group) + key_bytes);

        if (!group || mu_link_table_reserve(&book->groups) < 0) {
                free(group);
                return NULL;
        }
        group->link.hash = hash;
        group->rule = rule;
        group->kind = kind;
        memcpy(group->key, key, key_bytes);
        mu_link_table_add(&book->groups, &group->link);
        return group;
}

static void group_drop_if_empty(struct mu_incident_book *book, struct group *group)
{
        if (!group || group->incident_count > 0)
                return;
        mu_link_table_remove(&book->groups, &group->link);
        free(group);
}

/* Behind all that fired no later. */
static void list_single(struct group *group, struct incident *single)
{
        struct incident *before = group->last;

        while (before && before->only->fired_at_us > single->only->fired_at_us)
                before = before->earlier;
        single->earlier = before;
        single->later = before ? before->later : group->first;
        *(before ? &before->later : &group->first) = single;
        *(single->later ? &single->later->earlier : &group->last) = single;
}

static void unlist_single(struct group *group, struct incident *single)
{
        *(single->earlier ? &single->earlier->later : &group->first) = single->later;
        *(single->later ? &single->later->earlier : &group->last) = single->earlier;
        single->earlier = single->later = NULL;
}

/* ---- incidents ---- */

static struct incident *incident_new(const struct mu_incident_row *row, struct group *group)
{
        struct incident *incident = calloc(1, sizeof(*incident));

        if (!incident)
                return NULL;
        incident->link.hash = mu_hash_u64((uint64_t)row->incident_id);
        incident->group = group;
        incident->id = row->incident_id;
        incident->device_id = row->device_id;
        incident->alert_count = row->alert_count;
        incident->kind = row->kind;
        incident->rule = row->rule;
        incident->severity = row->severity;
        incident->open = true;
        return incident;
}

static bool is_wide(const struct incident *incident)
{
        return incident->kind == MU_INCIDENT_SITE || incident->kind == MU_INCIDENT_NETWORK;
}

/* There is room for it in the table. */
static void incident_add(struct mu_incident_book *book, struct incident *incident)
{
        mu_link_table_add(&book->incidents, &incident->link);
        if (!incident->group)
                return;
        incident->group->incident_count++;
        if (is_wide(incident))
                incident->group->wide = incident;
}

/* It is freed when it is written. */
static void incident_close(struct mu_incident_book *book, struct incident *incident)
{
        mu_link_table_remove(&book->incidents, &incident->link);
        incident->open = false;
        if (is_wide(incident))
                incident->group->wide = NULL;
        note_changed(book, incident);
}

static void attach(struct incident *incident, struct member *member)
{
        member->incident = incident;
        incident->firing_count++;
        if (is_wide(incident))
                return;
        incident->only = member;
        if (incident->group)
                list_single(incident->group, incident);
}

static struct incident *incident_by_id(const struct mu_incident_book *book, int64_t incident_id)
{
        uint64_t hash = mu_hash_u64((uint64_t)incident_id);

        for (struct mu_link *link = mu_link_table_first(&book->incidents, hash); link;
             link = link->next) {
                struct incident *incident = (struct incident *)link;

                if (incident->id == incident_id)
                        return incident;
        }
        return NULL;
}

static struct member *member_by_id(const struct mu_incident_book *book, int64_t alert_id)
{
        uint64_t hash = mu_hash_u64((uint64_t)alert_id);

        for (struct mu_link *link = mu_link_table_first(&book->members, hash); link;
             link = link->next) {
                struct member *member = (struct member *)link;

                if (member->alert_id == alert_id)
                        return member;
        }
        return NULL;
}

/* NULL: no memory. Not in the table, but there is room for it. */
static struct member *member_new(struct mu_incident_book *book, int64_t alert_id,
                                 int64_t fired_at_us)
{
        struct member *member = calloc(1, sizeof(*member));

        if (!member || mu_link_table_reserve(&book->members) < 0) {
                free(member);
                return NULL;
        }
        member->link.hash = mu_hash_u64((uint64_t)alert_id);
        member->alert_id = alert_id;
        member->fired_at_us = fired_at_us;
        return member;
}

/* ---- edges ---- */

/* Of the group's open single ones, those that fired within the window around at_us: the first of
 * them and how many follow it, itself included. */
static uint32_t recent(const struct mu_incident_book *book, const struct group *group,
                       int64_t at_us, struct incident **ret_first)
{
        int64_t window_us = (int64_t)book->config.group_window_s * MU_US_PER_S;
        struct incident *single = group->last;
        uint32_t count = 0;

        if (group->rule == MU_RULE_OFFLINE)
                window_us += (int64_t)book->config.offline_spread_s * MU_US_PER_S;
        /* Only where the clock was set back are there any from later on. */
        while (single && single->only->fired_at_us >= at_us + window_us)
                single = single->earlier;
        for (; single && single->only->fired_at_us > at_us - window_us; single = single->earlier) {
                *ret_first = single;
                count++;
        }
        return count;
}

static void merge(struct mu_incident_book *book, struct incident *single, struct incident *wide,
                  int64_t at_us)
{
        struct member *member = single->only;
        struct mu_incident_op op = op_of(MU_INCIDENT_MERGE, wide, at_us);

        op.from_id = single->id;
        op.alert_id = member->alert_id;
        add_op(book, op);
        unlist_single(single->group, single);
        single->only = NULL;
        single->firing_count = 0;
        incident_close(book, single);
        attach(wide, member);
        wide->alert_count++;
        if (single->severity > wide->severity)
                wide->severity = single->severity;
}

/* What a firing alert is to be part of: an open one, or a new one that is not in the book yet. */
struct plan {
        struct group *group;
        struct incident *incident;
        struct incident *merge_first;
        uint32_t merge_count;
        bool is_new;
};

static int make_plan(struct mu_incident_book *book, const struct mu_incident_alert *alert,
                     struct plan *plan)
{
        struct group *group = plan->group;

        if (group && group->wide) {
                plan->incident = group->wide;
                return reserve_ops(book, 1);
        }
        struct mu_incident_row row = {
                .incident_id = book->config.next_incident_id,
                .device_id = alert->device_id,
                .kind = group ? MU_INCIDENT_DEVICE : MU_INCIDENT_APPLIANCE,
                .rule = alert->rule,
                .severity = alert->severity,
        };

        if (group) {
                plan->merge_count = recent(book, group, alert->at_us, &plan->merge_first);
                if (plan->merge_count + 1 > book->config.group_devices) {
                        row.kind = group->kind == MU_GROUP_SITE ? MU_INCIDENT_SITE
                                                                : MU_INCIDENT_NETWORK;
                        row.device_id = 0;
                } else {
                        plan->merge_count = 0;
                }
        }
        int error = reserve_ops(book, 2 + plan->merge_count);

        if (error == 0)
                error = mu_link_table_reserve(&book->incidents);
        if (error < 0)
                return error;
        plan->is_new = true;
        plan->incident = incident_new(&row, group);
        return plan->incident ? 0 : -ENOMEM;
}

static void carry_out(struct mu_incident_book *book, const struct plan *plan, struct member *member)
{
        struct incident *incident = plan->incident;
        struct incident *single = plan->merge_first;

        if (plan->is_new) {
                book->config.next_incident_id++;
                incident_add(book, incident);
                add_op(book, op_of(MU_INCIDENT_OPEN, incident, member->fired_at_us));
        }
        for (uint32_t i = 0; i < plan->merge_count; i++) {
                struct incident *later = single->later;

                merge(book, single, incident, member->fired_at_us);
                single = later;
        }
        struct mu_incident_op op = op_of(MU_INCIDENT_JOIN, incident, member->fired_at_us);

        op.alert_id = member->alert_id;
        add_op(book, op);
        mu_link_table_add(&book->members, &member->link);
        attach(incident, member);
        incident->alert_count++;
        note_changed(book, incident);
}

/* NULL in *ret_group: the appliance's alerts have none. */
static int group_of(struct mu_incident_book *book, const struct mu_incident_alert *alert,
                    struct group **ret_group)
{
        char network[MU_NETWORK_TEXT_BYTES];
        enum mu_incident_group kind = MU_GROUP_SITE;
        const char *key = alert->site;

        *ret_group = NULL;
        if (alert->device_id == 0)
                return 0;
        if (!key || key[0] == '\0') {
                kind = MU_GROUP_NETWORK;
                key = mu_network_group(alert->network, network) ? network : "unknown";
        }
        *ret_group = group_get(book, alert->rule, kind, key);
        return *ret_group ? 0 : -ENOMEM;
}

int mu_incident_book_fired(struct mu_incident_book *book, const struct mu_incident_alert *alert,
                           int64_t *ret_incident_id)
{
        MU_ASSERT(!book->loading && alert && ret_incident_id);
        struct plan plan = {0};

        if (member_by_id(book, alert->alert_id))
                return -EEXIST;
        int error = group_of(book, alert, &plan.group);

        if (error < 0)
                return error;
        struct member *member = member_new(book, alert->alert_id, alert->at_us);

        error = member ? make_plan(book, alert, &plan) : -ENOMEM;
        if (error < 0) {
                free(member);
                group_drop_if_empty(book, plan.group);
                return error;
        }
        if (alert->severity > plan.incident->severity)
                plan.incident->severity = alert->severity;
        carry_out(book, &plan, member);
        *ret_incident_id = plan.incident->id;
        return 0;
}

int mu_incident_book_resolved(struct mu_incident_book *book, int64_t alert_id, int64_t at_us,
                              int64_t *ret_incident_id)
{
        MU_ASSERT(!book->loading && ret_incident_id);
        struct member *member = member_by_id(book, alert_id);

        if (!member)
                return -ENOENT;
        int error = reserve_ops(book, 1);

        if (error < 0)
                return error;
        struct incident *incident = member->incident;

        *ret_incident_id = incident->id;
        if (incident->only == member) {
                if (incident->group)
                        unlist_single(incident->group, incident);
                incident->only = NULL;
        }
        mu_link_table_remove(&book->members, &member->link);
        free(member);
        note_changed(book, incident);
        if (--incident->firing_count == 0) {
                incident_close(book, incident);
                add_op(book, op_of(MU_INCIDENT_CLOSE, incident, at_us));
        }
        return 0;
}

/* ---- from the database ---- */

static bool row_is_possible(const struct mu_incident_row *row)
{
        bool grouped = row->group != MU_GROUP_NONE;

        switch (row->kind) {
        case MU_INCIDENT_APPLIANCE:
                return !grouped && row->device_id == 0;
        case MU_INCIDENT_SITE:
                return row->group == MU_GROUP_SITE;
        case MU_INCIDENT_NETWORK:
                return row->group == MU_GROUP_NETWORK;
        default:
                return row->kind == MU_INCIDENT_DEVICE && grouped && row->device_id > 0;
        }
}

int mu_incident_book_load_incident(struct mu_incident_book *book, const struct mu_incident_row *row)
{
        struct group *group = NULL;

        if (!row_is_possible(row) || row->incident_id <= 0 ||
            row->incident_id >= book->config.next_incident_id)
                return -EINVAL;
        if (incident_by_id(book, row->incident_id))
                return -EEXIST;
        if (row->group != MU_GROUP_NONE) {
                group = group_get(book, row->rule, row->group, row->group_key);
                if (!group)
                        return -ENOMEM;
                if (row->kind != MU_INCIDENT_DEVICE && group->wide)
                        return -EINVAL;
        }
        struct incident *incident =
                mu_link_table_reserve(&book->incidents) == 0 ? incident_new(row, group) : NULL;

        if (!incident) {
                group_drop_if_empty(book, group);
                return -ENOMEM;
        }
        book->loading = true;
        incident_add(book, incident);
        return 0;
}

int mu_incident_book_load_alert(struct mu_incident_book *book, int64_t alert_id,
                                int64_t incident_id, int64_t fired_at_us)
{
        struct incident *incident = incident_by_id(book, incident_id);

        if (!incident)
                return -ENOENT;
        if (member_by_id(book, alert_id))
                return -EEXIST;
        if (!is_wide(incident) && incident->only)
                return -EINVAL; /* a single one has one alert */
        struct member *member = member_new(book, alert_id, fired_at_us);

        if (!member)
                return -ENOMEM;
        book->loading = true;
        member->incident = incident;
        incident->firing_count++;
        if (!is_wide(incident))
                incident->only = member; /* settle puts it into the group's list */
        mu_link_table_add(&book->members, &member->link);
        return 0;
}

/* By when they fired, then by id: as they were listed. */
static int compare(const void *a, const void *b)
{
        const struct incident *left = *(struct incident *const *)a;
        const struct incident *right = *(struct incident *const *)b;
        int64_t left_us = left->only ? left->only->fired_at_us : INT64_MIN;
        int64_t right_us = right->only ? right->only->fired_at_us : INT64_MIN;

        if (left_us != right_us)
                return left_us < right_us ? -1 : 1;
        return left->id < right->id ? -1 : left->id > right->id;
}

static void gather(struct mu_link *link, void *ctx)
{
        struct incident ***next = ctx;

        *(*next)++ = (struct incident *)link;
}

int mu_incident_book_settle(struct mu_incident_book *book, int64_t now_us)
{
        uint32_t count = book->incidents.count;

        if (!book->loading)
                return 0;
        struct incident **all = calloc(count > 0 ? count : 1, sizeof(struct incident *));
        int error = all ? reserve_ops(book, count) : -ENOMEM;

        if (error < 0) {
                free(all);
                return error;
        }
        struct incident **end = all;

        mu_link_table_each(&book->incidents, gather, &end);
        MU_ASSERT(end == all + count);
        qsort(all, count, sizeof(struct incident *), compare);
        for (uint32_t i = 0; i < count; i++) {
                if (all[i]->firing_count == 0) {
                        incident_close(book, all[i]);
                        add_op(book, op_of(MU_INCIDENT_CLOSE, all[i], now_us));
                } else if (all[i]->only && all[i]->group) {
                        list_single(all[i]->group, all[i]);
                }
        }
        book->loading = false;
        free(all);
        return 0;
}

uint32_t mu_incident_book_incident_count(const struct mu_incident_book *book)
{
        return book->incidents.count;
}

uint32_t mu_incident_book_alert_count(const struct mu_incident_book *book)
{
        return book->members.count;
}
