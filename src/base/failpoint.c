/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

#define POINTS_MAX 32
#define NAME_BYTES_MAX 64

enum action {
        ACTION_ERROR,
        ACTION_CRASH,
        ACTION_DELAY,
};

struct point {
        char name[NAME_BYTES_MAX];
        enum action action;
        int error;
        uint64_t delay_ms;
        uint64_t nth;
        uint64_t times;
        uint64_t passed;
};

/* Test builds only: the exception to "no mutable globals", since a point stands anywhere. */
static struct {
        pthread_mutex_t lock;
        pthread_once_t once;
        atomic_bool armed; /* points_count > 0, or the environment is not read yet */
        struct point points[POINTS_MAX];
        size_t points_count;
} state = {
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .once = PTHREAD_ONCE_INIT,
        .armed = true,
};

/* Digits up to the end or one of `stops`; false when there are none or too many. */
static bool parse_number(const char **at, const char *stops, uint64_t *ret_number)
{
        char *end;

        if (**at < '0' || **at > '9')
                return false;
        errno = 0;
        *ret_number = strtoull(*at, &end, 10);
        if (errno != 0 || (*end != '\0' && !strchr(stops, *end)))
                return false;
        *at = end;
        return true;
}

static int error_by_name(const char *name, size_t bytes)
{
        for (int error = 1; error < 134; error++) {
                const char *known = strerrorname_np(error);

                if (known && strlen(known) == bytes && memcmp(known, name, bytes) == 0)
                        return error;
        }
        return 0;
}

/* The part after '='; at is left behind it. */
static bool parse_action(const char **at, struct point *point)
{
        if (strncmp(*at, "error:", 6) == 0) {
                *at += 6;

                size_t bytes = strcspn(*at, "@*;");

                point->action = ACTION_ERROR;
                point->error = error_by_name(*at, bytes);
                *at += bytes;
                return point->error != 0;
        }
        if (strncmp(*at, "delay:", 6) == 0) {
                *at += 6;
                point->action = ACTION_DELAY;
                return parse_number(at, "@*;", &point->delay_ms);
        }
        if (strncmp(*at, "crash", 5) == 0) {
                *at += 5;
                point->action = ACTION_CRASH;
                return true;
        }
        return false;
}

/* One specification; at is left at its end: NUL or ';'. */
static bool parse_point(const char **at, struct point *point)
{
        size_t bytes = strcspn(*at, "=;");

        *point = (struct point){.nth = 1, .times = UINT64_MAX};
        if (bytes == 0 || bytes >= NAME_BYTES_MAX || (*at)[bytes] != '=')
                return false;
        memcpy(point->name, *at, bytes);
        *at += bytes + 1;
        if (!parse_action(at, point))
                return false;
        if (**at == '@') {
                (*at)++;
                if (!parse_number(at, "*;", &point->nth) || point->nth == 0)
                        return false;
        }
        if (**at == '*') {
                (*at)++;
                if (!parse_number(at, ";", &point->times) || point->times == 0)
                        return false;
        }
        return **at == '\0' || **at == ';';
}

static struct point *find(struct point *points, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++) {
                if (strcmp(points[i].name, name) == 0)
                        return &points[i];
        }
        return NULL;
}

/* Adds to points or replaces in them what specification says. */
static int parse(const char *specification, struct point *points, size_t *count)
{
        const char *at = specification;

        while (*at != '\0') {
                struct point point;

                if (!parse_point(&at, &point))
                        return -EINVAL;
                struct point *place = find(points, *count, point.name);
                if (!place && *count == POINTS_MAX)
                        return -ENOSPC;
                if (!place)
                        place = &points[(*count)++];
                *place = point;
                at += *at == ';';
        }
        return 0;
}

static int arm_locked(const char *specification)
{
        struct point points[POINTS_MAX];
        size_t count = state.points_count;

        memcpy(points, state.points, sizeof(points));
        int err = parse(specification, points, &count);
        if (err < 0)
                return err;
        memcpy(state.points, points, sizeof(points));
        state.points_count = count;
        atomic_store_explicit(&state.armed, count > 0, memory_order_relaxed);
        return 0;
}

static void read_environment(void)
{
        const char *specification = getenv("MUSTER_FAILPOINTS");

        MU_ASSERT(pthread_mutex_lock(&state.lock) == 0);
        int err = arm_locked(specification ? specification : "");
        MU_ASSERT(pthread_mutex_unlock(&state.lock) == 0);
        if (err < 0) {
                (void)dprintf(STDERR_FILENO,
                              "MUSTER_FAILPOINTS='%s' is wrong (%s): write name=error:EIO, "
                              "name=crash or name=delay:100, then @nth and *count if wanted, "
                              "';' between\n",
                              specification, strerrordesc_np(-err));
                abort();
        }
}

int mu_failpoint_arm(const char *specification)
{
        pthread_once(&state.once, read_environment);
        MU_ASSERT(pthread_mutex_lock(&state.lock) == 0);
        int err = arm_locked(specification);
        MU_ASSERT(pthread_mutex_unlock(&state.lock) == 0);
        return err;
}

void mu_failpoint_disarm_all(void)
{
        pthread_once(&state.once, read_environment);
        MU_ASSERT(pthread_mutex_lock(&state.lock) == 0);
        state.points_count = 0;
        atomic_store_explicit(&state.armed, false, memory_order_relaxed);
        MU_ASSERT(pthread_mutex_unlock(&state.lock) == 0);
}

uint64_t mu_failpoint_passed_count(const char *name)
{
        MU_ASSERT(pthread_mutex_lock(&state.lock) == 0);
        const struct point *point = find(state.points, state.points_count, name);
        uint64_t passed = point ? point->passed : 0;
        MU_ASSERT(pthread_mutex_unlock(&state.lock) == 0);
        return passed;
}

/* Counts the passing; true when the point fires, *ret_point is then a copy of it. */
static bool fires(const char *name, struct point *ret_point)
{
        bool firing = false;

        MU_ASSERT(pthread_mutex_lock(&state.lock) == 0);
        struct point *point = find(state.points, state.points_count, name);
        if (point) {
                point->passed++;
                firing = point->passed >= point->nth && point->passed - point->nth < point->times;
                *ret_point = *point;
        }
        MU_ASSERT(pthread_mutex_unlock(&state.lock) == 0);
        return firing;
}

int mu_failpoint_hit(const char *name)
{
        struct point point;

        if (!atomic_load_explicit(&state.armed, memory_order_relaxed))
                return 0;
        pthread_once(&state.once, read_environment);
        if (!fires(name, &point))
                return 0;
        switch (point.action) {
        case ACTION_ERROR:
                return -point.error;
        case ACTION_CRASH:
                (void)kill(getpid(), SIGKILL);
                abort(); /* not reached: nobody survives SIGKILL */
        case ACTION_DELAY: {
                struct timespec delay = {
                        .tv_sec = (time_t)(point.delay_ms / MU_MS_PER_S),
                        .tv_nsec = (long)(point.delay_ms % MU_MS_PER_S * MU_NS_PER_MS)};

                while (nanosleep(&delay, &delay) < 0 && errno == EINTR)
                        continue;
                return 0;
        }
        }
        return 0;
}
