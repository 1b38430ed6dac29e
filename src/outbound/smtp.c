/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/smtp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/mem.h>

#include "base/assert.h"
#include "base/backoff.h"
#include "base/fs.h"
#include "outbound/message.h"
#include "outbound/private.h"

enum {
        MESSAGES = 1000,
        TRIES = 8,
        BACKOFF_BASE_MS = 2000,
        BACKOFF_CAP_MS = 300000,
        TIMEOUT_MS = 60000,
        CONCURRENCY = 2,
        WAIT_MS = 15 * 60 * 1000,
        PASSWORD_FILE_BYTES_MAX = 4096,
        REPLY_LINE_BYTES = 200,
        ID_BYTES = 16,
        GOODBYE_S = 2,
};

/* How the URL says that TLS is to be used. */
struct security {
        long use_ssl;
        const char *protocol;
};

struct mu_mailer {
        struct mu_outbound_part part; /* first: callbacks cast */
        struct mu_outbound *outbound;
        struct mu_outbound_service *service;
        struct mu_url where;
        char *url; /* with our name for EHLO */
        char *user;
        char *password;
        struct security security;
        struct mu_mailbox from;
        uint32_t messages_max;
        uint32_t tries_max;
        uint32_t backoff_base_ms;
        uint32_t backoff_cap_ms;
        uint32_t timeout_ms;
        struct mail *waiting; /* for another try; loop */
        _Atomic uint32_t in_hand;
};

struct mail {
        struct mu_outbound_job job; /* first: run casts */
        struct mu_timer timer;      /* of the next try */
        struct mu_mailer *mailer;
        struct mail *next; /* waiting */
        struct mail *previous;
        struct mu_text text;
        size_t sent_bytes; /* of text, in this try */
        struct curl_slist *recipients;
        struct mu_backoff backoff;
        uint32_t tries;
        char last_line[REPLY_LINE_BYTES];
        mu_mail_done *done;
        void *ctx;
        char to[MU_MAIL_ADDRESS_BYTES_MAX + 1];
};

/* ---- settings ---- */

