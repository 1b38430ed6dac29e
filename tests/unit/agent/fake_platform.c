/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_platform.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/curve25519.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/assert.h"

/* ---- crypto ---- */

static void crypto_sha256(const void *data, size_t bytes, uint8_t ret[MU_COMMAND_SHA256_BYTES])
{
        SHA256(data, bytes, ret);
}

static void crypto_hmac(const uint8_t key[MU_COMMAND_KEY_BYTES], const void *data, size_t bytes,
                        uint8_t ret[MU_COMMAND_SIGNATURE_BYTES])
{
        unsigned ret_bytes;

        assert_non_null(
                HMAC(EVP_sha256(), key, MU_COMMAND_KEY_BYTES, data, bytes, ret, &ret_bytes));
}

static bool crypto_ed25519(const void *message, size_t bytes,
                           const uint8_t signature[MU_ED25519_SIGNATURE_BYTES],
                           const uint8_t key[MU_ED25519_KEY_BYTES])
{
        return ED25519_verify(message, bytes, signature, key) == 1;
}

static int crypto_sha256_file(const char *path, uint8_t ret[MU_COMMAND_SHA256_BYTES],
                              int64_t *ret_bytes)
{
        FILE *file = fopen(path, "rb");
        SHA256_CTX context;
        char buffer[4096];
        int64_t bytes = 0;
        size_t got;

        if (!file)
                return -errno;
        SHA256_Init(&context);
        while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0) {
                SHA256_Update(&context, buffer, got);
                bytes += (int64_t)got;
        }
        int r = ferror(file) ? -EIO : 0;

        (void)fclose(file);
        SHA256_Final(ret, &context);
        if (r == 0)
                *ret_bytes = bytes;
        return r;
}

const struct mu_agent_crypto fake_crypto = {
        .command = {.sha256 = crypto_sha256, .hmac_sha256 = crypto_hmac},
        .ed25519_verify = crypto_ed25519,
        .sha256_file = crypto_sha256_file,
};

/* ---- what the core calls ---- */

static char *copy_of(const char *text)
{
        if (!text)
                return NULL;
        char *copy = strdup(text);

        assert_non_null(copy);
        return copy;
}

static char *copy_bytes(const void *bytes, size_t count)
{
        char *copy = malloc(count + 1);

        assert_non_null(copy);
        if (count > 0)
                memcpy(copy, bytes, count);
        copy[count] = '\0';
        return copy;
}

static uint64_t clock_monotonic(void *context)
{
        return ((struct fake_platform *)context)->monotonic_ns;
}

static uint64_t clock_elapsed(void *context)
{
        return clock_monotonic(context) + ((struct fake_platform *)context)->asleep_ns;
}

static int64_t clock_realtime(void *context)
{
        return ((struct fake_platform *)context)->realtime_us;
}

static int on_read(void *context, const char *monitored, struct mu_agent_readings *ret_readings)
{
        struct fake_platform *fake = context;

        fake->reads++;
        assert_non_null(monitored);
        (void)snprintf(fake->monitored, sizeof(fake->monitored), "%s", monitored);
        if (fake->read_result < 0)
                return fake->read_result;
        *ret_readings = fake->readings;
        if (fake->readings.extra)
                ret_readings->extra = json_deep_copy(fake->readings.extra);
        return 0;
}

static int on_request(void *context, const struct mu_agent_request *request,
                      mu_agent_reply_fn *done, void *done_context)
{
        struct fake_platform *fake = context;

        if (fake->request_result < 0)
                return fake->request_result;
        assert_true(fake->request_count < FAKE_REQUESTS_MAX);
        fake->requests[fake->request_count++] = (struct fake_request){
                .method = copy_of(request->method),
                .path = copy_of(request->path),
                .body = request->body ? copy_bytes(request->body, request->body_bytes) : NULL,
                .body_bytes = request->body ? request->body_bytes : 0,
                .authorization = request->authorization,
                .secret = copy_of(request->secret),
                .file = copy_of(request->file),
                .file_bytes = request->file_bytes,
                .timeout_ms = request->timeout_ms,
                .at_us = fake->realtime_us,
                .at_ns = fake->monotonic_ns,
                .pending = true,
                .done = done,
                .done_context = done_context,
        };
        return 0;
}

