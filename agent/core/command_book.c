/* SPDX-License-Identifier: Apache-2.0 */
#include "core/command_book.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "core/store_sql.h"

enum { NONCE_KEEP_S = 2 * MU_COMMAND_WINDOW_S };

enum statement {
        FIND_NONCE,
        ADD_NONCE,
        FIND_STATE,
        ADD_COMMAND,
        SET_STATE,
        NEXT,
        FORGET_NONCES,
        FORGET_COMMANDS,
        REDATE_NONCES,
        REDATE_COMMANDS,
        STATEMENTS,
};

/* The payload goes when the command is over: it may be a key, and nobody needs it again. */
static const char *const sql[STATEMENTS] = {
        [FIND_NONCE] = "SELECT 1 FROM nonces WHERE nonce = ?1",
        [ADD_NONCE] = "INSERT INTO nonces (nonce, seen_us) VALUES (?1, ?2)",
        [FIND_STATE] = "SELECT state FROM commands WHERE id = ?1",
        [ADD_COMMAND] = "INSERT INTO commands (id, state, type, seen_us, payload)"
                        " VALUES (?1, 0, ?2, ?3, ?4)",
        [SET_STATE] = "UPDATE commands SET state = ?2, boot_id = coalesce(?3, boot_id),"
                      " payload = CASE WHEN ?2 >= 2 THEN x'' ELSE payload END"
                      " WHERE id = ?1",
        [NEXT] = "SELECT id, type, boot_id, payload FROM commands WHERE state = ?1"
                 " ORDER BY place LIMIT 1",
        [FORGET_NONCES] = "DELETE FROM nonces WHERE seen_us < ?1",
        [FORGET_COMMANDS] = "DELETE FROM commands WHERE state >= 2 AND seen_us < ?1"
                            " AND place <= (SELECT max(place) FROM commands) - ?2",
        [REDATE_NONCES] = "UPDATE nonces SET seen_us = ?1 WHERE seen_us > ?1",
        [REDATE_COMMANDS] = "UPDATE commands SET seen_us = ?1 WHERE seen_us > ?1",
};

struct mu_agent_command_book {
        struct mu_agent_store *store;
        sqlite3_stmt *statements[STATEMENTS];
};

int mu_agent_command_book_create(struct mu_agent_store *store,
                                 struct mu_agent_command_book **ret_book)
{
        MU_ASSERT(store && ret_book);

        struct mu_agent_command_book *book = calloc(1, sizeof(*book));

        if (!book)
                return -ENOMEM;
        book->store = store;
        int err = mu_agent_sql_prepare(store, sql, STATEMENTS, book->statements);

        if (err < 0) {
                free(book);
                return err;
        }
        *ret_book = book;
        return 0;
}

void mu_agent_command_book_destroy(struct mu_agent_command_book *book)
{
        if (!book)
                return;
        mu_agent_sql_done(book->statements, STATEMENTS);
        free(book);
}

static int note_nonce(struct mu_agent_command_book *book, const struct mu_command_form *form,
                      int64_t now_us)
{
        sqlite3_stmt *find = book->statements[FIND_NONCE];
        sqlite3_stmt *add = book->statements[ADD_NONCE];

        mu_agent_sql_blob(find, 1, form->nonce, sizeof(form->nonce));
        int r = mu_agent_sql_step(find);

        if (r > 0) {
                mu_agent_sql_reset(find);
                return -EKEYREJECTED;
        }
        if (r < 0)
                return r;
        mu_agent_sql_blob(add, 1, form->nonce, sizeof(form->nonce));
        mu_agent_sql_number(add, 2, now_us);
        return mu_agent_sql_run(add);
}

/* 1: known, *ret_state is where it stands; 0: was added. */
static int note_command(struct mu_agent_command_book *book, const struct mu_command_form *form,
                        int64_t now_us, enum mu_agent_command_state *ret_state)
{
        sqlite3_stmt *find = book->statements[FIND_STATE];
        sqlite3_stmt *add = book->statements[ADD_COMMAND];

        mu_agent_sql_number(find, 1, form->command_id);
        int r = mu_agent_sql_step(find);

        if (r > 0) {
                *ret_state = (enum mu_agent_command_state)sqlite3_column_int(find, 0);
                mu_agent_sql_reset(find);
                return 1;
        }
        if (r < 0)
                return r;
        mu_agent_sql_number(add, 1, form->command_id);
        mu_agent_sql_text(add, 2, form->type);
        mu_agent_sql_number(add, 3, now_us);
        mu_agent_sql_blob(add, 4, form->payload, form->payload_bytes);
        return mu_agent_sql_run(add);
}

