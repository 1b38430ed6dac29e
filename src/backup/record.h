/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - the rows of table backups: what was taken, and what became of it.
 *
 * The directory is what counts; a row that can't be written is said, and fails nothing.
 *
 * Threads    as the connection. Errors: negative errno of pg/error.h.
 */
#ifndef MUSTER_BACKUP_RECORD_H
#define MUSTER_BACKUP_RECORD_H

#include "backup/backup.h"
#include "muster/compiler.h"

struct mu_pg;

/* Rows of runs that were killed end as failed; then a new one. */
MU_MUST_CHECK
int mu_record_begin(struct mu_pg *pg, const char *kind, const char *requested_by,
                    const char *directory, bool dump, bool encrypted, int64_t *ret_id);
/* error: "" for ok. */
MU_MUST_CHECK
int mu_record_end(struct mu_pg *pg, int64_t id, const struct mu_backup_report *report,
                  const char *error);
/* NULL outcome: none was configured. */
MU_MUST_CHECK
int mu_record_offsite(struct mu_pg *pg, int64_t id, const char *outcome, const char *detail);
MU_MUST_CHECK
int mu_record_after_hook(struct mu_pg *pg, int64_t id, const char *outcome);
MU_MUST_CHECK
int mu_record_removed(struct mu_pg *pg, const char *directory);
MU_MUST_CHECK
int mu_record_checked(struct mu_pg *pg, const char *directory, enum mu_backup_check outcome,
                      const char *detail);

const char *mu_backup_check_name(enum mu_backup_check outcome);

#endif
