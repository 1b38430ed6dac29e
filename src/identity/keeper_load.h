/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_load.h - PostgreSQL's list into the device table, and back what PostgreSQL lacks.
 *
 * A tombstone on either side wins. A device that only the snapshot knows was lost with a restored
 * backup: it is put back with its digests, and new ids start above every id that the snapshot or an
 * unstored journal record names. What the snapshot knows better (a first use, a clock offset, a
 * quarantine that was not written down before the end of the last process) is noted as an event.
 *
 * Threads    the keeper's, before anything else changes the table.
 * Errors     those of pg/error.h; nothing was changed in PostgreSQL then: load again.
 */
#ifndef MUSTER_IDENTITY_KEEPER_LOAD_H
#define MUSTER_IDENTITY_KEEPER_LOAD_H

#include "identity/keeper.h"

struct mu_pg;

MU_MUST_CHECK
int mu_keeper_load(const struct mu_keeper_config *config, struct mu_pg *pg,
                   struct mu_keeper_report *ret_report);

#endif
