/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/certificate.h"
#include "ctl/ctl.h"

/* Whether the system (or --ca-file) already trusts the appliance's certificate. */
static bool is_trusted(const struct mu_ctl *ctl)
{
        CURL *curl = curl_easy_init();

        if (!curl)
                return false;
        (void)curl_easy_setopt(curl, CURLOPT_URL, ctl->session.url);
        (void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
        if (ctl->globals.ca_file)
                (void)curl_easy_setopt(curl, CURLOPT_CAINFO, ctl->globals.ca_file);
        bool trusted = curl_easy_perform(curl) != CURLE_PEER_FAILED_VERIFICATION;

        curl_easy_cleanup(curl);
        return trusted;
}

static bool same_fingerprint(const char *given, const char *real)
{
        for (;; given++, real++) {
                while (*given == ':')
                        given++;
                while (*real == ':')
                        real++;
                if (strncasecmp(given, real, 1) != 0)
                        return false;
                if (!*given)
                        return true;
        }
}

/* A self-signed certificate is shown once and kept; afterwards only that one is believed. */
static int trust(struct mu_ctl *ctl, const char *expected)
{
        char fingerprint[MU_CTL_FINGERPRINT_BYTES];
        char question[512];
        char *pem;

        if (strncmp(ctl->session.url, "https://", 8) != 0 || is_trusted(ctl))
                return mu_ctl_session_set(&ctl->session.certificate, NULL) == 0 ? MU_CTL_OK
                                                                                : MU_CTL_REFUSED;
        if (ctl->globals.ca_file) {
                mu_ctl_complain("the certificate of %s is not among those of %s.", ctl->session.url,
                                ctl->globals.ca_file);
                return MU_CTL_UNREACHABLE;
        }
        if (mu_ctl_certificate_fetch(ctl->session.url, &pem) < 0)
                return MU_CTL_UNREACHABLE;
        int code = mu_ctl_certificate_fingerprint(pem, fingerprint) == 0 ? MU_CTL_OK
                                                                         : MU_CTL_UNREACHABLE;

        if (code == MU_CTL_OK && expected) {
                if (!same_fingerprint(expected, fingerprint)) {
                        mu_ctl_complain("%s shows a certificate with another fingerprint: %s.",
                                        ctl->session.url, fingerprint);
                        code = MU_CTL_UNREACHABLE;
                }
        } else if (code == MU_CTL_OK) {
                (void)snprintf(question, sizeof(question),
                               "%s made its own certificate. SHA-256 fingerprint:\n  %s\n"
                               "Compare it on the appliance: openssl x509 -noout -fingerprint "
                               "-sha256 -in DATA_DIR/tls/tls.crt\nTrust it from now on?",
                               ctl->session.url, fingerprint);
                if (!mu_ctl_confirm(question))
                        code = MU_CTL_UNREACHABLE;
        }
        if (code == MU_CTL_OK && mu_ctl_session_set(&ctl->session.certificate, pem) < 0)
                code = MU_CTL_REFUSED;
        free(pem);
        return code;
}

static int keep(struct mu_ctl *ctl, const json_t *reply)
{
        struct mu_ctl_session *session = &ctl->session;
        const char *name =
                json_string_value(json_object_get(json_object_get(reply, "user"), "username"));
        int error = mu_ctl_session_set(&session->access_token,
                                       json_string_value(json_object_get(reply, "access_token")));

        if (error == 0)
                error = mu_ctl_session_set(
                        &session->refresh_token,
                        json_string_value(json_object_get(reply, "refresh_token")));
        if (error == 0)
                error = mu_ctl_session_set(&session->user, name);
        session->access_expires_s =
                mu_ctl_now_s() + json_integer_value(json_object_get(reply, "expires_in_s"));
        if (error == 0)
                error = mu_ctl_session_save(session);
        return error == 0 ? MU_CTL_OK : MU_CTL_REFUSED;
}

int mu_ctl_login(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        const char *expected = json_string_value(json_object_get(input->local, "fingerprint"));
        struct mu_ctl_reply reply = {0};
        int code = trust(ctl, expected);

        (void)verb;
        if (code != MU_CTL_OK)
                return code;
        if (!json_object_get(input->body, "username"))
                (void)json_object_set_new(input->body, "username", json_string("admin"));
        code = mu_ctl_request_bare(ctl, "/api/auth/login", input->body, false, &reply);
        if (code == MU_CTL_OK)
                code = keep(ctl, reply.json);
        if (code == MU_CTL_OK && ctl->globals.json)
                (void)printf("{\"url\":\"%s\",\"user\":\"%s\"}\n", ctl->session.url,
                             ctl->session.user ? ctl->session.user : "");
        else if (code == MU_CTL_OK)
                (void)printf("Signed in to %s as %s.\n", ctl->session.url,
                             ctl->session.user ? ctl->session.user : "?");
        mu_ctl_reply_done(&reply);
        return code;
}

int mu_ctl_logout(struct mu_ctl *ctl, const struct mu_ctl_verb *verb, struct mu_ctl_input *input)
{
        struct mu_ctl_reply reply = {0};
        int code = MU_CTL_OK;

        (void)input;
        /* The file goes even when the appliance can't be told. */
        if (ctl->session.access_token || ctl->session.refresh_token)
                code = mu_ctl_request(ctl, verb->method, verb->path, NULL, NULL, NULL, &reply);
        if (mu_ctl_session_remove(&ctl->session) < 0)
                return MU_CTL_REFUSED;
        if (code == MU_CTL_SIGNED_OUT)
                code = MU_CTL_OK;
        if (code == MU_CTL_OK)
                (void)puts("Signed out.");
        mu_ctl_reply_done(&reply);
        return code;
}
