/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - structured log: one JSON object a line.
 *
 *   mu_log(MU_LOG_WARNING, "journal.segment.failed", MU_LOG_STR("path", path),
 *          MU_LOG_ERRNO(err));
 *   {"ts":"2026-11-21T09:50:00.123456Z","level":"warning","event":"journal.segment.failed",
 *    "thread":"journal","path":"...","error":"Input/output error","errno":5}
 *
 * For app- and daemon-level code. Libraries return errors and never log.
 *
 * Units      ts: wall clock, UTC, microseconds. A line is at most MU_LOG_LINE_BYTES_MAX (what a
 *            pipe takes in one piece); fields that do not fit are left out, "truncated":true.
 * Threads    mu_log, set_level, report_suppressed: any. open and close: one thread, no other
 *            logging meanwhile. Before open and after close, lines go to standard error.
 * Ordering   Lines are written whole, one write(2) each, in the order of the calls' locks.
 * Ownership  Copies nothing beyond the call. The log (level, sink, rate limits) is the process's
 *            one mutable global.
 * Errors     Logging never fails its caller. A consumer that does not read is waited for once,
 *            MU_LOG_WAIT_MS; then lines are dropped until it reads again, and the next line
 *            carries "dropped":n. More than MU_LOG_BURST lines of one event within a second are
 *            held back; the event's next line carries "suppressed":n.
 */
#ifndef MUSTER_BASE_LOG_H
#define MUSTER_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "muster/compiler.h"

#define MU_LOG_LINE_BYTES_MAX 4096
#define MU_LOG_WAIT_MS 50
#define MU_LOG_BURST 20

enum mu_log_level {
        MU_LOG_DEBUG,
        MU_LOG_INFO,
        MU_LOG_WARNING,
        MU_LOG_ERROR,
};

enum mu_log_type {
        MU_LOG_TYPE_END,
        MU_LOG_TYPE_STRING,
        MU_LOG_TYPE_INT,
        MU_LOG_TYPE_UINT,
        MU_LOG_TYPE_BOOL,
        MU_LOG_TYPE_DOUBLE,
        MU_LOG_TYPE_ERRNO,
};

struct mu_log_field {
        const char *key;
        enum mu_log_type type;
        union {
                int64_t i;
                uint64_t u;
                double d;
                bool b;
                struct {
                        const char *bytes;
                        size_t count;
                } s;
        } value;
};

struct mu_log_options {
        enum mu_log_level level;
        const char *path;             /* NULL: standard error, and no rotation */
        uint64_t rotate_bytes;        /* a new file above this size; 0: no limit */
        uint32_t keep_days;           /* rotated files older than this are removed; 0: kept */
        const struct mu_clock *clock; /* NULL: the system's */
};

/* A file is rotated by size and when the UTC day changes, to PATH.YYYYMMDDTHHMMSSZ[-n].
 * 0, or a negative errno from opening the file (the log goes on to standard error). */
MU_MUST_CHECK
int mu_log_open(const struct mu_log_options *options);
void mu_log_close(void);

void mu_log_set_level(enum mu_log_level level);
enum mu_log_level mu_log_level(void);
/* "debug", "info", "warning", "error"; -EINVAL. */
MU_MUST_CHECK
int mu_log_level_parse(const char *name, enum mu_log_level *ret_level);
const char *mu_log_level_name(enum mu_log_level level);
/* Writes one "log.suppressed" line per event that was held back and has not spoken since. Call it
 * now and then (a minute); close does. */
void mu_log_report_suppressed(void);

/* fields end with MU_LOG_TYPE_END; use mu_log. */
void mu_log_write(enum mu_log_level level, const char *event, const struct mu_log_field *fields);

#define MU_LOG_END ((struct mu_log_field){.key = NULL, .type = MU_LOG_TYPE_END})

/* event: a string literal, dotted lower case. */
#define mu_log(level, event, ...)                                                                  \
        do {                                                                                       \
                if ((level) >= mu_log_level())                                                     \
                        mu_log_write((level), "" event,                                            \
                                     (const struct mu_log_field[]){__VA_ARGS__ __VA_OPT__(, )      \
                                                                           MU_LOG_END});           \
        } while (0)

static inline struct mu_log_field mu_log_bytes(const char *key, const char *value, size_t bytes)
{
        return (struct mu_log_field){.key = key,
                                     .type = MU_LOG_TYPE_STRING,
                                     .value = {.s = {.bytes = value, .count = bytes}}};
}

static inline struct mu_log_field mu_log_string(const char *key, const char *value)
{
        return mu_log_bytes(key, value, value ? strlen(value) : 0);
}

/* NULL is written as null. */
#define MU_LOG_STR(k, v) mu_log_string((k), (v))
#define MU_LOG_BYTES(k, v, n) mu_log_bytes((k), (v), (n))
#define MU_LOG_REQUEST_ID(v) MU_LOG_STR("request_id", (v))
#define MU_LOG_INT(k, v)                                                                           \
        ((struct mu_log_field){.key = (k), .type = MU_LOG_TYPE_INT, .value = {.i = (v)}})
#define MU_LOG_UINT(k, v)                                                                          \
        ((struct mu_log_field){.key = (k), .type = MU_LOG_TYPE_UINT, .value = {.u = (v)}})
#define MU_LOG_BOOL(k, v)                                                                          \
        ((struct mu_log_field){.key = (k), .type = MU_LOG_TYPE_BOOL, .value = {.b = (v)}})
#define MU_LOG_DOUBLE(k, v)                                                                        \
        ((struct mu_log_field){.key = (k), .type = MU_LOG_TYPE_DOUBLE, .value = {.d = (v)}})
/* A negative errno (or a positive one), as "error" (text) and "errno" (number). */
#define MU_LOG_ERRNO(v)                                                                            \
        ((struct mu_log_field){.key = "error", .type = MU_LOG_TYPE_ERRNO, .value = {.i = (v)}})

#endif
