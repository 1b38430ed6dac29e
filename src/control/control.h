/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - what the control plane's handlers share.
 *
 * Handlers run on control workers (http/offload.h), plain and synchronous; each borrows a database
 * connection for as long as it needs one. A feature is a folder: x.c holds its rules, x_sql.c its
 * statements, x_api.c its HTTP.
 *
 * Threads    create, destroy: one thread. The rest: any worker.
 * Ownership  Everything pointed to is lent and outlives it.
 */
#ifndef MUSTER_CONTROL_CONTROL_H
#define MUSTER_CONTROL_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/account/account.h"
#include "control/rate_limit.h"
#include "http/route.h"
#include "http/tls.h"
#include "metrics/metrics.h"
#include "muster/compiler.h"

struct mu_auth_failures;
struct mu_clock;
struct mu_control;
struct mu_database;
struct mu_device_table;
struct mu_endpoint_table;
struct mu_call;
struct mu_command_counts;
struct mu_pg;
struct mu_secrets;

/* What features keep for as long as the daemon runs; each has a header of its own. */
struct mu_alert_thread;  /* alert/alert_thread.h: told when rules or channels change */
struct mu_bus;           /* base/bus.h: changes, for whoever watches live */
struct mu_dispatcher;    /* command/dispatcher.h: brings commands to devices */
struct mu_guard;         /* guard.h: limits, security events, what seals kept replies */
struct mu_notifier;      /* notify/notifier.h: the same */
struct mu_backup_runner; /* backup/runner.h */
struct mu_doctor_facts;  /* doctor/doctor.h */
struct mu_doctor_settings;
struct mu_job_desk;   /* job/job_desk.h */
struct mu_mailer;     /* outbound/smtp.h; NULL: not configured */
struct mu_openapi;    /* openapi/openapi.h */
struct mu_ws_tickets; /* account/ws_ticket.h */

enum mu_control_limits {
        MU_LIMIT_RULES = 3,
};

/* How agents reach the appliance and know it. */
struct mu_agent_door {
        uint16_t https_port;
        bool self_signed;
        char tls_pin[MU_TLS_PIN_BYTES];
};

struct mu_control_config {
        struct mu_database *database;
        struct mu_device_table *devices;
        struct mu_secrets *secrets;
        struct mu_auth_failures *auth_failures;
        struct mu_metrics *metrics;
        const struct mu_clock *clock;
        uint32_t heartbeat_interval_s;
        struct mu_account_config account;
        struct mu_bus *bus;
        struct mu_dispatcher *dispatcher;
        struct mu_mailer *mail;
        const struct mu_job_desk *jobs;   /* filled in before anybody asks */
        struct mu_backup_runner *backups; /* NULL: none are made */
        const struct mu_doctor_settings *doctor;
        void (*doctor_facts)(void *ctx, struct mu_doctor_facts *ret_facts);
        void (*agent_door)(void *ctx, struct mu_agent_door *ret_door); /* NULL: not known */
        struct mu_alert_thread *alerts;                                /* NULL: none runs */
        struct mu_notifier *notifier;                                  /* NULL: none runs */
        const char *discord_hosts;                  /* notify/channel.h; NULL: Discord's own */
        const uint8_t *journal_id;                  /* 16 bytes */
        struct mu_rate_rule limits[MU_LIMIT_RULES]; /* general, reset, bulk; all 0: no limits */
        /* Once a minute at most for each kind and address. Any worker. */
        void (*on_security_event)(void *ctx, const char *kind, const char *address,
                                  const char *principal, const char *detail);
        /* A journal sequence that no record accepted before the call lies above. Blocks for
         * moments; -ETIMEDOUT when the journal does not move. */
        int (*journal_barrier)(void *ctx, uint64_t *ret_seq);
        /* A request failed for a reason that is the appliance's: for the log. Any worker. */
        void (*on_trouble)(void *ctx, const char *request_id, const char *path, const char *detail);
        void *ctx;
};

struct mu_control {
        struct mu_control_config config;
        struct mu_endpoint_table *endpoints; /* endpoint_private.h */
        struct mu_guard *guard;
        struct mu_openapi *openapi;
        struct mu_command_counts *command_counts; /* command/command_news.h */
        struct mu_account *account;               /* account/account.h */
        struct mu_ws_tickets *ws_tickets;
        /* Of passwords, apart from those of tokens: devices that were shut out go on trying, behind
         * the same NAT as the people who are to let them in again. */
        struct mu_auth_failures *password_failures;
        _Atomic uint64_t registered_new;
        _Atomic uint64_t registered_again;
        _Atomic uint64_t registrations_refused;
        _Atomic uint64_t devices_deleted;
        _Atomic bool glances_loaded;     /* device/device_filter.h */
        _Atomic uint32_t device_exports; /* under way: device/device_csv.c */
        _Atomic uint64_t old_admin_header;
};

MU_MUST_CHECK
int mu_control_create(const struct mu_control_config *config, struct mu_control **ret_control);
void mu_control_destroy(struct mu_control *control); /* NULL is a no-op */

/* All routes of the control plane: features.c. The control outlives the router. */
MU_MUST_CHECK
int mu_control_add_routes(struct mu_control *control, struct mu_router *router);

/* Whether the request carries the admin key (X-Admin-Key, or its old name X-Admin). */
bool mu_control_has_admin_key(struct mu_control *control, const struct mu_call *call);
/* The same, or the call is answered 401 (429 after too many failures) and the answer is false. */
MU_MUST_CHECK
bool mu_control_require_admin_key(struct mu_control *control, struct mu_call *call);
/* Answers a failed authentication: 401, or 429 once the address has failed too often. */
void mu_control_refuse_401(struct mu_control *control, struct mu_call *call, const char *slug,
                           const char *sentence);

/* Whether PostgreSQL's device list was read: before, the table says nothing about who is unknown.
 * False: the call is answered 503. */
MU_MUST_CHECK
bool mu_control_require_device_list(const struct mu_control *control, struct mu_call *call);

/* A path parameter that is an id; false: the call is answered 404. what: "device", ... */
MU_MUST_CHECK
bool mu_control_id_param(struct mu_call *call, const char *name, const char *what, int64_t *ret_id);

/* A connection for this call, or the call is answered 503 and NULL. Give it back. */
MU_MUST_CHECK
struct mu_pg *mu_control_borrow(struct mu_control *control, struct mu_call *call);
void mu_control_give_back(struct mu_control *control, struct mu_pg *pg);
/* Answers what could not be carried out, and tells on_trouble why: 503 when trying again can help,
 * else 500. error: negative errno of pg/error.h; pg, if any: whose last error it was. */
void mu_control_failed(struct mu_control *control, struct mu_call *call, const struct mu_pg *pg,
                       int error);

#endif
