/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incident_book_world.h - a database in memory that takes the incident book's operations, for its
 * tests: refuses what cannot be, keeps a log, and makes a book anew from its rows.
 */
#ifndef MUSTER_TESTS_INCIDENT_BOOK_WORLD_H
#define MUSTER_TESTS_INCIDENT_BOOK_WORLD_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control/alert/incident_book.h"
#include "unit.h"

#define SECOND INT64_C(1000000)
#define NOON INT64_C(1700000000000000)

enum { GROUP_DEVICES = 5, WINDOW_S = 60, ROWS_MAX = 1 << 18 };

/* ---- a database of two tables, and what was written to it ---- */

struct incident_row {
        struct mu_incident_row row; /* group_key points into key */
        char key[64];
        int64_t closed_at_us;
        int64_t merged_into;
        uint32_t firing_count;
        bool there;
};

struct alert_row {
        int64_t incident_id; /* 0: none yet */
        int64_t fired_at_us;
        bool firing;
};

struct database {
        struct incident_row *incidents;
        struct alert_row *alerts;
        int64_t incident_max;
        int64_t alert_max;
        uint64_t log; /* a hash over all that was written, in order */
        uint32_t opened[MU_INCIDENT_KIND_COUNT];
        uint32_t op_count;
};

static void database_init(struct database *db)
{
        *db = (struct database){
                .incidents = calloc(ROWS_MAX, sizeof(struct incident_row)),
                .alerts = calloc(ROWS_MAX, sizeof(struct alert_row)),
        };
        assert_true(db->incidents && db->alerts);
}

static void database_done(struct database *db)
{
        free(db->incidents);
        free(db->alerts);
}

static void log_bytes(struct database *db, const void *data, size_t bytes)
{
        const unsigned char *at = data;

        for (size_t i = 0; i < bytes; i++) /* FNV-1a */
                db->log = (db->log ^ at[i]) * UINT64_C(0x100000001b3);
}

static void log_op(struct database *db, const struct mu_incident_op *op)
{
        const int64_t numbers[] = {(int64_t)op->op,       (int64_t)op->kind, (int64_t)op->group,
                                   (int64_t)op->rule,     op->alert_count,   op->firing_count,
                                   (int64_t)op->severity, op->incident_id,   op->from_id,
                                   op->alert_id,          op->device_id,     op->at_us};

        log_bytes(db, numbers, sizeof(numbers));
        log_bytes(db, op->group_key, strlen(op->group_key));
        db->op_count++;
}

static void write_op(struct database *db, const struct mu_incident_op *op)
{
        assert_true(op->incident_id > 0 && op->incident_id < ROWS_MAX);
        struct incident_row *incident = &db->incidents[op->incident_id];

        log_op(db, op);
        switch (op->op) {
        case MU_INCIDENT_OPEN:
                assert_false(incident->there);
                assert_true(op->incident_id > db->incident_max);
                db->incident_max = op->incident_id;
                db->opened[op->kind]++;
                incident->there = true;
                incident->row = (struct mu_incident_row){
                        .incident_id = op->incident_id,
                        .device_id = op->device_id,
                        .kind = op->kind,
                        .group = op->group,
                        .rule = op->rule,
                        .severity = op->severity,
                };
                (void)snprintf(incident->key, sizeof(incident->key), "%s", op->group_key);
                incident->row.group_key = incident->key;
                break;
        case MU_INCIDENT_JOIN:
                assert_true(incident->there && incident->closed_at_us == 0);
                assert_int_equal(db->alerts[op->alert_id].incident_id, 0);
                db->alerts[op->alert_id].incident_id = op->incident_id;
                break;
        case MU_INCIDENT_MERGE: {
                struct incident_row *from = &db->incidents[op->from_id];

                assert_true(incident->there && incident->closed_at_us == 0);
                assert_true(from->there && from->closed_at_us == 0);
                assert_int_equal(from->row.kind, MU_INCIDENT_DEVICE);
                assert_int_equal(db->alerts[op->alert_id].incident_id, op->from_id);
                db->alerts[op->alert_id].incident_id = op->incident_id;
                from->closed_at_us = op->at_us;
                from->merged_into = op->incident_id;
                break;
        }
        case MU_INCIDENT_COUNT:
                incident->row.alert_count = op->alert_count;
                incident->row.severity = op->severity;
                incident->firing_count = op->firing_count;
                break;
        case MU_INCIDENT_CLOSE:
                assert_true(incident->there && incident->closed_at_us == 0);
                incident->closed_at_us = op->at_us;
        }
}

static void commit(struct mu_incident_book *book, struct database *db)
{
        const struct mu_incident_op *ops, *again;
        uint32_t count, again_count;
        bool counting = false;

        assert_int_equal(mu_incident_book_ops(book, &ops, &count), 0);
        assert_int_equal(mu_incident_book_ops(book, &again, &again_count), 0);
        assert_int_equal(again_count, count);
        for (uint32_t i = 0; i < count; i++) {
                assert_true(!counting || again[i].op == MU_INCIDENT_COUNT);
                counting = again[i].op == MU_INCIDENT_COUNT;
                write_op(db, &again[i]);
        }
        mu_incident_book_done(book);
        assert_int_equal(mu_incident_book_ops(book, &ops, &count), 0);
        assert_int_equal(count, 0);
        assert_null(ops);
}

static struct mu_incident_book *book_from(const struct database *db)
{
        const struct mu_incident_book_config config = {
                .group_devices = GROUP_DEVICES,
                .group_window_s = WINDOW_S,
                .next_incident_id = db->incident_max + 1,
        };
        struct mu_incident_book *book;

        assert_int_equal(mu_incident_book_create(&config, &book), 0);
        /* In some order: backwards. */
        for (int64_t i = db->incident_max; i > 0; i--) {
                if (db->incidents[i].there && db->incidents[i].closed_at_us == 0)
                        assert_int_equal(
                                mu_incident_book_load_incident(book, &db->incidents[i].row), 0);
        }
        for (int64_t i = db->alert_max; i > 0; i--) {
                if (db->alerts[i].firing)
                        assert_int_equal(mu_incident_book_load_alert(book, i,
                                                                     db->alerts[i].incident_id,
                                                                     db->alerts[i].fired_at_us),
                                         0);
        }
        assert_int_equal(mu_incident_book_settle(book, NOON), 0);
        return book;
}

#endif
