/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app.h - the daemon: every part, started in order and unwound in reverse.
 *
 *   lock ─ secrets ─ PostgreSQL's process ─ identities (snapshot) ─ journal ─ server ─ threads
 *        ─ bring-up thread: database reachable ─ migrations ─ partitions ─ device list ─ writers ─
 * jobs
 *
 * Heartbeats are acknowledged before the database is up: the snapshot knows the fleet and the
 * journal keeps what comes.
 *
 * Threads    all functions: the main thread, but request_*: any.
 * Errors     a negative errno after the sentence has been written to the log and standard error.
 */
#ifndef MUSTER_APP_APP_H
#define MUSTER_APP_APP_H

#include <stdio.h>

#include "app/config.h"
#include "muster/compiler.h"

struct mu_app;

/* The config is the app's from here on, also on failure; argv, which it was made from, is read
 * again at SIGHUP. */
MU_MUST_CHECK
int mu_app_start(struct mu_config *config, char **argv, struct mu_app **ret_app);
/* Handles signals until it is time to stop; 0, or the error that ended it. */
MU_MUST_CHECK
int mu_app_run(struct mu_app *app);
/* Drains and stops. A second SIGTERM or SIGINT hurries it. */
void mu_app_stop(struct mu_app *app);

/* routes.c: the route table as JSON, for tests. Nothing is started. */
MU_MUST_CHECK
int mu_app_print_routes(FILE *out);

#endif