static void on_cancel_all(void *context)
{
        struct fake_platform *fake = context;

        fake->cancels++;
        for (size_t i = 0; i < fake->request_count; i++)
                fake->requests[i].pending = false;
}

static int on_push_open(void *context, const char *path)
{
        struct fake_platform *fake = context;

        fake->push_opens++;
        if (fake->push_open_result < 0)
                return fake->push_open_result;
        assert_false(fake->push_is_open); /* one channel at most */
        fake->push_is_open = true;
        free(fake->push_path);
        fake->push_path = copy_of(path);
        return 0;
}

static int on_push_send(void *context, const char *text, size_t bytes)
{
        struct fake_platform *fake = context;

        if (fake->push_send_result < 0)
                return fake->push_send_result;
        if (!fake->push_is_open)
                return -ENOTCONN;
        assert_true(fake->frame_count < FAKE_RECORDS_MAX);
        fake->frames[fake->frame_count++] = copy_bytes(text, bytes);
        return 0;
}

static void on_push_close(void *context)
{
        struct fake_platform *fake = context;

        fake->push_closes++;
        fake->push_is_open = false;
}

static int on_act(void *context, const struct mu_agent_action *action, mu_agent_action_fn *done,
                  void *done_context)
{
        struct fake_platform *fake = context;

        if (fake->act_result < 0)
                return fake->act_result;
        assert_true(fake->action_count < FAKE_RECORDS_MAX);
        fake->actions[fake->action_count++] = (struct fake_action){
                .command_id = action->command_id,
                .type = copy_of(action->type),
                .payload = json_dumps(action->payload, JSON_COMPACT),
                .pending = true,
                .done = done,
                .done_context = done_context,
        };
        return 0;
}

static int on_save(void *context, const char *text, size_t bytes)
{
        struct fake_platform *fake = context;

        if (fake->save_result < 0)
                return fake->save_result;
        assert_true(fake->save_count < FAKE_RECORDS_MAX);
        fake->saves[fake->save_count++] = copy_bytes(text, bytes);
        return 0;
}

static int on_install(void *context, const char *file, const char *version)
{
        struct fake_platform *fake = context;

        fake->install_count++;
        free(fake->install_file);
        free(fake->install_version);
        fake->install_file = copy_of(file);
        fake->install_version = copy_of(version);
        return fake->install_result;
}

static void on_log(void *context, const struct mu_agent_event *event)
{
        struct fake_platform *fake = context;

        assert_true(fake->event_count < FAKE_LOG_MAX);
        fake->events[fake->event_count++] = (struct fake_event){
                .level = event->level,
                .name = copy_of(event->name),
                .fields = copy_of(event->fields),
        };
}

/* ---- the fake itself ---- */

struct fake_platform *fake_platform_create(void)
{
        struct fake_platform *fake = calloc(1, sizeof(*fake));
        char directory[] = "/tmp/muster-agent-XXXXXX";

        assert_non_null(fake);
        fake->requests = calloc(FAKE_REQUESTS_MAX, sizeof(*fake->requests));
        fake->script = calloc(FAKE_SCRIPT_MAX, sizeof(*fake->script));
        fake->events = calloc(FAKE_LOG_MAX, sizeof(*fake->events));
        assert_true(fake->requests && fake->script && fake->events);
        assert_non_null(mkdtemp(directory));
        fake->directory = copy_of(directory);
        fake->monotonic_ns = FAKE_START_NS;
        fake->realtime_us = FAKE_START_US;
        fake->clock = (struct mu_clock){clock_monotonic, clock_realtime, fake};
        fake->elapsed = (struct mu_clock){clock_elapsed, clock_realtime, fake};
        mu_agent_readings_init(&fake->readings);
        (void)snprintf(fake->readings.boot_id, sizeof(fake->readings.boot_id), "boot-1");
        fake->platform = (struct mu_agent_platform){
                .context = fake,
                .clock = &fake->clock,
                .elapsed = &fake->elapsed,
                .crypto = &fake_crypto,
                .kind = "desktop",
                .version = "1.0.0",
                .read = on_read,
                .request = on_request,
                .cancel_all = on_cancel_all,
                .push_open = on_push_open,
                .push_send = on_push_send,
                .push_close = on_push_close,
                .act = on_act,
                .save = on_save,
                .install = on_install,
                .log = on_log,
        };
        return fake;
}

