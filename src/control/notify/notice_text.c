/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/notice_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* "{v}" the value, "{t}" the threshold, "{name}" of the detail (or the words after '|'), each in
 * the rule's unit. many: of a group, behind its count. */
struct wording {
        const char *what;
        const char *many;
};

static const struct wording wordings[MU_RULE_COUNT] = {
        [MU_RULE_OFFLINE] = {"No request for {v} (limit {t}).", "offline"},
        [MU_RULE_LOW_BATTERY] = {"Battery at {v} (limit {t}).", "low on battery"},
        [MU_RULE_SERVICE_DOWN] = {"{service|The monitored service} was last in the foreground {v} "
                                  "ago (limit {t}), at {last_foreground_at|a time unknown}.",
                                  "with their service down"},
        [MU_RULE_AGENT_OUTDATED] = {"The agent's version is {version|too old}; at least "
                                    "{least|a newer one} is wanted.",
                                    "with an outdated agent"},
        [MU_RULE_CLOCK_SKEW] = {"The device's clock is off by {v} (limit {t}).",
                                "with a wrong clock"},
        [MU_RULE_QUEUE_DEPTH] = {"{v} reports wait on the device (limit {t}).",
                                 "with reports piling up"},
        [MU_RULE_JOURNAL_BACKLOG] =
                {"The oldest heartbeat has waited {v} to be stored (limit {t}).", NULL},
        [MU_RULE_DISK] = {"{v} of the disk are free (limit {t}).", NULL},
        [MU_RULE_DATABASE_AWAY] = {"PostgreSQL has been away for {v} (limit {t}).", NULL},
        [MU_RULE_PARTITION_MISSING] = {"{v} of the days to come have no partition.", NULL},
        [MU_RULE_BACKUP_AGE] = {"The last good backup is {v} old (limit {t}).", NULL},
        [MU_RULE_REJECTS] = {"PostgreSQL refused {v} heartbeats within the last hour.", NULL},
        [MU_RULE_JOB_FAILING] = {"Job {job|of the scheduler} failed {v} times in a row.", NULL},
};

void mu_notice_time(int64_t at_us, char ret_text[MU_NOTICE_TIME_BYTES])
{
        time_t at_s = (time_t)(at_us / MU_US_PER_S);
        struct tm date;

        if (!gmtime_r(&at_s, &date) ||
            strftime(ret_text, MU_NOTICE_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &date) == 0)
                ret_text[0] = '\0';
}

void mu_notice_duration(int64_t seconds, char ret_text[MU_NOTICE_DURATION_BYTES])
{
        static const struct {
                int64_t seconds;
                const char *name;
        } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
        size_t unit = 0;

        if (seconds < 0)
                seconds = 0;
        while (unit < MU_COUNT_OF(units) - 1 && seconds < units[unit].seconds)
                unit++;
        int64_t whole = seconds / units[unit].seconds;
        int64_t rest = seconds % units[unit].seconds;

        /* "13 min", not "13 min 2 s": two units only from hours on. */
        if (unit < 2 && rest >= units[unit + 1].seconds)
                (void)snprintf(ret_text, MU_NOTICE_DURATION_BYTES, "%" PRId64 " %s %" PRId64 " %s",
                               whole, units[unit].name, rest / units[unit + 1].seconds,
                               units[unit + 1].name);
        else
                (void)snprintf(ret_text, MU_NOTICE_DURATION_BYTES, "%" PRId64 " %s", whole,
                               units[unit].name);
}

/* ---- sentences ---- */

static void add_value(enum mu_alert_rule rule, bool known, int64_t value, struct mu_text *text)
{
        char duration[MU_NOTICE_DURATION_BYTES];

        if (!known) {
                mu_text_add(text, "?");
                return;
        }
        switch (mu_alert_rule_unit(rule)) {
        case MU_UNIT_SECONDS:
                mu_notice_duration(value, duration);
                mu_text_add(text, duration);
                return;
        case MU_UNIT_MINUTES:
                mu_notice_duration(value * 60, duration);
                mu_text_add(text, duration);
                return;
        case MU_UNIT_PERCENT:
                mu_text_add_format(text, "%" PRId64 " %%", value);
                return;
        case MU_UNIT_COUNT:
        case MU_UNIT_VERSION:
                mu_text_add_format(text, "%" PRId64, value);
                return;
        }
}

/* A place holder, from behind its '{' on. */
static void add_place(enum mu_alert_rule rule, const struct mu_notice_facts *facts,
                      const char *place, size_t chars, struct mu_text *text)
{
        const char *bar = memchr(place, '|', chars);
        char name[32];

        if (chars == 1 && *place == 'v') {
                add_value(rule, facts->has_value, facts->value, text);
                return;
        }
        if (chars == 1 && *place == 't') {
                add_value(rule, facts->has_threshold, facts->threshold, text);
                return;
        }
        (void)snprintf(name, sizeof(name), "%.*s", (int)(bar ? bar - place : (long)chars), place);
        const char *value = json_string_value(json_object_get(facts->detail, name));

        if (value)
                mu_text_add(text, value);
        else if (bar)
                mu_text_add_bytes(text, bar + 1, (size_t)(place + chars - bar - 1));
}

static void add_wording(enum mu_alert_rule rule, const struct mu_notice_facts *facts,
                        struct mu_text *text)
{
        const char *at = wordings[rule].what;

