/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_http.c - verification through the server's admin key.
 *
 * Rounds of POST /admin/verify over the devices whose digest does not match yet, until all match or
 * the deadline passes without progress worth waiting for; then the rest bucket by bucket with GET.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "client.h"
#include "clock.h"
#include "verify.h"

#define REQUEST_TIMEOUT_NS (60 * MU_LG_NS_PER_S)
#define ROUND_FIRST_US 50000u
#define ROUND_MAX_US 1000000u
#define PAGE_BUCKETS 50000u

struct pending {
        uint32_t index; /* in the fleet */
        bool settled;
};

struct session {
        struct mu_lg_client client;
        char header[1200];
        const struct mu_lg_fleet *fleet;
        struct mu_lg_verify *result;
};

MU_PRINTF(3, 4)
static int fail(struct mu_lg_verify *result, int error, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(result->error, sizeof(result->error), format, args);
        va_end(args);
        return error;
}

/* The answer as JSON, or a sentence. */
static int read_reply(struct session *session, const char *path, json_t **ret_root)
{
        const struct mu_lg_reply *reply = &session->client.reply;
        const char *body = reply->body_bytes > 0 ? reply->body : "";

        if (reply->status != 200)
                return fail(session->result, -EPROTO, "%s answered %d: %.200s%s", path,
                            reply->status, body,
                            reply->status == 401 || reply->status == 403
                                    ? " -- the admin key is missing or wrong"
                                    : "");
        json_t *root = json_loadb(body, reply->body_bytes, 0, NULL);

        if (!root)
                return fail(session->result, -EPROTO, "%s answered something that is not JSON",
                            path);
        *ret_root = root;
        return 0;
}

static bool number_of(const json_t *value, uint64_t *ret_number)
{
        if (json_is_integer(value) && json_integer_value(value) >= 0) {
                *ret_number = (uint64_t)json_integer_value(value);
                return true;
        }
        return false;
}

static bool hex_of(const json_t *value, uint64_t *ret_number)
{
        const char *text = json_string_value(value);
        char *end;

        if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
                return false;
        *ret_number = strtoull(text, &end, 16);
        return true;
}

static bool same(struct mu_lg_digest a, struct mu_lg_digest b)
{
        return a.count == b.count && a.bucket_xor == b.bucket_xor;
}

/* Settled when what is stored is what was acknowledged, or all that was sent. */
static bool judge(struct session *session, const struct mu_lg_device *device,
                  struct mu_lg_digest stored)
{
        struct mu_lg_digest acknowledged = mu_lg_digest_of_marks(&device->marks, true);
        struct mu_lg_digest sent = mu_lg_digest_of_marks(&device->marks, false);

        if (!same(stored, acknowledged) && !same(stored, sent))
                return false;
        session->result->acknowledged_count += acknowledged.count;
        session->result->stored_count += stored.count;
        session->result->unanswered_count += stored.count - acknowledged.count;
        return true;
}

static int ask_digests(struct session *session, struct pending *batch, uint32_t count)
{
        struct mu_text body;
        json_t *root = NULL;

        mu_text_init(&body);
        mu_text_add(&body, "{\"devices\":[");
        for (uint32_t i = 0; i < count; i++) {
                const struct mu_lg_device *device = &session->fleet->devices[batch[i].index];
                uint32_t first = 0, last = 0;

                (void)mu_lg_marks_range(&device->marks, &first, &last);
                mu_text_add_format(&body,
                                   "%s{\"device_id\":\"%" PRIu64 "\",\"from\":%" PRIu64
                                   ",\"to\":%" PRIu64 "}",
                                   i ? "," : "", device->id, (uint64_t)first * MU_LG_BUCKET_S,
                                   ((uint64_t)last + 1) * MU_LG_BUCKET_S);
        }
        mu_text_add(&body, "]}");
        int r = mu_text_status(&body);
        if (r == 0)
                r = mu_lg_client_request(&session->client, MU_PATH_VERIFY, session->header,
                                         body.data, body.bytes);
        mu_text_done(&body);
        if (r < 0)
                return fail(session->result, r, "%.400s", session->client.error);
        r = read_reply(session, "POST /admin/verify", &root);
        if (r < 0)
                return r;
        const json_t *results = json_object_get(root, "results");
        if (json_array_size(results) != count)
                r = fail(session->result, -EPROTO,
                         "POST /admin/verify answered %zu results for %u devices",
                         json_array_size(results), count);
        for (uint32_t i = 0; r == 0 && i < count; i++) {
                const struct mu_lg_device *device = &session->fleet->devices[batch[i].index];
                const json_t *item = json_array_get(results, i);
                const char *id = json_string_value(json_object_get(item, "device_id"));
                struct mu_lg_digest stored;

                if (!id || strtoull(id, NULL, 10) != device->id ||
                    !number_of(json_object_get(item, "count"), &stored.count) ||
                    !hex_of(json_object_get(item, "bucket_xor"), &stored.bucket_xor))
                        r = fail(session->result, -EPROTO,
                                 "POST /admin/verify: result %u is not {device_id, count, "
                                 "bucket_xor} of the device asked for",
                                 i);
                else
                        batch[i].settled = judge(session, device, stored);
        }
        json_decref(root);
        return r;
}

