/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/alert_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/failpoint.h"
#include "base/text.h"
#include "control/alert/alert_store_sql.h"
#include "control/notify/outbox.h"
#include "pg/query.h"

/* As alert_store_sql.c has them. */
_Static_assert(MU_CHANGE_BEGIN == 0 && MU_CHANGE_BEGIN_FIRING == 1 && MU_CHANGE_FIRE == 2 &&
                       MU_CHANGE_DROP == 3 && MU_CHANGE_RESOLVE == 4 && MU_CHANGE_CLEARING == 5,
               "the statements' numbers");
_Static_assert(MU_INCIDENT_OPEN == 0 && MU_INCIDENT_MERGE == 2 && MU_INCIDENT_COUNT == 3 &&
                       MU_INCIDENT_CLOSE == 4,
               "the statements' numbers");

enum {
        CHANGE_KINDS = MU_CHANGE_CLEARING + 1,
        OP_KINDS = MU_INCIDENT_CLOSE + 1,
};

/* ---- as JSON ---- */

static void add_int(struct mu_text *text, const char *name, int64_t value)
{
        mu_text_add_format(text, ",\"%s\":%" PRId64, name, value);
}

/* 0 is NULL. */
static void add_int_if(struct mu_text *text, const char *name, int64_t value)
{
        if (value != 0)
                add_int(text, name, value);
}

static void add_string(struct mu_text *text, const char *name, const char *value)
{
        mu_text_add_format(text, ",\"%s\":", name);
        mu_text_add_json(text, value, strlen(value));
}

static void add_change(struct mu_text *text, uint32_t n, const struct mu_alert_change *change)
{
        bool fired = change->kind == MU_CHANGE_BEGIN_FIRING || change->kind == MU_CHANGE_FIRE;

        mu_text_add_format(text, "%s{\"n\":%" PRIu32 ",\"op\":%d", n > 0 ? "," : "", n,
                           (int)change->kind);
        add_int(text, "id", change->alert_id);
        add_int(text, "device", change->device_id);
        add_int(text, "pending", change->pending_us);
        if (fired)
                add_int(text, "fired", change->fired_us);
        add_int(text, "resolved", change->resolved_us);
        add_int_if(text, "clearing", change->clearing_us);
        add_int_if(text, "incident", change->incident_id);
        if (change->has_value) {
                add_int(text, "value", change->value);
                add_int(text, "threshold", change->threshold);
        }
        add_string(text, "rule", mu_alert_rule_name(change->rule));
        add_string(text, "severity", mu_alert_severity_name(change->severity));
        if (change->kind == MU_CHANGE_RESOLVE && change->resolved_by)
                add_string(text, "by", change->resolved_by);
        if (change->detail)
                mu_text_add_format(text, ",\"detail\":%s", change->detail);
        mu_text_add(text, "}");
}

static void add_op(struct mu_text *text, uint32_t n, const struct mu_incident_op *op)
{
        mu_text_add_format(text, "%s{\"n\":%" PRIu32 ",\"op\":%d", n > 0 ? "," : "", n,
                           (int)op->op);
        add_int(text, "id", op->incident_id);
        add_int(text, "from", op->from_id);
        add_int(text, "alert", op->alert_id);
        add_int(text, "device", op->device_id);
        add_int(text, "at", op->at_us);
        add_int(text, "alerts", op->alert_count);
        add_int(text, "firing", op->firing_count);
        add_string(text, "kind", mu_incident_kind_name(op->kind));
        add_string(text, "grouped", mu_incident_group_name(op->group));
        add_string(text, "key", op->group_key ? op->group_key : "");
        add_string(text, "rule", mu_alert_rule_name(op->rule));
        add_string(text, "severity", mu_alert_severity_name(op->severity));
        mu_text_add(text, "}");
}

struct writing {
        struct mu_pg *pg;
        const struct mu_alert_batch *batch;
        struct mu_text changes;
        struct mu_text ops;
        uint32_t change_counts[CHANGE_KINDS];
        uint32_t op_counts[OP_KINDS];
};

static int prepare(struct writing *writing)
{
        const struct mu_alert_batch *batch = writing->batch;

        mu_text_add(&writing->changes, "[");
        for (uint32_t i = 0; i < batch->change_count; i++) {
                add_change(&writing->changes, i, &batch->changes[i]);
                writing->change_counts[batch->changes[i].kind]++;
        }
        mu_text_add(&writing->changes, "]");
        mu_text_add(&writing->ops, "[");
        for (uint32_t i = 0; i < batch->op_count; i++) {
                add_op(&writing->ops, i, &batch->ops[i]);
                writing->op_counts[batch->ops[i].op]++;
        }
        mu_text_add(&writing->ops, "]");
        int error = mu_text_status(&writing->changes);

        return error < 0 ? error : mu_text_status(&writing->ops);
}

/* ---- statements ---- */

