/* SPDX-License-Identifier: Apache-2.0 */
#include "http/console.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "http/hooks.h"
#include "http/reply.h"

/* Nothing from elsewhere, nothing inline. 'self' in connect-src is the WebSocket's origin too. */
#define PAGE_POLICY                                                                                \
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "          \
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; frame-ancestors 'none'; "       \
        "base-uri 'none'; form-action 'self'"

#define CACHE_FOR_EVER "public, max-age=31536000, immutable"
#define CACHE_ASK_AGAIN "no-cache"

struct mu_console {
        const char *version;
        pthread_mutex_t lock; /* for as long as a pointer is read or changed */
        struct mu_site *site; /* NULL: none */
};

int mu_console_create(const char *version, struct mu_console **ret_console)
{
        struct mu_console *console = calloc(1, sizeof(*console));

        if (!console)
                return -ENOMEM;
        console->version = version;
        pthread_mutex_init(&console->lock, NULL);
        *ret_console = console;
        return 0;
}

void mu_console_destroy(struct mu_console *console)
{
        if (!console)
                return;
        mu_site_unref(console->site);
        pthread_mutex_destroy(&console->lock);
        free(console);
}

static void use_site(struct mu_console *console, struct mu_site *site)
{
        pthread_mutex_lock(&console->lock);
        struct mu_site *before = console->site;

        console->site = site;
        pthread_mutex_unlock(&console->lock);
        mu_site_unref(before);
}

int mu_console_read(struct mu_console *console, const char *directory, char *error)
{
        struct mu_site *site;
        int code = mu_site_open(directory, &site, error);

        if (code == 0)
                use_site(console, site);
        return code;
}

void mu_console_close(struct mu_console *console)
{
        use_site(console, NULL);
}

struct mu_site *mu_console_site(struct mu_console *console)
{
        pthread_mutex_lock(&console->lock);
        struct mu_site *site = console->site ? mu_site_ref(console->site) : NULL;

        pthread_mutex_unlock(&console->lock);
        return site;
}

/* ---- replies ---- */

static void leave_site(void *site)
{
        mu_site_unref(site);
}

/* Gives the reference to the site away. */
static void send_file(struct mu_request *request, struct mu_site *site,
                      const struct mu_site_file *file, const char *vary)
{
        struct mu_slice wanted = mu_request_header(request, "accept-encoding");
        enum mu_site_form form = mu_site_choose(file, wanted);
        const struct mu_site_body *body = &file->forms[form];

        mu_reply_header(request, "cache-control",
                        file->immutable ? CACHE_FOR_EVER : CACHE_ASK_AGAIN);
        mu_reply_header(request, "etag", body->etag);
        mu_reply_header(request, "vary", vary);
        if (strncmp(file->type, "text/html", 9) == 0)
                mu_reply_header(request, "content-security-policy", PAGE_POLICY);
        if (mu_etag_is_among(mu_request_header(request, "if-none-match"), body->etag)) {
                mu_reply_empty(request, 304);
                mu_site_unref(site);
                return;
        }
        if (form != MU_SITE_PLAIN)
                mu_reply_header(request, "content-encoding", mu_site_form_name(form));
        mu_reply_lent(request, 200, file->type, body->bytes, body->size, leave_site, site);
}

/* false: there are no files, or none of this path. */
static bool send_path(struct mu_request *request, struct mu_console *console, const char *path,
                      size_t bytes, const char *vary)
{
        struct mu_site *site = mu_console_site(console);
        const struct mu_site_file *file = site ? mu_site_find(site, path, bytes) : NULL;

        if (!file) {
                mu_site_unref(site);
                return false;
        }
        send_file(request, site, file, vary);
        return true;
}

static bool send_page(struct mu_request *request, struct mu_console *console)
{
        static const char path[] = "/index.html";

        return send_path(request, console, path, sizeof(path) - 1, "Accept, Accept-Encoding");
}

