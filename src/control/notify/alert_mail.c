/* SPDX-License-Identifier: Apache-2.0 */
#include "control/notify/alert_mail.h"

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "control/notify/channel.h"
#include "control/notify/notice.h"
#include "outbound/utf8.h"

enum {
        SUBJECT_BYTES_MAX = 200, /* more is not shown anywhere */
        ERROR_BYTES = 600,
        REASON_BYTES = 200,
        THREAD_BYTES = 64,
        TIME_BYTES = 32,
};

#define ELLIPSIS "\xe2\x80\xa6"

_Static_assert((int)SUBJECT_BYTES_MAX <= (int)MU_MAIL_SUBJECT_BYTES_MAX, "a subject that is taken");

/* ---- text ---- */

/* UTF-8 on one line, cut to whole characters. */
static void add_part(struct mu_text *to, const char *text, size_t left, size_t bytes_max)
{
        size_t begin = to->bytes;

        while (left > 0) {
                size_t bytes = mu_utf8_character(text, left);

                if (to->bytes - begin + bytes > bytes_max) {
                        mu_text_add(to, ELLIPSIS);
                        return;
                }
                if (bytes == 0 || (unsigned char)*text < ' ' || *text == 0x7f)
                        mu_text_add(to, " ");
                else
                        mu_text_add_bytes(to, text, bytes);
                text += bytes > 0 ? bytes : 1;
                left -= bytes > 0 ? bytes : 1;
        }
}

static void add_line(struct mu_text *to, const char *text, size_t bytes_max)
{
        add_part(to, text, strlen(text), bytes_max);
}

/* Several lines: only their breaks are kept of what is not printable. */
static void add_lines(struct mu_text *to, const char *text)
{
        while (*text) {
                size_t bytes = strcspn(text, "\n");

                add_part(to, text, bytes, MU_MAIL_BODY_BYTES_MAX);
                mu_text_add(to, "\n");
                text += bytes + (text[bytes] == '\n');
        }
}

static void add_time(struct mu_text *to, int64_t at_us)
{
        time_t at = (time_t)(at_us / MU_US_PER_S);
        char text[TIME_BYTES];
        struct tm parts;

        if (gmtime_r(&at, &parts) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts) > 0)
                mu_text_add(to, text);
}

/* "45 s", "12 min", "3 h 5 min", "2 d 4 h" */
static void add_span(struct mu_text *to, int64_t span_us)
{
        int64_t s = span_us > 0 ? span_us / MU_US_PER_S : 0;

        if (s < 60)
                mu_text_add_format(to, "%lld s", (long long)s);
        else if (s < 3600)
                mu_text_add_format(to, "%lld min", (long long)(s / 60));
        else if (s < 86400)
                mu_text_add_format(to, "%lld h %lld min", (long long)(s / 3600),
                                   (long long)(s % 3600 / 60));
        else
                mu_text_add_format(to, "%lld d %lld h", (long long)(s / 86400),
                                   (long long)(s % 86400 / 3600));
}

static bool is_given(const char *text)
{
        return text && *text;
}

/* ---- subject and body ---- */

void mu_alert_mail_subject(const struct mu_notice *notice, struct mu_text *subject)
{
        char room[SUBJECT_BYTES_MAX + 64];
        struct mu_text title;

        if (notice->kind == MU_NOTICE_TEST)
                mu_text_add(subject, "[test] ");
        else if (notice->kind != MU_NOTICE_DIGEST && notice->state == MU_NOTICE_OVER)
                mu_text_add(subject, "[resolved] ");
        else if (notice->kind != MU_NOTICE_DIGEST && notice->state == MU_NOTICE_MERGED)
                mu_text_add(subject, "[merged] ");
        else if (notice->kind != MU_NOTICE_DIGEST)
                mu_text_add_format(subject, "[%s] ", mu_alert_severity_name(notice->severity));
        mu_text_init_fixed(&title, room, sizeof(room));
        add_line(&title, notice->title ? notice->title : "", SUBJECT_BYTES_MAX - 80);
        mu_text_add(subject, title.data);
        /* Where a single device stands is half of the news. */
        if (notice->incident_id != 0 && notice->device_count == 1 && notice->devices_shown == 1 &&
            is_given(notice->devices[0].site)) {
                mu_text_add(subject, " (");
                add_line(subject, notice->devices[0].site, 50);
                mu_text_add(subject, ")");
        }
}

