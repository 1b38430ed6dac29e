/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_page.h - the report's style sheet and those of its sections that are tables and bars.
 *
 * Threads: one. Errors stay in the text (sticky).
 */
#ifndef LOADGEN_REPORT_PAGE_H
#define LOADGEN_REPORT_PAGE_H

#include "base/text.h"
#include "outcome.h"

extern const char mu_lg_page_head[];
extern const char mu_lg_report_css[]; /* report.css, embedded by CMakeLists.txt */

void mu_lg_page_add_answers(struct mu_text *out, const struct mu_lg_outcome *outcome);
void mu_lg_page_add_cpu(struct mu_text *out, const struct mu_lg_outcome *outcome);
void mu_lg_page_add_verify(struct mu_text *out, const struct mu_lg_outcome *outcome);
void mu_lg_page_add_stages(struct mu_text *out, const struct mu_lg_outcome *outcome);
void mu_lg_page_add_malformed(struct mu_text *out, const struct mu_lg_outcome *outcome);
void mu_lg_page_add_method(struct mu_text *out, const struct mu_lg_outcome *outcome);

#endif
