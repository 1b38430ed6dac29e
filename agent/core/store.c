/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "core/store_sql.h"

enum {
        APPLICATION_ID = 0x4d554147, /* "MUAG" */
        /* A newer agent that is tried and rolled back leaves its schema behind. Within a hundred it
         * only adds, so the older one works on; another hundred is a database that is not ours. */
        SCHEMA_VERSION = 101,
        SCHEMA_GENERATION = 100,

        LOOKASIDE_SLOT_BYTES = 512,
        LOOKASIDE_SLOTS = 64,
        PATH_BYTES = 1200,
        ASIDE_TRIES = 100,
};

/* The page cache is what this database costs: 64 pages do. No -shm: the lock is ours alone. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA cache_size = -256;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA secure_delete = FAST;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA wal_autocheckpoint = 128;"
                               "PRAGMA journal_size_limit = 1048576;";

static const char schema[] =
        "CREATE TABLE facts ("
        " name TEXT PRIMARY KEY NOT NULL, number INTEGER, text TEXT) WITHOUT ROWID;"
        /* AUTOINCREMENT: an id is never used again, so that it is the order of queueing. */
        "CREATE TABLE items ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, key INTEGER NOT NULL,"
        " frozen INTEGER NOT NULL DEFAULT 0, queued_at_us INTEGER NOT NULL,"
        " bytes INTEGER NOT NULL, boot_id TEXT, seq INTEGER,"
        " mono_us INTEGER NOT NULL, known_at_us INTEGER, body BLOB NOT NULL, clock_us INTEGER);"
        "CREATE UNIQUE INDEX items_key ON items (kind, key);"
        "CREATE INDEX items_order ON items (kind, id, bytes, queued_at_us);"
        "CREATE TABLE aside ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, key INTEGER NOT NULL,"
        " at_us INTEGER NOT NULL, why TEXT NOT NULL, body BLOB NOT NULL);"
        "CREATE TABLE commands ("
        " place INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL UNIQUE,"
        " state INTEGER NOT NULL, type TEXT NOT NULL, boot_id TEXT NOT NULL DEFAULT '',"
        " seen_us INTEGER NOT NULL, payload BLOB NOT NULL);"
        "CREATE INDEX commands_state ON commands (state, place);"
        "CREATE TABLE nonces ("
        " nonce BLOB PRIMARY KEY NOT NULL, seen_us INTEGER NOT NULL) WITHOUT ROWID;";

/* What 101 has more than 100. An agent of 100 leaves it NULL. */
static const char schema_101[] = "BEGIN EXCLUSIVE;"
                                 "ALTER TABLE items ADD COLUMN clock_us INTEGER;"
                                 "PRAGMA user_version = 101;"
                                 "COMMIT;";

enum fact_statement { GET_FACT, SET_NUMBER, SET_TEXT, FACT_STATEMENTS };

static const char *const fact_sql[FACT_STATEMENTS] = {
        [GET_FACT] = "SELECT number, text FROM facts WHERE name = ?1",
        [SET_NUMBER] = "INSERT INTO facts (name, number, text) VALUES (?1, ?2, NULL)"
                       " ON CONFLICT (name) DO UPDATE SET number = ?2, text = NULL",
        [SET_TEXT] = "INSERT INTO facts (name, number, text) VALUES (?1, NULL, ?2)"
                     " ON CONFLICT (name) DO UPDATE SET number = NULL, text = ?2",
};

struct mu_agent_store {
        sqlite3 *database;
        sqlite3_stmt *facts[FACT_STATEMENTS];
};

static int errno_of(int code)
{
        if (code == SQLITE_IOERR_NOMEM)
                return -ENOMEM;
        switch (code & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
                return -EILSEQ;
        default:
                return -EIO;
        }
}

/* What was opened and is damaged only now is an input/output error to everybody above. */
static int running_error(int code)
{
        int err = errno_of(code);

        return err == -EILSEQ ? -EIO : err;
}

int mu_agent_sql_prepare(struct mu_agent_store *store, const char *const *sql, size_t count,
                         sqlite3_stmt **ret_statements)
{
        for (size_t i = 0; i < count; i++) {
                int code = sqlite3_prepare_v3(store->database, sql[i], -1,
                                              SQLITE_PREPARE_PERSISTENT, &ret_statements[i], NULL);

                if (code != SQLITE_OK) {
                        mu_agent_sql_done(ret_statements, i);
                        return running_error(code);
                }
        }
        return 0;
}

void mu_agent_sql_done(sqlite3_stmt **statements, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                (void)sqlite3_finalize(statements[i]); /* the error of its last step, again */
                statements[i] = NULL;
        }
}

void mu_agent_sql_number(sqlite3_stmt *statement, int place, int64_t value)
{
        int code = sqlite3_bind_int64(statement, place, value);

        MU_ASSERT(code == SQLITE_OK);
}

void mu_agent_sql_text(sqlite3_stmt *statement, int place, const char *text)
{
        int code = sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);

        MU_ASSERT(code == SQLITE_OK);
}