static void add_field(struct mu_text *body, const char *name, const char *value)
{
        if (!is_given(value))
                return;
        mu_text_add_format(body, "%s: ", name);
        add_line(body, value, 500);
        mu_text_add(body, "\n");
}

static void add_times(const struct mu_notice *notice, struct mu_text *body)
{
        if (notice->opened_us > 0) {
                mu_text_add(body, "Since: ");
                add_time(body, notice->opened_us);
                mu_text_add(body, "\n");
        }
        if (notice->closed_us > 0) {
                mu_text_add(body, "Until: ");
                add_time(body, notice->closed_us);
                mu_text_add(body, " (");
                add_span(body, notice->closed_us - notice->opened_us);
                mu_text_add(body, ")\n");
        }
        if (notice->acked_us > 0) {
                mu_text_add(body, "Acknowledged: ");
                add_line(body, notice->acked_by ? notice->acked_by : "", 100);
                mu_text_add(body, ", ");
                add_time(body, notice->acked_us);
                mu_text_add(body, "\n");
                add_field(body, "Note", notice->ack_note);
        }
}

/* A single device stands in the subject already. */
static void add_devices(const struct mu_notice *notice, struct mu_text *body)
{
        if (notice->devices_shown == 0 || notice->device_count == 1)
                return;
        mu_text_add_format(body, "\nDevices (%d, firing: %d):\n", notice->device_count,
                           notice->firing_count);
        for (size_t i = 0; i < notice->devices_shown; i++) {
                const struct mu_notice_device *device = &notice->devices[i];

                mu_text_add(body, "- ");
                add_line(body, device->alias ? device->alias : "", 200);
                if (is_given(device->site)) {
                        mu_text_add(body, " (");
                        add_line(body, device->site, 100);
                        mu_text_add(body, ")");
                }
                mu_text_add(body, device->firing ? "\n" : ": back\n");
        }
        if ((size_t)notice->device_count > notice->devices_shown)
                mu_text_add_format(body, "and %zu more.\n",
                                   (size_t)notice->device_count - notice->devices_shown);
}

static void add_thread(const struct mu_notice *notice, struct mu_text *body)
{
        if (notice->line_count == 0)
                return;
        mu_text_add(body, "\nWhat happened:\n");
        for (size_t i = 0; i < notice->line_count; i++) {
                mu_text_add(body, "- ");
                add_line(body, notice->lines[i], 500);
                mu_text_add(body, "\n");
        }
}

void mu_alert_mail_body(const struct mu_notice *notice, struct mu_text *body)
{
        if (notice->state == MU_NOTICE_MERGED && notice->merged_into != 0)
                mu_text_add_format(body, "This is part of incident %lld by now.\n",
                                   (long long)notice->merged_into);
        add_lines(body, notice->what ? notice->what : "");
        if (notice->incident_id != 0) {
                mu_text_add(body, "\n");
                add_field(body, "Where", notice->where);
                add_field(body, "Severity", mu_alert_severity_name(notice->severity));
                add_times(notice, body);
                add_devices(notice, body);
                add_thread(notice, body);
        }
        if (is_given(notice->link)) {
                mu_text_add(body, "\n");
                add_line(body, notice->link, 2000);
                mu_text_add(body, "\n");
        }
        if (notice->incident_id != 0)
                mu_text_add_format(body, "\nMuster, incident %lld\n",
                                   (long long)notice->incident_id);
}

/* ---- sending ---- */

