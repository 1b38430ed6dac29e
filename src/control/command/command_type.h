/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_type.h - the kinds of command: one row each, with the shape of its payload.
 *
 * Units      *_s. Threads: any. Ownership: the table is static.
 */
#ifndef MUSTER_CONTROL_COMMAND_COMMAND_TYPE_H
#define MUSTER_CONTROL_COMMAND_COMMAND_TYPE_H

#include <stddef.h>
#include <stdint.h>

#include "control/shape.h"
#include "identity/principal.h"

#define MU_COMMAND_ROTATE_KEY "rotate_key"

enum mu_command_type_limits {
        MU_COMMAND_TYPES_MAX = 16,
        MU_COMMAND_TTL_S_MIN = 60,
        MU_COMMAND_TTL_S_MAX = 7 * 86400,
};

enum mu_command_type_flag {
        MU_COMMAND_TYPE_CONFIRMED = 1u << 0,   /* created awaiting_confirmation */
        MU_COMMAND_TYPE_DIRECT_ONLY = 1u << 1, /* carries a secret: never by FCM */
        MU_COMMAND_TYPE_DECLARED = 1u << 2,    /* only to agents that say they know it */
        MU_COMMAND_TYPE_OWN = 1u << 3,         /* the appliance's: not to be asked for by type */
        MU_COMMAND_TYPE_PRIVATE = 1u << 4,     /* the audit log is not to repeat the payload */
};

struct mu_command_type {
        const char *name;
        const struct mu_shape *payload;
        uint32_t ttl_s; /* unless the request says */
        enum mu_role role;
        uint32_t flags; /* MU_COMMAND_TYPE_* */
};

/* The types an operator can ask for, as a shape's one_of. */
#define MU_COMMAND_TYPE_CHOICE                                                                     \
        "ping|lock|reboot|relaunch_app|launch_package|stop_package|set_config|request_logs|"       \
        "screenshot|nudge_update|wipe|raw"

const struct mu_command_type *mu_command_type_find(const char *name); /* NULL: unknown */
const struct mu_command_type *mu_command_type_at(size_t index);       /* NULL: beyond the last */
size_t mu_command_type_index(const struct mu_command_type *type);

#endif
