/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "muster/update.h"

/* Every field is of an alphabet without newline, so lines can't be shifted into one another. */
#define UPDATE_HEAD "MUSTER-UPDATE-1\n"

#define DIGITS "0123456789"
#define ALNUM DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum {
        SHA256_TEXT_BYTES = 2 * MU_UPDATE_SHA256_BYTES + 1,
        LONGEST_BYTES = sizeof(UPDATE_HEAD) + MU_UPDATE_VERSION_BYTES + 21 + SHA256_TEXT_BYTES,
};

_Static_assert((int)LONGEST_BYTES <= (int)MU_UPDATE_CANONICAL_BYTES, "the longest form fits");

int mu_update_canonical(const struct mu_update_form *form, char ret_text[MU_UPDATE_CANONICAL_BYTES],
                        size_t *ret_bytes)
{
        static const char digits[] = "0123456789abcdef";
        char sha256[SHA256_TEXT_BYTES];

        if (!mu_update_version_valid(form->version) || form->size_bytes <= 0 ||
            form->size_bytes > MU_UPDATE_BYTES_MAX)
                return -EINVAL;
        for (size_t i = 0; i < MU_UPDATE_SHA256_BYTES; i++) {
                sha256[2 * i] = digits[form->sha256[i] >> 4];
                sha256[2 * i + 1] = digits[form->sha256[i] & 15];
        }
        sha256[sizeof(sha256) - 1] = '\0';
        *ret_bytes = (size_t)snprintf(ret_text, MU_UPDATE_CANONICAL_BYTES,
                                      UPDATE_HEAD "%s\n%" PRId64 "\n%s\n", form->version,
                                      form->size_bytes, sha256);
        return 0;
}

bool mu_update_version_valid(const char *version)
{
        const char *at = version;
        size_t digits;

        if (strlen(version) >= MU_UPDATE_VERSION_BYTES)
                return false;
        for (size_t numbers = 1;; numbers++) {
                digits = strspn(at, DIGITS);
                if (digits == 0 || digits > MU_UPDATE_VERSION_DIGITS_MAX)
                        return false;
                at += digits;
                if (*at != '.')
                        break;
                if (numbers == MU_UPDATE_VERSION_NUMBERS_MAX)
                        return false;
                at++;
        }
        if (*at == '\0')
                return true;
        /* A suffix: words of letters, digits and "-", dots between. */
        if (*at++ != '-')
                return false;
        for (;;) {
                size_t word = strspn(at, ALNUM "-");

                if (word == 0)
                        return false;
                at += word;
                if (*at == '\0')
                        return true;
                if (*at++ != '.')
                        return false;
        }
}

/* Digits of any count, by value: leading zeros don't count. */
static int compare_digits(const char *one, size_t one_bytes, const char *other, size_t other_bytes)
{
        while (one_bytes > 1 && *one == '0') {
                one++;
                one_bytes--;
        }
        while (other_bytes > 1 && *other == '0') {
                other++;
                other_bytes--;
        }
        if (one_bytes != other_bytes)
                return one_bytes < other_bytes ? -1 : 1;
        return memcmp(one, other, one_bytes);
}

/* A number below a word, numbers by value, words by their bytes, the shorter first. */
static int compare_words(const char *one, size_t one_bytes, const char *other, size_t other_bytes)
{
        bool one_is_number = strspn(one, DIGITS) >= one_bytes;
        bool other_is_number = strspn(other, DIGITS) >= other_bytes;

        if (one_is_number && other_is_number)
                return compare_digits(one, one_bytes, other, other_bytes);
        if (one_is_number != other_is_number)
                return one_is_number ? -1 : 1;
        int order = memcmp(one, other, one_bytes < other_bytes ? one_bytes : other_bytes);

        if (order != 0 || one_bytes == other_bytes)
                return order;
        return one_bytes < other_bytes ? -1 : 1;
}

static int compare_suffixes(const char *one, const char *other)
{
        while (*one && *other) {
                size_t one_bytes = strcspn(one, ".");
                size_t other_bytes = strcspn(other, ".");
                int order = compare_words(one, one_bytes, other, other_bytes);

                if (order != 0)
                        return order;
                one += one_bytes + (one[one_bytes] == '.');
                other += other_bytes + (other[other_bytes] == '.');
        }
        return (*one != '\0') - (*other != '\0');
}

int mu_update_version_compare(const char *one, const char *other)
{
        /* Number by number; one that is missing is 0. */
        for (size_t i = 0; i < MU_UPDATE_VERSION_NUMBERS_MAX; i++) {
                size_t one_bytes = strspn(one, DIGITS);
                size_t other_bytes = strspn(other, DIGITS);
                int order = compare_digits(one_bytes > 0 ? one : "0", one_bytes > 0 ? one_bytes : 1,
                                           other_bytes > 0 ? other : "0",
                                           other_bytes > 0 ? other_bytes : 1);

                if (order != 0)
                        return order;
                one += one_bytes + (one[one_bytes] == '.');
                other += other_bytes + (other[other_bytes] == '.');
        }
        if (*one == '\0' || *other == '\0') /* 1.2.0-rc1 comes before 1.2.0 */
                return (*one == '\0') - (*other == '\0');
        return compare_suffixes(one + 1, other + 1);
}