enum fate {
        FATE_OPEN, /* to be written to; at the end: not reached, perhaps later */
        FATE_SENT,
        FATE_REFUSED,
};

struct letter;

struct recipient {
        struct letter *letter;
        char address[MU_MAIL_ADDRESS_BYTES_MAX + 1];
        enum fate fate;
        bool before; /* settled by an earlier try */
        bool cancelled;
        uint32_t tries;
        int status;
        char reason[REASON_BYTES];
};

struct letter {
        mu_alert_mail_done *done;
        void *ctx;
        _Atomic size_t pending; /* recipients under way, and send itself */
        size_t count;
        struct recipient recipients[];
};

/* {"a@example.org": "sent", "b@example.org": "refused"} */
static char *make_mailed(const struct letter *letter)
{
        json_t *mailed = json_object();

        for (size_t i = 0; mailed && i < letter->count; i++) {
                const struct recipient *recipient = &letter->recipients[i];

                if (recipient->fate != FATE_OPEN &&
                    json_object_set_new(
                            mailed, recipient->address,
                            json_string(recipient->fate == FATE_SENT ? "sent" : "refused")) < 0)
                        break;
        }
        char *text = mailed ? json_dumps(mailed, JSON_COMPACT) : NULL;

        json_decref(mailed);
        return text;
}

/* What all of them make together. error: ERROR_BYTES. */
static void sum_up(const struct letter *letter, struct mu_alert_mail_result *result, char *error)
{
        struct mu_text text;
        size_t refused = 0;
        bool cancelled = false;
        bool sent = false;

        mu_text_init_fixed(&text, error, ERROR_BYTES);
        for (size_t i = 0; i < letter->count; i++) {
                const struct recipient *recipient = &letter->recipients[i];

                if (recipient->tries > result->mail.tries)
                        result->mail.tries = recipient->tries;
                sent = sent || recipient->fate == FATE_SENT;
                refused += recipient->fate == FATE_REFUSED;
                cancelled = cancelled || recipient->cancelled;
                result->again = result->again || recipient->fate == FATE_OPEN;
                if (recipient->fate == FATE_SENT)
                        continue;
                result->mail.status = recipient->status;
                mu_text_add_format(&text, "%s%s did not get it%s%s", text.bytes > 0 ? " " : "",
                                   recipient->address, *recipient->reason ? ": " : ".",
                                   recipient->reason);
        }
        result->mail.outcome = sent                       ? MU_MAIL_SENT
                               : refused == letter->count ? MU_MAIL_REFUSED
                               : cancelled                ? MU_MAIL_CANCELLED
                                                          : MU_MAIL_GAVE_UP;
        result->mail.error = error;
}

static void release(struct letter *letter)
{
        struct mu_alert_mail_result result = {0};
        char error[ERROR_BYTES];

        if (atomic_fetch_sub(&letter->pending, 1) > 1)
                return;
        sum_up(letter, &result, error);
        char *mailed = make_mailed(letter);

        /* Without memory to say who has it: nobody, and some may get it twice. */
        result.mailed = mailed ? mailed : "{}";
        letter->done(letter->ctx, &result);
        free(mailed);
        free(letter);
}

static void on_mail(void *ctx, const struct mu_mail_result *result)
{
        struct recipient *recipient = ctx;

        recipient->tries = result->tries;
        recipient->status = result->status;
        recipient->cancelled = result->outcome == MU_MAIL_CANCELLED;
        (void)snprintf(recipient->reason, sizeof(recipient->reason), "%s", result->error);
        if (result->outcome == MU_MAIL_SENT)
                recipient->fate = FATE_SENT;
        else if (result->outcome == MU_MAIL_REFUSED)
                recipient->fate = FATE_REFUSED;
        release(recipient->letter);
}

