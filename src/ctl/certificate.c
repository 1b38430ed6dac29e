/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/certificate.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/base64.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

enum {
        CONNECT_TIMEOUT_S = 10,
};

static const char BEGIN[] = "-----BEGIN CERTIFICATE-----";
static const char END[] = "-----END CERTIFICATE-----";

/* Only the handshake matters here: nothing is sent that is worth anything. */
int mu_ctl_certificate_fetch(const char *url, char **ret_pem)
{
        CURL *curl = curl_easy_init();
        struct curl_certinfo *chain = NULL;
        int error = -ENODATA;

        if (!curl)
                return -ENOMEM;
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
        (void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
        CURLcode code = curl_easy_perform(curl);

        if (code != CURLE_OK) {
                mu_ctl_complain("%s can't be reached: %s.", url, curl_easy_strerror(code));
                error = -ENOTCONN;
        } else if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &chain) == CURLE_OK && chain &&
                   chain->num_of_certs > 0) {
                for (struct curl_slist *at = chain->certinfo[0]; at; at = at->next) {
                        if (strncmp(at->data, "Cert:", 5) != 0)
                                continue;
                        *ret_pem = strdup(at->data + 5);
                        error = *ret_pem ? 0 : -ENOMEM;
                        break;
                }
        }
        curl_easy_cleanup(curl);
        return error;
}

static int decode(const char *pem, uint8_t **ret_der, size_t *ret_bytes)
{
        const char *begin = strstr(pem, BEGIN);
        const char *end = begin ? strstr(begin, END) : NULL;
        size_t chars = 0;

        if (!end)
                return -EBADMSG;
        begin += sizeof(BEGIN) - 1;
        char *text = malloc((size_t)(end - begin) + 1);
        uint8_t *der = malloc((size_t)(end - begin) + 1);

        if (!text || !der) {
                free(text);
                free(der);
                return -ENOMEM;
        }
        for (; begin < end; begin++) {
                if (*begin != '\n' && *begin != '\r' && *begin != ' ')
                        text[chars++] = *begin;
        }
        bool decoded = EVP_DecodeBase64(der, ret_bytes, (size_t)(end - pem), (const uint8_t *)text,
                                        chars) == 1;

        free(text);
        if (!decoded) {
                free(der);
                return -EBADMSG;
        }
        *ret_der = der;
        return 0;
}

int mu_ctl_certificate_fingerprint(const char *pem, char ret_text[MU_CTL_FINGERPRINT_BYTES])
{
        uint8_t digest[SHA256_DIGEST_LENGTH];
        uint8_t *der;
        size_t bytes;
        int at = 0;
        int error = decode(pem, &der, &bytes);

        if (error < 0)
                return error;
        (void)SHA256(der, bytes, digest);
        free(der);
        for (size_t i = 0; i < sizeof(digest); i++)
                at += snprintf(ret_text + at, (size_t)(MU_CTL_FINGERPRINT_BYTES - at), "%s%02X",
                               i == 0 ? "" : ":", digest[i]);
        return 0;
}
