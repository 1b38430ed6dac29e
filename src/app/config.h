/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - every setting of musterd, as plain data.
 *
 * One list (config_options.h) says section, key, type, default, bounds and help of each; struct
 * mu_config, the file, the environment, the flags, --help and the check that each is documented are
 * all made from it. Later sources win: default, file, environment, flag.
 *
 *   [journal]                       MUSTER_JOURNAL_TAIL=64MiB         --journal-tail 64MiB
 *   tail = 64MiB
 *
 * Units      bytes; durations in ns; ports and counts plain.
 * Threads    filled by one thread at start, then read-only; a reload makes a new one.
 * Ownership  Strings belong to the config until mu_config_done.
 * Errors     -EINVAL and one sentence saying which setting from which source is wrong and what
 * would be right.
 */
#ifndef MUSTER_APP_CONFIG_H
#define MUSTER_APP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "muster/compiler.h"

enum mu_config_limits {
        MU_CONFIG_ERROR_BYTES = 512,
};

enum mu_option_type {
        MU_OPTION_TEXT,
        MU_OPTION_NUMBER,
        MU_OPTION_BYTES,
        MU_OPTION_DURATION,
};

struct mu_config {
#define MU_FIELD_TEXT char *
#define MU_FIELD_NUMBER uint64_t
#define MU_FIELD_BYTES uint64_t
#define MU_FIELD_DURATION uint64_t
#define MU_OPTION(section, key, type, initial, least, most, reload, help)                          \
        MU_FIELD_##type section##_##key;
#include "app/config_options.h"
#undef MU_OPTION
#undef MU_FIELD_TEXT
#undef MU_FIELD_NUMBER
#undef MU_FIELD_BYTES
#undef MU_FIELD_DURATION
};

/* What the command line asks for beside settings. */
enum mu_config_action {
        MU_CONFIG_RUN,
        MU_CONFIG_CHECK,   /* --check-config */
        MU_CONFIG_HELP,    /* --help */
        MU_CONFIG_ROUTES,  /* --routes */
        MU_CONFIG_VERSION, /* --version */
};

/* argv and environ as main gets them. error: MU_CONFIG_ERROR_BYTES. */
MU_MUST_CHECK
int mu_config_load(int argc, char **argv, char **environment, struct mu_config *ret_config,
                   enum mu_config_action *ret_action, char *error);
void mu_config_done(struct mu_config *config);

/* Reads all sources anew: settings marked reloadable are taken over, and pending hears the name
 * ("section.key") of each other one that would change with a restart. -EINVAL changes nothing. */
MU_MUST_CHECK
int mu_config_reload(struct mu_config *config, char **argv, char **environment,
                     void (*pending)(void *context, const char *name), void *context, char *error);

/* All settings with defaults and help, as a configuration file that can be used as it is. */
void mu_config_print_help(FILE *to);
/* The settings in force, one "section.key = value" a line; a password in a URL is left out. */
void mu_config_print(const struct mu_config *config, FILE *to);

#endif
