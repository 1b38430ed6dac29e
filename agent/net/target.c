/* SPDX-License-Identifier: Apache-2.0 */
#include "net/target.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

/* What two URLs must share to be one server. */
struct origin {
        char *scheme;
        char *host;
        char *port;
};

static void origin_done(struct origin *origin)
{
        curl_free(origin->scheme);
        curl_free(origin->host);
        curl_free(origin->port);
        *origin = (struct origin){0};
}

static int error_of_url(CURLUcode code)
{
        return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

/* The caller calls origin_done, also after an error. */
static int origin_read(const char *url, struct origin *origin)
{
        CURLU *handle = curl_url();
        char *user = NULL;

        *origin = (struct origin){0};
        if (!handle)
                return -ENOMEM;
        CURLUcode code = curl_url_set(handle, CURLUPART_URL, url, 0);

        if (code == CURLUE_OK)
                code = curl_url_get(handle, CURLUPART_SCHEME, &origin->scheme, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(handle, CURLUPART_HOST, &origin->host, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(handle, CURLUPART_PORT, &origin->port, CURLU_DEFAULT_PORT);
        bool has_user = curl_url_get(handle, CURLUPART_USER, &user, 0) == CURLUE_OK;

        curl_free(user);
        curl_url_cleanup(handle);
        if (code != CURLUE_OK)
                return error_of_url(code);
        return has_user ? -EINVAL : 0;
}

static bool same_text(const char *one, const char *other)
{
        return curl_strequal(one, other) != 0;
}

static bool same_origin(const struct origin *one, const struct origin *other)
{
        return same_text(one->scheme, other->scheme) && same_text(one->host, other->host) &&
               strcmp(one->port, other->port) == 0;
}

/* libcurl writes an address's numbers in full, and looks localhost up on no other machine. */
static bool is_loopback(const char *host)
{
        return same_text(host, "localhost") || strcmp(host, "[::1]") == 0 ||
               (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

static bool is_allowed(const struct origin *origin)
{
        return same_text(origin->scheme, "https") ||
               (same_text(origin->scheme, "http") && is_loopback(origin->host));
}

int mu_net_target_find(const struct mu_agent_config *config, const char *path_or_url,
                       struct mu_net_target *ret_target)
{
        const char *server = path_or_url[0] == '/' ? config->server : "";
        struct origin ours = {0};
        struct origin theirs = {0};
        struct mu_net_target target;
        int chars = snprintf(target.url, sizeof(target.url), "%s%s", server, path_or_url);

        if (chars < 0 || (size_t)chars >= sizeof(target.url))
                return -EINVAL;
        int err = origin_read(config->server, &ours);

        if (err == 0)
                err = origin_read(target.url, &theirs);
        if (err == 0 && !is_allowed(&theirs))
                err = -EINVAL;
        if (err == 0) {
                target.is_server = same_origin(&ours, &theirs);
                target.is_loopback = is_loopback(theirs.host);
                *ret_target = target;
        }
        origin_done(&ours);
        origin_done(&theirs);
        return err;
}

/* Does a directory hold certificates by the hashes of their names ("a94d09e5.0")? Then one is read
 * when it is asked for, instead of all of a bundle: a megabyte, and a hundred signatures, for every
 * connection. */
static bool is_hashed(const char *path)
{
        DIR *directory = path ? opendir(path) : NULL;
        const struct dirent *entry;
        bool found = false;

        if (!directory)
                return false;
        while (!found && (entry = readdir(directory)))
                found = strspn(entry->d_name, "0123456789abcdef") == 8 &&
                        strcmp(entry->d_name + 8, ".0") == 0;
        (void)closedir(directory);
        return found;
}

/* A pin alone is the trust: then nothing else is asked of the certificate, and no roots are read.
 */
static CURLcode set_trust(const struct mu_net_target *target, const struct mu_agent_config *config,
                          CURL *easy)
{
        bool pinned = target->is_server && config->pin[0] != '\0';
        CURLcode code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

        code |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, pinned ? 0L : 1L);
        code |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, pinned ? 0L : 2L);
        if (pinned) {
                code |= curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, config->pin);
                code |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
                code |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        } else if (config->ca_file[0] != '\0') {
                code |= curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
                code |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        } else if (is_hashed(curl_version_info(CURLVERSION_NOW)->capath)) {
                code |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        }
        return code;
}

int mu_net_target_set(const struct mu_net_target *target, const struct mu_agent_config *config,
                      CURL *easy)
{
        CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, target->url);

        code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        code |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        code |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        code |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
        code |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)MU_NET_CONNECT_MS);
        if (target->is_loopback)
                code |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
        code |= set_trust(target, config, easy);
        if (code == CURLE_OK)
                return 0;
        return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

int mu_net_error_of(CURLcode code)
{
        switch (code) {
        case CURLE_OK:
                return 0;
        case CURLE_OUT_OF_MEMORY:
                return -ENOMEM;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return -EHOSTUNREACH;
        case CURLE_COULDNT_CONNECT:
                return -ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE:
                return -ECONNRESET;
        case CURLE_FILESIZE_EXCEEDED:
                return -EMSGSIZE;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        case CURLE_SSL_ISSUER_ERROR:
                return -EKEYREJECTED;
        default:
                return -EPROTO;
        }
}