/* What did not change just as many rows found another state than memory thinks. */
static int run(struct mu_pg *pg, const struct mu_pg_statement *statement,
               const struct mu_pg_value *values, uint64_t expected)
{
        struct mu_pg_result *result;

        if (expected == 0)
                return 0;
        int error = mu_pg_query(pg, statement, values, &result);

        if (error < 0)
                return error;
        uint64_t affected = mu_pg_affected(result);

        mu_pg_result_free(result);
        return affected == expected ? 0 : -ESTALE;
}

static int write_changes(struct writing *writing, const struct mu_pg_statement *statement,
                         uint64_t expected)
{
        return run(writing->pg, statement,
                   MU_PG_VALUES(mu_pg_jsonb(writing->changes.data, writing->changes.bytes)),
                   expected);
}

static int write_ops(struct writing *writing, const struct mu_pg_statement *statement,
                     uint64_t expected)
{
        return run(writing->pg, statement,
                   MU_PG_VALUES(mu_pg_jsonb(writing->ops.data, writing->ops.bytes),
                                mu_pg_timestamptz(writing->batch->now_us)),
                   expected);
}

static int write_all(struct writing *writing)
{
        const uint32_t *changes = writing->change_counts;
        const uint32_t *ops = writing->op_counts;
        uint32_t begun = changes[MU_CHANGE_BEGIN] + changes[MU_CHANGE_BEGIN_FIRING];
        uint32_t lines = changes[MU_CHANGE_BEGIN_FIRING] + changes[MU_CHANGE_FIRE] +
                         changes[MU_CHANGE_RESOLVE];
        int error = write_ops(writing, &mu_alert_open, ops[MU_INCIDENT_OPEN]);

        if (error == 0)
                error = write_changes(writing, &mu_alert_begin, begun);
        if (error == 0)
                error = write_changes(writing, &mu_alert_fire, changes[MU_CHANGE_FIRE]);
        if (error == 0)
                error = write_changes(writing, &mu_alert_drop, changes[MU_CHANGE_DROP]);
        if (error == 0)
                error = write_changes(writing, &mu_alert_resolve, changes[MU_CHANGE_RESOLVE]);
        if (error == 0)
                error = write_changes(writing, &mu_alert_clearing, changes[MU_CHANGE_CLEARING]);
        if (error == 0)
                error = write_changes(writing, &mu_alert_lines, lines);
        if (error == 0)
                error = write_ops(writing, &mu_alert_merge, 2 * (uint64_t)ops[MU_INCIDENT_MERGE]);
        if (error == 0)
                error = write_ops(writing, &mu_alert_count, ops[MU_INCIDENT_COUNT]);
        if (error == 0)
                error = write_ops(writing, &mu_alert_close, ops[MU_INCIDENT_CLOSE]);
        return error;
}

/* The sequences stay ahead of the ids that engine and book have given out. */
static int keep_ids(struct writing *writing)
{
        const struct mu_alert_batch *batch = writing->batch;
        int64_t alert_id = 0;
        int64_t incident_id = 0;

        for (uint32_t i = 0; i < batch->change_count; i++)
                if (batch->changes[i].alert_id > alert_id &&
                    batch->changes[i].kind <= MU_CHANGE_BEGIN_FIRING)
                        alert_id = batch->changes[i].alert_id;
        for (uint32_t i = 0; i < batch->op_count; i++)
                if (batch->ops[i].op == MU_INCIDENT_OPEN && batch->ops[i].incident_id > incident_id)
                        incident_id = batch->ops[i].incident_id;
        if (alert_id == 0 && incident_id == 0)
                return 0;
        return mu_pg_query(writing->pg, &mu_alert_ids_used,
                           MU_PG_VALUES(mu_pg_int8(alert_id), mu_pg_int8(incident_id)), NULL);
}

/* ---- who is told ---- */

/* Sorted sets of incidents. */
struct told {
        int64_t *opened;
        int64_t *updated;
        int64_t *closed;
        int64_t *merged;
        size_t opened_count;
        size_t updated_count;
        size_t closed_count;
        size_t merged_count;
};

static int compare_ids(const void *a, const void *b)
{
        int64_t left = *(const int64_t *)a;
        int64_t right = *(const int64_t *)b;

        return (left > right) - (left < right);
}

static bool is_in(const int64_t *ids, size_t count, int64_t id)
{
        return count > 0 && bsearch(&id, ids, count, sizeof(id), compare_ids);
}

static void sort(int64_t *ids, size_t count)
{
        if (count > 1)
                qsort(ids, count, sizeof(*ids), compare_ids);
}

/* How many alerts were ever part of an incident that closes. */
static uint32_t alert_count_of(const struct mu_alert_batch *batch, int64_t incident_id)
{
        for (uint32_t i = batch->op_count; i-- > 0;)
                if (batch->ops[i].op == MU_INCIDENT_CLOSE &&
                    batch->ops[i].incident_id == incident_id)
                        return batch->ops[i].alert_count;
        return 0;
}

/* An incident whose alerts all ended because their device is gone ends without a word; where one
 * was mended, that is told, whatever became of the last. */
