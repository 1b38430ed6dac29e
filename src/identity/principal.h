/* SPDX-License-Identifier: Apache-2.0 */
/*
 * principal.h - who is asking, once it has been proved.
 *
 * Threads    a value: copied freely. Errors: none.
 */
#ifndef MUSTER_IDENTITY_PRINCIPAL_H
#define MUSTER_IDENTITY_PRINCIPAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In order of power: whoever may do what needs a role may do what needs a lower one. */
enum mu_role {
        MU_ROLE_NONE,
        MU_ROLE_VIEWER,
        MU_ROLE_OPERATOR,
        MU_ROLE_ADMIN,
};

enum mu_principal_kind {
        MU_PRINCIPAL_NOBODY,
        MU_PRINCIPAL_USER,      /* a signed-in person: id is the user's, session_id the family's */
        MU_PRINCIPAL_API_TOKEN, /* id is the token's, owner_id its creator's */
        MU_PRINCIPAL_ADMIN_KEY, /* a machine of the operator's; acts as admin */
        MU_PRINCIPAL_DEVICE,    /* id is the device's */
};

enum mu_principal_limits {
        MU_PRINCIPAL_NAME_BYTES = 80, /* with NUL */
        MU_PRINCIPAL_SCOPES_BYTES = 512,
};

struct mu_principal {
        enum mu_principal_kind kind;
        enum mu_role role;
        int64_t id;
        int64_t owner_id;
        int64_t session_id;
        char name[MU_PRINCIPAL_NAME_BYTES];     /* user name, or the API token's own */
        char scopes[MU_PRINCIPAL_SCOPES_BYTES]; /* API tokens: "devices:read commands:write" */
};

/* "viewer", ... ; MU_ROLE_NONE for an unknown name. */
const char *mu_role_name(enum mu_role role);
enum mu_role mu_role_parse(const char *name);

/* Whether the scopes (separated by blanks; "devices:*" covers "devices:read") contain scope. */
bool mu_scopes_contain(const char *scopes, const char *scope);

/* As the audit log names it: "user:alice", "api-token:7", "admin-key", "device:42", "nobody". */
void mu_principal_actor(const struct mu_principal *who, char *text, size_t text_bytes);

#endif
