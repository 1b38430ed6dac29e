/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

struct start {
        char name[MU_THREAD_NAME_BYTES];
        void (*run)(void *context);
        void *context;
};

static void *thread_main(void *argument)
{
        struct start *heap = argument;
        struct start start = *heap;

        free(heap);
        MU_ASSERT(pthread_setname_np(pthread_self(), start.name) == 0);
        start.run(start.context);
        return NULL;
}

int mu_thread_start(const char *name, void (*run)(void *context), void *context,
                    pthread_t *ret_thread)
{
        struct start *start = malloc(sizeof(*start));
        sigset_t all;
        sigset_t before;
        pthread_t thread;

        if (!start)
                return -ENOMEM;
        *start = (struct start){.run = run, .context = context};
        (void)snprintf(start->name, sizeof(start->name), "%.*s", MU_THREAD_NAME_BYTES - 1, name);

        /* Threads inherit the mask: blocked from its first instruction on. */
        sigfillset(&all);
        MU_ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
        int err = pthread_create(&thread, NULL, thread_main, start);
        MU_ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);

        if (err != 0) {
                free(start);
                return -err;
        }
        *ret_thread = thread;
        return 0;
}

void mu_thread_join(pthread_t thread)
{
        MU_ASSERT(pthread_join(thread, NULL) == 0);
}