MU_PRINTF(2, 3)
static int refuse(char *error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(error, MU_OUTBOUND_ERROR_BYTES, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

static int set_security(struct mu_mailer *mailer, const struct mu_mailer_config *config,
                        char *error)
{
        static const char *const schemes[] = {"smtp", "smtps", NULL};
        const char *starttls =
                config->starttls && *config->starttls ? config->starttls : "required";
        bool login = config->user && *config->user;

        if (mu_url_parse(config->url, schemes, &mailer->where) < 0)
                return refuse(error, "smtp.url must be smtp://HOST:PORT or smtps://HOST:PORT, "
                                     "without a user in it: smtp.user has a setting of its own.");
        mailer->security =
                (struct security){.use_ssl = CURLUSESSL_ALL, .protocol = mailer->where.scheme};
        if (strcmp(mailer->where.scheme, "smtps") == 0 || strcmp(starttls, "required") == 0)
                return 0;
        if (strcmp(starttls, "opportunistic") == 0) {
                if (login && !mailer->where.loopback)
                        return refuse(error, "smtp.starttls must be required when smtp.user is "
                                             "set: else the password could travel readable.");
                mailer->security.use_ssl = CURLUSESSL_TRY;
                return 0;
        }
        if (strcmp(starttls, "never") != 0)
                return refuse(error,
                              "smtp.starttls is \"%.40s\"; it must be required, "
                              "opportunistic or never.",
                              starttls);
        if (!mailer->where.loopback)
                return refuse(error,
                              "smtp.starttls may be never only for a server on this "
                              "machine, and %s is not.",
                              mailer->where.origin);
        mailer->security.use_ssl = CURLUSESSL_NONE;
        return 0;
}

static int read_password(struct mu_mailer *mailer, const struct mu_mailer_config *config,
                         char *error)
{
        const char *path = config->password_file;
        char *content;
        size_t bytes;

        if (!config->user || !*config->user)
                return 0;
        if (!path || !*path)
                return refuse(error, "smtp.user is set, so smtp.password_file must name the file "
                                     "with its password.");
        int code = mu_fs_read_file(path, PASSWORD_FILE_BYTES_MAX, &content, &bytes);

        if (code < 0) {
                (void)refuse(error, "smtp.password_file %.300s can't be read: %s.", path,
                             strerror(-code));
                return code;
        }
        content[strcspn(content, "\r\n")] = '\0';
        mailer->user = strdup(config->user);
        mailer->password = strdup(content);
        bool empty = *content == '\0';

        OPENSSL_cleanse(content, bytes);
        free(content);
        if (!mailer->user || !mailer->password)
                return -ENOMEM;
        return empty ? refuse(error,
                              "smtp.password_file %.300s has no password in its first "
                              "line.",
                              path)
                     : 0;
}

/* curl greets with what stands in the URL's path. */
static int set_url(struct mu_mailer *mailer, const struct mu_mailer_config *config)
{
        char name[256] = "";
        struct mu_text url;
        size_t bytes = strcspn(config->url, "/") + 2; /* behind "//" */

        if (gethostname(name, sizeof(name) - 1) < 0 || !*name ||
            name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")])
                (void)snprintf(name, sizeof(name), "localhost");
        mu_text_init(&url);
        mu_text_add_bytes(&url, config->url, bytes + strcspn(config->url + bytes, "/?#"));
        mu_text_add(&url, "/");
        mu_text_add(&url, name);
        int code = mu_text_take(&url, &mailer->url, &bytes);

        mu_text_done(&url);
        return code;
}

static int configure(struct mu_mailer *mailer, const struct mu_mailer_config *config, char *error)
{
        int code = set_security(mailer, config, error);

        if (code == 0 && mu_mailbox_parse(config->from, &mailer->from) < 0)
                code = refuse(error, "smtp.from must be the address that mail comes from, such as "
                                     "muster@example.org or Muster <muster@example.org>.");
        if (code == 0)
                code = read_password(mailer, config, error);
        if (code == 0)
                code = set_url(mailer, config);
        mailer->messages_max = config->messages_max ? config->messages_max : MESSAGES;
        mailer->tries_max = config->tries_max ? config->tries_max : TRIES;
        mailer->backoff_base_ms =
                config->backoff_base_ms ? config->backoff_base_ms : BACKOFF_BASE_MS;
        mailer->backoff_cap_ms = config->backoff_cap_ms ? config->backoff_cap_ms : BACKOFF_CAP_MS;
        if (mailer->backoff_cap_ms < mailer->backoff_base_ms)
                mailer->backoff_cap_ms = mailer->backoff_base_ms;
        mailer->timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;
        return code;
}

static void drain_part(struct mu_outbound_part *part);

int mu_mailer_create(const struct mu_mailer_config *config, struct mu_mailer **ret_mailer,
                     char *error)
{
        const struct mu_outbound_service_config service = {.name = "smtp",
                                                           .concurrency_max = CONCURRENCY};
        struct mu_mailer *mailer = calloc(1, sizeof(*mailer));

        *error = '\0';
        int code = mailer ? configure(mailer, config, error) : -ENOMEM;

        if (code == 0)
                code = mu_outbound_add_service(config->outbound, &service, &mailer->service);
        if (code < 0) {
                if (!*error)
                        (void)refuse(error, "Mail can't be set up: %s.", strerror(-code));
                mu_mailer_destroy(mailer);
                return code;
        }
        mailer->outbound = config->outbound;
        mailer->part.drain = drain_part;
        mu_outbound_add_part(mailer->outbound, &mailer->part);
        *ret_mailer = mailer;
        return 0;
}

void mu_mailer_destroy(struct mu_mailer *mailer)
{
        if (!mailer)
                return;
        MU_ASSERT(atomic_load(&mailer->in_hand) == 0);
        if (mailer->password)
                OPENSSL_cleanse(mailer->password, strlen(mailer->password));
        free(mailer->password);
        free(mailer->user);
        free(mailer->url);
        free(mailer);
}

/* ---- one try ---- */

static size_t give_text(char *buffer, size_t one, size_t room, void *ctx)
{
        struct mail *mail = ctx;
        size_t left = mail->text.bytes - mail->sent_bytes;

        room *= one;
        left = left < room ? left : room;
        memcpy(buffer, mail->text.data + mail->sent_bytes, left);
        mail->sent_bytes += left;
        return left;
}

static void keep_line(struct mail *mail, const char *line, size_t bytes)
{
        size_t room = sizeof(mail->last_line) - 1;
        size_t kept = bytes < room ? bytes : room;

        /* "221 Bye" says less than what it follows. */
        if (mail->last_line[0] >= '4' && line[0] < '4')
                return;
        for (size_t i = 0; i < kept; i++)
                mail->last_line[i] = line[i] >= ' ' && line[i] < 0x7f ? line[i] : ' ';
        while (kept > 0 && mail->last_line[kept - 1] == ' ')
                kept--;
        mail->last_line[kept] = '\0';
}

/* A line from the server. */
static size_t take_line(char *line, size_t one, size_t bytes, void *ctx)
{
        struct mu_transfer *transfer = ctx;
        struct mail *mail = transfer->ctx;

        (void)one;
        if (bytes == 0)
                return 0;
        keep_line(mail, line, bytes);
        /* What follows the last answer is QUIT, for whose answer curl would block this thread. */
        bool last = line[0] >= '4' || (line[0] == '2' && mail->sent_bytes == mail->text.bytes);

        (void)curl_easy_setopt(transfer->easy, CURLOPT_SERVER_RESPONSE_TIMEOUT,
                               last ? (long)GOODBYE_S : 0L);
        return bytes;
}

static int prepare_mail(struct mu_transfer *transfer, CURL *easy)
{
        struct mail *mail = transfer->ctx;
        const struct mu_mailer *mailer = mail->mailer;
        CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, mailer->url);

        mail->sent_bytes = 0;
        mail->last_line[0] = '\0';
        code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, mailer->security.protocol);
        code |= curl_easy_setopt(easy, CURLOPT_USE_SSL, mailer->security.use_ssl);
        if (mailer->user) {
                code |= curl_easy_setopt(easy, CURLOPT_USERNAME, mailer->user);
                code |= curl_easy_setopt(easy, CURLOPT_PASSWORD, mailer->password);
        }
        code |= curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mailer->from.address);
        code |= curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, mail->recipients);
        code |= curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_text);
        code |= curl_easy_setopt(easy, CURLOPT_READDATA, mail);
        code |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_line);
        code |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
        /* Mail is seldom; a kept connection would mostly meet its end by the server's clock. */
        code |= curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        return code == CURLE_OK ? 0 : -EINVAL;
}

