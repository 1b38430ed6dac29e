/* SPDX-License-Identifier: Apache-2.0 */
/* digest_sql.h - statements of digests (private to this folder). */
#ifndef MUSTER_CONTROL_NOTIFY_DIGEST_SQL_H
#define MUSTER_CONTROL_NOTIFY_DIGEST_SQL_H

#include "pg/query.h"

/* now: channels in digest mode begin with it; others forget where they were */
extern const struct mu_pg_statement mu_digest_begin_sql;
/* → id, up to where it has told, zone; of all in digest mode */
extern const struct mu_pg_statement mu_digest_channels_sql;
/* id, now, zone → newest due moment up to now, next one */
extern const struct mu_pg_statement mu_digest_due_sql;

/* id, up to where it had told, now → moved; nothing: another was faster, or it is off */
extern const struct mu_pg_statement mu_digest_claim_sql;
/* id, from, to, zone → from and to as text, opened, of these critical, warning, resolved, open */
extern const struct mu_pg_statement mu_digest_summary_sql;
/* id, from, to, zone, open ones (else resolved), how many → severity, rule, kind, group, alerts,
 * alias, site, opened, lasted s */
extern const struct mu_pg_statement mu_digest_list_sql;
/* id, from, to, how many → alias, site, alerts */
extern const struct mu_pg_statement mu_digest_devices_sql;

#endif
