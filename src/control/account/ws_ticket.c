/* SPDX-License-Identifier: Apache-2.0 */
#include "control/account/ws_ticket.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"

struct entry {
        struct mu_digest digest;
        uint64_t deadline_ns; /* 0: free */
        struct mu_principal who;
};

struct mu_ws_tickets {
        const struct mu_clock *clock;
        pthread_mutex_t lock;
        struct entry entries[MU_WS_TICKETS_MAX];
};

int mu_ws_tickets_create(const struct mu_clock *clock, struct mu_ws_tickets **ret_tickets)
{
        struct mu_ws_tickets *tickets = calloc(1, sizeof(*tickets));

        if (!tickets)
                return -ENOMEM;
        int error = pthread_mutex_init(&tickets->lock, NULL);

        if (error) {
                free(tickets);
                return -error;
        }
        tickets->clock = clock;
        *ret_tickets = tickets;
        return 0;
}

void mu_ws_tickets_destroy(struct mu_ws_tickets *tickets)
{
        if (!tickets)
                return;
        pthread_mutex_destroy(&tickets->lock);
        free(tickets);
}

static bool is_same(const struct mu_principal *a, const struct mu_principal *b)
{
        return a->kind == b->kind && a->id == b->id;
}

/* A free place; or the principal's own oldest, when it has its share. NULL: all are out. */
static struct entry *find_place(struct mu_ws_tickets *tickets, const struct mu_principal *who,
                                uint64_t now_ns)
{
        struct entry *unused = NULL;
        struct entry *oldest = NULL;
        unsigned own = 0;

        for (size_t i = 0; i < MU_WS_TICKETS_MAX; i++) {
                struct entry *entry = &tickets->entries[i];

                if (entry->deadline_ns <= now_ns) {
                        unused = entry;
                } else if (is_same(&entry->who, who)) {
                        own++;
                        if (!oldest || entry->deadline_ns < oldest->deadline_ns)
                                oldest = entry;
                }
        }
        return own >= MU_WS_TICKETS_PER_PRINCIPAL || !unused ? oldest : unused;
}

int mu_ws_ticket_issue(struct mu_ws_tickets *tickets, const struct mu_principal *who,
                       char ret_ticket[MU_TOKEN_BYTES])
{
        char ticket[MU_TOKEN_BYTES];
        int error = mu_token_generate("mt_", ticket);

        if (error < 0)
                return error;
        uint64_t now_ns = mu_clock_monotonic_ns(tickets->clock);

        pthread_mutex_lock(&tickets->lock);
        struct entry *entry = find_place(tickets, who, now_ns);

        if (entry) {
                mu_token_digest(ticket, MU_TOKEN_CHARS, &entry->digest);
                entry->deadline_ns = now_ns + MU_WS_TICKET_LIFE_S * (uint64_t)MU_NS_PER_S;
                entry->who = *who;
                for (size_t i = 0; i < MU_TOKEN_BYTES; i++)
                        ret_ticket[i] = ticket[i];
        }
        pthread_mutex_unlock(&tickets->lock);
        return entry ? 0 : -EAGAIN;
}

bool mu_ws_ticket_take(struct mu_ws_tickets *tickets, const char *ticket, size_t ticket_bytes,
                       struct mu_principal *ret_who)
{
        struct mu_digest digest;
        bool found = false;

        if (ticket_bytes != MU_TOKEN_CHARS)
                return false;
        mu_token_digest(ticket, ticket_bytes, &digest);
        uint64_t now_ns = mu_clock_monotonic_ns(tickets->clock);

        pthread_mutex_lock(&tickets->lock);
        for (size_t i = 0; i < MU_WS_TICKETS_MAX && !found; i++) {
                struct entry *entry = &tickets->entries[i];

                if (entry->deadline_ns > now_ns && mu_digest_equal(&entry->digest, &digest)) {
                        *ret_who = entry->who;
                        entry->deadline_ns = 0;
                        found = true;
                }
        }
        pthread_mutex_unlock(&tickets->lock);
        return found;
}