static void finish(struct mail *mail, const struct mu_mail_result *result)
{
        atomic_fetch_sub(&mail->mailer->in_hand, 1); /* the callback may submit anew */
        mail->done(mail->ctx, result);
        curl_slist_free_all(mail->recipients);
        OPENSSL_cleanse(mail->text.data, mail->text.bytes); /* links that reset a password */
        mu_text_done(&mail->text);
        free(mail);
}

static void unlink_waiting(struct mail *mail)
{
        if (mail->previous)
                mail->previous->next = mail->next;
        else
                mail->mailer->waiting = mail->next;
        if (mail->next)
                mail->next->previous = mail->previous;
        mail->next = mail->previous = NULL;
        mu_timers_cancel(&mail->mailer->outbound->timers, &mail->timer);
}

static void wait_for_next_try(struct mail *mail)
{
        struct mu_mailer *mailer = mail->mailer;
        struct mu_outbound *outbound = mailer->outbound;
        uint64_t wait_ms = mu_backoff_next_ms(&mail->backoff, &outbound->random);

        mail->next = mailer->waiting;
        if (mail->next)
                mail->next->previous = mail;
        mailer->waiting = mail;
        mu_timers_set(&outbound->timers, &mail->timer,
                      mu_outbound_now_ns(outbound) + wait_ms * (uint64_t)MU_NS_PER_MS);
}

/* No next try will go better. */
static bool is_final(const struct mu_outbound_result *result)
{
        if (result->outcome == MU_OUTBOUND_ANSWERED)
                return result->status >= 500;
        if (result->outcome != MU_OUTBOUND_FAILED)
                return false;
        switch (result->curl_code) {
        case CURLE_USE_SSL_FAILED: /* STARTTLS is not offered */
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_LOGIN_DENIED:
        case CURLE_FAILED_INIT:
                return true;
        default:
                return false;
        }
}