int mu_agent_command_book_enter(struct mu_agent_command_book *book,
                                const struct mu_command_form *form, int64_t now_us,
                                enum mu_agent_command_state *ret_state)
{
        enum mu_agent_command_state state = MU_AGENT_COMMAND_RECEIVED;
        bool known = false;
        int r = mu_agent_sql_begin(book->store);

        if (r < 0)
                return r;
        r = note_nonce(book, form, now_us);
        if (r == 0)
                r = note_command(book, form, now_us, &state);
        if (r > 0) {
                known = true;
                r = 0;
        }
        r = mu_agent_sql_end(book->store, r);
        if (r < 0)
                return r;
        *ret_state = state;
        return known ? -EALREADY : 0;
}

int mu_agent_command_book_set(struct mu_agent_command_book *book, int64_t id,
                              enum mu_agent_command_state state, const char *boot_id)
{
        sqlite3_stmt *set = book->statements[SET_STATE];

        mu_agent_sql_number(set, 1, id);
        mu_agent_sql_number(set, 2, state);
        if (boot_id)
                mu_agent_sql_text(set, 3, boot_id);
        int err = mu_agent_sql_run(set);

        if (err < 0)
                return err;
        return sqlite3_changes(mu_agent_store_database(book->store)) > 0 ? 0 : -ENOENT;
}

int mu_agent_command_book_next(struct mu_agent_command_book *book,
                               enum mu_agent_command_state state,
                               struct mu_agent_command *ret_command)
{
        sqlite3_stmt *next = book->statements[NEXT];

        mu_agent_sql_number(next, 1, state);
        int r = mu_agent_sql_step(next);

        if (r <= 0)
                return r == 0 ? -ENOENT : r;

        struct mu_agent_command command = {.id = sqlite3_column_int64(next, 0), .state = state};
        const char *type = (const char *)sqlite3_column_text(next, 1);
        const char *boot_id = (const char *)sqlite3_column_text(next, 2);
        const void *payload = sqlite3_column_blob(next, 3);

        command.payload_bytes = (size_t)sqlite3_column_bytes(next, 3);
        if (type && boot_id && (payload || command.payload_bytes == 0))
                command.payload = malloc(command.payload_bytes + 1);
        if (command.payload) {
                (void)snprintf(command.type, sizeof(command.type), "%s", type);
                (void)snprintf(command.boot_id, sizeof(command.boot_id), "%s", boot_id);
                if (command.payload_bytes > 0)
                        memcpy(command.payload, payload, command.payload_bytes);
                command.payload[command.payload_bytes] = '\0';
        }
        mu_agent_sql_reset(next);
        if (!command.payload)
                return -ENOMEM;
        *ret_command = command;
        return 0;
}

void mu_agent_command_done(struct mu_agent_command *command)
{
        free(command->payload);
        *command = (struct mu_agent_command){.id = 0};
}

int mu_agent_command_book_forget(struct mu_agent_command_book *book, int64_t now_us)
{
        sqlite3_stmt **statements = book->statements;
        int err = mu_agent_sql_begin(book->store);

        if (err < 0)
                return err;
        /* What was seen in the future was seen by a clock that was wrong: it ages from now. */
        mu_agent_sql_number(statements[REDATE_NONCES], 1, now_us);
        err = mu_agent_sql_run(statements[REDATE_NONCES]);
        if (err == 0) {
                mu_agent_sql_number(statements[REDATE_COMMANDS], 1, now_us);
                err = mu_agent_sql_run(statements[REDATE_COMMANDS]);
        }
        if (err == 0) {
                mu_agent_sql_number(statements[FORGET_NONCES], 1,
                                    now_us - NONCE_KEEP_S * MU_US_PER_S);
                err = mu_agent_sql_run(statements[FORGET_NONCES]);
        }
        if (err == 0) {
                mu_agent_sql_number(statements[FORGET_COMMANDS], 1,
                                    now_us - MU_AGENT_COMMAND_KEEP_S * MU_US_PER_S);
                mu_agent_sql_number(statements[FORGET_COMMANDS], 2, MU_AGENT_COMMAND_KEEP_LEAST);
                err = mu_agent_sql_run(statements[FORGET_COMMANDS]);
        }
        return mu_agent_sql_end(book->store, err);
}
