/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - the agent's memory on disk: one SQLite database in WAL mode, synchronous = FULL. What a
 * function here has answered with 0 survives a kill -9 and a power cut.
 *
 * A database that is not ours or is damaged is moved aside (<name>.damaged-<time>) and a new one is
 * begun, with an event: an agent that can't remember is worse off than one that has forgotten.
 *
 * Threads    the core's; a second process on the same file gets -EBUSY at open.
 * Errors     negative errno: -EBUSY, -ENOSPC, -EIO, -ENOMEM.
 */
#ifndef MUSTER_AGENT_CORE_STORE_H
#define MUSTER_AGENT_CORE_STORE_H

#include <stdint.h>

#include "core/event.h"
#include "muster/compiler.h"

struct mu_agent_store;
struct sqlite3;

MU_MUST_CHECK
int mu_agent_store_open(const char *path, struct mu_agent_events *events,
                        struct mu_agent_store **ret_store);
void mu_agent_store_close(struct mu_agent_store *store);

/* For queue.c and command_book.c. */
struct sqlite3 *mu_agent_store_database(struct mu_agent_store *store);

/* Small facts by name (a literal): clock offset, sequence of this boot, device deleted … */
MU_MUST_CHECK
int mu_agent_store_get_number(struct mu_agent_store *store, const char *name, int64_t *ret_value);
MU_MUST_CHECK
int mu_agent_store_set_number(struct mu_agent_store *store, const char *name, int64_t value);
/* -ENOENT: never set; -EMSGSIZE: room is too small. */
MU_MUST_CHECK
int mu_agent_store_get_text(struct mu_agent_store *store, const char *name, char *ret_text,
                            size_t room);
MU_MUST_CHECK
int mu_agent_store_set_text(struct mu_agent_store *store, const char *name, const char *text);

#endif
