/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_clients.c - who they are, what they ask for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/live/live_encode.h"
#include "control/live/live_hub_private.h"

enum { CHECK_MAX = 256 };

int mu_live_hub_open(struct mu_live_hub *hub, void *socket, struct mu_live_client **ret_client)
{
        struct mu_live_client *client = calloc(1, sizeof(*client));

        if (!client)
                return -ENOMEM;
        hub->now_ms = mu_clock_monotonic_ns(hub->config.clock) / (uint64_t)MU_NS_PER_MS;
        client->socket = socket;
        client->auth_deadline_ms = hub->now_ms + MU_LIVE_AUTH_MS;
        live_list_init(&client->link);
        live_append(&hub->clients, &client->all);
        live_append(&hub->fresh, &client->link);
        hub->client_count++;
        mu_cell_set(&hub->stats.clients, hub->client_count);
        *ret_client = client;
        return 0;
}

/* ---- groups ---- */

static struct mu_live_group *find_group(const struct mu_live_hub *hub,
                                        const struct mu_live_message *wanted)
{
        for (struct mu_live_link *at = hub->groups.next; at != &hub->groups; at = at->next) {
                struct mu_live_group *group = LIVE_OF(mu_live_group, link, at);

                if (group->all == wanted->all && group->id_count == wanted->id_count &&
                    (wanted->id_count == 0 ||
                     memcmp(group->ids, wanted->ids, wanted->id_count * sizeof(*group->ids)) == 0))
                        return group;
        }
        return NULL;
}

/* Takes the message's ids. NULL: no memory. */
static struct mu_live_group *make_group(struct mu_live_hub *hub, struct mu_live_message *wanted)
{
        struct mu_live_group *group = calloc(1, sizeof(*group));
        uint32_t *slots = calloc(wanted->id_count + 1, sizeof(*slots));

        if (!group || !slots) {
                free(group);
                free(slots);
                return NULL;
        }
        group->all = wanted->all;
        group->ids = wanted->ids;
        group->id_count = wanted->id_count;
        group->slots = slots;
        group->resolved_rows = UINT32_MAX;
        wanted->ids = NULL;
        live_list_init(&group->live);
        live_append(&hub->groups, &group->link);
        return group;
}

static void drop_group(struct mu_live_hub *hub, struct mu_live_group *group)
{
        mu_live_group_drop_frames(hub, group);
        live_unlink(&group->link);
        free(group->ids);
        free(group->slots);
        free(group);
}

/* Ends the subscription, if there is one. */
void mu_live_leave(struct mu_live_hub *hub, struct mu_live_client *client)
{
        if (!client->group)
                return;
        if (client->state == LIVE_LIVE)
                mu_cell_set(&hub->stats.live, mu_cell_get(&hub->stats.live) - 1);
        live_unlink(&client->link);
        if (client->topics & MU_LIVE_FLEET)
                hub->fleet_watchers--;
        hub->subscribed--;
        if (--client->group->clients == 0)
                drop_group(hub, client->group);
        client->group = NULL;
        client->topics = 0;
        client->state = LIVE_IDLE;
}

void mu_live_close(struct mu_live_hub *hub, struct mu_live_client *client, uint16_t code,
                   const char *reason)
{
        if (client->state == LIVE_CLOSING)
                return;
        mu_live_leave(hub, client);
        live_unlink(&client->link); /* LIVE_NEW */
        client->state = LIVE_CLOSING;
        hub->config.ops.close(hub->config.ops.ctx, client->socket, code, reason);
}

void mu_live_hub_closed(struct mu_live_hub *hub, struct mu_live_client *client)
{
        mu_live_leave(hub, client);
        live_unlink(&client->link);
        live_unlink(&client->all);
        hub->client_count--;
        mu_cell_set(&hub->stats.clients, hub->client_count);
        free(client);
}

/* ---- who they are ---- */

