/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcm_token.c - the access token: fetched at start, again before it ends, and when FCM drops it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/mem.h>

#include "base/assert.h"
#include "outbound/fcm_private.h"

enum {
        EARLY_S = 300, /* fetched anew when less is left, or less than a tenth of the life */
        BACKOFF_CAP_MS = 60000,
        TIMEOUT_MS = 20000,
        HTTP_TOO_MANY = 429,
        HTTP_TIMEOUT = 408,
};

static struct mu_fcm *fcm_of(struct mu_timer *timer)
{
        return (struct mu_fcm *)((char *)timer - offsetof(struct mu_fcm, access.refresh));
}

static void on_refresh(struct mu_timer *timer)
{
        mu_fcm_access_fetch(fcm_of(timer));
}

void mu_fcm_access_init(struct mu_fcm *fcm)
{
        fcm->access.refresh.fire = on_refresh;
        mu_backoff_init(&fcm->access.backoff, fcm->backoff_base_ms,
                        fcm->backoff_base_ms > BACKOFF_CAP_MS ? fcm->backoff_base_ms
                                                              : BACKOFF_CAP_MS);
}

static void fetch_in_ms(struct mu_fcm *fcm, uint64_t ms)
{
        if (!fcm->outbound->draining)
                mu_timers_set(&fcm->outbound->timers, &fcm->access.refresh,
                              mu_outbound_now_ns(fcm->outbound) + ms * (uint64_t)MU_NS_PER_MS);
}

static void forget(struct mu_fcm_access *access)
{
        access->held = false;
        OPENSSL_cleanse(&access->token, sizeof(access->token));
}

bool mu_fcm_access_is_valid(const struct mu_fcm *fcm)
{
        return fcm->access.held && mu_outbound_now_ns(fcm->outbound) < fcm->access.expires_ns;
}

void mu_fcm_access_stop(struct mu_fcm *fcm)
{
        mu_timers_cancel(&fcm->outbound->timers, &fcm->access.refresh);
}

void mu_fcm_access_accepted(struct mu_fcm *fcm)
{
        fcm->access.dropped = 0;
        mu_backoff_reset(&fcm->access.backoff);
}

void mu_fcm_access_drop(struct mu_fcm *fcm, uint64_t number)
{
        struct mu_fcm_access *access = &fcm->access;

        if (!access->held || number != access->number)
                return; /* another message's 401 was first */
        forget(access);
        /* At once, but for tokens that are refused one after the other. */
        if (access->dropped++ == 0)
                mu_fcm_access_fetch(fcm);
        else
                fetch_in_ms(fcm, mu_backoff_next_ms(&access->backoff, &fcm->outbound->random));
}

/* ---- fetching ---- */

static void take_token(struct mu_fcm *fcm, const struct mu_fcm_access_token *token)
{
        struct mu_fcm_access *access = &fcm->access;
        uint64_t early_s = token->life_s / 10;

        early_s = early_s > EARLY_S ? early_s : EARLY_S;
        if (early_s > token->life_s / 2)
                early_s = token->life_s / 2;
        access->token = *token;
        access->held = true;
        access->number++;
        access->expires_ns =
                mu_outbound_now_ns(fcm->outbound) + token->life_s * (uint64_t)MU_NS_PER_S;
        mu_cell_add(&fcm->tokens_fetched, 1);
        fetch_in_ms(fcm, (token->life_s - early_s) * (uint64_t)MU_MS_PER_S);
}

/* The account is wrong, or its key was revoked: nothing is to be had for a while. */
static bool is_refusal(const struct mu_outbound_result *result)
{
        return result->outcome == MU_OUTBOUND_ANSWERED && result->status >= 300 &&
               result->status < 500 && result->status != HTTP_TOO_MANY &&
               result->status != HTTP_TIMEOUT;
}

static void fetch_failed(struct mu_fcm *fcm, const struct mu_outbound_result *result)
{
        char sentence[MU_OUTBOUND_ERROR_BYTES];
        char what[300] = "";
        uint64_t wait_ms = mu_backoff_next_ms(&fcm->access.backoff, &fcm->outbound->random);
        bool refused = is_refusal(result);

        mu_cell_add(&fcm->tokens_failed, 1);
        if (result->outcome == MU_OUTBOUND_ANSWERED) {
                mu_fcm_token_error(result->body, result->body_bytes, what, sizeof(what));
                (void)snprintf(sentence, sizeof(sentence),
                               "No access token for FCM: Google answered %d%s%s.", result->status,
                               *what ? " " : "", what);
        } else {
                (void)snprintf(sentence, sizeof(sentence), "No access token for FCM: %.400s",
                               result->error);
        }
        if (refused)
                wait_ms = BACKOFF_CAP_MS;
        else if (result->has_retry_after)
                wait_ms = result->retry_after_s * (uint64_t)MU_MS_PER_S;
        mu_outbound_trouble(fcm->outbound, "fcm", "%s", sentence);
        fetch_in_ms(fcm, wait_ms);
        if (refused && !mu_fcm_access_is_valid(fcm))
                mu_fcm_end_ready(fcm, MU_FCM_GAVE_UP, sentence);
}

static void on_token(void *ctx, const struct mu_outbound_result *result)
{
        struct mu_fcm *fcm = ctx;
        struct mu_fcm_access_token token;

        fcm->access.fetching = false;
        if (result->outcome == MU_OUTBOUND_CANCELLED)
                return; /* what waits for it is cancelled next */
        if (result->outcome == MU_OUTBOUND_ANSWERED && result->status == 200 &&
            mu_fcm_token_parse(result->body, result->body_bytes, &token) == 0) {
                take_token(fcm, &token);
                OPENSSL_cleanse(&token, sizeof(token));
        } else {
                fetch_failed(fcm, result);
        }
        mu_fcm_pump(fcm);
}

static int write_form(struct mu_fcm *fcm, struct mu_text *form)
{
        int64_t now_s = mu_clock_realtime_us(fcm->outbound->clock) / MU_US_PER_S;

        mu_text_add(form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
                          "&assertion=");
        return mu_fcm_account_assert(fcm->account, fcm->token_uri, now_s, form);
}

void mu_fcm_access_fetch(struct mu_fcm *fcm)
{
        static const struct mu_outbound_header headers[] = {
                {"Content-Type", "application/x-www-form-urlencoded"}};
        struct mu_outbound_request request = {.service = fcm->oauth,
                                              .method = "POST",
                                              .url = fcm->token_uri,
                                              .headers = headers,
                                              .header_count = MU_COUNT_OF(headers),
                                              .timeout_ms = TIMEOUT_MS,
                                              .done = on_token,
                                              .ctx = fcm};
        struct mu_text form;

        if (fcm->access.fetching)
                return;
        mu_timers_cancel(&fcm->outbound->timers, &fcm->access.refresh);
        mu_text_init(&form);
        int code = write_form(fcm, &form);

        if (code == 0) {
                request.body = form.data;
                request.body_bytes = form.bytes;
                code = mu_outbound_send(fcm->outbound, &request);
        }
        if (form.data)
                OPENSSL_cleanse(form.data, form.bytes);
        mu_text_done(&form);
        if (code == 0) {
                fcm->access.fetching = true;
                return;
        }
        mu_outbound_trouble(fcm->outbound, "fcm", "No access token was asked for: %s.",
                            strerror(-code));
        fetch_in_ms(fcm, BACKOFF_CAP_MS);
}
