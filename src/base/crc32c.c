/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, bits reversed */

typedef uint32_t (*update_function)(uint32_t state, const unsigned char *data, size_t bytes);

/* Filled and chosen once before main, constant from then on. table[n][b] is byte b's effect n
 * bytes later, so that eight bytes take one step ("slicing by 8", Kounavis and Berry 2005). */
static uint32_t table[8][256];
static update_function update;

static uint32_t update_by_table(uint32_t state, const unsigned char *data, size_t bytes)
{
        while (bytes >= 8) {
                uint64_t word;

                memcpy(&word, data, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
                word = __builtin_bswap64(word);
#endif
                word ^= state;
                state = 0;
                for (unsigned i = 0; i < 8; i++)
                        state ^= table[7 - i][(word >> (8 * i)) & 0xff];
                data += 8;
                bytes -= 8;
        }
        for (; bytes > 0; bytes--)
                state = (state >> 8) ^ table[0][(state ^ *data++) & 0xff];
        return state;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t
update_by_instruction(uint32_t state, const unsigned char *data, size_t bytes)
{
        uint64_t wide = state;

        for (; bytes >= 8; bytes -= 8, data += 8) {
                uint64_t word;

                memcpy(&word, data, sizeof(word));
                wide = _mm_crc32_u64(wide, word);
        }
        state = (uint32_t)wide;
        for (; bytes > 0; bytes--)
                state = _mm_crc32_u8(state, *data++);
        return state;
}

static int has_instruction(void)
{
        __builtin_cpu_init();
        return __builtin_cpu_supports("sse4.2");
}

#elif defined(__aarch64__)

/* In assembly, since compilers disagree on when arm_acle.h declares the intrinsics. */
static uint32_t update_by_instruction(uint32_t state, const unsigned char *data, size_t bytes)
{
        for (; bytes >= 8; bytes -= 8, data += 8) {
                uint64_t word;

                memcpy(&word, data, sizeof(word));
                __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(state) : "r"(word));
        }
        for (; bytes > 0; bytes--) {
                uint32_t byte = *data++;

                __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(state) : "r"(byte));
        }
        return state;
}

static int has_instruction(void)
{
        return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

#else

static uint32_t update_by_instruction(uint32_t state, const unsigned char *data, size_t bytes)
{
        return update_by_table(state, data, bytes);
}

static int has_instruction(void)
{
        return 0;
}

#endif

__attribute__((constructor)) static void choose(void)
{
        for (uint32_t byte = 0; byte < 256; byte++) {
                uint32_t state = byte;

                for (int bit = 0; bit < 8; bit++)
                        state = (state >> 1) ^ (state & 1 ? POLYNOMIAL : 0);
                table[0][byte] = state;
        }
        for (uint32_t byte = 0; byte < 256; byte++) {
                for (int n = 1; n < 8; n++) {
                        uint32_t before = table[n - 1][byte];

                        table[n][byte] = (before >> 8) ^ table[0][before & 0xff];
                }
        }
        update = has_instruction() ? update_by_instruction : update_by_table;
}

uint32_t mu_crc32c(uint32_t crc, const void *data, size_t bytes)
{
        return ~update(~crc, data, bytes);
}

uint32_t mu_crc32c_table(uint32_t crc, const void *data, size_t bytes)
{
        return ~update_by_table(~crc, data, bytes);
}