void mu_live_expire_fresh(struct mu_live_hub *hub)
{
        while (!live_list_empty(&hub->fresh)) {
                struct mu_live_client *client = LIVE_OF(mu_live_client, link, hub->fresh.next);

                if (hub->now_ms < client->auth_deadline_ms)
                        return;
                mu_cell_add(&hub->stats.unauthenticated, 1);
                mu_live_close(hub, client, MU_LIVE_CLOSE_AUTH,
                              "The first message, within 5 s, has to be auth.");
        }
}

static void check_some(struct mu_live_hub *hub, struct mu_live_client **clients, uint32_t count)
{
        const struct mu_live_ops *ops = &hub->config.ops;
        const struct mu_principal *who[CHECK_MAX];
        bool valid[CHECK_MAX];

        for (uint32_t i = 0; i < count; i++)
                who[i] = &clients[i]->who;
        /* While nobody can say, they stay. */
        if (count == 0 || ops->check(ops->ctx, who, count, valid) < 0)
                return;
        for (uint32_t i = 0; i < count; i++) {
                if (valid[i])
                        continue;
                mu_cell_add(&hub->stats.ended, 1);
                mu_live_close(hub, clients[i], MU_LIVE_CLOSE_AUTH, "The session has ended.");
        }
}

void mu_live_check_sessions(struct mu_live_hub *hub)
{
        struct mu_live_client *clients[CHECK_MAX];
        struct mu_live_link *at = hub->clients.next;

        hub->check_at_ms = hub->now_ms + MU_LIVE_CHECK_MS;
        while (at != &hub->clients) {
                uint32_t count = 0;

                for (; at != &hub->clients && count < CHECK_MAX; at = at->next) {
                        struct mu_live_client *client = LIVE_OF(mu_live_client, all, at);

                        if (client->state != LIVE_NEW && client->state != LIVE_CLOSING)
                                clients[count++] = client;
                }
                check_some(hub, clients, count);
        }
}

static bool may_watch(const struct mu_principal *who, enum mu_live_topic topic)
{
        if (who->role < MU_ROLE_VIEWER)
                return false;
        return who->kind != MU_PRINCIPAL_API_TOKEN ||
               mu_scopes_contain(who->scopes, mu_live_topic_scope(topic));
}

static unsigned topics_of(const struct mu_principal *who)
{
        unsigned topics = 0;

        for (unsigned topic = MU_LIVE_FLEET; topic < MU_LIVE_TOPICS_END; topic <<= 1)
                if (may_watch(who, topic))
                        topics |= topic;
        return topics;
}

static void authenticate(struct mu_live_hub *hub, struct mu_live_client *client,
                         const struct mu_live_message *message)
{
        const struct mu_live_ops *ops = &hub->config.ops;
        const char *comma = "";

        if (!ops->redeem(ops->ctx, message->ticket, &client->who)) {
                mu_cell_add(&hub->stats.unauthenticated, 1);
                mu_live_close(hub, client, MU_LIVE_CLOSE_AUTH,
                              "The ticket is unknown, used or older than 30 s; get another.");
                return;
        }
        if (topics_of(&client->who) == 0) {
                mu_live_close(hub, client, MU_LIVE_CLOSE_FORBIDDEN,
                              "This needs devices:read, commands:read or alerts:read.");
                return;
        }
        live_unlink(&client->link);
        client->state = LIVE_IDLE;
        mu_live_text_begin(hub, "{\"type\":\"welcome\",\"role\":\"");
        mu_text_add(&hub->text, mu_role_name(client->who.role));
        mu_text_add(&hub->text, "\",\"topics\":[");
        for (unsigned topic = MU_LIVE_FLEET; topic < MU_LIVE_TOPICS_END; topic <<= 1) {
                if (!may_watch(&client->who, topic))
                        continue;
                mu_text_add_format(&hub->text, "%s\"%s\"", comma, mu_live_topic_name(topic));
                comma = ",";
        }
        mu_text_add(&hub->text, "]}");
        mu_live_send_text(hub, client);
}

