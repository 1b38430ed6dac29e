/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_files.h - what a running musterd shows in its data directory.
 *
 *   musterd.pid   "PID STARTTIME\n" (starttime: field 22 of /proc/PID/stat); locked while it runs
 *   run.json      pid, URLs, where the database is: what ./muster and people ask for
 *
 * Threads    one. Errors: negative errno and, from lock, a sentence.
 */
#ifndef MUSTER_APP_RUN_FILES_H
#define MUSTER_APP_RUN_FILES_H

#include <stdint.h>

#include "muster/compiler.h"

enum mu_run_limits {
        MU_RUN_ERROR_BYTES = 512,
};

struct mu_run_facts {
        uint16_t https_port;
        uint16_t http_port;
        const char *http_address;
        const char *tls_pin;          /* of the certificate's key, for agents */
        const char *database;         /* for people; never a password */
        const char *socket_directory; /* of the private PostgreSQL; NULL: an existing one is used */
};

/* One musterd a data directory: -EBUSY while another runs. The descriptor holds the lock. */
MU_MUST_CHECK
int mu_run_lock(const char *data_directory, int *ret_fd, char *error);
MU_MUST_CHECK
int mu_run_publish(const char *data_directory, const struct mu_run_facts *facts);
/* Takes back what was shown and gives up the lock. fd < 0 is a no-op. */
void mu_run_unlock(const char *data_directory, int fd);

#endif