static void remove_directory(const char *path)
{
        DIR *directory = opendir(path);

        assert_non_null(directory);
        for (struct dirent *entry; (entry = readdir(directory));) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                assert_int_equal(unlinkat(dirfd(directory), entry->d_name, 0), 0);
        }
        (void)closedir(directory);
        assert_int_equal(rmdir(path), 0);
}

static void free_records(struct fake_platform *fake)
{
        for (size_t i = 0; i < fake->request_count; i++) {
                free(fake->requests[i].method);
                free(fake->requests[i].path);
                free(fake->requests[i].body);
                free(fake->requests[i].secret);
                free(fake->requests[i].file);
        }
        for (size_t i = 0; i < fake->script_count; i++) {
                free(fake->script[i].path);
                free(fake->script[i].body);
        }
        for (size_t i = 0; i < fake->event_count; i++) {
                free(fake->events[i].name);
                free(fake->events[i].fields);
        }
        for (size_t i = 0; i < fake->action_count; i++) {
                free(fake->actions[i].type);
                free(fake->actions[i].payload);
        }
        for (size_t i = 0; i < fake->frame_count; i++)
                free(fake->frames[i]);
        for (size_t i = 0; i < fake->save_count; i++)
                free(fake->saves[i]);
}

void fake_platform_destroy(struct fake_platform *fake)
{
        if (!fake)
                return;
        free_records(fake);
        free(fake->requests);
        free(fake->script);
        free(fake->events);
        free(fake->push_path);
        free(fake->install_file);
        free(fake->install_version);
        json_decref(fake->readings.extra);
        remove_directory(fake->directory);
        free(fake->directory);
        free(fake);
}

void fake_advance_ms(struct fake_platform *fake, int64_t ms)
{
        assert_true(ms >= 0);
        fake->monotonic_ns += (uint64_t)(ms * MU_NS_PER_MS);
        fake->realtime_us += ms * MU_US_PER_MS;
}

void fake_sleep_ms(struct fake_platform *fake, int64_t ms)
{
        assert_true(ms >= 0);
        fake->asleep_ns += (uint64_t)(ms * MU_NS_PER_MS);
        fake->realtime_us += ms * MU_US_PER_MS;
}

void fake_set_realtime_us(struct fake_platform *fake, int64_t realtime_us)
{
        fake->realtime_us = realtime_us;
}

struct fake_request *fake_request_at(struct fake_platform *fake, size_t i)
{
        assert_true(i < fake->request_count);
        return &fake->requests[i];
}

struct fake_request *fake_last(struct fake_platform *fake)
{
        assert_true(fake->request_count > 0);
        return &fake->requests[fake->request_count - 1];
}

size_t fake_pending(const struct fake_platform *fake)
{
        size_t count = 0;

        for (size_t i = 0; i < fake->request_count; i++)
                count += fake->requests[i].pending;
        return count;
}

static bool begins(const char *text, const char *with)
{
        return strncmp(text, with, strlen(with)) == 0;
}

struct fake_request *fake_find_pending(struct fake_platform *fake, const char *path)
{
        for (size_t i = 0; i < fake->request_count; i++)
                if (fake->requests[i].pending && begins(fake->requests[i].path, path))
                        return &fake->requests[i];
        return NULL;
}

size_t fake_count(const struct fake_platform *fake, const char *path)
{
        size_t count = 0;

        for (size_t i = 0; i < fake->request_count; i++)
                count += begins(fake->requests[i].path, path);
        return count;
}

static void give(struct fake_request *request, const struct fake_scripted *answer)
{
        struct mu_agent_reply reply = {
                .error = answer->error,
                .status = answer->error ? 0 : answer->status,
                .retry_after_s = answer->retry_after_s,
                .body = answer->error || !answer->body ? "" : answer->body,
                .body_bytes = answer->error ? 0 : answer->body_bytes,
                .sentence = answer->error ? "The fake network is down." : NULL,
        };

        assert_true(request && request->pending);
        request->pending = false;
        if (request->file && !answer->error && answer->status == 200) {
                if ((int64_t)answer->body_bytes > request->file_bytes) {
                        reply.error = -EMSGSIZE;
                        reply.status = 0;
                        reply.sentence = "The download is longer than was said.";
                } else {
                        FILE *file = fopen(request->file, "wb");

                        assert_non_null(file);
                        if (answer->body_bytes > 0)
                                assert_int_equal(fwrite(answer->body, answer->body_bytes, 1, file),
                                                 1);
                        assert_int_equal(fclose(file), 0);
                }
                reply.body = "";
                reply.body_bytes = 0;
        }
        request->done(request->done_context, &reply);
}