/* One pass over what is not settled; *ret_left is what remains, moved to the front. */
static int round_of_digests(struct session *session, struct pending *pending, uint32_t count,
                            uint32_t *ret_left)
{
        uint32_t left = 0;

        for (uint32_t at = 0; at < count; at += MU_LG_VERIFY_DEVICES_MAX) {
                uint32_t n = count - at < MU_LG_VERIFY_DEVICES_MAX ? count - at
                                                                   : MU_LG_VERIFY_DEVICES_MAX;
                int r = ask_digests(session, pending + at, n);

                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < count; i++)
                if (!pending[i].settled)
                        pending[left++] = pending[i];
        *ret_left = left;
        return 0;
}

/* All pages of one device's buckets. */
static int ask_buckets(struct session *session, const struct mu_lg_device *device,
                       uint32_t **ret_buckets, uint64_t *ret_count)
{
        uint32_t first = 0, last = 0, *buckets = NULL;
        uint64_t count = 0, after = 0;

        (void)mu_lg_marks_range(&device->marks, &first, &last);
        for (;;) {
                char path[256];
                json_t *root = NULL;

                snprintf(path, sizeof(path),
                         MU_PATH_VERIFY "?device_id=%" PRIu64 "&from=%" PRIu64 "&to=%" PRIu64
                                        "&after=%" PRIu64 "&limit=%u",
                         device->id, (uint64_t)first * MU_LG_BUCKET_S,
                         ((uint64_t)last + 1) * MU_LG_BUCKET_S, after, PAGE_BUCKETS);
                int r = mu_lg_client_request(&session->client, path, session->header, NULL, 0);
                if (r < 0)
                        r = fail(session->result, r, "%.400s", session->client.error);
                else
                        r = read_reply(session, "GET /admin/verify", &root);
                if (r < 0) {
                        free(buckets);
                        return r;
                }
                const json_t *page = json_object_get(root, "buckets");
                size_t n = json_array_size(page);
                uint32_t *grown = realloc(buckets, (count + n + 1) * sizeof(*buckets));

                if (grown)
                        buckets = grown;
                uint64_t newest = after;
                for (size_t i = 0; grown && i < n; i++) {
                        uint64_t second = 0;

                        if (number_of(json_array_get(page, i), &second))
                                buckets[count++] = (uint32_t)(second / MU_LG_BUCKET_S);
                        newest = second;
                }
                json_decref(root);
                if (!grown || (n > 0 && newest <= after)) {
                        free(buckets);
                        return grown ? fail(session->result, -EPROTO,
                                            "GET /admin/verify: a page does not go upward")
                                     : -ENOMEM;
                }
                if (n < PAGE_BUCKETS)
                        break;
                after = newest;
        }
        *ret_buckets = buckets;
        *ret_count = count;
        return 0;
}

static int compare_exactly(struct session *session, const struct pending *pending, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++) {
                const struct mu_lg_device *device = &session->fleet->devices[pending[i].index];
                uint32_t *buckets = NULL;
                uint64_t buckets_count = 0;
                int r = ask_buckets(session, device, &buckets, &buckets_count);

                if (r < 0)
                        return r;
                r = mu_lg_verify_compare(device, buckets, buckets_count, session->result);
                free(buckets);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int settle(struct session *session, struct pending *pending, uint32_t count,
                  uint64_t deadline_ns)
{
        uint64_t start_ns = mu_lg_monotonic_ns();
        uint32_t wait_us = ROUND_FIRST_US;

        for (;;) {
                uint32_t left;
                int r = round_of_digests(session, pending, count, &left);

                if (r < 0)
                        return r;
                session->result->waited_ns = mu_lg_monotonic_ns() - start_ns;
                if (left == 0)
                        return 0;
                count = left;
                if (session->result->waited_ns > deadline_ns)
                        break;
                usleep(wait_us);
                wait_us = wait_us * 2 < ROUND_MAX_US ? wait_us * 2 : ROUND_MAX_US;
        }
        return compare_exactly(session, pending, count);
}

int mu_lg_verify_http(const struct mu_lg_options *options, const struct mu_lg_url *url,
                      struct mu_lg_tls_context *tls, const struct mu_lg_fleet *fleet,
                      struct mu_lg_verify *result)
{
        struct session session = {.fleet = fleet, .result = result};
        struct pending *pending = calloc(fleet->count, sizeof(*pending));
        uint32_t count = 0;

        result->asked = true;
        result->source = "POST /admin/verify";
        if (!pending)
                return fail(result, -ENOMEM, "out of memory");
        if (!options->credential || strcmp(options->credential_header, "X-Admin-Key") != 0) {
                free(pending);
                return fail(result, -EACCES,
                            "verifying over HTTP needs the admin key: --admin-key-file or "
                            "MUSTER_ADMIN_KEY; or give --database-url");
        }
        snprintf(session.header, sizeof(session.header), "X-Admin-Key: %.1000s\r\n",
                 options->credential);
        for (uint32_t i = 0; i < fleet->count; i++)
                if (fleet->devices[i].marks.first_bucket != 0)
                        pending[count++].index = i;
        result->devices_count = count;
        mu_lg_client_init(&session.client, url, tls, REQUEST_TIMEOUT_NS);
        int r = settle(&session, pending, count, options->verify_deadline_ns);
        mu_lg_client_done(&session.client);
        free(pending);
        result->finished = r == 0;
        return r;
}