/* ---- what they ask for ---- */

static void say_error(struct mu_live_hub *hub, struct mu_live_client *client, const char *sentence)
{
        mu_live_text_begin(hub, "{\"type\":\"error\",\"detail\":");
        mu_text_add_json(&hub->text, sentence, strlen(sentence));
        mu_text_add(&hub->text, "}");
        mu_live_send_text(hub, client);
}

static void subscribe(struct mu_live_hub *hub, struct mu_live_client *client,
                      struct mu_live_message *message)
{
        bool resumes = message->type == MU_LIVE_RESUME && message->stream == hub->stream &&
                       message->seq > 0 && message->seq <= hub->seq;

        if (message->topics & ~topics_of(&client->who)) {
                say_error(hub, client, "One of the topics is not for you; welcome lists yours.");
                return;
        }
        mu_live_leave(hub, client);
        struct mu_live_group *group = find_group(hub, message);

        if (!group)
                group = make_group(hub, message);
        if (!group) {
                mu_live_close(hub, client, 1013, "Out of memory; come again.");
                return;
        }
        group->clients++;
        hub->subscribed++;
        client->group = group;
        client->topics = message->topics;
        client->seq = resumes ? message->seq : 0;
        client->notes_seq = resumes ? message->seq : hub->seq;
        if (client->topics & MU_LIVE_FLEET) {
                hub->fleet_watchers++;
                hub->fleet_at_ms = 0;
        }
        mu_live_start_paging(hub, client);
        if (client->topics & MU_LIVE_FLEET)
                mu_live_send_pulse(hub, client);
}

static void obey(struct mu_live_hub *hub, struct mu_live_client *client,
                 struct mu_live_message *message)
{
        switch (message->type) {
        case MU_LIVE_AUTH:
                say_error(hub, client, "You have said who you are already.");
                return;
        case MU_LIVE_SUBSCRIBE:
        case MU_LIVE_RESUME:
                subscribe(hub, client, message);
                return;
        case MU_LIVE_UNSUBSCRIBE:
                mu_live_leave(hub, client);
                return;
        }
}

static bool too_many(struct mu_live_hub *hub, struct mu_live_client *client)
{
        if (hub->now_ms >= client->messages_ms + MU_LIVE_MESSAGES_MS) {
                client->messages_ms = hub->now_ms;
                client->message_count = 0;
        }
        return ++client->message_count > MU_LIVE_MESSAGES_MAX;
}

void mu_live_hub_message(struct mu_live_hub *hub, struct mu_live_client *client, const char *text,
                         size_t bytes)
{
        struct mu_live_message message;
        char sentence[MU_LIVE_SENTENCE_BYTES];

        if (client->state == LIVE_CLOSING)
                return;
        hub->now_ms = mu_clock_monotonic_ns(hub->config.clock) / (uint64_t)MU_NS_PER_MS;
        if (too_many(hub, client)) {
                mu_live_close(hub, client, MU_LIVE_CLOSE_TOO_MANY,
                              "Too many messages; 20 within 10 s are the most.");
                return;
        }
        int error = mu_live_message_parse(text, bytes, &message, sentence);

        if (client->state == LIVE_NEW && (error < 0 || message.type != MU_LIVE_AUTH)) {
                if (error == 0)
                        mu_live_message_done(&message);
                mu_cell_add(&hub->stats.unauthenticated, 1);
                mu_live_close(hub, client, MU_LIVE_CLOSE_AUTH,
                              "The first message has to be auth, with a ticket.");
                return;
        }
        if (error < 0) {
                say_error(hub, client, error == -EBADMSG ? sentence : "Out of memory.");
                return;
        }
        if (client->state == LIVE_NEW)
                authenticate(hub, client, &message);
        else
                obey(hub, client, &message);
        mu_live_message_done(&message);
}
