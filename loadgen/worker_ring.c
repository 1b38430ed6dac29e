/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker_ring.c - the io_uring of a worker and the buffers the kernel receives into.
 *
 * One multishot recv per connection for its whole life, into buffers that the kernel picks from a
 * shared ring: a heartbeat costs one submission (its send) and one completion (its answer).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "worker.h"

#define SQ_ENTRIES 4096u
#define CQ_ENTRIES 32768u
#define BUFFERS 4096u /* power of two */
#define BUFFER_BYTES 2048u

int mu_lg_worker_fail(struct mu_lg_worker *worker, int error, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(worker->error, sizeof(worker->error), format, args);
        va_end(args);
        worker->result = error;
        return error;
}

static int explain_refusal(struct mu_lg_worker *worker, int error)
{
        if (error == -ENOSYS || error == -EPERM || error == -EACCES)
                return mu_lg_worker_fail(
                        worker, error,
                        "the kernel refuses io_uring (%s): muster-loadgen needs it; look at "
                        "/proc/sys/kernel/io_uring_disabled, or at the container's seccomp profile",
                        strerror(-error));
        if (error == -EINVAL)
                return mu_lg_worker_fail(worker, error,
                                         "this kernel's io_uring is too old: muster-loadgen needs "
                                         "Linux 6.0 or newer (Debian 12 has 6.1)");
        return mu_lg_worker_fail(worker, error, "cannot set up io_uring: %s", strerror(-error));
}

static int open_buffers(struct mu_lg_worker *worker)
{
        size_t ring_bytes = BUFFERS * sizeof(struct io_uring_buf);
        void *ring =
                mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

        if (ring == MAP_FAILED)
                return mu_lg_worker_fail(worker, -ENOMEM, "no memory for receive buffers");
        worker->buffers = ring;
        worker->buffer_memory = malloc((size_t)BUFFERS * BUFFER_BYTES);
        if (!worker->buffer_memory)
                return mu_lg_worker_fail(worker, -ENOMEM, "no memory for receive buffers");

        struct io_uring_buf_reg registration = {
                .ring_addr = (uint64_t)(uintptr_t)ring,
                .ring_entries = BUFFERS,
                .bgid = MU_LG_BUFFER_GROUP,
        };
        int r = io_uring_register_buf_ring(&worker->ring, &registration, 0);
        if (r < 0)
                return explain_refusal(worker, r);
        io_uring_buf_ring_init(worker->buffers);
        for (uint32_t id = 0; id < BUFFERS; id++)
                mu_lg_worker_buffer_return(worker, id);
        io_uring_buf_ring_advance(worker->buffers, (int)worker->buffers_returned);
        worker->buffers_returned = 0;
        return 0;
}

int mu_lg_worker_ring_open(struct mu_lg_worker *worker)
{
        struct io_uring_params params = {
                .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                         IORING_SETUP_DEFER_TASKRUN,
                .cq_entries = CQ_ENTRIES,
        };
        int r = io_uring_queue_init_params(SQ_ENTRIES, &worker->ring, &params);

        if (r == -EINVAL) { /* Linux 6.0 knows the first flag but not the second */
                params = (struct io_uring_params){
                        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                                 IORING_SETUP_COOP_TASKRUN,
                        .cq_entries = CQ_ENTRIES,
                };
                r = io_uring_queue_init_params(SQ_ENTRIES, &worker->ring, &params);
        }
        if (r < 0)
                return explain_refusal(worker, r);
        worker->ring_open = true;
        return open_buffers(worker);
}

void mu_lg_worker_ring_close(struct mu_lg_worker *worker)
{
        if (worker->ring_open)
                io_uring_queue_exit(&worker->ring);
        worker->ring_open = false;
        if (worker->buffers)
                munmap(worker->buffers, BUFFERS * sizeof(struct io_uring_buf));
        worker->buffers = NULL;
        free(worker->buffer_memory);
        worker->buffer_memory = NULL;
}

struct io_uring_sqe *mu_lg_worker_sqe(struct mu_lg_worker *worker)
{
        struct io_uring_sqe *sqe = io_uring_get_sqe(&worker->ring);

        while (!sqe) { /* full: hand over what is there */
                int r = io_uring_submit(&worker->ring);

                MU_ASSERT(r >= 0 || r == -EINTR || r == -EBUSY || r == -EAGAIN);
                sqe = io_uring_get_sqe(&worker->ring);
        }
        return sqe;
}

void mu_lg_worker_buffer_return(struct mu_lg_worker *worker, uint32_t id)
{
        io_uring_buf_ring_add(worker->buffers, worker->buffer_memory + (size_t)id * BUFFER_BYTES,
                              BUFFER_BYTES, (unsigned short)id, io_uring_buf_ring_mask(BUFFERS),
                              (int)worker->buffers_returned++);
}

const char *mu_lg_worker_buffer(const struct mu_lg_worker *worker, uint32_t id)
{
        MU_ASSERT(id < BUFFERS);
        return worker->buffer_memory + (size_t)id * BUFFER_BYTES;
}
