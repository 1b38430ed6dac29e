/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.h - a real PostgreSQL in a temporary directory, for tests of what speaks SQL.
 *
 * Every wait is bounded; a failure prints the reason and fails the cmocka test that called.
 */
#ifndef MUSTER_TESTS_PG_FIXTURE_H
#define MUSTER_TESTS_PG_FIXTURE_H

#include "pg/cluster.h"
#include "pg/database.h"
#include "pg/query.h"

#define TEST_WAIT_MS 60000

struct test_pg {
        char directory[64]; /* temporary, entered by everybody */
        struct mu_cluster_config config;
        struct mu_cluster *cluster;
        struct mu_database *database; /* NULL until test_pg_start */
        _Atomic int events[16];       /* by enum mu_cluster_event */
};

/* The directory and the configuration; nothing is running. */
void test_pg_init(struct test_pg *test);
/* Cluster and database, ready. */
void test_pg_start(struct test_pg *test);
void test_pg_stop(struct test_pg *test);
/* Stops what runs, removes the directory. */
void test_pg_done(struct test_pg *test);

struct mu_pg *test_pg_acquire(struct test_pg *test);
/* One integer from a statement without values. */
int64_t test_pg_number(struct mu_pg *pg, const char *sql);
/* Must succeed. */
void test_pg_run(struct mu_pg *pg, const char *sql);

/* As cmocka group fixtures: *state is a struct test_pg with schema/ applied. */
int test_pg_group_setup(void **state);
int test_pg_group_teardown(void **state);

#endif
