/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

enum {
        VARIABLES_MAX = 16,
        READ_BYTES = 4096,
};

#define NO_DEADLINE UINT64_MAX

struct child {
        struct child *next;
        mu_child_fn *ended; /* NULL: told already */
        void *context;
        uint64_t deadline_ns;
        pid_t pid; /* to reap; 0: a timer, or not ours */
        int pidfd;
        int output_fd;
        char *output;
        size_t output_bytes;
        size_t output_max;
        bool output_all;
        bool apart;
        struct mu_child_end end;
};

struct mu_children {
        const struct mu_clock *clock;
        int epoll_fd;
        int timer_fd;
        size_t count;
        struct child *first;
};

int mu_children_create(const struct mu_clock *clock, struct mu_children **ret_children)
{
        struct epoll_event readable = {.events = EPOLLIN};
        struct mu_children *children = calloc(1, sizeof(*children));

        if (!children)
                return -ENOMEM;
        children->clock = clock;
        children->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        children->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (children->epoll_fd < 0 || children->timer_fd < 0 ||
            epoll_ctl(children->epoll_fd, EPOLL_CTL_ADD, children->timer_fd, &readable) < 0) {
                int err = -errno;

                mu_children_destroy(children);
                return err;
        }
        *ret_children = children;
        return 0;
}

static void free_child(struct child *child)
{
        if (child->pidfd >= 0)
                close(child->pidfd); /* epoll forgets it: we hold the only copy */
        if (child->output_fd >= 0)
                close(child->output_fd);
        free(child->output);
        free(child);
}

/* Whatever it started in its session goes too. Not reaped yet, so the number is still its own. */
static void kill_child(const struct child *child)
{
        if (child->pid > 0 && kill(-child->pid, SIGKILL) < 0)
                (void)kill(child->pid, SIGKILL);
}

void mu_children_destroy(struct mu_children *children)
{
        if (!children)
                return;
        while (children->first) {
                struct child *child = children->first;

                children->first = child->next;
                if (!child->apart)
                        kill_child(child);
                if (child->pid > 0 && !child->apart)
                        while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
                                ;
                free_child(child);
        }
        if (children->epoll_fd >= 0)
                close(children->epoll_fd);
        if (children->timer_fd >= 0)
                close(children->timer_fd);
        free(children);
}

int mu_children_fd(const struct mu_children *children)
{
        return children->epoll_fd;
}

static void arm(struct mu_children *children)
{
        uint64_t now_ns = mu_clock_monotonic_ns(children->clock), soonest_ns = NO_DEADLINE;
        struct itimerspec when = {0};

        for (const struct child *child = children->first; child; child = child->next)
                if (child->deadline_ns < soonest_ns)
                        soonest_ns = child->deadline_ns;
        if (soonest_ns != NO_DEADLINE) {
                uint64_t left_ns = soonest_ns > now_ns ? soonest_ns - now_ns : 1; /* 0: disarms */

                when.it_value.tv_sec = (time_t)(left_ns / (uint64_t)MU_NS_PER_S);
                when.it_value.tv_nsec = (long)(left_ns % (uint64_t)MU_NS_PER_S);
        }
        int err = timerfd_settime(children->timer_fd, 0, &when, NULL);

        MU_ASSERT(err == 0); /* fails only for times that are none */
}

static int watch(struct mu_children *children, int fd)
{
        struct epoll_event readable = {.events = EPOLLIN};

        return epoll_ctl(children->epoll_fd, EPOLL_CTL_ADD, fd, &readable) < 0 ? -errno : 0;
}

static struct child *new_child(struct mu_children *children, uint32_t limit_ms, mu_child_fn *ended,
                               void *context)
{
        struct child *child = calloc(1, sizeof(*child));

        if (!child)
                return NULL;
        *child = (struct child){.ended = ended,
                                .context = context,
                                .deadline_ns = mu_clock_monotonic_ns(children->clock) +
                                               (uint64_t)limit_ms * (uint64_t)MU_NS_PER_MS,
                                .pidfd = -1,
                                .output_fd = -1};
        return child;
}

static void add_child(struct mu_children *children, struct child *child)
{
        struct child **end = &children->first;

        while (*end)
                end = &(*end)->next;
        *end = child;
        children->count++;
        arm(children);
}