static bool ends_quietly(const struct mu_alert_batch *batch, int64_t incident_id)
{
        uint32_t quiet = 0;

        for (uint32_t i = 0; i < batch->change_count; i++) {
                const struct mu_alert_change *change = &batch->changes[i];

                if (change->kind == MU_CHANGE_RESOLVE && change->incident_id == incident_id &&
                    change->quiet)
                        quiet++;
        }
        return quiet > 0 && quiet == alert_count_of(batch, incident_id);
}

static void collect(const struct mu_alert_batch *batch, struct told *told)
{
        for (uint32_t i = 0; i < batch->op_count; i++) {
                const struct mu_incident_op *op = &batch->ops[i];

                if (op->op == MU_INCIDENT_OPEN)
                        told->opened[told->opened_count++] = op->incident_id;
                else if (op->op == MU_INCIDENT_MERGE)
                        told->merged[told->merged_count++] = op->from_id;
                else if (op->op == MU_INCIDENT_CLOSE)
                        told->closed[told->closed_count++] = op->incident_id;
        }
        sort(told->opened, told->opened_count);
        sort(told->merged, told->merged_count);
        sort(told->closed, told->closed_count);
        for (uint32_t i = 0; i < batch->op_count; i++) {
                const struct mu_incident_op *op = &batch->ops[i];
                int64_t id = op->op == MU_INCIDENT_MERGE ? op->from_id : op->incident_id;

                if ((op->op == MU_INCIDENT_MERGE || op->op == MU_INCIDENT_COUNT) &&
                    !is_in(told->opened, told->opened_count, id) &&
                    !is_in(told->closed, told->closed_count, id))
                        told->updated[told->updated_count++] = id;
        }
}

static size_t without_merged(int64_t *ids, size_t count, const struct told *told)
{
        size_t kept = 0;

        for (size_t i = 0; i < count; i++)
                if (!is_in(told->merged, told->merged_count, ids[i]))
                        ids[kept++] = ids[i];
        return kept;
}

static int add(struct writing *writing, const int64_t *ids, size_t count, enum mu_notice_kind kind,
               int64_t due_us)
{
        return count == 0 ? 0
                          : mu_alert_outbox_add(writing->pg, ids, count, kind,
                                                writing->batch->now_us, due_us, NULL);
}

static int tell(struct writing *writing, struct told *told)
{
        const struct mu_alert_batch *batch = writing->batch;
        size_t kept = 0;

        collect(batch, told);
        /* What was merged before anybody could hear of it never was, for them. */
        told->opened_count = without_merged(told->opened, told->opened_count, told);
        for (size_t i = 0; i < told->closed_count; i++)
                if (!ends_quietly(batch, told->closed[i]))
                        told->closed[kept++] = told->closed[i];
        int error = add(writing, told->opened, told->opened_count, MU_NOTICE_OPENED, batch->due_us);

        if (error == 0)
                error = add(writing, told->updated, told->updated_count, MU_NOTICE_UPDATED,
                            batch->now_us);
        if (error == 0)
                error = add(writing, told->closed, kept, MU_NOTICE_CLOSED, batch->now_us);
        return error;
}

static int fill_outbox(struct writing *writing)
{
        size_t count = writing->batch->op_count;
        int64_t *ids = count > 0 ? calloc(count * 4, sizeof(*ids)) : NULL;
        struct told told = {0};

        if (count == 0)
                return 0;
        if (!ids)
                return -ENOMEM;
        told.opened = ids;
        told.updated = ids + count;
        told.closed = ids + 2 * count;
        told.merged = ids + 3 * count;
        int error = tell(writing, &told);

        free(ids);
        return error;
}

/* ---- the transaction ---- */

static int commit(struct mu_pg *pg)
{
        int error = 0;

        MU_FAILPOINT("alert.before_commit", error);
        if (error == 0)
                error = mu_pg_commit(pg);
        if (error == 0)
                MU_FAILPOINT("alert.after_commit", error);
        return error;
}

int mu_alert_store_write(struct mu_pg *pg, const struct mu_alert_batch *batch)
{
        struct writing writing = {.pg = pg, .batch = batch};

        mu_text_init(&writing.changes);
        mu_text_init(&writing.ops);
        int error = prepare(&writing);

        if (error == 0)
                error = mu_pg_begin(pg);
        if (error == 0)
                error = keep_ids(&writing);
        if (error == 0)
                error = write_all(&writing);
        if (error == 0)
                error = fill_outbox(&writing);
        if (error == 0)
                error = commit(pg);
        if (error < 0)
                mu_pg_rollback(pg);
        mu_text_done(&writing.changes);
        mu_text_done(&writing.ops);
        return error;
}

int mu_alert_store_next_ids(struct mu_pg *pg, int64_t *ret_alert_id, int64_t *ret_incident_id)
{
        struct mu_pg_result *rows;
        int error = mu_pg_query(pg, &mu_alert_ids_next, MU_PG_VALUES(), &rows);

        if (error < 0)
                return error;
        *ret_alert_id = mu_pg_get_int(rows, 0, 0);
        *ret_incident_id = mu_pg_get_int(rows, 0, 1);
        mu_pg_result_free(rows);
        return 0;
}
