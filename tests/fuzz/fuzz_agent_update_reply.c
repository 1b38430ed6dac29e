/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever answers the question for updates: what is read as an offer can be signed, compared, put
 * into a request and into a log. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "core/update_offer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool verify(const void *message, size_t bytes,
                   const uint8_t signature[MU_ED25519_SIGNATURE_BYTES],
                   const uint8_t key[MU_ED25519_KEY_BYTES])
{
        const char *text = message;
        size_t lines = 0;

        (void)signature;
        MU_ASSERT(strlen(text) == bytes && strncmp(text, "MUSTER-UPDATE-1\n", 16) == 0);
        for (size_t i = 0; i < bytes; i++)
                lines += text[i] == '\n';
        MU_ASSERT(lines == 4 && text[bytes - 1] == '\n');
        return key[0] == 1; /* the second of two */
}

static int sign_of(int order)
{
        return (order > 0) - (order < 0);
}

static void check_version(const char *version)
{
        static const char *const others[] = {"0", "1.0.0", "1.0.0-rc.1", "999999999"};

        MU_ASSERT(mu_update_version_valid(version));
        MU_ASSERT(mu_update_version_compare(version, version) == 0);
        for (size_t i = 0; i < MU_COUNT_OF(others); i++)
                MU_ASSERT(sign_of(mu_update_version_compare(version, others[i])) ==
                          -sign_of(mu_update_version_compare(others[i], version)));
        for (const char *at = version; *at; at++)
                MU_ASSERT(*at > ' ' && *at < 0x7f && !strchr("&=?#%/\\\"", *at));
}

static void check_url(const char *url)
{
        MU_ASSERT(memchr(url, '\0', MU_UPDATE_URL_BYTES));
        for (const char *at = url; *at; at++)
                MU_ASSERT(*at > ' ' && *at < 0x7f);
        if (url[0] == '/') {
                MU_ASSERT(url[1] != '/');
                return;
        }
        const char *host = strstr(url, "://");
        const char *slash = host ? strchr(host + 3, '/') : NULL;

        MU_ASSERT(host && slash && slash > host + 3);
        MU_ASSERT(host - url == 5 || host - url == 4);
        /* http: only to what begins like a loopback address. */
        if (host - url == 4)
                MU_ASSERT(strncmp(host + 3, "127.", 4) == 0 || host[3] == '[' || host[3] == 'l' ||
                          host[3] == 'L');
        MU_ASSERT(!memchr(host + 3, '@', (size_t)(slash - host - 3)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        static const struct mu_agent_crypto crypto = {.ed25519_verify = verify};
        static struct mu_agent_config config; /* large; only its keys and a flag are looked at */
        struct mu_agent_readings readings = {.battery = 50, .network = MU_AGENT_NETWORK_WIFI};
        struct mu_agent_update_offer offer;
        char sentence[MU_AGENT_SENTENCE_BYTES];
        int error = mu_agent_update_offer_read((const char *)data, bytes, &offer, sentence);

        MU_ASSERT(error == 0 || error == -EBADMSG);
        if (error < 0) {
                MU_ASSERT(memchr(sentence, '\0', sizeof(sentence)) && sentence[0]);
                return 0;
        }
        check_version(offer.version);
        check_url(offer.url);
        MU_ASSERT(offer.size_bytes >= 1 && offer.size_bytes <= MU_UPDATE_BYTES_MAX);
        config.update_key_count = 2;
        config.update_keys[1][0] = 1;
        MU_ASSERT(mu_agent_update_offer_is_signed(&offer, &config, &crypto));
        config.update_key_count = 1;
        MU_ASSERT(!mu_agent_update_offer_is_signed(&offer, &config, &crypto));
        MU_ASSERT(offer.constraints.min_battery >= 0 && offer.constraints.min_battery <= 100);
        MU_ASSERT(!mu_agent_update_wait(&offer.constraints, &config, &readings) ==
                  (offer.constraints.min_battery <= 50));
        return 0;
}
