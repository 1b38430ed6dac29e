/* SPDX-License-Identifier: Apache-2.0 */
/* Cookie, X-Forwarded-For and Origin as a client may write them: slices stay inside the input, and
 * an address is only ever taken from behind trusted ones. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "http/cookie.h"
#include "http/origin.h"
#include "http/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_cookie(struct mu_slice in)
{
        static const char *const names[] = {"a", "__Host-refresh", "sid"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct mu_slice value = mu_cookie_find(in, names[i]);

                if (!value.data)
                        continue;
                MU_ASSERT(value.data > in.data && value.data + value.bytes <= in.data + in.bytes);
                for (size_t n = 0; n < value.bytes; n++)
                        MU_ASSERT(value.data[n] > 0x20 && value.data[n] < 0x7f &&
                                  !strchr("\",;\\", value.data[n]));
        }
}

/* Nothing is trusted beyond a peer that is not: whatever the header says. */
static void check_forwarded(struct mu_slice in)
{
        static const struct mu_slice proxy_text = {"10.0.0.1", 8}, other_text = {"192.0.2.1", 9};
        char error[MU_PROXIES_ERROR_BYTES];
        struct mu_proxies *proxies;
        struct mu_address proxy, other;
        struct mu_slice values[2] = {in, in};

        MU_ASSERT(mu_proxies_parse("10.0.0.0/8, 2001:db8::/33", &proxies, error) == 0);
        MU_ASSERT(mu_address_parse(proxy_text, &proxy) == 0);
        MU_ASSERT(mu_address_parse(other_text, &other) == 0);
        struct mu_address same = mu_forwarded_client(proxies, other, values, 2);
        MU_ASSERT(memcmp(&same, &other, sizeof(same)) == 0);
        struct mu_address client = mu_forwarded_client(proxies, proxy, values, 2);
        MU_ASSERT(in.bytes > 0 || memcmp(&client, &proxy, sizeof(client)) == 0);
        mu_proxies_destroy(proxies);
}

static void check_lists(const char *text)
{
        char error[MU_ORIGINS_ERROR_BYTES];
        struct mu_origins *origins;
        struct mu_proxies *proxies;

        if (mu_origins_parse(text, &origins, error) == 0)
                mu_origins_destroy(origins);
        else
                MU_ASSERT(memchr(error, '\0', sizeof(error)));
        if (mu_proxies_parse(text, &proxies, error) == 0)
                mu_proxies_destroy(proxies);
        else
                MU_ASSERT(memchr(error, '\0', sizeof(error)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        static const struct mu_slice host = {"appliance:8443", 14};
        char *copy = malloc(bytes > 0 ? bytes : 1); /* exact size: ASan sees one byte too far */
        char *text = malloc(bytes + 1);
        struct mu_address address;
        char printed[MU_ADDRESS_TEXT_BYTES];

        MU_ASSERT(copy && text);
        memcpy(copy, data, bytes);
        memcpy(text, data, bytes);
        text[bytes] = '\0';
        struct mu_slice in = {copy, bytes};

        check_cookie(in);
        check_forwarded(in);
        check_lists(text);
        if (mu_origin_is_host(in, host, true))
                MU_ASSERT(bytes == strlen("https://appliance:8443"));
        (void)mu_origin_is_host(host, in, false);
        if (mu_address_parse(in, &address) == 0) { /* what is printed is read again as the same */
                struct mu_address again;

                mu_address_format(address, printed);
                MU_ASSERT(mu_address_parse((struct mu_slice){printed, strlen(printed)}, &again) ==
                          0);
                MU_ASSERT(memcmp(&address, &again, sizeof(address)) == 0);
        }
        free(copy);
        free(text);
        return 0;
}
