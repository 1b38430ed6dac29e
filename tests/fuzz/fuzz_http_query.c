/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may write into a request target and small headers: slices must stay inside the
 * input, and decoding must agree with a plain second decoder. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void handle(struct mu_request *request, void *ctx)
{
        (void)request;
        (void)ctx;
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/a/{id}/b/{name}", .handle = handle},
        {.method = "GET", .path = "/a/{id}", .handle = handle},
        {.method = "POST", .path = "/a", .handle = handle, .flags = MU_ROUTE_DATA_PLANE},
};

static void check_inside(struct mu_slice part, struct mu_slice whole)
{
        MU_ASSERT(part.data >= whole.data && part.bytes <= whole.bytes);
        MU_ASSERT(part.data + part.bytes <= whole.data + whole.bytes);
}

/* By the book, with strtol: -1 where a byte is not allowed. */
static long decode_plainly(struct mu_slice in, bool plus, char *out)
{
        long n = 0;

        for (size_t i = 0; i < in.bytes; i++) {
                char c = in.data[i];

                if (c == '%') {
                        static const char digits[] = "0123456789abcdefABCDEF";
                        char hex[3] = {0};

                        if (in.bytes - i < 3 || !memchr(digits, in.data[i + 1], 22) ||
                            !memchr(digits, in.data[i + 2], 22))
                                return -1;
                        memcpy(hex, in.data + i + 1, 2);
                        c = (char)strtol(hex, NULL, 16);
                        i += 2;
                } else if (c == '+' && plus) {
                        c = ' ';
                }
                if (c == '\0')
                        return -1;
                out[n++] = c;
        }
        return n;
}

static void check_decoding(struct mu_slice in, bool plus)
{
        char *ours = malloc(in.bytes + 1);
        char *theirs = malloc(in.bytes + 1);
        size_t n;

        MU_ASSERT(ours && theirs);
        long expected = decode_plainly(in, plus, theirs);
        if (mu_percent_decode(in, plus, ours, &n) < 0)
                MU_ASSERT(expected == -1);
        else
                MU_ASSERT(expected == (long)n && memcmp(ours, theirs, n) == 0);
        free(ours);
        free(theirs);
}

static void check_routes(struct mu_slice path)
{
        struct mu_router *router;
        struct mu_route_match match;

        MU_ASSERT(mu_router_create(&router) == 0 && mu_router_add(router, routes, 3, NULL) == 0);
        mu_router_seal(router);
        mu_router_match(router, MU_METHOD_GET, path.data, path.bytes, &match);
        for (uint32_t i = 0; i < match.param_count; i++) {
                struct mu_slice value = {match.params[i].value, match.params[i].value_bytes};

                MU_ASSERT(value.bytes > 0 && !memchr(value.data, '/', value.bytes));
                check_inside(value, path);
        }
        mu_router_destroy(router);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        static const char *const names[] = {"a", "id", "", "a b", "%"};
        char *copy = malloc(bytes > 0 ? bytes : 1); /* exact size: ASan sees one byte too far */

        MU_ASSERT(copy);
        memcpy(copy, data, bytes);
        struct mu_slice in = {copy, bytes};

        check_decoding(in, false);
        check_decoding(in, true);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct mu_slice value;

                if (mu_query_find(in, names[i], &value))
                        check_inside(value, in);
        }
        check_routes(in);
        struct mu_slice bearer = mu_bearer_of(in);
        if (bearer.data)
                check_inside(bearer, in);
        MU_ASSERT(!mu_request_id_is_sane(in) || !memchr(in.data, ' ', in.bytes));
        (void)mu_media_type_is(in, "application/json");
        free(copy);
        return 0;
}
