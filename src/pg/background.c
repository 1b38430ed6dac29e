/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/background.h"

#include <libpq-fe.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pg/connection.h"

/* linux/ioprio.h is not there with every libc. */
enum {
        IO_WHO_PROCESS = 1, /* one task, in spite of the name; 0: the calling thread */
        IO_BEST_EFFORT_LAST = 2 << 13 | 7,
        NICE_LIMIT_OF_NORMAL = 20, /* setrlimit(2): 20 - nice */
        PROC_PATH_BYTES = 32,
};

static pid_t parent_of(pid_t pid)
{
        char path[PROC_PATH_BYTES];
        int parent = 0;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "re");

        if (!file)
                return 0;
        /* Its name, in brackets, is "postgres": without a space or a bracket of its own. */
        if (fscanf(file, "%*d %*s %*c %d", &parent) != 1)
                parent = 0;
        (void)fclose(file);
        return parent;
}

/* The number that the server says is good for its own namespace. The kernel tells in ours who
 * listens on the socket: the backend's parent. */
static pid_t local_backend(struct mu_pg *pg)
{
        struct ucred listener;
        socklen_t bytes = sizeof(listener);

        if (!pg->conn || PQstatus(pg->conn) != CONNECTION_OK ||
            getsockopt(PQsocket(pg->conn), SOL_SOCKET, SO_PEERCRED, &listener, &bytes) < 0)
                return 0;
        pid_t backend = PQbackendPID(pg->conn);

        return listener.pid > 0 && backend > 0 && parent_of(backend) == listener.pid ? backend : 0;
}

static bool may_come_back(void)
{
        struct rlimit nice;

        return geteuid() == 0 ||
               (getrlimit(RLIMIT_NICE, &nice) == 0 && nice.rlim_cur >= NICE_LIMIT_OF_NORMAL);
}

static bool schedule(pid_t task, int policy)
{
        const struct sched_param none = {0};

        return sched_setscheduler(task, policy, &none) == 0;
}

/* What it was before, or -1. */
static int lower_disk(pid_t task)
{
        long before = syscall(SYS_ioprio_get, IO_WHO_PROCESS, task);

        if (before < 0 || syscall(SYS_ioprio_set, IO_WHO_PROCESS, task, IO_BEST_EFFORT_LAST) < 0)
                return -1;
        return (int)before;
}

void mu_background_begin(struct mu_pg *pg, struct mu_background *ret_background)
{
        pid_t backend = pg ? local_backend(pg) : 0;
        bool idle = may_come_back() && sched_getscheduler(0) == SCHED_OTHER;

        *ret_background = (struct mu_background){
                .backend = backend,
                .idle = idle && schedule(0, SCHED_IDLE),
                .backend_idle = idle && backend > 0 && schedule(backend, SCHED_IDLE),
                .disk_class = lower_disk(0),
                .backend_disk_class = backend > 0 ? lower_disk(backend) : -1,
        };
}

void mu_background_end(const struct mu_background *background)
{
        pid_t backend = background->backend;

        if (background->idle)
                (void)schedule(0, SCHED_OTHER);
        if (background->disk_class >= 0)
                (void)syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, background->disk_class);
        /* Ended meanwhile: its number is hardly another's so soon, and then it is set to what
         * everybody has. */
        if (background->backend_idle)
                (void)schedule(backend, SCHED_OTHER);
        if (background->backend_disk_class >= 0)
                (void)syscall(SYS_ioprio_set, IO_WHO_PROCESS, backend,
                              background->backend_disk_class);
}
