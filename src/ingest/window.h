/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - which of a row of numbered things are live, and who is looking at one.
 *
 * The journal adds at one end and retires at the other; a reader pins one ordinal at a time. What a
 * reader has pinned may be retired all the same, but its memory or file is not used again until the
 * pin is gone. The journal never waits for that: it takes other memory, or deletes instead of
 * recycling. This is the hazard pointer (Michael, 2004) with ordinals for pointers.
 *
 *   retired     oldest               next
 *   ....[o][o]  [o][o][o][o][o][o]   .
 *        ^ pinned: its memory waits
 *
 * Threads    add, retire, is_pinned: the journal. pin, unpin: the thread that owns the slot.
 * Ordering   A reader stores its pin and then looks at oldest; the journal moves oldest and then
 *            looks at the pins (all seq_cst): one of the two sees the other. unpin is a release, so
 *            the reader's last look happens before any reuse.
 */
#ifndef MUSTER_INGEST_WINDOW_H
#define MUSTER_INGEST_WINDOW_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/journal.h"
#include "muster/compiler.h"

struct mu_window_pin {
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t ordinal; /* plus 1; 0: nothing */
};

struct mu_window {
        alignas(MU_CACHELINE_BYTES) _Atomic uint64_t oldest;
        _Atomic uint64_t next;
        struct mu_window_pin pins[MU_JOURNAL_READERS_MAX];
};

/* First live ordinal and one past the last; what they name may be retired at once: pin, then look.
 */
uint64_t mu_window_oldest(const struct mu_window *window);
uint64_t mu_window_next(const struct mu_window *window);

void mu_window_add(struct mu_window *window);
void mu_window_retire(struct mu_window *window);
MU_MUST_CHECK
bool mu_window_is_pinned(const struct mu_window *window, uint64_t ordinal);

/* Replaces the slot's earlier pin. False, and nothing pinned, when the ordinal is not live. */
MU_MUST_CHECK
bool mu_window_pin(struct mu_window *window, uint32_t slot, uint64_t ordinal);
void mu_window_unpin(struct mu_window *window, uint32_t slot);

#endif