int mu_children_timer(struct mu_children *children, uint32_t delay_ms, mu_child_fn *ended,
                      void *context)
{
        struct child *child = new_child(children, delay_ms, ended, context);

        if (!child)
                return -ENOMEM;
        add_child(children, child);
        return 0;
}

int mu_children_follow(struct mu_children *children, int pidfd, uint32_t limit_ms,
                       mu_child_fn *ended, void *context)
{
        struct child *child = new_child(children, limit_ms, ended, context);

        if (!child)
                return -ENOMEM;
        int err = watch(children, pidfd);

        if (err) {
                free_child(child);
                return err;
        }
        child->pidfd = pidfd;
        add_child(children, child);
        return 0;
}

static void fill_environment(bool for_desktop, char *variables[VARIABLES_MAX])
{
        static const char *const PASSED[] = {
                "DISPLAY",
                "XAUTHORITY",
                "WAYLAND_DISPLAY",
                "XDG_RUNTIME_DIR",
                "XDG_SESSION_TYPE",
                "HOME",
                "USER",
                "LOGNAME",
                "LANG",
                "DBUS_SESSION_BUS_ADDRESS",
        };
        static const char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
        static const char language[] = "LC_ALL=C.UTF-8"; /* what tools say is for a log */
        size_t count = 0;

        variables[count++] = (char *)(uintptr_t)path; /* exec changes none of them */
        if (!for_desktop)
                variables[count++] = (char *)(uintptr_t)language;
        for (char **variable = environ; for_desktop && *variable; variable++)
                for (size_t i = 0; i < MU_COUNT_OF(PASSED); i++) {
                        size_t bytes = strlen(PASSED[i]);

                        if (count < VARIABLES_MAX - 1 &&
                            strncmp(*variable, PASSED[i], bytes) == 0 && (*variable)[bytes] == '=')
                                variables[count++] = *variable;
                }
        variables[count] = NULL;
}

static int prepare_files(posix_spawn_file_actions_t *files, int output_fd, bool errors_too)
{
        int err = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

        for (int fd = STDOUT_FILENO; !err && fd <= STDERR_FILENO; fd++)
                err = output_fd >= 0 && (fd == STDOUT_FILENO || errors_too)
                              ? posix_spawn_file_actions_adddup2(files, output_fd, fd)
                              : posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_WRONLY,
                                                                 0);
        if (!err)
                err = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
        if (!err)
                err = posix_spawn_file_actions_addchdir_np(files, "/");
        return err;
}

static int prepare_signals(posix_spawnattr_t *attributes)
{
        sigset_t all, none;

        sigfillset(&all);
        sigemptyset(&none);
        int err = posix_spawnattr_setsigdefault(attributes, &all);

        if (!err)
                err = posix_spawnattr_setsigmask(attributes, &none);
        if (!err)
                err = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF |
                                                                   POSIX_SPAWN_SETSIGMASK |
                                                                   POSIX_SPAWN_SETSID);
        return err;
}

static int spawn(const struct mu_child_options *options, int output_fd, pid_t *ret_pid)
{
        char *variables[VARIABLES_MAX], *argv[MU_CHILD_ARGUMENTS_MAX + 2];
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        size_t count = 0;

        argv[count++] = (char *)(uintptr_t)options->program; /* exec changes nothing of it */
        for (const char *const *at = options->arguments; at && *at; at++) {
                MU_ASSERT(count <= MU_CHILD_ARGUMENTS_MAX);
                argv[count++] = (char *)(uintptr_t)*at;
        }
        argv[count] = NULL;
        fill_environment(options->for_desktop, variables);
        if (posix_spawn_file_actions_init(&files))
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes)) {
                posix_spawn_file_actions_destroy(&files);
                return -ENOMEM;
        }
        int err = prepare_files(&files, output_fd, options->output_all);

        if (!err)
                err = prepare_signals(&attributes);
        if (!err)
                err = posix_spawn(ret_pid, options->program, &files, &attributes, argv, variables);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&files);
        return -err;
}

