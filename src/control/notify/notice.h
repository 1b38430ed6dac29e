/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice.h - an incident as a person is told of it: plain texts, made from the database as it is
 * now. Channels put them into their own form: discord.h, webhook.h, alert_mail.h.
 *
 * Texts are whole UTF-8 without control characters but line breaks, and hold what people typed
 * (aliases, notes): whoever puts them into a language with markup escapes them.
 *
 *   title   "Device offline: Kiosk 12"     "37 devices offline: site Berlin"
 *   what    "No request for 13 min (limit 12 min)."
 *   where   "Site Berlin, 203.0.113.0/24"; "" where nothing is known
 *   link    public_url/incidents/12
 *   lines   the incident's thread, oldest first: acknowledged, remediation and its outcome, merged
 *
 * Units      *_us since the Unix epoch, 0: not.
 * Threads    that of the connection; then plain data.
 * Ownership  read and make_text fill it, mu_notice_done frees what it holds (zeroed: a no-op).
 * Errors     negative errno of pg/error.h; -ENOENT: no such incident; -ENOMEM. The notice is
 *            untouched then.
 */
#ifndef MUSTER_CONTROL_NOTIFY_NOTICE_H
#define MUSTER_CONTROL_NOTIFY_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/alert/alert.h"
#include "control/notify/outbox.h"
#include "muster/compiler.h"

struct mu_pg;

enum mu_notice_limits {
        MU_NOTICE_DEVICES_MAX = 20,
        MU_NOTICE_LINES_MAX = 20,
        MU_NOTICE_TIME_BYTES = 32,
        MU_NOTICE_DURATION_BYTES = 48,
};

enum mu_notice_state {
        MU_NOTICE_STANDS,
        MU_NOTICE_OVER,
        MU_NOTICE_MERGED, /* part of a wider incident by now */
};

struct mu_notice_device {
        int64_t id;
        char *alias;
        char *site;  /* "" none */
        bool firing; /* still */
};

struct mu_notice {
        enum mu_notice_kind kind;
        enum mu_notice_state state;
        enum mu_alert_severity severity;
        int64_t incident_id; /* 0: a text (test, digest, told directly) */
        int64_t merged_into;
        int32_t version; /* of the incident, as told */
        int64_t opened_us;
        int64_t closed_us;
        int64_t acked_us;
        int64_t at_us;       /* when the edge happened that this tells */
        char *incident_kind; /* "device", "site", "network", "appliance"; "" for a text */
        char *group_key;
        char *rule; /* its name; "" for a text */
        char *title;
        char *what;
        char *where;
        char *acked_by;
        char *ack_note;
        char *link; /* to the console; "" none */
        char *data; /* of a text: JSON object for webhooks, or NULL */
        struct mu_notice_device devices[MU_NOTICE_DEVICES_MAX];
        size_t devices_shown;
        int32_t device_count;             /* ever part of it */
        int32_t firing_count;             /* now */
        char *lines[MU_NOTICE_LINES_MAX]; /* the newest, if there are more */
        size_t line_count;
};

/* public_url: of the console, "" none. at_us: notice->at_us. */
MU_MUST_CHECK
int mu_notice_read(struct mu_pg *pg, int64_t incident_id, enum mu_notice_kind kind,
                   const char *public_url, int64_t at_us, struct mu_notice *ret_notice);
/* A text of its own: what a test or digest says; opened, closed: the appliance itself speaks.
 * state: STANDS or OVER. data may be NULL. */
MU_MUST_CHECK
int mu_notice_make_text(enum mu_notice_kind kind, enum mu_notice_state state,
                        enum mu_alert_severity severity, const char *title, const char *text,
                        const char *data, int64_t at_us, struct mu_notice *ret_notice);
void mu_notice_done(struct mu_notice *notice);

/* "2026-11-21T16:20:00Z". */
void mu_notice_time(int64_t at_us, char ret_text[MU_NOTICE_TIME_BYTES]);
/* "45 s", "13 min", "2 h 5 min", "3 d 4 h". */
void mu_notice_duration(int64_t seconds, char ret_text[MU_NOTICE_DURATION_BYTES]);
/* "Firing", "Resolved", "Part of a wider incident". */
const char *mu_notice_state_title(enum mu_notice_state state);

#endif
