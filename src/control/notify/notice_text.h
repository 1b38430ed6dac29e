/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice_text.h - the sentences of a notice: what a rule's value means, what an event says.
 *
 * Of alerts.detail it knows: "text" (said instead of the rule's sentence), "service", "version",
 * "least", "job"; of alert_events.detail: "note", "try", "of", "package", "error", "incident_id".
 *
 * Units: as notice.h. Threads: any. Errors: the text's (base/text.h).
 */
#ifndef MUSTER_CONTROL_NOTIFY_NOTICE_TEXT_H
#define MUSTER_CONTROL_NOTIFY_NOTICE_TEXT_H

#include <jansson.h>

#include "base/text.h"
#include "control/notify/notice.h"

/* Of one alert of the incident. */
struct mu_notice_facts {
        int64_t value;
        int64_t threshold;
        bool has_value;
        bool has_threshold;
        json_t *detail; /* NULL: none */
};

void mu_notice_title_text(const struct mu_notice *notice, struct mu_text *text);
void mu_notice_what_text(const struct mu_notice *notice, const struct mu_notice_facts *facts,
                         struct mu_text *text);
void mu_notice_where_text(const struct mu_notice *notice, struct mu_text *text);
void mu_notice_event_text(int64_t at_us, const char *kind, const char *actor, const json_t *detail,
                          struct mu_text *text);

#endif
