/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - what musterctl remembers between runs: one file, 0600, replaced as a whole.
 *
 *   $MUSTER_SESSION, or $XDG_CONFIG_HOME/muster/session.json, or ~/.config/muster/session.json
 *
 * Threads    one; several musterctl at once are kept apart by a lock (flock) while one refreshes.
 * Ownership  done frees and wipes. Errors: negative errno; a sentence is on stderr.
 */
#ifndef MUSTER_CTL_SESSION_H
#define MUSTER_CTL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/compiler.h"

struct mu_ctl_session {
        char *file;
        char *url;
        char *user;
        char *access_token;
        char *refresh_token;
        char *certificate; /* PEM that was trusted at sign-in; NULL: the system's authorities */
        int64_t access_expires_s; /* epoch */
};

/* What is there; an absent file is an empty session. */
MU_MUST_CHECK
int mu_ctl_session_load(struct mu_ctl_session *session);
MU_MUST_CHECK
int mu_ctl_session_save(const struct mu_ctl_session *session);
MU_MUST_CHECK
int mu_ctl_session_remove(const struct mu_ctl_session *session);
void mu_ctl_session_done(struct mu_ctl_session *session);
/* Held while a refresh is under way; a descriptor, or a negative errno. */
MU_MUST_CHECK
int mu_ctl_session_lock(const struct mu_ctl_session *session);
void mu_ctl_session_unlock(int lock);
/* Replaces a member. */
MU_MUST_CHECK
int mu_ctl_session_set(char **member, const char *value);

#endif