        while (*at) {
                size_t plain = strcspn(at, "{");

                mu_text_add_bytes(text, at, plain);
                at += plain;
                if (*at != '{')
                        break;
                size_t chars = strcspn(++at, "}");

                add_place(rule, facts, at, chars, text);
                at += chars + 1;
        }
}

static bool is_group(const struct mu_notice *notice)
{
        return strcmp(notice->incident_kind, "site") == 0 ||
               strcmp(notice->incident_kind, "network") == 0;
}

static void add_group(const struct mu_notice *notice, struct mu_text *text)
{
        if (strcmp(notice->group_key, "unknown") == 0 || !*notice->group_key)
                mu_text_add(text, "place unknown");
        else
                mu_text_add_format(text, "%s %s", notice->incident_kind, notice->group_key);
}

void mu_notice_title_text(const struct mu_notice *notice, struct mu_text *text)
{
        enum mu_alert_rule rule;
        bool known = mu_alert_rule_of(notice->rule, &rule) == 0;
        const char *title = known ? mu_alert_rule_title(rule) : notice->rule;

        if (!is_group(notice)) {
                mu_text_add(text, title);
                if (notice->devices_shown == 1)
                        mu_text_add_format(text, ": %s", notice->devices[0].alias);
                return;
        }
        if (known && wordings[rule].many)
                mu_text_add_format(text, "%d devices %s: ", notice->device_count,
                                   wordings[rule].many);
        else
                mu_text_add_format(text, "%s, %d devices: ", title, notice->device_count);
        add_group(notice, text);
}

void mu_notice_what_text(const struct mu_notice *notice, const struct mu_notice_facts *facts,
                         struct mu_text *text)
{
        const char *said = json_string_value(json_object_get(facts->detail, "text"));
        enum mu_alert_rule rule;

        if (is_group(notice)) {
                if (notice->state == MU_NOTICE_OVER)
                        mu_text_add_format(text, "All %d devices are well again.",
                                           notice->device_count);
                else
                        mu_text_add_format(text, "%d of %d devices are still affected.",
                                           notice->firing_count, notice->device_count);
        } else if (said) {
                mu_text_add(text, said);
        } else if (mu_alert_rule_of(notice->rule, &rule) == 0) {
                add_wording(rule, facts, text);
        }
}

void mu_notice_where_text(const struct mu_notice *notice, struct mu_text *text)
{
        if (strcmp(notice->incident_kind, "site") == 0)
                mu_text_add_format(text, "Site %s", notice->group_key);
        else if (strcmp(notice->incident_kind, "network") == 0 &&
                 strcmp(notice->group_key, "unknown") != 0)
                mu_text_add_format(text, "Network %s", notice->group_key);
        else if (notice->devices_shown == 1 && *notice->devices[0].site)
                mu_text_add_format(text, "Site %s", notice->devices[0].site);
        else if (strcmp(notice->incident_kind, "appliance") == 0)
                mu_text_add(text, "The appliance itself");
}

/* ---- the thread ---- */

static const char *member(const json_t *detail, const char *name)
{
        return json_string_value(json_object_get(detail, name));
}

static void add_remedy(const char *kind, const json_t *detail, struct mu_text *text)
{
        static const struct {
                const char *kind;
                const char *says;
        } says[] = {
                {"remedy_sent", "relaunch sent"},
                {"remedy_done", "relaunch carried out"},
                {"remedy_failed", "relaunch failed"},
                {"remedy_gave_up", "relaunching given up"},
                {"remedy_worked", "relaunching helped"},
                {"remedy_cancelled", "relaunch taken back"},
        };
        json_int_t tries = json_integer_value(json_object_get(detail, "try"));
        json_int_t of = json_integer_value(json_object_get(detail, "of"));
        const char *error = member(detail, "error");
        const char *what = kind;

        for (size_t i = 0; i < MU_COUNT_OF(says); i++)
                if (strcmp(says[i].kind, kind) == 0)
                        what = says[i].says;
        mu_text_add(text, what);
        if (tries > 0 && of > 0)
                mu_text_add_format(text, " (%" PRId64 " of %" PRId64 ")", (int64_t)tries,
                                   (int64_t)of);
        if (error)
                mu_text_add_format(text, ": %s", error);
}

void mu_notice_event_text(int64_t at_us, const char *kind, const char *actor, const json_t *detail,
                          struct mu_text *text)
{
        char at[MU_NOTICE_TIME_BYTES];
        const char *note = member(detail, "text");

        mu_notice_time(at_us, at);
        /* "2026-11-21 16:20 UTC" */
        if (*at)
                mu_text_add_format(text, "%.10s %.5s UTC: ", at, at + 11);
        if (strcmp(kind, "acked") == 0)
                mu_text_add_format(text, "acknowledged by %s", actor);
        else if (strcmp(kind, "unacked") == 0)
                mu_text_add_format(text, "acknowledgement taken back by %s", actor);
        else if (strcmp(kind, "noted") == 0)
                mu_text_add_format(text, "noted by %s", actor);
        else if (strcmp(kind, "merged") == 0)
                mu_text_add(text, "became part of a wider incident");
        else
                add_remedy(kind, detail, text);
        if (note && *note)
                mu_text_add_format(text, ": %s", note);
}
