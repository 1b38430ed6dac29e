/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_simdjson.h"

#include <cstdlib>
#include <simdjson.h>

void *mu_bench_simdjson_create(void)
{
        return new simdjson::dom::parser;
}

void mu_bench_simdjson_destroy(void *parser)
{
        delete static_cast<simdjson::dom::parser *>(parser);
}

uint64_t mu_bench_simdjson_parse(void *parser, const char *json, size_t bytes)
{
        simdjson::dom::element root;
        uint64_t battery;

        if (static_cast<simdjson::dom::parser *>(parser)->parse(json, bytes).get(root) ||
            root["battery"].get(battery))
                abort();
        return battery;
}
