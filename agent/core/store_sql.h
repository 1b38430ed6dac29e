/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sql.h - statements and transactions on the store's database. For store.c, queue.c and
 * command_book.c.
 *
 * Statements are prepared once and kept; every call that ends one resets it.
 *
 * Threads    the core's. Errors: negative errno, as store.h.
 */
#ifndef MUSTER_AGENT_CORE_STORE_SQL_H
#define MUSTER_AGENT_CORE_STORE_SQL_H

#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/store.h"
#include "muster/compiler.h"

/* sql: count texts, in the order of ret_statements. All or none; mu_agent_sql_done(). */
MU_MUST_CHECK
int mu_agent_sql_prepare(struct mu_agent_store *store, const char *const *sql, size_t count,
                         sqlite3_stmt **ret_statements);
void mu_agent_sql_done(sqlite3_stmt **statements, size_t count);

void mu_agent_sql_number(sqlite3_stmt *statement, int place, int64_t value);
/* Borrowed until the statement is reset. */
void mu_agent_sql_text(sqlite3_stmt *statement, int place, const char *text);
void mu_agent_sql_blob(sqlite3_stmt *statement, int place, const void *bytes, size_t count);

/* 1: a row (reset it when done with); 0: no more, it was reset; or an error, it was reset. */
MU_MUST_CHECK
int mu_agent_sql_step(sqlite3_stmt *statement);
void mu_agent_sql_reset(sqlite3_stmt *statement);
/* All of it. Rows that it has are not looked at. */
MU_MUST_CHECK
int mu_agent_sql_run(sqlite3_stmt *statement);

MU_MUST_CHECK
int mu_agent_sql_begin(struct mu_agent_store *store);
/* err 0: commits; its error when that fails. Else rolls back: err. Nothing is left open. */
MU_MUST_CHECK
int mu_agent_sql_end(struct mu_agent_store *store, int err);

#endif
