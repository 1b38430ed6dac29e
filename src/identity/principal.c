/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/principal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const ROLE_NAMES[] = {
        [MU_ROLE_NONE] = "none",
        [MU_ROLE_VIEWER] = "viewer",
        [MU_ROLE_OPERATOR] = "operator",
        [MU_ROLE_ADMIN] = "admin",
};

const char *mu_role_name(enum mu_role role)
{
        return ROLE_NAMES[role];
}

enum mu_role mu_role_parse(const char *name)
{
        for (enum mu_role role = MU_ROLE_VIEWER; role <= MU_ROLE_ADMIN; role++) {
                if (strcmp(name, ROLE_NAMES[role]) == 0)
                        return role;
        }
        return MU_ROLE_NONE;
}

static bool covers(const char *granted, size_t chars, const char *scope)
{
        if (chars >= 2 && memcmp(granted + chars - 2, ":*", 2) == 0)
                return strncmp(granted, scope, chars - 1) == 0;
        return strlen(scope) == chars && memcmp(granted, scope, chars) == 0;
}

bool mu_scopes_contain(const char *scopes, const char *scope)
{
        while (*scopes) {
                size_t chars = strcspn(scopes, " ");

                if (chars > 0 && covers(scopes, chars, scope))
                        return true;
                scopes += chars;
                scopes += strspn(scopes, " ");
        }
        return false;
}

void mu_principal_actor(const struct mu_principal *who, char *text, size_t text_bytes)
{
        switch (who->kind) {
        case MU_PRINCIPAL_USER:
                (void)snprintf(text, text_bytes, "user:%s", who->name);
                return;
        case MU_PRINCIPAL_API_TOKEN:
                (void)snprintf(text, text_bytes, "api-token:%" PRId64, who->id);
                return;
        case MU_PRINCIPAL_ADMIN_KEY:
                (void)snprintf(text, text_bytes, "admin-key");
                return;
        case MU_PRINCIPAL_DEVICE:
                (void)snprintf(text, text_bytes, "device:%" PRId64, who->id);
                return;
        case MU_PRINCIPAL_NOBODY:
                break;
        }
        (void)snprintf(text, text_bytes, "nobody");
}