void mu_agent_sql_blob(sqlite3_stmt *statement, int place, const void *bytes, size_t count)
{
        int code =
                sqlite3_bind_blob64(statement, place, count > 0 ? bytes : "", count, SQLITE_STATIC);

        MU_ASSERT(code == SQLITE_OK);
}

void mu_agent_sql_reset(sqlite3_stmt *statement)
{
        (void)sqlite3_reset(statement); /* the error of its last step, again */
        (void)sqlite3_clear_bindings(statement);
}

int mu_agent_sql_step(sqlite3_stmt *statement)
{
        int code = sqlite3_step(statement);

        if (code == SQLITE_ROW)
                return 1;
        mu_agent_sql_reset(statement);
        return running_error(code);
}

int mu_agent_sql_run(sqlite3_stmt *statement)
{
        int r;

        do
                r = mu_agent_sql_step(statement);
        while (r > 0);
        return r;
}

int mu_agent_sql_begin(struct mu_agent_store *store)
{
        return running_error(sqlite3_exec(store->database, "BEGIN IMMEDIATE", NULL, NULL, NULL));
}

int mu_agent_sql_end(struct mu_agent_store *store, int err)
{
        if (err == 0) {
                err = running_error(sqlite3_exec(store->database, "COMMIT", NULL, NULL, NULL));
                if (err == 0)
                        return 0;
        }
        /* Some errors have rolled back by themselves. */
        if (sqlite3_get_autocommit(store->database) == 0)
                (void)sqlite3_exec(store->database, "ROLLBACK", NULL, NULL, NULL);
        MU_ASSERT(sqlite3_get_autocommit(store->database) != 0);
        return err;
}

/* One row, one column. */
static int ask_number(sqlite3 *database, const char *sql, int64_t *ret_value)
{
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
                *ret_value = sqlite3_column_int64(statement, 0);
        (void)sqlite3_finalize(statement);
        return code == SQLITE_DONE ? -EILSEQ : errno_of(code);
}

/* 0 where it answers this word. */
static int ask_word(sqlite3 *database, const char *sql, const char *word)
{
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
        int err;

        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        err = errno_of(code);
        if (code == SQLITE_ROW) {
                const char *text = (const char *)sqlite3_column_text(statement, 0);

                if (!text)
                        err = -ENOMEM;
                else if (strcmp(text, word) != 0)
                        err = -EILSEQ;
        }
        (void)sqlite3_finalize(statement);
        return err;
}

