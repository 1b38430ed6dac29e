/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "http/cookie.h"
#include "http/private.h"

struct mu_slice mu_request_body(const struct mu_request *request)
{
        return request->body;
}

enum mu_method mu_request_method(const struct mu_request *request)
{
        return request->method;
}

struct mu_slice mu_request_path(const struct mu_request *request)
{
        const h2o_req_t *req = request->h2o;
        size_t bytes = req->query_at == SIZE_MAX ? req->path.len : req->query_at;

        return (struct mu_slice){req->path.base, bytes};
}

struct mu_slice mu_request_query(const struct mu_request *request)
{
        const h2o_req_t *req = request->h2o;

        if (req->query_at == SIZE_MAX)
                return (struct mu_slice){NULL, 0};
        return (struct mu_slice){req->path.base + req->query_at + 1,
                                 req->path.len - req->query_at - 1};
}

const struct mu_route *mu_request_route(const struct mu_request *request)
{
        return request->route;
}

struct mu_loop *mu_request_loop(const struct mu_request *request)
{
        return mu_request_connection(request)->loop;
}

int64_t mu_request_received_at_us(const struct mu_request *request)
{
        return request->received_at_us;
}

/* h2o has put the names in lower case. */
struct mu_slice mu_headers_find(const h2o_headers_t *headers, const char *name, size_t bytes)
{
        for (size_t i = 0; i < headers->size; i++) {
                const h2o_header_t *header = &headers->entries[i];

                if (header->name->len == bytes && memcmp(header->name->base, name, bytes) == 0)
                        return (struct mu_slice){header->value.base, header->value.len};
        }
        return (struct mu_slice){NULL, 0};
}

static struct mu_slice find_token(const struct mu_request *request, const h2o_token_t *token)
{
        ssize_t at = h2o_find_header(&request->h2o->headers, token, -1);

        if (at < 0)
                return (struct mu_slice){NULL, 0};
        h2o_iovec_t value = request->h2o->headers.entries[at].value;
        return (struct mu_slice){value.base, value.len};
}

struct mu_slice mu_request_header(const struct mu_request *request, const char *name)
{
        /* h2o keeps this one apart. */
        if (strcmp(name, "host") == 0)
                return (struct mu_slice){request->h2o->authority.base, request->h2o->authority.len};
        return mu_headers_find(&request->h2o->headers, name, strlen(name));
}

struct mu_slice mu_request_cookie(const struct mu_request *request, const char *name)
{
        return mu_cookie_find(mu_request_header(request, "cookie"), name);
}

struct mu_slice mu_request_bearer(const struct mu_request *request)
{
        return mu_bearer_of(find_token(request, H2O_TOKEN_AUTHORIZATION));
}

bool mu_request_content_type_is(const struct mu_request *request, const char *type)
{
        return mu_media_type_is(find_token(request, H2O_TOKEN_CONTENT_TYPE), type);
}

void *mu_request_alloc(struct mu_request *request, size_t bytes)
{
        return h2o_mem_alloc_pool(&request->h2o->pool, bytes);
}

static char *copy_slice(struct mu_request *request, struct mu_slice slice)
{
        char *copy = mu_request_alloc(request, slice.bytes + 1);

        memcpy(copy, slice.data, slice.bytes);
        copy[slice.bytes] = '\0';
        return copy;
}

const char *mu_request_id(struct mu_request *request)
{
        struct mu_loop *loop = mu_request_loop(request);

        if (request->id)
                return request->id;
        struct mu_slice given = mu_request_header(request, "x-request-id");
        if (mu_request_id_is_sane(given)) {
                request->id = copy_slice(request, given);
                return request->id;
        }
        /* A bijection of a counter from a secret start: never twice, and not to be guessed. */
        char *id = mu_request_alloc(request, 17);
        snprintf(id, 17, "%016llx",
                 (unsigned long long)mu_hash_u64(loop->id_seed + loop->id_count++));
        request->id = id;
        return id;
}

static struct mu_slice decode(struct mu_request *request, struct mu_slice encoded, bool plus)
{
        char *out = mu_request_alloc(request, encoded.bytes + 1);
        size_t bytes;

        if (mu_percent_decode(encoded, plus, out, &bytes) < 0)
                return (struct mu_slice){NULL, 0};
        out[bytes] = '\0';
        return (struct mu_slice){out, bytes};
}

struct mu_slice mu_request_param(struct mu_request *request, const char *name)
{
        const struct mu_route_match *match = request->match;

        for (uint32_t i = 0; match && i < match->param_count; i++) {
                const struct mu_route_param *param = &match->params[i];

                if (strlen(name) == param->name_bytes &&
                    memcmp(name, param->name, param->name_bytes) == 0)
                        return decode(request, (struct mu_slice){param->value, param->value_bytes},
                                      false);
        }
        return (struct mu_slice){NULL, 0};
}

struct mu_slice mu_request_query_param(struct mu_request *request, const char *name)
{
        struct mu_slice encoded;

        if (!mu_query_find(mu_request_query(request), name, &encoded))
                return (struct mu_slice){NULL, 0};
        return decode(request, encoded, true);
}
