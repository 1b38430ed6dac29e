/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_world.h - a database with the alerts' tables empty, and questions to it in few words.
 */
#ifndef MUSTER_TESTS_CONTROL_ALERT_WORLD_H
#define MUSTER_TESTS_CONTROL_ALERT_WORLD_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pg/partition.h"
#include "unit.h"

#include "fixture.h"

/* 2026-03-28 12:00 UTC, the day before clocks go forward in Europe. */
#define ALERT_WORLD_US (INT64_C(1774699200) * MU_US_PER_S)

static struct test_pg *alert_postgres;
static struct mu_pg *alert_pg; /* lent for a test */

static inline int64_t MU_PRINTF(1, 2) number(const char *format, ...)
{
        char sql[2048];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(sql, sizeof(sql), format, args);
        va_end(args);
        return test_pg_number(alert_pg, sql);
}

static inline void MU_PRINTF(1, 2) run(const char *format, ...)
{
        char sql[2048];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(sql, sizeof(sql), format, args);
        va_end(args);
        test_pg_run(alert_pg, sql);
}

static inline int64_t moment(const char *text)
{
        return number("SELECT (extract(epoch FROM '%s'::timestamptz) * 1000000)::bigint", text);
}

static inline int alert_world_setup(void **state)
{
        int64_t day = mu_partition_day(ALERT_WORLD_US / MU_US_PER_S);

        (void)state;
        alert_pg = test_pg_acquire(alert_postgres);
        if (mu_partitions_ensure(alert_pg, MU_PARENT_ALERT_EVENTS, day - 3, day + 3, NULL) < 0)
                return -1;
        run("TRUNCATE devices, device_tokens, enrolment_token_uses, commands, command_attempts,"
            " bulk_commands, alerts, alert_incidents, alert_events, alert_channels,"
            " alert_notifications, device_monitoring, ingest_rejects, audit_log, backups"
            " RESTART IDENTITY CASCADE");
        return 0;
}

static inline int alert_world_teardown(void **state)
{
        (void)state;
        mu_database_release(alert_postgres->database, alert_pg);
        return 0;
}

static inline int alert_group_setup(void **state)
{
        int error = test_pg_group_setup(state);

        alert_postgres = *state;
        return error;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, alert_world_setup, alert_world_teardown)

#endif
