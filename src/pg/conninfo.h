/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conninfo.h - a URL or key=value string, read once, with what we need added to it.
 *
 * What the operator wrote wins, except where an acknowledgement depends on it. Errors never repeat
 * the text: it may hold a password.
 *
 * Threads    plain data. Ownership  init/done. Errors  -EINVAL with a sentence, -ENOMEM.
 */
#ifndef MUSTER_PG_CONNINFO_H
#define MUSTER_PG_CONNINFO_H

#include <stdint.h>

#include "muster/compiler.h"
#include "pg/error.h"

#define MU_CONNINFO_KEYS_MAX 64

struct mu_conninfo {
        const char *keywords[MU_CONNINFO_KEYS_MAX + 1]; /* end with NULL, as libpq wants them */
        const char *values[MU_CONNINFO_KEYS_MAX + 1];
        uint32_t count;
        char *owned[2 * MU_CONNINFO_KEYS_MAX];
        uint32_t owned_count;
        char description[256]; /* host, port, dbname, user; never a password */
};

MU_MUST_CHECK
int mu_conninfo_init(struct mu_conninfo *conninfo, const char *text, uint32_t statement_timeout_ms,
                     struct mu_pg_error *ret_error);
void mu_conninfo_done(struct mu_conninfo *conninfo);

#endif
