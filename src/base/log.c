/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/log_file.h"
#include "base/text.h"

#define EVENTS_MAX 512 /* power of two; events beyond are not rate-limited */
#define TAIL_BYTES 160 /* kept free for "truncated", "suppressed", "dropped" */

struct event {
        const char *name; /* NULL: free */
        uint64_t window_began_ns;
        uint32_t lines; /* within the window */
        uint64_t suppressed;
};

/* The process's one mutable global. */
static struct {
        _Atomic uint32_t level;
        pthread_mutex_t lock; /* over all that follows */
        const struct mu_clock *clock;
        bool to_file;
        struct mu_log_file file;
        bool stuck;        /* the consumer did not read last time */
        bool line_is_torn; /* the last write stopped within a line */
        uint64_t dropped;
        struct event events[EVENTS_MAX];
} state = {
        .level = MU_LOG_INFO,
        .lock = PTHREAD_MUTEX_INITIALIZER,
};

static void lock(void)
{
        MU_ASSERT(pthread_mutex_lock(&state.lock) == 0);
}

static void unlock(void)
{
        MU_ASSERT(pthread_mutex_unlock(&state.lock) == 0);
}

static const struct mu_clock *clock_used(void)
{
        return state.clock ? state.clock : mu_clock_system();
}

void mu_log_set_level(enum mu_log_level level)
{
        atomic_store_explicit(&state.level, (uint32_t)level, memory_order_relaxed);
}

enum mu_log_level mu_log_level(void)
{
        return (enum mu_log_level)atomic_load_explicit(&state.level, memory_order_relaxed);
}

static const char *const level_names[] = {
        [MU_LOG_DEBUG] = "debug",
        [MU_LOG_INFO] = "info",
        [MU_LOG_WARNING] = "warning",
        [MU_LOG_ERROR] = "error",
};

const char *mu_log_level_name(enum mu_log_level level)
{
        return level <= MU_LOG_ERROR ? level_names[level] : "unknown";
}

int mu_log_level_parse(const char *name, enum mu_log_level *ret_level)
{
        for (size_t i = 0; i < MU_COUNT_OF(level_names); i++) {
                if (strcmp(level_names[i], name) == 0) {
                        *ret_level = (enum mu_log_level)i;
                        return 0;
                }
        }
        return -EINVAL;
}

int mu_log_open(const struct mu_log_options *options)
{
        int err = 0;

        lock();
        MU_ASSERT(!state.to_file);
        state.clock = options->clock;
        state.stuck = false;
        if (options->path) {
                err = mu_log_file_open(&state.file, options, clock_used());
                state.to_file = err == 0;
        }
        unlock();
        mu_log_set_level(options->level);
        return err;
}

void mu_log_close(void)
{
        mu_log_report_suppressed();
        lock();
        if (state.to_file)
                mu_log_file_close(&state.file);
        state.to_file = false;
        state.clock = NULL;
        state.stuck = false;
        memset(state.events, 0, sizeof(state.events));
        unlock();
}

static uint64_t event_hash(const char *name)
{
        static const struct mu_hash_key key = {0, 0}; /* our own literals: nobody attacks */

        return mu_hash_bytes(&key, name, strlen(name));
}

/* The event's place, taken if it is new; NULL when the table is full. */
static struct event *find_event(const char *name)
{
        uint64_t at = event_hash(name);

        for (size_t i = 0; i < EVENTS_MAX; i++) {
                struct event *event = &state.events[(at + i) & (EVENTS_MAX - 1)];

                if (!event->name)
                        event->name = name;
                if (event->name == name || strcmp(event->name, name) == 0)
                        return event;
        }
        return NULL;
}

/* May this event speak? *ret_suppressed: how often it was held back before. */
static bool admit(const char *name, uint64_t *ret_suppressed)
{
        struct event *event = find_event(name);
        uint64_t now = mu_clock_monotonic_ns(clock_used());

        if (!event) {
                *ret_suppressed = 0;
                return true;
        }
        if (event->lines == 0 || now - event->window_began_ns >= MU_NS_PER_S) {
                event->window_began_ns = now;
                event->lines = 0;
        }
        if (event->lines >= MU_LOG_BURST) {
                event->suppressed++;
                return false;
        }
        event->lines++;
        *ret_suppressed = event->suppressed;
        event->suppressed = 0;
        return true;
}

static void add_key(struct mu_text *line, const char *key)
{
        mu_text_add(line, ",");
        mu_text_add_json(line, key, strlen(key));
        mu_text_add(line, ":");
}

static void add_double(struct mu_text *line, double value)
{
        if (isfinite(value))
                mu_text_add_format(line, "%.15g", value);
        else
                mu_text_add(line, "null"); /* JSON has no other word for it */
}

static void add_error(struct mu_text *line, int64_t value)
{
        int error = (int)(value < 0 ? -value : value);
        const char *text = strerrordesc_np(error);

        if (!text)
                text = "Unknown error";
        mu_text_add_json(line, text, strlen(text));
        mu_text_add_format(line, ",\"errno\":%d", error);
}