static void on_result(void *ctx, const struct mu_outbound_result *result)
{
        struct mail *mail = ctx;
        struct mu_mailer *mailer = mail->mailer;
        char sentence[MU_OUTBOUND_ERROR_BYTES];
        struct mu_mail_result ended = {
                .tries = mail->tries, .status = result->status, .error = sentence};

        mail->tries += result->outcome != MU_OUTBOUND_NOT_SENT;
        ended.tries = mail->tries;
        if (result->outcome == MU_OUTBOUND_ANSWERED && result->status >= 400)
                (void)snprintf(sentence, sizeof(sentence), "%s answered: %s", mailer->where.origin,
                               mail->last_line);
        else
                (void)snprintf(sentence, sizeof(sentence), "%s", result->error);
        if (result->outcome == MU_OUTBOUND_CANCELLED) {
                ended.outcome = MU_MAIL_CANCELLED;
        } else if (result->outcome == MU_OUTBOUND_ANSWERED && result->status < 400) {
                ended.outcome = MU_MAIL_SENT;
        } else if (is_final(result)) {
                ended.outcome = MU_MAIL_REFUSED;
        } else if (result->outcome == MU_OUTBOUND_NOT_SENT || mail->tries >= mailer->tries_max) {
                ended.outcome = MU_MAIL_GAVE_UP;
        } else if (mailer->outbound->draining) {
                ended.outcome = MU_MAIL_CANCELLED;
        } else {
                wait_for_next_try(mail);
                return;
        }
        if (ended.outcome == MU_MAIL_REFUSED || ended.outcome == MU_MAIL_GAVE_UP)
                mu_outbound_trouble(mailer->outbound, "smtp", "A mail was not delivered: %s",
                                    sentence);
        finish(mail, &ended);
}

static void try_now(struct mail *mail)
{
        struct mu_transfer *transfer = mu_transfer_new(mail->mailer->service, 0);

        MU_ASSERT(transfer); /* a few hundred bytes: without them nothing goes on */
        transfer->mail = true;
        transfer->url = mail->mailer->where;
        transfer->prepare = prepare_mail;
        transfer->timeout_ms = mail->mailer->timeout_ms;
        transfer->wait_ms_max = WAIT_MS;
        transfer->done = on_result;
        transfer->ctx = mail;
        mu_transfer_queue(transfer);
}

static void on_timer(struct mu_timer *timer)
{
        struct mail *mail = (struct mail *)((char *)timer - offsetof(struct mail, timer));

        unlink_waiting(mail);
        try_now(mail);
}

static void drain_part(struct mu_outbound_part *part)
{
        struct mu_mailer *mailer = (struct mu_mailer *)part;

        while (mailer->waiting) {
                struct mail *mail = mailer->waiting;
                const struct mu_mail_result result = {.outcome = MU_MAIL_CANCELLED,
                                                      .tries = mail->tries,
                                                      .error = "The appliance is stopping."};

                unlink_waiting(mail);
                finish(mail, &result);
        }
}

/* ---- submitting ---- */

static void run_mail(struct mu_outbound_job *job)
{
        try_now((struct mail *)job);
}

static int build(struct mail *mail, const struct mu_mail_message *message)
{
        const struct mu_mailer *mailer = mail->mailer;
        int64_t now_s = mu_clock_realtime_us(mailer->outbound->clock) / MU_US_PER_S;
        unsigned char bits[ID_BYTES];
        char id[2 * ID_BYTES + 1];
        int code = mu_random_secret(bits, sizeof(bits));

        if (code < 0)
                return code;
        mu_text_hex(bits, sizeof(bits), id);
        code = mu_message_build(&mailer->from, message, now_s, id, &mail->text);
        if (code < 0)
                return code;
        (void)snprintf(mail->to, sizeof(mail->to), "%s", message->to);
        mail->recipients = curl_slist_append(NULL, mail->to);
        return mail->recipients ? 0 : -ENOMEM;
}

int mu_mail_submit(struct mu_mailer *mailer, const struct mu_mail_message *message,
                   mu_mail_done *done, void *ctx)
{
        struct mail *mail = calloc(1, sizeof(*mail));

        MU_ASSERT(done);
        if (!mail)
                return -ENOMEM;
        mail->mailer = mailer;
        mail->done = done;
        mail->ctx = ctx;
        mail->job.run = run_mail;
        mail->timer.fire = on_timer;
        mu_text_init(&mail->text);
        mu_backoff_init(&mail->backoff, mailer->backoff_base_ms, mailer->backoff_cap_ms);
        int code = build(mail, message);
        bool counted = code == 0;

        if (counted && atomic_fetch_add(&mailer->in_hand, 1) >= mailer->messages_max) {
                atomic_fetch_add_explicit(&mailer->service->queue_full, 1, memory_order_relaxed);
                code = -EAGAIN;
        }
        if (code == 0)
                code = mu_outbound_post(mailer->outbound, &mail->job);
        if (code == 0)
                return 0;
        if (counted)
                atomic_fetch_sub(&mailer->in_hand, 1);
        curl_slist_free_all(mail->recipients);
        mu_text_done(&mail->text);
        free(mail);
        return code;
}
