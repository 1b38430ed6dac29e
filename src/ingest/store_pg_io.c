/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/store_pg_io.h"

#include <errno.h>
#include <poll.h>

#include "base/assert.h"

/* Until the socket is ready for one of the events. */
static int wait_for(const struct mu_store_pg_io *io, short events)
{
        struct pollfd ready[] = {
                {.fd = PQsocket(io->conn), .events = events},
                {.fd = io->stop_fd, .events = POLLIN},
        };

        for (;;) {
                uint64_t now_ns = mu_clock_monotonic_ns(io->clock);

                if (now_ns >= io->deadline_ns)
                        return -ETIMEDOUT;
                uint64_t left_ms = (io->deadline_ns - now_ns) / (uint64_t)MU_NS_PER_MS + 1;
                int got = poll(ready, MU_COUNT_OF(ready), left_ms > 60000 ? 60000 : (int)left_ms);

                if (got < 0 && errno != EINTR)
                        return -ENOTCONN;
                if (got > 0 && ready[1].revents != 0)
                        return -ECANCELED;
                if (got > 0)
                        return 0;
        }
}

static int flush(struct mu_store_pg_io *io)
{
        for (;;) {
                int left = PQflush(io->conn);

                if (left < 0)
                        return -ENOTCONN;
                if (left == 0)
                        return 0;
                int err = wait_for(io, POLLIN | POLLOUT);

                if (err)
                        return err;
                /* The server may be unable to take more before we have taken what it says. */
                if (!PQconsumeInput(io->conn))
                        return -ENOTCONN;
        }
}

int mu_store_pg_result(struct mu_store_pg_io *io, PGresult **ret_result)
{
        int err = flush(io);

        while (!err && PQisBusy(io->conn)) {
                err = wait_for(io, POLLIN);
                if (!err && !PQconsumeInput(io->conn))
                        err = -ENOTCONN;
        }
        /* What the server said before it hung up is the better reason: PQgetResult has it. */
        if (err && err != -ENOTCONN)
                return err;
        *ret_result = PQgetResult(io->conn);
        return 0;
}

int mu_store_pg_put(struct mu_store_pg_io *io, const void *data, size_t bytes)
{
        MU_ASSERT(bytes <= INT32_MAX);
        while (bytes > 0) {
                int taken = PQputCopyData(io->conn, data, (int)bytes);

                if (taken < 0)
                        return -ENOTCONN;
                int err = flush(io);

                if (err)
                        return err;
                if (taken > 0)
                        break;
        }
        return 0;
}

int mu_store_pg_put_end(struct mu_store_pg_io *io)
{
        for (;;) {
                int taken = PQputCopyEnd(io->conn, NULL);

                if (taken < 0)
                        return -ENOTCONN;
                if (taken > 0)
                        return 0; /* the next result flushes */
                int err = flush(io);

                if (err)
                        return err;
        }
}
