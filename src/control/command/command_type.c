/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command/command_type.h"

#include <string.h>

#include "base/assert.h"

enum {
        MINUTE_S = 60,
        HOUR_S = 3600,
        DAY_S = 86400,
        PACKAGE_CHARS_MAX = 255,
        WORDS_CHARS_MAX = 200, /* what is shown to a person */
};

static const struct mu_shape EMPTY = {.name = "CommandWithoutPayload"};

static const struct mu_field LOCK_FIELDS[] = {
        {.name = "message",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_LINES,
         .least = 1,
         .most = WORDS_CHARS_MAX,
         .doc = "Shown on the lock screen."},
};
static const struct mu_shape LOCK = MU_SHAPE("LockPayload", LOCK_FIELDS);

static const struct mu_field REBOOT_FIELDS[] = {
        {.name = "delay_s",
         .type = MU_FIELD_INTEGER,
         .least = 0,
         .most = HOUR_S,
         .doc = "How long the device waits first."},
};
static const struct mu_shape REBOOT = MU_SHAPE("RebootPayload", REBOOT_FIELDS);

static const struct mu_field PACKAGE_FIELDS[] = {
        {.name = "package",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = PACKAGE_CHARS_MAX,
         .doc = "An Android package, or a program of a desktop."},
};
static const struct mu_shape PACKAGE = MU_SHAPE("PackagePayload", PACKAGE_FIELDS);

static const struct mu_field RELAUNCH_FIELDS[] = {
        {.name = "package",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = PACKAGE_CHARS_MAX,
         .doc = "Without it the monitored one."},
};
static const struct mu_shape RELAUNCH = MU_SHAPE("RelaunchPayload", RELAUNCH_FIELDS);

static const struct mu_field CONFIG_FIELDS[] = {
        {.name = "settings",
         .type = MU_FIELD_OBJECT,
         .flags = MU_FIELD_REQUIRED,
         .doc = "The agent's settings that change; the others stay."},
};
static const struct mu_shape CONFIG = MU_SHAPE("ConfigPayload", CONFIG_FIELDS);

static const struct mu_field LOGS_FIELDS[] = {
        {.name = "since_s",
         .type = MU_FIELD_INTEGER,
         .least = 1,
         .most = 7 * DAY_S,
         .doc = "How far back."},
        {.name = "lines", .type = MU_FIELD_INTEGER, .least = 1, .most = 10000, .doc = "At most."},
};
static const struct mu_shape LOGS = MU_SHAPE("LogsPayload", LOGS_FIELDS);

static const struct mu_field SCREENSHOT_FIELDS[] = {
        {.name = "reason",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = WORDS_CHARS_MAX,
         .doc = "Why; it is in the audit log and shown to whoever uses the device."},
};
static const struct mu_shape SCREENSHOT = MU_SHAPE("ScreenshotPayload", SCREENSHOT_FIELDS);

static const struct mu_field UPDATE_FIELDS[] = {
        {.name = "version",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = 64,
         .doc = "The version to ask for; without it whatever is due."},
};
static const struct mu_shape UPDATE = MU_SHAPE("UpdatePayload", UPDATE_FIELDS);

static const struct mu_field WIPE_FIELDS[] = {
        {.name = "external_storage", .type = MU_FIELD_BOOLEAN, .doc = "The memory card too."},
        {.name = "reason",
         .type = MU_FIELD_TEXT,
         .least = 1,
         .most = WORDS_CHARS_MAX,
         .doc = "Why; it is in the audit log."},
};
static const struct mu_shape WIPE = MU_SHAPE("WipePayload", WIPE_FIELDS);

static const struct mu_field RAW_FIELDS[] = {
        {.name = "name",
         .type = MU_FIELD_TEXT,
         .flags = MU_FIELD_REQUIRED,
         .least = 1,
         .most = 64,
         .doc = "What the agent calls it."},
        {.name = "args", .type = MU_FIELD_ANY, .doc = "Whatever the agent expects with it."},
};
static const struct mu_shape RAW = MU_SHAPE("RawPayload", RAW_FIELDS);

static const struct mu_field ROTATE_FIELDS[] = {
        {.name = "version",
         .type = MU_FIELD_INTEGER,
         .flags = MU_FIELD_REQUIRED,
         .least = 2,
         .most = INT32_MAX,
         .doc = "The new key's version; the key itself is put in when the command is sent."},
};
static const struct mu_shape ROTATE = MU_SHAPE("RotateKeyPayload", ROTATE_FIELDS);

static const struct mu_command_type TYPES[] = {
        {"ping", &EMPTY, 10 * MINUTE_S, MU_ROLE_OPERATOR, 0},
        {"lock", &LOCK, DAY_S, MU_ROLE_OPERATOR, 0},
        {"reboot", &REBOOT, HOUR_S, MU_ROLE_OPERATOR, 0},
        {"relaunch_app", &RELAUNCH, HOUR_S, MU_ROLE_OPERATOR, 0},
        {"launch_package", &PACKAGE, HOUR_S, MU_ROLE_OPERATOR, 0},
        {"stop_package", &PACKAGE, HOUR_S, MU_ROLE_OPERATOR, 0},
        {"set_config", &CONFIG, 7 * DAY_S, MU_ROLE_OPERATOR, MU_COMMAND_TYPE_PRIVATE},
        {"request_logs", &LOGS, DAY_S, MU_ROLE_OPERATOR, 0},
        {"screenshot", &SCREENSHOT, 10 * MINUTE_S, MU_ROLE_OPERATOR, 0},
        {"nudge_update", &UPDATE, DAY_S, MU_ROLE_OPERATOR, 0},
        {"wipe", &WIPE, 7 * DAY_S, MU_ROLE_ADMIN, MU_COMMAND_TYPE_CONFIRMED},
        {"raw", &RAW, HOUR_S, MU_ROLE_ADMIN, MU_COMMAND_TYPE_DECLARED | MU_COMMAND_TYPE_PRIVATE},
        {MU_COMMAND_ROTATE_KEY, &ROTATE, 7 * DAY_S, MU_ROLE_ADMIN,
         MU_COMMAND_TYPE_DIRECT_ONLY | MU_COMMAND_TYPE_OWN},
};

_Static_assert(MU_COUNT_OF(TYPES) <= (size_t)MU_COMMAND_TYPES_MAX, "counters have room");

const struct mu_command_type *mu_command_type_find(const char *name)
{
        for (size_t i = 0; i < MU_COUNT_OF(TYPES); i++)
                if (strcmp(TYPES[i].name, name) == 0)
                        return &TYPES[i];
        return NULL;
}

const struct mu_command_type *mu_command_type_at(size_t index)
{
        return index < MU_COUNT_OF(TYPES) ? &TYPES[index] : NULL;
}

size_t mu_command_type_index(const struct mu_command_type *type)
{
        MU_ASSERT(type >= TYPES && type < TYPES + MU_COUNT_OF(TYPES));
        return (size_t)(type - TYPES);
}
