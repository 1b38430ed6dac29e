/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - one run of musterctl: where the appliance is, who asks, and the request.
 *
 *   session.h: URL, tokens and certificate in ~/.config/muster/session.json (0600)
 *       │  access token about to expire: refreshed first, under a lock on the file
 *       ▼
 *   client.c: libcurl ─▶ reply or a sentence ─▶ output.c: a table, or --json
 *
 * Units      *_s. Threads: one. Errors: enum mu_ctl_exit, the sentence is already on stderr.
 */
#ifndef MUSTER_CTL_CTL_H
#define MUSTER_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "ctl/session.h"
#include "ctl/verb.h"

enum mu_ctl_exit {
        MU_CTL_OK = 0,
        MU_CTL_REFUSED = 1, /* the appliance said no */
        MU_CTL_USAGE = 2,
        MU_CTL_UNREACHABLE = 3,
        MU_CTL_SIGNED_OUT = 4,
        MU_CTL_FAILED = 5,     /* a command failed on the device, or a check did */
        MU_CTL_UNFINISHED = 6, /* a command expired, was cancelled or was not waited out */
};

struct mu_ctl {
        struct mu_ctl_globals globals;
        struct mu_ctl_session session;
        char *bearer; /* API token */
        char *admin_key;
        void *curl;
};

struct mu_ctl_reply {
        long status;
        char *body; /* NUL-terminated, never NULL */
        size_t bytes;
        json_t *json;       /* NULL: the body is none */
        long retry_after_s; /* -1: not said */
};

MU_MUST_CHECK
int mu_ctl_open(const struct mu_ctl_globals *globals, struct mu_ctl *ctl);
void mu_ctl_close(struct mu_ctl *ctl);

/* client.c. Sends as whoever is signed in; signs the session on when it must. A reply of 400 and
 * above is printed as its sentence and is MU_CTL_REFUSED or _SIGNED_OUT. sink: the body of a
 * success goes there instead. Done with mu_ctl_reply_done whatever the answer. */
MU_MUST_CHECK
int mu_ctl_request(struct mu_ctl *ctl, const char *method, const char *path, const char *query,
                   const json_t *body, FILE *sink, struct mu_ctl_reply *ret_reply);
/* The same without who: signing in and on. quiet: says nothing of a refusal. */
MU_MUST_CHECK
int mu_ctl_request_bare(struct mu_ctl *ctl, const char *path, const json_t *body, bool quiet,
                        struct mu_ctl_reply *ret_reply);
void mu_ctl_reply_done(struct mu_ctl_reply *reply);

static inline int64_t mu_ctl_now_s(void) /* since the epoch */
{
        return mu_clock_realtime_us(mu_clock_system()) / MU_US_PER_S;
}

/* run.c: the verb, from input to exit code. */
MU_MUST_CHECK
int mu_ctl_run(struct mu_ctl *ctl, struct mu_ctl_input *input);

/* What a verb without a function of its own does. */
MU_MUST_CHECK
int mu_ctl_send_and_print(struct mu_ctl *ctl, struct mu_ctl_input *input);

/* Functions of verbs that are more than one request. */
int mu_ctl_login(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);
int mu_ctl_logout(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);
int mu_ctl_send_command(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input);
int mu_ctl_wait_command(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input);
int mu_ctl_run_job(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);
int mu_ctl_status(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);
int mu_ctl_export(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);
int mu_ctl_verify_audit(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input);
/* alerts.c */
int mu_ctl_add_channel(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                       struct mu_ctl_input *input);
int mu_ctl_test_channel(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input);
int mu_ctl_reset_monitoring(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                            struct mu_ctl_input *input);
/* archive.c */
int mu_ctl_archive_ask(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                       struct mu_ctl_input *input);
int mu_ctl_archive_show(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                        struct mu_ctl_input *input);
int mu_ctl_archive_verify(struct mu_ctl *ctl, const struct mu_ctl_verb *verb,
                          struct mu_ctl_input *input);
int mu_ctl_call(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);

/* wait_job.c: until the run has ended, and how; wait_s 0: an hour. */
int mu_ctl_wait_run(struct mu_ctl *ctl, const char *run_id, int64_t wait_s);

/* wait_command.c */
int64_t mu_ctl_monotonic_ms(void);
void mu_ctl_pause_ms(int64_t ms);

/* local.c: on the appliance's own machine; musterd does the work. */
int mu_ctl_backup(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);
int mu_ctl_restore(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);
/* Exit code 0, 1 with warnings, 2 with failures. */
int mu_ctl_doctor(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input);

/* output.c */
/* In place: nothing in it steers a terminal any more. */
void mu_ctl_clean(char *text);
void mu_ctl_print_json(const json_t *json);
void mu_ctl_print_rows(const json_t *rows, const char *columns);
void mu_ctl_print_object(const json_t *object);

/* terminal.c */
/* A line typed without echo, or a file's first line; NULL and a sentence on stderr. Freed with
 * mu_ctl_forget. */
char *mu_ctl_ask_secret(const char *prompt);
char *mu_ctl_ask_line(const char *prompt);
char *mu_ctl_read_secret(const char *path); /* "-": standard input */
void mu_ctl_forget(char *secret);           /* NULL is a no-op */
/* On a terminal: y or n. Elsewhere: no, and a sentence that names --yes. */
bool mu_ctl_confirm(const char *question);
void mu_ctl_complain(const char *format, ...) MU_PRINTF(1, 2);

#endif
