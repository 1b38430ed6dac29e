/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_sql.h - what the live view reads of the database.
 *
 * Threads    the live thread. Errors: as in pg/error.h; -ENOMEM.
 */
#ifndef MUSTER_CONTROL_LIVE_SQL_H
#define MUSTER_CONTROL_LIVE_SQL_H

#include "control/live/live_image.h"
#include "identity/principal.h"

struct mu_device_table;
struct mu_pg;

/* Every device that is not deleted, with its last status; devices knows which are in quarantine. */
MU_MUST_CHECK
int mu_live_sql_load(struct mu_pg *pg, const struct mu_device_table *devices,
                     struct mu_live_image *image);
MU_MUST_CHECK
int mu_live_sql_reload(struct mu_pg *pg, const struct mu_device_table *devices,
                       struct mu_live_image *image, const int64_t *ids, uint32_t count);
/* ret_valid[i]: the session, or the API token, of who[i] has not ended. */
MU_MUST_CHECK
int mu_live_sql_check(struct mu_pg *pg, const struct mu_principal *const *who, uint32_t count,
                      bool *ret_valid);

#endif
