/* SPDX-License-Identifier: Apache-2.0 */
#include "control/rate_limit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"

enum {
        WAYS = 8,
        ENTRIES_LEAST = 64,
        RULE_BITS = 2, /* the lowest of a tag */
};

/* Two neighbouring windows. */
struct count {
        uint32_t window; /* number of the current one since the clock's start */
        uint32_t previous;
        uint32_t current;
};

struct entry {
        uint64_t tag; /* keyed hash, rule in its lowest bits; 0: free */
        struct count whole;
        struct count burst;
};

struct named {
        uint64_t tag;
        struct mu_rate_offender offender;
};

struct mu_rate_table {
        pthread_mutex_t lock;
        struct mu_hash_key key;
        struct mu_rate_rule rules[MU_RATE_RULES_MAX];
        uint32_t rule_count;
        uint32_t set_mask;
        struct entry *entries;
        size_t offender_count;
        struct named offenders[MU_RATE_OFFENDERS_MAX];
};

static bool is_valid(const struct mu_rate_rule *rule)
{
        if (rule->max == 0)
                return true;
        return rule->max <= MU_RATE_MAX && rule->window_s >= 1 &&
               rule->window_s <= MU_RATE_WINDOW_S_MAX && rule->burst_max <= MU_RATE_MAX &&
               (rule->burst_max == 0 ||
                (rule->burst_window_s >= 1 && rule->burst_window_s <= MU_RATE_WINDOW_S_MAX));
}

int mu_rate_table_create(const struct mu_rate_rule *rules, uint32_t rule_count,
                         uint32_t entries_max, struct mu_rate_table **ret_table)
{
        uint32_t size = ENTRIES_LEAST;

        if (rule_count < 1 || rule_count > MU_RATE_RULES_MAX || entries_max > (1u << 24))
                return -EINVAL;
        for (uint32_t i = 0; i < rule_count; i++) {
                if (!is_valid(&rules[i]))
                        return -EINVAL;
        }
        while (size < entries_max)
                size *= 2;
        struct mu_rate_table *table = calloc(1, sizeof(*table));

        if (!table)
                return -ENOMEM;
        pthread_mutex_init(&table->lock, NULL);
        memcpy(table->rules, rules, rule_count * sizeof(*rules));
        table->rule_count = rule_count;
        table->set_mask = size / WAYS - 1;
        table->entries = calloc(size, sizeof(*table->entries));
        int error = table->entries ? mu_random_secret(&table->key, sizeof(table->key)) : -ENOMEM;

        if (error < 0) {
                mu_rate_table_destroy(table);
                return error;
        }
        *ret_table = table;
        return 0;
}

void mu_rate_table_destroy(struct mu_rate_table *table)
{
        if (!table)
                return;
        pthread_mutex_destroy(&table->lock);
        free(table->entries);
        free(table);
}

/* ---- one window ---- */

struct limit {
        uint32_t max;
        uint64_t window_ns;
};

static struct limit whole_of(const struct mu_rate_rule *rule)
{
        return (struct limit){rule->max, rule->window_s * (uint64_t)MU_NS_PER_S};
}

static struct limit burst_of(const struct mu_rate_rule *rule)
{
        return (struct limit){rule->burst_max, rule->burst_window_s * (uint64_t)MU_NS_PER_S};
}

/* What was current has become previous, or has been forgotten. */
static void age(struct count *count, struct limit limit, uint64_t now_ns)
{
        uint32_t now = (uint32_t)(now_ns / limit.window_ns);

        if (now == count->window)
                return;
        count->previous = now - count->window == 1 ? count->current : 0;
        count->current = 0;
        count->window = now;
}

/* In requests × window_ns, so that nothing is rounded: 2 × 10^5 × 86400 × 10^9 fits. */
static uint64_t weight(const struct count *count, struct limit limit, uint64_t into_ns)
{
        return count->current * limit.window_ns + count->previous * (limit.window_ns - into_ns);
}

static uint32_t seconds_up(uint64_t ns)
{
        return (uint32_t)((ns + (uint64_t)MU_NS_PER_S - 1) / (uint64_t)MU_NS_PER_S);
}

/* How many more fit now. */
static uint32_t room(const struct count *count, struct limit limit, uint64_t now_ns)
{
        uint64_t full = limit.max * limit.window_ns;
        uint64_t have = weight(count, limit, now_ns % limit.window_ns);

        return have >= full ? 0 : (uint32_t)((full - have) / limit.window_ns);
}

/* Until one fits: in this window by fading, or in the next one. */
static uint64_t wait_ns(const struct count *count, struct limit limit, uint64_t now_ns)
{
        uint64_t into_ns = now_ns % limit.window_ns;
        uint64_t allowed = (limit.max - 1) * limit.window_ns;
        uint64_t have = weight(count, limit, into_ns);

        if (have <= allowed)
                return 0;
        if (count->current < limit.max)
                return (have - allowed + count->previous - 1) / count->previous;
        return limit.window_ns - into_ns +
               (count->current * limit.window_ns - allowed + count->current - 1) / count->current;
}

/* ---- the table ---- */