void fake_answer_later(struct fake_request *request, int status, int64_t retry_after_s,
                       const char *body)
{
        char *copy = copy_of(body ? body : "");

        give(request, &(struct fake_scripted){.status = status,
                                              .retry_after_s = retry_after_s,
                                              .body = copy,
                                              .body_bytes = strlen(copy)});
        free(copy);
}

void fake_answer(struct fake_request *request, int status, const char *body)
{
        fake_answer_later(request, status, -1, body);
}

void fake_answer_bytes(struct fake_request *request, int status, const void *body, size_t bytes)
{
        char *copy = copy_bytes(body, bytes);

        give(request,
             &(struct fake_scripted){
                     .status = status, .retry_after_s = -1, .body = copy, .body_bytes = bytes});
        free(copy);
}

void fake_answer_error(struct fake_request *request, int error)
{
        assert_true(error < 0);
        give(request, &(struct fake_scripted){.error = error, .retry_after_s = -1});
}

static struct fake_scripted *script_add(struct fake_platform *fake, const char *path)
{
        assert_true(fake->script_count < FAKE_SCRIPT_MAX);
        struct fake_scripted *line = &fake->script[fake->script_count++];

        line->path = copy_of(path);
        line->retry_after_s = -1;
        return line;
}

void fake_script_bytes(struct fake_platform *fake, const char *path, int status, const void *body,
                       size_t bytes)
{
        struct fake_scripted *line = script_add(fake, path);

        line->status = status;
        line->body = copy_bytes(body, bytes);
        line->body_bytes = bytes;
}

void fake_script_later(struct fake_platform *fake, const char *path, int status,
                       int64_t retry_after_s, const char *body)
{
        fake_script_bytes(fake, path, status, body ? body : "", body ? strlen(body) : 0);
        fake->script[fake->script_count - 1].retry_after_s = retry_after_s;
}

void fake_script(struct fake_platform *fake, const char *path, int status, const char *body)
{
        fake_script_later(fake, path, status, -1, body);
}

void fake_script_error(struct fake_platform *fake, const char *path, int error)
{
        assert_true(error < 0);
        script_add(fake, path)->error = error;
}

void fake_script_drop(struct fake_platform *fake)
{
        for (size_t i = 0; i < fake->script_count; i++)
                fake->script[i].used = true;
}

size_t fake_pump(struct fake_platform *fake)
{
        size_t until = fake->request_count;
        size_t answered = 0;

        for (size_t i = 0; i < until; i++) {
                struct fake_request *request = &fake->requests[i];
                struct fake_scripted *line = NULL;

                for (size_t j = 0; request->pending && j < fake->script_count && !line; j++)
                        if (!fake->script[j].used && begins(request->path, fake->script[j].path))
                                line = &fake->script[j];
                if (line) {
                        line->used = true;
                        give(request, line);
                        answered++;
                } else if (request->pending && fake->handler) {
                        fake->handler(fake, request);
                        answered += !request->pending;
                }
        }
        return answered;
}

void fake_action_done(struct fake_action *action, const char *result, const char *error)
{
        assert_true(action->pending);
        action->pending = false;
        action->done(action->done_context, action->command_id, result, error);
}

size_t fake_events(const struct fake_platform *fake, const char *name)
{
        size_t count = 0;

        for (size_t i = 0; i < fake->event_count; i++)
                count += strcmp(fake->events[i].name, name) == 0;
        return count;
}

const char *fake_event_fields(const struct fake_platform *fake, const char *name)
{
        for (size_t i = fake->event_count; i-- > 0;)
                if (strcmp(fake->events[i].name, name) == 0)
                        return fake->events[i].fields;
        return "";
}

const char *fake_path(struct fake_platform *fake, const char *name)
{
        static char paths[4][512];
        static size_t next;
        char *path = paths[next++ % 4];

        (void)snprintf(path, sizeof(paths[0]), "%s/%s", fake->directory, name);
        return path;
}
