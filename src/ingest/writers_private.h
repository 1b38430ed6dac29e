/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers_private.h - the inside of struct mu_writers, for writers.c and writers_metrics.c.
 */
#ifndef MUSTER_INGEST_WRITERS_PRIVATE_H
#define MUSTER_INGEST_WRITERS_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ingest/writers.h"

struct mu_writer {
        struct mu_writers *owner;
        struct mu_writer_core *core;
        struct mu_store *store;
        pthread_t thread;
        uint32_t lane;
        int wake_fd;  /* ends a sleep */
        bool running; /* the thread is to be joined */
        _Atomic bool drained;
};

struct mu_writers {
        struct mu_writers_config config;
        struct mu_checkpoint checkpoint;
        struct mu_writer *writers;
        int stop_fd; /* readable from hurry on; never read */
        int done_fd; /* counts writers that drained */
        _Atomic bool draining;
        _Atomic bool stopping;
        pthread_mutex_t error_mutex; /* last_error; never taken on the way of a record */
        char last_error[384];
};

void mu_writers_register_metrics(struct mu_writers *writers);

#endif
