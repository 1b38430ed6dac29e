/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator.c - jemalloc's settings, which it reads from this symbol before main.
 *
 * Few arenas: the threads that allocate much are the event loops, and what one connection frees the
 * next takes. Unused pages go back within seconds and in the background, or the memory of a storm
 * of connections would stay for good: jemalloc's own purging waits for the arena's next use.
 * MALLOC_CONF in the environment goes before this.
 */
extern const char *malloc_conf;

const char *malloc_conf = "background_thread:true,narenas:4,dirty_decay_ms:2000,muzzy_decay_ms:0";