static int begin_schema(sqlite3 *database)
{
        char identity[96];

        (void)snprintf(identity, sizeof(identity),
                       "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
                       SCHEMA_VERSION);
        int code = sqlite3_exec(database, "BEGIN EXCLUSIVE", NULL, NULL, NULL);

        if (code == SQLITE_OK)
                code = sqlite3_exec(database, schema, NULL, NULL, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_exec(database, identity, NULL, NULL, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_exec(database, "COMMIT", NULL, NULL, NULL);
        return errno_of(code);
}

/* -EILSEQ: not ours, or not whole. */
static int check_database(sqlite3 *database)
{
        int64_t application = 0;
        int64_t version = 0;
        int64_t tables = 0;
        int err = ask_number(database, "PRAGMA application_id", &application);

        if (err == 0)
                err = ask_number(database, "PRAGMA user_version", &version);
        if (err == 0)
                err = ask_number(database, "SELECT count(*) FROM sqlite_schema", &tables);
        if (err < 0)
                return err;
        if (application == 0 && version == 0 && tables == 0)
                return begin_schema(database);
        if (application != APPLICATION_ID ||
            version / SCHEMA_GENERATION != SCHEMA_VERSION / SCHEMA_GENERATION)
                return -EILSEQ;
        err = ask_word(database, "PRAGMA integrity_check(1)", "ok");
        if (err == 0 && version < SCHEMA_VERSION)
                err = errno_of(sqlite3_exec(database, schema_101, NULL, NULL, NULL));
        return err;
}

static int open_database(const char *path, sqlite3 **ret_database)
{
        sqlite3 *database = NULL;
        int code = sqlite3_open_v2(path, &database,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                   NULL);
        int err = errno_of(code);

        if (err == 0) {
                (void)sqlite3_extended_result_codes(database, 1);
                code = sqlite3_db_config(database, SQLITE_DBCONFIG_LOOKASIDE, NULL,
                                         (int)LOOKASIDE_SLOT_BYTES, (int)LOOKASIDE_SLOTS);
                err = errno_of(code);
        }
        if (err == 0)
                err = errno_of(sqlite3_exec(database, settings, NULL, NULL, NULL));
        if (err == 0)
                err = ask_word(database, "PRAGMA journal_mode = WAL", "wal");
        /* Takes the lock that is kept: a second process ends here. */
        if (err == 0)
                err = errno_of(sqlite3_exec(database, "BEGIN EXCLUSIVE; COMMIT", NULL, NULL, NULL));
        if (err == 0)
                err = check_database(database);
        if (err < 0) {
                /* Damaged: nothing more is written to it. */
                (void)sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
                (void)sqlite3_close(database);
                return err;
        }
        *ret_database = database;
        return 0;
}

static int file_exists(const char *path)
{
        FILE *file = fopen(path, "rb");

        if (!file)
                return 0;
        (void)fclose(file);
        return 1;
}

static int move_file(const char *path, const char *aside, const char *suffix)
{
        char from[PATH_BYTES];
        char to[PATH_BYTES];
        int from_bytes = snprintf(from, sizeof(from), "%s%s", path, suffix);
        int to_bytes = snprintf(to, sizeof(to), "%s%s", aside, suffix);

        if (from_bytes >= (int)sizeof(from) || to_bytes >= (int)sizeof(to))
                return -ENAMETOOLONG;
        if (rename(from, to) == 0 || !file_exists(from))
                return 0;
        return -EIO;
}

static int move_aside(const char *path, struct mu_agent_events *events)
{
        char aside[PATH_BYTES];
        char name[MU_AGENT_EVENT_FIELDS_BYTES / 2];
        int64_t time_s = mu_agent_events_now_us(events) / MU_US_PER_S;

        for (int i = 0;; i++) {
                int bytes = snprintf(aside, sizeof(aside), "%s.damaged-%" PRId64, path, time_s + i);

                if (bytes >= (int)sizeof(aside))
                        return -ENAMETOOLONG;
                if (!file_exists(aside))
                        break;
                if (i == ASIDE_TRIES)
                        return -EIO;
        }
        /* The log of changes first: a new database must never find the old one's. */
        int err = move_file(path, aside, "-wal");

        if (err == 0)
                err = move_file(path, aside, "-journal");
        if (err == 0)
                err = move_file(path, aside, "");
        mu_agent_event(events, MU_AGENT_ERROR, "store.damaged", "\"moved\":%s,\"to\":%s",
                       err == 0 ? "true" : "false", mu_agent_event_text(aside, name, sizeof(name)));
        return err;
}

int mu_agent_store_open(const char *path, struct mu_agent_events *events,
                        struct mu_agent_store **ret_store)
{
        MU_ASSERT(path && events && ret_store);

        struct mu_agent_store *store = calloc(1, sizeof(*store));

        if (!store)
                return -ENOMEM;
        int err = open_database(path, &store->database);

        if (err == -EILSEQ) {
                err = move_aside(path, events);
                if (err == 0)
                        err = open_database(path, &store->database);
        }
        if (err == 0)
                err = mu_agent_sql_prepare(store, fact_sql, FACT_STATEMENTS, store->facts);
        if (err < 0) {
                mu_agent_store_close(store);
                return err == -EILSEQ ? -EIO : err;
        }
        *ret_store = store;
        return 0;
}

void mu_agent_store_close(struct mu_agent_store *store)
{
        if (!store)
                return;
        mu_agent_sql_done(store->facts, FACT_STATEMENTS);
        int code = sqlite3_close(store->database);

        MU_ASSERT(code == SQLITE_OK); /* else the queue or the book is still there */
        free(store);
}

struct sqlite3 *mu_agent_store_database(struct mu_agent_store *store)
{
        return store->database;
}

/* 0 and a row to read and to reset; -ENOENT. */
static int find_fact(struct mu_agent_store *store, const char *name, int column)
{
        sqlite3_stmt *get = store->facts[GET_FACT];

        mu_agent_sql_text(get, 1, name);
        int r = mu_agent_sql_step(get);

        if (r <= 0)
                return r == 0 ? -ENOENT : r;
        if (sqlite3_column_type(get, column) != SQLITE_NULL)
                return 0;
        mu_agent_sql_reset(get);
        return -ENOENT;
}

int mu_agent_store_get_number(struct mu_agent_store *store, const char *name, int64_t *ret_value)
{
        sqlite3_stmt *get = store->facts[GET_FACT];
        int err = find_fact(store, name, 0);

        if (err < 0)
                return err;
        *ret_value = sqlite3_column_int64(get, 0);
        mu_agent_sql_reset(get);
        return 0;
}

int mu_agent_store_set_number(struct mu_agent_store *store, const char *name, int64_t value)
{
        sqlite3_stmt *set = store->facts[SET_NUMBER];

        mu_agent_sql_text(set, 1, name);
        mu_agent_sql_number(set, 2, value);
        return mu_agent_sql_run(set);
}

int mu_agent_store_get_text(struct mu_agent_store *store, const char *name, char *ret_text,
                            size_t room)
{
        sqlite3_stmt *get = store->facts[GET_FACT];
        int err = find_fact(store, name, 1);

        if (err < 0)
                return err;
        const char *text = (const char *)sqlite3_column_text(get, 1);
        size_t bytes = text ? strlen(text) + 1 : 0;

        if (!text)
                err = -ENOMEM;
        else if (bytes > room)
                err = -EMSGSIZE;
        else
                memcpy(ret_text, text, bytes);
        mu_agent_sql_reset(get);
        return err;
}

int mu_agent_store_set_text(struct mu_agent_store *store, const char *name, const char *text)
{
        sqlite3_stmt *set = store->facts[SET_TEXT];

        mu_agent_sql_text(set, 1, name);
        mu_agent_sql_text(set, 2, text);
        return mu_agent_sql_run(set);
}