/* bytes: how much of a string is taken. */
static void add_field(struct mu_text *line, const struct mu_log_field *field, size_t bytes)
{
        add_key(line, field->key);
        switch (field->type) {
        case MU_LOG_TYPE_STRING:
                if (field->value.s.bytes)
                        mu_text_add_json(line, field->value.s.bytes, bytes);
                else
                        mu_text_add(line, "null");
                break;
        case MU_LOG_TYPE_INT:
                mu_text_add_format(line, "%" PRId64, field->value.i);
                break;
        case MU_LOG_TYPE_UINT:
                mu_text_add_format(line, "%" PRIu64, field->value.u);
                break;
        case MU_LOG_TYPE_BOOL:
                mu_text_add(line, field->value.b ? "true" : "false");
                break;
        case MU_LOG_TYPE_DOUBLE:
                add_double(line, field->value.d);
                break;
        case MU_LOG_TYPE_ERRNO:
                add_error(line, field->value.i);
                break;
        case MU_LOG_TYPE_END:
                break;
        }
}

/* True when the whole field is in the line. A long string is halved until it fits. */
static bool add_what_fits(struct mu_text *line, const struct mu_log_field *field)
{
        size_t before = line->bytes;
        size_t whole = field->type == MU_LOG_TYPE_STRING ? field->value.s.count : 0;
        size_t bytes = whole;

        for (;;) {
                add_field(line, field, bytes);
                if (mu_text_status(line) == 0)
                        return bytes == whole;
                mu_text_cut(line, before);
                if (bytes < 16)
                        return false;
                bytes /= 2;
        }
}

static void add_time(struct mu_text *line)
{
        int64_t now_us = mu_clock_realtime_us(clock_used());
        time_t seconds = (time_t)(now_us / MU_US_PER_S);
        struct tm utc;

        MU_ASSERT(gmtime_r(&seconds, &utc));
        mu_text_add_format(line, "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"",
                           utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                           utc.tm_sec, (int)(now_us % MU_US_PER_S));
}

static void format_line(struct mu_text *line, enum mu_log_level level, const char *event,
                        const struct mu_log_field *fields, uint64_t suppressed)
{
        char thread[16] = "";
        bool truncated = false;

        line->room_bytes -= TAIL_BYTES;
        (void)prctl(PR_GET_NAME, thread);

        const struct mu_log_field about_us[] = {MU_LOG_STR("event", event),
                                                MU_LOG_STR("thread", thread)};

        add_time(line);
        mu_text_add_format(line, ",\"level\":\"%s\"", mu_log_level_name(level));
        truncated |= !add_what_fits(line, &about_us[0]);
        truncated |= !add_what_fits(line, &about_us[1]);
        for (; fields->type != MU_LOG_TYPE_END; fields++)
                truncated |= !add_what_fits(line, fields);

        line->room_bytes += TAIL_BYTES;
        if (truncated)
                mu_text_add(line, ",\"truncated\":true");
        if (suppressed > 0)
                mu_text_add_format(line, ",\"suppressed\":%" PRIu64, suppressed);
        if (state.dropped > 0)
                mu_text_add_format(line, ",\"dropped\":%" PRIu64, state.dropped);
        mu_text_add(line, "}\n");
        MU_ASSERT(mu_text_status(line) == 0);
}

/* A pipe with room takes PIPE_BUF bytes whole, so what poll allows will not block. */
static bool consumer_reads(int fd)
{
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int count = poll(&ready, 1, state.stuck ? 0 : MU_LOG_WAIT_MS);

        state.stuck = count == 0;
        return count > 0;
}

/* False when the line is lost, wholly or in part. */
static bool write_line(const char *line, size_t bytes)
{
        int fd = STDERR_FILENO;

        if (state.to_file)
                fd = mu_log_file_fd(&state.file, bytes, clock_used());
        else if (!consumer_reads(fd))
                return false;
        /* What was torn (a full disk, mostly) is ended, so that this line stands alone. */
        if (state.line_is_torn && write(fd, "\n", 1) != 1)
                return false;
        state.line_is_torn = false;

        ssize_t written;
        do
                written = write(fd, line, bytes);
        while (written < 0 && errno == EINTR);
        state.line_is_torn = written > 0 && (size_t)written < bytes;
        return written == (ssize_t)bytes;
}

static void write_locked(enum mu_log_level level, const char *event,
                         const struct mu_log_field *fields, uint64_t suppressed)
{
        char buffer[MU_LOG_LINE_BYTES_MAX + 1];
        struct mu_text line;

        mu_text_init_fixed(&line, buffer, sizeof(buffer));
        format_line(&line, level, event, fields, suppressed);
        if (write_line(line.data, line.bytes))
                state.dropped = 0;
        else
                state.dropped += 1 + suppressed;
}

void mu_log_write(enum mu_log_level level, const char *event, const struct mu_log_field *fields)
{
        uint64_t suppressed;
        int errno_before = errno;

        lock();
        if (admit(event, &suppressed))
                write_locked(level, event, fields, suppressed);
        unlock();
        errno = errno_before;
}

void mu_log_report_suppressed(void)
{
        lock();
        for (size_t i = 0; i < EVENTS_MAX; i++) {
                struct event *event = &state.events[i];
                const struct mu_log_field fields[] = {MU_LOG_STR("of", event->name), MU_LOG_END};

                if (event->suppressed == 0)
                        continue;
                write_locked(MU_LOG_WARNING, "log.suppressed", fields, event->suppressed);
                event->suppressed = 0;
        }
        unlock();
}
