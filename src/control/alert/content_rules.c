/* SPDX-License-Identifier: Apache-2.0 */
#include "control/alert/content_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/alert/version.h"
#include "muster/record.h"

enum { S_PER_MIN = 60 };

#define EPOCH_FROM_S INT64_C(1000000000) /* below: an age */

bool mu_content_is_fresh(const struct mu_content *content, int64_t now_us)
{
        const int64_t fresh_us = MU_CONTENT_FRESH_S * MU_US_PER_S;

        return content->received_at_us - content->observed_at_us <= fresh_us &&
               now_us - content->received_at_us <= fresh_us;
}

int64_t mu_content_last_foreground_us(const struct mu_content *content)
{
        int64_t last_s = content->monitored_last_fg_s;

        if (last_s < 0)
                return content->observed_at_us;
        if (last_s < EPOCH_FROM_S)
                return content->observed_at_us - last_s * MU_US_PER_S;
        /* what no clock can show is not made a time of */
        if (last_s > INT64_MAX / MU_US_PER_S - INT32_MAX)
                return content->observed_at_us;
        int64_t last_us = (last_s + content->clock_offset_s) * MU_US_PER_S;

        return last_us < content->observed_at_us ? last_us : content->observed_at_us;
}

/* Fits what the texts of the notifier need into the buffer; cut off, there is none. */
static const char *end_detail(struct mu_text *text)
{
        mu_text_add(text, "}");
        return mu_text_status(text) == 0 ? text->data : NULL;
}

static void add_member(struct mu_text *text, const char *name, const char *value)
{
        mu_text_add_format(text, "%s\"%s\":", text->bytes > 1 ? "," : "", name);
        mu_text_add_json(text, value, strlen(value));
}

static void add_number(struct mu_text *text, const char *name, int64_t value)
{
        mu_text_add_format(text, "%s\"%s\":%" PRId64, text->bytes > 1 ? "," : "", name, value);
}

static void add_time(struct mu_text *text, const char *name, int64_t at_us)
{
        time_t at_s = (time_t)(at_us / MU_US_PER_S);
        char written[sizeof("2026-11-21T16:00:00Z") + 8];
        struct tm date;

        if (gmtime_r(&at_s, &date) &&
            strftime(written, sizeof(written), "%Y-%m-%dT%H:%M:%SZ", &date) > 0)
                add_member(text, name, written);
}

static struct mu_text begin_detail(char detail[MU_CONTENT_DETAIL_BYTES])
{
        struct mu_text text;

        mu_text_init_fixed(&text, detail, MU_CONTENT_DETAIL_BYTES);
        mu_text_add(&text, "{");
        return text;
}

static void judge_value(const struct mu_rule *settings, int64_t value, struct mu_reading *reading)
{
        reading->has_value = true;
        reading->value = value;
        reading->threshold = settings->threshold;
        reading->condition = mu_rule_judge(reading->rule, settings, value);
}

static void judge_skew(const struct mu_content *content, const struct mu_rule *settings,
                       char *detail, struct mu_reading *reading)
{
        int64_t off_s = content->clock_offset_s;
        struct mu_text text = begin_detail(detail);

        judge_value(settings, off_s < 0 ? -off_s : off_s, reading);
        /* as it is added to the device's times: behind is positive */
        add_number(&text, "clock_offset_s", off_s);
        reading->detail = end_detail(&text);
}

static void judge_agent(const struct mu_content *content, const struct mu_rule *settings,
                        char *detail, struct mu_reading *reading)
{
        struct mu_text text = begin_detail(detail);
        int order;

        if (mu_version_compare(content->agent_version, settings->text_value, &order) < 0)
                return;
        reading->condition = order < 0 ? MU_CONDITION_BREACH : MU_CONDITION_CLEAR;
        add_member(&text, "version", content->agent_version);
        add_member(&text, "least", settings->text_value);
        reading->detail = end_detail(&text);
}

/* Down when it was away for longer than the threshold, to the second; told in whole minutes. */
static void judge_service(const struct mu_content *content, const struct mu_monitoring *monitoring,
                          char *detail, struct mu_reading *reading)
{
        int64_t last_us = mu_content_last_foreground_us(content);
        int64_t away_us = content->observed_at_us - last_us;
        struct mu_text text = begin_detail(detail);

        reading->has_value = true;
        reading->value = away_us / MU_US_PER_S / S_PER_MIN;
        reading->threshold = monitoring->threshold_min;
        reading->condition = away_us > (int64_t)monitoring->threshold_min * S_PER_MIN * MU_US_PER_S
                                     ? MU_CONDITION_BREACH
                                     : MU_CONDITION_CLEAR;
        if (reading->condition != MU_CONDITION_BREACH)
                return;
        if (*monitoring->display_name)
                add_member(&text, "service", monitoring->display_name);
        if (*monitoring->package)
                add_member(&text, "package", monitoring->package);
        add_time(&text, "last_foreground_at", last_us);
        add_number(&text, "threshold_min", monitoring->threshold_min);
        reading->detail = end_detail(&text);
}

void mu_content_judge(const struct mu_content *content, enum mu_alert_rule rule,
                      const struct mu_rule *settings, const struct mu_monitoring *monitoring,
                      char detail[MU_CONTENT_DETAIL_BYTES], struct mu_reading *ret_reading)
{
        *ret_reading = (struct mu_reading){.rule = rule, .condition = MU_CONDITION_UNKNOWN};
        switch (rule) {
        case MU_RULE_LOW_BATTERY:
                if (content->present & MU_FIELD_BATTERY)
                        judge_value(settings, content->battery_percent, ret_reading);
                break;
        case MU_RULE_QUEUE_DEPTH:
                if (content->present & MU_FIELD_QUEUE_DEPTH)
                        judge_value(settings, content->queue_depth, ret_reading);
                break;
        case MU_RULE_CLOCK_SKEW:
                judge_skew(content, settings, detail, ret_reading);
                break;
        case MU_RULE_AGENT_OUTDATED:
                if (content->present & MU_FIELD_AGENT_VERSION)
                        judge_agent(content, settings, detail, ret_reading);
                break;
        case MU_RULE_SERVICE_DOWN:
                if (monitoring->enabled && (content->present & MU_FIELD_MONITORED_LAST_FG))
                        judge_service(content, monitoring, detail, ret_reading);
                break;
        default:
                MU_ASSERT(false); /* no rule about content */
        }
}
