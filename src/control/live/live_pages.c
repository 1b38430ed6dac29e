/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_pages.c - bringing a client up to date: passes over the slots, a page at a time, each sent
 * only when the client has taken enough of what came before.
 *
 *   pass 1: everything (or what is newer than the sequence it came with), while rounds go on
 *   pass 2: what is newer than the beginning of pass 1 …
 *   until a pass ends at the newest sequence: "ready", and from then on it gets rounds
 *
 * Someone who takes less than the fleet changes stays here, and gets each device's newest state as
 * often as he can take it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "control/live/live_encode.h"
#include "control/live/live_hub_private.h"

enum {
        SCAN_MAX = 65536,          /* slots looked at for one page */
        WINDOW_BYTES = 256 * 1024, /* of pages under way */
        MEASURE_MS = 100,
};

void mu_live_start_paging(struct mu_live_hub *hub, struct mu_live_client *client)
{
        if (client->state == LIVE_LIVE)
                mu_cell_set(&hub->stats.live, mu_cell_get(&hub->stats.live) - 1);
        live_unlink(&client->link);
        live_append(&hub->paging, &client->link);
        client->state = LIVE_PAGING;
        client->pass_seq = 0;
        client->told_waiting = false;
}

void mu_live_forget_pages(struct mu_live_hub *hub)
{
        for (uint32_t i = 0; i < hub->page_room; i++) {
                mu_live_drop(hub, hub->pages[i].frame);
                hub->pages[i] = (struct mu_live_page){0};
        }
}

static void begin_snapshot(struct mu_live_hub *hub, uint32_t page)
{
        mu_live_text_begin(hub, "{\"type\":\"snapshot\",\"topic\":\"devices\"");
        mu_live_add_stream(hub);
        mu_text_add(&hub->text, ",\"page\":");
        mu_live_encode_uint(&hub->text, page);
        mu_text_add(&hub->text, ",\"devices\":[");
}

static void end_page(struct mu_live_hub *hub, uint64_t seq)
{
        mu_text_add(&hub->text, ",\"seq\":");
        mu_live_encode_uint(&hub->text, seq);
        mu_text_add(&hub->text, "}");
}

/* ---- pages that all who begin share ---- */

static int make_shared(struct mu_live_hub *hub, uint32_t number)
{
        struct mu_live_page *page = &hub->pages[number];
        uint32_t end = (number + 1) * MU_LIVE_PAGE_ROWS;
        const char *comma = "";

        mu_live_drop(hub, page->frame);
        *page = (struct mu_live_page){.seq = hub->seq, .made_ms = hub->now_ms};
        if (end > hub->image.row_count)
                end = hub->image.row_count;
        begin_snapshot(hub, number);
        for (uint32_t i = number * MU_LIVE_PAGE_ROWS; i < end; i++) {
                const struct mu_live_row *row = &hub->image.rows[i];

                if (row->gone)
                        continue;
                mu_text_add(&hub->text, comma);
                mu_live_encode_row(&hub->text, row, MU_LIVE_WHOLE, true);
                comma = ",";
        }
        mu_text_add(&hub->text, "]");
        end_page(hub, hub->seq);
        page->frame = mu_live_make(hub, &page->bytes);
        return page->frame ? 0 : -ENOMEM;
}

static int find_shared(struct mu_live_hub *hub, uint32_t number, struct mu_live_page **ret_page)
{
        if (number >= hub->page_room) {
                uint32_t room = number + 64;
                struct mu_live_page *pages = realloc(hub->pages, room * sizeof(*pages));

                if (!pages)
                        return -ENOMEM;
                memset(pages + hub->page_room, 0, (room - hub->page_room) * sizeof(*pages));
                hub->pages = pages;
                hub->page_room = room;
        }
        struct mu_live_page *page = &hub->pages[number];
        int error = 0;

        if (!page->frame || hub->now_ms >= page->made_ms + MU_LIVE_PAGE_FRESH_MS)
                error = make_shared(hub, number);
        *ret_page = page;
        return error;
}

