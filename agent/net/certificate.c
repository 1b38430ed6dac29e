/* SPDX-License-Identifier: Apache-2.0 */
#include "net/certificate.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/target.h"

static int copy_first(CURL *easy, char **ret_pem)
{
        struct curl_certinfo *chain = NULL;

        if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain ||
            chain->num_of_certs < 1)
                return -ENODATA;
        for (struct curl_slist *at = chain->certinfo[0]; at; at = at->next) {
                if (strncmp(at->data, "Cert:", strlen("Cert:")) != 0)
                        continue;
                *ret_pem = strdup(at->data + strlen("Cert:"));
                return *ret_pem ? 0 : -ENOMEM;
        }
        return -ENODATA;
}

int mu_net_certificate(const char *server, char **ret_pem)
{
        CURL *easy = curl_easy_init();

        if (!easy)
                return -ENOMEM;
        CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, server);

        code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
        code |= curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        code |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        code |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        code |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)MU_NET_CERTIFICATE_MS);
        if (code == CURLE_OK)
                code = curl_easy_perform(easy);
        int err = code == CURLE_OK ? copy_first(easy, ret_pem) : mu_net_error_of(code);

        curl_easy_cleanup(easy);
        return err;
}
