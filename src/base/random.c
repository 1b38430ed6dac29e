/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <errno.h>

#ifdef _WIN32
#include <windows.h> /* before all others of Windows */

#include <bcrypt.h>
#else
#include <sys/random.h>
#endif

#include "base/assert.h"
#include "base/hash.h"

#ifdef _WIN32
int mu_random_secret(void *ret_bytes, size_t bytes)
{
        MU_ASSERT(bytes <= ULONG_MAX);
        NTSTATUS status =
                BCryptGenRandom(NULL, ret_bytes, (ULONG)bytes, BCRYPT_USE_SYSTEM_PREFERRED_RNG);

        return status >= 0 ? 0 : -EIO;
}
#else
int mu_random_secret(void *ret_bytes, size_t bytes)
{
        unsigned char *at = ret_bytes;

        while (bytes > 0) {
                ssize_t got = getrandom(at, bytes, 0);

                if (got < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                at += got;
                bytes -= (size_t)got;
        }
        return 0;
}
#endif

void mu_random_seed(struct mu_random *random, uint64_t seed)
{
        /* splitmix64: a counter with the golden ratio as step, mixed. Never four zeros. */
        for (size_t i = 0; i < MU_COUNT_OF(random->state); i++) {
                seed += UINT64_C(0x9e3779b97f4a7c15);
                random->state[i] = mu_hash_u64(seed);
        }
}

int mu_random_seed_from_system(struct mu_random *random)
{
        uint64_t seed;
        int err = mu_random_secret(&seed, sizeof(seed));

        if (err < 0)
                return err;
        mu_random_seed(random, seed);
        return 0;
}

static uint64_t rotate_left(uint64_t value, int bits)
{
        return (value << bits) | (value >> (64 - bits));
}

uint64_t mu_random_u64(struct mu_random *random)
{
        uint64_t *s = random->state;
        uint64_t result = rotate_left(s[1] * 5, 7) * 9;
        uint64_t shifted = s[1] << 17;

        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = rotate_left(s[3], 45);
        return result;
}

uint64_t mu_random_below(struct mu_random *random, uint64_t bound)
{
        MU_ASSERT(bound >= 1);

        /* The high half of number * bound; low halves under 2^64 mod bound would favour some. */
        unsigned __int128 product = (unsigned __int128)mu_random_u64(random) * bound;

        if ((uint64_t)product < bound) {
                uint64_t threshold = -bound % bound;

                while ((uint64_t)product < threshold)
                        product = (unsigned __int128)mu_random_u64(random) * bound;
        }
        return (uint64_t)(product >> 64);
}

double mu_random_unit(struct mu_random *random)
{
        return (double)(mu_random_u64(random) >> 11) * 0x1p-53;
}