/* What is sent, in bytes; negative: no memory. */
static int64_t send_shared(struct mu_live_hub *hub, struct mu_live_client *client)
{
        struct mu_live_page *page;
        int error = find_shared(hub, client->page, &page);

        if (error < 0)
                return error;
        mu_live_send(hub, client, page->frame, page->bytes);
        /* The page may be a moment old: what came since is for the next pass. */
        if (page->seq < client->pass_seq)
                client->pass_seq = page->seq;
        client->page++;
        client->cursor = client->page * MU_LIVE_PAGE_ROWS;
        return (int64_t)page->bytes;
}

/* ---- pages of one's own ---- */

static uint32_t slots_of(const struct mu_live_hub *hub, const struct mu_live_client *client)
{
        return client->group->all ? hub->image.row_count : client->group->id_count;
}

static const struct mu_live_row *row_at(const struct mu_live_hub *hub,
                                        const struct mu_live_client *client, uint32_t index)
{
        uint32_t slot = client->group->all ? index : client->group->slots[index];

        /* To a snapshot also belongs what no round has carried yet (its sequence is 0). */
        if (slot == MU_LIVE_NO_SLOT ||
            (client->seq > 0 && hub->image.rows[slot].seq <= client->seq))
                return NULL;
        return &hub->image.rows[slot];
}

/* From the cursor on, until the page is full: its end. */
static uint32_t add_rows(struct mu_live_hub *hub, const struct mu_live_client *client,
                         uint32_t *ret_added)
{
        uint32_t limit = slots_of(hub, client);
        uint32_t at = client->cursor;

        if (limit - at > SCAN_MAX)
                limit = at + SCAN_MAX;
        for (; at < limit && hub->text.bytes < MU_LIVE_PAGE_BYTES; at++) {
                const struct mu_live_row *row = row_at(hub, client, at);
                unsigned fields = MU_LIVE_WHOLE;

                if (!row || row->gone)
                        continue;
                if (client->seq > 0 && row->edited_seq > client->seq)
                        fields |= MU_LIVE_EDITED;
                mu_text_add(&hub->text, (*ret_added)++ > 0 ? "," : "");
                mu_live_encode_row(&hub->text, row, fields, client->seq == 0);
        }
        return at;
}

static void add_gone(struct mu_live_hub *hub, const struct mu_live_client *client, uint32_t end,
                     uint32_t *ret_added)
{
        uint32_t added = 0;

        for (uint32_t at = client->cursor; at < end; at++) {
                const struct mu_live_row *row = row_at(hub, client, at);

                if (!row || !row->gone)
                        continue;
                mu_text_add(&hub->text, added++ > 0 ? "," : ",\"removed\":[");
                mu_live_encode_id(&hub->text, row->device_id);
        }
        if (added > 0)
                mu_text_add(&hub->text, "]");
        *ret_added += added;
}

static int64_t send_own(struct mu_live_hub *hub, struct mu_live_client *client)
{
        bool snapshot = client->seq == 0;
        bool worth = snapshot && client->page == 0; /* it forgets what it had */
        uint32_t added = 0;

        if (!client->group->all)
                mu_live_group_resolve(hub, client->group);
        if (snapshot) {
                begin_snapshot(hub, client->page);
        } else {
                bool edited = client->page == 0 && hub->edited_seq > client->seq;

                mu_live_text_begin(hub, edited ? "{\"type\":\"delta\",\"edited\":true,\"devices\":["
                                               : "{\"type\":\"delta\",\"devices\":[");
                worth = edited;
        }
        uint32_t end = add_rows(hub, client, &added);

        mu_text_add(&hub->text, "]");
        if (!snapshot)
                add_gone(hub, client, end, &added);
        client->cursor = end;
        /* Only a whole pass is a place to resume from. */
        end_page(hub, snapshot || end >= slots_of(hub, client) ? client->pass_seq : client->seq);
        client->page++;
        if (added == 0 && !worth)
                return 0;
        size_t bytes = 0;
        void *frame = mu_live_make(hub, &bytes);

        if (!frame)
                return -ENOMEM;
        mu_live_send(hub, client, frame, bytes);
        mu_live_drop(hub, frame);
        return (int64_t)bytes;
}

