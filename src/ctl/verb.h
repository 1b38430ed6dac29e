/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb.h - what musterctl can do: a row per command, from words on the command line to one request.
 *
 *   musterctl devices list --site Berlin --tag kiosk
 *             └────┬─────┘ └───────────┬───────────┘
 *               verb row        its options: each goes into the path, the query or the body
 *
 * Rows are static const; help, completion of the path and the check of the input are made from
 * them.
 *
 * Threads    one. Errors: negative errno, and what to say in the caller's words.
 */
#ifndef MUSTER_CTL_VERB_H
#define MUSTER_CTL_VERB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "muster/compiler.h"

enum mu_ctl_place {
        MU_CTL_PATH,  /* {key} of the path; positional */
        MU_CTL_QUERY, /* ?key= */
        MU_CTL_BODY,  /* {"key": …} */
        MU_CTL_LOCAL, /* for the verb's own function */
};

enum mu_ctl_value {
        MU_CTL_TEXT,
        MU_CTL_INTEGER,
        MU_CTL_DURATION,     /* 5m, 7d; sent as whole seconds */
        MU_CTL_TIME,         /* as when.h says; sent as RFC 3339 */
        MU_CTL_FLAG,         /* no value; true */
        MU_CTL_SETTING,      /* 12, yes, no; default: null */
        MU_CTL_LIST,         /* may be repeated */
        MU_CTL_JSON,         /* an object, or @FILE */
        MU_CTL_FILE,         /* its content as text, without the last newline; -: a line typed */
        MU_CTL_NEW_PASSWORD, /* asked for twice on the terminal, or --key-file FILE */
        MU_CTL_OLD_PASSWORD, /* asked for once */
};

struct mu_ctl_option {
        const char *name; /* "--site"; a positional one in capitals: "DEVICE" */
        const char *key;
        const char *help;
        enum mu_ctl_place place;
        enum mu_ctl_value value;
        bool required;
};

enum mu_ctl_limits {
        MU_CTL_OPTIONS_MAX = 16,
        MU_CTL_COLUMNS_MAX = 12,
        MU_CTL_REPLY_BYTES_MAX = 64 * 1024 * 1024,
};

struct mu_ctl;
struct mu_ctl_input;

struct mu_ctl_verb {
        const char *words; /* "devices list" */
        const char *summary;
        const char *method;
        const char *path;
        struct mu_ctl_option options[MU_CTL_OPTIONS_MAX]; /* ended by a NULL name */
        const char *rows;    /* the reply's member that is a list; NULL: the reply is one thing */
        const char *columns; /* "id alias status=state": member, or heading=member; NULL: all */
        const char *done;    /* said after a success without a reply */
        bool confirm;        /* asks first, on a terminal; --yes answers */
        bool public;         /* works without having signed in */
        int (*run)(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                   struct mu_ctl_input *input); /* NULL: send, print */
};

extern const struct mu_ctl_verb mu_ctl_verbs[];
extern const size_t mu_ctl_verb_count;

/* What the command line asks for. */
struct mu_ctl_input {
        const struct mu_ctl_verb *verb;
        char *path;    /* with its parameters, encoded */
        char *query;   /* "a=1&b=2", encoded; NULL: none */
        json_t *body;  /* NULL: none */
        json_t *local; /* MU_CTL_LOCAL, by key */
};

/* Global options stand anywhere. */
struct mu_ctl_globals {
        const char *url;
        const char *token_file;
        const char *admin_key_file;
        const char *ca_file;
        bool json;
        bool yes;
        bool all;
        bool help;
};

struct mu_ctl_problem {
        char text[320];
};

/* Finds the verb and reads its options. 0, or -EINVAL and a sentence that says what would be
 * right; -ENOMEM. With globals->help, ret_input->verb may be NULL or the verb that is asked about,
 * and nothing else is read. */
MU_MUST_CHECK
int mu_ctl_parse(int argc, char **argv, struct mu_ctl_globals *globals,
                 struct mu_ctl_input *ret_input, struct mu_ctl_problem *problem);
void mu_ctl_input_done(struct mu_ctl_input *input);

/* The longest verb that the words begin with; NULL. ret_used: words taken. */
const struct mu_ctl_verb *mu_ctl_find(int argc, char **argv, int *ret_used);

void mu_ctl_help(void);
void mu_ctl_help_group(const char *group);
void mu_ctl_help_verb(const struct mu_ctl_verb *verb);

#endif
