/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.h - CRC-32C (Castagnoli), as in RFC 3720: the journal's checksum.
 *
 * Uses the processor's instruction (SSE 4.2, ARMv8 CRC), else a table; chosen before main runs.
 * Threads: any.
 */
#ifndef MUSTER_BASE_CRC32C_H
#define MUSTER_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Start with crc = 0; feed the result back in to continue over the next piece. */
uint32_t mu_crc32c(uint32_t crc, const void *data, size_t bytes);

/* The same without the instruction: the fallback, and what tests compare with. */
uint32_t mu_crc32c_table(uint32_t crc, const void *data, size_t bytes);

#endif
