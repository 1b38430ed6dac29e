/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qsbr.h - quiescent-state-based reclamation: when may what lock-free readers saw be freed?
 *
 * Readers follow published pointers without any store of their own, and say now and then that
 * they hold none. A retired object is freed once every online reader has said so after it was
 * retired. (The scheme of McKenney and Slingwine's RCU; named and compared in Hart et al.,
 * "Performance of memory reclamation for lockless synchronization", 2007.)
 *
 *   reader:  loop { p = load_acquire(&root); use(p); mu_qsbr_quiescent(me); }
 *            blocking: mu_qsbr_offline(me); epoll_wait(); mu_qsbr_online(me);
 *   writer:  old = root; store_release(&root, new); mu_qsbr_retire(q, old, free); reclaim(q);
 *
 * Units      readers and objects: counts.
 * Threads    A reader handle belongs to one thread. retire, reclaim, create, destroy: one writer
 *            thread at a time (the caller's lock). register, unregister: any thread.
 * Ordering   Unlink before retire. A free callback runs after every read that could see the
 *            object. The writer must publish pointers with release, readers load with acquire.
 * Ownership  A retired object belongs to the qsbr until its callback has run in reclaim or
 *            destroy. An online reader that never turns quiescent holds everything back.
 * Errors     -ENOMEM, -ENOSPC. Misuse aborts.
 */
#ifndef MUSTER_BASE_QSBR_H
#define MUSTER_BASE_QSBR_H

#include <stddef.h>
#include <stdint.h>

#include "muster/compiler.h"

#define MU_QSBR_READERS_MAX 1024u

struct mu_qsbr;
struct mu_qsbr_reader;

/* readers_max: 1..MU_QSBR_READERS_MAX. 0, -EINVAL or -ENOMEM. */
MU_MUST_CHECK
int mu_qsbr_create(uint32_t readers_max, struct mu_qsbr **ret_qsbr);
/* No reader may be registered. Frees what is still retired. NULL is a no-op. */
void mu_qsbr_destroy(struct mu_qsbr *qsbr);

/* 0 and an online reader, or -ENOSPC when all places are taken. */
MU_MUST_CHECK
int mu_qsbr_reader_register(struct mu_qsbr *qsbr, struct mu_qsbr_reader **ret_reader);
void mu_qsbr_reader_unregister(struct mu_qsbr_reader *reader); /* online or offline */

/* "I hold no pointer now." One load and one release store. */
void mu_qsbr_quiescent(struct mu_qsbr_reader *reader);
/* Holds no pointer until online again; online costs a locked instruction. */
void mu_qsbr_offline(struct mu_qsbr_reader *reader);
void mu_qsbr_online(struct mu_qsbr_reader *reader);

/* The object is already unlinked. 0, or -ENOMEM: it is not retired, the caller still owns it. */
MU_MUST_CHECK
int mu_qsbr_retire(struct mu_qsbr *qsbr, void *object, void (*free_object)(void *object));
/* Frees what no reader can hold any more; returns how many objects wait on. Never blocks. */
size_t mu_qsbr_reclaim(struct mu_qsbr *qsbr);

#endif
