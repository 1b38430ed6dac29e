/* SPDX-License-Identifier: Apache-2.0 */
#include "heartbeat.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "clock.h"
#include "muster/wire.h"

#define KEEP_BODY_BYTES 1024u

static char *put(char *at, const char *text, size_t bytes)
{
        memcpy(at, text, bytes);
        return at + bytes;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

/* Exactly digits places, leading zeros where the value is short: only where its size is known. */
static char *put_fixed(char *at, uint64_t value, uint32_t digits)
{
        for (uint32_t i = digits; i-- > 0; value /= 10)
                at[i] = (char)('0' + value % 10);
        return at + digits;
}

static char *put_number(char *at, uint64_t value)
{
        char reversed[20];
        uint32_t digits = 0;

        do {
                reversed[digits++] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        while (digits > 0)
                *at++ = reversed[--digits];
        return at;
}

static char *put_hex8(char *at, uint32_t value)
{
        for (int shift = 28; shift >= 0; shift -= 4)
                *at++ = "0123456789abcdef"[(value >> shift) & 15];
        return at;
}

/* A plausible device: a terminal that charges in the morning and is used all day. The numbers only
 * need to vary and to keep their width. */
uint32_t mu_lg_heartbeat_json(char *out, uint32_t boot, const struct mu_lg_device *device,
                              uint32_t device_index, uint32_t bucket, uint64_t sent_at_ms,
                              uint32_t seq)
{
        uint64_t ts = (uint64_t)bucket * MU_LG_BUCKET_S + device_index % MU_LG_BUCKET_S;
        char *at = out;

        (void)device;
        at = PUT(at, "{\"ts\":");
        at = put_fixed(at, ts, 10);
        if (sent_at_ms) {
                at = PUT(at, ",\"sent_at\":");
                at = put_fixed(at, sent_at_ms / 1000, 10);
                at = PUT(at, ".");
                at = put_fixed(at, sent_at_ms % 1000, 3);
        }
        at = PUT(at, ",\"battery\":");
        at = put_fixed(at, 20 + (bucket / 30 + device_index) % 80, 2);
        at = PUT(at, ",\"charging\":false,\"ram_free_mb\":");
        at = put_fixed(at, 1000 + (bucket * 7 + device_index * 13) % 2000, 4);
        at = PUT(at, ",\"ram_total_mb\":3892,\"uptime_s\":");
        at = put_fixed(at, 1000000 + ts % 8000000, 7);
        at = PUT(at, ",\"network\":\"wifi\",\"ssid\":\"warehouse-");
        at = put_fixed(at, device_index % 40, 2);
        at = PUT(at, "\",\"fg_package\":\"com.example.scanner\",\"monitored_last_fg_s\":");
        at = put_fixed(at, 10 + bucket % 50, 2);
        at = PUT(at, ",\"agent_version\":\"4.2.1\",\"power_ok\":true,\"device_owner\":true,"
                     "\"battery_unrestricted\":true,\"doze_whitelisted\":true,"
                     "\"net_validated\":true,\"queue_depth\":0,\"boot_id\":\"");
        at = put_hex8(at, boot);
        at = PUT(at, "-");
        at = put_hex8(at, device_index);
        at = PUT(at, "\",\"seq\":");
        at = put_number(at, seq);
        at = PUT(at, "}");
        MU_ASSERT(at - out <= (ptrdiff_t)MU_LG_ITEM_BYTES_MAX);
        return (uint32_t)(at - out);
}

uint32_t mu_lg_heartbeat_request(char *out, const struct mu_lg_url *url, uint32_t boot,
                                 struct mu_lg_device *device, uint32_t device_index,
                                 uint32_t bucket, uint64_t sent_at_ms, bool close_after)
{
        char *at = out;

        at = PUT(at, "POST " MU_PATH_HEARTBEAT " HTTP/1.1\r\nHost: ");
        at = put(at, url->authority, strlen(url->authority));
        at = PUT(at, "\r\nContent-Type: application/json\r\nAuthorization: Bearer ");
        at = put(at, device->token, device->token_bytes);
        if (close_after)
                at = PUT(at, "\r\nConnection: close");
        at = PUT(at, "\r\nContent-Length: ");
        char *length_at = at;
        at = PUT(at, "000\r\n\r\n");
        uint32_t body_bytes = mu_lg_heartbeat_json(at, boot, device, device_index, bucket,
                                                   sent_at_ms, ++device->seq);
        MU_ASSERT(body_bytes >= 100 && body_bytes <= 999);
        put_fixed(length_at, body_bytes, 3);
        at += body_bytes;
        MU_ASSERT(at - out <= (ptrdiff_t)MU_LG_HEARTBEAT_BYTES_MAX);
        return (uint32_t)(at - out);
}

uint32_t mu_lg_request_head(char *out, uint32_t room_bytes, const struct mu_lg_url *url,
                            const char *path, const char *credential_header, const char *credential,
                            uint32_t credential_bytes, uint32_t body_bytes, bool close_after)
{
        int bytes = snprintf(out, room_bytes,
                             "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                             "%s%s%.*s\r\n%sContent-Length: %u\r\n\r\n",
                             path, url->authority, credential_header,
                             strchr(credential_header, ':') ? " " : ": ", (int)credential_bytes,
                             credential, close_after ? "Connection: close\r\n" : "", body_bytes);

        MU_ASSERT(bytes > 0 && (uint32_t)bytes < room_bytes);
        return (uint32_t)bytes;
}

int mu_lg_heartbeat_send(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                         uint32_t device_index, uint32_t bucket, uint64_t intended_ns,
                         uint64_t now_ns)
{
        struct mu_lg_device *device = mu_lg_worker_device(worker, device_index);

        if (!mu_lg_conn_reserve(conn, MU_LG_HEARTBEAT_BYTES_MAX) ||
            mu_lg_marks_sent(&device->marks, bucket) < 0)
                return mu_lg_worker_fail(worker, -ENOMEM, "out of memory");
        conn->out_bytes = mu_lg_heartbeat_request(
                conn->out, &worker->run->url, worker->run->boot, device, device_index, bucket,
                mu_lg_run_wall_ms(worker->run, now_ns), conn->close_after);
        conn->keep_body_max_bytes = KEEP_BODY_BYTES;
        conn->raw = false;
        conn->request.intended_ns = intended_ns;
        conn->request.device = device_index;
        conn->request.bucket = bucket;
        mu_lg_conn_send(worker, conn, now_ns);
        return 0;
}

enum mu_lg_answer mu_lg_heartbeat_answered(struct mu_lg_worker *worker, struct mu_lg_conn *conn,
                                           uint64_t now_ns)
{
        struct mu_lg_device *device = mu_lg_worker_device(worker, conn->request.device);
        struct mu_lg_counters *counters = &worker->stats.counters;
        struct mu_lg_slot *slot = mu_lg_worker_slot(worker, now_ns);
        int status = conn->reply.status;

        if (conn->reply.body_bytes > 0 &&
            memmem(conn->reply.body, conn->reply.body_bytes, "invalid_fields", 14))
                mu_lg_add(&counters->invalid_fields, 1);
        if (status == 202 || status == 200) {
                mu_lg_marks_acknowledged(&device->marks, conn->request.bucket);
                mu_lg_add(status == 202 ? &counters->acknowledged : &counters->duplicate, 1);
                if (status == 202)
                        slot->acknowledged++;
                else
                        slot->duplicate++;
                return status == 202 ? MU_LG_ACKNOWLEDGED : MU_LG_DUPLICATE;
        }
        if (status == 503 || status == 429) {
                mu_lg_add(&counters->shed, 1);
                slot->shed++;
                return MU_LG_SHED;
        }
        slot->failed++;
        if (status == 401 || status == 410) {
                mu_lg_add(&counters->rejected, 1);
                device->flags |= MU_LG_DEVICE_REFUSED;
                return MU_LG_GONE;
        }
        if (status >= 400 && status < 500) {
                mu_lg_add(&counters->rejected, 1);
                return MU_LG_REJECTED;
        }
        mu_lg_add(&counters->unexpected, 1);
        return MU_LG_UNEXPECTED;
}

int64_t mu_lg_json_number(const char *body, size_t bytes, const char *key)
{
        char quoted[64];
        int key_bytes = snprintf(quoted, sizeof(quoted), "\"%s\"", key);
        const char *at = memmem(body, bytes, quoted, (size_t)key_bytes);

        if (!at)
                return -1;
        const char *end = body + bytes;
        int64_t value = 0;

        at += key_bytes;
        while (at < end && (*at == ' ' || *at == ':'))
                at++;
        if (at == end || *at < '0' || *at > '9')
                return -1;
        while (at < end && *at >= '0' && *at <= '9' && value < INT32_MAX)
                value = value * 10 + (*at++ - '0');
        return value;
}