/* The pipe's end that is ours stays in the child; *ret_write_fd is to be closed after the spawn. */
static int open_output(struct mu_children *children, struct child *child, size_t output_max,
                       int *ret_write_fd)
{
        int ends[2];

        child->output = malloc(output_max + 1);
        if (!child->output)
                return -ENOMEM;
        child->output_max = output_max;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        child->output_fd = ends[0];
        *ret_write_fd = ends[1];
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return watch(children, ends[0]);
}

int mu_children_start(struct mu_children *children, const struct mu_child_options *options,
                      mu_child_fn *ended, void *context)
{
        int write_fd = -1, err = 0;

        if (children->count >= MU_CHILDREN_MAX)
                return -EAGAIN;
        struct child *child = new_child(children, options->limit_ms, ended, context);

        if (!child)
                return -ENOMEM;
        child->output_all = options->output_all;
        child->apart = options->apart;
        if (options->output_max > 0)
                err = open_output(children, child, options->output_max, &write_fd);
        if (!err)
                err = spawn(options, write_fd, &child->pid);
        if (write_fd >= 0)
                close(write_fd);
        if (!err) {
                child->pidfd = pidfd_open(child->pid, 0);
                err = child->pidfd < 0 ? -errno : watch(children, child->pidfd);
                if (err) {
                        kill_child(child);
                        (void)waitpid(child->pid, NULL, 0);
                }
        }
        if (err) {
                free_child(child);
                return err;
        }
        add_child(children, child);
        return 0;
}

static void take_output(struct child *child)
{
        char dropped[READ_BYTES];

        while (child->output_fd >= 0) {
                size_t room = child->output_max - child->output_bytes;
                ssize_t got =
                        room > 0 ? read(child->output_fd, child->output + child->output_bytes, room)
                                 : read(child->output_fd, dropped, sizeof(dropped));

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0 && errno == EAGAIN)
                        return;
                if (got <= 0) {
                        close(child->output_fd);
                        child->output_fd = -1;
                } else if (room > 0) {
                        child->output_bytes += (size_t)got;
                } else if (!child->output_all) {
                        child->end.overflowed = true;
                        kill_child(child);
                        return;
                }
        }
}

static bool is_gone(const struct child *child)
{
        struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};

        return child->pidfd >= 0 && poll(&ended, 1, 0) == 1;
}

/* Is there an end to tell, or a child to forget? */
static bool look_at(struct child *child, uint64_t now_ns)
{
        bool gone = is_gone(child); /* before its output is taken: then nothing is missed */
        bool late = now_ns >= child->deadline_ns;

        take_output(child);
        if (gone) {
                int status = 0;

                child->deadline_ns = NO_DEADLINE;
                if (child->pid > 0 && waitpid(child->pid, &status, 0) == child->pid)
                        child->end.status = status;
                child->pid = 0;
                return true;
        }
        if (!late)
                return false;
        child->deadline_ns = NO_DEADLINE;
        if (child->apart) {
                child->end.settled = true;
                return true;
        }
        child->end.timed_out = true;
        kill_child(child);
        return child->pid == 0; /* else its end is waited for */
}

static void tell(struct child *child)
{
        mu_child_fn *ended = child->ended;

        child->ended = NULL;
        if (!ended)
                return;
        if (child->output)
                child->output[child->output_bytes] = '\0';
        child->end.output = child->output ? child->output : "";
        child->end.output_bytes = child->output_bytes;
        ended(child->context, &child->end);
}

void mu_children_look(struct mu_children *children)
{
        uint64_t now_ns = mu_clock_monotonic_ns(children->clock), expirations;
        struct child *told = NULL, **told_end = &told;

        if (read(children->timer_fd, &expirations, sizeof(expirations)) < 0)
                expirations = 0; /* not its turn */
        for (struct child **at = &children->first; *at;) {
                struct child *child = *at;

                if (!look_at(child, now_ns)) {
                        at = &child->next;
                        continue;
                }
                *at = child->next;
                child->next = NULL;
                *told_end = child;
                told_end = &child->next;
                children->count--;
        }
        while (told) {
                struct child *child = told;

                told = child->next;
                child->next = NULL;
                tell(child);
                if (child->pid > 0) /* settled: its end is still to come */
                        add_child(children, child);
                else
                        free_child(child);
        }
        arm(children);
}