/* ---- GET / ---- */

static const char no_console[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Muster</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\"></head>\n"
        "<body><h1>Muster</h1>\n"
        "<p>This appliance takes the reports of a fleet of devices. It is running, but the files "
        "of "
        "its console are not there.</p>\n"
        "<p><code>./muster up</code> builds them; the setting <code>console.dir</code> says where "
        "they lie; SIGHUP makes musterd read them again. Its log says what is wrong with them "
        "(<code>console.unusable</code>). What there is without them:</p>\n"
        "<ul><li><a href=\"/api/docs\">/api/docs</a>: the API, and musterctl uses it</li>\n"
        "<li><a href=\"/ready\">/ready</a>: can it acknowledge heartbeats, and what is "
        "degraded</li>\n"
        "<li><a href=\"/health/detailed\">/health/detailed</a>: how its parts are</li>\n"
        "<li><a href=\"/metrics\">/metrics</a>: numbers for Prometheus</li></ul>\n"
        "</body></html>\n";

static bool accepts(const struct mu_request *request, const char *type)
{
        struct mu_slice accept = mu_request_header(request, "accept");

        return accept.data && memmem(accept.data, accept.bytes, type, strlen(type));
}

static void send_facts(struct mu_request *request, const struct mu_console *console)
{
        char json[512];
        struct mu_text text;

        mu_reply_header(request, "vary", "Accept, Accept-Encoding");
        mu_text_init_fixed(&text, json, sizeof(json));
        mu_text_add(&text, "{\"name\":\"muster\",\"version\":");
        mu_text_add_json(&text, console->version, strlen(console->version));
        mu_text_add(&text, ",\"links\":{\"ready\":\"/ready\",\"health\":\"/health\","
                           "\"details\":\"/health/detailed\",\"metrics\":\"/metrics\","
                           "\"docs\":\"/api/docs\",\"openapi\":\"/api/openapi.json\"}}\n");
        mu_reply_json(request, 200, text.data, text.bytes);
}

static void handle_root(struct mu_request *request, void *ctx)
{
        struct mu_console *console = ctx;

        /* Browsers name text/html, programs that want JSON name it alone. */
        if (accepts(request, "application/json") && !accepts(request, "text/html")) {
                send_facts(request, console);
                return;
        }
        if (send_page(request, console))
                return;
        mu_reply_header(request, "vary", "Accept, Accept-Encoding");
        mu_reply(request, 200, MU_TYPE_HTML, no_console, sizeof(no_console) - 1);
}

/* ---- the rest ---- */

/* Whose wrong paths are answered as such, whoever asks. */
static bool is_reserved(struct mu_slice path)
{
        static const char *const roots[] = {"/api",     "/admin",  "/v1",    "/ws",
                                            "/metrics", "/health", "/ready", "/assets"};

        for (size_t i = 0; i < MU_COUNT_OF(roots); i++) {
                size_t bytes = strlen(roots[i]);

                if (path.bytes >= bytes && memcmp(path.data, roots[i], bytes) == 0 &&
                    (path.bytes == bytes || path.data[bytes] == '/'))
                        return true;
        }
        return false;
}

static void handle_rest(struct mu_request *request, void *ctx)
{
        struct mu_console *console = ctx;
        struct mu_slice path = mu_request_path(request);

        if (send_path(request, console, path.data, path.bytes, "Accept-Encoding"))
                return;
        if (!is_reserved(path) && accepts(request, "text/html") && send_page(request, console))
                return;
        mu_reply_path_unknown(request);
}

static const struct mu_route routes[] = {
        {.method = "GET", .path = "/", .handle = handle_root, .operation_id = "getRoot"},
        {.method = "GET", .path = MU_ROUTE_REST, .handle = handle_rest},
};

int mu_console_routes(struct mu_router *router, struct mu_console *console)
{
        return mu_router_add(router, routes, MU_COUNT_OF(routes), console);
}
