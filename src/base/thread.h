/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.h - threads with a name that ps and gdb show, and with all signals blocked, so that
 * only the main thread ever handles one.
 *
 * Ownership  context must live until the thread is joined. Errors: negative errno.
 */
#ifndef MUSTER_BASE_THREAD_H
#define MUSTER_BASE_THREAD_H

#include <pthread.h>

#include "muster/compiler.h"

#define MU_THREAD_NAME_BYTES 16 /* the kernel's, with NUL; longer names are cut */

/* 0 and *ret_thread set, or a negative errno (-EAGAIN: no more threads). */
MU_MUST_CHECK
int mu_thread_start(const char *name, void (*run)(void *context), void *context,
                    pthread_t *ret_thread);
/* Waits for the thread's end. Joining twice, or oneself, aborts. */
void mu_thread_join(pthread_t thread);

#endif
