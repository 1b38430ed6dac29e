/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

enum {
        CONNECT_TIMEOUT_S = 10,
        QUIET_TIMEOUT_S = 60, /* nothing has come for so long */
        RENEW_AHEAD_S = 30,
};

struct transfer {
        char *body;
        size_t bytes;
        FILE *sink;
        CURL *curl;
        bool failed;
};

static size_t take(char *data, size_t size, size_t count, void *context)
{
        struct transfer *transfer = context;
        size_t bytes = size * count;
        long status = 0;

        (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
        if (transfer->sink && status < 400)
                return fwrite(data, 1, bytes, transfer->sink);
        if (transfer->bytes + bytes > MU_CTL_REPLY_BYTES_MAX)
                return 0;
        char *grown = realloc(transfer->body, transfer->bytes + bytes + 1);

        if (!grown)
                return 0;
        memcpy(grown + transfer->bytes, data, bytes);
        transfer->bytes += bytes;
        grown[transfer->bytes] = '\0';
        transfer->body = grown;
        return bytes;
}

static void add_header(struct curl_slist **headers, const char *name, const char *value)
{
        char *line = NULL;

        if (asprintf(&line, "%s: %s", name, value) < 0)
                return;
        struct curl_slist *longer = curl_slist_append(*headers, line);

        if (longer)
                *headers = longer;
        mu_ctl_forget(line);
}

/* The certificate that was trusted at sign-in is its own authority, whatever name it carries. */
static void set_trust(const struct mu_ctl *ctl)
{
        CURL *curl = ctl->curl;

        if (ctl->globals.ca_file) {
                (void)curl_easy_setopt(curl, CURLOPT_CAINFO, ctl->globals.ca_file);
        } else if (ctl->session.certificate) {
                struct curl_blob blob = {.data = ctl->session.certificate,
                                         .len = strlen(ctl->session.certificate),
                                         .flags = CURL_BLOB_COPY};

                (void)curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
                (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
        }
}

static char *address(const struct mu_ctl *ctl, const char *path, const char *query)
{
        char *url = NULL;
        size_t chars = strlen(ctl->session.url);

        while (chars > 0 && ctl->session.url[chars - 1] == '/')
                chars--;
        if (asprintf(&url, "%.*s%s%s%s", (int)chars, ctl->session.url, path, query ? "?" : "",
                     query ? query : "") < 0)
                return NULL;
        return url;
}

static int complain_transport(const struct mu_ctl *ctl, CURLcode code)
{
        if (code == CURLE_PEER_FAILED_VERIFICATION && ctl->session.certificate)
                mu_ctl_complain(
                        "%s shows another certificate than the one trusted at sign-in. If it "
                        "was renewed, sign in again: musterctl login.",
                        ctl->session.url);
        else if (code == CURLE_PEER_FAILED_VERIFICATION)
                mu_ctl_complain(
                        "the certificate of %s is not trusted: sign in with musterctl login, "
                        "which asks, or give --ca-file FILE.",
                        ctl->session.url);
        else
                mu_ctl_complain("%s can't be reached: %s.", ctl->session.url,
                                curl_easy_strerror(code));
        return MU_CTL_UNREACHABLE;
}

static int perform(struct mu_ctl *ctl, const char *method, const char *url,
                   struct curl_slist *headers, const char *body, struct transfer *transfer)
{
        CURL *curl = ctl->curl;

        curl_easy_reset(curl);
        transfer->curl = curl;
        set_trust(ctl);
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
        (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
        (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)QUIET_TIMEOUT_S);
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        if (body)
                (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        CURLcode code = curl_easy_perform(curl);

        return code == CURLE_OK ? MU_CTL_OK : complain_transport(ctl, code);
}

static int send_once(struct mu_ctl *ctl, const char *method, const char *path, const char *query,
                     const json_t *body, bool as_somebody, FILE *sink,
                     struct mu_ctl_reply *ret_reply)
{
        struct transfer transfer = {.sink = sink};
        struct curl_slist *headers = NULL;
        char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
        char *url = address(ctl, path, query);
        char *bearer = NULL;
        curl_off_t retry_after_s = -1;

        add_header(&headers, "Accept", "application/json");
        add_header(&headers, "Expect", "");
        if (text)
                add_header(&headers, "Content-Type", "application/json");
        if (as_somebody && ctl->admin_key) {
                add_header(&headers, "X-Admin-Key", ctl->admin_key);
        } else if (as_somebody) {
                const char *token = ctl->bearer ? ctl->bearer : ctl->session.access_token;

                if (token && asprintf(&bearer, "Bearer %s", token) >= 0)
                        add_header(&headers, "Authorization", bearer);
        }
        int code = url ? perform(ctl, method, url, headers, text, &transfer) : MU_CTL_REFUSED;

        (void)curl_easy_getinfo(ctl->curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
        (void)curl_easy_getinfo(ctl->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
        ret_reply->retry_after_s = (long)retry_after_s;
        ret_reply->body = transfer.body ? transfer.body : strdup("");
        ret_reply->bytes = transfer.bytes;
        ret_reply->json =
                transfer.bytes > 0 ? json_loads(ret_reply->body, JSON_DECODE_ANY, NULL) : NULL;
        mu_ctl_forget(text);
        mu_ctl_forget(bearer);
        free(url);
        curl_slist_free_all(headers);
        return code;
}

/* ---- refusals ---- */

static const char *text_of(const struct mu_ctl_reply *reply, const char *key)
{
        return json_string_value(json_object_get(reply->json, key));
}

static int complain_status(const struct mu_ctl *ctl, const struct mu_ctl_reply *reply)
{
        const char *detail = text_of(reply, "detail");
        const char *field = text_of(reply, "field");
        const char *request_id = text_of(reply, "request_id");

        if (ctl->globals.json && reply->json)
                mu_ctl_print_json(reply->json);
        if (reply->status == 401 && !ctl->bearer && !ctl->admin_key) {
                mu_ctl_complain("you are not signed in (any more): musterctl login.");
                return MU_CTL_SIGNED_OUT;
        }
        if (detail)
                mu_ctl_complain("%s%s%s%s (status %ld%s%s)", field ? field : "", field ? ": " : "",
                                detail, "", reply->status, request_id ? ", request " : "",
                                request_id ? request_id : "");
        else
                mu_ctl_complain("the appliance answered %ld without saying why.", reply->status);
        return reply->status == 401 ? MU_CTL_SIGNED_OUT : MU_CTL_REFUSED;
}

/* ---- signing the session on ---- */

static int keep_tokens(struct mu_ctl_session *session, const json_t *reply)
{
        const char *access = json_string_value(json_object_get(reply, "access_token"));
        const char *refresh = json_string_value(json_object_get(reply, "refresh_token"));
        int64_t expires_in_s = json_integer_value(json_object_get(reply, "expires_in_s"));
        int error = access ? mu_ctl_session_set(&session->access_token, access) : -EBADMSG;

        if (error == 0 && refresh)
                error = mu_ctl_session_set(&session->refresh_token, refresh);
        session->access_expires_s = mu_ctl_now_s() + expires_in_s;
        return error == 0 ? mu_ctl_session_save(session) : error;
}

static int refresh(struct mu_ctl *ctl)
{
        struct mu_ctl_reply reply = {0};
        json_t *body = json_pack("{s:s}", "refresh_token", ctl->session.refresh_token);
        int code = mu_ctl_request_bare(ctl, "/api/auth/refresh", body, true, &reply);

        if (code == MU_CTL_OK)
                code = keep_tokens(&ctl->session, reply.json) == 0 ? MU_CTL_OK : MU_CTL_REFUSED;
        else if (reply.status == 400 || reply.status == 401)
                code = MU_CTL_SIGNED_OUT;
        if (code == MU_CTL_SIGNED_OUT)
                mu_ctl_complain("the session has ended: musterctl login.");
        else if (code != MU_CTL_OK && reply.status >= 400)
                (void)complain_status(ctl, &reply);
        json_decref(body);
        mu_ctl_reply_done(&reply);
        return code;
}

/* Another musterctl may have refreshed while we waited for the lock: look again under it. */
static int sign_on(struct mu_ctl *ctl)
{
        if (ctl->bearer || ctl->admin_key)
                return MU_CTL_OK;
        if (!ctl->session.refresh_token && !ctl->session.access_token) {
                mu_ctl_complain("you are not signed in: musterctl login --url https://HOST:8443.");
                return MU_CTL_SIGNED_OUT;
        }
        if (ctl->session.access_expires_s > mu_ctl_now_s() + RENEW_AHEAD_S)
                return MU_CTL_OK;
        int lock = mu_ctl_session_lock(&ctl->session);
        int code = MU_CTL_OK;

        if (lock < 0)
                mu_ctl_complain("the session's lock can't be taken (%s); going on without it.",
                                strerror(-lock));
        if (mu_ctl_session_load(&ctl->session) < 0)
                code = MU_CTL_REFUSED;
        else if (ctl->session.access_expires_s <= mu_ctl_now_s() + RENEW_AHEAD_S)
                code = refresh(ctl);
        mu_ctl_session_unlock(lock);
        return code;
}

/* ---- requests ---- */

int mu_ctl_request_bare(struct mu_ctl *ctl, const char *path, const json_t *body, bool quiet,
                        struct mu_ctl_reply *ret_reply)
{
        int code = send_once(ctl, "POST", path, NULL, body, false, NULL, ret_reply);

        if (code == MU_CTL_OK && ret_reply->status >= 400)
                code = quiet ? MU_CTL_REFUSED : complain_status(ctl, ret_reply);
        return code;
}

int mu_ctl_request(struct mu_ctl *ctl, const char *method, const char *path, const char *query,
                   const json_t *body, FILE *sink, struct mu_ctl_reply *ret_reply)
{
        int code = sign_on(ctl);

        if (code != MU_CTL_OK)
                return code;
        code = send_once(ctl, method, path, query, body, true, sink, ret_reply);
        if (code == MU_CTL_OK && ret_reply->status >= 400)
                code = complain_status(ctl, ret_reply);
        return code;
}

void mu_ctl_reply_done(struct mu_ctl_reply *reply)
{
        mu_ctl_forget(reply->body);
        json_decref(reply->json);
        *reply = (struct mu_ctl_reply){0};
}

/* ---- opening ---- */

static int read_credentials(struct mu_ctl *ctl)
{
        const char *token = ctl->globals.token_file;
        const char *key = ctl->globals.admin_key_file;

        if (!token && !key)
                token = getenv("MUSTER_TOKEN_FILE");
        if (!token && !key)
                key = getenv("MUSTER_ADMIN_KEY_FILE");
        if (token && !(ctl->bearer = mu_ctl_read_secret(token)))
                return MU_CTL_USAGE;
        if (key && !(ctl->admin_key = mu_ctl_read_secret(key)))
                return MU_CTL_USAGE;
        return MU_CTL_OK;
}

int mu_ctl_open(const struct mu_ctl_globals *globals, struct mu_ctl *ctl)
{
        const char *url = globals->url ? globals->url : getenv("MUSTER_URL");

        *ctl = (struct mu_ctl){.globals = *globals};
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(ctl->curl = curl_easy_init())) {
                mu_ctl_complain("libcurl could not be started.");
                return MU_CTL_UNREACHABLE;
        }
        if (mu_ctl_session_load(&ctl->session) < 0)
                return MU_CTL_USAGE;
        /* Tokens and certificate belong to the appliance that gave them. */
        if (url && ctl->session.url && strcmp(url, ctl->session.url) != 0) {
                char *file = ctl->session.file;

                ctl->session.file = NULL;
                mu_ctl_session_done(&ctl->session);
                ctl->session.file = file;
        }
        if (mu_ctl_session_set(&ctl->session.url, url ? url
                                                  : ctl->session.url
                                                          ? strdupa(ctl->session.url)
                                                          : "https://localhost:8443") < 0)
                return MU_CTL_REFUSED;
        return read_credentials(ctl);
}

void mu_ctl_close(struct mu_ctl *ctl)
{
        mu_ctl_session_done(&ctl->session);
        mu_ctl_forget(ctl->bearer);
        mu_ctl_forget(ctl->admin_key);
        if (ctl->curl)
                curl_easy_cleanup(ctl->curl);
        curl_global_cleanup();
}
