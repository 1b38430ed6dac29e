/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that knows simdjson: its first stage, behind C. No exception leaves it: every call
 * below is noexcept. */
#include "wire/json.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include <simdjson.h>

struct mu_json {
        std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
        uint32_t body_bytes_max;
};

extern "C" int mu_json_create(uint32_t body_bytes_max, struct mu_json **ret_json)
{
        std::unique_ptr<mu_json> json{new (std::nothrow) mu_json{nullptr, body_bytes_max}};

        if (!json)
                return -ENOMEM;
        /* The depth is for the second stage, which is ours. */
        if (simdjson::get_active_implementation()->create_dom_parser_implementation(
                    body_bytes_max, 1, json->stage) != simdjson::SUCCESS)
                return -ENOMEM;
        *ret_json = json.release();
        return 0;
}

extern "C" void mu_json_destroy(struct mu_json *json)
{
        delete json;
}

extern "C" int mu_json_open(struct mu_json *json, const char *body, size_t body_bytes,
                            struct mu_json_cursor *ret_cursor)
{
        ret_cursor->body = body;
        ret_cursor->at = ret_cursor->end = nullptr;
        ret_cursor->reason = MU_REASON_JSON_SYNTAX;
        if (body_bytes > json->body_bytes_max)
                return mu_json_refuse(ret_cursor, MU_REASON_BODY_SIZE);
        if (body_bytes == 0)
                return -EBADMSG;

        simdjson::error_code error =
                json->stage->stage1(reinterpret_cast<const uint8_t *>(body), body_bytes,
                                    simdjson::stage1_mode::regular);
        if (error == simdjson::UTF8_ERROR)
                return mu_json_refuse(ret_cursor, MU_REASON_JSON_UTF8);
        if (error != simdjson::SUCCESS)
                return -EBADMSG;

        uint32_t *indexes = json->stage->structural_indexes.get();
        uint32_t count = json->stage->n_structural_indexes;

        indexes[count] = static_cast<uint32_t>(body_bytes);
        ret_cursor->at = indexes;
        ret_cursor->end = indexes + count;
        ret_cursor->backslashes = std::memchr(body, '\\', body_bytes) != nullptr;
        return 0;
}
