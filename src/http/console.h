/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - the operator's console: GET /, its files, and its pages' addresses.
 *
 *   GET / with Accept: application/json    what this appliance is, for programs
 *   GET /, GET of a page's address         index.html: the console finds the page by the address
 *   GET of a file's path                   the file; /assets/ for a year, the rest asked for again
 *
 * An address is a page's when nothing else has it, a browser asks (Accept: text/html), and it does
 * not lie below the API's paths or /assets/: there a wrong path stays a 404.
 *
 * Threads    create, destroy: one. read: one at a time, also while loops serve. Answers are given
 * on the loops, from memory. Ownership  version is lent. A transfer that has begun keeps the files
 * that it is about. Errors     read: see site.h; a folder that is refused changes nothing.
 */
#ifndef MUSTER_HTTP_CONSOLE_H
#define MUSTER_HTTP_CONSOLE_H

#include "http/route.h"
#include "http/site.h"
#include "muster/compiler.h"

struct mu_console;

MU_MUST_CHECK
int mu_console_create(const char *version, struct mu_console **ret_console);
/* After the server. NULL is a no-op. */
void mu_console_destroy(struct mu_console *console);

/* From now on these files. error: MU_SITE_ERROR_BYTES. */
MU_MUST_CHECK
int mu_console_read(struct mu_console *console, const char *directory, char *error);
/* From now on none: GET / says so. */
void mu_console_close(struct mu_console *console);

/* A reference to the files in use, or NULL. */
struct mu_site *mu_console_site(struct mu_console *console);

/* Adds the routes; before mu_router_seal. console NULL: for lists of routes only. */
MU_MUST_CHECK
int mu_console_routes(struct mu_router *router, struct mu_console *console);

#endif
