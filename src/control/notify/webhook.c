/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/webhook.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "control/notify/notice.h"

/* A string, as everywhere: not every reader's numbers hold 64 bits. */
static json_t *id_or_null(int64_t id)
{
        return id ? json_sprintf("%" PRId64, id) : json_null();
}

static json_t *time_or_null(int64_t at_us)
{
        char text[MU_NOTICE_TIME_BYTES];

        if (at_us == 0)
                return json_null();
        mu_notice_time(at_us, text);
        return json_string(text);
}

static json_t *text_or_null(const char *text)
{
        return *text ? json_string(text) : json_null();
}

static const char *state_name(enum mu_notice_state state)
{
        return state == MU_NOTICE_OVER     ? "resolved"
               : state == MU_NOTICE_MERGED ? "merged"
                                           : "firing";
}

static json_t *devices_json(const struct mu_notice *notice)
{
        json_t *list = json_array();

        for (size_t i = 0; i < notice->devices_shown; i++) {
                const struct mu_notice_device *device = &notice->devices[i];

                /* A failed append leaves a short list; only want of memory fails it. */
                if (json_array_append_new(list,
                                          json_pack("{s:o, s:s, s:o, s:b}", "id",
                                                    id_or_null(device->id), "alias", device->alias,
                                                    "site", text_or_null(device->site), "firing",
                                                    device->firing)) < 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return list;
}

static json_t *thread_json(const struct mu_notice *notice)
{
        json_t *list = json_array();

        for (size_t i = 0; i < notice->line_count; i++)
                if (json_array_append_new(list, json_string(notice->lines[i])) < 0) {
                        json_decref(list);
                        return NULL;
                }
        return list;
}

static json_t *incident_json(const struct mu_notice *notice)
{
        return json_pack(
                "{s:o, s:i, s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
                " s:i, s:i, s:o}",
                "id", id_or_null(notice->incident_id), "version", (int)notice->version, "kind",
                notice->incident_kind, "group", text_or_null(notice->group_key), "rule",
                text_or_null(notice->rule), "severity", mu_alert_severity_name(notice->severity),
                "state", state_name(notice->state), "title", notice->title, "what", notice->what,
                "where", text_or_null(notice->where), "opened_at", time_or_null(notice->opened_us),
                "closed_at", time_or_null(notice->closed_us), "acknowledged_at",
                time_or_null(notice->acked_us), "acknowledged_by", text_or_null(notice->acked_by),
                "acknowledgement_note", text_or_null(notice->ack_note), "merged_into",
                id_or_null(notice->merged_into), "device_count", (int)notice->device_count,
                "firing_count", (int)notice->firing_count, "link", text_or_null(notice->link));
}

static json_t *text_json(const struct mu_notice *notice)
{
        json_t *data = notice->data ? json_loads(notice->data, 0, NULL) : json_object();

        if (!json_is_object(data)) {
                json_decref(data);
                data = json_object();
        }
        if (json_object_set_new(data, "title", json_string(notice->title)) < 0 ||
            json_object_set_new(data, "text", json_string(notice->what)) < 0) {
                json_decref(data);
                return NULL;
        }
        return data;
}

static json_t *data_json(const struct mu_notice *notice)
{
        if (notice->kind == MU_NOTICE_TEST || notice->kind == MU_NOTICE_DIGEST)
                return text_json(notice);
        return json_pack("{s:o, s:o, s:o}", "incident", incident_json(notice), "devices",
                         devices_json(notice), "thread", thread_json(notice));
}

int mu_webhook_write(const struct mu_notice *notice, char **ret_json, size_t *ret_bytes)
{
        char at[MU_NOTICE_TIME_BYTES];

        mu_notice_time(notice->at_us, at);
        json_t *whole = json_pack("{s:o, s:s, s:o}", "type",
                                  json_sprintf("alert.%s", mu_notice_kind_name(notice->kind)),
                                  "timestamp", at, "data", data_json(notice));
        char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;

        json_decref(whole);
        if (!text)
                return -ENOMEM;
        *ret_json = text;
        *ret_bytes = strlen(text);
        return 0;
}
