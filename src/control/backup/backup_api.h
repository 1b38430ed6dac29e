/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup_api.h - backups over HTTP: which there are, and one more now.
 *
 * Where one may be put is the configuration's to say: it holds every secret.
 *
 * Threads    any worker.
 */
#ifndef MUSTER_CONTROL_BACKUP_API_H
#define MUSTER_CONTROL_BACKUP_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_backup_endpoints;

#endif
