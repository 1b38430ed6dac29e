/* SPDX-License-Identifier: Apache-2.0 */
#include "control/openapi/openapi_private.h"
#include "http/reply.h"

static const char STYLE[] =
        ":root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6b7c;--line:#dfe5eb;--back:#fff;"
        "--card:#f7f9fb;--link:#0b5cad;--get:#0a6b3d;--post:#0b5cad;--patch:#8a5a00;"
        "--delete:#b3261e}\n"
        "@media(prefers-color-scheme:dark){:root{--ink:#dbe3ec;--soft:#9fb0c0;--line:#2a3541;"
        "--back:#12181f;--card:#18212a;--link:#7db7f0;--get:#6fd3a0;--post:#7db7f0;"
        "--patch:#e3b95f;--delete:#ff9d94}}\n"
        "*{box-sizing:border-box}html{scroll-behavior:smooth}\n"
        "body{margin:0;font:16px/1.55 system-ui,sans-serif;color:var(--ink);"
        "background:var(--back);display:grid;grid-template-columns:19rem minmax(0,1fr)}\n"
        "nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1rem;"
        "border-right:1px solid var(--line);font-size:.84rem}\n"
        "nav .home{font-weight:700;font-size:1.05rem;display:block;margin-bottom:.6rem}\n"
        "nav ul{list-style:none;margin:.2rem 0 .8rem;padding:0}\n"
        "nav li{margin:.12rem 0;overflow-wrap:anywhere}summary{cursor:pointer;font-weight:600}\n"
        "main{padding:1.5rem 2.5rem 6rem;max-width:62rem}a{color:var(--link)}\n"
        "nav a{color:inherit;text-decoration:none}nav a:hover{text-decoration:underline}\n"
        "h1{margin-top:0}h2{margin-top:3rem;border-bottom:1px solid var(--line)}\n"
        "section{background:var(--card);border:1px solid var(--line);border-radius:8px;"
        "padding:.2rem 1.2rem 1rem;margin:1.2rem 0;scroll-margin-top:1rem}\n"
        "section:target{outline:2px solid var(--link)}\n"
        "h3{overflow-wrap:anywhere;font-size:1.05rem}h4{margin:.9rem 0 .3rem;"
        "color:var(--soft);font-size:.85rem;text-transform:uppercase;letter-spacing:.05em}\n"
        "code{font-family:ui-monospace,monospace;font-size:.92em}\n"
        ".method{font:700 .72rem ui-monospace,monospace}.GET{color:var(--get)}"
        ".POST{color:var(--post)}.PATCH,.PUT{color:var(--patch)}.DELETE{color:var(--delete)}\n"
        ".summary{font-weight:600}.who{color:var(--soft);font-size:.9rem;margin:.3rem 0}"
        ".who .ok{color:var(--get);font-weight:700}\n"
        ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.88rem}\n"
        "th{text-align:left;color:var(--soft);font-weight:600}th,td{padding:.25rem .7rem "
        ".25rem 0;border-bottom:1px solid var(--line);vertical-align:top}\n"
        "td.d1{padding-left:1.2rem}td.d2{padding-left:2.4rem}td.d3{padding-left:3.6rem}"
        "td b{color:var(--delete)}\n"
        "@media(max-width:52rem){body{display:block}nav{position:static;height:auto;"
        "border:0;border-bottom:1px solid var(--line)}main{padding:1rem}}\n";

static void send_json(struct mu_ask *ask)
{
        const struct mu_openapi *openapi = ask->control->openapi;

        mu_call_reply_json(ask->call, 200, openapi->json, openapi->json_bytes);
}

static void send_page(struct mu_ask *ask)
{
        const struct mu_openapi *openapi = ask->control->openapi;

        mu_call_reply_header(ask->call, "content-security-policy",
                             "default-src 'none'; style-src 'self'; frame-ancestors 'none'; "
                             "base-uri 'none'; form-action 'none'");
        mu_call_reply(ask->call, 200, MU_TYPE_HTML, openapi->page, openapi->page_bytes);
}

static void send_style(struct mu_ask *ask)
{
        mu_call_reply(ask->call, 200, "text/css; charset=utf-8", STYLE, sizeof(STYLE) - 1);
}

static const struct mu_shape DOCUMENT = {.name = "OpenApiDocument", .open = true};

static const struct mu_endpoint rows[] = {
        {.method = "GET",
         .path = "/api/openapi.json",
         .handle = send_json,
         .access = MU_ACCESS_PUBLIC,
         .flags = MU_ENDPOINT_NO_DATABASE,
         .reply_status = 200,
         .reply = &DOCUMENT,
         .operation_id = "getOpenApi",
         .tag = "This page",
         .summary = "This description, for programs"},
        {.method = "GET",
         .path = "/api/docs",
         .handle = send_page,
         .access = MU_ACCESS_PUBLIC,
         .flags = MU_ENDPOINT_NO_DATABASE,
         .reply_status = 200,
         .reply_type = "text/html",
         .operation_id = "getDocs",
         .tag = "This page",
         .summary = "This description, for people"},
        {.method = "GET",
         .path = "/api/docs.css",
         .handle = send_style,
         .access = MU_ACCESS_PUBLIC,
         .flags = MU_ENDPOINT_NO_DATABASE,
         .reply_status = 200,
         .reply_type = "text/css",
         .operation_id = "getDocsStyle",
         .tag = "This page",
         .summary = "Its style sheet"},
};

const struct mu_endpoints mu_openapi_endpoints = MU_ENDPOINTS(rows);
