/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_distance.h - how far a mistyped name is from one that is known: for "did you mean …?".
 *
 * Threads    pure.
 */
#ifndef MUSTER_BASE_NAME_DISTANCE_H
#define MUSTER_BASE_NAME_DISTANCE_H

#include <stddef.h>

enum mu_name_limits {
        MU_NAME_CHARS_MAX = 64, /* of either; the rest is not looked at */
};

/* How many letters must be put in, taken out or replaced (Levenshtein): 0: they are the same. */
size_t mu_name_distance(const char *given, const char *known);

#endif
