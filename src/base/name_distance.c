/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name_distance.h"

#include <string.h>

/* Over one row. */
size_t mu_name_distance(const char *given, const char *known)
{
        size_t row[MU_NAME_CHARS_MAX + 1];
        size_t given_chars = strnlen(given, MU_NAME_CHARS_MAX);
        size_t known_chars = strnlen(known, MU_NAME_CHARS_MAX);

        for (size_t j = 0; j <= known_chars; j++)
                row[j] = j;
        for (size_t i = 1; i <= given_chars; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= known_chars; j++) {
                        size_t above = row[j];
                        size_t best = diagonal + (given[i - 1] != known[j - 1]);

                        best = above + 1 < best ? above + 1 : best;
                        best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
                        row[j] = best;
                        diagonal = above;
                }
        }
        return row[known_chars];
}