/* An address stands once, whatever the list says. */
static void add_recipient(struct letter *letter, const char *address, const json_t *mailed)
{
        struct recipient *recipient = &letter->recipients[letter->count];

        for (size_t i = 0; i < letter->count; i++)
                if (strcasecmp(letter->recipients[i].address, address) == 0)
                        return;
        letter->count++;
        recipient->letter = letter;
        (void)snprintf(recipient->address, sizeof(recipient->address), "%s", address);
        const char *fate = json_string_value(json_object_get(mailed, recipient->address));

        if (fate) {
                recipient->before = true;
                recipient->fate = strcmp(fate, "sent") == 0 ? FATE_SENT : FATE_REFUSED;
        } else if (mu_mail_check_address(address) < 0) {
                recipient->before = true;
                recipient->fate = FATE_REFUSED;
                (void)snprintf(recipient->reason, sizeof(recipient->reason), "%s",
                               "this is not an address that mail can be sent to.");
        }
}

static struct letter *make_letter(const char *const *to, size_t to_count, const char *mailed)
{
        struct letter *letter = calloc(1, sizeof(*letter) + to_count * sizeof(struct recipient));
        json_t *settled = mailed ? json_loads(mailed, 0, NULL) : NULL;

        for (size_t i = 0; letter && i < to_count; i++)
                add_recipient(letter, to[i], settled);
        json_decref(settled);
        return letter;
}

static const char *reason_of(int error)
{
        switch (error) {
        case -EAGAIN:
                return "too many mails are in hand already.";
        case -ESHUTDOWN:
                return "the appliance is stopping.";
        default:
                return "there was not enough memory.";
        }
}

/* 0: at least one is under way or was settled before; else the error of all. */
static int submit_all(struct letter *letter, struct mu_mailer *mail,
                      const struct mu_mail_message *like)
{
        size_t submitted = 0;
        int error = 0;

        for (size_t i = 0; i < letter->count; i++) {
                struct recipient *recipient = &letter->recipients[i];
                struct mu_mail_message message = *like;

                if (recipient->before) {
                        submitted++;
                        continue;
                }
                message.to = recipient->address;
                atomic_fetch_add(&letter->pending, 1);
                int code = mu_mail_submit(mail, &message, on_mail, recipient);

                if (code == 0) {
                        submitted++;
                        continue;
                }
                atomic_fetch_sub(&letter->pending, 1);
                error = code;
                (void)snprintf(recipient->reason, sizeof(recipient->reason), "%s", reason_of(code));
        }
        return submitted > 0 ? 0 : error;
}

int mu_alert_mail_send(struct mu_mailer *mail, const struct mu_notice *notice,
                       const char *const *to, size_t to_count, const char *mailed,
                       mu_alert_mail_done *done, void *ctx)
{
        struct mu_text subject;
        struct mu_text body;
        char thread[THREAD_BYTES];

        if (to_count == 0 || to_count > MU_CHANNEL_TO_MAX)
                return -EINVAL;
        mu_text_init(&subject);
        mu_text_init(&body);
        mu_alert_mail_subject(notice, &subject);
        mu_alert_mail_body(notice, &body);
        /* With its time, so that an appliance that was set up anew begins others. */
        (void)snprintf(thread, sizeof(thread), "incident-%lld.%lld", (long long)notice->incident_id,
                       (long long)(notice->opened_us / MU_US_PER_S));
        int error = mu_text_status(&subject) < 0 ? mu_text_status(&subject) : mu_text_status(&body);
        struct letter *letter = error == 0 ? make_letter(to, to_count, mailed) : NULL;

        if (error == 0 && !letter)
                error = -ENOMEM;
        if (error == 0) {
                const struct mu_mail_message message = {
                        .subject = subject.data,
                        .text = body.data,
                        .thread = notice->incident_id != 0 ? thread : NULL,
                };

                letter->done = done;
                letter->ctx = ctx;
                atomic_init(&letter->pending, 1);
                error = submit_all(letter, mail, &message);
                if (error == 0)
                        release(letter);
                else
                        free(letter);
        }
        mu_text_done(&subject);
        mu_text_done(&body);
        return error;
}