/* How much would be lost by forgetting this one: those that no window covers any more first. */
static uint64_t worth(const struct mu_rate_table *table, const struct entry *entry, uint64_t now_ns)
{
        struct limit limit = whole_of(&table->rules[entry->tag & (MU_RATE_RULES_MAX - 1)]);
        struct count count = entry->whole;

        age(&count, limit, now_ns);
        /* As a share of what the rule allows, so that 2 of 3 an hour outweigh 5 of 60 a minute. */
        return weight(&count, limit, now_ns % limit.window_ns) / limit.max * 1000 / limit.window_ns;
}

static struct entry *find(struct mu_rate_table *table, uint64_t tag, uint64_t now_ns)
{
        struct entry *set = &table->entries[(size_t)((tag >> RULE_BITS) & table->set_mask) * WAYS];
        struct entry *least = NULL;
        uint64_t least_worth = UINT64_MAX;

        for (int i = 0; i < WAYS; i++) {
                if (set[i].tag == tag)
                        return &set[i];
                uint64_t own = set[i].tag == 0 ? 0 : worth(table, &set[i], now_ns) + 1;

                if (own < least_worth) {
                        least = &set[i];
                        least_worth = own;
                }
        }
        *least = (struct entry){.tag = tag};
        return least;
}

static uint64_t tag_of(const struct mu_rate_table *table, uint32_t rule, const void *key,
                       size_t key_bytes)
{
        uint64_t hash = mu_hash_bytes(&table->key, key, key_bytes);

        /* A bit of its own keeps it from being 0. */
        return (hash << RULE_BITS) | rule | UINT64_C(1) << 63;
}

/* ---- offenders ---- */

static struct named *offender_of(struct mu_rate_table *table, uint64_t tag)
{
        struct named *oldest = &table->offenders[0];

        for (size_t i = 0; i < table->offender_count; i++) {
                struct named *at = &table->offenders[i];

                if (at->tag == tag)
                        return at;
                if (at->offender.last_ns < oldest->offender.last_ns)
                        oldest = at;
        }
        if (table->offender_count < MU_RATE_OFFENDERS_MAX)
                oldest = &table->offenders[table->offender_count++];
        *oldest = (struct named){.tag = tag};
        return oldest;
}

static void note_offender(struct mu_rate_table *table, uint64_t tag, uint32_t rule,
                          const char *label, uint64_t now_ns)
{
        struct named *named = offender_of(table, tag);

        if (named->offender.refused++ == 0) {
                (void)snprintf(named->offender.label, sizeof(named->offender.label), "%s", label);
                named->offender.rule = rule;
                named->offender.first_ns = now_ns;
        }
        named->offender.last_ns = now_ns;
}

static int newest_first(const void *a, const void *b)
{
        uint64_t left = ((const struct mu_rate_offender *)a)->last_ns;
        uint64_t right = ((const struct mu_rate_offender *)b)->last_ns;

        return left < right ? 1 : -(left > right);
}

size_t mu_rate_offenders(struct mu_rate_table *table, struct mu_rate_offender *ret_offenders,
                         size_t max)
{
        size_t count = 0;

        pthread_mutex_lock(&table->lock);
        for (; count < table->offender_count && count < max; count++)
                ret_offenders[count] = table->offenders[count].offender;
        pthread_mutex_unlock(&table->lock);
        qsort(ret_offenders, count, sizeof(*ret_offenders), newest_first);
        return count;
}

/* ---- taking ---- */

static void judge(struct entry *entry, const struct mu_rate_rule *rule, uint64_t now_ns,
                  struct mu_rate_verdict *verdict)
{
        struct limit whole = whole_of(rule);
        struct limit burst = burst_of(rule);
        uint64_t burst_wait_ns = 0;

        age(&entry->whole, whole, now_ns);
        uint64_t whole_wait_ns = wait_ns(&entry->whole, whole, now_ns);

        if (burst.max > 0) {
                age(&entry->burst, burst, now_ns);
                burst_wait_ns = wait_ns(&entry->burst, burst, now_ns);
        }
        verdict->allowed = whole_wait_ns == 0 && burst_wait_ns == 0;
        verdict->by_burst = burst_wait_ns > whole_wait_ns;
        if (verdict->allowed) {
                entry->whole.current++;
                entry->burst.current += burst.max > 0;
        } else {
                verdict->retry_after_s =
                        seconds_up(burst_wait_ns > whole_wait_ns ? burst_wait_ns : whole_wait_ns);
        }
        verdict->remaining = room(&entry->whole, whole, now_ns);
        verdict->reset_s = seconds_up(whole.window_ns - now_ns % whole.window_ns);
        if (burst.max > 0) {
                verdict->burst_remaining = room(&entry->burst, burst, now_ns);
                verdict->burst_reset_s = seconds_up(burst.window_ns - now_ns % burst.window_ns);
        }
}

void mu_rate_take(struct mu_rate_table *table, uint32_t rule, const void *key, size_t key_bytes,
                  const char *label, uint64_t now_ns, struct mu_rate_verdict *ret_verdict)
{
        MU_ASSERT(rule < table->rule_count);
        *ret_verdict = (struct mu_rate_verdict){.allowed = true};
        if (table->rules[rule].max == 0)
                return;
        uint64_t tag = tag_of(table, rule, key, key_bytes);

        ret_verdict->limited = true;
        pthread_mutex_lock(&table->lock);
        judge(find(table, tag, now_ns), &table->rules[rule], now_ns, ret_verdict);
        if (!ret_verdict->allowed)
                note_offender(table, tag, rule, label, now_ns);
        pthread_mutex_unlock(&table->lock);
}