/* ---- passes ---- */

static void end_pass(struct mu_live_hub *hub, struct mu_live_client *client)
{
        client->seq = client->pass_seq;
        client->pass_seq = 0;
        if (client->seq != hub->seq)
                return; /* another one */
        mu_live_feeds_catch_up(hub, client);
        mu_live_text_begin(hub, "{\"type\":\"ready\"");
        mu_live_add_stream(hub);
        end_page(hub, client->seq);
        if (client->state != LIVE_PAGING)
                return; /* no memory: closed */
        mu_live_send_text(hub, client);
        if (client->state != LIVE_PAGING)
                return;
        live_unlink(&client->link);
        live_append(&client->group->live, &client->link);
        client->state = LIVE_LIVE;
        client->round = hub->round;
        mu_cell_add(&hub->stats.live, 1);
}

/* One page, and what ends with it. */
static void step(struct mu_live_hub *hub, struct mu_live_client *client)
{
        int64_t sent = 0;

        if (client->pass_seq == 0) {
                client->pass_seq = hub->seq;
                client->cursor = client->page = 0;
        }
        if (client->topics & MU_LIVE_DEVICES) {
                sent = client->group->all && client->seq == 0 ? send_shared(hub, client)
                                                              : send_own(hub, client);
                if (sent < 0) {
                        mu_live_close(hub, client, 1013, "Out of memory; come again.");
                        return;
                }
                mu_cell_add(&hub->stats.pages, sent > 0);
                hub->page_allowance -= sent;
                if (client->cursor < slots_of(hub, client))
                        return;
        }
        end_pass(hub, client);
}

static void say_waiting(struct mu_live_hub *hub, struct mu_live_client *client)
{
        if (!hub->load_failed || client->told_waiting)
                return;
        client->told_waiting = true;
        mu_live_text_begin(hub, "{\"type\":\"waiting\",\"detail\":\"The database can't be reached "
                                "at the moment; devices follow as soon as it can.\"}");
        mu_live_send_text(hub, client);
}

static void bring_on(struct mu_live_hub *hub, struct mu_live_client *client)
{
        const struct mu_live_ops *ops = &hub->config.ops;

        if ((client->topics & MU_LIVE_DEVICES) && !hub->loaded) {
                say_waiting(hub, client);
                return;
        }
        if (ops->refused(ops->ctx, client->socket)) {
                mu_cell_add(&hub->stats.refused, 1);
                client->seq = client->pass_seq = 0;
        }
        while (client->state == LIVE_PAGING && hub->page_allowance > 0) {
                if (ops->waiting(ops->ctx, client->socket) >= WINDOW_BYTES) {
                        if (hub->now_ms < client->measured_ms + MEASURE_MS)
                                return;
                        client->measured_ms = hub->now_ms;
                        ops->send(ops->ctx, client->socket, NULL);
                        return;
                }
                step(hub, client);
        }
}

void mu_live_page(struct mu_live_hub *hub)
{
        if (live_list_empty(&hub->paging)) {
                mu_live_forget_pages(hub);
                return;
        }
        /* Each once; whoever was last is first the next time. */
        for (uint32_t i = hub->subscribed; i > 0 && hub->page_allowance > 0; i--) {
                if (live_list_empty(&hub->paging))
                        return;
                struct mu_live_client *client = LIVE_OF(mu_live_client, link, hub->paging.next);

                live_unlink(&client->link);
                live_append(&hub->paging, &client->link);
                bring_on(hub, client);
        }
}
